"""Operations about the shape of arrays that reverse itself asks for: filling, broadcasting and summing it back.

Undoing NumPy's broadcasting is `unbroadcast`, which `reverse` emits; no rule of another operation does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast as seen_as

from stagegrad.ir import BOOL, Attr, Type
from stagegrad.ops import Value, always, general, helper, structural

Pulled = Value | float | tuple[Value | float | None, ...] | None


def _first(types: Sequence[Type]) -> Type:
    return types[0]


def _like_last(types: Sequence[Type]) -> Type:
    """The first operand's numbers in the last one's shape."""
    return Type(types[0].kind, types[-1].rank, types[0].bits)


helper(
    '''
    def unbroadcast(g, x):
        """The gradient of x, which was broadcast to the shape of g: the sum over what was repeated."""
        lead = g.ndim - x.ndim
        repeated = [axis + lead for axis, size in enumerate(x.shape) if size == 1 != g.shape[axis + lead]]
        axes = (*range(lead), *repeated)
        return g.sum(axis=axes).reshape(x.shape) if axes else g
    ''',
    numba='''
    def unbroadcast(g, x):
        """The gradient of x, which was broadcast to the shape of g: the sum over what was repeated."""
        values = laid_out(np.ascontiguousarray(g), (g.size,))
        if g.shape == x.shape:
            return laid_out(values, x.shape)
        total = np.zeros(x.size)
        lead, n = g.ndim - x.ndim, g.shape[-1]
        for row in range(g.size // n if n else 0):
            # Where the row belongs: along each axis at its own place, or at the only one that x has.
            rest, place, step = row, 0, x.shape[-1]
            for axis in range(g.ndim - 2, lead - 1, -1):
                if x.shape[axis - lead] > 1:
                    place += rest % g.shape[axis] * step
                rest //= g.shape[axis]
                step *= x.shape[axis - lead]
            start, last = row * n, 0.0
            if x.shape[-1] < n:
                for k in range(n):
                    last += values[start + k]
                total[place] += last
            else:
                for k in range(n):
                    total[place + k] += values[start + k]
        return of_kind(laid_out(total, x.shape), g)
    ''',
)


def _as_wide(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    bits = attrs["bits"]
    assert isinstance(bits, int)
    return Type("float", types[0].rank, bits)


def _cast(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    name = f"np.float{attrs['bits']}"
    if not types[0].rank:
        return f"{name}({{x}})" if attrs["bits"] == 32 else "float({x})"  # beside a float of Python, 32-bit floats stay narrow
    return f"{{x}}.astype({name})"


@general(_cast, _as_wide, stage="{x}f{bits}", title="convert", linear=True)
def cast(g: Value, out: Value, x: Value, *, bits: int) -> Pulled:
    """The same numbers in floats of 32 or 64 bits; a gradient has the width of what it belongs to."""
    return cast(g, bits=x.type.bits)


def _ints(types: Sequence[Type]) -> Type:
    return Type("int", types[0].rank)


#: The position of each element of an array, counted through all of them; and room for such numbers.
numbered = structural("numbered", "x", "np.arange({x}.size).reshape({x}.shape)", _ints, stage="order")
room_for_numbers = structural("room_for_numbers", "x", "np.empty({x}.shape, np.int64)", _ints, stage="writer")

#: Do two arrays differ in shape? What a loop records must keep its shape.
shapes_differ = structural("shapes_differ", "x y", "{x}.shape != {y}.shape", always(BOOL))

#: An array of zeros of the shape and the width of another.
_zeros = {"python": "[0.0] * len({x})", "numpy": "np.zeros_like({x})", "numba": "np.zeros_like({x})"}
zeros_like = structural("zeros_like", "x", _zeros, _first)


@general("np.full_like({x}, {value})", _first, stage="{value}full", title="fill")
def full_like(g: Value, out: Value, x: Value, value: Value) -> Pulled:
    """One number in every element of an array shaped like another; its gradient is the sum of theirs."""
    return None, sum_(g)


Axis = int | tuple[int, ...] | None


def axes_of(axis: Axis, rank: int) -> tuple[int, ...]:
    """The axes that an attribute names, counted from the front, in ascending order; None is all of them."""
    if axis is None:
        return tuple(range(rank))
    return tuple(sorted(k % rank for k in ((axis,) if isinstance(axis, int) else axis)))


def reduced(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    """The type of a reduction of its first operand along ``axis``, with ``keepdims`` or without."""
    first = types[0]
    if attrs.get("keepdims"):
        return first
    axis = seen_as(Axis, attrs.get("axis"))
    return Type(first.kind, first.rank - len(axes_of(axis, first.rank)), first.bits)


def summed(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    """As `reduced`; bools are counted."""
    found = reduced(types, attrs)
    return found if found.kind != "bool" else Type("int", found.rank)


def reduction(name: str) -> Callable[[Mapping[str, Attr], Sequence[Type]], str]:
    """``np.sum({x}, axis=0, keepdims=True)``: how NumPy spells a reduction."""

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        given = [f"axis={attrs['axis']}"] if attrs.get("axis") is not None else []
        given += ["keepdims=True"] if attrs.get("keepdims") else []
        return f"{name}({', '.join(['{x}', *given])})"

    return spelled


def reduction_by_axis(name: str) -> Callable[[Mapping[str, Attr], Sequence[Type]], str]:
    """The same for Numba, which reduces along one axis at a time and keeps none."""

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        rank, text = types[0].rank, "{x}"
        if rank == 0:  # Numba before 0.66 sums up no number
            return text if types[0].kind != "bool" else f"int({text})"
        axes = axes_of(seen_as(Axis, attrs.get("axis")), rank)
        if len(axes) == rank:
            text = f"{name}({text})"
            return f"np.full({(1,) * rank}, {text})" if attrs.get("keepdims") else text
        for axis in reversed(axes):
            text = f"{name}({text}, {axis})"
        for axis in axes if attrs.get("keepdims") else ():
            text = f"np.expand_dims({text}, {axis})"
        return text

    return spelled


@general({"python": reduction("np.sum"), "numba": reduction_by_axis("np.sum")}, summed, stage="sum{x}", linear=True)
def sum_(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """A sum hands its gradient to every element that it added (`np.sum`)."""
    return spread(g, x, axis, keepdims)


def spread(g: Value, x: Value, axis: Axis, keepdims: bool) -> Value:
    """The gradient of a reduction, at every element of what was reduced."""
    if g.type.rank == 0:
        return g
    for k in axes_of(axis, x.type.rank) if not keepdims else ():
        g = expand_dims(g, axis=k)
    return broadcast_like(g, x)


def _deeper(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, types[0].rank + 1, types[0].bits)


def _flatter(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, types[0].rank - 1, types[0].bits)


def _first_along(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """``x[:, 0]``: Numba's way to drop an axis of one element."""
    axis = attrs["axis"]
    assert isinstance(axis, int)
    return "{x}[" + ":, " * axis + "0]"


