"""What Numba compiles once: a function together with all that it calls, and nothing of that for itself."""

from __future__ import annotations

import pytest

from stagegrad import runtime

numba = pytest.importorskip("numba")

TEXT = '''
import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def put(block, x):
    """A write whose error says what does not fit: a text that Numba makes when it happens."""
    block[:] = x
    return block


@njit(cache=True, error_model="numpy")
def whole(n):
    return 0.5 * n * (n + 1)


@njit(cache=True, error_model="numpy")
def main(x, y, n):
    found = put(np.empty(3), x)
    found[0] = put(np.empty(2), y)[0]
    return found.sum() * whole(n)
'''
TYPES = ("float[1]", "float[1]", "int")
#: Numba 0.64 names the two the other way round.
SHAPES = r"slice of shape (\(2,\) from input of shape \(3,\)|\(3,\) from input of shape \(2,\))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def written():
    """The names of the functions of the module that got machine code while it was compiled."""
    return []


@pytest.fixture(scope="module")
def loaded(written, folder):
    from numba.core import codegen

    with pytest.MonkeyPatch.context() as patch:
        add = codegen.JITCPUCodegen._add_module
        patch.setattr(codegen.JITCPUCodegen, "_add_module", lambda self, module: [written.append(module.name), add(self, module)][1])
        patch.setenv("STAGEGRAD_CACHE_DIR", str(folder))
        return runtime.load(TEXT.lstrip(), "main", target="numba", types=TYPES)


def array(*numbers):
    import numpy as np

    return np.array(numbers)


def test_only_what_is_called_from_python_gets_machine_code(loaded, written):
    assert loaded.function(array(1.0, 2.0, 3.0), array(4.0, 5.0), 3) == 54.0
    assert sorted(name for name in written if name in ("put", "whole", "main")) == ["main"]
    assert not [name for name in written if "impl" in name]


def test_an_error_whose_message_is_made_on_the_way(loaded):
    with pytest.raises(ValueError, match=SHAPES):
        loaded.function(array(1.0, 2.0, 3.0), array(4.0, 5.0, 6.0), 3)


def test_one_machine_code_is_kept(loaded, folder):
    assert {path.name.split(".")[1].partition("-")[0] for path in folder.rglob("*.nbc")} == {"main"}


def test_helpers_can_still_be_called_from_python(loaded):
    """They are compiled then, as Numba compiles any function, and for types of their own."""
    import numpy as np

    helpers = loaded.function.py_func.__globals__
    assert not helpers["put"].overloads
    assert helpers["put"](np.empty(2, np.float32), np.float32([1, 2])).tolist() == [1.0, 2.0]
    assert helpers["whole"](4) == 10.0
    with pytest.raises(ValueError, match="cannot assign slice"):
        helpers["put"](np.empty(2), array(1.0, 2.0, 3.0))


def test_the_compiler_is_as_it_was(loaded):
    from numba.core.registry import cpu_target

    assert not {"_library_class", "set_env"} & vars(cpu_target.target_context.codegen()).keys()


def test_a_compiled_function_can_be_called_by_one_of_the_users(loaded):
    main = loaded.function

    @numba.njit
    def twice(x, y):
        return 2.0 * main(x, y, 2)

    assert twice(array(1.0, 2.0, 3.0), array(4.0, 5.0)) == 54.0


def test_a_numba_without_those_parts_compiles_as_it_does(monkeypatch):
    from stagegrad import linking

    monkeypatch.setattr(linking, "_FITS", False)
    text = "from numba import njit\n\n\n@njit\ndef f(x):\n    return x + 1.0\n"
    assert runtime.load(text, "f", target="numba", types=("float",), cache=False).function(1.0) == 2.0


def test_functions_that_call_one_another_are_compiled_as_numba_does():
    text = """
from numba import njit


@njit
def even(n):
    if n == 0:
        return True
    return odd(n - 1)


@njit
def odd(n):
    if n == 0:
        return False
    return even(n - 1)


@njit
def main(n):
    return even(n)
"""
    main = runtime.load(text.lstrip(), "main", target="numba", types=("int",), cache=False).function
    assert [main(n) for n in range(4)] == [True, False, True, False]
    assert main.py_func.__globals__["odd"](3)
