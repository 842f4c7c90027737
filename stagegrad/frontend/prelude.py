"""Python functions that stand for some of Python's own: they are lowered like a user's, so that the values agree.

Nothing here is called: `calls` hands these functions to the frontend where a program uses what they stand for.
"""

from __future__ import annotations


def integer_power(base: int, exponent: int) -> int:
    """``base**exponent`` for ints, by squaring; refuses what is not an int of 64 bits instead of wrapping around."""
    if exponent < 0:
        raise ValueError("an int to a negative power is not an int: write float(base)**exponent")
    power = 1
    while exponent > 0:
        if exponent % 2 == 1:
            if base != 0 and abs(power) > 9223372036854775807 // abs(base):
                raise OverflowError("an int power needs more than 64 bits: write float(base)**exponent")
            power *= base
        exponent //= 2
        if exponent > 0:
            if abs(base) > 3037000499:
                raise OverflowError("an int power needs more than 64 bits: write float(base)**exponent")
            base *= base
    return power


def factorial(n: int) -> int:
    """``math.factorial``, for results of up to 64 bits."""
    if n < 0:
        raise ValueError("factorial() not defined for negative values")
    if n > 20:
        raise OverflowError("a factorial beyond 20 needs more than 64 bits: write math.gamma(n + 1.0)")
    product = 1
    for k in range(2, n + 1):
        product *= k
    return product


def comb(n: int, k: int) -> int:
    """``math.comb``, for results of which all the partial products have 64 bits."""
    if n < 0 or k < 0:
        raise ValueError("n and k must be non-negative integers")
    if k > n:
        return 0
    found = 1
    for i in range(min(k, n - k)):
        if found > 9223372036854775807 // (n - i):
            raise OverflowError("a binomial coefficient needs more than 64 bits: write math.exp(math.lgamma(...))")
        found = found * (n - i) // (i + 1)
    return found


def perm(n: int, k: int) -> int:
    """``math.perm`` of two numbers, for results of up to 64 bits."""
    if n < 0 or k < 0:
        raise ValueError("n and k must be non-negative integers")
    found = 1
    for i in range(k):
        if found != 0 and n > i and found > 9223372036854775807 // (n - i):
            raise OverflowError("a number of permutations needs more than 64 bits: write math.exp(math.lgamma(...))")
        found *= n - i if n > i else 0
    return found


def lcm(a: int, b: int) -> int:
    """``math.lcm`` of two ints."""
    x, y = abs(a), abs(b)
    while y > 0:
        x, y = y, x % y
    return 0 if x == 0 else abs(a) // x * abs(b)


def add_compensated(total: float, lost: float, term: float) -> tuple[float, float]:
    """One step of the summation that ``sum`` does for floats since Python 3.12 (Neumaier's)."""
    new = total + term
    lost += (total - new) + term if abs(total) >= abs(term) else (term - new) + total
    return new, lost


def end_compensated(total: float, lost: float) -> float:
    """The sum, with what rounding lost added back."""
    return total + lost if lost != 0.0 and lost - lost == 0.0 else total


def isclose(a: float, b: float, rel_tol: float = 1e-09, abs_tol: float = 0.0) -> bool:
    """``math.isclose``."""
    if rel_tol < 0.0 or abs_tol < 0.0:
        raise ValueError("tolerances must be non-negative")
    if a == b:
        return True
    if a - a != 0.0 or b - b != 0.0:  # an infinity is close to itself only, nan to nothing
        return False
    difference = abs(b - a)
    return difference <= abs(rel_tol * b) or difference <= abs(rel_tol * a) or difference <= abs_tol
