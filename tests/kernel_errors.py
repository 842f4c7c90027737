"""How far vector kernels are from the truth, in units in the last place, over their whole domain; tests and docs/kernels.md use it."""

from __future__ import annotations

import inspect
import timeit
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numba
import numpy as np

from stagegrad import kernels

#: Has `numpy.longdouble` 11 bits more than float64, enough to judge it?
WIDE = np.finfo(np.longdouble).nmant >= 63
NAMES = sorted(name for name, found in vars(kernels).items() if inspect.isfunction(found) and not name.startswith("_") and name != "vector")
OPERANDS = {name: len(inspect.signature(getattr(kernels, name)).parameters) for name in NAMES}

_TWO_PI = 2 * np.longdouble(np.pi) + 2 * np.longdouble("1.2246467991473531772e-16")


def _larger(x: Any) -> Any:
    return np.where(x > 0, x, 0 * x)


def _nothing_times(x: Any, y: Any, factor: Any) -> Any:
    return np.where((x == 0) & (y == y), 0, x * factor)


def _slope(x: Any, y: Any) -> Any:
    # y - 1 would be rounded where y is very small or very large.
    return np.where(y == 0, 0, np.where(x == 0, y * np.power(x, y - 1), y * np.power(x, y) / x))


#: The truth about each kernel, of extended precision.
TRUTH: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "sinh", "cosh", "tanh", "log", "log2", "log10", "log1p")},
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "hypot", "maximum", "minimum")},
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "pow": np.power,
    "pow_halves": np.power,
    "power_times": lambda x, y, factor: factor * np.power(x, y),
    "pow_dx": lambda x, y: _slope(x, y), "pow_dy": lambda x, y, factor: factor * np.power(x, y),
    "over": np.divide, "over_square": lambda a, b: a / np.hypot(a, b) / np.hypot(a, b),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "share": lambda x, y: 1 / (1 + np.exp(y - x)),
    "softplus": lambda x: _larger(x) + np.log1p(np.exp(-abs(x))),
    "logaddexp": lambda x, y: np.maximum(x, y) + np.log1p(np.exp(-abs(x - y))),
    "xlogy": lambda x, y: _nothing_times(x, y, np.log(y)), "xlog1py": lambda x, y: _nothing_times(x, y, np.log1p(y)),
    "gauss": lambda x: np.exp(-x * x), "bell": lambda x: np.exp(-x * x / 2) / np.sqrt(_TWO_PI),
    "erf": lambda x: _by_mpmath(mpmath.erf, x), "erfc": lambda x: _by_mpmath(mpmath.erfc, x),
    "ndtr": lambda x: _by_mpmath(lambda v: mpmath.erfc(-v / mpmath.sqrt(2)) / 2, x),
}  # fmt: skip
#: The exponents of `pow_halves`.
HALVES = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)
#: These are judged by mpmath, which takes its time.
SLOW = {"erf", "erfc", "ndtr"}


def _by_mpmath(function: Callable[[Any], Any], x: Any) -> Any:
    def one(number: Any) -> Any:
        exact = function(mpmath.mpf(float(min(max(number, -45), 45))))
        high = float(exact)
        return np.longdouble(high) + np.longdouble(float(exact - mpmath.mpf(high)))

    with mpmath.workdps(40):
        return np.array([one(number) for number in x], np.longdouble)


def numbers(kind: type, count: int, seed: int = 3) -> Any:
    """Numbers of every size and sign, among them those near multiples of pi/2 and of 1/64."""
    random, about = np.random.default_rng(seed), np.finfo(kind)
    top = float(np.log(about.max)) * 1.06
    sizes = random.uniform(np.log2(float(about.smallest_subnormal)), np.log2(float(about.max)), count)
    signs = random.choice([-1, 1], count)
    parts = [
        random.uniform(-1, 1, count), random.uniform(-5, 5, count), random.uniform(-30, 30, count), random.uniform(-top, top, count),
        1 + random.uniform(-0.3, 0.3, count), signs * np.exp2(sizes), signs * np.exp2(random.uniform(-30, 30, count)),
        np.round(random.uniform(-1e6, 1e6, count)) * np.pi / 2, random.integers(-2000, 2000, count) / 64,
    ]  # fmt: skip
    return np.concatenate(parts).astype(kind)


