"""A trader values an American put that dies at a barrier, on a tree whose list of nodes loses its last one at each step."""

import math


def knock_out_put(spot, strike, volatility, rate, barrier, steps: int):
    """The price, for a year."""
    dt = 1.0 / steps
    up = math.exp(volatility * math.sqrt(dt))
    p, discount = (math.exp(rate * dt) - 1.0 / up) / (up - 1.0 / up), math.exp(-rate * dt)
    prices = [spot * up ** (2 * j - steps) for j in range(steps + 1)]
    values = [max(strike - price, 0.0) if price < barrier else 0.0 for price in prices]
    for i in range(steps - 1, -1, -1):
        for j in range(i + 1):
            price = spot * up ** (2 * j - i)
            if price >= barrier:
                values[j] = 0.0
                continue
            kept = discount * (p * values[j + 1] + (1.0 - p) * values[j])
            values[j] = strike - price if strike - price > kept else kept
        values.pop()
    return values[0]


CALLS = ((103.0, 97.0, 0.3, 0.05, 121.0, 6), (101.0, 140.0, 0.3, 0.05, 120.0, 3), (130.0, 95.0, 0.2, 0.01, 120.0, 1))
