"""What stages are called: the user's word, a role, the structure, a noun and a number."""

from __future__ import annotations

import keyword
import re

import pytest

from stagegrad.emit import write
from stagegrad.ir import Module, Stage, Stmt, Var, binds, inner_binds, walk
from stagegrad.ir_text import parse, show
from stagegrad.names import Words, describe, name_stages, reserved, structural
from stagegrad.ops import HELPERS
from stagegrad.passes.optimise import simplify
from stagegrad.reverse import reverse
from tests import random_ir

HEAD = "function f(x.0: float, y.0: float) -> 0 from python:\n"


def stages(body: str) -> list[str]:
    """The names of the stages of a function of x and y, in order."""
    named = name_stages(parse(HEAD + body))
    return [stmt.out.name for stmt in walk(named.main.body) if isinstance(stmt, Stage)]


@pytest.mark.parametrize(
    ("stage", "word"),
    [
        ("add(x.0, y.0)", "xpy"), ("sub(x.0, y.0)", "xmy"), ("mul(x.0, y.0)", "xy"), ("square(x.0)", "xsqr"), ("exp(x.0)", "expx"),
        ("sin(y.0)", "siny"), ("sigmoid(y.0)", "sigy"), ("mul(2.0, y.0)", "y2"), ("mul(y.0, 3.0)", "y3"), ("neg(x.0)", "negx"),
        ("sub(1.0, x.0)", "onemx"), ("add(x.0, 0.37)", "xpc"), ("max(x.0, y.0)", "maxxy"), ("tanh(x.0)", "tanhx"), ("sqrt(x.0)", "sqrtx"),
    ],
)  # fmt: skip
def test_structure(stage: str, word: str) -> None:
    # Two readings, so that neither a role nor the result's own name comes first.
    assert stages(f"  %0: float = {stage}\n  %1: float = sin(%0)\n  %2: float = mul(%0, %1)\n  return %2\n")[0] == word


def test_roles_of_a_division() -> None:
    assert stages("  %0: float = add(x.0, y.0)\n  %1: float = sin(x.0)\n  %2: float = div(%0, %1)\n  return %2\n") == ["num", "den", "f"]


def test_the_formula_of_the_notes() -> None:
    body = "  %0: float = sigmoid(y.0)\n  %1: float = add(x.0, %0)\n  %2: float = sigmoid(x.0)\n  %3: float = add(x.0, y.0)\n"
    body += "  %4: float = square(%3)\n  %5: float = add(%2, %4)\n  %6: float = reciprocal(%5)\n  %7: float = mul(%1, %6)\n  return %7\n"
    assert stages(body) == ["sigy", "num", "sigx", "xpy", "xpysqr", "den", "invden", "f"]


def test_the_users_words_stay() -> None:
    assert stages("  left.0: float = sin(x.0)\n  num.0: float = mul(left.0, y.0)\n  return num.0\n") == ["left", "num"]


def test_a_long_structure_becomes_a_noun_and_a_number() -> None:
    body = HEAD.replace("x.0", "temperature.0").replace("y.0", "pressure.0")
    body += "  %0: float = add(temperature.0, pressure.0)\n  %1: float = sin(%0)\n  %2: float = mul(%0, %1)\n  %3: float = add(%1, %2)\n"
    named = name_stages(parse(body + "  %4: float = mul(%2, %3)\n  return %4\n"))
    words = [stmt.out.name for stmt in walk(named.main.body) if isinstance(stmt, Stage)]
    assert words[0] == "sum1" and words[-1] == "f"


def test_a_noun_is_short_too() -> None:
    body = HEAD.replace("x.0", "temperature.0") + "  %0: float = tanh(temperature.0)\n  %1: float = sin(%0)\n  %2: float = mul(%0, %1)\n"
    stage = name_stages(parse(body + "  return %2\n")).main.body.stmts[0]
    assert isinstance(stage, Stage) and stage.out.name == "tanh1"


def test_equal_structures_are_numbered() -> None:
    body = "  %0: float = sin(x.0)\n  %1: float = sin(x.0)\n  %2: float = mul(%0, %1)\n  %3: float = mul(%0, %2)\n"
    assert stages(body + "  %4: float = mul(%1, %3)\n  return %4\n")[:2] == ["sinx", "sinx2"]


