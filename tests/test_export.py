"""Exported files run where stagegrad is not installed, and give the same numbers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stagegrad
from stagegrad.export import FOLDER, export, standalone

_WITHOUT_US = """
import sys
sys.modules["stagegrad"] = None  # must not be imported
sys.path.insert(0, {folder!r})
import numpy as np
from exported import {entry}
value, grad = {entry}(np.linspace(-2.0, 2.0, 33))
print(repr(float(value)), repr(float(np.sum(grad))))
"""


def energy(x):
    s = 0.0
    for i in range(len(x)):
        s += np.exp(-x[i]) * np.sin(x[i]) + np.tanh(x[i])
    return s


@pytest.fixture(scope="module")
def staged():
    return stagegrad.compile(energy, types={"x": "float64[:]"}, target="numba", cache=False)


def test_a_file_with_kernels_runs_without_us(staged, tmp_path: Path):
    text = staged.source(answer="value_and_grad")
    assert "kernels.exp" in text
    written = export(text, tmp_path / "exported.py")
    assert written == (tmp_path / "exported.py", tmp_path / FOLDER)
    code = _WITHOUT_US.format(folder=str(tmp_path), entry="energy_value_and_grad")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200).stdout.split()
    value, grad = staged.value_and_grad(np.linspace(-2.0, 2.0, 33))
    assert [float(word) for word in found] == [value, float(np.sum(grad))]


def test_a_file_without_kernels_stands_alone(tmp_path: Path):
    text = stagegrad.formula("x * sin(y)", target="python").source()
    assert export(text, tmp_path / "exported.py") == (tmp_path / "exported.py",)
    assert (tmp_path / "exported.py").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["exported.py"]


def test_all_ways_to_import_kernels_are_turned_to_the_copy():
    text = "from stagegrad import kernels\nfrom stagegrad.kernels import lapack\nfrom stagegrad.kernels.loops import plus\n"
    assert standalone(text) == f"import {FOLDER} as kernels\nfrom {FOLDER} import lapack\nfrom {FOLDER}.loops import plus\n"


def test_nothing_in_the_kernels_names_the_package_that_they_are_in():
    for path in (Path(stagegrad.__file__).parent / "kernels").glob("*.py"):
        named = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, (ast.Import, ast.ImportFrom))]
        modules = [getattr(node, "module", None) or "" for node in named] + [alias.name for node in named for alias in node.names]
        assert not [module for module in modules if module.split(".")[0] == "stagegrad"], path
