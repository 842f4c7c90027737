"""A learner writes a convolution, ReLU and max pooling with six loops, then a linear readout."""

import numpy as np


def conv2d(image, kernels, bias, stride):
    channels, height, width = image.shape
    filters, _, kh, kw = kernels.shape
    oh = (height - kh) // stride + 1
    ow = (width - kw) // stride + 1
    out = np.zeros((filters, oh, ow))
    for f in range(filters):
        for i in range(oh):
            for j in range(ow):
                total = bias[f]
                for c in range(channels):
                    for u in range(kh):
                        for v in range(kw):
                            total += image[c, i * stride + u, j * stride + v] * kernels[f, c, u, v]
                out[f, i, j] = max(0.0, total)
    return out


def conv2d_naive(image, kernels, bias, readout, stride: int):
    """The readout of the pooled feature maps."""
    maps = conv2d(image, kernels, bias, stride)
    filters, h, w = maps.shape
    pooled = np.zeros((filters, h // 2, w // 2))
    for i in range(h // 2):
        for j in range(w // 2):
            for f in range(filters):
                pooled[f, i, j] = np.max(maps[f, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
    return np.dot(pooled.ravel(), readout)


_rng = np.random.default_rng(30)
CALLS = (
    (_rng.normal(size=(2, 6, 6)), _rng.normal(size=(2, 2, 3, 3)), 0.5 + _rng.uniform(size=2), _rng.normal(size=8), 1),
    (_rng.normal(size=(1, 5, 6)), _rng.normal(size=(1, 1, 2, 2)), 1.0 + np.ones(1), _rng.normal(size=1), 2),
)
