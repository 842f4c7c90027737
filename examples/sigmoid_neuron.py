"""A sigmoid neuron with two inputs: the second worked example of the CS231n notes, at three levels of detail.

The notes take ``1/(1+exp(-(w0*x0+w1*x1+w2)))`` apart down to ``+``, ``*``, ``exp`` and ``1/x``, and then see that these four are one
gate, the sigmoid, whose slope is ``(1 - f) * f``. Both views are generated from the same formula, and a third from a
Python function. Run it: ``python examples/sigmoid_neuron.py``.

Source: https://cs231n.github.io/optimization-2/ ("Modularity: Sigmoid example").
"""

import math

import stagegrad

TEXT = "1/(1+exp(-(w0*x0+w1*x1+w2)))"
POINT = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
#: The gradients in the notes, which are rounded to two digits on the way.
NOTES = {"w0": -0.20, "x0": 0.39, "w1": -0.39, "x1": -0.59, "w2": 0.20}


@stagegrad.compile
def neuron(w0: float, x0: float, w1: float, x1: float, w2: float) -> float:
    """The same neuron as code; its gradients are asked for by the names of its parameters."""
    dot = w0 * x0 + w1 * x1 + w2
    return 1.0 / (1.0 + math.exp(-dot))


def main() -> None:
    """Prints the neuron with the sigmoid as a gate, then taken apart, then the gradients beside those of the notes."""
    gates = stagegrad.formula(TEXT)
    fine = stagegrad.formula(TEXT, stages="fine")
    print("# the sigmoid as one gate")
    print(gates.source("python", part="backward"))
    print("# down to + * exp 1/x")
    print(fine.source("python", part="backward"))

    value, gradient = neuron.value_and_grad(**POINT)
    print(f"f = {value!r}")
    assert value == 1.0 / (1.0 + math.exp(-1.0))
    for (name, expected), found in zip(NOTES.items(), gradient, strict=True):
        print(f"df/d{name} = {found:+.4f}   in the notes {expected:+.2f}")
        assert math.isclose(found, expected, abs_tol=0.0051)

    for staged in (gates, fine):
        again, others = staged.value_and_grad(**POINT)
        assert math.isclose(again, value, rel_tol=1e-15)
        assert all(math.isclose(a, b, rel_tol=1e-14) for a, b in zip(others, gradient, strict=True))


if __name__ == "__main__":
    main()
