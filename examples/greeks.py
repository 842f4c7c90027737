"""Prices of options and their Greeks: one function of numbers, value and gradient at every strike and maturity at once.

The price of a call after Black and Scholes, and its slopes: delta by the spot, vega by the volatility, theta by the time, rho by the
rate. `map` broadcasts the arguments as NumPy does and goes through all points in one compiled loop. Run it: ``python examples/greeks.py``.
"""

import math

import numpy as np

import stagegrad


@stagegrad.compile
def call(spot: float, strike: float, time: float, volatility: float, rate: float) -> float:
    """The price of a European call."""
    deviation = volatility * math.sqrt(time)
    d1 = (math.log(spot / strike) + (rate + 0.5 * volatility * volatility) * time) / deviation
    return spot * normal(d1) - strike * math.exp(-rate * time) * normal(d1 - deviation)


def normal(x: float) -> float:
    """The probability that a standard normal variable is below x."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def main() -> None:
    """Prices a surface of options and checks the Greeks by their closed forms."""
    strikes, times = np.linspace(60.0, 140.0, 200), np.linspace(0.1, 2.0, 50)[:, np.newaxis]
    price, (delta, _, theta, vega, rho) = call.map(100.0, strikes, times, 0.2, 0.03)
    assert price.shape == delta.shape == (50, 200)

    d1 = (np.log(100.0 / strikes) + (0.03 + 0.02) * times) / (0.2 * np.sqrt(times))
    density = np.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    np.testing.assert_allclose(vega, 100.0 * np.sqrt(times) * density, rtol=1e-9, atol=1e-9)
    # Euler: the price is homogeneous in spot and strike; what is left over is the discounted strike, whose slope by the rate is rho.
    np.testing.assert_allclose(rho, times * (100.0 * delta - price), rtol=1e-9, atol=1e-9)

    print(f"{price.size} options: delta from {delta.min():.3f} to {delta.max():.3f}, theta up to {theta.max():.2f}")
    surface = price, (delta, None, None, vega, None)
    again, _ = call.map(101.0, strikes, times, 0.2, 0.03, out=surface)
    assert again is price
    print(f"at a spot of 101 the dearest costs {price.max():.2f}")


if __name__ == "__main__":
    main()
