"""One function for each kind of kernel, and what LLVM says of its loops: ``python -m tests.vector_kernels`` compiles them all.

Each entry of `KERNELS` is a function, the types of its parameters, and the answer that is compiled; "map" is that of many points.
The remarks go to the standard error of the process, each kernel's under a line with its name.
"""

from __future__ import annotations

import math
import sys

import numpy as np

VECTOR, MATRIX, NARROW = "float64[:]", "float64[:, :]", "float32[:]"


def dot(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


def least_squares(w, x, y):
    loss = 0.0
    for i in range(len(x)):
        d = w * x[i] - y[i]
        loss += d * d
    return loss


def elementwise(x, y):
    return np.sum((x * y + 1.0) * (x - y))


def largest(x):
    return np.max(x)


def stencil(u):
    total = 0.0
    for i in range(1, len(u) - 1):
        d = u[i + 1] - 2.0 * u[i] + u[i - 1]
        total += d * d
    return total


def autocorrelation(x):
    total = 0.0
    n = len(x)
    for i in range(n):
        total += x[i] * x[n - 1 - i]
    return total


def pairs(p, q):
    energy = 0.0
    for i in range(len(p)):
        for j in range(len(p)):
            dx = p[i] - p[j]
            dy = q[i] - q[j]
            energy += 1.0 / math.sqrt(dx * dx + dy * dy + 0.01)
    return energy


def softmax_loss(z):
    return np.log(np.sum(np.exp(z - np.max(z)))) - z[0]


def transcendental(w, x):
    total = 0.0
    for i in range(len(x)):
        total += math.tanh(w * x[i]) * math.exp(-x[i])
    return total


def point(x, y):
    return (x + 1.0 / (1.0 + math.exp(-y))) / (1.0 + (x + y) ** 2)


def of_rows(a, x):
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0
        for j in range(a.shape[1]):
            row += a[i, j] * x[j]
        total += row * row
    return total


def many(a, b, c, d, e, f, g, h, i, j):
    return np.sum(a * b * c * d * e * f * g * h * i * j)


def from_three(u, v):
    if len(u) != len(v):
        raise ValueError("lengths")
    total = 0.0
    for i in range(3, len(u) - 1):
        total += v[i] * (u[i - 2] - u[i + 1])
    return total


def to_two(u, c):
    total = 0.0
    for i in range(len(u) - 1, 1, -1):
        total += c * u[i] * u[i - 2]
    return total


KERNELS = {
    "from three on": (from_three, {"u": VECTOR, "v": VECTOR}, "value"),
    "down to two": (to_two, {"u": VECTOR, "c": "float64"}, "value"),
    "sum": (dot, {"x": VECTOR, "y": VECTOR}, "value"),
    "one pass": (least_squares, {"x": VECTOR, "y": VECTOR}, "value_and_grad"),
    "float32": (least_squares, {"w": "float32", "x": NARROW, "y": NARROW}, "value_and_grad"),
    "elementwise": (elementwise, {"x": VECTOR, "y": VECTOR}, "value_and_grad"),
    "max": (largest, {"x": VECTOR}, "value_and_grad"),
    "softmax": (softmax_loss, {"z": VECTOR}, "value_and_grad"),
    "transcendental": (transcendental, {"x": VECTOR}, "value_and_grad"),
    "stencil": (stencil, {"u": VECTOR}, "value"),
    "from the end": (autocorrelation, {"x": VECTOR}, "value"),
    "pairs": (pairs, {"p": VECTOR, "q": VECTOR}, "value"),
    "rows": (of_rows, {"a": MATRIX, "x": VECTOR}, "value_and_grad"),
    "many arrays": (many, dict.fromkeys("abcdefghij", VECTOR), "value_and_grad"),
    "map": (point, {}, "map"),
}


def smoothed(u):
    total = 0.0
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            d = u[i + 1, j] * u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4.0 * u[i, j]
            total += d * d
    return total


def advanced(u, c, steps):
    n, m = u.shape
    for _ in range(steps):
        v = u.copy()
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                v[i, j] = u[i, j] + c * u[i, j] * (u[i + 1, j] - u[i - 1, j] + u[i, j + 1] - u[i, j - 1])
        u = v
    return np.sum(u * u)


#: Stencils, whose gradients are gathered; the loops over the few cells near the borders need not become vector instructions.
GATHERED = {
    "gathered along a line": (stencil, {"u": VECTOR}, "value_and_grad"),
    "gathered on a grid": (smoothed, {"u": MATRIX}, "value_and_grad"),
    "steps in time": (advanced, {"u": MATRIX, "c": "float64", "steps": "int64"}, "value_and_grad"),
}


def main() -> None:
    import llvmlite.binding

    for option in ("-pass-remarks=loop-vectorize", "-pass-remarks-analysis=loop-vectorize"):
        llvmlite.binding.set_option("", option)
    import stagegrad  # behind the options, which count for what is compiled after them

    # Numba compiles loops of its own beside the first function that calls one of the C library.
    stagegrad.compile(point, target="numba", cache=False)(1.0, 2.0)
    for title, (function, types, answer) in (KERNELS | GATHERED).items():
        staged = stagegrad.compile(function, types=types, target="numba", cache=False)
        print(f"== {title}", file=sys.stderr, flush=True)
        if answer == "map":
            staged.map(np.linspace(0.0, 1.0, 10), np.linspace(0.0, 1.0, 10))
        else:
            staged.build.loaded(answer, "numba")
        if "-v" in sys.argv:
            text = staged.build.map_source("value_and_grad").text if answer == "map" else staged.source("numba", answer=answer)
            print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
