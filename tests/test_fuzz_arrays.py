"""300 random array programs on the `numpy` target, 80 by the text of the `numba` target and 10 short ones compiled: no wrong value,
gradient, error or write.

With STAGEGRAD_PROGRAMS=full they are 2,000, 800 and 40.
"""

from __future__ import annotations

import builtins
import contextlib
import itertools
import os
import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from tests import complex_step
from tests.complex_step import BUILTINS, WORLD, moved
from tests.fuzz.__main__ import ARRAYS, outcomes, report, summary
from tests.fuzz.array_inputs import LAYOUTS, Bundle, Input, Same, flat, fresh, items
from tests.fuzz.array_judge import GRADIENT, Unclear, at_point, differences, judge
from tests.fuzz.arrays import program
from tests.fuzz.harness import Outcome, Wrong, loaded
from tests.fuzz.programs import Program
from tests.uncompiled import uncompiled

#: How many programs may be refused, and how many points may lie too near a kink to be compared.
REFUSED, SKIPPED = 0.1, 0.1

FULL = os.environ.get("STAGEGRAD_PROGRAMS") == "full"

#: What complex numbers have in another form, or not at all.
NO_COMPLEX_FORM = r"\.(var|std)\(|vdot|copysign|cbrt|degrees|radians|erf"

Spoil = Callable[[list[Any], tuple[Any, ...]], None]


# ---------------------------------------------------------------------------------------------- the oracle itself


def _by_complex_steps(made: Program, point: tuple[Any, ...]) -> np.ndarray:
    """The gradient by complex steps through the program's own text, in a world whose floats are complex."""
    scope: dict[str, Any] = {"__builtins__": {**vars(builtins), **BUILTINS, "__import__": lambda name, *rest: WORLD[name]}}
    exec(made.text, scope)
    count = complex_step.flat(tuple(fresh(point))).size
    slopes = [np.imag(scope[made.name](*moved(tuple(fresh(point)), k, 1e-30j, complex))) / 1e-30 for k in range(count)]
    return np.array(slopes, float)


def test_differences_agree_with_complex_steps() -> None:
    errors = []
    plain = [each for each in map(program, range(300_000, 300_300)) if not re.search(NO_COMPLEX_FORM, each.text)]
    for made, point in ((each, point) for each in plain for point in each.points):
        if any(isinstance(item, Same) or getattr(item, "dtype", "") == "float32" for item in items(point)):
            continue
        with loaded(made) as function, np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                left = np.concatenate([np.ravel(part) for part in differences(function, point)])
                right = _by_complex_steps(made, point)
            except (Unclear, TypeError, np.exceptions.ComplexWarning):
                continue  # at a kink, or no complex numbers where they would be needed
        errors.append(np.max(np.abs(left - right), initial=0.0) / np.max(np.abs(right), initial=1.0))
        assert errors[-1] <= GRADIENT / 2.0, made.text
    # Few are as near a kink as differences cannot see.
    assert len(errors) > 200 and np.quantile(errors, 0.99) < 1e-8


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("np.abs(x[0])", 0.0),
        ("np.abs(x[0])", 1e-8),
        ("np.max(x)", 0.5),
        ("np.sum(x > 0.0)", 1e-7),
        ("np.sqrt(np.sum(x * x))", 0.0),
        ("np.sort(x)[1]", 0.5),
        ("np.maximum(x[0], 0.5)", 0.5),
    ],
)
def test_kinks_are_seen(text: str, number: float) -> None:
    point = (Input((number, number), (2,)),)
    with loaded(Program(0, f"import numpy as np\n\ndef f(x):\n    return {text}\n", (point,))) as function, pytest.raises(Unclear):
        differences(function, point)


