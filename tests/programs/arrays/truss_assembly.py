"""A structural engineer assembles the stiffness of a truss bar by bar, solves for the displacements, and weighs the structure."""

import numpy as np


def truss_assembly(nodes, bars, areas, loads, free, young):
    """The compliance plus the weight."""
    n = nodes.shape[0]
    K = np.zeros((2 * n, 2 * n))
    weight = 0.0
    for b in range(bars.shape[0]):
        i, j = bars[b, 0], bars[b, 1]
        dx = nodes[j, 0] - nodes[i, 0]
        dy = nodes[j, 1] - nodes[i, 1]
        length = np.sqrt(dx**2 + dy**2)
        c, s = dx / length, dy / length
        k = young * areas[b] / length
        t = np.array([-c, -s, c, s])
        dofs = np.array([2 * i, 2 * i + 1, 2 * j, 2 * j + 1])
        for p in range(4):
            for q in range(4):
                K[dofs[p], dofs[q]] += k * t[p] * t[q]
        weight += areas[b] * length
    u = np.linalg.solve(K[free][:, free], loads[free])
    return loads[free] @ u + 0.1 * weight


CALLS = (
    (
        np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.9], [1.5, 0.8]]),
        np.array([[0, 2], [1, 2], [1, 3], [2, 3], [0, 1]]),
        np.array([1.0, 0.8, 1.2, 0.6, 0.5]),
        np.array([0.0, 0.0, 0.0, 0.0, 0.3, -1.0, 0.1, -0.5]),
        np.array([4, 5, 6, 7]),
        10.0,
    ),
)
