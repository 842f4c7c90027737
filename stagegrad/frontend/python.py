"""A live Python function to IR.

`lower` takes the function and returns a `Program`: the function first, then those that it calls. What is refused
is refused in one `StagegradError` that lists every problem with its place and with what to write instead.

Each function is lowered once for each combination of argument types. What the parameters are is said by `specs`. Without them, a
parameter's type is its annotation (float, int or bool); without one it is a float, unless it flows to where only an int can stand
(``range(n)``), or its default is a bool. Where such a guess decides what is right, `NeedsTypes` is raised.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from stagegrad.errors import ArgumentError, NeedsTypes, Problem, StagegradSourceError, UnsupportedError
from stagegrad.frontend.calls import plain_function
from stagegrad.frontend.control import Statements
from stagegrad.frontend.deep import TOO_DEEP, deeply
from stagegrad.frontend.emitter import ONE_TYPE, RESULT, Flow, NeedInt, NeedKnown, Poisoned, Refusal, Strength
from stagegrad.frontend.memory import KEPT, Memory, key_of, shared
from stagegrad.frontend.program import Capture, Program
from stagegrad.frontend.scope import MISSING, Frame, Live, Scope, Unit, body_of, free_names, has_exit, parameters
from stagegrad.frontend.source import Source, first_line, recover
from stagegrad.frontend.specs import Known, Leaf, Spec, Tree
from stagegrad.frontend.tidy import tidy
from stagegrad.frontend.values import (
    POISON,
    TRUE,
    Closure,
    FunctionNode,
    Key,
    Many,
    Numbers,
    Pinned,
    Range,
    Record,
    Ref,
    Slot,
    Static,
    Unfit,
    Value,
    describe,
    disowned,
    fill,
    ident_of_all,
    join,
    leaves,
    parts_of,
    refs,
    returned,
    undefined,
    with_refs,
)  # fmt: skip
from stagegrad.frontend.writes import NeedsMemory
from stagegrad.ir import (
    BOOL,
    FLOAT,
    INT,
    Atom,
    Block,
    Call,
    For,
    Function,
    Lit,
    Module,
    Shape,
    Stmt,
    Type,
    Var,
    While,
    walk,
    with_blocks,
)  # fmt: skip

_INLINED = 12  # stages: a longer function is called
_MOST = 200  # functions in a module
_ROUNDS = 6  # of a recursive function's result types

Inputs = dict[Key, Value]


def value_of(spec: Spec) -> Value:
    """The skeleton of an argument."""
    match spec:
        case Leaf(type):
            return Lit(None, type)
        case Tree("tuple" | "list", (), parts):
            return Many(tuple(map(value_of, parts)), spec.kind)
        case Tree(kind, keys, parts, cls):
            return Record(kind, keys, tuple(map(value_of, parts)), cls)
        case Known(thing):
            return Static(thing)


def spec_of(value: Value) -> Spec:
    """What an argument or a result is."""
    match value:
        case Var() | Lit():
            return Leaf(value.type)
        case Many(items, display):
            return Tree(display, (), tuple(map(spec_of, items)))
        case Record(display, names, items, cls):
            return Tree(display, names, tuple(map(spec_of, items)), cls)
        case Static(thing):
            return Known(thing)
        case _:
            raise TypeError(f"not an argument: {value!r}")


class CalleeNeedsKnown(Exception):
    """A parameter of a called function, by name, whose value must be known when it is compiled."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class CalleeNeedsInt(Exception):
    """Arguments (by position among all atoms handed over, and by name) that a called function needs as ints."""

    def __init__(self, inputs: list[tuple[int, str]]) -> None:
        super().__init__(", ".join(name for _, name in inputs))
        self.inputs = inputs


def lower(function: object, source: str | None = None, specs: Mapping[str, Spec] | None = None) -> Program:
    """The program of a live Python function (or one that stagegrad or Numba has compiled); `source` is its text, if no file has it.

    `specs` are what its parameters are, by name. Raises `NeedsTypes` where they are needed and not given, `StagegradSourceError`
    where the text cannot be had, and `UnsupportedError` with all problems of the function.
    """
    plain = plain_function(function)
    if plain is None:
        raise ArgumentError(*_not_a_function(function))
    try:
        return deeply(lambda: _lower(plain, source, specs))
    except RecursionError:
        raise UnsupportedError("the function is nested too deeply", first_line(plain), TOO_DEEP) from None


def _not_a_function(thing: object) -> tuple[str, None, str]:
    name = getattr(thing, "__qualname__", None) or repr(thing)
    if isinstance(thing, types.MethodType):
        return f"{name} is a method, and its object is no argument", None, "a plain function whose arguments are what it reads"
    if isinstance(thing, type):
        return f"{name} is a class, not a function", None, "a plain function"
    if callable(thing):
        return f"{name} is not a plain Python function, so it has no text to differentiate", None, f"lambda x: {name}(x)"
    return f"{thing!r} is not a function", None, "a function, or stagegrad.formula(...) for text"


