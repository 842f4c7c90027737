"""What a user sees: compile, formula, grad, value_and_grad, and all that a Staged can do."""

from __future__ import annotations

import copy
import inspect
import linecache
import math
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numba
import numpy as np
import pytest

import stagegrad
from stagegrad import ArgumentError, NameChoiceError, StagegradError, ops
from stagegrad.runtime import hold_compiler, without_disk_cache

CS231N = "(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)"
VALUE, DX, DY = 1.5456448841066441, 2.0595697955721652, 1.5922327514838093

SCALE = 2.0


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    """One cache folder for this file, so that nothing is compiled twice."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "public"))


@pytest.fixture(params=["python", "numba"])
def target(request):
    return request.param


@stagegrad.compile(target="python")
def product(x: float, y: float = 2.0) -> float:
    """A product."""
    return x * y


@stagegrad.compile(target="python")
def power(x: float, n: int = 3) -> float:
    y = 1.0
    for _ in range(n):
        y = y * x
    return y


def risky(x: float, y: float) -> float:
    half = y / 2.0
    if x < 0.0:
        raise ValueError(f"x is {x}")
    return math.log(x) / half


def scaled(x: float) -> float:
    return SCALE * x * x


def python(script: str, **variables: str) -> str:
    """What a fresh process prints."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True).stdout.strip()


# ---------------------------------------------------------------------------------------------- values and gradients


def test_the_function_of_the_notes(target):
    f = stagegrad.formula(CS231N, target=target)
    assert f(3.0, -4.0) == VALUE
    assert f.value_and_grad(3.0, -4.0) == (VALUE, pytest.approx((DX, DY), rel=1e-15))
    assert f.grad(3.0, -4.0) == f.value_and_grad(3.0, -4.0)[1]
    assert f.stages == ("sigy", "num", "sigx", "xpy", "xpysqr", "den", "invden", "f")


def test_results_are_python_numbers(target):
    f = stagegrad.formula(CS231N, target=target)
    value, gradient = f.value_and_grad(np.float64(3.0), np.int64(-4))
    assert [type(number) for number in (value, *gradient, f(3, -4))] == [float] * 4


def test_one_parameter_gives_one_number_and_more_give_a_tuple(target):
    assert stagegrad.formula("x**3", target=target).grad(2.0) == 12.0
    assert stagegrad.formula("x*y", target=target).grad(2.0, 3.0) == (3.0, 2.0)
    assert stagegrad.formula("x*y", "y", target=target).grad(2.0, 3.0) == 2.0
    assert stagegrad.formula("x*y", ("y",), target=target).grad(2.0, 3.0) == (2.0,)
    assert stagegrad.formula("x*y", (1, "x"), target=target).grad(2.0, 3.0) == (2.0, 3.0)


def test_wrt_for_one_call():
    assert product.grad(5.0, 7.0, wrt="y") == 5.0
    assert product.value_and_grad(5.0, 7.0, wrt=[-1]) == (35.0, (5.0,))
    assert product.grad(5.0, 7.0) == (7.0, 5.0)
    named = stagegrad.formula("wrt*x", target="python")
    assert named.grad(2.0, wrt=3.0) == (2.0, 3.0) if list(inspect.signature(named).parameters) == ["x", "wrt"] else (3.0, 2.0)


def test_grad_and_value_and_grad_as_in_jax():
    def f(x, y):
        return x * x * y

    assert stagegrad.grad(f)(2.0, 5.0) == 20.0
    assert stagegrad.grad(f, 1)(2.0, 5.0) == 4.0
    assert stagegrad.grad(f, ("y", 0))(2.0, 5.0) == (4.0, 20.0)
    assert stagegrad.value_and_grad(f)(2.0, 5.0) == (20.0, 20.0)
    assert stagegrad.value_and_grad(f, (0, 1))(2.0, y=5.0) == (20.0, (20.0, 4.0))


def test_they_compose():
    f = stagegrad.formula("exp(2*x) * y**3", target="python")
    fx, fxy, fxx = stagegrad.grad(f), stagegrad.grad(stagegrad.grad(f), "y"), stagegrad.grad(stagegrad.grad(f))
    e = math.exp(1.0)
    assert fx(0.5, 2.0) == pytest.approx(2 * e * 8)
    assert fxy(0.5, 2.0) == pytest.approx(2 * e * 12)
    assert fxx(0.5, 2.0) == pytest.approx(4 * e * 8)
    assert stagegrad.grad(fxx)(0.5, 2.0) == pytest.approx(8 * e * 8)
    assert fx.value_and_grad(0.5, 2.0) == (fx(0.5, 2.0), pytest.approx((fxx(0.5, 2.0), fxy(0.5, 2.0))))


