"""What an expression denotes while a function is lowered: a number at run time, or something known at compile time.

Numbers are IR atoms. Tuples, functions and modules exist only here; at a branch or a loop their *leaves*, the atoms
inside them, become the values that the IR merges or carries.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from stagegrad.frontend.indexing import Step, atoms_of
from stagegrad.ir import BOOL, FLOAT, INT, Atom, Lit, Span, Type, Var

if TYPE_CHECKING:
    from stagegrad.frontend.scope import Frame

#: A variable of one activation of one function: (the frame's number, the name). Names with a ``$`` are ours.
Key: TypeAlias = tuple[int, str]
FunctionNode: TypeAlias = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Many:
    """A tuple or a list whose length is known, or an iterator (of ``zip`` and the like), which gives its items once."""

    items: tuple[Value, ...]
    display: str = "tuple"  # or "list" or "iterator"
    ident: int = field(default=0, compare=False)  # a bit for each list of the function's own that it may be; see `is_own`


@dataclass(frozen=True, slots=True)
class Range:
    """``range(start, stop, step)``: something to loop over, counted at run time; `once` where it is an iterator (``reversed``)."""

    start: Atom
    stop: Atom
    step: Atom
    once: bool = False

    def known(self) -> range | None:
        """The range itself, where its bounds are constants."""
        bounds = [bound.value for bound in (self.start, self.stop, self.step) if isinstance(bound, Lit) and type(bound.value) is int]
        return range(*bounds) if len(bounds) == 3 else None


@dataclass(frozen=True, slots=True)
class Record:
    """A dict with texts or ints as keys, a NamedTuple, an object of a dataclass or a slice: values under names."""

    display: str  # "dict", "tuple" (a NamedTuple), "record" (a dataclass) or "slice"
    names: tuple[Any, ...]
    items: tuple[Value, ...]
    cls: type | None = None
    ident: int = field(default=0, compare=False)  # as in `Many`, of dicts

    def get(self, name: object) -> Value | None:
        """The value under a name, or None."""
        return self.items[self.names.index(name)] if isinstance(name, str | int | tuple) and name in self.names else None


@dataclass(frozen=True, slots=True)
class Stream:
    """What a loop that is counted at run time takes its values from: rows of arrays, pairs of ``zip`` and ``enumerate``.

    `kind` is "zip", "enumerate" (`start` counts), "reversed", "map" (of a function, over the other parts), "kept" (a list's items, once),
    or the name of a function of `itertools`, whose arguments are the parts.
    """

    kind: str
    parts: tuple[Value, ...]
    start: Atom | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """An array that may be written to, as a name denotes it: a section (all of it, without `steps`) of a buffer.

    What the buffer holds changes (`memory`); `seen` is a version of the buffer and what the section was in it.
    """

    buffer: int
    steps: tuple[Step, ...]
    type: Type
    seen: tuple[Atom, Atom] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method and the value that it belongs to; `thing` is a word for arrays, or a plain function for objects."""

    name: str
    owner: Value
    thing: object


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """A live Python object: a module, a function, a string, None."""

    thing: object


@dataclass(frozen=True, slots=True)
class Numbers:
    """A list whose length is known at run time. `item` says what one of its items is, as a skeleton: a number, an array, a tuple of such.

    For each leaf of the item there is an array that holds it for all items, the first `count` rows of `columns`; `ident` as in `Many`.
    """

    columns: tuple[Atom, ...]
    count: Atom
    ident: int
    exact: bool = False  # whether the arrays have no rows beyond these
    item: Value = field(default=Lit(None, FLOAT))

    @property
    def array(self) -> Atom:
        """The array of a list of numbers, or of arrays."""
        (array,) = self.columns
        return array

    @property
    def holds(self) -> Type | None:
        """The type of the items, if they are numbers or arrays."""
        return self.item.type if isinstance(self.item, Lit | Var) else None


@dataclass(frozen=True, slots=True)
class Pinned:
    """A number that a called function needs to know when it is compiled: an `axis`, say. It stands in a `Static`."""

    number: Lit


@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """A function that the user's function defines; what it reads from around it is found in `frame` when it is called."""

    node: FunctionNode
    frame: Frame
    defaults: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A value inside a syntax tree of our own making, as the value of an `ast.Constant`."""

    value: Value


@dataclass(frozen=True, slots=True)
class Unfit:
    """A value that must not be read. `message` says why; it is empty where the reason has been reported already."""

    message: str = ""
    advice: str = ""


Value: TypeAlias = Var | Lit | Ref | Many | Numbers | Record | Range | Stream | Method | Static | Closure | Unfit

POISON = Unfit()
#: The value of a variable that nobody reads any more on this path; a report of it would be a bug of ours, but never a wrong number.
GONE = Unfit("this variable is read although stagegrad took it for dead; please report it")
TRUE, FALSE = Lit(True, BOOL), Lit(False, BOOL)


@dataclass(frozen=True, slots=True)
class Slot:
    """What a variable holds: `bound` is a bool atom that says whether it holds anything; `span` is the assignment."""

    value: Value
    bound: Atom = field(default=TRUE)
    span: Span | None = field(default=None, compare=False)


def leaves(value: Value) -> Iterator[Atom]:
    """The atoms inside a value, in order."""
    match value:
        case Var() | Lit():
            yield value
        case Many(items) | Record(items=items) | Stream(parts=items):
            for item in items:
                yield from leaves(item)
        case Range(start, stop, step):
            yield from (start, stop, step)
        case Numbers(columns, count):
            yield from (*columns, count)
        case Ref(steps=steps):
            yield from atoms_of(steps)
        case Closure(defaults=defaults):
            for _, item in defaults:
                yield from leaves(item)


def parts_of(value: Value) -> Iterator[Atom | Ref]:
    """As `leaves`, save that an array that may be written to comes as a whole."""
    match value:
        case Ref():
            yield value
        case Many(items) | Record(items=items):
            for item in items:
                yield from parts_of(item)
        case _:
            yield from leaves(value)


def fill(value: Value, atoms: Iterator[Atom]) -> Value:
    """The same value with its leaves taken from `atoms`."""
    match value:
        case Var() | Lit():
            return next(atoms)
        case Many(items) | Record(items=items):
            return replace(value, items=tuple(fill(item, atoms) for item in items))
        case Stream(parts=parts):
            return replace(value, parts=tuple(fill(part, atoms) for part in parts))
        case Numbers():
            return replace(value, columns=tuple(next(atoms) for _ in value.columns), count=next(atoms))
        case Ref(steps=steps):
            return replace(value, steps=tuple(replace(step, atoms=tuple(next(atoms) for _ in step.atoms)) for step in steps), seen=None)
        case Range():
            return Range(next(atoms), next(atoms), next(atoms), value.once)
        case Closure(defaults=defaults):
            return replace(value, defaults=tuple((name, fill(item, atoms)) for name, item in defaults))
        case _:
            return value


def alike(first: Ref, second: Ref) -> bool:
    """Whether two sections are written alike, with other numbers at most."""
    blank = [[replace(step, atoms=()) for step in ref.steps] for ref in (first, second)]
    return first.type == second.type and blank[0] == blank[1]


def refs(value: Value) -> Iterator[Ref]:
    """The arrays inside a value that may be written to, in order."""
    match value:
        case Ref():
            yield value
        case Many(items) | Record(items=items) | Stream(parts=items):
            for item in items:
                yield from refs(item)
        case Closure(defaults=defaults):
            for _, item in defaults:
                yield from refs(item)


def with_refs(value: Value, found: Iterator[Value]) -> Value:
    """The same value with the arrays inside it that may be written to taken from `found`."""
    match value:
        case Ref():
            return next(found)
        case Many(items) | Record(items=items):
            return replace(value, items=tuple(with_refs(item, found) for item in items))
        case Stream(parts=parts):
            return replace(value, parts=tuple(with_refs(part, found) for part in parts))
        case Closure(defaults=defaults):
            return replace(value, defaults=tuple((name, with_refs(item, found)) for name, item in defaults))
        case _:
            return value


def disowned(value: Value) -> Value:
    """The same value, whose lists belong to another function."""
    match value:
        case Numbers():
            # One text for all lists, those with room behind the last item too.
            return replace(value, ident=0, exact=False, item=disowned(value.item))
        case Many(items):
            return replace(value, items=tuple(map(disowned, items)), ident=0)
        case Record(items=items):
            return replace(value, items=tuple(map(disowned, items)), ident=0)
        case _:
            return value


def idents(value: Value) -> Iterator[int]:
    """The lists inside a value."""
    match value:
        case Numbers(ident=ident, item=item):
            yield ident
            yield from idents(item)
        case Many(items, ident=ident):
            if ident:
                yield ident
            for item in items:
                yield from idents(item)
        case Record(items=items, ident=ident):
            if ident:
                yield ident
            for item in items:
                yield from idents(item)
        case Stream(parts=items):
            for item in items:
                yield from idents(item)
        case Closure(defaults=defaults):
            for _, item in defaults:
                yield from idents(item)


def named_anew(value: Value, old: int, new: int, foreign: bool = False) -> Value:
    """The same value, whose lists that went by a name go by another; those that are `foreign` may be anybody's."""

    def again(part: Value) -> Value:
        return named_anew(part, old, new, foreign)

    match value:
        case Many() | Numbers() | Record():
            ident = value.ident
            if ident & old:
                ident = (ident & ~old) | new | (_FOREIGN if foreign else 0)
            if isinstance(value, Numbers):
                return replace(value, ident=ident, item=again(value.item))
            return replace(value, ident=ident, items=tuple(map(again, value.items)))
        case Stream():
            return replace(value, parts=tuple(map(again, value.parts)))
        case Closure(defaults=defaults):
            return replace(value, defaults=tuple((name, again(item)) for name, item in defaults))
        case _:
            return value


def exactness(value: Value) -> Iterator[bool]:
    """Of each list of computed length inside a value whether its array has no elements beyond it."""
    if isinstance(value, Numbers):
        yield value.exact
    for item in value.items if isinstance(value, Many | Record) else ():
        yield from exactness(item)


def ident_of_all(*values: Value) -> int:
    """What an iterator over these goes by: all the lists and dicts inside."""
    found = 0
    for value in values:
        for ident in idents(value):
            found |= ident
    return found


_FOREIGN = 1


def is_own(ident: int) -> bool:
    """Whether a list or a dict was certainly made by the function itself."""
    return ident > 0 and not ident & _FOREIGN


def one_of(first: int, second: int) -> int:
    """What the one or the other list goes by."""
    return first if first == second else first | second | (0 if first and second else _FOREIGN)


def returned(value: Value, given: int, new_ident: Callable[[], int]) -> Value:
    """What a call returned: its own lists are the caller's now; any other may be one of those that it was given."""
    names: dict[int, int] = {}

    def named(ident: int) -> int:
        if not is_own(ident):
            return given | _FOREIGN if given else 0
        bits = [1 << k for k in range(ident.bit_length()) if ident >> k & 1]
        return functools.reduce(operator.or_, (names.get(bit) or names.setdefault(bit, new_ident()) for bit in bits))

    def again(part: Value) -> Value:
        match part:
            case Numbers():
                return replace(part, ident=named(part.ident), item=again(part.item))
            case Many() | Record():
                return replace(part, ident=named(part.ident), items=tuple(map(again, part.items)))
            case _:
                return part

    return again(value)


def holds_iterator(value: Value) -> bool:
    """Whether the value is an iterator, or a tuple with one inside: what can be looped over once only."""
    if isinstance(value, Many):
        return value.display == "iterator" or any(map(holds_iterator, value.items))
    return isinstance(value, Stream) or (isinstance(value, Range) and value.once)


def unfit_in(value: Value) -> Unfit | None:
    """What must not be read, in a tuple, a list or a dict."""
    if isinstance(value, Unfit):
        return value
    items = value.items if isinstance(value, Many | Record) else ()
    return next((found for item in items if (found := unfit_in(item)) is not None), None)


def undefined(value: Value) -> Value:
    """The same value with every leaf undefined: its skeleton."""
    return fill(value, (Lit(None, leaf.type) for leaf in leaves(value)))


_WIDTH = {"bool": 0, "int": 1, "float": 2}


def wider(first: Type, second: Type) -> Type | None:
    """The type that holds numbers of both: bool < int < float < float32 (beside which a float is weak); None for different arrays."""
    if first == second:
        return first
    if first.rank or second.rank:
        return None
    ranks = [(_WIDTH[type.kind], -type.bits) for type in (first, second)]
    return first if ranks[0] >= ranks[1] else second


def join(first: Value, second: Value) -> Value | None:
    """The skeleton that holds both values, or None where there is none (a number against a tuple)."""
    match first, second:
        case ((Var() | Lit()), (Var() | Lit())):
            type = wider(first.type, second.type)
            return None if type is None else Lit(None, type)
        case Many(a, display), Many(b, other) if len(a) == len(b) and display == other:
            parts = [join(x, y) for x, y in zip(a, b, strict=True)]
            found = tuple(part for part in parts if part is not None)
            return Many(found, display, one_of(first.ident, second.ident)) if len(found) == len(a) else None
        case Numbers(), Numbers() if (item := join(first.item, second.item)) is not None:
            if [column.type for column in first.columns] != [column.type for column in second.columns]:
                return None
            columns = tuple(Lit(None, column.type) for column in first.columns)
            return Numbers(columns, Lit(None, INT), one_of(first.ident, second.ident), first.exact and second.exact, item)
        case Record(), Record() if (first.display, first.names, first.cls) == (second.display, second.names, second.cls):
            inner = join(Many(first.items), Many(second.items))
            ident = one_of(first.ident, second.ident)
            return replace(first, items=inner.items, ident=ident) if isinstance(inner, Many) else None
        case Ref(), Ref() if first.buffer == second.buffer and alike(first, second):
            return undefined(first)
        case Range(), Range() if first.once == second.once:
            return undefined(first)
        case Static(a), Static(b):
            return first if a is b or (isinstance(a, str | Pinned) and a == b) else None
        case Closure(), Closure() if first.node is second.node and first.frame is second.frame:
            parts = [join(x, y) for (_, x), (_, y) in zip(first.defaults, second.defaults, strict=True)]
            if any(part is None for part in parts):
                return None
            names = [name for name, _ in first.defaults]
            return replace(first, defaults=tuple((n, p) for n, p in zip(names, parts, strict=True) if p is not None))
        case Unfit(), _:
            return first
        case _, Unfit():
            return second
        case _:
            return None


def same(first: Value, second: Value) -> bool:
    """Do both denote the same thing, so that no merge is needed?"""
    joined = join(first, second)
    if joined is None or isinstance(joined, Unfit):
        return first is second
    return all(a == b for a, b in zip(leaves(first), leaves(second), strict=True))


_AXES = {1: "one axis", 2: "two axes", 3: "three axes", 4: "four axes", 5: "five axes"}


def describe(value: Value) -> str:
    """What a value is, in words for a message."""
    match value:
        case Var() | Lit() | Ref() if value.type.rank:
            return f"an array of {value.type.kind}{value.type.bits if value.type.bits == 32 else ''}s, with {_AXES[value.type.rank]}"
        case Var() | Lit():
            return {"float": "a float", "int": "an int", "bool": "a bool"}[value.type.kind] + ("32" if value.type.bits == 32 else "")
        case Many(display="iterator") | Range(once=True) | Stream():
            return "an iterator"
        case Record(display, cls=cls):
            return f"a {display}" if cls is None else f"a {cls.__name__}"
        case Method(name):
            return f"the method `{name}`"
        case Numbers():
            return "a list of computed length"
        case Many(items, display):
            return f"a {display} of {len(items)}" if items else f"an empty {display}"
        case Range():
            return "a range"
        case Static(None):
            return "None"
        case Static(str()):
            return "a string"
        case Static(thing):
            return f"a {type(thing).__name__}"
        case Closure():
            return "a function"
        case _:
            return "a value that cannot be used"
