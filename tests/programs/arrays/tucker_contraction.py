"""A data scientist fits a Tucker decomposition: the core is contracted with three factors by einsum."""

import numpy as np


def tucker_contraction(core, A, B, C, data, weight):
    """The squared misfit and the factors' orthogonality defect."""
    model = np.einsum("abc,ia,jb,kc->ijk", core, A, B, C)
    misfit = np.sum((model - data) ** 2)
    gram = np.tensordot(A, A, axes=([0], [0]))
    defect = np.sum((gram - np.eye(A.shape[1])) ** 2)
    return misfit + weight * defect + 0.01 * np.einsum("ij,ij->", B, B)


_rng = np.random.default_rng(65)
CALLS = (
    (
        _rng.normal(size=(2, 2, 2)),
        _rng.normal(size=(3, 2)),
        _rng.normal(size=(2, 2)),
        _rng.normal(size=(4, 2)),
        _rng.normal(size=(3, 2, 4)),
        0.3,
    ),
)
