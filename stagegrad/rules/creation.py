"""Operations that make arrays out of numbers: zeros and ones, ranges, the identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from stagegrad.ir import Attr, Type
from stagegrad.ops import Value, general, helper
from stagegrad.rules.shapes import Pulled, sum_
from stagegrad.rules.shaping import first, sizes_text

_DTYPES = {("float", 64): "", ("float", 32): "np.float32", ("int", 64): "np.int64", ("bool", 64): "np.bool_"}


def _made(attrs: Mapping[str, Attr], rank: int) -> Type:
    return Type(cast(str, attrs.get("kind", "float")), rank, cast(int, attrs.get("bits", 64)))


def _dtype(attrs: Mapping[str, Attr]) -> str:
    """``, np.float32``: the argument that says what an array holds, nothing where that is 64-bit floats."""
    made = _made(attrs, 0)
    word = _DTYPES[made.kind, made.bits]
    return f", {word}" if word else ""


def _room(name: str) -> Callable[[Mapping[str, Attr], Sequence[Type]], str]:
    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        return f"{name}({sizes_text(len(types))}{_dtype(attrs)})"

    return spelled


def _by_sizes(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    return _made(attrs, len(types))


@general(_room("np.zeros"), _by_sizes, stage="zeros", title="zeros")
def zeros_of(g: Value, out: Value, *n: Value, kind: str = "float", bits: int = 64) -> list[None]:
    """An array of zeros of given sizes (`np.zeros`)."""
    return [None] * len(n)


@general(_room("np.ones"), _by_sizes, stage="ones", title="ones")
def ones_of(g: Value, out: Value, *n: Value, kind: str = "float", bits: int = 64) -> list[None]:
    """An array of ones of given sizes (`np.ones`)."""
    return [None] * len(n)


@general({"python": _room("np.empty"), "numba": _room("room")}, _by_sizes, stage="room", title="empty")
def empty_of(g: Value, out: Value, *n: Value, kind: str = "float", bits: int = 64) -> list[None]:
    """An array of given sizes to be written to; what it holds before that is anything (`np.empty`)."""
    return [None] * len(n)


def _filled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"np.full({sizes_text(len(types) - 1)}, {{value}}{_dtype(attrs)})"


def _filled_type(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    return _made(attrs, len(types) - 1)


@general(_filled, _filled_type, stage="{value}full", title="fill")
def full_of(g: Value, out: Value, value: Value, *n: Value, kind: str = "float", bits: int = 64) -> tuple[Value, list[None]]:
    """One number in every element of an array of given sizes; its gradient is the sum of theirs (`np.full`)."""
    return sum_(g), [None] * len(n)


@general("np.ones_like({x})", first, stage="ones")
def ones_like(g: Value, out: Value, x: Value) -> Pulled:
    """An array of ones of the shape and the kind of another (`np.ones_like`)."""
    return None


@general("np.empty_like({x})", first, stage="room")
def empty_like(g: Value, out: Value, x: Value) -> Pulled:
    """An array of the shape and the kind of another, to be written to (`np.empty_like`)."""
    return None


def _kind(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    return Type(cast(str, attrs["kind"]), types[0].rank)


def _as_kind(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"{{x}}.astype({_DTYPES[cast(str, attrs['kind']), 64]})"


@general(_as_kind, _kind, stage="{x}{kind}", title="convert")
def astype(g: Value, out: Value, x: Value, *, kind: str) -> Pulled:
    """The numbers of an array as ints, without their fractions, or as truth values; these have no slope (`ndarray.astype`)."""
    return None


def _square(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    offset = f", {attrs['k']}" if attrs.get("k") else ""
    return f"np.eye({{n}}, {{m}}{offset}{_dtype(attrs).replace(', ', ', dtype=')})"


def _matrix(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    return _made(attrs, 2)


@general(_square, _matrix, stage="eye", title="eye")
def eye_of(g: Value, out: Value, n: Value, m: Value, *, k: int = 0, kind: str = "float", bits: int = 64) -> tuple[None, None]:
    """Ones on a diagonal and zeros elsewhere (`np.eye`)."""
    return None, None


def _range_type(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    return _made({"kind": "float" if any(type.kind == "float" for type in types) else "int"}, 1)


@general("np.arange({start}, {stop}, {step})", _range_type, stage="steps", title="range")
def arange(g: Value, out: Value, start: Value, stop: Value, step: Value) -> tuple[Value | None, ...]:
    """Numbers from `start` on, `step` apart; where they end has no slope (`np.arange`).

    How many there are depends on the three numbers as well, in jumps, which have no derivative.
    """
    return sum_(g), None, sum_(g * positions(g))


helper(
    '''
    def positions(x):
        """The index of every element of a vector, as numbers of its kind."""
        return np.arange(x.size).astype(x.dtype)
    '''
)


@general("positions({x})", first, stage="places", helpers=("positions",))
def positions(g: Value, out: Value, x: Value) -> Pulled:
    """The index of every element of a vector, as a float."""
    return None


helper(
    '''
    def linspace(start, stop, n, parts):
        """np.linspace(start, stop, n), rounded as NumPy rounds it; the last number is stop where there are n - 1 parts."""
        if n < 0:
            raise ValueError("the number of samples must not be negative")
        step = (stop - start) / max(parts, 1)
        out = np.empty(n)
        for k in range(n):
            out[k] = k * step + start if step != 0.0 else k / max(parts, 1) * (stop - start) + start
        if n > 1 and parts < n:
            out[n - 1] = stop
        return out
    '''
)


def _line_type(types: Sequence[Type]) -> Type:
    return Type("float", 1)


def _line(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "np.linspace({start}, {stop}, {n})" if attrs.get("endpoint", True) else "np.linspace({start}, {stop}, {n}, endpoint=False)"


def _line_of_numba(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "linspace({start}, {stop}, {n}, {n} - 1)" if attrs.get("endpoint", True) else "linspace({start}, {stop}, {n}, {n})"


@general({"python": _line, "numba": _line_of_numba}, _line_type, stage="line", helpers=("linspace",))
def linspace(g: Value, out: Value, start: Value, stop: Value, n: Value, *, endpoint: bool = True) -> tuple[Value | None, ...]:
    """Numbers at even distances from one to another, by default both included; each is a mean of the two (`np.linspace`)."""
    upper = sum_(g * (linspace(0.0, 1.0, n) if endpoint else linspace(0.0, 1.0, n, endpoint=False)))
    return sum_(g) - upper, upper, None
