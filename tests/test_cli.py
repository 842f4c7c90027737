"""The command line: what it prints, in pipes and on terminals, its exit codes, and that nothing ends in a traceback."""

from __future__ import annotations

import ast
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import stagegrad
from stagegrad.cli import main

CLASSIC = "(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)"
AT = ("--at", "x=3,y=-4")
VALUE, DX, DY = 1.5456448841066441, 2.0595697955721652, 1.5922327514838093


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        for word in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
            patch.delenv(word, raising=False)
        yield


def run(*args, **env):
    """Exit code, stdout and stderr of a command; an exception that is no exit fails the test."""
    result = CliRunner().invoke(main, list(args), env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def terminal(*args, width=160, **env):
    """What a terminal of that width shows."""
    return run(*args, FORCE_COLOR="1", COLUMNS=str(width), TERM="xterm-256color", **env)[1]


@pytest.fixture
def user_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import math\n"
        "import stagegrad\n"
        "import sibling\n"
        "print('noise')\n\n\n"
        "def newton(a: float) -> float:\n"
        "    x = a\n"
        "    for i in range(6):\n"
        "        x = 0.5 * (x + a / x)\n"
        "    return x\n\n\n"
        "@stagegrad.compile(wrt='y')\n"
        "def decorated(x, y):\n"
        "    return x * y + math.log(y) * sibling.ONE\n\n\n"
        "def refused(x):\n"
        "    return open(x)\n\n\n"
        "def power(x: float, n: int = 3) -> float:\n"
        "    return x ** n\n",
        encoding="utf-8",
    )
    (tmp_path / "sibling.py").write_text("ONE = 1.0\n", encoding="utf-8")
    return path


# ---------------------------------------------------------------------------------------------- show


def test_show_prints_exactly_the_generated_source_into_a_pipe():
    code, out, err = run("show", CLASSIC)
    assert (code, err) == (0, "")
    assert out == stagegrad.formula(CLASSIC, target="python").source()
    assert run("show", CLASSIC, "--part", "forward")[1] == stagegrad.formula(CLASSIC, target="python").source(part="forward")
    assert "@njit" in run("show", CLASSIC, "--target", "numba")[1]
    assert "invden" not in run("show", CLASSIC, "--stages", "user")[1]


def test_show_at_a_point_adds_the_answers_as_comments():
    code, out, err = run("show", CLASSIC, *AT)
    assert (code, err) == (0, "")
    ast.parse(out)
    scope = {}
    exec(out, scope)
    assert scope["f_value_and_grad"](3.0, -4.0) == (VALUE, (DX, DY))
    assert out.startswith(run("show", CLASSIC)[1])
    assert f"\n# at: x = 3, y = -4\n# value: {VALUE}\n# df/dx: {DX}\n# df/dy: {DY}\n" in out
    assert re.search(r"^# proof: value +proved", out, re.MULTILINE)
    assert re.search(r"^# proof: df/dx +proved", out, re.MULTILINE)
    assert re.search(r"^# proof: df/dy +proved", out, re.MULTILINE)


def test_show_without_a_proof():
    assert "# proof" not in run("show", CLASSIC, *AT, "--no-prove")[1]
    assert "# proof: value  proved" in run("show", "x*y", "--prove")[1]


def test_a_wide_terminal_shows_the_passes_side_by_side():
    out = terminal("show", CLASSIC, *AT, "--no-prove", "--no-color")
    assert "\x1b" not in out
    assert re.search(r"─ forward ─+╮ ╭─ backward ─", out)
    assert re.search(r"sigy = .*│ │ df = 1\.0", out)
    assert "value  1.5456448841066441" in out
    assert "helper exp: " in out
    assert max(map(len, out.splitlines())) <= 160


def test_a_narrow_terminal_shows_the_module_below_one_another():
    for width in (80, 119):
        out = terminal("show", CLASSIC, "--no-color", width=width)
        assert out.rstrip() == run("show", CLASSIC)[1].rstrip()


