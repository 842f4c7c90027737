"""The likelihood of a Gaussian process, by a Cholesky factorisation and a substitution that are written by hand and in place.

`surprise` is minus the logarithm of the density of observations. Its gradient goes backward through both loops; gradient descent in
the logarithms of the three parameters finds the length over which the observations vary. Run it: ``python examples/gaussian_process.py``.
"""

import math

import numpy as np

import stagegrad


@stagegrad.compile(wrt=("height", "length", "noise"))
def surprise(height: float, length: float, noise: float, at, seen):
    """-log(density) of what was seen, from the logarithms of a height, a length and a noise."""
    n = len(at)
    a = np.exp(2.0 * height - 0.5 * ((at[:, None] - at[None, :]) / np.exp(length)) ** 2)
    total = 0.5 * n * math.log(2.0 * math.pi)
    z = np.zeros(n)
    for j in range(n):
        a[j, j] += np.exp(2.0 * noise)
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = np.sqrt(a[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        z[j] = (seen[j] - a[j, :j] @ z[:j]) / a[j, j]
        total += np.log(a[j, j]) + 0.5 * z[j] * z[j]
    return total


def by_library(height: float, length: float, noise: float, at: np.ndarray, seen: np.ndarray) -> float:
    """The same by NumPy's own linear algebra."""
    kernel = np.exp(2.0 * height - 0.5 * ((at[:, None] - at[None, :]) / np.exp(length)) ** 2) + np.exp(2.0 * noise) * np.eye(len(at))
    return 0.5 * (seen @ np.linalg.solve(kernel, seen) + np.linalg.slogdet(kernel)[1] + len(at) * math.log(2.0 * math.pi))


def main() -> None:
    """Holds the gradient against differences, then prints the parameters as they are found."""
    at = np.linspace(0.0, 10.0, 40)
    seen = np.sin(at) + 0.1 * np.random.default_rng(3).normal(size=40)
    p = np.array([0.5, -0.5, -1.0])
    value, slopes = surprise.value_and_grad(*p, at, seen)
    assert math.isclose(value, by_library(*p, at, seen), rel_tol=1e-10)
    for k, slope in enumerate(slopes):
        step = 1e-5 * np.eye(3)[k]
        difference = (by_library(*(p + step), at, seen) - by_library(*(p - step), at, seen)) / 2e-5
        assert math.isclose(slope, difference, rel_tol=1e-5)

    for turn in range(120):
        now, slopes = surprise.value_and_grad(*p, at, seen)
        if turn % 30 == 0:
            height, length, noise = np.exp(p)
            print(f"turn {turn:3}: -log(density) {now:8.3f}, height {height:.3f}, length {length:.3f}, noise {noise:.3f}")
        p = p - 0.1 * np.array(slopes) / (1.0 + np.linalg.norm(slopes))
    print("height {:.3f}, length {:.3f}, noise {:.3f}".format(*np.exp(p)))
    assert now < value - 20.0
    assert 0.07 < math.exp(p[2]) < 0.14


if __name__ == "__main__":
    main()
