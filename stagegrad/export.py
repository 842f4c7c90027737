"""Text -> files that run where stagegrad is not installed: a generated module, and beside it what it calls of `stagegrad.kernels`."""

from __future__ import annotations

import re
from pathlib import Path

#: The folder of the copy. Not ``stagegrad``: an installed stagegrad must not be hidden by it.
FOLDER = "stagegrad_kernels"
_OURS = re.compile(r"^from stagegrad import kernels$", re.MULTILINE)
_PART_OF_OURS = re.compile(r"^from stagegrad\.kernels\b", re.MULTILINE)


def standalone(text: str) -> str:
    """A generated module that imports the copy: ``from stagegrad import kernels`` -> ``import stagegrad_kernels as kernels``."""
    return _PART_OF_OURS.sub(f"from {FOLDER}", _OURS.sub(f"import {FOLDER} as kernels", text))


def export(text: str, path: Path) -> tuple[Path, ...]:
    """Writes a generated module to a file, with a copy of the kernels in a folder beside it if it needs them; returns what it wrote.

    Raises OSError where that cannot be written.
    """
    changed = standalone(text)
    path.write_text(changed, encoding="utf-8")
    if changed == text:
        return (path,)
    folder = path.parent / FOLDER
    folder.mkdir(exist_ok=True)
    for source in sorted(Path(__file__).with_name("kernels").glob("*.py")):
        (folder / source.name).write_bytes(source.read_bytes())
    return path, folder