def test_gradients_of_compiled_and_njit_functions():
    @numba.njit
    def jitted(x, y):
        return x * y + x

    assert stagegrad.grad(jitted)(2.0, 5.0) == 6.0
    assert stagegrad.grad(product)(2.0, 5.0) == 5.0
    assert stagegrad.compile(product, target="numba")(2.0, 5.0) == 10.0


def test_ints_bools_keywords_and_defaults(target):
    f = stagegrad.compile(power, target=target)
    assert f(2.0) == 8.0 and f(2, n=2) == 4.0 and f(n=np.int32(1), x=True) == 1.0
    assert f.grad(2.0, 4) == 32.0
    assert f.grad(x=2.0) == 12.0


def test_keyword_only_and_positional_only_parameters(target):
    def f(x, /, y, *, z=2.0):
        return x * y * z

    staged = stagegrad.compile(f, target=target)
    assert staged(3.0, 5.0) == 30.0 and staged.grad(3.0, y=5.0, z=1.0) == (5.0, 3.0, 15.0)
    for call in (staged, staged.grad):
        for args, named in [((1.0, 2.0, 3.0), {}), ((), {"x": 1.0, "y": 2.0})]:
            with pytest.raises(ArgumentError, match=re.escape("f() takes (x, /, y, *, z=2.0)")):
                call(*args, **named)


# ---------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("3", "`x` of product() is a str; it needs a float"),
        (None, "is None"),
        (1j, "is complex"),
        (np.complex128(1), "is complex"),
        (np.float32(1), "numpy.float32; it needs a float of 64 bits"),
        (np.float16(1), "numpy.float16"),
        (np.longdouble(1), "64 bits"),
        (np.zeros(3), "is an array (float64, shape (3,)); it needs a float"),
        (np.array(1j), "is complex (numpy.complex128)"),
        ([1.0], "is a list"),
        (Decimal("1"), "Decimal"),
        (10**400, "an int that no float equals"),
        (2**53 + 1, "an int that no float equals"),
    ],
)
def test_wrong_arguments_are_refused_by_name(value, says):
    for call in (product, product.grad, product.value_and_grad, product.trace):
        with pytest.raises(ArgumentError, match=re.escape(says)):
            call(value, 2.0)


def test_a_float_for_an_int_is_refused(target):
    f = stagegrad.compile(power, target=target)
    with pytest.raises(ArgumentError, match=r"`n` of power\(\) is a float \(3\.0\)"):
        f(2.0, 3.0)


def test_an_int_beyond_64_bits_is_refused_where_numba_would_wrap_it():
    f = stagegrad.compile(power, target="numba")
    assert f(1.0, -(2**63)) == 1.0
    for n in (2**63, 2**64 - 1, -(2**63) - 1, 2**200):
        with pytest.raises(ArgumentError, match="64 bits"):
            f(1.0, n)


@pytest.mark.parametrize("call", [lambda f: f(), lambda f: f(1.0, 2.0, 3.0), lambda f: f(1.0, z=2.0), lambda f: f(1.0, x=2.0)])
def test_a_wrong_number_of_arguments_is_a_type_error(call):
    for method in (product, product.grad):
        with pytest.raises(TypeError, match=r"product\(\) takes \(x"):
            call(method)


def test_choices_that_do_not_exist():
    with pytest.raises(NameChoiceError, match="no parameter 'z'; its parameters are x, y"):
        stagegrad.grad(product, "z")
    with pytest.raises(NameChoiceError, match="no parameter 2"):
        product.grad(1.0, 2.0, wrt=2)
    with pytest.raises(NameChoiceError, match="twice"):
        stagegrad.grad(product, (0, "x"))
    with pytest.raises(NameChoiceError, match="no parameter"):
        stagegrad.grad(product, ())
    with pytest.raises(ArgumentError, match=r"`n` of power\(\) is int; only a float has a gradient"):
        stagegrad.grad(power, "n")
    with pytest.raises(NameChoiceError, match="'python', 'numpy', 'numba'"):
        stagegrad.formula("x", target="cuda")
    with pytest.raises(NameChoiceError, match="'user', 'gates', 'fine'"):
        stagegrad.formula("x", stages="coarse")
    with pytest.raises(NameChoiceError, match="'both', 'forward', 'backward'"):
        product.source(part="middle")
    with pytest.raises(NameChoiceError):
        stagegrad.compile(wrt="z")(lambda x: x)


