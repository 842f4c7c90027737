"""What is known of shapes and of indices before a program runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.bounds import in_range
from stagegrad.ir import Module, Var, bound
from stagegrad.ir_text import parse
from stagegrad.rules.products import contraction
from stagegrad.shapes import Shape, shapes


def module(text: str, *axes: str) -> Module:
    """A module of one function, with the marks of its parameters' axes."""
    made = parse(text)
    return Module((replace(made.main, axes=axes),))


def known(text: str, *axes: str) -> dict[str, Shape]:
    """The shape of each array by its name and version."""
    made = module(text, *axes)
    found = shapes(made.main)
    return {str(var): found[var] for var in (*made.main.params, *bound(made.main.body)) if isinstance(var, Var) and var in found}


BOTH = """
function f(x.0: float[1], y.0: float[1]) -> 0 from python:
  z.0: float[1] = mul(x.0, y.0)
  f.0: float = sum(z.0)
  return f.0
"""


def test_two_sizes_that_meet_are_equal_if_neither_is_one() -> None:
    found = known(BOTH, "n", "n")
    assert found["x.0"] == found["y.0"] == found["z.0"]


def test_one_element_takes_the_size_of_what_it_meets() -> None:
    found = known(BOTH, "n", "1")
    assert found["y.0"] == (1,) and found["z.0"] == found["x.0"] != found["y.0"]


def test_of_two_unknown_sizes_nothing_is_said() -> None:
    found = known(BOTH)
    assert len({found["x.0"], found["y.0"], found["z.0"]}) == 3


def test_slices_of_equal_length_have_one_shape() -> None:
    found = known("""
function f(x.0: float[1]) -> 0 from python:
  a.0: float[1] = load(x.0) {at='[1:]', rank=1}
  b.0: float[1] = load(x.0) {at='[:-1]', rank=1}
  c.0: float[1] = load(x.0) {at='[2:]', rank=1}
  d.0: float[1] = load(x.0) {at='[1:-1]', rank=1}
  f.0: float = sum(a.0)
  return f.0
""")
    assert found["a.0"] == found["b.0"] != found["x.0"]
    assert found["c.0"] == found["d.0"] != found["a.0"]


def test_a_carried_array_keeps_its_shape_only_if_no_trip_changes_it() -> None:
    loop = """
function f(x.0: float[1], n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (a.0: float[1] = x.0 -> a.1):
    {}
    yield a.2
  f.0: float = sum(a.1)
  return f.0
"""
    assert known(loop.format("a.2: float[1] = sin(a.0)"), "n")["a.1"] == known(loop.format("a.2: float[1] = sin(a.0)"), "n")["x.0"]
    found = known(loop.format("a.2: float[1] = load(a.0) {at='[1:]', rank=1}"), "n")
    assert len({found["a.1"], found["a.0"], found["x.0"]}) == 3  # behind the loop, in each trip, before the loop


def test_an_index_that_a_reshape_follows_says_nothing() -> None:
    found = known("""
function f(x.0: float[1], i.0: int, j.0: int) -> 0 from python:
  a.0: float[2] = load(x.0, i.0, j.0, i.0, j.0) {at='[{0}:{1}].reshape({2}, {3})', rank=2}
  f.0: float = sum(a.0)
  return f.0
""")
    assert len(set(found["a.0"])) == 2


ELEMENTS = """
function f(x.0: float[1], n.0: int) -> 0 from python:
  m.0: int = extent(x.0) {{axis=0}}
  for i.0 in range({start}, {stop}, {step}) carry (s.0: float = 0.0 -> s.1):
    %1: int = {op}(i.0, {by})
    %2: float = load(x.0, %1)
    s.2: float = add(s.0, %2)
    yield s.2
  return s.1
"""


@pytest.mark.parametrize(
    ("start", "stop", "step", "op", "by", "certain"),
    [
        ("0", "m.0", "1", "add", 0, True),
        ("1", "m.0", "1", "sub", 1, True),
        ("0", "m.0", "1", "sub", 1, False),  # x[-1] in the first trip: from the end
        ("0", "m.0", "1", "add", 1, False),
        ("0", "n.0", "1", "add", 0, False),
        ("0", "5", "1", "add", 0, False),
        ("0", "m.0", "3", "add", 0, True),
    ],
)
def test_indices_are_followed_from_the_ranges_of_loops(start: str, stop: str, step: str, op: str, by: int, certain: bool) -> None:
    assert in_range(module(ELEMENTS.format(start=start, stop=stop, step=step, op=op, by=by), "n", "")) is certain


