"""Loops on several threads: the same numbers as on one, to the bit for any number of threads, or a refusal."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor, TimeoutError

import numpy as np
import pytest

import stagegrad
from stagegrad.calls import passages
from stagegrad.ir import BrokenLaw, check
from stagegrad.ir_text import parse, show

numba = pytest.importorskip("numba")

VECTOR, MATRIX = "float64[:]", "float64[:, :]"
SIZES = [0, 1, 5, 2000, 50_000]


def one_pass(w, x):
    loss = 0.0
    for i in range(len(x)):
        loss += math.tanh(w * x[i])
    return loss


def backwards(w, x):
    loss = 1.0
    for i in range(len(x) - 1, -1, -1):
        if x[i] > 0.5:
            loss -= w * x[i]
    return loss


def fused(x, y):
    return np.sum((x * y + 1.0) ** 2)


def by_rows(w, x):
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total += math.exp(-w * x[i, j])
    return total


def recurrence(x):
    s = 1.0
    for i in range(len(x)):
        s = 0.5 * s + x[i]
    return s


def shared(x):
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            total += (x[i] - x[j]) ** 2
    return total


def nested(a, v):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * v[j]
    return total


def two_matrices(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += math.sin(a[i, j]) * math.exp(-b[i, j])
    return total


def paths(mu, sigma, z):
    total = 0.0
    count, steps = z.shape
    for p in range(count):
        s = 1.0
        for t in range(steps):
            s = s * math.exp(mu / steps - 0.5 * sigma * sigma / steps + sigma * math.sqrt(1.0 / steps) * z[p, t])
        total += max(s - 1.0, 0.0)
    return total / max(count, 1)


def bodies(x, y, m):
    energy = 0.0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            energy -= m[i] * m[j] / math.sqrt((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 + 0.01)
    return energy


def logistic(w, x, t):
    loss = 0.0
    for i in range(x.shape[0]):
        z = 0.0
        for j in range(x.shape[1]):
            z += x[i, j] * w[j]
        loss += math.log1p(math.exp(-t[i] * z))
    return loss


def rowwise(x, y):
    z = x - np.max(x, axis=1, keepdims=True)
    return -np.sum(y * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))))


def chosen(w, k, y):
    total = 0.0
    for i in range(len(k)):
        total += (w[k[i]] - y[i]) ** 2
    return total


def racing(x):
    a = x.copy()
    for i in range(1, len(x)):
        a[i] = a[i - 1] * 0.5 + x[i]
    return a[len(x) - 1]


def sum_before(y, i):
    total = 0.0
    for j in range(i):
        if y[j] > 0.3:
            total += y[j] * j
    return total


def read_by_a_call(x):
    y, total = np.zeros(len(x)), 0.0
    for i in range(len(x)):
        y[i] = x[i] ** 2
        total += sum_before(y, i)
    return total


def from_the_end(x, n):
    y = np.zeros(len(x))
    for i in range(n, len(x)):
        y[i] = 0.5 * y[i] + i * x[i]
    return np.sum(y)


def raising(x):
    total = 0.0
    for i in range(len(x)):
        if x[i] < 0.0:
            raise ValueError("below zero")
        total += x[i]
    return total


def unequal(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


def picked(x, k):
    share = np.exp(x) / np.sum(np.exp(x), axis=1)[:, None]
    return np.sum(share * share) + np.sum(share[np.arange(len(k)), k])


def two_copies(w, u, b, k):
    """The gradient of `scaled` is read behind a loop that writes to what was a copy of it."""
    scaled = (w / (1.0 + u[:, None] ** 2)).copy()
    scaled[:, 0] *= 2.0
    counted = np.zeros(len(b))
    for i in range(len(k)):
        counted[k[i]] += u[i] * b[k[i]]
    again = scaled.copy()
    return np.sum(again[np.arange(len(k)), k] ** 2)


def compiled(function, types, **options):
    return stagegrad.compile(function, types=types, target="numba", **options)


def numbers(answer):
    value, gradient = answer
    return np.concatenate([np.ravel(part) for part in (value, *(gradient if isinstance(gradient, tuple) else (gradient,)))])


def point(count, seed=0):
    return np.random.default_rng(seed).uniform(0.0, 1.0, count)


def rows(count, seed=0):
    return point(10 * (count // 10), seed).reshape(-1, 10)


def some(count, seed=0):
    return point(min(count, 600), seed)


CASES = [
    (one_pass, {"x": VECTOR}, lambda n: (2.0, point(n))),
    (backwards, {"x": VECTOR}, lambda n: (2.0, point(n))),
    (fused, {"x": VECTOR, "y": VECTOR}, lambda n: (point(n), point(n, 1))),
    (by_rows, {"x": MATRIX}, lambda n: (2.0, rows(n))),
    (nested, {"a": MATRIX, "v": VECTOR}, lambda n: (rows(10 * n), point(10))),
    (two_matrices, {"a": MATRIX, "b": MATRIX}, lambda n: (rows(n), rows(n, 1))),
    (paths, {"z": MATRIX}, lambda n: (0.1, 0.3, rows(n))),
    (shared, {"x": VECTOR}, lambda n: (some(n),)),
    (bodies, {"x": VECTOR, "y": VECTOR, "m": VECTOR}, lambda n: (some(n), some(n, 1), some(n, 2))),
    (logistic, {"w": VECTOR, "x": MATRIX, "t": VECTOR}, lambda n: (point(10), rows(10 * n), np.sign(point(10 * n // 10, 3) - 0.5))),
    (rowwise, {"x": MATRIX, "y": MATRIX}, lambda n: (rows(max(n, 10)), rows(max(n, 10), 1))),
    (chosen, {"w": VECTOR, "k": "int64[:]", "y": VECTOR}, lambda n: (point(10), np.arange(n) % 10, point(n))),
]
names = [case[0].__name__ for case in CASES]


@pytest.mark.parametrize(("function", "types", "arguments"), CASES, ids=names)
def test_value_and_gradient_are_those_of_one_thread(function, types, arguments):
    parallel, plain = compiled(function, types, parallel=True), compiled(function, types)
    assert "in prange(parts):" in parallel.source() and "prange" not in plain.source()
    for size in SIZES:
        np.testing.assert_allclose(
            numbers(parallel.value_and_grad(*arguments(size))), numbers(plain.value_and_grad(*arguments(size))), rtol=1e-11
        )
        assert parallel(*arguments(size)) == pytest.approx(plain(*arguments(size)), rel=1e-12)


@pytest.mark.parametrize(("function", "types", "arguments"), CASES, ids=names)
def test_the_number_of_threads_changes_no_bit(function, types, arguments):
    f, given = compiled(function, types, parallel=True), arguments(50_000)
    before, answers = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            answers += [numbers(f.value_and_grad(*given)) for _ in range(3)]
    finally:
        numba.set_num_threads(before)
    for answer in answers:
        assert answer.tobytes() == answers[0].tobytes()


def test_nan_and_inf_stay():
    x = point(50_000)
    x[123], x[40_000] = math.inf, math.nan
    value, (dw, dx) = compiled(one_pass, {"x": VECTOR}, parallel=True).value_and_grad(2.0, x)
    assert math.isnan(value) and math.isnan(dw) and math.isnan(dx[40_000]) and not np.isnan(dx[41_000:]).any()


def test_an_array_without_a_name_has_one_in_all_parts():
    text = compiled(picked, {"x": MATRIX, "k": "int64[:]"}, parallel=True, wrt="x").source()
    written = re.search(r"_part\(part, parts, k, \w+, \w+, (\w+)\):\n.*\n.*\n        (\w+)\[i\] = position\(", text)
    assert written is not None and written[1] == written[2]
    loops = re.findall(r"in prange\(parts\):\n((?:            .*\n)+)", text)
    one_name = re.compile(r" +\S+ = \w+_part\d*\(.*\)\n( +\w+\[part.*\n)+")
    assert loops and all(map(one_name.fullmatch, loops))
    compile(text, "picked", "exec")


def test_what_a_part_writes_to_is_made_once():
    types = {"w": MATRIX, "u": VECTOR, "b": VECTOR, "k": "int64[:]"}
    given = rows(40), point(4), point(10), np.array([0, 9, 0, -1])
    expected = stagegrad.compile(two_copies, target="numpy").value_and_grad(*given)
    np.testing.assert_allclose(numbers(compiled(two_copies, types, parallel=True).value_and_grad(*given)), numbers(expected))


def test_trips_that_count_from_the_end_stay_on_one_thread():
    f = compiled(from_the_end, {"x": VECTOR, "n": "int64"}, parallel=True)
    assert re.search(r"if \(parts > 1\) & \(n >= 0\):", f.source(answer="value"))
    x = point(50_000)
    for n in (-50_000, -3, 0, 7):
        assert f(x, n) == pytest.approx(from_the_end(x, n), rel=1e-12)


def test_calls_from_many_threads_wait_for_one_another():
    f, x = compiled(one_pass, {"x": VECTOR}, parallel=True), point(20_000)
    expected = numbers(f.value_and_grad(2.0, x))
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: numbers(f.value_and_grad(2.0, x)), range(40)):
            assert found.tobytes() == expected.tobytes()


def test_calls_that_write_to_given_arrays_wait_too():
    f, x, y = compiled(fused, {"x": VECTOR, "y": VECTOR}, parallel=True), point(50_000), point(50_000, 1)
    expected = numbers(f.value_and_grad(x, y))
    out = np.empty_like(x), np.empty_like(x)
    for _ in range(2):  # the second goes the fast way
        f.value_and_grad(x, y, out=out)
    with ThreadPoolExecutor(1) as pool:
        with passages._Alone.lock:
            call = pool.submit(f.value_and_grad, x, y, out=out)
            with pytest.raises(TimeoutError):
                call.result(0.3)
        assert numbers(call.result()).tobytes() == expected.tobytes()


def test_other_targets_have_one_thread():
    x = point(100)
    assert stagegrad.compile(one_pass, target="python", parallel=True)(2.0, x) == stagegrad.compile(one_pass, target="python")(2.0, x)


@pytest.mark.parametrize(
    ("function", "types", "reason"),
    [
        (recurrence, {"x": VECTOR}, "a trip needs `s` from the trip before it"),
        (racing, {"x": VECTOR}, "several trips read or write the same elements of `a`"),
        (read_by_a_call, {"x": VECTOR}, "several trips read or write the same elements of `y`"),
        (raising, {"x": VECTOR}, "it raises an error"),
    ],
    ids=["recurrence", "racing", "read by a call", "raising"],
)
def test_what_would_go_wrong_is_refused(function, types, reason):
    f = compiled(function, types, parallel=True)
    with pytest.raises(stagegrad.UnsupportedError) as caught:
        (f if function in (racing, read_by_a_call) else f.value_and_grad)(*(point(10) for _ in types))
    assert reason in str(caught.value) and "write instead" in str(caught.value) and "^^^^" in str(caught.value)


def test_an_index_out_of_range_is_found():
    f = compiled(unequal, {"x": VECTOR, "y": VECTOR}, parallel=True)
    assert f(np.ones(50_000), np.ones(60_000)) == 50_000.0
    with pytest.raises(IndexError):
        f.value_and_grad(np.ones(50_000), np.ones(49_999))


def test_a_function_without_a_loop_is_as_it_is():
    def circle(x, y):
        return x * x + y * y

    assert compiled(circle, {}, parallel=True).value_and_grad(1.0, 2.0) == (5.0, (2.0, 4.0))
    assert compiled(fused, CASES[2][1], parallel=True)(np.ones(1), np.ones(1)) == 4.0


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(stagegrad.NameChoiceError, match="flush_denormals=True holds for the calling thread"):
        compiled(one_pass, {"x": VECTOR}, parallel=True, flush_denormals=True)
    with pytest.raises(stagegrad.NameChoiceError, match="parallel=2 is neither True nor False"):
        compiled(one_pass, {"x": VECTOR}, parallel=2)


PARALLEL = """
function f(n.0: int, a.0: float[1]) -> 0 from python:
  for i.0 in prange(0, n.0, 1) carry (a.1: float[1] = a.0 -> a.2):
    a.3: float[1] = store(a.1, i.0, 1.0)
    yield a.3
  return a.2
"""


def test_a_parallel_loop_is_part_of_the_language():
    module = check(parse(PARALLEL))
    assert parse(show(module)) == module and "prange(0, n.0, 1)" in show(module)
    numbers = PARALLEL.replace("float[1]", "float").replace("store(a.1, i.0, 1.0)", "neg(a.1)")
    with pytest.raises(BrokenLaw, match="a number that the parallel For binding"):
        check(parse(numbers))
