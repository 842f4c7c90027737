"""Which loops call the vector kernels, and that the answers stay the same."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest

import stagegrad
import stagegrad.rules  # registers the operations
from stagegrad import runtime
from stagegrad.emit import write
from stagegrad.emit.lanes import SHARED, in_lanes
from stagegrad.emit.reciprocals import shared_reciprocals
from stagegrad.ir import Stage, check, walk
from stagegrad.ir_text import parse


def lanes(text: str) -> list[str]:
    """The names of the stages of a function in text form that stand in vectorisable loops."""
    module = check(parse(text))
    return sorted(var.name for var in in_lanes(module.main))


HEAD = "function f(x.0: float[1], y.0: float[1], n.0: int) -> 0 from python:\n"


def loop(carries: str, *lines: str, bounds: str = "0, n.0, 1", result: str = "") -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"{HEAD}  for i.0 in range({bounds}) carry ({carries}):\n{body}  return {result}\n"


LOAD, EXP, ADD = "a.0: float = load(x.0, i.0)", "e.0: float = exp(a.0)", "s.2: float = add(s.1, e.0)"
SUM = (LOAD, EXP, ADD, "yield s.2")
CARRY = "s.1: float = 0.0 -> s.3"


def test_a_sum_has_lanes():
    assert lanes(loop(CARRY, *SUM, result="s.3")) == ["a", "e", "s"]


@pytest.mark.parametrize("op", ["sub", "maximum", "minimum"])
def test_what_may_be_computed_in_any_order_has_lanes(op):
    lines = [line.replace("add", op) for line in SUM]
    assert "e" in lanes(loop(CARRY, *lines, result="s.3"))


def test_a_recurrence_has_none():
    assert not lanes(loop(CARRY, LOAD, "b.0: float = mul(s.1, a.0)", "e.0: float = exp(b.0)", "yield e.0", result="s.3"))


def test_a_sum_that_is_looked_at_has_none():
    watched = (LOAD, EXP, ADD, "t.0: float = sin(s.2)", "yield s.2")
    assert not lanes(loop(CARRY, *watched, result="s.3"))


def test_few_trips_have_none():
    assert not lanes(loop(CARRY, *SUM, bounds="0, 3, 1", result="s.3"))
    assert lanes(loop(CARRY, *SUM, bounds="0, 300, 1", result="s.3"))


def test_a_conditional_sum_has_lanes():
    lines = (
        LOAD, EXP, "t.0: bool = gt(a.0, 0.5)", "if t.0 -> (s.2: float):",
        "  s.4: float = add(s.1, e.0)", "  yield s.4", "else:", "  yield s.1", "yield s.2",
    )  # fmt: skip
    assert "e" in lanes(loop(CARRY, *lines, result="s.3"))


WRITTEN = "z.1: float[1] = y.0 -> z.3"


def test_writes_to_each_trips_own_element_have_lanes():
    lines = ("a.0: float = load(z.1, i.0)", EXP, "z.2: float[1] = accumulate(z.1, i.0, e.0)", "yield z.2")
    assert "e" in lanes(loop(WRITTEN, *lines, result="z.3"))


def test_a_trip_that_reads_what_another_writes_has_none():
    lines = (
        "k.0: int = sub(i.0, 1)",
        "a.0: float = load(z.1, k.0)",
        EXP,
        "z.2: float[1] = store(z.1, i.0, e.0)",
        "yield z.2",
    )
    assert not lanes(loop(WRITTEN, *lines, result="z.3"))


def test_writes_to_a_place_that_does_not_move_have_none():
    lines = (LOAD, EXP, "z.2: float[1] = accumulate(z.1, n.0, e.0)", "yield z.2")
    assert not lanes(loop(WRITTEN, *lines, result="z.3"))


def test_places_that_are_counted_have_lanes():
    carries = f"{WRITTEN}, r.1: int = 0 -> r.3"
    lines = (
        LOAD,
        EXP,
        "z.2: float[1] = store(z.1, r.1, e.0)",
        "r.2: int = add(r.1, 1)",
        "yield z.2, r.2",
    )
    assert "e" in lanes(loop(carries, *lines, result="z.3"))


@pytest.mark.parametrize("op", ["gamma(a.0)", "asinh(a.0)", "digamma(a.0)", "fmod(a.0, 2.0)"])
def test_a_call_without_a_kernel_leaves_the_whole_loop_as_it_is(op):
    lines = (LOAD, f"g.0: float = {op}", "e.0: float = exp(g.0)", ADD, "yield s.2")
    assert not lanes(loop(CARRY, *lines, result="s.3"))


@pytest.mark.parametrize(
    "op", ["sqrt(a.0)", "positive(a.0)", "square(a.0)", "abs(a.0)", "sign(a.0)", "pow(a.0, 2.5)", "pow_dy(a.0, 2.5) {n=1}"]
)
def test_instructions_beside_a_kernel_do_no_harm(op):
    lines = (LOAD, f"g.0: float = {op}", "e.0: float = exp(g.0)", ADD, "yield s.2")
    assert "e" in lanes(loop(CARRY, *lines, result="s.3"))


def test_only_the_innermost_loop_has_lanes():
    text = loop(CARRY, "q.0: float = load(y.0, i.0)", "w.0: float = exp(q.0)",
                "for j.0 in range(0, n.0, 1) carry (s.5: float = s.1 -> s.6):",
                "  a.0: float = load(x.0, j.0)", "  b.0: float = mul(a.0, w.0)", "  e.0: float = exp(b.0)", "  s.2: float = add(s.5, e.0)",
                "  yield s.2", "yield s.6", result="s.3")  # fmt: skip
    assert lanes(text) == ["a", "b", "e", "s"]


def test_ints_are_left_alone():
    lines = ("k.0: int = maximum(i.0, 3)", LOAD, EXP, "b.0: float = mul(e.0, k.0)",
             "s.2: float = add(s.1, b.0)", "yield s.2")  # fmt: skip
    text = write(parse(loop(CARRY, *lines, result="s.3")), "numba").text
    assert "kernels.exp(" in text
    assert "kernels.maximum" not in text


def test_other_targets_and_a_user_who_has_kernels_do_without():
    text = loop(CARRY, *SUM, result="s.3")
    assert "kernels.exp(a)" in write(parse(text), "numba").text
    assert "kernels" not in write(parse(text), "numpy").text
    theirs = text.replace("y.0", "kernels.0")
    assert "kernels.exp" not in write(parse(theirs), "numba").text


# ---------------------------------------------------------------------------------------------- divisions


def shared(*lines: str, carries: str = CARRY) -> list[str]:
    """The names of the quotients of a loop, in a function that has a number w, which share a reciprocal."""
    text = loop(carries, *lines, result=carries.split()[-1]).replace("n.0: int)", "n.0: int, w.0: float)")
    stages = walk(shared_reciprocals(check(parse(text)).main).body)
    return sorted(stage.out.name for stage in stages if isinstance(stage, Stage) and SHARED in stage.attrs)


def test_quotients_of_one_divisor_share_its_reciprocal():
    lines = (LOAD, EXP, "b.0: float = sub(e.0, 1.0)", "q.0: float = div(a.0, b.0)", "r.0: float = reciprocal(b.0)",
             "t.0: float = div(b.0, a.0)", "u.0: float = mul(q.0, r.0)", "v.0: float = add(u.0, t.0)",
             "s.2: float = add(s.1, v.0)")  # fmt: skip
    assert shared(*lines, "yield s.2") == ["q", "r"]


def test_a_divisor_that_stays_the_same_has_its_reciprocal_before_the_loop():
    assert shared(LOAD, "e.0: float = div(a.0, w.0)", ADD, "yield s.2") == ["e"]
    assert not shared(LOAD, "e.0: float = div(w.0, a.0)", ADD, "yield s.2")
    assert not shared(LOAD, "b.0: float = mul(s.1, a.0)", "e.0: float = div(b.0, w.0)", "yield e.0")  # no vectors


@pytest.mark.parametrize(("divisor", "is_shared"), [("3.0", True), ("0.25", False), ("-8.0", False), ("0.0", False), ("inf", False)])
def test_a_constant_divisor_has_a_reciprocal_unless_it_is_exact(divisor, is_shared):
    assert shared(LOAD, EXP, f"d.0: float = div(e.0, {divisor})", "s.2: float = add(s.1, d.0)", "yield s.2") == ["d"] * is_shared


def test_ints_divide_as_they_do_elsewhere():
    assert not shared(LOAD, EXP, "d.0: float = div(e.0, n.0)", "s.2: float = add(s.1, d.0)", "yield s.2")


def test_a_quotient_in_place_is_spelled_out():
    lines = ("a.0: float = load(z.1, i.0)", "e.0: float = exp(a.0)", "e.1: float = div(e.0, a.0)", "e.2: float = div(e.1, a.0)",
             "z.2: float[1] = store(z.1, i.0, e.2)", "yield z.2")  # fmt: skip
    text = write(parse(loop(WRITTEN, *lines, result="z.3")), "numba").text
    assert text.count("kernels.over(") == 2
    assert "/" not in text


def _quotients(x, y):
    return np.sum((x + 1.5) / (np.exp(y) + x**2) / y)


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_gradients_of_quotients_are_those_of_divisions(kind):
    types = {"x": f"{kind}[:]", "y": f"{kind}[:]"}
    fast, plain = (stagegrad.compile(_quotients, types=types, target=target, cache=False) for target in ("numba", "numpy"))
    assert fast.source(answer="value_and_grad").count("kernels.over(") >= 4
    about, random = np.finfo(kind), np.random.default_rng(11)
    eps, tiny = float(about.eps), float(about.tiny)
    special = [0.0, -0.0, about.smallest_subnormal, -about.tiny / 3, about.max, -math.inf, math.nan, 1.0, -2.5]
    pairs = np.array([(x, y) for x in special for y in special] + [*random.normal(size=(200, 2))], kind).T
    with np.errstate(all="ignore"):
        for x, y in zip(*(column.reshape(-1, 1).repeat(9, axis=1) for column in pairs), strict=True):  # nine, so that there are vectors
            (value, grads), (expected, slopes) = fast.value_and_grad(x, y), plain.value_and_grad(x, y)
            assert value == pytest.approx(expected, rel=20 * eps, abs=tiny * eps * 20, nan_ok=True)
            for grad, slope in zip(grads, slopes, strict=True):
                assert np.allclose(grad, slope, rtol=20 * eps, atol=100 * eps, equal_nan=True), (x[0], y[0], grad, slope)


# ---------------------------------------------------------------------------------------------- whole programs


def _total(x, y):
    s = 0.0
    for i in range(len(x)):
        s += math.exp(x[i]) * math.sin(y[i]) + math.log(x[i] * x[i]) * math.atan(y[i])
    return s


def _written(x, y):
    z = np.empty(len(x))
    for i in range(len(x)):
        z[i] = math.tanh(x[i]) if x[i] > y[i] else math.erf(y[i])
    return np.sum(z * z)


def _greatest(x, y):
    return np.max(np.exp(x) - np.power(np.abs(y) + 0.5, x)) + np.sum(np.arctan2(x, y))


@pytest.mark.parametrize("function", [_total, _written, _greatest])
@pytest.mark.parametrize("kind", ["float64[:]", "float32[:]"])
def test_answers_are_those_of_numpy(function: Callable[..., float], kind: str):
    types = {"x": kind, "y": kind}
    fast = stagegrad.compile(function, types=types, target="numba", cache=False)
    plain = stagegrad.compile(function, types=types, target="python")
    random = np.random.default_rng(7)
    x, y = (random.uniform(-3, 3, 101).astype(kind.removesuffix("[:]")) for _ in range(2))
    assert re.search(r"kernels\.(exp|tanh|log)\(", fast.source(answer="value_and_grad"))
    tolerance = 1e-13 if kind == "float64[:]" else 2e-5
    value, grads = fast.value_and_grad(x, y)
    expected, slopes = plain.value_and_grad(x, y)
    assert value == pytest.approx(expected, rel=tolerance)
    for grad, slope in zip(grads, slopes, strict=True):
        assert grad.dtype == slope.dtype
        assert np.allclose(grad, slope, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, -1.0, 0.0, -0.0, 5e-324, 1e308, 1e12])
def test_special_numbers_are_those_of_numpy(odd: float):
    def each(x):
        z = np.empty(len(x))
        for i in range(len(x)):
            z[i] = np.exp(x[i]) + np.log(x[i]) * np.sin(x[i]) - np.tanh(x[i])
        return np.sum(z)

    fast = stagegrad.compile(each, types={"x": "float64[:]"}, target="numba")
    plain = stagegrad.compile(each, types={"x": "float64[:]"}, target="python")
    x = np.full(9, odd)
    with np.errstate(all="ignore"):
        expected, slope = plain.value_and_grad(x)
    value, grad = fast.value_and_grad(x)
    assert value == pytest.approx(expected, rel=1e-13, nan_ok=True)
    assert np.allclose(grad, slope, rtol=1e-12, equal_nan=True)


# ---------------------------------------------------------------------------------------------- trips that wait for one another


def _recurrence(x: float, w: float, n: int) -> float:
    for _ in range(n):
        x = math.tanh(w * x + 0.1)
        x += 0.5 * math.erf(w - x) + 0.1 * math.sin(x)
    return x


def _watched(x: float, w: float, n: int) -> float:
    while n > 0:
        x = math.tanh(w * x + 0.1)
        if x > 0.5:
            x -= w
        n -= 1
    return x


def _counted(x: float, w: float, n: int) -> float:
    steps = 0
    for _ in range(n):
        x = math.tanh(w * x)
        steps += math.floor(10.0 * x)
    return w * steps


def _once(x: float, w: float, n: int) -> float:
    return math.tanh(w * x) * n


@pytest.mark.parametrize("answer", ["value", "value_and_grad"])
def test_trip_after_trip_the_kernels_that_answer_sooner_are_called(answer: str):
    text = stagegrad.compile(_recurrence).source("numba", answer=answer)
    assert "kernels.tanh(" in text
    assert "kernels.erf(" in text
    assert "kernels.sin" not in text
    assert "wide" not in text


@pytest.mark.parametrize("function", [_watched, _counted, _once])
def test_they_are_not_where_a_branch_or_a_count_sees_the_last_bit_nor_where_nothing_waits(function: Callable[..., float]):
    assert "kernels.tanh" not in stagegrad.compile(function).source("numba", answer="value_and_grad")


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -1e-300, 1e-8, 0.3, -0.7, 19.5, -1e308])
@pytest.mark.parametrize("function", [_recurrence, _watched])
def test_trip_after_trip_the_answers_are_those_of_python(function: Callable[..., float], x: float):
    fast, plain = (stagegrad.compile(function, target=target) for target in ("numba", "python"))
    for w in (0.6, -1.3, 0.0):
        value, grads = fast.value_and_grad(x, w, 7)
        expected, slopes = plain.value_and_grad(x, w, 7)
        assert value == pytest.approx(expected, rel=1e-14, nan_ok=True)
        assert grads == pytest.approx(slopes, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("x", [-0.0, 0.0, math.inf, -math.inf, math.nan])
def test_the_sign_of_zero_and_the_limits_stay(x: float):
    def tanh(x: float, n: int) -> float:
        for _ in range(n):
            x = math.tanh(x)
        return x

    value = stagegrad.compile(tanh, target="numba")(x, 1)
    assert math.isnan(value) if math.isnan(x) else (value, math.copysign(1.0, value)) == (math.tanh(x), math.copysign(1.0, x))


def test_machine_code_is_kept_under_the_kernels_code_too(monkeypatch: pytest.MonkeyPatch):
    before = [runtime._digest("import math\n", target) for target in ("numba", "python")]
    monkeypatch.setattr(runtime, "_code_of_ours", lambda: "another version of the kernels")
    after = [runtime._digest("import math\n", target) for target in ("numba", "python")]
    assert before[0] != after[0]
    assert before[1] == after[1]
