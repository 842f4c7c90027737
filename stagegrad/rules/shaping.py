"""Operations that move elements and compute nothing: transposing, reshaping, joining.

Their derivatives are the same kind of operation back; none of them reads a value of what it moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from stagegrad.ir import Attr, Type
from stagegrad.ops import Operand, Template, Value, general, helper
from stagegrad.rules.shapes import Pulled, unbroadcast
from stagegrad.rules.structural import extent, load


def first(types: Sequence[Type]) -> Type:
    """The type of the first operand."""
    return types[0]


def _sized(types: Sequence[Type]) -> Type:
    """The first operand's numbers in as many axes as sizes follow it."""
    return Type(types[0].kind, len(types) - 1, types[0].bits)


def _vector(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, 1, types[0].bits)


def sizes_text(count: int, before: str = "n") -> str:
    """The holes of a shape: one size stands alone, more of them are a tuple."""
    holes = ", ".join(f"{{{before}{k}}}" for k in range(count))
    return holes if count == 1 else f"({holes})"


def _reshaped(array: str) -> Template:
    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        return f"{array}.reshape({sizes_text(len(types) - 1)})"

    return spelled


# Numba reshapes what is contiguous only; on an array that is, np.ascontiguousarray gives the array itself.
@general({"python": _reshaped("{x}"), "numba": _reshaped("np.ascontiguousarray({x})")}, _sized, stage="{x}re", view=True)
def reshape(g: Value, out: Value, x: Value, *n: Value) -> tuple[Value, list[None]]:
    """The same elements, in order, in another shape; a size may be -1 for what is left (`np.reshape`)."""
    return reshape_like(g, x), [None] * len(n)


def _like_last(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, types[1].rank, types[0].bits)


@general({"python": "{x}.reshape({like}.shape)", "numba": "np.ascontiguousarray({x}).reshape({like}.shape)"}, _like_last,
         stage="{x}re", title="reshape", view=True)  # fmt: skip
def reshape_like(g: Value, out: Value, x: Value, like: Value) -> Pulled:
    """The elements of one array in the shape of another."""
    return reshape_like(g, x), None


@general("np.ravel({x})", _vector, stage="{x}flat", view=True, linear=True)
def ravel(g: Value, out: Value, x: Value) -> Pulled:
    """All elements in one axis, row by row; the same memory where that is possible (`np.ravel`)."""
    return reshape_like(g, x)


@general("{x}.flatten()", _vector, stage="{x}flat", linear=True)
def flatten(g: Value, out: Value, x: Value) -> Pulled:
    """All elements in one axis, row by row, in memory of its own (`ndarray.flatten`)."""
    return reshape_like(g, x)


