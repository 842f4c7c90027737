"""Compiled code rounds otherwise than Python only where nothing but the last bits of results can change."""

from __future__ import annotations

import math
import platform
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import stagegrad

FREEDOMS = {"contract"}
ARRAY = {"x": "float64[:]"}


def text_of(function, types=None, answer="value"):
    return stagegrad.compile(function, types=types).source("numba", answer=answer)


def both(function, types, *args):
    """The value on the numba target, and that of Python."""
    return tuple(stagegrad.compile(function, types=types, target=target)(*args) for target in ("numba", "python"))


# ---------------------------------------------------------------------------------------------- programs


def discriminant(a, b, c):
    return math.sqrt(b * b - 4.0 * a * c)


def determinant_over(a, b, c, d):
    det = a * d - b * c
    return 1.0 / det if det != 0.0 else 0.0


def distance(x, y, z):
    return math.sqrt(x * x + y * y + z * z)


def newton(a):
    x = a
    while abs(x * x - a) > 1e-12 * a:
        x = 0.5 * (x + a / x)
    return x


def relu_of_affine(w, x, b):
    return max(w * x - b, 0.0)


def own_sigmoid(w, x, b):
    return 1.0 / (1.0 + math.exp(-(w * x + b)))


def logistic_map(r, x, n: int):
    for _ in range(n):
        x = r * x * (1.0 - x) + 0.1
    return x


