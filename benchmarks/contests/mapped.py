"""A function of numbers at many points: value and slopes of the CS231n function at each, by `map`."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, AUTOGRAD, EAGER, JAX, Contest, Peer
from benchmarks.peers import Run, named, package, spoken
from benchmarks.workloads.call import staged_function


def by_hand(x: Any, y: Any) -> Any:
    """One pass over the points."""
    value, dx, dy = np.empty(len(x)), np.empty(len(x)), np.empty(len(x))
    for i in range(len(x)):
        sigx, sigy = 1.0 / (1.0 + np.exp(-x[i])), 1.0 / (1.0 + np.exp(-y[i]))
        both = x[i] + y[i]
        inverse = 1.0 / (sigx + both * both)
        ratio = (x[i] + sigy) * inverse
        value[i] = ratio
        dboth = -2.0 * both * ratio * inverse
        dx[i] = inverse + dboth - (1.0 - sigx) * sigx * ratio * inverse
        dy[i] = (1.0 - sigy) * sigy * inverse + dboth
    return value, dx, dy


def with_jax(x: Any, y: Any) -> Run:
    """By ``vmap`` of the gradient at a point."""
    jax = package("jax")
    compiled = jax.jit(jax.vmap(jax.value_and_grad(spoken(staged_function, math=jax.numpy), argnums=WRT)))
    placed = jax.numpy.asarray(x), jax.numpy.asarray(y)
    return lambda: jax.block_until_ready(compiled(*placed))


def with_torch(x: Any, y: Any) -> Run:
    """By the gradient of the sum, from which each point gets its own."""
    torch = package("torch")
    leaves = [torch.from_numpy(array.copy()).requires_grad_() for array in (x, y)]
    function = spoken(staged_function, math=torch)

    def run() -> Any:
        value = function(*leaves)
        return value.detach(), torch.autograd.grad(value.sum(), leaves)

    return run


def with_autograd(x: Any, y: Any) -> Run:
    """By its gradient of many functions at once; the values are computed apart."""
    package("autograd")
    function = spoken(staged_function, math=named("autograd.numpy"))
    slopes = named("autograd.elementwise_grad")(function, WRT)
    return lambda: (function(x, y), slopes(x, y))


def _arguments(n: int) -> tuple[Any, Any]:
    draw = np.random.default_rng(n).normal
    return draw(size=n), draw(size=n)


WRT = (0, 1)
CONTEST = Contest(
    function=staged_function,
    wrt=WRT,
    arguments=_arguments,
    sizes={f"{n:,}": (n,) for n in (1_000, 10_000, 100_000, 1_000_000, 10_000_000)},
    small={"30": (30,)},
    work=float,
    unit="point",
    by_hand=by_hand,
    c="mapped",
    peers={JAX: Peer(with_jax), EAGER: Peer(with_torch), AUTOGRAD: Peer(with_autograd)},
    limits={ALONE: 3.0, JAX: 1 / 3},
    mapped=True,
)
