"""``sorted``, ``list.sort``, and ``min`` and ``max`` with a key: what they order by becomes an array, whose order the items take.

Python's order of equal items is kept, and what is nan has no order: a program that would sort it stops.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from stagegrad.frontend.forms import each, extreme_by, known
from stagegrad.frontend.values import Closure, Many, Numbers, Static, Value, describe
from stagegrad.frontend.words_creation import array_of
from stagegrad.ir import Atom, Lit, Var
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.calls import Calls
    from stagegrad.frontend.lists import Lists


def _options(low: Calls, keywords: dict[str, Value], allowed: tuple[str, ...], title: str, node: ast.AST) -> list[Value | None]:
    strange = next((name for name in keywords if name not in allowed), None)
    if strange is not None:
        raise low.refusal(node, f"{title}() got an unexpected keyword argument '{strange}'")
    return [None if isinstance(value := keywords.get(name), Static) and value.thing is None else value for name in allowed]


def sort(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    """The value of ``sorted(items, key=..., reverse=...)``."""
    low.expect(args, 1, 1, "sorted", node)
    return sorted_items(cast("Lists", low), args[0], keywords, node)


def sorted_items(low: Lists, value: Value, keywords: dict[str, Value], node: ast.AST) -> Value:
    """The items of something in order, as a new list."""
    key, backwards = _options(low, keywords, ("key", "reverse"), "sorted", node)
    turned = backwards is not None and _is_true(low, backwards, node)
    items = None if low.is_counted(value) else list(low.items_of(value, "sorted", node))
    low.shared(*(items or ()))
    if items is not None and (keys := _constant_keys(low, items, key, node)) is not None:
        return low.new_list([items[k] for k in sorted(range(len(items)), key=keys.__getitem__, reverse=turned)])
    many = value if items is None else low.new_list(items)
    rows = _rows(low, many, node)
    if key is None and not isinstance(rows.item, Lit | Var):
        raise low.refusal(node, f"what is each {describe(rows.item)} is sorted by a key only", "sorted(items, key=lambda item: item[0])")
    by = rows.array if key is None else _keys(low, many, key, node)
    _require_order(low, by, node)
    if key is None and not turned:
        columns: tuple[Atom, ...] = (low.emit("sort", [by], node, [("axis", 0)]),)
    else:
        order = _order(low, by, turned, node)
        columns = tuple(_picked(low, column, order, node) for column in rows.columns)
    found = replace(rows, columns=columns, exact=True, ident=low.new_ident())
    if items is None:
        return found
    return low.new_list([low.item_at(found, literal(k), node) for k in range(len(items))])


def _is_true(low: Calls, value: Value, node: ast.AST) -> bool:
    test = low.truth(value, node)
    if not isinstance(test, Lit):
        raise low.refusal(node, "whether the order is reversed must be a constant", "reverse=True")
    return bool(test.value)


def _constant_keys(low: Calls, items: list[Value], key: Value | None, node: ast.AST) -> list[Any] | None:
    """What constants are sorted by: texts and numbers, or tuples whose first items are all different; None for anything else."""
    keys = [item if key is None else _called(low, key, item, node) for item in items]
    found = [_constant(one) for one in keys]
    if any(one is None for one in found):
        firsts = [_constant(one.items[0]) if isinstance(one, Many) and one.items else None for one in keys]
        found = firsts if key is None and len({str(first) for first in firsts}) == len(firsts) else found
    alike = len({isinstance(one, str) for one in found}) <= 1 and all(one == one for one in found)
    return None if any(one is None for one in found) or not alike else found


def _constant(value: Value) -> Any:
    match value:
        case Static(str() as text):
            return text
        case Lit(constant):
            return constant
    return None


def _called(low: Calls, function: Value, item: Value, node: ast.AST) -> Value:
    call = ast.Call(known(function), [known(item)], [])
    return low.usable(low.expr(ast.fix_missing_locations(ast.copy_location(call, node))), node)


def _rows(low: Lists, many: Value, node: ast.AST) -> Numbers:
    """What is sorted, in arrays."""
    if isinstance(many, Many):
        return low.spread_out(many, literal(len(many.items)), node)
    found = many if isinstance(many, Numbers) else low.collected(many, node)
    assert isinstance(found, Numbers)
    return low.exactly(found, node)


def _keys(low: Lists, many: Value, key: Value, node: ast.AST) -> Atom:
    generator = each(many)
    generator.elt = ast.Call(known(key), [generator.elt], [])
    made = low.listing(ast.fix_missing_locations(ast.copy_location(generator, node)))
    by = array_of(low, node, low.for_numpy(made, node))
    if by.type.rank != 1:
        raise low.refusal(node, f"items are sorted by numbers, and this key gives {describe(by)}", "a key that gives one number")
    return by


def _require_order(low: Calls, by: Atom, node: ast.AST) -> None:
    if by.type.kind == "float":
        missing = low.emit("any", [low.emit("isnan", [by], node)], node)
        low.stop(missing, "ValueError", "nan has no order: what Python sorts it to is not supported", node)


def _order(low: Calls, by: Atom, turned: bool, node: ast.AST) -> Atom:
    """The positions of the items in order; backwards, equal ones still stay as they were."""
    if not turned:
        return low.emit("argsort", [by], node, [("axis", 0), ("stable", True)])
    back = low.emit("flip", [by], node, [("axis", 0)])
    order = low.emit("flip", [low.emit("argsort", [back], node, [("axis", 0), ("stable", True)])], node, [("axis", 0)])
    last = low.emit("sub", [low.emit("size", [by], node), literal(1)], node)
    return low.emit("sub", [last, order], node)


def _picked(low: Calls, column: Atom, order: Atom, node: ast.AST) -> Atom:
    return low.emit("load", [column, order], node, [("at", "[{0}]"), ("rank", column.type.rank), ("gather", True)])


def extreme(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call, op: str) -> Value:
    """``max(items, key=..., default=...)``: the first item that no other exceeds, as a loop over the items."""
    key, _ = _options(low, keywords, ("key", "default"), op, node)
    over = args[0] if len(args) == 1 else Many(tuple(args))
    if not low.is_counted(over):
        over = Many(low.items_of(over, op, node))
    if isinstance(over, Many) and not over.items and "default" in keywords:
        return keywords["default"]
    default = keywords.get("default")
    if len(args) != 1 and default is not None:
        raise low.refusal(node, f"Cannot specify a default for {op}() with multiple positional arguments")
    return low.inlined(Closure(extreme_by(over, op, key, default, node), low.frame), node)