def _lower(function: types.FunctionType, source: str | None, specs: Mapping[str, Spec] | None) -> Program:
    ints: frozenset[str] = frozenset()
    while True:
        compilation = Compilation(function, source, specs)
        try:
            main, module = compilation.module(ints)
        except NeedInt as need:
            ints |= {param.name for param in need.params}
            continue
        captures = {(capture.name, id(capture.owner)): capture for capture in compilation.captures}
        signature = inspect.signature(function, follow_wrapped=False)
        found = tuple(spec_of(value) for value in main.inputs.values())
        result = None if _is_plain(main.result) else spec_of(main.result)
        effects = main.effects
        return Program(module, signature, tuple(captures.values()), compilation.text(), found, effects.written, result, effects.altered)


def _is_plain(value: Value) -> bool:
    """Whether a result is a number, an array, or a tuple of such."""
    if isinstance(value, Many) and value.display == "tuple":
        return all(map(_is_plain, value.items))
    return isinstance(value, Var | Lit)


@dataclass(frozen=True)
class Effects:
    """What a function does to what it is given. Positions are those of the leaves of its inputs.

    An argument without axes may be an array all the same: `altered` are those that the function would then change in place.
    """

    written: tuple[int, ...] = ()  # arrays to which it writes
    altered: tuple[int, ...] = ()
    in_arrays: tuple[bool, ...] = ()  # whether its results may lie in arrays without axes that it makes
    held: tuple[frozenset[int], ...] = ()  # for each result, the inputs in whose array without axes it may lie


@dataclass(eq=False)
class Specialisation:
    """One function for one combination of argument types. `result` is the skeleton of what it returns (so far)."""

    name: str
    target: object
    node: FunctionNode
    inputs: Inputs  # skeletons
    result: Value
    function: Function | None = None
    recursive: bool = False
    failed: bool = False
    in_place: bool = False  # whether it writes to arrays, be they its own
    strengths: tuple[Strength, ...] = ()  # of its results
    effects: Effects = Effects()
    shared: tuple[frozenset[int], ...] = ()  # for each result, the leaves of the inputs whose memory it may lie in


