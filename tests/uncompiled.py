"""The numba target's text without Numba: the interpreter runs a program's functions, and Numba compiles only the kernels that they call.

Compiling a program takes a hundred times as long as running its text once. What the text computes is tested either way; that Numba
can type it, and that its machine code computes the same, only where it is compiled.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numba
import pytest

from stagegrad import runtime
from stagegrad.kernels.spread import vectorize

__all__ = ["interpreted", "njit", "prange", "uncompiled", "vectorize"]

prange = range


def njit(function: Callable[..., Any] | None = None, **_options: Any) -> Any:
    """What stands for Numba's decorator in the text: the function stays as it is."""
    return function or njit


def interpreted(text: str) -> str:
    """The text with names of this module in place of Numba's."""
    return re.sub(r"^from numba import", f"from {__name__} import", text, flags=re.MULTILINE)


@contextmanager
def uncompiled() -> Iterator[None]:
    """Within it, what is made for the numba target is not compiled, and what was compiled before is not taken.

    ``numba.config.DISABLE_JIT`` would not do in a process that compiles other programs: it breaks kernels that are compiled meanwhile.
    """
    switched_off = SimpleNamespace(config=SimpleNamespace(DISABLE_JIT=1), __version__=numba.__version__)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is faster on contiguous arrays", numba.core.errors.NumbaPerformanceWarning)
        patch.setattr(runtime, "_numba", lambda: switched_off)
        patch.setattr(runtime, "_interpreted", interpreted)
        patch.setattr(runtime, "_ready", {})
        yield
