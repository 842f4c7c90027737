"""An optical designer traces rays through spherical surfaces; a ray that misses one, or is reflected inside, ends the count."""

import math

import numpy as np


def lens_system(height, angles, surfaces):
    """The spread of the rays behind the last surface; each row is a radius, a distance, and the index behind."""
    spread = 0.0
    for angle in angles:
        y, u, before = height, angle, 1.0
        for radius, distance, behind in surfaces:
            y += u * distance
            sine = y / radius
            if abs(sine) >= 1.0:
                return spread + 1.0
            incident = u + math.asin(sine)
            refracted = before / behind * math.sin(incident)
            if refracted > 1.0:
                return spread + 2.0
            u = math.asin(refracted) - math.asin(sine)
            before = behind
        spread += y * y + u
    return spread


_biconvex = np.array([[2.0, 0.5, 1.5], [-3.0, 0.8, 1.0], [1.1, 0.3, 1.6]])
CALLS = ((0.15, np.array([0.01, 0.03]), _biconvex), (0.6, np.array([0.02, 0.9]), _biconvex), (0.1, np.zeros(0), _biconvex))
