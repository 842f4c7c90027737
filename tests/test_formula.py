"""The formula frontend: values against Python's own evaluation of the same text, and what is refused, and how fast."""

from __future__ import annotations

import gc
import math
import random
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.errors import ArgumentError, FormulaError
from stagegrad.frontend.formula import lower
from stagegrad.frontend.formula_words import CONSTANTS, RECIPROCALS, WORDS
from stagegrad.ir import If, Stage, check, walk
from stagegrad.ops import REGISTRY
from tests.interpret import Interpreter


def evaluate(text, *values):
    """The formula's value by the IR that it is lowered to."""
    return Interpreter(check(lower(text).module))(*values)


def stages(text):
    return [stmt.op for stmt in walk(lower(text).module.main.body) if isinstance(stmt, Stage)]


def parameters(text, wrt=None):
    return list(lower(text, wrt).signature.parameters)


def problems(text):
    with pytest.raises(FormulaError) as caught:
        lower(text)
    return caught.value.problems


def same(a, b):
    return a == b or (a != a and b != b)


# ---------------------------------------------------------------------------------------------- what is read


def test_the_classic_is_staged_operation_for_operation():
    program = lower("(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)")
    main = check(program.module).main
    assert stages(program.text) == ["sigmoid", "add", "sigmoid", "add", "square", "add", "div"]
    assert (main.name, main.origin, main.doc) == ("f", "formula", program.text)
    assert Interpreter(program.module)(3.0, -4.0) == pytest.approx(1.5456448841066441, rel=1e-15)
    first = main.body.stmts[0].span
    assert (first.file, first.line, first.col, first.end_col) == ("<formula>", 1, 6, 16)


def test_names_are_variables_in_the_order_of_the_text():
    assert parameters("b if c > a else d*b") == ["b", "c", "a", "d"]
    assert parameters("gamma*x + gamma(x)") == ["gamma", "x"]
    assert parameters("s = y*x; s + z") == ["y", "x", "z"]


def test_constants_are_variables_where_they_are_asked_for_or_given():
    assert parameters("e*x + pi") == ["x"]
    assert parameters("e*x + pi", wrt="e") == ["e", "x"]
    assert parameters("e*x + pi", wrt=("pi", "x")) == ["x", "pi"]
    assert parameters("e*x", wrt=0) == ["x"]
    assert evaluate("e = 2*x; e + 1", 5.0) == 11.0
    assert evaluate("x + π + tau", 0.5) == 0.5 + math.pi + math.tau
    assert evaluate("x if x < inf else 0", 0.5) == 0.5


def test_names_are_normalised_as_python_does():
    assert parameters("ϵ + µ") == ["ε", "μ"]
    assert evaluate("σ(α) + 𝜎(α)", 0.0) == 1.0


def test_parts_may_be_named_first():
    assert evaluate("s = x + y; t = s*s; t - s", 1.0, 2.0) == 6.0
    assert evaluate("s = x + y\nt = s*s\n\nt - s", 1.0, 2.0) == 6.0
    assert evaluate("loss = (x - 1)**2", 3.0) == 4.0
    assert evaluate("t = x; u = 3; t*u", 2.0) == 6.0
    named = {stmt.out.name for stmt in walk(lower("s = x + y; s*s").module.main.body) if isinstance(stmt, Stage)}
    assert named == {"s", ""}


def test_blanks_comments_and_line_ends_do_not_matter():
    assert evaluate("  \t(x +\n   y)  # the sum\r\n", 1.0, 2.0) == 3.0
    assert problems("\n  x + foo(y)")[0].span.line == 2
    assert problems("\n  x + foo(y)")[0].span.col == 7
    assert problems("α + foo(y)")[0].span.col == 5


def test_whole_numbers_stay_whole_as_exponents_only():
    main = lower("2*x**3 + x**2 + x**-1").module.main
    literals = [(stmt.op, repr(atom.value)) for stmt in main.body.stmts for atom in stmt.args if not hasattr(atom, "version")]
    assert literals == [("pow", "3"), ("mul", "2.0"), ("pow", "-1")]