def dot(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


def kahan(x):
    total = 0.0
    lost = 0.0
    for i in range(len(x)):
        term = x[i] - lost
        longer = total + term
        lost = (longer - total) - term
        total = longer
    return total


def neumaier(x):
    total = 0.0
    lost = 0.0
    for i in range(len(x)):
        longer = total + x[i]
        if abs(total) >= abs(x[i]):
            lost += (total - longer) + x[i]
        else:
            lost += (x[i] - longer) + total
        total = longer
    return total + lost


def two_product(a, b):
    """The rounding error of a * b, by Veltkamp's and Dekker's way."""
    c = 134217729.0 * a
    high_a = c - (c - a)
    low_a = a - high_a
    d = 134217729.0 * b
    high_b = d - (d - b)
    low_b = b - high_b
    return ((high_a * high_b - a * b) + high_a * low_b + low_a * high_b) + low_a * low_b


def halves(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return math.sqrt(total - y[0])


def until_full(x, limit):
    total = 0.0
    for i in range(len(x)):
        total += x[i]
    return 1.0 if total > limit else 0.0


# ---------------------------------------------------------------------------------------------- contraction


@pytest.mark.parametrize("function", [distance, own_sigmoid, logistic_map], ids=lambda f: f.__name__)
def test_a_product_need_not_be_rounded_where_nothing_can_cancel(function):
    assert 'fastmath={"contract"}' in text_of(function)


@pytest.mark.parametrize(
    "function", [discriminant, determinant_over, newton, relu_of_affine, two_product], ids=lambda f: f.__name__
)  # fmt: skip
def test_a_product_is_rounded_where_a_difference_of_products_matters(function):
    assert "fastmath" not in text_of(function)


@pytest.mark.parametrize("target", ["python", "numba"])
def test_a_discriminant_that_is_zero_has_a_root(target):
    f = stagegrad.compile(discriminant, target=target)
    assert [f(b / 2, b, b / 2) for b in np.linspace(0.1, 9.0, 90).tolist()] == [0.0] * 90


def test_branches_and_trips_are_those_of_python():
    for a in np.linspace(0.3, 40.0, 50).tolist():
        assert len(set(both(newton, None, a))) == 1
    assert both(relu_of_affine, None, 0.1, 10.0, 1.0) == (0.0, 0.0)
    assert both(determinant_over, None, 0.1, 0.3, 0.1, 0.3) == (0.0, 0.0)


def test_the_error_of_a_product_is_found():
    for a, b in np.random.default_rng(0).normal(size=(50, 2)).tolist():
        found, expected = both(two_product, None, a, b)
        assert found == expected != 0.0


# ---------------------------------------------------------------------------------------------- sums


def test_a_sum_that_a_loop_carries_is_taken_in_any_order():
    text = text_of(dot, ARRAY | {"y": "float64[:]"})
    assert "from stagegrad.kernels.loops import plus" in text and "total = plus(total, " in text


@pytest.mark.parametrize("function", [kahan, neumaier], ids=lambda f: f.__name__)
@pytest.mark.parametrize("answer", ["value", "value_and_grad"])
def test_a_compensated_sum_stays_as_it_is(function, answer):
    text = text_of(function, ARRAY, answer)
    assert not re.search(r"(total|lost|longer) = (plus|minus)\(", text)
    x = np.array([1.0, 1e100, 1.0, -1e100] * 50) if function is neumaier else np.full(1000, 0.1)
    found, expected = both(function, ARRAY, x)
    assert found == expected == 100.0


def test_a_sum_that_decides_a_branch_stays_in_order():
    assert "plus" not in text_of(until_full, ARRAY) and "plus" not in text_of(halves, ARRAY | {"y": "float64[:]"})


def between_pairs(x, w):
    total = 0.0
    for i in range(len(x)):
        for j in range(len(w)):
            d = w[j] - x[i]
            total += (d * d + 0.1) ** -1.5
    return total


def until_nothing_is_left(x, w):
    total = 0.0
    for i in range(len(x)):
        s = 0.0
        for j in range(len(w)):
            s += w[j] * x[i]
        if s != 0.0:
            total += math.log(abs(s))
    return total


def test_whether_a_gradient_is_added_or_not_is_no_branch_of_the_users():
    """``if dxi != 0.0: dx[i] += dxi`` adds a number near zero, or none; what a user's own branch adds may be any number."""
    types = {"x": "float64[:]", "w": "float64[:]"}
    text = text_of(between_pairs, types, "value_and_grad")
    assert "if dxi != 0.0" in text and 'fastmath={"contract"}' in text and "plus(total" in text, text
    text = text_of(until_nothing_is_left, types, "value_and_grad")
    assert "contract" not in text and "plus(s" not in text, text


def test_products_stay_in_order_beside_sums():
    def scaled(x, a, b):
        total = 0.0
        for i in range(len(x)):
            total += x[i] * a * b
        return total

    f = stagegrad.compile(scaled, types=ARRAY)
    assert f(np.full(64, 1e-300), 1e200, 1e200) == pytest.approx(64e100)


def test_a_variable_may_be_called_as_the_sum_is():
    def named(x):
        plus = 0.0
        for i in range(len(x)):
            plus += x[i]
        return plus

    assert both(named, ARRAY, np.arange(10.0)) == (45.0, 45.0)


# ---------------------------------------------------------------------------------------------- nan and inf


@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 7, 99])
def test_nan_and_inf_keep_their_meaning(special, place):
    def squares(w, x):
        total = 0.0
        found = 0.0
        for i in range(len(x)):
            total += w * x[i] + 1.0
            found += 1.0 if math.isnan(x[i]) or math.isinf(x[i]) else 0.0
        return total + found

    x = np.arange(100.0)
    x[place] = special
    answers = [stagegrad.compile(squares, types=ARRAY, target=target).value_and_grad(2.0, x) for target in ("numba", "python")]
    for found, expected in zip(*(np.hstack([value, *gradient]) for value, gradient in answers), strict=True):
        assert found == expected or (math.isnan(found) and math.isnan(expected))
    assert "plus" in text_of(squares, ARRAY)


@pytest.mark.parametrize("function", [distance, dot, kahan, newton, own_sigmoid], ids=lambda f: f.__name__)
def test_no_other_freedom_is_ever_given(function):
    types = {name: "float64[:]" for name in ("x", "y") if function in (dot, kahan) and name in function.__code__.co_varnames}
    for answer in ("value", "value_and_grad"):
        for given in re.findall(r"fastmath=\{(.*?)\}", text_of(function, types, answer)):
            assert {word.strip().strip('"') for word in given.split(",")} <= FREEDOMS


