"""An inverse problem: how hot a rod was at the beginning, found from how hot it is later.

`misfit` steps the heat equation in place and compares. Its gradient by all cells of the initial state costs a few times the
simulation, however many cells there are; conjugate gradients do the rest. Run it: ``python examples/heat.py``.
"""

import numpy as np

import stagegrad

CELLS, STEPS, SHARE = 80, 60, 0.25


def later(u, steps: int):
    """Changes the temperatures `u` into those after some steps; the ends are kept as they are."""
    for _ in range(steps):
        u[1:-1] += SHARE * (u[2:] - 2.0 * u[1:-1] + u[:-2])


@stagegrad.compile(wrt="start")
def misfit(start, seen, steps: int):
    """Half the squared distance between a simulated and an observed end."""
    u = start.copy()
    later(u, steps)
    return 0.5 * np.sum((u - seen) ** 2)


def main() -> None:
    """Prints the code of the gradient, then the distance to the truth as it goes down."""
    at = np.linspace(0.0, 1.0, CELLS)
    truth = np.exp(-(((at - 0.3) / 0.08) ** 2)) + 0.6 * np.exp(-(((at - 0.7) / 0.1) ** 2))
    seen = truth.copy()
    later(seen, STEPS)
    start = np.zeros(CELLS)
    print(misfit.source("numpy", types={"start": "float64[:]", "seen": "float64[:]"}))
    first, slope = misfit.value_and_grad(start, seen, STEPS)

    # The misfit is a quadratic, so its gradient is affine: what it changes by along a direction is its curvature there.
    at_zero, direction = slope, -slope
    for turn in range(40):
        if turn % 10 == 0:
            print(f"turn {turn:2}: misfit {misfit(start, seen, STEPS):.3e}, off by {np.abs(start - truth).max():.4f} at most")
        curved = misfit.grad(direction, seen, STEPS) - at_zero
        length = (slope @ slope) / (direction @ curved)
        start = start + length * direction
        new = slope + length * curved
        direction = -new + (new @ new) / (slope @ slope) * direction
        slope = new
    off = np.abs(start - truth).max()
    print(f"the initial state is found to {off:.4f} of a degree")
    assert misfit(start, seen, STEPS) < 1e-8 * first
    assert off < 0.05


if __name__ == "__main__":
    main()