@pytest.mark.parametrize(
    "text",
    [
        "1/3*x",
        "2**0.5*x",
        "(2**70 - 2**69)/2**69*x",
        "x**(1/2)",
        "-7//2*x",
        "-7%3*x",
        "(2**53 + 1 - 2**53)*x",
        "x*(1 < 2)",
        "x*(3 > 2 > 1)",
        "0.1 + 0.2 + x",
    ],
)
def test_arithmetic_between_literals_is_python_s(text):
    assert evaluate(text, 1.7) == eval(text, {"x": 1.7})


def test_literals_alone_leave_no_stages():
    assert stages("sin(pi/4)*exp(1)*x + sqrt(2)") == ["mul", "add"]
    assert stages("x if 2 > 1 else y") == []
    assert stages("x*(not 1 < 2)") == ["mul"]


@pytest.mark.parametrize("x", [-1.5, -0.0, 0.3, 2.0])
@pytest.mark.parametrize(
    "text",
    [
        "where(x > 0, x*2, -x)", "x*2 if x > 0 else -x", "log(x) if x > 0 else 0", "1 if 0 < x < 1 else 2",
        "1 if -1 <= x < 0.5 < x + 1 else 2",
        "1 if x > 0 and log(x) > -5 else 3", "1 if x <= 0 or log(x) > 0 else 3", "1 if not x > 0 else 3", "(x > 0)*x + (x < 0)*2",
        "1 if (x > 0) == (x > 1) else 2", "max(x, 0, x*x)", "min(x, 1)", "+x - -x", "x % 0.7 - x // 0.7", "round(x) + round(x*1.2345, 2)",
        "1 if x == 0.3 else (2 if x != 2 else (3 if x >= 1 else 4))", "abs(x)", "+(x > 0)", "-(x > 0)",
    ],
)  # fmt: skip
def test_the_value_is_python_s(text, x):
    words = {"x": x, "log": math.log, "where": lambda test, a, b: a if test else b}
    assert evaluate(text, x) == eval(text, words)


MATH = sorted(name for name in WORDS if hasattr(math, name) and WORDS[name].least == 1 and name != "trunc")


@pytest.mark.parametrize("name", MATH)
def test_functions_of_the_math_module_have_its_values(name):
    for x in (0.3, 1.25, 2.0):
        try:
            expected = getattr(math, name)(x)
        except ValueError:
            continue
        # The argument is a stage, then a literal: the second one is folded.
        assert evaluate(f"{name}(x)", x) == pytest.approx(expected, rel=1e-14, abs=1e-15)
        assert evaluate(f"y + {name}({x})", 0.0) == pytest.approx(expected, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tg(x)", math.tan(0.4)), ("ln(x)", math.log(0.4)), ("log(x, 2)", math.log(0.4, 2)), ("arcsin(x)", math.asin(0.4)), ("sqr(x)",
        0.4 * 0.4),
        ("expit(x)", 1 / (1 + math.exp(-0.4))), ("logistic(x)", 1 / (1 + math.exp(-0.4))), ("arctan2(x, 2)", math.atan2(0.4, 2)),
        ("pow(x, 2.5)", 0.4**2.5), ("power(x, 2)", 0.4 * 0.4), ("gammaln(x)", math.lgamma(0.4)), ("sec(x)", 1 / math.cos(0.4)),
        ("cosec(x)", 1 / math.sin(0.4)), ("ctg(x)", 1 / math.tan(0.4)), ("sh(x)", math.sinh(0.4)), ("artanh(x)", math.atanh(0.4)),
        ("relu(x) + relu(-x)", 0.4), ("clip(x, 0.5, 1)", 0.5), ("sign(x) + sgn(-3)", 0.0), ("hypot(x, 0.3)", math.hypot(0.4, 0.3)),
        ("softplus(x)", math.log1p(math.exp(0.4))), ("maximum(x, 1)", 1.0), ("copysign(x, -1)", -0.4), ("floor(x) + ceil(x) + trunc(x)",
        1.0),
    ],
)  # fmt: skip
def test_synonyms(text, value):
    assert evaluate(text, 0.4) == pytest.approx(value, rel=1e-14)


def test_every_function_has_a_rule_and_takes_what_it_says():
    for name, word in WORDS.items():
        if word.op in RECIPROCALS or word.op == "where":
            continue
        op = REGISTRY[{"round": "rint"}.get(word.op, word.op)]
        assert len(op.operands) in (word.least, 2 if word.most is None else word.most), name


#: The parser of Python 3.12 ends at 3,000 operators, that of later versions at 10,000.
MANY = 2500 if sys.version_info[:2] == (3, 12) else 5000


