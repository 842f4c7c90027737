"""How the reading and writing of array elements is undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stagegrad.ir import Atom, Attr, Stage, Var, variables
from stagegrad.ops import Builder, literal

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep

ZERO = literal(0.0)


def _undo_store(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``a[i] = v``: v receives the element's gradient, and what the element was before receives none."""
    array, value, g = stage.args[0], stage.args[-1], sweep.whole(g, stage.out, builder)
    section = _section(sweep, stage, value, g, builder)
    if isinstance(value, Var) and section is not None and not section.type.rank and section.type == value.type and value not in gradients:
        section = sweep.named(section, sweep.gradient_word(value), builder)  # now: behind the next write it would be a copy
    if isinstance(array, Var) and array in sweep.active:
        rest = builder.stage("store", (g, *stage.args[1:-1], _zero(g)), dict(stage.attrs), sweep.gradient_word(array))
        _hand_on(sweep, array, rest, gradients, builder)
        sweep.routed.update(variables([gradients[array]]))
        if _has_mask(stage.args[1:-1]) or g in sweep.masked:
            sweep.masked.update(variables([gradients[array]]))
    if section is not None:  # last, for the value may be the array itself: ``a[:] = a``
        sweep.add(gradients, value, section, builder)


def _undo_accumulate(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``a[i] += v``: v receives the element's gradient, and so does what the element was before."""
    array, value, g = stage.args[0], stage.args[-1], sweep.whole(g, stage.out, builder)
    section = _section(sweep, stage, value, g, builder)
    if isinstance(array, Var) and array in sweep.active:
        _hand_on(sweep, array, g, gradients, builder)
    if section is not None:
        sweep.add(gradients, value, section, builder)


def _hand_on(sweep: Sweep, array: Var, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """The gradient of what an array was before a write; more has reached it already where that is read after the write as well."""
    before = gradients.get(array)
    gradients[array] = g if before is None else builder.emit("add", before, g, name=sweep.gradient_word(array))


def _section(sweep: Sweep, stage: Stage, value: Atom, g: Atom, builder: Builder) -> Atom | None:
    """The gradient of what was written: that of where it was written to; for a number written to many places, their sum."""
    if not isinstance(value, Var) or value not in sweep.active:
        return None
    section = builder.stage("load", (g, *stage.args[1:-1]), dict(stage.attrs))
    if section.type.rank and sweep.may_stop(g):
        sweep.routed.update(variables([section]))
        sweep.masked.update(variables([section]) if g in sweep.masked else ())
    if stage.op == "store" and _may_repeat(stage):
        section = _last_writes(stage, g, section, builder)
    if section.type.rank and not value.type.rank:
        section = builder.emit("sum", section)
    elif section.type.rank and not sweep.fills(stage, value):
        section = builder.emit("unbroadcast", section, value)
    return section


def _may_repeat(stage: Stage) -> bool:
    """May a write name one element twice? Then the last value stays."""
    indices = [arg.type for arg in stage.args[1:-1] if arg.type.rank]
    return bool(indices) and all(type.kind != "bool" for type in indices)


def _last_writes(stage: Stage, g: Atom, section: Atom, builder: Builder) -> Atom:
    """The gradients of what was written, zero for what another value of the same write has covered."""
    attrs, indices = dict(stage.attrs), stage.args[1:-1]
    order = builder.emit("numbered", section)
    writer = builder.stage("store", (builder.emit("room_for_numbers", g), *indices, order), attrs)
    stays = builder.emit("eq", builder.stage("load", (writer, *indices), attrs), order)
    return builder.emit("where", stays, section, ZERO)


def _undo_load(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``x = a[i]``: the element's gradient grows by that of x."""
    array, *indices = stage.args
    if isinstance(array, Var) and array in sweep.active:
        sweep.shadow_arrays([array], gradients, builder)
        before, word = gradients[array], sweep.gradient_word(array)
        gradients[array] = builder.stage("accumulate", (before, *indices, g), _writable(stage), word)
        if sweep.may_stop(before):
            sweep.routed.update(variables([gradients[array]]))
            sweep.masked.update(variables([gradients[array]]) if _has_mask(indices) or before in sweep.masked else ())


def _has_mask(indices: Sequence[Atom]) -> bool:
    """Is there an array of bools among the indices?"""
    return any(index.type.rank and index.type.kind == "bool" for index in indices)


def _writable(stage: Stage) -> dict[str, Attr]:
    """The attributes of a reading, for a write to the same place: ``a.T`` -> ``a.T[:]``, since only a subscript can be written to."""
    attrs = dict(stage.attrs)
    at = str(attrs.get("at", "]"))
    return attrs if at.endswith("]") else {**attrs, "at": f"{at}[:]"}


def _zero(g: Atom) -> Atom:
    return ZERO if g.type.kind == "float" else literal(0)


def _undo_grow(sweep: Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """Room that was made for later records is never read by earlier ones: the gradient stays where it is."""
    if isinstance(stage.args[0], Var):
        _hand_on(sweep, stage.args[0], g, gradients, builder)


ARRAY_RULES = {"store": _undo_store, "accumulate": _undo_accumulate, "load": _undo_load, "grow": _undo_grow,
               "reserve": _undo_grow}  # fmt: skip
