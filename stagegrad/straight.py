"""Long straight-line functions, compiled at once: the lines of a function -> one intrinsic of Numba that computes the same.

Numba's own way costs a millisecond a line, nearly all of it for types. Here `_Typing` asks Numba's typing context what an operation
on such types is, once for each operation and list of types, and `_Writing` asks the target context for the implementation that
Numba itself would take. So both ways compute the same, operation for operation, and the flags of the decorator hold for both.
Whatever is not arithmetic on numbers raises `NotStraight`; the function is then compiled in the ordinary way.

This module knows Python's text and Numba. It is imported where something is compiled, and imports Numba.
"""

from __future__ import annotations

import ast
import builtins
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numba.core.cgutils
import numba.core.types
from numba.core.errors import NumbaError
from numba.extending import intrinsic

types: Any = numba.core.types  # typed in part alone
cgutils: Any = numba.core.cgutils

#: A function of fewer lines is compiled as fast in the ordinary way.
LONG = 50

#: The value of a step, by the number of the step.
Slot = int

_HEAD = re.compile(r"def (\w+)\(([\w, ]+)\):")
_NOT_STRAIGHT = re.compile(r"\s*(for|while|return|with|try|def|class|del|global|nonlocal|import|from)\b")

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
    ast.Not: operator.not_, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip


class NotStraight(NumbaError):
    """A function has something in it that only the ordinary way of compiling knows."""


def shortened(text: str) -> tuple[str, dict[str, str]]:
    """The text of a module with every long straight-line function as a call, and the texts of what is called, by name.

    ``def f(x, y): (a hundred lines)`` -> ``def f(x, y): return f_lines((x, y,))``, at the same line; `intrinsic_of` makes ``f_lines``.
    """
    lines, found = text.split("\n"), {}
    for first, last in _long_functions(lines):
        head = _HEAD.fullmatch(lines[first])
        name = "" if head is None else f"{head[1]}_lines"
        if head is not None and name not in text:
            found[name] = "\n".join(lines[first:last])
            lines[first + 1 : last] = [f"    return {name}(({head[2]},))", *[""] * (last - first - 2)]
    return "\n".join(lines), found


