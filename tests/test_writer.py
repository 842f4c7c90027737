"""The writer's forms, each on IR that shows nothing else; the texts were read before they were accepted, and are run besides."""

from __future__ import annotations

import ast
import itertools
import math
import textwrap
from typing import Any

import numpy as np
import pytest

from stagegrad.emit import write
from stagegrad.ir import Block, Function, Module, Span, Stage, Var, check, replace
from stagegrad.ir_text import parse
from stagegrad.names import name_stages
from stagegrad.ops import HELPERS
from stagegrad.passes.optimise import simplify
from stagegrad.reverse import reverse
from tests.interpret import Interpreter
from tests.ir_laws import outcome, run, same_text_and_meaning

#: title -> (IR, text)
CASES: dict[str, tuple[str, str]] = {}
CASES["augmented assignment"] = (
    r"""
function f(x.0: float) -> 0 from python:
  x.1: float = add(x.0, 1.0)
  x.2: float = mul(x.1, x.1)
  y.0: float = sub(1.0, x.2)
  y.1: float = div(y.0, x.2)
  y.2: float = sub(2.0, y.1)
  return y.2
""",
    r"""
def f(x):
    x += 1.0
    x *= x
    y = 1.0 - x
    y /= x
    y = 2.0 - y
    return y
""",
)
CASES["a swap is one assignment"] = (
    r"""
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float = x.0 -> a.1, b.0: float = 1.0 -> b.1):
    yield b.0, a.0
  %0: float = add(a.1, b.1)
  return %0
""",
    r"""
def f(x, n):
    a = x
    b = 1.0
    for i in range(n):
        a, b = b, a
    return a + b
""",
)
CASES["three in a circle are one assignment"] = (
    r"""
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float = x.0 -> a.1, b.0: float = 1.0 -> b.1, c.0: float = 2.0 -> c.1):
    yield b.0, c.0, a.0
  %0: float = add(a.1, b.1)
  %1: float = add(%0, c.1)
  return %1
""",
    r"""
def f(x, n):
    a = x
    b = 1.0
    c = 2.0
    for i in range(n):
        a, b, c = b, c, a
    return a + b + c
""",
)
CASES["a chain is written last link first"] = (
    r"""
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float = x.0 -> a.1, b.0: float = 1.0 -> b.1, c.0: float = 2.0 -> c.1):
    d.0: float = sin(a.0)
    yield d.0, a.0, b.0
  %0: float = add(b.1, c.1)
  return %0
""",
    r"""
from math import sin


def f(x, n):
    a = x
    b = 1.0
    c = 2.0
    for i in range(n):
        d = sin(a)
        c = b
        b = a
        a = d
    return b + c
""",
)
CASES["an exit in the then arm"] = (
    r"""
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float = x.0 -> a.1, left.0: bool = False -> left.1) until left.0:
    %0: bool = gt(a.0, 10.0)
    if %0 -> (a.2: float, left.2: bool):
      yield a.0, True
    else:
      a.3: float = mul(a.0, 2.0)
      yield a.3, False
    yield a.2, left.2
  return a.1
""",
    r"""
def f(x, n):
    a = x
    for i in range(n):
        if a > 10.0:
            break
        a *= 2.0
    return a
""",
)
CASES["an exit in the else arm"] = (
    r"""
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float = x.0 -> a.1, left.0: bool = False -> left.1) until left.0:
    %0: bool = gt(a.0, 10.0)
    if %0 -> (a.2: float, left.2: bool):
      a.3: float = mul(a.0, 2.0)
      yield a.3, False
    else:
      a.4: float = sin(a.0)
      yield a.4, True
    yield a.2, left.2
  return a.1
""",
    r"""
from math import sin


def f(x, n):
    a = x
    for i in range(n):
        if not a > 10.0:
            a = sin(a)
            break
        a *= 2.0
    return a
""",
)
CASES["a return inside a branch"] = (
    r"""
function f(x.0: float) -> 0 from python:
  %0: bool = lt(x.0, 0.0)
  if %0 -> (r.0: float):
    yield 0.0
  else:
    %1: bool = lt(x.0, 1.0)
    if %1 -> (r.1: float):
      %2: float = square(x.0)
      yield %2
    else:
      %3: float = sqrt(x.0)
      %4: float = add(%3, 1.0)
      yield %4
    yield r.1
  return r.0
""",
    r"""
from math import sqrt


def f(x):
    if x < 0.0:
        return 0.0
    r = x**2 if x < 1.0 else sqrt(x) + 1.0
    return r
""",
)
CASES["branches in else arms are elif"] = (
    r"""
function f(x.0: float) -> 0 from python:
  %0: bool = lt(x.0, 0.0)
  if %0 -> (y.0: float):
    y.1: float = sin(x.0)
    yield y.1
  else:
    %1: bool = lt(x.0, 1.0)
    if %1 -> (y.2: float):
      y.3: float = cos(x.0)
      yield y.3
    else:
      %2: bool = lt(x.0, 2.0)
      if %2 -> (y.4: float):
        y.5: float = tanh(x.0)
        y.6: float = mul(y.5, y.5)
        yield y.6
      else:
        y.7: float = exp(x.0)
        yield y.7
      yield y.4
    yield y.2
  z.0: float = mul(y.0, y.0)
  return z.0
""",
    r"""
from math import cos, exp, sin, tanh


def f(x):
    if x < 0.0:
        y = sin(x)
    elif x < 1.0:
        y = cos(x)
    elif x < 2.0:
        y = tanh(x)
        y *= y
    else:
        y = exp(x)
    z = y * y
    return z
""",
)
CASES["a test of several lines"] = (
    r"""
function f(x.0: float) -> 0 from python:
  while carry (x.1: float = x.0 -> x.2):
    t.0: float = sin(x.1)
    %0: float = mul(t.0, t.0)
    %1: bool = gt(%0, 0.5)
    yield %1
  do:
    x.3: float = div(x.1, 2.0)
    yield x.3
  return x.2
""",
    r"""
from math import sin


def f(x):
    while True:
        t = sin(x)
        if not t * t > 0.5:
            break
        x /= 2.0
    return x
""",
)
CASES["a test on one line"] = (
    r"""
function f(x.0: float) -> 0 from python:
  while carry (x.1: float = x.0 -> x.2):
    %1: bool = gt(x.1, 0.5)
    yield %1
  do:
    x.3: float = div(x.1, 2.0)
    yield x.3
  return x.2
""",
    r"""
def f(x):
    while x > 0.5:
        x /= 2.0
    return x
""",
)
CASES["empty bodies and short ranges"] = (
    r"""
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry ():
    yield
  for j.0 in range(n.0, 0, -1) carry ():
    yield
  for k.0 in range(1, n.0, 2) carry ():
    yield
  return x.0
""",
    r"""
def f(x, n):
    for i in range(n):
        pass
    for j in range(n, 0, -1):
        pass
    for k in range(1, n, 2):
        pass
    return x
""",
)
CASES["an arm that has nothing to do"] = (
    r"""
function f(x.0: float) -> 0 from python:
  %0: bool = lt(x.0, 0.0)
  if %0 -> (y.0: float, z.0: float):
    yield x.0, 1.0
  else:
    y.1: float = sin(x.0)
    z.1: float = cos(y.1)
    yield y.1, z.1
  %1: bool = lt(y.0, 0.0)
  if %1 -> (y.2: float, z.2: float):
    yield y.0, z.0
  else:
    y.3: float = mul(y.0, z.0)
    yield y.3, z.0
  %2: float = mul(y.2, z.2)
  return %2
""",
    r"""
from math import cos, sin


def f(x):
    if x < 0.0:
        y = x
        z = 1.0
    else:
        y = sin(x)
        z = cos(y)
    if not y < 0.0:
        y *= z
    return y * z
""",
)
CASES["words of math that the user took"] = (
    r"""
function f(exp.0: float, sin.0: float) -> 0 from python:
  %0: float = exp(exp.0)
  %1: float = sin(%0)
  %2: float = cos(%1)
  %3: float = mul(%2, sin.0)
  return %3
""",
    r"""
import math
from math import cos


def f(exp, sin):
    return cos(math.sin(math.exp(exp))) * sin
""",
)
CASES["builtins that the user took"] = (
    r"""
function f(len.0: float, range.0: int) -> 0 from python:
  for math.0 in range(0, range.0, 1) carry (max.0: float = len.0 -> max.1):
    %0: float = max(max.0, 2.0)
    %1: float = sin(%0)
    yield %1
  return max.1
""",
    r"""
from math import sin


def f(len2, range2):
    max2 = len2
    for math2 in range(range2):
        max2 = sin(max(max2, 2.0))
    return max2
""",
)
CASES["helpers that the user took"] = (
    r"""
function f(sigmoid.0: float, quotient.0: float) -> 0 from python:
  %0: float = quotient(sigmoid.0, quotient.0)
  %1: float = sigmoid(%0)
  return %1
""",
    r'''
from math import copysign, exp, inf


def quotient(num, den):
    """num / den as IEEE 754 has it, save that a zero num gives zero: where no gradient arrives, none leaves."""
    if num == 0.0:
        return 0.0
    if den == 0.0:
        return num * copysign(inf, den)
    return num / den


def f(sigmoid, quotient2):
    return 1.0 / (1.0 + exp(-quotient(sigmoid, quotient2)))
''',
)
CASES["and, or, not and a choice"] = (
    r"""
function f(a.0: bool, b.0: bool, x.0: float) -> 0 from python:
  %0: bool = not(a.0)
  if %0 -> (%1: bool):
    yield b.0
  else:
    yield False
  if %1 -> (%2: bool):
    yield True
  else:
    %3: bool = lt(x.0, 0.0)
    %4: bool = not(%3)
    yield %4
  %5: bool = not(%2)
  if %5 -> (%6: float):
    %7: float = add(x.0, 1.0)
    yield %7
  else:
    yield 2.0
  %8: float = mul(%6, %6)
  %9: float = neg(%8)
  return %9
""",
    r"""
def f(a, b, x):
    if not (not a and b or not x < 0.0):
        pick = x + 1.0
    else:
        pick = 2.0
    return -(pick * pick)
""",
)
CASES["assertions and errors"] = (
    r"""
function f(x.0: float) -> 0 from python:
  %0: bool = gt(x.0, 1.0)
  assert AssertionError('x is ', x.0) if %0
  %1: bool = lt(x.0, 1.0)
  %2: bool = not(%1)
  assert AssertionError if %2
  %3: bool = eq(x.0, 0.5)
  raise ValueError('a {b} "c" \'d\' # e', x.0) if %3
  raise RuntimeError if True
  return x.0
""",
    r"""
def f(x):
    assert not x > 1.0, f'x is {x}'
    assert x < 1.0
    if x == 0.5:
        raise ValueError(f'a {{b}} "c" \'d\' # e{x}')
    raise RuntimeError
""",
)
CASES["a result that nobody reads beside the user's underscore"] = (
    r"""
function f(y.0: float, _.0: float) -> 0 from python:
  %0: float = sin(_.0)
  %1: float = add(y.0, _.0)
  return %1
""",
    r"""
from math import sin


def f(y, _):
    unread = sin(_)
    return y + _
""",
)
CASES["a nested answer is taken apart"] = (
    r"""
function f(x.0: float) -> 0 from python:
  (y.0: float, z.0: float, w.0: float) = call g(x.0)
  %0: float = add(y.0, w.0)
  return %0
function g(a.0: float) -> ((1, 0), 1, (2,)) from python:
  return a.0, 1.0, 2.0
""",
    r"""
def g(a):
    return (1.0, a), 1.0, (2.0,)


def f(x):
    (z, y), _, (w,) = g(x)
    return y + w
""",
)
CASES["a loop that ends by what its trip began with"] = (
    r"""
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (x.1: float = x.0 -> x.2, %0: bool = False -> %1) until %0:
    y.0: float = cos(x.1)
    %2: float = sub(y.0, x.1)
    %3: float = abs(%2)
    %4: bool = lt(%3, 0.5)
    yield y.0, %4
  return x.2
""",
    r"""
from math import cos


def f(x, n):
    for i in range(n):
        y = cos(x)
        if abs(y - x) < 0.5:
            x = y
            break
        x = y
    return x
""",
)


