"""The source text of a live function, proved to be the text that runs.

`recover` takes a function and returns its syntax tree with the lines it stands in. The text is found as a traceback
finds it (`linecache`, so files, notebooks and anything that registers its text), the whole of it is compiled again,
and only a code object equal to the live function's own counts: bytecode, constants and names, nested functions
included. A file that was rewritten after its import, a lying ``__wrapped__`` and the wrong one of two lambdas on a
line are therefore never believed.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import sys
import textwrap
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stagegrad.errors import StagegradSourceError
from stagegrad.frontend.values import FunctionNode
from stagegrad.ir import Span

_ADVICE = "hand over the text itself with source=..., or put the function into a file and import it"
#: Flags that change what a function is: *args, **kwargs, generators and coroutines.
_KIND_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
#: The compiler's flags for ``from __future__ import``, which a snippet without its import line needs again.
_FUTURE_FLAGS = 0xFF0000 | 0x1000000


@dataclass(frozen=True)
class Source:
    """A function's syntax tree and the lines of the text that it stands in; `node` has 1-based lines in `lines`."""

    node: FunctionNode
    file: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines of the function itself, decorators left out."""
        return "\n".join(self.lines[self.node.lineno - 1 : self.node.end_lineno])

    def span(self, node: ast.AST) -> Span:
        """The place of a node, with 1-based columns counted in characters (`ast` counts bytes)."""
        line, end_line = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) or 0
        if not 0 < line <= len(self.lines):
            return Span(self.file, line, 1)
        text = self.lines[line - 1]
        last = self.lines[end_line - 1] if 0 < end_line <= len(self.lines) else text
        start = _characters(text, getattr(node, "col_offset", 0))
        return Span(self.file, line, start + 1, text, end_line, _characters(last, getattr(node, "end_col_offset", 0) or 0) + 1)


def _characters(line: str, offset: int) -> int:
    return offset if line.isascii() else len(line.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace"))


def recover(function: types.FunctionType, source: str | None = None) -> Source:
    """The text and tree of a live function; `source` is text to believe instead of the file's, if it compiles to the function.

    Raises `StagegradSourceError` where there is no text or it is not the text of this function.
    """
    code = function.__code__
    if source is not None:
        found = _search(source, code.co_filename, code)
        if found is None:
            raise StagegradSourceError(_mismatch(code, "source="), None, "the text that the function was defined by")
        return found
    text = _file_text(function)
    found = _search(text, code.co_filename, code) if text else None
    if found is None:
        linecache.checkcache(code.co_filename)  # the cached text may be older than the function
        fresh = _file_text(function)
        found = _search(fresh, code.co_filename, code) if fresh and fresh != text else None
        text = fresh or text
    if found is not None:
        return found
    if not text:
        place = f"{code.co_filename}:{code.co_firstlineno}"
        raise StagegradSourceError(f"there is no source text for {code.co_name} ({place})", None, _ADVICE)
    raise StagegradSourceError(_mismatch(code, code.co_filename), first_line(function), _ADVICE)


def _mismatch(code: types.CodeType, where: str) -> str:
    name = "this lambda" if code.co_name == "<lambda>" else code.co_name
    return f"the text in {where} is not the text of {name} as it runs (changed after it was imported, or made in another way)"


def first_line(function: types.FunctionType) -> Span | None:
    """The line on which the function's text should begin, if there is one."""
    code, lines = function.__code__, _file_text(function).splitlines()
    line = code.co_firstlineno
    return Span(code.co_filename, line, 1, lines[line - 1], line, len(lines[line - 1]) + 1) if 0 < line <= len(lines) else None


def _file_text(function: types.FunctionType) -> str:
    lines = linecache.getlines(function.__code__.co_filename, function.__globals__)
    if not lines:
        # What was typed at a prompt is, from Python 3.14 on, found by way of the function alone.
        with contextlib.suppress(OSError, TypeError):
            lines = inspect.findsource(function)[0]
    return "".join(lines)


