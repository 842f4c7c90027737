"""The proof itself is tested: it has to prove what is right, and to refute, at a point that shows it, what is wrong."""

from __future__ import annotations

import ast
import math
import re
import subprocess
import sys
import threading
import time
from math import exp, log

import pytest

import stagegrad
from stagegrad import ops
from stagegrad.verify import Proof, Verdict, prove_rule, prove_source

# ---------------------------------------------------------------------------------------------- sources by hand

EXPRESSION = """
from math import exp

def value_and_grad(x, y):
    sigy = 1.0 / (1.0 + exp(-y))
    num = x + sigy
    sigx = 1.0 / (1.0 + exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    df = 1.0
    dnum = invden * df
    dinvden = num * df
    dden = -(invden**2) * dinvden
    dsigx = dden
    dxpysqr = dden
    dxpy = 2.0 * xpy * dxpysqr
    dx = dxpy
    dy = dxpy
    dx += (1.0 - sigx) * sigx * dsigx
    dx += dnum
    dsigy = dnum
    dy += (1.0 - sigy) * sigy * dsigy
    return f, (dx, dy)
"""


def expression(x, y):
    def sigmoid(v):
        return 1.0 / (1.0 + exp(-v))

    return (x + sigmoid(y)) / (sigmoid(x) + (x + y) ** 2)


BRANCH = """
from math import log

def value_and_grad(x, y):
    y2 = 2.0 * y
    branch1 = x > y2
    if branch1:
        z = x * y
    else:
        z = log(y)
    maxzx = max(z, x)
    f = maxzx + z
    df = 1.0
    dmaxzx = df
    dz = df
    if x > z:
        dx = dmaxzx
    else:
        dz += dmaxzx
        dx = 0.0
    dy = 0.0
    if branch1:
        dx += y * dz
        dy += x * dz
    else:
        dy += dz / y
    return f, (dx, dy)
"""


def branch(x, y):
    if x > 2.0 * y:  # noqa: SIM108  (the branch is what is tested)
        z = x * y
    else:
        z = log(y)
    return max(z, x) + z


LOOP = """
def value_and_grad(r, x0, n):
    x = x0
    x_tape = [0.0] * n
    for i in range(n):
        x_tape[i] = x
        rx = r * x
        left = 1.0 - x
        x = rx * left
    f = x
    dr = 0.0
    dx = 1.0
    for i in range(n - 1, -1, -1):
        x = x_tape[i]
        rx = r * x
        left = 1.0 - x
        dxnew, dx = dx, 0.0
        drx = left * dxnew
        dleft = rx * dxnew
        dx -= dleft
        dr += x * drx
        dx += r * drx
    dx0 = dx
    return f, (dr, dx0)
"""


def loop(r, x0, n):
    x = x0
    for _ in range(n):
        x = r * x * (1.0 - x)
    return x


WHILE = """
def grown(tape, n):
    return tape if n < len(tape) else tape + tape

def value_and_grad(a, x0):
    x = x0
    x_tape = [0.0] * 16
    trips = 0
    while x * x - a > 1e-12 or a - x * x > 1e-12:
        xsqr = x * x
        num = xsqr - a
        den = 2.0 * x
        invden = 1.0 / den
        step = num * invden
        if step * step < 1e-30:
            break
        x_tape = grown(x_tape, trips)
        x_tape[trips] = x
        trips += 1
        x = x - step
    f = x
    da = 0.0
    dx = 1.0
    for trip in range(trips - 1, -1, -1):
        x = x_tape[trip]
        xsqr = x * x
        num = xsqr - a
        den = 2.0 * x
        invden = 1.0 / den
        dstep = -dx
        dnum = invden * dstep
        dinvden = num * dstep
        dden = -(invden**2) * dinvden
        dx += 2.0 * dden
        dxsqr = dnum
        da -= dnum
        dx += 2.0 * x * dxsqr
    dx0 = dx
    return f, (da, dx0)
"""


def newton(a, x0):
    x = x0
    while x * x - a > 1e-12 or a - x * x > 1e-12:
        step = (x * x - a) / (2.0 * x)
        if step * step < 1e-30:
            break
        x = x - step
    return x


