"""Calls: operations, Python's builtins, and the user's own functions. What a name calls is decided by the live object."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import math
import sys
import types
from collections.abc import Sequence

from stagegrad import ops
from stagegrad.errors import NeedsTypes
from stagegrad.frontend import numpy_words, prelude, prelude_numpy, words
from stagegrad.frontend.emitter import Strength
from stagegrad.frontend.expressions import Expressions
from stagegrad.frontend.forms import FORMS, Handler, deciding, each, multiplying, partial, searching, summing
from stagegrad.frontend.records import is_record_class
from stagegrad.frontend.values import (
    FALSE,
    TRUE,
    Closure,
    Many,
    Method,
    Numbers,
    Range,
    Record,
    Static,
    Stream,
    Value,
    describe,
    disowned,
    ident_of_all,
    leaves,
)  # fmt: skip
from stagegrad.ir import FLOAT, INT, Atom, Lit, Var
from stagegrad.ops import REGISTRY, literal

#: Since 3.12 `sum` compensates rounding errors between floats.
_COMPENSATED = sys.version_info >= (3, 12)


def plain_function(thing: object) -> types.FunctionType | None:
    """The Python function behind an object: itself, a function that stagegrad has compiled, or that Numba has."""
    if isinstance(thing, types.FunctionType):
        return thing
    inner = getattr(type(thing), "__stagegrad_function__", None) and getattr(thing, "__stagegrad_function__", None)
    if inner is None and type(thing).__module__.partition(".")[0] == "numba":
        inner = getattr(thing, "py_func", None)
    return inner if isinstance(inner, types.FunctionType) else None


class Calls(Expressions):
    """Lowers calls."""

    def call_word(self, word: numpy_words.NumpyWord, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        """The value of a call of one of NumPy's functions of arrays."""
        raise NotImplementedError

    def length(self, owner: Value, node: ast.AST) -> Atom:
        """How long an array is along its first axis."""
        raise NotImplementedError

    def new_record(self, cls: type, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        """An object of a NamedTuple or a dataclass."""
        raise NotImplementedError

    def with_fields(self, owner: Value, changes: dict[str, Value], node: ast.AST) -> Value:
        """A copy of an object of a NamedTuple or a dataclass with other values in some fields."""
        raise NotImplementedError

    def call_function(
        self, target: types.FunctionType | Closure, args: list[Value], keywords: dict[str, Value], node: ast.AST
    ) -> Value:
        """The value of a call of a function that has a text."""
        raise NotImplementedError

    def call(self, node: ast.Call) -> Value:
        """The value of a call: what is called is found first, as in Python."""
        target = self.usable(self.expr(node.func), node.func)
        if isinstance(target, Static) and node.args and isinstance(node.args[0], ast.GeneratorExp):
            return self._over_generator(target.thing, node.args[0], node)
        if isinstance(target, Static):
            self._check_known(target.thing, node)
        if isinstance(target, Var | Lit):
            raise self.unknown(node, f"{describe(target)} cannot be called")
        args = self.items(node.args)
        keywords: dict[str, Value] = {}
        for keyword in node.keywords:
            for name, value in self._named_by(keyword):
                if name in keywords:
                    raise self.refusal(node, f"got multiple values for keyword argument '{name}'")
                keywords[name] = self.usable(value, keyword.value)
        for value, part in zip(args, node.args, strict=False):
            self.usable(value, part)
        if isinstance(target, Closure):
            return self.call_function(target, args, keywords, node)
        if isinstance(target, Method):
            return self.call_method(target, args, keywords, node)
        if not isinstance(target, Static):
            raise self.refusal(node, f"{describe(target)} cannot be called")
        return self.call_object(target.thing, args, keywords, node)

    def _named_by(self, keyword: ast.keyword) -> list[tuple[str, Value]]:
        """What a keyword of a call stands for: one value, or with ``**`` all those of a dict."""
        value = self.expr(keyword.value)
        if keyword.arg is not None:
            return [(keyword.arg, value)]
        value = self.usable(value, keyword.value)
        if not isinstance(value, Record) or value.display != "dict":
            message = f"only a dict can be spread with **, and this is {describe(value)}"
            raise self.unknown(keyword.value, message, "the keywords one by one")
        return list(zip(value.names, value.items, strict=True))

    def call_method(self, method: Method, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        """The value of a call of a method of an array or of an object that was an argument."""
        raise NotImplementedError

    def call_object(self, thing: object, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        """The value of a call of a live object."""
        if isinstance(thing, ops.Gate):
            return self.operation(words.Word(thing.op.name), [self.atom(arg, node) for arg in args], keywords, node)
        if is_record_class(thing):
            return self.new_record(thing, args, keywords, node)
        if thing is dataclasses.replace:
            self.expect(args, 1, 1, "dataclasses.replace", node)
            return self.with_fields(args[0], keywords, node)
        if thing is functools.partial:
            return partial(self, args, keywords, node)
        if thing is dict:
            return self._new_dict(args, keywords, node)
        handler = _handler(thing)
        if handler is not None:
            return handler(self, self._with_keywords(thing, args, keywords, node), node)
        word, on_arrays = words.find(thing), numpy_words.find(thing)
        more = keywords or any(self.is_array(arg) or isinstance(arg, (Many, Static)) for arg in args)  # than the word for numbers takes
        if on_arrays is not None and (word is None or more):
            if self.compilation.guesses:
                raise NeedsTypes(f"{on_arrays.name} of arguments of unknown types", self.span(node), "a call, or types=")
            return self.call_word(on_arrays, args, keywords, node)
        if word is not None:
            if getattr(thing, "__module__", "") == "math":
                args = [self.converted(atom, FLOAT, node) if atom.type.bits == 32 else atom for atom in self.atoms(args, node)]
            return self.operation(word, args, keywords, node)
        if isinstance(thing, functools.partial):
            first = [self.constant(arg, node) for arg in thing.args]
            given = {name: self.constant(value, node) for name, value in thing.keywords.items()}
            return self.call_object(thing.func, [*first, *args], {**given, **keywords}, node)
        function = plain_function(prelude.isclose if thing is math.isclose else thing)
        assert function is not None  # `_check_known` has seen to it
        return self.call_function(function, args, keywords, node)

    def _new_dict(self, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        """``dict(a=1.0)``, ``dict(other)`` and ``dict(zip(names, values))``."""
        self.expect(args, 0, 1, "dict", node)
        first = args[0] if args else None
        old = Record("dict", (), ()) if first is None else first if isinstance(first, Record) else self.dict_of_pairs(first, node)
        both = dict(zip(old.names, old.items, strict=True)) | keywords
        return Record("dict", tuple(both), tuple(both.values()), ident=self.new_ident())

    def _with_keywords(self, thing: object, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> list[Value]:
        """The arguments of one of Python's own functions, those by keyword at their place; ``zip(x, y, strict=True)`` compares lengths."""
        if not keywords:
            return args
        if [*keywords] == ["start"] and len(args) == 1 and (thing is enumerate or thing is sum):
            return [*args, keywords["start"]]
        if [*keywords] != ["strict"] or thing is not zip:
            raise self.refusal(node, f"keywords are not supported in a call of {_title(thing)}", "positional arguments")
        strict = self.usable(keywords["strict"], node)
        if not isinstance(strict, Lit) or not isinstance(strict.value, bool):
            raise self.refusal(node, "whether zip is strict must be a constant", "strict=True")
        if strict.value:
            self._require_equal_lengths(args, node)
        return args

    def _require_equal_lengths(self, args: list[Value], node: ast.Call) -> None:
        """Raises before the loop what ``zip(..., strict=True)`` raises at its end."""
        counted = any(map(self.is_counted, args))
        lengths = [self.count_of(arg, node) if counted else literal(len(self._items_of(arg, "zip", node))) for arg in args]
        for k, length in enumerate(lengths[1:], 2):
            for op, word in (("gt", "longer"), ("lt", "shorter")):
                before = "argument 1" if k == 2 else f"arguments 1-{k - 1}"
                self.stop(self.arithmetic(op, length, lengths[0], node), "ValueError", f"zip() argument {k} is {word} than {before}", node)

    def count_of(self, value: Value, node: ast.AST) -> Atom:
        """How many items something has that is looped over."""
        raise NotImplementedError

    def _check_known(self, thing: object, node: ast.AST) -> None:
        """Refuses what cannot be called, before its arguments are looked at."""
        if thing is print:
            raise self.refusal(node, "print is not supported: a gradient has no output", "nothing; print the result outside")
        while isinstance(thing, functools.partial):
            thing = thing.func
        known = (_handler(thing), words.find(thing), numpy_words.find(thing))
        ours = isinstance(thing, ops.Gate) or any(thing is one for one in _OWN) or is_record_class(thing)
        ours = ours or _title(thing) == "numpy.fill_diagonal"
        if not ours and not any(known) and (plain_function(thing) is None or _is_of(thing, "numpy", "scipy", "stagegrad")):
            raise self.refusal(node, *_unknown(thing))

    def prelude(self, name: str, args: list[Value], node: ast.AST) -> Value:
        function = plain_function(getattr(prelude, name))
        assert function is not None
        return self.call_function(function, args, {}, node)

    def operation(self, word: words.Word, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        """A call that is one operation."""
        if keywords:
            raise self.refusal(node, "keywords are not supported in this call", "positional arguments")
        if word.op == "to_float":
            return self._float(args, node)
        op = REGISTRY.get(word.op)
        if op is None:
            raise self.refusal(node, f"stagegrad has no rule for {word.op} yet")
        self.expect(args, len(op.operands), len(op.operands), word.op, node)
        atoms = self.operands(args, node)
        if word.op == "where" and not atoms[0].type.rank:
            atoms = [self.truth(atoms[0], node), *atoms[1:]]
        if word.floats:
            atoms = [self.as_float(atom, node) for atom in atoms]
        return self.emit(word.op, [self.fitting(atom, node, FLOAT) for atom in atoms], node, word.attrs)

    def as_float(self, atom: Atom, node: ast.AST) -> Atom:
        """The number as a float; an array must be one of floats already."""
        if atom.type.rank and atom.type.kind != "float":
            raise self.refusal(node, f"this needs floats, and this is {describe(atom)}", ".astype(float) behind it")
        return atom if atom.type.kind == "float" else self.converted(atom, FLOAT, node)

    def atoms(self, values: Sequence[Value], node: ast.AST) -> list[Atom]:
        """Numbers, all of them."""
        return [self.atom(value, node) for value in values]

    def expect(self, args: Sequence[object], least: int, most: int, name: str, node: ast.AST) -> None:
        """Refuses a wrong number of arguments."""
        if not least <= len(args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self.refusal(node, f"{name} takes {wanted} arguments here, and {len(args)} are given")

    # ------------------------------------------------------------------------------------------ numbers

    def _abs(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "abs", node)
        return self.emit("abs", self.operands(args, node), node)

    def _pow(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 2, 2, "pow", node)
        return self.operate("pow", args[0], args[1], node)

    def _int(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "int", node)
        atom = self.atom(args[0], node)
        if atom.type.kind != "float":
            return self.converted(atom, INT, node)
        return self.emit("to_int", [atom], node)

    def _float(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "float", node)
        match args[0]:
            case Static(str() as text):
                try:
                    return literal(float(text))
                except ValueError:
                    raise self.refusal(node, f"could not convert string to float: {text!r}") from None
            case value:
                atom = self.atom(value, node)
                if self.strength(atom) is not Strength.WEAK and any(var.type.bits == 32 for var in self.given):
                    return self.emit("cast", [atom], node, (("bits", 64),))  # a float of Python, which leaves 32-bit floats narrow
                return self.converted(atom, FLOAT, node)

    def _bool(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "bool", node)
        return self.truth(args[0], node)

    def _round(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 2, "round", node)
        atom = self.atom(args[0], node)
        nothing = len(args) == 1 or (isinstance(args[1], Static) and args[1].thing is None)
        digits = None if nothing else self.atom(args[1], node)
        if atom.type.kind != "float":
            if digits is not None and not (isinstance(digits, Lit) and int(digits.value or 0) >= 0):
                raise self.refusal(node, "an int can be rounded to a known number of digits behind the point only")
            return self.converted(atom, INT, node)
        if digits is None:
            return self.emit("round_int", [atom], node)
        return self.emit("round_digits", [atom, self.whole(digits, node, "the number of digits")], node)

    def _divmod(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 2, 2, "divmod", node)
        x, y = self.atoms(args, node)
        return Many((self.arithmetic("floordiv", x, y, node), self.arithmetic("mod", x, y, node)))

    def _extreme(self, args: list[Value], node: ast.Call, op: str) -> Value:
        if len(args) == 1 and self.is_counted(args[0]):
            return self.inlined(Closure(searching(args[0], op, node), self.frame), node)
        items = list(args[0].items) if len(args) == 1 and isinstance(args[0], Many) else args
        if not items or (len(args) == 1 and not isinstance(args[0], Many)):
            raise self.unknown(node, f"{op} needs two numbers or more, or a tuple of them")
        found, *others = self.atoms(items, node)
        for other in others:
            found = self.emit(op, [found, other], node)
        return found

    def _whole_part(self, args: list[Value], node: ast.Call, op: str) -> Value:
        self.expect(args, 1, 1, f"math.{op.removesuffix('_int')}", node)
        atom = self.atom(args[0], node)
        if atom.type.kind != "float":
            return self.converted(atom, INT, node)
        return self.emit(op, [self.converted(atom, FLOAT, node)], node)

    def _log(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 2, "math.log", node)
        atoms = [self.converted(atom, FLOAT, node) if atom.type.bits == 32 else atom for atom in self.atoms(args, node)]
        logs = [self.emit("log", [self.fitting(atom, node, FLOAT)], node) for atom in atoms]
        return logs[0] if len(logs) == 1 else self.emit("div", logs, node)

    def _hypot(self, args: list[Value], node: ast.Call) -> Value:
        if not args:
            return literal(0.0)
        found, *others = [self.converted(atom, FLOAT, node) for atom in self.atoms(args, node)]
        if not others:
            return self.emit("abs", [found], node)
        for other in others:
            found = self.emit("hypot", [found, other], node)
        return found

    def _dist(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 2, 2, "math.dist", node)
        first, second = args
        if not (isinstance(first, Many) and isinstance(second, Many) and len(first.items) == len(second.items)):
            raise self.refusal(node, "math.dist needs two tuples of the same length")
        pairs = zip(self.atoms(first.items, node), self.atoms(second.items, node), strict=True)
        return self._hypot([self.arithmetic("sub", x, y, node) for x, y in pairs], node)

    def _prod(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "math.prod", node)
        if self.is_counted(args[0]):
            return self.inlined(Closure(multiplying(args[0], node), self.frame), node)
        if not isinstance(args[0], Many):
            raise self.unknown(node, "math.prod needs a tuple", "a loop that multiplies")
        found: Atom = literal(1)
        for k, atom in enumerate(self.atoms(args[0].items, node)):
            found = atom if k == 0 else self.arithmetic("mul", found, atom, node)
        return found

    def _gcd(self, args: list[Value], node: ast.Call) -> Value:
        found: Atom = literal(0)
        for k, atom in enumerate(self.atoms(args, node)):
            atom = self.whole(atom, node, "an argument of math.gcd")
            found = atom if k == 0 and len(args) > 1 else self.emit("gcd", [found, atom], node)
        return found

    def _factorial(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "math.factorial", node)
        atom = self.whole(self.atom(args[0], node), node, "the argument of math.factorial")
        if isinstance(atom, Lit) and 0 <= int(atom.value or 0) <= 170:
            return literal(math.factorial(int(atom.value or 0)))
        return self.prelude("factorial", [atom], node)

    # ------------------------------------------------------------------------------------------ tuples and ranges

    def _len(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "len", node)
        match args[0]:
            case Many(items, display) if display != "iterator":
                return literal(len(items))
            case Range(start, stop, step, once=False):
                return self.emit("trip_count", [start, stop, step], node)
            case Record(display, items=items) if display != "record":
                return literal(len(items))
            case other if self.is_array(other) or isinstance(other, Numbers):
                return self.length(other, node)
            case other:
                raise self.unknown(node, f"len needs a tuple, a range or an array, and this is {describe(other)}")

    def _range(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 3, "range", node)
        bounds = [self.whole(atom, node, "an argument of range") for atom in self.atoms(args, node)]
        if len(bounds) == 1:
            bounds = [literal(0), *bounds]
        start, stop, step = [*bounds, literal(1)][:3]
        if isinstance(step, Lit) and step.value == 0:
            raise self.refusal(node, "range() arg 3 must not be zero")
        return Range(start, stop, step)

    def _reversed(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 1, "reversed", node)
        match args[0]:
            case Many(items, display) if display != "iterator":
                return Many(items[::-1], "iterator", ident_of_all(args[0]))
            case Range(start, stop, step, once=False):
                trips = self.emit("trip_count", [start, stop, step], node)
                before = self.arithmetic("sub", start, step, node)  # one step before the first
                last = self.arithmetic("add", before, self.arithmetic("mul", trips, step, node), node)
                back = Lit(-step.value, INT) if isinstance(step, Lit) and step.value is not None else self.emit("neg", [step], node)
                return Range(last, before, back, once=True)
            case other if self.is_array(other) or isinstance(other, Numbers):
                return Stream("reversed", (other,))
            case other:
                raise self.unknown(node, f"only a tuple, a range or an array can be reversed, and this is {describe(other)}")

    def _enumerate(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 2, "enumerate", node)
        start = self.whole(self.atom(args[1], node), node, "the start") if len(args) == 2 else literal(0)
        if self.is_counted(args[0]):
            return Stream("enumerate", (args[0],), start)
        items = self._items_of(args[0], "enumerate", node)
        pairs = ((self.arithmetic("add", start, literal(k), node), item) for k, item in enumerate(items))
        return Many(tuple(Many(pair) for pair in pairs), "iterator", ident_of_all(args[0]))

    def _zip(self, args: list[Value], node: ast.Call) -> Value:
        if any(map(self.is_counted, args)):
            return Stream("zip", tuple(args))
        columns = [self._items_of(arg, "zip", node) for arg in args]
        return Many(tuple(Many(row) for row in zip(*columns, strict=False)), "iterator", ident_of_all(*args))

    def is_counted(self, value: Value) -> bool:
        """Whether how many items there are is known at run time only."""
        return self.is_array(value) or isinstance(value, Range | Stream)

    def holds_arrays(self, value: Value) -> bool:
        """Whether the items of what is looped over are arrays."""
        return isinstance(value, Var | Lit) and value.type.rank > 1

    def _items_of(self, value: Value, name: str, node: ast.AST) -> tuple[Value, ...]:
        if isinstance(value, Record) and value.display != "record":
            return value.items if value.display == "tuple" else tuple(map(Static, value.names))
        if not isinstance(value, Many):
            raise self.unknown(node, f"{name} needs a tuple of known length, and this is {describe(value)}", "for i in range(...)")
        return value.items

    def _collected(self, args: list[Value], node: ast.Call, display: str) -> Value:
        self.expect(args, 0, 1, display, node)
        if args and self.is_counted(args[0]):
            found = self.collected(args[0], node)
            return disowned(found) if display == "tuple" else found
        if display == "list":
            return self.new_list(self._items_of(args[0], display, node) if args else ())
        return Many(self._items_of(args[0], display, node) if args else (), display)

    def collected(self, value: Value, node: ast.AST) -> Value:
        """``[x for x in value]``"""
        return self.listing(ast.fix_missing_locations(ast.copy_location(each(value), node)))

    def _any_all(self, args: list[Value], node: ast.Call, is_all: bool) -> Value:
        self.expect(args, 1, 1, "all" if is_all else "any", node)
        if self.is_counted(args[0]):
            return self.inlined(Closure(deciding(each(args[0]), is_all, node), self.frame), node)
        found: Atom = TRUE if is_all else FALSE
        for item in self._items_of(args[0], "all" if is_all else "any", node):
            test = self.truth(item, node)
            found = test if isinstance(found, Lit) else self.emit("and" if is_all else "or", [found, test], node)
        return found

    def require_some(self, value: Value, error: str, message: str, node: ast.AST) -> None:
        """Raises where there is nothing to go over."""
        count = self.count_of(value, node) if self.is_counted(value) else literal(len(self._items_of(value, "this call", node)))
        if isinstance(count, Lit) and not count.value:
            raise self.refusal(node, message)
        if isinstance(count, Var):
            self.stop(self.arithmetic("lt", count, literal(1), node), error, message, node)

    def _slice_object(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 3, "slice", node)
        nothing: Value = Static(None)
        bounds = [nothing, *args] if len(args) == 1 else args
        return Record("slice", ("start", "stop", "step"), tuple([*bounds, nothing][:3]))

    # ------------------------------------------------------------------------------------------ sums

    def _sum(self, args: list[Value], node: ast.Call) -> Value:
        self.expect(args, 1, 2, "sum", node)
        start: Value = args[1] if len(args) == 2 else literal(0)
        match args[0]:
            case Many(items):
                state: tuple[Value, ...] = (start, literal(0.0))
                for item in items:
                    state = self._add_term([*state, item], node).items
                return self._end_sum(list(state), node)
            case Range() | Stream():
                return self._accumulated(ast.Name("i", ast.Store()), args[0], ast.Name("i", ast.Load()), start, [], node)
            case other if self.is_counted(other) and self.holds_arrays(other):
                rows = self.call_word(numpy_words.WORDS["sum"], [other, literal(0)], {}, node)
                return rows if start == literal(0) else self.operate("add", start, rows, node)
            case other if self.is_counted(other):
                return self._accumulated(ast.Name("x", ast.Store()), args[0], ast.Name("x", ast.Load()), start, [], node)
            case other:
                raise self.unknown(node, f"sum needs a tuple, a range or a generator, and this is {describe(other)}", "a loop that adds")

    def _add_term(self, args: list[Value], node: ast.Call) -> Many:
        """The next total, and what rounding has lost so far: `sum` keeps count of it between floats since Python 3.12."""
        total, lost, term = args
        numbers = [leaf for value in (total, term) for leaf in leaves(value)]
        of_python = all(self.strength(number) is Strength.WEAK for number in numbers)
        if not _COMPENSATED or not of_python or [number.type for number in numbers] != [FLOAT, FLOAT]:
            return Many((self.operate("add", total, term, node), lost))
        pair = self.prelude("add_compensated", [total, lost, term], node)
        assert isinstance(pair, Many)
        return pair

    def _end_sum(self, args: list[Value], node: ast.Call) -> Value:
        total, lost = args
        exact = not _COMPENSATED or isinstance(lost, Lit) or [leaf.type for leaf in leaves(total)] != [FLOAT]
        return total if exact else self.prelude("end_compensated", [total, lost], node)

    def _over_generator(self, thing: object, generator: ast.GeneratorExp, node: ast.Call) -> Value:
        if thing in (builtins.any, builtins.all) and len(generator.generators) == 1 and not generator.generators[0].is_async:
            return self.inlined(Closure(deciding(generator, thing is builtins.all, node), self.frame), node)
        several = len(generator.generators) > 1 and thing is builtins.sum
        if thing in _OF_LISTS or several:
            made = self.listing(generator)
            others = [self.usable(self.expr(arg), arg) for arg in node.args[1:]]
            given = {keyword.arg: self.expr(keyword.value) for keyword in node.keywords if keyword.arg}
            return made if thing is builtins.list and not others else self.call_object(thing, [made, *others], given, node)
        if thing is not builtins.sum or node.keywords or len(node.args) > 2:
            raise self.refusal(generator, "a generator is supported only as the argument of sum", "a list: [... for ...]")
        loop = generator.generators[0]
        if loop.is_async:
            raise self.refusal(generator, "an asynchronous generator is not supported", "for")
        start = self.usable(self.expr(node.args[1]), node) if len(node.args) == 2 else literal(0)
        over = self.usable(self.expr(loop.iter), loop.iter)
        return self._accumulated(loop.target, over, generator.elt, start, loop.ifs, node)

    def _accumulated(
        self, target: ast.expr, over: Value, term: ast.expr, start: Value, tests: list[ast.expr], node: ast.Call
    ) -> Value:
        """A sum as the loop that it is: the text of a function that adds term by term is made, and lowered in place."""
        for part in (part for tree in (term, *tests) for part in ast.walk(tree)):
            if isinstance(part, ast.NamedExpr):
                raise self.refusal(part, "`:=` inside a generator is not supported", "a loop")
        return self.inlined(Closure(summing(target, over, term, start, tests, node), self.frame), node)

    def inlined(self, target: Closure, node: ast.AST) -> Value:
        """The value of a call without arguments of a function whose only `return` is its last statement."""
        raise NotImplementedError


#: What is neither one operation nor a function in a table.
_OWN: tuple[object, ...] = (math.isclose, functools.partial, dict)
#: What takes a list where it is given a generator.
_OF_LISTS = (builtins.list, builtins.tuple, builtins.max, builtins.min, math.prod)
#: What does the same as a function of NumPy that is refused.
_INSTEAD = {
    "numpy.nanmax": "np.max(np.where(np.isnan(x), -np.inf, x))",
    "numpy.nanmin": "np.min(np.where(np.isnan(x), np.inf, x))",
    "numpy.nanvar": "np.nanmean((x - np.nanmean(x)) ** 2)",
    "numpy.nanstd": "np.sqrt(np.nanmean((x - np.nanmean(x)) ** 2))",
    "numpy.vectorize": "the function of numbers in a loop, or one of arrays",
    "numpy.apply_along_axis": "a loop over the rows",
    "sorted": "np.sort(...)",
    "math.fsum": "sum(...)",
    "input": "the value as a parameter",
    "io.open": "what the file holds as a parameter",
    "eval": "the expression itself",
}
_HANDLERS: dict[object, Handler] = {
    abs: Calls._abs, pow: Calls._pow, int: Calls._int, float: Calls._float, bool: Calls._bool, round: Calls._round,
    divmod: Calls._divmod, len: Calls._len, range: Calls._range, reversed: Calls._reversed, enumerate: Calls._enumerate,
    zip: Calls._zip, sum: Calls._sum, slice: Calls._slice_object,
    max: functools.partial(Calls._extreme, op="max"), min: functools.partial(Calls._extreme, op="min"),
    tuple: functools.partial(Calls._collected, display="tuple"), list: functools.partial(Calls._collected, display="list"),
    any: functools.partial(Calls._any_all, is_all=False), all: functools.partial(Calls._any_all, is_all=True),
    math.floor: functools.partial(Calls._whole_part, op="floor_int"), math.ceil: functools.partial(Calls._whole_part, op="ceil_int"),
    math.trunc: functools.partial(Calls._whole_part, op="trunc_int"), math.log: Calls._log, math.hypot: Calls._hypot,
    math.dist: Calls._dist, math.prod: Calls._prod, math.gcd: Calls._gcd, math.factorial: Calls._factorial,
    **FORMS, prelude.add_compensated: Calls._add_term, prelude.end_compensated: Calls._end_sum,
}  # fmt: skip


def _handler(thing: object) -> Handler | None:
    try:
        return _HANDLERS.get(thing)
    except TypeError:  # not hashable
        return None


def _is_of(thing: object, *packages: str) -> bool:
    """Whether it is written in Python, but in one of these: not for this compiler, as a refusal inside it would tell nobody anything."""
    module = getattr(thing, "__module__", None) or ""
    return module.partition(".")[0] in packages and module != prelude_numpy.__name__


def _unknown(thing: object) -> tuple[str, str]:
    """The message and the advice for something that cannot be called here."""
    title = _title(thing)
    root = (getattr(thing, "__module__", None) or "").partition(".")[0]
    if root in ("random", "time", "datetime", "secrets") or "random" in title:
        return f"{title} gives another result each time", "the value as a parameter"
    if _is_of(thing, "stagegrad") or type(thing).__module__.partition(".")[0] == "stagegrad":
        name = getattr(thing, "__name__", title)
        return f"{name} of stagegrad is not supported inside a function", "a function without it, whose derivative is taken: grad(grad(f))"
    if _is_of(thing, "numpy", "scipy") or type(thing).__module__.partition(".")[0] == "numpy":
        return f"{title} is not supported", _INSTEAD.get(title, "NumPy's functions that stagegrad knows, or a loop over numbers")
    if isinstance(thing, type):
        return f"{title} is a class; objects are not supported", "numbers and tuples"
    if isinstance(thing, types.MethodType):
        return f"{title} is a method; only plain functions can be called", "a function of numbers"
    advice = _INSTEAD.get(title, "an operation it knows, or a gate: @stagegrad.gate")
    return f"{title} is not written in Python and is not one that stagegrad knows", advice


def _title(thing: object) -> str:
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or repr(thing)
    module = getattr(thing, "__module__", None)
    return f"{module}.{name}" if isinstance(module, str) and module not in ("builtins", "__main__") else str(name)
