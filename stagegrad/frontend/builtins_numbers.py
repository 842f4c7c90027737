"""Python's own functions of numbers, those of `math` as well: how a call of each becomes stages."""

from __future__ import annotations

import ast
import math
import operator
from functools import partial
from typing import TYPE_CHECKING

from stagegrad.frontend.forms import Handler, multiplying, searching
from stagegrad.frontend.stages import Strength
from stagegrad.frontend.values import (
    Closure,
    Many,
    Static,
    Value,
)  # fmt: skip
from stagegrad.ir import FLOAT, INT, Atom, Lit
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.calls import Calls


def _abs(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "abs", node)
    return low.emit("abs", low.operands(args, node), node)


def _pow(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 2, 2, "pow", node)
    return low.operate("pow", args[0], args[1], node)


def _int(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "int", node)
    atom = low.atom(args[0], node)
    if atom.type.kind != "float":
        return low.converted(atom, INT, node)
    return low.emit("to_int", [atom], node)


def float_of(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "float", node)
    match args[0]:
        case Static(str() as text):
            try:
                return literal(float(text))
            except ValueError:
                raise low.refusal(node, f"could not convert string to float: {text!r}") from None
        case value:
            atom = low.atom(value, node)
            if low.strength(atom) is not Strength.WEAK and any(var.type.bits == 32 for var in low.given):
                return low.emit("cast", [atom], node, (("bits", 64),))  # a float of Python, which leaves 32-bit floats narrow
            return low.converted(atom, FLOAT, node)


def _bool(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "bool", node)
    return low.truth(args[0], node)


def _round(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 2, "round", node)
    atom = low.atom(args[0], node)
    nothing = len(args) == 1 or (isinstance(args[1], Static) and args[1].thing is None)
    digits = None if nothing else low.atom(args[1], node)
    if atom.type.kind != "float":
        if digits is not None and not (isinstance(digits, Lit) and int(digits.value or 0) >= 0):
            raise low.refusal(node, "an int can be rounded to a known number of digits behind the point only")
        return low.converted(atom, INT, node)
    if digits is None:
        return low.emit("round_int", [atom], node)
    return low.emit("round_digits", [atom, low.whole(digits, node, "the number of digits")], node)


def _divmod(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 2, 2, "divmod", node)
    x, y = low.atoms(args, node)
    return Many((low.arithmetic("floordiv", x, y, node), low.arithmetic("mod", x, y, node)))


def _extreme(low: Calls, args: list[Value], node: ast.Call, op: str) -> Value:
    if len(args) == 1 and low.is_counted(args[0]):
        return low.inlined(Closure(searching(args[0], op, node), low.frame), node)
    items = list(args[0].items) if len(args) == 1 and isinstance(args[0], Many) else args
    if not items or (len(args) == 1 and not isinstance(args[0], Many)):
        raise low.unknown(node, f"{op} needs two numbers or more, or a tuple of them")
    found, *others = low.atoms(items, node)
    for other in others:
        found = low.emit(op, [found, other], node)
    return found


def _whole_part(low: Calls, args: list[Value], node: ast.Call, op: str) -> Value:
    low.expect(args, 1, 1, f"math.{op.removesuffix('_int')}", node)
    atom = low.atom(args[0], node)
    if atom.type.kind != "float":
        return low.converted(atom, INT, node)
    return low.emit(op, [low.converted(atom, FLOAT, node)], node)


def _log(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 2, "math.log", node)
    atoms = [low.converted(atom, FLOAT, node) if atom.type.bits == 32 else atom for atom in low.atoms(args, node)]
    logs = [low.emit("log", [low.fitting(atom, node, FLOAT)], node) for atom in atoms]
    return logs[0] if len(logs) == 1 else low.emit("div", logs, node)


def _hypot(low: Calls, args: list[Value], node: ast.Call) -> Value:
    if not args:
        return literal(0.0)
    found, *others = [low.converted(atom, FLOAT, node) for atom in low.atoms(args, node)]
    if not others:
        return low.emit("abs", [found], node)
    for other in others:
        found = low.emit("hypot", [found, other], node)
    return found


