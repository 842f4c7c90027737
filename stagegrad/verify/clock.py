"""A time limit that works in every thread and on every system.

Long SymPy calls are stopped from inside: a profile hook of the running thread looks at the time once in a while and
raises `OutOfTime`. Signals would work in the main thread of POSIX only, and a thread cannot be stopped from outside.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_GENERATOR
from types import FrameType
from typing import Any


class OutOfTime(BaseException):
    """The time is up. Not an `Exception`: SymPy catches those in places, and would go on."""


class TooLarge(OutOfTime):
    """One computation has grown beyond its bounds; others may still be done."""


class Clock:
    """Counts down from a number of seconds: those that have passed, or those that the process has computed, whichever are fewer.

    So neither a machine that is busy with other things nor other threads that compute make the time shorter.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.start = time.monotonic(), time.process_time()

    @property
    def left(self) -> float:
        """The seconds that are left, at least 0."""
        passed, computed = self.start
        return max(0.0, self.seconds - min(time.monotonic() - passed, time.process_time() - computed))

    def share(self, part: float) -> Clock:
        """A clock with a part of the time that is left."""
        return Clock(self.left * part)

    def check(self) -> None:
        """Raises `OutOfTime` when no time is left."""
        if not self.left:
            raise OutOfTime

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """While this lasts, Python code in this thread is stopped by `OutOfTime` when no time is left.

        A profiler that is already running is left alone; then only `check` stops a computation.
        """
        if sys.getprofile() is not None:
            yield
            return
        calls = 0

        def look(frame: FrameType, event: str, argument: Any) -> None:
            nonlocal calls
            calls += 1
            # A generator may be running only because it is thrown away, and then what it raises is lost.
            if calls % 64 == 0 and not self.left and not frame.f_code.co_flags & CO_GENERATOR:
                raise OutOfTime

        sys.setprofile(look)
        try:
            yield
        finally:
            sys.setprofile(None)
