"""A damped pendulum, integrated with the classical fourth-order Runge-Kutta method."""

import math

GRAVITY = 9.81


def acceleration(theta, omega, length, damping):
    return -GRAVITY / length * math.sin(theta) - damping * omega


def pendulum(theta, omega, length, damping, steps: int):
    """The angle after some steps of 1/50 s."""
    h = 0.02
    for _ in range(steps):
        k1t, k1o = omega, acceleration(theta, omega, length, damping)
        k2t = omega + 0.5 * h * k1o
        k2o = acceleration(theta + 0.5 * h * k1t, k2t, length, damping)
        k3t = omega + 0.5 * h * k2o
        k3o = acceleration(theta + 0.5 * h * k2t, k3t, length, damping)
        k4t = omega + h * k3o
        k4o = acceleration(theta + h * k3t, k4t, length, damping)
        theta += h / 6.0 * (k1t + 2.0 * k2t + 2.0 * k3t + k4t)
        omega += h / 6.0 * (k1o + 2.0 * k2o + 2.0 * k3o + k4o)
    return theta


CALLS = ((0.6, 0.1, 1.2, 0.15, 80), (-1.1, 0.4, 0.7, 0.05, 25), (0.3, 0.2, 1.0, 0.1, 0))
