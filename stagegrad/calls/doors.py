"""Where calls of one method enter: takes the cases that a function was compiled for, one after the other, and has an entry to all of them.

An entry knows the cases there were when it was made. A reference to an older one, ``g = f.grad``, finds the newest when it misses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stagegrad.calls.entry import MISSING, Case, Entry, Shown, enter

#: How many lists of types a call finds the fast way to.
_MOST_CASES = 8
#: After how many calls in vain the cases that a full door has make room for others: many times what it takes to make an entry.
_MOST_MISSES = 500


class Door:
    """The fast ways of one method's calls; what they do not take goes to ``long(args, named)``."""

    def __init__(self, shown: Shown, words: tuple[str, str | None], long: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> None:
        self._shown, self._words, self._long = shown, words, long
        self._cases: tuple[Case, ...] = ()
        self._entry: Entry | None = None
        self._misses = 0

    @property
    def function(self) -> Callable[..., Any] | None:
        """The newest entry, if there is one."""
        return None if self._entry is None else self._entry.strictly

    def wants(self, case: Case) -> bool:
        """Whether calls of this case are to be made fast: it is none of those that are, and there is room, if need be in place of all."""
        if any(case is other for other in self._cases):
            return False  # this call was none of the plain ones
        self._misses += 1
        return len(self._cases) < _MOST_CASES or self._misses >= _MOST_MISSES

    def add(self, case: Case) -> None:
        """From now on calls of this case are fast."""
        kept = self._cases if len(self._cases) < _MOST_CASES else ()
        self._cases, self._misses = (*kept, case), 0
        entry = enter(self._cases, self._shown, self._missed)
        entry.strictly.__name__ = entry.strictly.__qualname__ = self._words[0]
        entry.strictly.__doc__ = self._words[1]
        self._entry = entry

    def close(self) -> None:
        """From now on all calls take the long way: what was compiled is out of date."""
        self._cases, self._entry, self._misses = (), None, 0

    def _missed(self, call: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call by an entry that did not take it: by the newest one; with its arguments in order; the long way."""
        entry = self._entry
        if entry is None:
            return self._long(args, named)
        if entry.strictly is not call:
            return entry.strictly(*args, **named)
        parameters, answer = self._cases[0].boundary.parameters, MISSING
        if parameters.known.issuperset(named):
            try:
                values = parameters.in_order(*args, **named)
            except TypeError:
                return self._long(args, named)  # which says what is wrong with them
            answer = entry.loosely(*values)
        return self._long(args, named) if answer is MISSING else answer
