"""Lists, dicts, records and objects from outside a function: what they hold now is written into the program as constants.

Since they may change, the program is out of date as soon as they hold something else, which is asked before each call.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import types
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from stagegrad.frontend.program import Capture
from stagegrad.frontend.records import fields_of, is_record_class
from stagegrad.frontend.scope import MISSING
from stagegrad.frontend.values import Many, Record, Value

if TYPE_CHECKING:
    from stagegrad.frontend.expressions import Expressions

#: The most things in a list or a dict that becomes a constant.
MOST = 256


def method_of(thing: object, name: str) -> types.FunctionType | None:
    """A method that the class of a user's object defines in Python."""
    if isinstance(thing, type | types.ModuleType) or type(thing).__getattribute__ is not object.__getattribute__:
        return None
    found = inspect.getattr_static(thing, name, None)
    return found if isinstance(found, types.FunctionType) and name not in getattr(thing, "__dict__", {}) else None


def held_by(thing: object, name: str) -> object:
    """A constant that an object or a class holds under a name; `MISSING` where reading it could run code."""
    if not isinstance(thing, type) and type(thing).__getattribute__ is not object.__getattribute__:
        return MISSING
    found = inspect.getattr_static(thing, name, MISSING)
    if isinstance(found, types.MemberDescriptorType) and not isinstance(thing, type):  # a slot, which holds what is put there
        found = getattr(thing, name, MISSING)
    if type(found) in (int, float, bool, str, tuple, types.FunctionType if isinstance(thing, type) else float):
        return found
    is_array = type(found).__module__ == "numpy" and type(found).__name__ in ("ndarray", "float64", "int64", "bool")
    return found if is_array or is_container(found) else MISSING


def of_enum(thing: object, name: str) -> object:
    """A member of an `Enum`, or the name or value of one; `MISSING` for anything else."""
    if isinstance(thing, enum.EnumMeta):
        return thing.__members__.get(name, MISSING)
    return getattr(thing, name) if isinstance(thing, enum.Enum) and name in ("name", "value") else MISSING


def property_of(thing: object, name: str) -> types.FunctionType | None:
    """The function behind a property of a user's object."""
    if isinstance(thing, type | types.ModuleType) or type(thing).__getattribute__ is not object.__getattribute__:
        return None
    found = inspect.getattr_static(type(thing), name, None)
    return found.fget if isinstance(found, property) and isinstance(found.fget, types.FunctionType) else None


def is_container(thing: object) -> bool:
    """Whether it is a list, a dict, a NamedTuple, an object of a dataclass, or a tuple that holds such."""
    if type(thing) is tuple and isinstance(thing, tuple):
        return any(map(is_container, thing))
    return type(thing) in (list, dict) or (is_record_class(type(thing)) and not isinstance(thing, type))


def constant(low: Expressions, thing: object, name: str, node: ast.AST) -> Value:
    """What a list, a dict or a record holds, as a value that cannot be written to."""
    held = list(islice(_contents(thing), MOST + 1))
    if len(held) > MOST:
        raise low.refusal(node, f"`{name}` holds more than {MOST} things", f"`{name}` as a parameter")
    text = described(thing)
    if text is None:
        message = f"`{name}` is a {type(thing).__name__} that may change; constants hold numbers, texts, functions and lists of such"
        raise low.refusal(node, message, f"`{name}` as a parameter, or an array, {name} = np.array(...)")
    # What it holds is kept with the text, which has the addresses of functions and classes: no other may come to lie there.
    low.compilation.captures.append(Capture(f"{name} (what it holds)", text, lambda _kept=held: described(thing), thing))  # type: ignore[misc]  # a default of a lambda
    return _value(low, thing, name, node)


def _value(low: Expressions, thing: object, name: str, node: ast.AST) -> Value:
    match thing:
        case list():
            return Many(tuple(_value(low, item, name, node) for item in thing), "list")
        case tuple() if type(thing) is tuple:
            return Many(tuple(_value(low, item, name, node) for item in thing))
        case dict():
            return Record("dict", tuple(thing), tuple(_value(low, item, name, node) for item in thing.values()))
        case _ if is_container(thing):
            names = tuple(fields_of(type(thing)))
            items = tuple(_value(low, getattr(thing, field), name, node) for field in names)
            return Record("tuple" if isinstance(thing, tuple) else "record", names, items, type(thing))
        case _:
            return low.outside(thing, name, node)


def _contents(thing: object) -> Iterator[object]:
    yield thing
    for item in _items(thing):
        yield from _contents(item)


def _items(thing: object) -> Iterable[object]:
    if isinstance(thing, dict):
        return thing.values()
    if is_container(thing) and not isinstance(thing, list | tuple):
        return [getattr(thing, field.name) for field in dataclasses.fields(thing)]  # type: ignore[arg-type]  # a dataclass
    return thing if isinstance(thing, list | tuple) else ()


def described(thing: object) -> str | None:
    """All that a container holds, as text, so that another text is another constant; None where it holds what is no constant."""
    match thing:
        case bool() | int() | float() | str() | None if type(thing) in (bool, int, float, str, type(None)):
            return f"{type(thing).__name__} {thing!r}"
        case list() | tuple() if type(thing) in (list, tuple):
            return _together(type(thing).__name__, [described(item) for item in thing])
        case dict() if type(thing) is dict:
            if not all(type(key) is str for key in thing):
                return None
            return _together("dict", [part for key, item in thing.items() for part in (repr(key), described(item))])
        case types.FunctionType() | types.BuiltinFunctionType() | type() | types.ModuleType():
            return f"object {id(thing)}"
        case _ if is_container(thing):
            return _together(f"record {id(type(thing))}", [described(item) for item in _items(thing)])
        case _ if type(thing).__module__ == "numpy" and type(thing).__name__ in ("float64", "int64", "bool", "ufunc"):
            return f"{type(thing).__name__} {thing!r}"
        case _ if type(thing).__module__ == "numpy" and type(thing).__name__ == "ndarray":
            return f"{thing.dtype} {thing.shape} {thing.tobytes().hex()}"  # type: ignore[attr-defined]  # an array
        case _:
            return None


def _together(kind: str, parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return f"{kind}({', '.join(known)})" if len(known) == len(parts) else None
