"""What generated code tells LLVM about its loops, in words that are plain Python where Numba does not compile them.

`plus` and `minus` are sums whose order is free. Only they: everything else in a loop is computed as it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import lower_builtin, type_callable

#: What a sum is allowed to be: taken in any order of the trips, and together with a product that is added.
_FREE = ("reassoc", "contract")


def plus(total: float, term: float) -> float:
    """``total + term`` in a loop that carries the total, which may add what several trips find before it adds that to the total."""
    return total + term


def minus(total: float, term: float) -> float:
    """``total - term``, in any order as `plus`."""
    return total - term


def _of_floats(_context: Any) -> Callable[[Any, Any], Any]:
    def result(total: Any, term: Any) -> Any:
        # As wide as the total: beside a float32, a Python number is as narrow.
        return total if isinstance(total, types.Float) and isinstance(term, types.Float) else None

    return result


type_callable(plus)(_of_floats)
type_callable(minus)(_of_floats)


def _free_sum(instruction: str) -> Callable[..., Any]:
    def lowered(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pairs = zip(args, signature.args, strict=True)
        total, term = (context.cast(builder, arg, type_, signature.return_type) for arg, type_ in pairs)
        return getattr(builder, instruction)(total, term, flags=_FREE)

    return lowered


_lower: Any = lower_builtin  # Numba has no types
_lower(plus, types.Float, types.Float)(_free_sum("fadd"))
_lower(minus, types.Float, types.Float)(_free_sum("fsub"))
