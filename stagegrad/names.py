"""What each stage is called.

`name_stages` gives every stage that a gradient passes through, and that the user did not name, a name a person would
choose; the first that applies: the role that its use gives it (``num``, ``den``), its structure (``xpy`` for x plus y,
``xpysqr``, ``invden``), a noun and a number. `Words` keeps such words unique; `describe` writes a stage as a comment does.
"""

from __future__ import annotations

import keyword
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from stagegrad.analysis import useful, varied
from stagegrad.ir import (
    Atom,
    Block,
    Call,
    For,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Stage,
    Stmt,
    Var,
    While,
    bound,
    rename_function,
    variables,
    walk,
)
from stagegrad.ops import HELPERS, find

_LONGEST = 10
_NOUNS = {"add": "sum", "sub": "diff", "mul": "prod", "div": "ratio", "reciprocal": "inv", "neg": "neg"}
_NUMERALS = {0.0: "zero", 1.0: "one", 2.0: "two", 0.5: "half", 3.0: "three", 10.0: "ten"}


class Words:
    """Words in use; `fresh` hands out one that is not."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken) | set(keyword.kwlist) | set(keyword.softkwlist) | {"math", "np", "njit"}

    def fresh(self, word: str, mark: str = "") -> str:
        """The word itself, or the word with a mark or a number behind it."""
        if mark and word in self.taken:
            word += mark
        found, number = word, 2
        while found in self.taken:
            found = f"{word}{number}"
            number += 1
        self.taken.add(found)
        return found


def words_of(function: Function) -> set[str]:
    """Every word that a function's values use."""
    return {v.name for v in (*function.params, *bound(function.body))} - {""}


def spelled_words(function: Function) -> set[str]:
    """The bare words that a function's text calls things by: helpers, builtins and other functions."""
    found = {"len", "range", "math", "np", "njit", "grown"}
    for stmt in walk(function.body):
        if isinstance(stmt, Stage):
            for spelling in find(stmt.op).spelling.values():
                found.update(re.findall(r"(?<![.\w])[A-Za-z_]\w*", re.sub(r"\{\w+\}", "", spelling)))
                if function.origin == "formula" and "math.exp(" in spelling:
                    found.add("exp")
        elif isinstance(stmt, Call):
            found.add(stmt.fn)
        elif isinstance(stmt, Raise):
            found.add(stmt.error)
    return found


def reserved(function: Function) -> set[str]:
    """Words that a new name must not hide: the values' own, and those that any operation is spelled with."""
    return words_of(function) | spelled_words(function) | set(HELPERS) | _BUILTINS


_BUILTINS = {"len", "range", "float", "int", "min", "max", "abs", "round", "bool", "divmod", "pow", "sum"}


def name_stages(module: Module) -> Module:
    """Names every value that a gradient can pass through: ``%1 = add(x, y)`` -> ``xpy.0 = add(x, y)``."""
    return Module(tuple(_name_function(function) for function in module.functions))


def _name_function(function: Function) -> Function:
    floats = {p for p in function.params if p.type.kind == "float"}
    chosen = varied(function.body, floats) & useful(function.body, set(variables(function.body.results)))
    results = [r for r in variables(function.body.results) if not r.name]
    naming = _Naming(function)
    mapping: dict[Var, Var] = {}
    for stmt, outs in _binders(function.body):
        for out in outs:
            if not out.name and (out in chosen or out in results):
                word = "f" if out in results else naming.word(stmt, out, mapping)
                mapping[out] = replace(out, name=naming.words.fresh(word), version=0)
    return rename_function(function, mapping)


def _binders(block: Block) -> Iterable[tuple[Stmt, tuple[Var, ...]]]:
    """Each statement with what it binds, in and around it, in the order of the text."""
    for stmt in walk(block):
        match stmt:
            case Stage():
                yield stmt, (stmt.out,)
            case If() | Call():
                yield stmt, stmt.outs
            case For() | While():
                yield stmt, tuple(v for c in stmt.carries for v in (c.var, c.out))
            case _:
                yield stmt, ()


