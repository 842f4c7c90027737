"""A long short-term memory over a batch of sequences: two small matrix products a step, and the gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, AUTOGRAD, CHECKPOINT, COMPILED, EAGER, JAX, Contest, Peer, left_out
from benchmarks.peers import autograd_run, jax_run, named, package, spoken, torch_run


def lstm(x: Any, w: Any, r: Any, bias: Any) -> Any:
    """The squares of the last state together; `x` has an axis each for steps, sequences and inputs."""
    steps, batch, _ = x.shape
    hidden = len(r)
    state, memory = np.zeros((batch, hidden)), np.zeros((batch, hidden))
    for t in range(steps):
        z = x[t] @ w + state @ r + bias
        taken = 1.0 / (1.0 + np.exp(-z[:, :hidden]))
        kept = 1.0 / (1.0 + np.exp(-z[:, hidden : 2 * hidden]))
        shown = 1.0 / (1.0 + np.exp(-z[:, 2 * hidden : 3 * hidden]))
        memory = kept * memory + taken * np.tanh(z[:, 3 * hidden :])
        state = shown * np.tanh(memory)
    return np.sum(state * state)


def by_hand(x: Any, w: Any, r: Any, bias: Any) -> Any:
    """Gates, memories and states are kept; the gradients by the weights are products of all steps at once."""
    steps, batch, inputs = x.shape
    hidden = len(r)
    gates = (np.ascontiguousarray(x).reshape(steps * batch, inputs) @ w + bias).reshape(steps, batch, 4 * hidden)
    states, memories = np.zeros((steps + 1, batch, hidden)), np.zeros((steps + 1, batch, hidden))
    for t in range(steps):
        fed = states[t] @ r
        for b in range(batch):
            for k in range(4 * hidden):
                z = gates[t, b, k] + fed[b, k]
                gates[t, b, k] = 1.0 / (1.0 + np.exp(-z)) if k < 3 * hidden else np.tanh(z)
            for k in range(hidden):
                taken, kept, shown, new = gates[t, b, k], gates[t, b, hidden + k], gates[t, b, 2 * hidden + k], gates[t, b, 3 * hidden + k]
                memory = kept * memories[t, b, k] + taken * new
                memories[t + 1, b, k] = memory
                states[t + 1, b, k] = shown * np.tanh(memory)
    value = np.sum(states[steps] ** 2)
    dstate, dmemory = 2.0 * states[steps], np.zeros((batch, hidden))
    dgates = np.empty((steps, batch, 4 * hidden))
    turned = np.ascontiguousarray(r.T)
    for t in range(steps - 1, -1, -1):
        for b in range(batch):
            for k in range(hidden):
                taken, kept, shown, new = gates[t, b, k], gates[t, b, hidden + k], gates[t, b, 2 * hidden + k], gates[t, b, 3 * hidden + k]
                bent = np.tanh(memories[t + 1, b, k])
                dm = dmemory[b, k] + dstate[b, k] * shown * (1.0 - bent * bent)
                dgates[t, b, k] = dm * new * taken * (1.0 - taken)
                dgates[t, b, hidden + k] = dm * memories[t, b, k] * kept * (1.0 - kept)
                dgates[t, b, 2 * hidden + k] = dstate[b, k] * bent * shown * (1.0 - shown)
                dgates[t, b, 3 * hidden + k] = dm * taken * (1.0 - new * new)
                dmemory[b, k] = dm * kept
        dstate = dgates[t] @ turned
    flat = dgates.reshape(steps * batch, 4 * hidden)
    dx = (flat @ np.ascontiguousarray(w.T)).reshape(steps, batch, inputs)
    dw = np.ascontiguousarray(x).reshape(steps * batch, inputs).T @ flat
    dr = states[:steps].copy().reshape(steps * batch, hidden).T @ flat
    return value, dx, dw, dr, flat.sum(axis=0)


def step(state: Any, memory: Any, x: Any, w: Any, r: Any, bias: Any) -> Any:
    """A step, for those who take the steps in another way."""
    hidden = len(r)
    z = x @ w + state @ r + bias
    taken, kept, shown = (1.0 / (1.0 + np.exp(-z[:, k * hidden : (k + 1) * hidden])) for k in range(3))
    memory = kept * memory + taken * np.tanh(z[:, 3 * hidden :])
    return shown * np.tanh(memory), memory


def with_jax(*, checkpoint: bool) -> Peer:
    """The steps by ``lax.scan`` over the inputs."""

    def scanned(x: Any, w: Any, r: Any, bias: Any) -> Any:
        jax = package("jax")
        step_in_jax = spoken(step, np=named("jax.numpy"))
        body = jax.checkpoint(step_in_jax) if checkpoint else step_in_jax
        zeros = jax.numpy.zeros((x.shape[1], len(r)))
        (state, _), _ = jax.lax.scan(lambda last, now: (body(*last, now, w, r, bias), None), (zeros, zeros), x)
        return (state * state).sum()

    return Peer(lambda *args: jax_run(scanned, args, WRT))


def with_torch(x: Any, w: Any, r: Any, bias: Any) -> Any:
    """The same in PyTorch, where zeros are float32 unless it is told."""
    torch = package("torch")
    state = memory = torch.zeros((x.shape[1], len(r)), dtype=x.dtype)
    step_in_torch = spoken(step, np=torch)
    for t in range(len(x)):
        state, memory = step_in_torch(state, memory, x[t], w, r, bias)
    return (state * state).sum()


def with_autograd(*args: Any) -> Any:
    """The same, read by autograd."""
    package("autograd")
    return autograd_run(spoken(lstm, np=named("autograd.numpy")), args, WRT)


def _arguments(steps: int, batch: int, inputs: int, hidden: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(hidden).normal
    x, bias = draw(size=(steps, batch, inputs)), 0.1 * draw(size=4 * hidden)
    return x, draw(size=(inputs, 4 * hidden)) / inputs**0.5, draw(size=(hidden, 4 * hidden)) / hidden**0.5, bias


WRT = (0, 1, 2, 3)
CONTEST = Contest(
    function=lstm,
    wrt=WRT,
    arguments=_arguments,
    sizes={"T 200, B 32, D 32, H 64": (200, 32, 32, 64)},
    small={"T 3, B 2, D 4, H 5": (3, 2, 4, 5)},
    work=lambda steps, batch, inputs, hidden: steps * batch * hidden,
    unit="step of a cell",
    by_hand=by_hand,
    c=None,
    peers={
        JAX: with_jax(checkpoint=False),
        CHECKPOINT: with_jax(checkpoint=True),
        EAGER: Peer(lambda *args: torch_run(with_torch, args, WRT)),
        COMPILED: left_out("it unrolls the loop, and compiles for minutes"),
        AUTOGRAD: Peer(with_autograd),
    },
    limits={ALONE: 4.0, JAX: 1 / 1.2, CHECKPOINT: 1 / 1.2},
)
