"""The vector kernels: how accurate they are, what they answer at the ends, and that loops that call them become vector instructions."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest

from stagegrad import kernels
from tests.kernel_errors import HALVES, NAMES, OPERANDS, TRUTH, WIDE, computed, worst

KINDS = (np.float64, np.float32)
#: The largest error in units in the last place that a kernel may have; 2 where nothing else is said.
LIMITS = {"sigmoid": 2.5, "share": 3.5, "erf": 2.5, "tan": 2.5, "ndtr": 2.5, "power_times": 6, "pow_dx": 6, "pow_dy": 6, "over_square": 4}


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process of its own."""
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=300, check=True)


# ---------------------------------------------------------------------------------------------- accuracy


def test_the_truth_about_every_kernel_is_known():
    assert set(TRUTH) == set(NAMES)


@pytest.mark.skipif(not WIDE, reason="no floating-point format wider than float64 here")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_results_are_accurate_over_the_whole_domain(name, kind):
    assert worst(name, kind) <= LIMITS.get(name, 2.0)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_numbers_beyond_the_reduction_are_turned_right(name):
    x = np.array([1e8, 1.1e8, 1e10, 1e15, 1e22, 6381956970095103.0 * 2.0**797, 1e308, -1e300])
    assert np.allclose(computed(name, x), [getattr(math, name)(number) for number in x], rtol=1e-15, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_shares_keep_their_accuracy_where_the_difference_is_rounded(kind):
    x = np.array([500.1, 20.3, -3.7, 1e-9, 80.25], kind)
    y = np.array([499.3, 50.7, -3.1, -1e-9, 0.125], kind)
    truth = TRUTH["share"](x.astype(np.longdouble), y.astype(np.longdouble))
    assert np.all(abs(computed("share", x, y) - truth) <= 2.5 * np.finfo(kind).eps * truth)


def test_powers_of_two_and_whole_exponents_are_exact():
    n = np.arange(-1074.0, 1024.0)
    assert np.array_equal(computed("exp2", n), np.ldexp(1.0, n.astype(int)))
    assert np.array_equal(computed("log2", np.ldexp(1.0, n.astype(int))), n)
    assert np.array_equal(computed("pow", np.full(20, 3.0), np.arange(20.0)), 3.0 ** np.arange(20))


@pytest.mark.parametrize("kind", KINDS)
def test_quotients_are_rounded_as_divisions_are(kind):
    bits, random = np.dtype(f"u{np.dtype(kind).itemsize}"), np.random.default_rng(8)
    x, y = (random.integers(0, np.iinfo(bits).max, 500_000, bits, endpoint=True).view(kind) for _ in range(2))
    small = random.integers(1, 1000, (2, 100_000)).astype(kind)
    x, y = np.concatenate([x, small[0] * small[1], small[0]]), np.concatenate([y, small[1], small[1]])
    found = computed("over", x, y)
    with np.errstate(all="ignore"):
        quotient = x / y
        about = np.finfo(kind)
        # Half of the reciprocal's lower part is lost where its product is subnormal.
        unit = np.maximum(abs(quotient) * about.eps, 2 * about.smallest_subnormal)
        near = abs(found - quotient) <= np.where(abs(quotient) < about.tiny * 2.0**about.nmant, unit, 0)
    same = (found == quotient) & (np.signbit(found) == np.signbit(quotient))
    assert np.all(same | near | (np.isnan(found) & np.isnan(quotient)))


@pytest.mark.parametrize("kind", KINDS)
def test_quotients_that_lie_midway_are_one_of_the_two_numbers_beside_them(kind):
    """As near to it as the square of the last bit: no reciprocal of twice as many bits tells on which side."""
    eps = np.finfo(kind).eps
    x = np.repeat(np.array([1.0, -1.0, 2.0, 3.0, 5.0, 1.75], kind), 4)
    y = np.tile(np.array([1.0 - eps / 2, 1.0 + eps, 4.0 - 2 * eps, 1.0 + 2 * eps], kind), 6)
    assert np.all(abs(computed("over", x, y) - x / y) <= np.spacing(abs(x / y)))


# ---------------------------------------------------------------------------------------------- special values


def special(kind):
    about = np.finfo(kind)
    sizes = [0.0, 1e-20, 0.5, 1 - float(about.epsneg), 1.0, 2.0, 2.5, 3.0, 100.0, 750.0, 2.0**53, 1e20, 1e30, math.inf]
    sizes += [float(number) for number in (about.smallest_subnormal, about.tiny / 3, about.tiny, about.max)]
    return np.array([*sizes, *(-size for size in sizes), math.nan], kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_special_values_are_those_of_python(name, kind):
    axes = [special(kind), np.array(HALVES, kind)] if name == "pow_halves" else [special(kind)] * OPERANDS[name]
    arrays = [axis.ravel() for axis in np.meshgrid(*axes)]
    found = computed(name, *arrays)
    expected = np.array([getattr(kernels, name)(*numbers) for numbers in zip(*arrays, strict=True)])
    assert expected.dtype == kind
    with np.errstate(all="ignore"):
        # The larger of two zeros may be either; the cancellation in a sum's logarithm has no relative error.
        same = (found == expected) & ((np.signbit(found) == np.signbit(expected)) | (name in ("maximum", "minimum")))
        least = 1e-6 if name == "logaddexp" else np.finfo(kind).smallest_subnormal
        near = abs(found - expected) <= abs(expected) * 64 * np.finfo(kind).eps + least
        # An error of one unit decides whether the largest number overflows.
        near |= (found * expected > 0) & (np.minimum(abs(found), abs(expected)) >= np.finfo(kind).max * (1 - 1e-15))
        expected = np.where(near & np.isinf(expected), np.copysign(np.finfo(kind).max, expected), expected)
    same |= (np.isnan(found) & np.isnan(expected)) | (near & np.isfinite(expected) & (expected != 0))
    wrong = zip(*(array[~same] for array in (*arrays, found, expected)), strict=True)
    assert same.all(), list(wrong)


def test_ends_of_domains():
    x = np.array([-0.0, 0.0, -1.0, math.inf, -math.inf])
    assert np.array_equal(computed("log", x), [-math.inf, -math.inf, math.nan, math.inf, math.nan], equal_nan=True)
    assert np.array_equal(computed("asin", 1.5 * x), [0, 0, math.nan, math.nan, math.nan], equal_nan=True)
    assert np.array_equal(computed("erfc", x)[[0, 3, 4]], [1, 0, 2])
    assert np.array_equal(computed("pow", np.array([-8.0, -0.0, -math.inf, 1.0]), np.array([1 / 3, -3.0, 3.0, math.nan])),
                          [math.nan, -math.inf, -math.inf, 1.0], equal_nan=True)  # fmt: skip


# ---------------------------------------------------------------------------------------------- how they are compiled


@pytest.mark.parametrize("name", ["sin", "log2", "pow", "expm1", "gauss"])
def test_the_flags_of_the_caller_do_not_reach_a_kernel(name):
    arrays = [np.random.default_rng(k).uniform(0.01, 9.0, 5000) for k in range(OPERANDS[name])]
    free = computed(name, *arrays, fastmath={"reassoc", "contract", "arcp", "nsz", "afn"})
    assert np.array_equal(free, computed(name, *arrays))


def test_integers_and_mixed_operands_are_float64():
    assert computed("exp", np.array([0, 1, 2])).tolist() == [1, 2, 7]  # stored to an array of ints
    both = np.empty(1)
    from tests.kernel_errors import compiled

    compiled("atan2")(np.array([1.0], np.float32), np.array([1]), both)
    assert both[0] == math.atan2(1.0, 1.0)


_REMARKS = """
    import os
    import llvmlite.binding
    llvmlite.binding.set_option("", "-pass-remarks=loop-vectorize")
    import numpy as np
    from tests.kernel_errors import NAMES, OPERANDS, compiled
    for name in NAMES:
        for kind in (np.float64, np.float32):
            os.write(2, f"== {name} {kind.__name__}\\n".encode())
            compiled(name)(*[np.ones(3, kind)] * (OPERANDS[name] + 1))
"""


def test_loops_of_every_kernel_become_vector_instructions():
    parts = re.split(r"^== (\w+ \w+)\n", run(_REMARKS).stderr, flags=re.MULTILINE)[1:]
    remarks = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(remarks) == 2 * len(NAMES)
    widths = {loop: max(map(int, re.findall(r"vectorization width: (\d+)", text)), default=1) for loop, text in remarks.items()}
    assert not [loop for loop, width in widths.items() if width < 2]


_ERRORS = """
    import numpy as np
    from tests.kernel_errors import worst
    for name in ("exp", "log", "sin", "tanh", "pow", "erfc"):
        for kind in (np.float64, np.float32):
            print(name, worst(name, kind, count=500))
"""


@pytest.mark.skipif(not WIDE, reason="no floating-point format wider than float64 here")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names of other processors")
@pytest.mark.parametrize("processor", ["generic", "haswell"])
def test_other_processors_get_the_same_accuracy(processor):
    rows = run(_ERRORS, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="").stdout.split("\n")[:-1]
    found = [(name, float(error)) for name, error in map(str.split, rows)]
    assert len(found) == 12
    assert not [(name, error) for name, error in found if error > LIMITS.get(name, 2.0)]


def test_without_compilation_they_are_pythons_own():
    code = """
        import numba
        from stagegrad import kernels

        @numba.njit
        def f(x):
            return kernels.exp(x) + kernels.log(0.0) + kernels.sigmoid(x)

        print(f(800.0), type(kernels.tanh(0.5)).__name__)
    """
    assert run(code, NUMBA_DISABLE_JIT="1").stdout.split() == ["nan", "float"]


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_a_vector_is_asked_at_once_whether_a_lane_is_far(name):
    kernel = getattr(kernels, name)

    @numba.njit
    def each(x, out):
        for i in range(len(x)):
            out[i] = kernel(x[i])

    @numba.njit
    def caller(x, out):
        each(x, out)

    x = np.array([1.0, 1e300, -0.0, math.inf, 2e8, math.nan, -1e9, 5e-324, 3.0])
    out = np.empty_like(x)
    for function in (each, caller):  # compiled once, and once more where it is inlined
        function(x, out)
        exact = [math.nan if math.isinf(v) else getattr(math, name)(v) for v in x]
        assert np.allclose(out, exact, rtol=1e-15, atol=0.0, equal_nan=True)
        text = next(iter(function.inspect_llvm().values()))
        bodies = re.findall(r"^define [^\n]*@(\S+?)\([^\n]*\n(.*?)^}", text, re.MULTILINE | re.DOTALL)
        call = rf"call [^\n]*@stagegrad_{name}_64_[0-9a-f]+\("
        calls = {own: len(re.findall(call, body)) for own, body in bodies if "stagegrad_" not in own}
        assert max(calls.values()) <= 2, "a call for each lane"


def test_the_documented_errors_are_within_the_limits():
    text = (Path(__file__).parent.parent / "docs" / "kernels.md").read_text()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == NAMES
    assert all(float(error) <= LIMITS.get(row[0], 2.0) for row in rows for error in row[1::2])


def test_they_work_in_parallel_loops_and_in_ufuncs_and_in_functions_that_call_one_another():
    @numba.njit
    def inner(x):
        return kernels.sin(x)

    @numba.njit(parallel=True, error_model="numpy")
    def spread(x, out):
        for i in numba.prange(x.shape[0]):
            out[i] = inner(x[i]) + kernels.sin(2.0 * x[i]) + kernels.erf(x[i])

    @numba.vectorize
    def each(x):
        return kernels.cos(x) + kernels.pow(x, 2.5)

    x = np.random.default_rng(3).uniform(0.0, 1e9, 1000)
    out = np.empty(1000)
    spread(x, out)
    assert np.allclose(out, np.sin(x) + np.sin(2 * x) + 1.0, rtol=1e-14, atol=1e-15)
    assert np.allclose(each(x), np.cos(x) + x**2.5, rtol=1e-14)
