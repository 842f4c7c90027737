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

from collections.abc import Sequence
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
    found: dict[Var, Var] = {}
    inner = [item for item in plan.items if isinstance(item, Node) and plan.depth and len(item.axes) == plan.depth + 1]
    costly = {plan.levels[id(item)] for item in inner if not item.reduces and find(item.stage.op).cost >= _COSTLY}
    for guest in inner:
        readers = [item for item in plan.items if guest.out in reads_of(item) and plan.levels[id(item)] != plan.levels[id(guest)]]
        if plan.levels[id(guest)] in costly and readers and plan.is_value(guest) and guest.first_gone > plan.depth:
            host = next((one.out for one in inner if one.out not in found.values() and _receives(one, guest, readers, plan)), None)
            if host is not None:
                found[guest.out] = host
    return found


def _receives(host: Node, guest: Node, readers: Sequence[Item], plan: Schedule) -> bool:
    """Is a result an array of its own like the guest, no element of which is written before the guest's is read for the last time?"""
    time, dim = plan.levels[id(host)]
    memory = plan.fused.memory.get(host.out)
    if memory is None or host.reduces or host.into or memory.axes != tuple(range(len(host.place))):
        return False
    alike = host.place == guest.place and host.axes == guest.axes and host.out.type == guest.out.type
    if not alike or plan.levels[id(guest)][0] >= time:
        return False
    order = {id(item): k for k, item in enumerate(plan.items)}
    return all(plan.levels[id(reader)][0] < time or _is_in_time(reader, host, guest, dim, order, plan) for reader in readers)


def _is_in_time(reader: Item, host: Node, guest: Node, dim: object, order: dict[int, int], plan: Schedule) -> bool:
    """Does what runs at the time of the host read the guest's element before the host's is written?"""
    time, own = plan.levels[id(reader)]
    if time > plan.levels[id(host)][0]:
        return False
    if own is None:  # numbers come before the loops of their time
        return True
    in_step = isinstance(reader, Node) and plan.follows(reader, guest)
    return own == dim and in_step and order[id(reader)] <= order[id(host)]
