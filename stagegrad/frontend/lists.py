"""Lists that grow: by `append`, and by comprehensions whose length is known at run time only.

A list of known length is a `Many`. Where a counted loop appends to it, it becomes a `Numbers`, the first rows of arrays with room
for all that the loop can append (`columns`). A list that may be appended to must have one name, since the length is that name's alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import Any, cast

from stagegrad.frontend.arrays import Section
from stagegrad.frontend.columns import Columns, Rows
from stagegrad.frontend.growth import appended, appended_deeper, appends_always, rekeyed
from stagegrad.frontend.indexing import Step
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
    Stream,
    Value,
    describe,
    ident_of_all,
    idents,
    is_own,
    join,
    leaves,
    named_anew,
    undefined,
)
from stagegrad.ir import FLOAT, Atom, Lit, Type, Var
from stagegrad.ops import literal


class OtherNumbers(Exception):
    """A list holds items of another kind than was assumed where room was made for it."""

    def __init__(self, ident: int) -> None:
        super().__init__(str(ident))
        self.ident = ident


class Lists(Columns):
    """Lowers lists that grow."""

    list_types: dict[int, Value]  # what the items of growing lists are, as skeletons
    placed: set[int]  # the lists of known length of which an item is replaced whose place is known at run time only
    changing: list[set[int]]  # the lists from before them that the loops around replace items of
    busy: list[int]  # the lists that a loop goes over
    growing: list[dict[Key, int]]  # the lists that the loops around have made room for
    lists: int = 0

    def new_list(self, items: Iterable[Value]) -> Many:
        """A list of the function's own."""
        return Many(tuple(items), "list", self.new_ident())

    def new_ident(self) -> int:
        """What a list or a dict of the function's own goes by."""
        self.lists += 1
        return 1 << self.lists

    def lists_now(self) -> tuple[int, dict[int, int]]:
        """How many lists there are, and how much has been appended to each."""
        return self.lists, {ident: len(items) for ident, items in self.appended.items()}

    def forget_lists(self, now: tuple[int, dict[int, int]]) -> None:
        """Takes back what an attempt has noted of lists: those that it made, and what it has appended to others."""
        self.lists, lengths = now
        self.appended = {ident: self.appended[ident][:length] for ident, length in lengths.items()}
        for known in (self.list_types, self.rows):
            for ident in [ident for ident in known if ident >> (self.lists + 1)]:
                del known[ident]

    # ------------------------------------------------------------------------------------------ appending

    def append_to(self, stmt: ast.Expr) -> bool:
        """``name.append(value)``; False where the statement is something else."""
        match stmt.value:
            case ast.Call(ast.Attribute(ast.Name(name), "append"), [argument], []) if not isinstance(argument, ast.Starred):
                key = (self.frame.number, name)
                slot = self.env.get(key)
                if slot is None or (not isinstance(slot.value, Numbers) and not is_list(slot.value)):
                    return False
            case _:
                return False
        self.add_item(key, self.usable(self.expr(argument), argument), stmt)
        return True

    def add_item(self, key: Key, value: Value, node: ast.AST) -> None:
        """Lets the list that a variable holds have one more item."""
        slot, self.env[key] = self.env[key], Slot(POISON)
        self.env[key] = replace(slot, value=self._longer(key, slot.value, value, node))

    def _longer(self, key: Key, target: Value, value: Value, node: ast.AST) -> Value:
        """A list with one more item."""
        assert isinstance(target, Many | Numbers)
        if not self.is_alone(target.ident, self.env):
            message = "this list has another name as well, or is not this function's own: what append does to it would be seen there"
            raise self.refusal(node, message, f"a list of its own: {key[1]} = []")
        self.shared(value)
        if isinstance(target, Many):
            self.check_size([*target.items, value], node)
            return replace(target, items=(*target.items, self.kept(value)))
        if not any(loop.get(key) == target.ident for loop in self.growing):  # a list of this trip has no room from before the loop
            more = self.arithmetic("add", target.count, literal(1), node)
            target = self.moved(target, more, node)
        item = self._item_for(target, self.fitting_row(target, value, node), node)
        longer = self.with_item(target, target.count, item, node, self.word(self.frame, key[1]))
        return replace(longer, count=self.arithmetic("add", target.count, literal(1), node), exact=False, item=_joined(target.item, item))

    def _item_for(self, target: Numbers, value: Value, node: ast.AST) -> Value:
        """What is appended, as the list holds it; the list is made again where it was made for something else."""
        item = self._apart_from(target, self.as_item(value, node))
        if target.ident not in self.list_types:
            self.list_types[target.ident] = undefined(item)
            if not same_leaves(item, target.item):
                raise OtherNumbers(target.ident)
        together = of_one_kind(target.item, item)
        if together is None:
            message = f"this list holds {each_of(target.item)}, and what is appended is {describe(item)}"
            raise self.refusal(node, message, "items of one kind")
        if not same_leaves(together, target.item):
            self.list_types[target.ident] = together
            raise OtherNumbers(target.ident)
        if any(leaf.type.rank for leaf in leaves(item)):
            self.appended.setdefault(target.ident, []).append(tuple(leaves(item)))
            known = self.rows.get(target.ident)
            if known is None or not known.certain:
                self.require_fit(target, item, node)
        return item

    def _apart_from(self, target: Numbers, item: Value) -> Value:
        """The item under a name of its own for each list in it; other names of such a list may be this one from here on.

        A list that is in there already, so that two items may be one list, is nobody's own.
        """
        inside = ident_of_all(target.item)
        for old in dict.fromkeys(ident for ident in idents(item) if ident):
            new = self.new_ident()
            foreign = bool(old & inside) or not is_own(old)
            item = named_anew(item, old, new, foreign)
            for key, slot in self.env.items():
                self.env[key] = replace(slot, value=also_named(slot.value, old, new))
        return item

    # ------------------------------------------------------------------------------------------ items that are replaced

    def replace_item(self, target: ast.Subscript, value: Value, node: ast.AST) -> bool:
        """``name["key"] = value`` and ``name[2] = value`` for a dict or a list of known length; False where it is something else."""
        if isinstance(numbers := self.held_by(target), Numbers):
            self._replace_number(target, numbers, value, node)
            return True
        if self.replace_in_row(target, value, node):
            return True
        if (spread := self._as_numbers(target, value, node)) is not None:
            self._replace_number(target, spread, value, node)
            return True
        found = self.item_of(target)
        if found is None:
            return False
        key, owner, place = found
        self.require_own(key, owner, node)
        self.shared(value)
        items = (*owner.items[:place], self.kept(self.usable(value, node)), *owner.items[place + 1 :])
        self.check_size(items, node)
        if isinstance(owner, Record) and place == len(owner.items):
            owner = replace(owner, names=(*owner.names, self.key_of_dict(self.expr(target.slice), target.slice)))
        self.env[key] = replace(self.env[key], value=replace(owner, items=items))
        return True

    def _as_numbers(self, target: ast.Subscript, value: Value, node: ast.AST) -> Numbers | None:
        """A list of numbers, whose length is known, in an array, where the place that is written to is not; None for all else.

        Where a float is the first that is put among ints, all of it are floats.
        """
        owner = self.held_by(target)
        if not isinstance(owner, Many) or not self.may_be_placed(owner) or isinstance(target.slice, ast.Slice):
            return None
        if isinstance(self.usable(self.expr(target.slice), target.slice), Lit):
            return None
        assert isinstance(target.value, ast.Name)
        self.placed.add(owner.ident)
        if isinstance(value, Var | Lit) and value.type == FLOAT:
            self.list_types[owner.ident] = undefined(value)
        if any(owner.ident in lists for lists in self.changing):
            raise OtherNumbers(owner.ident)  # it is an array from before the loop on
        key = (self.frame.number, target.value.id)
        numbers = self.exactly(self.spread_out(owner, literal(len(owner.items)), node), node)
        self.env[key] = replace(self.env[key], value=numbers)
        return numbers

    def may_be_placed(self, value: Value) -> bool:
        """Is it a list of the function's own, of numbers alone?"""
        if not isinstance(value, Many) or not is_list(value) or not is_own(value.ident) or not value.items:
            return False
        return all(isinstance(item, Var | Lit) and not item.type.rank for item in value.items)

    def held_by(self, target: ast.Subscript) -> Value | None:
        """What the variable holds of which a part is written to, if it is one of this function."""
        slot = self.env.get((self.frame.number, target.value.id)) if isinstance(target.value, ast.Name) else None
        return slot.value if slot else None

    def _replace_number(self, target: ast.Subscript, owner: Numbers, value: Value, node: ast.AST) -> None:
        """``name[i] = value`` for a list whose length is known at run time only."""
        assert isinstance(target.value, ast.Name)
        key = (self.frame.number, target.value.id)
        self.require_own(key, owner, node)
        if isinstance(target.slice, ast.Slice):
            raise self.refusal(target, "a section of a list cannot be assigned to", "an array: np.array(...)")
        value = self.fitting_row(owner, self.usable(value, node), node)
        item = self._apart_from(owner, self.as_item(value, node))
        if owner.holds is not None and not owner.holds.rank:
            self.require_kind(key, owner.holds, item, node)
        together = of_one_kind(owner.item, item)
        if together is None or not same_leaves(together, owner.item):
            raise self.refusal(node, f"this list holds {each_of(owner.item)}, and what is put into it is {describe(item)}", "[0.0] * n")
        self.require_fit(owner, item, node)
        place = self.index_in(owner, target.slice, node)
        changed = self.with_item(owner, place, item, node, self.word(self.frame, target.value.id))
        self.env[key] = replace(self.env[key], value=replace(changed, item=together))

    def index_in(self, owner: Numbers, index: ast.expr, node: ast.AST) -> Atom:
        """The place of an item that is written to."""
        place = self.whole(self.atom(self.expr(index), index), index, "an index")
        return place if owner.exact else self._place_in(owner, place, node)

    def replace_in_row(self, target: ast.Subscript, value: Value, node: ast.AST) -> bool:
        """``name[i][j] = value``; False where it is something else."""
        raise NotImplementedError

    def fitting_row(self, owner: Numbers, value: Value, node: ast.AST) -> Value:
        """A value that is put into a list: a list in an array, if the others in it are."""
        raise NotImplementedError

    def require_kind(self, key: Key, type: Type, number: Value, node: ast.AST) -> None:
        """Refuses to put a number into a list of others."""
        raise NotImplementedError

    def _place_in(self, owner: Numbers, place: Atom, node: ast.AST) -> Atom:
        """Where in the array an item lies: the array may have room behind the last one."""
        least = self.arithmetic("sub", literal(0), owner.count, node)
        for test in (self.arithmetic("ge", place, owner.count, node), self.arithmetic("lt", place, least, node)):
            self.stop(test, "IndexError", "list assignment index out of range", node)
        return self.arithmetic("mod", place, owner.count, node)

    def repeated(self, many: Many, times: Value, node: ast.AST) -> Value:
        """``[x] * n``, with a number and an int that is known at run time only."""
        count = self.whole(self.atom(times, node), node, "how often a list is repeated")
        count = self.emit("max", [count, literal(0)], node)
        item = self.atom(many.items[0], node)
        attrs = [(name, held) for name, held, usual in (("kind", item.type.kind, "float"), ("bits", item.type.bits, 64)) if held != usual]
        made = self.emit("full_of", [item, count], node, attrs)
        return Numbers((made,), count, self.new_ident(), exact=True, item=Lit(None, item.type))

    def ragged_row(self, rows: Sequence[Many], place: Atom, node: ast.AST) -> Value | None:
        numbers = [item for row in rows for item in row.items if isinstance(item, Var | Lit)]
        alike = len({number.type for number in numbers}) == 1 and not numbers[0].type.rank
        if not alike or len(numbers) != sum(len(row.items) for row in rows):
            return None
        ends = [*accumulate((len(row.items) for row in rows), initial=0)]
        start, stop = (self.emit("item", [place, *map(literal, bounds)], node) for bounds in (ends[:-1], ends[1:]))
        together = self.emit("array_of", numbers, node, (("shape", (len(numbers),)),))
        row = self.emit("load", [together, start, stop], node, (("at", "[{0}:{1}]"), ("rank", 1)))
        return Numbers((row,), self.arithmetic("sub", stop, start, node), 0, exact=True, item=Lit(None, numbers[0].type))

    def item_of(self, target: ast.Subscript) -> tuple[Key, Many | Record, int] | None:
        """The variable, what it holds, and the place of the item that is written to; behind the last for a new key of a dict."""
        if not isinstance(target.value, ast.Name):
            return None
        key = (self.frame.number, target.value.id)
        owner = self.env[key].value if key in self.env else None
        if isinstance(owner, Record) and owner.display == "dict":
            name = self.key_of_dict(self.expr(target.slice), target.slice)
            return (key, owner, owner.names.index(name) if name in owner.names else len(owner.names))
        if isinstance(owner, Many) and owner.display == "list":
            place = self.usable(self.expr(target.slice), target.slice)
            if isinstance(place, Lit) and type(place.value) is int and -len(owner.items) <= place.value < len(owner.items):
                return key, owner, place.value % len(owner.items)
        return None

    def require_own(self, key: Key, owner: Many | Record | Numbers, node: ast.AST) -> None:
        """Refuses to change what another name may hold as well."""
        if not self.is_alone(owner.ident, {other: slot for other, slot in self.env.items() if other != key}):
            kind = "list" if isinstance(owner, Numbers) else owner.display
            message = f"this {kind} has another name as well, or is not this function's own: what is written to it would be seen there"
            raise self.refusal(node, message, f"a {kind} of its own, or a name for each item")

    def is_alone(self, ident: int, others: Mapping[Key, Slot]) -> bool:
        """Whether it is the function's own, and neither held by another variable nor what a loop goes over."""
        held = (found for slot in others.values() if isinstance(slot.value, HOLDERS) for found in idents(slot.value))
        return is_own(ident) and not any(ident & other for other in (*held, *self.busy))

    def make_room(self, stmt: Loop, over: Range | None) -> tuple[dict[str, int], dict[str, Atom]]:
        """Lets the lists to which a loop appends have room for that.

        Returns the names and identities of those that had none before, and the lengths that are certain behind the loop.
        """
        new: dict[str, int] = {}
        full: dict[str, Atom] = {}
        growing, deeper = appended(stmt.body), appended_deeper(stmt.body)
        for key in ((self.frame.number, name) for name in rekeyed(stmt.body) if name not in growing):
            slot = self.env.get(key)
            if slot is not None and isinstance(slot.value, Numbers):
                self.env[key] = replace(slot, value=self.exactly(slot.value, stmt))
            elif slot is not None and isinstance(slot.value, Many) and slot.value.ident in self.placed:
                numbers = self.spread_out(slot.value, literal(len(slot.value.items)), stmt)
                self.env[key] = replace(slot, value=self.exactly(numbers, stmt))
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
            room = self._room(slot.value, count, over, stmt)
            self.env[key] = replace(slot, value=self._with_room(slot.value, room, stmt))
            if count and name not in deeper and appends_always(stmt, name) == count:
                full[name] = room
        return new, full

    def _room(self, value: Many | Numbers, sites: int, over: Range | None, node: ast.AST) -> Atom:
        """How long a list is at most behind a loop that appends to it at so many places."""
        count: Atom = literal(len(value.items)) if isinstance(value, Many) else value.count
        if not sites or over is None:
            return count
        trips = self.trips_of(over, node)
        more = trips if sites == 1 else self.arithmetic("mul", literal(sites), trips, node)
        return more if count == literal(0) else self.arithmetic("add", count, more, node)

    def _with_room(self, value: Many | Numbers, room: Atom, node: ast.AST) -> Numbers:
        return self.moved(value, room, node) if isinstance(value, Numbers) else self.spread_out(value, room, node)

    def spread_out(self, value: Many, room: Atom, node: ast.AST) -> Numbers:
        """A list of known length in arrays with room for more."""
        items = [self.as_item(item, node) for item in value.items]
        item = self.list_types.get(value.ident) or (undefined(items[0]) if items else Lit(None, FLOAT))
        for other in items:
            together = of_one_kind(item, other)
            if together is None:
                raise self.refusal(node, f"this list holds {each_of(item)} and {describe(other)}, and it grows", "items of one kind")
            item = together
        rows = self.rows.get(value.ident)
        if rows is not None and rows.sizes is not None:
            sizes = tuple(self.sized(size, node) for size in rows.sizes)
        elif items:
            sizes = self.sizes_of(items[0], node)
        else:
            sizes = tuple(literal(1) for leaf in leaves(item) for _ in range(leaf.type.rank))  # until it is known what is appended
        found = Numbers(self.new_columns(item, room, sizes, node), literal(len(items)), value.ident, item=item)
        for k, one in enumerate(items):
            self.require_fit(found, one, node)
            found = self.with_item(found, literal(k), self._apart_from(found, one), node)
        return found

    def moved(self, value: Numbers, room: Atom, node: ast.AST) -> Numbers:
        """A list in arrays with room for more."""
        count = value.count
        columns = self.new_columns(value.item, room, self.sizes_in(value, node), node)
        at = [(("at", "[:{0}]"), ("rank", column.type.rank)) for column in columns]
        parts = [self.emit("load", [old, count], node, where) for old, where in zip(value.columns, at, strict=True)]
        stored = [self.emit("store", [column, count, part], node, where) for column, part, where in zip(columns, parts, at, strict=True)]
        return replace(value, columns=tuple(stored), exact=False)

    def require_rows(self, ident: int, before: int, start: Mapping[Key, Slot], node: ast.AST) -> bool:
        """Whether a loop that has been lowered must be so again, now that the sizes of the arrays that it appends to a list are known."""
        if ident in self.rows or ident not in self.appended:
            return False
        found = self.rows_before(ident, before, (slot.value for slot in start.values()))
        slot = next((slot for slot in start.values() if isinstance(slot.value, Many) and slot.value.ident == ident), None)
        if found is None and (slot is None or not isinstance(slot.value, Many) or not slot.value.items):
            message = "the shape of the arrays that are appended to a list here is not known before the loop"
            raise self.refusal(node, message, "an array for them, np.zeros((n, m)), and a[i] = ... in the loop")
        self.rows[ident] = found or Rows(None)
        return True

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

    def holds_arrays(self, value: Value) -> bool:
        if isinstance(value, Numbers):
            return value.holds is not None and value.holds.rank > 0
        return super().holds_arrays(value)

    def length(self, owner: Value, node: ast.AST) -> Atom:
        return owner.count if isinstance(owner, Numbers) else super().length(owner, node)

    def truth(self, value: Value, node: ast.AST) -> Atom:
        return super().truth(value.count if isinstance(value, Numbers) else value, node)

    def cursor(self, value: Value, node: ast.AST) -> tuple[Atom, Callable[[Atom], Value]]:
        if isinstance(value, Numbers):
            return value.count, lambda index: self.item_at(value, index, node)
        return super().cursor(value, node)

    def part(self, value: Value | Section, link: ast.Subscript) -> Value | Section:
        if not isinstance(value, Numbers):
            return super().part(value, link)
        value = self.exactly(value, link)
        step = self.step(link, 1)
        if isinstance(link.slice, ast.Slice):
            return self.section_of_list(value, step.parts[0], step.atoms, link)
        if not step.takes_elements:
            raise self.refusal(link, "a list can be indexed by an int or a slice only", "an array: np.array(...)")
        if value.holds in (None, FLOAT) or (value.holds and value.holds.rank and self.memory is not None):
            return self.item_at(value, step.atoms[0], link)
        return Section(value.array, (Step(step.parts, step.atoms, value.holds.rank),))


