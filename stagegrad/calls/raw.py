"""Numba's functions themselves, for those who compile their own code around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stagegrad.frontend.specs import Types
from stagegrad.pipeline import Build


class NumbaFunctions:
    """The compiled functions of a `Staged`, raw: no conversion, no check, no exception at the user's line.

    Bind one to a name and call it from your own ``@njit`` code: ``vg = f.numba.value_and_grad``. Each is compiled for one list of types;
    `types` chooses it where the function has several. A container is given leaf by leaf, and arrays must be contiguous. If your code is
    itself compiled with ``cache=True``, Numba does not notice when `f` changes.
    """

    def __init__(self, build: Callable[[], Build], made: Callable[[Types], Build]) -> None:
        self._build, self._made = build, made

    def types(self, **types: Any) -> NumbaFunctions:
        """The functions for arguments of these types: ``f.numba.types(x="float64[:, :]", n="int64").value_and_grad``."""
        return NumbaFunctions(lambda: self._made(types), self._made)

    @property
    def value(self) -> Callable[..., Any]:
        """The plain function."""
        return self._build().loaded("value", "numba").function

    @property
    def grad(self) -> Callable[..., Any]:
        """The gradient: what it is for one parameter, or a tuple."""
        return self._build().loaded("grad", "numba").function

    @property
    def value_and_grad(self) -> Callable[..., Any]:
        """The value and the gradient."""
        return self._build().loaded("value_and_grad", "numba").function

    @property
    def value_and_grad_into(self) -> Callable[..., Any]:
        """The value and the gradient; takes an array for each array of the gradient behind the arguments, and writes to it."""
        return self._build().into_loaded().function

    @property
    def map(self) -> Callable[..., Any]:
        """The loop over points: takes an array of one dimension for each parameter, and behind them for the value and each gradient."""
        return self._build().map_loaded("value_and_grad", None, frozenset()).function
