"""LLVM says of each kind of kernel that its loops become vector instructions, every one of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vector_kernels import GATHERED, KERNELS

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def remarks() -> dict[str, str]:
    """What LLVM says of each kernel. The remarks must be asked for before anything is compiled: a process of its own compiles them."""
    command = [sys.executable, "-m", "tests.vector_kernels"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    parts = re.split(r"^== (.*)$", done.stderr, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("title", KERNELS)
def test_every_loop_becomes_vector_instructions(title, remarks):
    assert "loop not vectorized" not in remarks[title] and "vectorized loop (" in remarks[title], remarks[title]


@pytest.mark.parametrize("title", GATHERED)
def test_a_gathered_stencil_becomes_vector_instructions(title, remarks):
    assert "unsafe dependent memory operations" not in remarks[title] and "vectorized loop (" in remarks[title], remarks[title]


def test_float32_has_twice_the_lanes(remarks):
    lanes = {title: int(re.search(r"vectorization width: (\d+)", remarks[title])[1]) for title in ("one pass", "float32")}
    assert lanes["float32"] == 2 * lanes["one pass"]
