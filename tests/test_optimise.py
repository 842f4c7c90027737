"""Fold, share and prune on IR as text: what goes in, and what comes out."""

from __future__ import annotations

import textwrap

import pytest

from stagegrad import optimise
from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.ir import check
from stagegrad.ir_text import parse, show


def simplified(body: str) -> str:
    """The body of a function of x, y and a bool c after `simplify`."""
    head = "function f(x.0: float, y.0: float, c.0: bool) -> 0 from python:\n"
    module = check(parse(head + textwrap.indent(textwrap.dedent(body).strip("\n"), "  ") + "\n"))
    lines = show(check(optimise.simplify(module))).splitlines()[1:]
    return textwrap.dedent("\n".join(lines))


BRANCH = """
    if {test} -> (z.0: float):
      z.1: float = mul(x.0, y.0)
      yield z.1
    else:
      z.2: float = sub(x.0, y.0)
      yield z.2
    return z.0
"""


@pytest.mark.parametrize(
    ("test", "kept"), [("True", "z.1: float = mul(x.0, y.0)\nreturn z.1"), ("False", "z.2: float = sub(x.0, y.0)\nreturn z.2")]
)
def test_a_branch_whose_test_is_known_is_its_arm(test: str, kept: str) -> None:
    assert simplified(BRANCH.format(test=test)) == kept


def test_a_branch_whose_test_is_not_known_stays() -> None:
    assert simplified(BRANCH.format(test="c.0")) == textwrap.dedent(BRANCH.format(test="c.0")).strip()


def test_arms_that_yield_the_same_need_no_result() -> None:
    assert (
        simplified("""
        if c.0 -> (z.0: float):
          yield x.0
        else:
          yield x.0
        return z.0
    """)
        == "return x.0"
    )


def test_what_one_arm_computed_is_not_known_in_the_other() -> None:
    body = """
        if c.0 -> (z.0: float):
          %0: float = exp(x.0)
          z.1: float = mul(%0, y.0)
          yield z.1
        else:
          %1: float = exp(x.0)
          z.2: float = add(%1, y.0)
          yield z.2
        return z.0
    """
    assert simplified(body) == textwrap.dedent(body).strip()


def test_a_costly_value_is_computed_once() -> None:
    assert (
        simplified("""
        %0: float = exp(x.0)
        %1: float = exp(x.0)
        z.0: float = mul(%0, %1)
        return z.0
    """)
        == "%0: float = exp(x.0)\nz.0: float = mul(%0, %0)\nreturn z.0"
    )


def test_attributes_tell_operations_apart() -> None:
    body = """
        %0: float = polygamma(x.0) {n=1}
        %1: float = polygamma(x.0) {n=2}
        z.0: float = add(%0, %1)
        return z.0
    """
    assert simplified(body).count("polygamma") == 2


def test_a_carry_that_nothing_reads_is_dropped_and_one_that_another_reads_is_kept() -> None:
    found = simplified("""
        for i.0 in range(0, 3, 1) carry (a.1: float = x.0 -> a.2, b.1: float = y.0 -> b.2, d.1: float = y.0 -> d.2):
          a.3: float = mul(a.1, b.1)
          b.3: float = add(b.1, 1.0)
          d.3: float = mul(d.1, a.1)
          yield a.3, b.3, d.3
        return a.2
    """)
    assert "b.3" in found
    assert "d.3" not in found
