"""Standard distributions of `scipy.stats` in simpler terms: they are lowered like a user's functions, by the words in `words_scipy`.

Nothing here is called. Each imports NumPy and SciPy's special functions by itself, as the frontend may be used without them.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"

from __future__ import annotations


def norm_pdf(y):
    """``exp(-y**2 / 2) / sqrt(2 pi)``"""
    import numpy as np

    return np.exp(-(y**2) / 2.0) / 2.5066282746310002


def norm_logpdf(y):
    """``-y**2 / 2 - log(sqrt(2 pi))``"""
    return -(y**2) / 2.0 - 0.9189385332046727


def norm_cdf(y):
    """The probability to be below y."""
    from scipy.special import ndtr

    return ndtr(y)


def norm_sf(y):
    """The probability to be above y."""
    from scipy.special import ndtr

    return ndtr(-y)


def norm_logcdf(y):
    """The logarithm of the probability to be below y."""
    from scipy.special import log_ndtr

    return log_ndtr(y)


def norm_logsf(y):
    """The logarithm of the probability to be above y."""
    from scipy.special import log_ndtr

    return log_ndtr(-y)


def norm_ppf(q):
    """Below which number the probability q lies."""
    from scipy.special import ndtri

    return ndtri(q)


def expon_pdf(y):
    """``exp(-y)``, and nothing below 0."""
    import numpy as np

    return np.where(y < 0.0, 0.0, np.exp(-y))


def expon_logpdf(y):
    """``-y``, and nothing below 0."""
    import numpy as np

    return np.where(y < 0.0, -np.inf, -y)


def gamma_logpdf(y, a):
    """``(a - 1) log(y) - y - log(gamma(a))``, and nothing below 0."""
    import numpy as np
    from scipy.special import gammaln, xlogy

    return np.where(y < 0.0, -np.inf, xlogy(a - 1.0, y) - y - gammaln(a))


def beta_logpdf(y, a, b):
    """``(a - 1) log(y) + (b - 1) log(1 - y) - log(beta(a, b))``, and nothing outside 0 to 1."""
    import numpy as np
    from scipy.special import betaln, xlog1py, xlogy

    return np.where((y < 0.0) | (y > 1.0), -np.inf, xlog1py(b - 1.0, -y) + xlogy(a - 1.0, y) - betaln(a, b))


def t_logpdf(y, df):
    """Student's: ``log(gamma((df + 1) / 2) / gamma(df / 2) / sqrt(pi df)) - (df + 1) / 2 log(1 + y**2 / df)``"""
    import numpy as np
    from scipy.special import gammaln

    level = gammaln((df + 1.0) / 2.0) - gammaln(df / 2.0) - 0.5 * (1.1447298858494002 + np.log(df))
    return level - (df + 1.0) / 2.0 * np.log1p(y**2 / df)


def laplace_logpdf(y):
    """``log(exp(-abs(y)) / 2)``"""
    import numpy as np

    return -0.6931471805599453 - np.abs(y)


def poisson_logpmf(k, mu):
    """``k log(mu) - log(k!) - mu`` for whole numbers from 0 on."""
    import numpy as np
    from scipy.special import gammaln, xlogy

    return np.where((k < 0.0) | (k != np.floor(k)), -np.inf, xlogy(k, mu) - gammaln(k + 1.0) - mu)
