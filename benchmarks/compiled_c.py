"""C by hand: the files of ``benchmarks/native``, compiled when they are needed and called through ctypes.

A function's arguments in C are those of the workload, an array as its pointer and its extents, then a pointer for each gradient;
its result is the value::

    double rosenbrock(const double *x, long n, double *dx);

``REAL`` is `double`, or `float` where the arrays of the workload are.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import Absent, Run

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")
SOURCES = Path(__file__).parent / "native"


def c_run(name: str, args: Sequence[Any], wrt: Sequence[int], *, mapped: bool = False) -> Run:
    """Value and gradient by the function `name` of ``native/name.c``; gradients are new arrays in every call.

    One that is `mapped` has values at many points: they go into an array before the gradients.
    """
    single = any(isinstance(value, np.ndarray) and value.dtype == np.float32 for value in args)
    function = _library(name, "float" if single else "double")[name]
    function.restype = ctypes.c_double
    given = [passed for value in args for passed in _passed(value)]
    kinds = [(np.shape(args[k]), np.asarray(args[k]).dtype) for k in ((wrt[0], *wrt) if mapped else wrt)]

    def run() -> Any:
        slopes = [np.empty(shape, dtype) if shape else ctypes.c_double() for shape, dtype in kinds]
        value = function(*given, *map(_address, slopes))
        plain = [slope.value if isinstance(slope, ctypes.c_double) else slope for slope in slopes]
        return plain if mapped else (value, plain)

    return run


def _address(slope: Any) -> Any:
    """Where a gradient goes; its interface says it in a fraction of the time that ``array.ctypes`` takes."""
    if isinstance(slope, ctypes.c_double):
        return ctypes.byref(slope)
    return ctypes.c_void_p(slope.__array_interface__["data"][0])


def _passed(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return [value.ctypes.data_as(ctypes.c_void_p), *map(ctypes.c_long, value.shape)]
    return [ctypes.c_double(value) if isinstance(value, float) else ctypes.c_long(value)]


def _library(name: str, real: str) -> Any:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        code, built = Path(folder) / f"{name}.o", Path(folder) / f"{name}.so"
        # Linked with -ffast-math, a library would take denormals as zero in the whole process from then on.
        for command in (
            (*FLAGS, f"-DREAL={real}", "-c", str(SOURCES / f"{name}.c"), "-o", str(code)),
            ("-shared", str(code), "-o", str(built), "-lm"),
        ):
            done = subprocess.run([compiler(), *command], capture_output=True, text=True, check=False)
            if done.returncode:
                raise Absent(f"does not compile: {done.stderr.strip()}")
        return ctypes.CDLL(str(built))  # stays loaded when its file is gone


def compiler() -> str:
    """The C compiler; raises Absent where there is none."""
    found = shutil.which(os.environ.get("CC") or "gcc") or shutil.which("cc")
    if found is None:
        raise Absent("there is no C compiler")
    return found


def version() -> str:
    """The first line of what the compiler says of itself, or why there is none."""
    try:
        said = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    except (Absent, OSError, subprocess.CalledProcessError) as error:
        return f"absent: {error}"
    return said.partition("\n")[0]
