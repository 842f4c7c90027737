"""Burgers' equation on a square by explicit steps: a nonlinear stencil, cell by cell, differentiated by its start and its viscosity."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, AUTOGRAD, CHECKPOINT, COMPILED, EAGER, JAX, Contest, Peer, left_out
from benchmarks.peers import autograd_run, jax_run, jax_steps, named, package, spoken, torch_run


def burgers(start: Any, viscosity: float, h: float, steps: int) -> Any:
    """The energy after some steps; the frame stays as it is."""
    u = start.copy()
    rows, columns = u.shape
    for _ in range(steps):
        v = u.copy()
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                spread = u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4.0 * u[i, j]
                carried = 0.5 * u[i, j] * (u[i + 1, j] - u[i - 1, j] + u[i, j + 1] - u[i, j - 1])
                v[i, j] = u[i, j] + h * (viscosity * spread - carried)
        u = v
    return np.sum(u * u)


def by_hand(start: Any, viscosity: float, h: float, steps: int) -> Any:
    """All states are kept; backward, every cell gathers from its neighbours, and the frame is done in loops of its own."""
    rows, columns = start.shape
    tape = np.empty((steps + 1, rows, columns))
    tape[0] = start
    for k in range(steps):
        u, v = tape[k], tape[k + 1]
        v[0], v[-1], v[:, 0], v[:, -1] = u[0], u[-1], u[:, 0], u[:, -1]
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                spread = u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4.0 * u[i, j]
                carried = 0.5 * u[i, j] * (u[i + 1, j] - u[i - 1, j] + u[i, j + 1] - u[i, j - 1])
                v[i, j] = u[i, j] + h * (viscosity * spread - carried)
    last = tape[steps]
    value, by_viscosity = 0.0, 0.0
    frame = 2.0 * last
    inner, outer = np.zeros((rows, columns)), np.zeros((rows, columns))
    inner[1:-1, 1:-1] = frame[1:-1, 1:-1]
    for i in range(rows):
        for j in range(columns):
            value += last[i, j] * last[i, j]
    for k in range(steps - 1, -1, -1):
        u = tape[k]
        for j in range(1, columns - 1):
            frame[0, j] += h * inner[1, j] * (viscosity + 0.5 * u[1, j])
            frame[rows - 1, j] += h * inner[rows - 2, j] * (viscosity - 0.5 * u[rows - 2, j])
        for i in range(1, rows - 1):
            frame[i, 0] += h * inner[i, 1] * (viscosity + 0.5 * u[i, 1])
            frame[i, columns - 1] += h * inner[i, columns - 2] * (viscosity - 0.5 * u[i, columns - 2])
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                spread = u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4.0 * u[i, j]
                slope = u[i + 1, j] - u[i - 1, j] + u[i, j + 1] - u[i, j - 1]
                by_viscosity += h * inner[i, j] * spread
                outer[i, j] = inner[i, j] * (1.0 - h * (4.0 * viscosity + 0.5 * slope)) + h * (
                    inner[i - 1, j] * (viscosity - 0.5 * u[i - 1, j])
                    + inner[i + 1, j] * (viscosity + 0.5 * u[i + 1, j])
                    + inner[i, j - 1] * (viscosity - 0.5 * u[i, j - 1])
                    + inner[i, j + 1] * (viscosity + 0.5 * u[i, j + 1])
                )
        inner, outer = outer, inner
    frame[1:-1, 1:-1] = inner[1:-1, 1:-1]
    return value, frame, by_viscosity


def step(u: Any, viscosity: Any, h: float) -> Any:
    """A step of whole slices, which writes nothing in place."""
    here, below, above, right, left = u[1:-1, 1:-1], u[2:, 1:-1], u[:-2, 1:-1], u[1:-1, 2:], u[1:-1, :-2]
    spread = below + above + right + left - 4.0 * here
    carried = 0.5 * here * (below - above + right - left)
    return u + framed(h * (viscosity * spread - carried))


def framed(inner: Any) -> Any:
    """With a frame of zeros."""
    return np.pad(inner, ((1, 1), (1, 1)), mode="constant")


def by_slices(start: Any, viscosity: Any, h: float, steps: int) -> Any:
    """The energy, by a loop of whole-slice steps."""
    u = start
    for _ in range(steps):
        u = step(u, viscosity, h)
    return (u * u).sum()


def with_jax(*, checkpoint: bool) -> Peer:
    """The steps by ``lax.scan``."""

    def scanned(start: Any, viscosity: Any, h: float, steps: int) -> Any:
        step_in_jax = spoken(step, np=named("jax.numpy"))
        u = jax_steps(lambda u: step_in_jax(u, viscosity, h), start, steps, checkpoint=checkpoint)
        return (u * u).sum()

    return Peer(lambda *args: jax_run(scanned, args, WRT))


def with_torch(start: Any, viscosity: Any, h: float, steps: int) -> Any:
    """The same; PyTorch has a padding of its own."""
    pad = package("torch").nn.functional.pad
    return spoken(by_slices, framed=lambda inner: pad(inner, (1, 1, 1, 1)))(start, viscosity, h, steps)


def with_autograd(*args: Any) -> Any:
    """The same, read by autograd."""
    package("autograd")
    return autograd_run(spoken(by_slices, np=named("autograd.numpy")), args, WRT)


def _arguments(n: int, steps: int) -> tuple[Any, ...]:
    x, y = np.meshgrid(np.linspace(0.0, 6.0, n), np.linspace(0.0, 4.0, n))
    return np.sin(x) * np.cos(y) + 0.3, 0.1, 0.05, steps


WRT = (0, 1)
CONTEST = Contest(
    function=burgers,
    wrt=WRT,
    arguments=_arguments,
    sizes={"64 by 64, 50 steps": (64, 50), "256 by 256, 200 steps": (256, 200)},
    small={"7 by 7, 3 steps": (7, 3)},
    work=lambda n, steps: n * n * steps,
    unit="cell and step",
    by_hand=by_hand,
    c="burgers",
    peers={
        JAX: with_jax(checkpoint=False),
        CHECKPOINT: with_jax(checkpoint=True),
        EAGER: Peer(lambda *args: torch_run(with_torch, args, WRT)),
        COMPILED: left_out("it unrolls the loop, and compiles for minutes"),
        AUTOGRAD: Peer(with_autograd),
    },
    limits={JAX: 1 / 20, CHECKPOINT: 1 / 1.2},
    limits_at={"64 by 64, 50 steps": {ALONE: 4.0}},
)