def test_lines_that_do_not_fit_are_neither_cut_nor_wrapped():
    long = " + ".join(f"a_rather_long_name_{k}*x" for k in range(12))
    for width in (80, 160):
        out = terminal("show", f"sin({long})", "--no-color", width=width)
        assert out.rstrip() == run("show", f"sin({long})")[1].rstrip() or "─ forward ─" in out


def test_colours_are_for_terminals_that_want_them():
    assert "\x1b[" in terminal("show", CLASSIC)
    assert "\x1b[" not in terminal("show", CLASSIC, NO_COLOR="1")
    assert "\x1b[" not in terminal("show", CLASSIC, "--no-color")
    assert "\x1b[" not in run("show", CLASSIC)[1]
    assert terminal("show", CLASSIC, "--plain") == run("show", CLASSIC)[1]
    assert "\x1b[" in terminal("trace", CLASSIC, *AT)
    assert "\x1b[" in terminal("grad", CLASSIC, *AT)


# ---------------------------------------------------------------------------------------------- grad, trace, prove


def test_grad_prints_value_and_gradients():
    assert run("grad", CLASSIC, *AT) == (0, f"value  {VALUE}\ndf/dx  {DX}\ndf/dy  {DY}\n", "")
    assert run("grad", "x*y", "--at", "x=2", "--at", "y=0.5", "--wrt", "y")[1] == "value  1.0\ndf/dy  2.0\n"
    assert run("grad", "-x*y", "--at", "x=2,y=3")[1] == "value  -6.0\ndf/dx  -3.0\ndf/dy  -2.0\n"
    assert run("grad", "e*x", "--wrt", "e,x", "--at", "e=2,x=3")[1] == "value  6.0\ndf/de  3.0\ndf/dx  2.0\n"
    assert run("grad", "σ(α)", "--at", "α=0")[1] == "value  0.5\ndf/dα  0.25\n"


def test_trace_prints_every_stage():
    code, out, _ = run("trace", CLASSIC, *AT)
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["stage", "value", "gradient"]
    assert [row[0] for row in rows[1:]] == ["x", "y", "sigy", "num", "sigx", "xpy", "xpysqr", "den", "invden", "f"]
    assert rows[-1] == ["f", str(VALUE), "1.0"]
    shown = terminal("trace", CLASSIC, *AT, "--no-color", width=80)
    assert all(row[0] in shown and row[1] in shown for row in rows)


def test_prove_reports_a_level_for_each_quantity():
    code, out, err = run("prove", CLASSIC)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [["value", "proved"], ["df/dx", "proved"], ["df/dy", "proved"]]


def test_a_refuted_proof_is_exit_code_1(monkeypatch):
    from stagegrad.verify import report

    wrong = report.Proof("f", report.Verdict("proved", "it is"), {"x": report.Verdict("refuted", "it is not", {"x": 1.0})}, "the formula")
    monkeypatch.setattr(stagegrad.Staged, "prove", lambda self: wrong)
    for command in (("prove", "x*x"), ("prove", "x*x", "--json"), ("show", "x*x", "--prove"), ("show", "x*x", "--at", "x=1")):
        code, out, _ = run(*command)
        assert code == 1
        assert "refuted" in out


def test_json():
    shown = json.loads(run("show", CLASSIC, *AT, "--json")[1])
    assert list(shown) == ["program", "name", "parameters", "wrt", "target", "at", "value", "gradients", "proof", "stages", "source"]
    assert shown["source"] == run("show", CLASSIC)[1]
    assert shown["stages"] == ["sigy", "num", "sigx", "xpy", "xpysqr", "den", "invden", "f"]
    assert shown["gradients"] == {"x": DX, "y": DY}
    assert shown["proof"]["level"] == "proved" and shown["proof"]["ok"] is True
    assert "at" not in json.loads(run("show", CLASSIC, "--json")[1])
    gradient = json.loads(run("grad", CLASSIC, *AT, "--json")[1])
    assert gradient == {"program": CLASSIC, "name": "f", "parameters": ["x", "y"], "wrt": ["x", "y"], "target": "python",
                        "at": {"x": 3, "y": -4}, "value": VALUE, "gradients": {"x": DX, "y": DY}}  # fmt: skip
    traced = json.loads(run("trace", CLASSIC, *AT, "--json")[1])
    assert traced["stages"]["f"] == {"value": VALUE, "gradient": 1.0}
    assert json.loads(run("prove", "x*y", "--json")[1])["proof"]["gradients"]["x"]["level"] == "proved"


