"""What loops record: the cheapest way to have what the backward pass reads, in memory that is kept, within a limit."""

from __future__ import annotations

import gc
import itertools
import math
import multiprocessing
import threading

import numpy as np
import pytest

import stagegrad
from stagegrad import memory
from stagegrad.ir import FLOAT, Var
from stagegrad.reverse.records import NEVER, Step, to_record

pytest.importorskip("numba")


def tanh_steps(x: float, w: float, n: int):
    for _ in range(n):
        x = math.tanh(w * x)
    return x


def arithmetic(x: float, w: float, n: int):
    for _ in range(n):
        y = w * x + 1.0
        x = y * (1.0 - x) - y * y * 0.1
    return x


def exponential_until(x: float, w: float):
    while x < 50.0:
        grown = math.exp(-w * x)
        x = x + grown + 0.5
    return x


def in_one_arm(x: float, w: float, n: int):
    for k in range(n):
        if k % 3 == 0:
            step = 0.3 * math.exp(w * x)
            x = x - step * math.sin(w)
        else:
            x = 0.9 * x + 0.1 * w
    return x


def bouncing(y: float, v: float, kept: float, n: int):
    for _ in range(n):
        v = v - 0.0981
        y = y + 0.01 * v
        if y < 0.0:
            y = -y
            v = -kept * v
    return y


def with_early_exit(x: float, w: float, n: int):
    total = 0.0
    for k in range(1, n, 2):
        term = math.exp(-w * x * k)
        if term < 1e-3:
            break
        if term > 0.9:
            continue
        total += math.log(1.0 + term) * x
        x = x * (1.0 + 0.1 * term)
    return total * x


def relaxed(x: np.ndarray, w: np.ndarray):
    x = x.copy()
    for i in range(len(x)):
        s = 1.0
        for j in range(len(x)):
            if j != i:
                s -= w[i, j] * x[j]
        x[i] = s / w[i, i]
    return np.sum(x * x)


def pushed(x: np.ndarray, w: np.ndarray):
    x = x.copy()
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            if j != i:
                apart = w[i, j] - w[j, i]
                x[i] = x[i] * (1.0 + 0.1 * apart * apart)
        total += x[i] * x[i - 1]
    return total


def matrices(xs: np.ndarray, w: np.ndarray, h: np.ndarray):
    for t in range(xs.shape[0]):
        z = xs[t] @ w + h @ w
        h = np.tanh(z)
    return np.sum(h)


# ---------------------------------------------------------------------------------------------- record or compute again


def tapes_of(function, **options):
    source = stagegrad.compile(function, **options).source("numba")
    return sorted({line.split()[0] for line in source.splitlines() if " = room(" in line})


def test_what_is_dear_is_not_computed_again():
    source = stagegrad.compile(tanh_steps).source("numba")
    assert source.count("tanh(") == 2  # in the name of no function, once in the loop
    assert tapes_of(tanh_steps) == ["x_tape"]  # the value behind a trip is the one before the next


def test_arithmetic_is_computed_again_from_the_state():
    assert tapes_of(arithmetic) == ["x_tape"]


def test_of_as_many_numbers_those_are_recorded_that_need_no_work():
    lines = stagegrad.compile(bouncing).source("numba").splitlines()
    behind = lines[next(k for k, line in enumerate(lines) if ", -1, -1):" in line) :]
    assert tapes_of(bouncing) == ["v_tape", "y_tape"]  # not the answer to y < 0.0, which is asked again
    assert [line.split()[0] for line in behind[1:4]] == ["v", "y", "if"]


def test_what_one_arm_makes_is_made_again_there():
    """Of a trip that writes to an array in one arm, the element that it overwrites is recorded, not what its gradient needs besides."""
    types = {"x": "float64[:]", "w": "float64[:, :]"}
    for function in (relaxed, pushed):
        assert [word for word in tapes_of(function, types=types) if word.endswith("_tape")] == ["x_was_tape"]
    x, w = np.array([0.3, -0.7, 1.1]), np.arange(9.0).reshape(3, 3) / 5.0 + 1.0
    for function in (relaxed, pushed):
        _, (dx, dw) = stagegrad.compile(function, types=types, target="python").value_and_grad(x, w)
        for array, gradient, call in ((x, dx, lambda a, f=function: f(a, w)), (w, dw, lambda a, f=function: f(x, a))):
            for k in np.ndindex(array.shape):
                step = np.zeros_like(array)
                step[k] = 1e-6
                assert gradient[k] == pytest.approx((call(array + step) - call(array - step)) / 2e-6, rel=1e-6, abs=1e-9)


