"""A function of numbers on arrays where Numba compiles nothing: under ``NUMBA_DISABLE_JIT=1`` this stands for ``numba.vectorize``.

That one would compile all the same, and find functions of plain Python where it expects compiled ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

Elementwise = Callable[..., Any]


def vectorize(function: Elementwise | None = None, **_options: Any) -> Any:
    """Spreads a function over arrays as NumPy broadcasts them; numbers alone give a number, and NumPy's warnings stay away."""
    if function is None:
        return vectorize

    @functools.wraps(function)
    def spread(*operands: Any) -> Any:
        arrays = [np.asarray(operand) for operand in operands]
        with np.errstate(all="ignore"):
            if not any(array.ndim for array in arrays):
                return function(*operands)
            together = np.broadcast(*arrays)
            found = [function(*elements) for elements in together]
        kind = np.asarray(found).dtype if found else np.result_type(*arrays)
        return np.array(found, kind).reshape(together.shape)

    return spread
