"""A formula, such as ``(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)``, to IR.

Takes text, returns a `Program` whose main function is ``f``. The text is parsed by `ast`, judged node by node against
what a formula may contain, and never evaluated. The language:

- names are variables, in the order of their first appearance; ``pi``, ``e``, ``tau`` and ``inf`` are constants, unless
  `wrt` lists them or the formula gives them a value;
- numbers are float64; arithmetic between literals alone is done at once, exactly as Python does it;
- ``+ - * / // % **``, comparisons (also chained), ``and or not`` between comparisons, ``a if test else b``;
- functions by their usual names and synonyms (`formula_words.WORDS`), ``where(test, a, b)`` being ``a if test else b``;
- parts may be named first: ``s = x + y; s*s``. Each name is given once. The last part is the answer.

Everything else is refused, with its place and with what to write instead, all problems in one report.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

from stagegrad.errors import ArgumentError, FormulaError, Problem
from stagegrad.frontend.formula_text import FILE, MOST_PROBLEMS, Lines, parse
from stagegrad.frontend.formula_words import ADVICE, CONSTANTS, RECIPROCALS, WORDS, Number, Undefined, Word, bounded, fold, nearest
from stagegrad.frontend.operators import ARITHMETIC, COMPARISONS
from stagegrad.frontend.program import Program
from stagegrad.ir import BOOL, FLOAT, INT, Atom, Attr, Block, Fresh, Function, If, Lit, Module, Span, Stage, Stmt, Type, Var, binds
from stagegrad.ops import literal

#: Names, numbers and operations, all counted: what has more of them is a program, and compiles better as one.
MOST_PARTS = 50_000
#: Conditionals inside conditionals are blocks inside blocks, in the IR and in generated code.
DEEPEST = 40

Node: TypeAlias = "ast.expr | ast.stmt | ast.keyword"
#: A lowering step yields the nodes that it needs lowered, is sent their atoms, and returns its own.
Step: TypeAlias = Generator[ast.expr, Atom, Atom]

#: What stands for an answer that could not be had, so that the rest of the formula is judged as well.
_UNKNOWN = Lit(None, FLOAT)
_TESTS = {*COMPARISONS.values(), "not"}
#: ``sin^2(x)``, which Python reads as a bitwise operation on ``sin`` and a call of 2.
_RAISED_FUNCTION = re.compile(rf"\b({'|'.join(WORDS)})\s*\^\s*(\d+)\s*(\([^()]*\))")
_FUNCTION = "a Python function, given to stagegrad.compile"


def lower(text: str, wrt: str | int | Sequence[str | int] | None = None) -> Program:
    """The program of a formula; `wrt` may name constants (``e``, ``pi`` …) that are to be variables."""
    if not isinstance(text, str):
        raise ArgumentError(f"a formula is text, not {type(text).__name__}", advice='stagegrad.formula("x*y + sin(x)")')
    body, lines = parse(text)
    asked = {wrt} if isinstance(wrt, (str, int)) else set(wrt or ())
    lowering = _Lowering(lines, {name: value for name, value in CONSTANTS.items() if name not in asked})
    function = lowering.function(body, text.strip())
    parameters = [inspect.Parameter(var.name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for var in function.params]
    return Program(Module((function,)), inspect.Signature(parameters), (), text)


class _Lowering:
    """The state of one lowering: what names stand for, the stages so far, and the problems so far."""

    def __init__(self, lines: Lines, constants: dict[str, float]) -> None:
        self.lines, self.constants = lines, constants
        self.problems: list[Problem] = []
        self.fresh = Fresh()
        self.names: dict[str, Atom] = {}
        self.stmts: list[Stmt] = []
        self.depth = 0

    # ------------------------------------------------------------------------------------------ the whole

    def function(self, body: list[ast.stmt], doc: str) -> Function:
        """The function ``f`` of all parts of a formula."""
        if not body:
            raise FormulaError("the formula is empty: it is a comment", Span(FILE, 1, 1), "for example  x*y + sin(x)")
        nodes = list(islice(_expressions(body), MOST_PARTS + 1))
        if len(nodes) > MOST_PARTS:
            message = f"the formula has more than {MOST_PARTS:,} names, numbers and operations"
            raise FormulaError(message, self.span(body[0]), _FUNCTION)
        params = tuple(self.fresh.var(name) for name in self.variables(nodes))
        self.names.update((param.name, param) for param in params)
        answer: Atom = _UNKNOWN
        for number, part in enumerate(body, 1):
            answer = self.part(part, last=number == len(body))
        answer = self.answer(answer, body[-1])
        if not params and not self.problems:
            self.problem(body[-1], "the formula has no variables: there is nothing to differentiate", "for example  pi*r**2")
        if self.problems:
            raise self.report()
        return Function("f", params, Block(tuple(self.stmts), (answer,)), doc=doc, origin="formula", span=self.lines.span(body[0]))

    def variables(self, nodes: list[ast.expr]) -> list[str]:
        """The names that the formula reads and that nothing else explains, in the order of the text."""
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        given = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        names = [node for node in nodes if isinstance(node, ast.Name) and id(node) not in called]
        names.sort(key=lambda node: (node.lineno, node.col_offset))
        return [name for name in dict.fromkeys(node.id for node in names) if name not in given and name not in self.constants]

    def part(self, part: ast.stmt, last: bool) -> Atom:
        """Lowers one part of a formula: an expression at the end, or a name that is given a value."""
        match part:
            case ast.Expr(value):
                if not last:
                    self.problem(part, "this part's value is not used", "name = value; formula   or ( and ) around several lines")
                return self.run(value)
            case ast.Assign([ast.Name(name) as target], value):
                return self.give(target, name, self.run(value))
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                return self.problem(part, "only one new name at a time can be given a value", "s = x + y; s*s")
            case _:
                return self.problem(part, f"{_construct(part)} has no place in a formula", _FUNCTION)

    def give(self, target: ast.Name, name: str, value: Atom) -> Atom:
        """Binds a name to the value of its part; the statement that made the value takes the name."""
        if name in self.names:
            return self.problem(target, f"{name} already has a value", f"another name, such as {name}2")
        if isinstance(value, Var) and not value.name and binds(self.stmts[-1]) == (value,):
            named = self.fresh.var(name, value.type)
            self.stmts[-1] = _renamed(self.stmts[-1], named)
            value = named
        self.names[name] = value
        return value

    def answer(self, answer: Atom, part: ast.stmt) -> Atom:
        """The answer as a float; a condition is no answer."""
        if answer == Lit(None, BOOL):
            return answer
        if answer.type == BOOL:
            return self.problem(part, "the answer is a condition, and a condition has no gradient", "1 if test else 0")
        return self.number(answer, part)

    # ------------------------------------------------------------------------------------------ the walk

    def run(self, root: ast.expr) -> Atom:
        """Lowers an expression with a stack of its own, for a sum of thousands of terms is a tree of that depth."""
        steps: list[Step] = []
        found = self.step(root)
        while True:
            if isinstance(found, Generator):
                steps.append(found)
                atom = None
            elif not steps:
                return found
            else:
                atom = found
            try:
                found = self.step(steps[-1].send(atom))  # type: ignore[arg-type]  # None is how a generator starts
            except StopIteration as done:
                steps.pop()
                found = done.value

    def step(self, node: ast.expr) -> Step | Atom:
        """Lowers a leaf, or begins to lower a node that has others inside."""
        match node:
            case ast.Constant():
                return self.constant(node)
            case ast.Name():
                return self.name(node)
            case ast.BinOp():
                return self.binary(node)
            case ast.UnaryOp():
                return self.unary(node)
            case ast.Compare(left):
                return self.comparisons(node, left, list(zip(node.ops, node.comparators, strict=True)))
            case ast.BoolOp():
                return self.junction(node)
            case ast.IfExp(test, then, orelse):
                return self.choice(node, test, then, orelse)
            case ast.Call():
                return self.call(node)
            case _:
                return self.refused(node)

    def refused(self, node: ast.expr) -> Atom:
        """Anything that is not in the language."""
        match node:
            case ast.Attribute(_, word) if word in WORDS:
                return self.problem(node, "a dot has no place in a formula", word)
            case ast.Attribute():
                return self.problem(node, "a dot has no place in a formula", "a plain name")
            case ast.Subscript(ast.Name(name)):
                return self.problem(node, "a formula has numbers only, no arrays", f"a name for each element, such as {_short(name)}0")
            case ast.Tuple([_, _, *_]):
                return self.problem(node, "a formula has one answer; a comma is no decimal point", "one formula for each")
            case ast.NamedExpr(ast.Name(name)):
                return self.problem(node, "a part is named before the formula, not inside it", f"{_short(name)} = value; formula")
            case ast.Set() | ast.Dict() | ast.List() | ast.Tuple():
                return self.problem(node, f"{_construct(node)} has no place in a formula", "round parentheses group, ( and )")
            case _:
                return self.problem(node, f"{_construct(node)} has no place in a formula", _FUNCTION)

    # ------------------------------------------------------------------------------------------ leaves

    def constant(self, node: ast.Constant) -> Atom:
        """A number as it is written; whole numbers stay whole for exponents."""
        match node.value:
            case bool() as value:
                return literal(value)
            case int() | float() as value:
                try:
                    return literal(bounded(value))
                except Undefined as reason:
                    return self.problem(node, f"this number cannot be used: {reason}", "a number below 1.8e308")
            case complex() as value:
                return self.problem(node, "a formula's numbers are real", f"{value.imag:g}*j, if j is a variable")
            case str() | bytes():
                return self.problem(node, "quotes have no place in a formula", "the name without quotes")
            case value:
                return self.problem(node, f"{value!r} has no place in a formula", "a number or a name")

    def name(self, node: ast.Name) -> Atom:
        """A variable, a constant, or a part that was named before."""
        if node.id.startswith("__") and node.id.endswith("__"):
            return self.problem(node, "names between double underscores are Python's own", "another name")
        if node.id in self.names:
            return self.names[node.id]
        if node.id in self.constants:
            return literal(self.constants[node.id])
        return self.problem(node, f"{_short(node.id)} is read before it is given a value", "its part earlier, or another name")

    # ------------------------------------------------------------------------------------------ operators

    def binary(self, node: ast.BinOp) -> Step:
        """An arithmetic operator, its left side first."""
        op = ARITHMETIC.get(type(node.op))
        if op is None and self.foreign_operator(node):
            return _UNKNOWN
        left, right = (yield node.left), (yield node.right)
        if op is None:
            return _UNKNOWN
        return self.power(node, left, right) if op == "pow" else self.stage(node, op, left, right)

    def foreign_operator(self, node: ast.BinOp) -> bool:
        """Refuses the operators that work on bits and matrices, ``^`` above all; true if nothing remains to be said of the operands."""
        text = self.excerpt(node)
        match node.op:
            case ast.BitXor() if raised := _RAISED_FUNCTION.search(text):
                advice = "{0}{2}**{1}".format(*raised.groups())
                self.problem(node, "a function is raised to a power after its argument", advice)
                return True
            case ast.BitXor():
                self.problem(node, "^ is not a power in Python", text.replace("^", "**"))
            case ast.BitOr() | ast.BitAnd():
                sign, word = ("|", "or") if isinstance(node.op, ast.BitOr) else ("&", "and")
                self.problem(node, "bits have no place in a formula", text.replace(sign, f" {word} ").replace("  ", " "))
            case ast.MatMult():
                self.problem(node, "a formula has numbers only, no matrices", text.replace("@", "*"))
            case _:
                self.problem(node, "bits have no place in a formula", "x*2**n   or   x/2**n")
        return False

    def power(self, node: ast.expr, base: Atom, exponent: Atom) -> Atom:
        """``base**exponent``; a whole exponent stays whole, and 2 is the square."""
        whole = exponent.value if isinstance(exponent, Lit) and exponent.type == INT and not isinstance(base, Lit) else None
        if whole == 2:
            return self.stage(node, "square", base)
        if whole is not None and abs(whole) < 2**31:
            return self.emit(node, "pow", self.number(base, node), exponent)
        return self.stage(node, "pow", base, exponent)

    def unary(self, node: ast.UnaryOp) -> Step:
        """A sign, or ``not``."""
        inner = yield node.operand
        match node.op:
            case ast.USub():
                return self.stage(node, "neg", inner)
            case ast.UAdd():
                return self.number(inner, node, exact=True)
            case ast.Not():
                test = self.condition(inner, node.operand)
                folded = self.folded(node, "not", test)
                return folded if folded is not None else self.emit(node, "not", test, type=BOOL)
            case _:
                return self.problem(node, "bits have no place in a formula", self.excerpt(node).replace("~", "-"))

    def comparisons(self, node: ast.Compare, left_node: ast.expr, chain: list[tuple[ast.cmpop, ast.expr]]) -> Step:
        """``a < b < c``: c is evaluated, and compared, only where ``a < b``."""
        if len(chain) > DEEPEST:
            return self.problem(node, f"a chain of {len(chain)} comparisons is too long", "a < b and b < c")
        return (yield from self.rest_of_chain(node, (yield left_node), chain))

    def rest_of_chain(self, node: ast.Compare, left: Atom, chain: list[tuple[ast.cmpop, ast.expr]]) -> Step:
        """The comparison of `left` with what follows in the chain."""
        (operator, right_node), *rest = chain
        right = yield right_node
        test = self.comparison(node, operator, left, right)
        if not rest:
            return test
        with self.aside() as arm:
            answer = yield from self.rest_of_chain(node, right, rest)
        return self.conditional(node, test, arm.block(answer), Block((), (literal(False),)))

    def comparison(self, node: ast.Compare, operator: ast.cmpop, left: Atom, right: Atom) -> Atom:
        """One comparison; two conditions may be equal or not, all else is compared as numbers."""
        op = COMPARISONS.get(type(operator))
        if op is None:
            return self.problem(node, f"{_construct(operator)} does not compare numbers", "== or !=")
        if left.type == right.type == BOOL and op in ("eq", "ne"):
            return self.emit(node, op, left, right, type=BOOL)
        folded = self.folded(node, op, left, right)
        if folded is not None:
            return folded
        for side in (left, right):
            if isinstance(side, Lit) and isinstance(side.value, int) and float(side.value) != side.value:
                return self.problem(node, f"{side.value} is not a float64 number", f"{float(side.value)!r}")
        return self.emit(node, op, self.number(left, node), self.number(right, node), type=BOOL)

    def junction(self, node: ast.BoolOp) -> Step:
        """``a and b``: b is asked only where a holds; ``a or b``: only where it does not."""
        first, *others = node.values
        test = self.condition((yield first), first)
        decided = Block((), (literal(isinstance(node.op, ast.Or)),))
        for other in others:
            with self.aside() as arm:
                asked = arm.block(self.condition((yield other), other))
            test = self.conditional(node, test, *((decided, asked) if isinstance(node.op, ast.Or) else (asked, decided)))
        return test

    def choice(self, node: ast.expr, test_node: ast.expr, then_node: ast.expr, else_node: ast.expr) -> Step:
        """``a if test else b``: only the arm that is chosen is evaluated."""
        test = self.condition((yield test_node), test_node)
        if self.depth == DEEPEST:
            return self.problem(node, f"conditionals inside conditionals go {DEEPEST} deep at most", "s = a if test else b; s*s")
        with self.aside() as then:
            chosen = yield then_node
        with self.aside() as orelse:
            other = yield else_node
        if {chosen.type, other.type} == {BOOL}:
            return self.conditional(node, test, then.block(chosen), orelse.block(other))
        with then:
            chosen = self.number(chosen, then_node)
        with orelse:
            other = self.number(other, else_node)
        return self.conditional(node, test, then.block(chosen), orelse.block(other))

    def conditional(self, node: ast.expr | ast.stmt, test: Atom, then: Block, orelse: Block) -> Atom:
        """An `If` with one answer, or the arm that a literal test chooses."""
        if isinstance(test, Lit):
            chosen = then if test.value else orelse
            self.stmts += chosen.stmts
            return chosen.results[0]
        out = self.fresh.var("", then.results[0].type)
        self.stmts.append(If(test, then, orelse, (out,), span=self.span(node)))
        return out

    def aside(self) -> _Arm:
        """The stages made while this lasts are those of an arm, evaluated on demand."""
        return _Arm(self)

    # ------------------------------------------------------------------------------------------ functions

    def call(self, node: ast.Call) -> Step:
        """A function of the language, or a refusal that names the nearest ones."""
        word = self.word(node)
        if word is None:
            for argument in node.args:
                if not isinstance(argument, ast.Starred):
                    yield argument
            return _UNKNOWN
        if word.op == "where":
            return (yield from self.choice(node, *node.args))
        values = []
        for argument in node.args:
            values.append((yield argument))
        return self.apply(node, word, values)

    def word(self, node: ast.Call) -> Word | None:
        """The function that a call means, or None after a refusal."""
        if not isinstance(node.func, ast.Name):
            self.not_a_function(node)
            return None
        name = node.func.id
        word = WORDS.get(name)
        starred = next((argument for argument in node.args if isinstance(argument, ast.Starred)), None)
        if word is None:
            self.unknown_function(node, name)
        elif node.keywords:
            self.problem(node.keywords[0], "arguments have no names in a formula", f"{name}(x, y), by position")
        elif starred is not None:
            self.problem(starred, "a formula has numbers only, no sequences", f"{name}(x, y), by position")
        elif not word.takes(len(node.args)):
            self.problem(node, f"{name} takes {word.arity}, not {len(node.args)}", self.example(name, word))
        else:
            return word
        return None

    def unknown_function(self, node: ast.Call, name: str) -> None:
        """Refuses a function that is not there; one that is a variable elsewhere was probably meant as a factor."""
        inside = ", ".join(map(self.excerpt, node.args))
        near = nearest(name) if len(name) < 40 else []
        product = len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred)
        if name in ADVICE:
            advice = ADVICE[name]
        elif product and (name in self.names or name in self.constants or len(name) == 1):
            advice = f"{name}*({inside})   for a product"
        else:
            advice = " or ".join(near) or "one of " + ", ".join(("sqrt", "exp", "log", "sin", "cos", "tanh", "sigmoid", "abs", "max"))
        self.problem(node.func, f"there is no function {_short(name)}", advice)

    def not_a_function(self, node: ast.Call) -> None:
        """Refuses a call of something else than a name: a dotted function, or a product without its sign."""
        func, inside = self.excerpt(node.func), ", ".join(map(self.excerpt, node.args))
        match node.func:
            case ast.Attribute(_, word) if word in WORDS:
                self.problem(node.func, "functions go by their plain names in a formula", f"{word}({inside})")
            case ast.Attribute() | ast.Subscript() | ast.Lambda():
                self.problem(node.func, "this is not a function of a formula", "functions by their names, such as sin(x)")
            case ast.Constant() | ast.Name() | ast.Call():
                self.problem(node, "a product needs its sign", f"{func}*({inside})")
            case _:
                self.problem(node, "a product needs its sign", f"({func})*({inside})")

    def example(self, name: str, word: Word) -> str:
        """A call with the right number of arguments."""
        return f"{name}({', '.join('xyz'[: word.least])})"

    def apply(self, node: ast.Call, word: Word, values: list[Atom]) -> Atom:
        """The stages of a function's value."""
        match word.op, values:
            case "pow", [base, exponent]:
                return self.power(node, base, exponent)
            case "log", [value, base]:
                return self.stage(node, "div", self.stage(node, "log", value), self.stage(node, "log", base))
            case "round", [value]:
                return self.stage(node, "rint", value)
            case "round", [value, digits]:
                return self.rounded(node, value, digits)
            case ("sec" | "csc" | "cot") as name, [value]:
                return self.stage(node, "div", literal(1.0), self.stage(node, RECIPROCALS[name], value))
            case ("max" | "min") as name, [first, *rest]:
                for value in rest:
                    first = self.stage(node, name, first, value)
                return first
            case op, _:
                return self.stage(node, op, *values)

    def rounded(self, node: ast.Call, value: Atom, digits: Atom) -> Atom:
        """``round(x, n)``, n being a whole number that is written down."""
        if not (isinstance(digits, Lit) and type(digits.value) is int and abs(digits.value) < 400):
            return self.problem(node.args[1], "the number of digits is a whole number, written down", "round(x, 2)")
        return self.emit(node, "round_digits", self.number(value, node), digits)

    # ------------------------------------------------------------------------------------------ stages

    def stage(self, node: ast.expr, op: str, *operands: Atom) -> Atom:
        """``op`` between numbers: at once if all are literals, else as a stage."""
        folded = self.folded(node, op, *operands)
        return folded if folded is not None else self.emit(node, op, *(self.number(operand, node) for operand in operands))

    def folded(self, node: ast.expr, op: str, *operands: Atom) -> Atom | None:
        """The literal that an operation between literals is, if it is one."""
        values = [operand.value for operand in operands if isinstance(operand, Lit)]
        numbers: list[Number] = [value for value in values if value is not None]
        if len(values) < len(operands):
            return None
        if len(numbers) < len(values):
            return _UNKNOWN if op not in _TESTS else Lit(None, BOOL)
        try:
            answer = fold(op, numbers)
        except Undefined as reason:
            return self.problem(node, f"{self.excerpt(node)} has no value here: {reason}", "a part whose value is finite and real")
        return None if answer is None else literal(answer)

    def emit(self, node: ast.expr | ast.stmt, op: str, *operands: Atom, type: Type = FLOAT, **attrs: Attr) -> Atom:
        """Appends a stage; nothing follows from what could not be lowered."""
        if any(isinstance(operand, Lit) and operand.value is None for operand in operands):
            return Lit(None, type)
        out = self.fresh.var("", type)
        self.stmts.append(Stage(out, op, operands, tuple(attrs.items()), span=self.span(node)))
        return out

    def number(self, atom: Atom, node: ast.expr | ast.stmt, exact: bool = False) -> Atom:
        """The atom as a float; `exact` leaves a whole literal whole. A condition counts as 1.0 or 0.0."""
        if atom.type == FLOAT:
            return atom
        if isinstance(atom, Lit) and atom.value is not None:
            return literal(int(atom.value) if exact else float(atom.value))
        if isinstance(atom, Lit):
            return _UNKNOWN
        return self.conditional(node, atom, Block((), (literal(1.0),)), Block((), (literal(0.0),)))

    def condition(self, atom: Atom, node: ast.expr) -> Atom:
        """The atom as a condition; a number is none."""
        if atom.type == BOOL:
            return atom
        if atom != _UNKNOWN:
            self.problem(node, "this is a number, not a condition", f"{self.excerpt(node)} != 0")
        return Lit(None, BOOL)

    # ------------------------------------------------------------------------------------------ places and problems

    def span(self, node: Node) -> Span:
        """The place of a node."""
        return self.lines.span(node)

    def excerpt(self, node: ast.expr) -> str:
        """The text of a node, cut where it is long or goes over several lines."""
        span = self.span(node)
        text = span.text[span.col - 1 : span.end_col - 1 if span.end_line == span.line else None]
        return _short(text)

    def problem(self, node: Node, message: str, advice: str) -> Lit:
        """Notes a problem; the formula is read on, up to a number of problems that a person still wants to read."""
        self.problems.append(Problem(message, self.span(node), advice))
        if len(self.problems) == MOST_PROBLEMS:
            raise self.report()
        return _UNKNOWN

    def report(self) -> FormulaError:
        """All problems so far, in the order of the text."""
        return FormulaError(sorted(self.problems, key=lambda problem: (problem.span.line, problem.span.col) if problem.span else (0, 0)))