class Honest:
    """What the judge expects of a compiled function, by differences; `spoil` sees the gradient and the arguments at last."""

    def __init__(self, function: Callable[..., Any], spoil: Spoil = lambda gradient, args: None) -> None:
        self.function, self.spoil = function, spoil

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def value_and_grad(self, *args: Any) -> tuple[Any, Any]:
        point = tuple(map(_written_down, args))
        value = self.function(*fresh(point))
        try:
            slopes = iter(differences(self.function, point))
        except Unclear:
            slopes = iter(np.zeros(np.shape(a)) for a in flat(args) if _kind(a) == "f")
        gradient = [_like(argument, slopes) for argument in args if "f" in map(_kind, flat(argument))]
        self.spoil(gradient, args)
        return value, tuple(gradient) if len(gradient) > 1 else gradient[0]


def _written_down(argument: Any) -> Any:
    match argument:
        case np.ndarray():
            return Input(tuple(argument.ravel().tolist()), argument.shape, str(argument.dtype))
        case dict():
            return Bundle(dict, tuple(map(_written_down, argument.values())), tuple(argument))
        case list() | tuple():
            return Bundle(type(argument), tuple(map(_written_down, argument)))
        case _:
            return argument


def _kind(leaf: Any) -> str:
    return "f" if isinstance(leaf, float) else np.asarray(leaf).dtype.kind


def _like(argument: Any, slopes: Iterator[np.ndarray]) -> Any:
    """The next gradients in the argument's containers."""
    match argument:
        case dict():
            return {key: _like(part, slopes) for key, part in argument.items()}
        case list() | tuple():
            return type(argument)(_like(part, slopes) for part in argument)
        case np.ndarray():
            return next(slopes).astype(argument.dtype)
        case _:
            return float(next(slopes))


def test_an_honest_answer_is_right() -> None:
    seen: Counter[str] = Counter()
    for made in map(program, range(400_000, 400_080)):
        for point in made.points:
            if not any(isinstance(item, Same) for item in items(point)):
                with loaded(made) as function, np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)
                    seen[at_point(function, point, Honest(function), 1e-12)] += 1
    assert seen["points"] > 100


def _off(gradient: list[Any], args: tuple[Any, ...]) -> None:
    gradient[0][1] *= 1.0001


def _narrow(gradient: list[Any], args: tuple[Any, ...]) -> None:
    gradient[0] = gradient[0].astype("float32")


def _shared(gradient: list[Any], args: tuple[Any, ...]) -> None:
    gradient[0] = args[0]


def _written(gradient: list[Any], args: tuple[Any, ...]) -> None:
    args[0][0] += 1.0


def _missing(gradient: list[Any], args: tuple[Any, ...]) -> None:
    gradient.pop()


def _listed(gradient: list[Any], args: tuple[Any, ...]) -> None:
    gradient[2] = list(gradient[2].values())


@pytest.mark.parametrize("spoil", [_off, _narrow, _shared, _written, _missing, _listed])
def test_a_dishonest_answer_is_wrong(spoil: Spoil) -> None:
    point = (Input((0.5, -0.7), (2,), layout="offset"), Input((1.5, 0.2), (2,)), Bundle(dict, (0.6,), ("c",)))
    text = "import numpy as np\n\ndef f(x, y, p):\n    return np.sum(x * x * y) + 3.0 * x[1] * p['c']\n"
    with loaded(Program(0, text, (point,))) as function:
        assert at_point(function, point, Honest(function), 1e-12) == "points"
        with pytest.raises(Wrong):
            at_point(function, point, Honest(function, spoil), 1e-12)


class Careless(Honest):
    """Answers a gradient call with that of the sum where it should raise; a plain call raises."""

    def value_and_grad(self, *args: Any) -> tuple[Any, Any]:
        return np.sum(args[0]), np.ones(2)


def _careless(*lines: str) -> str:
    """What the judge says of it for a function of two numbers."""
    point = (Input((0.5, -0.7), (2,)),)
    with loaded(Program(0, "\n    ".join(("import numpy as np\n\ndef f(x):", *lines)) + "\n", (point,))) as function:
        return at_point(function, point, Careless(function), 1e-12)


