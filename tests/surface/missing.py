"""Functions that leave nan out: sums and products, moments, extremes and medians of what is left."""

from __future__ import annotations

import numpy as np

from tests.surface import Array, Entry, Shape

ROWS = ((0, 3),)
CUBE = ((2, 3, 4),)
FEW = "a single number deviates by nothing"


def with_gaps(rng: np.random.Generator, shape: Shape) -> Array:
    """Numbers, every third of which is nan."""
    found = rng.normal(size=shape)
    found.reshape(-1)[1::3] = np.nan
    return found


GAPS = (with_gaps,)
ENTRIES = [
    Entry("np.nansum", "np.nansum(x)", fills=GAPS, empty=ROWS),
    Entry("np.nansum", "np.nansum(x, axis=0, keepdims=True)", fills=GAPS, empty=ROWS),
    Entry("np.nanprod", "np.nanprod(x)", fills=GAPS, empty=ROWS),
    Entry("np.nanprod", "np.nanprod(x, axis=(0, 2))", CUBE, fills=GAPS),
    Entry("np.nancumsum", "np.nancumsum(x, axis=1)", fills=GAPS, empty=ROWS),
    Entry("np.nancumprod", "np.nancumprod(x)", fills=GAPS, empty=ROWS),
    Entry("np.nanmean", "np.nanmean(x)", fills=GAPS),
    Entry("np.nanmean", "np.nanmean(x, axis=1)", fills=GAPS),
    Entry("np.nanvar", "np.nanvar(x)", fills=GAPS),
    Entry("np.nanvar", "np.nanvar(x, axis=(0, 2), ddof=1, keepdims=True)", CUBE, fills=GAPS, single=FEW),
    Entry("np.nanstd", "np.nanstd(x, axis=1)", fills=GAPS, single=FEW),
    Entry("np.nanstd", "np.nanstd(x, ddof=1)", fills=GAPS, single=FEW),
    Entry("np.nanmax", "np.nanmax(x)", fills=GAPS, empty=ValueError),
    Entry("np.nanmax", "np.nanmax(x, axis=1, keepdims=True)", fills=GAPS),
    Entry("np.nanmin", "np.nanmin(x, axis=(0, 2))", CUBE, fills=GAPS),
    Entry("np.nanmin", "np.nanmin(x)", fills=GAPS, empty=ValueError),
    Entry("np.nanargmax", "np.nanargmax(x, axis=1)", fills=GAPS, orders=0),
    Entry("np.nanargmin", "np.nanargmin(x)", fills=GAPS, orders=0),
    Entry("np.nanmedian", "np.nanmedian(x)", fills=GAPS),
    Entry("np.nanmedian", "np.nanmedian(x, axis=1)", CUBE, fills=GAPS),
]
