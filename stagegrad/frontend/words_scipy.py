"""The distributions of `scipy.stats` by their methods: ``scipy.stats.norm.logpdf(x, loc, scale)``."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stagegrad.frontend import prelude_scipy
from stagegrad.frontend.numpy_words import NumpyWord
from stagegrad.frontend.values import Value
from stagegrad.frontend.words_creation import array_of, as_type
from stagegrad.ir import FLOAT, Atom, Lit
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays

#: The shapes of a distribution beside its place and its scale; they are positive, but for the mean of counts, which may be 0.
_SHAPES = {"norm": "", "expon": "", "laplace": "", "gamma": "a", "beta": "a b", "t": "df", "poisson": "mu"}


@lru_cache(maxsize=256)
def method_of(thing: object, name: str) -> NumpyWord | None:
    """The word for a method of one of SciPy's distributions; None for anything else."""
    if not type(thing).__module__.startswith("scipy.stats."):
        return None
    if hasattr(thing, "dist"):
        return _frozen(thing, name)
    title = str(getattr(thing, "name", ""))
    standard = getattr(prelude_scipy, f"{title}_{name}", None)
    if title not in _SHAPES or standard is None:
        return None
    return NumpyWord(f"scipy.stats.{title}.{name}", _lowered(standard, _SHAPES[title].split(), name))


def _frozen(thing: Any, name: str) -> NumpyWord | None:
    """The word for a method of a distribution whose place, scale and shapes are given already, as numbers: ``norm(0, 2).logpdf``."""
    inner = method_of(thing.dist, name)
    if inner is None:
        return None

    def lower(low: Arrays, node: ast.AST, x: Value) -> Value:
        given = {key: low.outside(value, key, node) for key, value in thing.kwds.items()}
        return inner.call(low, node, [x, *(low.outside(value, "a parameter", node) for value in thing.args)], given)

    return NumpyWord(inner.name, lower)


def _lowered(standard: Callable[..., Any], shapes: list[str], method: str) -> Callable[..., Value]:
    """How a call of a method is lowered: what it is given is moved and scaled to the standard form, and the result back."""
    first = {"ppf": "q", "logpmf": "k"}.get(method, "x")
    scaled = {} if method == "logpmf" else {"scale": 1.0}

    def lower(low: Arrays, node: ast.AST, **given: Value) -> Value:
        x, place = (_floats(low, node, given[name]) for name in (first, "loc"))
        bounded = [_within(low, node, _floats(low, node, given[name]), "gt" if scaled else "ge") for name in (*shapes, *scaled)]
        scale = bounded[-1] if scaled else literal(1.0)
        y = x if method == "ppf" else _standard(low, node, x, place, scale)
        found = low.array(low.composed(standard, [y, *bounded[: len(shapes)]], node), node)
        return low.without_axes(_from_standard(low, node, found, place, scale, method), node)

    names = ["low", "node", first, *shapes]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    defaults = {"loc": 0.0, **scaled}
    parameters += [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value) for name, value in defaults.items()]
    lower.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what `NumpyWord.call` binds by
    return lower


def _floats(low: Arrays, node: ast.AST, value: Value) -> Atom:
    x = array_of(low, node, value)
    return x if x.type.kind == "float" else as_type(low, node, x, FLOAT)


def _within(low: Arrays, node: ast.AST, value: Atom, op: str) -> Atom:
    """A shape or a scale, nan where it is not positive (or, for "ge", negative), and with it the result and every slope."""
    if isinstance(value, Lit) and float(value.value or 0.0) > 0.0:
        return value
    fits = low.emit(op, [value, literal(0.0)], node)
    return low.emit("mul", [value, low.emit("where", [fits, literal(1.0), literal(float("nan"))], node)], node)


def _standard(low: Arrays, node: ast.AST, x: Atom, place: Atom, scale: Atom) -> Atom:
    """``(x - loc) / scale``"""
    if place != literal(0.0):
        x = low.emit("sub", [x, place], node)
    return x if scale == literal(1.0) else low.emit("div", [x, scale], node, [("lib", "numpy")])


def _from_standard(low: Arrays, node: ast.AST, found: Atom, place: Atom, scale: Atom, method: str) -> Atom:
    """A density is that of the standard form over the scale; a quantile is scaled and moved."""
    if method == "ppf":
        found = found if scale == literal(1.0) else low.emit("mul", [found, scale], node)
        return found if place == literal(0.0) else low.emit("add", [found, place], node)
    if scale == literal(1.0) or method not in ("pdf", "logpdf"):
        return found
    if method == "pdf":
        return low.emit("div", [found, scale], node, [("lib", "numpy")])
    return low.emit("sub", [found, low.emit("log", [scale], node, [("lib", "numpy")])], node)
