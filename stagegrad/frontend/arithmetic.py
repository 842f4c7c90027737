"""Operators on values: arithmetic, comparisons and truth, as Python has them for numbers, tuples and texts."""

from __future__ import annotations

import ast
import enum
import operator
from collections.abc import Callable, Sequence
from typing import Any

from stagegrad.errors import NeedsTypes
from stagegrad.frontend.emitter import Emitter
from stagegrad.frontend.operators import COMPARISONS
from stagegrad.frontend.scope import MISSING
from stagegrad.frontend.stages import Poisoned
from stagegrad.frontend.values import FALSE, TRUE, Closure, Many, Numbers, Range, Record, Static, Unfit, Value, describe, leaves
from stagegrad.ir import BOOL, FLOAT, INT, Atom, Lit, Type, Var
from stagegrad.ops import literal

_SYMBOLS = {"bitand": "&", "bitor": "|", "bitxor": "^", "shl": "<<", "shr": ">>"}
_ON_BOOLS = {"bitand": "and", "bitor": "or", "bitxor": "ne"}
_DECIDE: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
_FOLD: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv, "mod": operator.mod,
}  # fmt: skip
_LARGEST = 2**63
_MANY = 10_000


class Arithmetic(Emitter):
    """Lowers operations on values."""

    def atom(self, value: Value, node: ast.AST) -> Atom:
        """The value as a number, or a refusal that says what it is instead."""
        found = self.numeric(value, node)
        if found.type.rank:
            raise self.refusal(node, f"a number is needed here, and this is {describe(found)}", "one element of it, or np.* for the whole")
        return found

    def numeric(self, value: Value, node: ast.AST) -> Atom:
        """The value as a number or an array, or a refusal that says what it is instead."""
        match value:
            case Var() | Lit():
                return value
            case Unfit(message, advice):
                if not message:
                    raise Poisoned
                raise self.refusal(node, message, advice)
            case _:
                raise self.refusal(node, f"a number is needed here, and this is {describe(value)}")

    def operands(self, values: Sequence[Value], node: ast.AST) -> list[Atom]:
        """Numbers and arrays that meet in one operation."""
        return [self.numeric(value, node) for value in values]

    def usable(self, value: Value, node: ast.AST) -> Value:
        """The value, unless it must not be read."""
        if isinstance(value, Unfit):
            self.atom(value, node)
        return value

    def check_size(self, values: Sequence[Value], node: ast.AST) -> None:
        """Refuses tuples of tuples that hold more numbers than a program can name."""
        if sum(1 for value in values for _ in leaves(value)) > _MANY:
            raise self.refusal(node, f"more than {_MANY} numbers in tuples", "a loop over a range")

    def new_list(self, items: Sequence[Value]) -> Many:
        """A list of the function's own."""
        raise NotImplementedError

    def new_ident(self) -> int:
        """What a list or a dict of the function's own goes by."""
        raise NotImplementedError

    def repeated(self, many: Many, times: Value, node: ast.AST) -> Value:
        """A list of one number, repeated as often as is known at run time only."""
        raise NotImplementedError

    def joined_lists(self, left: Value, right: Value, node: ast.AST) -> Value | None:
        """``left + right`` for lists of which one is of computed length; None for anything else."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------ operators

    def operate(self, op: str, left: Value, right: Value, node: ast.AST) -> Value:
        """``left op right`` as Python has it for numbers; two tuples may be added."""
        left, right = self.usable(left, node), self.usable(right, node)
        if op == "bitor" and isinstance(left, Record) and isinstance(right, Record) and left.display == right.display == "dict":
            both = dict(zip(left.names, left.items, strict=True)) | dict(zip(right.names, right.items, strict=True))
            return Record("dict", tuple(both), tuple(both.values()), ident=self.new_ident())
        if op == "add" and isinstance(left, Many) and isinstance(right, Many) and left.display == right.display != "iterator":
            items = left.items + right.items
            return Many(items) if left.display == "tuple" else self.new_list(items)
        if op == "add" and (joined := self.joined_lists(left, right, node)) is not None:
            return joined
        if any(map(self.is_array, (left, right))) or not op:
            return self.on_arrays(op, left, right, node)
        if op == "mul" and (many := _repetition(left, right)):
            self.shared(many[0])
            items = many[0].items * many[1]
            self.check_size(items, node)
            return Many(items) if many[0].display == "tuple" else self.new_list(items)
        if op == "mul" and (single := _repeated_at_run_time(left, right)):
            return self.repeated(*single, node)
        if op == "mul" and (repeated := next((side for side in (left, right) if isinstance(side, Many)), None)):
            if any(isinstance(item, Many | Numbers) for item in repeated.items):
                message = "this list would hold one list several times: what is written to it in one place is seen in all"
                raise self.refusal(node, message, "[[0.0] * m for _ in range(n)]")
            message = f"a number is needed here, and this is {describe(repeated)}; repeating it with * is not supported"
            raise self.refusal(node, message, "an array: np.zeros(n), np.full(n, x)")
        if op == "mod" and isinstance(left, Static) and isinstance(left.thing, str):
            raise self.refusal(node, "text formatted with % is not supported", 'an f-string: f"... {x}"')
        x, y = self.atom(left, node), self.atom(right, node)
        if op in _SYMBOLS:
            return self.bitwise(op, x, y, node)
        if op == "pow":
            return self.power(x, y, node)
        return self.arithmetic(op, x, y, node)

    def is_array(self, value: Value) -> bool:
        """Whether the value is an array."""
        return isinstance(value, Var | Lit) and value.type.rank > 0

    def on_arrays(self, op: str, left: Value, right: Value, node: ast.AST) -> Value:
        """``left op right`` where one of them is an array; an empty `op` is a matrix product."""
        raise NotImplementedError

    def arithmetic(self, op: str, x: Atom, y: Atom, node: ast.AST) -> Atom:
        """+ - * / // %: a stage, save that ints known at compile time are computed as Python's own compiler does."""
        if op in _FOLD and x.type == y.type == INT and isinstance(x, Lit) and isinstance(y, Lit):
            if y.value == 0 and op in ("floordiv", "mod"):
                raise self.refusal(node, "division by zero")
            return self.fitting(literal(_FOLD[op](int(x.value or 0), int(y.value or 0))), node)
        x, y = self.fitting(x, node, y.type), self.fitting(y, node, x.type)
        return self.emit(op, [x, y], node)

    def fitting(self, atom: Atom, node: ast.AST, beside: Type = INT) -> Atom:
        """The atom, an int constant of more than 64 bits as the float that Python makes of it beside a float."""
        if not isinstance(atom, Lit) or not isinstance(atom.value, int) or -_LARGEST <= atom.value < _LARGEST:
            return atom
        if beside != FLOAT:
            raise self.refusal(node, "this int needs more than 64 bits", "a float")
        return self.converted(atom, FLOAT, node)

    def bitwise(self, op: str, x: Atom, y: Atom, node: ast.AST) -> Atom:
        """& | ^ << >>: for ints, and the first three for bools."""
        if x.type == y.type == BOOL and op in _ON_BOOLS:
            return self.emit(_ON_BOOLS[op], [x, y], node)
        what = f"an operand of {_SYMBOLS[op]}"
        return self.emit(op, [self.whole(x, node, what), self.whole(y, node, what)], node)

    def power(self, base: Atom, exponent: Atom, node: ast.AST) -> Value:
        """``base**exponent``; an int stays an int where Python keeps it one."""
        base, exponent = (self.converted(atom, INT, node) if atom.type == BOOL else atom for atom in (base, exponent))
        if base.type == INT and exponent.type == INT:
            return self.int_power(base, exponent, node)
        base = base if base.type.kind == "float" else self.converted(base, FLOAT, node)
        if isinstance(exponent, Lit) and exponent.type == INT and exponent.value == 2:
            return self.emit("square", [base], node)
        return self.emit("pow", [base, self.fitting(exponent, node, FLOAT)], node)

    def int_power(self, base: Atom, exponent: Atom, node: ast.AST) -> Value:
        """An int to an int: repeated products for a constant exponent, a checked loop for any other."""
        if not isinstance(exponent, Lit):
            if isinstance(base, Lit) and base.value == -1:  # exact for every exponent, and the usual way to alternate signs
                odd = self.emit("mod", [exponent, literal(2)], node)
                return self.emit("sub", [literal(1), self.emit("mul", [literal(2), odd], node)], node)
            return self.prelude("integer_power", [base, exponent], node)
        count = int(exponent.value or 0)
        if count < 0:
            return self.emit("pow", [self.converted(base, FLOAT, node), exponent], node)
        if isinstance(base, Lit):
            if count * int(base.value or 0).bit_length() > 2048:
                raise self.refusal(node, "this power is too large", "a float base")
            return literal(int(base.value or 0) ** count)
        if count > 63:
            return self.prelude("integer_power", [base, exponent], node)
        return self._repeated(base, count, node)

    def _repeated(self, base: Atom, count: int, node: ast.AST) -> Atom:
        result: Atom | None = None
        while count:
            if count % 2:
                result = base if result is None else self.emit("mul", [result, base], node)
            count //= 2
            if count:
                base = self.emit("square", [base], node)
        return literal(1) if result is None else result

    def prelude(self, name: str, args: list[Value], node: ast.AST) -> Value:
        """A call of one of the functions that stand for Python's own (`prelude`)."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------ truth and comparisons

    def truth(self, value: Value, node: ast.AST) -> Atom:
        """Is it true, as `if` asks?"""
        match self.usable(value, node):
            case Lit(constant):
                return Lit(bool(constant), BOOL)
            case found if self.is_array(found):
                raise self.refusal(node, "an array is neither true nor false", "np.any(...) or np.all(...), or a comparison of one element")
            case Var() as var:
                return var if var.type == BOOL else self.emit("is_true", [var], node)
            case Many(items, display):
                return Lit(bool(items) or display == "iterator", BOOL)
            case Record(display, items=items):
                return Lit(bool(items) or display == "record", BOOL)
            case Static(None | str() as thing):
                return Lit(bool(thing), BOOL)
            case Closure():
                return TRUE
            case other:
                raise self.refusal(node, f"{describe(other)} cannot be a condition", "a comparison")

    def comparison(self, op: ast.cmpop, left: Value, right: Value, node: ast.AST) -> Atom:
        """One comparison of two values; decided at compile time where both are known."""
        if isinstance(op, ast.Is | ast.IsNot):
            if isinstance(left, Var | Lit) and isinstance(right, Var | Lit) and left.type == right.type == BOOL:
                return self.comparison(ast.Eq() if isinstance(op, ast.Is) else ast.NotEq(), left, right, node)
            return Lit(self._identical(left, right, node) == isinstance(op, ast.Is), BOOL)
        if isinstance(op, ast.In | ast.NotIn):
            found = self._contained(left, right, node)
            return found if isinstance(op, ast.In) else self.negated(found, node)
        name = COMPARISONS[type(op)]
        function = _DECIDE[name]
        if isinstance(left, Static) and isinstance(right, Static) and isinstance(left.thing, str) and isinstance(right.thing, str):
            return Lit(function(left.thing, right.thing), BOOL)
        if isinstance(op, ast.Eq | ast.NotEq) and _is_member(left) and _is_member(right):
            return Lit((left == right or self._identical(left, right, node)) == isinstance(op, ast.Eq), BOOL)
        if isinstance(op, ast.Eq | ast.NotEq) and _none_or_text(left) != _none_or_text(right):
            self.decided_by_type(node)
            return Lit(isinstance(op, ast.NotEq), BOOL)
        x, y = self.operands((left, right), node)
        if isinstance(x, Lit) and isinstance(y, Lit) and x.value is not None and y.value is not None:
            return Lit(function(x.value, y.value), BOOL)
        return self.emit(name, [self.fitting(x, node, y.type), self.fitting(y, node, x.type)], node)

    def _identical(self, left: Value, right: Value, node: ast.AST) -> bool:
        known = [value.thing if isinstance(value, Static) else MISSING for value in (left, right)]
        if MISSING in known and known != [MISSING, MISSING]:
            self.decided_by_type(node)
        if MISSING in known and None not in known:
            raise self.refusal(node, "`is` compares identities, which numbers do not keep", "== or !=")
        return known[0] is known[1]

    def _in_range(self, left: Value, over: Range, node: ast.AST) -> Atom:
        """Whether an int is one of a range that goes up by ones."""
        place = self.atom(left, node)
        if place.type.kind == "float" or over.step != literal(1):
            raise self.refusal(node, "`in` needs an int and a range that goes up by ones here", "comparisons: a <= i < b")
        return self.emit("and", [self.emit("le", [over.start, place], node), self.emit("lt", [place, over.stop], node)], node)

    def decided_by_type(self, node: ast.AST) -> None:
        """A test whose answer is another for arguments of other types: while types are guessed, the function waits for a call."""
        if self.compilation.guesses:
            raise NeedsTypes("what this compares depends on the types of the arguments", self.span(node), "a call, or types=")

    def _contained(self, left: Value, right: Value, node: ast.AST) -> Atom:
        if isinstance(right, Record) and right.display == "dict" and (key := _constant_key(left)) is not None:
            return Lit(key in right.names, BOOL)
        if isinstance(right, Range) and not right.once:
            return self._in_range(left, right, node)
        if not isinstance(right, Many):
            raise self.refusal(node, f"`in` needs a tuple here, and this is {describe(right)}", "comparisons joined by `or`")
        if isinstance(left, Var) and left in right.items:
            return TRUE  # Python asks for identity first, which nan has as well
        found: Value = FALSE
        for item in right.items:
            test = self.comparison(ast.Eq(), left, item, node)
            found = test if found == FALSE else self.emit("or", [self.atom(found, node), test], node)
        return self.atom(found, node)


def _repetition(left: Value, right: Value) -> tuple[Many, int] | None:
    """A tuple or a list of a few numbers, and how often it is repeated, where that is a constant: ``[0.0] * 3``."""
    for many, times in ((left, right), (right, left)):
        if not isinstance(many, Many) or not isinstance(times, Lit) or type(times.value) is not int or many.display == "iterator":
            continue
        numbers = all(isinstance(item, Var | Lit) and not item.type.rank for item in many.items)
        return (many, times.value) if numbers and times.value * len(many.items) <= _MANY else None
    return None


def _repeated_at_run_time(left: Value, right: Value) -> tuple[Many, Value] | None:
    """``[x] * n``: a list of one number, and something that may be an int."""
    for many, times in ((left, right), (right, left)):
        if isinstance(many, Many) and many.display == "list" and len(many.items) == 1 and isinstance(times, Var) and not times.type.rank:
            item = many.items[0]
            return (many, times) if isinstance(item, Var | Lit) and not item.type.rank else None
    return None


def _constant_key(value: Value) -> str | int | None:
    """What a dict can be asked for while it is lowered; None for anything else."""
    if isinstance(value, Static) and isinstance(value.thing, str):
        return value.thing
    return value.value if isinstance(value, Lit) and type(value.value) is int else None


def _is_member(value: Value) -> bool:
    """Whether it is a member of an `Enum` that is equal to itself alone."""
    return isinstance(value, Static) and isinstance(value.thing, enum.Enum) and type(value.thing).__eq__ is object.__eq__


def _none_or_text(value: Value) -> bool:
    return isinstance(value, Static) and (value.thing is None or isinstance(value.thing, str))
