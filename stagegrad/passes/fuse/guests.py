"""Where the elements lie that one loop makes and a later one reads, if the array for them can be spared.

    for j in range(n):                           for j in range(n):
        e[j] = exp(x[i, j] - top)                    dx[i, j] = exp(x[i, j] - top)
        total += e[j]                     ->         total += dx[i, j]
    for j in range(n):                           for j in range(n):
        dx[i, j] = e[j] / total - 1.0                dx[i, j] = dx[i, j] / total - 1.0

They are guests in the row of a result that is written when they are read for the last time. The row has to come into the cache anyway,
which costs nothing while exponentials are computed, and is waited for in a loop that does little else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stagegrad.ir import Var
from stagegrad.ops import find
from stagegrad.passes.fuse.items import Item, reads_of
from stagegrad.passes.fuse.nodes import Node

if TYPE_CHECKING:
    from stagegrad.passes.fuse.schedule import Schedule

#: A loop with a stage that costs so much computes while its memory arrives.
_COSTLY = 5.0


def hosts(plan: Schedule) -> dict[Var, Var]:
    """What some values of innermost loops are guests of: the result, by the value; no result has two guests."""
    inner = [item for item in plan.items if isinstance(item, Node) and plan.depth and len(item.axes) == plan.depth + 1]
    costly = {plan.levels[id(item)] for item in inner if not item.reduces and find(item.stage.op).cost >= _COSTLY}
    free = [item for item in inner if costly and _is_array_of_its_own(item, plan)]
    if not free:
        return {}
    readers: dict[object, list[Item]] = {}
    for item in plan.items:
        for base in reads_of(item):
            readers.setdefault(base, []).append(item)
    order = {id(item): k for k, item in enumerate(plan.items)}
    found: dict[Var, Var] = {}
    for guest in inner:
        level = plan.levels[id(guest)]
        others = [item for item in readers.get(guest.out, ()) if plan.levels[id(item)] != level]
        if level not in costly or not others or not plan.is_value(guest) or guest.first_gone == plan.depth:
            continue
        host = next((one for one in free if _receives(one, guest, others, order, plan)), None)
        if host is not None:
            found[guest.out] = host.out
            free.remove(host)
    return found


def _is_array_of_its_own(node: Node, plan: Schedule) -> bool:
    """Does a node fill an array that was made for it, element by element?"""
    memory = plan.fused.memory.get(node.out)
    return (
        memory is not None and not memory.in_place and not node.reduces and not node.into and memory.axes == tuple(range(len(node.place)))
    )


def _receives(host: Node, guest: Node, readers: Sequence[Item], order: Mapping[int, int], plan: Schedule) -> bool:
    """Is a result like the guest, and no element of it written before the guest's is read for the last time?"""
    time, dim = plan.levels[id(host)]
    if (host.place, host.axes, host.out.type) != (guest.place, guest.axes, guest.out.type) or plan.levels[id(guest)][0] >= time:
        return False
    return all(_is_in_time(reader, host, guest, dim, order, plan) for reader in readers)


def _is_in_time(reader: Item, host: Node, guest: Node, dim: object, order: Mapping[int, int], plan: Schedule) -> bool:
    """Is the guest's element read before the host's is written?"""
    time, own = plan.levels[id(reader)]
    last = plan.levels[id(host)][0]
    if time != last or own is None:  # numbers come before the loops of their time
        return time <= last
    in_step = isinstance(reader, Node) and plan.follows(reader, guest)
    return own == dim and in_step and order[id(reader)] <= order[id(host)]
