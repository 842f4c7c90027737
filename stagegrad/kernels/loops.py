"""What generated code tells LLVM about its loops, in words that are plain Python where Numba does not compile them.

`plus` and `minus` are sums whose order is free. Only they: everything else in a loop is computed as it is written. `wide` and `apart`
stand at the beginning of a function and are about all of it; they change nothing but the speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

#: What a sum is allowed to be: taken in any order of the trips, and together with a product that is added.
_FREE = ("reassoc", "contract")
#: LLVM takes vectors of half the width where it is not told so.
_WIDEST = '"prefer-vector-width"="512"'


def plus(total: float, term: float) -> float:
    """``total + term`` in a loop that carries the total, which may add what several trips find before it adds that to the total."""
    return total + term


def minus(total: float, term: float) -> float:
    """``total - term``, in any order as `plus`."""
    return total - term


def wide() -> None:
    """The loops of the calling function use vectors of 512 bits where the processor has them.

    That is worth it for `exp` and its like, which are much arithmetic for each number; loops that wait for memory or for a division
    gain nothing, or lose a little.
    """


def apart() -> None:
    """The arrays that are given to the calling function lie apart from all that it writes to.

    LLVM then need not compare their addresses before a loop; where that would take more than 128 comparisons, it gives up.
    """


def _of_floats(_context: Any) -> Callable[[Any, Any], Any]:
    def result(total: Any, term: Any) -> Any:
        # As wide as the total: beside a float32, a Python number is as narrow.
        return total if isinstance(total, types.Float) and isinstance(term, types.Float) else None

    return result


def _of_nothing(_context: Any) -> Callable[[], Any]:
    return lambda: types.none


type_callable(plus)(_of_floats)
type_callable(minus)(_of_floats)
type_callable(wide)(_of_nothing)
type_callable(apart)(_of_nothing)


def _free_sum(instruction: str) -> Callable[..., Any]:
    def lowered(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pairs = zip(args, signature.args, strict=True)
        total, term = (context.cast(builder, arg, type_, signature.return_type) for arg, type_ in pairs)
        return getattr(builder, instruction)(total, term, flags=_FREE)

    return lowered


def _widest(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
    attributes = builder.function.attributes
    # llvmlite accepts the attributes that it knows; a text such as this one goes into LLVM's code as it is.
    attributes._known = attributes._known | {_WIDEST}
    attributes.add(_WIDEST)
    return context.get_dummy_value()


def _unshared(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
    for argument in builder.function.args:
        # Of the parts of an array, the address of its elements alone: two arrays may have one count of references.
        is_address = isinstance(argument.type, ir.PointerType) and argument.name.startswith("arg.")
        if is_address and argument.type.pointee != ir.IntType(8):
            argument.add_attribute("noalias")
    return context.get_dummy_value()


_lower: Any = lower_builtin  # Numba has no types
_lower(plus, types.Float, types.Float)(_free_sum("fadd"))
_lower(minus, types.Float, types.Float)(_free_sum("fsub"))
_lower(wide)(_widest)
_lower(apart)(_unshared)
