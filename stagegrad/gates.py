"""A user's own function as one stage: `gate` takes a plain function of floats and returns a `Gate`.

    @stagegrad.gate
    def swish(x):
        return x / (1.0 + math.exp(-x))

    @stagegrad.gate(grad=lambda out, x: 1.0 - out * out)
    def squash(x):
        return math.tanh(x)

In a compiled function a call of the gate is one operation, and generated code defines the gate's own function above.
Without ``grad`` the body must be a straight line; SymPy derives its slopes, and writes them in terms of the output where
that is shorter. What the function reads from outside (globals, closures) is read when the gate is made.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any, overload

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.emit.writer import write_function
from stagegrad.errors import ArgumentError, Problem, UnsupportedError
from stagegrad.frontend import python
from stagegrad.ir import FLOAT, Atom, Block, Fresh, Function, Lit, Stage, Stmt, Var, walk
from stagegrad.ir_text import show
from stagegrad.ops import HELPERS, REGISTRY, Builder, Gate, Helper, Op, Value, always, find, literal, partials_of, register
from stagegrad.rules.idioms import restage

_STATE_IT = "@stagegrad.gate(grad=lambda out, x: ...), with the slope stated"


@overload
def gate(function: Callable[..., float], *, grad: Callable[..., Any] | None = None) -> Gate: ...
@overload
def gate(function: None = None, *, grad: Callable[..., Any] | None = None) -> Callable[[Callable[..., float]], Gate]: ...


def gate(function: Callable[..., float] | None = None, *, grad: Callable[..., Any] | None = None) -> Any:
    """Declares a function of floats to be one stage.

    `grad` states the slope: a function of the output and the arguments, ``grad(out, x, y)``, that returns the partial
    derivative for each argument (a tuple where there are several), in straight-line arithmetic. Without it the slope is
    derived by SymPy. Raises `UnsupportedError` where the body cannot be read, or has no derivative that can be derived.
    """
    if function is None:
        return lambda later: gate(later, grad=grad)
    if isinstance(function, Gate):
        raise ArgumentError(f"{function.op.title} is a gate already")
    body = _body(function, "a gate")
    partials = _stated(body, grad) if grad is not None else _derived(body)
    return Gate(function, _declared(body, function, partials))


# ---------------------------------------------------------------------------------------------- reading a function


def _body(function: object, what: str) -> Function:
    """The function's IR, its whole powers and sigmoids recognised."""
    module = restage(python.lower(function).module, "user")
    main = module.main
    if len(module.functions) > 1:
        called = ", ".join(f"{other.name}()" for other in module.functions[1:])
        raise _refusal(main, f"{what} is one function, and this one calls {called}", "the called function's formula, in its place")
    if not main.params:
        raise _refusal(main, f"{what} needs an argument to have a slope in", "def f(x): ...")
    return main


def _refusal(place: Function | Stmt, message: str, advice: str = _STATE_IT) -> UnsupportedError:
    return UnsupportedError(Problem(message, getattr(place, "span", None), advice))


def _straight(function: Function, what: str, advice: str) -> list[Stage]:
    """The function's stages, if it is a straight line."""
    for stmt in function.body.stmts:
        if not isinstance(stmt, Stage):
            place = stmt if getattr(stmt, "span", None) else function
            raise _refusal(place, f"{what} is a straight line, without branches and loops", advice)
    return [stmt for stmt in function.body.stmts if isinstance(stmt, Stage)]


# ---------------------------------------------------------------------------------------------- declaring the operation


