"""Lists of numbers that grow: by `append`, and by comprehensions whose length is known at run time only.

A list of known length is a `Many`. Where a counted loop appends to it, it becomes a `Numbers`, the first elements of an array with
room for all that the loop can append. A list that may be appended to must have one name, since the length is that name's alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from stagegrad.frontend.arrays import Section
from stagegrad.frontend.scope import Loop
from stagegrad.frontend.values import (
    POISON,
    Closure,
    Embedded,
    Key,
    Many,
    Numbers,
    Range,
    Record,
    Slot,
    Value,
    describe,
    idents,
    is_own,
    leaves,
)
from stagegrad.frontend.writes import Writes
from stagegrad.ir import FLOAT, Atom, Lit, Type
from stagegrad.ops import literal

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


class OtherNumbers(Exception):
    """A list holds numbers of another kind than was assumed where room was made for it."""

    def __init__(self, ident: int) -> None:
        super().__init__(str(ident))
        self.ident = ident


class Lists(Writes):
    """Lowers lists that grow."""

    list_types: dict[int, Type]  # what the growing lists hold
    busy: list[int]  # the lists that a loop goes over
    lists: int = 0

    def new_list(self, items: Iterable[Value]) -> Many:
        """A list of the function's own."""
        return Many(tuple(items), "list", self.new_ident())

    def new_ident(self) -> int:
        """What a list or a dict of the function's own goes by."""
        self.lists += 1
        return 1 << self.lists

    # ------------------------------------------------------------------------------------------ appending

    def append_to(self, stmt: ast.Expr) -> bool:
        """``name.append(value)``; False where the statement is something else."""
        match stmt.value:
            case ast.Call(ast.Attribute(ast.Name(name), "append"), [argument], []) if not isinstance(argument, ast.Starred):
                key = (self.frame.number, name)
                slot = self.env.get(key)
                if slot is None or (not isinstance(slot.value, Numbers) and not _is_list(slot.value)):
                    return False
            case _:
                return False
        value = self.usable(self.expr(argument), argument)
        slot, self.env[key] = self.env[key], Slot(POISON)
        self.env[key] = replace(slot, value=self._longer(key, slot.value, value, stmt))
        return True

    def _longer(self, key: Key, target: Value, value: Value, node: ast.AST) -> Value:
        """A list with one more item."""
        assert isinstance(target, Many | Numbers)
        if not self._is_alone(target.ident, self.env):
            message = "this list has another name as well, or is not this function's own: what append does to it would be seen there"
            raise self.refusal(node, message, f"a list of its own: {key[1]} = []")
        for leaf in leaves(value):
            self.settle(leaf)
        if isinstance(target, Many):
            self.check_size([*target.items, value], node)
            return replace(target, items=(*target.items, self.kept(value)))
        number = self._element(self.atom(value, node), target, node)
        array = self.emit("store", [target.array, target.count, number], node, name=self.word(self.frame, key[1]))
        count = self.arithmetic("add", target.count, literal(1), node)
        return Numbers(array, count, target.ident)

    # ------------------------------------------------------------------------------------------ items that are replaced

    def replace_item(self, target: ast.Subscript, value: Value, node: ast.AST) -> bool:
        """``name["key"] = value`` and ``name[2] = value`` for a dict or a list of known length; False where it is something else."""
        if isinstance(numbers := self.held_by(target), Numbers):
            self._replace_number(target, numbers, value, node)
            return True
        found = self.item_of(target)
        if found is None:
            return False
        key, owner, place = found
        self._require_own(key, owner, node)
        for leaf in leaves(value):
            self.settle(leaf)
        items = (*owner.items[:place], self.kept(self.usable(value, node)), *owner.items[place + 1 :])
        self.check_size(items, node)
        if isinstance(owner, Record) and place == len(owner.items):
            owner = replace(owner, names=(*owner.names, self._text(target)))
        self.env[key] = replace(self.env[key], value=replace(owner, items=items))
        return True

    def held_by(self, target: ast.Subscript) -> Value | None:
        """What the variable holds of which a part is written to, if it is one of this function."""
        slot = self.env.get((self.frame.number, target.value.id)) if isinstance(target.value, ast.Name) else None
        return slot.value if slot else None

    def _replace_number(self, target: ast.Subscript, owner: Numbers, value: Value, node: ast.AST) -> None:
        """``name[i] = value`` for a list whose length is known at run time only."""
        assert isinstance(target.value, ast.Name)
        key = (self.frame.number, target.value.id)
        self._require_own(key, owner, node)
        if isinstance(target.slice, ast.Slice):
            raise self.refusal(target, "a section of a list cannot be assigned to", "an array: np.array(...)")
        held, number = replace(owner.array.type, rank=0), self.atom(self.usable(value, node), node)
        if number.type != held and (held.kind != "float" or number.type.kind == "float" or number.type.rank):
            raise self.refusal(node, f"this list holds {held.kind}s, and what is put into it is {describe(number)}", "[0.0] * n")
        place = self.whole(self.atom(self.expr(target.slice), target.slice), target.slice, "an index")
        if not owner.exact:
            place = self._place_in(owner, place, node)
        word = self.word(self.frame, target.value.id)
        array = self.emit("store", [owner.array, place, self.converted(number, held, node)], node, name=word)
        self.env[key] = replace(self.env[key], value=replace(owner, array=array))

    def _place_in(self, owner: Numbers, place: Atom, node: ast.AST) -> Atom:
        """Where in the array an item lies: the array may have room behind the last one."""
        least = self.arithmetic("sub", literal(0), owner.count, node)
        for test in (self.arithmetic("ge", place, owner.count, node), self.arithmetic("lt", place, least, node)):
            self.stop(test, "IndexError", "list assignment index out of range", node)
        return self.arithmetic("mod", place, owner.count, node)

    def exactly(self, value: Numbers, node: ast.AST) -> Numbers:
        """The list in an array of its length."""
        return value if value.exact else replace(value, array=self.sealed(value, node), exact=True)

    def repeated(self, many: Many, times: Value, node: ast.AST) -> Value:
        """``[x] * n``, with a number and an int that is known at run time only."""
        count = self.whole(self.atom(times, node), node, "how often a list is repeated")
        count = self.emit("max", [count, literal(0)], node)
        item = self.atom(many.items[0], node)
        attrs = [(name, held) for name, held, usual in (("kind", item.type.kind, "float"), ("bits", item.type.bits, 64)) if held != usual]
        return Numbers(self.emit("full_of", [item, count], node, attrs), count, self.new_ident(), exact=True)

    def item_of(self, target: ast.Subscript) -> tuple[Key, Many | Record, int] | None:
        """The variable, what it holds, and the place of the item that is written to; behind the last for a new key of a dict."""
        if not isinstance(target.value, ast.Name):
            return None
        key = (self.frame.number, target.value.id)
        owner = self.env[key].value if key in self.env else None
        if isinstance(owner, Record) and owner.display == "dict":
            text = self._text(target)
            return (key, owner, owner.names.index(text) if text in owner.names else len(owner.names))
        if isinstance(owner, Many) and owner.display == "list":
            place = self.usable(self.expr(target.slice), target.slice)
            if isinstance(place, Lit) and type(place.value) is int and -len(owner.items) <= place.value < len(owner.items):
                return key, owner, place.value % len(owner.items)
        return None

    def _text(self, target: ast.Subscript) -> str:
        text = self.known(self.expr(target.slice), target.slice)
        if not isinstance(text, str):
            raise self.refusal(target.slice, "a dict must have constant texts as keys", '{"name": value}')
        return text

    def _require_own(self, key: Key, owner: Many | Record | Numbers, node: ast.AST) -> None:
        """Refuses to change what another name may hold as well."""
        if not self._is_alone(owner.ident, {other: slot for other, slot in self.env.items() if other != key}):
            kind = "list" if isinstance(owner, Numbers) else owner.display
            message = f"this {kind} has another name as well, or is not this function's own: what is written to it would be seen there"
            raise self.refusal(node, message, f"a {kind} of its own, or a name for each item")

    def _is_alone(self, ident: int, others: Mapping[Key, Slot]) -> bool:
        """Whether it is the function's own, and neither held by another variable nor what a loop goes over."""
        held = (found for slot in others.values() for found in idents(slot.value))
        return is_own(ident) and not any(ident & other for other in (*held, *self.busy))

    def _element(self, number: Atom, target: Numbers, node: ast.AST) -> Atom:
        held = replace(target.array.type, rank=0)
        if number.type == held:
            self.list_types.setdefault(target.ident, held)
            return number
        if target.ident not in self.list_types or (number.type.kind == "float" and held.kind != "float"):
            self.list_types[target.ident] = number.type
            raise OtherNumbers(target.ident)
        return self.converted(number, held, node)

    def make_room(self, stmt: Loop, over: Range | None) -> dict[str, int]:
        """Lets the lists to which a loop appends have room for that; returns their names and identities, if they had none before."""
        new: dict[str, int] = {}
        growing = appended(stmt.body)
        for key in ((self.frame.number, name) for name in rekeyed(stmt.body) if name not in growing):
            slot = self.env.get(key)
            if slot is not None and isinstance(slot.value, Numbers):
                self.env[key] = replace(slot, value=self.exactly(slot.value, stmt))
        for name, count in growing.items():
            key = (self.frame.number, name)
            slot = self.env.get(key)
            if slot is None or not isinstance(slot.value, Many | Numbers) or not is_own(slot.value.ident):
                continue
            if count and over is None:
                message = f"how often this loop appends to `{name}` is not known when it begins"
                raise self.refusal(stmt, message, "a for loop with a `break`")
            if isinstance(slot.value, Many):
                new[name] = slot.value.ident
            self.env[key] = replace(slot, value=self._with_room(slot.value, count, over, stmt))
        return new

    def _with_room(self, value: Many | Numbers, sites: int, over: Range | None, node: ast.AST) -> Numbers:
        count: Atom = literal(len(value.items)) if isinstance(value, Many) else value.count
        room = count
        if sites and over is not None:
            trips = self.trips_of(over, node)
            room = self.arithmetic("add", count, self.arithmetic("mul", literal(sites), trips, node), node)
            room = trips if count == literal(0) and sites == 1 else room
        items = [self.atom(item, node) for item in value.items] if isinstance(value, Many) else []
        first = items[0].type if items else FLOAT
        kind = replace(value.array.type, rank=0) if isinstance(value, Numbers) else self.list_types.get(value.ident, first)
        attrs = [(name, held) for name, held, usual in (("kind", kind.kind, "float"), ("bits", kind.bits, 64)) if held != usual]
        array: Atom = self.emit("empty_of", [room], node, attrs)
        for k, item in enumerate(items):
            array = self.emit("store", [array, literal(k), self.converted(item, kind, node)], node)
        if isinstance(value, Numbers):
            at = (("at", "[:{0}]"), ("rank", 1))
            array = self.emit("store", [array, count, self.emit("load", [value.array, count], node, at)], node, at)
        return Numbers(array, count, value.ident)

    # ------------------------------------------------------------------------------------------ comprehensions

    def listing(self, node: ast.ListComp | ast.GeneratorExp) -> Value:
        """A comprehension as the loop that it is: the text of a function that appends is made, and lowered in place."""
        for part in ast.walk(node):
            if isinstance(part, ast.NamedExpr):
                raise self.refusal(part, "`:=` inside a comprehension is not supported", "a loop")
        if any(generator.is_async for generator in node.generators):
            raise self.refusal(node, "an asynchronous comprehension is not supported", "for")
        over = self.usable(self.expr(node.generators[0].iter), node.generators[0].iter)
        return self.inlined(Closure(_listing(node, over), self.frame), node)

    @contextmanager
    def holding(self, value: Value) -> Iterator[None]:
        mark = len(self.busy)
        self.busy += idents(value)
        try:
            with super().holding(value):
                yield
        finally:
            del self.busy[mark:]

    # ------------------------------------------------------------------------------------------ growing lists as values

    def sealed(self, value: Numbers, node: ast.AST) -> Atom:
        """What a list holds, as an array of its length."""
        if value.exact:
            return value.array
        return self.emit("load", [value.array, value.count], node, (("at", "[:{0}]"), ("rank", 1)))

    def array(self, value: Value, node: ast.AST) -> Atom:
        return self.sealed(value, node) if isinstance(value, Numbers) else super().array(value, node)

    def for_numpy(self, value: Value, node: ast.AST) -> Value:
        """The value as NumPy's functions see it: growing lists as arrays."""
        match value:
            case Numbers():
                return self.sealed(value, node)
            case Many(items) | Record(items=items):
                return replace(value, items=tuple(self.for_numpy(item, node) for item in items))
            case _:
                return self.plain(value, node)

    def is_counted(self, value: Value) -> bool:
        return isinstance(value, Numbers) or super().is_counted(value)

    def length(self, owner: Value, node: ast.AST) -> Atom:
        return owner.count if isinstance(owner, Numbers) else super().length(owner, node)

    def truth(self, value: Value, node: ast.AST) -> Atom:
        return super().truth(value.count if isinstance(value, Numbers) else value, node)

    def cursor(self, value: Value, node: ast.AST) -> tuple[Atom, Callable[[Atom], Value]]:
        if isinstance(value, Numbers):
            return value.count, lambda index: self.emit("load", [value.array, index], node)
        return super().cursor(value, node)

    def part(self, value: Value | Section, link: ast.Subscript) -> Value | Section:
        if not isinstance(value, Numbers):
            return super().part(value, link)
        found = super().part(self.sealed(value, link), link)
        if not isinstance(link.slice, ast.Slice):
            return found
        assert isinstance(found, Section)
        array = self.numeric(self.read_section(found, link), link)
        return Numbers(array, self.length(array, link), self.new_ident(), exact=True)