def test_a_sum_of_thousands_of_terms_is_read():
    text = " + ".join(f"a{i}*x" for i in range(MANY))
    program = lower(text)
    assert len(program.signature.parameters) == MANY + 1
    assert evaluate(text, *[1.0] * (MANY + 1)) == MANY
    assert evaluate("x" + "*x" * MANY, 1.0) == 1.0
    assert evaluate("1 if " + " and ".join(["x > 0"] * 3000) + " else 2", 1.0) == 1.0


# ---------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "column", "message", "advice"),
    [
        ("x + (y + 1)^2", 1, "^ is not a power", "x + (y + 1)**2"),
        ("1 + sin^2(x)", 1, "after its argument", "sin(x)**2"),
        ("1 + 2x", 5, "a product needs its sign", "2*x"),
        ("1 + 2 x", 5, "a product needs its sign", "2*x"),
        ("1 + 2(x)", 5, "a product needs its sign", "2*(x)"),
        ("(x + 1)(y)", 1, "a product needs its sign", "(x + 1)*(y)"),
        ("(x + 1) y", 7, "a product needs its sign", ")*y"),
        ("x y", 1, "a product needs its sign", "x*y"),
        ("x + x(y + 1)", 5, "there is no function x", "x*(y + 1)"),
        ("sin x", 1, "sin needs its argument in parentheses", "sin(x)"),
        ("x²", 1, "a raised ²", "x**2"),
        ("x₁ + 1", 1, "a lowered ₁", "x1"),
        ("x × y", 3, "×", "*"),
        ("x − y", 3, "−", "-"),
        ("|x| + 1", 1, "absolute value", "abs(x)"),
        ("x!", 1, "! is not", "gamma(x + 1)"),
        ("lambda*2", 1, "lambda is a reserved word", "lam"),
        ("\\frac{x}{y}", 1, "LaTeX", "a/b"),
        ("x && y", 3, "&&", "and"),
        ("sinn(x)", 1, "there is no function sinn", "sin"),
        ("Sin(x)", 1, "there is no function Sin", "sin"),
        ("x + lg(x)", 5, "there is no function lg", "log10"),
        ("sin(x, y)", 1, "sin takes 1 argument, not 2", "sin(x)"),
        ("log(x, y, z)", 1, "log takes 1 or 2 arguments, not 3", "log(x)"),
        ("max(x)", 1, "max takes 2 or more arguments, not 1", "max(x, y)"),
        ("atan2(x)", 1, "atan2 takes 2 arguments, not 1", "atan2(x, y)"),
        ("sin(x=y)", 5, "arguments have no names", "by position"),
        ("hypot(*x)", 7, "no sequences", "by position"),
        ("math.sqrt(x)", 1, "plain names", "sqrt(x)"),
        ("x.real", 1, "a dot", "a plain name"),
        ("x[0]", 1, "no arrays", "x0"),
        ("'x' + y", 1, "quotes", "without quotes"),
        ("f'{x}'", 1, "a string", "Python function"),
        ("2j*x", 1, "real", "2*j"),
        ("None + x", 1, "None has no place", ""),
        ("lambda: x", 1, "a lambda", "Python function"),
        ("[i for i in x]", 1, "a comprehension", "Python function"),
        ("(x for x in y)", 1, "a generator", "Python function"),
        ("[x]", 1, "a list", "round parentheses"),
        ("x, y", 1, "one answer", "one formula for each"),
        ("(y := x)*2", 2, "before the formula", "y = value; formula"),
        ("x & y", 1, "bits", "x and y"),
        ("~x", 1, "bits", ""),
        ("x << 2", 1, "bits", "x*2**n"),
        ("x @ y", 1, "matrices", "x * y"),
        ("x is y", 1, "is does not compare", "=="),
        ("x == y", 1, "a condition", "1 if test else 0"),
        ("1 if x else 2", 6, "a number, not a condition", "x != 0"),
        ("1 if x and y > 0 else 2", 6, "a number, not a condition", "x != 0"),
        ("not x", 5, "a number, not a condition", "x != 0"),
        ("x; y", 1, "not used", "name = value"),
        ("s = x; s = y; s", 8, "s already has a value", "another name"),
        ("s = s + 1; s", 5, "s is read before it is given a value", "another name"),
        ("s += x; s", 1, "one new name", ""),
        ("s, t = x, y; s", 1, "one new name", ""),
        ("import os", 1, "import has no place", "Python function"),
        ("def f(x): return x", 1, "def has no place", "Python function"),
        ("__debug__ + x", 1, "double underscores", "another name"),
        ("1/0*x", 1, "divides by zero", ""),
        ("(-8)**(1/3)*x", 1, "complex", ""),
        ("sqrt(-1)*x", 1, "domain", ""),
        ("1e999*x", 1, "too large", ""),
        ("1e300*1e300*x", 1, "too large", ""),
        ("(inf - inf)*x", 2, "nan", ""),
        ("9**9**9**9*x", 4, "too large", ""),
        ("round(x, y)", 10, "whole number", "round(x, 2)"),
        ("x < 9007199254740993", 1, "not a float64", ""),
        ("(x + 1", 1, "never closed", "closed"),
        ("x + 1)", 6, "unmatched", "as many"),
        ("3*4", 1, "no variables", ""),
        ("2if x > 0 else x", 1, "where the next word begins", "2 if"),
        ("0xfor x", 1, "where the next word begins", "0xf or"),
    ],
)
def test_refusals_point_and_advise(text, column, message, advice):
    problem = problems(text)[0]
    assert problem.span.file == "<formula>"
    assert (problem.span.line, problem.span.col) == (1, column), str(problem)
    assert message in problem.message
    assert advice in problem.advice
    assert "^" in str(problem)


