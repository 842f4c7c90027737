"""The statements of the function that is being built: operations, conversions, errors; problems; and which floats may be ints.

What is known of a number beside its type is kept here: whether it is NumPy's (`Strength`), and in which array without axes it may lie.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from stagegrad import rules as _rules  # noqa: F401  (fills the registry, which decides what can be lowered)
from stagegrad.errors import Problem
from stagegrad.frontend.scope import Frame
from stagegrad.frontend.values import describe
from stagegrad.ir import BOOL, FLOAT, INT, Atom, Attr, Fresh, Lit, Raise, Span, Stage, Stmt, Type, Var, binds
from stagegrad.ops import REGISTRY

if TYPE_CHECKING:
    from stagegrad.frontend.python import Compilation


class Refusal(Exception):
    """One construct that cannot be lowered; the expression around it goes on with a poisoned value."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Poisoned(Exception):
    """A value is read that an earlier problem left without meaning: nothing to report again."""


class NeedInt(Exception):
    """Parameters that were taken for floats are used where only ints can be: the function must be lowered again."""

    def __init__(self, params: frozenset[Var]) -> None:
        super().__init__(", ".join(sorted(map(str, params))))
        self.params = params


class NeedKnown(Exception):
    """A parameter's value must be known when its function is compiled: the function is lowered for each value that it is called with."""

    def __init__(self, param: Var) -> None:
        super().__init__(str(param))
        self.param = param


#: What made an array without axes, or the parameter that may be one.
Origin = ast.AST | Var

#: Operations that give an int for ints and mean the same for floats that hold whole numbers.
_WHOLE = frozenset({"add", "sub", "mul", "floordiv", "mod", "neg", "abs", "max", "min", "square", "copy"})
#: Operations that may be asked of bools as they are.
_LOGICAL = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "not", "and", "or", "is_true", "copy", "to_int", "to_float"})

#: Operators that give a number of NumPy for one of NumPy; a function of `math` gives a float of Python.
_PROPAGATES = frozenset({
    "add", "sub", "mul", "div", "pow", "floordiv", "mod", "neg", "abs", "square", "reciprocal", "max", "min", "item", "copy",
})  # fmt: skip
#: Operations that give one of their operands themselves.
_ONE_OF = frozenset({"max", "min", "item"})


class Strength(Enum):
    """Whether 32-bit floats beside a 64-bit number stay as narrow as they are (NEP 50): yes beside a float of Python, no beside NumPy's."""

    WEAK = "weak"
    STRONG = "strong"
    EITHER = "either"  # that depends on the path

    def beside(self, other: Strength) -> Strength:
        """What a value is that comes from one of two paths."""
        return self if self is other else Strength.EITHER


