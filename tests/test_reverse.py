"""Reverse on IR that shows one thing each: what is recorded, what is recomputed, what a text of it looks like.

That its gradients are right is shown by `test_writer_laws` (against forward mode, differences and itself) and by the cases.
"""

from __future__ import annotations

import math

import pytest

from stagegrad.emit import write
from stagegrad.errors import ArgumentError
from stagegrad.ir import Module, Stage, check, walk
from stagegrad.ir_text import parse
from stagegrad.names import name_stages
from stagegrad.passes.optimise import simplify
from stagegrad.reverse import reverse
from tests import ir_laws
from tests.interpret import Interpreter


def adjoint(ir: str, *wrt: int) -> Module:
    return check(simplify(check(reverse(name_stages(check(parse(ir))), wrt or (0,)))))


def text(ir: str, *wrt: int) -> str:
    return write(adjoint(ir, *wrt), "python").text


def operations(module: Module) -> list[str]:
    return [stmt.op for stmt in walk(module.main.body) if isinstance(stmt, Stage)]


def test_a_product() -> None:
    ir = "function f(x.0: float, y.0: float) -> 0 from python:\n  z.0: float = mul(x.0, y.0)\n  return z.0\n"
    assert text(ir, 0, 1) == (
        "def f_value_and_grad(x, y):\n    # forward pass\n    z = x * y\n\n    # backward pass\n    dz = 1.0\n"
        "    # z = x * y\n    dx = y * dz\n    dy = x * dz\n    return z, (dx, dy)\n"
    )


def test_only_what_is_asked_for_is_computed() -> None:
    ir = "function f(x.0: float, y.0: float) -> 0 from python:\n  z.0: float = mul(x.0, y.0)\n  return z.0\n"
    assert "dy" not in text(ir, 0) and "dx" not in text(ir, 1)


def test_a_parameter_that_the_value_does_not_depend_on() -> None:
    ir = "function f(x.0: float, y.0: float) -> 0 from python:\n  z.0: float = sin(x.0)\n  return z.0\n"
    assert Interpreter(adjoint(ir, 0, 1))(0.5, 1.0) == (math.sin(0.5), (math.cos(0.5), 0.0))


def test_a_constant_has_no_gradient() -> None:
    assert Interpreter(adjoint("function f(x.0: float) -> 0 from python:\n  return 2.0\n"))(0.5) == (2.0, 0.0)


def test_the_identity() -> None:
    assert Interpreter(adjoint("function f(x.0: float) -> 0 from python:\n  return x.0\n"))(0.5) == (0.5, 1.0)


LOOP = """
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float = x.0 -> a.1):
    {}
    yield a.2
  return a.1
"""


def test_a_sum_needs_no_tape() -> None:
    module = adjoint(LOOP.format("%0: float = sin(x.0)\n    a.2: float = add(a.0, %0)"))
    assert not {"tape_float", "store", "load"} & set(operations(module))


def test_a_carry_that_the_backward_pass_reads_is_recorded_once() -> None:
    module = adjoint(LOOP.format("a.2: float = sin(a.0)"))
    assert operations(module).count("tape_float") == operations(module).count("store") == operations(module).count("load") == 1


def test_the_index_is_never_recorded() -> None:
    module = adjoint(LOOP.format("%0: float = to_float(i.0)\n    %1: float = mul(%0, x.0)\n    a.2: float = add(a.0, %1)"))
    assert not {"tape_float", "tape_int"} & set(operations(module))
    assert Interpreter(module)(0.5, 4) == (0.5 + 0.5 * 6, 7.0)


def test_a_counter_is_foretold_and_not_recorded() -> None:
    ir = """
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float = x.0 -> a.1, k.0: int = 5 -> k.1):
    k.2: int = add(k.0, 3)
    %0: float = mul(x.0, k.2)
    a.2: float = add(a.0, %0)
    yield a.2, k.2
  return a.1
"""
    module = adjoint(ir)
    assert "tape_int" not in operations(module)
    assert Interpreter(module)(0.5, 3) == (0.5 + 0.5 * (8 + 11 + 14), 34.0)


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 5, 1), (5, 0, -1), (1, 8, 2), (8, 1, -3), (3, 3, 1), (2, -1, 1), (-2, 3, 4)])
def test_ranges_backwards(start: int, stop: int, step: int) -> None:
    """x is multiplied by its index plus a half: the order matters to what is recorded, and shows in the gradient."""
    ir = f"""
function f(x.0: float) -> 0 from python:
  for i.0 in range({start}, {stop}, {step}) carry (a.0: float = x.0 -> a.1):
    %0: float = add(i.0, 0.5)
    %1: float = mul(%0, a.0)
    a.2: float = sin(%1)
    yield a.2
  return a.1
"""
    value, slope = 0.3, 1.0
    for i in range(start, stop, step):
        value, slope = math.sin((i + 0.5) * value), slope * (i + 0.5) * math.cos((i + 0.5) * value)
    assert Interpreter(adjoint(ir))(0.3) == (value, pytest.approx(slope, rel=1e-14))


