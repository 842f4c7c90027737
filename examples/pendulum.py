"""A pendulum, integrated with the classical fourth-order Runge-Kutta method: a simulation fitted by its gradient.

`miss` simulates a damped pendulum and returns how far its angle is from an observed one, squared. Its gradient with respect to
the length, through every step of the simulation, is what a fit needs: Gauss-Newton steps find the length that the
observation was made with. Run it: ``python examples/pendulum.py``.
"""

import math

import stagegrad

GRAVITY = 9.81  # m / s^2


def acceleration(angle: float, speed: float, length: float, damping: float) -> float:
    """The angular acceleration in rad / s^2: gravity pulls back, friction slows down."""
    return -GRAVITY / length * math.sin(angle) - damping * speed


@stagegrad.compile
def swing(angle: float, speed: float, length: float, damping: float, seconds: float, steps: int) -> float:
    """The angle in rad after some time, from an angle in rad and a speed in rad / s."""
    h = seconds / steps
    for _ in range(steps):
        k1 = speed
        l1 = acceleration(angle, speed, length, damping)
        k2 = speed + 0.5 * h * l1
        l2 = acceleration(angle + 0.5 * h * k1, k2, length, damping)
        k3 = speed + 0.5 * h * l2
        l3 = acceleration(angle + 0.5 * h * k2, k3, length, damping)
        k4 = speed + h * l3
        l4 = acceleration(angle + h * k3, k4, length, damping)
        angle += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        speed += h / 6.0 * (l1 + 2.0 * l2 + 2.0 * l3 + l4)
    return angle


def main() -> None:
    """Prints the sensitivities of the angle, then finds a length from one observation."""
    start = (0.6, 0.0)
    value, gradient = swing.value_and_grad(*start, 1.2, 0.15, 2.0, 200)
    print(f"angle after 2 s: {value:.9f} rad")
    for name, slope in zip(("angle", "speed", "length", "damping", "seconds"), gradient, strict=True):
        print(f"  by {name:<8} {slope:+.9f}")
    for position, slope in enumerate(gradient):
        moved = [[*start, 1.2, 0.15, 2.0] for _ in range(2)]
        moved[0][position] += 1e-5
        moved[1][position] -= 1e-5
        difference = (swing(*moved[0], 200) - swing(*moved[1], 200)) / 2e-5
        assert math.isclose(slope, difference, rel_tol=1e-6, abs_tol=1e-8)

    sensitivity = stagegrad.value_and_grad(swing, "length")
    length = 1.0
    for trial in range(6):
        angle, by_length = sensitivity(*start, length, 0.15, 2.0, 200)
        print(f"trial {trial}: length {length:.9f} m, off by {angle - value:+.2e} rad")
        length -= (angle - value) / by_length
    assert math.isclose(length, 1.2, rel_tol=1e-9)


if __name__ == "__main__":
    main()