#: What may hold lists.
HOLDERS = Many | Numbers | Record | Stream | Closure


def also_named(value: Value, old: int, new: int) -> Value:
    """The same value, where what goes by the old name may be what goes by the new one."""
    if not isinstance(value, HOLDERS) or not any(old & ident for ident in idents(value)):
        return value
    return named_anew(value, old, old | new)


def _joined(first: Value, second: Value) -> Value:
    together = join(first, second)
    assert together is not None  # or it would have been refused
    return together


def of_one_kind(first: Value, second: Value) -> Value | None:
    """What a list holds that holds both; None where 32-bit floats would meet others, which a list of Python's keeps as they are."""
    widths = [[leaf.type.bits for leaf in leaves(value)] for value in (first, second)]
    return join(first, second) if widths[0] == widths[1] else None


def same_leaves(first: Value, second: Value) -> bool:
    """Whether two items lie in arrays of the same types."""
    return [leaf.type for leaf in leaves(first)] == [leaf.type for leaf in leaves(second)] and join(first, second) is not None


def each_of(item: Value) -> str:
    """What the items of a list are, in words for a message."""
    return f"{describe(item).split()[-1]}s" if isinstance(item, Lit) and not item.type.rank else f"what is each {describe(item)}"


def is_list(value: Value | None) -> bool:
    """Whether it is a list whose length is known."""
    return isinstance(value, Many) and value.display == "list"


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