def _long_functions(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The functions of a module that are long and straight: the line of ``def``, and the line after the last."""
    starts = [k for k, line in enumerate(lines) if line and not line.startswith((" ", "#"))]
    for first, last in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = [line for line in lines[first + 1 : last] if line and not line.lstrip().startswith("#")]
        if lines[first].startswith("def ") and len(body) >= LONG and not any(map(_NOT_STRAIGHT.match, body[:-1])):
            yield first, last


def intrinsic_of(text: str, namespace: Mapping[str, Any]) -> Any:
    """The intrinsic that computes what a function does whose text this is; it takes the tuple of the function's arguments.

    `namespace` holds what the text names by the time that it is compiled: modules, constants, and the functions that it calls.
    """

    def lines(typing_context: Any, inputs: Any) -> Any:
        typed = _Typing(typing_context, namespace).function(text, inputs)

        def write(context: Any, builder: Any, _: Any, args: Sequence[Any]) -> Any:
            return _Writing(context, builder, args[0]).run(typed.steps)

        return typed.type(inputs), write

    return intrinsic(lines)


# ---------------------------------------------------------------------------------------------- typed steps


@dataclass(frozen=True)
class _Argument:
    """One of the function's arguments."""

    position: int


@dataclass(frozen=True)
class _Constant:
    value: bool | int | float


@dataclass(frozen=True)
class _Callee:
    """A function as Numba knows it, for one list of types; one that is `starred`, as max is, takes them as a tuple."""

    function: Any
    signature: Any
    starred: bool


@dataclass(frozen=True)
class _Apply:
    """A call of a function, or an operator: they are the same to Numba."""

    callee: _Callee
    args: tuple[Slot, ...]


@dataclass(frozen=True)
class _Part:
    """An element of a tuple that a call gave."""

    whole: Slot
    position: int


@dataclass(frozen=True)
class _Pack:
    """A tuple."""

    parts: tuple[Slot, ...]


@dataclass(frozen=True)
class _Same:
    """A value as one of another type."""

    whole: Slot


@dataclass(frozen=True)
class _Arm:
    """The steps that are taken on one side of a branch, and what they lead to."""

    steps: tuple[_Typed, ...]
    results: tuple[Slot, ...]


@dataclass(frozen=True)
class _Branch:
    """The one or the other, by a bool; the values of it are `_Merged`."""

    test: Slot
    then: _Arm
    orelse: _Arm
    types: tuple[Any, ...]


@dataclass(frozen=True)
class _Merged:
    """One of the values of a branch."""

    branch: Slot
    position: int


@dataclass(frozen=True)
class _Stop:
    """An exception where the bool is true."""

    test: Slot
    error: type[BaseException]
    args: tuple[str, ...]


@dataclass(frozen=True)
class _Typed:
    """A step, the number of its value, and the type."""

    slot: Slot
    step: _Argument | _Constant | _Apply | _Part | _Pack | _Same | _Branch | _Merged | _Stop
    type: Any


@dataclass(frozen=True)
class _Body:
    """A whole function: the value of the last step is what it returns."""

    steps: tuple[_Typed, ...]

    @property
    def type(self) -> Any:
        return self.steps[-1].type


# ---------------------------------------------------------------------------------------------- text -> typed steps


class _Typing:
    """One walk through the text of a function, with what each name stands for at the place reached."""

    def __init__(self, context: Any, namespace: Mapping[str, Any]) -> None:
        self.context, self.namespace = context, namespace
        self.types: list[Any] = []
        self.steps: list[_Typed] = []
        self.names: dict[str, Slot] = {}
        self.locals: set[str] = set()  # what the function binds anywhere: never a global
        self.callees: dict[tuple[Any, ...], _Callee] = {}

    def function(self, text: str, inputs: Sequence[Any]) -> _Body:
        """The steps of the function whose text this is, for a tuple of types."""
        (definition,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
        self.locals = set(_bound(definition.body))
        for position, (param, type_) in enumerate(zip(definition.args.args, inputs, strict=True)):
            self.names[param.arg] = self.add(_Argument(position), _plain(type_))
        *body, last = definition.body
        self.block(body)
        if not isinstance(last, ast.Return) or last.value is None:
            raise NotStraight(f"line {last.lineno}: a function that does not end in `return`")
        self.result(last.value)
        return _Body(tuple(self.steps))

    def add(self, step: Any, type_: Any) -> Slot:
        self.types.append(type_)
        slot = len(self.types) - 1
        self.steps.append(_Typed(slot, step, type_))
        return slot

    # ------------------------------------------------------------------------------------------ statements

    def block(self, body: Sequence[ast.stmt]) -> None:
        for stmt in body:
            self.statement(stmt)

    def statement(self, stmt: ast.stmt) -> None:
        match stmt:
            case ast.Assign(targets=[ast.Name(id=name)]):
                self.names[name] = self.value(stmt.value)
            case ast.Assign(targets=[ast.Tuple(elts=targets)]):
                self.unpack(targets, self.value(stmt.value))
            case ast.AugAssign(target=ast.Name(id=name)):
                self.names[name] = self.apply(_OPERATORS[type(stmt.op)], [self.name(name, stmt), self.value(stmt.value)], stmt)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass  # a docstring
            case ast.Expr():
                self.value(stmt.value)
            case ast.If(body=[ast.Raise() as raising], orelse=[]):
                self.stop(self.test(stmt.test), raising.exc, stmt)
            case ast.Assert():
                opposite = self.apply(operator.not_, [self.test(stmt.test)], stmt)
                self.stop(opposite, ast.Call(ast.Name("AssertionError"), [] if stmt.msg is None else [stmt.msg], []), stmt)
            case ast.If():
                self.branch(stmt)
            case _:
                raise _unknown(stmt)

    def unpack(self, targets: Sequence[ast.expr], whole: Slot) -> None:
        """``a, (b, c) = whole``."""
        elements = self.types[whole]
        if not isinstance(elements, types.BaseTuple) or len(elements) != len(targets):
            raise _unknown(targets[0])
        for position, target in enumerate(targets):
            part = self.add(_Part(whole, position), elements[position])
            match target:
                case ast.Name(id=name):
                    self.names[name] = part
                case ast.Tuple(elts=inner):
                    self.unpack(inner, part)
                case _:
                    raise _unknown(target)

    def stop(self, test: Slot, raised: ast.expr | None, stmt: ast.stmt) -> None:
        match raised:
            case ast.Call(func=ast.Name(id=name), args=[] | [ast.Constant()] as args, keywords=[]):
                self.add(_Stop(test, self.found(name, stmt), tuple(map(ast.literal_eval, args))), types.none)
            case _:
                raise _unknown(stmt)

    def branch(self, stmt: ast.If) -> None:
        """Both arms; a name that both of them bind, or that one binds anew, is merged, and another is unbound after the branch."""
        test, before = self.test(stmt.test), dict(self.names)
        then, yes = self.arm(lambda: self.block(stmt.body))
        orelse, no = self.arm(lambda: self.block(stmt.orelse))
        changed = [name for name in yes if name in no and not yes[name] == no[name] == before.get(name)]
        merged = self.merge(test, _Arm(then, tuple(yes[name] for name in changed)), _Arm(orelse, tuple(no[name] for name in changed)), stmt)
        self.names = {name: slot for name, slot in before.items() if name in yes and name in no} | dict(zip(changed, merged, strict=True))

    def arm(self, walk: Callable[[], None]) -> tuple[tuple[_Typed, ...], dict[str, Slot]]:
        """The steps of one side of a branch, and what the names are at its end."""
        steps, names = self.steps, self.names
        self.steps, self.names = [], dict(names)
        walk()
        found = tuple(self.steps), self.names
        self.steps, self.names = steps, names
        return found

    def merge(self, test: Slot, then: _Arm, orelse: _Arm, node: ast.AST) -> list[Slot]:
        """The values of a branch, each of the one type that holds both."""
        pairs = zip(then.results, orelse.results, strict=True)
        unified = [self.context.unify_types(*(types.unliteral(self.types[slot]) for slot in pair)) for pair in pairs]
        if not all(isinstance(type_, (types.Number, types.Boolean)) for type_ in unified):
            raise _unknown(node)
        branch = self.add(_Branch(test, then, orelse, tuple(unified)), types.none)
        return [self.add(_Merged(branch, position), type_) for position, type_ in enumerate(unified)]

    # ------------------------------------------------------------------------------------------ expressions

    def value(self, node: ast.expr) -> Slot:
        """The slot of an expression's value."""
        match node:
            case ast.Name(id=name):
                return self.name(name, node)
            case ast.Constant():
                return self.constant(node.value, node)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(number, bool):
                return self.constant(-number, node)  # as Python's own compiler does
            case ast.UnaryOp():
                return self.apply(_OPERATORS[type(node.op)], [self.value(node.operand)], node)
            case ast.BinOp() if type(node.op) in _OPERATORS:
                return self.apply(_OPERATORS[type(node.op)], [self.value(node.left), self.value(node.right)], node)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return self.apply(_OPERATORS[type(op)], [self.value(left), self.value(right)], node)
            case ast.Call(func=function, args=args, keywords=[]):
                return self.apply(self.global_value(function), [self.value(arg) for arg in args], node)
            case ast.Attribute():
                return self.constant(self.global_value(node), node)
            case ast.IfExp():
                return self.choice(self.test(node.test), lambda: self.value(node.body), lambda: self.value(node.orelse), node)
            case ast.BoolOp():
                return self.connected(node.values, node)
            case _:
                raise _unknown(node)

    def name(self, name: str, node: ast.AST) -> Slot:
        slot = self.names.get(name)
        return self.constant(self.found(name, node), node) if slot is None else slot

    def found(self, name: str, node: ast.AST) -> Any:
        """What a name that is no variable stands for."""
        if name in self.locals:
            raise _unknown(node)
        if name in self.namespace:
            return self.namespace[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise _unknown(node)

    def global_value(self, node: ast.expr) -> Any:
        """What ``f`` or ``math.exp`` stands for."""
        match node:
            case ast.Name(id=name):
                return self.found(name, node)
            case ast.Attribute(value=inner, attr=word):
                module = self.global_value(inner)
                if isinstance(module, ModuleType) and hasattr(module, word):
                    return getattr(module, word)
        raise _unknown(node)

    def constant(self, value: Any, node: ast.AST) -> Slot:
        if type(value) not in (bool, int, float):
            raise _unknown(node)
        type_ = self.context.resolve_value_type_prefer_literal(value)
        return self.add(_Constant(value), _plain(type_))

    def apply(self, function: Any, args: Sequence[Slot], node: ast.AST) -> Slot:
        """A call of a function, or an operator, on values whose types are known."""
        given = tuple(self.types[slot] for slot in args)
        key = (function, given)
        if key not in self.callees:
            self.callees[key] = self.callee(function, given, node)
        callee = self.callees[key]
        return self.add(_Apply(callee, tuple(args)), callee.signature.return_type)

    def callee(self, function: Any, given: tuple[Any, ...], node: ast.AST) -> _Callee:
        known = self.context.resolve_value_type(function)
        signature = self.context.resolve_function_type(known, given, {})
        if signature is None or signature.recvr is not None:
            raise _unknown(node)
        _plain(signature.return_type)
        params = signature.pysig.parameters.values() if signature.pysig else ()
        starred = any(param.kind is param.VAR_POSITIONAL for param in params)
        if len(signature.args) != (1 if starred else len(given)) or (starred and len(signature.args[0]) != len(given)):
            raise _unknown(node)
        return _Callee(known, signature, starred)

    def test(self, node: ast.expr) -> Slot:
        slot = self.value(node)
        if not isinstance(self.types[slot], types.Boolean):
            raise _unknown(node)
        return slot

    def choice(self, test: Slot, yes: Callable[[], Slot], no: Callable[[], Slot], node: ast.expr) -> Slot:
        """``yes if test else no``, of which only one is computed."""

        def arm(side: Callable[[], Slot]) -> _Arm:
            slots: list[Slot] = []
            steps, _ = self.arm(lambda: slots.append(side()))
            return _Arm(steps, tuple(slots))

        (merged,) = self.merge(test, arm(yes), arm(no), node)
        return merged

    def connected(self, values: Sequence[ast.expr], node: ast.BoolOp) -> Slot:
        """``a and b and c`` of bools: each decides whether the next is asked."""
        first, *others = values
        test = self.test(first)
        if not others:
            return test
        if isinstance(node.op, ast.And):
            return self.choice(test, lambda: self.connected(others, node), lambda: test, node)
        return self.choice(test, lambda: test, lambda: self.connected(others, node), node)

    def result(self, node: ast.expr) -> Slot:
        """What the function returns, where a literal is a number like any other."""
        if isinstance(node, ast.Tuple):
            parts = tuple(self.result(part) for part in node.elts)
            return self.add(_Pack(parts), types.BaseTuple.from_types([types.unliteral(self.types[part]) for part in parts]))
        slot = self.value(node)
        return self.add(_Same(slot), types.unliteral(self.types[slot]))


def _bound(body: Sequence[ast.AST]) -> Iterator[str]:
    """The names that statements bind, those of both arms of a branch included."""
    for node in body:
        match node:
            case ast.Assign():
                yield from _bound(node.targets)
            case ast.AugAssign():
                yield from _bound([node.target])
            case ast.Tuple():
                yield from _bound(node.elts)
            case ast.Name(id=name):
                yield name
            case ast.If():
                yield from _bound(node.body)
                yield from _bound(node.orelse)


def _plain(type_: Any) -> Any:
    """The type of numbers, bools, tuples of them, or of nothing; others have memory to look after."""
    parts = tuple(type_) if isinstance(type_, types.BaseTuple) else (type_,)
    if not all(isinstance(part, (types.Integer, types.Float, types.Boolean, types.NoneType)) for part in parts):
        raise NotStraight(f"a value of type {type_}")
    return type_


def _unknown(node: ast.AST) -> NotStraight:
    return NotStraight(f"line {getattr(node, 'lineno', 0)}: {type(node).__name__}")


# ---------------------------------------------------------------------------------------------- typed steps -> instructions


class _Writing:
    """One walk through typed steps, with the instruction that gives the value of each."""

    def __init__(self, context: Any, builder: Any, inputs: Any) -> None:
        self.context, self.builder, self.inputs = context, builder, inputs
        self.values: dict[Slot, Any] = {}
        self.types: dict[Slot, Any] = {}
        self.implementations: dict[int, Callable[..., Any]] = {}

    def run(self, steps: Sequence[_Typed]) -> Any:
        """Writes the steps; returns the value of the last."""
        for typed in steps:
            self.types[typed.slot] = typed.type
            self.values[typed.slot] = self.step(typed)
        return self.values[steps[-1].slot] if steps else None

    def step(self, typed: _Typed) -> Any:
        match typed.step:
            case _Argument(position):
                return self.builder.extract_value(self.inputs, position)
            case _Constant(value):
                return self.context.get_constant_generic(self.builder, typed.type, value)
            case _Apply(callee, args):
                wanted = callee.signature.args[0] if callee.starred else callee.signature.args
                given = list(map(self.cast, args, wanted))
                return self.implementation(callee)(
                    self.builder, [cgutils.make_anonymous_struct(self.builder, given)] if callee.starred else given
                )
            case _Part(whole, position):
                return self.builder.extract_value(self.values[whole], position)
            case _Pack(parts):
                return self.context.make_tuple(self.builder, typed.type, list(map(self.cast, parts, typed.type)))
            case _Same(slot):
                return self.cast(slot, typed.type)
            case _Branch():
                return self.branch(typed.step)
            case _Merged(branch, position):
                return self.values[branch][position]
            case _Stop(test, error, args):
                with self.builder.if_then(self.values[test], likely=False):
                    self.context.call_conv.return_user_exc(self.builder, error, args)
                return None
            case _:
                raise TypeError(f"not a step: {typed.step!r}")

    def cast(self, slot: Slot, type_: Any) -> Any:
        return self.context.cast(self.builder, self.values[slot], self.types[slot], type_)

    def implementation(self, callee: _Callee) -> Callable[..., Any]:
        """What Numba would call; the one object that stands for a callee is kept by the steps."""
        if id(callee) not in self.implementations:
            self.implementations[id(callee)] = self.context.get_function(callee.function, callee.signature)
        return self.implementations[id(callee)]

    def branch(self, step: _Branch) -> list[Any]:
        """Both arms, and a phi for each value that they lead to."""
        sides = []
        with self.builder.if_else(self.values[step.test]) as arms:
            for arm, side in zip((step.then, step.orelse), arms, strict=True):
                with side:
                    self.run(arm.steps)
                    values = [self.cast(slot, type_) for slot, type_ in zip(arm.results, step.types, strict=True)]
                    sides.append((values, self.builder.block))
        merged = []
        for position, type_ in enumerate(step.types):
            phi = self.builder.phi(self.context.get_value_type(type_))
            for values, block in sides:
                phi.add_incoming(values[position], block)
            merged.append(phi)
        return merged
