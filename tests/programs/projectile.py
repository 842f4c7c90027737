"""A ball thrown with drag, until it hits the ground; the landing point is interpolated."""

import math


def projectile(speed, angle, drag):
    """The horizontal distance."""
    x, y = 0.0, 1.5
    vx, vy = speed * math.cos(angle), speed * math.sin(angle)
    dt = 0.01
    while y > 0.0:
        x_before, y_before = x, y
        v = math.hypot(vx, vy)
        vx -= drag * v * vx * dt
        vy -= (9.81 + drag * v * vy) * dt
        x += vx * dt
        y += vy * dt
    share = y_before / (y_before - y)
    return x_before + share * (x - x_before)


CALLS = ((12.0, 0.7, 0.02), (25.0, 1.0, 0.005), (3.0, 0.1, 0.1))
