"""A rates trader bootstraps discount factors from par swaps one maturity at a time, then values a bond off the curve."""

import numpy as np


def bootstrapped_curve(par_rates, coupon, spread):
    """The bond's dirty price, less its duration-weighted spread."""
    n = len(par_rates)
    df = np.ones(n + 1)
    for k in range(1, n + 1):
        annuity = df[1:k].sum()
        df[k] = (1.0 - par_rates[k - 1] * annuity) / (1.0 + par_rates[k - 1])
    times = np.arange(1, n + 1)
    discount = df[1:] * np.exp(-spread * times)
    cashflows = np.full(n, coupon)
    cashflows[-1] += 1.0
    price = cashflows @ discount
    duration = (times * cashflows * discount).sum() / price
    return 100.0 * price - spread * duration


CALLS = ((np.array([0.02, 0.023, 0.025, 0.028, 0.03]), 0.035, 0.004), (np.array([0.01]), 0.0, 0.001))
