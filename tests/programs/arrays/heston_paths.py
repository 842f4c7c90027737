"""A quant prices a call under Heston's model with normals that were drawn before: full truncation, paths in an inner vector."""

import numpy as np


def heston_paths(s0, v0, kappa, theta, xi, rho, r, strike, maturity, z):
    """The discounted mean payoff over the paths; z has the shape (steps, 2, paths)."""
    steps = z.shape[0]
    dt = maturity / steps
    s = np.full(z.shape[2], s0)
    v = np.full(z.shape[2], v0)
    for i in range(steps):
        z1 = z[i, 0]
        z2 = rho * z1 + np.sqrt(1.0 - rho**2) * z[i, 1]
        vp = np.maximum(v, 0.0)
        s *= np.exp((r - 0.5 * vp) * dt + np.sqrt(vp * dt) * z1)
        v += kappa * (theta - vp) * dt + xi * np.sqrt(vp * dt) * z2
    payoff = np.maximum(s - strike, 0.0)
    return np.exp(-r * maturity) * payoff.mean()


_rng = np.random.default_rng(7)
CALLS = (
    (100.0, 0.04, 1.5, 0.05, 0.3, -0.6, 0.02, 95.0, 1.0, _rng.normal(size=(5, 2, 4))),
    (50.0, 0.09, 2.0, 0.04, 0.5, 0.2, 0.0, 45.0, 0.5, _rng.normal(size=(1, 2, 3))),
)