SOURCES = {
    "expression": (EXPRESSION, expression, ("x", "y"), ("float", "float")),
    "branch": (BRANCH, branch, ("x", "y"), ("float", "float")),
    "loop": (LOOP, loop, ("r", "x0", "n"), ("float", "float", "int")),
}


def judge(text: str, name: str, **options: object) -> Proof:
    """The proof of a (perhaps broken) text of that name."""
    _, primal, parameters, types = SOURCES[name]
    wrt = [p for p, kind in zip(parameters, types, strict=True) if kind == "float"]
    return prove_source(text, "value_and_grad", primal, parameters, wrt, types=types, **options)


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_right_is_proved_in_every_quantity_within_two_seconds(name):
    start = time.process_time()
    proof = judge(SOURCES[name][0], name)
    assert {verdict.level for verdict in (proof.value, *proof.gradients.values())} == {"proved"}, str(proof)
    assert proof.level == "proved" and proof.ok
    assert time.process_time() - start < 2.0


def test_the_report_of_a_proof():
    assert str(judge(EXPRESSION, "expression")) == (
        "value  proved   the source minus the primal simplifies to 0\n"
        "df/dx  proved   d/dx of the source minus SymPy's derivative simplifies to 0\n"
        "df/dy  proved   d/dy of the source minus SymPy's derivative simplifies to 0\n"
        "against your function expression"
    )


def test_branches_are_proved_path_by_path_and_loops_for_small_counts():
    assert judge(BRANCH, "branch").gradients["x"].detail.endswith("simplifies to 0 on all 4 paths")
    assert judge(LOOP, "loop").gradients["r"].detail.endswith("for n = 0..3")


def test_a_loop_without_a_known_count_is_checked_and_says_why_it_is_not_proved():
    proof = prove_source(WHILE, "value_and_grad", newton, ("a", "x0"), ("a", "x0"), time_limit=6.0)
    assert proof.level == "checked"
    assert re.search(r"to 30 digits at \d+ points; simplifies to 0 on \d+ paths?, ", proof.gradients["a"].detail)


def test_the_time_limit_falls_back_to_checked_and_says_so():
    """Fifteen nested sines of two variables have no normal form that can be written down in a second."""
    text = "import math\ndef primal(x, y):\n    z = x\n" + "    z = math.sin(z * y) + math.cos(z) / (1.0 + z * z)\n" * 15 + "    return z\n"
    words: dict[str, object] = {}
    exec(compile(text, "<primal>", "exec"), words)
    gradient = text.replace("primal", "value_and_grad").replace("return z", "return z, (0.0, 0.0)")
    start = time.process_time()
    proof = prove_source(gradient, "value_and_grad", words["primal"], ("x", "y"), ("x", "y"), time_limit=1.0)
    assert time.process_time() - start < 3.0
    assert proof.value.level in ("checked", "proved")
    assert proof.gradients["x"].level == "refuted"


# ---------------------------------------------------------------------------------------------- broken sources


def gradients_at(text: str, arguments: list[float]) -> list[float] | None:
    """Value and gradients of a text on floats, None where it raises."""
    words: dict[str, object] = {}
    exec(compile(text, "<text>", "exec"), words)
    try:
        value, slopes = words["value_and_grad"](*arguments)
    except Exception:
        return None
    return [value, *slopes]


def apart(right: list[float] | None, wrong: list[float] | None) -> bool:
    """Whether the right numbers exist and the wrong ones are others."""
    if right is None or wrong is None:
        return right is not None
    return any(abs(a - b) > 1e-7 * max(1.0, abs(a)) for a, b in zip(right, wrong, strict=True))


def is_shown(text: str, broken: str, verdict: Verdict, parameters: tuple[str, ...]) -> bool:
    """Whether the point of a refutation really tells the broken text from the right one."""
    arguments = [verdict.point[name] for name in parameters]
    return apart(gradients_at(text, arguments), gradients_at(broken, arguments))


def differs(text: str, broken: str, types: tuple[str, ...]) -> bool:
    """Whether two texts give different numbers at any of many points."""
    for a in (0.4, 1.3, 2.7, -0.6, 5.0):
        for b in (0.3, 0.9, 1.7, 4.0):
            for n in (0, 1, 2, 3):
                arguments = [a, b, n][: len(types)]
                if apart(gradients_at(text, arguments), gradients_at(broken, arguments)):
                    return True
    return False


