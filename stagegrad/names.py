"""What each stage is called.

`name_stages` gives every stage that a gradient passes through, and that the user did not name, a name a person would
choose; the first that applies: the role that its use gives it (``num``, ``den``), its structure (``xpy`` for x plus y,
``xpysqr``, ``invden``), a noun and a number. `Words` keeps such words unique; `describe` writes a stage as a comment does.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

from stagegrad.analysis import useful, varied
from stagegrad.ir import (
    BOOL,
    INT,
    Atom,
    Block,
    Call,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    blocks,
    bound,
    inner_binds,
    rename_function,
    uses,
    variables,
    walk,
)
from stagegrad.ops import HELPERS, find

_LONGEST = 10
_NOUNS = {"add": "sum", "sub": "diff", "mul": "prod", "div": "ratio", "reciprocal": "inv", "neg": "neg"}
_COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine")
_NUMERALS = {0.0: "zero", 1.0: "one", 2.0: "two", 0.5: "half", 3.0: "three", 10.0: "ten"}


class Words:
    """Words in use; `fresh` hands out one that is not."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken) | set(keyword.kwlist) | set(keyword.softkwlist) | {"math", "np", "njit", "vectorize"}
        self.numbers: dict[str, int] = {}  # the number to try next: those before it are taken

    def fresh(self, word: str, mark: str = "") -> str:
        """The word itself, or the word with a mark or a number behind it."""
        if mark and word in self.taken:
            word += mark
        base = word[:-1] if word.endswith("1") and word[:-1].isidentifier() and not word[-2].isdigit() else word
        found, number = word, self.numbers.get(base, 2)
        while found in self.taken:
            found = f"{base}{number}"
            number += 1
        self.numbers[base] = number
        self.taken.add(found)
        return found


def words_of(function: Function) -> set[str]:
    """Every word that a function's values use."""
    return {v.name for v in (*function.params, *bound(function.body))} - {""}


def spelled_words(function: Function) -> set[str]:
    """The bare words that a function's text calls things by: helpers, builtins and other functions."""
    return operation_words(function) | {stmt.fn for stmt in walk(function.body) if isinstance(stmt, Call)}


def operation_words(function: Function) -> set[str]:
    """The bare words that a function's operations are spelled with: helpers, builtins and errors."""
    found = {"len", "range", "prange", "math", "np", "njit", "vectorize", "grown"}
    stages: dict[Hashable, Stage] = {}  # one of each kind: there are few kinds, and thousands of stages
    for stmt in walk(function.body):
        if isinstance(stmt, Stage):
            stages.setdefault((stmt.op, stmt.attrs, tuple([arg.type for arg in stmt.args])), stmt)
        elif isinstance(stmt, Raise):
            found.add(stmt.error.partition(".")[0])
    for stage in stages.values():
        types, attrs = [arg.type for arg in stage.args], dict(stage.attrs)
        for spelling in {find(stage.op).template(target, attrs, types) for target in ("python", "numpy", "numba")}:
            found.update(re.findall(r"(?<![.\w])[A-Za-z_]\w*", re.sub(r"\{\w+\}", "", spelling)))
            if function.origin == "formula" and "math.exp(" in spelling:
                found.add("exp")
    return found


def reserved(function: Function) -> set[str]:
    """Words that a new name must not hide: the values' own, and those that any operation is spelled with."""
    return words_of(function) | spelled_words(function) | {name for name, helper in HELPERS.items() if not helper.of_user} | _BUILTINS


_BUILTINS = {"len", "range", "float", "int", "min", "max", "abs", "round", "bool", "divmod", "pow", "sum"}


def name_stages(module: Module) -> Module:
    """Names every value that a gradient can pass through: ``%1 = add(x, y)`` -> ``xpy.0 = add(x, y)``."""
    return Module(tuple(_name_function(function) for function in module.functions))


def _name_function(function: Function) -> Function:
    floats = {p for p in function.params if p.type.kind == "float"}
    chosen = varied(function.body, floats) & useful(function.body, set(variables(function.body.results)))
    chosen.update(variables(function.body.results))
    goes_to = destinations(function.body)
    naming, fresh = _Naming(function), Fresh(function)
    words: dict[Var, str] = {}
    mapping: dict[Var, Var] = {}
    for stmt in walk(function.body):
        if isinstance(stmt, For) and stmt.index.name == "_":
            mapping[stmt.index] = fresh.var(naming.words.fresh("trip"), INT)
        for out in (*inner_binds(stmt), *binds(stmt)):
            if out.name or not (out in chosen or out in goes_to or out in goes_to.values()):
                continue
            end = end_of(goes_to, out)
            if end not in words:
                word = end.name or ("f" if end in function.body.results else naming.word(end, mapping))
                words[end] = end.name or naming.words.fresh(word)
            mapping[out] = fresh.var(words[end], out.type)
    return rename_function(function, mapping)