@dataclass(eq=False)
class Compilation:
    """Everything that belongs to one call of `lower`: problems, captures, and the functions made so far."""

    function: types.FunctionType
    source: str | None
    specs: Mapping[str, Spec] | None = None
    guesses: bool = False  # whether a parameter's type is a guess
    waits: bool = False  # whether a problem may be due to such a guess
    problems: list[Problem] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)
    made: list[Specialisation] = field(default_factory=list)
    _units: dict[types.FunctionType, Unit] = field(default_factory=dict)
    _scopes: dict[FunctionNode, Scope] = field(default_factory=dict)
    _frames: int = 0
    _numbers: int = 0

    def module(self, ints: frozenset[str]) -> tuple[Specialisation, Module]:
        """The main function and the module that it is the first of; raises with all problems if there are any."""
        unit = self.unit(self.function)
        main = self.specialised(self.function, unit, None, self._parameters(unit, ints))
        if self.problems or main.function is None:
            kind = NeedsTypes if self.waits else UnsupportedError
            raise kind(_in_order(self.problems) or [Problem("the function could not be lowered; please report it")])
        return main, _assembled(main, self.made)

    def unit(self, function: types.FunctionType) -> Unit:
        """A live function with its text."""
        if function.__code__.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            raise UnsupportedError("`async def` is not supported", first_line(function), "def")
        if function not in self._units:
            self._units[function] = Unit(self._recovered(function), Live(function))
        return self._units[function]

    def _recovered(self, function: types.FunctionType) -> Source:
        """The text of the function itself, or of one that it calls: that may stand in the text that was handed over, too."""
        if function is self.function:
            return recover(function, self.source)
        if self.source is not None and function.__code__.co_filename == self.function.__code__.co_filename:
            with suppress(StagegradSourceError):
                return recover(function, self.source)
        return recover(function)

    def scope(self, node: FunctionNode) -> Scope:
        """The facts about a function's text."""
        if node not in self._scopes:
            self._scopes[node] = Scope(node)
        return self._scopes[node]

    def next_frame(self) -> int:
        """A number for a new frame."""
        self._frames += 1
        return self._frames

    def capture_attribute(self, owner: object, name: str, value: object) -> None:
        """Remembers that an attribute was read."""
        title = getattr(owner, "__name__", type(owner).__name__)
        self.captures.append(Capture(f"{title}.{name}", value, lambda: getattr(owner, name), owner))

    def forget(self, problems: int, made: int) -> None:
        """Takes back what an attempt has noted: its problems, and the functions that failed because of what it assumed."""
        del self.problems[problems:]
        self.made[made:] = [spec for spec in self.made[made:] if not spec.failed]

    def text(self) -> str:
        """The text of every function that was read."""
        return "\n\n".join(unit.source.text for unit in self._units.values())

    # ------------------------------------------------------------------------------------------ parameters

    def _parameters(self, unit: Unit, ints: frozenset[str]) -> dict[str, Value]:
        """The skeleton of each of the main function's parameters."""
        node = unit.source.node
        found: dict[str, Value] = {}
        for parameter in inspect.signature(self.function, follow_wrapped=False).parameters.values():
            argument = next(arg for arg in parameters(node) if arg.arg == parameter.name)
            spec = None if self.specs is None else self.specs.get(parameter.name)
            if spec is not None:
                found[parameter.name] = self._given(argument, spec, unit, ints)
                continue
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
                message = f"`{stars}{parameter.name}`: the number of parameters must be known"
                self._complain(unit, argument, message, "each parameter by name")
                found[parameter.name] = POISON
                continue
            found[parameter.name] = Lit(None, self._type(unit, argument, parameter.default, ints))
        return found

    def _given(self, argument: ast.arg, spec: Spec, unit: Unit, ints: frozenset[str]) -> Value:
        """The skeleton of a parameter that is known; a number may be annotated, or be needed as an int."""
        if isinstance(spec, Leaf) and not spec.type.rank and spec.type.bits == 64:
            annotated = _annotated(argument.annotation, unit.live)
            if isinstance(annotated, Type) and not annotated.rank:
                return Lit(None, annotated)
            return Lit(None, INT if argument.arg in ints else spec.type)
        return value_of(spec)

    def _complain(self, unit: Unit, node: ast.AST, message: str, advice: str) -> None:
        self.problems.append(Problem(message, unit.source.span(node), advice))

    def _type(self, unit: Unit, argument: ast.arg, default: object, ints: frozenset[str]) -> Type:
        if not isinstance(default, int | float) and default is not inspect.Parameter.empty:
            self.waits = self.specs is None
            message = f"the default of `{argument.arg}` is a {type(default).__name__}, not a number"
            self._complain(unit, argument, message, "")
        annotated = _annotated(argument.annotation, unit.live)
        if isinstance(annotated, str):
            self.waits = self.specs is None
            message = f"`{argument.arg}` is annotated as {annotated}, which does not say what it holds"
            self._complain(unit, argument, message, "float, int or bool for a number")
        if isinstance(annotated, Type):
            return annotated
        self.guesses = self.specs is None
        if argument.arg in ints:
            return INT
        return BOOL if isinstance(default, bool) else FLOAT

    # ------------------------------------------------------------------------------------------ specialisations

    def specialised(
        self, target: object, unit: Unit, parent: Frame | None, params: Mapping[str, Value], lifted: Mapping[Key, Value] | None = None
    ) -> Specialisation:
        """The function for these argument types: one that exists, or a new one."""
        node = target.node if isinstance(target, Closure) else unit.source.node
        identity = (node, target.frame) if isinstance(target, Closure) else target
        inputs: Inputs = {(0, name): undefined(value) for name, value in params.items()}
        inputs |= {key: undefined(value) for key, value in (lifted or {}).items()}
        for known in self.made:
            if known.target == identity and _accepts(known, inputs):
                known.recursive = known.recursive or (known.function is None and not known.failed)
                return known
        name = node.name if isinstance(node, ast.FunctionDef) else "f"
        if len(self.made) >= _MOST:
            raise Refusal(Problem(f"{name} needs more than {_MOST} functions, one for each combination of argument types",
                                  unit.source.span(node), "arguments of the same types in each call"))  # fmt: skip
        self._numbers += 1
        guess, *others = _first_guesses(node, inputs)
        new = Specialisation(f"{name}#{self._numbers}", identity, node, inputs, guess)
        self.made.append(new)
        mark, made = len(self.problems), len(self.made)
        self._fill(new, unit, parent, params, lifted or {})
        while new.failed and new.recursive and others:
            del self.problems[mark:], self.made[made:]
            new.failed, new.result, new.effects = False, others.pop(0), Effects()
            self._fill(new, unit, parent, params, lifted or {})
        return new

    def _fill(
        self, new: Specialisation, unit: Unit, parent: Frame | None, params: Mapping[str, Value], lifted: Mapping[Key, Value]
    ) -> None:
        """Lowers the function, again while a recursive call's result turns out to be of a wider type than assumed."""
        for _ in range(_ROUNDS):
            mark, made = len(self.problems), len(self.made)
            attempt = self._attempt(new, unit, parent, params, lifted)
            if attempt is None:
                new.failed = True
                return
            lowering, function, result = attempt
            if not new.recursive:
                break
            joined = join(new.result, result)
            settled = joined is not None and not isinstance(joined, Unfit) and _same_types(joined, new.result)
            if settled and lowering.effects == new.effects:
                break
            del self.problems[mark:], self.made[made:]
            new.effects = lowering.effects
            new.result = result if joined is None else joined
        else:
            self._complain(unit, new.node, "the result of this recursive function has no settled type", "annotated, simpler cases")
            new.failed = True
            return
        new.function, new.result = function, result
        new.effects, new.strengths = lowering.effects, lowering.returned
        known = {spec.name: spec.shared for spec in self.made if spec.function is not None and spec is not new}
        new.shared = shared(function, known)

    def _attempt(
        self, new: Specialisation, unit: Unit, parent: Frame | None, params: Mapping[str, Value], lifted: Mapping[Key, Value]
    ) -> tuple[Lowering, Function, Value] | None:
        """The function, lowered with what is assumed of it so far; None if there were problems."""
        is_main = new is self.made[0]
        problems, position = len(self.problems), self.made.index(new)
        lowering = Lowering(self, Memory() if new.in_place else None)
        try:
            return lowering, *lowering.function(new, unit, parent, params, lifted, is_main)
        except Poisoned:
            return None
        except NeedsMemory:
            del self.problems[problems:], self.made[position + 1 :]
            new.in_place = True
            return self._attempt(new, unit, parent, params, lifted)
        except NeedInt as need:
            if is_main:
                raise
            del self.made[position:]
            raise CalleeNeedsInt([(k, var.name) for k, var in enumerate(lowering.given) if var in need.params]) from None
        except NeedKnown as need:
            del self.made[position:]
            raise CalleeNeedsKnown(need.param.name) from None