def test_options_of_another_kind_are_refused_by_name():
    def square(x: float) -> float:
        return x * x

    staged = stagegrad.compile(square, target="python")
    refused = (
        (lambda: stagegrad.compile(square, wrt=1.5), "wrt=1.5 is not a choice"),
        (lambda: stagegrad.formula("x*y", wrt={"x"}), "wrt={'x'} is not a choice"),
        (lambda: stagegrad.grad(square, 1.5)(2.0), "wrt=1.5 is not a choice"),
        (lambda: staged.grad(2.0, wrt=("x", 1.5)), "is not a choice"),
        (lambda: stagegrad.compile(square, types="x"), "types='x' is not a dict"),
        (lambda: stagegrad.compile(square, source=3), "source=3 is not text"),
        (lambda: staged.check_grads("a"), "is a str; it needs a float"),
    )
    for call, words in refused:
        assert words in str(error_of(call))
        assert isinstance(error_of(call), stagegrad.StagegradError)


def test_what_has_no_gradient_is_refused_with_the_alternative():
    with pytest.raises(ArgumentError, match="returns a tuple of 2") as caught:
        stagegrad.compile(lambda x: (x, x), target="python").grad(1.0)
    assert "write instead:  return one of them" in str(caught.value)
    with pytest.raises(ArgumentError, match="no float parameter"):
        stagegrad.compile(lambda n: n << 1, target="python").grad(1)
    with pytest.raises(ArgumentError, match=r"no float parameter .*: `n` is int"):
        stagegrad.compile(lambda n: n << 1, target="python").grad(1)
    with pytest.raises(ArgumentError, match="returns a bool"):
        stagegrad.grad(lambda x: x > 1.0)
    with pytest.raises(ArgumentError, match="not a function"):
        stagegrad.grad("x*y")


# ---------------------------------------------------------------------------------------------- errors of the user's function


def error_of(call, *args):
    with pytest.raises(Exception) as caught:
        call(*args)
    return caught.value


def test_exceptions_are_pythons_own_at_the_users_line(target):
    f = stagegrad.compile(risky, target=target)
    expected = error_of(risky, -1.5, 1.0)
    for call in (f, f.grad, f.value_and_grad):
        error = error_of(call, -1.5, 1.0)
        assert type(error) is ValueError and str(error) == str(expected) == "x is -1.5"
        last = traceback.extract_tb(error.__traceback__)[-1]
        assert (last.filename, last.name) == (__file__, "risky")
        assert last.line == 'raise ValueError(f"x is {x}")'
        assert error.__cause__ is None and error.__context__ is None


@pytest.mark.parametrize("args", [(0.0, 1.0), (2.0, 0.0)])
def test_errors_of_arithmetic_at_the_users_line(args):
    expected = error_of(risky, *args)
    error = error_of(stagegrad.compile(risky, target="python").grad, *args)
    assert (type(error), str(error)) == (type(expected), str(expected))
    last = traceback.extract_tb(error.__traceback__)[-1]
    assert last.line == "return math.log(x) / half"
    assert last.colno is not None and last.end_colno > last.colno


def test_a_call_after_an_exception_is_clean(target):
    f = stagegrad.compile(risky, target=target)
    error_of(f.grad, -1.0, 1.0)
    assert f.grad(1.0, 2.0) == (1.0, 0.0)


def test_an_error_can_be_debugged():
    error = error_of(stagegrad.compile(risky, target="python"), -1.0, 4.0)
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    assert frame.tb_frame.f_locals["x"] == -1.0


# ---------------------------------------------------------------------------------------------- the look of a function


def test_name_doc_and_signature_are_kept():
    assert product.__name__ == "product" and product.__doc__ == "A product." and product.__module__ == __name__
    assert str(inspect.signature(product)) == "(x: 'float', y: 'float' = 2.0) -> 'float'"
    assert "options" in inspect.signature(stagegrad.Staged).parameters  # the class has the signature of its ``__init__``
    assert product.__wrapped__ is product.__stagegrad_function__ and product.__wrapped__(2.0) == 4.0
    gradient = stagegrad.grad(product)
    assert gradient.__name__ == "product_grad" and "gradient of product" in gradient.__doc__
    assert list(inspect.signature(gradient).parameters) == ["x", "y"]
    assert repr(product) == "<stagegrad function product>"


