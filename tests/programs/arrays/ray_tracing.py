"""An optician traces rays through spherical surfaces by Snell's law; rays that miss are left out of the spot size."""

import math

import numpy as np


def ray_tracing(curvature, thickness, index, heights, angle):
    """The mean squared spot size in the last plane, with a penalty for every ray that was lost."""
    spots = np.zeros(len(heights))
    alive = np.ones(len(heights), dtype=np.bool_)
    for r in range(len(heights)):
        y, u = heights[r], angle
        for s in range(len(curvature)):
            sin_i = curvature[s] * y + math.sin(u)
            sin_t = index[s] / index[s + 1] * sin_i
            if abs(sin_i) >= 1.0 or abs(sin_t) >= 1.0:
                alive[r] = False
                break
            u = u - math.asin(sin_i) + math.asin(sin_t)
            y = y + thickness[s] * math.tan(u)
        spots[r] = y
    good = spots[alive]
    lost = len(heights) - len(good)
    return np.mean((good - good.mean()) ** 2) + 0.5 * lost


CALLS = (
    (np.array([0.2, -0.15, 0.05]), np.array([0.5, 0.3, 4.0]), np.array([1.0, 1.5, 1.6, 1.0]), np.array([-1.0, -0.3, 0.4, 1.1, 6.0]), 0.02),
)
