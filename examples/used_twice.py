"""``b = a + a``: a value that is used twice receives two gradients, which add up.

Whoever writes a backward pass by hand forgets this once: the second use must add to the gradient, not replace it. The generated
code says ``=`` for the first contribution and ``+=`` for each later one. Run it: ``python examples/used_twice.py``.
"""

import stagegrad


@stagegrad.compile
def twice(a: float) -> float:
    """A number plus itself."""
    b = a + a
    return b  # noqa: RET504  # `b` is the name in the notes


@stagegrad.compile
def shared(a: float, b: float) -> float:
    """Two values, each of which feeds both factors."""
    d = a * b
    e = a + b
    return d * e


def main() -> None:
    """Prints the code and the gradient of both functions."""
    print(twice.source("python"))
    print(f"d(a + a)/da = {twice.grad(3.0)}")
    assert twice.value_and_grad(3.0) == (6.0, 2.0)

    print(shared.source("python"))
    a, b = -2.0, 3.0
    value, gradient = shared.value_and_grad(a, b)
    print(f"value {value}, gradient {gradient}")
    assert value == -6.0
    assert gradient == (2 * a * b + b * b, 2 * a * b + a * a) == (-3.0, -8.0)


if __name__ == "__main__":
    main()
