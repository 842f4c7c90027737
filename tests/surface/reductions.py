"""Sums, products, extrema, moments and counts along axes."""

from __future__ import annotations

from tests.surface import Entry

ENTRIES = [
    Entry("np.sum", "np.sum(x)", empty=((0, 3),)),
    Entry("np.sum", "np.sum(x, axis=0)", empty=((0, 3),)),
    Entry("np.sum", "np.sum(x, axis=(0, -1), keepdims=True)", ((2, 3, 2),), empty=((2, 0, 3),)),
    Entry("np.sum", "x.sum(axis=-1, keepdims=True)", empty=((3, 0),)),
]