def destinations(block: Block, *, of_all_kinds: bool = False) -> dict[Var, Var]:
    """Which value an unnamed one becomes: at the end of a trip a carry, at the end of an arm the branch's result.

    Unless `of_all_kinds`, a branch between ints or bools that no loop carries is left out: it may stay an expression.
    """
    found: dict[Var, Var] = {}
    reads = count_reads(block)
    carried: set[Var] = set()

    def leads(result: Atom, out: Var, local: set[Var]) -> None:
        if isinstance(result, Var) and not result.name and (result in local or reads[result] == 1):
            found.setdefault(result, out)

    for stmt in walk(block):
        if isinstance(stmt, (For, While)):
            local = {var for inner in stmt.body.stmts for var in binds(inner)}
            for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                if not reads[carry.var] and not reads[carry.out]:
                    continue  # a flag that only ends the loop is never a variable
                carried |= {carry.var, carry.out}
                if not carry.var.name:
                    found[carry.var] = carry.out
                leads(result, carry.var, local)
        elif isinstance(stmt, If):
            for arm in (stmt.then, stmt.orelse):
                local = {var for inner in arm.stmts for var in binds(inner)}
                for out, result in zip(stmt.outs, arm.results, strict=True):
                    leads(result, out, local)
    return {var: to for var, to in found.items() if of_all_kinds or end_of(found, var) in carried or var.type.kind == "float"}


def count_reads(block: Block) -> Counter[Var]:
    """How often each value is read anywhere in a block."""
    counts: Counter[Var] = Counter(variables(block.results))
    for stmt in walk(block):
        counts.update(variables(uses(stmt)))
        for inner in blocks(stmt):
            counts.update(variables(inner.results))
    return counts


def end_of(goes_to: dict[Var, Var], var: Var) -> Var:
    while var in goes_to:
        var = goes_to[var]
    return var


class _Naming:
    def __init__(self, function: Function) -> None:
        self.words = Words(reserved(function))
        self.readers: dict[Var, list[tuple[Stage, int]]] = defaultdict(list)
        self.makers: dict[Var, Stmt] = {}
        self.carried: set[Var] = set()
        for stmt in walk(function.body):
            if isinstance(stmt, (For, While)):
                self.carried.update(c.out for c in stmt.carries)
            self.makers.update((var, stmt) for var in (*inner_binds(stmt), *binds(stmt)))
            if isinstance(stmt, Stage):
                for position, arg in enumerate(stmt.args):
                    if isinstance(arg, Var):
                        self.readers[arg].append((stmt, position))

    def word(self, out: Var, mapping: dict[Var, Var]) -> str:
        """A word for what a statement binds, its operands' names being in `mapping`."""
        role, stmt = self.role(out), self.makers[out]
        if role:
            return role
        if isinstance(stmt, Stage):
            return (self.element(stmt, mapping) if stmt.op == "load" else "") or structural(stmt, mapping)
        if isinstance(stmt, Call):
            word = stmt.fn + "".join(_short(mapping.get(a, a)) for a in variables(stmt.args))
            return word if stmt.fn != word and len(word) <= _LONGEST and word.isidentifier() else f"{stmt.fn[:_LONGEST]}1"
        if isinstance(stmt, (For, While)) or out in self.carried:
            return "left" if out.type == BOOL else "count" if out.type == INT else "total"
        return "pick"

    def element(self, load: Stage, mapping: dict[Var, Var]) -> str:
        """A word for an element: ``u[i - 1, j]`` -> ``uim1j``; "" where an index is anything else."""
        array, *indices = load.args
        word = _short(mapping.get(array, array) if isinstance(array, Var) else array)
        for index in indices:
            made = self.makers.get(index) if isinstance(index, Var) and not index.name else None
            match made:
                case Stage(op="add" | "sub" as op, args=(Var(name=str() as name), Lit(int() as number))) if name and 0 < number < 10:
                    word += f"{name}{'p' if op == 'add' else 'm'}{number}"
                case None:
                    word += _short(mapping.get(index, index)) if isinstance(index, Var) else str(index.value)
                case _:
                    return ""
        return word if word.isidentifier() and len(word) <= _LONGEST and not load.out.type.rank else ""

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
        maker = self.makers.get(atom) if isinstance(atom, Var) else None
        return maker.op if isinstance(maker, Stage) else ""


