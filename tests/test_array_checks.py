"""`check_grads` with arrays and containers: what is right passes, what is wrong does not, arguments are left alone."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad
from stagegrad.verify import differences, native

X = np.array([0.5, -1.25, 2.0])


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    """One cache folder for this file, so that nothing is compiled twice."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "checks"))


def smooth(p, x):
    return np.sum(np.exp(p["w"] * x)) * p["b"]


def kinked(x):
    return np.sum(np.abs(x))


def logs(x):
    return np.sum(np.log(x))


def writes(x, c):
    x[0] = x[1] * c
    return np.sum(x * x)


def long(x):
    return np.sum(x * x * x)


def spoiled(staged, change):
    """The function with its gradient changed: the oracle has to see it."""

    class Spoiled:
        def __getattr__(self, name):
            return getattr(staged, name)

        def value_and_grad(self, *args, **named):
            value, gradient = staged.value_and_grad(*args, **named)
            return change(value, gradient)

    made = Spoiled()
    made.__stagegrad_function__ = staged.__stagegrad_function__
    return made


def compiled(function):
    return stagegrad.compile(function, target="numpy")


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (smooth, ({"w": X, "b": 2.0}, X[::-1])),
        (smooth, ({"w": X.astype("f4"), "b": 2.0}, X.astype("f4"))),
        (smooth, ({"w": 1.5, "b": 2}, X)),
        (kinked, (X,)),
        (logs, (np.array([1e-3, 5.0]),)),
        (writes, (X, 3.0)),
        (long, (np.linspace(-1.0, 2.0, 2000),)),
        (long, (np.zeros((0, 3)),)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_right_passes(function, args):
    before = repr(args)
    check = compiled(function).check_grads(*args)
    assert check, str(check)
    assert repr(args) == before
    assert "tested against your function" in str(check)
    assert check.as_dict()["ok"] is True


def test_each_leaf_has_a_line():
    check = compiled(smooth).check_grads({"w": X, "b": 2.0}, X)
    assert list(check.gradients) == ["p['w']", "p['b']", "x"]
    assert "3 elements; worst at [" in str(check) and "random directions" in str(check)
    assert check.point["x"] == "float64[:] of shape (3,)" and check.point["p['b']"] == 2.0


@pytest.mark.parametrize(
    "change",
    [
        lambda value, g: (value, g * (1.0 + 1e-6)),
        lambda value, g: (value, g + np.eye(1, g.size, 1)[0] * 1e-5),
        lambda value, g: (value, np.where(np.arange(g.size) == 2, np.nan, g)),
        lambda value, g: (value, np.where(np.arange(g.size) == 2, np.inf, g)),
        lambda value, g: (value, g[:-1]),
        lambda value, g: (value * (1.0 + 1e-7), g),
        lambda value, g: (np.nan, g),
    ],
)
def test_what_is_wrong_does_not(change):
    args = (np.array([0.5, -1.25, 2.0]),)
    staged = compiled(long)
    assert not differences.check_arrays(spoiled(staged, change), args, {})


def test_one_wrong_element_of_many_is_seen_along_directions():
    x = np.linspace(-1.0, 2.0, 2000)

    def change(value, g):
        g = g.copy()
        g[1234] += 1.0
        return value, g

    check = differences.check_arrays(spoiled(compiled(long), change), (x,), {})
    assert not check and "(all along a random direction)" in check.gradients


def test_at_a_kink_a_slope_between_those_of_the_sides_is_right():
    def relu(x):
        return np.sum(np.where(x > 0.0, x, 0.0) * 3.0)

    staged = compiled(relu)
    assert compiled(kinked).check_grads(np.array([0.0, 1.0]))
    check = staged.check_grads(np.array([0.0, 1.0]))
    assert check and "1 of them undecided" in str(check), str(check)
    for slope, ok in ((1.5, True), (3.0, True), (3.5, False), (-0.5, False)):
        changed = spoiled(staged, lambda value, g, slope=slope: (value, np.array([slope, 3.0])))
        assert bool(differences.check_arrays(changed, (np.array([0.0, 1.0]),), {})) is ok


def test_derivatives_are_checked_against_generated_code():
    second = stagegrad.grad(lambda x, c: np.sum(x * x) * c * c, "c")
    check = second.check_grads(X, 3.0)
    assert check and "not the original" in str(check)


def test_differences_are_those_of_the_rule():
    slope, error = native.ridders(lambda t: np.exp(0.3 + t), 0.02)
    assert abs(slope - np.exp(0.3)) < 1e-11 and error < 1e-9
