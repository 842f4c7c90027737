"""The axes of an array in another order, in a word that is plain NumPy where Numba does not compile it.

Numba's own `np.transpose` is a loop over the axes and a view by strides, in general, and takes it a second or two to compile for each
number of axes. This is a handful of instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.core.cgutils
import numba.core.imputils
import numba.core.types
import numba.extending
import numba.np.arrayobj
import numpy
from llvmlite import ir

# Numba is typed in part alone.
types: Any = numba.core.types
cgutils: Any = numba.core.cgutils
arrayobj: Any = numba.np.arrayobj
implementing: Any = numba.core.imputils
type_callable: Callable[[Any], Callable[..., Any]] = numba.extending.type_callable
lower_builtin: Callable[..., Callable[..., Any]] = numba.extending.lower_builtin


def permuted(x: Any, axes: Any) -> Any:
    """``np.transpose(x, axes)``, where each axis is named once, by its number from the front."""
    return numpy.transpose(x, axes)


@type_callable(permuted)
def _type_of_permuted(_context: Any) -> Any:
    def result(x: Any, axes: Any) -> Any:
        fits = isinstance(x, types.Array) and isinstance(axes, types.UniTuple) and len(axes) == x.ndim
        return x.copy(layout="A") if fits else None

    return result


@lower_builtin(permuted, types.Array, types.UniTuple)
def _lower_permuted(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """A view of the same memory: its sizes and strides are those of the array, picked in the order of the axes."""
    given, rank = signature.args[0], signature.args[0].ndim
    x = arrayobj.make_array(given)(context, builder, args[0])
    found = arrayobj.make_array(signature.return_type)(context, builder)
    axes = cgutils.unpack_tuple(builder, args[1], rank)
    sizes, strides = (_picked(builder, cgutils.unpack_tuple(builder, numbers, rank), axes) for numbers in (x.shape, x.strides))
    arrayobj.populate_array(found, data=x.data, shape=sizes, strides=strides, itemsize=x.itemsize, meminfo=x.meminfo, parent=x.parent)
    return implementing.impl_ret_borrowed(context, builder, signature.return_type, found._getvalue())


def _picked(builder: Any, numbers: list[Any], axes: list[Any]) -> Any:
    """The numbers at the places of the axes, which LLVM knows to be constant."""
    found = []
    for axis in axes:
        number = numbers[0]
        for place in range(1, len(numbers)):
            number = builder.select(builder.icmp_signed("==", axis, ir.Constant(axis.type, place)), numbers[place], number)
        found.append(number)
    return cgutils.pack_array(builder, found)
