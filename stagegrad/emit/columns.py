"""Which matrices may as well lie column after column: those that a function does nothing with but multiply by them.

BLAS takes matrices of either order, whereas loops over the elements of one that does not lie row after row would wait for memory.
"""

from __future__ import annotations

from stagegrad.ir import Function, Stage, Var, blocks, uses, variables, walk

#: What says how large a matrix is, or what a part of it is.
_SIZES = {"extent", "size", "count", "rows_at_once"}
_PRODUCT, _TURNED, _PART = "matmul", "transpose", "section"


def multiplied_alone(function: Function) -> frozenset[int]:
    """The positions of the parameters that are such matrices of floats."""
    matrices = {param: k for k, param in enumerate(function.params) if param.type.rank == 2 and param.type.kind == "float"}
    known: dict[Var, Var] = {param: param for param in matrices}  # a matrix, or what is the same turned, and whose that is
    multiplied: set[Var] = set()
    otherwise = {known[var] for var in variables(function.body.results) if var in known}
    for stmt in walk(function.body):
        of = {known[var] for var in variables(uses(stmt)) if var in known}
        if not isinstance(stmt, Stage) or stmt.op not in {*_SIZES, _PRODUCT, _TURNED, _PART}:
            otherwise |= of
        elif stmt.op == _PRODUCT:
            multiplied |= of
        elif stmt.op in (_TURNED, _PART) and of:
            known[stmt.out] = of.pop()
        otherwise |= {known[var] for block in blocks(stmt) for var in variables(block.results) if var in known}
    return frozenset(k for param, k in matrices.items() if param in multiplied - otherwise)
