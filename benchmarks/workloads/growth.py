"""The gradient of a loop from n to 100 n trips: time and tape grow as n does."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import stagegrad
from benchmarks.checking import WrongAnswer, require_equal
from benchmarks.figures import Effort, Figure
from benchmarks.timing import Contender, race

N, TIMES = 1_000, 100
#: What growing linearly leaves room for: 100,000 records do not fit into the nearest cache.
LIMIT = 1.5


def single(x: float, v: float, h: float, n: int) -> float:
    """A frictionless pendulum, whose gradient neither dies away nor explodes; the trip count is known on entry."""
    for _ in range(n):
        v = v - h * math.sin(x)
        x = x + h * v
    return x


def nest(x: float, v: float, h: float, n: int) -> float:
    """The same by a loop of a hundredth of the trips around one of a hundred."""
    for _ in range(n // 100):
        for _ in range(100):
            v = v - h * math.sin(x)
            x = x + h * v
    return x


def until(x: float, v: float, h: float, n: int) -> float:
    """The same by a `while` that counts, so that its tape has to grow as it runs."""
    left = n
    while left > 0:
        v = v - h * math.sin(x)
        x = x + h * v
        left -= 1
    return x


def by_hand(x: float, v: float, h: float, n: int) -> tuple[float, ...]:
    """Value and gradient of all three, the derivatives carried along by hand."""
    x_by, v_by = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    for _ in range(n):
        sine, cosine = math.sin(x), math.cos(x)
        v_by = [dv - h * cosine * dx - (sine if k == 2 else 0.0) for k, (dx, dv) in enumerate(zip(x_by, v_by, strict=True))]
        v = v - h * sine
        x_by = [dx + h * dv + (v if k == 2 else 0.0) for k, (dx, dv) in enumerate(zip(x_by, v_by, strict=True))]
        x = x + h * v
    return x, *x_by


def undecorated(text: str, entry: str) -> Callable[..., Any]:
    """A function of a generated module as plain Python: what compiled code allocates, Python does not see."""
    plain = text.replace("from numba import njit\n", "def njit(**options):\n    return lambda function: function\n")
    if plain == text:
        raise WrongAnswer("the generated module does not import njit as expected")
    scope: dict[str, Any] = {}
    exec(compile(plain, "<generated>", "exec"), scope)
    found: Callable[..., Any] = scope[entry]
    return found


def tape_bytes(generated: Callable[..., Any], args: tuple[Any, ...]) -> int:
    """The most memory that the generated code holds at a time."""
    generated(*args)  # what is only made once, is made now
    tracemalloc.start()
    try:
        generated(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure(effort: Effort) -> list[Figure]:
    """For each kind of loop the time of a trip, how much slower it gets with 100 times the trips, and the tape of a trip."""
    figures = []
    for label, function in {"for": single, "a nest of for": nest, "while": until}.items():
        point = (0.5, 0.1, 0.01)
        small, large = (*point, N), (*point, N * TIMES)
        staged = stagegrad.compile(function, target="numba")
        compiled: Any = staged.numba.value_and_grad
        for args in (small, large):
            value, gradient = compiled(*args)
            require_equal((value, *gradient), by_hand(*args), 1e-9, label)
        times = race({"small": Contender(compiled, small), "large": Contender(compiled, large)}, effort)
        trip = times.median("small") / N
        plain = undecorated(staged.source("numba"), compiled.__name__)
        tapes = [tape_bytes(plain, args) for args in (small, large)]
        figures += [
            Figure(f"{label}: a trip, n = {N:,}", trip, "s"),
            Figure(f"{label}: a trip with {TIMES} n, against that", times.ratio("large", "small") / TIMES, "", LIMIT),
            Figure(f"{label}: tape of a trip, n = {N:,}", tapes[0] / N, "bytes"),
            Figure(f"{label}: tape of a trip with {TIMES} n, against that", tapes[1] / tapes[0] / TIMES, "", LIMIT),
        ]
    return figures
