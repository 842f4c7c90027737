"""Add, multiply and max gates: who distributes, who switches and who routes the gradient.

The circuit of the CS231n notes is ``(x*y + max(z, w)) * 2`` at (3, -4, 2, -1). The add gate gives its gradient (2) to both of its
inputs; the max gate sends it all to z, which won; the multiply gate gives each input the other's value times it (-8 and 6).
Run it: ``python examples/gates.py``.

Source: https://cs231n.github.io/optimization-2/ ("Patterns in backward flow").
"""

import stagegrad


@stagegrad.compile
def circuit(x: float, y: float, z: float, w: float) -> float:
    """A product plus the larger of two, doubled."""
    product = x * y
    larger = max(z, w)
    return (product + larger) * 2.0


@stagegrad.compile
def tie(z: float, w: float) -> float:
    """Where both are equal, Python's `max` returns its first operand, and that is where the gradient goes."""
    return max(z, w)


def main() -> None:
    """Prints the circuit's code and gradients, and what happens at a tie."""
    print(circuit.source("python"))
    value, gradient = circuit.value_and_grad(3.0, -4.0, 2.0, -1.0)
    print(f"value {value}, gradient {gradient}")
    assert value == -20.0
    assert gradient == (-8.0, 6.0, 2.0, 0.0)

    assert circuit.grad(3.0, -4.0, -1.0, 2.0) == (-8.0, 6.0, 0.0, 2.0)
    print(f"max at a tie: {tie.grad(1.0, 1.0)}")
    assert tie.grad(1.0, 1.0) == (1.0, 0.0)


if __name__ == "__main__":
    main()
