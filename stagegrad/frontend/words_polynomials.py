"""NumPy's words for polynomials: their values, slopes and sums, and those that fit points."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stagegrad.frontend import prelude_polynomials
from stagegrad.frontend.numpy_words import word
from stagegrad.frontend.values import Static, Value, describe
from stagegrad.frontend.words_creation import array_of, as_type
from stagegrad.ir import FLOAT, Atom
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def _floats(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """An array or a number of floats."""
    x = array_of(low, node, value)
    return x if x.type.kind == "float" else as_type(low, node, x, FLOAT)


def _vector(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """The coefficients of a polynomial, or its points."""
    x = _floats(low, node, value)
    if x.type.rank != 1:
        raise low.refusal(node, f"an array of one axis is needed here, and this is {describe(x)}")
    return x


def _once(low: Arrays, node: ast.AST, m: Value) -> None:
    if low.known(m, node) != 1:
        raise low.refusal(node, "`m=` is not supported here", "the function again, of what it returns")


# ---------------------------------------------------------------------------------------------- the highest power first


@word("polyval")
def _polyval(low: Arrays, node: ast.AST, p: Value, x: Value) -> Value:
    return low.composed(prelude_polynomials.polynomial, [low.array(p, node), _floats(low, node, x)], node)


@word("polyder")
def _polyder(low: Arrays, node: ast.AST, p: Value, m: Any = 1) -> Value:
    _once(low, node, m)
    return low.composed(prelude_polynomials.derivative, [_vector(low, node, p)], node)


@word("polyint")
def _polyint(low: Arrays, node: ast.AST, p: Value, m: Any = 1, k: Any = 0.0) -> Value:
    _once(low, node, m)
    constant = literal(0.0) if isinstance(k, Static) and k.thing is None else low.converted(low.atom(k, node), FLOAT, node)
    return low.composed(prelude_polynomials.integral, [_vector(low, node, p), constant], node)


@word("polyadd")
def _polyadd(low: Arrays, node: ast.AST, a1: Value, a2: Value) -> Value:
    return low.composed(prelude_polynomials.total, [_vector(low, node, a1), _vector(low, node, a2)], node)


@word("polysub")
def _polysub(low: Arrays, node: ast.AST, a1: Value, a2: Value) -> Value:
    less = low.emit("neg", [_vector(low, node, a2)], node)
    return low.composed(prelude_polynomials.total, [_vector(low, node, a1), less], node)


@word("vander")
def _vander(low: Arrays, node: ast.AST, x: Value, N: Any = None, increasing: Any = False) -> Value:
    points = _vector(low, node, x)
    no_number = isinstance(N, Static) and N.thing is None
    count = low.emit("size", [points], node) if no_number else low.whole(low.atom(N, node), node, "the number of columns")
    columns = low.array(low.composed(prelude_polynomials.powers, [as_type(low, node, points, FLOAT), count], node), node)
    return columns if low.known(increasing, node) else low.emit("flip", [columns], node, [("axis", 1)])


@word("polyfit")
def _polyfit(low: Arrays, node: ast.AST, x: Value, y: Value, deg: Value) -> Value:
    count = low.arithmetic("add", low.whole(low.atom(deg, node), node, "a degree"), literal(1), node)
    return low.composed(prelude_polynomials.fitted, [_vector(low, node, x), _vector(low, node, y), count], node)


# ---------------------------------------------------------------------------------------------- the lowest power first


@word("numpy.polynomial.polynomial.polyval")
def _ascending(low: Arrays, node: ast.AST, x: Value, c: Value) -> Value:
    return low.composed(prelude_polynomials.ascending, [_floats(low, node, x), _vector(low, node, c)], node)


def _by_clenshaw(function: Callable[..., Any]) -> Callable[..., Value]:
    def lower(low: Arrays, node: ast.AST, x: Value, c: Value) -> Value:
        points = _floats(low, node, x)
        zero = low.emit("zeros_like", [points], node) if points.type.rank else literal(0.0)
        return low.composed(function, [points, _vector(low, node, c), zero], node)

    return lower


word("numpy.polynomial.chebyshev.chebval")(_by_clenshaw(prelude_polynomials.chebyshev))
word("numpy.polynomial.legendre.legval")(_by_clenshaw(prelude_polynomials.legendre))
