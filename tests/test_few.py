"""Small arrays as numbers: the same values as NumPy's, no array made in a loop, and an array stays one where it is needed as such."""

from __future__ import annotations

import inspect
import math
import random
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import stagegrad
from stagegrad import pipeline
from stagegrad.frontend.specs import parse_all
from stagegrad.ir import Module, Stage, check, walk
from stagegrad.passes.few import few_as_numbers, unrolled
from stagegrad.passes.inlined import inlined
from stagegrad.passes.optimise import share
from tests.complex_step import differences
from tests.interpret import Interpreter


def rhs(y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - y[1]])


def runge_kutta(y, p, h: float, n: int):
    for _ in range(n):
        k1 = rhs(y, p)
        k2 = rhs(y + 0.5 * h * k1, p)
        k3 = rhs(y + 0.5 * h * k2, p)
        k4 = rhs(y + h * k3, p)
        y = y + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(y**2)


def kalman(z, q: float, r: float):
    F, H = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([1.0, 0.0])
    x, P, Q = np.zeros(2), np.eye(2), q * np.eye(2)
    total = 0.0
    for k in range(len(z)):
        x, P = F @ x, F @ P @ F.T + Q
        s = H @ P @ H + r
        gain = P @ H / s
        e = z[k] - H @ x
        x = x + gain * e
        P = P - np.outer(gain, H @ P)
        total += -0.5 * (math.log(s) + e * e / s)
    return total


def turning(w, h: float):
    q = np.array([1.0, 0.0, 0.0, 0.0])
    for i in range(w.shape[0]):
        a, b, c = w[i]
        rate = np.array([[0, -a, -b, -c], [a, 0, c, -b], [b, -c, 0, a], [c, b, -a, 0]])
        q = q + 0.5 * h * rate @ q
        q /= np.linalg.norm(q)
    return q[0] ** 2 - q[3]


def trajectory(y, p, t):
    path = np.zeros((len(t), 2))
    path[0] = y
    for i in range(len(t) - 1):
        x, v = path[i]
        path[i + 1] = path[i] + (t[i + 1] - t[i]) * np.array([v, -p[0] * x - p[1] * v])
    return np.sum(path[:, 0] ** 2)


def bouncing(v, steps: int):
    v, p = v.copy(), np.array([1.0, 0.5])
    hits = 0.0
    for _ in range(steps):
        p = p + 0.1 * v
        if p[1] < 0.0:
            p = np.array([p[0], -p[1]])
            v = v * np.array([0.9, -0.9])
            hits += p @ v
        elif p[0] > 3.0:
            break
        v[1] -= 0.3
    return hits + np.sum(p * v)


def relaxing(m, tol: float):
    x = np.zeros(2)
    b = np.array([1.0, 2.0])
    for _ in range(50):
        new = np.where(x > 0.1, 0.5, 1.0) * (b - m @ x) * 0.3 + x
        moved = np.abs(new - x)
        x = new
        if moved[0] + moved[1] < tol:
            break
    return x[0] - x[1] * 3.0


def by_indices(m, v, n: int):
    x = np.array([1.0, 2.0, 3.0])
    for _ in range(n):
        y = np.zeros(3)
        for i in range(3):
            for j in range(2, -1, -1):
                y[i] += m[i, j] * x[j]
            y[i] = math.tanh(y[i] + v[i]) + x[i - 1]
        x = y
    return x[0] + x[2]


def turned(axis, angle):
    c, s = np.cos(angle), np.sin(angle)
    if axis == 0:
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def arm(q, lengths):
    R, p = np.eye(3), np.zeros(3)
    for i in range(len(q)):
        R = R @ turned(2, q[i]) @ turned(0, 0.3)
        p = p + R @ np.array([lengths[i], 0.0, 0.0])
    return p[0] ** 2 + p[1] - p[2]


def crossing(gyro, g, dt: float):
    q, v = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3)
    for k in range(len(gyro)):
        a = 2 * np.cross(q[1:], np.cross(q[1:], g) + q[0] * g) + g
        q = q + 0.5 * dt * np.concatenate(([0.1], np.cross(q[1:], gyro[k]) + gyro[k]))
        v += a * dt
    return q @ np.concatenate((v, [1.0]))


