"""What generated code needs to run its loops on Numba's threads, in words that are plain Python where Numba does not compile them.

To import this module launches these threads. Where they are those of GNU OpenMP, they are told to sleep while they wait for one another,
as ``OMP_WAIT_POLICY=passive`` does, if the environment does not say how to wait: a thread that spins until another is through keeps it
from its processor where others work on the machine, and a call of 0.1 milliseconds takes 10.
"""

from __future__ import annotations

import os
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

#: Numba's option `parallel` for a function that says itself which of its loops run on several threads. Numba empties what it is given.
PRANGE_ALONE = {"prange": True, **dict.fromkeys(
    ("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion"), False
)}  # fmt: skip

_WAITING = "OMP_WAIT_POLICY"


def _launch() -> None:
    """Has Numba launch its threads, with a word for the library of OpenMP that is loaded for it."""
    chosen = os.environ.get(_WAITING)
    os.environ.setdefault(_WAITING, "passive")
    try:
        numba.get_num_threads()
    finally:
        if chosen is None:  # what else there is in the process reads its own
            del os.environ[_WAITING]


_launch()


def cut(trips: int, part: int, parts: int) -> int:
    """``trips * part // parts``: the trip at which a part of a loop begins, which LLVM can see is not negative and not beyond 2**62.

    It could not take an index for one that counts from the front otherwise, and would gather elements instead of reading them in a row.
    """
    return trips * part // parts


def _of_ints(_context: Any) -> Any:
    def result(trips: Any, part: Any, parts: Any) -> Any:
        return types.int64 if all(isinstance(one, types.Integer) for one in (trips, part, parts)) else None

    return result


def _place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    pairs = zip(args, signature.args, strict=True)
    trips, part, parts = (context.cast(builder, arg, type_, types.int64) for arg, type_ in pairs)
    return builder.and_(builder.udiv(builder.mul(trips, part), parts), ir.IntType(64)(2**62 - 1))


_lower: Any = lower_builtin  # Numba has no types
type_callable(cut)(_of_ints)
_lower(cut, types.Integer, types.Integer, types.Integer)(_place)
