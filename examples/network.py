"""A network of two layers with its parameters in a dict: the gradient is a dict of the same names.

The network learns to tell two half-moons apart. `train` goes against the gradient with momentum; nothing in it knows how many
parameters there are. Run it: ``python examples/network.py``.
"""

import numpy as np

import stagegrad

POINTS = 200


def half_moons() -> tuple[np.ndarray, np.ndarray]:
    """Points on two half-circles that reach into one another, and on which of them each point is."""
    draw = np.random.default_rng(1)
    angle = draw.uniform(0.0, np.pi, POINTS)
    upper = np.arange(POINTS) % 2 == 0
    x = np.where(upper, np.cos(angle), 1.0 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    noise = draw.normal(scale=0.1, size=(POINTS, 2))
    return np.column_stack((x, y)) + noise, np.where(upper, 1.0, -1.0)


def score(p, x):
    """How much each point looks like one of the upper moon."""
    hidden = np.tanh(x @ p["w1"] + p["b1"])
    return hidden @ p["w2"] + p["b2"]


@stagegrad.compile(wrt="p")
def loss(p, x, label):
    """The mean of -log(probability) of the right moon, and a little for the size of the weights."""
    fit = np.mean(np.log1p(np.exp(-label * score(p, x))))
    return fit + 1e-4 * (np.sum(p["w1"] ** 2) + np.sum(p["w2"] ** 2))


def main() -> None:
    """Prints the code of the gradient, then the loss as the network learns."""
    x, label = half_moons()
    draw = np.random.default_rng(2).normal
    p = {"w1": draw(size=(2, 16)), "b1": np.zeros(16), "w2": 0.1 * draw(size=16), "b2": 0.0}
    momentum = dict.fromkeys(p, 0.0)
    before, slopes = loss.value_and_grad(p, x, label)
    print(loss.source("numpy", part="backward"))
    assert slopes.keys() == p.keys()
    assert slopes["w1"].shape == (2, 16)

    for turn in range(1, 1_001):
        now, slopes = loss.value_and_grad(p, x, label)
        for name in p:
            momentum[name] = 0.9 * momentum[name] - 0.1 * slopes[name]
            p[name] = p[name] + momentum[name]
        if turn % 200 == 0:
            print(f"turn {turn:4}: loss {now:.6f}")
    right = np.mean(np.sign(score(p, x)) == label)
    print(f"{right:.1%} of the points are told apart")
    assert now < 0.2 * before
    assert right >= 0.98


if __name__ == "__main__":
    main()
