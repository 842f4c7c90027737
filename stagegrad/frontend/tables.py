"""Lists of lists of numbers whose numbers are replaced: ``name[i][j] = value``.

Where the text does so, what it assigns to the name is put into one array from the beginning, if all its rows are lists of their own:
``[[0.0] * m for _ in range(n)]``, but not ``[[0.0] * m] * n``, which is one row n times. The rows have one length, and are no more names
of anything: what takes a row out, to write to it elsewhere, is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from stagegrad.frontend.decisions import Reconsidered
from stagegrad.frontend.lists import Lists, is_list
from stagegrad.frontend.values import Key, Many, Numbers, Range, Value, describe, idents, is_own, leaves, wider
from stagegrad.frontend.words_creation import as_type, common_type, held
from stagegrad.ir import FLOAT, INT, Atom, Attr, Lit, Type, Var
from stagegrad.ops import literal


class RowsOf(ast.Call):
    """An expression whose value is put into an array, if it is a list of numbers, or of lists of them."""


def with_rows(node: ast.expr, floats: bool) -> RowsOf:
    """The expression, every list that its comprehensions make, one inside the other, in an array."""
    inner: ast.expr = node
    if isinstance(node, ast.ListComp):
        inner = ast.copy_location(ast.ListComp(with_rows(node.elt, floats), node.generators), node)
    return ast.copy_location(RowsOf(ast.Constant(floats), [inner], []), node)


class Tables(Lists):
    """Lowers lists of lists whose numbers are replaced."""

    def call(self, node: ast.Call) -> Value:
        if not isinstance(node, RowsOf):
            return super().call(node)
        assert isinstance(node.func, ast.Constant)
        floats = bool(node.func.value)
        alike = self._of_one_number(node.args[0], floats)
        return alike or self._as_table(self.usable(self.expr(node.args[0]), node), floats, node)

    def assigned_value(self, target: ast.expr, node: ast.expr) -> Value:
        """What is assigned to a target: to a name in whose rows numbers are replaced, a list of lists as an array."""
        if _side_by_side(target, node):
            pairs = zip(target.elts, node.elts, strict=True)  # type: ignore[attr-defined]  # two tuples
            return Many(tuple(self.assigned_value(*pair) for pair in pairs))
        if not isinstance(target, ast.Name):
            return self.expr(node)
        floats = self.span(target) in self.compilation.decisions.floats
        if not floats and target.id not in self.frame.scope.in_rows:
            return self.expr(node)
        value = self.expr(with_rows(node, floats))
        if isinstance(value, Numbers):
            first = self.named(value.columns[0], self.word(self.frame, target.id))
            return replace(value, columns=(*leaves(first), *value.columns[1:]))
        return value

    def _of_one_number(self, node: ast.expr, floats: bool) -> Value | None:
        """``[[c] * m for _ in range(n)]`` at once; None for anything else."""
        found = _one_number(node)
        if found is None:
            return None
        number, *parts = found
        sizes = [self._how_many(self.usable(self.expr(part), part), part) for part in parts]
        value = self.usable(self.expr(number), number)
        if not isinstance(value, Var | Lit) or value.type.rank or any(size is None for size in sizes):
            return None
        whole = [size for size in sizes if size is not None]
        type = FLOAT if floats and value.type == INT else value.type
        array = self.emit("full_of", [self.converted(value, type, node), *whole], node, held(type))
        return self._in(array, whole, type, node)

    def _how_many(self, value: Value, node: ast.AST) -> Atom | None:
        """How many trips there are over a range, or how often a list is repeated."""
        if isinstance(value, Range):
            known = value.known()
            return self.trips_of(value, node) if known is None else literal(len(known))
        if not isinstance(value, Var | Lit) or value.type.rank:
            return None
        count = self.whole(value, node, "how often a list is repeated")
        return literal(max(0, int(count.value or 0))) if isinstance(count, Lit) else self.emit("max", [count, literal(0)], node)

    def _as_table(self, value: Value, floats: bool, node: ast.AST) -> Value:
        if isinstance(value, Numbers):
            return self._as_floats(value, node) if floats else value
        sizes = [*_sizes(value)]
        numbers = [leaf for leaf in leaves(value) if not leaf.type.rank]
        if len(sizes) == 0 or not is_list(value) or not self._is_apart(value):
            return value
        assert isinstance(value, Many)
        if all(isinstance(item, Numbers) and item.exact for item in value.items):
            return self._of_rows(value, node)
        if not _is_full(value, sizes) or len(numbers) == 0:
            return value
        types = {number.type for number in numbers}
        if len(types) > 1 and types != {INT, FLOAT}:
            return value
        type = FLOAT if floats or len(types) > 1 else types.pop()
        return self._filled([self.converted(number, type, node) for number in numbers], sizes, type, node)

    def _is_apart(self, value: Value) -> bool:
        """Whether every list in it is the function's own, is in it once, and has no other name."""
        found = [*idents(value)]
        once = len({*found}) == len(found)
        return once and all(is_own(ident) and self.is_alone(ident, self.env) for ident in found)

    def _of_rows(self, value: Many, node: ast.AST) -> Value:
        """A list whose items are in arrays already."""
        first = value.items[0]
        if any(item != first and not _same_kind(item, first) for item in value.items):
            return value
        found = self.spread_out(value, literal(len(value.items)), node)
        return replace(found, exact=True)

    def _filled(self, numbers: Sequence[Atom], sizes: Sequence[int], type: Type, node: ast.AST) -> Numbers:
        """Lists in lists of so many numbers."""
        whole = [literal(size) for size in sizes]
        if isinstance(numbers[0], Lit) and len({repr(number) for number in numbers}) == 1:
            array = self.emit("full_of", [numbers[0], *whole], node, held(type))
        else:
            array = self.emit("array_of", numbers, node, (("shape", tuple(sizes)),))
        return self._in(array, whole, type, node)

    def _in(self, array: Atom, sizes: Sequence[Atom], type: Type, node: ast.AST) -> Numbers:
        """An array of such sizes as lists in lists."""
        item: Value = Lit(None, type)
        counts: list[Atom] = []
        for depth in range(len(sizes) - 1, 0, -1):
            item = Numbers(tuple(Lit(None, _of_rank(leaf.type)) for leaf in leaves(item)), Lit(None, INT), self.new_ident(), True, item)
            counts.append(self.emit("full_of", [sizes[depth], *sizes[:depth]], node, held(INT)))
        return Numbers((array, *counts), sizes[0], self.new_ident(), True, item)

    def _as_floats(self, value: Numbers, node: ast.AST) -> Numbers:
        """The list, its ints as floats."""
        *_, innermost = _nested(value)
        if innermost.holds != INT:
            return value
        value = self.exactly(value, node)
        return replace(value, columns=(as_type(self, node, value.columns[0], FLOAT), *value.columns[1:]), item=_with_floats(value.item))

    def first_links(self, value: Value, links: Sequence[ast.Subscript]) -> tuple[Value, Sequence[ast.Subscript]]:
        """A number in a list of lists in an array is read at once, without the row that it is in."""
        lists = [*_nested(value)]
        read = links[: len(lists)]
        if len(lists) < 2 or len(read) < len(lists) or any(isinstance(link.slice, ast.Slice) for link in read):
            return super().first_links(value, links)
        array = self.exactly(lists[0], links[0]).columns[0]
        places = [self.whole(self.atom(self.expr(link.slice), link.slice), link.slice, "an index") for link in read]
        return self.emit("load", [array, *places], links[0], _at(len(places))), links[len(lists) :]

    # ------------------------------------------------------------------------------------------ adding

    def joined_lists(self, left: Value, right: Value, node: ast.AST) -> Value | None:
        both = (left, right)
        parts = [part for part in both if isinstance(part, Numbers) or (isinstance(part, Many) and is_list(part))]
        if len(parts) < 2 or not any(isinstance(part, Numbers) for part in parts):
            return None
        items = [item for part in parts for item in ((part.item,) if isinstance(part, Numbers) else part.items)]
        numbers = [item for item in items if isinstance(item, Var | Lit) and not item.type.rank]
        if len(numbers) < len(items):
            raise self.refusal(node, "lists of computed length can be added if they hold numbers", "np.concatenate(...)")
        type = common_type(numbers)
        ends = [part.count if isinstance(part, Numbers) else literal(len(part.items)) for part in parts]
        count = self.arithmetic("add", ends[0], ends[1], node)
        whole = self.emit("empty_of", [count], node, held(type))
        for part, place, at in zip(parts, ([ends[0]], [ends[0], count]), ("[:{0}]", "[{0}:{1}]"), strict=True):
            if isinstance(part, Numbers) or part.items:
                whole = self.emit("store", [whole, *place, self._in_an_array(part, type, node)], node, (("at", at), ("rank", 1)))
        return Numbers((whole,), count, self.new_ident(), True, Lit(None, type))

    def _in_an_array(self, part: Many | Numbers, type: Type, node: ast.AST) -> Atom:
        """The numbers in a list, as elements of a type."""
        if isinstance(part, Numbers):
            return as_type(self, node, self.exactly(part, node).array, type)
        numbers = [self.converted(item, type, node) for item in part.items if isinstance(item, Var | Lit)]
        return self.emit("array_of", numbers, node, [("shape", (len(numbers),))])

    # ------------------------------------------------------------------------------------------ replacing

    def rows_of(self, target: ast.Subscript) -> tuple[Key, list[Numbers], list[ast.expr]] | None:
        """For ``name[i][j]``, where that is a list of lists in an array: the variable, the lists and the indices from the outside."""
        indices: list[ast.expr] = []
        inner: ast.expr = target
        while isinstance(inner, ast.Subscript):
            indices.insert(0, inner.slice)
            inner = inner.value
        if not isinstance(inner, ast.Name) or len(indices) < 2 or (slot := self.env.get((self.frame.number, inner.id))) is None:
            return None
        lists = [*_nested(slot.value)]
        return ((self.frame.number, inner.id), lists, indices) if len(lists) >= len(indices) else None

    def replace_in_row(self, target: ast.Subscript, value: Value, node: ast.AST) -> bool:
        """``name[i][j] = value``; False where it is something else."""
        found = self.rows_of(target)
        if found is None:
            return False
        key, lists, indices = found
        owner = lists[0]
        for part in lists:
            self.require_own(key, part, node)
        type = lists[-1].holds
        if type is None or type.rank or len(lists) > len(indices) or any(isinstance(index, ast.Slice) for index in indices):
            raise self.refusal(target, "only numbers in a list of lists of them can be assigned to", "an array: np.zeros((n, m))")
        number = self.atom(self.usable(value, node), node)
        self.require_kind(key, type, number, node)
        places = [self.index_in(part, index, node) for part, index in zip(lists, indices, strict=True)]
        args = [owner.columns[0], *places, self.converted(number, type, node)]
        column = self.emit("store", args, node, _at(len(places)), self.word(self.frame, key[1]))
        self.env[key] = replace(self.env[key], value=replace(owner, columns=(column, *owner.columns[1:])))
        return True

    def exchanged(self, stmt: ast.Assign) -> bool:
        """``name[i], name[j] = name[j], name[i]`` for rows of a list of lists in an array, which stay apart; False for all else."""
        match stmt:
            case ast.Assign(
                [ast.Tuple([ast.Subscript() as a, ast.Subscript() as b])], ast.Tuple([ast.Subscript() as c, ast.Subscript() as d])
            ):
                texts = [ast.unparse(part) for part in (a, b, c, d)]
            case _:
                return False
        owner = self.held_by(a)
        indices = [a.slice, b.slice]
        if texts[:2] != texts[:1:-1] or not isinstance(owner, Numbers) or not isinstance(owner.item, Numbers):
            return False
        if not isinstance(a.value, ast.Name) or self.held_by(b) is not owner or any(map(_is_involved, indices)):
            return False
        key = (self.frame.number, a.value.id)
        self.require_own(key, owner, stmt)
        first, second = (self.index_in(owner, index, stmt) for index in indices)
        one, other = self.item_at(owner, first, stmt), self.item_at(owner, second, stmt)
        word = self.word(self.frame, key[1])
        changed = self.with_item(self.with_item(owner, first, other, stmt, word), second, one, stmt, word)
        self.env[key] = replace(self.env[key], value=changed)
        return True

    def not_replaced(self, target: ast.Subscript) -> tuple[str, str]:
        """Why an item cannot be assigned to, and what to write instead."""
        if isinstance(target.value, ast.Subscript) and is_list(self.held_by(target.value)):
            message = "rows can be written to if they are of one length, of numbers of one type, made here and not held by another name"
            return message, "[[0.0] * m for _ in range(n)]"
        message = "assignment to an item is not supported here: it must be an array, or a list or dict made in this function"
        return message, "an array, or a name for each item"

    def fitting_row(self, owner: Numbers, value: Value, node: ast.AST) -> Value:
        *_, innermost = _nested(owner)
        return self._as_table(value, innermost.holds == FLOAT, node) if isinstance(owner.item, Numbers) and is_list(value) else value

    def require_kind(self, key: Key, type: Type, number: Value, node: ast.AST) -> None:
        """Refuses to put a number into a list of others; a list of ints into which a float is put is one of floats from the beginning."""
        if not isinstance(number, Var | Lit) or number.type.rank or number.type == type:
            return
        span = self.env[key].span
        if type == INT and number.type == FLOAT and span is not None and span not in (known := self.compilation.decisions).floats:
            raise Reconsidered(replace(known, floats=known.floats | {span}))
        if number.type.kind == type.kind or wider(type, number.type) != type:
            raise self.refusal(node, f"this list holds {type.kind}s, and what is put into it is {describe(number)}", "0.0")


