"""Programs that together use everything the Python frontend accepts; `PROGRAMS` lists each with points to call it at."""

import functools
import math
from math import exp
from math import sin as cos  # on purpose: names are resolved through the objects

import numpy as np

G = 9.81
STEPS = 4
WEIGHTS = (0.5, 0.25, 0.125)
PAIRS = ((1.0, 2.0), (0.5, -1.0))
MODE = "fast"
DEBUG = False
NODES = np.float64(0.75)

PROGRAMS = []


def at(*points):
    """Lists a function with the points to call it at."""

    def add(function):
        PROGRAMS.append((function, points))
        return function

    return add


@at((3.0, -4.0), (0.25, 1.5))
def staged(x, y):
    def sigmoid(v):
        return 1.0 / (1.0 + exp(-v))

    return (x + sigmoid(y)) / (sigmoid(x) + (x + y) ** 2)


@at((1.0, 2.0), (2.5, -1.0))
def swaps(x, y):
    x, y = y, x
    (a, b), c = (x * y, x - y), x + y
    a, b, c = c, a, b
    return a * 2.0 + b - c


@at((1.5,), (-2.0,))
def starred(x):
    first, *middle, last = x, x * 2.0, x * 3.0, x * 4.0
    head, *rest = (x, 1.0)
    a, b = middle
    (c,) = rest
    return first * a + b * last + head * c


@at((1.5, 2.0), (-0.5, 3.0))
def chained_and_annotated(x, y):
    a = b = x * y
    c: float = a + b
    d: float
    d = c
    d += a
    d -= 2
    d *= y
    d /= 3.0
    d **= 2
    d %= 7.0
    d //= 0.5
    return d + c


@at((1.5,), (-0.5,))
def walrus(x):
    y = (z := x * x) + z
    if (w := y - 1.0) > 0.0:
        y = w * 2.0
    return y + w


@at((1.0, 2.0, 3.0), (3.0, 2.0, 1.0), (2.0, 2.0, 2.0))
def comparisons(x, y, z):
    a = 1.0 if x < y < z else 2.0
    b = 1.0 if x <= y >= z != x else 0.5
    c = x if x == y else -y
    return a * b + c * (x > z)


@at((0.0, 2.0), (1.0, 0.0), (-1.0, 3.0))
def logic_values(x, y):
    a = x and y
    b = x or y or 5.0
    c = not x
    if x and y > 1.0 or not y:
        a += 1.0
    return a + b * 2.0 + c


@at((-1.0,), (0.5,), (2.0,), (5.0,))
def elif_chain(x):
    if x < 0.0:
        y = -x
    elif x < 1.0:
        y = x * x
    elif x < 3.0:
        y = math.sqrt(x)
    else:
        y = 1.0
    return y


@at((2.0, 0), (2.0, 1), (2.0, 5))
def powers(x, n):
    total = 0
    for k in range(n):
        total += x**k / math.factorial(k)
    return total


@at((2.0, 10, 0, -3), (2.0, 0, 10, 2), (1.5, -5, 5, 1), (1.0, 3, 3, 1))
def any_range(x, start, stop, step):
    for i in range(start, stop, step):
        x = x * 0.9 + i
    return x


@at((2.0,), (-1.0,))
def unrolled(x):
    y = 0.0
    for w in (0.5, x, 2):
        y += w * x
    for w in [1.0, 3.0]:
        y -= w
    for a, b in PAIRS:
        y = a * y + b
    for k, w in enumerate(WEIGHTS):
        y += w * x**k
    for a, b in zip(WEIGHTS, (x, 1.0, y), strict=False) if False else zip(WEIGHTS, (x, 1.0, y)):
        y += a * b
    return y


@at((2.0,), (0.3,), (-5.0,))
def unrolled_exits(x):
    y = 0.0
    for w in (1.0, 2.0, 3.0, 4.0):
        if w == 2.0:
            continue
        if x * w > 7.0:
            break
        if x * w < -14.0:
            return -y
        y += w * x
    else:
        y += 100.0
    return y


