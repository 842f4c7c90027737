"""Words of Python and of NumPy that no table holds: places, sizes and limits, counts, objects that are called, distributions."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.stats
from scipy import stats

import stagegrad
from tests.user_programs import Programs, compare

PROGRAMS = Programs()
X = np.array([0.7, 1.3, 2.1, 0.4, 0.6])
A = np.array([[2.0, 0.3, -0.1], [0.2, 3.0, 0.5], [-0.4, 0.1, 1.5]])
PRIOR = stats.norm(0.5, 2.0)


@dataclass
class Cell:
    w: float
    b: float

    def __call__(self, h):
        return self.w * h + self.b


class Gain:
    def __init__(self, by):
        self.by = by

    def __call__(self, h, k=2.0):
        return self.by * h * k


class Scheme(enum.Enum):
    EULER = 1.5
    HEUN = 2.5


class Material:
    __slots__ = ("k",)

    def __init__(self, k):
        self.k = k

    @property
    def stiffness(self):
        return self.k**2


GAIN = Gain(3.0)
SCHEME, STEEL = Scheme.HEUN, Material(3.0)


@PROGRAMS.called_with(A)
def places(x):
    total, y, n = 0.0, x.copy(), len(x)
    for i, j in np.ndindex(x.shape):
        total += x[i, j] ** 2 * (i + j)
    for at in np.ndindex(*x.shape):
        total += x[at] ** 3
    for (i, j), v in np.ndenumerate(x):
        total += v * x[j, i]
    y[range(n), range(n)] = 0.0
    return total + np.sum(y**2) + np.sum(x[range(2)] ** 2) + np.size(x) * x.item(1) + np.shape(x)[0] + np.ndim(x) + np.size(x, 1)


@PROGRAMS.called_with(X, np.array([1, 2, 1, 3, 2]))
def groups(x, t):
    total, a = np.finfo(x.dtype).eps + np.iinfo(int).max * 0.0 + np.finfo(float).tiny, x.tolist()
    for u in np.unique(t):
        total += np.sum(x[t == u]) ** 2
    a.append(2.0)
    u = np.unique(x)
    return total + sum(a) * a[0] + np.sum(u * np.arange(len(u))) + np.sum(x.real**2) * np.real(x)[0]


@PROGRAMS.called_with(0.3, 6)
def counts(x, n: int):
    total = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) * k for k in range(n + 1))
    total += (math.comb(5, 2) * math.perm(4, 2) * math.lcm(4, 6) + math.perm(n, 2) + math.lcm(n, 4)) * x
    a, b = (t * t for t in (x, total))
    powers = {k: x**k for k in range(3)}
    for t in (u * u for u in np.array([x, 2.0 * x]) if u > 0):
        total = total * 0.5 + t
    inside = n in {6, 7} and n in range(7) and n not in range(2, 5)
    return total + a * b + powers[2] if inside else x


@PROGRAMS.called_with(1.2)
def objects_that_are_called(x):
    def twice(g, t):
        return g(g(t))

    return twice(GAIN, x) + GAIN(x, k=x) + twice(Cell(x, 2.0), x)


@PROGRAMS.called_with(1.2)
def constants_of_other_kinds(x):
    def order(scheme):
        match scheme:
            case Scheme.EULER:
                return x
            case Scheme.HEUN:
                return x * x

    total = order(SCHEME) * order(Scheme.EULER) if SCHEME is not Scheme.EULER and SCHEME == Scheme.HEUN else x
    return total * SCHEME.value * STEEL.k + STEEL.stiffness * x


@PROGRAMS.called_with(X, np.array([0, 1, 1, 2, 0]), 6)
def sums_by_label(w, label, k: int):
    few = np.bincount(label, weights=w, minlength=k - 4)
    return np.sum(np.bincount(label, weights=w, minlength=k) ** 2) + len(np.bincount(label, minlength=k)) * w[0] + few[1] * len(few)


@PROGRAMS.called_with(X, 0.1, 1.7)
def distributions(x, m, s):
    total = np.sum(stats.norm.pdf(x, m, s)) + np.sum(scipy.stats.norm.logpdf(x, scale=s)) + np.sum(stats.norm.cdf(x, m)) + PRIOR.logpdf(m)
    total += np.sum(stats.norm.sf(x, m, s)) + np.sum(stats.norm.logcdf(x)) + stats.norm.logsf(m) + np.sum(stats.norm.ppf(x / 3.0, m, s))
    total += np.sum(stats.expon.logpdf(x, scale=s)) + np.sum(stats.expon.pdf(x)) + np.sum(stats.gamma.logpdf(x, s, scale=s))
    total += np.sum(stats.beta.logpdf(x / 3.0, s, m + 1.0)) + np.sum(stats.t.logpdf(x, s + 2.0, m, s)) + stats.laplace.logpdf(m, 0.5, s)
    return total + stats.poisson.logpmf(2, s) + np.sum(stats.poisson.logpmf(np.array([0, 1, 3]), s))


def by_guarded_cases(x, n: int):
    k = 7
    match n:
        case 1 | 2 as k if x * k > 2.0:
            y = x * k
        case 3 | 4 as k if x * k > 3.0:
            y = x * k * 2
        case 5 as k if k > 9:
            y = x
        case j if j > 6 and x > 1.0:
            y = x**2 * j
        case m:
            y = x * m * 0.5
    return y * x + k * x**3


for number in range(9):
    PROGRAMS += [(by_guarded_cases, (at, number)) for at in (0.7, 1.2)]


def test_guards_do_not_double_the_text() -> None:
    cases = "".join(f"        case {2 * i} | {2 * i + 1} as k if x * k > {i}.0:\n            y = x * {i}.0\n" for i in range(12))
    source = f"def f(x, n: int):\n    match n:\n{cases}        case _:\n            y = x\n    return y\n"
    scope: dict[str, Any] = {}
    exec(compile(source, "<guards>", "exec"), scope)
    made = stagegrad.compile(scope["f"], target="python", source=source, wrt="x", cache=False)
    assert made.value_and_grad(2.0, 5) == (scope["f"](2.0, 5), 2.0)
    assert len(made.source("python").splitlines()) < 120


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(compiled=()))
def test_words(function: Callable[..., Any], arguments: tuple[Any, ...], target: str) -> None:
    compare(function, arguments, target)


def outside_its_range(x, s):
    return stats.norm.logpdf(x, 0.0, s)


def test_a_distribution_outside_its_range_has_no_slope() -> None:
    value, slopes = stagegrad.compile(outside_its_range, target="python").value_and_grad(0.3, -1.0)
    assert math.isnan(value) and all(map(math.isnan, slopes))


def inside_the_library(x):
    return stats.norm.entropy() * x


def drawn(x):
    return stats.norm.rvs() * x


def of_fractions(x):
    import statistics

    return statistics.mean([x, 2.0])


@pytest.mark.parametrize("function", [inside_the_library, drawn, of_fractions])
def test_what_a_library_does_is_refused_at_the_call(function: Callable[[float], Any]) -> None:
    with pytest.raises(stagegrad.StagegradError) as caught:
        stagegrad.compile(function, target="python").grad(1.2)
    (problem,) = caught.value.problems
    assert problem.span is not None and problem.span.file == __file__


#: What is nan, what ties, what is infinite: an expression of x, and its slopes.
SPECIAL: dict[str, tuple[list[float], list[float]]] = {
    "np.nanmax(x)": ([2.0, math.nan, 2.0, 1.0], [0.5, 0.0, 0.5, 0.0]),
    "np.nanmin(x)": ([-math.inf, math.nan, 2.0], [1.0, 0.0, 0.0]),
    "np.nanmax(-np.inf * np.ones(2) + x)": ([1.0, math.nan], [1.0, 0.0]),
    "np.nanstd(x)": ([3.0, math.nan, 3.0], [0.0, 0.0, 0.0]),
    "np.std(x.reshape(2, 1, 2), axis=(1, 2)).sum()": ([3.0, 3.0, 1.0, 2.0], [0.0, 0.0, -0.5, 0.5]),
    "np.nanmean(x)": ([math.nan, 4.0], [0.0, 1.0]),
    "np.nanmedian(x)": ([4.0, math.nan, 1.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.5, 0.5]),
    "np.nanprod(x)": ([0.0, math.nan, 3.0, 5.0], [15.0, 0.0, 0.0, 0.0]),
    "np.maximum.accumulate(x)[2]": ([1.0, 1.0, 0.0], [0.5, 0.5, 0.0]),
    "np.pad(x, (3, 0), mode='wrap')[0]": ([7.0], [1.0]),
    "np.pad(x, 2, mode='reflect').sum()": ([7.0], [5.0]),
    "np.quantile(x, [0.0, 1.0]).sum()": ([1.0, 5.0, 2.0], [1.0, 1.0, 0.0]),
    "np.interp(x[0], [0.0, 1.0], [2.0, 3.0], left=9.0)": ([-0.5], [0.0]),
    "np.unique(x)[1]": ([2.0, 1.0, 2.0], [1.0, 0.0, 0.0]),
    "np.take_along_axis(x, np.array([1, 1]), 0).sum()": ([5.0, 6.0], [0.0, 2.0]),
}


@pytest.mark.parametrize("text", SPECIAL)
def test_special_points(text: str) -> None:
    numbers, wanted = (np.array(part) for part in SPECIAL[text])
    source = f"def f(x):\n    return {text}\n"
    scope: dict[str, Any] = {"np": np}
    exec(compile(source, "<special>", "exec"), scope)
    value, slopes = stagegrad.compile(scope["f"], target="python", source=source, cache=False).value_and_grad(numbers)
    np.testing.assert_array_equal(value, scope["f"](numbers))
    np.testing.assert_allclose(slopes, wanted, rtol=1e-12)


def test_nothing_but_nan() -> None:
    largest = stagegrad.compile(lambda x: np.nanmax(x), target="python")
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        value, slopes = largest.value_and_grad(np.array([math.nan, math.nan]))
    assert math.isnan(value) and np.isnan(slopes).all()
    with pytest.raises(ValueError, match="All-NaN slice encountered"):
        stagegrad.compile(lambda x: x[np.nanargmax(x)], target="python").value_and_grad(np.array([math.nan]))
