"""Newton's square root: a loop whose number of steps depends on its input, differentiated as it runs.

The gradient of a converged iteration is the gradient of what it converges to: 1 / (2 sqrt(a)), whatever the start. The second
derivative comes from applying `grad` twice. Run it: ``python examples/newton_sqrt.py``.
"""

import math

import stagegrad


@stagegrad.compile
def square_root(a: float, start: float) -> float:
    """The square root of a, from a positive start, to the last few bits."""
    if a < 0.0:
        raise ValueError("the square root of a negative number is not real")
    x = start
    while abs(x * x - a) > 1e-14 * a:
        x = x - (x * x - a) / (2.0 * x)
    return x


def main() -> None:
    """Prints the generated code, then value, slope and curvature beside the known ones."""
    print(square_root.source("python"))
    slope = stagegrad.grad(square_root, "a")
    curvature = stagegrad.grad(slope, "a")
    for a in (2.0, 9.0, 1e-6, 12345.0):
        root = math.sqrt(a)
        print(f"a = {a:<8g} root {square_root(a, 1.0):.12g}  slope {slope(a, 1.0):.12g}  curvature {curvature(a, 1.0):.12g}")
        assert math.isclose(square_root(a, 1.0), root, rel_tol=1e-13)
        assert math.isclose(slope(a, 1.0), 0.5 / root, rel_tol=1e-9)
        assert math.isclose(curvature(a, 1.0), -0.25 / (a * root), rel_tol=1e-6)

    _, (_, by_start) = square_root.value_and_grad(2.0, 1.0)
    print(f"by the start: {by_start:.1e}, which is 0 as far as the iteration has converged")
    assert abs(by_start) < 1e-9

    try:
        square_root.grad(-1.0, 1.0)
    except ValueError as error:
        print(f"a = -1: {error}")
    else:
        raise AssertionError("a negative number went through")


if __name__ == "__main__":
    main()
