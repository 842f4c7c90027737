"""What is known of an argument before a function is compiled: the type of a number or array, a container's parts, or the value itself.

`Reader` reads it off arguments, `parse` off texts such as ``"float64[:, :]"``. A container is flattened into its leaves, left to right;
`flatten` and `fill` lead there and back. A spec can be compared and hashed: a function is compiled once for each combination of them.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from stagegrad.errors import ArgumentError, NameChoiceError
from stagegrad.ir import BOOL, FLOAT, INT, Type

MOST_DIMENSIONS = 5
MOST_LEAVES = 500


@dataclass(frozen=True, slots=True)
class Leaf:
    """A number or an array. In a result, `like` is the position of the argument (among all leaves) that this is the gradient of.

    `axes` marks the axes of an array that have one element, which broadcasting may repeat: "1n" has one row of any other number. A
    first or last axis of two to four may be marked as well, "n3": the coordinates of points, which compiled code keeps as numbers.
    """

    type: Type
    like: int | None = None
    axes: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """A container: `kind` is "tuple", "list", "dict" or "record"; `keys` are the names of the `parts`, where they have names.

    A NamedTuple is a "tuple" with keys and a class; a dataclass is a "record".
    """

    kind: str
    keys: tuple[str, ...]
    parts: tuple[Spec, ...]
    cls: type | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A value that is part of the program: None, a text, a function, a type."""

    value: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and _same(self.value, other.value)

    def __hash__(self) -> int:
        value = self.value
        return hash(value if value is None or isinstance(value, str) else _code(value) or id(value))


Spec: TypeAlias = Leaf | Tree | Known
#: What parameters are, by name.
Specs: TypeAlias = Mapping[str, Spec]
#: The same as users write it: ``{"x": "float64[:, :]", "n": "int64"}``; a dict, tuple or list of texts for a container.
Types: TypeAlias = Mapping[str, Any]

NOTHING = Known(None)


def _code(value: object) -> types.CodeType | None:
    if isinstance(value, types.MethodType):
        value = value.__func__
    return value.__code__ if isinstance(value, types.FunctionType) else None


def _same(first: object, second: object) -> bool:
    """One object, one text, or two functions that a ``def`` or ``lambda`` made twice around the same values."""
    if first is second:
        return True
    if isinstance(first, types.MethodType) and isinstance(second, types.MethodType):  # ``obj.method`` is a new object each time
        return first.__self__ is second.__self__ and _same(first.__func__, second.__func__)
    if isinstance(first, types.FunctionType) and isinstance(second, types.FunctionType):
        return (
            first.__code__ == second.__code__
            and first.__globals__ is second.__globals__
            and all(map(_same_constant, _surroundings(first), _surroundings(second)))
        )
    return type(first) is type(second) and isinstance(first, str) and first == second


def _surroundings(function: types.FunctionType) -> Iterator[object]:
    """What a function holds beside its code; as many objects for each function of the same code, where equal counts come first."""
    cells = function.__closure__ or ()
    defaults, named = function.__defaults__ or (), function.__kwdefaults__ or {}
    yield len(defaults), len(cells), tuple(named)
    yield from defaults
    yield from named.values()
    for cell in cells:
        yield cell.cell_contents if cell != _EMPTY else _EMPTY


_EMPTY = types.CellType()


def _same_constant(first: object, second: object) -> bool:
    # By its text, so that -0.0 is not 0.0.
    if type(first) is type(second) and isinstance(first, (int, float, str, tuple)):
        return repr(first) == repr(second) if not isinstance(first, tuple) else first == second
    return first is second


# ---------------------------------------------------------------------------------------------- leaves


def is_number(spec: Spec) -> bool:
    """Whether it is a number of 64 bits (or a bool), which needs no looking after."""
    return isinstance(spec, Leaf) and not spec.type.rank and spec.type.bits == 64


def leaves(spec: Spec) -> Iterator[Leaf]:
    """The leaves of a spec, left to right."""
    match spec:
        case Leaf():
            yield spec
        case Tree():
            for part in spec.parts:
                yield from leaves(part)


def paths(spec: Spec, name: str) -> Iterator[str]:
    """What the leaves of an argument are called: ``p['w']``, ``body.mass``, ``x[0]``."""
    match spec:
        case Leaf():
            yield name
        case Tree(kind, keys, parts):
            for k, part in enumerate(parts):
                at = f"[{k}]" if not keys else f"[{keys[k]!r}]" if kind == "dict" else f".{keys[k]}"
                yield from paths(part, name + at)


def flatten(spec: Spec, value: Any) -> Iterator[Any]:
    """The leaves of a value that has that spec."""
    match spec:
        case Leaf():
            yield value
        case Tree("dict", keys, parts):
            for key, part in zip(keys, parts, strict=True):
                yield from flatten(part, value[key])
        case Tree("record", keys, parts):
            for key, part in zip(keys, parts, strict=True):
                yield from flatten(part, getattr(value, key))
        case Tree(parts=parts):
            for part, inner in zip(parts, value, strict=True):
                yield from flatten(part, inner)


