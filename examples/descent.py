"""Stochastic gradient descent on two weights: an L1 loss that goes down.

The model ``w0 * x + w1`` learns the line ``2 x - 1`` from nine points. Each step takes the gradient of one point's loss
``|prediction - target|``, and goes against it; its slope is only ever +1, -1 or, at the kink, 0, so the step shrinks from
one round to the next. Run it: ``python examples/descent.py``.
"""

import stagegrad

POINTS = [(x / 4.0, 2.0 * x / 4.0 - 1.0) for x in range(-4, 5)]


@stagegrad.compile(wrt=("w0", "w1"))
def loss(w0: float, w1: float, x: float, target: float) -> float:
    """How far the model is from one point, as an absolute value."""
    prediction = w0 * x + w1
    return abs(prediction - target)


def mean_loss(w0: float, w1: float) -> float:
    """The loss over all points."""
    return sum(loss(w0, w1, x, target) for x, target in POINTS) / len(POINTS)


def main() -> None:
    """Prints the code of the gradient, then the loss as it goes down round by round."""
    print(loss.source("python"))
    assert loss.grad(2.0, -1.0, 0.5, 0.0) == (0.0, 0.0)  # exactly on the line, at the kink

    w0, w1 = 0.0, 0.0
    losses = [mean_loss(w0, w1)]
    for turn in range(12):
        rate = 0.2 * 0.7**turn
        for x, target in POINTS:
            d0, d1 = loss.grad(w0, w1, x, target)
            w0 -= rate * d0
            w1 -= rate * d1
        losses.append(mean_loss(w0, w1))
        print(f"round {turn + 1:2}: loss {losses[-1]:.6f}, w = ({w0:+.4f}, {w1:+.4f})")
    assert losses[-1] < 0.02 * losses[0]
    assert abs(w0 - 2.0) < 0.05
    assert abs(w1 + 1.0) < 0.05


if __name__ == "__main__":
    main()
