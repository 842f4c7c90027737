"""Which tests compile what they make for the numba target: all, but for those that are marked.

A test marked ``uncompiled`` runs the text of the numba target in the interpreter. Of parametrised tests marked ``sampled(n)`` every
n-th compiles, and the others run the text. With STAGEGRAD_PROGRAMS=full all compile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

FULL = os.environ.get("STAGEGRAD_PROGRAMS") == "full"


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marks."""
    config.addinivalue_line("markers", "uncompiled: the interpreter runs the text of the numba target")
    config.addinivalue_line("markers", "sampled(n): every n-th of the parametrised tests compiles, the others are uncompiled")


def compiles(item: pytest.Item) -> bool:
    """Whether a test compiles what it makes for Numba."""
    if FULL:
        return True
    sampled = item.get_closest_marker("sampled")
    return item.get_closest_marker("uncompiled") is None and (sampled is None or _position(item) % sampled.args[0] == 0)


def _position(item: pytest.Item) -> int:
    """Which of the parametrised tests it is, whatever else was chosen to run."""
    names = [mark.args[0] for mark in item.iter_markers("parametrize")]
    indices = item.callspec.indices if hasattr(item, "callspec") else {}
    return sum(indices[re.split(r"[ ,]+", name)[0] if isinstance(name, str) else name[0]] for name in names)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Runs a test, its fixtures included, as its marks say."""
    if compiles(item):
        return (yield)
    from tests.uncompiled import uncompiled

    with uncompiled():
        return (yield)
