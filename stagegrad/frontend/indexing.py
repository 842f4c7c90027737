"""Subscripts as text with holes: what ``a[i, 1:, None]`` reads, for any mixture of ints, slices, `...`, None and index arrays.

A `Step` is one subscript, or ``.T``; several steps in a row, ``a[1:][i]``, make one index. Steps that take single elements along the
first axes are joined with the step behind them: ``a[i][j]`` is ``a[i, j]``. A step that takes all of what there is
is left out where another one stands beside it: ``a[1:][...]`` is ``a[1:]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from stagegrad.ir import Atom, Attr

_HOLE = "{}"


@dataclass(frozen=True)
class Step:
    """One link of a chain: the parts of a subscript (each text with a ``{}`` for each of its atoms), or text such as ``.T``.

    `rank` is the rank of what it gives. A `gather` has an array as an index: what it gives is a copy. At the beginning of a chain,
    the `suffix` may also name an operation, reshape or ravel, whose operands the atoms are.
    """

    parts: tuple[str, ...]
    atoms: tuple[Atom, ...]
    rank: int
    gather: bool = False
    suffix: str = ""

    @property
    def takes_elements(self) -> bool:
        """Whether it is made of single positions only."""
        return not self.suffix and not self.gather and all(part == _HOLE for part in self.parts)

    @property
    def takes_all(self) -> bool:
        """Whether it is ``[:]`` or ``[...]``: the same elements in the same memory."""
        return self.rank > 0 and not self.suffix and all(part in (":", "...") for part in self.parts)

    @property
    def text(self) -> str:
        return self.suffix or f"[{', '.join(self.parts)}]"


def joined(steps: Sequence[Step], step: Step) -> tuple[Step, ...]:
    """The chain with one more link, written as one subscript where that means the same."""
    if steps and steps[-1].takes_all:
        return joined(steps[:-1], step)
    if steps and step.takes_all and not steps[-1].gather and not steps[-1].suffix:
        return tuple(steps)
    if steps and steps[-1].takes_elements and not step.suffix and not step.gather:
        last = steps[-1]
        return (*steps[:-1], Step(last.parts + step.parts, last.atoms + step.atoms, step.rank))
    return (*steps, step)


def atoms_of(steps: Sequence[Step]) -> tuple[Atom, ...]:
    """The atoms in the holes of a chain, in order."""
    return tuple(atom for step in steps for atom in step.atoms)


def attributes(steps: Sequence[Step], rank: int) -> tuple[tuple[str, Attr], ...]:
    """The attributes of a `load` or `store` through these steps from an array of this rank; none for ``a[i]`` of one axis."""
    numbers = count()
    text = "".join(step.text for step in steps)
    at = "".join(f"{piece}{{{next(numbers)}}}" for piece in text.split(_HOLE)[:-1]) + text.split(_HOLE)[-1]
    if at == "[{0}]" and rank == 1 and not steps[-1].gather:
        return ()
    found: tuple[tuple[str, Attr], ...] = (("at", at), ("rank", steps[-1].rank))
    return (*found, ("gather", True)) if steps[-1].gather else found
