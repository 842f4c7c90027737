"""An image analyst samples a picture between its pixels along a flow, with indices clamped at the border."""

import numpy as np


def bilinear_warp(image, flow, target):
    """The squared error of the warped picture."""
    rows, columns = image.shape
    y = np.arange(rows)[:, None] + flow[0]
    x = np.arange(columns) + flow[1]
    y0, x0 = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    wy, wx = y - y0, x - x0
    top, bottom = np.clip(y0, 0, rows - 1), np.clip(y0 + 1, 0, rows - 1)
    left, right = np.maximum(np.minimum(x0, columns - 1), 0), np.maximum(np.minimum(x0 + 1, columns - 1), 0)
    above = image[top, left] * (1.0 - wx) + image[top, right] * wx
    below = image[bottom, left] * (1.0 - wx) + image[bottom, right] * wx
    error = above * (1.0 - wy) + below * wy - target
    total = 0.0
    for i in range(rows):
        before = np.minimum(i + 1, rows - 1)
        total += np.sum(error[i] ** 2) + 0.1 * np.sum((error[i] - error[before]) ** 2)
    return total


_rng = np.random.default_rng(92)
CALLS = ((_rng.normal(size=(3, 4)), _rng.normal(size=(2, 3, 4)), _rng.normal(size=(3, 4))),)