def _dist(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 2, 2, "math.dist", node)
    first, second = args
    if not (isinstance(first, Many) and isinstance(second, Many) and len(first.items) == len(second.items)):
        raise low.refusal(node, "math.dist needs two tuples of the same length")
    pairs = zip(low.atoms(first.items, node), low.atoms(second.items, node), strict=True)
    return _hypot(low, [low.arithmetic("sub", x, y, node) for x, y in pairs], node)


def _prod(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "math.prod", node)
    if low.is_counted(args[0]):
        return low.inlined(Closure(multiplying(args[0], node), low.frame), node)
    if not isinstance(args[0], Many):
        raise low.unknown(node, "math.prod needs a tuple", "a loop that multiplies")
    found: Atom = literal(1)
    for k, atom in enumerate(low.atoms(args[0].items, node)):
        found = atom if k == 0 else low.arithmetic("mul", found, atom, node)
    return found


def _gcd(low: Calls, args: list[Value], node: ast.Call) -> Value:
    found: Atom = literal(0)
    for k, atom in enumerate(low.atoms(args, node)):
        atom = low.whole(atom, node, "an argument of math.gcd")
        found = atom if k == 0 and len(args) > 1 else low.emit("gcd", [found, atom], node)
    return found


def _modf(low: Calls, args: list[Value], node: ast.Call) -> Value:
    """``math.modf(x)``: both parts have the sign of x, and an infinite x has no fraction."""
    low.expect(args, 1, 1, "math.modf", node)
    x = low.converted(low.atom(args[0], node), FLOAT, node)
    infinite = low.emit("isinf", [x], node)
    fraction = low.choose(infinite, lambda: low.emit("copysign", [literal(0.0), x], node),
                          lambda: low.emit("fmod", [x, literal(1.0)], node), node)  # fmt: skip
    return Many((fraction, low.emit("trunc", [x], node)))


def _factorial(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "math.factorial", node)
    atom = low.whole(low.atom(args[0], node), node, "the argument of math.factorial")
    if isinstance(atom, Lit) and 0 <= int(atom.value or 0) <= 170:
        return literal(math.factorial(int(atom.value or 0)))
    return low.prelude("factorial", [atom], node)


def _operator(low: Calls, args: list[Value], node: ast.Call, op: str) -> Value:
    """``operator.mul(x, y)``, which is ``x * y``."""
    low.expect(args, 2, 2, f"operator.{op}", node)
    return low.operate(op, args[0], args[1], node)


#: The operators as functions.
_OPERATORS: dict[object, Handler] = {
    getattr(operator, name): partial(_operator, op=op)
    for name, op in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floordiv", "mod": "mod", "pow": "pow"}.items()
}


def _counted(low: Calls, args: list[Value], node: ast.Call, name: str) -> Value:
    """``math.comb(n, k)`` and its kin, for ints: at once where they are constants."""
    low.expect(args, 2, 2, f"math.{name}", node)
    numbers = [low.whole(low.atom(arg, node), node, f"an argument of math.{name}") for arg in args]
    known = [number.value for number in numbers if isinstance(number, Lit) and type(number.value) is int]
    if len(known) == 2 and min(known) >= 0:
        return low.fitting(literal(getattr(math, name)(*known)), node)
    return low.prelude(name, list(numbers), node)


#: How calls of these are lowered.
NUMBERS: dict[object, Handler] = {
    abs: _abs, pow: _pow, int: _int, float: float_of, bool: _bool, round: _round, divmod: _divmod,
    max: partial(_extreme, op="max"), min: partial(_extreme, op="min"),
    math.floor: partial(_whole_part, op="floor_int"), math.ceil: partial(_whole_part, op="ceil_int"),
    math.trunc: partial(_whole_part, op="trunc_int"), math.log: _log, math.hypot: _hypot, math.dist: _dist, math.prod: _prod,
    math.modf: _modf, math.gcd: _gcd, math.factorial: _factorial, **_OPERATORS,
    math.comb: partial(_counted, name="comb"), math.perm: partial(_counted, name="perm"), math.lcm: partial(_counted, name="lcm"),
}  # fmt: skip
