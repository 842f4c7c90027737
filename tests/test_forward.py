"""Forward mode on IR that shows one thing each; `test_writer_laws` compares it with reverse over random modules."""

from __future__ import annotations

import math

from stagegrad.emit import write
from stagegrad.forward import forward
from stagegrad.ir import Module, check
from stagegrad.ir_text import parse
from stagegrad.passes.optimise import simplify
from stagegrad.reverse import reverse
from tests import ir_laws
from tests.interpret import Interpreter


def pushed(ir: str, *wrt: int) -> Module:
    return check(simplify(check(forward(check(parse(ir)), wrt or (0,)))))


def test_a_product() -> None:
    ir = "function f(x.0: float, y.0: float) -> 0 from python:\n  z.0: float = mul(x.0, y.0)\n  return z.0\n"
    assert Interpreter(pushed(ir, 0, 1))(2.0, 3.0, 0.5, 0.25) == (6.0, 2.0)
    assert [str(p) for p in pushed(ir, 1).main.params] == ["x.0", "y.0", "ydot.0"]
    ir_laws.same_text_and_meaning(pushed(ir, 0, 1), (2.0, 3.0, 0.5, 0.25))


def test_the_users_word_xdot_is_left_alone() -> None:
    ir = "function f(x.0: float, xdot.0: float) -> 0 from python:\n  z.0: float = mul(x.0, xdot.0)\n  return z.0\n"
    text = write(pushed(ir, 0), "python").text
    assert "def f_forward(x, xdot, xdot_):" in text
    assert Interpreter(pushed(ir, 0))(2.0, 3.0, 1.0) == (6.0, 3.0)


def test_several_results_have_several_directions() -> None:
    ir = "function f(x.0: float) -> (0, 1, 2) from python:\n  y.0: float = sin(x.0)\n  n.0: int = add(1, 1)\n  return x.0, y.0, n.0\n"
    assert Interpreter(pushed(ir))(0.5, 2.0) == ((0.5, math.sin(0.5), 2), (2.0, 2.0 * math.cos(0.5), 0.0))


def test_a_nested_answer_of_a_callee() -> None:
    ir = """
function f(x.0: float) -> 0 from python:
  (a.0: float, b.0: float) = call g(x.0)
  y.0: float = mul(a.0, b.0)
  return y.0
function g(x.0: float) -> (0, (1,)) from python:
  y.0: float = sin(x.0)
  return x.0, y.0
"""
    module = pushed(ir)
    assert Interpreter(module)(0.5, 1.0)[1] == math.sin(0.5) + 0.5 * math.cos(0.5)
    ir_laws.same_text_and_meaning(module, (0.5, 1.0))


def test_the_tape_of_a_gradient_has_a_direction() -> None:
    """Forward over reverse: a tape that begins empty and is filled in a loop."""
    ir = """
function f(x.0: float, n.0: int) -> 0 from python:
  while carry (a.0: float = x.0 -> a.1, k.0: int = 0 -> k.1):
    %0: bool = lt(k.0, n.0)
    yield %0
  do:
    a.2: float = sin(a.0)
    k.2: int = add(k.0, 1)
    yield a.2, k.2
  return a.1
"""
    partial = ir_laws.projected(simplify(reverse(parse(ir), (0,))), 0)
    second = check(forward(partial, (0,)))
    ir_laws.same_text_and_meaning(second, (0.5, 2, 1.0))
    h = 1e-5
    first = Interpreter(partial)
    assert abs(Interpreter(second)(0.5, 2, 1.0)[1] - (first(0.5 + h, 2) - first(0.5 - h, 2)) / (2 * h)) < 1e-8


def test_a_parameter_without_influence() -> None:
    ir = "function f(x.0: float, y.0: float) -> 0 from python:\n  z.0: float = sin(x.0)\n  return z.0\n"
    assert Interpreter(pushed(ir, 1))(0.5, 1.0, 1.0) == (math.sin(0.5), 0.0)
