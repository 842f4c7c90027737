"""How an operation is declared, and how rule code becomes stages.

An operation is declared once, by a decorated function in `stagegrad.rules`; the function's body is its derivative:

    @elementwise({"python": "math.exp({x})", "numpy": "np.exp({x})"}, stage="exp{x}", exact="exp(x)")
    def exp(out, x):
        '''The exponential is its own derivative.'''
        return out

The body is written with ordinary arithmetic on `Value` handles; each operator emits a stage into a `Builder`. It
returns the partial derivative with respect to each operand (a tuple where there are several; None or 0.0 for
an operand that has none), and may read the result `out`. Operations whose operands or result are not floats are
``flat``: they have no derivative.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, update_wrapper
from typing import Any, TypeAlias

from stagegrad.ir import BOOL, FLOAT, INT, Atom, Attr, Fresh, Lit, Span, Stage, Stmt, Type

#: How an operation is written: a template, one a target, or what makes one from the attributes and the operands' types.
Template: TypeAlias = "str | Callable[[Mapping[str, Attr], Sequence[Type]], str]"
Spelling: TypeAlias = "Template | Mapping[str, Template]"


@dataclass(frozen=True)
class Helper:
    """A small function that generated code defines above the user's, for targets that have no word for an operation.

    `text` is its whole ``def``, plain Python that Numba compiles too unless it has a text of its own; it may use ``math``, ``np``
    and the helpers in `needs`.
    """

    name: str
    text: str
    needs: tuple[str, ...] = ()
    numba: str = ""  # the text for Numba, where it must differ
    numpy: str = ""  # the text beside arrays, where it must differ
    of_user: bool = False  # a gate: its name is taken only where it is used
    each: bool = False  # on Numba it is a function of one element, which Numba spreads over arrays
    keeps_width: bool = False  # on Numba, what it makes of 32-bit floats are 32-bit floats

    def for_target(self, target: str) -> str:
        """The text that a module for the target defines."""
        special = {"numba": self.numba, "numpy": self.numpy}.get(target)
        return special or self.text

    def needs_on(self, target: str) -> tuple[str, ...]:
        """The helpers that the text for the target names."""
        code = re.sub(r'""".*?"""', "", self.for_target(target), flags=re.DOTALL)
        return tuple(need for need in self.needs if re.search(rf"\b{need}\b", code))


@dataclass(frozen=True)
class Op:
    """One operation: everything that the passes, the writer, the proof and the docs know of it."""

    name: str
    kind: str  # "elementwise", "flat", "general" or "structural"
    operands: tuple[str, ...]  # a last name that begins with * stands for any number of operands
    spelling: Mapping[str, Template]  # target -> template; "python" is the fallback of the others
    stage: str  # template of the stage's name: "{x}p{y}"
    title: str  # a word or two: "add", "sigmoid"
    result: Callable[..., Type]  # of the operands' types; for a general operation, of these and the attributes
    partials: Callable[..., Any] | None = None
    pull: Callable[..., Any] | None = None  # a general operation's pull-back: (g, out, *operands, **attrs) -> contributions
    push: Callable[..., Any] | None = None  # its derivative along directions: (out, operands, dots, attrs) -> dot
    linear: bool = False  # in each operand: then `push` is the operation itself, with one operand after the other replaced
    view: bool = False  # the text's result may share its memory with the operand
    exact: str = ""  # a SymPy expression in the operands' names
    display: str = ""  # how comments write it; the python spelling where empty
    domain: tuple[float, float] = (float("-inf"), float("inf"))
    pole: bool = False  # infinite value and slope at some finite operands: a zero gradient from a router must stop there
    singular: bool = False  # infinite slope where the value is finite: a zero gradient must always stop there
    cost: float = 1.0  # rough nanoseconds, for record-or-recompute
    doc: str = ""
    helpers: tuple[str, ...] = ()
    attrs: tuple[str, ...] = ()

    def template(self, target: str, attrs: Mapping[str, Attr] | None = None, types: Sequence[Type] = (), *, lanes: bool = False) -> str:
        """The spelling for a target ("python", "numba" or "numpy"): the first of the entries that fit, most special first.

        Elementwise on arrays: "array:numba" (or "array:numpy"), "array", "numpy"; on scalars the target's own, where what ``lib`` says
        NumPy computed is spelled as NumPy does ("numba:numpy" in Numba's text); on ints "ints", where a nan that may come of floats
        would be no int. Else "python".
        With `lanes`, scalars are spelled by the entry "lanes" where there is one: the vector kernel, for a loop that becomes
        vector instructions.
        """
        given = attrs or {}
        keys: tuple[str, ...] = ("lanes", target) if lanes else (target,)
        if self.kind in ("elementwise", "flat"):
            by_numpy = given.get("lib") == "numpy" or any(type.bits == 32 for type in types)
            on_arrays = any(type.rank for type in types)
            keys = ("numba:numpy", *keys) if target == "numba" and given.get("lib") == "numpy" else keys
            keys = (f"array:{target}", "array", "numpy") if on_arrays else keys if target == "numba" else ("numpy",) if by_numpy else ()
            keys = (*keys, "ints") if {(type.kind, type.rank) for type in types} == {("int", 0)} else keys
        found = next((self.spelling[key] for key in keys if key in self.spelling), None) or self.spelling["python"]
        return found if isinstance(found, str) else found(given, types)

    def names(self, count: int) -> tuple[str, ...]:
        """The operands' names in templates: ``a *i`` with three operands -> ``a i0 i1``."""
        if not self.operands or not self.operands[-1].startswith("*"):
            return self.operands
        fixed, last = self.operands[:-1], self.operands[-1][1:]
        return (*fixed, *(f"{last}{k}" for k in range(count - len(fixed))))

    def type_of(self, types: Sequence[Type], attrs: Mapping[str, Attr] | None = None) -> Type:
        """The type of the result. On arrays, an elementwise operation gives an array of the highest rank (NumPy's broadcasting)."""
        if self.kind in ("general", "structural"):
            return self.result(types, attrs or {}) if _takes_attrs(self.result) else self.result(types)
        if all(type.rank == 0 and type.bits == 64 for type in types):
            return self.result(types)
        kind = self.result([Type(type.kind) for type in types]).kind
        return Type(kind, max(type.rank for type in types), width(types) if kind == "float" else 64)

    def __call__(self, *operands: Operand, **attrs: Attr) -> Value:
        """Emits the operation into the builder of the rule that is running, in the library of the stage that is differentiated."""
        builder = _current.get()
        if builder.lib and builder.lib in self.spelling:
            attrs = {"lib": builder.lib, **attrs}
        return builder.value(builder.emit(self.name, *map(builder.atom, operands), name="", **attrs))


def width(types: Sequence[Type]) -> int:
    """The width of what numbers of these types make together (NEP 50: beside arrays, and beside float32, a Python float is weak)."""
    strong = [type for type in types if type.rank or type.bits == 32]
    widths = [type.bits for type in strong if type.kind == "float"]
    return max(widths) if widths and all(type.kind != "int" for type in strong) else 64


@cache
def _takes_attrs(result: Callable[..., Type]) -> bool:
    return len(inspect.signature(result).parameters) > 1


#: The attribute of an addition that is one step of a sum of NumPy's, which adds in an order of its own: no other order is wrong.
ANY_ORDER: tuple[str, Attr] = ("any_order", True)
#: The attribute of a write whose value is an array in other memory than the one that is written to.
APART: tuple[str, Attr] = ("apart", True)

REGISTRY: dict[str, Op] = {}
HELPERS: dict[str, Helper] = {}


def helper(text: str, *needs: str, numba: str = "", numpy: str = "") -> Helper:
    """Registers the text of a helper function under its own name."""
    name = text.strip().removeprefix("def ").partition("(")[0]
    HELPERS[name] = Helper(name, inspect.cleandoc(text), needs, inspect.cleandoc(numba), inspect.cleandoc(numpy))
    return HELPERS[name]


def each(text: str, of: str, *needs: str, keeps_width: bool = False) -> Helper:
    """Registers a helper on arrays: `text` is its whole ``def`` for NumPy; for Numba it is `of`, an expression in one element."""
    registered = helper(text, *needs)
    head = registered.text[: registered.text.index('"""', registered.text.index('"""') + 3) + 3]
    HELPERS[registered.name] = replace(registered, numba=f"{head}\n    return {of}", each=True, keeps_width=keeps_width)
    return HELPERS[registered.name]


def find(name: str) -> Op:
    """The operation of that name; a missing one is an error that names the nearest."""
    if name in REGISTRY:
        return REGISTRY[name]
    import difflib

    near = ", ".join(difflib.get_close_matches(name, REGISTRY, 3)) or "none is near"
    raise LookupError(f"there is no rule for {name!r} (nearest: {near}); register one with stagegrad.ops.elementwise")


def _promote(types: Sequence[Type]) -> Type:
    return FLOAT if any(t.kind == "float" for t in types) else INT


def always(type: Type) -> Callable[[Sequence[Type]], Type]:
    """A result type that does not depend on the operands."""
    return lambda types: type


def elementwise(spelling: Spelling, *, stage: str = "", title: str = "", exact: str = "", display: str = "",
                domain: tuple[float, float] = (float("-inf"), float("inf")), pole: bool = False, singular: bool = False,
                cost: float = 1.0, helpers: tuple[str, ...] = (), integer: bool = False,
                result: Callable[[Sequence[Type]], Type] | None = None) -> Callable[[Callable[..., Any]], Op]:  # fmt: skip
    """Declares an elementwise operation by its partial derivatives; `integer` keeps int operands int."""
    result = result or (_promote if integer else always(FLOAT))
    return _declare("elementwise", spelling, stage, title, exact, display, domain, pole, singular, cost, helpers, result)


def flat(spelling: Spelling, result: Type | Callable[[Sequence[Type]], Type] | None, *, stage: str = "", title: str = "",
         exact: str = "", display: str = "", cost: float = 1.0,
         helpers: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Op]:  # fmt: skip
    """Declares an operation whose derivative is zero wherever it exists; `result` None promotes int to float as + does."""
    unbounded = (float("-inf"), float("inf"))
    if isinstance(result, Type):
        result = always(result)
    kind_of = result or _promote
    return _declare("flat", spelling, stage, title, exact, display, unbounded, False, False, cost, helpers, kind_of)


def _declare(kind: str, spelling: Spelling, stage: str, title: str, exact: str, display: str, domain: tuple[float, float],
             pole: bool, singular: bool, cost: float, helpers: tuple[str, ...], result: Callable[[Sequence[Type]], Type],
             ) -> Callable[[Callable[..., Any]], Op]:  # fmt: skip
    def declare(function: Callable[..., Any]) -> Op:
        name = function.__name__.rstrip("_")
        parameters = inspect.signature(function).parameters.values()
        positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        operands = tuple(positional[1:] if kind == "elementwise" else positional)
        attrs = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        op = Op(name, kind, operands, _texts(spelling), stage or name + "".join(f"{{{x}}}" for x in operands), title or name, result,
                function if kind == "elementwise" else None, exact=exact, display=display, domain=domain, pole=pole, singular=singular,
                cost=cost, doc=inspect.cleandoc(function.__doc__ or ""), helpers=helpers, attrs=attrs)  # fmt: skip
        return _added(op)

    return declare


def _texts(spelling: Spelling) -> dict[str, Template]:
    return dict(spelling) if isinstance(spelling, Mapping) else {"python": spelling}


def _added(op: Op) -> Op:
    if op.name in REGISTRY:
        raise ValueError(f"the operation {op.name!r} is declared twice")
    unknown = [word for word in op.helpers if word not in HELPERS]
    if unknown:
        raise ValueError(f"the operation {op.name!r} needs the helpers {unknown}, which nobody has registered")
    REGISTRY[op.name] = op
    return op


def general(spelling: Spelling, result: Callable[..., Type], *, stage: str = "", title: str = "", display: str = "", view: bool = False,
            linear: bool = False, push: Callable[..., Any] | None = None, cost: float = 10.0,
            helpers: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Op]:  # fmt: skip
    """Declares an operation on whole arrays by its pull-back, ``(g, out, *operands, **attrs) -> contributions``.

    `g` is the gradient of the result, of the result's shape. The pull-back returns one contribution for each operand, of that
    operand's shape (or a scalar, the same for every element), None for an operand without a gradient; one operand needs no tuple.
    A variadic operand's contributions come as a list in its place. `result` maps the operands' types (and the attributes, if it takes
    two arguments) to the type of the result; a result that is not a float has no gradient, and its pull-back returns None.
    """

    def declare(function: Callable[..., Any]) -> Op:
        parameters = list(inspect.signature(function).parameters.values())[2:]
        positional = tuple(("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        attrs = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        name = function.__name__.rstrip("_")
        return _added(Op(name, "general", positional, _texts(spelling), stage, title or name, result, pull=function, push=push,
                         linear=linear, view=view, display=display, cost=cost, doc=inspect.cleandoc(function.__doc__ or ""),
                         helpers=helpers, attrs=attrs))  # fmt: skip

    return declare


def contributions_of(op: Op, builder: Builder, g: Atom, out: Atom, args: Sequence[Atom],
                     attrs: Sequence[tuple[str, Attr]] = ()) -> tuple[Value | None, ...]:  # fmt: skip
    """Runs a general operation's pull-back: one contribution per operand. The stages land in `builder`."""
    given = dict(attrs)
    assert op.pull is not None
    with builder.running(str(given.get("lib", ""))):
        own = {name: given[name] for name in op.attrs if name in given}
        found = op.pull(builder.value(g), builder.value(out), *map(builder.value, args), **own)
    many: list[Any] = []
    for part in found if isinstance(found, tuple) else (found,):
        many += part if isinstance(part, list) else [part]
    if len(many) != len(args):
        raise TypeError(f"the rule of {op.name} returned {len(many)} contributions for {len(args)} operands")
    return tuple(None if part is None else part if isinstance(part, Value) else builder.value(literal(float(part))) for part in many)


def structural(name: str, operands: str, spelling: Spelling, result: Callable[..., Type], *, stage: str = "", view: bool = False,
               helpers: tuple[str, ...] = ()) -> Op:  # fmt: skip
    """Declares an operation that `reverse` and `forward` know by name: copies, and the reading and writing of arrays."""
    op = Op(name, "structural", tuple(operands.split()), _texts(spelling), stage, name, result, view=view, helpers=helpers)
    REGISTRY[name] = op
    return op


class Gate:
    """A user's function that is one stage; called on numbers, it is that function. `stagegrad.gate` makes them."""

    def __init__(self, function: Callable[..., Any], op: Op) -> None:
        update_wrapper(self, function)
        self.function, self.op = function, op

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.function(*args, **keywords)

    def __repr__(self) -> str:
        return f"<gate {self.op.title}({', '.join(self.op.operands)})>"


def register(op: Op) -> Op:
    """Adds an operation to the registry; one that is there already under that name stays."""
    return REGISTRY.setdefault(op.name, op)


# ---------------------------------------------------------------------------------------------- rule code -> stages


@dataclass(frozen=True, slots=True)
class Value:
    """A handle on an atom inside rule code: arithmetic on it emits stages."""

    atom: Atom
    builder: Builder = field(repr=False, compare=False)

    @property
    def literal(self) -> float | int | bool | None:
        """The constant behind the handle, or None."""
        return self.atom.value if isinstance(self.atom, Lit) else None

    @property
    def type(self) -> Type:
        return self.atom.type

    def _binary(self, op: str, left: Operand, right: Operand) -> Value:
        builder = self.builder
        if op == "div" and builder.lib == "numpy":
            op = "divided"  # NumPy's value did not raise at the pole, so its derivative must not either
        return builder.value(builder.emit(op, builder.atom(left), builder.atom(right)))

    def __add__(self, other: Operand) -> Value:
        return self._binary("add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self._binary("add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self._binary("sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self._binary("sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self._binary("mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self._binary("mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self._binary("div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self._binary("div", other, self)

    def __pow__(self, other: Operand) -> Value:
        if isinstance(other, int) and other in _POWERS:
            return self.builder.value(self.builder.emit(_POWERS[other], self.atom))
        return self._binary("powi" if isinstance(other, int) else "pow", self, other)

    def __neg__(self) -> Value:
        return self.builder.value(self.builder.emit("neg", self.atom))

    def __lt__(self, other: Operand) -> Value:
        return self._binary("lt", self, other)

    def __le__(self, other: Operand) -> Value:
        return self._binary("le", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self._binary("gt", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self._binary("ge", self, other)

    def __bool__(self) -> bool:
        raise TypeError("rule code cannot branch on a value; emit `where(test, a, b)`, or branch on `.literal`")


Operand: TypeAlias = "Value | float | int"

#: Whole powers that are a product on every target, and so have an operation of their own.
_POWERS = {2: "square", 3: "cube", 4: "quartic"}

_current: ContextVar[Builder] = ContextVar("builder")


class Builder:
    """Collects stages; each is bound to an unnamed value of its own, under one note.

    `lib` is "numpy" while the rule of a NumPy call runs: what it emits is spelled, and fails, as NumPy does.
    """

    def __init__(self, fresh: Fresh, note: str = "", span: Span | None = None) -> None:
        self.fresh, self.note, self.span, self.lib = fresh, note, span, ""
        self.stmts: list[Stmt] = []

    def value(self, atom: Atom) -> Value:
        """A handle on an atom, for rule code."""
        return Value(atom, self)

    def atom(self, operand: Operand) -> Atom:
        """The atom behind a handle or a Python number."""
        return operand.atom if isinstance(operand, Value) else literal(operand)

    def emit(self, op: str, *args: Atom, name: str = "", **attrs: Attr) -> Atom:
        """Appends a stage and returns its result; constants and neutral elements are folded."""
        return self.stage(op, args, attrs, name)

    def stage(self, op: str, args: Sequence[Atom], attrs: Mapping[str, Attr], name: str = "") -> Atom:
        """As `emit`, with the attributes of another stage."""
        folded = _fold(op, args)
        if folded is not None and not name:
            return folded
        out = self.fresh.var(name, find(op).type_of([a.type for a in args], attrs))
        self.stmts.append(Stage(out, op, tuple(args), tuple(attrs.items()), self.note, self.span))
        return out

    def definition(self, atom: Atom) -> Stage | None:
        """The stage of this builder that made an atom."""
        return next((s for s in reversed(self.stmts) if isinstance(s, Stage) and s.out == atom), None)

    @contextmanager
    def running(self, lib: str = "") -> Iterator[Builder]:
        """While this lasts, operations called by rule code are emitted here, spelled by `lib` where they can be."""
        token, before = _current.set(self), self.lib
        self.lib = lib
        try:
            yield self
        finally:
            self.lib = before
            _current.reset(token)


def literal(number: float | int | bool | None) -> Lit:
    """A constant of the type that Python gives the number."""
    match number:
        case bool():
            return Lit(number, BOOL)
        case int():
            return Lit(number, INT)
        case float():
            return Lit(number, FLOAT)
        case _:
            raise TypeError(f"not a number: {number!r}")


def _fold(op: str, args: Sequence[Atom]) -> Atom | None:
    """x*1 -> x, x+0 -> x, x-0 -> x, x/1 -> x, -c -> (-c), all between floats: exact up to the sign of a zero."""
    literals = [a.value if isinstance(a, Lit) else None for a in args]
    match op, literals:
        case "mul", [1.0, _]:
            return args[1] if args[1].type.kind == "float" else None
        case (("mul" | "div"), [_, 1.0]):
            return args[0] if args[0].type.kind == "float" else None
        case (("add" | "sub"), [_, 0.0]):
            return args[0] if args[0].type.kind == "float" else None
        case "add", [0.0, _]:
            return args[1] if args[1].type.kind == "float" else None
        case "neg", [float() | int() as number] if not isinstance(number, bool):
            return Lit(-number, args[0].type)
        case "mul", [float() as a, float() as b]:
            return Lit(a * b, FLOAT)
    return None


def partials_of(op: Op, builder: Builder, out: Atom, args: Sequence[Atom],
                attrs: Sequence[tuple[str, Attr]] = ()) -> tuple[Value | None, ...]:  # fmt: skip
    """Runs a rule: one partial derivative per operand, None where it is zero. The stages land in `builder`."""
    if op.partials is None:
        return (None,) * len(args)
    given = dict(attrs)
    on_arrays = any(arg.type.rank for arg in args)
    with builder.running("numpy" if on_arrays else str(given.get("lib", ""))):
        own = {name: given[name] for name in op.attrs}
        found = op.partials(builder.value(out), *map(builder.value, args), **own)
    many = found if isinstance(found, tuple) else (found,)
    if len(many) != len(args):
        raise TypeError(f"the rule of {op.name} returned {len(many)} partials for {len(args)} operands")
    return tuple(_partial(builder, partial) for partial in many)


def _partial(builder: Builder, partial: Any) -> Value | None:
    if partial is None or (isinstance(partial, (int, float)) and partial == 0):
        return None
    return partial if isinstance(partial, Value) else builder.value(literal(float(partial)))
