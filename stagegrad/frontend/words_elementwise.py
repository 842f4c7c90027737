"""NumPy's elementwise functions that are more than one operation, or that have keywords."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, Any

from stagegrad.frontend.numpy_words import METHODS, WORDS, NumpyWord, word
from stagegrad.frontend.values import Many, Static, Value, describe
from stagegrad.frontend.words_creation import as_type
from stagegrad.ir import FLOAT, Atom
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays

_LARGEST = {64: 1.7976931348623157e308, 32: 3.4028234663852886e38}


def _truth(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """The elements' truth values: bools as they are, of a number whether it differs from zero."""
    atom = low.array(value, node)
    if atom.type.kind == "bool":
        return atom
    return low.emit("ne", [atom, literal(0)], node) if atom.type.rank else low.truth(atom, node)


def _absent(low: Arrays, node: ast.AST, **given: Value) -> None:
    """Refuses arguments that are not supported, where they say anything."""
    for name, value in given.items():
        if low.known(value, node) is not None:
            raise low.refusal(node, f"`{name}=` is not supported here", f"the call without {name}=")


def _is_none(value: Value) -> bool:
    return isinstance(value, Static) and value.thing is None


# ---------------------------------------------------------------------------------------------- choices


@word("where")
def _where(low: Arrays, node: ast.AST, condition: Value, x: Any = None, y: Any = None) -> Value:
    if _is_none(x) and _is_none(y):
        return low.call_word(WORDS["nonzero"], [condition], {}, node)
    test, *arms = _truth(low, node, condition), low.array(x, node), low.array(y, node)
    if {arm.type.kind for arm in arms} == {"bool", "float"} or {arm.type.kind for arm in arms} == {"bool", "int"}:
        raise low.refusal(node, "the two values to choose from are a bool and a number", "numbers: 1.0 for True, 0.0 for False")
    return low.without_axes(low.emit("where", [test, *(low.fitting(arm, node, FLOAT) for arm in arms)], node), node)


@word("select")
def _select(low: Arrays, node: ast.AST, condlist: Value, choicelist: Value, default: Any = 0.0) -> Value:
    if not isinstance(condlist, Many) or not isinstance(choicelist, Many) or len(condlist.items) != len(choicelist.items):
        raise low.refusal(node, "np.select needs a list of conditions and a list of as many choices", "two lists in brackets")
    found: Value = default
    for test, choice in zip(reversed(condlist.items), reversed(choicelist.items), strict=True):
        found = _where(low, node, test, choice, found)
    return found


@word("clip")
def _clip(low: Arrays, node: ast.AST, a: Value, a_min: Any = None, a_max: Any = None, out: Any = None, min: Any = None,
          max: Any = None) -> Value:  # fmt: skip
    _absent(low, node, out=out)
    return _clipped(low, node, a, a_min if _is_none(min) else min, a_max if _is_none(max) else max)


def _clip_method(low: Arrays, node: ast.AST, a: Value, min: Any = None, max: Any = None, out: Any = None) -> Value:
    _absent(low, node, out=out)
    return _clipped(low, node, a, min, max)


METHODS["clip"] = NumpyWord("array.clip", _clip_method)


def _clipped(low: Arrays, node: ast.AST, a: Value, lower: Value, upper: Value) -> Value:
    x = low.array(a, node)
    bounds = [None if _is_none(bound) else low.fitting(low.array(bound, node), node, FLOAT) for bound in (lower, upper)]
    lo, hi = bounds
    if lo is not None and hi is not None and x.type.rank:
        return low.emit("clip", [x, lo, hi], node)
    found = x if lo is None else low.emit("maximum", [x, lo], node)
    if hi is not None:
        found = low.emit("minimum", [found, hi], node)
    return found if found is not x else low.emit("duplicate", [x], node)


@word("fmax")
def _fmax(low: Arrays, node: ast.AST, x: Value, y: Value) -> Value:
    return _without_nans(low, node, "maximum", x, y)


@word("fmin")
def _fmin(low: Arrays, node: ast.AST, x: Value, y: Value) -> Value:
    return _without_nans(low, node, "minimum", x, y)


def _without_nans(low: Arrays, node: ast.AST, op: str, x: Value, y: Value) -> Value:
    """The larger or the smaller of two numbers, the other one where one of them is nan."""
    first, second = low.array(x, node), low.array(y, node)
    chosen = low.emit(op, [first, second], node)
    if first.type.kind == "float":
        chosen = low.emit("where", [_test(low, node, "isnan", first), second, chosen], node)
    if second.type.kind == "float":
        chosen = low.emit("where", [_test(low, node, "isnan", second), first, chosen], node)
    return chosen


def _test(low: Arrays, node: ast.AST, op: str, *args: Atom) -> Atom:
    return low.emit(op, args, node, [("lib", "numpy")] if op.startswith("is") else [])


