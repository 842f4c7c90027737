"""Arrays are values in the IR and memory in the text: copies where the difference would be seen, and nowhere else."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stagegrad.emit import write
from stagegrad.emit.ownership import owned
from stagegrad.emit.sharing import IN_PLACE
from stagegrad.ir import FLOAT, INT, Block, Function, Lit, Module, Stage, Type, Var, check, walk
from stagegrad.ir_text import parse, show
from tests import random_arrays
from tests.interpret import Interpreter
from tests.ir_laws import run

VECTOR = Type("float", 1)


def text(ir: str) -> str:
    """The body of the generated function, without its ``def``."""
    lines = write(check(parse(ir)), "numpy").text.partition("def f(")[2].splitlines()[1:]
    return "\n".join(line[4:] for line in lines).strip()


def copies(module: Module, *, fresh_results: bool = False) -> int:
    """How many copies the pass adds to the main function."""
    after = Module((owned(module.main, fresh_results=fresh_results), *module.functions[1:]))
    return show(check(after)).count("duplicate(") - show(module).count("duplicate(")


# ---------------------------------------------------------------------------------------------- programs that need no copy

TIME_STEPPING = """
function f(u0.0: float[1], n.0: int, steps.0: int) -> 0 from python:
  u.0: float[1] = duplicate(u0.0)
  unew.0: float[1] = zeros_like(u.0)
  for t.0 in range(0, steps.0, 1) carry (u.1: float[1] = u.0 -> u.2, unew.1: float[1] = unew.0 -> unew.2):
    for i.0 in range(1, n.0, 1) carry (unew.3: float[1] = unew.1 -> unew.4):
      %0: int = sub(i.0, 1)
      %1: float = load(u.1, %0)
      %2: float = load(u.1, i.0)
      %3: float = add(%1, %2)
      unew.5: float[1] = store(unew.3, i.0, %3)
      yield unew.5
    yield unew.4, u.1
  return u.2
"""

STEPPING_UNTIL = """
function f(u0.0: float[1], n.0: int, steps.0: int) -> 0 from python:
  u.0: float[1] = duplicate(u0.0)
  unew.0: float[1] = zeros_like(u.0)
  for t.0 in range(0, steps.0, 1) carry (u.1: float[1] = u.0 -> u.2, unew.1: float[1] = unew.0 -> unew.2, left.0: bool = False -> left.1) until left.0:
    for i.0 in range(1, n.0, 1) carry (unew.3: float[1] = unew.1 -> unew.4):
      %0: float = load(u.1, i.0)
      unew.5: float[1] = store(unew.3, i.0, %0)
      yield unew.5
    %1: float = load(unew.4, 0)
    %2: bool = lt(%1, 1.0)
    if %2 -> (left.2: bool, u.3: float[1], unew.6: float[1]):
      yield True, u.1, unew.4
    else:
      yield False, unew.4, u.1
    yield u.3, unew.6, left.2
  return u.2
"""  # noqa: E501

NEW_ARRAY_EACH_TRIP = """
function f(u0.0: float[1], n.0: int, steps.0: int) -> 0 from python:
  for t.0 in range(0, steps.0, 1) carry (u.1: float[1] = u0.0 -> u.2):
    unew.1: float[1] = zeros_like(u.1)
    for i.0 in range(1, n.0, 1) carry (unew.3: float[1] = unew.1 -> unew.4):
      %2: float = load(u.1, i.0)
      unew.5: float[1] = store(unew.3, i.0, %2)
      yield unew.5
    yield unew.4
  return u.2
"""

THREE_BUFFERS = """
function f(n.0: int) -> (0, 1) from python:
  a.0: float[1] = zeros(8)
  b.0: float[1] = zeros(8)
  c.0: float[1] = zeros(8)
  for i.0 in range(0, n.0, 1) carry (a.1: float[1] = a.0 -> a.2, b.1: float[1] = b.0 -> b.2, c.1: float[1] = c.0 -> c.2):
    %0: float = load(a.1, i.0)
    %1: float = load(b.1, i.0)
    %2: float = add(%0, %1)
    c.3: float[1] = store(c.1, i.0, %2)
    yield b.1, c.3, a.1
  return a.2, b.2