def test_json_has_no_nan():
    out = run("grad", "x*y", "--at", "x=nan,y=inf", "--json")[1]
    assert json.loads(out, parse_constant=pytest.fail)["value"] == "nan"
    assert json.loads(out)["at"] == {"x": "nan", "y": "inf"}


# ---------------------------------------------------------------------------------------------- functions of files


def test_a_function_of_a_file(user_file):
    code, out, err = run("grad", f"{user_file}:newton", "--at", "a=2")
    assert (code, out) == (0, "value  1.414213562373095\ndf/da  0.35355339059327373\n")
    assert err == "noise\n"  # what the file prints does not mix with the answer
    assert "for i in range(6):" in run("show", f"{user_file}:newton")[1]
    assert run("grad", f"{user_file}:power", "--at", "x=2")[1] == "value  8.0\ndf/dx  12.0\n"
    assert run("grad", f"{user_file}:power", "--at", "x=2,n=1")[1] == "value  2.0\ndf/dx  1.0\n"
    code, _, err = run("grad", f"{user_file}:power", "--at", "x=2,n=1.5")
    assert code == 1 and "argument `n`" in err


def test_a_decorated_function_keeps_its_own_options(user_file):
    assert run("grad", f"{user_file}:decorated", "--at", "x=2,y=1")[1] == "value  2.0\ndf/dy  3.0\n"
    assert run("grad", f"{user_file}:decorated", "--at", "x=2,y=1", "--wrt", "x")[1] == "value  2.0\ndf/dx  1.0\n"


def test_what_was_compiled_is_what_is_shown(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import stagegrad\n\n\n"
        "@stagegrad.compile(types={'x': 'float64[:]'}, parallel=True)\n"
        "def f(x):\n"
        "    s = 0.0\n"
        "    for i in range(len(x)):\n"
        "        s += x[i] * x[i]\n"
        "    return s\n",
        encoding="utf-8",
    )
    assert "prange" in run("show", f"{path}:f", "--target", "numba")[1]
    assert "for i in range(len(x)):" in run("show", f"{path}:f")[1]


def test_a_function_of_a_file_is_proved(user_file):
    code, out, _ = run("prove", f"{user_file}:power")
    assert code == 0
    assert "df/dx" in out


def test_a_refused_function_is_shown_with_its_place(user_file):
    code, out, err = run("show", f"{user_file}:refused")
    assert (code, out) == (1, "")
    assert f"{user_file}:20:12: " in err
    assert "return open(x)" in err and "^^^^" in err