def mutants(text: str) -> list[tuple[str, str]]:
    """Every way to break one line: a sign turned, an accumulation dropped or overwritten, an index shifted, a line left out."""
    lines = text.strip("\n").split("\n")
    edits = [("-(", "("), (" - ", " + "), (" + ", " - "), ("+=", "="), ("-=", "+="), ("x_tape[i]", "x_tape[i - 1]"), ("2.0 *", "3.0 *"),
             (">", "<"), ("max(", "min("), ("range(n - 1, -1, -1)", "range(n)")]  # fmt: skip
    found = []
    for number, line in enumerate(lines):
        for old, new in edits:
            if old in line and not line.startswith(("def", "from")):
                found.append((f"line {number + 1}: {line.strip()} with {old} -> {new}", line.replace(old, new, 1), number))
        if re.match(r"\s+\w+ (\+|-)?= ", line):
            found.append((f"line {number + 1}: without {line.strip()}", re.sub(r"\S.*", "pass", line), number))
    return [(title, "\n".join([*lines[:number], changed, *lines[number + 1 :]])) for title, changed, number in found]


MUTANTS = [pytest.param(name, broken, id=f"{name} {title}") for name in SOURCES for title, broken in mutants(SOURCES[name][0])]


@pytest.mark.parametrize(("name", "broken"), MUTANTS)
def test_what_is_broken_is_refuted_at_a_point_that_shows_it(name, broken):
    text, _, parameters, types = SOURCES[name]
    proof = judge(broken, name, time_limit=2.0)
    verdicts = [proof.value, *proof.gradients.values()]
    refuted = [verdict for verdict in verdicts if verdict.level == "refuted"]
    assert bool(refuted) is differs(text, broken, types), str(proof)
    assert proof.ok is not bool(refuted)
    assert all(is_shown(text, broken, verdict, parameters) for verdict in refuted), str(proof)
    ast.parse(broken)


def test_a_single_wrong_gradient_leaves_the_other_verdicts_as_they_are():
    proof = judge(EXPRESSION.replace("dy = dxpy", "dy = -dxpy"), "expression")
    assert (proof.value.level, proof.gradients["x"].level, proof.gradients["y"].level) == ("proved", "proved", "refuted")
    assert proof.level == "refuted"
    assert re.search(r"the source gives \S+, the derivative is \S+ at x=\S+, y=\S+", str(proof.gradients["y"]).replace("  ", " "))


def test_a_path_that_random_points_hardly_meet_is_found():
    """Both `x` near 100 and `y == 3` are searched for, not waited for."""

    def primal(x, y):
        if x > 100.0:
            return x * x * y
        if y == 3.0:
            return x + y
        return x * y

    text = """
def value_and_grad(x, y):
    if x > 100.0:
        return x * x * y, (2.0 * x * y, x * x)
    if y == 3.0:
        return x + y, (1.0, 1.0)
    return x * y, (y, x)
"""
    proof = prove_source(text, "value_and_grad", primal, ("x", "y"), ("x", "y"))
    assert proof.level == "proved"
    assert "all 3 paths" in proof.value.detail
    wrong = prove_source(text.replace("2.0 * x * y, x * x", "2.0 * x * y, x"), "value_and_grad", primal, ("x", "y"), ("x", "y"))
    assert wrong.gradients["y"].level != "proved"


def test_an_exception_that_the_primal_does_not_raise_refutes():
    text = "def value_and_grad(x):\n    return x, [1.0][1 if x > 1.0 else 0]\n"
    proof = prove_source(text, "value_and_grad", lambda x: x, ("x",), ("x",))
    assert proof.level == "refuted"
    assert "IndexError" in proof.value.detail
    assert proof.value.point["x"] > 1.0


def test_exceptions_of_the_primal_belong_to_the_program():
    def primal(x):
        if x < 0.0:
            raise ValueError("negative")
        return math.sqrt(x)

    text = """
import math
def value_and_grad(x):
    if x < 0.0:
        raise {error}("negative")
    f = math.sqrt(x)
    return f, 0.5 / f
"""
    assert prove_source(text.format(error="ValueError"), "value_and_grad", primal, ("x",), ("x",)).level == "proved"
    assert prove_source(text.format(error="TypeError"), "value_and_grad", primal, ("x",), ("x",)).level != "proved"


