"""What statements do to lists and dicts, as far as their text tells: to which they append, how often, and which they change otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from stagegrad.frontend.scope import Loop, assigned, has_exit, statements_in

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
#: Methods that change a list; `append` is a statement of its own.
OF_LISTS = frozenset({"clear", "extend", "insert", "pop", "reverse", "sort"})
#: Methods that change a dict.
OF_DICTS = frozenset({"clear", "pop", "setdefault", "update"})


def appended(stmts: Iterable[ast.stmt], inner: bool = False) -> dict[str, int]:
    """The names to which statements append, and at how many places; places in inner loops do not count."""
    found: dict[str, int] = {}
    for stmt in stmts:
        match stmt:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "append"))):
                found[name] = found.get(name, 0) + (not inner)
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "extend"), [more], [])) | ast.AugAssign(ast.Name(name), ast.Add(), more):
                found[name] = found.get(name, 0) + (0 if inner else _items_in(more))
            case _ if not isinstance(stmt, _FUNCTIONS):
                deeper = inner or isinstance(stmt, ast.For | ast.While)
                for name, count in appended(statements_in(stmt), deeper).items():
                    found[name] = found.get(name, 0) + count
        if not isinstance(stmt, _FUNCTIONS):
            for name in changed_by_methods([stmt]):
                found.setdefault(name, 0)
    return found


def _items_in(node: ast.expr) -> int:
    """How many items a list that is written out has; 0 where that is not known from its text."""
    written_out = isinstance(node, ast.List | ast.Tuple) and not any(isinstance(item, ast.Starred) for item in node.elts)
    return len(node.elts) if written_out and isinstance(node, ast.List | ast.Tuple) else 0


def appended_deeper(stmts: Iterable[ast.stmt]) -> set[str]:
    """The names to which inner loops append, or something whose length the text does not tell: each makes room for itself alone."""
    found: set[str] = set()
    for stmt in stmts:
        if isinstance(stmt, ast.For | ast.While):
            found |= {*appended([stmt])}
            continue
        match stmt:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "extend"), [more], [])) | ast.AugAssign(ast.Name(name), ast.Add(), more):
                if not _items_in(more):
                    found.add(name)
        if not isinstance(stmt, _FUNCTIONS):
            found |= appended_deeper(statements_in(stmt))
    return found


def appends_always(stmt: Loop, name: str) -> int:
    """How many times each trip of a loop appends to a list, whatever happens; 0 if that is not known."""
    if has_exit(stmt.body, (ast.Break, ast.Continue, ast.Return)) or name in {*assigned(stmt.body), *shortened(stmt.body)}:
        return 0
    return sum(appended([part]).get(name, 0) for part in stmt.body if isinstance(part, ast.Expr))


def rekeyed(stmts: Iterable[ast.stmt]) -> list[str]:
    """The names of what statements change other than by `append`: ``name[...] = value``, ``name.pop()``, ``del name[0]``."""
    stmts = list(stmts)
    found: dict[str, None] = {}
    for part in (part for stmt in stmts for part in ast.walk(stmt)):
        match part:
            case ast.Subscript(ast.Name(name) | ast.Subscript(ast.Name(name)), ctx=ast.Store() | ast.Del()):
                found[name] = None
    return [*(found | dict.fromkeys(changed_by_methods(stmts)))]


def changed_by_methods(stmts: Iterable[ast.stmt]) -> list[str]:
    """The names of the lists and dicts of which statements call a method that changes them; `append` apart."""
    found: dict[str, None] = {}
    for part in (part for stmt in stmts for part in ast.walk(stmt)):
        match part:
            case ast.Call(ast.Attribute(ast.Name(name), method)) if method in OF_LISTS | OF_DICTS:
                found[name] = None
    return list(found)


def shortened(stmts: Iterable[ast.stmt]) -> set[str]:
    """The names of the lists that statements may make shorter, or change in another way than by adding to their end."""
    gone = {part.value.id for stmt in stmts for part in ast.walk(stmt)
            if isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Del) and isinstance(part.value, ast.Name)}  # fmt: skip
    return gone | {name for name in changed_by_methods(stmts) if not _only_extended(stmts, name)}


def _only_extended(stmts: Iterable[ast.stmt], name: str) -> bool:
    calls = [part.func for stmt in stmts for part in ast.walk(stmt) if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)]
    methods = {call.attr for call in calls if isinstance(call.value, ast.Name) and call.value.id == name}
    return not methods & (OF_LISTS - {"extend"})
