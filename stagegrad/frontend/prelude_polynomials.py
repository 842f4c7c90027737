"""NumPy's functions of polynomials written in simpler ones: they are lowered like a user's, by the words in `words_polynomials`.

Nothing here is called. Each imports NumPy by itself, as the frontend may be used without it.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"

from __future__ import annotations


def polynomial(p, x):
    """``np.polyval``, the highest power first."""
    y = 0.0 * x
    for coefficient in p:
        y = y * x + coefficient
    return y


def powers(x, n):
    """``np.vander(x, n, increasing=True)``"""
    import numpy as np

    columns = np.ones((len(x), n))
    for j in range(1, n):
        columns[:, j] = columns[:, j - 1] * x
    return columns


def derivative(p):
    """``np.polyder``"""
    import numpy as np

    return p[:-1] * np.arange(len(p) - 1, 0, -1)


def integral(p, k):
    """``np.polyint``, with k as the constant."""
    import numpy as np

    return np.append(p / np.arange(len(p), 0, -1), k)


def total(p, q):
    """``np.polyadd``: the lowest powers are the last."""
    import numpy as np

    n = max(len(p), len(q))
    return np.append(np.zeros(n - len(p)), p) + np.append(np.zeros(n - len(q)), q)


def fitted(x, y, n):
    """``np.polyfit`` by the n lowest powers, whose columns have length 1 while the system is solved."""
    import numpy as np

    columns = powers(x, n)[:, ::-1]
    scale = np.sqrt(np.sum(columns * columns, axis=0))
    return np.linalg.lstsq(columns / scale, y, rcond=None)[0] / scale


def ascending(x, c):
    """``np.polynomial.polynomial.polyval``, the lowest power first."""
    y = c[len(c) - 1] + 0.0 * x
    for k in range(2, len(c) + 1):
        y = c[len(c) - k] + y * x
    return y


def chebyshev(x, c, zero):
    """``np.polynomial.chebyshev.chebval``, by Clenshaw's recurrence; `zero` has the shape of x."""
    n = len(c)
    c0, c1 = c[max(n - 2, 0)] + zero, (c[n - 1] if n > 1 else 0.0) + zero
    for k in range(3, n + 1):
        c0, c1 = c[n - k] - c1, c0 + c1 * (2.0 * x)
    return c0 + c1 * x


def legendre(x, c, zero):
    """``np.polynomial.legendre.legval``, by Clenshaw's recurrence; `zero` has the shape of x."""
    n = len(c)
    c0, c1 = c[max(n - 2, 0)] + zero, (c[n - 1] if n > 1 else 0.0) + zero
    for k in range(3, n + 1):
        d = n - k + 2
        c0, c1 = c[n - k] - c1 * ((d - 1) / d), c0 + c1 * x * ((2 * d - 1) / d)
    return c0 + c1 * x
