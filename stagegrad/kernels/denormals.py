"""Numbers that are too small for a full significand, taken as zero while a compiled function runs.

The gradient of a long product ends among such numbers, and arithmetic with them takes a processor ten times as long and more. Intel's and
AMD's processors can take them as zero, where they come in and where they come out: a register of the thread says so. Elsewhere
`flushing` changes nothing.

LLVM does not know that arithmetic depends on this register. So it is set and restored by functions of their own, between which the
compiled function is called from Python: nothing can move from one to the other.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import lower_builtin, type_callable

#: Bits 15 and 6 of MXCSR: results that are denormal become zero, and so do operands.
_FLUSH = 0x8040
_IS_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
_WORD, _BYTES = ir.IntType(32), ir.PointerType(ir.IntType(8))


def flushing(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """The compiled function with denormals taken as zero inside it; what comes after it, or an exception out of it, finds them whole."""
    if not _IS_X86:
        return compiled

    def flushed(*args: Any) -> Any:
        before = _flush()
        try:
            return compiled(*args)
        finally:
            _restore(before)

    return flushed


def _mode() -> int:
    raise NotImplementedError  # only compiled code has it


def _set_mode(mode: int) -> None:
    raise NotImplementedError  # only compiled code has it


def _lowered_mode(_context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
    place = builder.alloca(_WORD)
    builder.call(_instruction(builder.module, "stmxcsr"), [builder.bitcast(place, _BYTES)])
    return builder.load(place)


def _lowered_set_mode(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
    place = builder.alloca(_WORD)
    builder.store(args[0], place)
    builder.call(_instruction(builder.module, "ldmxcsr"), [builder.bitcast(place, _BYTES)])
    return context.get_dummy_value()


def _instruction(module: Any, word: str) -> Any:
    """The function that LLVM knows by this name, which takes the address of the register's copy."""
    name = f"llvm.x86.sse.{word}"
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(ir.VoidType(), [_BYTES]), name)


_lower: Any = lower_builtin  # Numba has no types
type_callable(_mode)(lambda _: lambda: types.uint32)
type_callable(_set_mode)(lambda _: lambda mode: types.none)
_lower(_mode)(_lowered_mode)
_lower(_set_mode, types.uint32)(_lowered_set_mode)

_compiled: Any = njit  # Numba has no types
_word: Any = types.uint32


@_compiled  # type: ignore[untyped-decorator]  # Numba has no types
def _flush() -> int:
    before = _mode()
    _set_mode(_word(before | _FLUSH))
    return before


@_compiled  # type: ignore[untyped-decorator]  # Numba has no types
def _restore(mode: int) -> None:
    _set_mode(_word(mode))
