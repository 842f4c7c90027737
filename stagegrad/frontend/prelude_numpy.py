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


def median_of_numbers(x):
    """``np.nanmedian`` of a vector: sorting puts what is nan behind the numbers."""
    import numpy as np

    n = x.size - np.sum(np.isnan(x))
    if n == 0:
        return np.nan
    ordered = np.sort(x)
    return ordered[n // 2] if n % 2 == 1 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2.0


def medians_of_numbers(x):
    """``np.nanmedian`` of each row of a matrix."""
    import numpy as np

    medians = np.empty_like(x[:, 0])
    for i in range(x.shape[0]):
        medians[i] = median_of_numbers(x[i])
    return medians


def quantile_at(x, q):
    """``np.quantile`` of a vector, at a position that is known when the program runs."""
    import numpy as np

    if not 0.0 <= q <= 1.0:
        raise ValueError("Quantiles must be in the range [0, 1]")
    n = x.size
    if np.any(np.isnan(x)) or n == 0:
        return np.nan
    ordered = np.sort(x)
    at = q * (n - 1)
    k = min(int(np.floor(at)), max(n - 2, 0))
    low, high, way = ordered[k], ordered[min(k + 1, n - 1)], at - k
    return high - (high - low) * (1.0 - way) if way >= 0.5 else low + (high - low) * way


def running_maximum(x):
    """``np.maximum.accumulate`` along the first axis."""
    import numpy as np

    found = np.empty_like(x)
    for i in range(len(x)):
        found[i] = x[i] if i == 0 else np.maximum(found[i - 1], x[i])
    return found


def running_minimum(x):
    """``np.minimum.accumulate`` along the first axis."""
    import numpy as np

    found = np.empty_like(x)
    for i in range(len(x)):
        found[i] = x[i] if i == 0 else np.minimum(found[i - 1], x[i])
    return found


def geometric(start, stop, n, last):
    """``np.geomspace``, whose ends are what was given; `last` says whether the end is one of the points."""
    import numpy as np

    if start == 0.0 or stop == 0.0:
        raise ValueError("Geometric sequence cannot include zero")
    if (start < 0.0) != (stop < 0.0):
        raise ValueError("a geometric sequence between numbers of both signs is complex")
    sign = -1.0 if start < 0.0 else 1.0
    points = 10.0 ** np.linspace(np.log10(sign * start), np.log10(sign * stop), n, endpoint=last)
    if n > 0:
        points[0] = sign * start
    if n > 1 and last:
        points[n - 1] = sign * stop
    return sign * points


def edge_places(n, before, behind):
    """Where ``np.pad(x, ..., mode="edge")`` takes its elements from along an axis."""
    import numpy as np

    return np.clip(np.arange(-before, n + behind), 0, n - 1)


def wrap_places(n, before, behind):
    """Where ``np.pad(x, ..., mode="wrap")`` takes its elements from along an axis."""
    import numpy as np

    return np.arange(-before, n + behind) % n


def reflect_places(n, before, behind):
    """Where ``np.pad(x, ..., mode="reflect")`` takes its elements from along an axis."""
    import numpy as np

    at = np.arange(-before, n + behind) % max(2 * n - 2, 1)
    return np.minimum(at, 2 * n - 2 - at)


def symmetric_places(n, before, behind):
    """Where ``np.pad(x, ..., mode="symmetric")`` takes its elements from along an axis."""
    import numpy as np

    at = np.arange(-before, n + behind) % (2 * n)
    return np.minimum(at, 2 * n - 1 - at)


def different(x):
    """``np.unique`` of a vector: each number once, in order; all that is nan counts as one."""
    import numpy as np

    ordered = np.sort(x)
    news = np.ones(ordered.size, dtype=bool)
    for i in range(1, ordered.size):
        news[i] = ordered[i] != ordered[i - 1] and not (np.isnan(ordered[i]) and np.isnan(ordered[i - 1]))
    return ordered[news]


def different_ints(x):
    """``np.unique`` of a vector of ints."""
    import numpy as np

    ordered = np.sort(x)
    news = np.ones(ordered.size, dtype=bool)
    for i in range(1, ordered.size):
        news[i] = ordered[i] != ordered[i - 1]
    return ordered[news]


def repeated_places(repeats):
    """Which element each one of ``np.repeat(x, repeats)`` is."""
    import numpy as np

    if np.any(repeats < 0):
        raise ValueError("repeats may not contain negative values.")
    places, at = np.zeros(np.sum(repeats), dtype=int), 0
    for i in range(len(repeats)):
        for _ in range(repeats[i]):
            places[at] = i
            at += 1
    return places
