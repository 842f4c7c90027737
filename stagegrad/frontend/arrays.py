"""Arrays in expressions: subscripts, attributes, methods, operators, and the calls of NumPy's functions (`numpy_words`).

An array is an atom whose type has a rank. A subscript becomes one `load`, chains such as ``a[1:][i]`` included: what is read of a view
is read of the array that it looks at.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from stagegrad.errors import NeedsTypes
from stagegrad.frontend import numpy_words, words_in_brackets, words_scipy
from stagegrad.frontend import words_of_arrays as _words  # noqa: F401  (declares the words)
from stagegrad.frontend.calls import Calls
from stagegrad.frontend.growth import OF_DICTS
from stagegrad.frontend.indexing import Step, atoms_of, attributes, joined
from stagegrad.frontend.program import Capture
from stagegrad.frontend.records import fields_of
from stagegrad.frontend.refused import is_of, unknown_call
from stagegrad.frontend.values import Many, Method, Range, Record, Static, Value, describe
from stagegrad.ir import BOOL, INT, Atom, Lit, Type, Var
from stagegrad.ops import literal

#: Functions whose result may be a view of their first argument, and may have axes where that has none, or none where that has some.
_VIEWS = frozenset({"reshape", "squeeze", "ravel", "expand_dims", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to"})
_SMALL = 64  # numbers in an array from outside that is written into the program
#: Operations that NumPy does on two bool arrays as something else than counting.
_COUNTING = frozenset({"add", "sub", "mul", "div", "floordiv", "mod", "pow"})
_BITS_OF_BOOLS = {"bitand": "and", "bitor": "or", "bitxor": "ne"}
#: Methods that change an array.
_IN_PLACE = frozenset({"sort", "resize", "put", "partition", "itemset", "setfield", "byteswap", "fill"})


@dataclasses.dataclass(frozen=True)
class Section:
    """What a chain of subscripts denotes before it is read."""

    base: Value
    steps: tuple[Step, ...]

    @property
    def rank(self) -> int:
        return self.steps[-1].rank


class Arrays(Calls):
    """Lowers what is said of arrays."""

    _sections: dict[Var, Section]  # what a named section was taken from

    # ------------------------------------------------------------------------------------------ what words ask for

    def array(self, value: Value, node: ast.AST) -> Atom:
        """The value as a number or an array; a list or a tuple of numbers becomes an array."""
        value = self.usable(value, node)
        if isinstance(value, Many) and value.display != "iterator":
            return self.numeric(self.call_word(numpy_words.WORDS["array"], [value], {}, node), node)
        return self.numeric(value, node)

    def call_word(self, word: numpy_words.NumpyWord, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        """The value of a call of one of NumPy's functions, which sees the arrays as they are now."""
        now = {name: self.for_numpy(value, node) for name, value in keywords.items()}
        given = [self.for_numpy(arg, node) for arg in args]
        found = word.call(self, node, given, now)
        if word.name.rpartition(".")[2] in _VIEWS and given and isinstance(given[0], Var) and isinstance(found, Var):
            self.note_view(found, given[0], node)
        return found

    def composed(self, function: Callable[..., Any], args: Sequence[Value], node: ast.AST) -> Value:
        """A call of one of NumPy's functions that are written in others (`prelude_numpy`)."""
        assert isinstance(function, types.FunctionType)
        return self.call_function(function, list(args), {}, node)

    def note_view(self, found: Var, of: Var, node: ast.AST) -> None:
        """Notes that one of two values has axes and the other has none, and that they share memory."""
        if of.type.rank and not found.type.rank:
            self.origins[found] = frozenset({node})
            self.in_others.add(node)
        elif found.type.rank and not of.type.rank:
            self.same_origins(found, of)

    def for_numpy(self, value: Value, node: ast.AST) -> Value:
        """The value as NumPy's functions see it."""
        return self.plain(value, node)

    def plain(self, value: Value, node: ast.AST) -> Value:
        """The value with every array in it as it is now."""
        return value

    def known(self, value: Value, node: ast.AST) -> Any:
        """A constant: None, a bool, an int, a float, text, a type, or a tuple of such."""
        match self.usable(value, node):
            case Lit(constant) if constant is not None:
                return constant
            case Static(thing):
                return thing
            case Many(items):
                return tuple(self.known(item, node) for item in items)
            case other:
                self.ask_for(other)
                raise self.unknown(node, f"a constant is needed here, and this is {describe(other)}", "the number itself, as a literal")

    def ask_for(self, value: Value) -> None:
        """Asks the caller of the function for the value of a parameter, if it is one."""

    def axes(self, value: Value, rank: int, node: ast.AST) -> int | tuple[int, ...] | None:
        """An `axis` argument for an array of this rank, counted from the front."""
        known = self.known(value, node)
        if known is None:
            return None
        found = known if isinstance(known, tuple) else (known,)
        for axis in found:
            if not isinstance(axis, int) or isinstance(axis, bool):
                raise self.refusal(node, f"an axis is an int, and this is {axis!r}")
            if not -rank <= axis < rank:
                raise self.refusal(node, f"axis {axis} is out of bounds for an array with {rank} axes")
        front = tuple(axis % rank for axis in found)
        if len(set(front)) < len(front):
            raise self.refusal(node, "an axis is named twice")
        return front if isinstance(known, tuple) else front[0]

    # ------------------------------------------------------------------------------------------ operators

    def on_arrays(self, op: str, left: Value, right: Value, node: ast.AST) -> Value:
        if not op:
            return self._product(left, right, node)
        x, y = (self.array(side, node) if self.is_array(other) else self.numeric(side, node)
                for side, other in ((left, right), (right, left)))  # fmt: skip
        kinds = [atom.type.kind for atom in (x, y)]
        if kinds == ["bool", "bool"]:
            if op not in _BITS_OF_BOOLS:
                raise self.refusal(node, "arithmetic between bools is logic in NumPy", "& or |, or .astype(float) behind one of them")
            return self.emit(_BITS_OF_BOOLS[op], [x, y], node)
        if op in ("bitand", "bitor", "bitxor", "shl", "shr") and "float" in kinds:
            raise self.refusal(node, "the bits of a float cannot be combined", "& between comparisons: (x > 0) & (x < 1)")
        if op == "pow":
            return self._power(x, y, node)
        return self.arithmetic(op, x, y, node)

    def _product(self, left: Value, right: Value, node: ast.AST) -> Value:
        if self.compilation.guesses:
            raise NeedsTypes("a matrix product of arguments of unknown types", self.span(node), "a call, or types=")
        return self.call_word(numpy_words.WORDS["matmul"], [left, right], {}, node)

    def _power(self, base: Atom, exponent: Atom, node: ast.AST) -> Value:
        if base.type.kind != "float" and exponent.type.kind != "float":
            if isinstance(exponent, Lit) and isinstance(exponent.value, int) and 0 < exponent.value < 64:
                return self._repeated(base, exponent.value, node)
            raise self.refusal(node, "an int array to an int power is not supported", ".astype(float) behind the array")
        if isinstance(exponent, Lit) and exponent.type == INT and exponent.value == 2:
            return self.emit("square", [base], node)
        return self.emit("pow", [base, self.fitting(exponent, node, exponent.type)], node)

    # ------------------------------------------------------------------------------------------ subscripts

    def subscript(self, node: ast.Subscript) -> Value:
        """An item; a chain of subscripts of an array is read at once."""
        links = [node]
        while isinstance(links[-1].value, ast.Subscript):
            links.append(links[-1].value)
        found, rest = self.first_links(self.usable(self.expr(links[-1].value), links[-1]), links[::-1])
        value: Value | Section = found
        for link in rest:
            value = self.part(value, link)
        return self.read_section(value, node) if isinstance(value, Section) else value

    def first_links(self, value: Value, links: Sequence[ast.Subscript]) -> tuple[Value, Sequence[ast.Subscript]]:
        """What the first links of a chain of subscripts denote together, and those behind them."""
        return value, links

    def part(self, value: Value | Section, link: ast.Subscript) -> Value | Section:
        """One link of a chain of subscripts."""
        if isinstance(value, Section) and value.rank == 0:
            value = self.read_section(value, link)
        if isinstance(value, Section) or self.is_array(value):
            found = self.section_behind(value, link)
            return self.read_section(found, link) if found.steps[-1].gather else found
        if isinstance(value, Record):
            return self._field(value, link)
        made = words_in_brackets.joined(self, value.thing, link) if isinstance(value, Static) else None
        return made or self.item(value, link)

    def section_behind(self, value: Value | Section, link: ast.Subscript) -> Section:
        """The section that one more subscript denotes."""
        section = value if isinstance(value, Section) else self.section_of(value)
        rank = section.rank if section.steps else self.type_of(section.base).rank
        return Section(section.base, joined(section.steps, self.step(link, rank)))

    def section_of(self, value: Value) -> Section:
        """An array as a section of the array that it was taken from."""
        found = self._sections.get(value) if isinstance(value, Var) else None
        return found or Section(value, ())

    def type_of(self, value: Value) -> Type:
        """The type of an array."""
        assert isinstance(value, Var | Lit)
        return value.type

    def read_section(self, section: Section, node: ast.AST) -> Value:
        """What a section holds now."""
        base = self.numeric(section.base, node)
        found = self.emit("load", [base, *atoms_of(section.steps)], node, attributes(section.steps, base.type.rank))
        if found.type.rank and not section.steps[-1].gather:
            self._sections[found] = section
        return found

    def named(self, value: Value, name: str) -> Value:
        found = super().named(value, name)
        if isinstance(value, Var) and isinstance(found, Var) and value in self._sections:
            self._sections[found] = self._sections[value]
        return found

    def step(self, link: ast.Subscript, rank: int) -> Step:
        """One subscript of an array of this rank; what stands in it is evaluated here."""
        parts: list[str] = []
        atoms: list[Atom] = []
        taken, kept, arrays = 0, 0, []
        for index in self._indices(link):
            if isinstance(index, tuple):
                text, found = index
                taken, kept = taken + 1, kept + 1
            elif index is Ellipsis or index is None:
                text, found, kept = ("..." if index is Ellipsis else "None"), [], kept + (index is None)
            else:
                text, found = "{}", [index]
                taken += index.type.rank if index.type.kind == "bool" else 1
                arrays += [1 if index.type.kind == "bool" else index.type.rank] if index.type.rank else []
            parts.append(text)
            atoms += found
        if taken > rank:
            raise self.refusal(link, f"too many indices: the array has {rank} axes, and {taken} are indexed")
        return Step(tuple(parts) or ("...",), tuple(atoms), rank - taken + kept + max(arrays, default=0), gather=bool(arrays))

    def _indices(self, link: ast.Subscript) -> list[Any]:
        """The indices of a subscript: slices as text and its atoms, `...` and None as themselves, the others as atoms."""
        nodes = link.slice.elts if isinstance(link.slice, ast.Tuple) else [link.slice]
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Slice):
                found.append(self._slice(node))
                continue
            value = self.usable(self.expr(node), node)
            spread = isinstance(value, Many) and value.display == "tuple" and nodes == [link.slice]
            found += [self._index(item, node) for item in value.items] if isinstance(value, Many) and spread else [self._index(value, node)]
        if sum(index is Ellipsis for index in found) > 1:
            raise self.refusal(link, "an index can only have a single ellipsis ('...')")
        return found

    def _index(self, value: Value, node: ast.AST) -> Any:
        if isinstance(value, Static) and (value.thing is None or value.thing is Ellipsis):
            return value.thing
        if isinstance(value, Record) and value.display == "slice":
            return self._slice_text(value.items, (node,) * 3)
        if isinstance(value, Range) and not value.once:
            return self.emit("arange", [value.start, value.stop, value.step], node)
        atom = self.array(value, node)
        if atom.type == BOOL:
            raise self.refusal(node, "a bool as an index is not supported", "an int: 1 if ... else 0")
        if not atom.type.rank:
            return self.whole(atom, node, "an index")
        if atom.type.kind == "float":
            raise self.refusal(node, f"an index must hold ints or bools, and this is {describe(atom)}", ".astype(int) behind it")
        return atom

    def _slice(self, node: ast.Slice) -> tuple[str, list[Atom]]:
        """``{}:{}:{}`` with the bounds that are given, and these."""
        parts = (node.lower, node.upper, node.step)
        values = tuple(Static(None) if part is None else self.usable(self.expr(part), part) for part in parts)
        return self._slice_text(values, tuple(node if part is None else part for part in parts))

    def _slice_text(self, values: Sequence[Value], nodes: Sequence[ast.AST]) -> tuple[str, list[Atom]]:
        atoms: list[Atom] = []
        text = ""
        for value, part, before in zip(values, nodes, ("", ":", ":"), strict=True):
            given = not (isinstance(value, Static) and value.thing is None)
            text += before if given or ":" not in text else ""
            if given:
                text += "{}"
                atoms.append(self.whole(self.atom(value, part), part, "a bound of a slice"))
        if text.count(":") == 2 and atoms[-1] == literal(0):
            raise self.refusal(nodes[-1], "slice step cannot be zero")
        return text, atoms

    def _field(self, owner: Record, link: ast.Subscript) -> Value:
        if owner.display == "tuple":
            return self.item(Many(owner.items), link)
        if owner.display == "record":
            raise self.refusal(link, f"{describe(owner)} cannot be indexed", "its attributes")
        key = self.key_of_dict(self.expr(link.slice), link.slice)
        found = owner.get(key)
        if found is None:
            raise self.refusal(link, f"the dict has no key {key!r}: it has {', '.join(map(repr, owner.names)) or 'none'}")
        return self.usable(found, link)

    # ------------------------------------------------------------------------------------------ attributes and methods

    def attribute_of(self, owner: Value, node: ast.Attribute) -> Value:
        if self.is_array(owner):
            return self._array_attribute(owner, node)
        if isinstance(owner, Record):
            return self._record_attribute(owner, node)
        if isinstance(owner, Static) and (of_scipy := words_scipy.method_of(owner.thing, node.attr)) is not None:
            return Method(node.attr, owner, of_scipy)
        return super().attribute_of(owner, node)

    def _array_attribute(self, owner: Value, node: ast.Attribute) -> Value:
        type, name = self.type_of(owner), node.attr
        match name:
            case "shape":
                return Many(tuple(self._extent(owner, axis, node) for axis in range(type.rank)))
            case "ndim":
                return literal(type.rank)
            case "size":
                return self.count(owner, node)
            case "dtype":
                return Static(sys.modules["numpy"].dtype(_DTYPES[type.kind, type.bits]))
        if name in numpy_words.ATTRIBUTES:
            return self.call_word(numpy_words.ATTRIBUTES[name], [owner], {}, node)
        if name in numpy_words.METHODS:
            return Method(name, owner, numpy_words.METHODS[name])
        if name in _IN_PLACE:
            return Method(name, owner, None)
        raise self.refusal(node, f"`.{name}` of an array is not supported", "NumPy's functions that stagegrad knows")

    def _extent(self, owner: Value, axis: int, node: ast.AST) -> Atom:
        return self.emit("extent", [self.numeric(owner, node)], node, (("axis", axis),))

    def length(self, owner: Value, node: ast.AST) -> Atom:
        return self.emit("size", [self.numeric(owner, node)], node)

    def count(self, owner: Value, node: ast.AST) -> Atom:
        """How many numbers an array holds."""
        found: Atom = literal(1)
        for axis in range(self.type_of(owner).rank):
            extent = self._extent(owner, axis, node)
            found = extent if axis == 0 else self.arithmetic("mul", found, extent, node)
        return found

    def _record_attribute(self, owner: Record, node: ast.Attribute) -> Value:
        name = node.attr
        if owner.display == "dict":
            if name in ("keys", "values", "items", "get", "copy"):
                return Method(name, owner, None)
            advice = "a name for the dict, made in this function" if name in OF_DICTS else f'["{name}"]'
            raise self.refusal(node, f"`.{name}` of a dict is not supported", advice)
        found = owner.get(name)
        if found is not None:
            return self.usable(found, node)
        if owner.display == "tuple" and name == "_replace":
            return Method(name, owner, None)
        thing = next((vars(base)[name] for base in owner.cls.__mro__ if name in vars(base)), None) if owner.cls else None
        if isinstance(thing, property) and isinstance(thing.fget, types.FunctionType):
            return self.call_function(thing.fget, [owner], {}, node)
        if isinstance(thing, staticmethod):
            return self.outside(thing.__func__, name, node)
        if isinstance(thing, types.FunctionType):
            return Method(name, owner, thing)
        if thing is not None and not callable(thing):
            self.compilation.capture_attribute(owner.cls, name, thing)
            return self.outside(thing, name, node)
        raise self.refusal(node, f"{describe(owner)} has no attribute `{name}` that is supported", "a field, or a method written in Python")

    def call_method(self, method: Method, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        match method.thing:
            case numpy_words.NumpyWord() as word:
                if isinstance(method.owner, Static) and self.compilation.guesses:
                    raise NeedsTypes(f"{word.name} of arguments of unknown types", self.span(node), "a call, or types=")
                owner = [] if isinstance(method.owner, Static) else [method.owner]
                return self.call_word(word, [*owner, *args], keywords, node)
            case types.FunctionType() as function:
                if is_of(function, "numpy", "scipy", "stagegrad"):
                    raise self.refusal(node, *unknown_call(function))
                return self.call_function(function, [method.owner, *args], keywords, node)
        if isinstance(method.owner, Record) and method.name == "_replace":
            self.expect(args, 0, 0, method.name, node)
            return self.with_fields(method.owner, keywords, node)
        if isinstance(method.owner, Record) and method.name == "get":
            self.expect(args, 1, 2, "get", node)
            found = method.owner.get(self.key_of_dict(args[0], node))
            return self.usable(found, node) if found is not None else args[1] if len(args) > 1 else Static(None)
        if isinstance(method.owner, Record):
            self.expect(args, 0, 0, method.name, node)
            if method.name == "copy":
                return dataclasses.replace(method.owner, ident=self.new_ident())
            names, items = tuple(self.constant(name, node) for name in method.owner.names), method.owner.items
            pairs = tuple(Many(pair) for pair in zip(names, items, strict=True))
            return Many({"keys": names, "values": items, "items": pairs}[method.name], "iterator", method.owner.ident)
        return self.call_in_place(method, args, keywords, node)

    def call_in_place(self, method: Method, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        """A call of a method that changes an array."""
        name = method.name
        raise self.refusal(node, f".{name}() changes the array in place, which is not supported", f"x = np.{name}(x), where NumPy has it")

    def new_record(self, cls: type, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        fields = fields_of(cls)
        names = tuple(fields)
        self.expect(args, 0, len(names), cls.__name__, node)
        found = dict(zip(names, args, strict=False))
        for name, value in keywords.items():
            if name in found or name not in fields:
                word = "multiple values for" if name in found else "an unexpected keyword"
                raise self.refusal(node, f"{cls.__name__}() got {word} argument '{name}'")
            found[name] = value
        for name, default in fields.items():
            if name not in found and default is dataclasses.MISSING:
                raise self.refusal(node, f"{cls.__name__}() is missing the argument '{name}'")
            if name not in found:
                found[name] = self.outside(default, name, node)
        display = "tuple" if issubclass(cls, tuple) else "record"
        return Record(display, names, tuple(found[name] for name in names), cls)

    def with_fields(self, owner: Value, changes: dict[str, Value], node: ast.AST) -> Value:
        """``record._replace(x=1.0)`` and ``dataclasses.replace(record, x=1.0)``: a new object with other values in some fields."""
        if not isinstance(owner, Record) or owner.cls is None:
            raise self.unknown(node, f"{describe(owner)} has no fields to replace", "a NamedTuple, or an object of a dataclass")
        strange = next((name for name in changes if name not in owner.names), None)
        if strange is not None:
            raise self.refusal(node, f"{describe(owner)} has no field '{strange}': it has {', '.join(owner.names)}")
        items = tuple(changes.get(name, item) for name, item in zip(owner.names, owner.items, strict=True))
        return dataclasses.replace(owner, items=items)

    # ------------------------------------------------------------------------------------------ from outside

    def outside_array(self, thing: Any, name: str, node: ast.AST) -> Value:
        """A small array from outside is written into the program, which is out of date as soon as it holds other numbers."""
        known = thing.dtype.name in ("float64", "int64", "bool") and type(thing).__name__ == "ndarray"
        if not known or not thing.ndim or not 0 < thing.size <= _SMALL:
            message = f"`{name}` is an array from outside; only small ones ({_SMALL} float64, int64 or bool numbers) become constants"
            raise self.refusal(node, message, f"`{name}` as a parameter")
        text = _contents(thing)
        self.compilation.captures.append(Capture(f"{name} (its numbers)", text, lambda: _contents(thing), thing))
        made = self.array(self.constant(_nested(thing.tolist()), node), node)
        return self.named(made, name) if name.isidentifier() else made

    # ------------------------------------------------------------------------------------------ rows

    def row(self, value: Value, index: Atom, node: ast.AST) -> Value:
        """``value[index]``, with one index."""
        section = self.section_of(value)
        rank = (section.rank if section.steps else self.type_of(section.base).rank) - 1
        return self.read_section(Section(section.base, joined(section.steps, Step(("{}",), (index,), rank))), node)

    def unpacked(self, value: Value, wanted: int, node: ast.AST) -> Many:
        """The rows of an array that must be as many as there are names."""
        count = self.length(value, node)
        many = self.emit("gt", [count, literal(wanted)], node)
        self.stop(many, "ValueError", f"too many values to unpack (expected {wanted})", node)
        few = self.emit("lt", [count, literal(wanted)], node)
        self.stop_with(few, "ValueError", (f"not enough values to unpack (expected {wanted}, got ", count, ")"), node)
        return Many(tuple(self.row(value, literal(k), node) for k in range(wanted)))


_DTYPES = {("float", 64): "float64", ("float", 32): "float32", ("int", 64): "int64", ("bool", 64): "bool"}


def _contents(array: Any) -> str:
    """The numbers of an array as text, so that two arrays of the same numbers are the same constant."""
    return f"{array.dtype.name}{array.shape}{array.tobytes().hex()}"


def _nested(items: Any) -> Any:
    """Lists as tuples."""
    return tuple(map(_nested, items)) if isinstance(items, list) else items
