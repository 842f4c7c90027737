"""The chain rule on ``(x + y) * z`` at (-2, 5, -4): the first worked example of the CS231n notes.

The sum ``q = x + y`` is 3, so ``f = q * z`` is -12. Backward: df/dq is z = -4 and goes through the sum to x and to y unchanged;
df/dz is q = 3. Run it: ``python examples/chain_rule.py``.

Source: https://cs231n.github.io/optimization-2/ ("Compound expressions with chain rule").
"""

import stagegrad


@stagegrad.compile
def f(x: float, y: float, z: float) -> float:
    """A sum times a number."""
    q = x + y
    return q * z


def main() -> None:
    """Prints the generated code, and what each stage is and what it receives."""
    print(f.source("python"))
    value, gradient = f.value_and_grad(-2.0, 5.0, -4.0)
    print(f"f = {value}, gradient = {gradient}")
    assert value == -12.0
    assert gradient == (-4.0, -4.0, 3.0)

    table = f.trace(-2.0, 5.0, -4.0)
    print(table)
    assert table["q"].as_dict() == {"value": 3.0, "gradient": -4.0}


if __name__ == "__main__":
    main()
