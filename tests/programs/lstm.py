"""One LSTM cell with scalar state, run over a sequence."""

import math


def sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z))


def lstm(wf, wi, wo, wc, u, b, n: int):
    """The squared error of the last output."""
    h, c = 0.0, 0.0
    for t in range(n):
        x = math.cos(0.5 * t)
        forget = sigmoid(wf * x + u * h + b)
        write = sigmoid(wi * x + u * h)
        out = sigmoid(wo * x - u * h)
        c = forget * c + write * math.tanh(wc * x + u * h)
        h = out * math.tanh(c)
    return (h - 0.3) ** 2


CALLS = ((0.5, -0.3, 0.8, 1.2, 0.4, 0.1, 12), (1.5, 0.7, -0.2, -0.6, 0.9, 1.0, 40), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1))
