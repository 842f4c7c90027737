"""The intermediate representation: a small language in which every value is bound once.

Takes nothing and returns nothing: this module is the vocabulary that all passes share. A pass is a function
``Function -> Function`` (or ``Module -> Module``); `check` states the law that every one of them must keep:
bound once, bound before it is read, results that match what the construct yields, types that match.

Arrays are values too: ``a[i] = v`` is ``store(a, i, v)``, whose result is the next version of ``a``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the user's text; `line` and `col` are 1-based, `text` is the source line without its newline."""

    file: str
    line: int
    col: int
    text: str = ""
    end_line: int = 0
    end_col: int = 0


@dataclass(frozen=True, slots=True)
class Type:
    """What is known of a value before it runs: its kind, its rank (0 for a scalar) and its width in bits."""

    kind: str
    rank: int = 0
    bits: int = 64

    def __str__(self) -> str:
        width = "" if self.bits == 64 or self.kind == "bool" else str(self.bits)
        return f"{self.kind}{width}" + (f"[{self.rank}]" if self.rank else "")


FLOAT = Type("float")
INT = Type("int")
BOOL = Type("bool")


@dataclass(frozen=True, slots=True)
class Var:
    """A value's name. ``(name, version)`` is unique in a function; an empty name is a value nobody has named yet."""

    name: str
    type: Type
    version: int

    def __hash__(self) -> int:
        # Equal values have equal types, and passes hash little else: the type is left out because hashing it is slow.
        return hash((self.name, self.version))

    def __str__(self) -> str:
        return f"{self.name}.{self.version}" if self.name else f"%{self.version}"


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """A constant. ``Lit(None, type)`` is *undefined*: what a path yields for a value that it never computes."""

    value: float | int | bool | None
    type: Type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lit) and repr(self.value) == repr(other.value) and self.type == other.type

    def __hash__(self) -> int:
        return hash((repr(self.value), self.type))

    def __str__(self) -> str:
        return f"undef:{self.type}" if self.value is None else repr(self.value)


def literal_is(atom: object, value: float | int | bool) -> bool:
    """Is the atom this very constant (``1`` is neither ``1.0`` nor ``True``)?"""
    return isinstance(atom, Lit) and repr(atom.value) == repr(value)


Atom: TypeAlias = Var | Lit
Attr: TypeAlias = "str | int | float | bool | tuple[int | str | None, ...] | None"


@dataclass(frozen=True, slots=True)
class Stage:
    """``out = op(*args, **attrs)``. `note` is the comment line that it is printed under; after a ">", at the end of its line."""

    out: Var
    op: str
    args: tuple[Atom, ...]
    attrs: tuple[tuple[str, Attr], ...] = ()
    note: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """Statements, then the values that the block yields to the construct around it."""

    stmts: tuple[Stmt, ...]
    results: tuple[Atom, ...] = ()


@dataclass(frozen=True, slots=True)
class Carry:
    """A value that a loop changes: `init` enters, `var` is seen inside the body, `out` is seen after the loop."""

    var: Var
    init: Atom
    out: Var


@dataclass(frozen=True, slots=True)
class For:
    """``for index in range(start, stop, step)``. ``body.results[k]`` is the next value of ``carries[k]``.

    `until` is the `var` of a bool carry (or None): the loop ends after a body that made it true. The trips of a `parallel` loop may
    run at once: it carries arrays alone, and each trip has elements of its own of them.
    """

    index: Var
    start: Atom
    stop: Atom
    step: Atom
    carries: tuple[Carry, ...]
    body: Block
    until: Var | None = None
    span: Span | None = field(default=None, compare=False)
    parallel: bool = False


