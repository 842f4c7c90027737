"""Polynomials: values, slopes, integrals and sums, powers side by side, and the fit of points."""

from __future__ import annotations

from tests.surface import Entry
from tests.surface.composed import rising

VECTORS = ((4,), (2, 3))
WIDE = "the result has 64 bits"
COEFFICIENTS = "a polynomial has coefficients"

ENTRIES = [
    Entry("np.polyval", "np.polyval(x, y)", VECTORS, empty=((0,), (2, 3))),
    Entry("np.polyder", "np.polyder(x)", ((5,),), float32=WIDE),
    Entry("np.polyint", "np.polyint(x, k=0.5)", ((5,),), empty=((0,),), float32=WIDE),
    Entry("np.polyadd", "np.polyadd(x, y)", ((3,), (5,)), empty=((0,), (2,)), float32=WIDE),
    Entry("np.polysub", "np.polysub(x, y)", ((3,), (3,)), float32=WIDE),
    Entry("np.vander", "np.vander(x)", ((4,),), float32=WIDE),
    Entry("np.vander", "np.vander(x, 3, increasing=True)", ((4,),), empty=((0,),), float32=WIDE),
    Entry(
        "np.polyfit",
        "np.polyfit(x, y, 2)",
        ((6,), (6,)),
        (rising, "normal"),
        single="three points at least",
        float32=WIDE,
        loose=100.0,
        repeated=False,
    ),
    Entry("np.polynomial.polynomial.polyval", "np.polynomial.polynomial.polyval(y, x)", VECTORS),
    Entry("np.polynomial.chebyshev.chebval", "np.polynomial.chebyshev.chebval(y, x)", VECTORS),
    Entry("np.polynomial.chebyshev.chebval", "np.polynomial.chebyshev.chebval(y, x)", ((2,), ())),
    Entry("np.polynomial.legendre.legval", "np.polynomial.legendre.legval(y, x)", VECTORS),
]
