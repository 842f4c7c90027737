"""The only place where a derivative is written. Importing this package fills `stagegrad.ops.REGISTRY`."""

from stagegrad.rules import arithmetic, idioms, integers, kinks, power, rounding, scalar, shapes, special, structural

__all__ = ["arithmetic", "idioms", "integers", "kinks", "power", "rounding", "scalar", "shapes", "special", "structural"]
