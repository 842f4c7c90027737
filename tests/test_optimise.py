"""What share and simplify fold, share and prune, and what they must leave alone."""

from __future__ import annotations

import pytest

from stagegrad.ir import Module, check
from stagegrad.ir_text import parse, show
from stagegrad.passes.optimise import share, simplify
from tests import random_ir

HEAD = "function f(x.0: float, t.0: bool) -> 0 from python:\n"


def simplified(body: str) -> str:
    """The body of the simplified function, a line each."""
    return "".join(line + "\n" for line in show(check(simplify(check(parse(HEAD + body))))).splitlines()[1:])


def test_share_computes_equal_things_once() -> None:
    body = "  %1: float = sin(x.0)\n  %2: float = sin(x.0)\n  %3: float = mul(%1, %2)\n  return %3\n"
    assert show(share(parse(HEAD + body))) == HEAD + "  %1: float = sin(x.0)\n  %3: float = mul(%1, %1)\n  return %3\n"


def test_what_one_arm_computes_is_not_known_to_the_other() -> None:
    body = "  if t.0 -> (y.0: float):\n    %1: float = sin(x.0)\n    yield %1\n  else:\n    %2: float = sin(x.0)\n    %3: float = neg(%2)\n"
    text = HEAD + body + "    yield %3\n  %4: float = sin(x.0)\n  %5: float = mul(%4, y.0)\n  return %5\n"
    assert show(share(parse(text))).count("sin(x.0)") == 3


def test_a_stage_that_nobody_reads_goes() -> None:
    assert simplified("  y.0: float = sin(x.0)\n  return x.0\n") == "  return x.0\n"


def test_what_raises_stays() -> None:
    body = "  %0: bool = gt(x.0, 1.0)\n  raise ValueError('no') if %0\n  return x.0\n"
    assert simplified(body) == body


def test_a_check_that_never_fails_goes() -> None:
    assert simplified("  raise ValueError('no') if False\n  return x.0\n") == "  return x.0\n"


def test_a_branch_on_a_constant_is_its_arm() -> None:
    body = "  if True -> (y.0: float):\n    y.1: float = sin(x.0)\n    yield y.1\n  else:\n    yield 0.0\n  return y.0\n"
    assert simplified(body) == "  y.1: float = sin(x.0)\n  return y.1\n"


def test_a_branch_of_remarks_goes_with_its_test() -> None:
    body = "  %0: bool = gt(x.0, 1.0)\n  if %0 -> ():\n    remark 'a'\n    yield\n  else:\n    remark 'b'\n    yield\n  return x.0\n"
    assert simplified(body) == "  return x.0\n"


def test_results_that_agree_leave_the_branch() -> None:
    body = "  if t.0 -> (y.0: float, z.0: float):\n    yield x.0, 1.0\n  else:\n    yield x.0, 2.0\n"
    body += "  %0: float = mul(y.0, z.0)\n  return %0\n"
    assert "%0: float = mul(x.0, z.0)" in simplified(body) and "(z.0: float)" in simplified(body)


def test_a_carry_that_never_changes_is_its_start() -> None:
    body = "  for i.0 in range(0, 3, 1) carry (a.0: float = x.0 -> a.1, b.0: float = 1.0 -> b.1):\n    b.2: float = mul(a.0, b.0)\n"
    found = simplified(body + "    yield a.0, b.2\n  %0: float = add(a.1, b.1)\n  return %0\n")
    assert "mul(x.0, b.0)" in found and "add(x.0, b.1)" in found and "a.0" not in found


def test_a_carry_that_nobody_reads_goes_and_takes_its_stages_along() -> None:
    body = "  for i.0 in range(0, 3, 1) carry (a.0: float = x.0 -> a.1, b.0: float = 1.0 -> b.1):\n    a.2: float = sin(a.0)\n"
    found = simplified(body + "    b.2: float = cos(b.0)\n    yield a.2, b.2\n  return a.1\n")
    assert "cos" not in found and "sin" in found


def test_two_carries_that_feed_each_other_stay_together() -> None:
    body = "  for i.0 in range(0, 3, 1) carry (a.0: float = x.0 -> a.1, b.0: float = 1.0 -> b.1):\n    a.2: float = sin(a.0)\n"
    assert simplified(body + "    yield b.0, a.2\n  return a.1\n") == body + "    yield b.0, a.2\n  return a.1\n"


def test_the_carry_that_ends_a_loop_stays() -> None:
    body = "  for i.0 in range(0, 3, 1) carry (a.0: float = x.0 -> a.1, left.0: bool = False -> left.1) until left.0:\n"
    body += "    a.2: float = sin(a.0)\n    left.2: bool = gt(a.2, 0.5)\n    yield a.2, left.2\n  return a.1\n"
    assert simplified(body) == body


def test_functions_that_nobody_calls_go() -> None:
    module = parse(HEAD + "  (y.0: float) = call g(x.0)\n  return y.0\n" + "".join(
        f"function {name}(x.0: float) -> 0 from python:\n  {call}return x.0\n" for name, call in
        [("g", "(y.0: float) = call h(x.0)\n  "), ("h", ""), ("lonely", "(y.0: float) = call alone(x.0)\n  "), ("alone", "")]
    ))  # fmt: skip
    assert [function.name for function in simplify(module).functions] == ["f", "g", "h"]


@pytest.mark.parametrize("first", [0, 50, 100])
def test_simplifying_again_changes_nothing(first: int) -> None:
    for seed in range(first, first + 50):
        once: Module = simplify(random_ir.module(seed))
        assert simplify(once) == once
