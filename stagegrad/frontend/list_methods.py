"""Methods of lists and dicts that are the function's own: those that change them, and those that ask about their items.

What they change is what the variable holds; no other variable may hold the same list. A method that changes a list may stand inside
an expression only where nothing else in that statement could have seen the list before.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

from stagegrad.frontend.growth import OF_DICTS, OF_LISTS
from stagegrad.frontend.lists import OtherNumbers, each_of, is_list, of_one_kind, same_leaves
from stagegrad.frontend.sorting import sorted_items
from stagegrad.frontend.tables import Tables
from stagegrad.frontend.values import FALSE, Key, Many, Numbers, Record, Slot, Static, Value, describe, idents, leaves, undefined
from stagegrad.frontend.words_creation import as_type
from stagegrad.ir import INT, Atom, Lit, Type, Var
from stagegrad.ops import literal

NOTHING = Static(None)


class ListMethods(Tables):
    """Lowers calls of methods of lists and dicts."""

    now: ast.stmt | None = None  # the statement that is being lowered; None in the test of a loop

    def call(self, node: ast.Call) -> Value:
        found = self._method_of_list(node)
        return super().call(node) if found is None else found

    def _method_of_list(self, node: ast.Call) -> Value | None:
        """``name.pop()`` and its like; None where the call is something else."""
        match node.func:
            case ast.Attribute(ast.Name(name), method) if (self.frame.number, name) in self.env:
                key = (self.frame.number, name)
            case _:
                return None
        held = self.env[key].value
        table = _LISTS if isinstance(held, Numbers) or is_list(held) else {}
        table = _DICTS if isinstance(held, Record) and held.display == "dict" else table
        if method not in table:
            return None
        owner = self.usable(self.name(name, node.func), node.func)
        args = [value for arg in node.args for value in self._argument(arg)]
        keywords = {name: self.usable(value, node) for keyword in node.keywords for name, value in self.named_by(keyword)}
        if method in (OF_DICTS if isinstance(held, Record) else OF_LISTS):
            self._require_unseen(name, node)
            self.require_own(key, _container(owner), node)
        changed, result = table[method](self, key, args, keywords, node)
        if changed is not None:
            self._replace(key, changed)
        return result

    def _argument(self, node: ast.expr) -> list[Value]:
        if isinstance(node, ast.GeneratorExp):
            return [self.listing(node)]
        return [self.usable(value, node) for value in self.items([node])]

    def _replace(self, key: Key, value: Value) -> None:
        self.shared(value)
        self.env[key] = replace(self.env[key], value=value)

    def _require_unseen(self, name: str, node: ast.Call) -> None:
        """Refuses to change a list in the middle of a statement that has it in its hands otherwise."""
        seen = self.now is None or any(part.id == name for part in _whole_uses(_of_now(self.now)))
        if seen:
            assert isinstance(node.func, ast.Attribute)
            message = f"`.{node.func.attr}()` changes `{name}` inside a statement that uses it otherwise, or in the test of a loop"
            raise self.refusal(node, message, f"a statement of its own: item = {name}.{node.func.attr}(...)")

    # ------------------------------------------------------------------------------------------ longer

    def extended_in_place(self, target: ast.Name, old: Value, more: Value, node: ast.AST) -> bool:
        """``name += items`` for a list; False where it holds something else."""
        if not isinstance(old, Numbers) and not is_list(old):
            return False
        key = (self.home_of(target.id).number, target.id)
        self.extend(key, self.usable(more, node), node)
        return True

    def extend(self, key: Key, more: Value, node: ast.AST) -> None:
        """Lets the list that a variable holds have more items at its end."""
        self.require_own(key, _container(self.env[key].value), node)
        if not isinstance(more, Many) and not self.is_counted(more):
            raise self.unknown(node, f"a list cannot be extended by {describe(more)}", "a list, a tuple or an array")
        if isinstance(more, Many):
            for item in more.items:
                self.add_item(key, item, node)
            return
        owner = self.env[key].value
        added = self._as_rows(more, node)
        if isinstance(owner, Many) and not owner.items:
            self.list_types.setdefault(owner.ident, undefined(added.item))
        if isinstance(owner, Many):
            owner = self.spread_out(owner, literal(len(owner.items)), node)
        assert isinstance(owner, Numbers)
        self._replace(key, self._behind(owner, added, node))

    def _as_rows(self, more: Value, node: ast.AST) -> Numbers:
        """What is looped over, as a list of numbers or of tuples of them."""
        if self.is_array(more) and not self.holds_arrays(more):
            array = self.array(more, node)
            return Numbers((array,), self.length(array, node), 0, exact=True, item=Lit(None, replace(array.type, rank=0)))
        found = more if isinstance(more, Numbers) else self.collected(more, node)
        if not isinstance(found, Numbers) or any(leaf.type.rank for leaf in leaves(found.item)) or any(idents(found.item)):
            raise self.refusal(node, f"a list cannot be extended by {describe(more)} here", "a loop that appends")
        return self.exactly(found, node)

    def _behind(self, owner: Numbers, added: Numbers, node: ast.AST) -> Numbers:
        """Two lists of computed length, one behind the other."""
        together = of_one_kind(owner.item, added.item)
        if together is None:
            raise self.refusal(node, f"this list holds {each_of(owner.item)}, and what is added {each_of(added.item)}", "items of one kind")
        if not same_leaves(together, owner.item):
            self.list_types[owner.ident] = together
            raise OtherNumbers(owner.ident)
        count = self.arithmetic("add", owner.count, added.count, node)
        longer = self.moved(owner, count, node)
        columns: list[Atom] = []
        for column, more, leaf in zip(longer.columns, added.columns, leaves(owner.item), strict=True):
            fitting = as_type(self, node, more, Type(leaf.type.kind, 1, leaf.type.bits))
            columns.append(self.emit("store", [column, owner.count, count, fitting], node, (("at", "[{0}:{1}]"), ("rank", 1))))
        return replace(longer, columns=tuple(columns), count=count, exact=True)

    # ------------------------------------------------------------------------------------------ shorter

    def delete(self, target: ast.expr, node: ast.stmt) -> None:
        """``del name``, ``del name[2]`` and ``del name["key"]``."""
        match target:
            case ast.Name(name):
                self.usable(self.name(name, target), target)
                self.env[self.frame.number, name] = Slot(Lit(None, INT), FALSE)
            case ast.Subscript(ast.Name(name), index) if (self.frame.number, name) in self.env and not isinstance(index, ast.Slice):
                key, owner = (self.frame.number, name), self.usable(self.name(name, target), target)
                if not isinstance(owner, Numbers | Many | Record):
                    raise self.refusal(target, f"nothing can be deleted from {describe(owner)}", "a new array without it")
                self.require_own(key, _container(owner), node)
                place = self.usable(self.expr(index), index)
                method = _pop_key if isinstance(owner, Record) else _pop
                self._replace(key, method(self, key, [place], {}, node)[0] or owner)
            case _:
                raise self.refusal(target, "only names and single items of lists and dicts can be deleted", "a new list without them")


def _container(value: Value) -> Many | Numbers | Record:
    assert isinstance(value, Many | Numbers | Record)
    return value


def _of_now(stmt: ast.stmt) -> list[ast.AST]:
    """The parts of a statement that are evaluated with it, without the statements inside."""
    match stmt:
        case ast.If() | ast.While():
            return [stmt.test]
        case ast.For():
            return [stmt.iter]
        case ast.Match():
            return [stmt.subject]
        case _:
            return [stmt]


def _whole_uses(trees: list[ast.AST]) -> Iterator[ast.Name]:
    """The names that are read in another way than ``name[...]``, ``name.method(...)`` and ``len(name)``."""
    stack: list[ast.AST] = [*trees]
    while stack:
        part = stack.pop()
        match part:
            case ast.Subscript(ast.Name(), inner):
                stack.append(inner)
            case ast.Call(ast.Attribute(ast.Name()), args, keywords):
                stack += [*args, *(keyword.value for keyword in keywords)]
            case ast.Call(ast.Name("len"), [ast.Name()], []):
                pass
            case ast.Name(ctx=ast.Load()):
                yield part
            case _:
                stack.extend(ast.iter_child_nodes(part))


# ---------------------------------------------------------------------------------------------- methods of lists

Method: TypeAlias = Callable[[ListMethods, Key, list[Value], dict[str, Value], ast.AST], tuple["Value | None", Value]]


def _held(low: ListMethods, key: Key) -> Many | Numbers:
    held = low.env[key].value
    assert isinstance(held, Many | Numbers)
    return held


def _plain(low: ListMethods, args: list[Value], keywords: dict[str, Value], least: int, most: int, name: str, node: ast.AST) -> None:
    low.expect(args, least, most, name, node)
    if keywords:
        raise low.refusal(node, f"keywords are not supported in a call of {name}", "positional arguments")


def _extend(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 1, 1, "extend", node)
    low.extend(key, args[0], node)
    return None, NOTHING


def _pop(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 0, 1, "pop", node)
    place, held = (args[0] if args else literal(-1)), _held(low, key)
    if isinstance(held, Numbers):
        return _pop_last(low, held, place, node)
    if not isinstance(place, Lit) or type(place.value) is not int:
        raise low.refusal(node, "which item is taken out must be known", "the place as a literal, or an array")
    if not -len(held.items) <= place.value < len(held.items):
        raise low.refusal(node, "pop index out of range" if held.items else "pop from empty list")
    at = place.value % len(held.items)
    return replace(held, items=held.items[:at] + held.items[at + 1 :]), low.usable(held.items[at], node)


def _pop_last(low: ListMethods, held: Numbers, place: Value, node: ast.AST) -> tuple[Value, Value]:
    """The last item of a list of computed length; the arrays stay as they are, behind what the list holds."""
    if place != literal(-1):
        raise low.refusal(node, "only the last item of a list of computed length can be taken out", "a place that is counted up")
    low.stop(low.arithmetic("lt", held.count, literal(1), node), "IndexError", "pop from empty list", node)
    last = low.arithmetic("sub", held.count, literal(1), node)
    return replace(held, count=last, exact=False), low.item_at(held, last, node)


def _insert(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 2, 2, "insert", node)
    place, held = args[0], _held(low, key)
    if isinstance(held, Numbers) or not isinstance(place, Lit) or type(place.value) is not int:
        raise low.refusal(node, "insert needs a list of known length and a place that is written out", "append, or np.insert of an array")
    at = slice(place.value, place.value)
    items = [*held.items]
    low.shared(args[1])
    items[at] = [low.kept(args[1])]
    low.check_size(items, node)
    return replace(held, items=tuple(items)), NOTHING


def _reverse(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 0, 0, "reverse", node)
    held = _held(low, key)
    if isinstance(held, Many):
        return replace(held, items=held.items[::-1]), NOTHING
    held = low.exactly(held, node)
    backwards = [low.emit("flip", [column], node, (("axis", 0),)) for column in held.columns]
    return replace(held, columns=tuple(backwards)), NOTHING


def _sort(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    low.expect(args, 0, 0, "sort", node)
    held = _held(low, key)
    found = sorted_items(low, held, keywords, node)
    assert isinstance(found, Many | Numbers)
    return replace(found, ident=held.ident), NOTHING


def _clear(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 0, 0, "clear", node)
    match low.env[key].value:
        case Numbers() as held:
            return replace(held, count=literal(0), exact=False), NOTHING
        case Many() as held:
            return replace(held, items=()), NOTHING
        case _:
            return replace(_dict(low, key), names=(), items=()), NOTHING


def _copy(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 0, 0, "copy", node)
    return None, replace(_held(low, key), ident=low.new_ident())


def _equal_items(low: ListMethods, key: Key, value: Value, node: ast.AST) -> list[Atom]:
    """Which items are equal to a value."""
    held = _held(low, key)
    if isinstance(held, Numbers):
        raise low.refusal(node, "a list of computed length cannot be searched", "a loop over its items")
    return [low.comparison(ast.Eq(), item, value, node) for item in held.items]


def _count(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 1, 1, "count", node)
    found: Atom = literal(0)
    for test in _equal_items(low, key, args[0], node):
        found = low.arithmetic("add", found, low.converted(test, INT, node), node)
    return None, found


def _index(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 1, 1, "index", node)
    tests = _equal_items(low, key, args[0], node)
    anywhere: Atom = FALSE
    found: Atom = literal(0)
    for place, test in reversed([*enumerate(tests)]):
        anywhere = test if isinstance(anywhere, Lit) and not anywhere.value else low.emit("or", [test, anywhere], node)
        found = low.emit("where", [test, literal(place), found], node) if isinstance(test, Var) else literal(place) if test.value else found
    asked = args[0] if isinstance(args[0], Var | Lit) else "the item"
    low.stop_with(low.negated(anywhere, node), "ValueError", (asked, " is not in list"), node)
    return None, found


# ---------------------------------------------------------------------------------------------- methods of dicts


def _dict(low: ListMethods, key: Key) -> Record:
    held = low.env[key].value
    assert isinstance(held, Record)
    return held


def _with_items(held: Record, more: dict[Any, Value]) -> Record:
    both = dict(zip(held.names, held.items, strict=True)) | more
    return replace(held, names=tuple(both), items=tuple(both.values()))


def _update(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    low.expect(args, 0, 1, "update", node)
    more: dict[Any, Value] = {}
    for other in args:
        pairs = other if isinstance(other, Record) and other.display == "dict" else low.dict_of_pairs(other, node)
        more |= dict(zip(pairs.names, pairs.items, strict=True))
    more |= keywords
    low.shared(*more.values())
    low.check_size([*more.values()], node)
    return _with_items(_dict(low, key), {name: low.kept(value) for name, value in more.items()}), NOTHING


def _setdefault(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 1, 2, "setdefault", node)
    held, name = _dict(low, key), low.key_of_dict(args[0], node)
    found = held.get(name)
    if found is not None:
        return None, low.usable(found, node)
    default = args[1] if len(args) == 2 else NOTHING
    low.shared(default)
    return _with_items(held, {name: low.kept(default)}), default


def _pop_key(low: ListMethods, key: Key, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> tuple[Value | None, Value]:
    _plain(low, args, keywords, 1, 2, "pop", node)
    held, name = _dict(low, key), low.key_of_dict(args[0], node)
    found = held.get(name)
    if found is None and len(args) == 2:
        return None, args[1]
    if found is None:
        raise low.refusal(node, f"the dict has no key {name!r}: it has {', '.join(map(repr, held.names)) or 'none'}")
    left = {other: item for other, item in zip(held.names, held.items, strict=True) if other != name}
    return replace(held, names=tuple(left), items=tuple(left.values())), low.usable(found, node)


_LISTS: dict[str, Method] = {
    "extend": _extend, "pop": _pop, "insert": _insert, "reverse": _reverse, "sort": _sort, "clear": _clear, "copy": _copy,
    "count": _count, "index": _index,
}  # fmt: skip
_DICTS: dict[str, Method] = {"update": _update, "setdefault": _setdefault, "pop": _pop_key, "clear": _clear}
