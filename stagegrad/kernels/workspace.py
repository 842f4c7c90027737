"""Large arrays of compiled code, from memory that is kept: ``room(n)`` is ``np.empty(n)``, but for what becomes of its memory.

Fresh memory costs a page fault for every 4 KB, which is up to 3.5 times what it takes to write a tape and to read it; and the C library
gives memory back to the system as soon as some 100 KB at the end of it are free. So what an array of 32 KB or more has held is kept when
the array is gone, and given to the next one that needs about as much, whichever function and thread asks. Memory is taken and given by
single atomic exchanges on a table: no lock that a thread could hold, or a fork could copy. An array that leaves its function, as a
gradient does, gives its memory back when Python lets go of it.

The table also counts what is in use. An array that would exceed the limit raises MemoryError before the machine begins to swap.

Generated modules import this one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

import numba
import numba.core.cgutils
import numba.core.datamodel
import numba.core.imputils
import numba.core.runtime
import numba.core.types
import numba.core.typing.npydecl
import numba.extending
import numba.np.arrayobj
import numpy
from llvmlite import binding, ir

# Numba is typed in part alone.
types: Any = numba.core.types
cgutils: Any = numba.core.cgutils
runtime: Any = numba.core.runtime
arrayobj: Any = numba.np.arrayobj
typing_of_numpy: Any = numba.core.typing.npydecl
implementing: Any = numba.core.imputils
datamodel: Any = numba.core.datamodel
Decorator = Callable[[Callable[..., Any]], Any]
intrinsic: Decorator = numba.extending.intrinsic
type_callable: Callable[[Any], Decorator] = numba.extending.type_callable
lower_builtin: Callable[..., Decorator] = numba.extending.lower_builtin
overload_classmethod: Callable[..., Decorator] = numba.extending.overload_classmethod

#: Arrays of so many bytes or more are made of memory that is kept.
LARGE = 2**15
#: How many pieces of memory are kept at most of each of two kinds, those of less than 1 MB and the others: few tapes among many results.
SLOTS, TAPE = 32, 2**20
#: The entries of the table before its slots: five amounts in bytes, then the slot whose turn it is to be emptied.
LIMIT, MOST_KEPT, USED, KEPT, REFUSED, TURN, FIRST = range(7)
#: A piece of memory says how long it is, then where it was allocated, in front of what it is used for: 48 bytes in which Numba
#: counts references, and from a multiple of 64 on the elements.
HEADER, COUNTED, ALIGNED = 16, 48, 64

TABLE = (ctypes.c_int64 * (FIRST + 2 * SLOTS))()


def machine_memory() -> int:
    """The bytes of memory that this process may use: the machine's, or those of the container it runs in."""
    found = [2**63 - 1]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found)


