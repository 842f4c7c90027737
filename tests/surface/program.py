"""An entry as a function of its arguments, and what stagegrad makes of it: value, gradient, and gradient of the gradient.

The function is ``np.sum(w * expression)`` with weights w, so that every element of the result has a gradient of its own; the second
order differentiates ``sum(u * gradient)``, put together on the IR. Generated text is run as it is, without files.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special as special

from stagegrad import pipeline, runtime
from stagegrad.frontend import python
from stagegrad.frontend.specs import Leaf
from stagegrad.ir import Block, Fresh, Function, Module, Type, Var
from stagegrad.ops import Builder, literal
from tests.surface import NAMES, Array, Entry, Shape
from tests.uncompiled import interpreted

_KIND = {"f": "float", "i": "int", "b": "bool"}


@dataclass(frozen=True)
class Case:
    """An entry's function at one kind of arguments: its text, the names of its parameters and their types, the weights last."""

    text: str
    names: tuple[str, ...]
    types: tuple[Type, ...]

    @property
    def wrt(self) -> tuple[int, ...]:
        """The positions of the parameters to differentiate with respect to: the floats, but for the weights."""
        return tuple(k for k, type in enumerate(self.types[:-1]) if type.kind == "float")


def of(entry: Entry, shapes: Sequence[Shape], dtype: str = "float64", repeated: bool = False) -> tuple[Case, list[Any]]:
    """The function of an entry at a case, and its arguments with the weights as the last of them."""
    arrays = [array if array.ndim else array.item() for array in entry.arguments(shapes, dtype)]
    names, text = list(NAMES[: len(arrays)]), entry.text
    if repeated:
        for name, first in zip(names, entry.repeats, strict=True):
            text = re.sub(rf"(?<![\w.]){name}\b(?!\s*=[^=])", first, text)
        kept = [k for k, (name, first) in enumerate(zip(names, entry.repeats, strict=True)) if name == first]
        names, arrays = [names[k] for k in kept], [arrays[k] for k in kept]
    result = np.asarray(untouched(f"def f({', '.join(names)}):\n    return {text}\n")(*arrays))
    rng = np.random.default_rng(zlib.crc32(entry.text.encode()))
    weights = rng.uniform(0.5, 1.5, result.shape).astype(dtype) if result.ndim else float(rng.uniform(0.5, 1.5))
    body = f"np.sum(w * {_within(text)})" if result.ndim else f"w * {_within(text)}"
    args = [*arrays, weights]
    case = Case(f"def f({', '.join([*names, 'w'])}):\n    return {body}\n", (*names, "w"), tuple(map(_type, args)))
    return case, args


def _within(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+\([^()]*\)", text) else f"({text})"


def _type(argument: Any) -> Type:
    dtype, rank = np.asarray(argument).dtype, np.ndim(argument)
    return Type(_KIND[dtype.kind], rank, 32 if dtype == np.float32 else 64)


@cache
def untouched(text: str) -> FunctionType:
    """The function as Python runs it."""
    scope: dict[str, Any] = {"np": np, "scipy": scipy, "special": special, "math": math, "__name__": "surface"}
    exec(compile(text, "<surface>", "exec"), scope)
    return scope["f"]  # type: ignore[no-any-return]  # the text defines it


@cache
def module(case: Case, order: int) -> Module:
    """The IR of value and gradient, ``(f, (dx, ...))``; of the second order, for ``sum(u * gradient)`` with the u's as parameters."""
    specs = {name: Leaf(type) for name, type in zip(case.names, case.types, strict=True)}
    staged = pipeline.stage(python.lower(untouched(case.text), case.text, specs=specs).module, "user")
    adjoint = pipeline.differentiate(staged, case.wrt, several=True)
    if order == 1:
        return adjoint
    weighted = _weighted(pipeline.gradient_alone(adjoint, "f_grad"), case)
    return pipeline.differentiate(weighted, case.wrt, several=True)


def _weighted(gradients: Module, case: Case) -> Module:
    """``f_grad(x, y, w) -> dx, dy``  ->  ``f_grad(x, y, w, u_x, u_y) -> sum(u_x * dx) + sum(u_y * dy)``."""
    main = gradients.main
    builder = Builder(Fresh(main))
    total = builder.value(literal(0.0))
    params = [builder.fresh.var(f"u_{case.names[k]}", case.types[k]) for k in case.wrt]
    for param, found in zip(params, main.body.results, strict=True):
        if isinstance(found, Var):
            product = builder.emit("mul", param, found)
            total = total + builder.value(builder.emit("sum", product) if product.type.rank else product)
    function = Function("f_along", (*main.params, *params), Block((*main.body.stmts, *builder.stmts), (total.atom,)))
    return Module((function, *gradients.functions[1:]))


@cache
def compiled(case: Case, order: int, target: str) -> Callable[..., Any]:
    """The generated function of an order on a target; Numba compiles it at its first call, but for the target "uncompiled"."""
    source = pipeline.spell(module(case, order), "numba" if target == "uncompiled" else target, cache=False)
    text = interpreted(source.text) if target == "uncompiled" else runtime.without_disk_cache(source.text)
    scope: dict[str, Any] = {"__name__": "surface"}
    exec(compile(text, f"<{target}>", "exec"), scope)
    return scope[source.entry]  # type: ignore[no-any-return]  # the text defines it


def directions(args: Sequence[Any], case: Case) -> list[Any]:
    """What the gradient is multiplied by before it is differentiated again: one direction an argument, None where there is none."""
    rng = np.random.default_rng(7)
    drawn = [rng.uniform(0.3, 1.0, np.shape(argument)) for argument in args]
    return [_like(d, args[k]) if k in case.wrt else None for k, d in enumerate(drawn)]


def _like(direction: Array, argument: Any) -> Any:
    return direction.astype(argument.dtype) if isinstance(argument, np.ndarray) else float(direction)