def test_a_gradient_is_never_taken_for_the_function_it_came_from():
    for made in (stagegrad.grad(product), stagegrad.value_and_grad(product), stagegrad.formula("x")):
        assert made.__stagegrad_function__ is None and "__wrapped__" not in vars(made)
    with pytest.raises(StagegradError):
        gradient = stagegrad.grad(product)
        stagegrad.compile(lambda x: gradient(x, x))


def test_source_is_what_runs(target):
    f = stagegrad.formula(CS231N, target=target)
    source = f.source()
    scope: dict = {}
    exec(without_disk_cache(source), scope)
    assert scope["f_value_and_grad"](3.0, -4.0) == f.value_and_grad(3.0, -4.0)
    assert ("@njit" in source) == (target == "numba")
    assert f.source("python") == stagegrad.formula(CS231N, target="python").source()
    forward, backward = f.source(part="forward"), f.source(part="backward")
    assert forward.startswith("# forward pass\nsigy = ") and backward.startswith("# backward pass\ndf = 1.0\n")
    assert textwrap.indent(forward, "    ") in source


def test_the_plain_call_keeps_nothing_for_a_backward_pass():
    text = power.source(answer="value")
    assert "tape" not in text and "tape" in power.source()
    assert "product_grad" in stagegrad.grad(product).source() and "backward" in stagegrad.grad(product).source(part="backward")


def test_without_a_cache_the_source_says_so():
    f = stagegrad.formula("x*y + 1", target="numba", cache=False)
    assert "cache=True" not in f.source() and f(2.0, 3.0) == 7.0


# ---------------------------------------------------------------------------------------------- traces


def test_a_trace_holds_every_value_and_gradient():
    trace = stagegrad.formula(CS231N).trace(3.0, -4.0)
    assert [row.name for row in trace] == ["x", "y", "sigy", "num", "sigx", "xpy", "xpysqr", "den", "invden", "f"]
    found = trace.as_dict()
    assert found["x"] == {"value": 3.0, "gradient": DX} and found["f"] == {"value": VALUE, "gradient": 1.0}
    assert found["xpysqr"]["value"] == 1.0 and found["den"]["gradient"] == found["sigx"]["gradient"] == found["xpysqr"]["gradient"]
    assert found["invden"]["gradient"] == found["num"]["value"]
    table = str(trace).splitlines()
    assert table[0].split() == ["stage", "value", "gradient"] and len(table) == 11
    assert len({line.index(line.split()[1]) for line in table}) == 1


def test_a_trace_follows_every_trip_of_a_loop():
    @stagegrad.compile(target="python")
    def logistic(r: float, x: float, n: int) -> float:
        for _ in range(n):
            x = r * x * (1.0 - x)
        return x

    found = logistic.trace(3.0, 0.25, 3).as_dict()
    x1 = 3.0 * 0.25 * 0.75
    x2 = 3.0 * x1 * (1.0 - x1)
    after = {3: 1.0, 2: 3.0 * (1.0 - 2.0 * x2), 1: 3.0 * (1.0 - 2.0 * x2) * 3.0 * (1.0 - 2.0 * x1)}
    (row,) = [row for row in logistic.trace(3.0, 0.25, 3) if row.repeated and row.values[0] == x1]
    assert row.values[1] == x2
    assert row.gradients == pytest.approx((after[1], after[2], after[3]))
    assert found["rx"]["value"] == [0.75, 3.0 * x1, 3.0 * x2]


def test_a_trace_shows_the_branch_that_ran():
    @stagegrad.compile(target="python")
    def f(x: float) -> float:
        y = 0.0
        if x > 1.0:
            y = x * x
        else:
            y = 3.0 * x
            y = y + x
        return y + 1.0

    values = {number for row in f.trace(2.0) for number in row.values}
    assert 4.0 in values and not {6.0, 8.0} & values


# ---------------------------------------------------------------------------------------------- from Numba


def test_compiled_functions_can_be_called_from_njit_code():
    f = stagegrad.formula("x**2 * y")
    value, grad, both = f.numba.value, f.numba.grad, f.numba.value_and_grad

    @numba.njit
    def descend(x, y, steps):
        for _ in range(steps):
            v, (dx, _) = both(x, y)
            x -= 0.1 * dx
        return x, v, grad(x, y)[1], value(2, 3)

    x, v, dy, integer = descend(1.0, 1.0, 2)
    assert (x, v) == (pytest.approx(0.64), pytest.approx(0.64)) and dy == x * x and integer == 12.0


