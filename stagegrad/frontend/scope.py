"""Facts about a function's text: which names are local, which may still be read, and what the others denote.

Names that are not local are looked up in the *live* function: its closure cells, its globals, its builtins. What a
name is spelled like never matters.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from stagegrad.frontend.program import Capture
from stagegrad.frontend.source import Source
from stagegrad.frontend.values import FunctionNode

Names = frozenset[str]
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
Loop = ast.For | ast.While


# ---------------------------------------------------------------------------------------------- names in a text


def parameters(node: FunctionNode) -> list[ast.arg]:
    """The parameters in the order of the signature."""
    found = [*node.args.posonlyargs, *node.args.args]
    if node.args.vararg:
        found.append(node.args.vararg)
    found += node.args.kwonlyargs
    return [*found, node.args.kwarg] if node.args.kwarg else found


def body_of(node: FunctionNode) -> Sequence[ast.stmt]:
    """The statements of a function; a lambda returns its expression."""
    if isinstance(node, ast.FunctionDef):
        return node.body
    return [ast.copy_location(ast.Return(node.body), node.body)]


#: Nodes that are not entered: functions inside, and the leaves, which are half of a text.
_CLOSED = (*_NESTED, ast.Name, ast.Constant, ast.operator, ast.cmpop, ast.expr_context)


def _own(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every node below `nodes` that belongs to the same function; nested functions are yielded but not entered."""
    stack = list(nodes)[::-1]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _CLOSED):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


def assigned(nodes: Iterable[ast.AST]) -> list[str]:
    """The names that `nodes` bind in their own function, in the order of the text."""
    found: dict[str, None] = {}
    for node in _own(nodes):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found[node.id] = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = None
        elif isinstance(node, ast.alias):
            found[node.asname or node.name.partition(".")[0]] = None
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found[node.name] = None
    return list(found)


def outer_names(nodes: Iterable[ast.AST]) -> Names:
    """The names of functions around them that statements declare to be theirs: ``nonlocal total``."""
    return frozenset(name for node in _own(nodes) if isinstance(node, ast.Nonlocal) for name in node.names)


def changed_around(node: FunctionNode) -> Names:
    """The names of functions around it that a function changes, by itself or by one inside it."""
    inner = list(body_of(node))
    outer = outer_names(inner)
    own = (set(assigned(inner)) | {arg.arg for arg in parameters(node)}) - outer
    deeper = (changed_around(part) for part in nested(inner) if isinstance(part, ast.FunctionDef | ast.Lambda))
    return outer.union(*deeper) - own


