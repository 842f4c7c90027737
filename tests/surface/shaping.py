"""Arrays in another shape or order, joined and made of numbers."""

from __future__ import annotations

from tests.surface import Entry

M, V = (3, 4), (5,)

ENTRIES = [
    Entry("np.transpose", "np.transpose(x)", empty=((0, 3),)),
    Entry("np.transpose", "x.T", empty=((0, 3),)),
    Entry("np.transpose", "np.transpose(x, (1, 2, 0))", ((2, 3, 4),), empty=((2, 0, 3),)),
    Entry("np.transpose", "x.transpose(2, 0, 1)", ((2, 3, 4),)),
    Entry("np.transpose", "x.T + y", (V, V)),
    Entry("np.swapaxes", "np.swapaxes(x, 0, -1)", ((2, 3, 4),)),
    Entry("np.swapaxes", "x.swapaxes(0, 1)"),
    Entry("np.moveaxis", "np.moveaxis(x, 0, -1)", ((2, 3, 4),)),
    Entry("np.moveaxis", "np.moveaxis(x, (0, 1), (2, 0))", ((2, 3, 4),)),
    Entry("np.matrix_transpose", "x.mT", ((2, 3, 4),)),
    Entry("np.reshape", "np.reshape(x, (2, 6))", single="one shape"),
    Entry("np.reshape", "np.reshape(x, -1)", empty=((0, 3),)),
    Entry("np.reshape", "x.reshape(2, -1)", single="one shape"),
    Entry("np.reshape", "x.reshape((x.shape[1], x.shape[0]))", empty=((0, 3),)),
    Entry("np.reshape", "x.T.reshape(2, 6)", single="one shape"),
    Entry("np.reshape", "x[:, ::2].reshape(-1)"),
    Entry("np.ravel", "np.ravel(x)", empty=((0, 3),)),
    Entry("np.ravel", "x.T.ravel()", empty=((0, 3),)),
    Entry("np.ravel", "x.flatten()", empty=((0, 3),)),
    Entry("np.expand_dims", "np.expand_dims(x, 1)", empty=((0, 3),)),
    Entry("np.expand_dims", "np.expand_dims(x, (0, -1))"),
    Entry("np.squeeze", "np.squeeze(x, 1)", ((3, 1, 4),), empty=((0, 1, 3),)),
    Entry("np.squeeze", "x.squeeze(axis=(0, 2))", ((1, 3, 1),)),
    Entry("np.broadcast_to", "np.broadcast_to(x, (2, 3, 4))", single=((1, 1),)),
    Entry("np.broadcast_to", "np.broadcast_to(x, (3, 4))", ((3, 1),), single=((1, 1),)),
    Entry("np.broadcast_to", "np.broadcast_to(x, (2, 3))", ((),), single="a number"),
    Entry("np.atleast_1d", "np.atleast_1d(x)", ((),), single="a number"),
    Entry("np.atleast_2d", "np.atleast_2d(x)", (V,), empty=((0,),)),
    Entry("np.concatenate", "np.concatenate((x, y))", (M, (2, 4)), empty=((0, 3), (0, 3))),
    Entry("np.concatenate", "np.concatenate((x, y, x), axis=-1)", (M, (3, 2)), empty=((0, 3), (0, 1))),
    Entry("np.concatenate", "np.concatenate([x, y])", (V, V)),
    Entry("np.concatenate", "np.concatenate((x, y), axis=None)", (M, V)),
    Entry("np.stack", "np.stack((x, y))", (V, V), empty=((0,), (0,))),
    Entry("np.stack", "np.stack((x, y), axis=1)", (M, M), empty=((0, 3), (0, 3))),
    Entry("np.stack", "np.stack((x, y), axis=-1)", (M, M)),
    Entry("np.hstack", "np.hstack((x, y))", (V, (2,)), empty=((0,), (0,))),
    Entry("np.hstack", "np.hstack((x, y))", (M, (3, 1))),
    Entry("np.vstack", "np.vstack((x, y))", (V, V)),
    Entry("np.vstack", "np.vstack((x, y))", (M, (4,)), single=((1, 1), (1,))),
    Entry("np.column_stack", "np.column_stack((x, y))", (V, V)),
    Entry("np.column_stack", "np.column_stack((x, y))", (M, (3,)), single=((1, 1), (1,))),
]
