"""A Kalman filter: the likelihood of noisy positions, differentiated through every prediction and update.

A body moves at a speed that drifts; its position is seen with noise. How large both noises are is what the gradient of the filter's
likelihood finds out. Run it: ``python examples/kalman.py``.
"""

from typing import NamedTuple

import numpy as np

import stagegrad

STEP = np.array([[1.0, 0.1], [0.0, 1.0]])


class Noise(NamedTuple):
    """The logarithms of how much the speed drifts in a step, and of how far an observation is off."""

    drift: float
    sensor: float


@stagegrad.compile(wrt="noise")
def surprise(noise: Noise, seen, step):
    """-log(density) of the observed positions."""
    mean = np.zeros(2)
    spread = np.eye(2)
    pushed = np.diag(np.array([0.0, 1.0])) * np.exp(2.0 * noise.drift)
    total = 0.0
    for position in seen:
        mean = step @ mean
        spread = step @ spread @ step.T + pushed
        off = position - mean[0]
        width = spread[0, 0] + np.exp(2.0 * noise.sensor)
        gain = spread[:, 0] / width
        mean = mean + gain * off
        spread = spread - np.outer(gain, spread[0])
        total += 0.5 * (np.log(2.0 * np.pi * width) + off * off / width)
    return total


def simulated(drift: float, sensor: float, steps: int) -> np.ndarray:
    """Observed positions of a body."""
    draw = np.random.default_rng(5).normal
    speed = np.cumsum(drift * draw(size=steps))
    return np.cumsum(0.1 * speed) + sensor * draw(size=steps)


def main() -> None:
    """Holds the gradient against differences, then finds the two noises."""
    seen = simulated(0.3, 0.2, 400)
    noise = Noise(0.0, 0.0)
    first, slopes = surprise.value_and_grad(noise, seen, STEP)
    assert isinstance(slopes, Noise)
    difference = (surprise(Noise(1e-5, 0.0), seen, STEP) - surprise(Noise(-1e-5, 0.0), seen, STEP)) / 2e-5
    print(f"by drift {slopes.drift:.6f}, by sensor {slopes.sensor:.6f}")
    assert abs(slopes.drift - difference) < 1e-5 * abs(difference)

    for turn in range(100):
        now, slopes = surprise.value_and_grad(noise, seen, STEP)
        if turn % 20 == 0:
            print(f"turn {turn:3}: -log(density) {now:9.3f}, drift {np.exp(noise.drift):.3f}, sensor {np.exp(noise.sensor):.3f}")
        noise = Noise(noise.drift - 0.004 * slopes.drift, noise.sensor - 0.002 * slopes.sensor)
    drift, sensor = np.exp(noise)
    print(f"drift {drift:.3f} (was 0.3), sensor {sensor:.3f} (was 0.2)")
    assert now < first
    assert abs(drift - 0.3) < 0.1
    assert abs(sensor - 0.2) < 0.03


if __name__ == "__main__":
    main()
