"""``(a*b + c) * f``: the expression on which micrograd's lecture explains a graph of values and gradients.

At a = 2, b = -3, c = 10, f = -2 the product is -6, the sum 4, and the result -8. Gradients flow from the result back: f's is
the sum (4), the sum's is f (-2), and so are c's and the product's; a's is b times that (6), b's is a times that (-4).
Nudging every input along its gradient raises the result. Run it: ``python examples/expression_graph.py``.

Source: https://github.com/karpathy/micrograd.
"""

import stagegrad


@stagegrad.compile
def loss(a: float, b: float, c: float, f: float) -> float:
    """A product, a sum and a product."""
    e = a * b
    d = e + c
    return d * f


def main() -> None:
    """Prints value and gradient of every node, then takes one step uphill."""
    point = (2.0, -3.0, 10.0, -2.0)
    nodes = loss.trace(*point)
    print(nodes)
    expected = {"a": 6.0, "b": -4.0, "c": -2.0, "f": 4.0, "e": -2.0, "d": -2.0}
    assert {name: nodes[name].as_dict()["gradient"] for name in expected} == expected

    before, gradient = loss.value_and_grad(*point)
    after = loss(*(value + 0.01 * slope for value, slope in zip(point, gradient, strict=True)))
    print(f"before {before}, after a step of 0.01 along the gradient {after:.6f}")
    assert before == -8.0
    assert round(after, 6) == -7.286496


if __name__ == "__main__":
    main()
