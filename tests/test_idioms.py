"""Restaging: what is recognised at each level, that values stay, and that work neither moves nor disappears."""

from __future__ import annotations

import gc
import math
import random
import time
from typing import Any

import pytest

from stagegrad.frontend import formula, python
from stagegrad.ir import Module, Stage, check, walk
from stagegrad.ir_text import parse, show
from stagegrad.rules.idioms import restage
from tests.interpret import Interpreter

HEAD = "function f(x.0: float, y.0: float) -> 0 from python:\n"


def module(body: str, result: str = "%9") -> Module:
    lines = [line.strip() for line in body.strip().splitlines()]
    return check(parse(HEAD + "".join(f"  {line}\n" for line in lines) + f"  return {result}\n"))


def ops(found: Module) -> list[str]:
    check(found)
    return [stmt.op for stmt in walk(found.main.body) if isinstance(stmt, Stage)]


def of_formula(text: str, level: str) -> list[str]:
    return ops(restage(formula.lower(text).module, level))


SIGMOID = """
%1: float = neg(x.0)
%2: float = exp(%1)
%3: float = add(1, %2)
%9: float = div(1, %3)
"""


# ---------------------------------------------------------------------------------------------- the user's own level


@pytest.mark.parametrize("one", ["1", "1.0"])
@pytest.mark.parametrize("order", ["add({one}, %2)", "add(%2, {one})"])
def test_the_sigmoid_is_recognised_as_it_is_written(one: str, order: str) -> None:
    body = SIGMOID.replace("add(1, %2)", order.format(one=one)).replace("div(1,", f"div({one},")
    assert ops(restage(module(body), "user")) == ["sigmoid"]


def test_the_turned_sigmoid_and_logistic_growth_are_recognised() -> None:
    turned = SIGMOID.replace("%1: float = neg(x.0)\n", "").replace("exp(%1)", "exp(x.0)")
    assert ops(restage(module(turned), "user")) == ["cosigmoid"]
    assert ops(restage(module(SIGMOID.replace("div(1,", "div(y.0,")), "user")) == ["neg", "growth"]


def test_a_value_that_is_read_elsewhere_keeps_its_stage() -> None:
    shared = SIGMOID.replace("%9: float = div(1, %3)", "%4: float = div(1, %3)\n%9: float = mul(%4, %2)")
    assert ops(restage(module(shared), "user")) == ["neg", "exp", "add", "div", "mul"]
    negated = SIGMOID.replace("%9: float = div(1, %3)", "%4: float = div(1, %3)\n%9: float = mul(%4, %1)")
    assert ops(restage(module(negated), "user")) == ["neg", "cosigmoid", "mul"]


def test_nothing_moves_past_a_check_or_into_a_loop() -> None:
    guarded = SIGMOID.replace("%3: float", "%8: bool = gt(x.0, 1.0)\nassert AssertionError('no') if %8\n%3: float")
    assert "exp" in ops(restage(module(guarded), "user"))
    looped = check(parse(HEAD + LOOPED))
    assert ops(restage(looped, "user")) == ["neg", "exp", "add", "div", "add"]


LOOPED = """\
  %1: float = neg(x.0)
  %2: float = exp(%1)
  for i.0 in range(0, 3, 1) carry (s.1: float = 0.0 -> s.2):
    %3: float = add(1.0, %2)
    %4: float = div(1.0, %3)
    s.3: float = add(s.1, %4)
    yield s.3
  return s.2
"""


def test_recognition_reaches_into_loops_and_branches() -> None:
    text = LOOPED.replace("  %1: float = neg(x.0)\n  %2: float = exp(%1)\n", "").replace(
        "    %3:", "    %1: float = neg(x.0)\n    %2: float = exp(%1)\n    %3:"
    )
    assert ops(restage(check(parse(HEAD + text)), "user")) == ["sigmoid", "add"]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("pow(x.0, 2)", "square"), ("pow(x.0, 3)", "cube"), ("pow(x.0, 7)", "powi"), ("pow(x.0, -1)", "powi"), ("pow(x.0, 2.0)", "square"),
     ("pow(x.0, -1.5)", "pow_halves"), ("pow(x.0, 0.5)", "pow_halves"), ("pow(x.0, 3.5)", "pow"), ("pow(x.0, y.0)", "pow"),
     ("pow(2.0, x.0)", "pow_positive"), ("pow(-2.0, x.0)", "pow")],
)  # fmt: skip
def test_a_power_is_spelled_by_what_it_can_be(stage: str, expected: str) -> None:
    assert ops(restage(module(f"%9: float = {stage}"), "user")) == [expected]


def test_ints_are_checked_where_numba_would_not() -> None:
    text = "function f(i.0: int, j.0: int) -> 0 from python:\n  %0: int = floordiv(i.0, j.0)\n  %1: int = mod(%0, 3)\n"
    text += "  %2: int = mod(%1, j.0)\n  %3: int = pow(%2, j.0)\n  return %3\n"
    assert ops(restage(check(parse(text)), "user")) == ["floordiv_int", "mod", "mod_int", "pow_int"]


