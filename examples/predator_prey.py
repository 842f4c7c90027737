"""A system of differential equations fitted to observations: Runge-Kutta steps over an array, differentiated by all parameters.

Hares and lynxes as Lotka and Volterra describe them; the four rates and the two initial numbers are found from 31 noisy counts. The
model is handed to the integrator as a function. Run it: ``python examples/predator_prey.py``.
"""

import numpy as np

import stagegrad

STEPS, H = 10, 0.05


def rates(state, p):
    """How fast the hares and the lynxes become more."""
    hares, lynxes = state[0], state[1]
    return np.array([hares * (p[0] - p[1] * lynxes), lynxes * (p[2] * hares - p[3])])


def runge_kutta(f, state, p, h):
    """One step of the classical method."""
    k1 = f(state, p)
    k2 = f(state + 0.5 * h * k1, p)
    k3 = f(state + 0.5 * h * k2, p)
    k4 = f(state + h * k3, p)
    return state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


@stagegrad.compile(wrt=("start", "p"))
def misfit(start, p, counts):
    """The mean squared difference between the logarithms of simulated and counted animals."""
    total = 0.0
    state = start
    for k in range(counts.shape[0]):
        total += np.sum((np.log(state) - np.log(counts[k])) ** 2)
        for _ in range(STEPS):
            state = runge_kutta(rates, state, p, H)
    return total / counts.size


def counted(start: np.ndarray, p: np.ndarray, times: int) -> np.ndarray:
    """What is counted, each number off by a few percent."""
    state, found = start, []
    for _ in range(times):
        found.append(state)
        for _ in range(STEPS):
            state = runge_kutta(rates, state, p, H)
    return np.array(found) * np.exp(0.02 * np.random.default_rng(4).normal(size=(times, 2)))


def main() -> None:
    """Holds the gradient against differences, then fits by Adam in the logarithms of all six numbers."""
    start, p = np.array([1.0, 0.5]), np.array([1.0, 0.8, 0.6, 0.9])
    counts = counted(start, p, 31)
    guess = np.log(np.array([0.8, 0.8, 1.3, 1.0, 0.8, 1.2]))
    value, (_, by_p) = misfit.value_and_grad(np.exp(guess[:2]), np.exp(guess[2:]), counts)
    step = 1e-6 * np.eye(4)[2]
    ahead, behind = (misfit(np.exp(guess[:2]), np.exp(guess[2:]) + sign * step, counts) for sign in (1.0, -1.0))
    assert abs(by_p[2] - (ahead - behind) / 2e-6) < 1e-5 * abs(by_p[2])

    mean, square = np.zeros(6), np.zeros(6)
    for turn in range(1, 1_501):
        found = np.exp(guess)
        now, slopes = misfit.value_and_grad(found[:2], found[2:], counts)
        slope = np.concatenate(slopes) * found
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        guess -= 0.01 * (mean / (1.0 - 0.9**turn)) / (np.sqrt(square / (1.0 - 0.999**turn)) + 1e-12)
        if turn % 300 == 0:
            print(f"turn {turn:4}: misfit {now:.6f}, rates {found[2:].round(3)}")
    print(f"initial numbers {found[:2].round(3)} (were {start}), rates {found[2:].round(3)} (were {p})")
    assert now < 1e-3 < value
    assert np.abs(found[2:] - p).max() < 0.05


if __name__ == "__main__":
    main()
