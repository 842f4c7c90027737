"""The larger and the smaller of two numbers, as instructions that a loop can keep a vector of."""

from __future__ import annotations

from .lane import Lane


def maximum(x: Lane, y: Lane) -> Lane:
    """The larger number, nan where either is (IEEE 754-2019)."""
    return x.call("llvm.maximum", y)


def minimum(x: Lane, y: Lane) -> Lane:
    """The smaller number, nan where either is (IEEE 754-2019)."""
    return x.call("llvm.minimum", y)
