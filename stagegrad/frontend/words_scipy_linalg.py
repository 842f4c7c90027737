"""The words of `scipy.linalg`, each for one matrix: its solvers, and Cholesky's factors, which it keeps in one of the two triangles."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stagegrad.frontend import prelude_linalg
from stagegrad.frontend.numpy_words import word
from stagegrad.frontend.values import Many, Value, describe
from stagegrad.frontend.words_linalg import matrix
from stagegrad.frontend.words_products import factors
from stagegrad.ir import Atom
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def _checked(low: Arrays, node: ast.AST, check: Value, *arrays: Atom) -> None:
    """Raises where an array is not finite, unless SciPy is told not to ask."""
    for array in arrays if low.known(check, node) else ():
        right = low.emit("all", [low.emit("isfinite", [array], node)], node)
        low.stop(low.negated(right, node), "ValueError", "array must not contain infs or NaNs", node)


def _matrix(low: Arrays, node: ast.AST, a: Value, what: str, check: Value) -> Atom:
    x = matrix(low, node, a, what)
    _checked(low, node, check, x)
    return x


def _system(low: Arrays, node: ast.AST, a: Value, b: Value, what: str, check: Value) -> tuple[Atom, Atom]:
    """A matrix and one right-hand side, or several."""
    x, y = factors(low, node, matrix(low, node, a, what), b)
    if y.type.rank not in (1, 2):
        raise low.refusal(node, f"scipy.linalg.{what} needs a right-hand side of 1 or 2 axes, and this has {y.type.rank}")
    _checked(low, node, check, x, y)
    return x, y


@word("scipy.linalg.solve")
def _solve(
    low: Arrays, node: ast.AST, a: Value, b: Value, overwrite_a: Any = False, overwrite_b: Any = False, check_finite: Any = True,
    assume_a: Any = None,
) -> Value:  # fmt: skip
    if low.known(assume_a, node) not in (None, "gen", "general"):
        raise low.refusal(node, "only matrices of any kind are supported in a call of scipy.linalg.solve",
                          "scipy.linalg.cho_solve(scipy.linalg.cho_factor(a), b), or solve_triangular")  # fmt: skip
    return low.emit("solve", [*_system(low, node, a, b, "solve", check_finite)], node)


@word("scipy.linalg.solve_triangular")
def _solve_triangular(
    low: Arrays, node: ast.AST, a: Value, b: Value, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False,
    overwrite_b: Any = False, check_finite: Any = True,
) -> Value:  # fmt: skip
    x, y = _system(low, node, a, b, "solve_triangular", check_finite)
    if low.known(unit_diagonal, node):
        x = low.array(low.composed(prelude_linalg.with_ones, [x], node), node)
    below, turned = bool(low.known(lower, node)), low.known(trans, node) not in (0, "N")
    if turned:
        x = low.emit("transpose", [x], node)
    return low.composed(prelude_linalg.solve_lower if below is not turned else prelude_linalg.solve_upper, [x, y], node)


@word("scipy.linalg.cholesky")
def _cholesky(low: Arrays, node: ast.AST, a: Value, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> Value:
    x = _matrix(low, node, a, "cholesky", check_finite)
    if low.known(lower, node):
        return low.emit("cholesky", [x], node)
    return low.composed(prelude_linalg.upper_factor, [x], node)


@word("scipy.linalg.cho_factor")
def _cho_factor(low: Arrays, node: ast.AST, a: Value, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> Value:
    below = bool(low.known(lower, node))
    x = _matrix(low, node, a, "cho_factor", check_finite)
    return Many((low.composed(prelude_linalg.lower_in_place if below else prelude_linalg.upper_in_place, [x], node), literal(below)))


@word("scipy.linalg.cho_solve")
def _cho_solve(low: Arrays, node: ast.AST, c_and_lower: Value, b: Value, overwrite_b: Any = False, check_finite: Any = True) -> Value:
    if not isinstance(c_and_lower, Many) or len(c_and_lower.items) != 2:
        raise low.refusal(node, f"this is not what cho_factor gives, but {describe(c_and_lower)}", "cho_solve(cho_factor(a), b)")
    c, lower = c_and_lower.items
    below = low.known(lower, node)
    return low.composed(prelude_linalg.solve_by_lower if below else prelude_linalg.solve_by_upper,
                        [*_system(low, node, c, b, "cho_solve", check_finite)], node)  # fmt: skip


def _of_matrix(name: str) -> Callable[..., Value]:
    """A function of one matrix that is one operation."""

    def lower(low: Arrays, node: ast.AST, a: Value, overwrite_a: Any = False, check_finite: Any = True) -> Value:
        return low.emit(name, [_matrix(low, node, a, name, check_finite)], node)

    return lower


for _name in ("inv", "det"):
    word(f"scipy.linalg.{_name}")(_of_matrix(_name))
