"""Bodies that attract one another, by leapfrog steps: all pairs, a reciprocal root for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, AUTOGRAD, CHECKPOINT, COMPILED, EAGER, JAX, Contest, Peer, left_out
from benchmarks.peers import autograd_run, jax_run, jax_steps, named, package, spoken, torch_run


def bodies(position: Any, velocity: Any, mass: Any, h: float, steps: int) -> Any:
    """How far the bodies are out, the squares together; positions and velocities have a row for each direction."""
    x, v = position.copy(), velocity.copy()
    n = len(mass)
    for _ in range(steps):
        for i in range(n):
            ax, ay, az = 0.0, 0.0, 0.0
            for j in range(n):
                rx, ry, rz = x[0, j] - x[0, i], x[1, j] - x[1, i], x[2, j] - x[2, i]
                square = rx * rx + ry * ry + rz * rz + 0.01
                pull = mass[j] / (square * np.sqrt(square))
                ax += pull * rx
                ay += pull * ry
                az += pull * rz
            v[0, i] += h * ax
            v[1, i] += h * ay
            v[2, i] += h * az
        for d in range(3):
            for i in range(n):
                x[d, i] += h * v[d, i]
    return np.sum(x * x)


def by_hand(position: Any, velocity: Any, mass: Any, h: float, steps: int) -> Any:
    """The positions are kept; backward, every body gathers what it is pulled by, both ways of a pair at once."""
    n = len(mass)
    tape = np.empty((steps, 3, n))
    x, v = position.copy(), velocity.copy()
    for k in range(steps):
        tape[k] = x
        for i in range(n):
            ax, ay, az = 0.0, 0.0, 0.0
            for j in range(n):
                rx, ry, rz = x[0, j] - x[0, i], x[1, j] - x[1, i], x[2, j] - x[2, i]
                square = rx * rx + ry * ry + rz * rz + 0.01
                pull = mass[j] / (square * np.sqrt(square))
                ax += pull * rx
                ay += pull * ry
                az += pull * rz
            v[0, i] += h * ax
            v[1, i] += h * ay
            v[2, i] += h * az
        x += h * v
    dx, dv, dmass, g = 2.0 * x, np.zeros((3, n)), np.zeros(n), np.empty((3, n))
    value = np.sum(x * x)
    for k in range(steps - 1, -1, -1):
        x = tape[k]
        dv += h * dx
        g[:] = h * dv
        for i in range(n):
            ex, ey, ez, em = 0.0, 0.0, 0.0, 0.0
            for j in range(n):
                rx, ry, rz = x[0, j] - x[0, i], x[1, j] - x[1, i], x[2, j] - x[2, i]
                square = rx * rx + ry * ry + rz * rz + 0.01
                cube = 1.0 / (square * np.sqrt(square))
                gx = mass[i] * g[0, j] - mass[j] * g[0, i]
                gy = mass[i] * g[1, j] - mass[j] * g[1, i]
                gz = mass[i] * g[2, j] - mass[j] * g[2, i]
                along = 3.0 * (gx * rx + gy * ry + gz * rz) / square
                ex += cube * (gx - along * rx)
                ey += cube * (gy - along * ry)
                ez += cube * (gz - along * rz)
                em -= cube * (g[0, j] * rx + g[1, j] * ry + g[2, j] * rz)
            dx[0, i] += ex
            dx[1, i] += ey
            dx[2, i] += ez
            dmass[i] += em
    return value, dx, dv, dmass


def step(x: Any, v: Any, mass: Any, h: float) -> Any:
    """A step by arrays of all pairs, which writes nothing in place."""
    away = x[:, None, :] - x[:, :, None]
    square = (away * away).sum(0) + 0.01
    v = v + h * (mass / (square * np.sqrt(square)) * away).sum(2)
    return x + h * v, v


def by_pairs(position: Any, velocity: Any, mass: Any, h: float, steps: int) -> Any:
    """The same by a loop of whole-array steps."""
    x, v = position, velocity
    for _ in range(steps):
        x, v = step(x, v, mass, h)
    return (x * x).sum()


def with_jax(*, checkpoint: bool) -> Peer:
    """The steps by ``lax.scan``."""

    def scanned(position: Any, velocity: Any, mass: Any, h: float, steps: int) -> Any:
        step_in_jax = spoken(step, np=named("jax.numpy"))
        x, _ = jax_steps(lambda state: step_in_jax(*state, mass, h), (position, velocity), steps, checkpoint=checkpoint)
        return (x * x).sum()

    return Peer(lambda *args: jax_run(scanned, args, WRT))


def with_autograd(*args: Any) -> Any:
    """The same, read by autograd."""
    package("autograd")
    return autograd_run(spoken(by_pairs, np=named("autograd.numpy")), args, WRT)


def _arguments(n: int, steps: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(n)
    return draw.normal(size=(3, n)), 0.1 * draw.normal(size=(3, n)), draw.uniform(0.5, 1.5, n) / n, 0.01, steps


WRT = (0, 1, 2)
CONTEST = Contest(
    function=bodies,
    wrt=WRT,
    arguments=_arguments,
    sizes={"64, 10 steps": (64, 10), "512, 10 steps": (512, 10)},
    small={"6, 3 steps": (6, 3)},
    work=lambda n, steps: n * n * steps,
    unit="pair and step",
    by_hand=by_hand,
    c="bodies",
    peers={
        JAX: with_jax(checkpoint=False),
        CHECKPOINT: with_jax(checkpoint=True),
        EAGER: Peer(lambda *args: torch_run(spoken(by_pairs, np=package("torch")), args, WRT)),
        COMPILED: left_out("it unrolls the loop, and compiles for minutes"),
        AUTOGRAD: Peer(with_autograd),
    },
    limits={ALONE: 3.6, JAX: 1 / 20, CHECKPOINT: 1 / 1.2},
)
