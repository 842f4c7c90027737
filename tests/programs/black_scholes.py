"""The Black-Scholes price of a call or a put."""

import math


def cdf(z):
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def black_scholes(spot, strike, rate, vol, years, is_call: bool):
    """The price; its gradient holds the Greeks."""
    if years <= 0.0:
        return max(spot - strike, 0.0) if is_call else max(strike - spot, 0.0)
    spread = vol * math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate + 0.5 * vol**2) * years) / spread
    d2 = d1 - spread
    discounted = strike * math.exp(-rate * years)
    if is_call:
        return spot * cdf(d1) - discounted * cdf(d2)
    return discounted * cdf(-d2) - spot * cdf(-d1)


CALLS = ((100.0, 95.0, 0.02, 0.25, 0.8, True), (100.0, 120.0, 0.05, 0.15, 2.0, False), (100.0, 90.0, 0.02, 0.2, -0.1, True))
