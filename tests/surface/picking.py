"""Elements picked by other arrays, put in, or left out."""

from __future__ import annotations

from tests.surface import Entry

ROWS = ((0, 3),)
ONE_SHAPE = "one shape"

ENTRIES = [
    Entry("np.nonzero", "x[np.nonzero(x > 0.0)]"),
    Entry("np.where", "x[np.where(x > 0.0)]", empty=ROWS),
    Entry("np.flatnonzero", "x.ravel()[np.flatnonzero(x > 0.0)]", empty=ROWS),
    Entry("np.argwhere", "x[np.argwhere(x > 0.0)[:, 0]]"),
    Entry("np.compress", "np.compress([True, False, True], x, axis=0)", single=ONE_SHAPE),
    Entry("np.extract", "np.extract(x > 0.0, x)", empty=ROWS),
    Entry("np.take_along_axis", "np.take_along_axis(x, np.argsort(x, axis=1), axis=1)", empty=((2, 0),)),
    Entry("np.take_along_axis", "np.take_along_axis(x, np.argsort(y, axis=0)[:2], axis=0)", ((3, 4), (3, 4)), repeated=False),
    Entry("np.take_along_axis", "np.take_along_axis(x, np.argsort(x)[::-1], 0)", ((5,),)),
    Entry("np.ix_", "x[np.ix_([0, 2, 2], [True, False, True, True])]", single=ONE_SHAPE),
    Entry("np.insert", "np.insert(x, 1, 2.0)"),
    Entry("np.insert", "np.insert(x, -1, y)", ((5,), (2,))),
    Entry("np.delete", "np.delete(x, -1, axis=1)"),
    Entry("np.delete", "np.delete(x, 0)", single="nothing is left"),
]
