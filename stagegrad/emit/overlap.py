"""Assignments between sections of one array: which NumPy makes as if the right side were read first.

``a[1:] = a[:-1]`` is such, and so is every write to a section of two or more axes: where the memory overlaps, NumPy reads first. But of
two vectors it only asks which lies in front, not whether they take steps of the same size: ``a[1] = a[:, 2]`` reads what it has written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from stagegrad.ir import Atom, Lit, Stage, Var

#: A vector in an array: the axis that it lies along, and the size of its steps.
_Course = tuple[int, int]


def reads_first(store: Stage, makers: Mapping[Var, Stage]) -> bool:
    """Is a `store` certainly right on NumPy, also if what it writes lies in the memory that it writes to?

    `makers` holds the stages that make the function's values.
    """
    value = store.args[-1]
    if value.type.rank != 1 or dict(store.attrs).get("rank", 1) != 1:
        return True
    load = makers.get(value) if isinstance(value, Var) else None
    if load is None or load.op != "load" or _first(load.args[0], makers) != _first(store.args[0], makers):
        return False
    course = _course(store, store.args[1:-1])
    return course is not None and course == _course(load, load.args[1:])


def _first(array: Atom, makers: Mapping[Var, Stage]) -> Atom:
    """The array that a chain of writes began with: all of them lie in its memory, in the same way."""
    while isinstance(array, Var) and array in makers and makers[array].op in ("store", "accumulate"):
        array = makers[array].args[0]
    return array


def _course(stage: Stage, indices: tuple[Atom, ...]) -> _Course | None:
    """The axis and the steps of the vector that a stage reads or writes; None where they are not known."""
    rank, at = stage.args[0].type.rank, str(dict(stage.attrs).get("at", "[{0}]"))
    if not re.fullmatch(r"\[[^][]*\]", at) or "..." in at:
        return None
    known = [str(index.value) if isinstance(index, Lit) else "?" for index in indices]
    parts = [part for part in (part.strip().format(*known) for part in at[1:-1].split(",")) if part != "None"]
    parts += [":"] * (rank - len(parts))
    kept = [(axis, part.split(":")) for axis, part in enumerate(parts) if ":" in part]
    if len(kept) != 1:
        return None
    axis, bounds = kept[0]
    step = bounds[2] if len(bounds) == 3 and bounds[2] else "1"
    return None if step == "?" else (axis, abs(int(step)))  # of two that run in opposite directions, NumPy reads one first
