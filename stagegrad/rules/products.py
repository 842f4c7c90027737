"""Products of matrices and vectors: `@`, outer products, and what NumPy builds from them.

Numba's ``@`` takes matrices and vectors only; stacks of matrices go through a helper with a loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stagegrad.ir import Attr, Type
from stagegrad.ops import Value, general, helper
from stagegrad.rules.shapes import Pulled, unbroadcast
from stagegrad.rules.shaping import transpose

helper(
    '''
    def matmul_stacks(x, y):
        """x @ y for stacks of matrices, matrix by matrix."""
        shape = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        left = np.broadcast_to(x, shape + x.shape[-2:])
        right = np.broadcast_to(y, shape + y.shape[-2:])
        out = np.empty(shape + (x.shape[-2], y.shape[-1]), x.dtype)
        for at in np.ndindex(shape):
            out[at] = np.ascontiguousarray(left[at]) @ np.ascontiguousarray(right[at])
        return out
    '''
)


def _product(types: Sequence[Type]) -> Type:
    """A matrix product's type: the inner axes go; stacks keep the longer of their shapes."""
    x, y = types
    rank = x.rank + y.rank - 2 if max(x.rank, y.rank) <= 2 else max(x.rank, y.rank)
    return Type("float", rank, max(x.bits, y.bits))


def _by_stacks(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "{x} @ {y}" if all(type.rank <= 2 for type in types) else "matmul_stacks({x}, {y})"


@general({"python": "{x} @ {y}", "numba": _by_stacks}, _product, stage="{x}{y}", title="product", linear=True, helpers=("matmul_stacks",))
def matmul(g: Value, out: Value, x: Value, y: Value) -> Pulled:
    """A product's gradient is two products: with the other factor, transposed (`np.matmul`; Giles 2008, section 2.2.2).

    Each operand is a vector or a matrix, or both are matrices or stacks of them, whose other axes broadcast.
    """
    match x.type.rank, y.type.rank:
        case 1, 1:
            return g * y, g * x
        case 2, 1:
            return outer(g, y), matmul(transpose(x), g)
        case 1, 2:
            return matmul(y, g), outer(x, g)
        case 2, 2:
            return matmul(g, transpose(y)), matmul(transpose(x), g)
    return unbroadcast(matmul(g, turned(y)), x), unbroadcast(matmul(turned(x), g), y)


def turned(x: Value) -> Value:
    """A matrix, or every matrix of a stack, transposed."""
    rank = x.type.rank
    return transpose(x) if rank == 2 else transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _pairs(types: Sequence[Type]) -> Type:
    return Type("float", 2, max(type.bits for type in types))


@general("np.outer({x}, {y})", _pairs, stage="{x}by{y}", title="outer", linear=True)
def outer(g: Value, out: Value, x: Value, y: Value) -> Pulled:
    """Every product of an element of one vector with one of another; each vector's gradient sums over the other (`np.outer`)."""
    return matmul(g, y), matmul(x, g)
