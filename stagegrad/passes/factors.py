"""One factorisation of a matrix for all that it is needed for, in compiled code: systems, determinants and inverses.

    x = solve(a, b)                          lu = lu(a)
    at = transpose(a)                        x = lu_solve(lu, b)
    db = solve(at, dx)                 ->    db = lu_solve(lu, dx), turned
    l = cholesky(k)                          l = cholesky(k)
    y = solve(l, b)                          y = lower_solve(l, b)

`share_factors` is ``Module -> Module``, and runs after a function has been differentiated: what it writes has no derivative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stagegrad.analysis import needed
from stagegrad.ir import Atom, Block, Fresh, Function, Module, Stage, Stmt, Type, Var, walk, with_blocks
from stagegrad.names import Words, reserved

#: What is had from the factors of a matrix; the factors come first.
_OF_FACTORS = {
    "solve": "lu_solve", "inv": "lu_inverse", "inv_or_nan": "lu_inverse_or_nan", "slogdet_sign": "lu_sign", "slogdet_log": "lu_log"
}  # fmt: skip


def share_factors(module: Module) -> Module:
    """The module with factorisations of their own stages, each done once in a block and those inside it."""
    return Module(tuple(map(_shared, module.functions)))


def _shared(function: Function) -> Function:
    made = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
    if all(stage.op not in _OF_FACTORS for stage in made.values()):
        return function
    body = _Sharing(function, made).block(function.body, {})
    return replace(function, body=needed(body, keep_effects=True))  # transposes that were there to be factored


class _Sharing:
    """One walk through a function, with the factors that are known at the place reached."""

    def __init__(self, function: Function, made: Mapping[Var, Stage]) -> None:
        self.made = made
        self.fresh, self.words = Fresh(function), Words(reserved(function))

    def block(self, block: Block, known: Mapping[Var, Var]) -> Block:
        """A block; what is factored in it is not known outside."""
        inside, stmts = dict(known), list[Stmt]()
        for stmt in block.stmts:
            if isinstance(stmt, Stage) and stmt.op in _OF_FACTORS:
                stmts += self.stage(stmt, inside)
            else:
                stmts.append(with_blocks(stmt, lambda inner: self.block(inner, inside)))
        return Block(tuple(stmts), block.results)

    def stage(self, stage: Stage, known: dict[Var, Var]) -> list[Stmt]:
        """A stage that needs factors, behind the factorisation unless that is known."""
        matrix, turned = self.turned(stage.args[0])
        attrs = (("turned", turned),) if stage.op == "solve" else ()
        if stage.op == "solve" and self.is_lower(matrix):
            return [replace(stage, op="lower_solve", args=(matrix, *stage.args[1:]), attrs=attrs)]
        if stage.op in ("inv", "inv_or_nan"):
            matrix = stage.args[0]
        if not isinstance(matrix, Var):
            return [stage]
        before: list[Stmt] = []
        if matrix not in known:
            known[matrix] = self.fresh.var(self.words.fresh("lu"), Type("float", 2, matrix.type.bits))
            before.append(Stage(known[matrix], "lu", (matrix,), (), stage.note, stage.span))
        return [*before, replace(stage, op=_OF_FACTORS[stage.op], args=(known[matrix], *stage.args[1:]), attrs=attrs)]

    def turned(self, matrix: Atom) -> tuple[Atom, bool]:
        """The matrix that a transpose, or one of a transpose, is of, and whether it is turned."""
        turned = False
        while isinstance(matrix, Var) and matrix in self.made and _is_transpose(self.made[matrix]):
            matrix, turned = self.made[matrix].args[0], not turned
        return matrix, turned

    def is_lower(self, matrix: Atom) -> bool:
        """Whether a matrix is the triangular factor of another."""
        return isinstance(matrix, Var) and matrix in self.made and self.made[matrix].op == "cholesky"


def _is_transpose(stage: Stage) -> bool:
    return stage.op == "transpose" and not stage.attrs and stage.out.type.rank == 2
