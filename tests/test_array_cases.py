"""Case files of array programs: the user's function, and the generated text for each target.

As `test_cases`, for functions that are compiled for the arguments that they are called with. ``STAGEGRAD_UPDATE=1`` rewrites the files.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np
import pytest

import stagegrad
from stagegrad import Staged
from tests.complex_step import differences
from tests.test_cases import MARK, split, user_names

CASES = sorted(pathlib.Path(__file__).parent.joinpath("cases", "arrays").glob("*.py"))
TARGETS = ("numpy", "numba")


def staged(path: pathlib.Path, target: Any) -> tuple[Staged[..., Any], list[tuple[Any, ...]]]:
    """The function of a case file, compiled for a target, and its arguments."""
    user, _ = split(path)
    names = user_names(path, user)
    made = stagegrad.compile(names.f, target=target, wrt=getattr(names, "WRT", None), source=user.partition("\nWRT")[0], cache=False)
    return made, names.CASES


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_text_is_what_the_compiler_writes(path: pathlib.Path) -> None:
    made, cases = staged(path, "numpy")
    made.build_for(*cases[0])
    written = {target: made.source(target) for target in TARGETS}
    user, texts = split(path)
    if os.environ.get("STAGEGRAD_UPDATE") == "1":
        path.write_text(user.rstrip("\n") + "\n" + "".join(f"\n{MARK}{target}\n{text}" for target, text in written.items()))
    else:
        assert written == texts


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_text_computes_the_value_and_the_gradient(path: pathlib.Path, target: str) -> None:
    made, cases = staged(path, target)
    user, _ = split(path)
    names = user_names(path, user)
    wrt = getattr(names, "WRT", None)
    for arguments in cases:
        value, found = made.value_and_grad(*arguments)
        np.testing.assert_allclose(value, names.f(*arguments), rtol=1e-13)
        slopes = differences(names.f, arguments)
        chosen = [k for k, name in enumerate(made.__signature__.parameters) if wrt is None or name in wrt]
        every = [k for k, argument in enumerate(arguments) if isinstance(argument, (float, np.ndarray))]
        starts = np.cumsum([0, *(np.size(arguments[k]) for k in every)])
        for gradient, k in zip(found, chosen, strict=True):
            place = every.index(k)
            true = slopes[starts[place] : starts[place + 1]]
            np.testing.assert_allclose(np.ravel(gradient), true, rtol=1e-8, atol=1e-9)
