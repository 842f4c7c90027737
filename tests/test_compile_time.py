"""Compile time grows with the number of stages and no faster; long straight-line functions go a way of their own, to the same bits."""

from __future__ import annotations

import cProfile
import inspect
import math
import pstats
import random
import re
import struct

import numba
import numpy as np
import pytest

import stagegrad
from stagegrad import pipeline, runtime, straight
from stagegrad.passes.fuse import fuse
from tests import random_ir

LETTERS = tuple("abcdxy")
POINT = (0.3, -1.2, 0.7, 2.5, -0.4, 1.1)
OPERATIONS = (
    "{x} + {y}", "{x} - 0.5 * {y}", "{x} * {y}", "{x} / (1.0 + {y} * {y})", "sin({x})", "tanh({x})", "exp(-{x} * {x})",
    "sqrt(1.0 + {y} * {y})", "{x} if {x} > {y} else 0.25 * {y}",
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache folder of the test's own, and nothing loaded yet."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "_ready", {})
    return tmp_path / "cache"


def straight_line(count: int, seed: int = 0) -> str:
    """The text of a function of so many statements, each of one or two operations on what came shortly before."""
    choose = random.Random(seed).choice
    known, lines = list(LETTERS), []
    for k in range(count):
        x, y = choose(known[-9:]), choose(known[-9:])
        lines.append(f"    v{k} = {choose(OPERATIONS).format(x=x, y=y)}")
        known.append(f"v{k}")
    return "\n".join([f"def f({', '.join(LETTERS)}):", *lines, f"    return {' + '.join(known[-3:])}", ""])


def staged(count: int, **options):
    text = straight_line(count)
    namespace = {name: getattr(math, name) for name in ("sin", "tanh", "exp", "sqrt")}
    exec(text, namespace)
    return stagegrad.compile(namespace["f"], source=text, **options)


def ordinary(monkeypatch):
    """From here on everything is compiled in Numba's own way."""
    runtime._ready.clear()
    monkeypatch.setattr(straight, "LONG", 10**9)


def bits(value):
    if isinstance(value, tuple):
        return tuple(map(bits, value))
    return type(value), struct.pack("d", value)


def outcome(function, args):
    """The bits of the answer, or the type of the exception."""
    try:
        return bits(function(*args))
    except Exception as error:
        return type(error)


def goes_the_fast_way(function) -> bool:
    """Whether a compiled function is a call of an intrinsic."""
    return f"{function.__name__}_lines" in function.py_func.__code__.co_names


# ---------------------------------------------------------------------------------------------- our passes


def calls_in_our_passes(count: int) -> int:
    """How many function calls it takes to make the text of a gradient."""
    text = straight_line(count)
    namespace = {name: getattr(math, name) for name in ("sin", "tanh", "exp", "sqrt")}
    exec(text, namespace)
    profile = cProfile.Profile()
    profile.enable()
    stagegrad.compile(namespace["f"], source=text, target="python").source(answer="value_and_grad")
    profile.disable()
    return pstats.Stats(profile).total_calls


def test_our_passes_are_linear_in_the_number_of_stages():
    calls_in_our_passes(20)  # what is done once for a process
    short, long = calls_in_our_passes(100), calls_in_our_passes(800)
    assert long < 9.5 * short


def calls_to_put_in_loops(count: int) -> int:
    """How many function calls it takes to find the loops of a function with so many assignments to elements."""
    lines = [f"    y[{k % 20}] = x[{k % 7}] * y[{k % 19}] + 0.5" for k in range(count)]
    text = "\n".join(["def f(x):", "    y = np.zeros(20)", *lines, "    return np.sum(y * y)", ""])
    namespace = {"np": np}
    exec(text, namespace)
    module = stagegrad.compile(namespace["f"], source=text, types={"x": "float64[:]"}).build.module("value_and_grad")
    profile = cProfile.Profile()
    profile.runcall(fuse, module)
    return pstats.Stats(profile).total_calls


def test_loops_are_found_in_linear_time():
    calls_to_put_in_loops(20)
    short, long = calls_to_put_in_loops(50), calls_to_put_in_loops(400)
    assert long < 10 * short


ON_ARRAYS = ("{x} + {y}", "{x} * {y}", "np.sin({x})", "np.exp(-{x} * {x})", "0.5 * {x} - {y}")


def calls_to_fuse(count: int) -> int:
    """How many function calls it takes to fuse a function of so many lines, each of which makes an array of what came shortly before."""
    choose = random.Random(count).choice
    known, lines = list("xyz"), []
    for k in range(count):
        x, y = choose(known[-9:]), choose(known[-9:])
        lines.append(f"    v{k} = {choose(ON_ARRAYS).format(x=x, y=y)}")
        known.append(f"v{k}")
    text = "\n".join(["def f(x, y, z):", *lines, f"    return np.sum({' + '.join(known[-3:])})", ""])
    namespace = {"np": np}
    exec(text, namespace)
    types = dict.fromkeys("xyz", "float64[:]")
    module = stagegrad.compile(namespace["f"], source=text, types=types).build.module("value_and_grad")
    profile = cProfile.Profile()
    profile.runcall(fuse, module)
    return pstats.Stats(profile).total_calls


def test_whole_arrays_are_fused_in_linear_time():
    calls_to_fuse(10)
    short, long = calls_to_fuse(25), calls_to_fuse(100)
    assert long < 6 * short


def in_a_loop(k: int) -> str:
    return f"        y[i] = 0.9 * x[i - {k % 2}] * y[i - {k // 2 % 2}] + {k}.0"


def of_sections(k: int) -> str:
    return f"        y[{k % 8}:{k % 8 + 10}] = 0.5 * x[{k % 5}:{k % 5 + 10}] + y[{k % 7}:{k % 7 + 10}] * 0.25"


def calls_for_text(line, head: str, count: int) -> int:
    """How many function calls it takes to make the text of a gradient for Numba, of a function of so many such lines."""
    text = "\n".join(["def f(x):", "    y = np.ones(20)", head, *map(line, range(count)), "    return np.sum(y * y)", ""])
    namespace = {"np": np}
    exec(text, namespace)
    made = stagegrad.compile(namespace["f"], source=text, types={"x": "float64[:]"})
    profile = cProfile.Profile()
    profile.runcall(made.source, "numba", answer="value_and_grad")
    return pstats.Stats(profile).total_calls


@pytest.mark.parametrize(("line", "head"), [(in_a_loop, "    for i in range(1, len(x)):"), (of_sections, "    if len(x) > 1:")])
def test_long_bodies_take_linear_time(line, head):
    calls_for_text(line, head, 5)
    short, long = (calls_for_text(line, head, count) for count in (16, 80))
    assert long < 5.2 * short


def test_the_length_of_a_loop_and_the_size_of_an_array_do_not_matter():
    def power(x: float, n: int) -> float:
        y = 1.0
        for _ in range(n):
            y = y * x
        return y

    fast = stagegrad.compile(power, target="python")
    assert fast.source(answer="value_and_grad").count("\n") < 30


# ---------------------------------------------------------------------------------------------- the fast way


def with_decorator(text: str, options: str) -> str:
    """A generated text with other options for Numba."""
    return re.sub(r"^@njit.*$", f"@njit({options})", text, flags=re.MULTILINE)


def compiled(text: str):
    return runtime.load(text, "f_value_and_grad", target="numba", types=["float"] * len(LETTERS), cache=False).function


@pytest.mark.parametrize("flags", ["", ", fastmath={'contract', 'nsz'}"])
@pytest.mark.parametrize("count", [60, 200])
def test_long_functions_give_the_same_bits_in_both_ways(count, flags, monkeypatch):
    text = with_decorator(staged(count, target="numba").source(answer="value_and_grad"), f'error_model="numpy"{flags}')
    fast = compiled(text)
    assert goes_the_fast_way(fast)
    ordinary(monkeypatch)
    slow = compiled(text)
    assert not goes_the_fast_way(slow)
    generator = random.Random(count)
    for _ in range(50):
        args = tuple(generator.uniform(-3.0, 3.0) for _ in LETTERS)
        assert bits(fast(*args)) == bits(slow(*args))
    for special in (0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, 5e-324):
        assert bits(fast(special, *POINT[1:])) == bits(slow(special, *POINT[1:]))


def test_the_printed_source_tells_the_same(monkeypatch):
    fast, python = staged(150, target="numba"), staged(150, target="python")
    value, gradient = fast.value_and_grad(*POINT)
    expected, slope = python.value_and_grad(*POINT)
    assert value == pytest.approx(expected, rel=1e-12)
    assert gradient == pytest.approx(slope, rel=1e-10)


@pytest.mark.parametrize("seed", range(12))
def test_any_straight_program_gives_the_same_bits_in_both_ways(seed, monkeypatch):
    """Branches, exceptions, ints and bools, calls, and names that mean something else."""
    module = pipeline.stage(random_ir.module(seed, size=14, depth=1, raising=seed % 2 == 0), "user")
    source = pipeline.spell(module, "numba", cache=False)
    kinds = tuple(str(param.type) for param in module.main.params)
    monkeypatch.setattr(straight, "LONG", 1)
    fast = pipeline.load(source, "numba", cache=False, kinds=kinds).function
    ordinary(monkeypatch)
    slow = pipeline.load(source, "numba", cache=False, kinds=kinds).function
    for k in range(4):
        args = random_ir.arguments(module, k)
        assert outcome(fast, args) == outcome(slow, args)


def test_numba_is_asked_once_for_each_operation(monkeypatch):
    asked = []
    callee = straight._Typing.callee
    monkeypatch.setattr(straight._Typing, "callee", lambda self, *args: asked.append(args[:2]) or callee(self, *args))
    assert goes_the_fast_way(staged(300, target="numba").numba.value_and_grad)
    assert len(asked) == len(set(asked)) < 40


@pytest.mark.parametrize(("options", "flagged"), [("", False), ("fastmath={'contract', 'nsz'}", True)])
def test_the_decorator_holds_for_the_fast_way(options, flagged):
    function = compiled(with_decorator(staged(80, target="numba").source(answer="value_and_grad"), options))
    assert goes_the_fast_way(function)
    (written,) = function.inspect_llvm().values()
    assert ("contract" in written) == flagged


LOOP = """\
from numba import njit


@njit
def f(x, n):
    y = 0.0
    for i in range(n):
        y += x
{lines}
    return y
"""


def test_a_loop_goes_the_ordinary_way(monkeypatch):
    text = LOOP.format(lines="    y += 1.0\n" * 100)
    assert straight.shortened(text) == (text, {})
    assert runtime.load(text, "f", target="numba", types=["float", "int"]).function(0.5, 4) == 102.0


@pytest.mark.parametrize("line", ["y = [y, y][0]", "y = 1j * y\n    y = y.imag", "y = np.zeros(3)[0] + y", "y = abs(complex(y, 0.0))"])
def test_what_the_fast_way_does_not_know_goes_the_ordinary_way(line):
    text = (
        "import numpy as np\nfrom numba import njit\n\n\n@njit\ndef f(x):\n    y = x\n"
        + "    y += 1.0\n" * 60
        + f"    {line}\n    return y\n"
    )
    assert straight.shortened(text)[1]
    loaded = runtime.load(text, "f", target="numba", types=["float"], cache=False)
    assert not goes_the_fast_way(loaded.function)
    expected: dict[str, object] = {}
    exec(text.replace("@njit\n", ""), expected)
    assert loaded.function(0.5) == expected["f"](0.5)


def test_a_name_that_is_bound_in_one_arm_alone_is_not_taken_for_a_global():
    body = "    y = x\n" + "    y += 1.0\n" * 60
    text = f"from numba import njit\n\nexp = 3.0\n\n\n@njit\ndef f(x):\n{body}    if x > 0.0:\n        exp = y\n    return exp\n"
    loaded = runtime.load(text, "f", target="numba", types=["float"], cache=False)
    assert loaded.function(1.0) == 61.0


def test_shortened_functions_keep_their_lines_and_decorators():
    text = staged(80, target="numba").source(answer="value_and_grad")
    short, functions = straight.shortened(text)
    before, after = text.split("\n"), short.split("\n")
    assert list(functions) == ["f_value_and_grad_lines"]
    head = before.index(next(line for line in before if line.startswith("def f_value_and_grad(")))
    assert len(before) == len(after) and before[: head + 1] == after[: head + 1]
    assert after[head + 1] == f"    return f_value_and_grad_lines(({', '.join(LETTERS)},))"
    assert functions["f_value_and_grad_lines"].startswith(before[head])


def test_the_source_of_a_shortened_function_is_the_printed_text(folder):
    made = staged(80, target="numba")
    function = made.numba.value_and_grad
    assert inspect.getsource(function.py_func).strip() in made.source(answer="value_and_grad")
    assert "# backward pass" in inspect.getsource(function.py_func)


def test_a_warm_start_types_nothing(monkeypatch):
    cold = staged(120, target="numba")
    expected = cold.value_and_grad(*POINT)
    runtime._ready.clear()

    def never(*args):
        raise AssertionError("typed again")

    monkeypatch.setattr(straight, "_Typing", never)
    warm = staged(120, target="numba")
    assert bits(warm.value_and_grad(*POINT)) == bits(expected)
    assert goes_the_fast_way(warm.numba.value_and_grad)
    assert sum(warm.numba.value_and_grad.stats.cache_hits.values()) == 1


def test_without_just_in_time_compilation_the_text_itself_runs(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    made = staged(80, target="numba")
    assert made.value_and_grad(*POINT)[0] == pytest.approx(staged(80, target="python")(*POINT), rel=1e-12)
