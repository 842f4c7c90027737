"""Values of one name that a text has to keep apart, under names of their own from the beginning.

`storage` gives ``p`` and ``p2`` to two values named ``p`` that are needed at the same time. What is made of their names before that
(the names of gradients, comments) would speak of ``p`` both times.
"""

from __future__ import annotations

from collections import Counter

from stagegrad.emit.inline import plan
from stagegrad.emit.storage import assign
from stagegrad.ir import For, Fresh, Function, While, bound, rename_function, walk


def apart(function: Function, within: Function) -> Function:
    """The function with each value named as the text of `within` has it, which computes the same values and then others.

    ``p.0, p.1`` -> ``p.0, p2.0`` where both are alive at once. What a loop hands from trip to trip is one variable and keeps its name.
    """
    values = sorted(bound(function.body), key=lambda var: (var.name, var.version))
    counts = Counter(var.name for var in (*function.params, *values))
    if all(counts[var.name] == 1 for var in values if var.name):
        return function
    spelled = assign(plan(within))
    handed = {result for stmt in walk(function.body) if isinstance(stmt, (For, While)) for result in stmt.body.results}
    carried = {spelled.get(carry.var) for stmt in walk(within.body) if isinstance(stmt, (For, While)) for carry in stmt.carries}
    words = {var: spelled[var] for var in values if spelled.get(var, var.name) not in {var.name, *carried} and var not in handed}
    fresh = Fresh(function)
    return rename_function(function, {var: fresh.var(word, var.type) for var, word in words.items()}) if words else function
