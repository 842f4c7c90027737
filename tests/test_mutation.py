"""The mutation check itself: a sample of it, so that it keeps working. All of it is ``python -m tests.mutation``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.mutation.check import ROOT, check
from tests.mutation.mutants import MUTANTS, PASSES, RULES, Mutant

#: Two mutants, each with tests that notice it quickly.
_KINKS = ("tests/test_kinks.py",)
SAMPLE = (
    replace(next(mutant for mutant in RULES if mutant.name == "maximum does not split a tie"), tests=_KINKS),
    replace(next(mutant for mutant in PASSES if mutant.name.startswith("fold")), tests=("tests/test_optimise.py",)),
)


@pytest.mark.parametrize("mutant", SAMPLE, ids=lambda mutant: mutant.name)
def test_a_defect_is_noticed(mutant: Mutant) -> None:
    assert check(mutant).test.startswith(f"{mutant.tests[0]}::")


def test_what_changes_nothing_is_not_noticed() -> None:
    text = (ROOT / "stagegrad" / "version.py").read_text()
    assert not check(Mutant("harmless", "version.py", text, text + "\n", _KINKS)).caught


def test_there_are_ten_of_each() -> None:
    assert (len(RULES), len(PASSES)) == (10, 10)


def test_a_mutant_whose_text_is_gone_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="write the mutant anew"):
        check(replace(RULES[0], old="no such text"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_fits_the_package(mutant: Mutant) -> None:
    assert (ROOT / "stagegrad" / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.new != mutant.old