class _Naming:
    def __init__(self, function: Function) -> None:
        self.words = Words(reserved(function))
        self.readers: dict[Var, list[tuple[Stage, int]]] = defaultdict(list)
        self.stages: dict[Var, Stage] = {}
        for stmt in walk(function.body):
            if isinstance(stmt, Stage):
                self.stages[stmt.out] = stmt
                for position, arg in enumerate(stmt.args):
                    if isinstance(arg, Var):
                        self.readers[arg].append((stmt, position))

    def word(self, stmt: Stmt, out: Var, mapping: dict[Var, Var]) -> str:
        role = self.role(out)
        if role:
            return role
        if isinstance(stmt, Stage):
            return structural(stmt, mapping)
        if isinstance(stmt, Call):
            word = stmt.fn + "".join(_short(a) for a in stmt.args)
            return word if len(word) <= _LONGEST and word.isidentifier() else f"{stmt.fn[:_LONGEST]}1"
        return "pick" if isinstance(stmt, If) else "total"

    def role(self, out: Var) -> str:
        """``num`` and ``den`` for what a division divides, in either form of it."""
        readers = self.readers[out]
        if len(readers) != 1:
            return ""
        stage, position = readers[0]
        if stage.op == "div":
            return ("num", "den")[position]
        if stage.op == "reciprocal":
            return "den"
        if stage.op == "mul" and position == 0 and self._made_by(stage.args[1]) == "reciprocal":
            return "num"
        return ""

    def _made_by(self, atom: Atom) -> str:
        stage = self.stages.get(atom) if isinstance(atom, Var) else None
        return stage.op if stage else ""


def structural(stage: Stage, mapping: dict[Var, Var] | None = None) -> str:
    """A short word for what a stage computes from values that have names: ``exp(x)`` -> ``expx``."""
    names = [_short((mapping or {}).get(a, a) if isinstance(a, Var) else a) for a in stage.args]
    op = find(stage.op)
    if stage.op == "mul":
        word = _product(stage.args, names)
    else:
        word = op.stage.format(**dict(zip(op.operands, names, strict=True)), **dict(stage.attrs))
    if all(names) and word.isidentifier() and len(word) <= _LONGEST:
        return word
    return _NOUNS.get(stage.op, re.sub(r"\W", "", op.title) or "stage") + "1"


def _short(atom: Atom) -> str:
    if isinstance(atom, Var):
        return atom.name
    return _NUMERALS.get(atom.value, "c") if isinstance(atom.value, (int, float)) else ""


def _product(args: tuple[Atom, ...], names: list[str]) -> str:
    """``x * y`` -> ``xy``; ``2.0 * y`` -> ``y2``; ``0.3 * y`` -> ``cy``."""
    for this, other in ((0, 1), (1, 0)):
        atom = args[this]
        if isinstance(atom, Lit) and isinstance(atom.value, (int, float)) and atom.value in range(2, 10):
            return names[other] + str(int(atom.value))
    return "".join(names)


def describe(stage: Stage) -> str:
    """A stage as a comment names it, ``sigx = sigmoid(x)``, in the words that the values were given."""
    op = find(stage.op)
    text = op.display or op.template("python")
    names = {name: _word(arg) for name, arg in zip(op.operands, stage.args, strict=True)}
    shown = text.format(**names, **{key: str(value) for key, value in stage.attrs})
    return f"{_word(stage.out)} = {shown.replace('math.', '')}"


def _word(atom: Atom) -> str:
    if isinstance(atom, Var):
        return atom.name or "it"
    text = str(atom.value)
    return f"({text})" if text.startswith("-") else text


def title(stage: Stage) -> str:
    """What a stage is, in a word: ``multiply``."""
    return find(stage.op).title
