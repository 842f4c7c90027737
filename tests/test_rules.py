"""Every rule: closed under differentiation, accurate to 8 ulp over its domain, and proved once with SymPy.

``STAGEGRAD_POINTS=100000 pytest tests/test_rules.py -k accurate`` measures with that many points per operation.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest
import sympy

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.ir import BOOL, FLOAT, Atom, Fresh, Lit, Stage, Var
from stagegrad.ops import HELPERS, REGISTRY, Builder, Op, find, helper, literal, partials_of
from tests.rule_oracle import REFERENCES, attributes, measure, traced, upper_tail

POINTS = int(os.environ.get("STAGEGRAD_POINTS", "600"))
#: The operations that stagegrad declares; a test of gates may have registered some of its own.
DECLARED = sorted(op.name for op in REGISTRY.values() if "stagegrad.rules" in getattr(op.partials, "__module__", "stagegrad.rules"))
DIFFERENTIABLE = [name for name in DECLARED if REGISTRY[name].kind == "elementwise"]
ON_NUMBERS = [name for name in DECLARED if REGISTRY[name].kind in ("elementwise", "flat")]
#: Measured elsewhere: choices and clipping in `test_kinks`, interpolation in `test_numpy_surface`.
#: The others are exact, or the slopes of slopes.
UNMEASURED = {"clip", "where", "positive", "quotient", "divided", "scaled", "over_square", "pow_dx", "pow_dy", "cbrt_dx", "between", "pace",
              "heaviside", "sinc", "sinc_dx"}  # fmt: skip


def arguments(op: Op, fresh: Fresh) -> list[Atom]:
    return [fresh.var(operand, BOOL if operand == "test" else FLOAT) for operand in op.operands]


# ---------------------------------------------------------------------------------------------- declarations


def test_every_differentiable_operation_is_measured_or_listed() -> None:
    assert set(DIFFERENTIABLE) - set(REFERENCES) == UNMEASURED


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_what_a_rule_emits_has_a_rule(name: str) -> None:
    pending, seen = [name], set[str]()
    while pending:
        op = find(pending.pop())
        if op.name in seen:
            continue
        seen.add(op.name)
        fresh = Fresh()
        builder = Builder(fresh)
        traced(op, builder, arguments(op, fresh), attributes(op))
        emitted = {stage.op for stage in builder.stmts}
        assert all(find(word).kind in ("elementwise", "flat") for word in emitted)
        pending += emitted


@pytest.mark.parametrize("name", ON_NUMBERS)
def test_a_declaration_is_complete(name: str) -> None:
    op = REGISTRY[name]
    assert op.doc and op.doc.rstrip()[-1] in ".?)", "a docstring that a user can read"
    assert not set(re.findall(r"\{(\w+)\}", op.stage)) - set(op.operands)
    for template in op.spelling.values():
        assert set(re.findall(r"\{(\w+)\}", template)) <= {*op.operands, *op.attrs}
        called = set(re.findall(r"(?<![.\w])([a-z]\w*)\(", template)) - {"abs", "max", "min", "int", "float", "round"}
        assert called <= set(op.helpers)
    if op.kind == "elementwise":
        assert op.exact, "the proof needs the operation's exact form"


def test_helpers_name_the_helpers_that_they_call() -> None:
    for found in HELPERS.values():
        code = re.sub(r'""".*?"""', "", found.text + found.numba, flags=re.DOTALL)
        called = set(re.findall(r"(?<![.\w])[a-z]\w*", code)) & set(HELPERS)
        assert set(found.needs) <= called, found.name
        assert set(re.findall(r"(?<![.\w])([a-z]\w*)\(", code)) & set(HELPERS) <= {found.name, *found.needs}, found.name


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(LookupError, match="nearest: sigmoid"):
        find("sigmoyd")


def test_an_operation_cannot_be_declared_twice_or_need_an_unknown_helper() -> None:
    from stagegrad.ops import elementwise

    def exp(out: Any, x: Any) -> Any:
        """Again."""
        return out

    with pytest.raises(ValueError, match="declared twice"):
        elementwise("math.exp({x})")(exp)
    exp.__name__ = "unheard_of"
    with pytest.raises(ValueError, match="nobody has registered"):
        elementwise("missing({x})", helpers=("missing",))(exp)


def test_rule_code_cannot_branch_on_a_value() -> None:
    builder = Builder(Fresh())
    with pytest.raises(TypeError, match="where"):
        bool(builder.value(Var("x", FLOAT, 0)) > 0.0)


def test_a_rule_with_too_few_partials_is_noticed() -> None:
    op = REGISTRY["mul"]
    broken = Op(**{**{f: getattr(op, f) for f in op.__dataclass_fields__}, "partials": lambda out, x, y: y})
    fresh = Fresh()
    with pytest.raises(TypeError, match="1 partials for 2 operands"):
        partials_of(broken, Builder(fresh), fresh.var(), arguments(op, fresh))


def test_a_numpy_stage_has_a_numpy_derivative() -> None:
    fresh = Fresh()
    x = fresh.var("x")
    for name, expected in (("sin", [("cos", "numpy")]), ("log", [("positive", "numpy"), ("divided", None)])):
        builder = Builder(fresh)
        partials_of(find(name), builder, fresh.var(), [x], (("lib", "numpy"),))
        assert [(stage.op, dict(stage.attrs).get("lib")) for stage in builder.stmts] == expected


@pytest.mark.parametrize(
    ("exponent", "stages"),
    [(0, []), (1, []), (2, ["mul"]), (3, ["square", "mul"]), (4, ["cube", "mul"]), (5, ["quartic", "mul"]), (6, ["powi", "mul"]),
     (-1, ["div", "mul"]), (2.0, ["mul"]), (2.5, ["pow", "mul"]), (0.5, ["pow_dx"])],
)  # fmt: skip
def test_a_constant_exponent_has_a_form_of_its_own(exponent: float, stages: list[str]) -> None:
    fresh = Fresh()
    builder = Builder(fresh)
    partials_of(find("pow"), builder, fresh.var(), [fresh.var("x"), literal(exponent)])
    assert [stage.op for stage in builder.stmts] == stages


# ---------------------------------------------------------------------------------------------- accuracy


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_value_and_slopes_are_accurate(name: str) -> None:
    slow = name in ("polygamma", "digamma", "lgamma", "gamma")
    worst, where = measure(name, POINTS // 4 if slow and POINTS <= 2000 else POINTS)
    assert max(worst) <= 8.0, f"{name}: ulp of the value and of each slope {worst} at {where}"


def test_the_tail_that_normal_probabilities_are_measured_by_has_all_its_digits() -> None:
    import mpmath

    for x in map(mpmath.mpf, (0.01, 1.0, 6.5, 37.0, 99.5)):
        with mpmath.workdps(60 + int(x * x)):
            exact = 1 - mpmath.erfc(-x / mpmath.sqrt(2)) / 2
        assert abs(upper_tail(x) - exact) <= 1e-40 * exact, x


def test_digamma_below_zero_is_accurate_absolutely() -> None:
    """Near its zeros between the poles no formula in one float is accurate relatively."""
    import mpmath

    from tests.rule_oracle import runnable

    digamma, random_ = runnable("digamma"), random.Random(2)
    for _ in range(300):
        x = -(10 ** random_.uniform(-8, 2.2))
        for found, exact in zip(digamma(x), (mpmath.digamma(x), mpmath.polygamma(1, x)), strict=True):
            assert abs(found - exact) <= 2e-15 * (1 + abs(exact)), x


# ---------------------------------------------------------------------------------------------- proof


def exact_form(stage: Stage, values: dict[Var, Any]) -> Any:
    """A stage on SymPy values, by the exact form that its operation declares."""
    op = find(stage.op)
    names = dict(zip(op.operands, (exact_atom(arg, values) for arg in stage.args), strict=True))
    return sympy.sympify(op.exact, locals={**names, **dict(stage.attrs)})


def exact_atom(atom: Atom, values: dict[Var, Any]) -> Any:
    if isinstance(atom, Var):
        return values[atom]
    return sympy.Integer(int(atom.value)) if float(atom.value or 0).is_integer() else EXACT.get(atom.value, sympy.Rational(atom.value))


#: What the float constants of the rules stand for.
EXACT = {
    math.log(2.0): sympy.log(2), 1 / math.log(2.0): 1 / sympy.log(2), 1 / math.log(10.0): 1 / sympy.log(10),
    180.0 / math.pi: 180 / sympy.pi, math.pi / 180.0: sympy.pi / 180,
    -2.0 / 3.0: sympy.Rational(-2, 3), 0.25 * math.sqrt(2.0): sympy.sqrt(2) / 4, -0.25 * math.sqrt(2.0): -sympy.sqrt(2) / 4,
    2.0 / math.sqrt(math.pi): 2 / sympy.sqrt(sympy.pi), -2.0 / math.sqrt(math.pi): -2 / sympy.sqrt(sympy.pi),
}  # fmt: skip

#: Points inside every domain, away from kinks; two unlike sets of them.
PLACES = [[sympy.Rational(*pair) for pair in place] for place in (((3, 7), (5, 9), (8, 9)), ((9, 11), (2, 13), (1, 5)))]
ABOVE_ONE = {"acosh"}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_rule_is_the_derivative_of_its_exact_form(name: str) -> None:
    op, fresh = REGISTRY[name], Fresh()
    builder = Builder(fresh)
    args = arguments(op, fresh)
    if name in ("powi", "pow_halves"):
        args[1] = literal(3 if name == "powi" else -1.5)
    out, *partials = traced(op, builder, args, attributes(op))
    symbols = {arg: sympy.Symbol(str(arg.name), positive=True) for arg in args if isinstance(arg, Var) and arg.type == FLOAT}
    values: dict[Var, Any] = {**symbols, **{arg: sympy.true for arg in args if isinstance(arg, Var) and arg.type == BOOL}}
    for stage in builder.stmts:
        values[stage.out] = exact_form(stage, values)
    if op.name == "copysign":
        partials[1:] = [Lit(0.0, FLOAT)]
    for arg, partial in zip(args, partials, strict=True):
        if arg in symbols:
            difference = sympy.diff(exact_atom(out, values), symbols[arg]) - exact_atom(partial, values)
            assert vanishes(difference, list(symbols.values()), name), f"{name}, slope in {arg}: {difference}"


def vanishes(difference: Any, symbols: list[Any], name: str) -> bool:
    """Simplifies to zero, or is zero to 45 digits at points where SymPy's simplification does not get there."""
    # SymPy leaves floor's derivative, which is zero, as it is.
    difference = difference.xreplace({left: sympy.Integer(0) for left in difference.atoms(sympy.Subs)})
    if difference == 0:
        return True
    shift = 1 if name in ABOVE_ONE else 0
    for place in PLACES:
        at = {symbol: value + shift for symbol, value in zip(symbols, place, strict=False)}
        if abs(sympy.N(difference.subs(at), 50, maxn=400)) > sympy.Float("1e-45"):
            return False
    return difference.has(sympy.Piecewise, sympy.Heaviside, sympy.floor, sympy.polygamma, sympy.sign, sympy.DiracDelta) or (
        sympy.simplify(difference.rewrite(sympy.exp)) == 0 or sympy.simplify(difference) == 0
    )


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_slopes_of_sinc_do_not_cancel(n: int) -> None:
    import mpmath

    from tests.rule_oracle import words

    slope, random_ = words()["sinc_dx"], random.Random(n)
    for _ in range(60):
        x = random_.choice((random_.uniform(-4.0, 4.0), 10.0 ** random_.uniform(-12.0, 0.0)))
        y = mpmath.pi * mpmath.mpf(x)
        terms = ((-1) ** m * y ** (2 * m - n) / ((2 * m + 1) * mpmath.factorial(2 * m - n)) for m in range((n + 1) // 2, 60))
        exact = mpmath.pi**n * mpmath.fsum(terms)
        assert abs(slope(x, n) - exact) <= 1e-14 * max(abs(exact), mpmath.pi**n / (1 + abs(y))), x


# ---------------------------------------------------------------------------------------------- Numba


def test_helpers_mean_the_same_under_numba() -> None:
    numba = pytest.importorskip("numba")
    plain: dict[str, Any] = {"math": math}
    fast: dict[str, Any] = {"math": math}
    for found in HELPERS.values():
        exec(found.for_target("python"), plain)
    for name in _callees_first(HELPER_CASES):
        exec(HELPERS[name].for_target("numba"), fast)
        fast[name] = numba.njit(error_model="numpy")(fast[name])
    for name, cases in HELPER_CASES.items():
        for case in cases:
            assert _outcome(fast[name], case) == _outcome(plain[name], case), (name, case)


DISCRETE = {"shl", "shr", "bitand", "bitor", "bitxor", "invert", "gcd", "pow_int", "floordiv_int", "mod_int", "and", "or"}


@pytest.mark.parametrize("start", range(0, 140, 28))
def test_every_spelling_means_the_same_under_numba(start: int) -> None:
    """Many operations in one function, so that Numba compiles few; it has no larger tuples than of 30."""
    numba = pytest.importorskip("numba")
    import numpy

    names = ON_NUMBERS[start : start + 28]
    needed = {word for name in names for word in REGISTRY[name].helpers if not HELPERS[word].each}
    every: dict[str, Any] = {}
    for target in ("python", "numba"):
        compiled = numba.njit(error_model="numpy") if target == "numba" else lambda function: function
        scope: dict[str, Any] = {"math": math, "np": numpy}
        for name in _callees_first(needed):
            exec(HELPERS[name].for_target(target), scope)
            scope[name] = compiled(scope[name])
        texts = "".join(f"{_spelled(REGISTRY[name], target)}, " for name in names)
        exec(f"def every(x, y, above, i, j, test):\n    return ({texts})", scope)
        every[target] = compiled(scope["every"])
    for arguments_ in ((0.3, 0.7, 1.25, 13, 3, True), (0.9, 0.2, 3.5, -13, 4, False)):
        for name, plain, fast in zip(names, every["python"](*arguments_), every["numba"](*arguments_), strict=True):
            assert plain == pytest.approx(fast, rel=1e-13, abs=1e-300), name


def _spelled(op: Op, target: str) -> str:
    """An operation's text on ints, or on floats inside its domain."""
    words = ("i", "j") if op.name in DISCRETE else ("above", "y") if op.domain[0] == 1.0 else ("x", "y", "above")
    given = dict(zip(op.operands, words, strict=False))
    if op.name == "where":
        given = {"test": "test", "x": "x", "y": "y"}
    elif "n" in given:
        given["n"] = "j"
    return op.template(target).format(**given, **attributes(op))


def _callees_first(wanted: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        for need in HELPERS[name].needs:
            visit(need)
        found[name] = None

    for name in wanted:
        visit(name)
    return list(found)


def _outcome(function: Any, case: tuple[Any, ...]) -> Any:
    """The answer to 14 digits (NaN as text), or the type of the exception."""
    try:
        return f"{float(function(*case)):.14g}"
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        return type(error)


INF, NAN = math.inf, math.nan
HELPER_CASES: dict[str, list[tuple[Any, ...]]] = {
    "fits_int": [(2.5,), (NAN,), (INF,), (-1e300,), (-4.0,)],
    "round_digits": [(2.665, 2), (2.675, 2), (1.005, 2), (0.5, 0), (1234.5, -2), (150.0, -2), (250.0, -2), (NAN, 1), (INF, 1), (1e300, 3)],
    "truncated_remainder": [(-5.3, 2.0), (5.3, -2.0), (INF, 2.0), (1.0, INF), (1.0, 0.0)],
    "nearest_remainder": [(-5.3, 2.0), (5.0, 2.0), (3.0, 2.0), (1.0, INF), (INF, 1.0), (1e300, 7e-3)],
    "digamma": [(1.4616321449683622,), (0.1,), (-0.5,), (-2.0,), (300.0,), (INF,), (NAN,)],
    "polygamma": [(1, 0.3), (2, -1.3), (3, 50.0), (1, 1e-200), (2, -1e-200), (1, -1.0)],
    "power_times": [(0.0, -1.0, 2.0), (-0.0, -1.0, 2.0), (-2.0, 3.0, 1.0), (-2.0, 0.5, 1.0), (1e300, 2.0, 1.0), (NAN, 0.0, 1.0)],
    "pow_dx": [(0.0, 0.5), (0.0, 2.0), (0.0, 0.0), (-2.0, 3.0), (INF, 0.3), (1e-320, 0.9)],
    "pow_dy": [(0.0, 0.0, 1), (0.0, -1.0, 1), (-2.0, 3.0, 1), (INF, -1.0, 1), (2.0, 3.0, 2)],
    "share": [(INF, 1.0), (-INF, -INF), (0.1, 700.3), (700.3, 0.1), (NAN, 1.0), (1e308, -1e308)],
    "over_square": [(0.0, 0.0), (INF, 1.0), (1e200, 1e200), (3.0, 4.0), (NAN, 1.0)],
    "shl64": [(1, 3)], "shr64": [(-9, 70), (-9, 1)], "nonzero": [(0,), (3,)], "pow_int64": [(3, 50), (2, 10), (2, -1), (-3, 3)],
    "gauss": [(3.3,), (40.0,), (NAN,), (-INF,)], "xlogy": [(0.0, 0.0), (1.0, 0.0), (1.0, -1.0), (0.0, NAN)],
    "exp": [(709.78,), (710.0,), (INF,), (NAN,), (-INF,)], "clip": [(0.5, 1.0, 0.0), (NAN, 0.0, 1.0), (2.0, 0.0, 1.0)],
    "floored": [(-0.5,), (1e300,), (INF,)], "rounded": [(2.5,), (-0.3,), (NAN,)],
}  # fmt: skip


def test_rounding_to_digits_is_python_s_own() -> None:
    scope: dict[str, Any] = {"math": math}
    for found in HELPERS.values():
        exec(found.text, scope)
    random_ = random.Random(5)
    for _ in range(4000):
        digits = random_.randint(-4, 12)
        x = random_.choice((random_.uniform(-1e3, 1e3), round(random_.uniform(-1e3, 1e3), digits + 1), 1e9 * random_.random()))
        assert scope["round_digits"](x, digits) == round(x, digits), (x, digits)


def test_a_helper_registers_under_its_own_name() -> None:
    try:
        assert helper("def twice_for_a_test(x):\n    return 2.0 * x").name == "twice_for_a_test"
    finally:
        del HELPERS["twice_for_a_test"]
