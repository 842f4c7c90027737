"""``np.r_[...]`` and ``np.c_[...]``: arrays one behind the other, and beside one another, written in brackets."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stagegrad.errors import NeedsTypes
from stagegrad.frontend.numpy_words import WORDS
from stagegrad.frontend.stages import Strength
from stagegrad.frontend.values import Static, Value, describe
from stagegrad.frontend.words_creation import array_of, as_type, common_type
from stagegrad.ir import FLOAT, Atom, Type
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def joined(low: Arrays, thing: object, node: ast.Subscript) -> Value | None:
    """The array that `np.r_` or `np.c_` makes; None where `thing` is neither."""
    numpy = sys.modules.get("numpy")
    if numpy is None or (thing is not numpy.r_ and thing is not numpy.c_):
        return None
    if low.compilation.guesses:
        raise NeedsTypes("np.r_ or np.c_ of arguments of unknown types", low.span(node), "a call, or types=")
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    atoms = [_part(low, part, node) for part in parts]
    type = _type(low, node, atoms)
    atoms = [as_type(low, node, atom, type) for atom in atoms]
    return _behind(low, node, atoms) if thing is numpy.r_ else _beside(low, node, atoms)


def _part(low: Arrays, part: ast.expr, node: ast.AST) -> Atom:
    """An array, a list or a number; a slice stands for the range that it describes."""
    if not isinstance(part, ast.Slice):
        value = low.usable(low.expr(part), part)
        if isinstance(value, Static):
            raise low.refusal(
                part, f"np.r_ and np.c_ join arrays and numbers, and this is {describe(value)}", "np.concatenate(..., axis=...)"
            )
        return array_of(low, part, value)
    if part.upper is None:
        raise low.refusal(part, "a range in np.r_ needs its end", "np.r_[0:n]")
    bounds = [literal(0) if part.lower is None else low.number(part.lower), low.number(part.upper)]
    step = literal(1) if part.step is None else low.number(part.step)
    return array_of(low, node, WORDS["arange"].lower(low, node, *bounds, step))


def _type(low: Arrays, node: ast.AST, atoms: Sequence[Atom]) -> Type:
    """What the elements are: beside floats of 32 bits, numbers of Python have as many."""
    arrays = [atom for atom in atoms if atom.type.rank]
    numbers = [atom for atom in atoms if not atom.type.rank]
    of_arrays = common_type(arrays) if arrays else None
    if of_arrays is None or of_arrays.kind != "float":
        return common_type(atoms)
    if of_arrays.bits == 32 and any(atom.type == FLOAT and low.strength(atom) is not Strength.WEAK for atom in numbers):
        raise low.refusal(node, "a number of NumPy's with 64 bits is joined to arrays of 32", "float(...) around the number")
    return of_arrays


def _behind(low: Arrays, node: ast.AST, atoms: Sequence[Atom]) -> Value:
    rows = [atom if atom.type.rank else low.emit("array_of", [atom], node, [("shape", (1,))]) for atom in atoms]
    if len({row.type.rank for row in rows}) > 1:
        raise low.refusal(node, "np.r_ joins arrays of as many axes, along the first", "np.concatenate(..., axis=...)")
    return low.emit("concatenate", rows, node, [("axis", 0)])


def _beside(low: Arrays, node: ast.AST, atoms: Sequence[Atom]) -> Value:
    if any(atom.type.rank not in (1, 2) for atom in atoms):
        raise low.refusal(node, "np.c_ is supported for columns and matrices", "np.concatenate(..., axis=-1)")
    if all(atom.type.rank == 1 for atom in atoms):
        return low.emit("stack", atoms, node, [("axis", 1)])
    columns = [atom if atom.type.rank == 2 else low.emit("expand_dims", [atom], node, [("axis", 1)]) for atom in atoms]
    return low.emit("concatenate", columns, node, [("axis", 1)])
