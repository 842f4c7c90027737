"""The square root by Newton's method, until it stops moving."""


def newton_sqrt(a, guess):
    """A root of x*x - a; the number of steps depends on a."""
    x = guess
    for _ in range(50):
        step = (x * x - a) / (2.0 * x)
        if abs(step) < 1e-4:
            break
        x = x - step
    else:
        raise ArithmeticError("no convergence")
    return x


CALLS = ((2.0, 1.0), (9.0, 2.5), (1e-3, 1.0))
