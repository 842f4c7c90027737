"""The words of ``np.linalg``: each for one matrix, not for stacks of them."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stagegrad.frontend.numpy_words import WORDS, axis_and_keepdims, word
from stagegrad.frontend.values import Many, Unfit, Value
from stagegrad.frontend.words_creation import array_of, as_type
from stagegrad.frontend.words_products import factors, product
from stagegrad.frontend.words_shaping import several
from stagegrad.ir import FLOAT, INT, Atom, Lit

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def matrix(low: Arrays, node: ast.AST, value: Value, what: str) -> Atom:
    """One matrix of floats; ints are converted, and stacks of matrices refused."""
    x = array_of(low, node, value)
    if x.type.kind != "float":
        x = as_type(low, node, x, FLOAT)
    if x.type.rank > 2:
        raise low.refusal(node, f"np.linalg.{what} of a stack of matrices is not supported", f"a loop: [np.linalg.{what}(m) for m in x]")
    if x.type.rank < 2:
        raise low.refusal(node, f"np.linalg.{what} needs a matrix, and this has {x.type.rank} axes")
    return x


def _of_matrix(name: str) -> Callable[..., Value]:
    """A function of one matrix that is one operation."""

    def lower(low: Arrays, node: ast.AST, a: Value) -> Value:
        return low.emit(name, [matrix(low, node, a, name)], node)

    return lower


for _name in ("inv", "det", "pinv", "svdvals"):
    word(f"linalg.{_name}")(_of_matrix(_name))


@word("linalg.solve")
def _solve(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, matrix(low, node, a, "solve"), b)
    if y.type.rank not in (1, 2):
        raise low.refusal(node, f"np.linalg.solve needs a right-hand side of 1 or 2 axes, and this has {y.type.rank}")
    return low.emit("solve", [x, y], node)


@word("linalg.slogdet")
def _slogdet(low: Arrays, node: ast.AST, a: Value) -> Value:
    x = matrix(low, node, a, "slogdet")
    return Many((low.emit("slogdet_sign", [x], node), low.emit("slogdet_log", [x], node)))


@word("linalg.cholesky")
def _cholesky(low: Arrays, node: ast.AST, a: Value, upper: Any = False) -> Value:
    made = low.emit("cholesky", [matrix(low, node, a, "cholesky")], node)
    if low.known(upper, node):
        raise low.refusal(node, "upper=True is not supported", "np.linalg.cholesky(a).T")
    return made


def _lower_triangle(low: Arrays, node: ast.AST, a: Value, UPLO: Value, name: str) -> Atom:
    x = matrix(low, node, a, name)
    side = low.known(UPLO, node)
    return low.emit("transpose", [x], node) if side in ("U", "u") else x


@word("linalg.eigh")
def _eigh(low: Arrays, node: ast.AST, a: Value, UPLO: Any = "L") -> Value:
    x = _lower_triangle(low, node, a, UPLO, "eigh")
    return Many((low.emit("eigh_values", [x], node), low.emit("eigh_vectors", [x], node)))


@word("linalg.eigvalsh")
def _eigvalsh(low: Arrays, node: ast.AST, a: Value, UPLO: Any = "L") -> Value:
    return low.emit("eigvalsh", [_lower_triangle(low, node, a, UPLO, "eigvalsh")], node)


@word("linalg.svd")
def _svd(low: Arrays, node: ast.AST, a: Value, full_matrices: Any = True, compute_uv: Any = True) -> Value:
    x = matrix(low, node, a, "svd")
    if not low.known(compute_uv, node):
        return low.emit("svdvals", [x], node)
    if low.known(full_matrices, node):
        _require_square(low, node, x)
    return Many(tuple(low.emit(op, [x], node) for op in ("svd_u", "svd_values", "svd_vt")))


def _require_square(low: Arrays, node: ast.AST, x: Atom) -> None:
    """Raises where there are singular vectors beyond the singular values: these have no derivative."""
    rows, columns = (low.emit("extent", [x], node, [("axis", axis)]) for axis in range(2))
    message = "the singular vectors beyond the singular values have no derivative: write np.linalg.svd(a, full_matrices=False)"
    low.stop(low.arithmetic("ne", rows, columns, node), "NotImplementedError", message, node)


@word("linalg.qr")
def _qr(low: Arrays, node: ast.AST, a: Value, mode: Any = "reduced") -> Value:
    x = matrix(low, node, a, "qr")
    kind = low.known(mode, node)
    if kind == "r":
        return low.emit("qr_r", [x], node)
    if kind != "reduced":
        raise low.refusal(node, f"mode={kind!r} is not supported", "np.linalg.qr(a), which gives the reduced factors")
    return Many((low.emit("qr_q", [x], node), low.emit("qr_r", [x], node)))


@word("linalg.lstsq")
def _lstsq(low: Arrays, node: ast.AST, a: Value, b: Value, rcond: Any = None) -> Value:
    x, y = factors(low, node, matrix(low, node, a, "lstsq"), b)
    if low.known(rcond, node) not in (None, -1):
        raise low.refusal(node, "rcond= is not supported in a call of np.linalg.lstsq", "np.linalg.lstsq(a, b)")
    others = Unfit("of what np.linalg.lstsq gives, only the solution is supported", "np.linalg.lstsq(a, b)[0]")
    return Many((low.emit("lstsq", [x, y], node), others, others, others))


@word("linalg.matrix_power")
def _matrix_power(low: Arrays, node: ast.AST, a: Value, n: Value) -> Value:
    x, power = matrix(low, node, a, "matrix_power"), low.known(n, node)
    if not isinstance(power, int) or abs(power) > 1024:
        raise low.refusal(node, "the power must be an int that is written out", "a loop of `@`")
    if power == 0:
        rows = low.emit("extent", [x], node, [("axis", 0)])
        return as_type(low, node, low.emit("eye_of", [rows, rows], node), x.type)
    if power < 0:
        x, power = low.emit("inv", [x], node), -power
    return _power(low, node, x, power)


def _power(low: Arrays, node: ast.AST, x: Atom, power: int) -> Atom:
    """The products in NumPy's order: by repeated squaring, lowest bit first; a third power is (x @ x) @ x."""
    if power <= 3:
        made = x
        for _ in range(power - 1):
            made = product(low, node, made, x)
        return made
    squared, found = x, None
    while power:
        power, bit = divmod(power, 2)
        if bit:
            found = squared if found is None else product(low, node, found, squared)
        if power:
            squared = product(low, node, squared, squared)
    assert found is not None
    return found


