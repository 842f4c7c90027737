"""Arrays made of sizes, of numbers, and like other arrays."""

from __future__ import annotations

import numpy as np

from tests.surface import Array, Entry, Shape


def between(rng: np.random.Generator, shape: Shape) -> Array:
    """Numbers halfway between two ints, where `astype(int)` does not jump."""
    return rng.integers(-3, 3, shape) + 0.5


V = (4,)
NUMBERS = {"single": "numbers"}

ENTRIES = [
    Entry("np.zeros", "np.zeros(4) + x", (V,)),
    Entry("np.zeros", "np.zeros((x.shape[0], 2)) + x[:, None]", (V,), empty=((0,),)),
    Entry("np.ones", "np.ones((2, 4)) * x", (V,), single=((1,),)),
    Entry("np.full", "np.full((2, 4), 1.5) * x", (V,)),
    Entry("np.full", "np.full(3, x)", ((),), **NUMBERS),
    Entry("np.full", "np.full((x.shape[0], 2), y)", (V, ()), empty=((0,), ()), single=((1,), ())),
    Entry("np.eye", "np.eye(4) * x", (V,)),
    Entry("np.eye", "np.eye(3, 4, 1) * x", (V,)),
    Entry("np.tri", "np.tri(3, 4, -1) * x", (V,)),
    Entry("np.identity", "np.identity(4) * x", (V,)),
    Entry("np.zeros_like", "np.zeros_like(x) + x", (V,), empty=((0,),)),
    Entry("np.ones_like", "np.ones_like(x) * x", ((2, 3),), empty=((0, 3),)),
    Entry("np.full_like", "np.full_like(x, 2.5) * x", (V,), empty=((0,),)),
    Entry("np.full_like", "np.full_like(x, y)", (V, ()), single=((1,), ())),
    Entry("np.arange", "np.arange(4) * x", (V,)),
    Entry("np.arange", "np.arange(0.0, 2.0, 0.5) * x", (V,)),
    Entry("np.arange", "np.arange(x, 5.0, y)", ((), ()), ("within", "above 1"), **NUMBERS),
    Entry("np.linspace", "np.linspace(0, 1, 4) * x", (V,)),
    Entry("np.linspace", "np.linspace(x, y, 7)", ((), ()), ("within", "above 1"), **NUMBERS),
    Entry("np.linspace", "np.linspace(x, y, 5, endpoint=False)", ((), ()), ("within", "above 1"), **NUMBERS),
    Entry("np.linspace", "np.linspace(x, y, 1)", ((), ()), **NUMBERS),
    Entry("np.array", "np.array([x, 2.0, y])", ((), ()), **NUMBERS),
    Entry("np.array", "np.array([[x, 1], [0, y], [x, x]])", ((), ()), **NUMBERS),
    Entry("np.array", "np.array([x, y])", (V, V)),
    Entry("np.array", "np.array([[x, y], [y, x]])", (V, V)),
    Entry("np.array", "np.array([1.0, 2.0, 3.0, 4.0]) * x", (V,)),
    Entry("np.array", "np.array(x)", (V,), empty=((0,),)),
    Entry("np.asarray", "np.asarray(x) * 2.0", (V,)),
    Entry("np.copy", "np.copy(x)", (V,), empty=((0,),)),
    Entry("np.copy", "x.copy()", ((2, 3),)),
    Entry("astype", "x.astype(float)", (V,), float32="the function gives 64 bits"),
    Entry("astype", "x.astype(np.float64) * 2.0", (V,), float32="the function gives 64 bits"),
    Entry("astype", "x.astype(int) * y", (V, V), (between, "normal")),
]
