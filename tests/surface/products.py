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
    Entry("np.dot", "np.dot(x, y)", ((2, 4, 3), (5, 3, 2))),
    Entry("np.inner", "np.inner(x, y)", ((2, 4, 3), M)),
    Entry("np.tensordot", "np.tensordot(x, y)", ((2, 3, 4), (3, 4, 2))),
    Entry("np.tensordot", "np.tensordot(x, y, axes=1)", (M, N), empty=((0, 3), (3, 2))),
    Entry("np.tensordot", "np.tensordot(x, y, axes=([0, 1], [1, 0]))", ((3, 4, 2), (4, 3, 5))),
    Entry("np.tensordot", "np.tensordot(x, y, axes=0)", (V, (2,))),
    Entry("np.einsum", "np.einsum('ij,jk->ik', x, y)", (M, N), empty=((0, 3), (3, 2))),
    Entry("np.einsum", "np.einsum('ij,jk', x, y)", (M, N)),
    Entry("np.einsum", "np.einsum('ij,j->i', x, y)", (M, V), single=((1, 1), (1,))),
    Entry("np.einsum", "np.einsum('i,i->', x, y)", (V, V), empty=NOTHING),
    Entry("np.einsum", "np.einsum('i,j->ji', x, y)", (V, (4,))),
    Entry("np.einsum", "np.einsum('ji,jk->ki', x, y)", (M, (2, 4))),
    Entry("np.einsum", "np.einsum('bij,bjk->bik', x, y)", ((4, 2, 3), (4, 3, 2)), empty=((0, 2, 3), (0, 3, 2))),
    Entry("np.einsum", "np.einsum('ij,ij->i', x, y)", (M, M)),
    Entry("np.einsum", "np.einsum('ij->ji', x)", (M,)),
    Entry("np.einsum", "np.einsum('ij->', x)", (M,)),
    Entry("np.einsum", "np.einsum('ijk->k', x)", ((2, 3, 4),)),
    Entry("np.einsum", "np.einsum('ii->', x)", ((3, 3),)),
    Entry("np.einsum", "np.einsum('ii->i', x)", ((3, 3),)),
    Entry("np.einsum", "np.einsum('i,ij,j->', x, y, z)", (V, N, (4,)), single=((1,), (1, 1), (1,))),
    Entry("np.einsum", "np.einsum('ijk,il,jm->klm', x, y, z)", ((2, 3, 4), (2, 2), (3, 2))),
    Entry("np.einsum", "np.einsum('...ij,...j->...i', x, y)", ((2, 3, 4), (2, 4))),
    Entry("np.einsum", "np.einsum('...i,ij', x, y)", ((2, 3), (3, 4)), single=((1, 1), (1, 1))),
    Entry("np.einsum", "np.einsum('bhid,bhjd->bhij', x, y)", ((2, 2, 3, 2), (2, 2, 4, 2))),
    Entry("np.kron", "np.kron(x, y)", (M, N)),
    Entry("np.kron", "np.kron(x, y)", (V, (2,))),
    Entry("np.cross", "np.cross(x, y)", (V, V), single="vectors of three"),
    Entry("np.cross", "np.cross(x, y)", ((4, 3), (4, 3)), broadcast=((4, 3), (1, 3)), single="vectors of three"),
    Entry("np.cross", "np.cross(x, y)", ((4, 3), V), single="vectors of three"),
]
