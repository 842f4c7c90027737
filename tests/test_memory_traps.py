"""Array programs whose names share memory, or that leave, skip or repeat what writes to it: each is right, or refused for a reason.

The oracle is a difference of the eighth order of the untouched function; what it writes to its arguments is compared as well.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat, leaves


@dataclass(frozen=True)
class Trap:
    """A program, its arguments, and what the refusal says if it is refused."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    refused: str = ""


TRAPS: list[Trap] = []
X = np.array([0.7, -0.4, 1.3, 0.2])


def called_with(*arguments: Any, refused: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds a program with its arguments."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        TRAPS.append(Trap(function, arguments, refused))
        return function

    return add


# ---------------------------------------------------------------------------------------------- names that change places


@called_with(X, 3)
def an_array_and_its_view_change_places(x, n: int):
    p = 2.0 * x
    e = p[::-1]
    for _ in range(n):
        e, p = p, e
    return e[0] * 100.0 + p[1] * 10.0 + p[3] * e[3]


@called_with(X, 3, refused="whether the write on line .* changes `p` cannot be told")
def an_array_and_its_view_change_places_and_are_written_to(x, n: int):
    p = 2.0 * x
    e = p[::-1]
    for _ in range(n):
        e, p = p, e
    e[0] = 7.0
    return e[0] * 100.0 + p[1] * 10.0 + p[3] * e[3]


# ---------------------------------------------------------------------------------------------- sections written to sections


@called_with(X, 1)
def vectors_of_one_array(x, k: int):
    a = np.outer(x, x + 1.0)
    a[1, 1:] = a[1, :-1]
    a[:, 2] = a[:, k]
    a[3, ::-1] = a[0]
    a[0, 1:] = a[1:, 0]  # these two share no element
    a[2] = a[2, ::-1]
    return np.sum(a * np.arange(16.0).reshape(4, 4))


def rows_and_columns(a):
    b = a * a
    b[1] = b[:, 2]
    b[0, ::2] = b[0, :2]
    c = b.T
    c[0] = b[0]
    d = b[:, 1]
    b[2] = d
    return np.sum(b * np.arange(16.0).reshape(4, 4))


def the_same_with_copies(a):
    b = a * a
    b[1] = b[:, 2].copy()
    b[0, ::2] = b[0, :2].copy()
    c = b.T
    c[0] = b[0].copy()
    d = b[:, 1]
    b[2] = d.copy()
    return np.sum(b * np.arange(16.0).reshape(4, 4))


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_the_right_side_is_read_first(target: Any) -> None:
    """NumPy does not do so for these."""
    a = np.random.default_rng(3).normal(size=(4, 4))
    found = stagegrad.compile(rows_and_columns, target=target, cache=False)
    right = stagegrad.compile(the_same_with_copies, target=target, cache=False)
    assert found(a) == right(a)
    np.testing.assert_allclose(found(a), the_same_with_copies(a), rtol=1e-12)
    np.testing.assert_allclose(found.grad(a), right.grad(a))
    np.testing.assert_allclose(np.ravel(found.grad(a)), differences(the_same_with_copies, (a,)), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.function.__name__)
def test_right_or_refused(trap: Trap) -> None:
    """The value, the gradient and what is left in the arguments, each as by the untouched function."""
    function, arguments = trap.function, trap.arguments
    wrt = tuple(k for k, argument in enumerate(arguments) if leaves(argument))
    made = stagegrad.compile(function, wrt=wrt, target="numpy", cache=False)
    given, plain = copy.deepcopy(arguments), copy.deepcopy(arguments)
    if trap.refused:
        with pytest.raises(stagegrad.UnsupportedError, match=trap.refused):
            made(*given)
        return
    value, gradients = made.value_and_grad(*given)
    np.testing.assert_array_equal(flat(given), flat(arguments))
    right = function(*plain)
    np.testing.assert_allclose(value, right, rtol=1e-12)
    np.testing.assert_allclose(made(*given), right, rtol=1e-12)
    np.testing.assert_allclose(flat(given), flat(plain), rtol=1e-12)
    fresh = lambda *numbers: function(*copy.deepcopy(numbers))  # noqa: E731  (the function may write to what it is given)
    np.testing.assert_allclose(flat(gradients), differences(fresh, arguments), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("test", ["x[3] < 1.0 or 2.5 > 1.5 + 0.5", "x[3] < 1.0 and 2.5 < 1.5", "x[0] > 0.0 and x[3] > 0.0"])
def test_a_test_that_nothing_depends_on_is_made_in_a_plain_call(test: str) -> None:
    text = f"import numpy as np\n\ndef f(x):\n    if {test}:\n        pass\n    return np.sum(x)\n"
    scope: dict[str, Any] = {}
    exec(text, scope)
    made = stagegrad.compile(scope["f"], target="numpy", source=text, cache=False)
    with pytest.raises(IndexError):
        made(np.ones(3))
    assert made(np.ones(4)) == 4.0
