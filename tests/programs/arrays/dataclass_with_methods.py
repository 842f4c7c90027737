"""An engineer keeps a vehicle's suspension in a dataclass with methods and drives it over a bump."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Suspension:
    mass: float
    stiffness: np.ndarray
    damping: float = 1.0

    def spring(self, z):
        return self.stiffness[0] * z + self.stiffness[1] * z**3

    def force(self, z, v):
        return -self.spring(z) - self.damping * v


def dataclass_with_methods(car, road, dt):
    """How uncomfortable the ride is: squared accelerations."""
    z, v = 0.0, 0.0
    discomfort = 0.0
    for height in road:
        a = car.force(z - height, v) / car.mass
        v += dt * a
        z += dt * v
        discomfort += a**2
    return discomfort / len(road)


CALLS = ((Suspension(1.5, np.array([20.0, 3.0]), 2.0), np.array([0.0, 0.05, 0.1, 0.08, 0.02, 0.0]), 0.05),)