def test_a_matrix_product_is_not_computed_again():
    types = {"xs": "float64[:, :, :]", "w": "float64[:, :]", "h": "float64[:, :]"}
    source = stagegrad.compile(matrices, types=types).source("numpy")
    assert source.count("\n        xstw = ") == 1
    assert "h_tape" in source


@pytest.mark.sampled(2)
@pytest.mark.parametrize("function", [tanh_steps, arithmetic, exponential_until, in_one_arm, with_early_exit, bouncing])
@pytest.mark.parametrize("target", ["python", "numba"])
def test_gradients_of_loops_that_record(function, target):
    point = (0.7, -0.4, 0.8, 20) if function is bouncing else (0.7, 0.4, 20)[: function.__code__.co_argcount]
    compiled = stagegrad.compile(function, target=target)
    value, gradient = compiled.value_and_grad(*point)
    assert value == pytest.approx(function(*point), rel=1e-14)
    for k, slope in enumerate(gradient):
        there, here = list(point), list(point)
        there[k] += 1e-6
        here[k] -= 1e-6
        assert slope == pytest.approx((function(*there) - function(*here)) / 2e-6, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("function", [tanh_steps, exponential_until, in_one_arm, with_early_exit])
def test_second_derivatives_through_recorded_values(function):
    point = (0.7, 0.4, 20)[: function.__code__.co_argcount]
    slope = stagegrad.grad(function)
    second = stagegrad.grad(slope)(*point)
    there, here = slope(point[0] + 1e-6, *point[1:]), slope(point[0] - 1e-6, *point[1:])
    assert second == pytest.approx((there - here) / 2e-6, rel=1e-5, abs=1e-7)


def test_gradient_of_matrices_that_are_recorded():
    rng = np.random.default_rng(3)
    point = rng.normal(size=(3, 2, 4)), 0.3 * rng.normal(size=(4, 4)), rng.normal(size=(2, 4))
    gradients = stagegrad.compile(matrices).grad(*point)
    for k, direction in enumerate(rng.normal(size=one.shape) for one in point):
        there, here = ([*point[:k], point[k] + sign * 1e-6 * direction, *point[k + 1 :]] for sign in (1, -1))
        expected = (matrices(*there) - matrices(*here)) / 2e-6
        assert np.sum(gradients[k] * direction) == pytest.approx(expected, rel=1e-6)


def var(name):
    return Var(name, FLOAT, 0)


def total_price(steps, wanted, prices, chosen):
    """The price of a choice of records: theirs, and the work of every step that must run again."""
    makers = {out: step for step in steps for out in step.outs}
    price, pending, seen, running = 0, list(wanted), set(), set()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if value in chosen or value not in makers:
            price += prices[value]
        else:
            running.add(makers[value])
            pending += makers[value].reads
    return price + sum(step.work for step in running)


@pytest.mark.parametrize("seed", range(40))
def test_no_choice_is_cheaper(seed):
    rng = np.random.default_rng(seed)
    values = [var(f"v{k}") for k in range(8)]
    steps = [
        Step((values[k],), tuple(values[j] for j in sorted(rng.choice(k, size=min(k, 2), replace=False))), int(rng.integers(1, 90)))
        for k in range(2, 8)
    ]
    prices = {value: int(rng.choice([10, 40, NEVER if k > 1 else 30])) for k, value in enumerate(values)}
    wanted = [values[k] for k in rng.choice(8, size=3, replace=False)]
    made = [out for step in steps for out in step.outs]
    subsets = itertools.chain.from_iterable(itertools.combinations(made, size) for size in range(7))
    best = min(total_price(steps, wanted, prices, set(subset)) for subset in subsets)
    found = to_record(steps, wanted, prices.__getitem__)
    assert total_price(steps, wanted, prices, found) == best


# ---------------------------------------------------------------------------------------------- memory that is kept


@pytest.fixture(autouse=True)
def _fresh_memory():
    yield
    memory.limit()
    memory.release()


LONG = 300_000


def test_memory_of_a_tape_is_kept_and_used_again():
    f = stagegrad.compile(tanh_steps)
    memory.release()
    before = memory.usage()
    first = f.value_and_grad(0.3, 0.9, LONG)
    kept = memory.usage().kept
    assert kept >= 8 * LONG and memory.usage().used == before.used
    assert f.value_and_grad(0.3, 0.9, LONG) == first
    assert memory.usage().kept == kept
    assert memory.release() == kept and memory.usage().kept == 0


def test_small_tapes_take_no_part():
    f = stagegrad.compile(tanh_steps)
    memory.release()
    f.value_and_grad(0.3, 0.9, 1000)
    assert memory.usage().kept == 0


def test_many_results_leave_a_tape_where_it_is_kept():
    f, g = stagegrad.compile(tanh_steps), stagegrad.compile(swings)
    g.grad(np.full(3, 0.5))  # the result of a first call may be a copy
    memory.release()
    f.value_and_grad(0.3, 0.9, LONG)
    tape = memory.usage().kept
    results = [g.grad(np.full(5_000 + 2_000 * k, 0.5)) for k in range(40)]
    assert memory.usage().used > 0.9 * sum(result.nbytes for result in results) and memory.usage().kept == tape
    del results
    gc.collect()
    kept = memory.usage().kept
    assert tape < kept and memory.usage().used == 0
    f.value_and_grad(0.3, 0.9, LONG)
    assert memory.usage().kept == kept  # nothing was asked of the system, nothing given back


def test_no_more_is_kept_than_may_be():
    f = stagegrad.compile(tanh_steps)
    memory.limit(kept="1MB")
    f.value_and_grad(0.3, 0.9, LONG)
    assert memory.usage().kept == 0
    memory.limit(kept="6MB")
    for n in (LONG, 2 * LONG, LONG, 2 * LONG):
        f.value_and_grad(0.3, 0.9, n)
        assert memory.usage().kept <= 6e6


def swings(x: np.ndarray):
    return np.sum(np.sin(x) * x)


def test_what_a_user_holds_is_not_used_again():
    f = stagegrad.compile(swings)
    x = np.linspace(0.0, 1.0, LONG)
    first = f.grad(x)
    copy = first.copy()
    others = [f.grad(x * k) for k in range(2, 5)]
    assert np.array_equal(first, copy)
    assert not any(np.may_share_memory(first, other) for other in others)
    del first, others
    gc.collect()
    assert memory.usage().used == 0


def test_many_threads_share_it():
    f = stagegrad.compile(tanh_steps)
    sizes = [LONG + 20_000 * k for k in range(4)]
    expected = {n: f.value_and_grad(0.3, 0.95, n) for n in sizes}
    wrong = []

    def work(n):
        for _ in range(20):
            if f.value_and_grad(0.3, 0.95, n) != expected[n]:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in sizes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not wrong and memory.usage().used == 0


def _in_child(queue):
    f = stagegrad.compile(tanh_steps)
    queue.put((f.value_and_grad(0.3, 0.9, LONG), memory.usage().used))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_a_forked_child_has_its_own():
    expected = stagegrad.compile(tanh_steps).value_and_grad(0.3, 0.9, LONG)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == (expected, 0)
    child.join()


# ---------------------------------------------------------------------------------------------- the limit


def test_a_tape_over_the_limit_is_refused_before_it_is_made():
    f = stagegrad.compile(tanh_steps)
    memory.limit("50MB")
    with pytest.raises(stagegrad.MemoryLimitError, match=r"160 MB.*exceeds the limit of 50 MB") as caught:
        f.value_and_grad(0.3, 0.9, 20_000_000)
    assert isinstance(caught.value, MemoryError) and isinstance(caught.value, stagegrad.StagegradError)
    assert "stagegrad.memory.limit" in str(caught.value)
    assert math.isfinite(f(0.3, 0.9, 20_000)) and f.value_and_grad(0.3, 0.9, 1000)


def test_a_tape_that_grows_over_the_limit_is_refused():
    f = stagegrad.compile(exponential_until)
    memory.limit(str(memory.usage().used + 3 * 10**6))
    with pytest.raises(stagegrad.MemoryLimitError, match="exceeds the limit"):
        f.value_and_grad(-1e6, 0.0)


@pytest.mark.parametrize(("text", "number"), [("8GB", 8e9), ("512 MiB", 2**29), ("1e9", 1e9), ("2kb", 2000), ("7 B", 7)])
def test_limits_as_texts(text, number):
    assert memory.limit(text).limit == number


@pytest.mark.parametrize("text", ["much", "8 XB", "-1GB", "", "nan"])
def test_texts_that_are_no_limits(text):
    with pytest.raises(stagegrad.NameChoiceError, match="bytes"):
        memory.limit(text)


def leaves_behind_a_record(x: float, n: int) -> float:
    """A value is recorded before the exit; the trip that ends there changes nothing else, and is not undone."""
    total, seen = x, 1.0
    k = 0
    while k < n:
        dear = math.exp(math.sin(total))
        k += 1
        if dear > 2.0:
            break
        total, seen = dear * total + 0.1, total
    return total * seen


@pytest.mark.parametrize("x", [0.3, -0.7, 1.2, 2.9])
def test_a_record_of_the_trip_that_leaves_is_not_read(x):
    step = 1e-6
    _, slope = stagegrad.compile(leaves_behind_a_record, target="python", wrt="x").value_and_grad(x, 6)
    difference = (leaves_behind_a_record(x + step, 6) - leaves_behind_a_record(x - step, 6)) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-7, abs=1e-8)