def test_generated_words_are_short_free_and_not_pythons() -> None:
    for seed in range(120):
        module = random_ir.module(seed)
        before = {var.name for f in module.functions for stmt in walk(f.body) for var in _bound(stmt)}
        for function in name_stages(module).functions:
            for stmt in walk(function.body):
                for var in _bound(stmt):
                    if not var.name or var.name in before:
                        continue
                    assert var.name.isidentifier() and not keyword.iskeyword(var.name) and var.name not in HELPERS
                    assert len(re.sub(r"\d+$", "", var.name)) <= 10, var.name


def _bound(stmt: Stmt) -> list[Var]:
    return [*binds(stmt), *inner_binds(stmt)]


def test_naming_again_changes_nothing() -> None:
    for seed in range(60):
        named = name_stages(random_ir.module(seed))
        assert show(name_stages(named)) == show(named)


def gradient(module: Module) -> str:
    return write(simplify(reverse(name_stages(module), (0, 1))), "python").text


def test_a_word_of_ours_that_the_user_has_gets_a_mark() -> None:
    body = HEAD.replace("y.0", "dx.0") + "  z.0: float = mul(x.0, dx.0)\n  return z.0\n"
    text = gradient(parse(body))
    assert "dx_ = dx * dz" in text and "ddx = x * dz" in text and "return z, (dx_, ddx)" in text


def test_a_tape_steps_out_of_the_way() -> None:
    body = """
function f(x.0: float, x_tape.0: float) -> 0 from python:
  for i.0 in range(0, 3, 1) carry (x.1: float = x.0 -> x.2):
    %0: float = sin(x.1)
    x.3: float = mul(%0, x_tape.0)
    yield x.3
  return x.2
"""
    assert "x_tape_[i] = x" in gradient(parse(body))


def test_words() -> None:
    words = Words(["x", "dx"])
    assert [words.fresh(word) for word in ("y", "y", "x")] == ["y", "y2", "x2"]
    assert [words.fresh("dx", "_"), words.fresh("dx", "_")] == ["dx_", "dx_2"]
    assert words.fresh("sum1") == "sum1" and words.fresh("sum1") == "sum2" and words.fresh("sum1") == "sum3"
    assert words.fresh("lambda") == "lambda2" and words.fresh("math") == "math2"


def test_reserved_words_hold_what_the_text_calls() -> None:
    main = parse(HEAD + "  %0: float = max(x.0, y.0)\n  raise KeyError if True\n  return %0\n").main
    assert {"x", "y", "max", "KeyError", "len", "range"} <= reserved(main)


def test_a_comment_says_what_a_stage_is() -> None:
    stage = parse(HEAD + "  z.0: float = mul(x.0, -2.0)\n  return z.0\n").main.body.stmts[0]
    assert isinstance(stage, Stage)
    assert describe(stage, {}) == "z = x * (-2.0)" and structural(stage) == "xc"


def test_a_comment_writes_out_what_has_no_word() -> None:
    text = HEAD + "  %0: float = mul(y.0, 0.5)\n  %1: float = sin(%0)\n"
    text += "  z.0: float = sub(x.0, %0)\n  w.0: float = mul(z.0, %1)\n  return w.0\n"
    stages = [stmt for stmt in parse(text).main.body.stmts if isinstance(stmt, Stage)]
    made = {stage.out: stage for stage in stages}
    assert describe(stages[2], made) == "z = x - (y * 0.5)"
    assert describe(stages[3], made) == "w = z * sin(y * 0.5)"


def test_an_index_has_no_parentheses_of_its_own() -> None:
    text = "function f(a.0: float[1], i.0: int) -> 0 from python:\n  %0: int = add(i.0, 1)\n"
    text += "  z.0: float = load(a.0, %0)\n  w.0: float = mul(z.0, z.0)\n  return w.0\n"
    stages = [stmt for stmt in parse(text).main.body.stmts if isinstance(stmt, Stage)]
    assert describe(stages[1], {stage.out: stage for stage in stages}) == "z = a[i + 1]"


def test_twice_a_numbered_value_is_spelled_out() -> None:
    text = "function f(k1.0: float) -> 0 from python:\n  %0: float = mul(2.0, k1.0)\n  %1: float = mul(%0, k1.0)\n  return %1\n"
    stage = parse(text).main.body.stmts[0]
    assert isinstance(stage, Stage) and structural(stage) == "twok1"
