"""Python's and NumPy's functions that are operations of the IR, found by the objects themselves."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

from stagegrad.ir import Attr


@dataclass(frozen=True)
class Word:
    """A function that is one operation; `floats` turns int arguments into floats first, as the function does."""

    op: str
    attrs: tuple[tuple[str, Attr], ...] = ()
    floats: bool = False


_MATH_NAMES = """
    sqrt cbrt exp exp2 expm1 log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh atan2 copysign
    erf erfc gamma lgamma fmod remainder degrees radians isnan isinf isfinite
"""
_MATH = {name: name for name in _MATH_NAMES.split()} | {"fabs": "abs", "pow": "pow"}
_MATH_FLOATS = frozenset({"fabs", "pow"})

_NUMPY_NAMES = """
    sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh hypot copysign fmod degrees radians
    isnan isinf isfinite logaddexp maximum minimum sign floor ceil trunc rint square
"""
_NUMPY = {name: name for name in _NUMPY_NAMES.split()} | {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "arctan2": "atan2", "absolute": "abs", "abs": "abs", "fabs": "abs", "rad2deg": "degrees", "deg2rad": "radians",
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "floor_divide": "floordiv",
    "mod": "mod", "remainder": "mod", "negative": "neg", "power": "pow", "reciprocal": "reciprocal",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq", "not_equal": "ne",
    "clip": "clip", "where": "where", "float64": "to_float",
}  # fmt: skip
_NUMPY_FLOATS = frozenset({"fabs", "power", "reciprocal", "floor", "ceil", "trunc", "rint", "sign"})
#: Operators: their NumPy spelling means what Python's means, save that division by zero does not raise.
_PLAIN = frozenset({"add", "sub", "mul", "neg", "lt", "le", "gt", "ge", "eq", "ne", "abs"})

_SCIPY = {
    "expit": "logistic", "erf": "erf", "erfc": "erfc", "gamma": "gamma", "gammaln": "lgamma", "digamma": "digamma", "psi": "digamma",
    "xlogy": "xlogy", "log1p": "log1p", "expm1": "expm1", "xlog1py": "xlog1py", "logit": "logit", "ndtr": "ndtr", "log_ndtr": "log_ndtr",
    "betaln": "betaln", "ndtri": "ndtri", "erfinv": "erfinv", "erfcinv": "erfcinv", "entr": "entr", "rel_entr": "rel_entr",
    "kl_div": "kl_div",
}  # fmt: skip

#: SciPy's gamma functions are infinite or nan where those of `math` raise.
_BY_SCIPY = (("lib", "numpy"),)


def find(thing: object) -> Word | None:
    """The operation that a live function is, or None."""
    try:
        return _words(sys.modules.get("numpy"), sys.modules.get("scipy.special")).get(thing)
    except TypeError:  # not hashable
        return None


@lru_cache(maxsize=4)
def _words(numpy: ModuleType | None, special: ModuleType | None) -> dict[object, Word]:
    """The functions of `math` and of the modules that the program has imported itself."""
    found = {getattr(math, name): Word(op, (), name in _MATH_FLOATS) for name, op in _MATH.items() if name in vars(math)}
    if numpy is not None:
        for name, op in _NUMPY.items():
            attrs = () if op in _PLAIN else (("lib", "numpy"),)
            found[getattr(numpy, name)] = Word(op, attrs, name in _NUMPY_FLOATS)
    if special is not None:
        found.update({getattr(special, name): Word(op, _BY_SCIPY if op in ("gamma", "lgamma") else ()) for name, op in _SCIPY.items()})
    return found
