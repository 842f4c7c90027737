"""An expression of a thousand stages without a loop: what it takes to compile, and what a call costs then."""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contest import AUTOGRAD, CASADI, EAGER, JAX, Contest, Peer
from benchmarks.peers import autograd_run, casadi_run, jax_run, named, package, spoken, torch_run

STAGES = 1_000


def text(stages: int) -> str:
    """A function of four numbers, a line for each stage: every fourth moves one of four states a little, so that slopes stay near 1."""
    draw = random.Random(1)
    lines = ["import math", "", "", "def thousand(a: float, b: float, c: float, d: float) -> float:"]
    states = ["a", "b", "c", "d"]
    for k in range(0, stages, 4):
        x, y = draw.sample(states, 2)
        form = draw.choice(("math.sin(v{k})", "math.cos(v{k})", "math.tanh(v{k})", "v{k} * v{k}"))
        lines.append(f"    v{k} = {x} * {y}" if form.startswith("math") else f"    v{k} = 0.1 * {x}")
        lines += [f"    v{k + 1} = {form.format(k=k)}", f"    v{k + 2} = 0.1 * v{k + 1}", f"    v{k + 3} = {x} + v{k + 2}"]
        states[states.index(x)] = f"v{k + 3}"
    return "\n".join([*lines, f"    return {' + '.join(states)}", ""])


def _made(stages: int) -> Callable[..., Any]:
    """The function, imported from a file: its text is what stagegrad reads."""
    folder = Path(tempfile.mkdtemp(prefix="stagegrad-thousand-"))
    path = folder / "stagegrad_thousand.py"
    path.write_text(text(stages), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    function: Callable[..., Any] = module.thousand
    return function


def _spoken(peer: str, module: str) -> Any:
    package(peer)
    return spoken(THOUSAND, math=named(module) if "." in module else package(module))


THOUSAND = _made(STAGES)
WRT = (0, 1, 2, 3)
CONTEST = Contest(
    function=THOUSAND,
    wrt=WRT,
    arguments=lambda: (0.3, -0.8, 1.1, 0.6),
    sizes={"1,000 stages": ()},
    small={"1,000 stages": ()},
    work=lambda: float(STAGES),
    unit="stage",
    by_hand=None,
    c=None,
    peers={
        JAX: Peer(lambda *args: jax_run(_spoken("jax", "jax.numpy"), args, WRT)),
        EAGER: Peer(lambda *args: torch_run(_spoken("torch", "torch"), args, WRT)),
        AUTOGRAD: Peer(lambda *args: autograd_run(_spoken("autograd", "autograd.numpy"), args, WRT)),
        CASADI: Peer(lambda *args: casadi_run(_spoken("casadi", "casadi"), args, WRT)),
    },
    compile_limit=1.0,
)
