"""An option on a small binomial tree, written as recursion: its price and its Greeks in one call.

An American put may be exercised at each node, so its price is a `max` at each node, and its gradient follows the branch that was
taken. Delta is the slope by the spot price, vega by the volatility, rho by the interest rate: three numbers for which differences
need six more prices. Run it: ``python examples/option_tree.py``.
"""

import math

import stagegrad


def node(spot: float, strike: float, up: float, p: float, discount: float, american: bool, steps: int) -> float:
    """The value of a put at a node, from the values at the two nodes that follow it."""
    exercise = max(strike - spot, 0.0)
    if steps == 0:
        return exercise
    higher = node(spot * up, strike, up, p, discount, american, steps - 1)
    lower = node(spot / up, strike, up, p, discount, american, steps - 1)
    hold = discount * (p * higher + (1.0 - p) * lower)
    return max(hold, exercise) if american else hold


@stagegrad.compile(wrt=("spot", "vol", "rate"))
def put(spot: float, strike: float, rate: float, vol: float, years: float, american: bool, steps: int) -> float:
    """The price of a put on a tree of Cox, Ross and Rubinstein with 2**steps paths."""
    dt = years / steps
    up = math.exp(vol * math.sqrt(dt))
    p = (math.exp(rate * dt) - 1.0 / up) / (up - 1.0 / up)
    return node(spot, strike, up, p, math.exp(-rate * dt), american, steps)


def black_scholes_put(spot: float, strike: float, rate: float, vol: float, years: float) -> float:
    """The price of a European put in closed form, to which the tree comes close."""
    spread = vol * math.sqrt(years)
    d1 = (math.log(spot / strike) + rate * years) / spread + 0.5 * spread

    def below(z: float) -> float:
        return 0.5 * math.erfc(-z / math.sqrt(2.0))

    return strike * math.exp(-rate * years) * below(spread - d1) - spot * below(-d1)


def differences(market: dict[str, float], american: bool, steps: int) -> list[float]:
    """The slopes by spot, vol and rate as one would get them from two prices each."""
    found = []
    for name in ("spot", "vol", "rate"):
        h = 1e-6 * market[name]
        ahead, behind = ({**market, name: market[name] + step} for step in (h, -h))
        found.append((put(**ahead, american=american, steps=steps) - put(**behind, american=american, steps=steps)) / (2.0 * h))
    return found


def main() -> None:
    """Prints price and Greeks of both kinds of put, each beside what differences of prices give."""
    market = {"spot": 100.0, "strike": 103.0, "rate": 0.03, "vol": 0.2, "years": 1.0}
    prices = {}
    for name, american in (("european", False), ("american", True)):
        prices[name], greeks = put.value_and_grad(**market, american=american, steps=12)
        print(f"{name} put: {prices[name]:.6f}")
        for word, slope, difference in zip(("delta", "vega", "rho"), greeks, differences(market, american, 12), strict=True):
            print(f"  {word:<6} {slope:+.6f}   by differences {difference:+.6f}")
            assert math.isclose(slope, difference, rel_tol=1e-6)

    closed = black_scholes_put(**market)
    print(f"Black and Scholes: {closed:.6f}, the right to exercise early: {prices['american'] - prices['european']:.6f}")
    assert math.isclose(prices["european"], closed, rel_tol=0.02)
    assert prices["american"] > prices["european"]


if __name__ == "__main__":
    main()
