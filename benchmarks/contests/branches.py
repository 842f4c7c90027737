"""A scalar loop with a branch: a population that grows until it is harvested."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, AUTOGRAD, CASADI, CHECKPOINT, COMPILED, EAGER, JAX, TANGENT, Contest, Peer, left_out
from benchmarks.peers import Run, autograd_run, casadi_run, jax_run, jax_steps, named, package, tangent_run, torch_run
from benchmarks.workloads.recurrence import harvest


def by_hand(x: float, growth: float, kept: float, n: int) -> Any:
    """The states are kept: they say which way was taken."""
    tape = np.empty(n)
    for k in range(n):
        tape[k] = x
        x = kept * x if x > 1.0 else x + growth * x * (1.0 - 0.5 * x)
    value = x
    dx, dgrowth, dkept = 1.0, 0.0, 0.0
    for k in range(n - 1, -1, -1):
        x = tape[k]
        if x > 1.0:
            dkept += x * dx
            dx *= kept
        else:
            dgrowth += x * (1.0 - 0.5 * x) * dx
            dx *= 1.0 + growth * (1.0 - x)
    return value, dx, dgrowth, dkept


def with_jax(*, checkpoint: bool) -> Peer:
    """The steps by ``lax.scan``, the branch by ``where``."""

    def scanned(x: Any, growth: Any, kept: Any, n: int) -> Any:
        where = named("jax.numpy.where")
        return jax_steps(lambda x: where(x > 1.0, kept * x, x + growth * x * (1.0 - 0.5 * x)), x, n, checkpoint=checkpoint)

    return Peer(lambda *args: jax_run(scanned, args, WRT))


def with_casadi(*args: Any) -> Run:
    """A step as scalar symbols, folded over the steps."""
    casadi = package("casadi")
    x, parameters = casadi.SX.sym("x"), casadi.SX.sym("parameters", 2)
    following = casadi.if_else(x > 1.0, parameters[1] * x, x + parameters[0] * x * (1.0 - 0.5 * x))
    step = casadi.Function("step", [x, parameters], [following])
    return casadi_run(lambda x, growth, kept, n: step.fold(n)(x, casadi.vertcat(growth, kept)), args, WRT, kind="MX")


WRT = (0, 1, 2)
CONTEST = Contest(
    function=harvest,
    wrt=WRT,
    arguments=lambda n: (0.7, 0.05, 0.6, n),
    sizes={f"{n:,} steps": (n,) for n in (1_000, 10_000)},
    small={"25 steps": (25,)},
    work=float,
    unit="step",
    by_hand=by_hand,
    c="branches",
    peers={
        JAX: with_jax(checkpoint=False),
        CHECKPOINT: with_jax(checkpoint=True),
        EAGER: Peer(lambda *args: torch_run(harvest, args, WRT), most=1e3),
        COMPILED: left_out("it unrolls the loop, and compiles for minutes"),
        AUTOGRAD: Peer(lambda *args: autograd_run(harvest, args, WRT), most=1e3),
        CASADI: Peer(with_casadi, most=1e3),
        TANGENT: Peer(lambda *args: tangent_run(harvest, args, WRT), most=1e4),
    },
    limits={ALONE: 2.5, JAX: 1 / 20, CHECKPOINT: 1 / 1.2, TANGENT: 1 / 100},
)