@word("linalg.multi_dot")
def _multi_dot(low: Arrays, node: ast.AST, arrays: Value) -> Value:
    """From left to right: NumPy chooses the order by the sizes, which changes roundings only."""
    first, *others = several(low, node, arrays)
    if not others:
        raise low.refusal(node, "np.linalg.multi_dot needs at least two arrays")
    for other in others:
        first = product(low, node, first, other)
    return first


# ---------------------------------------------------------------------------------------------- norms


@word("linalg.norm")
def _norm(low: Arrays, node: ast.AST, x: Value, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Value:
    atom = array_of(low, node, x)
    if atom.type.kind != "float":
        atom = as_type(low, node, atom, FLOAT)
    if not atom.type.rank:
        raise low.refusal(node, "np.linalg.norm needs an array, and this is a number", "abs(x)")
    kind, axes = low.known(ord, node), low.axes(axis, atom.type.rank, node)
    if kind is None:
        return _root_of_squares(low, node, atom, axis, keepdims)
    over = axes if isinstance(axes, tuple) else tuple(range(atom.type.rank)) if axes is None else (axes,)
    if len(over) == 1:
        return _vector_norm(low, node, atom, kind, over[0], keepdims)
    if len(over) == 2:
        return _matrix_norm(low, node, atom, kind, (over[0], over[1]), keepdims)
    raise low.refusal(node, "a norm is taken over one axis or two", "axis=0, or axis=(0, 1)")


def _root_of_squares(low: Arrays, node: ast.AST, x: Atom, axis: Value, keepdims: Value) -> Value:
    return low.emit("norm", [x], node, axis_and_keepdims(low, node, x, axis, keepdims))


def _reduced(low: Arrays, node: ast.AST, name: str, x: Atom, axis: int, keepdims: Value) -> Value:
    return WORDS[name].call(low, node, [x], {"axis": Lit(axis, INT), "keepdims": keepdims})


def _vector_norm(low: Arrays, node: ast.AST, x: Atom, kind: Any, axis: int, keepdims: Value) -> Value:
    if kind in (None, 2):
        return _root_of_squares(low, node, x, Lit(axis, INT), keepdims)
    if kind == 0:
        counted = as_type(low, node, low.emit("ne", [x, Lit(0.0, FLOAT)], node), FLOAT)
        return _reduced(low, node, "sum", counted, axis, keepdims)
    if not isinstance(kind, int | float):
        raise low.refusal(node, f"ord={kind!r} is not a norm of vectors", "ord=1, 2 or np.inf")
    sizes = low.emit("abs", [x], node)
    if kind == 1:
        return _reduced(low, node, "sum", sizes, axis, keepdims)
    if abs(kind) == math.inf:
        return _reduced(low, node, "max" if kind > 0 else "min", sizes, axis, keepdims)
    total = _reduced(low, node, "sum", low.emit("pow", [sizes, Lit(float(kind), FLOAT)], node), axis, keepdims)
    return low.emit("pow", [low.array(total, node), Lit(1.0 / kind, FLOAT)], node)


def _matrix_norm(low: Arrays, node: ast.AST, x: Atom, kind: Any, axes: tuple[int, int], keepdims: Value) -> Value:
    if kind in (None, "fro"):
        return _root_of_squares(low, node, x, Many((Lit(axes[0], INT), Lit(axes[1], INT))), keepdims)
    kept = low.known(keepdims, node)
    if kind in _BY_SINGULAR_VALUES and x.type.rank == 2 and not kept:
        values = low.emit("svdvals", [x], node)
        return _reduced(low, node, _BY_SINGULAR_VALUES[kind], values, 0, keepdims)
    if kind not in (1, -1, math.inf, -math.inf) or kept:
        raise low.refusal(node, f"ord={kind!r} with these axes is not supported", "ord='fro', 1 or np.inf without keepdims")
    summed, left = axes if abs(kind) == 1 else axes[::-1]
    totals = low.array(_reduced(low, node, "sum", low.emit("abs", [x], node), summed, keepdims), node)
    return _reduced(low, node, "max" if kind > 0 else "min", totals, left - (summed < left), keepdims)


#: How the singular values of a matrix make a norm of it.
_BY_SINGULAR_VALUES = {2: "max", -2: "min", "nuc": "sum"}
