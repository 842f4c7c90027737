"""The fields of a message's JSON, read by name and checked: what is wrong with them is said in terms of the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class BadMessage(Exception):
    """A message, or the input in it, is not of the form that GradBench's protocol gives it."""


class Fields:
    """A JSON object whose fields are read by name; `title` is what messages call it."""

    def __init__(self, found: object, title: str) -> None:
        if not isinstance(found, Mapping):
            raise BadMessage(f"{title} is {_shown(found)}, not an object")
        self._found, self._title = found, title

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def any(self, name: str) -> Any:
        """A field of any kind."""
        if name not in self._found:
            raise BadMessage(f"{self._title} has no field {name!r}")
        return self._found[name]

    def part(self, name: str) -> Fields:
        """A field that is an object itself."""
        return Fields(self.any(name), self._named(name))

    def text(self, name: str) -> str:
        """A text."""
        found = self.any(name)
        if not isinstance(found, str):
            raise self._refused(name, found, "a text")
        return found

    def items(self, name: str) -> list[Any]:
        """A list of anything."""
        found = self.any(name)
        if not isinstance(found, list):
            raise self._refused(name, found, "a list")
        return found

    def flag(self, name: str) -> bool:
        """true or false."""
        found = self.any(name)
        if not isinstance(found, bool):
            raise self._refused(name, found, "true or false")
        return found

    def whole(self, name: str, least: int = 0) -> int:
        """A whole number of at least `least`, below 2**63; 3.0 is one, too."""
        found = self.any(name)
        if isinstance(found, bool) or not isinstance(found, int | float) or found != found // 1 or not least <= found < 2**63:
            raise self._refused(name, found, f"a whole number of at least {least} and below 2**63")
        return int(found)

    def number(self, name: str) -> float:
        """A finite number."""
        return float(self.array(name, ()))

    def array(self, name: str, shape: Sequence[int | None]) -> Floats:
        """Finite numbers in lists of lists of this shape, None where any length will do."""
        found = self._array(name, shape)
        if not np.issubdtype(found.dtype, np.number) or not np.all(np.isfinite(found)):
            raise self._refused(name, self.any(name), _described("finite number", shape))
        return np.asarray(found, np.float64, order="C")

    def some(self, name: str) -> Floats:
        """A list of at least one finite number."""
        return self._filled(name, self.array(name, (None,)))

    def table(self, name: str, columns: int | None = None) -> Floats:
        """Rows of finite numbers, at least one row and one column."""
        return self._filled(name, self.array(name, (None, columns)))

    def _filled(self, name: str, found: Floats) -> Floats:
        if found.size == 0:
            raise self._refused(name, self.any(name), "at least one number")
        return found

    def indices(self, name: str, shape: Sequence[int | None], least: int, below: int) -> Ints:
        """Whole numbers from `least` to `below`, that not included."""
        found = self._array(name, shape)
        wanted = f"{_described('whole number', shape)} from {least} to {below - 1}"
        if found.size == 0:
            return np.zeros(found.shape, np.int64)
        if not np.issubdtype(found.dtype, np.integer) or found.min() < least or found.max() >= below:
            raise self._refused(name, self.any(name), wanted)
        return np.asarray(found, np.int64, order="C")

    def _array(self, name: str, shape: Sequence[int | None]) -> NDArray[Any]:
        try:
            found = np.array(self.any(name))
        except ValueError:
            raise BadMessage(f"{self._named(name)} has lists of different lengths") from None
        lengths = [length for length in shape if length is not None]
        if found.size == 0 and (None in shape or 0 in lengths) and found.ndim < len(shape):
            found = np.zeros(tuple(0 if length is None else length for length in shape))
        if found.ndim != len(shape) or any(want is not None and got != want for got, want in zip(found.shape, shape, strict=True)):
            raise self._refused(name, self.any(name), _described("number", shape))
        return found

    def _named(self, name: str) -> str:
        return f"{self._title}.{name}"

    def _refused(self, name: str, found: object, wanted: str) -> BadMessage:
        return BadMessage(f"{self._named(name)} is {_shown(found)}, not {wanted}")


def _described(what: str, shape: Sequence[int | None]) -> str:
    """Words for an array: ``a list (3 by 4) of numbers``."""
    if not shape:
        return f"a {what}"
    return f"a list ({' by '.join('any' if length is None else str(length) for length in shape)}) of {what}s"


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 60 else f"{text[:57]}..."