def test_a_decorated_function_that_is_refused_is_shown_with_its_place(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import stagegrad\n\n\n@stagegrad.compile\ndef f(x):\n    return open(x)\n", encoding="utf-8")
    code, out, err = run("show", f"{path}:f")
    assert (code, out) == (1, "")
    assert err.startswith(f"{path}:6:12: ")
    assert "Traceback" not in err


def test_a_file_that_fails_shows_its_own_lines_only(tmp_path):
    path = tmp_path / "boom.py"
    for text, word in (("def f(x):\n    return x\n\n\n1/0\n", "ZeroDivisionError"), ("def f(x:\n", "SyntaxError"),
    ("import sys\nsys.exit(3)\n", "SystemExit"),
                       ("import nowhere_at_all\n", "ModuleNotFoundError"), ("\0", "")):  # fmt: skip
        path.write_text(text, encoding="utf-8")
        code, out, err = run("show", f"{path}:f")
        assert (code, out) == (1, "")
        assert f"{path} failed while it was imported" in err and word in err
        assert "stagegrad" not in err.replace(str(tmp_path), "") and "importlib" not in err


@pytest.mark.parametrize("content", [b"def f(x)\n", b"\0\xff", b"(" * 5000, b""])
def test_a_file_that_cannot_be_read_is_asked_for_its_function(tmp_path, content):
    path = tmp_path / "broken.py"
    path.write_bytes(content)
    for program in (str(path), f"{path}:"):
        code, out, err = run("show", program)
        assert (code, out) == (2, "") and "which function of the file" in err


def test_a_point_for_a_function_without_parameters_or_with_ints(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text("def nothing():\n    return 1.0\n\n\ndef counted(x: float, n: int):\n    return x ** n\n", encoding="utf-8")
    assert "has no parameters" in run("grad", f"{path}:nothing", "--at", "x=2")[2]
    assert "--at x=1.5,n=2" in run("grad", f"{path}:counted", "--at", "x=2")[2]
    (tmp_path / "folder.py").mkdir()
    assert "is a folder" in run("show", f"{tmp_path}/folder.py:f")[2]


def test_an_error_inside_numpy_is_shown_at_the_line_that_called_it(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\n\n\ndef solved(A, b):\n    return np.sum(np.linalg.solve(A, b))\n", encoding="utf-8")
    code, _, err = run("grad", f"{path}:solved", "--at", "A=[[1,2],[2,4]],b=[1,2]")
    assert code == 1 and err.startswith(f"{path}:5:19: LinAlgError")


def test_an_answer_that_cannot_be_written_is_said():
    for redirected in ("> /dev/full", ">&-"):
        done = subprocess.run(f"{sys.executable} -m stagegrad show 'x*y' {redirected}", shell=True, capture_output=True, text=True)
        assert done.returncode == 1 and "Traceback" not in done.stderr and done.stderr.startswith("Error: ")


def test_what_is_not_there_is_a_usage_error(user_file, tmp_path):
    for program, words in (
        (f"{user_file}:newtonn", "it has newton"),
        (str(user_file), f"for example {user_file}:newton"),
        (f"{tmp_path}/no.py:f", "there is no file"),
        (f"{user_file}:newton:x", f"newton:x is not the name of a function of the file. For example {user_file}:newton"),
        (f"{user_file}:Class.method", "Class.method is not the name of a function"),
        (f"{user_file}:__name__", "is of the type str, not a function"),
    ):
        code, out, err = run("show", program)
        assert (code, out) == (2, "")
        assert words.lower() in err.lower()


def test_a_drive_letter_is_part_of_the_file():
    code, _, err = run("show", r"C:\work\x.py:f")
    assert code == 2
    assert r"C:\work\x.py" in err


# ---------------------------------------------------------------------------------------------- arrays


@pytest.fixture
def array_file(tmp_path):
    path = tmp_path / "arrays.py"
    path.write_text(
        "import numpy as np\n\n\n"
        "def weighted(x, c=2.0):\n"
        "    return np.sum(x * x) * c\n\n\n"
        "def affine(p, x, how='sum'):\n"
        "    return np.sum(p['w'] * x) + p['b']\n\n\n"
        "def picked(x, n):\n"
        "    return x[n[0]] * 2.0\n",
        encoding="utf-8",
    )
    return path


def test_a_point_may_hold_arrays_and_dicts(array_file):
    assert run("grad", f"{array_file}:weighted", "--at", "x=[1, 2.5],c=3") == (
        0,
        "value  21.75\ndf/dx  [6.0, 15.0]\ndf/dc  7.25\n",
        "",
    )
    code, out, err = run("grad", f"{array_file}:affine", "--at", 'p={"w": [1, 2], "b": 1}', "--at", 'x=[3,4],how="sum"')
    assert (code, err) == (0, "")
    assert out == "value  12.0\ndf/dp  {'w': [3.0, 4.0], 'b': None}\ndf/dx  [1.0, 2.0]\n"
    answer = json.loads(run("grad", f"{array_file}:weighted", "--at", "x=[[1,nan],[2,inf]]", "--json")[1])
    assert answer["at"] == {"x": [[1.0, "nan"], [2.0, "inf"]]}
    assert answer["gradients"] == {"x": [[4.0, "nan"], [8.0, "inf"]], "c": "nan"}
    assert run("grad", f"{array_file}:weighted", "--at", "x=[100000000000000000000]")[1].startswith("value  2e+40")
    assert run("grad", f"{array_file}:weighted", "--at", "x=2")[1] == "value  8.0\ndf/dx  8.0\ndf/dc  4.0\n"


def test_types_show_code_without_a_point(array_file):
    code, out, err = run("show", f"{array_file}:weighted", "--types", "x=float64[:, :], c=float")
    assert (code, err) == (0, "")
    assert "np.sum(" in out and "@njit" not in out
    assert "@njit" in run("show", f"{array_file}:weighted", "--types", "x=float64[:]", "--target", "numba")[1]
    assert run("show", f"{array_file}:weighted", "--at", "x=[1,2]")[1].startswith(
        run("show", f"{array_file}:weighted", "--types", "x=float64[:]", "--target", "numpy")[1]
    )
    code, _, err = run("show", f"{array_file}:weighted")
    assert code == 2 and "--types x=float64[:]" in err
    assert run("grad", f"{array_file}:picked", "--at", "x=[1,2],n=[1]", "--types", "n=int64[1]")[1] == "value  4.0\ndf/dx  [0.0, 2.0]\n"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("grad", "weighted", "--at", "x=[1,2"), 2, "is not JSON"),
        (("grad", "weighted", "--at", "x=[[1],[2,3]]"), 2, "are not of one length"),
        (("grad", "weighted", "--at", 'x=["a"]'), 2, "does not hold numbers"),
        (("grad", "weighted", "--at", "x=[" * 2000), 2, "is not JSON"),
        (("grad", "weighted", "--at", "x=[1e999]"), 2, "is too large for a float64"),
        (("grad", "weighted", "--at", "x=[1" + "0" * 400 + "]"), 2, "is too large for a float64"),
        (("grad", "weighted", "--at", "x=[0.5, 2]", "--types", "x=int64[:]"), 2, "does not hold int64 alone"),
        (("grad", "weighted", "--at", "x=[nan]", "--types", "x=int64[:]"), 2, "does not hold int64 alone"),
        (("show", "weighted", "--types", "x"), 2, "is not of the form name=type"),
        (("show", "weighted", "--types", "x=float65"), 2, "is not one that stagegrad knows"),
        (("show", "weighted", "--types", "y=float64"), 2, "no parameter 'y'"),
        (("trace", "weighted", "--at", "x=[1,2]"), 1, "trace() shows numbers"),
        (("prove", "weighted", "--types", "x=float64[:]"), 1, "a proof is for functions of numbers"),
        (("grad", "affine", "--at", "x=[1],how=mean"), 2, 'as a text it is written "mean"'),
        (("grad", "affine", "--at", 'p={"w":[1,2],"b":1},x=[1,2,3]'), 1, "could not be broadcast together"),
    ],
)
def test_what_is_wrong_with_arrays_is_said(array_file, args, code, words):
    command, function, *rest = args
    found, out, err = run(command, f"{array_file}:{function}", *rest)
    assert (found, out) == (code, "")
    assert words in " ".join(err.split())
    assert "Traceback" not in err


