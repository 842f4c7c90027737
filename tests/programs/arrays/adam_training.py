"""A learner unrolls Adam over minibatches of a linear model and asks how the last loss depends on everything."""

import numpy as np


def adam_training(w, b, X, y, rate, beta1, beta2, batch: int, epochs: int):
    """The loss over all the data after the last epoch."""
    theta = np.concatenate((w, np.array([b])))
    m = np.zeros(theta.shape[0])
    v = np.zeros(theta.shape[0])
    step = 0
    for _ in range(epochs):
        for start in range(0, X.shape[0], batch):
            xb, yb = X[start : start + batch], y[start : start + batch]
            r = xb @ theta[:-1] + theta[-1] - yb
            g = np.zeros_like(theta)
            g[:-1] = 2.0 * xb.T @ r / len(yb)
            g[-1] = 2.0 * r.mean()
            step += 1
            m = beta1 * m + (1.0 - beta1) * g
            v = beta2 * v + (1.0 - beta2) * g**2
            mhat = m / (1.0 - beta1**step)
            vhat = v / (1.0 - beta2**step)
            theta -= rate * mhat / (np.sqrt(vhat) + 1e-8)
    return np.mean((X @ theta[:-1] + theta[-1] - y) ** 2)


_rng = np.random.default_rng(38)
CALLS = ((_rng.normal(size=2), 0.1, _rng.normal(size=(5, 2)), _rng.normal(size=5), 0.1, 0.9, 0.99, 2, 2),)
