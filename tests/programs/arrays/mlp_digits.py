"""A learner trains a small network on pictures of digits; the test beside this file trains it to the accuracy that it states."""

import numpy as np

#: The ten digits, five rows of three dots each.
GLYPHS = (
    "### #.# #.# #.# ###",
    ".#. ##. .#. .#. ###",
    "### ..# ### #.. ###",
    "### ..# ### ..# ###",
    "#.# #.# ### ..# ..#",
    "### #.. ### ..# ###",
    "### #.. ### #.# ###",
    "### ..# ..# .#. .#.",
    "### #.# ### #.# ###",
    "### #.# ### ..# ###",
)


def digits(count, noise, seed):
    """Pictures of 7 by 5 dots, each digit shifted and noisy, and what they show."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    pictures = noise * rng.normal(size=(count, 7, 5))
    for picture, label in zip(pictures, labels, strict=True):
        glyph = np.array([[dot == "#" for dot in row] for row in GLYPHS[label].split()], float)
        down, right = rng.integers(0, 3, 2)
        picture[down : down + 5, right : right + 3] += glyph
    return pictures.reshape(count, 35), labels


def predict(W1, b1, W2, b2, x):
    return np.tanh(x @ W1 + b1) @ W2 + b2


def mlp_digits(W1, b1, W2, b2, x, labels):
    """The mean cross-entropy of the labels."""
    scores = predict(W1, b1, W2, b2, x)
    loss = 0.0
    for i in range(len(labels)):
        row = scores[i]
        top = row.max()
        loss += top + np.log(np.sum(np.exp(row - top))) - row[labels[i]]
    return loss / len(labels)


def start(hidden, inputs=35, seed=33):
    """Weights to start from."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(inputs, hidden)) / np.sqrt(inputs), np.zeros(hidden), rng.normal(size=(hidden, 10)) / 4.0, np.zeros(10)]


def _small():
    x, labels = digits(4, 0.2, 34)
    return (*start(3, 6), x[:, 10:16].copy(), labels)


CALLS = (_small(),)
