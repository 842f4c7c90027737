"""The laws of `ir_laws` over 40 random modules (160 with STAGEGRAD_PROGRAMS=full), and what only a process or a linter can see."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stagegrad.emit import write
from stagegrad.ir import Module
from stagegrad.names import name_stages
from stagegrad.passes.optimise import simplify
from stagegrad.reverse import reverse
from stagegrad.runtime import without_disk_cache
from tests import ir_laws, random_ir
from tests.uncompiled import interpreted

ROOT = Path(__file__).parent.parent
FULL = os.environ.get("STAGEGRAD_PROGRAMS") == "full"


@pytest.mark.parametrize("law", ir_laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("first", range(0, 160 if FULL else 40, 20))
def test_law(law: Callable[[Module, Sequence[Any], int], None], first: int) -> None:
    for seed in range(first, first + 20):
        ir_laws.hold(seed, [law], **ir_laws.sized(seed))


@pytest.mark.parametrize(("seed", "is_compiled"), [*((seed, False) for seed in range(20)), *((seed, True) for seed in range(0, 20, 5))])
def test_numba_computes_what_the_interpreter_computes(seed: int, is_compiled: bool) -> None:
    """Compiled code rounds as Python does in all but the last place of functions such as exp."""
    module = random_ir.module(seed, size=4, depth=2)
    adjoint = simplify(reverse(name_stages(module), random_ir.float_positions(module)))
    source = write(adjoint, "numba")
    text = without_disk_cache(source.text) if is_compiled else interpreted(source.text)
    compiled, plain = ir_laws.run(replace(source, text=text)), ir_laws.executed(adjoint)
    for turn in range(3):
        arguments = random_ir.arguments(module, seed + turn)
        assert ir_laws.flattened(compiled(*arguments)) == pytest.approx(ir_laws.flattened(plain(*arguments)), rel=1e-12, abs=1e-12)


@cache
def adjoint_text(seed: int) -> str:
    """The text of the adjoint of a random module."""
    module = random_ir.module(seed, **ir_laws.sized(seed))
    return write(simplify(reverse(name_stages(module), random_ir.float_positions(module))), "python").text


def test_no_adjoint_assigns_what_nobody_reads(tmp_path: Path) -> None:
    """A call alone may stay for its sake: it may raise, and what it gives keeps the user's word."""
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff reads the text here; it comes with the extra [lint], and .ci/run runs this test again with it")
    for seed in range(150):
        (tmp_path / f"adjoint_{seed}.py").write_text(adjoint_text(seed))
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", "--output-format", "json", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    for problem in json.loads(found.stdout):
        line = Path(problem["filename"]).read_text().splitlines()[problem["location"]["row"] - 1]
        is_call = re.search(r" = (g|x|helper|sum1|again)\(", line)
        assert problem["code"] == "F841" and is_call, (problem["filename"], line, problem["message"])


def test_no_variable_is_assigned_to_itself() -> None:
    for seed in range(150):
        for line in map(str.strip, adjoint_text(seed).splitlines()):
            left, equals, right = line.partition(" = ")
            assert not equals or left != right, f"seed {seed}: {line}"


def test_the_text_does_not_depend_on_the_hashes_of_the_process() -> None:
    script = "from tests.test_writer_laws import adjoint_text; import hashlib; "
    script += "print(hashlib.sha256(''.join(map(adjoint_text, range(25))).encode()).hexdigest())"
    digests = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True, cwd=ROOT)
        digests.add(found.stdout)
    assert len(digests) == 1