def test_what_nobody_reads_need_not_raise_in_a_gradient_call() -> None:
    assert _careless("d = x[3]", "return np.sum(x)") == "raised"
    assert _careless("d = x[3]", "for i in range(2):", "    d += x[i]", "return np.sum(x)") == "raised"
    assert _careless("d, y = x[3], x", "return np.sum(y)") == "raised"
    assert _careless("y = x if x[3] > 0.0 else x", "return np.sum(y)") == "raised"
    assert _careless("if x[3] > 0.0 or 2.0 > 1.0:", "    return np.sum(x)") == "raised"
    assert _careless("y = np.ones(2)", "z, y[2:] = x, y[-3]", "return np.sum(z)") == "raised"


@pytest.mark.parametrize(
    "lines",
    [
        ("d = x[3]", "return np.sum(x) + 0.0 * d"),
        ("d = x[3]", "return np.sum(x) + x[2]"),
        ("d = x[3]", "y = x[2:] if d > 0.0 else x", "return np.sum(y)"),
        ("y, d = x, x[3]", "return np.sum(y) if d > 0.0 else 0.0"),
        ("x[3], y = 1.0, x", "return np.sum(y)"),
    ],
)
def test_what_is_read_raises_in_a_gradient_call(lines: tuple[str, ...]) -> None:
    with pytest.raises(Wrong, match="no error where NumPy raises IndexError"):
        _careless(*lines)


