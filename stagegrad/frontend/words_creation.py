"""NumPy's words that make arrays, and that say what an array holds: ``np.zeros``, ``np.array``, ``x.astype``, ``dtype=``."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from stagegrad.frontend.numpy_words import WORDS, word
from stagegrad.frontend.values import Many, Static, Value, describe
from stagegrad.ir import FLOAT, INT, Atom, Attr, Lit, Type

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays

_KINDS = {
    "float": ("float", 64), "float64": ("float", 64), "double": ("float", 64), "f8": ("float", 64), "d": ("float", 64),
    "float32": ("float", 32), "single": ("float", 32), "f4": ("float", 32), "f": ("float", 32),
    "int": ("int", 64), "int64": ("int", 64), "intp": ("int", 64), "i8": ("int", 64),
    "bool": ("bool", 64), "bool_": ("bool", 64), "?": ("bool", 64),
}  # fmt: skip


def element_type(low: Arrays, node: ast.AST, dtype: Value) -> Type | None:
    """The type of one element that a ``dtype`` argument asks for; None where it says nothing."""
    thing = dtype.thing if isinstance(dtype, Static) else dtype
    if thing is None:
        return None
    name = thing if isinstance(thing, str) else getattr(thing, "name", None) or getattr(thing, "__name__", "")
    if name in _KINDS:
        kind, bits = _KINDS[name]
        return Type(kind, 0, bits)
    shown = name if isinstance(name, str) and name else describe(dtype)
    raise low.refusal(node, f"arrays of {shown} are not supported", "float, np.float32, int or bool")


def as_type(low: Arrays, node: ast.AST, atom: Atom, type: Type) -> Atom:
    """The atom, an array or a number, with elements of a type."""
    if (atom.type.kind, atom.type.bits) == (type.kind, type.bits):
        return atom
    if type.kind == "float" and (atom.type.rank or type.bits == 32 or atom.type.bits == 32):
        return low.emit("cast", [atom], node, [("bits", type.bits)])
    if atom.type.rank:
        return low.emit("astype", [atom], node, [("kind", type.kind)])
    return low.emit("is_true", [atom], node) if type.kind == "bool" else low.converted(atom, Type(type.kind), node)


def common_type(atoms: Sequence[Atom]) -> Type:
    """What arrays and numbers become when NumPy puts them into one array: 32 bits only where all of them have so many."""
    kinds = {atom.type.kind for atom in atoms}
    kind = "float" if "float" in kinds else "int" if "int" in kinds else "bool"
    narrow = all(atom.type.kind == "bool" or (atom.type.kind == "float" and atom.type.bits == 32) for atom in atoms)
    return Type(kind, 0, 32 if kind == "float" and narrow else 64)


def sizes(low: Arrays, node: ast.AST, shape: Value) -> list[Atom]:
    """The sizes that a shape argument gives: one int, or a tuple or list of them."""
    items = shape.items if isinstance(shape, Many) else (shape,)
    return [low.whole(low.atom(item, node), node, "a size") for item in items]


def held(type: Type) -> list[tuple[str, Attr]]:
    """The attributes of an operation that makes an array of such elements; those that say nothing are left out."""
    attrs: list[tuple[str, Attr]] = [("kind", type.kind)] if type.kind != "float" else []
    return attrs + ([("bits", type.bits)] if type.bits != 64 else [])


# ---------------------------------------------------------------------------------------------- by sizes


def _by_sizes(op: str, number: float) -> Callable[..., Value]:
    def lower(low: Arrays, node: ast.AST, shape: Value, dtype: Any = None) -> Value:
        many, type = sizes(low, node, shape), element_type(low, node, dtype) or FLOAT
        if not many:
            return low.without_axes(as_type(low, node, Lit(number, FLOAT), type), node)
        return low.emit(op, many, node, held(type))

    return lower


word("zeros")(_by_sizes("zeros_of", 0.0))
word("ones")(_by_sizes("ones_of", 1.0))
word("empty")(_by_sizes("empty_of", 0.0))


@word("full")
def _full(low: Arrays, node: ast.AST, shape: Value, fill_value: Value, dtype: Any = None) -> Value:
    value = low.array(fill_value, node)
    type = element_type(low, node, dtype) or Type(value.type.kind, 0, value.type.bits)
    many = sizes(low, node, shape)
    if value.type.rank:
        return low.emit("duplicate", [low.emit("broadcast_to", [as_type(low, node, value, type), *many], node)], node)
    if not many:
        return low.without_axes(as_type(low, node, value, type), node)
    return low.emit("full_of", [as_type(low, node, value, type), *many], node, held(type))


@word("eye")
def _eye(low: Arrays, node: ast.AST, N: Value, M: Any = None, k: Any = 0, dtype: Any = None) -> Value:
    rows = low.whole(low.atom(N, node), node, "the number of rows")
    absent = isinstance(M, Static) and M.thing is None
    columns = rows if absent else low.whole(low.atom(M, node), node, "the number of columns")
    offset: list[tuple[str, Attr]] = [("k", low.known(k, node))] if low.known(k, node) else []
    return low.emit("eye_of", [rows, columns], node, offset + held(element_type(low, node, dtype) or FLOAT))


@word("tri")
def _tri(low: Arrays, node: ast.AST, N: Value, M: Any = None, k: Any = 0) -> Value:
    rows = low.whole(low.atom(N, node), node, "a size")
    columns = rows if isinstance(M, Static) and M.thing is None else low.whole(low.atom(M, node), node, "a size")
    ones = low.emit("ones_of", [rows, columns], node)
    return low.call_word(WORDS["tril"], [ones, k], {}, node)


@word("identity")
def _identity(low: Arrays, node: ast.AST, n: Value, dtype: Any = None) -> Value:
    rows = low.whole(low.atom(n, node), node, "the number of rows")
    return low.emit("eye_of", [rows, rows], node, held(element_type(low, node, dtype) or FLOAT))


# ---------------------------------------------------------------------------------------------- like another array


def _like(op: str, number: float) -> Callable[..., Value]:
    def lower(low: Arrays, node: ast.AST, a: Value, dtype: Any = None) -> Value:
        x = low.array(a, node)
        type = element_type(low, node, dtype) or Type(x.type.kind, 0, x.type.bits)
        if not x.type.rank:
            return low.without_axes(as_type(low, node, Lit(number, FLOAT), type), node)
        return low.emit(op, [as_type(low, node, x, type)], node)

    return lower


word("zeros_like")(_like("zeros_like", 0.0))
word("ones_like")(_like("ones_like", 1.0))
word("empty_like")(_like("empty_like", 0.0))


@word("full_like")
def _full_like(low: Arrays, node: ast.AST, a: Value, fill_value: Value, dtype: Any = None) -> Value:
    x, value = low.array(a, node), low.array(fill_value, node)
    type = element_type(low, node, dtype) or Type(x.type.kind, 0, x.type.bits)
    if value.type.rank:
        raise low.refusal(node, "np.full_like with an array to fill in is not supported", "np.broadcast_to(value, x.shape).copy()")
    if not x.type.rank:
        return low.without_axes(as_type(low, node, value, type), node)
    return low.emit("full_like", [as_type(low, node, x, type), as_type(low, node, value, type)], node)


# ---------------------------------------------------------------------------------------------- ranges


@word("arange")
def _arange(low: Arrays, node: ast.AST, start: Value, stop: Any = None, step: Any = 1, dtype: Any = None) -> Value:
    first: Value = start
    if isinstance(stop, Static) and stop.thing is None:
        first, stop = Lit(0, INT), start
    atoms = [low.atom(value, node) for value in (first, stop, step)]
    if any(atom.type.kind == "float" for atom in atoms):
        # A range of Python's floats: ints among them count as floats, so that the text reads the same on every target.
        atoms = [low.converted(atom, FLOAT, node) for atom in atoms]
    made = low.emit("arange", atoms, node)
    type = element_type(low, node, dtype)
    return made if type is None else as_type(low, node, made, type)


@word("linspace")
def _linspace(low: Arrays, node: ast.AST, start: Value, stop: Value, num: Any = 50, endpoint: Any = True, dtype: Any = None) -> Value:
    first, last = (low.converted(low.atom(value, node), FLOAT, node) for value in (start, stop))
    count = low.whole(low.atom(num, node), node, "the number of points")
    attrs: list[tuple[str, Attr]] = [] if low.known(endpoint, node) else [("endpoint", False)]
    made = low.emit("linspace", [first, last, count], node, attrs)
    type = element_type(low, node, dtype)
    return made if type is None else as_type(low, node, made, type)


# ---------------------------------------------------------------------------------------------- of given numbers


def array_of(low: Arrays, node: ast.AST, value: Value, type: Type | None = None) -> Atom:
    """A number, an array, or nested lists and tuples of these, as one atom."""
    if not isinstance(value, Many):
        atom = low.array(value, node)
        return atom if type is None else as_type(low, node, atom, type)
    shape, leaves = _nested(low, node, value)
    if not leaves:
        return low.emit("zeros_of", [Lit(size, INT) for size in shape], node, held(type or FLOAT))
    held_type = type or common_type(leaves)
    parts = [as_type(low, node, leaf, held_type) for leaf in leaves]
    if not parts[0].type.rank:
        return low.emit("array_of", parts, node, [("shape", shape)])
    for size in reversed(shape):
        parts = [low.emit("stack", parts[k : k + size], node) for k in range(0, len(parts), size)]
    return parts[0]


def _nested(low: Arrays, node: ast.AST, value: Value) -> tuple[tuple[int, ...], list[Atom]]:
    """How lists are nested, and the numbers or arrays inside them, in order."""
    if not isinstance(value, Many):
        return (), [low.array(value, node)]
    found = [_nested(low, node, item) for item in value.items]
    leaves = [leaf for _, inner in found for leaf in inner]
    if len({shape for shape, _ in found}) > 1 or len({leaf.type.rank for leaf in leaves}) > 1:
        raise low.refusal(node, "these lists are not of one length, so they are no array", "lists of the same length")
    return (len(found), *(found[0][0] if found else ())), leaves


@word("array")
def _array(low: Arrays, node: ast.AST, object: Value, dtype: Any = None, copy: Any = True) -> Value:
    made = array_of(low, node, object, element_type(low, node, dtype))
    is_new = isinstance(object, Many) or made != object
    if not made.type.rank:
        return low.without_axes(made, node)
    if not low.known(copy, node) or is_new:
        return made
    return low.emit("duplicate", [made], node)


@word("asarray ascontiguousarray asanyarray asarray_chkfinite")
def _asarray(low: Arrays, node: ast.AST, a: Value, dtype: Any = None) -> Value:
    made = array_of(low, node, a, element_type(low, node, dtype))
    if made.type.rank or low.made_here(made):
        return made
    array = low.without_axes(made, node)
    low.same_origins(array, made)  # which is the array itself, where the caller gave one
    return array


@word("copy", method=True)
def _copy(low: Arrays, node: ast.AST, a: Value) -> Value:
    x = array_of(low, node, a)
    return low.emit("duplicate", [x], node) if x.type.rank and not isinstance(a, Many) else low.without_axes(x, node)


@word("astype", method=True)
def _astype(low: Arrays, node: ast.AST, x: Value, dtype: Value, copy: Any = True) -> Value:
    atom, type = low.array(x, node), element_type(low, node, dtype) or FLOAT
    made = as_type(low, node, atom, type)
    if made == atom and atom.type.rank and low.known(copy, node):
        return low.emit("duplicate", [atom], node)
    return made


def _number(type: Type) -> Callable[..., Value]:
    def lower(low: Arrays, node: ast.AST, x: Any = 0.0) -> Value:
        return as_type(low, node, array_of(low, node, x), type)

    return lower


word("float64 double")(_number(FLOAT))
word("float32 single")(_number(Type("float", 0, 32)))
word("int64 intp int_")(_number(INT))


@word("dtype", attribute=True)
def _dtype(low: Arrays, node: ast.AST, x: Value) -> Value:
    type = low.array(x, node).type
    numpy: Any = sys.modules["numpy"]  # the program that has an array has imported it
    return Static(numpy.dtype({"float": f"float{type.bits}", "int": "int64", "bool": "bool"}[type.kind]))


__all__ = ["array_of", "as_type", "common_type", "element_type", "held", "sizes"]
