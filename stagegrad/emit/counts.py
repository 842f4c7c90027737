"""How sums of counts read: ``i + 1 - 1`` is ``i``, and a list of as many records as a loop has trips is ``[0.0] * n``.

for i in range(n + 1 - 1, -1, -1):        ->    for i in range(n, -1, -1):
x_tape = [0.0] * len(range(n))            ->    x_tape = [0.0] * n
"""

from __future__ import annotations

from collections.abc import Mapping

from stagegrad.emit.spelling import SUM, Text
from stagegrad.ir import Atom, If, Lit, Stage, Var, literal_is

#: Tapes that are lists in Python: of a negative number of records, such a list has none.
_LISTS = ("tape_float", "tape_int", "tape_bool")


def shifted(stage: Stage, inlined: Mapping[Var, Stage | If]) -> tuple[Atom, int] | None:
    """What a sum of an int and literals is together, if it is made of more than one sum: ``n + 1 - 1`` -> ``(n, 0)``."""
    found = _sum(stage)
    sums = 0
    while found is not None:
        sums += 1
        base, offset = found
        made = inlined.get(base) if isinstance(base, Var) else None
        further = _sum(made) if isinstance(made, Stage) else None
        if further is None:
            return (base, offset) if sums > 1 else None
        found = further[0], further[1] + offset
    return None


def _sum(stage: Stage) -> tuple[Atom, int] | None:
    """An int plus or minus a literal."""
    if stage.op not in ("add", "sub") or stage.out.type.kind != "int" or stage.out.type.rank:
        return None
    first, second = stage.args
    if isinstance(second, Lit) and isinstance(second.value, int) and first.type.kind == "int":
        return first, second.value if stage.op == "add" else -second.value
    return None


def plus(base: Text, offset: int) -> Text:
    """The text of a sum with a literal: ``n + 1``, ``n - 1``, ``n``."""
    if not offset:
        return base
    return Text(f"{base.within(SUM)} {'+' if offset > 0 else '-'} {abs(offset)}", SUM)


def trips_of_list(stage: Stage, target: str, inlined: Mapping[Var, Stage | If]) -> Atom | None:
    """The number of trips of ``range(n)``, where a list in Python is as long as that."""
    if stage.op not in _LISTS or target != "python" or not isinstance(stage.args[0], Var):
        return None
    made = inlined.get(stage.args[0])
    if not isinstance(made, Stage) or made.op != "trip_count":
        return None
    start, stop, step = made.args
    return stop if literal_is(start, 0) and literal_is(step, 1) else None