"""

PREFIX_SUMS = """
function f(x.0: float[1], n.0: int) -> 0 from python:
  s.0: float[1] = duplicate(x.0)
  for i.0 in range(1, n.0, 1) carry (s.1: float[1] = s.0 -> s.2):
    %0: float = load(s.1, i.0)
    %1: int = sub(i.0, 1)
    %2: float = load(s.1, %1)
    %3: float = add(%0, %2)
    s.3: float[1] = store(s.1, i.0, %3)
    yield s.3
  return s.2
"""

TAPE_AND_SHADOW = """
function f(x.0: float[1], n.0: int, m.0: int) -> 0 from python:
  u.0: float[1] = duplicate(x.0)
  u_tape.0: float[2] = tape_float(n.0, m.0)
  for i.0 in range(0, n.0, 1) carry (u.1: float[1] = u.0 -> u.2, u_tape.1: float[2] = u_tape.0 -> u_tape.2):
    u_tape.3: float[2] = store(u_tape.1, i.0, u.1) {rank=1}
    u.3: float[1] = sin(u.1)
    yield u.3, u_tape.3
  du.0: float[1] = zeros_like(u.2)
  du.1: float[1] = store(du.0, 0, 1.0)
  trip.0: int = sub(n.0, 1)
  for i.1 in range(trip.0, -1, -1) carry (du.2: float[1] = du.1 -> du.3):
    u.4: float[1] = load(u_tape.2, i.1) {rank=1}
    %0: float[1] = cos(u.4)
    du.4: float[1] = mul(du.2, %0)
    for j.0 in range(0, m.0, 1) carry (du.5: float[1] = du.4 -> du.6):
      %1: float = load(du.5, j.0)
      du.7: float[1] = accumulate(du.5, 0, %1)
      yield du.7
    yield du.6
  return du.3
"""


@pytest.mark.parametrize("ir", [TIME_STEPPING, STEPPING_UNTIL, NEW_ARRAY_EACH_TRIP, THREE_BUFFERS, PREFIX_SUMS, TAPE_AND_SHADOW])
def test_what_owns_its_arrays_gets_no_copy(ir: str) -> None:
    assert copies(check(parse(ir))) == 0


def test_a_swap_reads_as_one() -> None:
    assert text(TIME_STEPPING) == (
        "u = u0.copy()\n"
        "unew = np.zeros_like(u)\n"
        "for t in range(steps):\n"
        "    for i in range(1, n):\n"
        "        unew[i] = u[i - 1] + u[i]\n"
        "    u, unew = unew, u\n"
        "return u"
    )


# ---------------------------------------------------------------------------------------------- programs that need one

CASES = {
    "a parameter belongs to the caller": (
        """
function f(x.0: float[1]) -> 0 from python:
  x.1: float[1] = store(x.0, 0, 1.0)
  x.2: float[1] = store(x.1, 1, 2.0)
  return x.2
""",
        "x = x.copy()\nx[0] = 1.0\nx[1] = 2.0\nreturn x",
    ),
    "before the loop, not in it": (
        """