@word("heaviside")
def _heaviside(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    return low.emit("heaviside", [_float(low, node, x1), _float(low, node, x2)], node, [("lib", "numpy")])


def _float(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """The operand as floats; ints and bools become floats of 64 bits, as in NumPy."""
    atom = low.array(value, node)
    return atom if atom.type.kind == "float" else as_type(low, node, atom, FLOAT)


@word("nan_to_num")
def _nan_to_num(low: Arrays, node: ast.AST, x: Value, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Value:
    if low.known(copy, node) is not True:
        raise low.refusal(node, "`copy=False` writes to the argument, which is not supported here", "x = np.nan_to_num(x)")
    found = _float(low, node, x)
    largest = _LARGEST[found.type.bits]
    for bound, sign, default in ((neginf, -1.0, -largest), (posinf, 1.0, largest)):
        end = low.emit("eq", [found, literal(sign * math.inf)], node)
        found = low.emit("where", [end, literal(default) if _is_none(bound) else _float(low, node, bound), found], node)
    return low.emit("where", [_test(low, node, "isnan", found), _float(low, node, nan), found], node)


# ---------------------------------------------------------------------------------------------- rounding


@word("round around", method=True)
def _round(low: Arrays, node: ast.AST, a: Value, decimals: Any = 0, out: Any = None) -> Value:
    _absent(low, node, out=out)
    x, digits = low.array(a, node), low.known(decimals, node)
    if not isinstance(digits, int) or abs(digits) > 22:
        raise low.refusal(node, "`decimals` is a whole constant between -22 and 22 here", "np.round(x, 2)")
    if x.type.kind != "float":
        if digits >= 0 and x.type.kind == "int":
            return low.emit("duplicate", [x], node) if x.type.rank else x
        raise low.refusal(node, f"this needs floats, and it is {describe(x)}", ".astype(float) behind it")
    if digits == 0:
        return low.emit("rint", [x], node, [("lib", "numpy")])
    # NumPy's own way: the error of the product is part of the answer.
    there, back = ("mul", "div") if digits > 0 else ("div", "mul")
    factor = literal(10.0 ** abs(digits))
    whole = low.emit("rint", [low.emit(there, [x, factor], node)], node, [("lib", "numpy")])
    return low.emit(back, [whole, factor], node)


@word("fix")
def _fix(low: Arrays, node: ast.AST, x: Value) -> Value:
    return low.emit("trunc", [_float(low, node, x)], node, [("lib", "numpy")])


# ---------------------------------------------------------------------------------------------- functions


@word("sinc")
def _sinc(low: Arrays, node: ast.AST, x: Value) -> Value:
    return low.emit("sinc", [_float(low, node, x)], node, [("lib", "numpy")])


@word("float_power")
def _float_power(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    base, exponent = (as_type(low, node, low.array(value, node), FLOAT) for value in (x1, x2))
    return low.emit("pow", [base, exponent], node, [("lib", "numpy")])


@word("sign")
def _sign(low: Arrays, node: ast.AST, x: Value) -> Value:
    atom = low.array(x, node)
    if atom.type.kind == "bool":
        raise low.refusal(node, "a bool has no sign", "numbers")
    return low.emit("sign", [atom], node, [("lib", "numpy")])


@word("positive")
def _positive(low: Arrays, node: ast.AST, x: Value) -> Value:
    atom = low.array(x, node)
    return low.emit("duplicate", [atom], node) if atom.type.rank else atom


@word("rad2deg degrees")
def _degrees(low: Arrays, node: ast.AST, x: Value) -> Value:
    return low.emit("degrees", [_float(low, node, x)], node, [("lib", "numpy")])


# ---------------------------------------------------------------------------------------------- truth values


@word("logical_not")
def _logical_not(low: Arrays, node: ast.AST, x: Value) -> Value:
    return low.emit("not", [_truth(low, node, x)], node)


@word("logical_and")
def _logical_and(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    return low.emit("and", [_truth(low, node, x1), _truth(low, node, x2)], node)


@word("logical_or")
def _logical_or(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    return low.emit("or", [_truth(low, node, x1), _truth(low, node, x2)], node)


@word("logical_xor")
def _logical_xor(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    return low.emit("ne", [_truth(low, node, x1), _truth(low, node, x2)], node)


@word("signbit")
def _signbit(low: Arrays, node: ast.AST, x: Value) -> Value:
    marked = low.emit("copysign", [literal(1.0), _float(low, node, x)], node, [("lib", "numpy")])
    return low.emit("lt", [marked, literal(0.0)], node)


@word("isposinf")
def _isposinf(low: Arrays, node: ast.AST, x: Value) -> Value:
    return low.emit("eq", [_float(low, node, x), literal(math.inf)], node)


@word("isneginf")
def _isneginf(low: Arrays, node: ast.AST, x: Value) -> Value:
    return low.emit("eq", [_float(low, node, x), literal(-math.inf)], node)


@word("isclose")
def _isclose(low: Arrays, node: ast.AST, a: Value, b: Value, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: Any = False) -> Value:
    x, y = _float(low, node, a), _float(low, node, b)
    allowed = low.emit("add", [_float(low, node, atol), low.emit("mul", [_float(low, node, rtol), low.emit("abs", [y], node)], node)], node)
    near = low.emit("le", [low.emit("abs", [low.emit("sub", [x, y], node)], node), allowed], node)
    found = low.emit("and", [near, _test(low, node, "isfinite", y)], node)
    found = low.emit("or", [found, low.emit("eq", [x, y], node)], node)
    if not low.known(equal_nan, node):
        return found
    both = low.emit("and", [_test(low, node, "isnan", x), _test(low, node, "isnan", y)], node)
    return low.emit("or", [found, both], node)


@word("allclose")
def _allclose(low: Arrays, node: ast.AST, a: Value, b: Value, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: Any = False) -> Value:
    close = low.array(_isclose(low, node, a, b, rtol, atol, equal_nan), node)
    return low.call_word(WORDS["all"], [close], {}, node) if close.type.rank else close