_PARTS = """function f(x.0: float, y.0: float) -> 0 from python:
  (a.0: float, b.0: float, c.0: float) = call parts(x.0, y.0, 2.0)
  {calls}
  return s.0

function parts(p.0: float, q.0: float, r.0: float) -> (0, 1, 2) from python:
  u.0: float = mul(p.0, q.0)
  v.0: float = mul(q.0, r.0)
  w.0: float = sin(p.0)
  return u.0, v.0, w.0
"""


def test_a_backward_function_takes_and_returns_what_its_call_needs() -> None:
    module = adjoint(_PARTS.format(calls="s.0: float = mul(a.0, c.0)"), 0)
    backward = module["parts_backward"]
    assert [param.name for param in backward.params] == ["p", "q", "r", "du", "dw"]
    assert len(backward.body.results) == 1  # y is not asked for, and 2.0 is a constant
    assert Interpreter(module)(0.5, 3.0) == (1.5 * math.sin(0.5), 3.0 * math.sin(0.5) + math.cos(0.5) * 1.5)


def test_calls_that_need_ever_other_parts_share_a_whole_backward_function() -> None:
    """Seven calls, each of which needs other results than the others; no more than five versions are made, the last of them whole."""
    chosen = [(1,), (2,), (1, 2), (0,), (0, 1), (0, 2)]
    lines = []
    total = "c.0"
    for k, used in enumerate(chosen):
        lines.append(f"(a.{k + 1}: float, b.{k + 1}: float, c.{k + 1}: float) = call parts(x.0, y.0, x.0)")
        for j in used:
            lines.append(f"t.{3 * k + j}: float = add({total}, {'abc'[j]}.{k + 1})")
            total = f"t.{3 * k + j}"
    lines.append(f"s.0: float = mul({total}, 1.0)")
    module = adjoint(_PARTS.format(calls="\n  ".join(lines)), 0, 1)
    made = [function for function in module.functions if "backward" in function.name]
    assert len(made) <= 5 and any(len(function.params) == 6 and len(function.body.results) == 3 for function in made)
    x, y = 0.5, 3.0
    value, (dx, dy) = Interpreter(module)(x, y)
    assert value == pytest.approx(math.sin(x) + 3 * y * x + 3 * math.sin(x) + 3 * x * y)
    assert (dx, dy) == (pytest.approx(4 * math.cos(x) + 6 * y), pytest.approx(6 * x))


def test_functions_that_call_each_other() -> None:
    """main calls g, g calls main: each needs the other's value and the other's backward function."""
    ir = """
function main(x.0: float, n.0: int) -> 0 from python:
  %0: bool = le(n.0, 0)
  if %0 -> (%1: float):
    yield x.0
  else:
    n.1: int = sub(n.0, 1)
    (y.0: float) = call g(x.0, n.1)
    %2: float = sin(y.0)
    yield %2
  return %1
function g(x.0: float, n.0: int) -> 0 from python:
  (y.0: float) = call main(x.0, n.0)
  %0: float = mul(y.0, x.0)
  return %0
"""
    ir_laws.law_reverse(check(parse(ir)), (0.7, 3), 0)


def test_an_arm_that_did_not_run_contributes_nothing_not_even_nan() -> None:
    ir = """
function f(x.0: float) -> 0 from python:
  %0: bool = gt(x.0, 0.0)
  if %0 -> (y.0: float):
    y.1: float = sqrt(x.0)
    yield y.1
  else:
    yield 0.0
  return y.0
"""
    assert Interpreter(adjoint(ir))(0.0) == (0.0, 0.0) and Interpreter(adjoint(ir))(4.0) == (2.0, 0.25)


def test_a_result_of_several_numbers_is_refused() -> None:
    ir = "function f(x.0: float) -> (0, 1) from python:\n  return x.0, 1.0\n"
    with pytest.raises(ArgumentError, match="tuple of 2"):
        reverse(parse(ir), (0,))


def test_the_name_of_the_gradient_steps_out_of_the_way() -> None:
    ir = "function f(x.0: float) -> 0 from python:\n  (y.0: float) = call f_value_and_grad(x.0)\n  return y.0\n"
    module = adjoint(ir + "function f_value_and_grad(x.0: float) -> 0 from python:\n  %0: float = sin(x.0)\n  return %0\n")
    assert Interpreter(module)(0.5) == (math.sin(0.5), math.cos(0.5))
    ir_laws.same_text_and_meaning(module, (0.5,))
