"""A statistician fits a Gaussian mixture with full covariances, given by their Cholesky triangles and softmax weights."""

import numpy as np


def logsumexp(a):
    top = np.max(a)
    return top + np.log(np.sum(np.exp(a - top)))


def gmm_loglik(logits, means, triangles, data):
    """The log-likelihood of all points."""
    n, d = data.shape
    k = len(logits)
    log_weights = logits - logsumexp(logits)
    terms = np.zeros((n, k))
    for j in range(k):
        L = np.tril(triangles[j])
        logdet = np.sum(np.log(np.abs(np.diag(L))))
        z = np.linalg.solve(L, (data - means[j]).T)
        terms[:, j] = log_weights[j] - logdet - 0.5 * d * np.log(2.0 * np.pi) - 0.5 * (z**2).sum(axis=0)
    total = 0.0
    for i in range(n):
        total += logsumexp(terms[i])
    return total


_rng = np.random.default_rng(16)
CALLS = (
    (_rng.normal(size=3), _rng.normal(size=(3, 2)), _rng.normal(size=(3, 2, 2)) + np.eye(2), _rng.normal(size=(6, 2))),
    (np.zeros(1), _rng.normal(size=(1, 3)), np.eye(3)[None] * 1.5, _rng.normal(size=(2, 3))),
)
