"""Your function's backward pass: as code you can read, at native speed, with a proof."""

from stagegrad.version import __version__

__all__ = ["__version__"]
