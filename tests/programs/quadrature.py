"""Gauss-Legendre quadrature with five points, on panels that are summed."""

import math


def quadrature(low, high, scale, panels: int):
    """The integral of a damped oscillation."""
    nodes = (0.0, 0.5384693101056831, 0.906179845938664)
    weights = (0.5688888888888889, 0.47862867049936647, 0.23692688505618908)
    w0, w1, w2 = weights

    def integrand(t):
        return math.exp(-scale * t) * math.cos(3.0 * t)

    half = 0.5 * (high - low) / panels
    total = 0.0
    for panel in range(panels):
        middle = low + (2 * panel + 1) * half
        total += w0 * integrand(middle)
        for w, node in ((w1, 0.5384693101056831), (w2, 0.906179845938664)):
            total += w * (integrand(middle - half * node) + integrand(middle + half * node))
    return half * total + nodes[0]


CALLS = ((0.0, 2.0, 0.5, 4), (-1.0, 0.3, 1.5, 1))