def as_arrays(a, b):
    """What is needed as an array: solved for, indexed by a count, handed to a function that writes to it."""
    total = 0.0
    table = np.array([1.0, 2.0, 3.0])
    for k in range(3):
        x = np.linalg.solve(a, b + table[:2] * k)
        table[k] = table[k] * x[0]
        total += x @ b + table[k]
    return total


DRAW = np.random.default_rng(3).uniform
CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (runge_kutta, (DRAW(0.5, 1.0, 2), DRAW(0.5, 1.0, 3), 0.05, 4)),
    (runge_kutta, (DRAW(0.5, 1.0, 2), DRAW(0.5, 1.0, 3), 0.05, 0)),
    (kalman, (DRAW(-1.0, 1.0, 5), 0.1, 0.2)),
    (turning, (DRAW(-1.0, 1.0, (4, 3)), 0.1)),
    (trajectory, (DRAW(0.5, 1.0, 2), DRAW(0.5, 1.0, 2), np.linspace(0.0, 1.0, 6))),
    (bouncing, (np.array([1.0, -1.5]), 12)),
    (bouncing, (np.array([9.0, 1.5]), 12)),
    (relaxing, (np.array([[1.0, 0.2], [0.1, 2.0]]), 1e-3)),
    (by_indices, (DRAW(-1.0, 1.0, (3, 3)), DRAW(-1.0, 1.0, 3), 3)),
    (arm, (DRAW(-1.0, 1.0, 3), DRAW(-1.0, 1.0, 3))),
    (crossing, (DRAW(-1.0, 1.0, (3, 3)), DRAW(-1.0, 1.0, 3), 0.1)),
    (as_arrays, (np.array([[2.0, 0.2], [0.1, 3.0]]), np.array([1.0, -1.0]))),
]


def lowered(function: Any, args: tuple[Any, ...], text: str | None = None) -> Module:
    """The user's IR for arguments like these, called functions in place."""
    marks = {1: "float64[:]", 2: "float64[:, :]"}
    signature = inspect.signature(function)
    types = {name: marks[arg.ndim] for name, arg in zip(signature.parameters, args, strict=True) if isinstance(arg, np.ndarray)}
    program = pipeline.read(function, text, parse_all(types, signature, "f"))
    main = program.module.main
    axes = tuple("n" * param.type.rank for param in main.params)
    return inlined(Module((replace(main, axes=axes), *program.module.functions[1:])))


def as_numbers(module: Module) -> Module:
    return check(few_as_numbers(share(check(unrolled(share(module))))))


def arrays_made(module: Module) -> int:
    """How many stages make a vector or a matrix."""
    return sum(isinstance(stmt, Stage) and stmt.out.type.rank in (1, 2) for stmt in walk(module.main.body))


def fresh(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args)


@pytest.mark.parametrize(("function", "args"), CASES)
def test_values(function: Any, args: tuple[Any, ...]) -> None:
    before = lowered(function, args)
    after = as_numbers(before)
    assert Interpreter(after)(*fresh(args)) == pytest.approx(function(*fresh(args)), rel=1e-13)
    assert arrays_made(after) < arrays_made(before) or function is as_arrays


def test_what_is_left_of_arrays() -> None:
    """Nothing is, but for the copy that the user made."""
    left = {function.__name__: arrays_made(as_numbers(lowered(function, args))) for function, args in CASES}
    assert left["kalman"] == left["runge_kutta"] == left["relaxing"] == left["by_indices"] == left["arm"] == 0
    assert left["turning"] == 0
    assert left["bouncing"] == 1


@pytest.mark.parametrize(("function", "args"), [CASES[0], CASES[3], CASES[4], CASES[6], CASES[7], CASES[8]])
def test_gradients(function: Any, args: tuple[Any, ...]) -> None:
    compiled = stagegrad.compile(function)
    value, gradient = compiled.value_and_grad(*fresh(args))
    assert value == pytest.approx(function(*fresh(args)), rel=1e-13)
    found = np.concatenate([np.ravel(one) for one in (gradient if isinstance(gradient, tuple) else (gradient,))])
    np.testing.assert_allclose(found, differences(function, args), rtol=1e-6, atol=1e-8)
    if function is not bouncing:
        loop = compiled.source("numba").partition("backward pass")[0]
        assert "np.array(" not in loop and "room(2)" not in loop, loop


