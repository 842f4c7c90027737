"""Operators and elementwise functions: on arrays of one shape, broadcast against each other, and beside numbers; choices; index arrays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tests.surface import Array, Entry, Fill, Shape

ROWS = ((0, 3),)
PAIR = ((2, 3), (2, 3))
SPREAD = ((2, 3), (3,))
CROSSED = ((3, 1), (2, 1, 4))
EMPTY = ((0, 3), (0, 3))
SCALED = ((2, 3), ())
#: A step of differences that no kink is as near as.
FINE = 2e-4


def between(rng: np.random.Generator, shape: Shape) -> Array:
    """Numbers of either sign that no rounding is near to."""
    return np.asarray(rng.integers(-3, 4, shape) + rng.uniform(0.1, 0.4, shape))


def unary(name: str, fill: Fill = "normal", **more: Any) -> Entry:
    return Entry(name, f"{name}(x)", fills=(fill,), empty=ROWS, **more)


def binary(name: str, text: str, *fills: Fill, **more: Any) -> list[Entry]:
    """The function on two arrays, broadcast both ways, and with a number on either side."""
    fills = fills or ("normal",)
    turned = re.sub(r"\b[xy]\b", lambda word: {"x": "y", "y": "x"}[word[0]], text)
    return [
        Entry(name, text, PAIR, fills, broadcast=CROSSED, empty=EMPTY, **more),
        Entry(name, text, SCALED, fills, **more),
        Entry(name, turned, SCALED, fills[::-1], **more),
    ]


#: Other names of operators and functions that are compiled under their first name.
ALIAS = {"targets": ("numpy",), "note": "as the operator, or the function of another name"}

OPERATORS = [
    *binary("+", "x + y"),
    *binary("-", "x - y"),
    *binary("*", "x * y"),
    *binary("/", "x / y"),
    *binary("**", "x**y", "positive"),
    *binary("//", "x // y", between, "positive", orders=0),
    *binary("%", "x % y", between, "above 1", orders=1, step=1e-4),
    Entry("**", "x**2 + x**3 - x**4 + x**5", empty=ROWS),
    Entry("**", "x**-1 + x**-3", empty=ROWS, step=5e-4),
    Entry("**", "x**0.5 + x**2.5", fills=("positive",), empty=ROWS, step=5e-4),
    Entry("**", "x**3", fills=("below:5",), orders=0, note="ints stay ints"),
    Entry("- (unary)", "-x", empty=ROWS),
    Entry("comparisons", "(x < y) & (y < 1.5) | (x >= 1.0) ^ (x != y)", PAIR, broadcast=CROSSED, orders=0, empty=EMPTY),
    Entry("comparisons", "~(x <= y) & (x == x) & (x > -y)", PAIR, broadcast=SPREAD, orders=0, empty=EMPTY),
    Entry("int arrays", "(x * y - x // (y + 1) + x % (y + 1)) ^ (x & y | 2)", PAIR, ("below:7",), broadcast=CROSSED, orders=0, empty=EMPTY),
    Entry(
        "int arrays", "x * y / (y + 1) + (y + 1) ** x", PAIR, ("normal", "below:4"), broadcast=CROSSED, empty=EMPTY, float32="ints widen it"
    ),
]
FUNCTIONS = [
    *map(unary, ["np.exp", "np.exp2", "np.expm1", "np.sin", "np.cos", "np.tanh", "np.sinh", "np.cosh", "np.arctan", "np.arcsinh"]),
    *map(unary, ["np.square", "np.abs", "np.cbrt"]),
    *map(unary, ["np.degrees", "np.radians", "np.reciprocal"]),
    *(unary(f"np.{name}", **ALIAS) for name in ["negative", "absolute", "fabs", "rad2deg", "deg2rad", "positive"]),
    *(unary(f"np.{name}", fill="positive", step=5e-4) for name in ["sqrt", "log", "log2", "log10", "log1p"]),
    *(unary(f"np.{name}", fill="within", step=5e-4) for name in ["arcsin", "arccos", "arctanh", "tan"]),
    unary("np.arccosh", fill="above 1", step=5e-4),
    unary("np.sinc"),
    *(Entry(f"np.{name}", f"np.{name}(x, y)", PAIR, **ALIAS) for name in ["add", "subtract", "multiply", "divide", "true_divide"]),
    *binary("np.power", "np.power(x, y)", "positive"),
    *binary("np.float_power", "np.float_power(x, y)", "positive", float32="the result has 64 bits"),
    *binary("np.hypot", "np.hypot(x, y)"),
    *binary("np.arctan2", "np.arctan2(x, y)", "normal", "positive"),
    *binary("np.logaddexp", "np.logaddexp(x, y)"),
    *binary("np.copysign", "np.copysign(x, y)"),
    *binary("np.mod", "np.mod(x, y)", between, "above 1", orders=1, step=1e-4),
    Entry("np.remainder", "np.remainder(x, y)", PAIR, (between, "above 1"), orders=1, step=1e-4, **ALIAS),
    *binary("np.fmod", "np.fmod(x, y)", between, "above 1", orders=1, step=1e-4),
    *binary("np.floor_divide", "np.floor_divide(x, y)", between, "positive", orders=0),
]
ROUNDING = [
    *(unary(f"np.{name}", fill=between, orders=0) for name in ["floor", "ceil", "trunc", "rint", "round", "around", "fix", "sign"]),
    Entry("np.round", "np.round(x, 1) * x", fills=(between,), orders=1, step=1e-6, loose=1e4, empty=ROWS),
    Entry("np.round", "x.round(decimals=-1) + x", fills=(between,), orders=1, empty=ROWS),
]
CHOICES = [
    *binary("np.maximum", "np.maximum(x, y)", step=FINE),
    *binary("np.minimum", "np.minimum(x, y)", step=FINE),
    *binary("np.fmax", "np.fmax(x, y)", step=FINE),
    *binary("np.fmin", "np.fmin(x, y)", step=FINE),
    *binary("np.heaviside", "np.heaviside(x, y)"),
    Entry("np.where", "np.where(x > y, x * y, x - y)", PAIR, broadcast=CROSSED, empty=EMPTY),
    Entry(
        "np.where", "np.where(z, x, y)", (*PAIR, (2, 3)), ("normal", "normal", "bool"), broadcast=(*CROSSED, (3, 4)), empty=(*EMPTY, (0, 3))
    ),
    Entry("np.where", "np.where(x > 0.0, np.log(np.abs(x)), 0.0)", empty=ROWS, step=5e-4),
    Entry("np.where", "np.where(y, x, 1.0)", ((2, 3), (2, 3)), ("normal", "below:2")),
    Entry("np.select", "np.select([x > 1.0, x > 0.0], [x**2, 3.0 * x], -1.0)", empty=ROWS),
    Entry("np.clip", "np.clip(x, -0.5, 1.1)", empty=ROWS, step=FINE),
    Entry("np.clip", "np.clip(x, y, z)", (*PAIR, (2, 3)), broadcast=((2, 3), (3,), (1,)), empty=(*EMPTY, (0, 3)), step=FINE),
    Entry("np.clip", "np.clip(x, None, 1.1) + np.clip(x, 0.4, None)", empty=ROWS, step=FINE),
    Entry("np.clip", "x.clip(0.4, 1.1) + x.clip(max=0.7)", empty=ROWS, step=FINE),
    Entry("np.nan_to_num", "np.nan_to_num(x) * x", empty=ROWS),
    Entry("np.nan_to_num", "np.nan_to_num(np.log(x), nan=0.5, posinf=2.0, neginf=-2.0) + x", empty=ROWS, step=5e-4),
    Entry("np.isnan", "np.isnan(x) | np.isinf(x) | np.isfinite(x)", orders=0, empty=ROWS),
    Entry("np.isposinf", "np.isposinf(x) | np.isneginf(x) | np.signbit(x)", orders=0, empty=ROWS),
    Entry("np.isclose", "np.isclose(x, y, rtol=0.2, equal_nan=True)", PAIR, broadcast=SPREAD, orders=0, empty=EMPTY),
    Entry("np.allclose", "np.allclose(x, y)", PAIR, orders=0, empty=EMPTY),
    Entry("np.logical_and", "np.logical_and(x > 0.0, np.logical_not(y))", PAIR, ("normal", "bool"), orders=0, empty=EMPTY),
    Entry("np.logical_or", "np.logical_or(x > 0.0, np.logical_xor(y, x > 1.0))", PAIR, ("normal", "bool"), orders=0, empty=EMPTY),
    Entry("np.greater", "np.greater(x, y) | np.less_equal(x, 0.5) | np.equal(x, y)", PAIR, broadcast=SPREAD, orders=0, empty=EMPTY),
]
IDIOMS = [
    Entry("sigmoid, as written out", "1.0 / (1.0 + np.exp(-x))", fills=("wide",), empty=ROWS),
    Entry("softplus, as written out", "np.log(1.0 + np.exp(x)) + np.log1p(np.exp(x))", fills=("wide",), empty=ROWS),
    Entry("growth, as written out", "x / (1.0 + np.exp(-y))", PAIR, broadcast=CROSSED, empty=EMPTY),
]
INDICES = [
    Entry("index arrays", "x[y]", ((5,), (2, 3)), ("normal", "below:5"), single=((5,), (1, 1))),
    Entry("index arrays", "x[y]", ((4, 3), (5,)), ("normal", "below:4"), single=((4, 1), (1,)), empty=((4, 0), (0,))),
    Entry("index arrays", "x[:, y]", ((2, 3, 2), (4,)), ("normal", "below:3"), single=((1, 3, 1), (1,)), empty=((0, 3, 2), (4,))),
    Entry("index arrays", "x[..., y]", ((2, 3), (2, 2)), ("normal", "below:3"), single=((1, 3), (1, 1))),
    Entry("index arrays", "x[y, z]", ((3, 4), (5,), (5,)), ("normal", "below:3"), single=((3, 3), (1,), (1,)), empty=((3, 4), (0,), (0,))),
    Entry("index arrays", "x[y[:, None], z]", ((3, 4), (2,), (3,)), ("normal", "below:3"), single=((3, 3), (1,), (1,))),
    Entry("index arrays", "x[1, y] * x[z, 0]", ((3, 3), (4,), (4,)), ("normal", "below:3"), single="one row"),
    Entry("index arrays", "x[-y - 1]", ((5,), (4,)), ("normal", "below:5"), single=((5,), (1,))),
    Entry("masks", "x[y]", ((2, 3), (2, 3)), ("normal", "bool"), empty=EMPTY),
    Entry("masks", "x[:, y] * 2.0", ((2, 4), (4,)), ("normal", "bool")),
    Entry("masks", "x[x > 0.0]", empty=ROWS),
]
ENTRIES = [*OPERATORS, *FUNCTIONS, *ROUNDING, *CHOICES, *IDIOMS, *INDICES]
