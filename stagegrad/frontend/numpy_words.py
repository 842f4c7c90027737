"""NumPy's functions of whole arrays, found by the objects themselves: how a call of each becomes stages.

A word is declared by a function whose parameters are those of the NumPy function, with the same names and defaults:

    @word("sum", method=True)
    def _sum(low, node, a, axis=None, keepdims=False):
        x = low.array(a, node)
        return low.emit("sum", [x], node, axis_and_keepdims(low, node, x, axis, keepdims))

`low` is the lowering that asks (an `Arrays`), `node` the call, the rest `Value`s: what the user gave, or the default as a constant.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stagegrad.frontend.values import Value
from stagegrad.ir import Atom, Attr

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


@dataclass(frozen=True)
class NumpyWord:
    """A function of NumPy or SciPy: its name behind ``np.`` (or with its module), and how a call of it is lowered."""

    name: str
    lower: Callable[..., Value]

    def call(self, low: Arrays, node: ast.AST, args: Sequence[Value], keywords: dict[str, Value]) -> Value:
        """The value of a call; a wrong number of arguments and keywords that are not supported are refused."""
        parameters = list(inspect.signature(self.lower).parameters.values())[2:]
        variadic = bool(parameters) and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL
        names = [p.name for p in parameters if p.kind is not inspect.Parameter.VAR_POSITIONAL]
        title = f"{self.name}()"
        given = dict(keywords)
        if not variadic:
            if len(args) > len(names):
                raise low.refusal(node, f"{title} takes at most {len(names)} arguments here, and {len(args)} are given")
            given |= dict(zip(names, args, strict=False))
        unknown = [name for name in keywords if name not in names or (not variadic and name in names[: len(args)])]
        if unknown:
            raise low.refusal(node, f"`{unknown[0]}=` is not supported in a call of {self.name}", f"{self.name} without {unknown[0]}=")
        for parameter in parameters:
            if parameter.name in given or parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                continue
            if parameter.default is inspect.Parameter.empty:
                raise low.refusal(node, f"{title} is missing the argument `{parameter.name}`")
            given[parameter.name] = low.constant(parameter.default, node)
        return self.lower(low, node, *(args if variadic else ()), **given)


#: Words by their names: "sum", "linalg.solve", "scipy.special.expit".
WORDS: dict[str, NumpyWord] = {}
#: The words that arrays have as methods, by the method's name.
METHODS: dict[str, NumpyWord] = {}
#: The words that arrays have as attributes, by the attribute's name.
ATTRIBUTES: dict[str, NumpyWord] = {}


def word(names: str, *, method: bool = False, attribute: bool = False) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Declares a function under one or more names; the first is also the name of the `method` or the `attribute`, where it is one."""

    def declare(lower: Callable[..., Value]) -> Callable[..., Value]:
        for name in names.split():
            WORDS[name] = NumpyWord(name if name.startswith(("scipy.", "numpy.")) else f"np.{name}", lower)
        first = names.split()[0]
        if method:
            METHODS[first] = NumpyWord(f"array.{first}", lower)
        if attribute:
            ATTRIBUTES[first] = NumpyWord(f"array.{first}", lower)
        return lower

    return declare


def find(thing: object) -> NumpyWord | None:
    """The word that a live object is, or None."""
    try:
        return _by_object(sys.modules.get("numpy"), len(sys.modules)).get(thing)
    except TypeError:  # not hashable
        return None


@lru_cache(maxsize=4)
def _by_object(numpy: Any, loaded: int) -> dict[object, NumpyWord]:
    """The words whose functions exist in the modules that the program itself has imported."""
    found: dict[object, NumpyWord] = {}
    for name, declared in WORDS.items():
        if name.startswith(("scipy.", "numpy.")):  # parts that are imported when they are asked for, which takes longer than all of this
            home, _, last = name.rpartition(".")
            thing, path = sys.modules.get(home), [last]
        else:
            thing, path = numpy, name.split(".")
        for part in path:
            thing = None if thing is None else getattr(thing, part, None)
        if thing is not None:
            found.setdefault(thing, declared)
    return found


# ---------------------------------------------------------------------------------------------- what many words share


def axis_and_keepdims(low: Arrays, node: ast.AST, x: Atom, axis: Value, keepdims: Value) -> list[tuple[str, Attr]]:
    """The attributes of a reduction of `x`: axes counted from the front; those that say nothing are left out."""
    attrs: list[tuple[str, Attr]] = []
    known = low.axes(axis, x.type.rank, node)
    if known is not None:
        attrs.append(("axis", known))
    if low.known(keepdims, node):
        attrs.append(("keepdims", True))
    return attrs


@word("sum", method=True)
def _sum(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    x = low.array(a, node)
    return low.emit("sum", [x], node, axis_and_keepdims(low, node, x, axis, keepdims))