_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def parsed_bytes(text: str) -> int:
    """A number of bytes as a user writes it: "8GB", "512 MiB", "1e9"."""
    number = text.strip().rstrip("BbIiKkMmGgTt ")
    unit = text.strip()[len(number) :].strip().upper()
    if unit == "B":
        unit = ""
    try:
        found = int(float(number) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        raise ValueError(f'{text!r} is not a number of bytes; write "8GB", "512MiB" or "1e9"') from None
    if found < 0:
        raise ValueError(f"{text!r} is less than no bytes")
    return found


def configure(limit: int | None = None, kept: int | None = None) -> None:
    """Sets how many bytes large arrays may use together, and how many of them are kept when they are not in use."""
    memory = machine_memory()
    if limit is None:
        given = os.environ.get("STAGEGRAD_MEMORY_LIMIT", "")
        limit = parsed_bytes(given) if given else memory * 3 // 4
    if kept is None:
        given = os.environ.get("STAGEGRAD_MEMORY_KEPT", "")
        kept = parsed_bytes(given) if given else min(memory // 8, 2**31)
    TABLE[LIMIT], TABLE[MOST_KEPT] = limit, kept


configure()

# ---------------------------------------------------------------------------------------------- single steps

_I64, _BYTES = ir.IntType(64), ir.IntType(8).as_pointer()
_TABLE_SYMBOL = "stagegrad_workspace_table"
binding.add_symbol(_TABLE_SYMBOL, ctypes.addressof(TABLE))


def _entry(builder: Any, index: Any) -> Any:
    """The address of an entry of the table, by name: so that machine code which another process wrote finds the table of this one."""
    module = builder.module
    known = module.globals.get(_TABLE_SYMBOL)
    table = known or ir.GlobalVariable(module, ir.ArrayType(_I64, len(TABLE)), _TABLE_SYMBOL)
    return builder.gep(table, [_I64(0), index], inbounds=True)


@intrinsic
def _swapped(typing: Any, index: Any, value: Any) -> Any:
    """Puts a value into an entry of the table, and returns what was there."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("xchg", _entry(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), write


@intrinsic
def _added(typing: Any, index: Any, value: Any) -> Any:
    """Adds to an entry of the table, and returns what was there."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _entry(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), write


@intrinsic
def _filled(typing: Any, index: Any, value: Any) -> Any:
    """Puts a value into an entry of the table that is 0, and tells whether it was."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair = builder.cmpxchg(_entry(builder, args[0]), _I64(0), args[1], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64), write


@intrinsic
def _allocated(typing: Any, size: Any) -> Any:
    """The address of fresh memory; 0 where there is none."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        allocate = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_BYTES, [_I64]), "NRT_Allocate")
        return builder.ptrtoint(builder.call(allocate, args), _I64)

    return types.int64(types.int64), write


@intrinsic
def _freed(typing: Any, address: Any) -> Any:
    """Gives memory back to the system."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        free = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [_BYTES]), "NRT_Free")
        builder.call(free, [builder.inttoptr(args[0], _BYTES)])
        return _I64(0)

    return types.int64(types.int64), write


@intrinsic
def _word(typing: Any, address: Any) -> Any:
    """Reads eight bytes."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], _I64.as_pointer()))

    return types.int64(types.int64), write


@intrinsic
def _written(typing: Any, address: Any, word: Any) -> Any:
    """Writes eight bytes."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer()))
        return _I64(0)

    return types.int64(types.int64, types.int64), write


# ---------------------------------------------------------------------------------------------- memory that is kept


def _compiled(signature: str) -> Decorator:
    """A function that C can call, kept on disk where there is a place for it."""

    def compile(function: Callable[..., Any]) -> Any:
        try:
            return numba.cfunc(signature, cache=True)(function)
        except RuntimeError:  # no place to keep it
            return numba.cfunc(signature)(function)

    return compile


@_compiled("int64(int64, int64)")
def _take(size: Any, _: Any) -> Any:
    """Memory of so many bytes, from the table if a piece there is large enough and little larger; 0 beyond the limit."""
    need = size + 2 * ALIGNED
    if _added(USED, need) + need > _added(LIMIT, 0):
        _added(USED, -need)
        _swapped(REFUSED, need)
        return 0
    first = FIRST if need < TAPE else FIRST + SLOTS
    for slot in range(first, first + SLOTS):
        piece = _swapped(slot, 0)
        if piece != 0:
            length = _word(piece)
            if need <= length <= need + need // 4:
                _added(KEPT, -length)
                _added(USED, length - need)
                return piece + HEADER
            if not _filled(slot, piece):  # another thread was quicker
                _added(KEPT, -length)
                _freed(_word(piece + 8))
    whole = _allocated(need)
    if whole == 0:
        _added(USED, -need)
        _swapped(REFUSED, need)
        return 0
    piece = (whole + HEADER + COUNTED + ALIGNED - 1) // ALIGNED * ALIGNED - COUNTED - HEADER
    _written(piece, need)
    _written(piece + 8, whole)
    return piece + HEADER


@_compiled("int64(int64, int64)")
def _give(address: Any, _: Any) -> Any:
    """Puts a piece of memory into the table; what was there longest makes room, or where there is none, the piece is freed."""
    piece = address - HEADER
    length = _word(piece)
    _added(USED, -length)
    kept, most = _added(KEPT, length) + length, _added(MOST_KEPT, 0)
    tries = 0
    while kept > most and tries < 2 * SLOTS and length <= most:
        other = _swapped(FIRST + _added(TURN, 1) % (2 * SLOTS), 0)
        tries += 1
        if other != 0:
            freed = _word(other)
            kept = _added(KEPT, -freed) - freed
            _freed(_word(other + 8))
    if kept <= most:
        first = FIRST if length < TAPE else FIRST + SLOTS
        for slot in range(first, first + SLOTS):
            if _filled(slot, piece):
                return 0
        other = _swapped(first + _added(TURN, 1) % SLOTS, piece)
        if other == 0:
            return 0
        piece, length = other, _word(other)
    _added(KEPT, -length)
    _freed(_word(piece + 8))
    return 0


def _emptied(_: Any) -> Any:
    """Frees everything that is kept; the number of bytes."""
    total = 0
    for slot in range(FIRST, FIRST + 2 * SLOTS):
        piece = _swapped(slot, 0)
        if piece != 0:
            length = _word(piece)
            total += length
            _added(KEPT, -length)
            _freed(_word(piece + 8))
    return total


def release() -> int:
    """Gives the memory that is kept for large arrays back to the system; returns the number of bytes."""
    return int(_compiled("int64(int64)")(_emptied).ctypes(0))


def _numbas_own() -> int:
    """The address of the function of Numba's runtime that allocates an array's memory by the functions of somebody else."""
    table = ctypes.CFUNCTYPE(ctypes.c_void_p)(runtime._nrt_python.c_helpers["get_api"])()
    return (ctypes.c_void_p * 2).from_address(table)[1] or 0


#: What Numba's runtime asks for memory: functions that allocate, reallocate and free, and a word for them.
ALLOCATOR = (ctypes.c_void_p * 4)(_take.address, 0, _give.address, 0)
_ALLOCATOR_SYMBOL = "stagegrad_workspace_allocator"
binding.add_symbol(_ALLOCATOR_SYMBOL, ctypes.addressof(ALLOCATOR))
_ASK_SYMBOL = "stagegrad_workspace_ask"
binding.add_symbol(_ASK_SYMBOL, _numbas_own())

# ---------------------------------------------------------------------------------------------- arrays

#: What the MemoryError of compiled code says where the limit is reached.
TOO_LARGE = "a large array exceeds what may be used of the memory"


class _Kept(types.Array):  # type: ignore[misc]  # Numba's classes are Any
    """The type of an array while its memory is asked for."""


datamodel.register_default(_Kept)(datamodel.models.ArrayModel)


@intrinsic
def _held(typing: Any, size: Any, align: Any) -> Any:
    """The memory of an array: kept memory for a large one."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size, align = args
        ask = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_BYTES, [size.type, _BYTES]), _ASK_SYMBOL)
        ask.return_value.add_attribute("noalias")
        found = cgutils.alloca_once(builder, _BYTES)
        with builder.if_else(builder.icmp_signed(">=", size, size.type(LARGE))) as (large, small):
            with large:
                known = builder.module.globals.get(_ALLOCATOR_SYMBOL)
                allocator = known or ir.GlobalVariable(builder.module, ir.ArrayType(_I64, 4), _ALLOCATOR_SYMBOL)
                builder.store(builder.call(ask, [size, builder.bitcast(allocator, _BYTES)]), found)
            with small:
                builder.store(context.nrt.meminfo_alloc_aligned(builder, size, align), found)
        held = builder.load(found)
        with builder.if_then(cgutils.is_null(builder, held), likely=False):
            context.call_conv.return_user_exc(builder, MemoryError, (TOO_LARGE,))
        return held

    return types.MemInfoPointer(types.voidptr)(size, align), write