@at((2.0, 1.0), (9.0, 2.5), (1e-3, 5.0))
def newton(a, x):
    while x * x - a > 1e-12 or a - x * x > 1e-12:
        step = (x * x - a) / (2.0 * x)
        if step * step < 1e-30:
            break
        x = x - step
    return x


@at((10.0,), (0.5,), (1.0,))
def while_else(x):
    n = 0
    while x > 1.0:
        x /= 2.0
        n += 1
        if n > 2:
            break
    else:
        x = -x
    return x * n


@at((3.0, 5), (3.0, 0), (30.0, 5))
def for_else(x, n):
    for i in range(n):
        if x * i > 20.0:
            x -= 1.0
            break
        x += i
    else:
        x = 2.0 * x
    return x


@at((3.0, 6), (3.0, 0), (-3.0, 4))
def continues(x, n):
    s = 0.0
    for i in range(n):
        if i % 2:
            continue
        if x < 0.0:
            s -= x
            if i > 1:
                continue
            s *= 2.0
        s += x * i
    return s


@at((5.0, 4), (0.5, 4), (1.5, 9), (1.0, 0))
def return_in_loop(x, n):
    for i in range(n):
        x = x * 1.1
        if x > 2.0:
            return x * i
    return -x


@at((5.0, 4), (0.5, 4), (1.5, 9), (1.0, 0))
def return_in_nest(x, n):
    s = 0
    for i in range(n):
        for j in range(i):
            x = x * 1.1
            if x > 6.0:
                return x * i, s
            if x > 4.0:
                break
            s += j
        else:
            s += 10
        while s > 12:
            s -= 3
            if s == 7:
                return -x, s
    return x, s


@at((5.0,), (0.5,), (-2.0,))
def early_returns(x):
    if x < 0.0:
        return 0.0
    y = math.log1p(x)
    if y > 1.5:
        y = y * 2.0
        return y
    elif y > 1.0:
        return 1
    return y * x


@at((5.0, 3), (0.5, 3), (-2.0, 0))
def tuple_returns(x, n):
    if x > 1.0:
        return x, (n, x > 2.0)
    return x * 2.0, (n + 1, False)


@at((0.5, 3), (0.5, 0), (7.0, 3))
def loop_variable_after(x, n):
    for i in range(n):
        if x * i > 5.0:
            break
    return x * i


@at((0.5,), (-0.5,))
def maybe_unbound(x):
    if x > 0.0:
        y = 2.0
    return x * y


@at((0.5, 3), (0.5, 0), (-1.0, 2))
def bound_in_loop(x, n):
    for i in range(n):
        if x < 0.0:
            t = x * i
    return t


@at((1.0, 5), (2.0, 1), (2.0, 0))
def first_trip(x, n):
    first = True
    s = 0.0
    for i in range(n):
        if first:
            previous = x
            first = False
        else:
            s += previous * i
        previous = x + i
    return s


@at((1.0,), (-1.0,), (0.0,))
def asserts(x):
    assert x >= 0.0, f"x is {x}, below {0}"
    assert x != 0.0
    return math.sqrt(x)


@at((1.0, 2), (-1.0, 3), (0.0, 4))
def raises(x, n):
    if x < 0.0:
        raise ValueError(f"bad x: {x!r} at {n:>4} of {x * 2.0:.3f}")
    elif x == 0.0:
        raise ZeroDivisionError
    else:
        y = 1.0 / x
    return y * n


@at((1.0,), (5.0,))
def raises_in_loop(x):
    for i in range(4):
        x += i
        if x > 8.0:
            raise OverflowError("too large")
    return x


@at((2.0,), (-3.0,))
def closures(x):
    k = 2.0

    def scale(v, by=k):
        return v * by + k

    k = 3.0
    square = lambda v: v * v + k
    return scale(x) + square(x) + scale(by=1.0, v=x)


def horner(x, a, b=2.0, *, c=3.0):
    """Straight and short: inlined."""
    y = a
    y = y * x + b
    return y * x + c