@pytest.mark.parametrize("title", CASES)
def test_form(title: str) -> None:
    ir, text = CASES[title]
    assert write(check(parse(ir)), "python").text.strip() == text.strip()


@pytest.mark.parametrize("title", CASES)
def test_form_runs(title: str) -> None:
    module = parse(CASES[title][0])
    points = {"float": (-1.5, 0.3, 0.5, 2.5), "int": (0, 1, 3), "bool": (False, True)}
    for args in itertools.product(*(points[param.type.kind] for param in module.main.params)):
        same_text_and_meaning(module, args)


def text_of(ir: str, target: str = "python") -> str:
    return write(check(parse(ir)), target).text


#: Words that other passes meet, or that shadow one another, in IR that was once written wrongly.
ONCE_WRONG = {
    "a range that reads what a carry's variable held": """
function f(x.0: float, n.0: int) -> 0 from python:
  n.1: int = add(n.0, 1)
  for i.0 in range(0, n.1, 1) carry (n.2: int = 5 -> n.3):
    n.4: int = sub(n.2, 1)
    yield n.4
  %0: float = mul(x.0, n.3)
  return %0
""",
    "a carry whose ends have two names": """
function f(x.0: float, n.0: int) -> 0 from python:
  for k.0 in range(0, n.0, 1) carry (%0: bool = True -> %1, num.0: bool = True -> scaled.0):
    y.0: float = sin(x.0)
    scaled.1: bool = gt(y.0, 0.0)
    yield num.0, True
  if %1 -> (t.1: float):
    yield 1.0
  else:
    yield x.0
  return t.1
""",
    "an undefined result that is handed on": """
function f(x.0: float) -> 0 from python:
  %0: bool = gt(x.0, 0.0)
  if %0 -> (a.0: float):
    %1: bool = gt(x.0, 1.0)
    if %1 -> (b.0: float):
      yield undef:float
    else:
      c.0: float = sin(x.0)
      yield c.0
    yield b.0
  else:
    yield undef:float
  %2: bool = lt(x.0, 1.0)
  if %0 -> (%3: bool):
    yield %2
  else:
    yield False
  if %3 -> (d.0: float):
    yield a.0
  else:
    yield 0.25
  return d.0
""",
    "a body of nothing but a comment": """
function f(x.0: float) -> 0 from python:
  for i.0 in range(0, 2, 1) carry ():
    remark 'nothing'
    yield
  return x.0
""",
    "a message that reads like code": """
function f(x.0: float) -> 0 from python:
  y.0: float = exp(x.0)
  %0: bool = gt(y.0, 1.0)
  raise ValueError('# math.exp(', x.0, ') {y} # math.sin') if %0
  return y.0
""",
    "functions named as helpers and builtins": """
function range(x.0: float) -> 0 from python:
  %0: float = quotient(x.0, 2.0)
  (%1: float) = call quotient(%0)
  for i.0 in range(0, 2, 1) carry (%2: float = %1 -> %3):
    (%4: float) = call len(%2)
    yield %4
  return %3
function quotient(x.0: float) -> 0 from python:
  %0: float = mul(x.0, 3.0)
  return %0
function len(x.0: float) -> 0 from python:
  %0: float = softplus(x.0)
  return %0
""",
}