@overload_classmethod(_Kept, "_allocate", target="CPU")
def _allocate(cls: Any, size: Any, align: Any) -> Any:
    def ask(cls: Any, size: Any, align: Any) -> Any:
        return _held(size, align)

    return ask


def _made(context: Any, builder: Any, dtype: Any, shape: Any, sizes: Any) -> Any:
    """An array of a shape, an int or a tuple of ints; nothing has been written to it."""
    extents = cgutils.unpack_tuple(builder, sizes) if isinstance(shape, types.BaseTuple) else [sizes]
    kinds = list(shape) if isinstance(shape, types.BaseTuple) else [shape]
    extents = [context.cast(builder, extent, kind, types.intp) for extent, kind in zip(extents, kinds, strict=True)]
    with builder.if_then(_any_negative(builder, extents), likely=False):
        context.call_conv.return_user_exc(builder, ValueError, ("negative dimensions not allowed",))
    return arrayobj._empty_nd_impl(context, builder, _Kept(dtype, len(kinds), "C"), extents)._getvalue()


def _any_negative(builder: Any, extents: Any) -> Any:
    found = ir.IntType(1)(0)
    for extent in extents:
        found = builder.or_(found, builder.icmp_signed("<", extent, extent.type(0)))
    return found


def _rank(shape: Any) -> int:
    return len(shape) if isinstance(shape, types.BaseTuple) else 1


def room(shape: Any, dtype: Any = None) -> Any:
    """``np.empty(shape, dtype)``: an array that holds whatever its memory held before."""
    return numpy.empty(shape, dtype or float)


def room_like(shape: Any, array: Any) -> Any:
    """``np.empty(shape, array.dtype)``"""
    return numpy.empty(shape, array.dtype)


@type_callable(room)
def _type_of_room(_context: Any) -> Any:
    def result(shape: Any, dtype: Any = None) -> Any:
        return types.Array(types.float64 if dtype is None else typing_of_numpy.parse_dtype(dtype), _rank(shape), "C")

    return result


@type_callable(room_like)
def _type_of_room_like(_context: Any) -> Any:
    def result(shape: Any, array: Any) -> Any:
        return types.Array(array.dtype, _rank(shape), "C")

    return result


@lower_builtin(room, types.Any)
@lower_builtin(room, types.Any, types.Any)
@lower_builtin(room_like, types.Any, types.Any)
def _lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """An array of the type that was found, in memory that is kept."""
    made = _made(context, builder, signature.return_type.dtype, signature.args[0], args[0])
    return implementing.impl_ret_new_ref(context, builder, signature.return_type, made)