# ---------------------------------------------------------------------------------------------- arrays that lie apart


def ten(a, b, c, d, e, f, g, h, i, j):
    return np.sum(a * b * c * d * e * f * g * h * i * j)


def ten_into_the_first(a, b, c, d, e, f, g, h, i, j, n: int):
    for k in range(n):
        a[k] = b[k] * c[k]
        d[k] = e[k] * f[k]
        g[k] = h[k] * i[k] * j[k]
    return a[0]


TEN = dict.fromkeys("abcdefghij", "float64[:]")


def test_llvm_is_told_that_many_arrays_lie_apart():
    assert "    apart()\n" in text_of(ten, TEN, "value_and_grad")
    assert "apart" not in text_of(ten, TEN)  # nothing is written
    arrays = [np.full(100, 1.0 + 0.01 * k) for k in range(9)]
    value, gradient = stagegrad.compile(ten, types=TEN).value_and_grad(*arrays, arrays[0])  # the first and the last are one
    product = math.prod(array[0] for array in arrays) * arrays[0][0]
    assert value == pytest.approx(100 * product, rel=1e-12)
    for array, found in zip([*arrays, arrays[0]], gradient, strict=True):
        np.testing.assert_allclose(found, product / array[0], rtol=1e-12)


def test_a_function_that_writes_to_its_arguments_says_nothing_of_them():
    assert "apart" not in text_of(ten_into_the_first, TEN)


def test_a_user_may_have_the_word():
    def named(apart, b, c, d, e, f, g, h, i, j):
        return np.sum(apart * b * c * d * e * f * g * h * i * j)

    types = dict.fromkeys(["apart", *"bcdefghij"], "float64[:]")
    assert "apart()" not in text_of(named, types, "value_and_grad")
    assert stagegrad.compile(named, types=types).value_and_grad(*[np.ones(3)] * 10)[0] == 3.0


# ---------------------------------------------------------------------------------------------- denormals

TINY = 3e-310  # less than 2**-1022, and so without its last digits
on_x86 = pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="elsewhere denormals stay as they are")


def half_of(x):
    if x < 0.0:
        raise ValueError("below zero")
    return 0.5 * x


def half_of_all(x):
    return np.sum(0.5 * x)


def are_whole():
    """Does arithmetic of this thread have denormals, Python's and compiled code's?"""
    plain = stagegrad.compile(half_of, target="numba")
    return min(0.5 * TINY, plain(TINY), np.full(3, TINY).sum()) > 0.0


@on_x86
def test_denormals_are_zero_inside_where_that_is_asked_for():
    f = stagegrad.compile(half_of, target="numba", flush_denormals=True)
    assert f(TINY) == 0.0 and f.value_and_grad(TINY) == (0.0, 0.5) and f(3.0) == 1.5
    assert are_whole()
    array = stagegrad.compile(half_of_all, target="numba", flush_denormals=True)
    assert array(np.full(10, TINY)) == 0.0 and are_whole()
    values, _ = f.map(np.full(10, TINY))
    assert not values.any() and are_whole()


@on_x86
def test_denormals_are_whole_again_after_an_exception():
    f = stagegrad.compile(half_of, target="numba", flush_denormals=True)
    with pytest.raises(ValueError, match="below zero"):
        f(-1.0)
    assert are_whole()


@on_x86
def test_threads_flush_for_themselves():
    f = stagegrad.compile(half_of, target="numba", flush_denormals=True)
    f(1.0)
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda k: f(TINY) if k % 2 else 0.5 * TINY, range(200))]
    assert set(found[1::2]) == {0.0} and min(found[::2]) > 0.0


def test_denormals_are_whole_by_default():
    assert are_whole() and stagegrad.compile(half_of, target="python", flush_denormals=True)(TINY) > 0.0