@dataclass(frozen=True, slots=True)
class While:
    """``while test``: `test` sees the carries and yields one bool; `until` as in `For` (then `test` is not run again)."""

    carries: tuple[Carry, ...]
    test: Block
    body: Block
    until: Var | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class If:
    """Runs one arm; ``outs[k]`` is that arm's ``results[k]``. `note` as in `Stage`."""

    test: Atom
    then: Block
    orelse: Block
    outs: tuple[Var, ...]
    note: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """``outs = fn(*args)``: another function of the module, by name.

    `onto` are pairs of positions, (result, argument): the function writes that result into the argument's memory.
    """

    outs: tuple[Var, ...]
    fn: str
    args: tuple[Atom, ...]
    note: str = ""
    span: Span | None = field(default=None, compare=False)
    onto: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Raise:
    """Raises `error` (a builtin exception's name) where `test` is true; `message` joins text and values.

    ``message=None`` raises without arguments. `formats` holds the format of each value in the message ("" for the plain one).
    `is_assert` prints it as an ``assert`` of the opposite.
    """

    test: Atom
    error: str
    message: tuple[str | Atom, ...] | None = None
    is_assert: bool = False
    formats: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment line of its own: the title of a part of the text."""

    text: str


Stmt: TypeAlias = Stage | For | While | If | Call | Raise | Remark

#: The shape of a function's answer: an index into ``body.results``, or a tuple of shapes.
Shape: TypeAlias = "int | tuple[Shape, ...]"


@dataclass(frozen=True, slots=True)
class Function:
    """A function: ``body.results`` are its answers, put together as `shape` says. `origin` names the frontend.

    Results behind those of the shape lie in memory that is `given`: who calls it finds them there.
    """

    name: str
    params: tuple[Var, ...]
    body: Block
    shape: Shape = 0
    doc: str = ""
    origin: str = "python"
    span: Span | None = field(default=None, compare=False)
    axes: tuple[str, ...] = ()  # of each parameter, a mark for each axis: "1" has one element, "3" three, "n" not one, "?" any number
    given: tuple[int, ...] = ()  # the positions of array parameters whose memory is the function's own: results are written there


@dataclass(frozen=True, slots=True)
class Module:
    """Functions that call one another; the first is the one that was asked for."""

    functions: tuple[Function, ...]

    @property
    def main(self) -> Function:
        return self.functions[0]

    def __getitem__(self, name: str) -> Function:
        return next(function for function in self.functions if function.name == name)


# ---------------------------------------------------------------------------------------------- reading the tree


def blocks(stmt: Stmt) -> tuple[Block, ...]:
    """The blocks directly inside a statement."""
    match stmt:
        case Stage() | Call() | Raise() | Remark():
            return ()
        case For():
            return (stmt.body,)
        case While():
            return (stmt.test, stmt.body)
        case If():
            return (stmt.then, stmt.orelse)
        case _:
            raise TypeError(f"not a statement: {stmt!r}")


def binds(stmt: Stmt) -> tuple[Var, ...]:
    """The values that a statement binds for the statements after it."""
    match stmt:
        case Stage():
            return (stmt.out,)
        case For() | While():
            return tuple(carry.out for carry in stmt.carries)
        case If() | Call():
            return stmt.outs
        case Raise() | Remark():
            return ()
        case _:
            raise TypeError(f"not a statement: {stmt!r}")


def inner_binds(stmt: Stmt) -> tuple[Var, ...]:
    """The values that a statement binds for its own blocks: a loop's index and carries."""
    match stmt:
        case For():
            return (stmt.index, *(carry.var for carry in stmt.carries))
        case While():
            return tuple(carry.var for carry in stmt.carries)
        case _:
            return ()


def uses(stmt: Stmt) -> tuple[Atom, ...]:
    """The atoms that a statement itself reads, those of its blocks not counted."""
    match stmt:
        case Stage() | Call():
            return stmt.args
        case For():
            return (stmt.start, stmt.stop, stmt.step, *(carry.init for carry in stmt.carries))
        case While():
            return tuple(carry.init for carry in stmt.carries)
        case If():
            return (stmt.test,)
        case Raise():
            return (stmt.test, *(part for part in stmt.message or () if not isinstance(part, str)))
        case Remark():
            return ()
        case _:
            raise TypeError(f"not a statement: {stmt!r}")


def with_blocks(stmt: Stmt, change: Callable[[Block], Block]) -> Stmt:
    """The statement with each of its own blocks changed, those of a loop and of a branch; one that has none stays as it is."""
    match stmt:
        case For():
            return replace(stmt, body=change(stmt.body))
        case While():
            return replace(stmt, test=change(stmt.test), body=change(stmt.body))
        case If():
            return replace(stmt, then=change(stmt.then), orelse=change(stmt.orelse))
        case Stage() | Call() | Raise() | Remark():
            return stmt
        case _:
            raise TypeError(f"not a statement: {stmt!r}")


def variables(atoms: Iterable[Atom]) -> Iterator[Var]:
    """The atoms that are not constants."""
    return (atom for atom in atoms if isinstance(atom, Var))


def walk(block: Block) -> Iterator[Stmt]:
    """Every statement of a block and of the blocks inside it, in the order of the text."""
    ahead = [iter(block.stmts)]
    while ahead:
        for stmt in ahead[-1]:
            yield stmt
            if inner := blocks(stmt):
                ahead.extend(iter(each.stmts) for each in reversed(inner))
                break
        else:
            ahead.pop()


def depth(block: Block) -> int:
    """How many blocks lie inside one another, this one counted."""
    levels, layer = 0, [block]
    while layer:
        levels += 1
        layer = [inner for outer in layer for stmt in outer.stmts for inner in blocks(stmt)]
    return levels