def _side_by_side(target: ast.expr, node: ast.expr) -> bool:
    """Whether it is ``a, b = x, y``."""
    if not isinstance(target, ast.Tuple) or not isinstance(node, ast.Tuple) or len(target.elts) != len(node.elts):
        return False
    return not any(isinstance(part, ast.Starred) for part in (*target.elts, *node.elts))


def _is_involved(index: ast.expr) -> bool:
    """Whether it makes a difference how often an index is computed, or whether it is a section."""
    return any(isinstance(part, ast.Call | ast.NamedExpr | ast.Slice | ast.Tuple) for part in ast.walk(index))


def _at(count: int) -> tuple[tuple[str, Attr], ...]:
    """The attributes with which a number is read from an array, or written there, by so many indices."""
    return ("at", f"[{', '.join(f'{{{k}}}' for k in range(count))}]"), ("rank", 0)


def _one_number(node: ast.expr) -> list[ast.expr] | None:
    """Of ``[[c] * m for _ in range(n)]`` the number, then what says how often it is there: range(n), m; None for anything else."""
    match node:
        case ast.BinOp(ast.List([number]), ast.Mult(), times) if isinstance(number, ast.Constant | ast.Attribute) and _is_plain(times):
            return [number, times]
        case ast.ListComp(element, [ast.comprehension(ast.Name(name), over, [], 0)]):
            inner = _one_number(element.args[0] if isinstance(element, RowsOf) else element)
            used = any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(element))
            return None if inner is None or used else [inner[0], over, *inner[1:]]
    return None


