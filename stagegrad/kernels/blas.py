"""Products of matrices and vectors, compiled once for each combination of orders and widths: their machine code is kept for all programs.

Numba compiles its own ``@`` anew for each program that has one, a quarter of a second for each combination.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.extending import get_cython_function_address

_config: Any = numba.config  # typed in part alone
_compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(cache=True, nogil=True)

if not _config.DISABLE_JIT:
    # An ImportError where SciPy is missing: what was compiled with it would end the process.
    get_cython_function_address("scipy.linalg.cython_blas", "dgemm")


@_compiled
def dot(x: Any, y: Any) -> Any:
    """``x @ y`` of matrices and vectors."""
    return x @ y