def test_all_problems_come_in_one_report_in_the_order_of_the_text():
    report = problems("(a^2 + sinn(x, foo(y)) + x[0])*2(z)")
    assert [problem.span.col for problem in report] == [2, 8, 16, 26, 32]
    assert len(problems("+".join(["foo(x)"] * MANY))) == 20


def test_what_is_not_text_is_an_argument_error():
    with pytest.raises(ArgumentError, match="a formula is text, not bytes"):
        lower(b"x + y")  # type: ignore[arg-type]


def test_nothing_is_ever_run(tmp_path):
    target = tmp_path / "made"
    make = f"open('{target}', 'w')"
    for text in (make, f"__import__('os').mkdir('{target}')", f"x.__class__.__init__.__globals__['x'].{make}", f"(lambda: {make})()",
                 f"[{make} for i in x]", f'f"{{{make}}}"', f"x if {make} else y", f"{make}; x", f"import os; x + {make}"):  # fmt: skip
        problems(text)
    assert not target.exists()


ADVERSARIAL = {
    "empty": "", "blank": " \n\t ", "comment": "# x", "semicolon": ";", "tower": "9**9**9**9",
    "parentheses": "(" * 10_000 + "x" + ")" * 10_000, "unclosed": "(" * 10_000, "megabyte": "x" * 1_000_000,
    "deep but legal nesting, unclosed": "f(" * 199, "brackets": "{[(" * 60, "minus": "-" * 10_000 + "x", "not": "not " * 10_000 + "x",
    "powers": "x" + "**x" * 20_000,
    "long sum": "+".join(["x"] * 49_000), "lambdas": "lambda:" * 3000 + "x", "nested choices": "1 if x>0 else " * 1000 + "x",
    "chain": "1 if " + "<".join(["x"] * 5000) + " else 2",
    "nul": "x+\0y", "surrogate": "x+\ud800", "right to left": "x+\u202ey", "byte order mark": "\ufeffx", "zero width": "x\u200b+y",
    "no-break space": "x\u00a0+ y",
    "separator": "x\u2028+y", "form feed": "x\f+y", "private": "\ue000", "digits": "9" * 99_999, "float digits": "9" * 50_000 + ".0*x",
    "hexadecimal": "x*0x" + "f" * 9000,
    "words": "(" + "x " * 40_000, "two long words": "a" * 50_000 + " " + "b" * 40_000, "bars": "|" * 50_000, "late": "x+" * 40_000 + "$",
    "parts": "x;" * 30_000 + "x",
    "long function": "z" * 90_000 + "(x)", "calls": "x" + "(x)" * 3000, "dots": "x" + ".x" * 3000, "carets": "^".join(["x"] * 3000),
    "raised": "x" + "²" * 5000,
    "backslashes": "\\" * 5000, "quotes": "'" * 5001, "triple quote": '"""' + "x" * 5000, "continuation": "x + \\\n",
    "number words": "1x" * 20_000, "tab indent": "x\n\ty",
    "huge power": "x**" + "9" * 400, "shift": "x*(1 << 10**9)", "digit rounding": "round(x, 10**30)",
}  # fmt: skip


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_hostile_text_ends_in_a_clear_error_within_a_second(name):
    gc.disable()  # a collection walks whatever the tests before this one have left
    try:
        start = time.process_time()
        report = problems(ADVERSARIAL[name])
        assert time.process_time() - start < 1.0
    finally:
        gc.enable()
    assert all(problem.span is not None and problem.message for problem in report)
    text = "\n".join(map(str, report))
    text.encode()  # what a terminal can print
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    assert len(text) < 40_000