def test_the_records_of_numbers_are_counted() -> None:
    """The elements of the state, one record each for a trip."""
    function, args = CASES[0]
    assert stagegrad.compile(function, target="numba").cost(*fresh(args)).recorded == 2 * args[-1]


def test_another_size_is_refused_where_it_meets() -> None:
    """An array that meets one of two elements has two, or the program stops as NumPy does."""
    compiled = stagegrad.compile(runge_kutta)
    for size in (3, 1):
        with pytest.raises(ValueError, match="broadcast"):
            compiled.value_and_grad(np.ones(size + 1 if size == 3 else 5), np.ones(3), 0.1, 2)


def test_an_array_of_one_element_is_repeated() -> None:
    def stretched(c, n: int):
        y = np.array([1.0, 2.0])
        for _ in range(n):
            y = y * c + np.array([0.1, 0.2])
        return y[0] * y[1]

    args = (np.array([0.5]), 3)
    value, slope = stagegrad.compile(stretched).value_and_grad(*args)
    assert value == pytest.approx(stretched(*args))
    np.testing.assert_allclose(slope, differences(stretched, args), rtol=1e-7)


@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf, 0.0, -0.0])
def test_special_numbers_go_on(special: float) -> None:
    """A product with a zero of a matrix is made, for it may be nan."""

    def rotated(v, n: int):
        m = np.array([[0.0, -1.0], [1.0, 0.0]])
        for _ in range(n):
            v = m @ v
        return v[0] + 2.0 * v[1]

    args = (np.array([special, 1.5]), 3)
    module = lowered(rotated, args)
    assert arrays_made(few_as_numbers(module)) == 0
    with np.errstate(invalid="ignore"):
        np.testing.assert_equal(Interpreter(few_as_numbers(module))(*fresh(args)), Interpreter(module)(*fresh(args)))


# ---------------------------------------------------------------------------------------------- random programs


