"""lstm: how well layers of gated cells, each fed by the one before it, predict the next row of a sequence.

GradBench's variant has diagonal weights: every unit has its own cell, and only the normalisation of the prediction joins them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import BadMessage, Fields, Floats
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile(wrt=("main", "extra"))
def loss(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    """The mean negative log likelihood; `main` has a row of weights and one of biases for each layer, each for four gates."""
    units = extra.shape[1]
    hidden = state[0::2].copy()
    cell = state[1::2].copy()
    signal = np.zeros(units)
    total = 0.0
    for t in range(sequence.shape[0] - 1):
        for j in range(units):
            signal[j] = sequence[t, j] * extra[0, j]
        for i in range(hidden.shape[0]):
            for j in range(units):
                forget = sigmoid(signal[j] * main[2 * i, j] + main[2 * i + 1, j])
                ingate = sigmoid(hidden[i, j] * main[2 * i, units + j] + main[2 * i + 1, units + j])
                outgate = sigmoid(signal[j] * main[2 * i, 2 * units + j] + main[2 * i + 1, 2 * units + j])
                change = math.tanh(hidden[i, j] * main[2 * i, 3 * units + j] + main[2 * i + 1, 3 * units + j])
                cell[i, j] = cell[i, j] * forget + ingate * change
                hidden[i, j] = outgate * math.tanh(cell[i, j])
                signal[j] = hidden[i, j]
        mass = 2.0
        for j in range(units):
            signal[j] = signal[j] * extra[1, j] + extra[2, j]
            mass += math.exp(signal[j])
        for j in range(units):
            total += sequence[t + 1, j] * (signal[j] - math.log(mass))
    return -total / (units * (sequence.shape[0] - 1))


def sigmoid(x: float) -> float:
    """From 0 to 1."""
    return 1.0 / (1.0 + math.exp(-x))


def arguments(given: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """The parameters, the first state (a row of hidden values and one of cells for each layer) and the sequence."""
    fields = Fields(given, "input")
    extra = fields.table("extra_params")
    units = extra.shape[1]
    main, state = fields.table("main_params", 4 * units), fields.table("state", units)
    sequence = fields.table("sequence", units)
    if len(extra) != 3 or len(main) != len(state) or len(main) % 2 or len(sequence) < 2:
        shapes = ", ".join(f"{name} {len(rows)}" for name, rows in (("main_params", main), ("extra_params", extra), ("state", state)))
        raise BadMessage(f"input has {shapes} and sequence {len(sequence)} rows, not 2 for each layer, 3, 2 for each layer and at least 2")
    return main, extra, state, sequence


def gradient(found: tuple[Floats, Floats]) -> list[float]:
    """All parameters' gradients in one row."""
    flat: list[float] = np.concatenate([part.ravel() for part in found]).tolist()
    return flat


FUNCTIONS = {
    "objective": Task(arguments, loss, plain),
    "jacobian": Task(arguments, loss.grad, gradient),
}
