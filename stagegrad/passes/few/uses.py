"""Which small arrays are better numbers: those that are only used in ways that numbers serve.

An array that somebody needs as an array, ``solve(a, b)`` or ``a[i]`` where a loop counts i, would be made of its numbers again and
again if it were kept as such; so arrays that are created, and those that loops carry, stay what they are then.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from stagegrad.ir import Atom, Call, For, Function, If, Lit, Module, Stage, Stmt, Type, Var, While, uses, variables, walk
from stagegrad.ops import find

#: What is done with numbers as well: `elementwise` operations aside.
SERVED = frozenset({"copy", "duplicate", "transpose", "matmul", "outer", "sum", "norm", "size", "extent", "zeros_like", "ones_like",
                    "concatenate", "stack", "cross"})  # fmt: skip


#: A vector of more elements stays one, and so does a matrix.
_MOST, _MOST_OF_MATRIX = 8, 16


def is_suited(type: Type) -> bool:
    """Is it an array that may be numbers, if it has few elements?"""
    return type.rank in (1, 2) and (type.kind == "bool" or (type.kind == "float" and type.bits == 64))


def is_few(sizes: Sequence[int]) -> bool:
    """Has an array of these sizes so few elements that they are better numbers?"""
    return 0 < math.prod(sizes) <= (_MOST if len(sizes) == 1 else _MOST_OF_MATRIX)


def is_elementwise(stage: Stage) -> bool:
    """Does a stage do with each element, of floats of 64 bits or truth values, what it would do with a number?"""
    types = [arg.type for arg in stage.args if arg.type.rank]
    return find(stage.op).kind in ("elementwise", "flat") and is_suited(stage.out.type) and all(map(is_suited, types))


class Uses:
    """Who uses each array of a function."""

    def __init__(self, function: Function) -> None:
        self._readers: dict[Var, list[Stmt]] = defaultdict(list)
        self._becomes: dict[Var, list[Var]] = defaultdict(list)  # what a value becomes at the end of an arm, or as a loop goes on
        for stmt in walk(function.body):
            for var in variables(uses(stmt)):
                self._readers[var].append(stmt)
            for var, later in _handed_on(stmt):
                self._becomes[var].append(later)

    def serve(self, var: Var) -> bool:
        """Do numbers serve all who use an array, and do some of these compute with it?"""
        seen, pending, computed = {var}, [var], False
        while pending:
            this = pending.pop()
            for stmt in self._readers[this]:
                if isinstance(stmt, Stage):
                    if not _serves(stmt, this):
                        return False
                    computed = True
                elif isinstance(stmt, Call):
                    return False
            for later in self._becomes[this]:
                if later not in seen:
                    seen.add(later)
                    pending.append(later)
        return computed


def _handed_on(stmt: Stmt) -> Iterator[tuple[Var, Var]]:
    pairs: Iterator[tuple[Atom, Var]] = iter(())
    if isinstance(stmt, If):
        pairs = ((a, out) for arm in (stmt.then, stmt.orelse) for a, out in zip(arm.results, stmt.outs, strict=True))
    elif isinstance(stmt, (For, While)):
        carries = zip(stmt.carries, stmt.body.results, strict=True)
        pairs = (pair for c, result in carries for pair in ((c.init, c.var), (result, c.var), (c.var, c.out)))
    yield from ((a, later) for a, later in pairs if isinstance(a, Var) and a.type.rank)


def _serves(stage: Stage, var: Var) -> bool:
    """Does it do for a stage that reads an array to have its numbers?"""
    if stage.op == "load":
        return stage.args[0] == var and _is_written_down(stage, stage.args[1:])
    if stage.op == "store":
        inside = stage.args[0] == var and _is_written_down(stage, stage.args[1:-1])
        return inside or (stage.args[0] != var and line_of(stage, stage.args[1:-1]) is not None)
    reduced = stage.op in ("sum", "norm") and dict(stage.attrs).keys() & {"axis", "keepdims"}
    return (stage.op in SERVED and not reduced) or is_elementwise(stage)


def _is_written_down(stage: Stage, indices: tuple[Atom, ...]) -> bool:
    return all(isinstance(index, Lit) for index in indices) and not dict(stage.attrs).get("gather")


def line_of(stage: Stage, indices: tuple[Atom, ...]) -> int | None:
    """The axis along which a stage reads or writes a line of an array: for a row, ``m[i]``, the last, for a column, ``m[:, j]``, 0."""
    attrs, count = dict(stage.attrs), len(indices)
    at = str(attrs.get("at", f"[{', '.join(f'{{{k}}}' for k in range(count))}]"))
    plain = all(index.type.kind == "int" and not index.type.rank for index in indices)
    if not (plain and count and (attrs.get("rank", 0), stage.args[0].type.rank) == (1, count + 1)) or attrs.get("gather"):
        return None
    parts = [part.strip() for part in at[1:-1].split(",")]
    parts += [":"] * (count + 1 - len(parts))
    rest = [part for part in parts if part != ":"]
    return parts.index(":") if rest == [f"{{{k}}}" for k in range(count)] and len(parts) == count + 1 else None


def sizes_wanted(module: Module) -> frozenset[str]:
    """Of which arrays it is worth to know how many elements they have: what a program has in its loops.

    "rows" and "columns" that it reads as vectors, and "squares", matrices that it multiplies by something.
    """
    loops = (stmt for function in module.functions for stmt in walk(function.body) if isinstance(stmt, (For, While)))
    inner = [stmt for loop in loops for stmt in walk(loop.body) if isinstance(stmt, Stage)]
    axes = {line_of(load, load.args[1:]) for load in inner if load.op == "load" and is_suited(load.out.type)} - {None}
    stages = (stmt for function in module.functions for stmt in walk(function.body) if isinstance(stmt, Stage))
    turned = bool(axes) and any(stage.op == "transpose" for stage in stages)
    multiplied = any(stage.op == "matmul" and any(arg.type.rank == 2 for arg in stage.args) for stage in inner)
    wanted = {"rows": turned or any(axes), "columns": turned or 0 in axes, "squares": multiplied}
    return frozenset(word for word, is_wanted in wanted.items() if is_wanted)
