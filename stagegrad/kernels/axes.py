"""The axes of an array in another order or of other sizes, in words that are plain NumPy where Numba does not compile them.

Numba's own `np.transpose` is a loop over the axes and a view by strides, in general, and takes it a second or two to compile for each
number of axes; its `reshape` asks for much that helpers know. These are a handful of instructions.
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


def laid_out(x: Any, shape: Any) -> Any:
    """A contiguous array with other axes, of as many elements: the same memory."""
    return x.reshape(shape)


def of_kind(values: Any, like: Any) -> Any:
    """The numbers of an array as wide as those of another: the same array where they are."""
    return values.astype(like.dtype, copy=False)


@type_callable(laid_out)
def _type_of_laid_out(_context: Any) -> Any:
    def result(x: Any, shape: Any) -> Any:
        fits = isinstance(x, types.Array) and x.layout == "C" and isinstance(shape, types.UniTuple)
        return x.copy(ndim=len(shape)) if fits else None

    return result


@lower_builtin(laid_out, types.Array, types.UniTuple)
def _lower_laid_out(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """A view of the same memory, whose strides are those of its sizes."""
    made = signature.return_type
    x = arrayobj.make_array(signature.args[0])(context, builder, args[0])
    found = arrayobj.make_array(made)(context, builder)
    sizes = cgutils.unpack_tuple(builder, args[1], made.ndim)
    strides = [x.itemsize]
    for size in sizes[:0:-1]:
        strides.insert(0, builder.mul(strides[0], size))
    placed = {"shape": cgutils.pack_array(builder, sizes), "strides": cgutils.pack_array(builder, strides)}
    arrayobj.populate_array(found, data=x.data, itemsize=x.itemsize, meminfo=x.meminfo, parent=x.parent, **placed)
    return implementing.impl_ret_borrowed(context, builder, made, found._getvalue())


@type_callable(of_kind)
def _type_of_of_kind(_context: Any) -> Any:
    def result(values: Any, like: Any) -> Any:
        fits = isinstance(values, types.Array) and isinstance(like, types.Array) and values.layout == "C"
        return values.copy(dtype=like.dtype) if fits else None

    return result


@lower_builtin(of_kind, types.Array, types.Array)
def _lower_of_kind(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """The array itself, or a narrower copy of it."""
    if signature.args[0] == signature.return_type:
        return implementing.impl_ret_borrowed(context, builder, signature.return_type, args[0])
    return arrayobj.array_astype(context, builder, signature, args)


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
