"""Classes whose objects are values under names: NamedTuples and dataclasses that only keep their arguments."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeGuard


def is_record_class(thing: object) -> TypeGuard[type]:
    """Whether it is a NamedTuple or a dataclass whose objects hold their arguments, field by field, and nothing more."""
    if not isinstance(thing, type):
        return False
    if _is_named_tuple(thing):
        return True
    params: Any = vars(thing).get("__dataclass_params__")
    if params is None or not params.init or vars(thing).get("__new__") or hasattr(thing, "__post_init__"):
        return False
    own: Any = thing
    return all(field.init and not field.kw_only and field.default_factory is dataclasses.MISSING for field in dataclasses.fields(own))


def _is_named_tuple(cls: type) -> bool:
    if not issubclass(cls, tuple) or not isinstance(getattr(cls, "_fields", None), tuple):
        return False
    maker = next(base for base in cls.__mro__ if "__new__" in vars(base))
    return maker.__bases__ == (tuple,) and "_fields" in vars(maker) and cls.__init__ is object.__init__


def fields_of(cls: type) -> dict[str, object]:
    """The fields of such a class with their defaults; `dataclasses.MISSING` where there is none."""
    if issubclass(cls, tuple):
        fields: Any = cls
        return {name: fields._field_defaults.get(name, dataclasses.MISSING) for name in fields._fields}
    of_dataclass: Any = cls
    return {field.name: field.default for field in dataclasses.fields(of_dataclass)}