@at((2.0,), (-3.0,))
def keywords(x):
    return horner(x, 1.0) + horner(x, b=x, a=0.5, c=-x) + horner(*(x, 1.0), c=0.0)


def clipped(x, low, high):
    if x < low:
        return low
    if x > high:
        return high
    return x


@at((2.0,), (-3.0,), (0.5,))
def branching_callee(x):
    return clipped(x, -1.0, 1.0) * clipped(x * x, 0.5, 3.0)


def integrate(g, a, b, n):
    h = (b - a) / n
    total = 0.5 * (g(a) + g(b))
    for i in range(1, n):
        total += g(a + i * h)
    return total * h


@at((2.0, 0.5), (1.0, -0.3))
def higher_order(x, k):
    def inner(t):
        return math.exp(k * t) * t

    return integrate(inner, 0.0, x, 8) + integrate(lambda t: t * k, 0.0, 1.0, 3) + integrate(math.sin, 0.0, x, 3)


@at((2.0, 5), (1.5, 0))
def factorial_like(x, n):
    def power(n):
        return 1.0 if n <= 0 else x * power(n - 1)

    return power(n)


def fibonacci(n):
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


@at((2.0, 7), (1.5, 1))
def recursive(x, n):
    return x * fibonacci(n)


def is_even(n):
    return True if n == 0 else is_odd(n - 1)


def is_odd(n):
    return False if n == 0 else is_even(n - 1)


@at((2.0, 7), (1.5, 4))
def mutual(x, n):
    return x if is_even(n) else -x


@at((0.3,), (1.2,))
def shadowed(x):
    def exp(v):
        return v + 1.0

    abs = cos
    return exp(x) + abs(x)


@at((0.5, 2.5), (-1.5, 0.3))
def math_functions(x, y):
    a = math.sin(x) * math.cos(y) + math.tan(x) - math.atan2(y, x) + math.hypot(x, y, 1.0)
    b = math.exp(-abs(x)) + math.expm1(x) + math.log1p(y) + math.log(y, 2.0) + math.log2(y) + math.log10(y)
    c = math.sinh(x) + math.cosh(y) + math.tanh(x) + math.asinh(x) + math.cbrt(y) + math.exp2(x)
    d = math.erf(x) + math.erfc(y) + math.gamma(y) + math.lgamma(y) + math.copysign(y, x) + math.fabs(x)
    e = math.degrees(x) + math.radians(y) + math.fmod(x, y) + math.remainder(y, x) + math.pow(y, 2) + math.pi + math.dist((x, 1.0), (y, x))
    return a + b + c + d + e + math.prod((x, y, 2)) + math.sqrt(y) + math.inf * 0.0 if x > 100.0 else a + b + c + d + e


