"""Gates: a user's function as one stage, with a stated or a derived slope, in generated code of both targets."""

from __future__ import annotations

import math
from typing import Any

import pytest

import stagegrad
from stagegrad.gates import gate
from stagegrad.ir import Stage
from stagegrad.ops import HELPERS, REGISTRY, Gate


@gate
def swish(x, b):
    """A sigmoid that weighs its own argument."""
    return x / (1.0 + math.exp(-b * x))


@gate
def neuron(x):
    return 1.0 / (1.0 + math.exp(-x))


@gate
def bell(x, mu, s):
    z = (x - mu) / s
    return math.exp(-0.5 * z**2)


@gate
def soft_sign(x):
    return x / math.sqrt(1 + x * x)


@gate(grad=lambda out, x: 1.0 - out * out)
def squash(x):
    return math.tanh(x)


@gate(grad=lambda out, x, y: (y, x))
def product_by_branch(x, y):
    if x > 0:
        return x * y
    return y * x


def slopes(made: Gate) -> list[str]:
    """The operations of a gate's rule."""
    return [stmt.op for stmt in made.op.partials.function.body.stmts if isinstance(stmt, Stage)]


def differences(function: Any, point: list[float], step: float = 1e-6) -> list[float]:
    """Central differences along each argument."""
    found = []
    for k in range(len(point)):
        above, below = ([x + side * (j == k) for j, x in enumerate(point)] for side in (step, -step))
        found.append((function(*above) - function(*below)) / (2 * step))
    return found


# ---------------------------------------------------------------------------------------------- the object


def test_a_gate_is_the_plain_function_on_numbers() -> None:
    assert swish(0.5, 2.0) == 0.5 / (1.0 + math.exp(-1.0))
    assert swish(x=0.5, b=2.0) == swish(0.5, 2.0)
    assert swish.__name__ == "swish" and "weighs" in str(swish.__doc__)
    assert repr(swish) == "<gate swish(x, b)>"
    assert REGISTRY[swish.op.name] is swish.op and swish.op.title == "swish"


def test_the_same_function_is_the_same_operation() -> None:
    first = gate(lambda x: math.sin(x) * x)
    second = gate(lambda x: math.sin(x) * x)
    other = gate(lambda x: math.cos(x) * x)
    assert first.op is second.op
    assert other.op.name != first.op.name


def test_a_word_that_means_something_else_is_not_taken() -> None:
    @gate
    def tan(x):
        return math.sin(x) / math.cos(x)

    assert "tan" not in HELPERS and tan.op.helpers[0].startswith("tan_")


# ---------------------------------------------------------------------------------------------- slopes


def test_a_slope_is_written_in_terms_of_the_output_where_that_is_shorter() -> None:
    assert slopes(neuron) == ["sub", "mul"]
    assert "exp" not in slopes(bell)


def test_a_slope_never_divides_where_the_function_does_not() -> None:
    """(out - out**3) / x is a shorter slope of x / sqrt(1 + x*x) than SymPy's own, and 0/0 at 0."""
    compiled = stagegrad.compile(lambda x: soft_sign(x), target="python", cache=False)
    assert compiled.grad(0.0) == 1.0
    both = stagegrad.compile(lambda x, b: swish(x, b), target="python", cache=False)
    assert both.grad(0.0, 1.5) == (0.5, 0.0)


@pytest.mark.parametrize("x", [-300.0, -40.0, -1.3, 0.0, 0.4, 2.5, 40.0, 300.0])
def test_derived_slopes_are_right_at_every_size(x: float) -> None:
    compiled = stagegrad.compile(lambda x, b: swish(x, b), target="python", cache=False)
    s = 1 / (1 + math.exp(-1.5 * x))
    expected = (s + x * 1.5 * s * (1 - s), x * x * s * (1 - s))
    assert compiled.grad(x, 1.5) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("target", ["python", "numba"])
def test_gates_in_a_compiled_function(target: str) -> None:
    if target == "numba":
        pytest.importorskip("numba")

    def f(x: float, y: float) -> float:
        return swish(x, 1.5) * squash(y) + product_by_branch(x, y) * bell(y, x, 2.0) + soft_sign(neuron(x))

    compiled = stagegrad.compile(f, target=target, cache=False)
    point = [0.3, -0.4]
    value, gradient = compiled.value_and_grad(*point)
    assert value == pytest.approx(f(*point), rel=1e-15)
    assert gradient == pytest.approx(differences(f, point), rel=1e-8)
    assert "def swish(x, b):" in compiled.source() and "# swishx = swish(x, 1.5)" in compiled.source()


def test_second_derivatives_go_through_a_gate() -> None:
    slope = stagegrad.grad(stagegrad.compile(lambda x: squash(x), target="python", cache=False))
    t = math.tanh(0.4)
    assert stagegrad.grad(slope)(0.4) == pytest.approx(-2 * t * (1 - t * t), rel=1e-14)
    bent = stagegrad.grad(stagegrad.compile(lambda x: neuron(x), target="python", cache=False))
    s = neuron(0.4)
    assert stagegrad.grad(bent)(0.4) == pytest.approx(s * (1 - s) * (1 - 2 * s), rel=1e-14)


def test_a_gate_may_be_made_of_gates() -> None:
    twice = gate(lambda x: neuron(neuron(x)))
    compiled = stagegrad.compile(lambda x: twice(x), target="python", cache=False)
    assert compiled.grad(0.3) == pytest.approx(differences(lambda x: neuron(neuron(x)), [0.3])[0], rel=1e-8)


def test_a_stated_gradient_is_used_as_it_is() -> None:
    tripled = gate(grad=lambda out, x: 3.0)(lambda x: x)
    assert stagegrad.compile(lambda x: tripled(x), target="python", cache=False).grad(2.0) == 3.0


# ---------------------------------------------------------------------------------------------- refusals


def kinked(x):
    return abs(x) * x


def branching(x):
    return x if x > 0 else 0.0


def jumping(x):
    return math.floor(x) * x


def empty():
    return 1.0


def double(x):
    return x, x


def looping(x):
    for _ in range(3):
        x = x * x
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [(kinked, "a kink or a jump (absolute value)"), (branching, "straight line"), (jumping, "a kink or a jump"),
     (empty, "needs an argument"), (double, "returns one float"), (looping, "straight line")],
)  # fmt: skip
def test_what_has_no_derived_slope_is_refused(function: Any, message: str) -> None:
    with pytest.raises(stagegrad.UnsupportedError) as caught:
        gate(function)
    assert message in str(caught.value)
    assert caught.value.filename == __file__ and caught.value.line and "write instead" in str(caught.value)


@pytest.mark.parametrize(
    ("stated", "message"),
    [(lambda out: 1.0, "takes (out, x)"), (lambda out, x: (1.0, x), "one float for each of its 1"), (lambda out, x: x > 0, "one float"),
     (lambda out, x: x if x > 0 else 0.0, "straight line")],
)  # fmt: skip
def test_a_stated_gradient_that_does_not_fit_is_refused(stated: Any, message: str) -> None:
    with pytest.raises(stagegrad.UnsupportedError) as caught:
        gate(grad=stated)(math_sine)
    assert message in str(caught.value)


def math_sine(x):
    return math.sin(x)


def test_a_gate_is_not_made_twice_and_only_of_functions() -> None:
    with pytest.raises(stagegrad.StagegradError, match="a gate already"):
        gate(swish)
    with pytest.raises(stagegrad.StagegradError):
        gate(math.sin)
    with pytest.raises(stagegrad.StagegradError):
        gate("x*x")  # type: ignore[call-overload]  # what is refused here