@pytest.mark.parametrize("title", ONCE_WRONG)
def test_once_wrong(title: str) -> None:
    module = check(parse(ONCE_WRONG[title]))
    arguments = [(x, *([3] if len(module.main.params) == 2 else [])) for x in (-0.5, 0.5, 1.5)]
    for args in arguments:
        same_text_and_meaning(module, args)


def test_math_is_imported_only_where_code_asks_for_it() -> None:
    head = "function f(x.0: float) -> 0 from python:\n"
    text = text_of(head + "  %0: bool = gt(x.0, 1.0)\n  raise ValueError('math.exp # math.sin') if %0\n  return x.0\n")
    assert "import" not in text


def test_helpers_come_once_and_before_what_needs_them() -> None:
    ir = "function f(x.0: float) -> 0 from python:\n  a.0: float = softplus(x.0)\n  b.0: float = quotient(a.0, x.0)\n"
    ir += "  c.0: float = softplus(b.0)\n  return c.0\n"
    names = [node.name for node in ast.parse(text_of(ir)).body if isinstance(node, ast.FunctionDef)]
    assert sorted(names) == ["f", "quotient", "softplus"] and names[-1] == "f"


def test_numba_decorates_every_function() -> None:
    ir = "function f(x.0: float) -> 0 from python:\n  a.0: float = softplus(x.0)\n  (b.0: float) = call g(a.0)\n  return b.0\n"
    text = text_of(ir + "function g(x.0: float) -> 0 from python:\n  return x.0\n", "numba")
    assert text.count('@njit(cache=True, error_model="numpy", nogil=True') == text.count("def ") == 3 and "from numba import njit" in text


