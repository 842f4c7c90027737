"""What is known of a text only when it has been lowered, so that it is lowered again: which loops are kept, which lists hold floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from stagegrad.ir import Span

#: A loop in a text: where it stands, and its target.
Place: TypeAlias = tuple[Span, Span]


@dataclass(frozen=True)
class Decisions:
    """Which loops over known items are kept, and which must be written out: all of them if these are None.

    `floats` are the assignments of lists of ints in which a float is put later.
    """

    kept: frozenset[Place] = frozenset()
    written_out: frozenset[Place] | None = frozenset()
    floats: frozenset[Span] = frozenset()

    def may_keep(self, place: Place) -> bool:
        """Whether nothing is known against keeping a loop."""
        return self.written_out is not None and place not in self.written_out


class Reconsidered(Exception):
    """Something is better lowered in another way: the function is lowered again."""

    def __init__(self, decisions: Decisions) -> None:
        super().__init__(str(decisions))
        self.decisions = decisions
