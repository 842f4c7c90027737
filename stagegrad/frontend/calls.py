"""Calls: operations, Python's builtins, and the user's own functions. What a name calls is decided by the live object."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import math
import types
from collections.abc import Mapping, Sequence
from typing import TypeVar

from stagegrad import ops
from stagegrad.errors import NeedsTypes
from stagegrad.frontend import numpy_words, prelude, words
from stagegrad.frontend.builtins_numbers import NUMBERS, float_of
from stagegrad.frontend.builtins_sequences import SEQUENCES, over_generator
from stagegrad.frontend.expressions import Expressions
from stagegrad.frontend.forms import FORMS, Handler, each, partial
from stagegrad.frontend.iterators import ITERATORS, Keyed
from stagegrad.frontend.program import Capture
from stagegrad.frontend.records import is_record_class
from stagegrad.frontend.refused import is_of, title_of, unknown_call
from stagegrad.frontend.sorting import extreme, sort
from stagegrad.frontend.values import (
    Closure,
    Many,
    Method,
    Range,
    Record,
    Static,
    Stream,
    Value,
    describe,
)  # fmt: skip
from stagegrad.ir import FLOAT, Atom, Lit, Var
from stagegrad.ops import REGISTRY, literal


def callable_as_it_is(thing: object) -> bool:
    """Whether a live object is called in a way that is known, not by a method that its class has for it."""
    if isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType | types.ModuleType | ops.Gate | functools.partial):
        return True
    known = _handler(thing) or _known_among(_KEYED, thing) or words.find(thing) or numpy_words.find(thing)
    return known is not None or plain_function(thing) is not None


def plain_function(thing: object) -> types.FunctionType | None:
    """The Python function behind an object: itself, a function that stagegrad has compiled, or that Numba has."""
    if isinstance(thing, types.FunctionType):
        return thing
    inner = getattr(type(thing), "__stagegrad_function__", None) and getattr(thing, "__stagegrad_function__", None)
    if inner is None and type(thing).__module__.partition(".")[0] == "numba":
        inner = getattr(thing, "py_func", None)
    return inner if isinstance(inner, types.FunctionType) else None


Way = TypeVar("Way")


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

    def call(self, node: ast.Call) -> Value:
        """The value of a call: what is called is found first, as in Python."""
        target = self.usable(self.expr(node.func), node.func)
        target = self._callable(target)
        if isinstance(target, Static) and node.args and isinstance(node.args[0], ast.GeneratorExp):
            summed = over_generator(self, target.thing, node.args[0], node)
            if summed is not None:
                return summed
        if isinstance(target, Static):
            self._check_known(target.thing, node)
        if isinstance(target, Var | Lit):
            raise self.unknown(node, f"{describe(target)} cannot be called")
        args = self.items(node.args)
        keywords: dict[str, Value] = {}
        for keyword in node.keywords:
            for name, value in self.named_by(keyword):
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

    def _callable(self, target: Value) -> Value:
        """What is called: of an object whose class says so, its method ``__call__``."""
        thing = target.cls if isinstance(target, Record) else type(target.thing) if isinstance(target, Static) else None
        if thing is None or (isinstance(target, Static) and (callable_as_it_is(target.thing) or is_record_class(target.thing))):
            return target
        found = inspect.getattr_static(thing, "__call__", None)
        if not isinstance(found, types.FunctionType):
            return target
        read = functools.partial(inspect.getattr_static, thing, "__call__", None)
        self.compilation.captures.append(Capture(f"{thing.__name__}.__call__", found, read, thing))
        return Method("__call__", target, found)

    def named_by(self, keyword: ast.keyword) -> list[tuple[str, Value]]:
        """What a keyword of a call stands for: one value, or with ``**`` all those of a dict."""
        value = self.expr(keyword.value)
        if keyword.arg is not None:
            return [(keyword.arg, value)]
        value = self.usable(value, keyword.value)
        if not isinstance(value, Record) or value.display != "dict":
            message = f"only a dict can be spread with **, and this is {describe(value)}"
            raise self.unknown(keyword.value, message, "the keywords one by one")
        if not all(isinstance(name, str) for name in value.names):
            raise self.refusal(keyword.value, "keywords must be strings", "a dict with texts as keys")
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
        keyed = _known_among(_KEYED, thing)
        if keyed is not None and (keywords or _handler(thing) is None):
            return keyed(self, args, keywords, node)
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
            raise self.refusal(node, f"keywords are not supported in a call of {title_of(thing)}", "positional arguments")
        strict = self.usable(keywords["strict"], node)
        if not isinstance(strict, Lit) or not isinstance(strict.value, bool):
            raise self.refusal(node, "whether zip is strict must be a constant", "strict=True")
        if strict.value:
            self._require_equal_lengths(args, node)
        return args

    def _require_equal_lengths(self, args: list[Value], node: ast.Call) -> None:
        """Raises before the loop what ``zip(..., strict=True)`` raises at its end."""
        counted = any(map(self.is_counted, args))
        lengths = [self.count_of(arg, node) if counted else literal(len(self.items_of(arg, "zip", node))) for arg in args]
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
        known = (_handler(thing), _known_among(_KEYED, thing), words.find(thing), numpy_words.find(thing))
        ours = isinstance(thing, ops.Gate) or any(thing is one for one in _OWN) or is_record_class(thing)
        ours = ours or title_of(thing) == "numpy.fill_diagonal"
        if not ours and not any(known) and (plain_function(thing) is None or is_of(thing, "numpy", "scipy", "stagegrad")):
            written = node.func if isinstance(node, ast.Call) else None
            raise self.refusal(node, *unknown_call(thing, ast.unparse(written) if isinstance(written, ast.Name | ast.Attribute) else ""))

    def prelude(self, name: str, args: list[Value], node: ast.AST) -> Value:
        function = plain_function(getattr(prelude, name))
        assert function is not None
        return self.call_function(function, args, {}, node)

    def operation(self, word: words.Word, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        """A call that is one operation."""
        if keywords:
            raise self.refusal(node, "keywords are not supported in this call", "positional arguments")
        if word.op == "to_float":
            return float_of(self, args, node)
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
            given = "1 is given" if len(args) == 1 else f"{len(args)} are given"
            raise self.refusal(node, f"{name} takes {wanted} argument{'s' * (most != 1)} here, and {given}")

    def is_counted(self, value: Value) -> bool:
        """Whether how many items there are is known at run time only."""
        return self.is_array(value) or isinstance(value, Range | Stream)

    def holds_arrays(self, value: Value) -> bool:
        """Whether the items of what is looped over are arrays."""
        return isinstance(value, Var | Lit) and value.type.rank > 1

    def side_by_side(self, values: list[Value], node: ast.AST) -> Value:
        """``zip`` of values of which the length of one at least is not known."""
        raise NotImplementedError

    def items_of(self, value: Value, name: str, node: ast.AST) -> tuple[Value, ...]:
        """What a tuple or a list of known length holds, and the names of a dict."""
        if isinstance(value, Record) and value.display != "record":
            return value.items if value.display == "tuple" else tuple(self.constant(name, node) for name in value.names)
        if not isinstance(value, Many):
            raise self.unknown(node, f"{name} needs a tuple of known length, and this is {describe(value)}", "for i in range(...)")
        return value.items

    def collected(self, value: Value, node: ast.AST) -> Value:
        """``[x for x in value]``"""
        return self.listing(ast.fix_missing_locations(ast.copy_location(each(value), node)))

    def require_some(self, value: Value, error: str, message: str, node: ast.AST) -> None:
        """Raises where there is nothing to go over."""
        count = self.count_of(value, node) if self.is_counted(value) else literal(len(self.items_of(value, "this call", node)))
        if isinstance(count, Lit) and not count.value:
            raise self.refusal(node, message)
        if isinstance(count, Var):
            self.stop(self.arithmetic("lt", count, literal(1), node), error, message, node)

    def inlined(self, target: Closure, node: ast.AST) -> Value:
        """The value of a call without arguments of a function whose only `return` is its last statement."""
        raise NotImplementedError


#: What is neither one operation nor a function in a table.
_OWN: tuple[object, ...] = (math.isclose, functools.partial, dict)
_HANDLERS: dict[object, Handler] = NUMBERS | SEQUENCES | FORMS
#: What is called with keywords, or may be.
_KEYED: dict[object, Keyed] = ITERATORS | {
    sorted: sort, max: functools.partial(extreme, op="max"), min: functools.partial(extreme, op="min"),
}  # fmt: skip


def _handler(thing: object) -> Handler | None:
    return _known_among(_HANDLERS, thing)


def _known_among(table: Mapping[object, Way], thing: object) -> Way | None:
    try:
        return table.get(thing)
    except TypeError:  # not hashable
        return None