def test_functions_stand_before_their_callers() -> None:
    ir = "function f(x.0: float) -> 0 from python:\n  (b.0: float) = call g(x.0)\n  return b.0\n"
    text = text_of(ir + "function g(x.0: float) -> 0 from python:\n  return x.0\n")
    assert text.index("def g") < text.index("def f")


def placed(module: Module) -> Module:
    """The module with a place for each stage of its main function: line 10, 11, ..."""
    stmts = [replace(s, span=Span("user.py", 10 + k, 1)) if isinstance(s, Stage) else s for k, s in enumerate(module.main.body.stmts)]
    main = replace(module.main, span=Span("user.py", 9, 1), body=Block(tuple(stmts), module.main.body.results))
    return Module((main, *module.functions[1:]))


def test_lines_know_where_they_come_from() -> None:
    ir = "function f(x.0: float) -> 0 from python:\n  y.0: float = sin(x.0)\n  z.0: float = mul(y.0, x.0)\n  return z.0\n"
    source = write(simplify(reverse(name_stages(placed(parse(ir))), (0,))), "python")
    lines = source.text.splitlines()
    places = {line.strip(): span.line for line, span in zip(lines, source.spans, strict=True) if span}
    assert places["y = sin(x)"] == 10 and places["z = y * x"] == 11 and places["dy = x * dz"] == 11 and places["dx += cos(x) * dy"] == 10
    forward, backward = (lines[slice(*part)] for part in (source.forward, source.backward))
    assert forward[0].strip() == "# forward pass" and "    z = y * x" in forward
    assert backward[0].strip() == "# backward pass" and backward[-1] == "    return z, dx"