def test_a_plain_call_raises() -> None:
    point = (Input((0.5, -0.7), (2,)),)
    text = "import numpy as np\n\ndef f(x):\n    d = x[3]\n    return np.sum(x)\n"
    with loaded(Program(0, text, (point,))) as function, pytest.raises(Wrong, match="no error where NumPy raises IndexError"):
        at_point(function, point, Honest(lambda x: np.sum(x)), 1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_change_where_numbers_lie_and_nothing_else(layout: str) -> None:
    numbers = (1.0, 2.0, 3.0) * 4
    made = Input(numbers, (4, 3), "float64", layout).make()
    assert made.shape == (4, 3) and tuple(made.ravel()) == numbers
    assert made.flags.c_contiguous == (layout in ("C", "readonly"))


def test_the_same_array_is_passed_twice() -> None:
    one, two, three = fresh((Input((1.0,), (1,)), Same(0), 2.0))
    assert one is two and three == 2.0


# ---------------------------------------------------------------------------------------------- the programs


def test_array_programs_are_the_same_for_the_same_seed() -> None:
    assert [program(seed) for seed in range(20)] == [program(seed) for seed in range(20)]


def test_most_programs_run_as_plain_numpy() -> None:
    ran = 0
    for seed in range(200):
        made = program(seed)
        # An error is a position beyond an axis, or an array that cannot be written to: then the same error is the right answer.
        with loaded(made) as function, np.errstate(all="ignore"), contextlib.suppress(IndexError, ValueError):
            ran += bool(np.isfinite(function(*fresh(made.points[0]))))
    assert ran > 190


def _judged(seeds: Iterable[int], target: str) -> list[Outcome]:
    """The outcomes of many seeds, on every core; under pytest-xdist, whose workers take the cores, in this process."""
    jobs = 1 if "PYTEST_XDIST_WORKER" in os.environ else os.cpu_count() or 1
    return list(outcomes(seeds, target, jobs, ARRAYS))


def _require(found: list[Outcome], target: str) -> None:
    """Fails with a minimised program for the first failure; refusals and skipped points must be few."""
    failures = [outcome for outcome in found if outcome.failed]
    if failures:
        pytest.fail(f"{summary(found, 0.0)}\n{report(failures[0], target, ARRAYS)}", pytrace=False)
    compared, skipped = sum(outcome.points for outcome in found), sum(outcome.skipped for outcome in found)
    assert sum(outcome.verdict == "refused" for outcome in found) <= REFUSED * len(found) + 1, summary(found, 0.0)
    assert skipped <= SKIPPED * (compared + skipped) + 2, summary(found, 0.0)


#: Bodies of ``f(x, s, i)`` that an earlier compiler got wrong, shrunk; `i` has a position that repeats.
ONCE_FAILED = {
    "repeats": """
        v = x.copy()
        v[i] -= s
        return np.mean(v * v)
        """,
    "stored into itself": """
        x[:] = x
        return np.sum(x * x) * s
        """,
    "power of a single precision number": """
        v = x[0] ** 2
        return v + 0.6 ** x[1] * s
        """,
    "bound in one arm": """
        if np.max(x) > 0.1:
            e = np.copy(x)
        return np.sum(x * x) * s
        """,
    "in place through a transposed view": """
        a = np.outer(x, x) + s
        b = a.T
        b /= 2.0 + a
        return np.sum(a * a)
        """,
    "a size of -1 in a tape": """
        a = 0.0
        a -= x.reshape(-1, 1)
        for j in range(2):
            a += np.sin(a)
        return np.mean(a) * s
        """,
    "equal values, one of them written to": """
        a = np.sin(x)
        a[0] = 1.0
        return a.sum() * s + np.sum(np.sin(x))
        """,
    "left early": """
        a = x.copy()
        for k in range(2):
            if s > 1.0:
                break
            a[x > 0.1] = 1.1 * s
            a[:2] = x[1:] * s
        return np.mean(a * a)
        """,
    "a store in an arm": """
        a = np.outer(x, x)
        for k in range(2):
            if a.sum() > 70.0:
                a[:1, 1:2] = a
            a[1, 1] = s
        return np.sum(a * a)
        """,
    "a slice of a slice in a loop": """
        a = x[:-1] * s
        for k in range(2):
            a[:-1] = a[:-1] * a[1]
        return a.sum()
        """,
    "summed before a later write": """
        a = x * s
        t = 0.5
        for k in range(3):
            t += np.var(a)
        a[1] = 1.0
        return t
        """,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ONCE_FAILED)
def test_array_programs_that_once_failed(name: str, dtype: str) -> None:
    point = (Input((0.3, -0.8, 0.5), (3,), dtype), 0.7, Input((0, 2, 0), (3,), "int64"))
    text = "import numpy as np\n\ndef f(x, s, i):\n" + textwrap.indent(textwrap.dedent(ONCE_FAILED[name]).strip(), "    ") + "\n"
    outcome = judge(Program(0, text, (point,)), second=True)
    assert outcome.verdict == "right" and outcome.seconds, outcome.reason


@pytest.mark.parametrize("start", range(0, 2000 if FULL else 300, 50))
def test_random_array_programs_on_numpy(start: int) -> None:
    _require(_judged(range(start, start + 50), "numpy"), "numpy")


@pytest.mark.parametrize("start", range(500_000, 500_800 if FULL else 500_080, 40))
def test_random_array_programs_by_the_text_for_numba(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All passes work on it, each of them checked; only Numba's compiling is left out.

    The mean of nothing is no error in compiled code, but one of Python's floats: such programs are left out.
    """
    monkeypatch.setenv("STAGEGRAD_CHECK", "1")
    with uncompiled():
        found = [judge(program(seed), "numba") for seed in range(start, start + 40)]
        _require([outcome for outcome in found if not outcome.reason.startswith("ZeroDivisionError")], "numba")


@pytest.mark.parametrize("start", [510_000, 520_000])
def test_random_array_programs_on_numba(start: int) -> None:
    """Short ones, as machine code takes its time."""
    pytest.importorskip("numba")
    short = (seed for seed in itertools.count(start) if program(seed).text.count("\n") <= 14)
    _require(_judged(itertools.islice(short, 20 if FULL else 5), "numba"), "numba")