def signature_of(function: Any) -> inspect.Signature:
    """The signature of a callable itself; annotations that name what does not exist, as Python 3.14 allows, stay unevaluated."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, follow_wrapped=False, annotation_format=Format.FORWARDREF)
    return inspect.signature(function, follow_wrapped=False)


def _search(text: str, file: str, code: types.CodeType) -> Source | None:
    for candidate, tree, attempt in _compilations(text, file, code):
        node = _node(tree, candidate, code)
        if node is not None:
            return Source(node, file, tuple(attempt.split("\n")))
    return None


def _compilations(text: str, file: str, code: types.CodeType) -> Iterator[tuple[types.CodeType, ast.Module, str]]:
    """The text as a module; then, for a snippet, without its indentation, and inside a function that has its free variables."""
    flags = code.co_flags & _FUTURE_FLAGS
    for attempt in dict.fromkeys((text, textwrap.dedent(text))):
        tree, whole = _compiled(attempt, file, flags)
        if tree is None or whole is None:
            continue
        yield whole, tree, attempt
        inside = _wrapped(tree, code.co_freevars, file, flags) if code.co_freevars else None
        if inside is not None:
            yield inside, tree, attempt


@lru_cache(maxsize=16)
def _compiled(text: str, file: str, flags: int) -> tuple[ast.Module | None, types.CodeType | None]:
    try:
        with _unwarned():
            tree = ast.parse(text, file)
            return tree, compile(tree, file, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError):
        return None, None


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Without the warnings that Python gave when it read the file; as errors they would make the text unreadable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _wrapped(tree: ast.Module, names: tuple[str, ...], file: str, flags: int) -> types.CodeType | None:
    outer = ast.parse(f"def _({', '.join(names)}): pass").body[0]
    assert isinstance(outer, ast.FunctionDef)
    outer.body = tree.body or outer.body
    try:
        with _unwarned():
            found = compile(ast.Module([outer], []), file, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return found if isinstance(found, types.CodeType) else None


def _node(tree: ast.Module, whole: types.CodeType, code: types.CodeType) -> FunctionNode | None:
    """The node whose code object equals `code`; of several equal ones the one at the live function's own place."""
    twins = [found for found in _codes(whole) if found.co_name == code.co_name and equal(found, code)]
    twins.sort(key=lambda found: _positions(found) != _positions(code))
    for twin in twins:
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda) and _may_be(node, twin)]
        inside = [node for node in nodes if _holds(node, twin)]
        if inside:
            return min(inside, key=_extent)
        if len(nodes) == 1:
            return nodes[0]
    return None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    stack = [code]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(const for const in found.co_consts if isinstance(const, types.CodeType))


def _may_be(node: FunctionNode, code: types.CodeType) -> bool:
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return node.name == code.co_name and first == code.co_firstlineno


def _positions(code: types.CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def _holds(node: FunctionNode, code: types.CodeType) -> bool:
    """Does the node's body contain every place that the code object's instructions come from?"""
    if isinstance(node, ast.FunctionDef):
        return True
    body = node.body
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    places = [p for p in _positions(code) if None not in p and (p[2], p[3]) != (0, 0)]
    if not places:  # Python 3.12 keeps no place for the return of a constant
        return any(equal(found, code) for found in _codes(compile(ast.Expression(node), code.co_filename, "eval")))
    return all(start <= (p[0], p[2]) and (p[1], p[3]) <= end for p in places)


def _extent(node: FunctionNode) -> tuple[int, int]:
    lines = (node.end_lineno or 0) - node.lineno
    return lines, (node.end_col_offset or 0) - node.col_offset if lines == 0 else 0


def equal(first: types.CodeType, second: types.CodeType) -> bool:
    """Do two code objects do the same? Their places and file names may differ, nothing else."""
    return (
        first.co_code == second.co_code
        and first.co_names == second.co_names
        and first.co_varnames == second.co_varnames
        and first.co_freevars == second.co_freevars
        and first.co_cellvars == second.co_cellvars
        and first.co_argcount == second.co_argcount
        and first.co_posonlyargcount == second.co_posonlyargcount
        and first.co_kwonlyargcount == second.co_kwonlyargcount
        and first.co_flags & _KIND_FLAGS == second.co_flags & _KIND_FLAGS
        and _equal_constants(first.co_consts, second.co_consts)
    )


def _equal_constants(first: object, second: object) -> bool:
    if type(first) is not type(second):
        return False
    if isinstance(first, types.CodeType) and isinstance(second, types.CodeType):
        return equal(first, second)
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(map(_equal_constants, first, second))
    if isinstance(first, frozenset) and isinstance(second, frozenset):
        return sorted(map(repr, first)) == sorted(map(repr, second))
    return repr(first) == repr(second)
