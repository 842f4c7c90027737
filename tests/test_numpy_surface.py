"""Every NumPy function that is supported, at every case of its table: values, gradients and gradients of gradients, on both targets.

The tables are in tests/surface. Numba needs two seconds for a gradient, so by default it compiles those of every twelfth function, one
entry each, and the text of the others runs uncompiled; with ``STAGEGRAD_SURFACE=numba`` it compiles the first entry of every function,
with ``STAGEGRAD_SURFACE=full`` every entry, in both widths and both orders, which takes the better part of an hour.
``STAGEGRAD_UPDATE=1`` writes docs/numpy.md anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests import surface
from tests.surface import CASES, Entry, coverage, oracle, program

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "numpy.md"
DEPTH = os.environ.get("STAGEGRAD_SURFACE", "quick")
FULL = DEPTH == "full"
TABLES = surface.tables()
ENTRIES = [entry for table in TABLES.values() for entry in table]
FIRST = list({entry.name: entry for entry in reversed(ENTRIES)}.values())[::-1]

#: (order, dtype) -> the distance from the oracle that an ordinary entry keeps.
NEAR = {
    (0, "float64"): 2e-14, (1, "float64"): 2e-10, (2, "float64"): 2e-7,
    (0, "float32"): 1e-5, (1, "float32"): 5e-5, (2, "float32"): 5e-4,
}  # fmt: skip

every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
ON_NUMBA = [entry for entry in (ENTRIES if FULL else FIRST) if "numba" in entry.targets]


def cases(entry: Entry) -> Iterator[tuple[str, Sequence[surface.Shape]]]:
    """The cases of an entry that have a value."""
    for case in CASES:
        shapes = entry.case(case)
        if case != "strided" and not isinstance(shapes, (str, type)):
            yield case, shapes


def judge(entry: Entry, case: program.Case, args: list[Any], order: int, target: str, dtype: str) -> None:
    """Compares value and derivatives of an order with the oracle's."""
    exact, function = oracle.in_double(args), program.untouched(case.text)
    along = program.directions(args, case) if order == 2 else []
    given = [d for d in along if d is not None]
    value, slopes = program.compiled(case, order, target)(*args, *given)
    if order == 2:
        moves = [None if d is None else np.asarray(d, dtype=np.float64) for d in along]
        wanted = oracle.second(function, exact, moves, entry.pace)
        near(entry, value, oracle.along(function, exact, moves, entry.pace), 1, dtype, "value")
    else:
        near(entry, value, function(*args) if dtype == "float64" else function(*exact), 0, dtype, "value")
        wanted = oracle.gradient(function, exact, entry.pace)
    assert len(slopes) == len(case.wrt)
    for k, slope in zip(case.wrt, slopes, strict=True):
        if isinstance(args[k], np.ndarray):
            assert slope.dtype == args[k].dtype, f"d{case.names[k]} has dtype {slope.dtype}"
        near(entry, slope, wanted[k], order, dtype, f"d{case.names[k]}")


def near(entry: Entry, found: Any, wanted: Any, order: int, dtype: str, what: str) -> None:
    error = oracle.distance(found, wanted)
    assert error <= NEAR[order, dtype] * entry.loose, f"{what} is {found}, should be {wanted}: off by {error:.1e}"


@every_entry
def test_values_and_gradients(entry: Entry) -> None:
    for case, shapes in cases(entry):
        made, args = program.of(entry, shapes, repeated=case == "repeated")
        judge(entry, made, args, 1, "numpy", "float64")


@every_entry
def test_gradients_of_gradients(entry: Entry) -> None:
    if entry.orders < 2:
        pytest.skip("is not differentiated twice")
    for case, shapes in cases(entry):
        made, args = program.of(entry, shapes, repeated=case == "repeated")
        judge(entry, made, args, 2, "numpy", "float64")


@every_entry
def test_32_bits(entry: Entry) -> None:
    if entry.float32:
        pytest.skip(entry.float32)
    made, args = program.of(entry, entry.shapes, "float32")
    judge(entry, made, args, 1, "numpy", "float32")
    if entry.orders > 1:
        judge(entry, made, args, 2, "numpy", "float32")


@every_entry
def test_from_outside(entry: Entry) -> None:
    """The public way in: arrays that are not contiguous, which stay as they are; gradients in memory of their own."""
    made, args = program.of(entry, entry.shapes)
    names = tuple(made.names[k] for k in made.wrt)
    if not names:
        pytest.skip("has no gradient")
    function = stagegrad.compile(program.untouched(made.text), target="python", wrt=names, source=made.text, cache=False)
    given = [surface.strided(a) if isinstance(a, np.ndarray) else a for a in args]
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in given]
    value, slopes = function.value_and_grad(*given)
    wanted_value, wanted = program.compiled(made, 1, "numpy")(*args)
    assert oracle.distance(value, wanted_value) <= NEAR[0, "float64"] * entry.loose
    for slope, expected in zip(slopes, wanted, strict=True):
        assert oracle.distance(slope, expected) <= 1e-12 * entry.loose
        assert not isinstance(slope, np.ndarray) or (slope.flags.c_contiguous and slope.flags.owndata and slope.flags.writeable)
    for array, untouched in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, untouched)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if isinstance(e.empty, type)], ids=lambda entry: entry.title)
def test_empty_arrays_raise_as_in_numpy(entry: Entry) -> None:
    assert isinstance(entry.empty, type)
    made, args = program.of(entry, entry.shapes)
    empty = [np.zeros((0,) * a.ndim, a.dtype) if isinstance(a, np.ndarray) else a for a in args[:-1]]
    with pytest.raises(entry.empty):
        program.untouched(made.text)(*empty, args[-1])
    with pytest.raises(entry.empty):
        program.compiled(made, 1, "numpy")(*empty, args[-1])


@pytest.mark.parametrize("entry", ON_NUMBA, ids=lambda entry: entry.title)
def test_the_text_for_numba(entry: Entry) -> None:
    case, shapes = next(cases(entry))
    made, args = program.of(entry, shapes, repeated=case == "repeated")
    judge(entry, made, args, 1, "uncompiled", "float64")


@pytest.mark.parametrize("entry", ON_NUMBA[:: 12 if DEPTH == "quick" else 1], ids=lambda entry: entry.title)
def test_numba(entry: Entry) -> None:
    for dtype in ("float64", "float32") if FULL and not entry.float32 else ("float64",):
        for order in (1, 2) if FULL and entry.orders > 1 else (1,):
            ranks = None
            for case, shapes in cases(entry):
                made, args = program.of(entry, shapes, dtype, repeated=case == "repeated")
                ranks = ranks or made
                if FULL or made == ranks:  # anything else would be compiled again
                    judge(entry, made, args, order, "numba", dtype)


def test_the_page_is_up_to_date() -> None:
    text = coverage.page(TABLES)
    if os.environ.get("STAGEGRAD_UPDATE") == "1":
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text)
    assert PAGE.exists() and PAGE.read_text() == text, "STAGEGRAD_UPDATE=1 python -m pytest tests/test_numpy_surface.py writes it anew"
