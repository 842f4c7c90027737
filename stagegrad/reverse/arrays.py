"""How the reading and writing of array elements is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagegrad.ir import Atom, Stage, Var
from stagegrad.ops import Builder, literal

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep

ZERO = literal(0.0)


def _undo_store(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``a[i] = v``: v receives the element's gradient, and what the element was before receives none."""
    array, index, value = stage.args
    if isinstance(value, Var) and value in sweep.active:
        sweep.add(gradients, value, builder.emit("load", g, index), builder)
    if isinstance(array, Var):
        gradients[array] = builder.emit("store", g, index, ZERO, name=sweep.gradient_word(array))


def _undo_accumulate(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``a[i] += v``: v receives the element's gradient, and so does what the element was before."""
    array, index, value = stage.args
    if isinstance(value, Var) and value in sweep.active:
        sweep.add(gradients, value, builder.emit("load", g, index), builder)
    if isinstance(array, Var):
        gradients[array] = g


def _undo_load(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``x = a[i]``: the element's gradient grows by that of x."""
    array, index = stage.args
    if isinstance(array, Var) and array in sweep.active:
        sweep.shadow_arrays([array], gradients, builder)
        gradients[array] = builder.emit("accumulate", gradients[array], index, g, name=sweep.gradient_word(array))


def _undo_grow(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """Room that was made for later records is never read by earlier ones: the gradient stays where it is."""
    if isinstance(stage.args[0], Var):
        gradients[stage.args[0]] = g


ARRAY_RULES = {"store": _undo_store, "accumulate": _undo_accumulate, "load": _undo_load, "grow": _undo_grow}