PIECES = ["x", "y", "e", "sin", "max", "(", ")", "+", "-", "*", "**", "/", "//", "%", "^", "|", ",", ";", "=", "==", "<", " ", "\n",
"if", "else", "and", "not", "2", "1.5",
          "1e9", "0x", ".", "'", '"', "\\", "#", "[", "]", "{", "}", ":", ":=", "lambda", "for", "in", "σ", "²", "₁", "×", "√", "\u202e",
          "\0", "\ud800", "@", "~", "!", "?",
          "$", "_", "__", "if x else", "10**10", "None", "True", "import", "yield", "await", "j", "f'{x}'", "\t", "\r", "\f", "((((",
          "))))", "is", "->", "...", "𝜎"]  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_shuffled_text_raises_nothing_but_formula_errors():
    random_pieces = random.Random(20)
    for _ in range(4000):
        text = "".join(random_pieces.choice(PIECES) for _ in range(random_pieces.randint(1, 14)))
        try:
            check(lower(text).module)
        except FormulaError as error:
            assert error.line is not None
            assert str(error)


@pytest.mark.filterwarnings("error")
@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_raises_nothing_but_formula_errors(text):
    try:
        check(lower(text).module)
    except FormulaError as error:
        assert error.column is not None


# ---------------------------------------------------------------------------------------------- random formulas

LEAVES = st.sampled_from(["x", "y", "z", "x", "y", "1.0", "2.0", "0.5", "3.25", "pi"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    loose = st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda t: f"{t[0]} {t[1]} {t[2]}")
    power = st.tuples(inner, st.sampled_from(["2", "3", "-1", "0"])).map(lambda t: f"({t[0]})**{t[1]}")
    unary = st.tuples(st.sampled_from(["-", "+", "abs", "sin", "exp", "sqrt", "log", "atan"]), inner).map(lambda t: f"{t[0]}({t[1]})")
    compare = st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner, st.sampled_from(["", " < 2.0"]))
    test = compare.map(lambda t: f"{t[0]} {t[1]} {t[2]}{t[3]}")
    tests = st.tuples(test, st.sampled_from(["and", "or", "and not"]), test).map(lambda t: f"({t[0]} {t[1]} {t[2]})") | test
    choice = st.tuples(inner, tests, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})")
    larger = st.tuples(st.sampled_from(["max", "min"]), inner, inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]}, {t[3]})")
    return binary | loose | power | unary | choice | larger


@given(st.recursive(LEAVES, _compound, max_leaves=12), st.tuples(*[st.floats(-3, 3).map(lambda v: round(v, 3))] * 3))
@settings(max_examples=400, deadline=None)
def test_random_formulas_have_python_s_value(text, point):
    words = {
        "x": point[0],
        "y": point[1],
        "z": point[2],
        **{name: getattr(math, name) for name in ("sin", "exp", "sqrt", "log", "atan", "pi")},
    }
    try:
        program = lower(text)
    except FormulaError as error:
        # Only a part of literals alone may have no value; everything else in these texts is in the language.
        assert all("has no value here" in problem.message or "no variables" in problem.message for problem in error.problems)
        return
    values = [words[name] for name in program.signature.parameters]
    try:
        expected = eval(text, words)
    except (ArithmeticError, ValueError) as error:
        with pytest.raises(type(error)):
            Interpreter(check(program.module))(*values)
        return
    assert same(Interpreter(check(program.module))(*values), expected)


def test_conditionals_become_conditionals():
    assert [type(stmt) for stmt in lower("x if x > 0 else 2*x").module.main.body.stmts] == [Stage, If]
    assert set(CONSTANTS) == {"pi", "π", "e", "tau", "inf"}