# ---------------------------------------------------------------------------------------------- oracles


def test_a_formula_is_read_independently_and_never_evaluated():
    proof = prove_source(EXPRESSION, "value_and_grad", "(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)", ("x", "y"), ("x", "y"))
    assert proof.level == "proved"
    bad = prove_source(EXPRESSION, "value_and_grad", "__import__('os').system('true') + x + y", ("x", "y"), ("x", "y"))
    assert bad.level == "untested" and not bad.ok


def test_names_are_resolved_through_the_live_objects():
    cos_called_sin = math.cos

    def primal(x):
        return cos_called_sin(x) * SCALE

    text = "import math\ndef value_and_grad(x):\n    return math.cos(x) * 2.5, -(2.5 * math.sin(x))\n"
    assert prove_source(text, "value_and_grad", primal, ("x",), ("x",)).level == "proved"


SCALE = 2.5


def test_what_cannot_run_on_exact_numbers_is_tested_in_floating_point():
    def primal(x):
        return float(f"{x * x:.17g}")

    text = "def value_and_grad(x):\n    return x * x, 2.0 * x\n"
    proof = prove_source(text, "value_and_grad", primal, ("x",), ("x",))
    assert proof.level in ("tested", "checked") and proof.ok
    wrong = prove_source(text.replace("2.0 * x", "2.1 * x"), "value_and_grad", primal, ("x",), ("x",))
    assert wrong.gradients["x"].level == "refuted"


def test_constants_folded_by_a_compiler_are_what_they_round():
    def primal(x):
        return x * 0.1 * 0.7 / 3.0 + math.log(2.0) * x

    text = f"def value_and_grad(x):\n    return x * 0.1 * 0.7 / 3.0 + {math.log(2.0)!r} * x, {0.1 * 0.7 / 3.0 + math.log(2.0)!r}\n"
    proof = prove_source(text, "value_and_grad", primal, ("x",), ("x",))
    assert (proof.value.level, proof.gradients["x"].level) == ("proved", "tested")


def test_a_proof_in_a_thread_keeps_its_time_limit():
    done: list[Proof] = []
    worker = threading.Thread(target=lambda: done.append(judge(EXPRESSION, "expression", time_limit=2.0)))
    worker.start()
    worker.join(5.0)
    assert done and done[0].level == "proved"


def test_reports_are_data():
    proof = judge(EXPRESSION.replace("dy = dxpy", "dy = -dxpy"), "expression")
    facts = proof.as_dict()
    assert facts["gradients"]["x"] == {"level": "proved", "detail": proof.gradients["x"].detail, "point": None}
    assert set(facts["gradients"]["y"]["point"]) == {"x", "y"}
    with pytest.raises(ValueError, match="no such level"):
        Verdict("certain", "")


# ---------------------------------------------------------------------------------------------- compiled functions


def test_the_formula_of_the_notes_is_proved():
    formula = stagegrad.formula("(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)", target="python")
    proof = formula.prove()
    assert [verdict.level for verdict in (proof.value, *proof.gradients.values())] == ["proved"] * 3
    assert "the formula, read independently" in str(proof)
    check = formula.check_grads(3.0, -4.0)
    assert check.ok and check.value.found == 1.5456448841066441, str(check)


def test_a_function_is_proved_against_itself_as_it_was_written():
    scale = 2.5

    def helper(v):
        return v * v + scale

    def f(x, y, n: int, flag: bool = True):
        total = 0.0
        for i in range(n):
            if flag and x > y + i:
                total += helper(x) / y
            else:
                total -= math.atan2(y, x) * i
        return total + x

    proof = stagegrad.compile(f, target="python").prove()
    assert proof.level == "proved", str(proof)
    assert proof.oracle == "your function f"
    assert proof.gradients["x"].detail.endswith("for n = 0..3")


