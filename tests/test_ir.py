"""The law of the IR, the ways to read and rebuild it, and its text form."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagegrad import ir
from stagegrad.ir import BOOL, FLOAT, INT, BrokenLaw, Fresh, Function, Lit, Module, Type, Var, check
from stagegrad.ir_text import parse, show
from tests import random_ir

LOOP = """
function f(x.0: float, n.0: int) -> 0 from python:
  for i.0 in range(0, n.0, 1) carry (s.1: float = 0.0 -> s.2):
    %0: float = sin(x.0)
    s.3: float = add(s.1, %0)
    yield s.3
  return s.2
"""


def broken(text: str) -> str:
    """The reason that the law gives."""
    with pytest.raises(BrokenLaw) as found:
        check(parse(text))
    return str(found.value)


def test_a_well_formed_module_is_returned() -> None:
    module = parse(LOOP)
    assert check(module) is module


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("s.3", "s.1", "s.1 is bound twice"),
        ("%0", "x.0", "x.0 is bound twice"),
        ("yield s.3", "yield i.0", "types ['float'] against ['int'] in For binding s.2"),
        ("yield s.3", "yield", "types ['float'] against [] in For binding s.2"),
        ("range(0, n.0, 1)", "range(0, x.0, 1)", "the range of For"),
        ("= 0.0 -> s.2", "= 0 -> s.2", "types ['float'] against ['int']"),
        ("(s.1: float = 0.0 -> s.2)", "(s.1: float = 0.0 -> s.2) until s.1", "until in For"),
        ("-> 0 from", "-> 1 from", "f: shape 1"),
        ("-> 0 from", "-> (0, 1) from", "f: shape (0, 1)"),
    ],
)
def test_what_the_law_forbids(before: str, after: str, reason: str) -> None:
    assert before in LOOP
    text = LOOP.replace(before, after)
    assert reason in broken(text)


def test_reading_before_and_outside_of_a_binding() -> None:
    main = parse(LOOP).main
    loop = main.body.stmts[0]
    assert isinstance(loop, ir.For)
    values = {str(var): var for var in ir.bound(main.body)}
    early = ir.replace(loop, body=ir.substitute(loop.body, {values["s.1"]: values["s.2"]}))
    with pytest.raises(BrokenLaw, match=r"s\.2 is read before it is bound"):
        check(Module((ir.replace(main, body=ir.Block((early,), main.body.results)),)))
    for inner in ("s.3", "s.1", "i.0", "%0"):
        with pytest.raises(BrokenLaw, match=f"{inner} is yielded before it is bound"):
            check(Module((ir.replace(main, body=ir.Block(main.body.stmts, (values[inner],))),)))


def test_tests_are_truth_values() -> None:
    head = "function f(x.0: float) -> 0 from python:\n"
    assert "the test of If" in broken(head + "  if x.0 -> ():\n    yield\n  else:\n    yield\n  return x.0\n")
    assert "the test of Raise" in broken(head + "  raise ValueError if x.0\n  return x.0\n")
    loop = head + "  while carry ():\n    yield x.0\n  do:\n    yield\n  return x.0\n"
    assert "the test of While" in broken(loop)


def test_calls_match_what_they_call() -> None:
    caller = "function f(x.0: float) -> 0 from python:\n"
    call = caller + "  (y.0: float) = call g({})\n  return y.0\nfunction g({}) -> 0 from python:\n  return 1.0\n"
    check(parse(call.format("x.0", "a.0: float")))
    assert "in Call binding y.0" in broken(call.format("x.0, x.0", "a.0: float"))
    assert "in Call binding y.0" in broken(call.format("x.0", "a.0: int"))
    assert "nothing is called h" in broken(call.format("x.0", "a.0: float").replace("call g", "call h"))


def test_two_functions_of_one_name() -> None:
    one = Function("f", (), ir.Block((), ()), ())
    with pytest.raises(BrokenLaw, match="share a name"):
        check(Module((one, one)))


def test_free_read_and_bound() -> None:
    module = parse(LOOP)
    body = module.main.body
    assert {str(v) for v in ir.free(body)} == {"x.0", "n.0"}
    assert {str(v) for v in ir.bound(body)} == {"i.0", "s.1", "s.2", "s.3", "%0"}
    assert {str(v) for v in ir.read(body)} == {"x.0", "n.0", "s.1", "s.2", "s.3", "%0"}


def test_substitute_changes_readings_and_rename_changes_bindings_too() -> None:
    module = parse(LOOP)
    x, s = module.main.params[0], next(v for v in ir.bound(module.main.body) if str(v) == "s.3")
    assert "sin(2.0)" in show(ir.replace(module.main, body=ir.substitute(module.main.body, {x: Lit(2.0, FLOAT)})))
    renamed = show(ir.rename_function(module.main, {s: Var("t", FLOAT, 9), x: Var("u", FLOAT, 0)}))
    assert "t.9: float = add(s.1, %0)" in renamed and "yield t.9" in renamed and "f(u.0: float" in renamed


def test_a_clone_shares_nothing_that_is_bound() -> None:
    for seed in range(40):
        module = random_ir.module(seed)
        copy, mapping = ir.clone(module.main.body, Fresh(module.main))
        assert ir.bound(copy).isdisjoint(ir.bound(module.main.body))
        assert ir.free(copy) == ir.free(module.main.body)
        assert set(mapping) == ir.bound(module.main.body)


def test_fresh_versions() -> None:
    fresh = Fresh(parse(LOOP).main)
    assert str(fresh.var("s")) == "s.4" and str(fresh.var("new")) == "new.0" and str(fresh.var()) == "%1"
    assert fresh.taken() >= {"s", "x", "n", "i", "new"}


def test_constants_compare_by_what_they_print() -> None:
    assert Lit(1, INT) != Lit(1.0, FLOAT) and Lit(True, BOOL) != Lit(1, INT) and Lit(0.0, FLOAT) != Lit(-0.0, FLOAT)
    assert Lit(math.nan, FLOAT) == Lit(math.nan, FLOAT) and len({Lit(math.nan, FLOAT), Lit(math.nan, FLOAT)}) == 1
    assert ir.literal_is(Lit(1, INT), 1) and not ir.literal_is(Lit(1, INT), True) and not ir.literal_is(Lit(1, INT), 1.0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9), scalar=st.booleans(), raising=st.booleans())
def test_the_text_form_says_everything(seed: int, scalar: bool, raising: bool) -> None:
    module = random_ir.module(seed, scalar=scalar, raising=raising)
    assert parse(show(module)) == module
    assert show(parse(show(module))) == show(module)


@given(value=st.floats() | st.integers(-(2**70), 2**70) | st.booleans())
def test_every_constant_survives(value: float | int | bool) -> None:
    kind = {bool: BOOL, int: INT, float: FLOAT}[type(value)]
    function = Function("f", (), ir.Block((), (Lit(value, kind), Lit(None, kind))))
    module = Module((ir.replace(function, shape=(0, 1)),))
    assert parse(show(module)) == module


@given(text=st.text())
def test_every_text_survives(text: str) -> None:
    x = Var("x", FLOAT, 0)
    stmts = (
        ir.Remark(text),
        ir.Stage(Var("", BOOL, 0), "lt", (x, Lit(1.0, FLOAT)), (("lib", "numpy"), ("n", 3), ("s", -1.5)), text),
        ir.Raise(Var("", BOOL, 0), "ValueError", (text, x, text)),
    )
    module = Module((Function("f", (x,), ir.Block(stmts, (x,))),))
    assert parse(show(module)) == module


@pytest.mark.parametrize("name", ["infinite", "nan_count", "inf", "undefined", "for_", "carry", "yields", "été", "Δ", "_", "__x1", "x_1"])
def test_names_that_look_like_something_else(name: str) -> None:
    x = Var(name, FLOAT, 3)
    module = Module((Function(name, (x,), ir.Block((ir.Stage(Var(name, FLOAT, 12), "sin", (x,)),), (Var(name, FLOAT, 12),))),))
    assert parse(show(module)) == module


def test_types_print() -> None:
    assert [str(t) for t in (FLOAT, INT, BOOL, Type("float", 2, 32), Type("bool", 1))] == ["float", "int", "bool", "float32[2]", "bool[1]"]


@pytest.mark.parametrize(
    "text",
    [
        "function f(x.0: float)",
        LOOP.replace("yield", "yeild"),
        LOOP.replace("    s.3", "      s.3"),
        LOOP + "?",
        LOOP.replace("return s.2", "return q.7"),
    ],
)
def test_text_of_another_form_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="IR text, line"):
        parse(text)