@at((0.5, 2.5), (-1.5, 0.3))
def rounding(x, y):
    a = math.floor(x) + math.ceil(y) + math.trunc(x * 3.0) + round(y) + int(y * 7.0)
    return a + round(x, 1) + float(a) + bool(a) + (7 // 2) * x + (-7) // 2 + 7 % 3


@at((5.5, -2.0), (-5.5, 2.0))
def builtins_of_numbers(x, y):
    q, r = divmod(x, y)
    m = max(x, y, 1.0) + min((x, y)) + max(0, x) + min(2, 3)
    return q * 2.0 + r + m + pow(abs(x), 0.5) + pow(x, 2) + sum((x, y, 1)) + sum((x,), y) + len((x, y))


@at((0.5, 4), (1.5, 0))
def sums(x, n):
    a = sum(x**k for k in range(n))
    b = sum(w * x for w in WEIGHTS)
    c = sum(i for i in range(n) if i % 2 == 0)
    d = sum((x * i for i in range(1, n + 1)), 10.0)
    return a + b * c + d + sum(range(n)) + sum(a * b for a, b in PAIRS)


@at((7, 3), (-7, 2), (12, 5))
def int_arithmetic(n: int, m: int):
    a = n // m + n % m - n * m
    b = (n & 6) | (m << 2) ^ (n >> 1)
    c = ~n + abs(n) + n**2 + m**3 + (-1) ** m + 2**m
    d, e = divmod(n, m)
    return a + b + c * 1.0 + d / 2 + e + math.gcd(n, m)


@at((1.5, True), (1.5, False))
def bools(x, flag: bool):
    both = flag and x > 1.0
    either = flag | (x < 0.0)
    n = flag + 1
    return x * flag + n * both - either + (3 if flag is True or flag else 4)


@at((1.5,), (2.5, True))
def bool_default(x, flag=False):
    return x if flag else -x


@at((1.5,), (2.5, 2.0))
def defaults(x, y=3, *, z=0.5):
    return x * y + z


@at((2.0,))
def constants(x):
    if DEBUG:
        x = nothing(x)  # never lowered: the constant decides
    if MODE == "fast" and MODE != "slow":
        x = x * G
    return x + STEPS * NODES + math.tau + float("2.5") + WEIGHTS[1] + WEIGHTS[-1] * (x > G)


@at((2.0, 3.0), (0.1, 0.2))
def numpy_scalars(x, y):
    a = np.sin(x) + np.exp(-y) * np.sqrt(y) + np.arctan2(x, y) + np.log(y) + np.tanh(x) + np.pi
    b = np.maximum(x, y) + np.minimum(x, 0.5) + np.abs(x - y) + np.power(x, 3) + np.square(y)
    return float(a + b + np.hypot(x, y) + np.floor(x) + np.sign(y))


@at((2.0, 3), (0.1, 5))
def unifying(x, n):
    s = 0
    last = 0
    for i in range(n):
        s = s + x if i % 2 else s - 1
        last = i
    k = 1 if x > 1.0 else 2.5
    return s * k + last


@at((2.0,))
def retyped(x):
    y = 1
    y = y + x
    y = (y, x)
    a, b = y
    y = a > b
    return a if y else b


@at((0.3, 0.2, 20), (0.3, 0.2, 0))
def logistic(r, x, n):
    for _ in range(n):
        x = r * x * (1.0 - x)
    return x


@at((0.1, 0.2, 8), (0.5, 0.0, 3))
def runge_kutta(angle, speed, steps):
    def slope(a, s):
        return s, -G * math.sin(a)

    h = 0.05
    for _ in range(steps):
        a1, s1 = slope(angle, speed)
        a2, s2 = slope(angle + 0.5 * h * a1, speed + 0.5 * h * s1)
        angle, speed = angle + h * a2, speed + h * s2
    return angle, speed


@at((100.0, 95.0, 0.2, 3), (90.0, 100.0, 0.4, 2))
def option_tree(spot, strike, sigma, steps):
    up = math.exp(sigma / math.sqrt(steps))
    p = (1.0 - 1.0 / up) / (up - 1.0 / up)

    def value(step, price):
        if step == steps:
            return max(price - strike, 0.0)
        return p * value(step + 1, price * up) + (1.0 - p) * value(step + 1, price / up)

    return value(0, spot)


@at((6.0,), (7.0,))
def collatz(x):
    n = int(x)
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps * x


@at((2.0, 1e-6), (50.0, 1e-9))
def while_walrus(a, tolerance):
    x = a
    while (d := x * x - a) > tolerance:
        if d > 1e6:
            break
        x -= d / (2.0 * x)
    else:
        x += 0.0
    return x


@at((2.0,), (0.2,))
def while_true(x):
    n = 0
    while True:
        x *= 1.5
        n += 1
        if x > 10.0:
            return x, n
        if n > 6:
            break
    return -x, n


@at((2.0,), (0.2,))
def endless(x):
    while True:
        x *= 1.5
        if x > 10.0:
            return x


@at((2.0, 4), (0.2, 3))
def reversed_range(x, n):
    s = 0.0
    for i in reversed(range(n)):
        s = s * x + i
    for i in reversed(range(1, 3 * n, 2)):
        s = s * 0.5 + i
    for w in reversed(WEIGHTS):
        s += w
    return s * len(range(n))


@at((0.7, 3), (0.7, 0))
def nested_loops(x, n):
    total = 0.0
    for i in range(n):
        row = 0.0
        for j in range(i, n):
            t = x * (i + 1) - j
            if t < 0.0:
                continue
            row += t * t
        total += row if row > 0.5 else -row
    return total


@at((0.7, 3), (-0.7, 0))
def function_changes_with_branch(x, n):
    limit = n

    def shift(v):
        return v + limit

    y = shift(x)
    limit = 10
    for limit in range(3):
        y += shift(x)
    return y


@at((1.2, 0.5), (-0.4, 2.0))
def partial_call(x, y):
    scaled = functools_partial(y)
    return SCALED(x) + scaled


def functools_partial(y):
    return y * 2.0


SCALED = functools.partial(horner, a=2.0, b=1.0)


@at((1.2, 3), (0.3, 5))
def membership(x, n):
    if n in (1, 3, 4):
        x = x * 2.0
    if n not in (1, 2):
        x = x + 1.0
    return x if any((x > 3.0, n > 4)) and all((x > 0.0, n > 1)) else 0.0


@at((1.5, 2.0), (1.0, 1.0))
def close(x, y):
    return x if math.isclose(x, y, rel_tol=1e-3) else y


@at((1.5,), (-1.0,))
def dead_code(x):
    pass
    """A text that nobody reads."""
    x * 2.0
    return x
    y = 1.0


@at((0.5, 0.25), (3.0, -1.0))
def conditional_chain(x, y):
    z = x if x > y else y if y > 0.0 else -y
    return (z if z > 1.0 else z * z) ** 0.5 if z >= 0.0 else 0.0


@at((5.0, 3.0), (0.0, 2.0))
def division_errors(x, y):
    return y / x


@at((4, 2.0), (0, 2.0))
def int_parameter_found(n, x):
    m = n + 2
    k = m if m > 3 else n
    for i in range(k * 2 - 1):
        x += i
    return x


def trapezoid(x, panels):
    total = 0.0
    for i in range(panels):
        total += x * i
    return total


@at((2.0, 4), (1.0, 0))
def int_parameter_of_callee(x, n):
    return trapezoid(x, n) + trapezoid(x, n + 1)


@at((2.0, 1), (1.0, 7))
def mixed_exits(x, n):
    s = 0.0
    for i in range(n):
        if x > 1.5:
            if i > 2:
                t = 5.0
                break
            s += 1.0
        elif i == 4:
            continue
        t = 1.0
        x += 0.2
        s += t * x
    return s + t


@at((2.0,), (-2.0,))
def raise_in_else(x):
    if x > 0.0:
        y = math.sqrt(x)
    else:
        raise ValueError("negative")
    return y + 1.0


@at((1.0, 3), (4.0, 3))
def unbound_after_break(x, n):
    for i in range(n):
        if x > 3.0:
            break
        y = x + i
    return y


class Physics:
    gravity = 9.81

    def __init__(self):
        self.drag = 0.5


BALL = Physics()


@at((1.5,), (-2.0,))
def held_numbers(x):
    return x * Physics.gravity - BALL.drag * BALL.gravity + np.float64(x)


@at((1.5, 3), (-2.0, 0))
def helper_in_loop(x, n):
    for i in range(n):
        if i:
            x = horner(x, previous, 0.1, c=0.2) * 0.1
        previous = clipped(x, -2.0, i)
    return x


@at((1.5,), (math.nan,))
def holds_itself(x):
    return 1.0 if x in (2.0, x) else 5.0


@at((1.5,), (-2.0,))
def iterators_used_at_once(x):
    total = 0.0
    for i in reversed(range(4)):
        total += i * x
    for k, v in enumerate((x, 2.0 * x), 1):
        total += k * v
    (a, b), (c, d) = zip((x, 2.0), (3.0, x))
    return total + a * b - c * d + max(reversed((x, 1.0))) + sum(v for v in reversed((x, 4.0)))


double = lambda x: 2.0 * x
PROGRAMS.append((double, ((1.5,), (-2.0,))))
PROGRAMS.append((functools.wraps(staged)(lambda x, y: x - y), ((1.5, 1.0),)))
