"""The only place where a derivative is written. Importing this package fills `stagegrad.ops.REGISTRY`."""

from stagegrad.rules import arithmetic, structural

__all__ = ["arithmetic", "structural"]