function f(x.0: float[1], n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (x.1: float[1] = x.0 -> x.2):
    x.3: float[1] = store(x.1, i.0, 1.0)
    yield x.3
  return x.2
""",
        "x = x.copy()\nfor i in range(n):\n    x[i] = 1.0\nreturn x",
    ),
    "both buffers of a swap, where both are the caller's": (
        """
function f(u.0: float[1], v.0: float[1], n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (u.1: float[1] = u.0 -> u.2, v.1: float[1] = v.0 -> v.2):
    %0: float = load(u.1, i.0)
    v.3: float[1] = store(v.1, i.0, %0)
    yield v.3, u.1
  return u.2
""",
        "u = u.copy()\nv = v.copy()\nfor i in range(n):\n    v[i] = u[i]\n    u, v = v, u\nreturn u",
    ),
    "the view that is kept, not the array": (
        """
function f(x.0: float[1], n.0: int) -> (0, 1) from python:
  a.0: float[1] = zeros(n.0)
  old.0: float[1] = load(a.0, 1, 3) {at='[{0}:{1}]', rank=1}
  a.1: float[1] = store(a.0, 1, 5.0)
  a.2: float[1] = store(a.1, 2, 5.0)
  return a.2, old.0
""",
        "a = np.zeros(n)\nold = a[1:3].copy()\na[1] = 5.0\na[2] = 5.0\nreturn a, old",
    ),
    "no view that is only read before": (
        """
function f(x.0: float[1], n.0: int) -> 0 from python:
  a.0: float[1] = zeros(n.0)
  %0: float[1] = load(a.0) {at='[:-1]', rank=1}
  %1: float[1] = mul(%0, 2.0)
  a.1: float[1] = store(a.0, %1) {at='[1:]', rank=1}
  %2: float[1] = load(a.1) {at='[:-1]', rank=1}
  a.2: float[1] = store(a.1, %2) {at='[1:]', rank=1}
  return a.2
""",
        "a = np.zeros(n)\na[1:] = a[:-1] * 2.0\na[1:] = a[:-1]\nreturn a",
    ),
    "overlapping sections are not added element by element": (
        """
function f(x.0: float[1], n.0: int) -> 0 from python:
  a.0: float[1] = zeros(n.0)
  %0: float[1] = load(a.0) {at='[:-1]', rank=1}
  a.1: float[1] = accumulate(a.0, %0) {at='[1:]', rank=1}
  return a.1
""",
        "a = np.zeros(n)\na[1:] += a[:-1].copy()\nreturn a",
    ),
    "two names for one array": (
        """
function f(x.0: float[1], n.0: int) -> (0, 1) from python:
  a.0: float[1] = zeros(n.0)
  b.0: float[1] = copy(a.0)
  a.1: float[1] = store(a.0, 0, 1.0)
  b.1: float[1] = store(b.0, 0, 2.0)
  return a.1, b.1
""",
        "a = np.zeros(n)\nb = a.copy()\na[0] = 1.0\nb[0] = 2.0\nreturn a, b",
    ),
    "only the arm that hands on the caller's array": (
        """
function f(x.0: float[1], c.0: bool) -> 0 from python:
  if c.0 -> (y.0: float[1]):
    y.1: float[1] = mul(x.0, 2.0)
    yield y.1
  else:
    yield x.0
  y.2: float[1] = store(y.0, 0, 1.0)
  return y.2
""",
        "if c:\n    y = x * 2.0\nelse:\n    y = x.copy()\ny[0] = 1.0\nreturn y",
    ),
    "what a broadcast repeats": (
        """
function f(x.0: float[1], m.0: float[2]) -> 0 from python:
  y.0: float[1] = sin(x.0)
  w.0: float[2] = broadcast_like(y.0, m.0)
  w.1: float[2] = store(w.0, 0, 0, 1.0) {at='[{0}, {1}]', rank=0}
  return w.1
""",
        "y = np.sin(x)\nw = np.broadcast_to(y, m.shape).copy()\nw[0, 0] = 1.0\nreturn w",
    ),
    "a row of a matrix that is restored element by element": (
        """
function f(m.0: float[2], n.0: int) -> (0, 1) from python:
  a.0: float[2] = sin(m.0)
  for i.0 in range(0, n.0, 1) carry (s.0: float = 0.0 -> s.1):
    u.0: float[1] = load(a.0, i.0) {rank=1}
    u.1: float[1] = store(u.0, 0, 1.0)
    %0: float = sum(u.1)
    s.2: float = add(s.0, %0)
    yield s.2
  return s.1, a.0
""",
        "a = np.sin(m)\ns = 0.0\nfor i in range(n):\n    u = a[i].copy()\n    u[0] = 1.0\n    s += np.sum(u)\nreturn s, a",
    ),
    "at the end of a trip, where two names come to share": (
        """
function f(x.0: float[1], n.0: int) -> (0, 1) from python:
  a.0: float[1] = zeros(8)
  b.0: float[1] = zeros(8)
  for i.0 in range(0, n.0, 1) carry (a.1: float[1] = a.0 -> a.2, b.1: float[1] = b.0 -> b.2):
    for j.0 in range(0, n.0, 1) carry (a.3: float[1] = a.1 -> a.4):
      %0: float = load(b.1, j.0)
      a.5: float[1] = store(a.3, j.0, %0)
      yield a.5
    yield a.4, a.4
  return a.2, b.2
""",
        "a = np.zeros(8)\nb = np.zeros(8)\nfor i in range(n):\n    for j in range(n):\n        a[j] = b[j]\n    b = a.copy()\nreturn a, b",
    ),
    "a store under another name": (
        """
function f(x.0: float[1], n.0: int) -> 0 from python:
  a.0: float[1] = zeros(n.0)
  b.0: float[1] = store(a.0, 0, 1.0)
  return b.0
""",
        "a = np.zeros(n)\nb = a\nb[0] = 1.0\nreturn b",
    ),
    "what a value reads before the array has its name": (
        """
function f(n.0: int, x.0: float[1]) -> 0 from python:
  b.0: float[1] = sin(x.0)
  a.0: float[1] = cos(x.0)
  %0: float = load(b.0, 1)
  b.1: float[1] = store(a.0, 0, %0)
  return b.1
""",
        "b = np.sin(x)\na = np.cos(x)\nb2 = a\nb2[0] = b[1]\nreturn b2",
    ),
    "no copy for who only asks the shape, which is asked of the newest version": (
        """
function f(x.0: float[1], n.0: int) -> (0, 1) from python:
  a.0: float[1] = zeros(n.0)
  a.1: float[1] = store(a.0, 0, 1.0)
  for i.0 in range(0, n.0, 1) carry (a.2: float[1] = a.1 -> a.3):
    a.4: float[1] = store(a.2, i.0, 2.0)
    yield a.4
  da.0: float[1] = zeros_like(a.0)
  return a.3, da.0
""",
        "a = np.zeros(n)\na[0] = 1.0\nfor i in range(n):\n    a[i] = 2.0\nda = np.zeros_like(a)\nreturn a, da",
    ),
    "what a write would change is not written behind it": (
        """
function f(x.0: float[1]) -> (0, 1) from python:
  a.0: float[1] = sin(x.0)
  %0: float = sum(a.0)
  a.1: float[1] = store(a.0, 0, 1.0)
  y.0: float = mul(%0, 2.0)
  return a.1, y.0
""",
        "a = np.sin(x)\nsuma = np.sum(a)\na[0] = 1.0\ny = suma * 2.0\nreturn a, y",
    ),
    "nor behind arithmetic in place": (
        """
function f(x.0: float[1]) -> (0, 1) from python:
  a.0: float[1] = sin(x.0)
  %0: float = sum(a.0)
  a.1: float[1] = add(a.0, 1.0)
  y.0: float = mul(%0, 2.0)
  return a.1, y.0
""",
        "a = np.sin(x)\nsuma = np.sum(a)\na += 1.0\ny = suma * 2.0\nreturn a, y",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_where_copies_stand(name: str) -> None:
    ir, expected = CASES[name]
    assert text(ir) == expected


# ---------------------------------------------------------------------------------------------- arithmetic in place


def marked(ir: str) -> list[str]:
    """The results of a function's stages that may be written into their first operand's memory."""
    return [str(s.out) for s in walk(owned(check(parse(ir)).main).body) if isinstance(s, Stage) and IN_PLACE in s.attrs]


def test_a_sum_is_written_in_place_where_nobody_reads_what_it_writes_to() -> None:
    ir = """
function f(x.0: float[1], w.0: float[1]) -> (0, 1) from python:
  s.0: float[1] = zeros_like(x.0)
  %0: float[1] = mul(x.0, 2.0)
  s.1: float[1] = add(s.0, %0)
  s.2: float[1] = sub(s.1, 1.0)
  y.0: float[1] = mul(s.2, s.2)
  t.0: float[1] = add(s.2, y.0)
  t.1: float[1] = add(t.0, x.0)
  t.2: float[1] = add(t.1, w.0)
  return t.2, y.0
"""
    # The shapes of x and w may differ, and so may that of the sum.
    assert marked(ir) == ["s.1", "s.2", "t.0", "t.1"]
    assert text(ir).endswith("s += x * 2.0\ns -= 1.0\ny = s * s\nt = s + y\nt += x\nt = t + w\nreturn t, y")


def test_a_sum_is_not_written_into_what_its_other_operand_reads() -> None:
    assert (
        marked("""
function f(x.0: float[1]) -> 0 from python:
  s.0: float[1] = sin(x.0)
  %0: float[1] = load(s.0) {at='[::-1]', rank=1}
  s.1: float[1] = store(s.0, %0) {at='[:]', rank=1}
  %1: float[1] = copy(s.1)
  s.2: float[1] = add(s.1, %1)
  return s.2
""")
        == []
    )


def test_a_parameter_and_a_narrower_array_are_not_written_to() -> None:
    assert (
        marked("""
function f(x.0: float[1], m.0: float[2]) -> (0, 1) from python:
  y.0: float[1] = add(x.0, 1.0)
  v.0: float[1] = sin(x.0)
  w.0: float[2] = add(v.0, m.0)
  return y.0, w.0
""")
        == []
    )


# ---------------------------------------------------------------------------------------------- results of their own

SHARED_RESULTS = """
function f(x.0: float[1], n.0: int, c.0: bool) -> (0, 1, 2, 3) from python:
  a.0: float[1] = sin(x.0)
  if c.0 -> (b.0: float[1]):
    %0: float[1] = mul(a.0, 2.0)
    yield %0
  else:
    yield x.0
  return a.0, a.0, b.0, x.0
"""


def test_results_may_be_asked_to_be_apart() -> None:
    module = check(parse(SHARED_RESULTS))
    assert copies(module) == 0
    assert copies(module, fresh_results=True) == 3
    function = run(write(Module((owned(module.main, fresh_results=True),)), "numpy"))
    x = np.ones(3)
    for c in (True, False):
        found = [x, *function(x, 2, c)]
        assert not any(np.shares_memory(a, b) for k, a in enumerate(found) for b in found[:k])


def test_what_a_callee_returns_may_be_its_argument() -> None:
    module = check(
        parse("""
function f(x.0: float[1]) -> (0, 1) from python:
  a.0: float[1] = sin(x.0)
  (b.0: float[1]) = call g(a.0)
  b.1: float[1] = store(b.0, 0, 1.0)
  return a.0, b.1
function g(x.0: float[1]) -> 0 from python:
  return x.0
""")
    )
    assert copies(module) == 1
    assert show(owned(module.main, apart={"g"})) == show(module.main)


# ---------------------------------------------------------------------------------------------- undefined arrays, while, growing


def test_an_array_that_a_way_leaves_undefined_may_be_copied() -> None:
    module = check(
        parse("""
function f(x.0: float[1], c.0: bool) -> 0 from python:
  if c.0 -> (a.0: float[1]):
    yield x.0
  else:
    yield undef:float[1]
  for i.0 in range(0, 3, 1) carry (b.0: float[1] = a.0 -> b.1):
    if c.0 -> (b.2: float[1]):
      b.3: float[1] = store(b.0, i.0, 1.0)
      yield b.3
    else:
      yield b.0
    yield b.2
  if c.0 -> (d.0: float[1]):
    yield b.1
  else:
    yield x.0
  return d.0
""")
    )
    function = run(write(module, "numpy"))
    x = np.full(3, 7.0)
    assert function(x, False).tolist() == [7.0] * 3
    assert function(x, True).tolist() == [1.0] * 3
    assert x.tolist() == [7.0] * 3


def test_a_while_loop_whose_test_writes() -> None:
    module = check(
        parse("""
function f(x.0: float[1], n.0: int) -> 0 from python:
  while carry (a.0: float[1] = x.0 -> a.1, k.0: int = 0 -> k.1):
    t.0: float[1] = store(a.0, 0, 9.0)
    %0: float = load(t.0, k.0)
    %1: bool = gt(%0, 3.0)
    yield %1
  do:
    k.2: int = add(k.0, 1)
    b.0: float[1] = store(a.0, 1, 0.5)
    yield b.0, k.2
  return a.1
""")
    )
    x = np.array([1.0, 8.0, 8.0])
    assert run(write(module, "numpy"))(x, 0).tolist() == Interpreter(module)(x, 0).tolist() == [1.0, 0.5, 8.0]
    assert x.tolist() == [1.0, 8.0, 8.0]


def test_a_tape_that_grows_is_one_tape() -> None:
    module = check(
        parse("""
function f(x.0: float[1], n.0: int) -> (0, 1) from python:
  tape.0: float[1] = tape_float(1)
  while carry (tape.1: float[1] = tape.0 -> tape.2, k.0: int = 0 -> k.1):
    %0: bool = lt(k.0, n.0)
    yield %0
  do:
    tape.3: float[1] = grow(tape.1, k.0)
    %1: float = load(x.0, k.0)
    tape.4: float[1] = store(tape.3, k.0, %1)
    k.2: int = add(k.0, 1)
    yield tape.4, k.2
  %2: float = load(tape.2, 2)
  return %2, k.1
""")
    )
    assert copies(module) == 0
    assert run(write(module, "numpy"))(np.array([1.0, 2.0, 3.0, 4.0]), 4) == (3.0, 4)


# ---------------------------------------------------------------------------------------------- random programs


def plain(answer: Any) -> Any:
    """An answer without NumPy's types."""
    if isinstance(answer, (tuple, list)):
        return [plain(part) for part in answer]
    return answer.tolist() if isinstance(answer, (np.ndarray, np.generic)) else answer


def outcome(function: Callable[..., Any], arguments: list[Any]) -> str:
    """What a call gives, bit for bit, or the error that it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return repr(plain(function(*arguments)))
    except (ArithmeticError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


def hold(seed: int, *, size: int, depth: int) -> None:
    """The text of a random program computes with memory what the program means with values, and leaves its arguments alone."""
    module = random_arrays.module(seed, size=size, depth=depth)
    fresh = seed % 3 == 0
    after = check(Module(tuple(owned(function, fresh_results=fresh) for function in module.functions)))
    source = write(after, "numpy")
    arguments = random_arrays.arguments(module, seed)
    before = plain(arguments)
    expected = outcome(Interpreter(module), arguments)
    results: list[Any] = []

    def call(*given: Any) -> Any:
        results.extend(run(source)(*given))
        return tuple(results)

    found = outcome(call, arguments)
    assert found == expected, f"text gives {found}, the interpreter {expected}\n{source.text}\n{show(module)}"
    assert plain(arguments) == before, f"an argument was written to\n{source.text}"
    arrays = [r for r in (*results, *arguments) if isinstance(r, np.ndarray)]
    own = sum(isinstance(r, np.ndarray) for r in results) if fresh else 0
    assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays[:own]) for b in arrays[k + 1 :]), source.text


@pytest.mark.parametrize("block", range(6))
def test_random_programs_compute_with_memory_what_they_mean_with_values(block: int) -> None:
    for seed in range(40 * block, 40 * block + 40):
        size, depth = ((8, 3), (8, 3), (3, 2), (20, 2), (6, 5))[seed % 5]
        hold(seed, size=size, depth=depth)


# ---------------------------------------------------------------------------------------------- time


def stores_behind_views(count: int) -> Function:
    """A view and a store, again and again; every view is read at the end."""
    x, stmts, last = Var("x", VECTOR, 0), [], Var("a", VECTOR, 0)
    stmts.append(Stage(last, "copy", (x,)))
    for k in range(count):
        at = (("at", "[{0}:{1}]"), ("rank", 1))
        stmts.append(Stage(Var("v", VECTOR, k), "load", (last, Lit(0, INT), Lit(3, INT)), at))
        stmts.append(Stage(Var("a", VECTOR, k + 1), "store", (last, Lit(0, INT), Lit(1.0, FLOAT))))
        last = Var("a", VECTOR, k + 1)
    ends = [Stage(Var("q", FLOAT, k), "load", (Var("v", VECTOR, k), Lit(0, INT))) for k in range(count)]
    return Function("f", (x,), Block((*stmts, *ends), (last,)))


def test_a_thousand_statements_take_little_time() -> None:
    function = stores_behind_views(330)
    times = []
    for _ in range(3):
        start = time.process_time()
        after = owned(function)
        times.append(time.process_time() - start)
    assert sum(isinstance(s, Stage) and s.op == "duplicate" for s in walk(after.body)) == 331
    assert min(times) < 0.4, "about 0.04 s is normal"


# ---------------------------------------------------------------------------------------------- arrays that are given

READ_BEHIND_A_WRITE = """
function f(x.0: float, out.0: float[1]) -> (0, 1) from python:
  a.0: float[1] = store(out.0, 0, x.0)
  b.0: float[1] = store(a.0, 1, x.0)
  s.0: float = sum(a.0)
  return s.0, b.0
"""

SWAPPED = """
function f(n.0: int, p.0: float[1], q.0: float[1]) -> (0, 1) from python:
  a.0: float[1] = store(p.0, 0, 1.0)
  b.0: float[1] = store(q.0, 0, 2.0)
  for i.0 in range(0, n.0, 1) carry (a.1: float[1] = a.0 -> a.2, b.1: float[1] = b.0 -> b.2):
    yield b.1, a.1
  return a.2, b.2
"""


@pytest.mark.parametrize(("ir", "given", "args"), [(READ_BEHIND_A_WRITE, (1,), (5.0,)), (SWAPPED, (1, 2), (3,)), (SWAPPED, (1, 2), (4,))])
def test_results_lie_in_the_arrays_that_were_given_for_them(ir: str, given: tuple[int, ...], args: tuple[Any, ...]) -> None:
    module = check(parse(ir))
    module = Module((replace(module.main, given=given),))
    arrays, others = ([np.arange(3.0) + k for k in given] for _ in range(2))
    expected = Interpreter(module)(*args, *others)
    found = run(write(module, "numpy"))(*args, *arrays)
    assert [np.asarray(part).tolist() for part in found] == [np.asarray(part).tolist() for part in expected]
    assert all(part is array for part, array in zip(found[-len(given) :], arrays, strict=True))


IN_A_PLACE_WITHOUT_A_NAME = """
function f(x.0: float[1], y.0: float) -> 0 from python:
  v.0: float[1] = mul(x.0, 2.0)
  w.0: float[1] = mul(v.0, y.0)
  %0: bool[1] = lt(v.0, 0)
  %1: float[1] = square(v.0)
  %2: float[1] = mul(%1, w.0)
  z.0: float[1] = where(%0, 0.0, %2)
  return z.0
"""


def test_what_is_computed_in_a_place_without_a_name_takes_no_line_of_another() -> None:
    module = check(parse(IN_A_PLACE_WITHOUT_A_NAME))
    assert any(IN_PLACE in stmt.attrs for stmt in walk(owned(module.main).body) if isinstance(stmt, Stage) and not stmt.out.name)
    assert "    z = np.where(v < 0, 0.0, v**2 * w)\n" in write(module, "numpy").text