def _is_list(value: Value) -> bool:
    return isinstance(value, Many) and value.display == "list"


def appended(stmts: Iterable[ast.stmt], inner: bool = False) -> dict[str, int]:
    """The names to which statements append, and at how many places; places in inner loops do not count."""
    found: dict[str, int] = {}
    for stmt in stmts:
        match stmt:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "append"))):
                found[name] = found.get(name, 0) + (not inner)
            case _ if not isinstance(stmt, _FUNCTIONS):
                deeper = inner or isinstance(stmt, ast.For | ast.While)
                children = [child for child in ast.iter_child_nodes(stmt) if isinstance(child, ast.stmt)]
                for name, count in appended(children, deeper).items():
                    found[name] = found.get(name, 0) + count
    return found


def rekeyed(stmts: Iterable[ast.stmt]) -> list[str]:
    """The names of which statements replace items: ``name[...] = value``."""
    found: dict[str, None] = {}
    for part in (part for stmt in stmts for part in ast.walk(stmt)):
        match part:
            case ast.Subscript(ast.Name(name), ctx=ast.Store()):
                found[name] = None
    return list(found)


def _listing(node: ast.ListComp | ast.GeneratorExp, over: Value) -> ast.FunctionDef:
    """``items = []; for target in over: items.append(element); return items``"""
    taken = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    name = "items" + "_" * ("items" in taken)
    append: ast.stmt = ast.Expr(ast.Call(ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load()), [node.elt], []))
    for position in reversed(range(len(node.generators))):
        generator = node.generators[position]
        for test in reversed(generator.ifs):
            append = ast.If(test, [append], [])
        known: ast.expr = ast.Constant(cast(Any, Embedded(over)))  # a tree that only `constant` reads, never Python's compiler
        append = ast.For(generator.target, known if position == 0 else generator.iter, [append], [])
    first = ast.Assign([ast.Name(name, ast.Store())], ast.List([], ast.Load()))
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef("listed", nothing, [first, append, ast.Return(ast.Name(name, ast.Load()))], [])
    return ast.fix_missing_locations(ast.copy_location(function, node))  # what the user wrote keeps its own place

