"""Tables of the NumPy functions that are supported: an `Entry` says how one is called, a file of entries is a table.

`tests.surface.oracle` knows what an entry's value and derivatives must be, `tests.surface.program` makes stagegrad compute them,
`tests.surface.coverage` writes the tables as a page of the documentation, and tests/test_numpy_surface.py runs them all.
"""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = "np.ndarray[Any, Any]"
#: How the elements of an argument are drawn: a word of `FILLS`, "below:n" for ints in [0, n), or a function of its own.
Fill: TypeAlias = "str | Callable[[np.random.Generator, Shape], Array]"
#: The shapes of the arguments in a case, or why there is no such case.
Shapes: TypeAlias = "Sequence[Shape] | str"

#: The names of an entry's arguments.
NAMES = "xyzuv"
CASES = ("ordinary", "broadcast", "size-1", "empty", "strided", "repeated")


@dataclass(frozen=True)
class Entry:
    """One way to call a function: an expression over the arguments x, y, z, u, v, with NumPy as np, scipy.special as special, and scipy.

    What an entry leaves out is found from the rest: the case "size-1" has the shapes with every extent 1, "strided" has the ordinary
    arguments in memory that is not contiguous, "repeated" passes the first argument in the place of every one of its shape and fill.
    A text in the place of a case's shapes says why the function has no such case; it is printed in the coverage table.
    """

    name: str  # as users write it: "np.sum"
    text: str  # "np.sum(x, axis=0)"
    shapes: Sequence[Shape] = ((3, 4),)
    fills: Sequence[Fill] = ("normal",)  # of each argument; the last one stands for those that follow
    broadcast: Shapes = "one array"
    single: Shapes | None = None
    empty: Shapes | type[Exception] = "not defined"  # an exception: what NumPy raises, and so must we
    repeated: bool = True
    orders: int = 2  # how often it can be differentiated; 0 where it is constant between jumps
    step: float | None = None  # of the differences that judge it; small where a jump or a kink may be near
    loose: float = 1.0  # tolerances are multiplied by it
    targets: Sequence[str] = ("numpy", "numba")
    float32: str = ""  # why there is no float32, if there is none
    note: str = ""  # what the coverage table should say about it

    @property
    def title(self) -> str:
        return self.text

    @property
    def pace(self) -> float:
        """The step of the differences."""
        return self.step or (4e-3 if self.orders else 1e-8)

    def case(self, case: str) -> Shapes | type[Exception]:
        """The shapes of a case, the exception that it raises, or why there is none."""
        if case == "broadcast":
            return self.broadcast
        if case == "size-1":
            return tuple((1,) * len(shape) for shape in self.shapes) if self.single is None else self.single
        if case == "empty":
            return self.empty
        if case == "repeated":
            return self.shapes if self.repeated and len(set(self.repeats)) < len(self.shapes) else "one array of a kind"
        return self.shapes

    @property
    def repeats(self) -> tuple[str, ...]:
        """For each argument the first one of the same shape and fill: what the case "repeated" passes instead."""
        kinds = [(tuple(shape), self.fill(k)) for k, shape in enumerate(self.shapes)]
        return tuple(NAMES[kinds.index(kind)] for kind in kinds)

    def fill(self, position: int) -> Fill:
        return self.fills[min(position, len(self.fills) - 1)]

    def arguments(self, shapes: Sequence[Shape], dtype: str = "float64") -> tuple[Array, ...]:
        """The arguments of a case: the same ones whenever they are asked for."""
        rng = np.random.default_rng(zlib.crc32(f"{self.text}{list(shapes)}".encode()))
        drawn = (_drawn(rng, self.fill(k), tuple(shape)) for k, shape in enumerate(shapes))
        return tuple(array.astype(dtype) if array.dtype.kind == "f" else array for array in drawn)


def apart(rng: np.random.Generator, shape: Shape, low: float = 0.3, high: float = 2.0) -> Array:
    """Positive numbers in a random order, no two so near that a difference could step over the gap."""
    count = int(np.prod(shape))
    edges = np.linspace(low, high, count + 1)
    found = edges[:-1] + (edges[1:] - edges[:-1]) * rng.uniform(0.3, 0.7, count)
    return rng.permutation(found).reshape(shape)


def _signed(rng: np.random.Generator, shape: Shape) -> Array:
    return apart(rng, shape) * rng.choice([-1.0, 1.0], shape)


#: How arguments are filled. "normal" is of either sign and away from 0.
FILLS: dict[str, Callable[[np.random.Generator, Shape], Array]] = {
    "normal": _signed,
    "positive": apart,
    "unit": lambda rng, shape: apart(rng, shape, 0.05, 0.95),
    "within": lambda rng, shape: apart(rng, shape, 0.05, 0.9) * rng.choice([-1.0, 1.0], shape),
    "above 1": lambda rng, shape: apart(rng, shape, 1.2, 4.0),
    "wide": lambda rng, shape: 3.0 * _signed(rng, shape),
    "rising": lambda rng, shape: np.sort(apart(rng, shape), axis=-1),
    "bool": lambda rng, shape: rng.random(shape) < 0.5,
}


def _drawn(rng: np.random.Generator, fill: Fill, shape: Shape) -> Array:
    if callable(fill):
        return fill(rng, shape)
    if fill.startswith("below:"):
        return rng.integers(0, int(fill.removeprefix("below:")), shape)
    return FILLS[fill](rng, shape)


def strided(array: Array) -> Array:
    """The same numbers in memory that is not contiguous: every second element, the last axis backwards, the others in Fortran's order."""
    room = np.zeros([2 * extent for extent in reversed(array.shape)], array.dtype).T
    view = room[tuple(slice(None, None, 2) for _ in array.shape)][..., ::-1]
    view[...] = array
    return view


def tables() -> dict[str, list[Entry]]:
    """Every table, by the name of its file: the modules of this package that have `ENTRIES`."""
    found: dict[str, list[Entry]] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        entries = getattr(importlib.import_module(f"{__name__}.{module}"), "ENTRIES", None)
        if entries is not None:
            found[module] = entries
    return found