def _declared(body: Function, function: Callable[..., Any], rule: _Rule) -> Op:
    """The gate's operation, under the function's name and a hash of what it does; its helper is the function itself."""
    if body.shape != 0 or body.body.results[0].type != FLOAT:
        raise _refusal(body, "a gate returns one float", "one gate for each result")
    texts = {target: write_function(replace(body, name="gate"), target) for target in ("python", "numba")}
    content = hashlib.sha256("\0".join((show(body), show(rule.function))).encode()).hexdigest()[:8]
    name = f"{body.name}_{content}"
    if name in REGISTRY:
        return REGISTRY[name]
    word = _helper_word(body.name, name)
    lines = {target: "\n".join("    " * line.depth + line.text for line in text.lines) for target, text in texts.items()}
    spelled = {target: text.replace("def gate(", f"def {word}(", 1) for target, text in lines.items()}
    needs = tuple(dict.fromkeys(need for text in texts.values() for need in text.helpers))
    HELPERS[word] = Helper(word, spelled["python"], needs, spelled["numba"], of_user=True)
    operands = tuple(param.name for param in body.params)
    call = f"{word}({', '.join(f'{{{operand}}}' for operand in operands)})"
    made = [find(stmt.op) for stmt in walk(body.body) if isinstance(stmt, Stage)]
    return register(Op(
        name, "elementwise", operands, {"python": call}, f"{body.name}{{{operands[0]}}}", body.name, always(FLOAT), rule,
        exact=rule.exact, display=call.replace(word, body.name), pole=any(op.pole for op in made), singular=any(op.singular for op in made),
        cost=sum(op.cost for op in made) + 1.0, doc=function.__doc__ or "", helpers=(word,),
    ))  # fmt: skip


def _helper_word(wanted: str, unique: str) -> str:
    """The function's own name in generated code, unless something else has it."""
    taken = wanted in HELPERS or wanted in vars(math) or wanted in vars(builtins) or keyword.iskeyword(wanted)
    return unique if taken or not wanted.isidentifier() else wanted


@dataclass(frozen=True)
class _Rule:
    """A rule that replays the stages of a function of (out, *operands); `exact` is the gate's own formula, if it is known."""

    function: Function
    exact: str = ""

    def __call__(self, out: Value, *operands: Value) -> tuple[Value, ...]:
        builder = out.builder
        atoms: dict[Var, Atom] = {p: v.atom for p, v in zip(self.function.params, (out, *operands), strict=True)}

        def read(atom: Atom) -> Atom:
            return atom if isinstance(atom, Lit) else atoms[atom]

        for stage in self.function.body.stmts:
            assert isinstance(stage, Stage)  # `_straight` has seen to it
            atoms[stage.out] = builder.emit(stage.op, *map(read, stage.args), name="", **dict(stage.attrs))
        return tuple(builder.value(read(result)) for result in self.function.body.results)


def _stated(body: Function, grad: Callable[..., Any]) -> _Rule:
    """The rule that a user states: ``grad(out, *operands)``."""
    slope = _body(grad, "a gate's gradient")
    _straight(slope, "a gate's gradient", "straight-line arithmetic")
    if len(slope.params) != 1 + len(body.params):
        wanted = ", ".join(("out", *(param.name for param in body.params)))
        raise _refusal(slope, f"the gradient of {body.name} takes ({wanted})", f"lambda {wanted}: ...")
    if len(slope.body.results) != len(body.params) or any(r.type.kind == "bool" for r in slope.body.results):
        raise _refusal(slope, f"the gradient of {body.name} returns one float for each of its {len(body.params)} arguments",
                       "a tuple, one partial derivative for each argument")  # fmt: skip
    floats = tuple(_as_float(result) for result in slope.body.results)
    return _Rule(replace(slope, body=replace(slope.body, results=floats)))


def _as_float(atom: Atom) -> Atom:
    return literal(float(atom.value)) if isinstance(atom, Lit) and atom.value is not None else atom


# ---------------------------------------------------------------------------------------------- deriving the slopes

