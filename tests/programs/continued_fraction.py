"""The tangent and a root by continued fractions, one from the bottom up and one by recursion."""


def tail(a, b, depth: int):
    if depth == 0:
        return b
    return b + a / tail(a, b, depth - 1)


def continued_fraction(x, a, b, n: int):
    """tan(x) by Lambert's fraction, plus the fraction b + a/(b + a/(b + ...))."""
    below = 2.0 * n + 1.0
    for k in range(2 * n - 1, 0, -2):
        below = k - x * x / below
    return x / below + tail(a, b, min(n, 6))


CALLS = ((0.8, 1.0, 2.0, 8), (1.2, -0.2, 1.5, 4), (0.1, 0.3, 0.9, 0))
