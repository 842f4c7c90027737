"""Which variable holds which value, and how long it takes to find out."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import stagegrad
from stagegrad import UnsupportedError
from stagegrad.emit import write
from stagegrad.emit.inline import plan
from stagegrad.emit.storage import assign
from stagegrad.frontend.deep import deeply
from stagegrad.ir import BOOL, FLOAT, Block, Fresh, Function, If, Module, Stage, Var, check
from stagegrad.ir_text import parse
from stagegrad.names import name_stages
from stagegrad.ops import literal
from stagegrad.passes.optimise import simplify
from stagegrad.reverse import reverse
from tests.interpret import Interpreter
from tests.ir_laws import outcome, run


def variables(ir: str) -> dict[str, str]:
    """The variable of each value."""
    return {str(var): word for var, word in assign(plan(check(parse(ir)).main)).items()}


def test_values_of_one_name_share_a_variable_while_they_can() -> None:
    found = variables("function f(x.0: float) -> 0 from python:\n  x.1: float = sin(x.0)\n  x.2: float = cos(x.1)\n  return x.2\n")
    assert set(found.values()) == {"x"}


def test_values_alive_at_once_have_variables_of_their_own() -> None:
    ir = "function f(x.0: float) -> 0 from python:\n  x.1: float = sin(x.0)\n  x.2: float = cos(x.1)\n"
    found = variables(ir + "  y.0: float = mul(x.0, x.2)\n  return y.0\n")
    assert found["x.0"] == "x" and found["x.1"] == found["x.2"] == "x2"


def test_a_number_behind_a_word_steps_over_the_words_that_are_taken() -> None:
    ir = "function f(x.0: float, x2.0: float) -> 0 from python:\n  x.1: float = sin(x.0)\n  y.0: float = mul(x.0, x.1)\n"
    found = variables(ir + "  z.0: float = mul(y.0, x2.0)\n  return z.0\n")
    assert found["x2.0"] == "x2" and found["x.1"] == "x3"


def test_both_ends_of_a_carry_are_one_variable() -> None:
    ir = """
function f(x.0: float) -> 0 from python:
  for i.0 in range(0, 3, 1) carry (a.0: float = x.0 -> a.1):
    a.2: float = sin(a.0)
    yield a.2
  return a.1
"""
    found = variables(ir)
    assert found["a.0"] == found["a.1"] == found["a.2"] == "a"


def test_values_of_two_types_never_share() -> None:
    ir = "function f(x.0: float) -> 0 from python:\n  x.1: bool = lt(x.0, 0.0)\n  if x.1 -> (x.2: float):\n    x.3: float = sin(x.0)\n"
    found = variables(ir + "    yield x.3\n  else:\n    yield x.0\n  return x.2\n")
    assert found["x.1"] not in (found["x.0"], found["x.2"])


# ---------------------------------------------------------------------------------------------- how long it takes


def straight(count: int, word: Callable[[int], str]) -> Module:
    """So many stages in a row."""
    params = Var("x", FLOAT, 0), Var("y", FLOAT, 0)
    fresh = Fresh(Function("f", params, Block(())))
    stages: list[Stage] = []
    a, b = params
    for k in range(count):
        out = fresh.var(word(k))
        stages.append(Stage(out, ("mul", "add", "sin")[k % 3], (a, b) if k % 3 < 2 else (a,)))
        a, b = out, a
    return Module((Function("f", params, Block(tuple(stages), (a,))),))


def seconds(module: Module) -> float:
    """What naming, reverse, simplifying and writing take together."""
    start = time.process_time()
    write(simplify(reverse(name_stages(module), (0, 1))), "python")
    return time.process_time() - start


@pytest.mark.parametrize("word", [lambda k: "", lambda k: "xy"[k % 2]], ids=["unnamed", "two words for all"])
def test_five_thousand_stages(word: Callable[[int], str]) -> None:
    assert seconds(straight(5000, word)) < 20.0  # 2 to 4 seconds on a machine with nothing else to do


def chain(arms: int) -> Module:
    """``if x < 1: ... elif x < 2: ...``, each in the else arm of the one before."""
    x = Var("x", FLOAT, 0)
    fresh = Fresh(Function("f", (x,), Block(())))
    block = Block((), (x,))
    for k in reversed(range(arms)):
        test, value, out = fresh.var("", BOOL), fresh.var("y"), fresh.var("y")
        arm = Block((Stage(value, "mul", (x, literal(float(k)))),), (value,))
        block = Block((Stage(test, "lt", (x, literal(float(k)))), If(test, arm, block, (out,))), (out,))
    return Module((Function("f", (x,), block),))


def test_five_hundred_branches_in_else_arms_are_one_chain() -> None:
    module = deeply(lambda: check(chain(500)))
    text = deeply(lambda: write(name_stages(module), "python"))
    assert max(len(line) - len(line.lstrip()) for line in text.text.splitlines()) <= 8
    for x in (-1.0, 3.5, 250.5, 600.0):
        assert outcome(run(text), (x,)) == outcome(lambda x: deeply(lambda: Interpreter(module)(x)), (x,))


def test_two_thousand_branches_in_else_arms_are_refused_at_once() -> None:
    arms = "".join(f"    elif x < {k}: y = x * {k}.0\n" for k in range(1, 2000))
    text = f"def f(x: float):\n    if x < 0: y = x\n{arms}    else: y = x\n    return y\n"
    names: dict[str, Callable[..., float]] = {}
    exec(text, names)
    # CPython 3.12 gives up while the function is read, before its blocks are counted.
    with pytest.raises(UnsupportedError, match=r"blocks inside one another|nested too deeply"):
        stagegrad.compile(names["f"], source=text, target="python")(1.5)


def test_fifty_branches_in_else_arms_have_a_gradient() -> None:
    adjoint = simplify(reverse(name_stages(chain(50)), (0,)))
    function = run(write(adjoint, "python"))
    assert function(30.5) == (30.5 * 31.0, 31.0) and function(100.0) == (100.0, 1.0)
