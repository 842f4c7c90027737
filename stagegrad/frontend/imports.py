"""Imports inside a function, and contexts that change no value."""

from __future__ import annotations

import ast
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from stagegrad.frontend.refused import refused
from stagegrad.frontend.scope import MISSING
from stagegrad.frontend.values import Static

if TYPE_CHECKING:
    from stagegrad.frontend.control import Statements


def bind(low: Statements, stmt: ast.Import | ast.ImportFrom) -> None:
    """An import gives the same module each time, so it is done now."""
    for alias in stmt.names:
        try:
            if isinstance(stmt, ast.ImportFrom):
                _bind_part(low, _home(low, stmt), alias, stmt)
                continue
            module = importlib.import_module(alias.name)
        except ImportError as error:
            raise low.refusal(stmt, f"this import fails: {error}") from None
        first = alias.name.partition(".")[0]
        low.hold(low.frame, alias.asname or first, Static(module if alias.asname else sys.modules[first]), stmt)


def _home(low: Statements, stmt: ast.ImportFrom) -> ModuleType:
    package = low.frame.unit.live.find("__package__")[0]
    return importlib.import_module("." * stmt.level + (stmt.module or ""), package if isinstance(package, str) else None)


def _bind_part(low: Statements, home: ModuleType, alias: ast.alias, stmt: ast.ImportFrom) -> None:
    found = getattr(home, alias.name, MISSING)
    if found is MISSING:  # a module inside, unless there is none
        found = importlib.import_module(f"{home.__name__}.{alias.name}")
    low.compilation.capture_attribute(home, alias.name, found)
    low.hold(low.frame, alias.asname or alias.name, low.outside(found, alias.name, stmt), stmt)


def require_no_effect(low: Statements, stmt: ast.With) -> None:
    """Refuses contexts other than ``np.errstate``, which changes no value unless it lets errors raise."""
    for item in stmt.items:
        call = item.context_expr
        owner = low.usable(low.expr(call.func), call) if isinstance(call, ast.Call) else None
        thing = owner.thing if isinstance(owner, Static) else None
        home = str(getattr(thing, "__module__", "")).partition(".")[0]
        if not isinstance(call, ast.Call) or home != "numpy" or getattr(thing, "__name__", "") != "errstate" or item.optional_vars:
            raise low.refusal(item.context_expr, *refused(stmt))
        ways = [low.known(low.expr(keyword.value), keyword.value) for keyword in call.keywords]
        if call.args or any(way not in ("ignore", "warn", "print") for way in ways):
            raise low.refusal(call, "only np.errstate that ignores errors is supported", 'np.errstate(all="ignore")')
