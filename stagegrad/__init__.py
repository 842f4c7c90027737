"""Your function's backward pass: as code you can read, at native speed, with a proof.

@stagegrad.compile
def f(x: float, y: float) -> float:
    return (x + math.exp(y)) / (x * x + 1.0)

f(3.0, -4.0)                        the value, compiled
f.value_and_grad(3.0, -4.0)         (f, (df/dx, df/dy))
print(f.source())                   the code that computes them
f.prove()                           the proof that it does

stagegrad.formula("x * sin(y)")     the same for a formula
stagegrad.grad(f)                   the gradient as a function, which has a gradient, too
stagegrad.gate                      makes a function of your own one stage, with a slope that you may state
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stagegrad.version import __version__

if TYPE_CHECKING:
    from stagegrad.errors import (
        ArgumentError,
        CacheError,
        FormulaError,
        MemoryLimitError,
        MissingPackageError,
        NameChoiceError,
        StagegradError,
        StagegradSourceError,
        UnsupportedError,
    )
    from stagegrad.gates import gate
    from stagegrad.making import compile, formula, grad, value_and_grad
    from stagegrad.staged import Staged

__all__ = [
    "ArgumentError",
    "CacheError",
    "FormulaError",
    "MemoryLimitError",
    "MissingPackageError",
    "NameChoiceError",
    "Staged",
    "StagegradError",
    "StagegradSourceError",
    "UnsupportedError",
    "__version__",
    "compile",
    "formula",
    "gate",
    "grad",
    "value_and_grad",
]

# Everything is imported when it is first used, so that a program that only might use stagegrad starts as fast as without it.
_LATER = {name: "stagegrad.errors" for name in __all__ if name.endswith("Error")}
_LATER |= dict.fromkeys(("compile", "formula", "grad", "value_and_grad"), "stagegrad.making")
_LATER |= {"Staged": "stagegrad.staged", "gate": "stagegrad.gates"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_LATER[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
