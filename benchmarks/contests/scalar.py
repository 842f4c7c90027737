"""One gradient of the CS231n function: what a call costs."""

from __future__ import annotations

from typing import Any

from benchmarks.contest import ALONE, AUTOGRAD, BY_HAND, CASADI, COMPILED, EAGER, JAX, TANGENT, C, Contest, Peer
from benchmarks.peers import autograd_run, casadi_run, jax_run, named, package, spoken, tangent_run, torch_run
from benchmarks.workloads.call import POINT, closed_form, staged_function


def _spoken(peer: str, module: str) -> Any:
    package(peer)
    return spoken(staged_function, math=named(module) if "." in module else package(module))


WRT = (0, 1)
CONTEST = Contest(
    function=staged_function,
    wrt=WRT,
    arguments=lambda: POINT,
    sizes={"one call": ()},
    small={"one call": ()},
    work=lambda: 1.0,
    unit="call",
    by_hand=closed_form,
    c="scalar",
    peers={
        JAX: Peer(lambda *args: jax_run(_spoken("jax", "jax.numpy"), args, WRT)),
        EAGER: Peer(lambda *args: torch_run(_spoken("torch", "torch"), args, WRT)),
        COMPILED: Peer(lambda *args: torch_run(_spoken("torch", "torch"), args, WRT, compiled=True)),
        AUTOGRAD: Peer(lambda *args: autograd_run(_spoken("autograd", "autograd.numpy"), args, WRT)),
        CASADI: Peer(lambda *args: casadi_run(_spoken("casadi", "casadi"), args, WRT)),
        TANGENT: Peer(lambda *args: tangent_run(staged_function, args, WRT)),
    },
    # Numba's own call of the same signature; what C costs here is what ctypes does with its arguments.
    limits={BY_HAND: 1.5, C: float("inf"), JAX: 1 / 15, ALONE: 2.8},
)