def test_a_long_expression_is_broken_into_lines() -> None:
    x = Var("x", check(parse("function f(x.0: float) -> 0 from python:\n  return x.0\n")).main.params[0].type, 0)
    stages, last = [], x
    for k in range(40):
        stages.append(Stage(Var("", x.type, k), "add", (last, x)))
        last = stages[-1].out
    module = check(Module((Function("f", (x,), Block(tuple(stages), (last,))),)))
    assert max(map(len, write(module, "python").text.splitlines())) < 60
    same_text_and_meaning(module, (0.1,))


def test_an_inlined_value_does_not_move_across_what_changes_it() -> None:
    """``%0`` reads x before x is assigned again."""
    ir = "function f(x.0: float) -> 0 from python:\n  %0: float = mul(x.0, 2.0)\n  x.1: float = sin(x.0)\n  x.2: float = sin(x.1)\n"
    module = parse(ir + "  %1: float = add(%0, x.2)\n  return %1\n")
    assert outcome(run(write(module, "python")), (0.7,)) == outcome(Interpreter(module), (0.7,))


def test_errors_come_in_the_order_of_the_statements() -> None:
    """A division stays before the check that follows it."""
    ir = "function f(x.0: float) -> 0 from python:\n  %0: float = div(1.0, x.0)\n  %1: bool = eq(x.0, 0.0)\n"
    module = parse(ir + "  raise ValueError('zero') if %1\n  %2: float = add(%0, 1.0)\n  return %2\n")
    assert outcome(run(write(module, "python")), (0.0,))[0] == outcome(Interpreter(module), (0.0,))[0] == "ZeroDivisionError"


@pytest.mark.parametrize("words", [("dx", "x"), ("x_tape", "x"), ("x2", "x"), ("trips", "trip")])
def test_storage_keeps_values_apart_that_are_alive_at_once(words: tuple[str, str]) -> None:
    ir = """
function f({a}.0: float, {b}.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry ({a}.1: float = {b}.0 -> {a}.2, {b}.1: float = {a}.0 -> {b}.2):
    {b}.3: float = mul({a}.1, {b}.1)
    {b}.4: float = sin({b}.3)
    {a}.3: float = add({b}.3, {a}.0)
    yield {b}.4, {a}.3
  %0: float = mul({a}.2, {b}.2)
  %1: float = add(%0, {a}.0)
  return %1
""".format(a=words[0], b=words[1])
    module = check(parse(ir))
    adjoint = simplify(reverse(name_stages(module), (0, 1)))
    for n in (0, 1, 4):
        same_text_and_meaning(module, (0.3, 0.8, n))
        same_text_and_meaning(adjoint, (0.3, 0.8, n))


@pytest.mark.parametrize("name", ["quotient", "divided"])
def test_a_quotient_by_a_zero_has_both_signs(name: str) -> None:
    """As IEEE 754 has it, where Python raises."""
    scope: dict[str, Any] = {"math": math}
    exec(textwrap.dedent(HELPERS[name].text), scope)
    for num in (2.0, -2.0, math.inf, -math.inf):
        for den in (0.0, -0.0):
            with np.errstate(all="ignore"):
                assert scope[name](num, den) == np.float64(num) / np.float64(den)
    assert math.isnan(scope[name](math.nan, -0.0))
