"""What a parameter's annotation says of its type."""

from __future__ import annotations

import ast
import types

from stagegrad.frontend.scope import MISSING, Live
from stagegrad.ir import BOOL, FLOAT, INT, Type


def stated(annotation: ast.expr | None, live: Live) -> Type | str | None:
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
