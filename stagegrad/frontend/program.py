"""What a frontend hands on: the module, the user's signature, and what was read from outside while lowering."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from stagegrad.ir import Module


@dataclass(frozen=True)
class Capture:
    """A value outside the function (a global, a closure cell, an attribute) that was read at compile time."""

    name: str
    value: object
    read: Callable[[], object]
    owner: object = field(default=None, repr=False, compare=False)  # where the name lives: two modules may share a name

    def changed(self) -> bool:
        """Whether the name holds something else now: numbers and strings compare by type and text, everything else by identity."""
        try:
            now = self.read()
        except Exception:  # deleted since, or an emptied cell; an object's own attribute may raise anything
            return True
        return now is not self.value and not _same_constant(now, self.value)


def _same_constant(now: object, before: object) -> bool:
    # By its text, so that -0.0 is not 0.0; what holds objects has a text that need not tell them apart.
    return type(now) is type(before) and isinstance(now, (int, float, str)) and repr(now) == repr(before)


@dataclass(frozen=True)
class Program:
    """A lowered program. `text` is the source it came from, `signature` the user's own, defaults included."""

    module: Module
    signature: inspect.Signature
    captures: tuple[Capture, ...]
    text: str

    def changed(self) -> tuple[str, ...]:
        """The names read at compile time that hold something else now, so that the module is out of date."""
        return tuple(capture.name for capture in self.captures if capture.changed())