#: Operations that are smooth where they are defined, and that SymPy knows.
_SMOOTH = {
    "copy", "to_float", "add", "sub", "mul", "div", "neg", "square", "cube", "quartic", "reciprocal", "pow", "powi", "pow_halves",
    "pow_positive", "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan",
    "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "hypot", "degrees", "radians", "erf", "erfc", "gauss", "gamma",
    "digamma", "polygamma", "sigmoid", "cosigmoid", "growth", "logistic", "softplus", "logaddexp", "share",
}  # fmt: skip
#: SymPy's functions that are operations under the same name, and those that have another.
_SAME = {
    "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc",
    "gamma",
}  # fmt: skip
_OPERATIONS = {**{name: name for name in _SAME}, "loggamma": "lgamma"}
#: Beyond this many operations SymPy's simplification takes too long; the chain rule then has the last word.
_LARGEST = 60


def _derived(body: Function) -> _Rule:
    """The rule that SymPy derives; the chain rule through the body's own stages where SymPy's form is not as good."""
    stages = _straight(body, "a gate without a stated slope", f"a plain function, whose branches stagegrad differentiates, or {_STATE_IT}")
    for stage in stages:
        if stage.op not in _SMOOTH and not find(stage.op).exact:
            raise _refusal(stage, f"the slope of {body.name} cannot be derived: nothing is known of {find(stage.op).title}")
        if stage.op not in _SMOOTH and not isinstance(find(stage.op).partials, _Rule):
            raise _refusal(stage, f"the slope of {body.name} cannot be derived: it has a kink or a jump ({find(stage.op).title})")
    return _Derivation(body, stages).rule()