class Stages:
    """Builds the statements of one IR function."""

    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation
        self.fresh = Fresh()
        self.stmts: list[Stmt] = []
        self.frame: Frame
        self.guessed: dict[Var, frozenset[Var]] = {}  # floats that may be ints, and the parameters that decide it
        self.given: list[Var] = []  # the function's parameters
        self.strengths: dict[Var, Strength] = {}  # of numbers that are not weak
        self.origins: dict[Atom, frozenset[Origin]] = {}  # of numbers that may lie in arrays without axes
        self.altered: set[Var] = set()  # parameters that, were they arrays without axes, would be changed in place
        self._made: dict[Var, tuple[list[Stmt], int]] = {}

    # ------------------------------------------------------------------------------------------ problems

    def span(self, node: ast.AST) -> Span:
        """The place of a node of the function that is being lowered."""
        return self.frame.unit.source.span(node)

    def refusal(self, node: ast.AST, message: str, advice: str = "") -> Refusal:
        """What to raise to stop the lowering of an expression, with a problem at `node`."""
        return Refusal(Problem(message, self.span(node), advice))

    def unknown(self, node: ast.AST, message: str, advice: str = "") -> Refusal:
        """As `refusal`, for what an argument of another type may make right: while types are guessed, the function waits for a call."""
        self.compilation.waits = self.compilation.waits or self.compilation.guesses
        return self.refusal(node, message, advice)

    def report(self, node: ast.AST, message: str, advice: str = "") -> None:
        """Notes a problem and goes on."""
        self.compilation.problems.append(Problem(message, self.span(node), advice))

    # ------------------------------------------------------------------------------------------ stages

    def emit(self, op: str, args: Sequence[Atom], node: ast.AST, attrs: Sequence[tuple[str, Attr]] = (), name: str = "") -> Var:
        """Appends a stage; its result has no name yet, unless one is given."""
        if op not in REGISTRY:
            raise self.refusal(node, f"stagegrad has no rule for {op} yet")
        if op not in _LOGICAL and REGISTRY[op].kind in ("elementwise", "flat"):
            args = [self.converted(arg, INT, node) if arg.type == BOOL and (op, k) != ("where", 0) else arg for k, arg in enumerate(args)]
        if any(arg.type.bits == 32 for arg in args) and REGISTRY[op].kind in ("elementwise", "flat"):
            args = self._widened(args, node)
        out = self.fresh.var(name, REGISTRY[op].type_of([arg.type for arg in args], dict(attrs)))
        if out.type == FLOAT and op in _WHOLE:
            self._guess(out, args)
        if out.type == FLOAT and op != "cast":
            self._weigh(out, op, args, dict(attrs))
        if op in _ONE_OF:
            self.same_origins(out, *args)
        self.append(Stage(out, op, tuple(args), tuple(attrs), span=self.span(node)))
        return out

    def without_axes(self, atom: Atom, node: ast.AST) -> Atom:
        """A number that NumPy keeps in a new array without axes: ``+=`` changes it for every name that holds it."""
        if atom.type.rank:
            return atom
        out = self.emit("copy", [atom], node)
        if out.type == FLOAT:
            self.strengths[out] = Strength.STRONG
        self.origins[out] = frozenset({node})
        return out

    def same_origins(self, out: Atom, *atoms: Atom) -> None:
        """Notes that a number may lie in the arrays without axes that others lie in."""
        found = frozenset[Origin]().union(*(self.origins.get(atom, frozenset()) for atom in (out, *atoms)))
        if found:
            self.origins[out] = found

    def made_here(self, atom: object) -> frozenset[ast.AST]:
        """What made the arrays without axes, or the views of one, that a number may lie in; parameters apart."""
        origins = self.origins.get(atom, ()) if isinstance(atom, Var) else ()
        return frozenset(origin for origin in origins if isinstance(origin, ast.AST))

    def alters(self, *atoms: Atom) -> None:
        """Notes that the arrays without axes that the caller may have given are changed in place."""
        self.altered |= {origin for atom in atoms for origin in self.origins.get(atom, ()) if isinstance(origin, Var)}

    def strength(self, atom: Atom) -> Strength:
        """Whether a number makes 32-bit floats beside it wider."""
        return self.strengths.get(atom, Strength.WEAK) if isinstance(atom, Var) else Strength.WEAK

    def _weigh(self, out: Var, op: str, args: Sequence[Atom], attrs: dict[str, Attr]) -> None:
        """Notes whether what an operation gives is a number of NumPy."""
        of_arrays = REGISTRY[op].kind in ("general", "structural") and any(arg.type.rank for arg in args)
        found = {self.strength(arg) for arg in args if arg.type == FLOAT}
        if of_arrays or attrs.get("lib") == "numpy" or (op in _PROPAGATES - _ONE_OF and Strength.STRONG in found):
            self.strengths[out] = Strength.STRONG
        elif op in _PROPAGATES and found - {Strength.WEAK}:
            self.strengths[out] = Strength.STRONG if found == {Strength.STRONG} else Strength.EITHER

    def _widened(self, args: Sequence[Atom], node: ast.AST) -> list[Atom]:
        """Operands of which some have 32 bits, these converted where a number of NumPy beside them has 64."""
        found = {self.strength(arg) for arg in args if arg.type == FLOAT}
        if Strength.EITHER in found:
            message = "this number of 64 bits is one of NumPy on some paths only, so that the width of the result is not known"
            raise self.refusal(node, message, "float(...) around the number")
        if Strength.STRONG not in found:
            return [*args]
        wide = [replace(arg.type, bits=64) if arg.type.kind == "float" else arg.type for arg in args]
        return [self.converted(arg, type, node) for arg, type in zip(args, wide, strict=True)]

    def append(self, stmt: Stmt) -> None:
        """Appends a statement and remembers where its values were made, so that an assignment can name them."""
        for var in binds(stmt):
            self._made[var] = (self.stmts, len(self.stmts))
        self.stmts.append(stmt)

    def converted(self, atom: Atom, type: Type, node: ast.AST) -> Atom:
        """The atom as a number of a wider type."""
        if atom.type == type:
            return atom
        if atom.type.rank != type.rank:
            raise self.refusal(node, f"{describe(atom)} cannot become {describe(Lit(None, type))}")
        if isinstance(atom, Lit):
            return self._literal(atom, type, node)
        out = self.fresh.var("", type)
        if type.kind == atom.type.kind == "float" and type.rank == atom.type.rank:  # of another width; it has a slope
            self.append(Stage(out, "cast", (atom,), (("bits", type.bits),), span=self.span(node)))
            return out
        if type == FLOAT:
            self.guessed[out] = frozenset()
        self.append(Stage(out, self._conversion(type, node), (atom,), span=self.span(node)))
        return out

    def _conversion(self, type: Type, node: ast.AST) -> str:
        """The operation that gives a number of a type."""
        op = {FLOAT: "to_float", INT: "to_int"}.get(type, f"to_{type.kind}{type.bits}")
        if type.rank or op not in REGISTRY:
            raise self.refusal(node, f"a conversion to {type} is needed here, which is not supported", "numbers of one type")
        return op

    def _literal(self, atom: Lit, type: Type, node: ast.AST) -> Lit:
        if atom.value is None:
            return Lit(None, type)
        try:
            return Lit(float(atom.value) if type.kind == "float" else int(atom.value), type)
        except OverflowError:
            raise self.refusal(node, "this int is too large for a float") from None

    def negated(self, test: Atom, node: ast.AST) -> Atom:
        """The opposite of a bool."""
        return Lit(not test.value, BOOL) if isinstance(test, Lit) else self.emit("not", [test], node)

    def stop(self, test: Atom, error: str, message: str, node: ast.AST) -> None:
        """Raises `error` with a fixed message where `test` is true."""
        self.stop_with(test, error, (message,), node)

    def stop_with(self, test: Atom, error: str, message: tuple[str | Atom, ...], node: ast.AST) -> None:
        """Raises `error` with a message of text and values where `test` is true."""
        self.append(Raise(test, error, message, span=self.span(node)))

    # ------------------------------------------------------------------------------------------ ints

    def _guess(self, out: Var, args: Sequence[Atom]) -> None:
        sources = [self.guessed.get(arg) if isinstance(arg, Var) else None for arg in args if arg.type == FLOAT]
        if all(source is not None for source in sources):
            self.guessed[out] = frozenset().union(*(source for source in sources if source))

    def guess_of(self, atom: Atom) -> frozenset[Var] | None:
        """The parameters that would make this float an int if they were ints; None if nothing would."""
        if isinstance(atom, Var):
            return frozenset() if atom.type != FLOAT else self.guessed.get(atom)
        return frozenset() if atom.value is None or float(atom.value).is_integer() else None

    def whole(self, atom: Atom, node: ast.AST, what: str) -> Atom:
        """The atom as an int; a parameter of unknown type that leads here is an int from now on."""
        if atom.type.rank:
            raise self.refusal(node, f"{what} must be an int, and this is {describe(atom)}")
        if atom.type.kind != "float":
            return self.converted(atom, INT, node)
        params = self.guessed.get(atom) if isinstance(atom, Var) else None
        if params:
            raise NeedInt(params)
        raise self.refusal(node, f"{what} must be an int, and this is a float", "int(...) around it")
