"""Gradients of array programs by the complex step, an oracle that shares nothing with stagegrad.

``f(x + ih)`` with h = 1e-30 has the derivative, to the last bits, in its imaginary part: nothing is subtracted. The program's own text
is run, unchanged, in a world where NumPy's floats are complex: arrays are made complex, comparisons look at real parts,
and the few functions that NumPy does not continue analytically (`abs`, `sign`, `var`, `norm`, `erf`, ...) are continued here.
Losing an imaginary part on the way is an error. `differences` is the second opinion: it runs the untouched function on floats.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np

STEP = 1e-30
#: Weights of f(x + kh) - f(x - kh) for k = 1..4: the error is of the order h^8.
STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)

Change = Callable[[Any], Any]


# ---------------------------------------------------------------------------------------------- arguments and gradients


def replaced(tree: Any, change: Change) -> Any:
    """The same structure with every float and every array of floats changed."""
    match tree:
        case float():
            return change(tree)
        case np.ndarray():
            return change(tree) if tree.dtype.kind in "fc" else tree.copy()
        case dict():
            return {key: replaced(part, change) for key, part in tree.items()}
        case tuple() if hasattr(tree, "_fields"):
            return type(tree)(*(replaced(part, change) for part in tree))
        case tuple() | list():
            return type(tree)(replaced(part, change) for part in tree)
        case _ if dataclasses.is_dataclass(tree):
            parts = {field.name: replaced(getattr(tree, field.name), change) for field in dataclasses.fields(tree)}
            return type(tree)(**parts)
    return tree


def leaves(tree: Any) -> list[Any]:
    """The floats and arrays of floats in a structure, in order."""
    found: list[Any] = []
    replaced(tree, found.append)
    return found


def flat(tree: Any) -> np.ndarray:
    """All floats of a structure as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in leaves(tree)] or [np.zeros(0)])


def copied(tree: Any) -> Any:
    """The structure with its own arrays, each in the layout that it had."""
    return replaced(tree, lambda leaf: leaf if isinstance(leaf, float) else leaf.copy("K"))


def moved(arguments: tuple[Any, ...], position: int, step: complex, kind: type) -> Any:
    """The arguments as floats or complex numbers, with a step added to one of them."""
    seen = 0

    def change(leaf: Any) -> Any:
        nonlocal seen
        array = np.array(leaf, kind)
        if seen <= position < seen + array.size:
            array.flat[position - seen] += step
        seen += array.size
        return array if array.ndim else kind_of(array)

    kind_of = np.ndarray.item if kind is float else lambda array: array[()]
    return replaced(arguments, change)


# ---------------------------------------------------------------------------------------------- the two oracles


def complex_step(path: Path, arguments: tuple[Any, ...]) -> np.ndarray:
    """The gradient of the function of a file's own name with respect to all floats among the arguments."""
    function = load(path, WORLD, BUILTINS)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        slopes = [np.imag(function(*moved(arguments, k, 1j * STEP, complex))) / STEP for k in range(flat(arguments).size)]
    return np.array(slopes, float)


def differences(function: Callable[..., Any], arguments: tuple[Any, ...], only: int | None = None) -> np.ndarray:
    """How a function changes with each float among the arguments, or with one of them, by central differences of the eighth order."""
    point = flat(arguments)
    places = range(point.size) if only is None else (only,)
    return np.array([_difference(function, arguments, k, point[k]) for k in places])


def _difference(function: Callable[..., Any], arguments: tuple[Any, ...], place: int, x: float) -> Any:
    if not np.isfinite(x):
        return 0.0
    h = 1e-3 * max(1e-3, abs(x))
    rises = []
    for times, weight in enumerate(STENCIL, 1):
        up, down = (function(*moved(arguments, place, sign * times * h, float)) for sign in (1, -1))
        rises.append(weight * (up - down) / h)
    return sum(rises)


def load(path: Path, modules: Mapping[str, Any], names: Mapping[str, Any]) -> Callable[..., Any]:
    """The function of a file's own name, with other modules and builtins in place of some that the file names."""

    def import_(name: str, *rest: Any) -> Any:
        return modules[name] if name in modules else __import__(name, *rest)

    scope: dict[str, Any] = {"__name__": f"tests.programs.arrays.{path.stem}"}
    scope["__builtins__"] = {**vars(builtins), **names, "__import__": import_}
    module = ast.parse(path.read_text())
    module.body = [statement for statement in module.body if not _sample(statement)]
    exec(compile(module, str(path), "exec"), scope)
    function: Callable[..., Any] = scope[path.stem]
    return function


def _sample(statement: ast.stmt) -> bool:
    """Whether a statement only makes the arguments to call with, which stay real: ``CALLS = ...`` and ``_name = ...``."""
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]).startswith(("CALLS", "_"))


# ---------------------------------------------------------------------------------------------- the complex world