def _is_plain(node: ast.expr) -> bool:
    """Whether it is a size that can be computed where nobody asks for it: it raises nothing."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and not (isinstance(part.func, ast.Name) and part.func.id == "len"):
            return False
        if not isinstance(part, ast.Call | ast.Name | ast.Constant | ast.BinOp | ast.Add | ast.Sub | ast.Mult | ast.Load):
            return False
    return True


def _nested(value: Value) -> Iterator[Numbers]:
    """A list in an array, its rows, and so on."""
    while isinstance(value, Numbers):
        yield value
        value = value.item


def _sizes(value: Value) -> Iterator[int]:
    """How many items a list has, its first item, and so on."""
    while isinstance(value, Many) and is_list(value) and value.items:
        yield len(value.items)
        value = value.items[0]


def _is_full(value: Value, sizes: Sequence[int]) -> bool:
    """Whether a list has so many items, each of which has so many, and the last are numbers."""
    if not sizes:
        return isinstance(value, Var | Lit) and not value.type.rank
    return isinstance(value, Many) and is_list(value) and len(value.items) == sizes[0] and all(_is_full(v, sizes[1:]) for v in value.items)


def _same_kind(first: Value, second: Value) -> bool:
    """Whether two lists in arrays hold the same."""
    if not isinstance(first, Numbers) or not isinstance(second, Numbers):
        return False
    return [leaf.type for leaf in leaves(first)] == [leaf.type for leaf in leaves(second)] and first.holds == second.holds


def _of_rank(type: Type) -> Type:
    return replace(type, rank=type.rank + 1)


def _with_floats(value: Value) -> Value:
    """The skeleton of a list of ints as one of floats."""
    if not isinstance(value, Numbers):
        return Lit(None, FLOAT)
    first = value.columns[0]
    return replace(value, columns=(Lit(None, replace(FLOAT, rank=first.type.rank)), *value.columns[1:]), item=_with_floats(value.item))
