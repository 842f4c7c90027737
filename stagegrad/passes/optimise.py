"""Passes that change how a function computes and not what: fold, share (CSE), prune (DCE).

`share` runs before stages are named, `simplify` on what `reverse` and `forward` made. Both are ``Module -> Module``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stagegrad.analysis import needed, reachable
from stagegrad.ir import (
    INT,
    Atom,
    Attr,
    Block,
    Call,
    For,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Remark,
    Stage,
    Stmt,
    Var,
    While,
    literal_is,
    walk,
    with_blocks,
)
from stagegrad.ops import find, literal

#: A value that costs more than this many nanoseconds is worth a variable when it is needed twice; a cheaper one reads better in place.
_CHEAP = 3.0
#: What costs so much, the factorisations of matrices, is computed once even where each of two names stands for it.
_DEAR = 100.0

Key = tuple[str, tuple[Atom, ...], tuple[tuple[str, Attr], ...]]


def share(module: Module) -> Module:
    """Computes equal things once: ``%1 = sin(x); %2 = sin(x); %3 = mul(%1, %2)`` -> ``%1 = sin(x); %3 = mul(%1, %1)``."""
    return Module(tuple(_tidy(function, _Tidy(share_all=True)) for function in module.functions))


def guard_ints(module: Module) -> Module:
    """Marks int arithmetic that can outgrow 64 bits: ``fact.2 = mul(fact.1, k.0)`` -> ``fact.2 = mul_int(fact.1, k.0)``.

    Loop indices, literals and the sizes of arrays stay small; what is computed from these alone by sums, and counting by a literal, is
    left as it is.
    """
    return Module(tuple(_guard(function) for function in module.functions))


def _guard(function: Function) -> Function:
    small: set[Atom] = set()
    sizes: set[Atom] = set()  # their products may be large
    for stmt in walk(function.body):
        if isinstance(stmt, For):
            small.add(stmt.index)
        elif isinstance(stmt, Stage) and stmt.op in ("size", "extent", "count"):
            sizes.add(stmt.out)
        elif isinstance(stmt, Stage) and stmt.out.type == INT and stmt.op in ("add", "sub") and all(_is_small(a, small) for a in stmt.args):
            small.add(stmt.out)

    def guarded(stmt: Stmt) -> Stmt:
        match stmt:
            case Stage(op="mul" | "square") if stmt.out.type == INT and not all(_is_small(a, small) for a in stmt.args):
                return replace(stmt, op="mul_int", args=stmt.args * 2 if stmt.op == "square" else stmt.args)
            case Stage(op="add" | "sub") if stmt.out.type == INT and all(a in sizes for a in stmt.args):
                return stmt
            case Stage(op="add" | "sub") if stmt.out.type == INT and not any(_is_small(a, small) for a in stmt.args):
                return replace(stmt, op=f"{stmt.op}_int")
            case _:
                return with_blocks(stmt, inside)

    def inside(block: Block) -> Block:
        return replace(block, stmts=tuple(map(guarded, block.stmts)))

    return replace(function, body=inside(function.body))


def _is_small(atom: Atom, small: set[Atom]) -> bool:
    return atom in small or (isinstance(atom, Lit) and isinstance(atom.value, int) and abs(atom.value) < 2**31)


def simplify(module: Module) -> Module:
    """Folds, shares what is costly or has a name, and prunes, until nothing changes; unused functions are dropped."""
    functions = []
    for function in module.functions:
        before = None
        while before != function:
            before, function = function, _tidy(function, _Tidy(share_all=False))
            function = replace(function, body=needed(function.body, keep_effects=True))
        functions.append(function)
    return reachable(Module(tuple(functions)))


def _tidy(function: Function, tidy: _Tidy) -> Function:
    return replace(function, body=tidy.block(function.body, {}, {}))


class _Tidy:
    """One walk through a function, with what each value has been replaced by and which values are already computed."""

    def __init__(self, share_all: bool) -> None:
        self.share_all = share_all
        self.sizes: set[Atom] = set()  # of arrays: they are not negative

    def block(self, block: Block, mapping: dict[Var, Atom], known: dict[Key, Var]) -> Block:
        kept: list[Stmt] = []
        for stmt in block.stmts:
            kept += self.stmt(stmt, mapping, known)
        return Block(tuple(kept), tuple(_look_up(mapping, a) for a in block.results))

    def inner(self, block: Block, mapping: dict[Var, Atom], known: dict[Key, Var]) -> Block:
        """A block inside: it sees what is known here, and what it learns is forgotten after it."""
        return self.block(block, mapping, dict(known))

    def stmt(self, stmt: Stmt, mapping: dict[Var, Atom], known: dict[Key, Var]) -> list[Stmt]:
        def atom(old: Atom) -> Atom:
            return _look_up(mapping, old)

        match stmt:
            case Stage():
                return self.stage(replace(stmt, args=tuple(map(atom, stmt.args))), mapping, known)
            case Call():
                return [replace(stmt, args=tuple(map(atom, stmt.args)))]
            case Raise():
                parts = stmt.message
                message = None if parts is None else tuple(p if isinstance(p, str) else atom(p) for p in parts)
                raising = replace(stmt, test=atom(stmt.test), message=message)
                return [] if literal_is(raising.test, False) else [raising]
            case If():
                return self.branch(replace(stmt, test=atom(stmt.test)), mapping, known)
            case For() | While():
                return self.loop(stmt, mapping, known)
            case Remark():
                return [stmt]
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def stage(self, stage: Stage, mapping: dict[Var, Atom], known: dict[Key, Var]) -> list[Stmt]:
        folded = None if stage.out.name and not _is_of_nothing(stage) else _folded(stage)
        if folded is not None:
            mapping[stage.out] = folded
            return []
        if stage.op == "trip_count" and stage.args[1] in self.sizes and stage.args[::2] == (literal(0), literal(1)):
            mapping[stage.out] = stage.args[1]  # a loop through an array has as many trips as there are elements
            return []
        op = find(stage.op)
        if op.kind == "structural" and stage.op != "load":
            self.sizes |= {stage.out} if stage.op in ("size", "extent", "count") else set()
            return [stage]
        key = (stage.op, stage.args, stage.attrs)
        before = known.get(key)
        worth = self.share_all or op.cost > _CHEAP or (stage.op == "load" and not stage.out.type.rank)
        if before is not None and not stage.out.name and worth:
            mapping[stage.out] = before
            return []
        if before is not None and op.kind == "general" and op.cost >= _DEAR:
            return [replace(stage, op="copy", args=(before,), attrs=())]  # a factorisation is not done twice because it has two names
        known.setdefault(key, stage.out)
        if stage.op == "transpose" and isinstance(stage.args[0], Var) and not stage.attrs:
            known.setdefault(("transpose", (stage.out,), ()), stage.args[0])  # turned twice, it is what it was
        return [stage]

    def branch(self, stmt: If, mapping: dict[Var, Atom], known: dict[Key, Var]) -> list[Stmt]:
        if isinstance(stmt.test, Lit):
            arm = stmt.then if stmt.test.value else stmt.orelse
            chosen = self.block(arm, mapping, known)
            mapping.update(zip(stmt.outs, chosen.results, strict=True))
            return list(chosen.stmts)
        then, orelse = self.inner(stmt.then, mapping, known), self.inner(stmt.orelse, mapping, known)
        if not (then.stmts or orelse.stmts) and then.results == (literal(True),) and orelse.results == (literal(False),):
            mapping[stmt.outs[0]] = stmt.test
            return []
        kept = []
        for k, (a, b) in enumerate(zip(then.results, orelse.results, strict=True)):
            if a == b:
                mapping[stmt.outs[k]] = a
            else:
                kept.append(k)
        yes, no = (Block(arm.stmts, tuple(arm.results[k] for k in kept)) for arm in (then, orelse))
        return [If(stmt.test, yes, no, tuple(stmt.outs[k] for k in kept), stmt.note, stmt.span)]

    def loop(self, loop: For | While, mapping: dict[Var, Atom], known: dict[Key, Var]) -> list[Stmt]:
        carries = tuple(replace(c, init=_look_up(mapping, c.init)) for c in loop.carries)
        steady = {k for k, (c, r) in enumerate(zip(carries, loop.body.results, strict=True)) if r == c.var and c.var != loop.until}
        for k in steady:
            mapping[carries[k].var] = mapping[carries[k].out] = carries[k].init
        changing = [k for k in range(len(carries)) if k not in steady]
        body = self.inner(Block(loop.body.stmts, tuple(loop.body.results[k] for k in changing)), mapping, known)
        kept = tuple(carries[k] for k in changing)
        if isinstance(loop, While):
            # Sharing what is cheap would take the test out of the line ``while test:``.
            test = _Tidy(share_all=False).inner(loop.test, mapping, known)
            return [While(kept, test, body, loop.until, loop.span)]
        start, stop, step = (_look_up(mapping, a) for a in (loop.start, loop.stop, loop.step))
        return [For(loop.index, start, stop, step, kept, body, loop.until, loop.span)]


_EXACT: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg, "not": operator.not_,
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip


def _is_of_nothing(stage: Stage) -> bool:
    """Is it the gradient of an array that is not there on this way?"""
    return stage.op == "zeros_like" and isinstance(stage.args[0], Lit)


def _folded(stage: Stage) -> Lit | None:
    """What a stage on constants is worth, where every target computes it to the same bits; undefined stays undefined."""
    values = [a.value for a in stage.args if isinstance(a, Lit)]
    if len(values) < len(stage.args) or not values:
        return None
    if None in values:
        return Lit(None, stage.out.type) if stage.op in ("to_float", "copy") or _is_of_nothing(stage) else None
    if stage.op not in _EXACT:
        return None
    result = _EXACT[stage.op](*values)
    fits = not isinstance(result, int) or abs(result) < 2**63
    return literal(result) if fits and literal(result).type == stage.out.type else None


def _look_up(mapping: dict[Var, Atom], atom: Atom) -> Atom:
    while isinstance(atom, Var) and atom in mapping:
        atom = mapping[atom]
    return atom
