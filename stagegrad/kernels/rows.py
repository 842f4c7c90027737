"""Sections of a matrix so small that they stay in the cache between two products, in words that are plain Python too.

Where a matrix does not lie row after row, its sections would be copied for each product: then the whole matrix is the only section.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.extending

#: A section has about so many elements: 256 KB of float64, which fits into the second cache of any processor.
ELEMENTS = 2**15

overload: Callable[[Callable[..., Any]], Callable[[Callable[..., Any]], Any]] = numba.extending.overload  # Numba has no types


def rows_at_once(x: Any) -> int:
    """How many rows a section of a matrix has, one at least."""
    return int(max(1, ELEMENTS // max(1, x.shape[1]) if x.flags.c_contiguous else x.shape[0]))


def section(x: Any, first: Any, last: Any) -> Any:
    """The rows of a matrix from one to before another, which are those of a section."""
    return x[first:last]


# What Numba is given must name its operands, and their types, as what it stands for does.


@overload(rows_at_once)
def _rows_at_once(x: Any) -> Callable[[Any], Any]:
    def few(x: Any) -> Any:
        return max(1, ELEMENTS // max(1, x.shape[1]))

    def all_of_them(x: Any) -> Any:
        return max(1, x.shape[0])

    return few if x.layout == "C" else all_of_them


@overload(section)
def _section(x: Any, first: Any, last: Any) -> Callable[[Any, Any, Any], Any]:
    def part(x: Any, first: Any, last: Any) -> Any:
        return x[first:last]

    def whole(x: Any, first: Any, last: Any) -> Any:
        return x

    return part if x.layout == "C" else whole