def test_a_formula_takes_no_arrays():
    assert run("show", "x*y", "--types", "x=float64[:]")[0] == 2
    code, _, err = run("grad", "x*y", "--at", "x=[1,2],y=1")
    assert code == 1 and "it needs a float" in err


# ---------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("x=3", "no value for y, zz"),
        ("x=3,y=1,zz=2,w=1,v=2", "no parameter w"),
        ("x=3,y=1,zz=2,e=1", "--wrt e makes it a variable"),
        ("x=3,y", "'y' in 'x=3,y' is not of the form name=number"),
        ("x=3,,y=2", "''"),
        ("x=3,y=abc", "'abc' in 'y=abc' is not a number"),
        ("x=3,y=1/2", "'1/2' in 'y=1/2' is not a number"),
        ("x=3,x=4", "x is given twice"),
        ("3,4,5", "'3'"),
        ("x=1e999,y=1,zz=1", "too large"),
        ("", "''"),
        ("x=__import__('os')", "is not a number"),
    ],
)
def test_a_malformed_point_is_a_usage_error_that_shows_the_piece(at, words):
    code, out, err = run("grad", "x*y*zz*e", "--at", at)
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("show", "x^2"), 1, "write instead:  x**2"),
        (("show", ""), 1, "the formula is empty"),
        (("show", "foo(x) + bar(x)"), 1, "there is no function bar"),
        (("show", "x*y", "--wrt", "z"), 2, "'z'"),
        (("show", "x*y", "--wrt", "x,x"), 2, "twice"),
        (("show", "x*y", "--stages", "coarse"), 2, "'coarse' is not one of"),
        (("show", "x*y", "--target", "c"), 2, "'c' is not one of"),
        (("show", "x*y", "--prov"), 2, "--prove"),
        (("show",), 2, "Missing argument"),
        (("show", "x", "y"), 2, "extra argument"),
        (("grad", "x*y"), 2, "--at"),
        (("shwo", "x*y"), 2, "shwo"),
        (("grad", "1 + log(x)", "--at", "x=-1"), 1, "<formula>:1:5: ValueError: "),
        (("trace", "1 + 1/x", "--at", "x=0"), 1, "<formula>:1:5: ZeroDivisionError"),
    ],
)
def test_errors_go_to_stderr_with_their_exit_code(args, code, words):
    found, out, err = run(*args)
    assert (found, out) == (code, "")
    assert words in " ".join(err.split()) or words in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("expression", "marked"),
    [("math.log(x) + β", "math.log(x)"), ("β * math.log(x)", "math.log(x)"), ("math.log(\n        x) + β", "math.log(")],
)
def test_the_caret_of_a_failure_is_under_the_operation(tmp_path, expression, marked):
    path = tmp_path / "mine.py"
    path.write_text(f"import math\n\n\ndef deep(β: float, x: float) -> float:\n    return {expression}\n", encoding="utf-8")
    code, _, err = run("grad", f"{path}:deep", "--at", "β=2,x=-1")
    place, excerpt, caret, *_ = err.splitlines()
    start, end = caret.index("^"), caret.rindex("^") + 1
    assert code == 1
    assert excerpt[start:end] == marked
    assert f":5:{start - len('    5 | ') + 1}: ValueError" in place


