"""Functions of `scipy.linalg` in terms of NumPy's: they are lowered like a user's functions, by the words in `words_scipy_linalg`.

Nothing here is called. Each imports NumPy by itself, as the frontend may be used without it.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"

from __future__ import annotations


def solve_lower(a, b):
    """``solve_triangular(a, b, lower=True)``: what is above the diagonal is not read."""
    import numpy as np

    return np.linalg.solve(np.tril(a), b)


def solve_upper(a, b):
    """``solve_triangular(a, b)``: what is below the diagonal is not read."""
    import numpy as np

    return np.linalg.solve(np.triu(a), b)


def with_ones(a):
    """A matrix whose diagonal is not read: there are ones on it."""
    import numpy as np

    return np.tril(a, -1) + np.triu(a, 1) + np.eye(len(a))


def upper_factor(a):
    """``cholesky(a)``: what is below the diagonal is not read."""
    import numpy as np

    return np.linalg.cholesky(a.T).T


def lower_in_place(a):
    """``cho_factor(a, lower=True)[0]``: what is above the diagonal is left there."""
    import numpy as np

    return np.linalg.cholesky(a) + np.triu(a, 1)


def upper_in_place(a):
    """``cho_factor(a)[0]``: what is below the diagonal is left there."""
    import numpy as np

    return np.linalg.cholesky(a.T).T + np.tril(a, -1)


def solve_by_lower(c, b):
    """``cho_solve((c, True), b)``"""
    import numpy as np

    factor = np.tril(c)
    return np.linalg.solve(factor.T, np.linalg.solve(factor, b))


def solve_by_upper(c, b):
    """``cho_solve((c, False), b)``"""
    import numpy as np

    factor = np.triu(c)
    return np.linalg.solve(factor, np.linalg.solve(factor.T, b))