def operands(name: str, kind: type, count: int) -> tuple[Any, ...]:
    """Operands for a kernel: of powers, most exponents such that the result is a finite number."""
    x = numbers(kind, count // 50 if name in SLOW else count)
    if OPERANDS[name] == 1:
        return (x,)
    random = np.random.default_rng(5)
    y = random.permutation(numbers(kind, count, seed=4))
    if name == "pow_halves":
        return x, random.choice(HALVES, len(x)).astype(kind)
    if "pow" in name:
        with np.errstate(all="ignore"):
            fitting = random.uniform(-1, 1, len(x)) * np.log(float(np.finfo(kind).max)) / np.log(abs(x.astype(float)))
        y = np.where(random.random(len(x)) < 0.6, fitting, y).astype(kind)
        # A slope's y - 1 is rounded where y is so large that it is always even: then its sign is lost.
        positive = (random.random(len(x)) < 0.7) | (name == "pow_dx")
        x = np.where(positive, abs(x), x).astype(kind)
    return (x, y) if OPERANDS[name] == 2 else (x, y, random.uniform(-9, 9, len(x)).astype(kind))


def compiled(name: str, **options: Any) -> Any:
    """A compiled loop that calls a kernel on each element."""
    arrays = [f"x{k}" for k in range(OPERANDS[name])]
    text = f"def each({', '.join(arrays)}, out):\n    for i in range(out.shape[0]):\n        out[i] = kernels.{name}("
    space: dict[str, Any] = {"kernels": kernels}
    exec(text + ", ".join(f"{array}[i]" for array in arrays) + ")\n", space)
    return numba.njit(error_model="numpy", **options)(space["each"])


def computed(name: str, *arrays: Any, **options: Any) -> Any:
    """What a kernel makes of each element."""
    out = np.empty(arrays[0].shape, arrays[0].dtype)
    compiled(name, **options)(*arrays, out)
    return out


def errors(found: Any, truth: Any) -> Any:
    """The errors in units in the last place; 0 where the result is the truth rounded, infinite where one of them is no number."""
    about = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        unit = np.exp2(np.floor(np.log2(np.abs(truth))) - about.nmant)
        rounded = truth.astype(found.dtype)
        same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
        off = np.abs(found.astype(np.longdouble) - truth) / np.maximum(unit, np.longdouble(about.smallest_subnormal))
    off = np.where(same & ~(np.isfinite(rounded) & (truth != 0)), 0, off)
    return np.where(np.isnan(off), np.inf, off)


def worst(name: str, kind: type, count: int = 20000, **options: Any) -> float:
    """The largest error of a kernel in units in the last place; of a sum's logarithm, of the larger term."""
    arrays = operands(name, kind, count)
    found = computed(name, *arrays, **options)
    with np.errstate(all="ignore"):
        truth = TRUTH[name](*(array.astype(np.longdouble) for array in arrays))
        if name == "logaddexp":
            scale = np.maximum(np.maximum(abs(arrays[0]), abs(arrays[1])), np.longdouble(0.7))
            return float(np.max(np.where(np.isfinite(truth), abs(found - truth) / scale / np.finfo(kind).eps, 0)))
    return float(np.max(errors(found, truth)))


def _nanoseconds(name: str, kind: type) -> float:
    """The shortest time that a number took in a loop over 20,000 of them, which lie in a near cache."""
    random = np.random.default_rng(1)
    arrays = [random.uniform(0.1, 0.9, 20_000).astype(kind) for _ in range(OPERANDS[name] + 1)]
    loop = compiled(name)
    loop(*arrays)
    return min(timeit.repeat(lambda: loop(*arrays), number=5, repeat=40)) / 5 / 20_000 * 1e9


def _table() -> Iterator[str]:
    """The table of docs/kernels.md, as measured here and now."""
    yield "| kernel | float64: largest error, ulp | ns a number | float32: largest error, ulp | ns a number |"
    yield "|---|---|---|---|---|"
    for name in NAMES:
        cells = [f"{figure:.2f}" for kind in (np.float64, np.float32) for figure in (worst(name, kind, 100_000), _nanoseconds(name, kind))]
        yield f"| `{name}` | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print("\n".join(_table()))