@pytest.mark.parametrize(
    ("line", "caret"),
    [
        ("\tprint(x)", "\t" + "^" * 8),
        ("    変 = x; print(x)", " " * 12 + "^" * 8),
        ("    e\u0301 = 'e\u0301'; print(x)", " " * 13 + "^" * 8),
    ],
)
def test_the_caret_stands_below_what_a_terminal_shows(tmp_path, line, caret):
    path = tmp_path / "mine.py"
    indent = line[: len(line) - len(line.lstrip())]
    path.write_text(f"def f(x):\n{line}\n{indent}return x\n", encoding="utf-8")
    assert f"    2 | {line}\n      | {caret}\n" in run("show", f"{path}:f")[2]


def test_no_text_ends_in_a_traceback():
    pieces = [
        "x",
        "y",
        "(",
        ")",
        "+",
        "*",
        "**",
        "2",
        "sin",
        ":f",
        ".py",
        "--",
        "-",
        "\n",
        "=",
        ",",
        "'",
        "\0",
        "²",
        " ",
        "if",
        "C:\\",
        "/",
        "[",
        "σ",
    ]
    chosen = random.Random(3)
    for _ in range(200):
        text = "".join(chosen.choice(pieces) for _ in range(chosen.randint(0, 8)))
        code, _, err = run("show", text)
        assert code in (0, 1, 2)
        assert "Traceback" not in err


