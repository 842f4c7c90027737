"""The staged function of the CS231n notes: its code, forward and backward, its numbers and its proof.

``f(x, y) = (x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)`` has no use but to be differentiated by hand, stage by stage. Here the
stages, their names and their backward lines are generated. Run it: ``python examples/staged_function.py``.

Source: https://cs231n.github.io/optimization-2/ ("Backprop in practice: Staged computation").
"""

import stagegrad

TEXT = "(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)"


def main() -> None:
    """Prints the generated code, the value, the gradient, every stage's gradient and the proof."""
    f = stagegrad.formula(TEXT)
    assert f.stages == ("sigy", "num", "sigx", "xpy", "xpysqr", "den", "invden", "f")
    print(f.source("python"))

    value, (dx, dy) = f.value_and_grad(3.0, -4.0)
    print(f"f(3, -4) = {value!r}")
    print(f"df/dx    = {dx!r}")
    print(f"df/dy    = {dy!r}")
    assert (value, dx, dy) == (1.5456448841066441, 2.0595697955721652, 1.5922327514838093)

    print()
    print(f.trace(3.0, -4.0))

    print()
    proof = f.prove()
    print(proof)
    assert proof.level == "proved"


if __name__ == "__main__":
    main()
