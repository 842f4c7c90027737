"""Runs a part of the suite on a copy of the project with one defect in it, and says which test noticed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant

#: Without compiling, which takes long, and without comparing texts: a mutant must be caught by its numbers.
_CHOSEN = "not numba and not test_text_is_what_the_compiler_writes"
ROOT = Path(__file__).parent.parent.parent
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
#: pytest's exit codes: all passed; some test failed. Anything else means that it could not run.
_PASSED, _CAUGHT = 0, 1


@dataclass(frozen=True)
class Finding:
    """What became of a mutant: the test that failed first, or "" where none did."""

    mutant: Mutant
    test: str

    @property
    def caught(self) -> bool:
        """Whether a test failed."""
        return bool(self.test)


def check(mutant: Mutant) -> Finding:
    """Breaks a copy of the package and runs the mutant's tests on it until one fails."""
    with copied_project() as folder:
        _break(folder, mutant)
        code, output = run_tests(folder, mutant.tests)
    if code not in (_PASSED, _CAUGHT):
        raise RuntimeError(f"{mutant.name}: the tests could not be run:\n{output}")
    failed = _FAILED.search(output)
    return Finding(mutant, failed[1] if failed is not None and code == _CAUGHT else "")


def require_sound(files: tuple[str, ...]) -> None:
    """Raises RuntimeError unless the tests pass as long as nothing is broken: only then does a failure mean anything."""
    with copied_project() as folder:
        code, output = run_tests(folder, files)
    if code != _PASSED:
        raise RuntimeError(f"the tests fail although nothing is broken:\n{output}")


@contextmanager
def copied_project() -> Iterator[Path]:
    """A copy of the package and its tests in a folder of its own, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="stagegrad-mutant-") as name:
        folder = Path(name)
        for part in ("stagegrad", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        yield folder


def _break(folder: Path, mutant: Mutant) -> None:
    path = folder / "stagegrad" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise RuntimeError(f"{mutant.name}: {mutant.old!r} is {text.count(mutant.old)} times in {mutant.file}; write the mutant anew")
    path.write_text(text.replace(mutant.old, mutant.new))


def run_tests(folder: Path, files: tuple[str, ...]) -> tuple[int, str]:
    """pytest on some files of a copy, in plain Python and up to the first failure: its exit code and its output."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-k",
        _CHOSEN,
        "-rfE",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *files,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment.update(PYTHONPATH=str(folder), STAGEGRAD_CACHE_DIR=str(folder / "cache"), STAGEGRAD_POINTS="200")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr
