"""IR -> source text: `write` turns a module into a file that a person can read and keep.

The text imports math, numpy and numba only, and the same module always gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from stagegrad.emit.flags import any_order, contracted, must_lie_apart, sum_words, upward
from stagegrad.emit.given import owned_and_given, places
from stagegrad.emit.reciprocals import shared_reciprocals
from stagegrad.emit.totals import summed_apart
from stagegrad.emit.writer import FunctionText, Line, write_function
from stagegrad.ir import Block, Call, For, Function, If, Module, Span, Stage, Stmt, While, walk
from stagegrad.names import Words, operation_words, words_of
from stagegrad.ops import HELPERS

#: IEEE arithmetic: inf and nan where Python raises.
NUMBA_OPTIONS = 'cache=True, error_model="numpy"'
#: Other threads of Python may run meanwhile; to let them takes as long as a short function does.
UNLOCKED = ", nogil=True"
#: Where not every index is known to be in range: then Numba asks, and raises IndexError as Python does.
CHECKED = ", boundscheck=True"
#: Where a product need not be rounded before it is added; nothing else is computed otherwise than Python does.
CONTRACTED = ', fastmath={"contract"}'
#: Where loops run on several threads: those that say so, and no others.
PARALLEL = ", parallel=dict(PRANGE_ALONE)"
#: For a function of one element: Numba spreads it over arrays, as NumPy broadcasts them.
EACH_DECORATOR = "@vectorize(cache=True)"


@dataclass(frozen=True)
class Source:
    """A generated file: `entry` is the function asked for, ``spans[k]`` the user's place that line ``k`` comes from.

    `forward` and `backward` are the ranges of lines (from, to) of the two passes, (0, 0) where there is none.
    """

    text: str
    entry: str
    spans: tuple[Span | None, ...]
    forward: tuple[int, int] = (0, 0)
    backward: tuple[int, int] = (0, 0)


def loosened(module: Module) -> Module:
    """The module for Numba, where sums have any order, and what else its loops need not do as they say.

    That and `contracted` look at whole functions: what cuts loops out of them comes behind, and tells `write` what they have found.
    """
    return Module(tuple(upward(summed_apart(shared_reciprocals(any_order(f)))) for f in module.functions))


def write(module: Module, target: str, *, checked: bool = False, fresh: frozenset[str] = frozenset(),
          freely: frozenset[str] | None = None) -> Source:  # fmt: skip
    """The module as Python text for a target: "python" (no Numba needed), "numpy" (the same, for arrays) or "numba".

    `checked` makes compiled code ask whether an index is in range; Python and NumPy always do. The functions named in `fresh` return
    arrays that share no memory with an argument, nor with each other. A module that was `loosened` comes
    with the functions that are `contracted`.
    """
    if target != "numba":
        target = "numpy" if _has_arrays(module) else "python"
    if target == "numba" and freely is None:
        module = loosened(module)
    module = _apart_from_helpers(module, target)
    # What writes into memory that it is given is a gradient, be it one that is differentiated again.
    fresh |= {function.name for function in module.functions if function.given}
    onto = places(module)
    owned = (owned_and_given(f, onto.get(f.name, ()), fresh_results=f.name in fresh, apart=fresh) for f in module.functions)
    module = Module(tuple(owned))
    if freely is None:
        freely = contracted(module) if target == "numba" else frozenset()
    shapes = {function.name: function.shape for function in module.functions}
    lanes = target == "numba" and not any(_KERNELS in {function.name} | words_of(function) for function in module.functions)
    texts = [(function, write_function(function, target, shapes, lanes)) for function in reversed(module.functions)]
    helpers = _with_needs([name for _, text in texts for name in text.helpers], target)
    if target == "python" and module.main.origin == "formula" and any("math.exp(" in line.text for _, t in texts for line in t.lines):
        helpers = _with_needs([*helpers, "exp"], target)
    body: list[Line] = []
    long = _may_take_long(module)
    for name in helpers:
        helper = HELPERS[name]
        body += _decorated(target, EACH_DECORATOR if helper.each else _njit(long=long))
        body += [Line(0, line) for line in helper.for_target(target).splitlines()] + _gap()
    start = 0
    about_loops: set[str] = set()
    used = {word for _, text in texts for line in text.lines for word in _WORD.findall(line.text)}
    for function, text in texts:
        body += _decorated(target, _njit(long=long, checked=checked, contract=function.name in freely, parallel=_is_parallel(function)))
        opening = [word for word in _opening(function, text) if word not in used] if target == "numba" else []
        about_loops |= {*opening, *(sum_words(function) if target == "numba" else ()), *(["PRANGE_ALONE"] * _is_parallel(function))}
        start = len(body) + len(opening) if function is module.main else start
        first, *rest = text.lines
        body += [first, *(Line(1, f"{word}()") for word in opening), *rest, *_gap()]
    body, words = _shorten(body[:-2], set(helpers))
    head = _imports(body, words, target, sorted(about_loops))
    lines = [*head, *body]
    parts = {title: (first + start + len(head), last + start + len(head)) for title, first, last in texts[-1][1].parts}
    rendered = "\n".join(("    " * line.depth + line.text).rstrip() for line in lines) + "\n"
    spans = tuple(line.span for line in lines)
    return Source(rendered, module.main.name, spans, parts.get("forward pass", (0, 0)), parts.get("backward pass", (0, 0)))


def _has_arrays(module: Module) -> bool:
    """Does a module compute with NumPy arrays? The tapes of scalar programs are lists where Numba is not used."""
    if any(param.type.rank for function in module.functions for param in function.params):
        return True
    stages = (stmt for function in module.functions for stmt in walk(function.body) if isinstance(stmt, Stage))
    return any(stage.out.type.rank and stage.op not in _OF_TAPES for stage in stages)


#: What scalar programs do with tapes.
_OF_TAPES = frozenset(
    {"tape_float", "tape_int", "tape_bool", "zeros", "zeros_like", "load", "store", "accumulate", "grow", "copy", "duplicate"}
)


def _gap() -> list[Line]:
    return [Line(0, ""), Line(0, "")]


def _decorated(target: str, decorator: str) -> list[Line]:
    return [Line(0, decorator)] if target == "numba" else []


def _may_take_long(module: Module) -> bool:
    """Is there more than a few lines of arithmetic with numbers to do?"""
    if any(param.type.rank for function in module.functions for param in function.params):
        return True
    stmts = (stmt for function in module.functions for stmt in walk(function.body))
    return any(isinstance(stmt, (For, While, Call)) or (isinstance(stmt, Stage) and stmt.out.type.rank > 0) for stmt in stmts)


def _njit(*, long: bool, checked: bool = False, contract: bool = False, parallel: bool = False) -> str:
    freedoms = f"{UNLOCKED if long else ''}{CHECKED if checked else ''}{CONTRACTED if contract else ''}{PARALLEL if parallel else ''}"
    return f"@njit({NUMBA_OPTIONS}{freedoms})"


def _is_parallel(function: Function) -> bool:
    return any(isinstance(stmt, For) and stmt.parallel for stmt in walk(function.body))


def _opening(function: Function, text: FunctionText) -> list[str]:
    """What a function says of all its loops before it begins."""
    uses_kernels = text.in_lanes and any(re.search(rf"\b{_KERNELS}\.", line.text) for line in text.lines)
    return ["apart"] * must_lie_apart(function) + ["wide"] * uses_kernels


def _with_needs(names: list[str], target: str) -> list[str]:
    """The helpers and those that they call, each once, callees first."""
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        for need in HELPERS[name].needs_on(target):
            visit(need)
        found[name] = None

    for name in names:
        if name not in found:
            visit(name)
    return list(found)


_CALLED = re.compile(r"(?<![.\w])([A-Za-z_]\w*)\(")


def _apart_from_helpers(module: Module, target: str) -> Module:
    """A function whose name the text needs for a helper or a builtin gets a mark: ``def softplus`` -> ``def softplus_``."""
    taken = set().union(*(operation_words(function) for function in module.functions))
    for name in _with_needs(sorted(taken & HELPERS.keys()), target):
        taken |= {name, *_CALLED.findall(HELPERS[name].text), *_CALLED.findall(HELPERS[name].numba)}
    words = Words(taken | {function.name for function in module.functions})
    renamed = {f.name: words.fresh(f.name, "_") for f in module.functions if f.name in taken}

    def call(stmt: Stmt) -> Stmt:
        return replace(stmt, fn=renamed.get(stmt.fn, stmt.fn)) if isinstance(stmt, Call) else stmt

    if not renamed:
        return module
    return Module(tuple(replace(f, name=renamed.get(f.name, f.name), body=_each(f.body, call)) for f in module.functions))


def _each(block: Block, change: Callable[[Stmt], Stmt]) -> Block:
    """The block with every statement changed, those inside others first."""

    def inside(stmt: Stmt) -> Stmt:
        match stmt:
            case If():
                return replace(stmt, then=_each(stmt.then, change), orelse=_each(stmt.orelse, change))
            case For():
                return replace(stmt, body=_each(stmt.body, change))
            case While():
                return replace(stmt, test=_each(stmt.test, change), body=_each(stmt.body, change))
            case _:
                return stmt

    return Block(tuple(change(inside(stmt)) for stmt in block.stmts), block.results)


#: The module of the vector kernels, as generated text calls it; a user who has something of that name does without.
_KERNELS = "kernels"
_MATH = re.compile(r"\bmath\.(\w+)")
_WORD = re.compile(r"(?<![.\w])[A-Za-z_]\w*")


def _shorten(lines: list[Line], helpers: set[str]) -> tuple[list[Line], list[str]]:
    """``math.exp(x)`` -> ``exp(x)`` where the word is free, with the words to import; a helper of that name takes its place."""
    code = [_code(line.text) for line in lines]
    taken = {word for text in code for word in _WORD.findall(_MATH.sub("", text))}
    asked = {word for text in code for word in _MATH.findall(text)}
    # Where math itself is imported anyway, its constants may as well say where they come from.
    free = asked - taken - ({"inf", "nan"} if asked & taken else set())
    found: list[Line] = []
    inside_helper = False
    for line in lines:
        if line.depth == 0 and line.text.startswith("def "):
            inside_helper = line.text.removeprefix("def ").partition("(")[0] in helpers
        short = free if inside_helper else free | (helpers & _MATH_HELPERS)
        found.append(Line(line.depth, _bare(line.text, short), line.span))
    return found, sorted(free)


def _bare(text: str, words: set[str]) -> str:
    def bare(code: str) -> str:
        return _MATH.sub(lambda match: match[1] if match[1] in words else match[0], code)

    return "".join(bare(part) if is_code else part for part, is_code in _parts(text))


#: Helpers that take the place of the function of that name in math.
_MATH_HELPERS = {"exp"}


_QUOTED = re.compile(r"""(?P<f>f?)(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|#.*""")
_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def _parts(line: str) -> Iterator[tuple[str, bool]]:
    """A line cut into what is code and what is not: strings (the expressions inside them are code) and its comment."""
    end = 0
    for quoted in _QUOTED.finditer(line):
        yield line[end : quoted.start()], True
        end = quoted.end()
        yield from _string_parts(quoted[0]) if quoted["f"] else [(quoted[0], False)]
    yield line[end:], True


def _string_parts(text: str) -> Iterator[tuple[str, bool]]:
    end = 0
    for hole in _HOLE.finditer(text):
        if hole[1] is not None:
            yield text[end : hole.start(1)], False
            yield hole[1], True
            end = hole.end(1)
    yield text[end:], False


def _code(line: str) -> str:
    """What of a line is code."""
    return " ".join(part for part, is_code in _parts(line) if is_code)


#: What loops on several threads need.
_ON_THREADS = ("PRANGE_ALONE", "cut")
#: What compiled code asks for axes in another order, for a few rows of a matrix, for products and factors of matrices, and for the
#: memory of its tapes.
_AXES = re.compile(r"(?<![.\w])(?:permuted|laid_out|of_kind)(?=\()")
_SECTIONS = re.compile(r"(?<![.\w])(?:rows_at_once|section)(?=\()")
_LIBRARIES = re.compile(r"\b(blas|lapack)\.")
_ROOM = re.compile(r"(?<![.\w])room(?:_like)?(?=\()")


def _imports(lines: list[Line], words: list[str], target: str, about_loops: list[str]) -> list[Line]:
    code = "\n".join(_code(line.text) for line in lines)
    standard = ["import math"] if _MATH.search(code) else []
    if words:
        standard.append(f"from math import {', '.join(words)}")
    third = ["import numpy as np"] if re.search(r"\bnp\.", code) else []
    if target == "numba":
        each = any(line.text == EACH_DECORATOR for line in lines)
        spread = ["njit", "prange"] if "PRANGE_ALONE" in about_loops else ["njit"]
        third.append(f"from numba import {', '.join([*spread, *(['vectorize'] if each else [])])}")
    if target == "numba" and re.search(rf"\b{_KERNELS}\.", code):
        third.append(f"from stagegrad import {_KERNELS}")
    if target == "numba" and (libraries := sorted(set(_LIBRARIES.findall(code)))):
        third.append(f"from stagegrad.kernels import {', '.join(libraries)}")
    on_threads = [word for word in about_loops if word in _ON_THREADS]
    if target == "numba" and (words_of_axes := sorted(set(_AXES.findall(code)))):
        third.append(f"from stagegrad.kernels.axes import {', '.join(words_of_axes)}")
    if loose := [word for word in about_loops if word not in on_threads]:
        third.append(f"from stagegrad.kernels.loops import {', '.join(loose)}")
    if on_threads:
        third.append(f"from stagegrad.kernels.threads import {', '.join(on_threads)}")
    if target == "numba" and (words_of_rows := sorted(set(_SECTIONS.findall(code)))):
        third.append(f"from stagegrad.kernels.rows import {', '.join(words_of_rows)}")
    if target == "numba" and (rooms := sorted(set(_ROOM.findall(code)))):
        third.append(f"from stagegrad.kernels.workspace import {', '.join(rooms)}")
    gap = [""] if standard and third else []
    found = [Line(0, text) for text in (*standard, *gap, *third)]
    return found + (_gap() if found else [])


__all__ = ["FunctionText", "Source", "contracted", "loosened", "write"]