def fill(spec: Spec, values: Iterator[Any]) -> Any:
    """A value of that spec out of its leaves: containers of the same classes, known values as they are."""
    match spec:
        case Leaf():
            return next(values)
        case Known():
            return spec.value
    parts = [fill(part, values) for part in spec.parts]
    match spec.kind:
        case "tuple":
            return tuple(parts) if spec.cls is None else tuple.__new__(spec.cls, parts)
        case "list":
            return parts
        case "dict":
            return dict(zip(spec.keys, parts, strict=True))
        case "record" if spec.cls is not None:
            return _record(spec.cls, spec.keys, parts)
        case _:
            raise TypeError(f"not a container: {spec!r}")


def _record(cls: type, keys: tuple[str, ...], parts: list[Any]) -> Any:
    """An object of a dataclass, made without its ``__init__``: a gradient need not pass the checks that a parameter must."""
    made: Any = object.__new__(cls)
    for key, part in zip(keys, parts, strict=True):
        object.__setattr__(made, key, part)
    return made


def gradient_of(spec: Spec, first: int) -> Spec:
    """The spec of the gradient of an argument whose first leaf is the one at `first`: None for what has no gradient."""
    match spec:
        case Leaf(type):
            return Leaf(type, first) if type.kind == "float" else NOTHING
        case Tree():
            parts: list[Spec] = []
            for part in spec.parts:
                parts.append(gradient_of(part, first))
                first += sum(1 for _ in leaves(part))
            return dataclasses.replace(spec, parts=tuple(parts))
        case Known():
            return NOTHING


# ---------------------------------------------------------------------------------------------- from arguments

_SCALARS = {float: Leaf(FLOAT), int: Leaf(INT), bool: Leaf(BOOL)}
_KINDS = {("f", 8): FLOAT, ("f", 4): Type("float", 0, 32), ("i", 8): INT, ("i", 4): INT, ("b", 1): BOOL}
_ARRAYS = {(key, rank): Leaf(Type(one.kind, rank, one.bits)) for key, one in _KINDS.items() for rank in range(MOST_DIMENSIONS + 1)}
_CALLABLE = (types.FunctionType, types.BuiltinFunctionType, type, types.ModuleType)


@lru_cache(maxsize=1024)
def _marked(leaf: Leaf, marks: str) -> Leaf:
    return dataclasses.replace(leaf, axes=marks)


def _marks(shape: tuple[int, ...]) -> str:
    ends = (0, len(shape) - 1) if len(shape) > 1 else ()
    return "".join("1" if size == 1 else str(size) if k in ends and size in _FEW else "n" for k, size in enumerate(shape))


#: The sizes of a first or last axis that may make a program of its own.
_FEW = range(2, 5)


def with_sizes(specs: Specs, wanted: frozenset[str]) -> Specs:
    """The same with the sizes that are wanted of "rows", "columns" and "squares"; of others it is said whether they are one."""
    return {name: _with_sizes(spec, wanted) for name, spec in specs.items()}


def _with_sizes(spec: Spec, wanted: frozenset[str]) -> Spec:
    match spec:
        case Leaf(axes=marks) if set(marks) - {*"1n"}:
            whole = "squares" in wanted and len(marks) == 2 and marks[0] == marks[1]
            kept = {len(marks) - 1: whole or "rows" in wanted, 0: whole or "columns" in wanted}
            return _marked(spec, "".join(mark if mark in "1n" or kept.get(k) else "n" for k, mark in enumerate(marks)))
        case Tree(parts=parts):
            return dataclasses.replace(spec, parts=tuple(_with_sizes(part, wanted) for part in parts))
        case _:
            return spec


