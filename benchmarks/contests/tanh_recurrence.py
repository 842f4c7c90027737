"""A scalar recurrence through a hyperbolic tangent: nothing but the latency of one call after another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.contest import ALONE, AUTOGRAD, CASADI, CHECKPOINT, COMPILED, EAGER, JAX, TANGENT, Contest, Peer, left_out
from benchmarks.peers import Run, autograd_run, casadi_run, jax_run, jax_steps, named, package, spoken, tangent_run, torch_run


def tanh_recurrence(x: float, w: float, b: float, n: int) -> float:
    """The squares of all states together, so that no gradient dies away."""
    total = 0.0
    for _ in range(n):
        x = math.tanh(w * x + b)
        total += x * x
    return total


def by_hand(x: float, w: float, b: float, n: int) -> Any:
    """The states are kept; the slope of a hyperbolic tangent is in its value."""
    tape = np.empty(n + 1)
    tape[0] = x
    total = 0.0
    for k in range(n):
        x = math.tanh(w * x + b)
        tape[k + 1] = x
        total += x * x
    dx, dw, db = 0.0, 0.0, 0.0
    for k in range(n - 1, -1, -1):
        x = tape[k + 1]
        dz = (1.0 - x * x) * (dx + 2.0 * x)
        dw += tape[k] * dz
        db += dz
        dx = w * dz
    return total, dx, dw, db


def with_jax(*, checkpoint: bool) -> Peer:
    """The steps by ``lax.scan``."""

    def scanned(x: Any, w: Any, b: Any, n: int) -> Any:
        tanh = named("jax.numpy.tanh")

        def step(state: Any) -> Any:
            following = tanh(w * state[0] + b)
            return following, state[1] + following * following

        return jax_steps(step, (x, 0.0 * x), n, checkpoint=checkpoint)[1]

    return Peer(lambda *args: jax_run(scanned, args, WRT))


def with_casadi(*args: Any) -> Run:
    """A step as scalar symbols, folded over the steps."""
    casadi = package("casadi")
    state, parameters = casadi.SX.sym("state", 2), casadi.SX.sym("parameters", 2)
    following = casadi.tanh(parameters[0] * state[0] + parameters[1])
    step = casadi.Function("step", [state, parameters], [casadi.vertcat(following, state[1] + following**2)])
    return casadi_run(lambda x, w, b, n: step.fold(n)(casadi.vertcat(x, 0), casadi.vertcat(w, b))[1], args, WRT, kind="MX")


def _spoken(package_name: str, path: str) -> Any:
    package(package_name)
    return spoken(tanh_recurrence, math=named(path))


WRT = (0, 1, 2)
CONTEST = Contest(
    function=tanh_recurrence,
    wrt=WRT,
    arguments=lambda n: (0.3, 1.4, -0.2, n),
    sizes={f"{n:,} steps": (n,) for n in (1_000, 100_000)},
    small={"30 steps": (30,)},
    work=float,
    unit="step",
    by_hand=by_hand,
    c="tanh_recurrence",
    peers={
        JAX: with_jax(checkpoint=False),
        CHECKPOINT: with_jax(checkpoint=True),
        EAGER: Peer(lambda *args: torch_run(spoken(tanh_recurrence, math=package("torch")), args, WRT), most=1e3),
        COMPILED: left_out("it unrolls the loop, and compiles for minutes"),
        AUTOGRAD: Peer(lambda *args: autograd_run(_spoken("autograd", "autograd.numpy"), args, WRT), most=1e3),
        CASADI: Peer(with_casadi),
        TANGENT: Peer(lambda *args: tangent_run(tanh_recurrence, args, WRT), most=1e4),
    },
    limits={ALONE: 2.5},
)
