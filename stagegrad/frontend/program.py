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
        """Does the name hold something else now? Numbers compare by type and value, everything else by identity."""
        try:
            now = self.read()
        except (LookupError, ValueError, AttributeError):  # deleted since, or an emptied cell
            return True
        if now is self.value:
            return False
        return type(now) is not type(self.value) or not isinstance(now, (int, float, str, tuple)) or repr(now) != repr(self.value)


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
