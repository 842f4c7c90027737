"""Sums, products, extrema, moments and counts along axes; order; interpolation and convolution; sums of exponentials."""

from __future__ import annotations

from tests.surface import Entry

CUBE = ((2, 3, 2),)
VECTOR = ((5,),)
ROWS = ((0, 3),)

SUMS = [
    Entry("np.sum", "np.sum(x)", empty=ROWS),
    Entry("np.sum", "np.sum(x, axis=0)", empty=ROWS),
    Entry("np.sum", "np.sum(x, axis=(0, -1), keepdims=True)", CUBE, empty=((2, 0, 3),)),
    Entry("np.sum", "x.sum(axis=-1, keepdims=True)", empty=((3, 0),)),
    Entry("np.mean", "np.mean(x)"),
    Entry("np.mean", "np.mean(x, axis=-2)", CUBE),
    Entry("np.mean", "x.mean(axis=(0, 2), keepdims=True)", CUBE, empty=((2, 0, 3),)),
    Entry("np.prod", "np.prod(x)", empty=ROWS),
    Entry("np.prod", "np.prod(x, axis=1)", CUBE, empty=((2, 0, 3),)),
    Entry("np.prod", "x.prod(axis=(0, 2))", CUBE),
    Entry("np.prod", "np.prod(x, axis=0, keepdims=True)", empty=ROWS),
    Entry("np.var", "np.var(x)"),
    Entry("np.var", "np.var(x, axis=0, ddof=1, keepdims=True)", single=((2, 1),)),
    Entry("np.var", "x.var(axis=(0, 2), ddof=1)", CUBE, single=((2, 1, 1),)),
    Entry("np.std", "np.std(x)", single="a single number deviates by nothing"),
    Entry("np.std", "x.std(axis=-1)", single="a single number deviates by nothing"),
    Entry("np.std", "np.std(x, axis=(0, 2), keepdims=True)", CUBE, single="a single number deviates by nothing"),
    Entry("np.average", "np.average(x)"),
    Entry("np.average", "np.average(x, weights=y)", ((3, 4), (3, 4)), ("normal", "positive")),
    Entry("np.average", "np.average(x, axis=1, weights=y)", ((3, 4), (4,)), ("normal", "positive")),
    Entry("np.average", "np.average(x, axis=0, weights=y)", ((4, 3), (4, 3)), ("normal", "positive")),
    Entry("np.cumsum", "np.cumsum(x)", empty=ROWS),
    Entry("np.cumsum", "np.cumsum(x, axis=0)", empty=ROWS),
    Entry("np.cumsum", "x.cumsum()", VECTOR, empty=((0,),)),
    Entry("np.cumprod", "np.cumprod(x)", VECTOR, empty=((0,),)),
    Entry("np.cumprod", "x.cumprod(axis=1)", CUBE, empty=((2, 0, 3),)),
    Entry("np.diff", "np.diff(x)", empty=((2, 0),)),
    Entry("np.diff", "np.diff(x, axis=0)"),
    Entry("np.diff", "np.diff(x, n=2, axis=1)", CUBE, single=((1, 2, 1),)),
]
EXTREMA = [
    Entry("np.max", "np.max(x)", empty=ValueError),
    Entry("np.max", "x.max(axis=0)", empty=((3, 0),)),
    Entry("np.max", "np.amax(x, axis=(0, 2), keepdims=True)", CUBE),
    Entry("np.min", "np.min(x)", empty=ValueError),
    Entry("np.min", "x.min(axis=-1, keepdims=True)", empty=ROWS),
    Entry("np.min", "np.amin(x, axis=(0, 1))", CUBE),
    Entry("np.ptp", "np.ptp(x)", empty=ValueError),
    Entry("np.ptp", "np.ptp(x, axis=1)"),
    Entry("np.argmax", "np.argmax(x)", orders=0, empty=ValueError),
    Entry("np.argmax", "x.argmax(axis=1)", orders=0),
    Entry("np.argmin", "np.argmin(x, axis=0, keepdims=True)", orders=0),
    Entry("np.any", "np.any(x > 0.5)", orders=0, empty=ROWS),
    Entry("np.any", "(x > 0.5).any(axis=0)", orders=0, empty=ROWS),
    Entry("np.all", "np.all(x > -1.5, axis=1)", orders=0, empty=ROWS),
    Entry("np.count_nonzero", "np.count_nonzero(x > 0.5)", orders=0, empty=ROWS),
    Entry("np.count_nonzero", "np.count_nonzero(x > 0.5, axis=(0, 2))", CUBE, orders=0, empty=((2, 0, 3),)),
]
ORDER = [
    Entry("np.sort", "np.sort(x)", empty=((2, 0),)),
    Entry("np.sort", "np.sort(x, axis=0)"),
    Entry("np.sort", "np.sort(x, axis=None)"),
    Entry("np.argsort", "np.argsort(x)", VECTOR, orders=0, empty=((0,),)),
    Entry("np.argsort", "x.argsort(axis=1, kind='stable')", CUBE, orders=0),
    Entry("np.median", "np.median(x)"),
    Entry("np.median", "np.median(x, axis=0)", ((4, 3),)),
    Entry("np.median", "np.median(x, axis=1, keepdims=True)", CUBE),
    Entry("np.quantile", "np.quantile(x, 0.3)"),
    Entry("np.quantile", "np.quantile(x, 0.75, axis=1)"),
    Entry("np.percentile", "np.percentile(x, 30, axis=0, keepdims=True)", ((4, 3),)),
    Entry("np.searchsorted", "np.searchsorted(x, y)", ((5,), (2, 3)), ("rising", "positive"), orders=0, empty=((0,), (0, 2))),
    Entry("np.searchsorted", "np.searchsorted(x, y, side='right')", ((5,), ()), ("rising", "positive"), orders=0),
    Entry("np.digitize", "np.digitize(x, y)", ((2, 3), (5,)), ("positive", "rising"), orders=0),
    Entry("np.bincount", "np.bincount(x)", ((6,),), ("below:4",), orders=0),
    Entry("np.bincount", "np.bincount(x, weights=y, minlength=6)", ((6,), (6,)), ("below:4", "normal")),
    Entry("np.histogram", "np.histogram(x, bins=4, range=(0.0, 2.0))[0]", VECTOR, ("positive",), orders=0),
    Entry("np.histogram", "np.histogram(x, y)[0]", ((2, 3), (4,)), ("positive", "rising"), orders=0, single=((1, 1), (2,))),
]
PAIRS = [
    Entry("np.interp", "np.interp(x, y, z)", ((2, 3), (4,), (4,)), ("positive", "rising", "normal"), single=((1, 1), (2,), (2,)), step=5e-4,
          note="at a knot the slope is that of the piece on its right"),
    Entry("np.interp", "np.interp(x, y, z)", ((), (4,), (4,)), ("positive", "rising", "normal"), single=((), (2,), (2,))),
    Entry("np.convolve", "np.convolve(x, y)", ((5,), (3,))),
    Entry("np.convolve", "np.convolve(x, y, 'same')", ((4,), (4,))),
    Entry("np.convolve", "np.convolve(x, y, mode='valid')", ((3,), (5,))),
    Entry("np.correlate", "np.correlate(x, y)", ((5,), (3,))),
    Entry("np.correlate", "np.correlate(x, y, 'same')", ((3,), (6,))),
    Entry("np.correlate", "np.correlate(x, y, 'full')", ((4,), (4,))),
]
EXPONENTIALS = [
    Entry("scipy.special.logsumexp", "special.logsumexp(x)"),
    Entry("scipy.special.logsumexp", "special.logsumexp(x, axis=1, keepdims=True)", empty="its value is -inf"),
    Entry("scipy.special.logsumexp", "special.logsumexp(x, axis=(0, 2))", CUBE),
    Entry("scipy.special.softmax", "special.softmax(x)"),
    Entry("scipy.special.softmax", "special.softmax(x, axis=-1)"),
    Entry("scipy.special.log_softmax", "special.log_softmax(x, axis=0)"),
    Entry("scipy.special.log_softmax", "special.log_softmax(x)"),
]
PAIR = ((2, 3), (2, 3))
SPREAD = ((2, 3), (3,))
SPECIAL = [
    Entry("scipy.special.erf", "special.erf(x)", empty=ROWS),
    Entry("scipy.special.erfc", "special.erfc(x)", empty=ROWS),
    Entry("scipy.special.expit", "special.expit(x)", fills=("wide",), empty=ROWS),
    Entry("scipy.special.expit", "special.expit(x)", ((),)),
    Entry("scipy.special.logit", "special.logit(x)", fills=("unit",), step=5e-4, empty=ROWS),
    Entry("scipy.special.gammaln", "special.gammaln(x)", fills=("above 1",), empty=ROWS),
    Entry("scipy.special.digamma", "special.digamma(x)", fills=("above 1",), empty=ROWS),
    Entry("scipy.special.xlogy", "special.xlogy(x, y)", PAIR, ("positive",), broadcast=SPREAD, empty=((0, 3), (0, 3))),
    Entry("scipy.special.xlog1py", "special.xlog1py(x, y)", PAIR, ("positive",), broadcast=SPREAD, empty=((0, 3), (0, 3))),
    Entry("scipy.special.xlog1py", "special.xlog1py(x, y)", ((), ()), ("positive",)),
    Entry("scipy.special.ndtr", "special.ndtr(x)", fills=("wide",), empty=ROWS),
    Entry("scipy.special.ndtr", "special.ndtr(x)", ((),)),
    Entry("scipy.special.log_ndtr", "special.log_ndtr(x)", fills=("wide",), empty=ROWS),
    Entry("scipy.special.log_ndtr", "special.log_ndtr(x)", ((),)),
    Entry("scipy.special.betaln", "special.betaln(x, y)", PAIR, ("positive",), broadcast=SPREAD, step=1e-3, empty=((0, 3), (0, 3))),
]
ENTRIES = [*SUMS, *EXTREMA, *ORDER, *PAIRS, *EXPONENTIALS, *SPECIAL]
