"""The only place where a derivative is written. Importing this package fills `stagegrad.ops.REGISTRY`."""

from stagegrad.rules import arithmetic, integers, kinks, power, rounding, scalar, special, structural

__all__ = ["arithmetic", "integers", "kinks", "power", "rounding", "scalar", "special", "structural"]
