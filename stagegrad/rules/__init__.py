"""The only place where a derivative is written. Importing this package fills `stagegrad.ops.REGISTRY`."""

from stagegrad.rules import (
    arithmetic,
    creation,
    idioms,
    integers,
    kinks,
    linalg,
    power,
    products,
    reductions,
    rounding,
    scalar,
    shapes,
    shaping,
    special,
    structural,
)

__all__ = [
    "arithmetic",
    "creation",
    "idioms",
    "integers",
    "kinks",
    "linalg",
    "power",
    "products",
    "reductions",
    "rounding",
    "scalar",
    "shapes",
    "shaping",
    "special",
    "structural",
]
