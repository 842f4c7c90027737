"""Operations that repeat, turn round, shift or surround the elements of an array, and that deal with diagonals.

Numba has these for vectors, or not at all, and is slow to compile `np.swapaxes`: a helper does them there, block by block of the elements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from stagegrad.ir import Attr, Type
from stagegrad.ops import Operand, Template, Value, general, helper
from stagegrad.rules.creation import eye_of
from stagegrad.rules.shapes import Pulled, sum_
from stagegrad.rules.shaping import first, reshape
from stagegrad.rules.structural import extent, load


def _flat_or(vector: str, others: str) -> Template:
    """How the operation is written for a vector, and for arrays of more axes."""
    return lambda attrs, types: vector if types[0].rank == 1 else others


_RANKS = range(1, 6)

helper(
    '''
    def roll_along(x, n, axis):
        """np.roll(x, n, axis)."""
        block = max(x.shape[axis], 1)
        head = n % block
        for k in range(axis + 1, x.ndim):
            block *= max(x.shape[k], 1)
            head *= x.shape[k]
        values, out = np.ascontiguousarray(x).reshape(x.size), np.empty(x.size, x.dtype)
        for start in range(0, x.size, block):
            for k in range(head):
                out[start + k] = values[start + block - head + k]
            for k in range(head, block):
                out[start + k] = values[start + k - head]
        return out.reshape(x.shape)
    '''
)


def _blocks(name: str, rank: int, first: str, doc: str) -> None:
    """A helper for arrays of a rank that writes each block of elements n times; a block is what lies in the axes from `first` on."""
    sizes = ", ".join(f"x.shape[{k}] * n if axis == {k} else x.shape[{k}]" for k in range(rank))
    helper(
        f'''
        def {name}_{rank}(x, n, axis):
            """{doc}"""
            block = 1
            for k in range({first}, {rank}):
                block *= x.shape[k]
            values, out = np.ascontiguousarray(x).reshape(x.size), np.empty(({sizes},), x.dtype)
            flat = out.reshape(out.size)
            for row in range(x.size // max(block, 1)):
                for i in range(n):
                    for k in range(block):
                        flat[(row * n + i) * block + k] = values[row * block + k]
            return out
        '''
    )


for _rank in _RANKS:
    _blocks("repeat", _rank, "axis + 1", "np.repeat(x, n, axis).")
    _blocks("tile", _rank, "axis", "An array n times in a row along an axis, as np.tile does it.")


def _by_rank(name: str) -> Template:
    """How a helper that there is for each rank is called."""
    return lambda attrs, types: f"{name}_{types[0].rank}({{x}}, {{n}}, {{axis}})"


def _helpers(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{rank}" for rank in _RANKS)


def _parted(g: Value, x: Value, n: Value, axis: int, *, inner: bool) -> Value:
    """`g` with an axis that is n times as long as that of `x` cut in two: n comes second where it is the inner one."""
    sizes: list[Operand] = [extent(x, axis=k) for k in range(x.type.rank)]
    sizes[axis : axis + 1] = [sizes[axis], n] if inner else [n, sizes[axis]]
    return reshape(g, *sizes)


@general({"python": _flat_or("np.repeat({x}, {n})", "np.repeat({x}, {n}, {axis})"),
          "numba": _by_rank("repeat")}, first, stage="{x}rep", helpers=_helpers("repeat"))  # fmt: skip
def repeat(g: Value, out: Value, x: Value, n: Value, *, axis: int) -> tuple[Value, None]:
    """Every element n times, one after another; its gradient is the sum of theirs (`np.repeat`)."""
    return sum_(_parted(g, x, n, axis, inner=True), axis=axis + 1), None


def _tiles(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    rank, axis = types[0].rank, cast(int, attrs["axis"])
    if axis == rank - 1:
        return "np.tile({x}, {n})"
    return f"np.tile({{x}}, ({', '.join('{n}' if k == axis else '1' for k in range(rank))}))"


@general({"python": _tiles, "numba": _by_rank("tile")}, first, stage="{x}tiled", helpers=_helpers("tile"))
def tile(g: Value, out: Value, x: Value, n: Value, *, axis: int) -> tuple[Value, None]:
    """An array n times in a row along an axis; its gradient is the sum of theirs (`np.tile`)."""
    return sum_(_parted(g, x, n, axis, inner=False), axis=axis), None


@general({"python": _flat_or("np.roll({x}, {shift})", "np.roll({x}, {shift}, {axis})"),
          "numba": _flat_or("np.roll({x}, {shift})", "roll_along({x}, {shift}, {axis})")},
         first, stage="{x}roll", helpers=("roll_along",))  # fmt: skip
def roll(g: Value, out: Value, x: Value, shift: Value, *, axis: int) -> tuple[Value, None]:
    """An array shifted along an axis, what leaves at one end coming back at the other (`np.roll`)."""
    return roll(g, -shift, axis=axis), None


def _turned(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"{{x}}[{':, ' * cast(int, attrs['axis'])}::-1]"


@general(_turned, first, stage="{x}flip", view=True, linear=True)
def flip(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """An array backwards along an axis (`np.flip`)."""
    return flip(g, axis=axis)


# ---------------------------------------------------------------------------------------------- surrounded


def _padded(rank: int) -> None:
    """The helper for arrays of a rank; what surrounds them is written first, then they are."""
    sizes = ", ".join(f"before{k} + x.shape[{k}] + after{k}" for k in range(rank))
    place = ", ".join(f"before{k}:before{k} + x.shape[{k}]" for k in range(rank))
    widths = ", ".join(f"before{k}, after{k}" for k in range(rank))
    helper(
        f'''
        def pad_{rank}(x, value, {widths}):
            """np.pad(x, widths, constant_values=value)."""
            if min({widths}) < 0:
                raise ValueError("index can't contain negative values")
            out = np.empty(({sizes},), x.dtype)
            out[:] = value
            out[{place}] = x
            return out
        '''
    )


for _rank in _RANKS:
    _padded(_rank)


def _pads(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    pairs = ", ".join(f"({{n{2 * k}}}, {{n{2 * k + 1}}})" for k in range(types[0].rank))
    return f"np.pad({{x}}, {pairs if types[0].rank == 1 else f'({pairs})'}, constant_values={{value}})"


def _pads_of_numba(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    rank = types[0].rank
    return f"pad_{rank}({{x}}, {{value}}, {', '.join(f'{{n{k}}}' for k in range(2 * rank))})"


@general({"python": _pads, "numba": _pads_of_numba}, first, stage="{x}pad", helpers=_helpers("pad"))
def pad(g: Value, out: Value, x: Value, value: Value, *n: Value) -> tuple[Value, Value, list[None]]:
    """An array with a margin of one number; n are the widths, before and after, axis by axis (`np.pad`)."""
    bounds: list[Operand] = []
    for axis in range(x.type.rank):
        bounds += [n[2 * axis], n[2 * axis] + extent(x, axis=axis)]
    place = ", ".join(f"{{{2 * k}}}:{{{2 * k + 1}}}" for k in range(x.type.rank))
    inside = load(g, *bounds, at=f"[{place}]", rank=x.type.rank)
    return inside, sum_(g) - sum_(inside), [None] * len(n)


# ---------------------------------------------------------------------------------------------- diagonals


def _diagonal(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"np.diag({{x}}, {attrs['k']})" if attrs.get("k") else "np.diag({x})"


def _of_rank(rank: int) -> Callable[[Sequence[Type]], Type]:
    return lambda types: Type(types[0].kind, rank, types[0].bits)


@general(_diagonal, _of_rank(2), stage="diag{x}", title="diagonal", linear=True)
def diag_matrix(g: Value, out: Value, x: Value, *, k: int = 0) -> Pulled:
    """A vector on a diagonal of a square matrix of zeros (`np.diag` of a vector)."""
    return diagonal(g, k=k)


@general(_diagonal, _of_rank(1), stage="diag{x}", title="diagonal", view=True, linear=True)
def diagonal(g: Value, out: Value, x: Value, *, k: int = 0) -> Pulled:
    """A diagonal of a matrix (`np.diag` of a matrix, `np.diagonal`)."""
    return on_diagonal(g, x, k=k)


helper(
    '''
    def on_diagonal(g, like, k):
        """Zeros in the shape of a matrix, with g on its diagonal k."""
        out = np.zeros(like.shape, g.dtype)
        for i in range(g.size):
            out[i + max(-k, 0), i + max(k, 0)] = g[i]
        return out
    '''
)


def _like_second(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, 2, types[0].bits)


def _placed(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"on_diagonal({{g}}, {{like}}, {attrs.get('k', 0)})"


@general(_placed, _like_second, stage="diag{g}", title="diagonal", helpers=("on_diagonal",))
def on_diagonal(gradient: Value, out: Value, g: Value, like: Value, *, k: int = 0) -> Pulled:
    """A vector on a diagonal of a matrix of zeros that is shaped like another matrix."""
    return diagonal(gradient, k=k), None


def _number(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, 0, types[0].bits)


def _trace_of_numba(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """Numba has no trace of ints, and computes one of 32 bits in 64."""
    if types[0].kind != "float":
        return "np.sum(np.diag({x}))"
    return "np.float32(np.trace({x}))" if types[0].bits == 32 else "np.trace({x})"


@general({"python": "np.trace({x})", "numba": _trace_of_numba}, _number, stage="tr{x}", title="trace", linear=True)
def trace(g: Value, out: Value, x: Value) -> Pulled:
    """The sum of the diagonal (`np.trace`)."""
    width = {"bits": 32} if x.type.bits == 32 else {}
    return g * eye_of(extent(x, axis=0), extent(x, axis=1), **width)
