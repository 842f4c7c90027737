"""An econometrician fits the median and the upper decile: pinball losses, and a trimmed mean of sorted residuals."""

import numpy as np


def pinball(residual, tau):
    return np.where(residual > 0, tau * residual, (tau - 1) * residual).mean()


def quantile_regression(X, y, beta_half, beta_high, trim: int):
    """Both pinball losses, with the trimmed mean of squared residuals as a regulariser."""
    half = y - X @ beta_half
    high = y - X @ beta_high
    ordered = np.sort(half**2)
    trimmed = ordered[trim:-trim].mean()
    return pinball(half, 0.5) + pinball(high, 0.9) + 0.1 * trimmed + 0.01 * np.median(high)


_rng = np.random.default_rng(20)
CALLS = (
    (_rng.normal(size=(9, 3)), _rng.normal(size=9), _rng.normal(size=3), _rng.normal(size=3), 2),
    (_rng.normal(size=(4, 1)), _rng.normal(size=4), _rng.normal(size=1), _rng.normal(size=1), 1),
)