# ---------------------------------------------------------------------------------------------- globals and closures


def test_a_global_that_changes_is_noticed(monkeypatch, target):
    f = stagegrad.compile(scaled, target=target)
    g, method = stagegrad.grad(f), f.grad
    assert (f(3.0), f.grad(3.0), g(3.0), method(3.0)) == (18.0, 12.0, 12.0, 12.0)
    held = f.grad
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    assert (f(3.0), f.grad(3.0), g(3.0), method(3.0), held(3.0)) == (45.0, 30.0, 30.0, 30.0, 30.0)


def test_a_closure_cell_that_changes_is_noticed():
    def make():
        k = 1.0

        def f(x: float) -> float:
            return k * x

        def change(value):
            nonlocal k
            k = value

        return stagegrad.compile(f, target="python"), change

    f, change = make()
    assert f(2.0) == 2.0
    change(-4.0)
    assert (f(2.0), f.grad(2.0)) == (-8.0, -4.0)


def test_a_function_may_name_what_is_defined_later():
    scope = {"stagegrad": stagegrad, "__name__": "later"}
    text = textwrap.dedent("""
        @stagegrad.compile(target="python")
        def f(x: float) -> float:
            return g(x) + x

        def g(x: float) -> float:
            return 3.0 * x
    """)
    linecache.cache["later.py"] = (len(text), None, text.splitlines(True), "later.py")
    exec(compile(text, "later.py", "exec"), scope)
    assert scope["f"].grad(2.0) == 4.0


def test_a_global_that_is_deleted_is_an_error_not_an_old_answer(monkeypatch):
    f = stagegrad.compile(scaled, target="python")
    assert f(3.0) == 18.0
    monkeypatch.delitem(globals(), "SCALE")
    with pytest.raises(StagegradError, match="SCALE"):
        f(3.0)


def test_text_that_is_in_no_file_can_be_handed_over():
    text = "def f(x):\n    return x * x\n"
    scope: dict = {}
    exec(text, scope)
    with pytest.raises(stagegrad.StagegradSourceError, match="source="):
        stagegrad.compile(scope["f"])
    assert stagegrad.compile(scope["f"], source=text, target="python").grad(3.0) == 6.0
    with pytest.raises(stagegrad.StagegradSourceError):
        stagegrad.compile(scope["f"], source=text.replace("*", "+"))


def test_problems_come_at_the_decorator_all_at_once():
    with pytest.raises(StagegradError) as caught:

        @stagegrad.compile
        def f(x: float) -> float:
            print(x)
            yield x

    assert len(caught.value.problems) >= 1
    assert caught.value.filename == __file__


# ---------------------------------------------------------------------------------------------- pickles, copies, threads, processes


def test_a_function_of_a_module_pickles_by_name():
    data = pickle.dumps(product)
    assert len(data) < 100 and pickle.loads(data) is product
    assert copy.copy(product) is product and copy.deepcopy([product])[0] is product


def test_other_functions_pickle_by_their_ir():
    k = 3.0

    def f(x: float, y: float = 2.0) -> float:
        return k * x * y

    staged = stagegrad.compile(f, target="python")
    for made in (staged, stagegrad.grad(staged), stagegrad.formula(CS231N, "x", target="python"), stagegrad.value_and_grad(product)):
        again = pickle.loads(pickle.dumps(made))
        assert again(3.0, -4.0) == made(3.0, -4.0)
        assert (again.__name__, again.__doc__, again.options, again.source()) == (made.__name__, made.__doc__, made.options, made.source())
    assert pickle.loads(pickle.dumps(staged))(5.0) == 30.0


def test_a_pickle_gives_the_same_answer_in_a_fresh_process(tmp_path):
    path = tmp_path / "f.pickle"
    path.write_bytes(pickle.dumps(stagegrad.formula(CS231N, target="python")))
    script = f"import pickle; print(pickle.load(open({str(path)!r}, 'rb')).value_and_grad(3.0, -4.0))"
    assert python(script) == repr(stagegrad.formula(CS231N, target="python").value_and_grad(3.0, -4.0))


def test_a_pickle_of_another_version_is_refused(monkeypatch):
    data = pickle.dumps(stagegrad.formula("x*2"))
    monkeypatch.setattr("stagegrad.staged.__version__", "0.0.1")
    with pytest.raises(StagegradError, match="pickled by stagegrad"):
        pickle.loads(data)


