"""An American put on a binomial tree of three levels, written with scalars only."""

import math


def option_tree(spot, strike, rate, vol, years):
    """The price, with early exercise at every node."""
    dt = years / 3
    up = math.exp(vol * math.sqrt(dt))
    down = 1.0 / up
    p = (math.exp(rate * dt) - down) / (up - down)
    discount = math.exp(-rate * dt)

    def payoff(price):
        return max(strike - price, 0.0)

    def hold(value_up, value_down):
        return discount * (p * value_up + (1.0 - p) * value_down)

    v3, v2 = payoff(spot * up**3), payoff(spot * up)
    v1, v0 = payoff(spot * down), payoff(spot * down**3)
    for level in (2, 1, 0):
        top = spot * up**level
        if level == 2:
            v3 = max(hold(v3, v2), payoff(top))
            v2 = max(hold(v2, v1), payoff(top * down**2))
            v1 = max(hold(v1, v0), payoff(top * down**4))
        elif level == 1:
            v3, v2 = max(hold(v3, v2), payoff(top)), max(hold(v2, v1), payoff(top * down**2))
        else:
            v3 = max(hold(v3, v2), payoff(top))
    return v3


CALLS = ((100.0, 103.0, 0.03, 0.2, 1.0), (90.0, 100.0, 0.08, 0.35, 0.5), (55.0, 50.0, 0.01, 0.4, 2.0))