@dataclass(frozen=True)
class Reader:
    """Reads specs off the arguments of the function `title`; what cannot be an argument is an ArgumentError that names it."""

    title: str

    def spec(self, value: Any, path: str) -> Spec:
        """The spec of an argument, `path` being what it is called."""
        known = _SCALARS.get(type(value))
        if known is not None:
            return known
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            if value.ndim == 0 and value.dtype.kind in "iu":
                return _SCALARS[int]
            return self._array(value, path, numpy)
        if isinstance(value, (float, int)):  # of a class of its own, such as an IntEnum
            return _SCALARS[float if isinstance(value, float) else int]
        found = self._container(value, path)
        if found is not None:
            return found
        if value is None or isinstance(value, (str, *_CALLABLE)) or _is_function(value) or isinstance(value, enum.Enum):
            return Known(str(value) if type(value) is not str and isinstance(value, str) else value)
        raise self._refused(path, value)

    def _array(self, value: Any, path: str, numpy: Any) -> Leaf:
        plain = type(value) in (numpy.ndarray, numpy.memmap) or isinstance(value, numpy.generic)
        dtype = value.dtype
        found = _ARRAYS.get(((dtype.kind, dtype.itemsize), value.ndim)) if plain else None
        if found is None:
            raise self._refused(path, value)
        return _marked(found, _marks(value.shape)) if value.ndim else found

    def _container(self, value: Any, path: str) -> Spec | None:
        cls = type(value)
        if cls in (tuple, list):
            parts = [self.spec(part, f"{path}[{k}]") for k, part in enumerate(value)]
            return self._tree("tuple" if cls is tuple else "list", (), parts, None, path)
        if cls is dict and all(type(key) is str for key in value):
            return self._tree("dict", tuple(value), [self.spec(part, f"{path}[{key!r}]") for key, part in value.items()], None, path)
        if isinstance(value, tuple) and (names := getattr(cls, "_fields", None)):
            parts = [self.spec(part, f"{path}.{name}") for name, part in zip(names, value, strict=True)]
            return self._tree("tuple", names, parts, cls, path)
        if dataclasses.is_dataclass(cls):
            names = tuple(field.name for field in dataclasses.fields(cls))
            return self._tree("record", names, [self.spec(getattr(value, name), f"{path}.{name}") for name in names], cls, path)
        return None

    def _tree(self, kind: str, keys: tuple[str, ...], parts: list[Spec], cls: type | None, path: str) -> Tree:
        tree = Tree(kind, keys, tuple(parts), cls)
        if len(parts) > MOST_LEAVES or sum(1 for _ in leaves(tree)) > MOST_LEAVES:
            reason = f"argument `{path}` of {self.title}() holds more than {MOST_LEAVES} numbers, each a parameter of its own"
            raise ArgumentError(reason, advice=f"np.array({path})" if kind in ("list", "tuple") else "arrays in it")
        return tree

    def _refused(self, path: str, value: Any) -> ArgumentError:
        reason, advice = unfit(value, path)
        return ArgumentError(f"argument `{path}` of {self.title}() {reason}", advice=advice)


def _is_function(value: object) -> bool:
    """Whether it is a function that a compiler or NumPy made: a Staged, an ``@njit`` dispatcher, a ufunc, a method of an object."""
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    return callable(value) and (package in ("stagegrad", "numba", "numpy", "functools") or inspect.ismethod(value))


def class_of(value: object) -> str:
    """What a message calls the class of a value: ``list``, ``numpy.float16``."""
    cls = type(value)
    return cls.__name__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__name__}"


def unfit(value: Any, path: str) -> tuple[str, str]:
    """Why a value cannot be an argument, and what to pass instead."""
    word = class_of(value)
    article = "an" if word[0] in "aeiou" else "a"
    numpy = sys.modules.get("numpy")
    if isinstance(value, complex):
        return f"is complex ({word}); stagegrad differentiates real functions only", f"{path}.real"
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _unfit_array(value, path, word, numpy)
    if isinstance(value, Mapping):
        bad = next((key for key in value if type(key) is not str), None)
        if type(value) is dict:
            return f"is a dict with the key {bad!r}; keys must be texts", f"{{{str(bad)!r}: ...}}"
        return f"is {article} {word}; only plain dicts with texts as keys are supported", f"dict({path})"
    if hasattr(value, "__array__"):
        return f"is {article} {word}, not an array of NumPy", f"np.asarray({path})"
    return f"is {article} {word}, which is neither a number, an array nor a container of them", ""


def _unfit_array(value: Any, path: str, word: str, numpy: Any) -> tuple[str, str]:
    dtype = value.dtype
    if isinstance(value, numpy.ma.MaskedArray):
        return "is a masked array, whose mask would be lost", f"{path}.filled(0.0), and the mask as an argument of its own"
    if isinstance(value, numpy.ndarray) and type(value) not in (numpy.ndarray, numpy.memmap):
        return f"is a {word}, a class of its own whose operators may mean something else", f"np.asarray({path})"
    what = f"is an array ({dtype}, shape {value.shape})" if isinstance(value, numpy.ndarray) else f"is {word}"
    if dtype.kind == "c":
        return f"is complex ({dtype}); stagegrad differentiates real functions only", f"{path}.real"
    if value.ndim > MOST_DIMENSIONS:
        return f"{what}; arrays have at most {MOST_DIMENSIONS} dimensions", f"{path}.reshape(...)"
    if dtype.kind == "f":
        return f"{what}; stagegrad computes in 64 or 32 bits", f"{path}.astype(np.float64)"
    if dtype.kind in "iu":
        return f"{what}; {dtype} wraps around where int64 does not", f"{path}.astype(np.int64)"
    return f"{what}, which holds no numbers", f"{path}.astype(np.float64)" if dtype.kind == "O" else ""