def _column(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """Numba has no axes to add to a number."""
    return f"np.expand_dims({{x}}, {attrs['axis']})" if types[0].rank else "np.full((1,), {x})"


@general({"python": "np.expand_dims({x}, {axis})", "numba": _column}, _deeper, stage="{x}col", view=True, linear=True)
def expand_dims(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """An array with one more axis, of one element (`np.expand_dims`)."""
    return squeeze(g, axis=axis)


@general({"python": "np.squeeze({x}, {axis})", "numba": _first_along}, _flatter, stage="{x}flat", view=True, linear=True)
def squeeze(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """An array without an axis that has one element (`np.squeeze` along one axis)."""
    return expand_dims(g, axis=axis)


@general("unbroadcast({grad}, {x})", _like_last, stage="{x}back", title="unbroadcast", view=True, helpers=("unbroadcast",))
def unbroadcast(g: Value, out: Value, grad: Value, x: Value) -> Pulled:
    """The sum over the axes along which broadcasting repeated an operand."""
    return broadcast_like(g, grad), None


@general({"python": "np.broadcast_to({x}, {like}.shape)"}, _like_last, stage="{x}wide", title="broadcast", view=True)
def broadcast_like(g: Value, out: Value, x: Value, like: Value) -> Pulled:
    """An array repeated along the axes that it lacks or has one element on, to the shape of another."""
    return unbroadcast(g, x), None