class _Arm:
    """Stages that are collected aside, to become the block of a conditional; may be entered again to add some."""

    def __init__(self, lowering: _Lowering) -> None:
        self.lowering = lowering
        self.stmts: list[Stmt] = []

    def __enter__(self) -> _Arm:
        self.outside, self.lowering.stmts = self.lowering.stmts, self.stmts
        self.lowering.depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.lowering.stmts = self.outside
        self.lowering.depth -= 1

    def block(self, answer: Atom) -> Block:
        """The block that yields `answer`."""
        return Block(tuple(self.stmts), (answer,))


def _expressions(body: list[ast.stmt]) -> Iterator[ast.expr]:
    """Every expression inside the parts of a formula."""
    return (node for part in body for node in ast.walk(part) if isinstance(node, ast.expr))


def _renamed(stmt: Stmt, out: Var) -> Stmt:
    """The statement with `out` in the place of the one value that it binds."""
    match stmt:
        case Stage():
            return replace(stmt, out=out)
        case If():
            return replace(stmt, outs=(out,))
        case _:
            raise TypeError(f"not a statement of a formula: {stmt!r}")


def _short(text: str) -> str:
    """The text, cut in the middle where it is long."""
    return text if len(text) <= 60 else f"{text[:40]} ... {text[-12:]}"


_CONSTRUCTS: dict[type[ast.AST], str] = {
    ast.Lambda: "a lambda", ast.ListComp: "a comprehension", ast.SetComp: "a comprehension", ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a generator", ast.List: "a list", ast.Tuple: "a tuple", ast.Set: "a set", ast.Dict: "a dictionary",
    ast.JoinedStr: "a string", ast.Starred: "an asterisk before a name", ast.Slice: "a slice", ast.Subscript: "an index",
    ast.Await: "await", ast.Yield: "yield", ast.YieldFrom: "yield",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.FunctionDef: "def", ast.ClassDef: "class", ast.Import: "import", ast.ImportFrom: "import", ast.For: "a loop", ast.While: "a loop",
}  # fmt: skip


def _construct(node: ast.AST) -> str:
    """What a person calls this piece of Python."""
    return _CONSTRUCTS.get(type(node), type(node).__name__.lower())