def structural(stage: Stage, mapping: dict[Var, Var] | None = None) -> str:
    """A short word for what a stage computes from values that have names: ``exp(x)`` -> ``expx``."""
    names = [_short((mapping or {}).get(a, a) if isinstance(a, Var) else a) for a in stage.args]
    op = find(stage.op)
    if stage.op == "mul":
        word = _product(stage.args, names)
    elif stage.op in ("extent", "size"):
        word = f"n{names[0]}{dict(stage.attrs).get('axis') or ''}"
    elif stage.op == "load":
        word = names[0] + ("".join(names[1:]) if all(isinstance(arg, Var) for arg in stage.args) else "i")
    else:
        word = op.stage.format(**dict(zip(op.names(len(names)), names, strict=True)), **dict(stage.attrs))
    if all(names) and word.isidentifier() and len(word) <= _LONGEST:
        return word
    noun = _NOUNS.get(stage.op, re.sub(r"\W", "", op.title) or "stage")
    return (noun if len(noun) <= _LONGEST else op.name[:_LONGEST]) + "1"


def _short(atom: Atom) -> str:
    if isinstance(atom, Var):
        return atom.name
    return _NUMERALS.get(atom.value, "c") if isinstance(atom.value, (int, float)) else ""


def _product(args: tuple[Atom, ...], names: list[str]) -> str:
    """``x * y`` -> ``xy``; ``x * x`` -> ``xsqr``; ``2.0 * y`` -> ``y2``; ``2.0 * k1`` -> ``twok1``; ``0.3 * y`` -> ``cy``."""
    if args[0] == args[1]:
        return f"{names[0]}sqr"
    for this, other in ((0, 1), (1, 0)):
        atom = args[this]
        if isinstance(atom, Lit) and isinstance(atom.value, (int, float)) and atom.value in range(2, 10):
            number = int(atom.value)
            return f"{_COUNTS[number - 2]}{names[other]}" if names[other][-1:].isdigit() else f"{names[other]}{number}"
    return "".join(names)


def describe(stage: Stage, made: Mapping[Var, Stage]) -> str:
    """A stage as a comment names it, ``sigx = sigmoid(x)``, in the words that the values were given.

    `made` tells how the values without a word were made: what no gradient passes through is written out.
    """
    side = _side(stage, made, depth=2)
    if stage.op not in ("store", "accumulate"):
        return f"{stage.out.name} = {side}"
    return f"{_place(stage, stage.args[:-1], made, 2)} {'=' if stage.op == 'store' else '+='} {side}"


def describe_call(call: Call, made: Mapping[Var, Stage]) -> str:
    """A call as a comment names it: ``pow3 = power(x, n - 1)``."""
    args = [_side(made[a], made, 1) if isinstance(a, Var) and not a.name and a in made else _word(a, made, True, 1) for a in call.args]
    return f"{', '.join(out.name or '...' for out in call.outs)} = {call.fn}({', '.join(args)})"


def _side(stage: Stage, made: Mapping[Var, Stage], depth: int) -> str:
    op = find(stage.op)
    text = op.display or op.template("numpy", dict(stage.attrs), [arg.type for arg in stage.args])
    if stage.op == "load":
        return _place(stage, stage.args, made, depth)
    if stage.op in ("store", "accumulate"):
        return _word(stage.args[-1], made, True, depth)
    operands = op.names(len(stage.args))
    first = operands[0] if operands and "**" not in text else ""
    names = {name: _word(arg, made, name == first, depth) for name, arg in zip(operands, stage.args, strict=True)}
    shown = text.format(**names, **{key: str(value) for key, value in stage.attrs}).replace("math.", "")
    return re.sub(r"\(\(([^(),]*)\)\)", r"(\1)", shown)


def _place(stage: Stage, args: Sequence[Atom], made: Mapping[Var, Stage], depth: int) -> str:
    """``a[i - 1, 1:]`` as a comment names it."""
    array, *indices = args
    pairs = [(at, _written_out(at, made, depth)) for at in indices]
    words = (_word(at, made, True, depth) if inner is None else _side(inner, made, depth - 1) for at, inner in pairs)
    return _word(array, made, True, depth) + str(dict(stage.attrs).get("at", "[{0}]")).format(*words)


def _word(atom: Atom, made: Mapping[Var, Stage], leads: bool, depth: int) -> str:
    """An atom in a comment; a negative number that does not lead the expression is in parentheses."""
    if isinstance(atom, Lit):
        text = str(atom.value)
        return text if leads or not text.startswith("-") else f"({text})"
    stage = _written_out(atom, made, depth)
    if stage is None:
        return atom.name or "..."
    text = _side(stage, made, depth - 1)
    return text if re.fullmatch(r"[\w.]+(\(.*\))?", text) else f"({text})"


def _written_out(atom: Atom, made: Mapping[Var, Stage], depth: int) -> Stage | None:
    """How a value without a word was made, if a comment is to say so."""
    return made.get(atom) if isinstance(atom, Var) and not atom.name and depth > 0 else None


def title(stage: Stage) -> str:
    """What a stage is, in a word: ``multiply``."""
    return find(stage.op).title
