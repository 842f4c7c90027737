"""Processes of their own: the environment in which everything is measured, and how a fresh Python is run in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
#: One thread everywhere.
PINNED = {
    **dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
#: What a user's shell may hold and what would change the figures.
REMOVED = ("PYTHONDONTWRITEBYTECODE", "NUMBA_DISABLE_JIT", "NUMBA_CACHE_DIR", "NUMBA_DEBUG", "NUMBA_OPT", "STAGEGRAD_CHECK")


@contextmanager
def fresh_environment() -> Iterator[dict[str, str]]:
    """The environment of a measurement: one thread, empty folders for generated code and bytecode, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="stagegrad-bench-") as folder:
        kept = {name: value for name, value in os.environ.items() if name not in REMOVED}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        folders = {
            "STAGEGRAD_CACHE_DIR": f"{folder}/cache",
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
            "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torch",
        }
        yield {**kept, **PINNED, **folders, "PYTHONPATH": path}


def python(*args: str, environment: Mapping[str, str], limit: float = 3600.0, progress: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs a fresh Python; raises RuntimeError, with what it wrote, if it fails. With `progress` its errors are shown as they come."""
    command = [sys.executable, *args]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": None if progress else subprocess.PIPE}
    done = subprocess.run(command, env=dict(environment), text=True, timeout=limit, check=False, **streams)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(args)} failed:\n{done.stdout}{done.stderr or ''}")
    return done
