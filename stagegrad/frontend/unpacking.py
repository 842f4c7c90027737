"""Assignment to several names: ``a, b = pair``, ``first, *rest = x``, for tuples, arrays and lists of known or computed length."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from stagegrad.frontend.values import Many, Numbers, Record, Value, describe
from stagegrad.ir import Atom, Lit
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.control import Statements

Target = ast.Tuple | ast.List


def unpacked(low: Statements, target: Target, value: Value) -> list[Value]:
    """What each of the names gets; the one with a star a list."""
    stars = [k for k, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    if low.is_array(value):
        return _of_array(low, target, value, stars)
    if isinstance(value, Numbers) and isinstance(value.count, Lit):
        value = Many(tuple(low.item_at(value, literal(k), target) for k in range(int(value.count.value or 0))))
    if isinstance(value, Numbers):
        return _of_list(low, target, value, stars)
    if isinstance(value, Record) and value.display != "record":
        value = Many(low.items_of(value, "an assignment", target))
    if not isinstance(value, Many):
        message = f"only a tuple can be assigned to several names, and this is {describe(value)}"
        raise low.unknown(target, message, "one name, or one parameter for each value")
    return _of_items(low, target, value.items, stars)


def _of_items(low: Statements, target: Target, items: tuple[Value, ...], stars: list[int]) -> list[Value]:
    wanted = len(target.elts) - len(stars)
    if len(items) < wanted or (len(items) > wanted and not stars):
        word = "many" if len(items) > wanted else "few"
        raise low.refusal(target, f"too {word} values: {wanted} names for {len(items)} values")
    if not stars:
        return list(items)
    after = len(items) - (wanted - stars[0])
    return [*items[: stars[0]], low.new_list(items[stars[0] : after]), *items[after:]]


def _of_array(low: Statements, target: Target, value: Value, stars: list[int]) -> list[Value]:
    """The rows of an array; what a star takes of a vector are its numbers."""
    if not stars:
        return list(low.unpacked(value, len(target.elts), target).items)
    array = low.array(value, target)
    if array.type.rank > 1:
        raise low.refusal(target, "the rest of an array with several axes cannot be assigned with *", "a slice of it")
    found = low.emit("duplicate", [array], target)
    kind = Lit(None, replace(array.type, rank=0))
    return _of_list(low, target, Numbers((found,), low.length(found, target), 0, exact=True, item=kind), stars)


def _of_list(low: Statements, target: Target, owner: Numbers, stars: list[int]) -> list[Value]:
    """The items of a list, which must be as many as there are names, or more where one has a star."""
    wanted = len(target.elts) - len(stars)
    owner = low.exactly(owner, target)
    _require_as_many(low, target, owner.count, wanted, bool(stars))
    if not stars:
        return [low.item_at(owner, literal(k), target) for k in range(wanted)]
    after = wanted - stars[0]
    end = low.arithmetic("sub", owner.count, literal(after), target)
    places = [low.arithmetic("add", end, literal(k), target) if k else end for k in range(after)]
    first = [low.item_at(owner, literal(k), target) for k in range(stars[0])]
    rest = low.section_of_list(owner, "{}:{}", [literal(stars[0]), end], target)
    return [*first, rest, *(low.item_at(owner, place, target) for place in places)]


def _require_as_many(low: Statements, target: Target, count: Atom, wanted: int, at_least: bool) -> None:
    if not at_least:
        low.stop(
            low.arithmetic("gt", count, literal(wanted), target), "ValueError", f"too many values to unpack (expected {wanted})", target
        )
    least = "at least " if at_least else ""
    few = low.arithmetic("lt", count, literal(wanted), target)
    low.stop_with(few, "ValueError", (f"not enough values to unpack (expected {least}{wanted}, got ", count, ")"), target)
