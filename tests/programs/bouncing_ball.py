"""A ball that bounces and loses speed, found bounce by bounce."""

import math


def bouncing_ball(height, restitution, time):
    """The ball's height at a time."""
    g = 9.81
    v = math.sqrt(2.0 * g * height)
    left = time - v / g
    if left < 0.0:
        return height - 0.5 * g * time * time
    for _ in range(100):
        v *= restitution
        flight = 2.0 * v / g
        if left < flight:
            return v * left - 0.5 * g * left**2
        left -= flight
    return 0.0


CALLS = ((1.0, 0.8, 2.0), (2.0, 0.6, 0.3), (0.5, 0.7, 1.33), (0.5, 0.3, 9.0))
