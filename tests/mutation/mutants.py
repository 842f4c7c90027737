"""The mutants: a text in one file of the package, what it becomes, and where the suite should notice it."""

from __future__ import annotations

from dataclasses import dataclass

#: What may catch a broken rule, and a broken pass.
NUMBERS = ("tests/test_rules.py", "tests/test_kinks.py", "tests/test_programs.py")
PROGRAMS = ("tests/test_optimise.py", "tests/test_cases.py", "tests/test_programs.py", "tests/test_kinks.py", "tests/test_idioms.py")


@dataclass(frozen=True)
class Mutant:
    """A defect: in `file` the text `old`, which is there once, becomes `new`. `tests` are the files that may catch it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _rule(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"rules/{file}.py", old, new, NUMBERS)


def _pass(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"{file}.py", old, new, PROGRAMS)


RULES = (
    _rule("a product hands each operand its own value", "arithmetic", "    return y, x\n", "    return x, y\n"),
    _rule("a quotient's denominator pulls the wrong way", "arithmetic", "return 1.0 / y, -(out / y)", "return 1.0 / y, out / y"),
    _rule("the cosine's slope has lost its sign", "scalar", "    return -sin(x)\n", "    return sin(x)\n"),
    _rule("expm1 saturates", "scalar", "    return exp(x)\n", "    return 1.0 + out\n"),
    _rule(
        "the arc sine cancels near 1",
        "scalar",
        "return quotient(1.0, sqrt((1.0 - x) * (1.0 + x)))",
        "return quotient(1.0, sqrt(1.0 - x * x))",
    ),
    _rule(
        "an angle has its operands exchanged",
        "scalar",
        "return over_square(x, y), -over_square(y, x)",
        "return -over_square(y, x), over_square(x, y)",
    ),
    _rule(
        "x**y is not flat at x = 0, y = 0",
        "power",
        "        if y == 0.0:\n            return 0.0\n        if y >= 0.5",
        "        if y >= 0.5",
    ),
    _rule(
        "max hands a tie to the second",
        "kinks",
        "return where(y > x, 0.0, 1.0), where(y > x, 1.0, 0.0)",
        "return where(y >= x, 0.0, 1.0), where(y >= x, 1.0, 0.0)",
    ),
    _rule("maximum does not split a tie", "kinks", "return 0.5 if x == y else math.nan", "return 1.0 if x == y else math.nan"),
    _rule(
        "a zero gradient meets an infinite slope",
        "arithmetic",
        "        if num == 0.0:\n            return 0.0\n        if den",
        "        if den",
    ),
)

PASSES = (
    _pass("frontend: continue is break", "frontend/control", "return self._leave(isinstance(stmt, ast.Break))", "return self._leave(True)"),
    _pass(
        "activity: what a loop carries out has no gradient",
        "analysis",
        "    found.update(c.out for c in loop.carries if c.var in found)\n",
        "",
    ),
    _pass("prune: a carry that only the body reads is dropped", "analysis", "        if more == kept:\n", "        if more:\n"),
    _pass(
        "share: what one arm computed is known in the other",
        "passes/optimise",
        "return self.block(block, mapping, dict(known))",
        "return self.block(block, mapping, known)",
    ),
    _pass(
        "fold: the wrong arm of a branch whose test is known",
        "passes/optimise",
        "stmt.then if stmt.test.value else stmt.orelse",
        "stmt.orelse if stmt.test.value else stmt.then",
    ),
    _pass(
        "reverse: a later contribution replaces the first",
        "reverse/sweep",
        'gradients[to] = builder.emit("add", before, contribution, name=word)',
        "gradients[to] = self.named(contribution, word, builder)",
    ),
    _pass("reverse: the first carry is not restored", "reverse/loops", "if carry.var in reading]", "if carry.var in reading and k]"),
    _pass(
        "forward: only the last operand's direction counts",
        "forward",
        'total = product if total is None else builder.emit("add", total, product)',
        "total = product",
    ),
    _pass(
        "storage: values that are alive at once share a variable",
        "emit/storage",
        "return not (self.apart.get(a, 0) & self._members(b) or self.apart.get(b, 0) & self._members(a))",
        "return True",
    ),
    _pass(
        "writer: a - (b - c) loses its parentheses",
        "emit/spelling",
        "[(left, level), (right, level + 1)]",
        "[(left, level), (right, level)]",
    ),
)

MUTANTS = (*RULES, *PASSES)