def test_a_pickle_that_needs_a_gate_of_another_module_says_so(monkeypatch):
    @stagegrad.gate
    def squash(x):
        return x / (1.0 + x * x)

    def f(x):
        return squash(x) * 2.0

    staged = stagegrad.compile(f, target="python")
    data = pickle.dumps(staged)
    assert pickle.loads(data).grad(0.5) == staged.grad(0.5)
    monkeypatch.delitem(ops.REGISTRY, squash.op.name)
    with pytest.raises(StagegradError, match="squash"):
        pickle.loads(data)


def test_eight_threads_agree_to_the_bit(target):
    f = stagegrad.formula(CS231N + " + 0.0625", target=target)
    points = [(0.01 * k, -0.02 * k) for k in range(400)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: [f.value_and_grad(*point) for point in points], range(8)))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
def test_a_forked_child_can_compile():
    pid = os.fork()
    if pid == 0:
        os._exit(0 if stagegrad.formula("x*x*x", target="python").grad(2.0) == 12.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# ---------------------------------------------------------------------------------------------- the package


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_waits_for_what_another_thread_compiles():
    """The child would wait for ever for that thread, which it does not have."""
    compiling = threading.Event()

    def compile_for_a_while():
        release = hold_compiler()
        compiling.set()
        time.sleep(0.3)
        release()

    thread = threading.Thread(target=compile_for_a_while)
    thread.start()
    compiling.wait()
    child = os.fork()
    if not child:
        signal.alarm(30)
        hold_compiler()()
        os._exit(int(stagegrad.compile(lambda x: x * x, target="python").grad(3.0)) - 6)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    hold_compiler()()


def test_the_public_names():
    assert set(stagegrad.__all__) <= set(dir(stagegrad))
    assert all(getattr(stagegrad, name) is not None for name in stagegrad.__all__)
    with pytest.raises(AttributeError, match="no attribute 'gradd'"):
        stagegrad.gradd  # noqa: B018  (looking is the test)


def test_importing_is_cheap_and_brings_nothing_heavy():
    heavy = "numpy numba sympy mpmath rich click platformdirs"
    script = f"import stagegrad, sys; print([name for name in {heavy!r}.split() if name in sys.modules])"
    assert python(script) == "[]"


def test_a_formula_needs_neither_numba_nor_sympy():
    script = f"""
        import sys
        sys.modules["numba"] = sys.modules["sympy"] = sys.modules["numpy"] = None
        import stagegrad
        f = stagegrad.formula({CS231N!r})
        print(f.value_and_grad(3.0, -4.0)[0], "@njit" in f.source())
    """
    assert python(script) == f"{VALUE} False"


def test_a_reference_taken_before_the_first_call_is_as_fast(monkeypatch):
    f = stagegrad.compile(lambda x, y: x * y)
    references = [f.value_and_grad, f.grad, f]
    for reference in references:
        reference(2.0, 3.0)
    monkeypatch.setattr(type(f), "_call", lambda *_: pytest.fail("the long way"))
    assert [reference(2.0, 3.0) for reference in references] == [(6.0, (3.0, 2.0)), (3.0, 2.0), 6.0]


def test_the_version_is_that_of_the_package():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["version"] == stagegrad.__version__


def test_a_type_checker_sees_the_users_parameters():
    mypy = pytest.importorskip("mypy.api", reason="mypy comes with the extra [lint]; .ci/run runs this test again with it")
    path = os.path.join(os.path.dirname(__file__), "typed_surface.py")
    report, errors, _ = mypy.run(["--strict", path])
    assert not errors
    assert not [line for line in report.splitlines() if "typed_surface.py" in line]


@pytest.mark.parametrize("target", ["python", "numba"])
def test_a_function_that_gets_other_code_is_noticed(target):
    """As by IPython's ``%autoreload``, which puts the new code into the old function."""

    def helper(x, by=2.0):
        return x * by

    def cubed(x, by=2.0):
        return x * x * x

    f = stagegrad.compile(lambda x: helper(x) + 1.0, target=target)
    assert [f.value_and_grad(2.0) for _ in range(3)] == [(5.0, 2.0)] * 3
    helper.__defaults__ = (3.0,)
    assert [f.value_and_grad(2.0) for _ in range(3)] == [(7.0, 3.0)] * 3
    helper.__code__ = cubed.__code__
    assert [f.value_and_grad(2.0) for _ in range(3)] == [(9.0, 12.0)] * 3
    assert f(2.0) == 9.0
