"""One function, lowered for one combination of argument types: its parameters, its result, and the calls of other functions in it."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stagegrad.errors import StagegradSourceError, UnsupportedError
from stagegrad.frontend.annotations import stated
from stagegrad.frontend.control import Statements
from stagegrad.frontend.emitter import ONE_TYPE, RESULT, Flow
from stagegrad.frontend.memory import KEPT, Memory, key_of
from stagegrad.frontend.refused import is_of, unknown_call
from stagegrad.frontend.scope import Frame, Unit, body_of, free_names, has_exit, parameters
from stagegrad.frontend.stages import NeedKnown, Poisoned, Strength
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
    FLOAT,
    Atom,
    Block,
    Call,
    For,
    Function,
    Lit,
    Shape,
    Type,
    Var,
    While,
    bound,
    walk,
)  # fmt: skip

if TYPE_CHECKING:
    from stagegrad.frontend.python import Compilation

#: Stages: a longer function is called. One of arrays costs more than its call, and its text is read once rather than at each call.
_INLINED, _INLINED_ARRAYS = 12, 6

Inputs = dict[Key, Value]


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
        self.writing_out: list[FunctionNode] = []  # the functions that are being written out where they are called

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
        return argument is not None and not isinstance(stated(argument.annotation, self.frame.unit.live), Type)

    def _parameter(self, name: str, value: Value) -> Value:
        if isinstance(value, Static) and isinstance(value.thing, Pinned):
            return value.thing.number
        if isinstance(value, Record):
            names = [f"{name}_{part}" if str(part).isidentifier() else f"{name}{k}" for k, part in enumerate(value.names)]
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
        if (outer := self.compilation.scope(inner).changes) or makes_functions(inner):
            self._require_inlined(inner, outer, node)
            return self._inline(inner, unit, parent, params, node)
        lifted = self._lifted([*([target] if isinstance(target, Closure) else []), *params.values()], node)
        values = [*params.values(), *lifted.values()]
        self.check_size(values, node)
        problems = len(self.compilation.problems)
        try:
            spec, pinned = self._specialised(target, unit, parent, params, lifted, node)
        except CalleeNeedsInt as need:
            atoms = [leaf for value in values for leaf in leaves(self.plain(value, node))]
            for position, name in need.inputs:
                self.whole(atoms[position], node, f"`{name}` of {_name(inner)}")
            raise Poisoned from None
        if spec.failed and not isinstance(target, Closure) and is_of(target, *sys.stdlib_module_names):
            del self.compilation.problems[problems:]  # of a text that is not the user's
            raise self.refusal(node, *unknown_call(target))
        if spec.failed:
            raise Poisoned
        if spec.effects.written and self.memory is None:
            raise NeedsMemory
        short = spec.function is not None and not spec.recursive and _is_short(inner, spec.function)
        if short or (spec.effects.written and not spec.recursive and _ends_once(inner)):
            return self._inline(inner, unit, parent, params, node)
        return self._call(spec, [value for name, value in params.items() if name not in pinned] + [*lifted.values()], node)

    def _require_inlined(self, inner: FunctionNode, outer: frozenset[str], node: ast.AST) -> None:
        """Refuses a function that can only be written out where it is called, but is not of that kind."""
        if _ends_once(inner) and inner not in self.writing_out:
            return
        why = f"changes `{min(outer)}` of the function around it" if outer else "returns a function"
        how = "calls itself" if inner in self.writing_out else "has more than one `return`"
        raise self.refusal(node, f"{_name(inner)} {why}, and {how}", "one `return` at its end, or a parameter and a returned value")

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
        self.writing_out.append(inner)
        result: Value = Static(None)
        caller = self.frame, self.region, self.ends, self.now
        self.region, self.ends = self.new_region(None), None
        self.frame = Frame(self.compilation.next_frame(), self.compilation.scope(inner), unit, parent, label)
        try:
            for name, value in params.items():
                self.hold(self.frame, name, value)
            *stmts, last = body_of(inner)
            self.body(stmts)
            if isinstance(last, ast.Return) and last.value is not None:
                result = self.expr(last.value)
            elif not isinstance(last, ast.Return):
                self.body([last])
            return result
        finally:
            self.writing_out.pop()
            for name in self.frame.scope.locals if not _closures(result) else ():  # a function that is returned still reads them
                self.env.pop((self.frame.number, name), None)
            self.frame, self.region, self.ends, self.now = caller

    def inlined(self, target: Closure, node: ast.AST) -> Value:
        return self._inline(target.node, target.frame.unit, target.frame, {}, node)

    def _lifted(self, roots: Sequence[Value | Closure], node: ast.AST) -> dict[Key, Value]:
        """What the inner functions among `roots` read from around them: it becomes parameters of the called function."""
        found: dict[Key, Value] = {}
        stack = [closure for root in roots for closure in _closures(root)]
        while stack:
            closure = stack.pop()
            if outer := self.compilation.scope(closure.node).changes:
                message = f"a function that changes `{min(outer)}` of the function around it is given to another, or called by it"
                raise self.refusal(node, message, "a parameter and a returned value")
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


def makes_functions(node: FunctionNode) -> bool:
    """Whether what it returns at its end is a function that it defines, or holds one."""
    *stmts, last = body_of(node)
    made = {part.name for part in stmts if isinstance(part, ast.FunctionDef)}
    made |= {target.id for part in stmts if isinstance(part, ast.Assign) and isinstance(part.value, ast.Lambda)
             for target in part.targets if isinstance(target, ast.Name)}  # fmt: skip
    value = last.value if isinstance(last, ast.Return) else None
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return any(isinstance(part, ast.Lambda) or (isinstance(part, ast.Name) and part.id in made) for part in parts)


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
    most = _INLINED_ARRAYS if any(var.type.rank for var in bound(function.body)) else _INLINED
    return straight and len(parts) <= most and not any(isinstance(part, For | While) for part in parts)


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
        case Range() | Static(None | str()) | Numbers() if not is_main:
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
