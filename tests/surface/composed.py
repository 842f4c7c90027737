"""Functions that are short programs in others: statistics, differences along an axis, spaced points, indices of triangles."""

from __future__ import annotations

import numpy as np

from tests.surface import Array, Entry, Shape
from tests.surface.linalg import regular

CUBE = ((2, 3, 4),)
TWO = ((3, 4), (3, 4))


def rising(rng: np.random.Generator, shape: Shape) -> Array:
    """Points in order."""
    return np.cumsum(rng.uniform(0.5, 1.5, size=shape), axis=-1)


FEW = "a single number deviates by nothing"
SHORT = "two points at least"

ENTRIES = [
    Entry("np.cov", "np.cov(x)", single=FEW, float32="the result has 64 bits"),
    Entry("np.cov", "np.cov(x, rowvar=False, ddof=0)", single=FEW, float32="the result has 64 bits"),
    Entry("np.cov", "np.cov(x, y, bias=True)", ((5,), (5,)), single=FEW, float32="the result has 64 bits"),
    Entry("np.cov", "np.cov(x[0]) * x", single=FEW, float32="the result has 64 bits"),
    Entry("np.corrcoef", "np.corrcoef(x)", single=FEW, float32="the result has 64 bits", loose=10.0),
    Entry("np.corrcoef", "np.corrcoef(x, y)[0, 1] * x", ((5,), (5,)), single=FEW, float32="the result has 64 bits", repeated=False),
    Entry("np.gradient", "np.gradient(x)[0]", single=SHORT),
    Entry("np.gradient", "np.gradient(x, 0.1, axis=0)", single=SHORT),
    Entry("np.gradient", "np.gradient(x, axis=1, edge_order=2)", CUBE, single=SHORT),
    Entry("np.gradient", "np.gradient(x, y)", ((5,), (5,)), ("normal", rising), single=SHORT, repeated=False),
    Entry("np.gradient", "np.gradient(x, 0.5, y)[1]", ((3, 4), (4,)), ("normal", rising), single=SHORT),
    Entry("np.trapezoid", "np.trapezoid(x)", single="one point has no area", empty=((0, 3),)),
    Entry("np.trapezoid", "np.trapezoid(x, dx=0.1, axis=0)", single="one point has no area"),
    Entry("np.trapezoid", "np.trapezoid(x, y)", ((3, 4), (4,)), ("normal", rising), single="one point has no area"),
    Entry("np.trapezoid", "np.trapezoid(x, y, axis=0)", TWO, single="one point has no area"),
    Entry("np.triu_indices", "x[np.triu_indices(3, 1)]", single="one size"),
    Entry("np.triu_indices_from", "x[np.triu_indices_from(x, -1)]", empty=((0, 0),)),
    Entry("np.tril_indices", "x[np.tril_indices(3, -1, 4)]", single="one size"),
    Entry("np.tril_indices_from", "x[np.tril_indices_from(x, 1)]", empty=((0, 0),)),
    Entry("np.diag_indices", "x[np.diag_indices(3)]", single="one size"),
    Entry("np.linalg.cond", "np.linalg.cond(x) * x", ((3, 3),), (regular,), loose=10.0),
    Entry("np.linalg.matrix_norm", "np.linalg.matrix_norm(x) * x", ((3, 3),)),
    Entry("np.linalg.vector_norm", "np.linalg.vector_norm(x) * x"),
    Entry("np.linalg.vector_norm", "np.linalg.vector_norm(x, axis=0, ord=1)"),
    Entry("np.add.reduce", "np.add.reduce(x)", empty=((0, 3),)),
    Entry("np.maximum.reduce", "np.maximum.reduce(x, axis=1, keepdims=True)"),
    Entry("np.maximum.accumulate", "np.maximum.accumulate(x)", empty=((0, 3),)),
    Entry("np.minimum.accumulate", "np.minimum.accumulate(x, axis=1)"),
    Entry("np.logspace", "np.logspace(x, y, 4)", ((), ())),
    Entry("np.logspace", "np.logspace(x, 1.5, 3, endpoint=False, base=2.0)", ((),)),
    Entry("np.geomspace", "np.geomspace(x, y, 4)", ((), ()), ("positive",), repeated=False),
    Entry("np.array_equal", "np.where(np.array_equal(x, y), x, 2.0 * y)", TWO),
    Entry("np.unique", "np.unique(x)"),
    Entry("np.divmod", "np.divmod(x, y)[1]", TWO, ("positive",), orders=1, step=1e-4, repeated=False),
    Entry("np.multiply.accumulate", "np.multiply.accumulate(x, axis=1)"),
    Entry("np.subtract.outer", "np.subtract.outer(x, y)", ((3,), (2, 2)), empty=((0,), (2, 2))),
]