class Maker:
    """Random programs with vectors of two or three elements, two by two matrices, branches and loops."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.vectors, self.matrices, self.numbers = ["u", "v"], ["m"], ["s", "u[1]"]
        self.lines: list[str] = []

    def text(self) -> str:
        self.block(1, self.draw.randint(3, 7))
        total = " + ".join([*(f"np.sum({v})" for v in self.vectors), *(f"{m}[0, 1] - {m}[1, 0]" for m in self.matrices)])
        body = "\n".join(self.lines)
        start = "u, v, m = u.copy(), v + np.array([0.5, -0.25]), m.copy()"
        return f"def f(u, v, m, s: float, n: int):\n    {start}\n{body}\n    return {total}\n"

    def block(self, depth: int, count: int) -> None:
        for _ in range(count):
            kind = self.draw.choice(["vector"] * 5 + ["matrix"] * 2 + ["number", "write", "write", "if", "for", "while"])
            pad = "    " * depth
            if kind in ("if", "for", "while") and depth < 4:
                heads = {"if": f"if {self.number()} > 0.3:", "for": f"for k{depth} in range(n):"}
                if kind == "while":
                    self.lines += [f"{pad}w{depth} = 0", f"{pad}while w{depth} < n and abs({self.draw.choice(self.vectors)}[0]) < 3.0:",
                                   f"{pad}    w{depth} += 1"]  # fmt: skip
                else:
                    self.lines.append(f"{pad}{heads[kind]}")
                before = list(self.vectors), list(self.matrices), list(self.numbers)
                self.block(depth + 1, self.draw.randint(1, 3))
                self.vectors, self.matrices, self.numbers = before
            else:
                self.assignment(kind, pad, depth)

    def assignment(self, kind: str, pad: str, depth: int) -> None:
        names = {"vector": self.vectors, "matrix": self.matrices, "number": self.numbers}.get(kind)
        if names is None:
            line = self.draw.choice([f"{self.draw.choice(self.vectors)}[{self.draw.choice('01')}] = {self.number()}",
                                     f"{self.draw.choice(self.matrices)}[1] = {self.vector()}",
                                     f"{self.draw.choice(self.matrices)}[:, 0] = {self.vector()}"])  # fmt: skip
            self.lines.append(f"{pad}{line}")
            return
        value = {"vector": self.vector, "matrix": self.matrix, "number": self.number}[kind]()
        old = [name for name in names if "[" not in name and name != "s"]
        name = self.draw.choice(old) if old and (depth > 1 or self.draw.random() < 0.5) else f"{kind[0]}{len(self.lines)}"
        self.lines.append(f"{pad}{name} = {value}")
        if name not in names:
            names.append(name)

    def vector(self) -> str:
        a, b, m = self.draw.choice(self.vectors), self.draw.choice(self.vectors), self.draw.choice(self.matrices)
        return self.draw.choice([
            f"np.sin({a}) * {self.number()}", f"0.5 * ({a} + {b})", f"{a} * 1.0", f"np.tanh({m} @ {a})", f"np.tanh({a} @ {m})",
            f"{m}[0] + {m}[:, 1]", f"np.array([{self.number()}, {a}[1]])", f"np.where({a} > {b}, {a}, {b} * 0.5)", f"{a}[::-1] * 1.0",
            f"{a} / np.linalg.norm({b})", f"np.maximum({a}, 0.1)", f"np.cos({m}.T @ {b})", f"np.zeros(2) + {a}", f"np.cumsum({a}) * 0.3",
        ])  # fmt: skip

    def matrix(self) -> str:
        a, b, m = self.draw.choice(self.vectors), self.draw.choice(self.vectors), self.draw.choice(self.matrices)
        return self.draw.choice([
            f"0.4 * np.outer({a}, {b})", f"0.3 * ({m} @ {m}.T)", f"np.eye(2) - 0.1 * {m}", f"np.sin({m} + {a})", f"{m}.T * 1.0",
            f"np.array([[{self.number()}, 0.0], [1, {b}[0]]])", f"0.5 * np.linalg.inv(np.eye(2) * 9.0 + np.sin({m}))",
        ])  # fmt: skip

    def number(self) -> str:
        a, b, m = self.draw.choice(self.vectors), self.draw.choice(self.vectors), self.draw.choice(self.matrices)
        number = self.draw.choice(self.numbers)
        return self.draw.choice([
            f"0.3 * {a} @ {b}", f"np.cos(np.sum({a}))", f"{m}[1, 0]", f"{a}[0]", f"math.sin({number})", f"{number}", "0.7",
        ])  # fmt: skip


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_random_programs(start: int) -> None:
    changed = 0
    for seed in range(start, start + 50):
        text = Maker(seed).text()
        scope: dict[str, Any] = {"np": np, "math": math}
        exec(text, scope)
        draw = np.random.default_rng(seed).uniform
        args = (draw(-1.0, 1.0, 2), draw(-1.0, 1.0, 2), draw(-1.0, 1.0, (2, 2)), 0.4, 2)
        try:
            before = lowered(scope["f"], args, text)
        except stagegrad.StagegradError:
            continue
        after = as_numbers(before)
        changed += arrays_made(after) < arrays_made(before)
        np.testing.assert_allclose(Interpreter(after)(*fresh(args)), scope["f"](*fresh(args)), rtol=1e-11, atol=1e-12, err_msg=text)
    assert changed > 15


def pulled(pos, m, h: float, steps: int):
    pos = pos.copy()
    n, axes = pos.shape
    for _ in range(steps):
        force = np.zeros_like(pos)
        for i in range(n):
            for j in range(n):
                if i != j:
                    d = pos[j] - pos[i]
                    force[i] += m[j] * d / (np.sum(d * d) + 0.1) ** 1.5
            for k in range(axes):
                force[i, k] -= 0.1 * pos[i, k]
        pos += h * force
    return np.sum(pos**2)


@pytest.mark.parametrize("axes", [1, 2, 3, 5])
def test_rows_of_points(axes: int) -> None:
    """How many coordinates points have is part of the program where it is two to four, and their rows are numbers then."""
    args = (DRAW(-1.0, 1.0, (4, axes)), DRAW(0.5, 1.0, 4), 0.05, 2)
    compiled = stagegrad.compile(pulled)
    value, gradient = compiled.value_and_grad(*fresh(args))
    assert value == pytest.approx(pulled(*fresh(args)), rel=1e-13)
    assert compiled(*fresh(args)) == pytest.approx(value, rel=1e-13)
    found = np.concatenate([np.ravel(one) for one in gradient])
    np.testing.assert_allclose(found, differences(pulled, args), rtol=1e-6, atol=1e-8)
    assert ("d_1 = " in compiled.source("numba")) is (axes in (2, 3))


def in_columns(pos, m):
    x = pos.T
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(i):
            d = pos[:, j] - x[i]
            total -= m[i] * m[j] / np.sqrt(d @ d + 0.1)
    return total


@pytest.mark.parametrize("axes", [1, 3, 6])
def test_columns_of_points(axes: int) -> None:
    args = (DRAW(-1.0, 1.0, (axes, 4)), DRAW(0.5, 1.0, 4))
    compiled = stagegrad.compile(in_columns)
    value, gradient = compiled.value_and_grad(*fresh(args))
    assert value == pytest.approx(in_columns(*fresh(args)), rel=1e-13)
    np.testing.assert_allclose(np.concatenate([np.ravel(one) for one in gradient]), differences(in_columns, args), rtol=1e-6, atol=1e-8)
    assert ("d_1 = " in compiled.source("numba")) is (axes == 3)


def filtered(z, F, H, Q):
    x, P = np.zeros(F.shape[0]), np.eye(F.shape[0])
    total = 0.0
    for k in range(len(z)):
        x, P = F @ x, F @ P @ F.T + Q
        s = (H @ P @ H.T)[0, 0] + 0.5
        gain = P @ H[0] / s
        miss = z[k] - H[0] @ x
        x, P = x + gain * miss, P - np.outer(gain, H[0] @ P)
        total += np.log(s) + miss**2 / s
    return total


@pytest.mark.parametrize("states", [1, 2, 5])
def test_matrices_that_are_given(states: int) -> None:
    F, H = np.eye(states) + 0.1 * DRAW(size=(states, states)), np.ones((1, states))
    args = (DRAW(size=4), F, H, 0.1 * np.eye(states))
    compiled = stagegrad.compile(filtered)
    value, gradient = compiled.value_and_grad(*args)
    assert value == pytest.approx(filtered(*args), rel=1e-12)
    np.testing.assert_allclose(np.concatenate([np.ravel(one) for one in gradient]), differences(filtered, args), rtol=1e-5, atol=1e-8)
    assert ("P_01 = " in compiled.source("numba")) is (states == 2)


def test_points_of_two_sizes_take_turns() -> None:
    compiled = stagegrad.compile(pulled, target="numba")
    for axes in (3, 5, 3, 2, 5, 3):
        args = (DRAW(-1.0, 1.0, (3, axes)), np.ones(3), 0.05, 1)
        assert compiled(*fresh(args)) == pytest.approx(pulled(*fresh(args)), rel=1e-13)


def test_other_programs_are_not_made_for_each_size() -> None:
    def total(x):
        return np.sum(x[:, 0] * x[1, 1])

    compiled = stagegrad.compile(total, target="numpy")
    for axes in (2, 3, 4, 7):
        assert compiled(np.ones((3, axes))) == 3.0
    assert len(compiled._builds) == 1


def test_names_that_are_taken() -> None:
    def f(p, n: int):
        p_0 = 2.0
        p = p * np.array([p_0, 1.0])
        p_ = np.array([0.1, 0.2])
        for _ in range(n):
            p_ = p_ * 1.5 + p
            p = p * p_0 + np.array([1.0, 2.0]) - p_
            p_0 = p_0 * 0.5
        return p[0] * p[1] + p_0

    args = (np.array([0.3, 0.4]), 3)
    module = check(few_as_numbers(lowered(f, args)))
    assert Interpreter(module)(*fresh(args)) == pytest.approx(f(*fresh(args)), rel=1e-14)
    names = {stmt.out.name for stmt in walk(module.main.body) if isinstance(stmt, Stage)}
    assert any(re.fullmatch("p___?0", name) for name in names)


def test_answers_are_counted() -> None:
    def counted(x, n: int):
        v, total = np.array([0.5, -0.2, 0.9]), 0.0
        for _ in range(n):
            total += np.sum(v > 0.3) * v[0]
            v = v * x
        return total

    assert stagegrad.compile(counted, target="numba").value_and_grad(1.3, 3) == pytest.approx((3.99, 3.6))
