"""Expressions to stages, one operation each, in the order in which Python evaluates them."""

from __future__ import annotations

import ast
import functools
import math
import operator
import types
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stagegrad.frontend import constants
from stagegrad.frontend.arithmetic import Arithmetic
from stagegrad.frontend.forms import known, once
from stagegrad.frontend.operators import BINARY
from stagegrad.frontend.program import Capture
from stagegrad.frontend.refused import refused
from stagegrad.frontend.scope import MISSING
from stagegrad.frontend.stages import Poisoned, Refusal
from stagegrad.frontend.values import FALSE, POISON, TRUE, Closure, Embedded, Many, Method, Range, Record, Static, Value, describe, leaves
from stagegrad.ir import BOOL, FLOAT, INT, Atom, Lit, Var
from stagegrad.ops import literal

#: The longest tuple that a position which is not constant picks from; an array is better beyond.
MOST_ITEMS = 64


class Expressions(Arithmetic):
    """Lowers expressions. Each problem is noted where it is found, and the expression around it becomes poisoned."""

    def expr(self, node: ast.expr) -> Value:
        """The value of an expression; its stages are appended."""
        try:
            return self._expr(node)
        except Refusal as refusal:
            self.compilation.problems.append(refusal.problem)
            return POISON
        except Poisoned:
            return POISON

    def number(self, node: ast.expr) -> Atom:
        """The value of an expression that must be a number."""
        return self.atom(self.expr(node), node)

    def _expr(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant():
                return self.constant(node.value, node)
            case ast.Name():
                return self.usable(self.name(node.id, node), node)
            case ast.BinOp():
                return self.binary(node)
            case ast.UnaryOp():
                return self.unary(node)
            case ast.Compare():
                return self.compare(node)
            case ast.BoolOp():
                return self.logic(node)
            case ast.IfExp():
                return self.choose(
                    self.truth(self.expr(node.test), node.test), lambda: self.expr(node.body), lambda: self.expr(node.orelse), node
                )
            case ast.NamedExpr():
                value = self.expr(node.value)
                self.bind(node.target.id, value, node)
                return self.env[self.home_of(node.target.id).number, node.target.id].value
            case ast.Tuple() | ast.List():
                items = tuple(self.items(node.elts))
                self.check_size(items, node)
                return Many(items) if isinstance(node, ast.Tuple) else self.new_list(items)
            case ast.ListComp():
                return self.listing(node)
            case ast.GeneratorExp():  # its elements are computed at once: nothing in between can be seen
                return once(self.usable(self.listing(node), node))
            case ast.Call():
                return self.call(node)
            case ast.Attribute():
                return self.attribute(node)
            case ast.Subscript():
                return self.subscript(node)
            case ast.Lambda():
                return self.closure(node)
            case ast.Dict():
                return self._dict(node)
            case ast.DictComp():
                return self._dict_of(node)
            case _:
                raise self.refusal(node, *refused(node))

    def listing(self, node: ast.ListComp | ast.GeneratorExp) -> Value:
        """The list that a comprehension makes."""
        raise NotImplementedError

    def _dict(self, node: ast.Dict) -> Record:
        """A dict whose keys are constants."""
        found: dict[Any, Value] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found |= self._spread_dict(value)
                continue
            name = self.key_of_dict(self.expr(key), node)
            found[name] = self.expr(value)
        self.check_size([*found.values()], node)
        return Record("dict", tuple(found), tuple(found.values()), ident=self.new_ident())

    def _dict_of(self, node: ast.DictComp) -> Record:
        """A dict comprehension over items whose number is known: the list of its pairs, as a dict."""
        first, *rest = node.generators
        over = self.usable(self.expr(first.iter), first.iter)
        if isinstance(over, Range) and (places := over.known()) is not None and len(places) <= MOST_ITEMS:
            over = Many(tuple(map(literal, places)))
        first = ast.comprehension(first.target, known(over), first.ifs, first.is_async)
        pairs = ast.copy_location(ast.ListComp(ast.Tuple([node.key, node.value], ast.Load()), [first, *rest]), node)
        return self.dict_of_pairs(self.listing(ast.fix_missing_locations(pairs)), node)

    def dict_of_pairs(self, value: Value, node: ast.AST) -> Record:
        """A dict of pairs of a constant text and a value."""
        found: dict[Any, Value] = {}
        for pair in value.items if isinstance(value, Many) else (value,):
            if not isinstance(pair, Many) or len(pair.items) != 2:
                raise self.refusal(node, "a dict must have constant texts or ints as keys", '{"name": value}')
            found[self.key_of_dict(pair.items[0], node)] = pair.items[1]
        return Record("dict", tuple(found), tuple(found.values()), ident=self.new_ident())

    def key_of_dict(self, value: Value, node: ast.AST) -> Any:
        """A constant that may be the key of a dict: a text, an int, or a tuple of such."""
        match self.usable(value, node):
            case Static(str() as text):
                return text
            case Lit(int() as number) if type(number) is int:
                return number
            case Many(items, "tuple"):
                return tuple(self.key_of_dict(item, node) for item in items)
            case other:
                message = f"a dict must have constant texts or ints as keys, and this is {describe(other)}"
                raise self.refusal(node, message, '{"name": value}, or a list of the values')

    def _spread_dict(self, node: ast.expr) -> dict[Any, Value]:
        """``**other`` in a dict."""
        other = self.usable(self.expr(node), node)
        if not isinstance(other, Record) or other.display != "dict":
            raise self.unknown(node, f"only a dict can be spread with **, and this is {describe(other)}", "its items one by one")
        return dict(zip(other.names, other.items, strict=True))

    def call(self, node: ast.Call) -> Value:
        """The value of a call."""
        raise NotImplementedError

    def call_function(self, target: types.FunctionType | Closure, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        """The value of a call of a function that has a text."""
        raise NotImplementedError

    def items(self, nodes: Sequence[ast.expr]) -> list[Value]:
        """The values of a tuple's or a call's parts, starred ones spread out."""
        found: list[Value] = []
        for node in nodes:
            if not isinstance(node, ast.Starred):
                found.append(self.expr(node))
                continue
            value = self.usable(self.expr(node.value), node)
            if not isinstance(value, Many):
                raise self.unknown(node, f"only a tuple of known length can be spread with *, and this is {describe(value)}")
            found.extend(value.items)
        return found

    # ------------------------------------------------------------------------------------------ names and constants

    def constant(self, thing: object, node: ast.AST) -> Value:
        """A literal, or an object found at compile time, as a value."""
        match thing:
            case bool() | float() if type(thing) in (bool, float):
                return literal(thing)
            case int() if type(thing) is int:
                return literal(thing)
            case complex():
                raise self.refusal(node, "complex numbers are not supported", "the real and the imaginary part as two floats")
            case Embedded(value):
                return value
            case tuple() if type(thing) is tuple:
                return Many(tuple(self.constant(item, node) for item in thing))
            case _:
                return Static(thing)

    def outside(self, thing: object, name: str, node: ast.AST) -> Value:
        """An object from outside the function as a value; numbers are constants from here on."""
        kind = type(thing)
        if kind.__module__ == "numpy" and kind.__name__ in ("float64", "int64", "bool"):
            thing = thing.item()  # type: ignore[attr-defined]  # a NumPy scalar of a width that Python's own numbers have
        elif isinstance(thing, complex) or (kind.__module__ == "numpy" and kind.__name__ in _NARROW):
            message = f"`{name}` is a {kind.__name__}; only float64, int64 and bool constants are supported"
            raise self.refusal(node, message, f"float({name})")
        elif constants.is_container(thing):
            return constants.constant(self, thing, name, node)
        elif isinstance(thing, list | dict | set | bytearray):
            message = f"`{name}` is a {kind.__name__} that may change; constants hold numbers, texts, functions and lists of such"
            raise self.refusal(node, message, f"`{name}` as a parameter, or a tuple: {name} = (...)")
        elif kind.__name__ == "ndarray":
            return self.outside_array(thing, name, node)
        return self.constant(thing, node)

    def outside_array(self, thing: Any, name: str, node: ast.AST) -> Value:
        """An array from outside the function."""
        raise NotImplementedError

    def name(self, name: str, node: ast.AST) -> Value:
        """What a name denotes: a local of this function or of one around it, else whatever the live function sees."""
        home = self.frame.home(name)
        if home is not None:
            return self.lookup(home, name, node)
        thing, capture = self.frame.unit.live.find(name)
        if thing is MISSING:
            raise self.refusal(node, f"the name `{name}` is not defined")
        if capture is not None:
            self.compilation.captures.append(capture)
        return self.outside(thing, name, node)

    def attribute(self, node: ast.Attribute) -> Value:
        """A constant or a function of a module, or a number that an object holds."""
        return self.attribute_of(self.usable(self.expr(node.value), node), node)

    def attribute_of(self, owner: Value, node: ast.Attribute) -> Value:
        """An attribute of a value."""
        match owner:
            case Static(thing) if isinstance(thing, type(math)):
                found = getattr(thing, node.attr, MISSING)
                if found is MISSING:
                    raise self.refusal(node, f"the module {thing.__name__} has no `{node.attr}`")
                if thing.__name__.partition(".")[0] not in _STABLE:
                    self.compilation.capture_attribute(thing, node.attr, found)
                return self.outside(found, f"{thing.__name__}.{node.attr}", node)
            case Var() | Lit():
                message = f"`.{node.attr}`: {describe(owner)} has no such part"
                raise self.unknown(node, message, "plain numbers, and functions of them such as math.sin(x)")
            case Many(display="list") if node.attr in _CHANGES:
                message = f"`.{node.attr}` changes a list in place; lists that change are not supported"
                raise self.refusal(node, message, "a name for each item, or an array")
            case Static(thing) if type(thing).__module__.startswith("numpy") and type(thing).__name__ in ("finfo", "iinfo"):
                return self.outside(getattr(thing, node.attr, None), node.attr, node)
            case Static(thing) if (member := constants.of_enum(thing, node.attr)) is not MISSING:
                return self.outside(member, node.attr, node)
            case Static(thing) if (getter := constants.property_of(thing, node.attr)) is not None:
                again = functools.partial(constants.property_of, thing, node.attr)
                self.compilation.captures.append(Capture(f"{type(thing).__name__}.{node.attr}", getter, again, thing))
                return self.call_function(getter, [owner], {}, node)
            case Static(thing) if (found := constants.held_by(thing, node.attr)) is not MISSING:
                self.compilation.capture_attribute(thing, node.attr, found)
                return self.outside(found, node.attr, node)
            case Static(thing) if (method := constants.method_of(thing, node.attr)) is not None:
                title, text = f"{type(thing).__name__}.{node.attr}", node.attr
                read = lambda: constants.method_of(thing, text)  # noqa: E731  (an attribute of the object itself would hide the method)
                self.compilation.captures.append(Capture(title, method, read, thing))
                return Method(node.attr, owner, method)
            case _:
                raise self.refusal(node, f"`.{node.attr}` of {describe(owner)} is not supported", "the value, as a name or a parameter")

    def subscript(self, node: ast.Subscript) -> Value:
        """An item of something."""
        return self.item(self.usable(self.expr(node.value), node), node)

    def item(self, owner: Value, node: ast.Subscript) -> Value:
        """An item of a tuple at a constant position, or a slice of it with constant bounds."""
        if not isinstance(owner, Many) or owner.display == "iterator":
            message = f"only a tuple or an array can be indexed, and this is {describe(owner)}"
            raise self.unknown(node, message, "a parameter or a name for each item")
        if isinstance(node.slice, ast.Slice):
            parts = [None if part is None else self._position(part, node) for part in (node.slice.lower, node.slice.upper, node.slice.step)]
            if parts[2] == 0:
                raise self.refusal(node, "slice step cannot be zero")
            return Many(owner.items[slice(*parts)]) if owner.display == "tuple" else self.new_list(owner.items[slice(*parts)])
        index = self.number(node.slice)
        if isinstance(index, Var):
            place = self.whole(index, node.slice, "an index")
            return self.picked(owner, place, node)
        position = self._known_position(index, node)
        if not -len(owner.items) <= position < len(owner.items):
            raise self.refusal(node, f"position {position} is outside a {owner.display} of {len(owner.items)}")
        return self.usable(owner.items[position], node)

    def picked(self, owner: Many, place: Atom, node: ast.AST) -> Value:
        """The item of a tuple or a list at a position that is known when the program runs."""
        return self._item_at(_as_floats(owner).items, place, owner.display, node)

    def _position(self, part: ast.expr, node: ast.AST) -> int:
        """A position in a tuple, which must be known."""
        return self._known_position(self.number(part), node)

    def _known_position(self, index: Atom, node: ast.AST) -> int:
        if not isinstance(index, Lit) or not isinstance(index.value, int):
            raise self.refusal(node, "a tuple can be cut at constants only", "an array: np.array(...), or a loop over the tuple")
        return index.value

    def _item_at(self, items: Sequence[Value], place: Atom, display: str, node: ast.AST) -> Value:
        """The item at a position that is known when the program runs: a number, or a row of numbers, where all items are alike."""
        rows = [item for item in items if isinstance(item, Many) and item.display != "iterator"]
        if items and len(rows) == len(items) and len({(row.display, len(row.items)) for row in rows}) == 1:
            columns = zip(*(row.items for row in rows), strict=True)
            found = tuple(self._item_at([self.usable(one, node) for one in column], place, display, node) for column in columns)
            return Many(found, rows[0].display, functools.reduce(operator.or_, (row.ident for row in rows)))
        if items and len(rows) == len(items):
            ragged = self.ragged_row(rows, place, node)
            if ragged is not None:
                return ragged
        atoms = [item for item in items if isinstance(item, (Var, Lit))]
        alike = len({atom.type for atom in atoms}) == 1 and len(atoms) == len(items) and not atoms[0].type.rank
        if not alike or len(items) > MOST_ITEMS:
            reason = f"the position is known only when the program runs, and the {display} has "
            reason += f"more than {MOST_ITEMS} items" if alike else "items that are not numbers of one type"
            raise self.refusal(node, reason, "an array: np.array(...), or a loop over the items")
        return self.emit("item", [place, *atoms], node, [("display", display)] if display == "list" else ())

    def ragged_row(self, rows: Sequence[Many], place: Atom, node: ast.AST) -> Value | None:
        """One of several lists of numbers that are not of one length; None if they hold something else."""
        raise NotImplementedError

    def closure(self, node: ast.FunctionDef | ast.Lambda) -> Closure:
        """A function that the user's function defines; its defaults are evaluated now."""
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        given = list(zip(names[len(names) - len(node.args.defaults) :], node.args.defaults, strict=True))
        given += [(a.arg, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
        return Closure(node, self.frame, tuple((name, self.expr(default)) for name, default in given))

    # ------------------------------------------------------------------------------------------ operators

    def binary(self, node: ast.BinOp) -> Value:
        """A chain of operators that leans to the left, however long, without recursion."""
        chain = [node]
        while isinstance(chain[-1].left, ast.BinOp):
            chain.append(chain[-1].left)
        value = self.expr(chain[-1].left)
        for link in reversed(chain):
            right = self.expr(link.right)
            try:
                value = self.operate(BINARY.get(type(link.op), ""), value, right, link)
            except Poisoned:
                value = POISON
            except Refusal as refusal:
                self.compilation.problems.append(refusal.problem)
                value = POISON
        return value

    def unary(self, node: ast.UnaryOp) -> Value:
        """- + not ~"""
        value = self.usable(self.expr(node.operand), node.operand)
        if isinstance(node.op, ast.Not):
            return self.negated(self.truth(value, node.operand), node)
        atom = self.numeric(value, node.operand)
        if isinstance(node.op, ast.Invert):
            if atom.type.rank and atom.type.kind != "float":
                return self.emit("not" if atom.type.kind == "bool" else "invert", [atom], node)
            return self.emit("invert", [self.whole(atom, node, "the operand of ~")], node)
        if atom.type == BOOL:
            atom = self.converted(atom, INT, node)
        if isinstance(node.op, ast.UAdd):
            return atom
        if isinstance(atom, Lit) and isinstance(atom.value, int | float):
            return Lit(-atom.value, atom.type)
        return self.emit("neg", [atom], node)

    # ------------------------------------------------------------------------------------------ truth

    def logic(self, node: ast.BoolOp) -> Value:
        """`and`, `or`: the next operand is evaluated only where Python evaluates it."""
        value = self.expr(node.values[0])
        for following in node.values[1:]:
            value = self._lazily(isinstance(node.op, ast.And), value, following, node)
        return self.usable(value, node)

    def _lazily(self, is_and: bool, value: Value, following: ast.expr, node: ast.AST) -> Value:
        test = self.truth(value, node)
        settled = value
        if isinstance(value, Var) and value.type == BOOL:
            settled = FALSE if is_and else TRUE
        if is_and:
            return self.choose(test, lambda: self.expr(following), lambda: settled, node)
        return self.choose(test, lambda: settled, lambda: self.expr(following), node)

    def compare(self, node: ast.Compare) -> Value:
        """A comparison; a chain evaluates its next operand only while it holds."""
        left = self.usable(self.expr(node.left), node.left)
        return self._compared(left, node, 0)

    def _compared(self, left: Value, node: ast.Compare, position: int) -> Value:
        asked, among = node.ops[position], node.comparators[position]
        if isinstance(asked, ast.In | ast.NotIn) and isinstance(among, ast.Set):  # which no name holds
            right: Value = Many(tuple(self.usable(item, among) for item in self.items(among.elts)))
        else:
            right = self.usable(self.expr(among), node)
        test = self.comparison(node.ops[position], left, right, node)
        if position + 1 == len(node.ops):
            return test
        return self.choose(test, lambda: self._compared(right, node, position + 1), lambda: FALSE, node)


_NARROW = frozenset({
    "float16", "float32", "longdouble", "complex64", "complex128", "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64",
})  # fmt: skip
#: Methods that change a list.
_CHANGES = frozenset({"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"})
#: Modules whose constants and functions nobody replaces.
_STABLE = frozenset({"math", "numpy", "builtins", "operator", "cmath", "scipy"})


def _as_floats(many: Many) -> Many:
    """The same where there are floats among its numbers: whole numbers that are written out beside them are floats then, too."""
    if all(leaf.type != FLOAT for leaf in leaves(many)):
        return many

    def converted(value: Value) -> Value:
        if isinstance(value, Many):
            return replace(value, items=tuple(map(converted, value.items)))
        is_whole = isinstance(value, Lit) and type(value.value) is int and abs(value.value) <= 2**53
        return Lit(float(value.value or 0), FLOAT) if is_whole and isinstance(value, Lit) else value

    return replace(many, items=tuple(map(converted, many.items)))