def nested(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The functions and comprehensions directly inside `nodes`."""
    return (node for node in _own(nodes) if isinstance(node, _NESTED))


def has_exit(nodes: Iterable[ast.AST], kinds: tuple[type[ast.stmt], ...]) -> bool:
    """Is there a statement of these kinds? Those of an inner loop count only where they leave the outer one too (return)."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if isinstance(node, kinds):
            return True
        if isinstance(node, Loop):
            inner = tuple(kind for kind in kinds if kind is ast.Return)
            if has_exit(node.body, inner):
                return True
            stack.extend(node.orelse)
        elif isinstance(node, ast.stmt) and not isinstance(node, _NESTED):
            stack.extend(statements_in(node))
    return False


def statements_in(node: ast.stmt) -> list[ast.stmt]:
    """The statements directly inside a statement, those of the cases of a `match` as well."""
    homes = [node, *(node.cases if isinstance(node, ast.Match) else ())]
    return [child for home in homes for child in ast.iter_child_nodes(home) if isinstance(child, ast.stmt)]


def reads(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that `nodes` read, nested functions included."""
    found: set[str] = set()
    for node in _own(nodes):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, _NESTED):
            found |= free_names(node)
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                found |= reads(_defaults(node))
    return found


def _defaults(node: FunctionNode) -> list[ast.expr]:
    return [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]


def free_names(node: ast.AST) -> set[str]:
    """The names that a nested function reads from around it; its defaults do not count."""
    match node:
        case ast.FunctionDef() | ast.Lambda():
            inner = list(body_of(node))
            outer = outer_names(inner)
            return (reads(inner) | outer) - {arg.arg for arg in parameters(node)} - (set(assigned(inner)) - outer)
        case ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
            inner_nodes = list(ast.iter_child_nodes(node))
            bound = {name for generator in node.generators for name in assigned([generator.target])}
            return reads(inner_nodes) - bound
        case _:
            return set()


# ---------------------------------------------------------------------------------------------- what is still read


@dataclass
class Scope:
    """One function's text: its local names, and what may be read after each branch and around each loop.

    `after[node]` are the names that may be read once an `if` or a loop is done, `head[loop]` those whose value at the
    top of a trip matters, `body[loop]` those that the trip itself may read. Names that nested functions read are in all of them.
    """

    node: FunctionNode
    outer: Names = frozenset()  # the names of functions around it that it assigns to
    changes: Names = frozenset()  # these, and those that functions inside it assign to
    locals: Names = frozenset()
    in_rows: Names = frozenset()  # the names of what it writes to by more than one index: ``name[i][j] = ...``
    captured: Names = frozenset()
    after: dict[ast.stmt, Names] = field(default_factory=dict)
    head: dict[ast.stmt, Names] = field(default_factory=dict)
    body: dict[ast.stmt, Names] = field(default_factory=dict)
    _exposed: dict[ast.stmt, Names] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inner = list(body_of(self.node))
        self.outer = outer_names(inner)
        self.locals = (frozenset(assigned(inner)) | {arg.arg for arg in parameters(self.node)}) - self.outer
        self.changes = changed_around(self.node)
        self.in_rows = frozenset(_written_in_rows(inner))
        self.captured = frozenset(name for node in nested(inner) for name in free_names(node)) & self.locals
        self._before(inner, frozenset(), frozenset(), frozenset(), True)

    def _before(self, stmts: Sequence[ast.stmt], after: Names, leave: Names, again: Names, record: bool) -> Names:
        """What may be read before `stmts`, given what may be after them, after a `break` and after a `continue`."""
        live = set(after)
        for stmt in reversed(stmts):
            match stmt:
                case ast.If():
                    arms = [self._before(arm, frozenset(live), leave, again, record) for arm in (stmt.body, stmt.orelse)]
                    if record:
                        self.after[stmt] = frozenset(live) | self.captured
                    live = reads([stmt.test]).union(*arms)
                case ast.Match():
                    arms = [self._before(case.body, frozenset(live), leave, again, record) for case in stmt.cases]
                    headers = [part for case in stmt.cases for part in (case.pattern, case.guard) if part is not None]
                    live = (live | reads([stmt.subject, *headers])).union(*arms)
                case ast.With():
                    inner = self._before(stmt.body, frozenset(live), leave, again, record)
                    live = {*inner, *live} | reads(stmt.items)
                case ast.For() | ast.While():
                    live = set(self._before_loop(stmt, frozenset(live), leave, again, record))
                case ast.Break():
                    live = set(leave)
                case ast.Continue():
                    live = set(again)
                case ast.Return() | ast.Raise():
                    live = reads([stmt])
                case ast.FunctionDef():
                    live.discard(stmt.name)
                    live |= reads([stmt])
                case _:
                    live -= set(_certain(stmt))
                    live |= reads([stmt])
                    if isinstance(stmt, ast.AugAssign) and isinstance(stmt.target, ast.Name):
                        live.add(stmt.target.id)
        return frozenset(live)

    def _before_loop(self, loop: Loop, after: Names, leave: Names, again: Names, record: bool) -> Names:
        orelse = self._before(loop.orelse, after, leave, again, record)
        header = frozenset(reads([loop.iter if isinstance(loop, ast.For) else loop.test]))
        target = frozenset(assigned([loop.target])) if isinstance(loop, ast.For) else frozenset()
        if loop not in self._exposed:
            self._exposed[loop] = self._before(loop.body, frozenset(), frozenset(), frozenset(), False) - target
        head = after | orelse | self._exposed[loop] | (header if isinstance(loop, ast.While) else frozenset())
        if record:
            inside = self._before(loop.body, head, after, head, True) - target
            self.after[loop], self.head[loop] = after, head
            self.body[loop] = inside | (header if isinstance(loop, ast.While) else frozenset())
        return head | header


def _written_in_rows(stmts: Iterable[ast.stmt]) -> Iterator[str]:
    """The names of what statements write to by more than one index."""
    for node in _own(stmts):
        match node:
            case ast.Subscript(ast.Subscript() as inner, ctx=ast.Store()):
                while isinstance(inner, ast.Subscript):
                    inner = inner.value  # type: ignore[assignment]  # the loop ends with what is no subscript
                if isinstance(inner, ast.Name):
                    yield inner.id


def _certain(stmt: ast.stmt) -> list[str]:
    """The names that a simple statement certainly binds; a walrus may stand where it is not evaluated."""
    match stmt:
        case ast.Assign():
            return assigned(stmt.targets)
        case ast.AnnAssign() if stmt.value is not None:
            return assigned([stmt.target])
        case _:
            return []


# ---------------------------------------------------------------------------------------------- what names denote


class Missing:
    """Stands for a name that nothing denotes."""


MISSING = Missing()


@dataclass(frozen=True)
class Live:
    """The names around a live function: closure cells, then globals, then builtins."""

    function: types.FunctionType

    def find(self, name: str) -> tuple[object, Capture | None]:
        """The object that a name denotes now, and how to read it again (None for a builtin); `MISSING` if there is none."""
        cells = dict(zip(self.function.__code__.co_freevars, self.function.__closure__ or (), strict=True))
        if name in cells:
            read = partial(getattr, cells[name], "cell_contents")
            try:
                thing = read()
            except ValueError:  # the variable around the function has no value yet
                return MISSING, None
            return thing, Capture(name, thing, read, cells[name])
        names = self.function.__globals__
        if name in names:
            return names[name], Capture(name, names[name], partial(names.__getitem__, name), names)
        own = names.get("__builtins__", builtins)
        found = own if isinstance(own, dict) else vars(own)
        return found.get(name, MISSING), None


@dataclass(frozen=True, eq=False)
class Unit:
    """One live function and its text. Functions defined inside it belong to the same unit."""

    source: Source
    live: Live


@dataclass(frozen=True, eq=False)
class Frame:
    """One activation of a function's text while it is lowered: whose locals a name belongs to."""

    number: int
    scope: Scope
    unit: Unit
    parent: Frame | None = None
    label: str = ""  # what inlined names are prefixed with where they clash; empty for the function itself

    def home(self, name: str) -> Frame | None:
        """The nearest frame, outwards, in which the name is local; None for a name from outside the unit."""
        frame: Frame | None = self
        while frame is not None and name not in frame.scope.locals:
            frame = frame.parent
        return frame