class Lowering(Statements):
    """Lowers one function for one combination of argument types."""

    def __init__(self, compilation: Compilation, memory: Memory | None) -> None:
        super().__init__(compilation)
        self.memory = memory
        self.is_main = False
        self.effects = Effects()
        self.returned: tuple[Strength, ...] = ()
        self._sections, self.list_types, self.busy = {}, {}, []
        self.rows, self.appended, self.growing = {}, {}, []
        self.placed, self.changing = set(), []

    def function(
        self, spec: Specialisation, unit: Unit, parent: Frame | None, params: Mapping[str, Value], lifted: Mapping[Key, Value],
        is_main: bool,
    ) -> tuple[Function, Value]:  # fmt: skip
        """The IR function, and the skeleton of its result; raises `Poisoned` if there were problems."""
        node = spec.node
        self.is_main = is_main
        problems = len(self.compilation.problems)
        self.frame = Frame(self.compilation.next_frame(), self.compilation.scope(node), unit, parent)
        for name in sorted(self.frame.scope.locals):
            self.words[name] = self
        for name, value in params.items():
            self.hold(self.frame, name, disowned(self._parameter(name, value)))
        for key, value in lifted.items():
            self.env[key] = Slot(self.kept(disowned(self._parameter(key[1], value))), TRUE)
        if self.memory is not None:
            self.memory.lies |= {var: frozenset({KEPT}) for var in self.given if var.type.rank and var not in self.memory.lies}
        lies = self.memory.lies if self.memory else {}  # of lists, the arrays are nobody's to write to
        arrays = {k: next(iter(lies[var])) for k, var in enumerate(self.given) if var in lies and lies[var] != {KEPT}}
        if self.memory is not None:
            self.memory.held += arrays.values()
        if is_main:
            self.guessed = {var: guess for var, guess in self.guessed.items() if self._may_be_int(var, node)}
        value = self._result(node, is_main, problems)
        if len(self.compilation.problems) > problems or isinstance(value, Unfit):
            raise Poisoned
        if spec.recursive and (joined := join(spec.result, value)) is not None:
            types = [leaf.type for leaf in leaves(joined)]
            value = fill(value, (self.converted(leaf, type, node) for leaf, type in zip(leaves(value), types, strict=True)))
        results, shape = tuple(leaves(value)), _shape(value)
        self.returned = tuple(map(self.strength, results))
        finals = {k: self._final(k, buffer, node) for k, buffer in arrays.items()}
        written = tuple(k for k, final in finals.items() if final != self.given[k] or k in spec.effects.written)
        self.effects = self._effects(written, results)
        if len(self.compilation.problems) > problems:
            raise Poisoned
        if written:
            shape = (shape, *range(len(results), len(results) + len(written)))
            results += tuple(finals[k] for k in written)
        doc = ast.get_docstring(node) or "" if isinstance(node, ast.FunctionDef) else ""
        body = Block(tuple(self.stmts), results)
        function = Function(spec.name, tuple(self.given), body, shape, doc, "python", self.span(node))
        return tidy(function), undefined(value)

    def _final(self, position: int, buffer: int, node: ast.AST) -> Atom:
        """What an array that was handed over holds at the end."""
        version = self.env[key_of(buffer)].value
        if isinstance(version, Var):
            return version
        param = self.given[position]
        message = version.message if isinstance(version, Unfit) else ""
        self.report(node, message or f"what `{param.name}` holds at the end is not known", "a copy of the parameter: x = x.copy()")
        return param

    def _effects(self, written: tuple[int, ...], results: Sequence[Atom]) -> Effects:
        """What the function does to what it was given, now that its body is lowered."""
        position = {var: k for k, var in enumerate(self.given)}
        held = [{position[origin] for origin in self.origins.get(result, ()) if isinstance(origin, Var)} for result in results]
        in_arrays = [bool(self.made_here(result)) for result in results]
        return Effects(written, tuple(sorted(position[var] for var in self.altered)), tuple(in_arrays), tuple(map(frozenset, held)))

    def _may_be_int(self, var: Var, node: FunctionNode) -> bool:
        argument = next((arg for arg in parameters(node) if arg.arg == var.name), None)
        return argument is not None and not isinstance(_annotated(argument.annotation, self.frame.unit.live), Type)

    def _parameter(self, name: str, value: Value) -> Value:
        if isinstance(value, Static) and isinstance(value.thing, Pinned):
            return value.thing.number
        if isinstance(value, Record):
            names = [f"{name}_{part}" if part.isidentifier() else f"{name}{k}" for k, part in enumerate(value.names)]
            return replace(value, items=tuple(map(self._parameter, names, value.items)))
        if isinstance(value, Many):
            return replace(value, items=tuple(self._parameter(f"{name}{k}", item) for k, item in enumerate(value.items)))
        vars = [self.fresh.var(name if isinstance(value, Var | Lit) else f"{name}{k}", part.type) for k, part in enumerate(leaves(value))]
        self.guessed |= {var: frozenset({var}) for var in vars if var.type == FLOAT}
        self.given += vars
        self.origins |= {var: frozenset({var}) for var in vars if not var.type.rank}
        return fill(value, iter(vars))

    def _result(self, node: FunctionNode, is_main: bool, problems: int) -> Value:
        """Lowers the body; the value that it returns."""
        flow = self.body(body_of(node))
        if len(self.compilation.problems) > problems:
            return POISON

        def nothing() -> Flow:
            self.env[RESULT] = Slot(Static(None), TRUE)
            return Flow.EXIT

        if flow is Flow.FALL:
            nothing()
        elif flow is Flow.MAYBE:
            self.guarded(nothing, node)
        slot = self.env.get(RESULT)
        value = Lit(None, FLOAT) if slot is None else slot.value
        return self._checked(value, node, is_main)

    def _checked(self, value: Value, node: FunctionNode, is_main: bool) -> Value:
        name = _name(node)
        if isinstance(value, Unfit) and value.message:
            advice = "a `return` with the same type of value on every path" if value.advice == ONE_TYPE else value.advice
            self.report(node, f"{name} does not return one type of value: {value.message}", advice)
            return POISON
        if is_main and isinstance(value, Static) and value.thing is None:
            self.report(node, f"{name} returns nothing", "a `return` with a number")
        elif not isinstance(value, Unfit) and (part := _misfit(value, is_main)) is not None:
            inside = "" if part is value else f" that holds {describe(part)}"
            self.report(node, f"{name} returns {describe(value)}{inside}", "numbers, arrays, or a tuple of them")
        return value

    # ------------------------------------------------------------------------------------------ calls of functions

    def call_function(self, target: types.FunctionType | Closure, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        unit, parent = self._unit_of(target, node)
        inner = target.node if isinstance(target, Closure) else unit.source.node
        defaults = dict(target.defaults) if isinstance(target, Closure) else self._live_defaults(target, node)
        params = self._bound(inner, args, keywords, defaults, node)
        for value in params.values():
            self.lasting(self.usable(value, node), node)
        lifted = self._lifted([*([target] if isinstance(target, Closure) else []), *params.values()], node)
        values = [*params.values(), *lifted.values()]
        self.check_size(values, node)
        try:
            spec, pinned = self._specialised(target, unit, parent, params, lifted, node)
        except CalleeNeedsInt as need:
            atoms = [leaf for value in values for leaf in leaves(self.plain(value, node))]
            for position, name in need.inputs:
                self.whole(atoms[position], node, f"`{name}` of {_name(inner)}")
            raise Poisoned from None
        if spec.failed:
            raise Poisoned
        if spec.effects.written and self.memory is None:
            raise NeedsMemory
        short = spec.function is not None and not spec.recursive and _is_short(inner, spec.function)
        if short or (spec.effects.written and not spec.recursive and _ends_once(inner)):
            return self._inline(inner, unit, parent, params, node)
        return self._call(spec, [value for name, value in params.items() if name not in pinned] + [*lifted.values()], node)

    def _specialised(
        self, target: types.FunctionType | Closure, unit: Unit, parent: Frame | None, params: Mapping[str, Value],
        lifted: Mapping[Key, Value], node: ast.AST,
    ) -> tuple[Specialisation, set[str]]:  # fmt: skip
        """The called function for these arguments, and the parameters whose values it was compiled for."""
        given = {name: _as_types(value) for name, value in params.items()}
        around = {key: _as_types(value) for key, value in lifted.items()}
        pinned: set[str] = set()
        while True:
            try:
                return self.compilation.specialised(target, unit, parent, given, around), pinned
            except CalleeNeedsKnown as need:
                number = params.get(need.name)
                if not isinstance(number, Lit) or number.value is None:
                    self.ask_for(number or Static(None))
                    raise self.refusal(node, f"`{need.name}` must be a constant here", "the number itself, as a literal") from None
                given[need.name] = Static(Pinned(number))
                pinned.add(need.name)

    def ask_for(self, value: Value) -> None:
        if value in self.given and not self.is_main:
            assert isinstance(value, Var)
            raise NeedKnown(value)

    def _unit_of(self, target: types.FunctionType | Closure, node: ast.AST) -> tuple[Unit, Frame | None]:
        if isinstance(target, Closure):
            return target.frame.unit, target.frame
        try:
            return self.compilation.unit(target), None
        except (StagegradSourceError, UnsupportedError) as error:
            raise self.refusal(node, error.problems[0].message, "a function whose text can be read") from None

    def _live_defaults(self, target: types.FunctionType, node: ast.AST) -> dict[str, Value]:
        code = target.__code__
        names = code.co_varnames[: code.co_argcount]
        found = dict(zip(reversed(names), reversed(target.__defaults__ or ()), strict=False)) | (target.__kwdefaults__ or {})
        return {name: self.outside(thing, name, node) for name, thing in found.items()}

    def _call(self, spec: Specialisation, values: Sequence[Value], node: ast.AST) -> Value:
        types = [leaf.type for value in spec.inputs.values() for leaf in leaves(value)]
        atoms = [leaf for value in values for leaf in leaves(self.plain(value, node))]
        args = tuple(self.converted(atom, type, node) for atom, type in zip(atoms, types, strict=True))
        if any(arg.type.bits == 32 for arg in args) and any(self.strength(arg) is not Strength.WEAK for arg in args):
            raise self.refusal(node, "numbers of 32 bits and NumPy's numbers of 64 bits meet in this call", "float(...) around the latter")
        if any(map(self.made_here, atoms)):
            raise self.refusal(node, "an array without axes is given to another function", "float(...) around it")
        effects = spec.effects
        self.alters(*(atoms[k] for k in effects.altered))
        written = self._written_by(spec, values, args, node) if effects.written else []
        outs = tuple(self.fresh.var("", leaf.type) for leaf in leaves(spec.result))
        if self.memory is not None:
            through = spec.shared or (frozenset(range(len(args))),) * len(outs)
            for out, positions in zip(outs, through, strict=False):
                self.memory.lies[out] = frozenset().union(*(self.memory.lies.get(args[k], frozenset()) for k in positions))
        self.strengths |= {out: strength for out, strength in zip(outs, spec.strengths, strict=False) if strength is not Strength.WEAK}
        self.origins |= {out: frozenset({node}) for out, held in zip(outs, effects.in_arrays, strict=False) if held}
        for out, inputs in zip(outs, effects.held, strict=False):
            self.same_origins(out, *(atoms[k] for k in inputs))
        finals = tuple(self.fresh.var(self.words_of(ref), args[k].type) for k, ref in zip(effects.written, written, strict=True))
        self.append(Call((*outs, *finals), spec.name, args, span=self.span(node)))
        for ref, final in zip(written, finals, strict=True):
            if ref is not None:
                self.replaced(ref, final, node)
        return returned(fill(spec.result, iter(outs)), ident_of_all(*values), self.new_ident)

    def _written_by(self, spec: Specialisation, values: Sequence[Value], args: Sequence[Atom], node: ast.AST) -> list[Ref | None]:
        """The arrays to which a called function writes (None: one that nobody else sees); they must not share memory with others."""
        memory = self.memory
        assert memory is not None
        parts = [part for value in values for part in parts_of(value)]
        lies = [memory.lies.get(atom, frozenset()) for atom in args]
        found: list[Ref | None] = []
        for k in spec.effects.written:
            part = parts[k]
            for j in range(len(args)):
                if j != k and any(memory.meet(a, b) for a in lies[k] for b in lies[j]):
                    called = spec.name.partition("#")[0]
                    raise self.refusal(node, f"two arrays that {called} is given may share memory, and it writes to one",
                                       "a copy of one of them")  # fmt: skip
            if not isinstance(part, Ref) and lies[k]:
                raise self.refusal(node, "this function writes to an array that has no name", "a name for the array, then the call")
            found.append(part if isinstance(part, Ref) else None)
        return found

    def words_of(self, ref: Ref | None) -> str:
        """What an array is called in the text."""
        return self.memory.words[ref.buffer] if ref is not None and self.memory is not None else ""

    def _inline(self, inner: FunctionNode, unit: Unit, parent: Frame | None, params: Mapping[str, Value], node: ast.AST) -> Value:
        """Lowers a function's statements here, its parameters being the arguments themselves."""
        label = inner.name if isinstance(inner, ast.FunctionDef) else "inner"
        caller = self.frame, self.region, self.ends
        self.region, self.ends = self.new_region(None), None
        self.frame = Frame(self.compilation.next_frame(), self.compilation.scope(inner), unit, parent, label)
        try:
            for name, value in params.items():
                self.hold(self.frame, name, value)
            *stmts, last = body_of(inner)
            self.body(stmts)
            if isinstance(last, ast.Return) and last.value is not None:
                return self.expr(last.value)
            if not isinstance(last, ast.Return):
                self.body([last])
            return Static(None)
        finally:
            for name in self.frame.scope.locals:
                self.env.pop((self.frame.number, name), None)
            self.frame, self.region, self.ends = caller

    def inlined(self, target: Closure, node: ast.AST) -> Value:
        return self._inline(target.node, target.frame.unit, target.frame, {}, node)

    def _lifted(self, roots: Sequence[Value | Closure], node: ast.AST) -> dict[Key, Value]:
        """What the inner functions among `roots` read from around them: it becomes parameters of the called function."""
        found: dict[Key, Value] = {}
        stack = [closure for root in roots for closure in _closures(root)]
        while stack:
            closure = stack.pop()
            for name in sorted(free_names(closure.node)):
                home = closure.frame.home(name)
                slot = self.env.get((home.number, name)) if home else None
                if home is None or slot is None or (home.number, name) in found:
                    continue
                found[home.number, name] = self.lookup(home, name, node)
                stack.extend(_closures(slot.value))
        return found

    def _bound(
        self, inner: FunctionNode, args: list[Value], keywords: dict[str, Value], defaults: Mapping[str, Value], node: ast.AST
    ) -> dict[str, Value]:
        """The arguments by parameter, as Python binds them."""
        title, spec = _name(inner), inner.args
        positional = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        if len(args) > len(positional) and not spec.vararg:
            raise self.refusal(node, f"{title}() takes {len(positional)} positional arguments but {len(args)} were given")
        found = dict(zip(positional, args, strict=False))
        allowed = {arg.arg for arg in (*spec.args, *spec.kwonlyargs)}
        for name, value in keywords.items():
            if name in found or (name not in allowed and not spec.kwarg):
                word = "multiple values for" if name in found else "an unexpected keyword"
                raise self.refusal(node, f"{title}() got {word} argument '{name}'")
            found[name] = value
        ordered: dict[str, Value] = {}
        for argument in parameters(inner):
            name = argument.arg
            if argument is spec.vararg:
                ordered[name] = Many(tuple(args[len(positional) :]))
            elif argument is spec.kwarg:
                others = tuple(key for key in keywords if key not in allowed)
                ordered[name] = Record("dict", others, tuple(keywords[key] for key in others), ident=self.new_ident())
            elif name in found or name in defaults:
                ordered[name] = found[name] if name in found else defaults[name]
            else:
                raise self.refusal(node, f"{title}() is missing the argument '{name}'")
        return ordered


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """The problems in the order of the text, each once."""
    found: dict[object, Problem] = {}
    for problem in sorted(problems, key=lambda p: (p.span.file, p.span.line, p.span.col) if p.span else ("", 0, 0)):
        found.setdefault((problem.message, None if problem.advice == ONE_TYPE else problem.span), problem)
    return list(found.values())


def _name(node: FunctionNode) -> str:
    return node.name if isinstance(node, ast.FunctionDef) else "the lambda"


def _closures(value: Value) -> list[Closure]:
    match value:
        case Closure():
            return [value, *(inner for _, default in value.defaults for inner in _closures(default))]
        case Many(items) | Record(items=items):
            return [closure for item in items for closure in _closures(item)]
        case _:
            return []


def _as_types(value: Value) -> Value:
    """The value with its arrays as undefined ones of their types."""
    return with_refs(value, (Lit(None, ref.type) for ref in refs(value)))


def _same_types(first: Value, second: Value) -> bool:
    return [leaf.type for leaf in leaves(first)] == [leaf.type for leaf in leaves(second)]


def _accepts(known: Specialisation, inputs: Inputs) -> bool:
    """May this function be called with such arguments? While it is being lowered (a recursive call), ints may become floats."""
    if list(known.inputs) != list(inputs):
        return False
    for mine, given in zip(known.inputs.values(), inputs.values(), strict=True):
        joined = join(mine, given)
        if joined is None or isinstance(joined, Unfit) or not _same_types(joined, mine):
            return False
        if known.function is not None and not _same_types(given, mine):
            return False
    return True


def _first_guesses(node: FunctionNode, inputs: Inputs) -> list[Value]:
    """The skeletons that a recursive function's result is assumed to have at first: numbers, or an array like one of the inputs."""
    arrays = dict.fromkeys(leaf.type for value in inputs.values() for leaf in leaves(value) if leaf.type.rank)
    return [_guessed_numbers(node), *(Lit(None, type) for type in arrays)]


def _guessed_numbers(node: FunctionNode) -> Value:
    """Ints, as many as a `return` lists; None where every `return` is bare."""
    if isinstance(node, ast.FunctionDef) and not any(isinstance(part, ast.Return) and part.value is not None for part in ast.walk(node)):
        return Static(None)
    for part in ast.walk(node):
        if isinstance(part, ast.Return) and isinstance(part.value, ast.Tuple):
            return Many(tuple(Lit(None, INT) for _ in part.value.elts))
    return Lit(None, INT)


def _ends_once(node: FunctionNode) -> bool:
    """Whether it returns at its end only, so that it can be written out where it is called."""
    stmts = body_of(node)
    return not has_exit(stmts[:-1] if isinstance(stmts[-1], ast.Return) else stmts, (ast.Return,))


def _is_short(node: FunctionNode, function: Function) -> bool:
    """Is it a short straight line, so that a call of it is better written out?"""
    *stmts, last = body_of(node)
    if not isinstance(last, ast.Return) or last.value is None:
        return False
    straight = all(isinstance(stmt, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.FunctionDef) or _is_text(stmt) for stmt in stmts)
    parts = list(walk(function.body))
    return straight and len(parts) <= _INLINED and not any(isinstance(part, For | While) for part in parts)


def _is_text(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant)


def _misfit(value: Value, is_main: bool) -> Value | None:
    """The part of a result that cannot be returned, if there is one; only what no user sees may hold more than numbers and tuples."""
    match value:
        case Var() | Lit():
            return None
        case Many(items, display) if display != "iterator" or not is_main:
            return next((part for item in items if (part := _misfit(item, is_main)) is not None), None)
        case Record(display, items=items) if display != "slice":
            return next((part for item in items if (part := _misfit(item, is_main)) is not None), None)
        case (Range() | Static(None | str()) | Numbers()) if not is_main:
            return None
        case _:
            return value


def _shape(value: Value) -> Shape:
    counter = iter(range(len(list(leaves(value)))))

    def shaped(part: Value) -> Shape:
        if isinstance(part, Many | Record):
            return tuple(shaped(item) for item in part.items)
        return next(counter) if isinstance(part, Var | Lit) else tuple(next(counter) for _ in leaves(part))

    return shaped(value)


# ---------------------------------------------------------------------------------------------- annotations


def _annotated(annotation: ast.expr | None, live: Live) -> Type | str | None:
    """The type that an annotation states; a text where it states one that is not supported; None where it says nothing."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    thing = _resolved(annotation, live)
    known = {float: FLOAT, int: INT, bool: BOOL}
    if isinstance(thing, type):
        if thing in known:
            return known[thing]
        if thing in (str, bytes, complex, list, tuple, dict, set) or thing.__name__ == "ndarray":
            return thing.__name__
        if thing.__module__ == "numpy":
            return {"float64": FLOAT, "int64": INT, "bool": BOOL}.get(thing.__name__)
    return None


def _resolved(annotation: ast.expr | None, live: Live) -> object:
    match annotation:
        case ast.Name(name):
            return live.find(name)[0]
        case ast.Attribute(owner, name):
            module = _resolved(owner, live)
            return getattr(module, name, MISSING) if isinstance(module, types.ModuleType) else MISSING
        case _:
            return MISSING


# ---------------------------------------------------------------------------------------------- the module


def _assembled(main: Specialisation, made: Sequence[Specialisation]) -> Module:
    """The functions that the main one reaches, in the order in which they are first called, under names of their own."""
    by_name = {spec.name: spec.function for spec in made if spec.function is not None}
    names: dict[str, str] = {}
    queue = [main.name]
    while queue:
        name = queue.pop(0)
        if name in names:
            continue
        names[name] = _unique(name.partition("#")[0], set(names.values()))
        queue += [stmt.fn for stmt in walk(by_name[name].body) if isinstance(stmt, Call)]
    return Module(tuple(_renamed(by_name[old], new, names) for old, new in names.items()))


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _renamed(function: Function, name: str, names: Mapping[str, str]) -> Function:
    return replace(function, name=name, body=_recalled(function.body, names))


def _recalled(block: Block, names: Mapping[str, str]) -> Block:
    return replace(block, stmts=tuple(_recalled_stmt(stmt, names) for stmt in block.stmts))


def _recalled_stmt(stmt: Stmt, names: Mapping[str, str]) -> Stmt:
    if isinstance(stmt, Call):
        return replace(stmt, fn=names[stmt.fn])
    return with_blocks(stmt, lambda block: _recalled(block, names))