# ---------------------------------------------------------------------------------------------- from texts

_WORDS = {
    "float": FLOAT, "float64": FLOAT, "f8": FLOAT, "double": FLOAT, "float32": Type("float", 0, 32), "f4": Type("float", 0, 32),
    "int": INT, "int64": INT, "i8": INT, "intp": INT, "bool": BOOL, "boolean": BOOL, "b1": BOOL,
}  # fmt: skip
_TYPE = re.compile(r"\s*(?P<word>\w+)\s*(\[(?P<axes>[\s:1,]*)\])?\s*")
_AXIS = re.compile(r"\s*(:(:1)?|1)\s*")


def parse(text: Any, name: str) -> Spec:
    """``"float64[:, :]"`` -> the spec of a matrix, as Numba writes types; a tuple, list or dict of them -> that of a container.

    An axis that has one element is a 1, ``"float64[:, 1]"``: it is another program, since broadcasting repeats it.
    """
    match text:
        case None:
            return NOTHING
        case str():
            return _parsed(text, name)
        case tuple() | list():
            kind = "tuple" if isinstance(text, tuple) else "list"
            return Tree(kind, (), tuple(parse(part, f"{name}[{k}]") for k, part in enumerate(text)))
        case dict() if all(isinstance(key, str) for key in text):
            return Tree("dict", tuple(text), tuple(parse(part, f"{name}[{key!r}]") for key, part in text.items()))
        case type() if text in _SCALARS:
            return _SCALARS[text]
        case _:
            raise NameChoiceError(f"the type of {name} is {text!r}", advice=_EXAMPLES)


_EXAMPLES = 'a text such as "float64", "int64", "bool", "float64[:]" or "float32[:, :]"'


def _parsed(text: str, name: str) -> Leaf:
    found = _TYPE.fullmatch(text)
    axes = found["axes"].split(",") if found is not None and found["axes"] is not None else []
    if found is None or found["word"] not in _WORDS or not all(_AXIS.fullmatch(axis) for axis in axes):
        raise NameChoiceError(f"the type of {name}, {text!r}, is not one that stagegrad knows", advice=_EXAMPLES)
    if len(axes) > MOST_DIMENSIONS:
        raise NameChoiceError(f"the type of {name}, {text!r}, has more than {MOST_DIMENSIONS} dimensions")
    scalar = _WORDS[found["word"]]
    return Leaf(Type(scalar.kind, len(axes), scalar.bits), axes="".join("1" if axis.strip() == "1" else "n" for axis in axes))


def parse_all(types: Types, signature: inspect.Signature, title: str) -> Specs:
    """The specs of the parameters of a function that `types` names, in the order of its signature."""
    if not isinstance(types, Mapping):
        raise NameChoiceError(f"types={types!r} is not a dict of names and types", advice='types={"x": "float64[:]", "n": "int64"}')
    unknown = [name for name in types if name not in signature.parameters]
    if unknown:
        names = ", ".join(signature.parameters) or "none"
        raise NameChoiceError(f"{title}() has no parameter {unknown[0]!r}; its parameters are {names}")
    return {name: parse(types[name], name) for name in signature.parameters if name in types}


def parse_list(text: str) -> dict[str, str]:
    """``"x=float64[:, :], n=int64"`` -> each parameter's type by name; commas inside brackets separate axes."""
    found: dict[str, str] = {}
    for piece in re.split(r",(?![^\[]*\])", text):
        name, equals, type_ = (part.strip() for part in piece.partition("="))
        if not equals or not name.isidentifier() or name in found:
            reason = f"{name} is given twice" if name in found else f"{piece.strip()!r} is not of the form name=type"
            raise NameChoiceError(reason, advice='"x=float64[:, :], n=int64"')
        found[name] = type_
    return found


def word_of(spec: Spec) -> str:
    """A spec as `parse` reads it and as messages show it."""
    match spec:
        case Leaf(type, axes=axes):
            width = {"float": str(type.bits), "int": "64"}.get(type.kind, "")
            marks = re.sub("[^1]", ":", axes) or ":" * type.rank
            return f"{type.kind}{width}" + (f"[{', '.join(marks)}]" if type.rank else "")
        case Known():
            return getattr(spec.value, "__name__", None) or repr(spec.value)
        case Tree(kind, keys, parts):
            inner = [f"{key}: {word_of(part)}" for key, part in zip(keys, parts, strict=True)] if keys else list(map(word_of, parts))
            name = f"{spec.cls.__name__}" if spec.cls is not None else ""
            opening, closing = {"list": ("[", "]"), "dict": ("{", "}")}.get(kind, ("(", ")"))
            return f"{name}{opening}{', '.join(inner)}{closing}"