def made(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes arrays, with complex numbers in place of floats."""

    def make(*args: Any, **options: Any) -> Any:
        # The builtin `float` of this world is no dtype.
        args, options = tuple(map(_dtype, args)), {key: _dtype(option) for key, option in options.items()}
        array = function(*args, **options)
        return array.astype(complex) if array.dtype.kind == "f" else array

    return make


def _dtype(argument: Any) -> Any:
    return float if argument is BUILTINS["float"] else argument


def by_parts(function: Callable[..., Any], *slopes: Callable[..., Any]) -> Callable[..., Any]:
    """A real function continued to where imaginary parts are tiny, by its partial derivatives."""

    def continued(*args: Any) -> Any:
        reals = [np.real(arg) for arg in args]
        rise = sum(slope(*reals) * np.imag(arg) for slope, arg in zip(slopes, args, strict=True))
        return function(*reals) + 1j * rise

    return continued


def absolute(x: Any) -> Any:
    return np.where(np.real(x) < 0, -x, x)[()]


def variance(x: Any, axis: Any = None) -> Any:
    return np.mean((x - np.mean(x, axis=axis, keepdims=True)) ** 2, axis=axis)


def logaddexp(x: Any, y: Any) -> Any:
    top = np.maximum(np.real(x), np.real(y))
    return top + np.log(np.exp(x - top) + np.exp(y - top))


def cholesky(matrix: Any) -> Any:
    """By columns, without the conjugates that NumPy takes."""
    lower, rest = np.zeros_like(matrix), matrix.copy()
    for j in range(len(matrix)):
        lower[j:, j] = rest[j:, j] / np.sqrt(rest[j, j])
        rest -= np.outer(lower[:, j], lower[:, j])
    return lower


def slogdet(matrix: Any) -> Any:
    det = np.linalg.det(matrix)
    return np.sign(det.real), np.log(det * np.sign(det.real))


def eigvalsh(matrix: Any) -> Any:
    """To first order; as in NumPy, only the lower triangle is read."""
    lower = np.tril(matrix)
    whole = lower + lower.T - np.diag(np.diag(matrix))
    values, vectors = np.linalg.eigh(whole.real)
    return values + 1j * np.sum(vectors * (whole.imag @ vectors), axis=0)


def lstsq(matrix: Any, right: Any) -> Any:
    """By the normal equations, which are analytic."""
    return np.linalg.solve(matrix.T @ matrix, matrix.T @ right), None, None, None


def interp(x: Any, knots: Any, heights: Any) -> Any:
    """Linear between the knots, constant outside."""
    k = np.clip(np.searchsorted(np.real(knots), np.real(x), "right") - 1, 0, len(knots) - 2)
    share = (x - knots[k]) / (knots[k + 1] - knots[k])
    share = np.where(np.real(share) < 0.0, 0.0, np.where(np.real(share) > 1.0, 1.0, share))
    return heights[k] + share * (heights[k + 1] - heights[k])


def norm(x: Any, axis: Any = None) -> Any:
    return np.sqrt(np.sum(x**2, axis=axis))


def hypot(x: Any, y: Any) -> Any:
    return np.sqrt(x * x + y * y)


def real_first(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose slope is zero: of the real part alone."""
    return lambda x, *rest, **options: function(np.real(x), *rest, **options)


arctan2 = by_parts(np.arctan2, lambda y, x: x / (x * x + y * y), lambda y, x: -y / (x * x + y * y))
erf = by_parts(math.erf, lambda x: 2.0 / math.sqrt(math.pi) * math.exp(-x * x))
lgamma = by_parts(math.lgamma, lambda x: float(mpmath.digamma(x)))

MAKERS = ("array", "zeros", "ones", "empty", "full", "eye", "linspace", "zeros_like", "ones_like", "empty_like", "full_like")
NUMPY = {
    "abs": absolute,
    "absolute": absolute,
    "var": variance,
    "std": lambda x, axis=None: np.sqrt(variance(x, axis)),
    "logaddexp": logaddexp,
    "hypot": hypot,
    "interp": interp,
    "arctan2": arctan2,
    "sign": real_first(np.sign),
    "round": real_first(np.round),
    "floor": real_first(np.floor),
}
LINALG = {"norm": norm, "cholesky": cholesky, "slogdet": slogdet, "eigvalsh": eigvalsh, "lstsq": lstsq}
#: What `math` has under NumPy's names, or under its own.
MATH = {"asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "pow": np.power, "fabs": absolute}
MATH |= {"atan2": arctan2, "hypot": hypot, "erf": erf, "lgamma": lgamma, "floor": lambda x: math.floor(np.real(x))}
MATH |= {name: getattr(np, name) for name in ("exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")}
BUILTINS = {"abs": absolute, "float": lambda x: x if isinstance(x, complex) else float(x), "int": lambda x: int(np.real(x))}


def _world() -> Iterator[ModuleType]:
    linalg, numpy, mathematics = ModuleType("numpy.linalg"), ModuleType("numpy"), ModuleType("math")
    vars(linalg).update({name: getattr(np.linalg, name) for name in np.linalg.__all__} | LINALG)
    vars(numpy).update({name: getattr(np, name) for name in np.__all__} | NUMPY | {"linalg": linalg, "random": np.random})
    vars(numpy).update({name: made(getattr(np, name)) for name in MAKERS})
    vars(mathematics).update({name: part for name, part in vars(math).items() if not name.startswith("_")} | MATH)
    yield from (linalg, numpy, mathematics)


WORLD = {module.__name__: module for module in _world()}