def bound(block: Block) -> set[Var]:
    """Every value that is bound anywhere inside a block."""
    return {var for stmt in walk(block) for var in (*binds(stmt), *inner_binds(stmt))}


def read(block: Block) -> set[Var]:
    """Every value that is read anywhere inside a block, its results included."""
    found = set(variables(block.results))
    for stmt in block.stmts:
        found.update(variables(uses(stmt)))
        for inner in blocks(stmt):
            found |= read(inner)
    return found


def free(block: Block) -> set[Var]:
    """The values that a block reads and does not bind."""
    return read(block) - bound(block)


# ---------------------------------------------------------------------------------------------- rebuilding the tree

Substitution: TypeAlias = Mapping[Var, Atom]


def substitute(block: Block, mapping: Substitution) -> Block:
    """Replaces every *reading* of a value: ``y = f(x)``, {x: 2.0} -> ``y = f(2.0)``. Bindings stay."""
    return _rebuild(block, lambda atom: mapping.get(atom, atom) if isinstance(atom, Var) else atom, lambda var: var)


def rename(block: Block, mapping: Mapping[Var, Var]) -> Block:
    """Replaces values where they are bound and where they are read: ``y = f(x)``, {y: z} -> ``z = f(x)``."""

    def atom(old: Atom) -> Atom:
        return mapping.get(old, old) if isinstance(old, Var) else old

    return _rebuild(block, atom, lambda var: mapping.get(var, var))


def rename_function(function: Function, mapping: Mapping[Var, Var]) -> Function:
    """`rename` for a function's parameters and body."""
    params = tuple(mapping.get(param, param) for param in function.params)
    return replace(function, params=params, body=rename(function.body, mapping))


def clone(block: Block, fresh: Fresh) -> tuple[Block, dict[Var, Var]]:
    """A copy of a block in which everything bound is fresh (same names, new versions); the mapping comes with it."""
    mapping = {var: fresh.like(var) for var in sorted(bound(block), key=_order)}
    return rename(block, mapping), mapping


def rebuild(stmt: Stmt, atom: Callable[[Atom], Atom], bind: Callable[[Var], Var]) -> Stmt:
    """The same statement with every atom and every binding replaced, the blocks inside included."""

    def block(old: Block) -> Block:
        return _rebuild(old, atom, bind)

    def carries(old: tuple[Carry, ...]) -> tuple[Carry, ...]:
        return tuple(Carry(bind(c.var), atom(c.init), bind(c.out)) for c in old)

    match stmt:
        case Stage():
            return replace(stmt, out=bind(stmt.out), args=tuple(map(atom, stmt.args)))
        case Call():
            return replace(stmt, outs=tuple(map(bind, stmt.outs)), args=tuple(map(atom, stmt.args)))
        case For():
            return For(bind(stmt.index), atom(stmt.start), atom(stmt.stop), atom(stmt.step), carries(stmt.carries),
                       block(stmt.body), bind(stmt.until) if stmt.until else None, stmt.span, stmt.parallel)  # fmt: skip
        case While():
            until = bind(stmt.until) if stmt.until else None
            return While(carries(stmt.carries), block(stmt.test), block(stmt.body), until, stmt.span)
        case If():
            outs = tuple(map(bind, stmt.outs))
            return If(atom(stmt.test), block(stmt.then), block(stmt.orelse), outs, stmt.note, stmt.span)
        case Raise():
            parts = stmt.message
            message = None if parts is None else tuple(p if isinstance(p, str) else atom(p) for p in parts)
            return replace(stmt, test=atom(stmt.test), message=message)
        case Remark():
            return stmt
        case _:
            raise TypeError(f"not a statement: {stmt!r}")


def _rebuild(block: Block, atom: Callable[[Atom], Atom], bind: Callable[[Var], Var]) -> Block:
    # A list, not a generator: blocks nest deeply, and CPython 3.12 allows few calls from C inside one another.
    return Block(tuple([rebuild(stmt, atom, bind) for stmt in block.stmts]), tuple(map(atom, block.results)))


def _order(var: Var) -> tuple[str, int]:
    return var.name, var.version


class Fresh:
    """Hands out values that a function does not have yet."""

    def __init__(self, *functions: Function) -> None:
        self._next: dict[str, int] = {}
        for function in functions:
            for var in (*function.params, *bound(function.body)):
                self._next[var.name] = max(self._next.get(var.name, 0), var.version + 1)

    def var(self, name: str = "", type: Type = FLOAT) -> Var:
        """A value of this name and type, with a version of its own."""
        version = self._next.get(name, 0)
        self._next[name] = version + 1
        return Var(name, type, version)

    def like(self, var: Var) -> Var:
        """A value with the name and type of `var`."""
        return self.var(var.name, var.type)

    def taken(self) -> set[str]:
        """Every name in use."""
        return set(self._next) - {""}


