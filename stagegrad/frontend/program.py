"""What a frontend hands on: the module, the user's signature, and what was read from outside while lowering."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType

from stagegrad.frontend.specs import Leaf, Spec
from stagegrad.ir import Module


@dataclass(frozen=True)
class Capture:
    """A value outside the function (a global, a closure cell, an attribute) that was read at compile time."""

    name: str
    value: object
    read: Callable[[], object]
    owner: object = field(default=None, repr=False, compare=False)  # where the name lives: two modules may share a name
    inside: tuple[object, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inside", _inside(self.value))

    def changed(self) -> bool:
        """Whether the name holds something else now: numbers and strings compare by type and text, everything else by identity.

        A function may have got other code without becoming another one, as by IPython's ``%autoreload``.
        """
        try:
            now = self.read()
        except Exception:  # deleted since, or an emptied cell; an object's own attribute may raise anything
            return True
        if now is self.value:
            return bool(self.inside) and any(new is not old for new, old in zip(_inside(now), self.inside, strict=True))
        return not _same_constant(now, self.value)


#: What of a function its behaviour depends on, beside what it reads.
INSIDE = ("__code__", "__defaults__", "__kwdefaults__")


def _inside(value: object) -> tuple[object, ...]:
    return tuple(getattr(value, name) for name in INSIDE) if isinstance(value, FunctionType) else ()


def _same_constant(now: object, before: object) -> bool:
    # By its text, so that -0.0 is not 0.0; what holds objects has a text that need not tell them apart.
    return type(now) is type(before) and isinstance(now, (int, float, str)) and repr(now) == repr(before)


@dataclass(frozen=True)
class Program:
    """A lowered program. `text` is the source it came from, `signature` the user's own, defaults included.

    `specs` says what each of the user's parameters is; their leaves, left to right, are the main function's parameters. Where the
    function writes to arrays that it was given, `written` are their positions among the leaves, and the main function returns their
    final values too: its shape is ``(the user's result, k, k + 1, ...)``. `result` is the spec of the user's result where that is
    more than numbers and tuples of them.
    """

    module: Module
    signature: inspect.Signature
    captures: tuple[Capture, ...]
    text: str
    specs: tuple[Spec, ...] = ()
    written: tuple[int, ...] = ()
    result: Spec | None = None
    altered: tuple[int, ...] = ()  # leaves without axes that would be changed in place, were they arrays
    apart: tuple[int, ...] = ()  # leaves that share no memory with others: they are written to, if only inside

    def __post_init__(self) -> None:
        if not self.specs:
            object.__setattr__(self, "specs", tuple(Leaf(param.type) for param in self.module.main.params))
        if not self.apart:
            object.__setattr__(self, "apart", self.written)

    def changed(self) -> tuple[str, ...]:
        """The names read at compile time that hold something else now, so that the module is out of date."""
        return tuple([capture.name for capture in self.captures if capture.changed()])