def test_what_is_made_of_a_function_flushes_as_it_does():
    f = stagegrad.compile(half_of, target="numba", flush_denormals=True)
    assert stagegrad.value_and_grad(f).options.flush_denormals
    with pytest.raises(stagegrad.NameChoiceError, match="flush_denormals='no' is neither True nor False"):
        stagegrad.compile(half_of, flush_denormals="no")


# ---------------------------------------------------------------------------------------------- indices


def product(a, x):
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0
        for j in range(a.shape[1]):
            row += a[i, j] * x[j]
        total += row * row
    return total


def until_negative(x, y):
    total = 0.0
    for i in range(len(x)):
        if x[i] < 0.0:
            break
        total += y[i]
    return total


def of_the_positive(x, y):
    total = 0.0
    for i in range(len(x)):
        if x[i] > 0.0:
            total += y[i]
    return total


PAIR = {"x": "float64[:]", "y": "float64[:]"}


def test_sizes_are_compared_before_a_loop_rather_than_in_each_trip():
    for text in (text_of(dot, PAIR), text_of(product, {"a": "float64[:, :]", "x": "float64[:]"}, "value_and_grad")):
        assert "boundscheck" not in text and "raise IndexError('index out of range')" in text
    assert "IndexError" not in stagegrad.compile(dot, types=PAIR).source("python")


@pytest.mark.parametrize("function", [until_negative, of_the_positive], ids=lambda f: f.__name__)
def test_sizes_are_not_compared_where_a_trip_may_not_come_to_its_index(function):
    assert "boundscheck" in text_of(function, PAIR)
    for target in ("numba", "python"):
        f = stagegrad.compile(function, types=PAIR, target=target)
        assert f(np.array([1.0, 2.0, -1.0, 0.0]), np.array([5.0, 6.0])) == 11.0
        with pytest.raises(IndexError):
            f(np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 6.0]))


def test_sizes_matter_only_where_there_are_trips():
    f = stagegrad.compile(dot, types=PAIR)
    assert f(np.ones(3), np.ones(5)) == 3.0 and f(np.ones(0), np.ones(0)) == 0.0 and f(np.ones(0), np.ones(5)) == 0.0
    with pytest.raises(IndexError, match="index 2 is out of bounds for axis 0 with size 2"):
        f.value_and_grad(np.ones(3), np.ones(2))
    g = stagegrad.compile(product, types={"a": "float64[:, :]", "x": "float64[:]"})
    assert g(np.ones((0, 4)), np.ones(2)) == 0.0 and g(np.ones((4, 0)), np.ones(0)) == 0.0 and g(np.ones((3, 2)), np.ones(2)) == 12.0
    with pytest.raises(IndexError, match="index 2 is out of bounds for axis 0 with size 2"):
        g.value_and_grad(np.ones((2, 3)), np.ones(2))


def of_rows(a, x):
    total = 0.0
    for j in range(len(x)):
        total += a[0, j] * a[2, j] * x[j]
    return total


def in_rows(a, x):
    b = a.copy()
    for d in range(2):
        for j in range(len(x)):
            b[d, j] += x[j] * b[1, j]
            b[2, j] *= b[d, j]
    return np.sum(b)


def of_a_few(a, x):
    if len(x) < 3 or a.shape[0] < 2:
        raise ValueError("too few")
    total = 0.0
    for i in range(a.shape[1]):
        total += a[1, i] * x[2] * x[0]
    return total


def downward(x, y):
    total = 0.0
    n = len(x) - 3
    if (n > 0) & (len(y) <= 2):
        raise ValueError("too few")
    for i in range(0, n, -1):
        total += y[2] + i
    return total


ROWS = {"a": "float64[:, :]", "x": "float64[:]"}


@pytest.mark.parametrize("function", [of_rows, in_rows, of_a_few], ids=lambda f: f.__name__)
def test_what_is_the_same_index_in_every_trip_is_compared_before_the_loop(function):
    assert "boundscheck" not in text_of(function, ROWS, "value_and_grad")