# ---------------------------------------------------------------------------------------------- the law


class BrokenLaw(AssertionError):
    """A pass of ours made an ill-formed function: always a bug of stagegrad, never of the user's program."""


def check(module: Module) -> Module:
    """Returns the module if it keeps the law, raises `BrokenLaw` with the place if it does not."""
    names = [function.name for function in module.functions]
    _require(len(set(names)) == len(names), f"two functions share a name: {names}")
    for function in module.functions:
        scope: set[Var] = set()
        seen: set[tuple[str, int]] = set()
        _bind(function.params, scope, seen)
        _check_block(function.body, scope, seen, module)
        _require(_covers(function.shape, function), f"{function.name}: shape {function.shape}")
    return module


def _covers(shape: Shape, function: Function) -> bool:
    """Does a shape show all results, but for arrays in memory that the function was given?"""
    shown, count = sorted(set(_leaves(shape))), len(function.body.results)
    return shown == list(range(len(shown))) and count - len(function.given) <= len(shown) <= count


def _check_block(block: Block, scope: set[Var], seen: set[tuple[str, int]], module: Module) -> None:
    scope = set(scope)
    for stmt in block.stmts:
        for var in variables(uses(stmt)):
            _require(var in scope, f"{var} is read before it is bound, in {_brief(stmt)}")
        _bind(inner_binds(stmt), set(), seen)
        for nested in blocks(stmt):
            _check_block(nested, scope | set(inner_binds(stmt)), seen, module)
        _check_shape(stmt, module)
        _bind(binds(stmt), scope, seen)
    for var in variables(block.results):
        _require(var in scope, f"{var} is yielded before it is bound")


def _check_shape(stmt: Stmt, module: Module) -> None:
    match stmt:
        case For() | While():
            vars = tuple(carry.var for carry in stmt.carries)
            _match(vars, [c.init for c in stmt.carries], stmt)
            _match(vars, [c.out for c in stmt.carries], stmt)
            _match(vars, stmt.body.results, stmt)
            _require(stmt.until is None or (stmt.until in vars and stmt.until.type == BOOL), f"until in {_brief(stmt)}")
            if isinstance(stmt, While):
                _require([a.type for a in stmt.test.results] == [BOOL], f"the test of {_brief(stmt)}")
            else:
                _require({a.type for a in (stmt.index, stmt.start, stmt.stop, stmt.step)} == {INT}, f"the range of {_brief(stmt)}")
                _require(not stmt.parallel or all(var.type.rank for var in vars), f"a number that the parallel {_brief(stmt)} carries")
        case If():
            _require(stmt.test.type == BOOL, f"the test of {_brief(stmt)}")
            _match(stmt.outs, stmt.then.results, stmt)
            _match(stmt.outs, stmt.orelse.results, stmt)
        case Call():
            _require(any(function.name == stmt.fn for function in module.functions), f"nothing is called {stmt.fn}, in {_brief(stmt)}")
            callee = module[stmt.fn]
            _match(callee.params, stmt.args, stmt)
            _match(stmt.outs, callee.body.results, stmt)
            _require(sorted(callee.given) == sorted(a for _, a in stmt.onto), f"whose memory {_brief(stmt)} is written to")
            _require(all(stmt.outs[r].type == stmt.args[a].type for r, a in stmt.onto), f"types of what {_brief(stmt)} is written to")
        case Raise():
            _require(stmt.test.type == BOOL, f"the test of {_brief(stmt)}")


def _match(expected: Iterable[Atom], found: Iterable[Atom], stmt: Stmt) -> None:
    wanted, given = [a.type for a in expected], [a.type for a in found]
    _require(wanted == given, f"types {list(map(str, wanted))} against {list(map(str, given))} in {_brief(stmt)}")


def _bind(vars: Iterable[Var], scope: set[Var], seen: set[tuple[str, int]]) -> None:
    for var in vars:
        _require(_order(var) not in seen, f"{var} is bound twice")
        seen.add(_order(var))
        scope.add(var)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise BrokenLaw(message)


def _brief(stmt: Stmt) -> str:
    return f"{type(stmt).__name__} binding {', '.join(map(str, binds(stmt))) or 'nothing'}"


def _leaves(shape: Shape) -> Iterator[int]:
    if isinstance(shape, int):
        yield shape
    else:
        for part in shape:
            yield from _leaves(part)


leaves = _leaves
