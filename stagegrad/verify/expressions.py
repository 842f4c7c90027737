"""Formulas as an oracle: the text of an expression, evaluated by walking its syntax tree, never by `eval` or `sympify`.

Independent of the compiler's own formula frontend on purpose: a proof compares two readings of the same text.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from stagegrad.verify.functions import Functions
from stagegrad.verify.reals import Real, Unsupported, is_whole

_CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e, "E": math.e, "tau": math.tau, "inf": math.inf, "oo": math.inf}

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Invert: operator.invert,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


def _meaning(table: Mapping[Any, Callable[..., Any]], symbol: ast.AST) -> Callable[..., Any]:
    if type(symbol) not in table:
        raise Unsupported(f"a {type(symbol).__name__} in a formula")
    return table[type(symbol)]


class Expression:
    """The text of an expression, with assignments before it if there are any: ``s = x + y; s*s``."""

    def __init__(self, text: str) -> None:
        try:
            self.statements = ast.parse(text.strip()).body
        except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
            raise Unsupported(f"the formula is not a plain expression: {error}") from None

    def __call__(self, functions: Functions, names: Mapping[str, Any]) -> Any:
        """Its value, given what the names mean."""
        scope = _Scope(functions, dict(names))
        answer: Any = None
        for statement in self.statements:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    answer = scope.names[name] = scope.value(value)
                case ast.Expr(value=value) | ast.Return(value=ast.expr() as value):
                    answer = scope.value(value)
                case _:
                    raise Unsupported(f"a {type(statement).__name__} in a formula")
        return answer


class _Scope:
    """Names and functions, while one formula is evaluated."""

    def __init__(self, functions: Functions, names: dict[str, Any]) -> None:
        self.functions, self.names = functions, names

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() as number):
                return number
            case ast.Constant(value=float() as number):
                return self.functions.world.lift(number)
            case ast.Name(id=name):
                return self._name(name)
            case ast.BinOp():
                return self._chain(node)
            case ast.UnaryOp():
                return _meaning(_UNARY, node.op)(self.value(node.operand))
            case ast.Compare():
                return self._comparison(node)
            case ast.BoolOp():
                return self._logic(node)
            case ast.IfExp():
                return self.value(node.body if self.value(node.test) else node.orelse)
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return self._call(name, node.args)
            case _:
                raise Unsupported(f"a {type(node).__name__} in a formula")

    def _name(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        if name in _CONSTANTS:
            return self.functions.world.lift(_CONSTANTS[name])
        raise Unsupported(f"the formula's name {name!r} has no value")

    def _chain(self, node: ast.BinOp) -> Any:
        """A sum of thousands of terms is a tree that leans left: it is walked down, then folded up."""
        spine: list[ast.BinOp] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            spine.append(left)
            left = left.left
        answer = self.value(left)
        for link in reversed(spine):
            answer = self._binary(link.op, answer, self.value(link.right))
        return answer

    def _binary(self, kind: ast.operator, left: Any, right: Any) -> Any:
        # Division and powers leave the whole numbers; there they have to be exact, not rounded to a float.
        if isinstance(kind, (ast.Div, ast.Pow)) and not isinstance(left, Real):
            left = self.functions.world.lift(left)
        return _meaning(_BINARY, kind)(left, right)

    def _comparison(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for kind, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            if not _meaning(_COMPARE, kind)(left, right):
                return False
            left = right
        return True

    def _logic(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        answer: Any = None
        for operand in node.values:
            answer = self.value(operand)
            if bool(answer) is stop:
                break
        return answer

    def _piecewise(self, arguments: list[ast.expr]) -> Any:
        for argument in arguments:
            match argument:
                case ast.Tuple(elts=[value, condition]):
                    if self.value(condition):
                        return self.value(value)
                case _:
                    raise Unsupported("a Piecewise without pairs")
        raise ValueError("no piece applies")

    def _call(self, name: str, arguments: list[ast.expr]) -> Any:
        function = self.functions(name)
        if name == "Piecewise":
            return self._piecewise(arguments)
        if function is None or name in self.names:
            raise Unsupported(f"the function {name!r} has no exact meaning here")
        if name == "where" and len(arguments) == 3:
            return self.value(arguments[1] if self.value(arguments[0]) else arguments[2])
        values = [self.value(argument) for argument in arguments]
        if name == "round" and all(map(is_whole, values)):
            return round(*values)
        return function(*values)
