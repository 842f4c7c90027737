"""A physicist releases a double pendulum whose mass matrix is solved at every step."""

import math

import numpy as np


def double_pendulum(angles, velocities, m1, m2, l1, l2, dt, steps: int):
    """The energy that a symplectic Euler step has gained or lost."""
    g = 9.81
    q = angles.copy()
    v = velocities.copy()
    mass = np.zeros((2, 2))
    force = np.zeros(2)
    for _ in range(steps):
        delta = q[0] - q[1]
        mass[0, 0] = (m1 + m2) * l1**2
        mass[0, 1] = mass[1, 0] = m2 * l1 * l2 * math.cos(delta)
        mass[1, 1] = m2 * l2**2
        force[0] = -m2 * l1 * l2 * v[1] ** 2 * math.sin(delta) - (m1 + m2) * g * l1 * math.sin(q[0])
        force[1] = m2 * l1 * l2 * v[0] ** 2 * math.sin(delta) - m2 * g * l2 * math.sin(q[1])
        v += dt * np.linalg.solve(mass, force)
        q += dt * v
    kinetic = 0.5 * v @ mass @ v
    potential = -(m1 + m2) * g * l1 * math.cos(q[0]) - m2 * g * l2 * math.cos(q[1])
    return kinetic + potential


CALLS = (
    (np.array([0.8, -0.4]), np.array([0.1, 0.3]), 1.0, 0.5, 1.0, 0.7, 0.01, 12),
    (np.array([2.0, 1.0]), np.array([0.0, 0.0]), 1.0, 2.0, 0.5, 0.5, 0.02, 1),
)
