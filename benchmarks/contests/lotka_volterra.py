"""Predators and prey by classical Runge-Kutta steps: a scalar loop of arithmetic only, differentiated by start and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from benchmarks.contest import ALONE, AUTOGRAD, CASADI, CHECKPOINT, COMPILED, EAGER, JAX, TANGENT, Contest, Peer, left_out
from benchmarks.peers import Run, autograd_run, casadi_run, jax_run, jax_steps, package, tangent_run, torch_run


def lotka_volterra(prey: float, hunters: float, born: float, eaten: float, fed: float, die: float, h: float, n: int) -> float:
    """How many there are of both after `n` steps."""
    for _ in range(n):
        k1 = prey * (born - eaten * hunters)
        l1 = hunters * (fed * prey - die)
        p, q = prey + 0.5 * h * k1, hunters + 0.5 * h * l1
        k2 = p * (born - eaten * q)
        l2 = q * (fed * p - die)
        p, q = prey + 0.5 * h * k2, hunters + 0.5 * h * l2
        k3 = p * (born - eaten * q)
        l3 = q * (fed * p - die)
        p, q = prey + h * k3, hunters + h * l3
        k4 = p * (born - eaten * q)
        l4 = q * (fed * p - die)
        prey = prey + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        hunters = hunters + h / 6.0 * (l1 + 2.0 * l2 + 2.0 * l3 + l4)
    return prey + hunters


@register_jitable
def rates(p: Any, q: Any, born: Any, eaten: Any, fed: Any, die: Any) -> Any:
    """How fast both grow."""
    return p * (born - eaten * q), q * (fed * p - die)


@register_jitable
def stages(p: Any, q: Any, born: Any, eaten: Any, fed: Any, die: Any, h: float) -> Any:
    """The points at which a step looks at the rates, and the rates there."""
    k1, l1 = rates(p, q, born, eaten, fed, die)
    p2, q2 = p + 0.5 * h * k1, q + 0.5 * h * l1
    k2, l2 = rates(p2, q2, born, eaten, fed, die)
    p3, q3 = p + 0.5 * h * k2, q + 0.5 * h * l2
    k3, l3 = rates(p3, q3, born, eaten, fed, die)
    p4, q4 = p + h * k3, q + h * l3
    k4, l4 = rates(p4, q4, born, eaten, fed, die)
    return p2, q2, p3, q3, p4, q4, h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), h / 6.0 * (l1 + 2.0 * l2 + 2.0 * l3 + l4)


@register_jitable
def pulled(p: float, q: float, born: float, eaten: float, fed: float, die: float, dk: float, dl: float) -> Any:
    """What gradients of the rates are by the point and by the parameters."""
    return (born - eaten * q) * dk + fed * q * dl, (fed * p - die) * dl - eaten * p * dk, p * dk, -p * q * dk, p * q * dl, -q * dl


def by_hand(prey: float, hunters: float, born: float, eaten: float, fed: float, die: float, h: float, n: int) -> Any:
    """The states are kept, a step is computed again when it is undone."""
    p_tape, q_tape = np.empty(n), np.empty(n)
    p, q = prey, hunters
    for k in range(n):
        p_tape[k], q_tape[k] = p, q
        _, _, _, _, _, _, up, uq = stages(p, q, born, eaten, fed, die, h)
        p, q = p + up, q + uq
    value = p + q
    dp, dq, da, db, dc, dd = 1.0, 1.0, 0.0, 0.0, 0.0, 0.0
    for k in range(n - 1, -1, -1):
        p1, q1 = p_tape[k], q_tape[k]
        p2, q2, p3, q3, p4, q4, _, _ = stages(p1, q1, born, eaten, fed, die, h)
        ep4, eq4, a4, b4, c4, d4 = pulled(p4, q4, born, eaten, fed, die, h / 6.0 * dp, h / 6.0 * dq)
        ep3, eq3, a3, b3, c3, d3 = pulled(p3, q3, born, eaten, fed, die, h / 3.0 * dp + h * ep4, h / 3.0 * dq + h * eq4)
        ep2, eq2, a2, b2, c2, d2 = pulled(p2, q2, born, eaten, fed, die, h / 3.0 * dp + 0.5 * h * ep3, h / 3.0 * dq + 0.5 * h * eq3)
        ep1, eq1, a1, b1, c1, d1 = pulled(p1, q1, born, eaten, fed, die, h / 6.0 * dp + 0.5 * h * ep2, h / 6.0 * dq + 0.5 * h * eq2)
        dp, dq = dp + ep1 + ep2 + ep3 + ep4, dq + eq1 + eq2 + eq3 + eq4
        da, db, dc, dd = da + a1 + a2 + a3 + a4, db + b1 + b2 + b3 + b4, dc + c1 + c2 + c3 + c4, dd + d1 + d2 + d3 + d4
    return value, dp, dq, da, db, dc, dd


def with_jax(*, checkpoint: bool) -> Peer:
    """The steps by ``lax.scan``."""

    def scanned(prey: Any, hunters: Any, born: Any, eaten: Any, fed: Any, die: Any, h: float, n: int) -> Any:
        def step(state: Any) -> Any:
            p, q = state
            *_, up, uq = stages(p, q, born, eaten, fed, die, h)
            return p + up, q + uq

        return sum(jax_steps(step, (prey, hunters), n, checkpoint=checkpoint))

    return Peer(lambda *args: jax_run(scanned, args, WRT))


def with_casadi(*args: Any) -> Run:
    """A step as scalar symbols, folded over the steps."""
    casadi = package("casadi")
    state, parameters = casadi.SX.sym("state", 2), casadi.SX.sym("parameters", 5)
    *_, up, uq = stages(state[0], state[1], *(parameters[k] for k in range(5)))
    step = casadi.Function("step", [state, parameters], [state + casadi.vertcat(up, uq)])

    def folded(prey: Any, hunters: Any, born: Any, eaten: Any, fed: Any, die: Any, h: Any, n: int) -> Any:
        last = step.fold(n)(casadi.vertcat(prey, hunters), casadi.vertcat(born, eaten, fed, die, h))
        return last[0] + last[1]

    return casadi_run(folded, args, WRT, kind="MX")


WRT = (0, 1, 2, 3, 4, 5)
CONTEST = Contest(
    function=lotka_volterra,
    wrt=WRT,
    arguments=lambda n: (10.0, 5.0, 1.1, 0.4, 0.1, 0.4, 0.001 if n > 100_000 else 0.01, n),
    sizes={f"{n:,} steps": (n,) for n in (1_000, 10_000, 1_000_000)},
    small={"30 steps": (30,)},
    work=float,
    unit="step",
    by_hand=by_hand,
    c="lotka_volterra",
    peers={
        JAX: with_jax(checkpoint=False),
        CHECKPOINT: with_jax(checkpoint=True),
        EAGER: Peer(lambda *args: torch_run(lotka_volterra, args, WRT), most=1e3),
        COMPILED: left_out("it unrolls the loop, and compiles for minutes"),
        AUTOGRAD: Peer(lambda *args: autograd_run(lotka_volterra, args, WRT), most=1e3),
        CASADI: Peer(with_casadi, most=1e5),
        TANGENT: Peer(lambda *args: tangent_run(lotka_volterra, args, WRT), most=1e4),
    },
    limits={ALONE: 2.4, JAX: 1 / 20, CHECKPOINT: 1 / 1.2},
)