REVERSED = """
function f(x.0: float[1], y.0: float[1], n.0: int) -> 0 from python:
  m.0: int = extent(x.0) {{axis=0}}
  %0: int = sub({size}, {less})
  for i.0 in range({start}, {stop}, 1) carry (s.0: float = 0.0 -> s.1):
    %1: int = sub(%0, i.0)
    %2: float = load(x.0, %1)
    s.2: float = add(s.0, %2)
    yield s.2
  return s.1
"""


@pytest.mark.parametrize(
    ("size", "less", "start", "stop", "certain"),
    [
        ("m.0", 1, "0", "m.0", True),  # x[m - 1 - i]
        ("m.0", 0, "1", "m.0", True),
        ("m.0", 0, "0", "m.0", False),  # x[m] in the first trip
        ("m.0", 2, "0", "m.0", False),  # x[-1] in the last
        ("m.0", 1, "-1", "m.0", False),
        ("m.0", 1, "0", "n.0", False),
        ("n.0", 1, "0", "n.0", False),
    ],
)
def test_indices_that_count_from_the_end_are_followed(size: str, less: int, start: str, stop: str, certain: bool) -> None:
    text = REVERSED.format(size=size, less=less, start=start, stop=stop)
    assert in_range(module(text, "n", "n", "")) is certain


BEHIND_A_TEST = """
function f(x.0: float[1], y.0: float[1], n.0: int) -> 0 from python:
  m.0: int = extent(x.0) {{axis=0}}
  k.0: int = extent(y.0) {{axis=0}}
  %0: bool = {test}
  %3: bool = not(%0)
  raise ValueError if {raises}
  for i.0 in range(0, {stop}, 1) carry (s.0: float = 0.0 -> s.1):
    %2: float = load(y.0, i.0)
    s.2: float = add(s.0, %2)
    yield s.2
  return s.1
"""


@pytest.mark.parametrize(
    ("test", "raises", "stop", "certain"),
    [
        ("ne(m.0, k.0)", "%0", "m.0", True),
        ("eq(m.0, k.0)", "%3", "m.0", True),
        ("eq(m.0, k.0)", "%0", "m.0", False),
        ("gt(m.0, k.0)", "%0", "m.0", True),
        ("lt(k.0, m.0)", "%0", "m.0", True),
        ("le(m.0, k.0)", "%3", "m.0", True),
        ("ge(m.0, k.0)", "%0", "m.0", True),  # m is less than k
        ("lt(m.0, k.0)", "%0", "m.0", False),
        ("gt(n.0, k.0)", "%0", "n.0", True),
        ("gt(n.0, m.0)", "%0", "n.0", False),
        ("lt(n.0, k.0)", "%0", "n.0", False),
    ],
)
def test_sizes_are_known_behind_a_test_that_raises(test: str, raises: str, stop: str, certain: bool) -> None:
    assert in_range(module(BEHIND_A_TEST.format(test=test, raises=raises, stop=stop), "n", "n", "")) is certain


def test_what_an_arm_has_tested_is_not_known_behind_it() -> None:
    text = """
function f(x.0: float[1], y.0: float[1], b.0: bool) -> 0 from python:
  m.0: int = extent(x.0) {axis=0}
  k.0: int = extent(y.0) {axis=0}
  %0: bool = ne(m.0, k.0)
  if b.0 -> ():
    raise ValueError if %0
    yield
  else:
    yield
  for i.0 in range(0, m.0, 1) carry (s.0: float = 0.0 -> s.1):
    %2: float = load(y.0, i.0)
    s.2: float = add(s.0, %2)
    yield s.2
  return s.1
"""
    assert not in_range(module(text, "n", "n", ""))


def test_a_number_that_a_slice_leaves_is_the_slice_s_size() -> None:
    found = known("""
function f(x.0: float[1]) -> 0 from python:
  a.0: float[1] = load(x.0) {at='[1:-1]', rank=1}
  b.0: float[1] = load(a.0) {at='[1:]', rank=1}
  n.0: int = extent(x.0) {axis=0}
  m.0: int = sub(n.0, 3)
  m.1: int = max(m.0, 0)
  c.0: float[1] = tape_float(m.1)
  k.0: int = sub(n.0, 2)
  d.0: float[1] = zeros(k.0)
  f.0: float = sum(c.0)
  return f.0
""")
    assert found["b.0"] == found["c.0"] != found["a.0"] == found["d.0"]


MEETING = """
function f(x.0: float[1], y.0: float[1], b.0: bool) -> 0 from python:
  m.0: int = extent(x.0) {{axis=0}}
{before}
  for i.0 in range(0, m.0, 1) carry (s.0: float = 0.0 -> s.1):
    %2: float = load({array}, i.0)
    s.2: float = add(s.0, %2)
    yield s.2
{behind}
  return s.1
"""
SUM = "  z.0: float[1] = add(x.0, y.0)"
IN_AN_ARM = "  if b.0 -> ():\n    z.0: float[1] = add(x.0, y.0)\n    yield\n  else:\n    yield"