def test_second_derivatives_and_recursion_and_gates():
    @stagegrad.gate
    def swish(x):
        return x / (1.0 + math.exp(-x))

    def power(x, n: int):
        return 1.0 if n == 0 else x * power(x, n - 1)

    def f(x, y):
        return swish(x * y) + math.sin(x) ** 2

    assert stagegrad.compile(f, target="python").prove().level == "proved"
    assert stagegrad.compile(power, target="python").prove().level == "proved"
    second = stagegrad.compile(stagegrad.grad(f), target="python").prove()
    assert second.level == "proved" and "not against the original" in second.oracle


def test_a_gate_with_a_wrong_slope_is_refuted():
    @stagegrad.gate(grad=lambda out, x: 1.0 + out * out)
    def squash(x):
        return math.tanh(x)

    proof = stagegrad.compile(lambda x: squash(x), target="python").prove()
    assert (proof.value.level, proof.gradients["x"].level) == ("proved", "refuted")


def test_check_grads_of_a_long_loop_in_every_target():
    def f(r, x, n: int):
        for _ in range(n):
            x = r * x * (1.0 - x)
        return x

    for target in ("python", "numba"):
        check = stagegrad.compile(f, target=target, cache=False).check_grads(2.9, 0.3, 200)
        assert check.ok and bool(check) and check.level.startswith("checked"), str(check)
        assert set(check.gradients) == {"r", "x"}


def test_check_grads_names_the_line_whose_slope_is_not_finite():
    def length(x):
        s = x * x
        return math.sqrt(s)

    staged = stagegrad.compile(length, target="python")
    assert staged.check_grads(-2.0).ok
    check = staged.check_grads(0.0)
    assert not check.ok and math.isnan(check.gradients["x"].found)
    assert f"{__file__}:{length.__code__.co_firstlineno + 2} `return math.sqrt(s)`" in str(check)


def test_check_grads_at_a_kink_asks_for_a_slope_between_those_of_the_sides():
    check = stagegrad.compile(lambda x: abs(x) + 3.0 * x, target="python").check_grads(0.0)
    assert check.ok and check.gradients["x"].detail.startswith("the slopes on the two sides are 2.0 and 4.0: a kink at")


def test_check_grads_can_fail(monkeypatch):
    def f(x, y):
        return x * y

    staged = stagegrad.compile(f, target="python")
    monkeypatch.setitem(staged.__dict__, "value_and_grad", lambda x, y: (x * y + 1e-9, (y, y)))
    check = staged.check_grads(2.0, 3.0)
    assert not check and not check.value.ok and check.gradients["x"].ok and not check.gradients["y"].ok
    assert check.as_dict()["gradients"]["y"] == {"found": "3.0", "expected": "2.0", "ok": False, "detail": "the derivative is 2.0"}


# ---------------------------------------------------------------------------------------------- rules

#: The slopes of sinc are a series near 0 and a recurrence elsewhere, which SymPy cannot compare with one formula: these rules are
#: compared with 50 digits in `test_rules` instead, as are quantiles, which are quotients of polynomials.
BY_SERIES = {
    "sinc": "tested", "sinc_dx": "untested",
    "ndtri": "untested", "ndtri_dx": "untested", "erfinv": "untested", "erfcinv": "untested",
}  # fmt: skip
RULES = [op.name for op in ops.REGISTRY.values() if op.exact]


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_proved(name):
    verdict = prove_rule(name)
    assert verdict.level == BY_SERIES.get(name, "proved"), str(verdict)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_polygamma_is_proved_for_each_order(n):
    assert prove_rule("polygamma", n=n).level == "proved"


def test_a_wrong_rule_is_refuted(monkeypatch):
    @ops.elementwise("{x} * {x} * {x}", stage="cubed{x}", exact="x**3")
    def cubed_wrongly(out, x):
        """Its slope should be 3 x**2."""
        return 2.0 * x * x

    monkeypatch.delitem(ops.REGISTRY, "cubed_wrongly")
    monkeypatch.setitem(ops.REGISTRY, "cubed_wrongly", cubed_wrongly)
    verdict = prove_rule(cubed_wrongly)
    assert verdict.level == "refuted" and "the slope in x" in verdict.detail


def test_importing_stagegrad_does_not_import_the_proof():
    code = "import stagegrad, sys; assert 'sympy' not in sys.modules and 'mpmath' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
