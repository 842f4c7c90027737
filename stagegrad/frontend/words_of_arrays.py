"""Loads every module that declares words for NumPy's functions of arrays."""

from __future__ import annotations

from stagegrad.frontend import (
    numpy_words,
    words_arranging,
    words_composed,
    words_creation,
    words_elementwise,
    words_linalg,
    words_missing,
    words_picking,
    words_polynomials,
    words_products,
    words_reductions,
    words_scipy_linalg,
    words_shaping,
)

__all__ = [
    "numpy_words",
    "words_arranging",
    "words_composed",
    "words_creation",
    "words_elementwise",
    "words_linalg",
    "words_missing",
    "words_picking",
    "words_polynomials",
    "words_products",
    "words_reductions",
    "words_scipy_linalg",
    "words_shaping",
]
