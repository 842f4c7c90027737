"""A speech engineer scores the best path by a max recursion, traces it back through an integer table, and compares with a given path."""

import numpy as np


def viterbi_score(emission, transition, given):
    """The structured hinge: the best path's score with a margin for wrong labels, less the given path's."""
    length, states = emission.shape
    best = np.zeros((length, states))
    back = np.zeros((length, states), dtype=np.int64)
    best[0] = emission[0] + (np.arange(states) != given[0])
    for t in range(1, length):
        for s in range(states):
            top = 0
            for p in range(1, states):
                if best[t - 1, p] + transition[p, s] > best[t - 1, top] + transition[top, s]:
                    top = p
            back[t, s] = top
            best[t, s] = best[t - 1, top] + transition[top, s] + emission[t, s]
            if s != given[t]:
                best[t, s] += 1.0
    state = np.argmax(best[-1])
    path = np.zeros(length, dtype=np.int64)
    for t in range(length - 1, -1, -1):
        path[t] = state
        state = back[t, state]
    truth = emission[0, given[0]]
    for t in range(1, length):
        truth += transition[given[t - 1], given[t]] + emission[t, given[t]]
    smooth = 0.01 * np.sum(emission[np.arange(length), path] ** 2)
    return best[-1].max() - truth + smooth


_rng = np.random.default_rng(48)
CALLS = (
    (_rng.normal(size=(5, 3)), _rng.normal(size=(3, 3)), np.array([0, 1, 1, 2, 0])),
    (_rng.normal(size=(1, 2)), _rng.normal(size=(2, 2)), np.array([1])),
)