def test_what_is_known_of_loops_that_count_up_is_not_known_of_others():
    assert "boundscheck" in text_of(downward, PAIR, "value_and_grad")
    f = stagegrad.compile(downward, types=PAIR, target="numba")
    with pytest.raises(IndexError):
        f(np.ones(2), np.ones(2))
    assert f(np.ones(3), np.ones(2)) == 0.0 and f(np.ones(2), np.ones(3)) == 1.0


@pytest.mark.parametrize("function", [of_rows, in_rows, of_a_few], ids=lambda f: f.__name__)
def test_constant_indices_are_in_range_or_an_error_at_every_size(function):
    f = stagegrad.compile(function, types=ROWS, target="numba")
    for rows, columns, n in np.ndindex(5, 4, 5):
        a, x = np.arange(1.0, 1.0 + rows * columns).reshape(rows, columns), np.arange(1.0, 1.0 + n)
        try:
            expected = function(a, x)
        except (IndexError, ValueError) as error:
            for call in (f, f.value_and_grad):
                with pytest.raises(type(error)):
                    call(a, x)
        else:
            assert (f(a, x), f.value_and_grad(a, x)[0]) == (expected, expected), (rows, columns, n)


def met_in_a_branch(x, y, both: bool):
    total = 0.0
    if both:
        total += np.sum(x * y)
    for i in range(len(x)):
        total += y[i]
    return total


def filled_before_they_meet(x, y):
    z = np.zeros(len(x))
    for i in range(len(y)):
        z[i] = y[i] * y[i]
    return np.sum(z * y)


def test_sizes_that_meet_elsewhere_do_not_let_an_index_pass():
    long, short = np.ones(2_000), np.ones(2)
    f = stagegrad.compile(met_in_a_branch)
    assert f(short, long, False) == 2.0 and f.grad(long, long, True)[1][0] == 2.0
    for call in (f, f.grad, f.value_and_grad):
        with pytest.raises(IndexError):
            call(long, short, False)
    f = stagegrad.compile(filled_before_they_meet)
    for call in (f, f.grad, f.value_and_grad):
        with pytest.raises(IndexError):
            call(short, long)


# ---------------------------------------------------------------------------------------------- the lock of the interpreter


def test_other_threads_run_during_loops_and_not_during_a_few_lines():
    for answer in ("value", "value_and_grad"):
        assert "nogil" not in text_of(own_sigmoid, answer=answer)
    for function, types in ((logistic_map, None), (dot, PAIR), (recursive, None)):
        assert text_of(function, types).count("nogil=True") == text_of(function, types).count("@njit(") > 0


def recursive(x: float, n: int) -> float:
    return x if n <= 0 else x + recursive(x * x, n - 1)


def behind_a_section(a, x):
    u = x.copy()
    rest = u[1:]
    rest[a.shape[0]] = 2.0 * rest[0]
    return np.sum(u)


def in_a_section_of_rows(a, x):
    b = a.copy()
    rows = b[1:]
    rows[len(x), 1:] = 0.0
    return np.sum(b)


def beside_indices(a, x):
    columns = np.array([0, 1])
    return np.sum(a[len(x), columns] * x[0])


def beside_a_mask(a, x):
    b = a.copy()
    b[len(x), a[0] > 0.0] = x[0]
    return np.sum(b * b)


@pytest.mark.parametrize("function", [behind_a_section, in_a_section_of_rows, beside_indices, beside_a_mask], ids=lambda f: f.__name__)
def test_a_number_in_a_section_of_a_section_or_beside_other_indices_is_checked(function):
    assert all("boundscheck" in text_of(function, ROWS, answer) for answer in ("value", "value_and_grad", "grad"))
    f = stagegrad.compile(function, types=ROWS, target="numba")
    for method in (f, f.value_and_grad, f.grad):
        with pytest.raises(IndexError):
            method(np.ones((9, 3)), np.ones(9))
