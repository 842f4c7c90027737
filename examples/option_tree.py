"""An option on a small binomial tree, written as recursion: its price and its Greeks in one call.

An American put may be exercised at each node, so its price is a `max` at each node, and its gradient follows the branch that was
taken. With many steps a European option comes close to the Black-Scholes formula, gradient included. Delta is the
slope by the spot price, vega by the volatility, rho by the interest rate. Run it: ``python examples/option_tree.py``.
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


def black_scholes_put(spot: float, strike: float, rate: float, vol: float, years: float) -> tuple[float, tuple[float, float, float]]:
    """The price of a European put and its slopes by spot, vol and rate, in closed form."""
    spread = vol * math.sqrt(years)
    d1 = (math.log(spot / strike) + rate * years) / spread + 0.5 * spread
    d2 = d1 - spread

    def below(z: float) -> float:
        return 0.5 * math.erfc(-z / math.sqrt(2.0))

    paid = strike * math.exp(-rate * years)
    price = paid * below(-d2) - spot * below(-d1)
    vega = spot * math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi) * math.sqrt(years)
    return price, (-below(-d1), vega, -years * paid * below(-d2))


def main() -> None:
    """Prints price and Greeks of both kinds of put, and of Black and Scholes."""
    market = (100.0, 103.0, 0.03, 0.2, 1.0)
    american = put.value_and_grad(*market, True, 12)
    european = put.value_and_grad(*market, False, 12)
    closed = black_scholes_put(*market)
    for name, (price, greeks) in {"american": american, "european": european, "closed form": closed}.items():
        print(f"{name:<12} price {price:.6f}  " + "  ".join(f"{word} {g:+.6f}" for word, g in zip(("delta", "vega", "rho"), greeks, strict=True)))

    assert american[0] > european[0]
    assert math.isclose(european[0], closed[0], rel_tol=0.02)
    for found, expected in zip(european[1], closed[1], strict=True):
        assert math.isclose(found, expected, rel_tol=0.06)

    h = 1e-6
    difference = (put(100.0 + h, *market[1:], True, 12) - put(100.0 - h, *market[1:], True, 12)) / (2.0 * h)
    print(f"american delta by differences {difference:+.6f}")
    assert math.isclose(american[1][0], difference, rel_tol=1e-6)


if __name__ == "__main__":
    main()
