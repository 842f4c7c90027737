"""A physicist names variables as in the textbook: dx, dt, d, grad, np2, out and lambda_, with NumPy under another name."""

import numpy as xp


def names_of_calculus(d, dx, dt, lambda_, steps):
    """Advection with decay; steps holds a factor of dt for every step."""
    out = xp.zeros_like(d)
    grad = xp.zeros(d.shape[0])
    np2 = 0.0
    df, dnp2, np = 0.0, 2.0, 0.5
    for ddx in steps:
        grad[1:-1] = (d[2:] - d[:-2]) / (2.0 * dx)
        grad[0] = grad[-1] = 0.0
        out[:] = d - ddx * dt * grad - dt * lambda_ * d
        np2 += xp.sum(out * grad) * dx + np * df
        d = out.copy()
        df += dnp2 * dt * d[0]
    return np2 + xp.sum(out**2)


_rng = xp.random.default_rng(52)
CALLS = ((_rng.normal(size=6), 0.3, 0.05, 0.7, xp.array([1.0, 0.5, 2.0])), (_rng.normal(size=3), 1.0, 0.1, 0.0, xp.array([0.3])))