# ---------------------------------------------------------------------------------------------- as a process


def process(*args, **env):
    return subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "stagegrad", *args], capture_output=True, env={**os.environ, **env}, timeout=60
    )


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("show", "--help"), ("show", CLASSIC), ("grad", CLASSIC, *AT)])
def test_starting_up_imports_nothing_heavy(args):
    code = (
        f"import sys; from stagegrad.cli import main; main({list(args)!r}, standalone_mode=False);"
        "print([m for m in ('numba', 'sympy', 'numpy', 'rich', 'llvmlite', 'mpmath') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_the_same_bytes_in_every_process():
    outputs = {process("show", CLASSIC, PYTHONHASHSEED=str(seed)).stdout for seed in (1, 2)}
    assert len(outputs) == 1


def test_source_is_utf_8_whatever_the_locale_says():
    done = process("show", "σ(α)*π", PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0
    assert "α" in done.stdout.decode("utf-8")


def test_a_closed_pipe_is_no_error():
    with subprocess.Popen([sys.executable, "-m", "stagegrad", "show", CLASSIC], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        assert b"Traceback" not in child.stderr.read()


def test_version():
    assert run("--version")[1] == f"stagegrad {stagegrad.__version__}\n"


def test_a_long_formula_is_shown_in_seconds():
    start = time.perf_counter()
    code, out, _ = run("show", " + ".join(["x*y"] * 2000))
    assert code == 0
    assert out.count("\n") > 4000
    assert time.perf_counter() - start < 20


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A folder that no other test looks at or clears."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path))


@pytest.mark.usefixtures("own_cache")
def test_the_cache_is_looked_after():
    run("grad", "x*y - 2.5*x", "--at", "x=1,y=2")
    assert re.search(r": [1-9]\d* modules, [\d,]+ bytes of at most 1,073,741,824", run("cache", "info")[1])
    assert run("cache", "verify") == (0, "all files are as they were written\n", "")
    assert run("cache", "clear")[1].startswith("removed ")
    assert ": 0 modules, 0 bytes" in run("cache", "info")[1]


@pytest.mark.usefixtures("own_cache")
def test_the_cache_is_looked_after_in_json():
    run("grad", "x*y + 3.5*x", "--at", "x=1,y=2", "--target", "numba")
    info = json.loads(run("cache", "info", "--json")[1])
    assert info["modules"] >= 1 and info["bytes"] > 0 and info["limit"] == 1 << 30 and info["problem"] == ""
    assert json.loads(run("cache", "verify", "--json")[1]) == {"ok": True, "damaged": []}
    (damaged, *_) = Path(info["folder"]).rglob("*.nbc")
    damaged.write_bytes(b"")
    code, out, _ = run("cache", "verify", "--json")
    assert code == 1 and json.loads(out) == {"ok": False, "damaged": [damaged.name]}
    assert run("cache", "verify")[:2] == (1, f"damaged: {damaged.name}\n")
    assert json.loads(run("cache", "clear", "--json")[1])["removed"] >= 3


def test_show_writes_a_file(tmp_path):
    path = tmp_path / "slope.py"
    code, out, err = run("show", CLASSIC, "-o", str(path))
    assert (code, err) == (0, f"wrote {path}\n")
    assert path.read_text() == out
    code, _, err = run("show", CLASSIC, "-o", str(tmp_path / "missing" / "slope.py"))
    assert code == 1
    assert err == f"Error: cannot write {tmp_path / 'missing' / 'slope.py'}: No such file or directory\n"


def test_the_program_is_not_overwritten(user_file):
    before = user_file.read_bytes()
    code, out, err = run("show", f"{user_file}:newton", "-o", f"{user_file.parent}/./{user_file.name}")
    assert (code, out) == (2, "") and "is the file that the program is in" in err
    assert user_file.read_bytes() == before
