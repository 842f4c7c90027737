"""Products of vectors, matrices and stacks of matrices."""

from __future__ import annotations

from tests.surface import Entry

V, M, N = (3,), (2, 3), (3, 4)
NOTHING = ((0,), (0,))

ENTRIES = [
    Entry("np.matmul", "x @ y", (M, N), empty=((0, 3), (3, 2))),
    Entry("np.matmul", "x @ y", (M, V), empty=((2, 0), (0,)), single=((1, 1), (1,))),
    Entry("np.matmul", "x @ y", (V, N), empty=((0,), (0, 2)), single=((1,), (1, 1))),
    Entry("np.matmul", "x @ y", (V, V), empty=NOTHING),
    Entry("np.matmul", "np.matmul(x, y)", ((4, 2, 3), (4, 3, 2)), broadcast=((4, 2, 3), (1, 3, 2)), empty=((0, 2, 3), (0, 3, 2))),
    Entry("np.matmul", "x @ y", ((4, 2, 3), N)),
    Entry("np.matmul", "x @ y", (M, (5, 1, 3, 2))),
    Entry("np.matmul", "x @ y", (V, (4, 3, 2)), single=((1,), (1, 1, 1))),
    Entry("np.matmul", "x @ y", ((4, 2, 3), V), single=((1, 1, 1), (1,))),
    Entry("np.matmul", "x.T @ y", (M, (2, 4))),
    Entry("np.matmul", "x[:, 0] @ y[1:, 1]", ((2, 3), (3, 4)), single="one shape"),
    Entry("np.dot", "np.dot(x, y)", (M, N), empty=((0, 3), (3, 2))),
    Entry("np.dot", "x.dot(y)", (V, V), empty=NOTHING),
    Entry("np.dot", "np.dot(x, y)", ((), V), single=((), (1,))),
    Entry("np.inner", "np.inner(x, y)", (V, V), empty=NOTHING),
    Entry("np.inner", "np.inner(x, y)", (M, (4, 3))),
    Entry("np.vdot", "np.vdot(x, y)", (M, M), empty=((0, 3), (0, 3))),
    Entry("np.outer", "np.outer(x, y)", (V, (4,)), empty=((0,), (2,))),
    Entry("np.outer", "np.outer(x, y)", (M, V), single=((1, 1), (1,))),
]
