"""The memory of compiled functions: how much their large arrays may use, how much of it is kept between calls, and giving it back.

A loop's tape grows with the number of its trips, so a gradient may need far more memory than its function. Where large arrays
together would exceed the limit, a call raises `MemoryLimitError` before the machine begins to swap. The limit is three quarters of
the machine's memory (or of the container's), or what the environment variable ``STAGEGRAD_MEMORY_LIMIT`` says, such as "8GB".

What an array of 32 KB or more has used is kept for the next one, whichever function and thread asks: up to an eighth of the machine's
memory, at most 2 GiB, or what ``STAGEGRAD_MEMORY_KEPT`` says. All of it belongs to the process, and is a matter of the numba target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stagegrad.errors import MemoryLimitError, NameChoiceError


@dataclass(frozen=True)
class Memory:
    """Bytes of large arrays (32 KB or more): in use, kept for the next ones, and the limits of both."""

    used: int
    kept: int
    limit: int
    most_kept: int

    def __repr__(self) -> str:
        parts = ((self.used, "used"), (self.kept, "kept"), (self.limit, "limit"), (self.most_kept, "kept at most"))
        return f"<memory: {', '.join(f'{shown_bytes(number)} {word}' for number, word in parts)}>"


def usage() -> Memory:
    """How much memory large arrays of compiled functions use and keep at this moment."""
    workspace = _workspace()
    places = (workspace.USED, workspace.KEPT, workspace.LIMIT, workspace.MOST_KEPT)
    return Memory(*(int(workspace.TABLE[place]) for place in places))


def limit(large: int | str | None = None, *, kept: int | str | None = None) -> Memory:
    """Sets the limits, in bytes or as a text such as "8GB"; None chooses what the environment says, or the machine."""
    workspace = _workspace()
    try:
        workspace.configure(*(workspace.parsed_bytes(str(amount)) if amount is not None else None for amount in (large, kept)))
    except ValueError as error:
        raise NameChoiceError(str(error)) from None
    return usage()


def release() -> int:
    """Gives the memory that is kept back to the system; returns how many bytes that were."""
    return int(_workspace().release())


def refused(name: str, error: BaseException) -> MemoryLimitError | None:
    """The error of a call of `name` that would have exceeded the limit; None for any other MemoryError."""
    workspace = _workspace()
    if str(error) != workspace.TOO_LARGE:
        return None
    now = usage()
    needed = shown_bytes(int(workspace.TABLE[workspace.REFUSED]))
    beside = f"with the {shown_bytes(now.used)} in use, " if now.used else ""
    reason = f"{name}() needs an array of {needed}, a tape most likely; {beside}that exceeds the limit"
    advice = 'fewer trips at a time, or another limit: stagegrad.memory.limit("64GB"), STAGEGRAD_MEMORY_LIMIT=64GB'
    return MemoryLimitError(f"{reason} of {shown_bytes(now.limit)}", advice=advice)


def shown_bytes(number: int) -> str:
    """``12345678`` -> ``12.3 MB``"""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number} bytes"


def _workspace() -> Any:
    from stagegrad.kernels import workspace  # lazily: it imports Numba

    return workspace
