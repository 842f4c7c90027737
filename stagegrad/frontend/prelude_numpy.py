"""Functions of NumPy written in simpler ones: they are lowered like a user's, by the words in `words_composed`.

Nothing here is called. Each imports NumPy by itself, as the frontend may be used without it.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"

from __future__ import annotations


def covariance(x, ddof):
    """``np.cov`` of the rows of a matrix."""
    import numpy as np

    centred = x - np.mean(x, axis=1)[:, None]
    return centred @ centred.T / max(x.shape[1] - ddof, 0.0)


def correlation(x):
    """``np.corrcoef`` of the rows of a matrix."""
    import numpy as np

    c = covariance(x, 1.0)
    deviation = np.sqrt(np.diag(c))
    return np.clip(c / deviation[:, None] / deviation, -1.0, 1.0)


def uniform_gradient(f, h, order):
    """``np.gradient`` along the last axis, between points at equal distances."""
    import numpy as np

    if f.shape[f.ndim - 1] < order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are required.")
    inner = (f[..., 2:] - f[..., :-2]) / (2.0 * h)
    if order == 1:
        first, last = (f[..., 1:2] - f[..., :1]) / h, (f[..., -1:] - f[..., -2:-1]) / h
    else:
        first = (-1.5 / h) * f[..., :1] + (2.0 / h) * f[..., 1:2] + (-0.5 / h) * f[..., 2:3]
        last = (0.5 / h) * f[..., -3:-2] + (-2.0 / h) * f[..., -2:-1] + (1.5 / h) * f[..., -1:]
    return np.concatenate((first, inner, last), axis=f.ndim - 1)


def gradient_at(f, x):
    """``np.gradient`` along the last axis, at the points given."""
    import numpy as np

    if len(x) != f.shape[f.ndim - 1]:
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    if len(x) < 2:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are required.")
    d = np.diff(x)
    before, behind = d[:-1], d[1:]
    a, c = -behind / (before * (before + behind)), before / (behind * (before + behind))
    b = (behind - before) / (before * behind)
    inner = a * f[..., :-2] + b * f[..., 1:-1] + c * f[..., 2:]
    first, last = (f[..., 1:2] - f[..., :1]) / d[:1], (f[..., -1:] - f[..., -2:-1]) / d[-1:]
    return np.concatenate((first, inner, last), axis=f.ndim - 1)


def trapezoid(y, d):
    """``np.trapezoid`` along the last axis, between points at these distances."""
    import numpy as np

    return np.sum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=y.ndim - 1)


def polynomial(p, x):
    """``np.polyval``, the highest power first."""
    y = 0.0 * x
    for coefficient in p:
        y = y * x + coefficient
    return y


def upper_indices(n, k, m):
    """``np.triu_indices``"""
    import numpy as np

    number = 0
    for i in range(n):
        number += max(m - max(i + k, 0), 0)
    rows, columns, at = np.zeros(number, dtype=int), np.zeros(number, dtype=int), 0
    for i in range(n):
        for j in range(max(i + k, 0), m):
            rows[at] = i
            columns[at] = j
            at += 1
    return rows, columns


def lower_indices(n, k, m):
    """``np.tril_indices``"""
    import numpy as np

    number = 0
    for i in range(n):
        number += min(max(i + k + 1, 0), m)
    rows, columns, at = np.zeros(number, dtype=int), np.zeros(number, dtype=int), 0
    for i in range(n):
        for j in range(min(i + k + 1, m)):
            rows[at] = i
            columns[at] = j
            at += 1
    return rows, columns
