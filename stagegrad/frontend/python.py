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
from stagegrad.frontend.annotations import stated
from stagegrad.frontend.calls import plain_function
from stagegrad.frontend.decisions import Decisions, Reconsidered
from stagegrad.frontend.deep import TOO_DEEP, deeply
from stagegrad.frontend.emitter import ONE_TYPE
from stagegrad.frontend.functions import CalleeNeedsInt, CalleeNeedsKnown, Effects, Inputs, Lowering, Specialisation
from stagegrad.frontend.memory import Memory, shared
from stagegrad.frontend.program import Capture, Program
from stagegrad.frontend.scope import Frame, Live, Scope, Unit, parameters
from stagegrad.frontend.source import Source, first_line, recover, signature_of
from stagegrad.frontend.specs import Known, Leaf, Spec, Tree
from stagegrad.frontend.stages import NeedInt, NeedKnown, Poisoned, Refusal
from stagegrad.frontend.values import (
    POISON,
    Closure,
    FunctionNode,
    Key,
    Many,
    Record,
    Static,
    Unfit,
    Value,
    join,
    leaves,
    undefined,
)  # fmt: skip
from stagegrad.frontend.writes import NeedsMemory
from stagegrad.ir import (
    BOOL,
    FLOAT,
    INT,
    Block,
    Call,
    Function,
    Lit,
    Module,
    Stmt,
    Type,
    Var,
    walk,
    with_blocks,
)  # fmt: skip

_MOST = 200  # functions in a module
_ROUNDS = 6  # of a recursive function's result types


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
    name = getattr(thing, "__qualname__", None) or f"this {type(thing).__name__}"
    if isinstance(thing, types.MethodType):
        return f"{name} is a method, and its object is no argument", None, "a plain function whose arguments are what it reads"
    if isinstance(thing, type):
        return f"{name} is a class, not a function", None, "a plain function"
    if callable(thing):
        called = name if name.isidentifier() else "function"
        return f"{name} is not a plain Python function, so it has no text to differentiate", None, f"lambda x: {called}(x)"
    return f"{thing!r} is not a function", None, "a function, or stagegrad.formula(...) for text"


def _lower(function: types.FunctionType, source: str | None, specs: Mapping[str, Spec] | None) -> Program:
    ints: frozenset[str] = frozenset()
    decisions = Decisions()
    while True:
        compilation = Compilation(function, source, specs, decisions)
        try:
            main, module = compilation.module(ints)
        except NeedInt as need:
            ints |= {param.name for param in need.params}
            continue
        except Reconsidered as again:
            decisions = again.decisions
            continue
        except (UnsupportedError, NeedsTypes):
            if not decisions.kept:
                raise
            ints, decisions = frozenset(), replace(decisions, kept=frozenset(), written_out=None)
            continue
        captures = {(capture.name, id(capture.owner)): capture for capture in compilation.captures}
        signature = signature_of(function)
        found = tuple(spec_of(value) for value in main.inputs.values())
        result = None if _is_plain(main.result) else spec_of(main.result)
        effects = main.effects
        return Program(module, signature, tuple(captures.values()), compilation.text(), found, effects.written, result, effects.altered)


def _is_plain(value: Value) -> bool:
    """Whether a result is a number, an array, or a tuple of such."""
    if isinstance(value, Many) and value.display == "tuple":
        return all(map(_is_plain, value.items))
    return isinstance(value, Var | Lit)


@dataclass(eq=False)
class Compilation:
    """Everything that belongs to one call of `lower`: problems, captures, and the functions made so far."""

    function: types.FunctionType
    source: str | None
    specs: Mapping[str, Spec] | None = None
    decisions: Decisions = field(default_factory=Decisions)
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
        for parameter in signature_of(self.function).parameters.values():
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
            annotated = stated(argument.annotation, unit.live)
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
        annotated = stated(argument.annotation, unit.live)
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


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """The problems in the order of the text, each once."""
    found: dict[object, Problem] = {}
    for problem in sorted(problems, key=lambda p: (p.span.file, p.span.line, p.span.col) if p.span else ("", 0, 0)):
        found.setdefault((problem.message, None if problem.advice == ONE_TYPE else problem.span), problem)
    return list(found.values())


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