def _transposed(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    axes = attrs.get("axes")
    return "{x}.T" if axes is None else f"np.transpose({{x}}, {axes})"


def _permuted(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    axes = attrs.get("axes")
    return "{x}.T" if axes is None else f"permuted({{x}}, {axes})"


@general({"python": _transposed, "numba": _permuted}, first, stage="{x}T", view=True, linear=True)
def transpose(g: Value, out: Value, x: Value, *, axes: tuple[int, ...] | None = None) -> Pulled:
    """The axes in another order, by default reversed; the gradient's axes go back (`np.transpose`, `.T`)."""
    if axes is None:
        return transpose(g)
    return transpose(g, axes=tuple(axes.index(k) for k in range(len(axes))))


def _broadcast(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"np.broadcast_to({{x}}, {sizes_text(len(types) - 1)})"


@general(_broadcast, _sized, stage="{x}wide", title="broadcast", view=True)
def broadcast_to(g: Value, out: Value, x: Value, *n: Value) -> tuple[Value, list[None]]:
    """An array repeated along the axes that it lacks or has one element on, to a given shape (`np.broadcast_to`)."""
    return unbroadcast(g, x), [None] * len(n)


#: Numba takes a second to compile its own `np.tril` or `np.triu`.
helper(
    '''
    def lower_triangle(x, k):
        """np.tril(x, k) of a matrix."""
        out = np.zeros_like(x)
        for i in range(x.shape[0]):
            for j in range(min(i + k + 1, x.shape[1])):
                out[i, j] = x[i, j]
        return out
    '''
)
helper(
    '''
    def upper_triangle(x, k):
        """np.triu(x, k) of a matrix."""
        out = np.zeros_like(x)
        for i in range(x.shape[0]):
            for j in range(max(i + k, 0), x.shape[1]):
                out[i, j] = x[i, j]
        return out
    '''
)


def _triangle(name: str, of_matrix: str) -> dict[str, Template]:
    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        return f"{name}({{x}}, {attrs['k']})" if attrs.get("k") else f"{name}({{x}})"

    def compiled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        return f"{of_matrix}({{x}}, {attrs.get('k') or 0})" if types[0].rank == 2 else spelled(attrs, types)

    return {"python": spelled, "numba": compiled}


@general(_triangle("np.tril", "lower_triangle"), first, stage="tril{x}", linear=True, helpers=("lower_triangle",))
def tril(g: Value, out: Value, x: Value, *, k: int = 0) -> Pulled:
    """Matrices with zeros above a diagonal (`np.tril`)."""
    return tril(g, k=k)


@general(_triangle("np.triu", "upper_triangle"), first, stage="triu{x}", linear=True, helpers=("upper_triangle",))
def triu(g: Value, out: Value, x: Value, *, k: int = 0) -> Pulled:
    """Matrices with zeros below a diagonal (`np.triu`)."""
    return triu(g, k=k)


# ---------------------------------------------------------------------------------------------- joining


def sections(g: Value, parts: Sequence[Value], axis: int) -> list[Value]:
    """The parts of `g` along an axis that are as long as `parts`, one after another."""
    found: list[Value] = []
    start: Operand = 0
    before = ":, " * axis
    for part in parts:
        size = extent(part, axis=axis)
        stop = start + size if found else size
        at = f"[{before}{{0}}:{{1}}]" if found else f"[{before}:{{0}}]"
        bounds = (start, stop) if found else (stop,)
        found.append(load(g, *bounds, at=at, rank=g.type.rank))
        start = stop
    return found


def _joined(name: str) -> Callable[[Mapping[str, Attr], Sequence[Type]], str]:
    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        parts = ", ".join(f"{{x{k}}}" for k in range(len(types))) + ("," if len(types) == 1 else "")
        axis = attrs.get("axis")
        return f"{name}(({parts}){f', axis={axis}' if axis else ''})"

    return spelled


@general(_joined("np.concatenate"), first, stage="joined")
def concatenate(g: Value, out: Value, *x: Value, axis: int = 0) -> list[Value]:
    """Arrays one after another along an axis; each takes its own part of the gradient (`np.concatenate`)."""
    return sections(g, x, axis)


def _deeper(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, types[0].rank + 1, types[0].bits)


@general(_joined("np.stack"), _deeper, stage="stacked")
def stack(g: Value, out: Value, *x: Value, axis: int = 0) -> list[Value]:
    """Arrays of one shape side by side along a new axis; each takes its own section of the gradient (`np.stack`)."""
    return [section(g, k, axis) for k in range(len(x))]


def section(g: Value, index: int, axis: int) -> Value:
    """The part of `g` at one index of an axis, without that axis."""
    return load(g, index, at=f"[{':, ' * axis}{{0}}]", rank=g.type.rank - 1)


def _filled(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    shape = cast("tuple[int, ...]", attrs["shape"])
    kind = "float" if any(type.kind == "float" for type in types) else types[0].kind
    bits = 32 if all(type.bits == 32 for type in types) else 64
    return Type(kind, len(shape), bits)


def _display(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    shape = cast("tuple[int, ...]", attrs["shape"])
    texts = [f"{{x{k}}}" for k in range(len(types))]
    for size in reversed(shape):
        texts = [f"[{', '.join(texts[k : k + size])}]" for k in range(0, len(texts), size)]
    return f"np.array({texts[0]})"


@general(_display, _filled, stage="items", title="array")
def array_of(g: Value, out: Value, *x: Value, shape: tuple[int, ...]) -> list[Value]:
    """Numbers put into an array; each takes its own element of the gradient (`np.array` of a list)."""
    return [_element(g, k, shape) for k in range(len(x))]


def _element(g: Value, number: int, shape: tuple[int, ...]) -> Value:
    index: list[int] = []
    for size in reversed(shape):
        number, here = divmod(number, size)
        index.insert(0, here)
    return load(g, *index, at=f"[{', '.join(f'{{{k}}}' for k in range(len(shape)))}]", rank=0)
