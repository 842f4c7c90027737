"""Implied volatility: Newton's method on the Black-Scholes price, guarded by a bracket."""

import math


def cdf(z):
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def price(spot, strike, vol, years):
    spread = vol * math.sqrt(years)
    d1 = math.log(spot / strike) / spread + 0.5 * spread
    return spot * cdf(d1) - strike * cdf(d1 - spread)


def vega(spot, strike, vol, years):
    spread = vol * math.sqrt(years)
    d1 = math.log(spot / strike) / spread + 0.5 * spread
    return spot * math.sqrt(years) * math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)


def implied_vol(quote, spot, strike, years):
    """The volatility that gives the quoted price."""
    low, high = 0.001, 4.0
    vol = 0.3
    for _ in range(60):
        gap = price(spot, strike, vol, years) - quote
        if gap > 0.0:
            high = vol
        else:
            low = vol
        step = gap / vega(spot, strike, vol, years)
        vol = vol - step
        if not low < vol < high:
            vol = 0.5 * (low + high)
        if abs(step) < 1e-7:
            return vol
    return vol


CALLS = ((12.5, 100.0, 95.0, 0.5), (3.1, 100.0, 110.0, 1.0), (33.0, 80.0, 100.0, 3.0))