@pytest.mark.parametrize(
    ("before", "array", "behind", "certain"),
    [
        (IN_AN_ARM, "y.0", "", False),
        ("", "y.0", SUM, False),
        (SUM, "y.0", "", False),  # a gradient has no need of the sum, and leaves it out
        (SUM, "z.0", "", True),
        (SUM, "x.0", "", True),
    ],
)
def test_sizes_that_meet_are_not_compared_for_an_index(before: str, array: str, behind: str, certain: bool) -> None:
    assert in_range(module(MEETING.format(before=before, array=array, behind=behind), "n", "n", "")) is certain


ASKED = """
function f(x.0: float[1], y.0: float[1], c.0: bool) -> 0 from python:
  n.0: int = size(x.0)
  %0: bool = gt(n.0, 3)
  %1: bool = lt(n.0, 3)
  {first}
  {second}
  z.0: float[1] = mul(x.0, 2.0)
  f.0: float = sum(z.0)
  return f.0
"""
ABOVE, BELOW = "raise ValueError('too many') if %0", "raise ValueError('too few') if %1"
IN_ARM = "if c.0 -> ():\n    raise ValueError('too few') if %1\n    yield\n  else:\n    yield"


@pytest.mark.parametrize(
    ("first", "second", "marks", "known"),
    [
        (ABOVE, BELOW, "n", True),
        (BELOW, ABOVE, "n", True),
        (ABOVE, BELOW, "?", False),  # it may have one element, which is repeated where it meets others
        (ABOVE, ABOVE, "n", False),
        (IN_ARM, ABOVE, "n", False),
    ],
)
def test_a_size_that_the_program_asks_for(first: str, second: str, marks: str, known: bool) -> None:
    found = shapes(module(ASKED.format(first=first, second=second), marks, "n", "").main, certain=True)
    assert (next(dims for var, dims in found.items() if var.name == "z") == (3,)) is known


def test_vectors_one_after_the_other() -> None:
    """Two elements and any number of others are not one, and so as many as the three that they meet."""
    text = """
function f(x.0: float[1]) -> 0 from python:
  y.0: float[1] = array_of(1.0, 2.0) {shape=(2,)}
  z.0: float[1] = concatenate(x.0, y.0) {axis=0}
  w.0: float[1] = array_of(1.0, 2.0, 3.0) {shape=(3,)}
  v.0: float[1] = mul(z.0, w.0)
  f.0: float = sum(v.0)
  return f.0
"""
    found = shapes(module(text, "?").main, certain=True)
    assert [dims for var, dims in found.items() if var.name == "z"] == [(3,)]


WINDOW = """
function f(x.0: float[1], w.0: float[1]) -> 0 from python:
  n.0: int = extent(x.0) {{axis=0}}
  k.0: int = extent(w.0) {{axis=0}}
  d.0: int = sub(n.0, k.0)
  m.0: int = add(d.0, {more})
  for i.0 in range(0, m.0, 1) carry (s.0: float = 0.0 -> s.1):
    for j.0 in range(0, k.0, 1) carry (s.2: float = s.0 -> s.3):
      %0: int = add(i.0, j.0)
      %1: float = load(x.0, %0)
      %2: float = load(w.0, j.0)
      %3: float = mul(%1, %2)
      s.4: float = add(s.2, %3)
      yield s.4
    yield s.3
  return s.1
"""


@pytest.mark.parametrize(("more", "certain"), [(1, True), (0, True), (2, False), (-1, True)])
def test_a_window_that_moves_through_a_vector(more: int, certain: bool) -> None:
    assert in_range(module(WINDOW.format(more=more), "n", "n")) is certain


def test_axes_of_a_contraction_have_the_sizes_of_their_letters() -> None:
    contraction(("a", "acd"), "cd")
    found = known("""
function f(w.0: float[1], x.0: float[3]) -> 0 from python:
  y.0: float[2] = einsum_a_acd_to_cd(w.0, x.0)
  f.0: float = sum(y.0)
  return f.0
""")
    assert found["y.0"] == found["x.0"][1:]


MULTIPLIED = """
function f(x.0: float[1], y.0: float[1], c.0: bool) -> 0 from python:
  if c.0 -> (s.0: float):
    s.1: float = matmul(x.0, y.0)
    yield s.1
  else:
    z.0: float[1] = mul(x.0, y.0)
    s.2: float = sum(z.0)
    yield s.2
  return s.0
"""


@pytest.mark.parametrize("marks", ["?", "n"])
def test_vectors_that_are_multiplied_in_one_arm_may_be_repeated_in_the_other(marks: str) -> None:
    found = known(MULTIPLIED, marks, "n", "")
    assert (found["x.0"] == found["z.0"]) is (marks == "n")
