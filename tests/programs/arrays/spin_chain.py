"""A quantum physicist minimises the energy of a spin chain: the Hamiltonian is built by Kronecker products, the state is real."""

import numpy as np


def spin_chain(couplings, field, state):
    """The expected energy and the state's magnetisation."""
    n = len(couplings) + 1
    x = np.array([[0.0, 1.0], [1.0, 0.0]])
    z = np.array([[1.0, 0.0], [0.0, -1.0]])
    H = np.zeros((2**n, 2**n))
    M = np.zeros((2**n, 2**n))
    for i in range(n):
        left, right = np.eye(2**i), np.eye(2 ** (n - i - 1))
        H -= field * np.kron(np.kron(left, x), right)
        M += np.kron(np.kron(left, z), right)
    for i in range(n - 1):
        bond = np.kron(np.kron(np.eye(2**i), np.kron(z, z)), np.eye(2 ** (n - i - 2)))
        H -= couplings[i] * bond
    psi = state / np.linalg.norm(state)
    return psi @ H @ psi + 0.1 * np.trace(M @ np.outer(psi, psi)) ** 2


_rng = np.random.default_rng(68)
CALLS = ((np.array([1.0, 0.7]), 0.5, _rng.normal(size=8)), (np.array([0.4]), -0.2, _rng.normal(size=4)))
