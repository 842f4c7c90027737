"""NumPy's words for products of arrays: ``@``, ``np.dot``, ``np.outer`` and their kin."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from stagegrad.frontend.numpy_words import word
from stagegrad.frontend.values import Value
from stagegrad.frontend.words_creation import array_of, as_type, common_type
from stagegrad.frontend.words_shaping import flat, transposed
from stagegrad.ir import Atom

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def factors(low: Arrays, node: ast.AST, a: Value, b: Value) -> tuple[Atom, Atom]:
    """Two operands with elements of one type, floats."""
    x, y = array_of(low, node, a), array_of(low, node, b)
    type = common_type([x, y])
    if type.kind != "float":
        raise low.refusal(node, "products of arrays of ints are not supported", "x.astype(float)")
    return as_type(low, node, x, type), as_type(low, node, y, type)


def product(low: Arrays, node: ast.AST, x: Atom, y: Atom) -> Atom:
    """``x @ y`` for any ranks from 1 on; a vector beside a stack of matrices becomes a matrix of one row or column."""
    if not x.type.rank or not y.type.rank:
        raise low.refusal(node, "`@` needs arrays, and one of these is a number", "x * y")
    if max(x.type.rank, y.type.rank) <= 2 or min(x.type.rank, y.type.rank) > 1:
        return low.emit("matmul", [x, y], node)
    if x.type.rank == 1:
        made = low.emit("matmul", [low.emit("expand_dims", [x], node, [("axis", 0)]), y], node)
        return low.emit("squeeze", [made], node, [("axis", made.type.rank - 2)])
    made = low.emit("matmul", [x, low.emit("expand_dims", [y], node, [("axis", 1)])], node)
    return low.emit("squeeze", [made], node, [("axis", made.type.rank - 1)])


@word("matmul")
def matmul(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    """The value of ``x1 @ x2``."""
    return product(low, node, *factors(low, node, x1, x2))


@word("dot", method=True)
def _dot(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    if not x.type.rank or not y.type.rank:
        return low.emit("mul", [x, y], node)
    if y.type.rank == 1 or max(x.type.rank, y.type.rank) <= 2:
        return product(low, node, x, y)
    raise low.refusal(node, "np.dot of stacks of matrices is not supported", "np.tensordot, np.einsum or `@`")


@word("inner")
def _inner(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    if not x.type.rank or not y.type.rank:
        return low.emit("mul", [x, y], node)
    if y.type.rank > 2 or (x.type.rank > 2 and y.type.rank == 2):
        raise low.refusal(node, "np.inner of arrays of more than two axes is not supported", "np.tensordot or np.einsum")
    return product(low, node, x, transposed(low, node, y))


@word("vdot")
def _vdot(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    return product(low, node, flat(low, node, x), flat(low, node, y))


@word("outer")
def _outer(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    return low.emit("outer", [flat(low, node, x), flat(low, node, y)], node)


__all__ = ["factors", "matmul", "product"]