class _Derivation:
    """One gate's formula in SymPy, and its slopes. Importing SymPy takes a good part of a second: only this class needs it."""

    def __init__(self, body: Function, stages: Sequence[Stage]) -> None:
        import sympy

        self.sympy, self.body, self.stages = sympy, body, stages
        self.symbols = {param: sympy.Symbol(f"v{k}", real=True) for k, param in enumerate(body.params)}
        self.out = sympy.Symbol("out", real=True)
        values: dict[Var, Any] = dict(self.symbols)
        for stage in stages:
            values[stage.out] = self._exact(stage, values)
        self.formula = self._number(body.body.results[0], values)

    def _number(self, atom: Atom, values: dict[Var, Any]) -> Any:
        return self.sympy.nsimplify(atom.value, rational=True) if isinstance(atom, Lit) else values[atom]

    def _exact(self, stage: Stage, values: dict[Var, Any]) -> Any:
        args = [self._number(arg, values) for arg in stage.args]
        if stage.op in ("copy", "to_float"):
            return args[0]
        op = find(stage.op)
        return self.sympy.sympify(op.exact, locals={**dict(zip(op.operands, args, strict=True)), **dict(stage.attrs)})

    def rule(self) -> _Rule:
        """The slopes as a function of (out, *operands)."""
        fresh = Fresh()
        params = (fresh.var("out"), *(fresh.like(param) for param in self.body.params))
        builder = Builder(fresh)
        renewed: dict[Var, Atom] = dict(zip(self.body.params, params[1:], strict=True))
        atoms: dict[Any, Atom] = {self.out: params[0], **{self.symbols[old]: new for old, new in renewed.items()}}
        results: list[Atom] = []
        for operand in self.body.params:
            chosen = self._slope(self.symbols[operand])
            found = None if chosen is None else self._emit(chosen, builder, atoms)
            results.append(found or self._chain(operand, builder, params[0], renewed))
        function = Function(f"{self.body.name}_slopes", params, Block(tuple(builder.stmts), tuple(results)))
        named = self.formula.subs({symbol: self.sympy.Symbol(param.name) for param, symbol in self.symbols.items()})
        return _Rule(function, self.sympy.sstr(named))

    # ------------------------------------------------------------------------------------------ choosing a form

    def _slope(self, symbol: Any) -> Any:
        """The shortest form of the slope that computes well and that our operations can write; None if there is none."""
        slope = self.sympy.diff(self.formula, symbol)
        forms = [slope]
        if self.sympy.count_ops(slope) <= _LARGEST:
            simple = self.sympy.simplify(slope)
            forms += [simple, self.sympy.factor(simple), *self._through_output(slope)]
        known = {self.out, *self.symbols.values()}
        poles = self._poles(slope) | self._poles(self.formula)
        forms = [form for form in dict.fromkeys(forms) if form.free_symbols <= known and self._poles(form) <= poles]
        forms = [form for form in forms if self._writable(form)]
        forms.sort(key=lambda form: (self.sympy.count_ops(form), len(str(form)), str(form)))
        return next((form for form in forms if self._computes(form, slope)), None)

    def _poles(self, form: Any) -> set[Any]:
        """What the form divides by, and what may be zero: a form must not divide where the slope itself does not."""
        _, below = self.sympy.fraction(self.sympy.together(form.subs(self.out, self.formula)))
        bases = {factor.as_base_exp()[0] for factor in self.sympy.Mul.make_args(self.sympy.factor(below))}
        return {base for base in bases if base.free_symbols and not base.is_positive}

    def _through_output(self, slope: Any) -> list[Any]:
        """The slope with a part of the formula (an exponential, a root ...) expressed by the output."""
        sympy, found = self.sympy, [slope.subs(self.formula, self.out)]
        part = sympy.Dummy("part", real=True)
        for kernel in sorted(self.formula.atoms(sympy.Function, sympy.Pow), key=str):
            if not kernel.free_symbols:
                continue
            replaced = self.formula.subs(kernel, part)
            for solution in self._solved(replaced, part):
                form = slope.subs(kernel, part).subs(part, solution)
                found += [sympy.simplify(form), sympy.factor(sympy.simplify(form))]
        return found

    def _solved(self, replaced: Any, part: Any) -> list[Any]:
        """The part in terms of the output, if that is unique."""
        try:
            solutions = self.sympy.solve(self.sympy.Eq(self.out, replaced), part)
        except (NotImplementedError, ValueError, TypeError):
            return []
        return list(solutions) if len(solutions) == 1 else []

    def _computes(self, form: Any, slope: Any) -> bool:
        """Does the form, in floats, give the slope's exact value, at small and at large arguments?"""
        symbols = list(self.symbols.values())
        fast = self.sympy.lambdify([self.out, *symbols], form, "math")
        compared = 0
        for place in _places(len(symbols)):
            at = dict(zip(symbols, place, strict=True))
            value, exact = (self._evaluated(expression, at) for expression in (self.formula, slope))
            if value is None or exact is None:
                continue
            compared += 1
            try:
                found = fast(value, *place)
            except (ArithmeticError, ValueError):
                return False
            if not abs(found - exact) <= 1e-10 * max(1.0, abs(exact)):
                return False
        return compared > 0

    def _evaluated(self, expression: Any, at: dict[Any, float]) -> float | None:
        """The expression to 50 digits as a float; None where it is not a finite real number."""
        number = expression.subs({symbol: self.sympy.Float(value, 50) for symbol, value in at.items()}).evalf(50)
        if not number.is_real or not number.is_finite or abs(number) > 1e300:
            return None
        return float(number)

    # ------------------------------------------------------------------------------------------ SymPy -> stages

    def _writable(self, form: Any) -> bool:
        scratch = Builder(Fresh())
        atoms: dict[Any, Atom] = {symbol: scratch.fresh.var() for symbol in form.free_symbols}
        return self._emit(form, scratch, atoms) is not None

    def _emit(self, form: Any, builder: Builder, atoms: dict[Any, Atom]) -> Atom | None:
        """The expression as stages; None if it holds something that is no operation."""
        if form.is_Symbol:
            return atoms[form]
        if form.is_number and form.is_real and form.is_finite:
            return literal(float(form))
        if form.is_Add:
            return self._emit_sum(form, builder, atoms)
        if form.is_Mul:
            return self._emit_product(form, builder, atoms)
        if form.is_Pow:
            return self._emit_power(form, builder, atoms)
        op = _OPERATIONS.get(type(form).__name__)
        args = [self._emit(arg, builder, atoms) for arg in form.args] if op is not None else [None]
        return None if op is None or None in args else builder.emit(op, *(arg for arg in args if arg is not None))

    def _emit_sum(self, form: Any, builder: Builder, atoms: dict[Any, Atom]) -> Atom | None:
        """Positive terms first, then what is subtracted from them."""
        terms = sorted(form.args, key=lambda term: (term.could_extract_minus_sign(), self.sympy.default_sort_key(term)))
        total = self._emit(terms[0], builder, atoms)
        for term in terms[1:]:
            negative = term.could_extract_minus_sign()
            atom = self._emit(-term if negative else term, builder, atoms)
            if total is None or atom is None:
                return None
            total = builder.emit("sub" if negative else "add", total, atom)
        return total

    def _emit_product(self, form: Any, builder: Builder, atoms: dict[Any, Atom]) -> Atom | None:
        if form.could_extract_minus_sign():
            turned = self._emit(-form, builder, atoms)
            return None if turned is None else builder.emit("neg", turned)
        above, below = self.sympy.fraction(form, exact=True)
        if below != 1:
            num, den = self._emit(above, builder, atoms), self._emit(below, builder, atoms)
            return None if num is None or den is None else builder.emit("div", num, den)
        total: Atom | None = literal(1.0)
        for factor in form.args:
            atom = self._emit(factor, builder, atoms)
            if total is None or atom is None:
                return None
            total = builder.emit("mul", total, atom)
        return total

    def _emit_power(self, form: Any, builder: Builder, atoms: dict[Any, Atom]) -> Atom | None:
        base, exponent = form.as_base_exp()
        if exponent.is_number and exponent < 0:
            below = self._emit(base**-exponent, builder, atoms)
            return None if below is None else builder.emit("div", literal(1.0), below)
        root = self._emit(base, builder, atoms)
        if root is None:
            return None
        if exponent.is_Integer:
            return (builder.value(root) ** int(exponent)).atom
        if exponent == self.sympy.Rational(1, 2):
            return builder.emit("sqrt", root)
        power = self._emit(exponent, builder, atoms)
        return None if power is None else builder.emit("pow", root, power)

    # ------------------------------------------------------------------------------------------ the chain rule

    def _chain(self, operand: Var, builder: Builder, out: Atom, atoms: dict[Var, Atom]) -> Atom:
        """The slope along one operand, through the body's stages one by one."""
        result = self.body.body.results[0]
        values = dict(atoms)
        slopes: dict[Var, Value] = {operand: builder.value(literal(1.0))}
        for stage in self.stages:
            args = [values[arg] if isinstance(arg, Var) else arg for arg in stage.args]
            partials: tuple[Value | None, ...] = (builder.value(literal(1.0)),)
            if stage.op in ("copy", "to_float"):
                values[stage.out] = args[0]
            else:
                last = stage.out == result
                values[stage.out] = out if last else builder.emit(stage.op, *args, name="", **dict(stage.attrs))
                partials = partials_of(find(stage.op), builder, values[stage.out], args, stage.attrs)
            terms = [slopes[arg] * partial for arg, partial in zip(stage.args, partials, strict=True)
                     if isinstance(arg, Var) and arg in slopes and partial is not None]  # fmt: skip
            if terms:
                slopes[stage.out] = reduce(add, terms)
        return slopes[result].atom if isinstance(result, Var) and result in slopes else literal(0.0)


def _places(count: int) -> list[tuple[float, ...]]:
    """Points to compare at, small, middling and large, of both signs."""
    random_ = random.Random(1)
    sizes = (0.0, 1e-3, 0.03, 0.3, 0.7, 0.95, 1.5, 3.0, 12.0, 40.0, 800.0)
    return [tuple(random_.choice((-1.0, 1.0)) * sizes[(k + 3 * j) % len(sizes)] for j in range(count)) for k in range(2 * len(sizes))]