def test_spans_and_names_survive() -> None:
    def neuron(x: float) -> float:
        s = 1 / (1 + math.exp(-x))
        return s * s

    stages = [stmt for stmt in restage(python.lower(neuron).module, "user").main.body.stmts if isinstance(stmt, Stage)]
    assert [(stage.op, stage.out.name) for stage in stages] == [("sigmoid", "s"), ("mul", "")]
    assert all(stage.span is not None and stage.span.line > 0 for stage in stages)


def _user_programs() -> list[Any]:
    def sigmoid(x: float, y: float) -> float:
        return 1 / (1 + math.exp(-x)) + 1.0 / (math.exp(y) + 1.0)

    def growth(x: float, y: float) -> float:
        return y / (1.0 + math.exp(-2.0 * (x - 0.3)))

    def powers(x: float, y: float) -> float:
        return x**2 + x**3 - x**5 + 2.0**y + abs(x) ** 2.0

    return [sigmoid, growth, powers]


@pytest.mark.parametrize("function", _user_programs(), ids=lambda f: f.__name__)
def test_the_user_s_value_stays_to_the_last_bit(function: Any) -> None:
    run, random_ = Interpreter(restage(python.lower(function).module, "user")), random.Random(4)
    for _ in range(300):
        x, y = random_.uniform(-30, 30), random_.uniform(-30, 30)
        assert run(x, y) == function(x, y)


# ---------------------------------------------------------------------------------------------- gates and finer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log(1 + exp(x))", ["softplus"]),
        ("log1p(exp(x))", ["softplus"]),
        ("log(exp(x) + exp(y))", ["logaddexp"]),
        ("log(exp(x) + exp(y) + exp(3.0))", ["logaddexp", "logaddexp"]),
        ("exp(x)/(1 + exp(x))", ["sigmoid"]),
        ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", ["tanh"]),
        ("1/(1 + exp(-x))", ["sigmoid"]),
        ("y/(1 + exp(-x))", ["sigmoid", "mul"]),
        ("x*x", ["square"]),
        ("x/y", ["reciprocal", "mul"]),
        ("1/x", ["reciprocal"]),
        ("x/2", ["div"]),
        ("x**-1", ["reciprocal"]),
        ("log(2 + exp(x))", ["logaddexp"]),
        ("log(exp(x) - 2)", ["exp", "sub", "log"]),
        ("log(x + exp(x))", ["exp", "add", "log"]),
    ],
)
def test_gates_are_recognised(text: str, expected: list[str]) -> None:
    assert of_formula(text, "gates") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sigmoid(x)", ["mul", "exp", "add", "reciprocal"]),
        ("x - y", ["mul", "add"]),
        ("x - 2", ["add"]),
        ("x/y", ["reciprocal", "mul"]),
        ("x/4", ["mul"]),
        ("x**5", ["mul", "mul", "mul"]),
        ("x**2", ["mul"]),
        ("-x", ["mul"]),
        ("x**-2", ["mul", "reciprocal"]),
        ("sin(x)", ["sin"]),
    ],
)
def test_the_fine_level_has_sums_products_exponentials_and_reciprocals(text: str, expected: list[str]) -> None:
    assert of_formula(text, "fine") == expected


@pytest.mark.parametrize("level", ["user", "gates", "fine"])
def test_every_level_has_the_same_value(level: str) -> None:
    texts = ["(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)", "log(exp(x) + exp(y) + 1)", "x**7/(2 - y)**-3", "(x - y)**4 - x/(1 + exp(y))",
             "exp(x)/(exp(x) + 1) + (exp(x) - exp(-x))/(exp(x) + exp(-x)) + log1p(exp(y))"]  # fmt: skip
    random_ = random.Random(7)
    for text in texts:
        plain = formula.lower(text).module
        staged = check(restage(plain, level))
        for _ in range(10):
            point = [random_.uniform(-3, 3) for _ in plain.main.params]
            assert Interpreter(staged)(*point) == pytest.approx(Interpreter(plain)(*point), rel=1e-12)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="'user', 'gates', 'fine'"):
        restage(module("%9: float = neg(x.0)"), "finest")


def test_restaging_is_deterministic_and_linear() -> None:
    count = 5000
    lines = [f"%{k}: float = {('exp(%{0})', 'square(%{0})', 'div(1.0, %{0})')[k % 3].format(k - 1)}" for k in range(1, count)]
    long = module("%0: float = neg(x.0)\n" + "\n".join(lines), f"%{count - 1}")
    for level in ("user", "gates", "fine"):
        gc.collect()
        gc.disable()  # what other tests have left behind is no concern of this one
        try:
            start = time.process_time()
            first = restage(long, level)
            assert time.process_time() - start < 2.0
        finally:
            gc.enable()
        assert show(first) == show(restage(long, level))
