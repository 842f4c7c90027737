"""Writing to arrays: stores through names, views of views, augmented assignment; and how two paths agree on who shares memory.

A function is lowered without any of this first. Where it turns out to write to an array, it is lowered again, and then names hold
`Ref`s (`memory`). The written array is a new version of its buffer: ``a[i] = v`` is ``a.1 = store(a.0, i, v)``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from stagegrad.frontend.arrays import Section
from stagegrad.frontend.emitter import Arm, Flow
from stagegrad.frontend.indexing import Step, atoms_of, attributes, joined
from stagegrad.frontend.memory import KEPT, OUTSIDE, Memory, arrays_of, is_view, key_of, lost
from stagegrad.frontend.numpy_words import WORDS, NumpyWord
from stagegrad.frontend.operators import BINARY
from stagegrad.frontend.scope import Frame
from stagegrad.frontend.streams import Streams
from stagegrad.frontend.values import Key, Many, Method, Record, Ref, Slot, Unfit, Value, alike, describe, refs, with_refs
from stagegrad.ir import Atom, Attr, Lit, Stage, Type, Var

_WHOLE = Step((":",), (), 0)
#: Operations that give an array of its own in C order; a copy is in that order if the method makes it, but not if `np.copy` does.
_IN_ORDER = frozenset({"zeros_of", "ones_of", "full_of", "empty_of", "array_of", "eye_of", "arange", "linspace"})


#: Operations that give the same elements in another shape: of an array in C order, a view.
_RESHAPES = frozenset({"reshape", "ravel"})
#: What is written to is a constant from outside, or the result of an expression.
_NAMELESS = ("this writes to an array that no name of this function holds", "a name for it first, or x = x.copy() of one from outside")


class NeedsMemory(Exception):
    """The function writes to an array: it must be lowered again with names that know what they share."""


class Writes(Streams):
    """Lowers writes to arrays, and keeps account of who shares memory. `memory` is None in a function that writes to none."""

    memory: Memory | None

    # ------------------------------------------------------------------------------------------ names and arrays

    def is_array(self, value: Value) -> bool:
        return isinstance(value, Ref) or super().is_array(value)

    def type_of(self, value: Value) -> Type:
        return value.type if isinstance(value, Ref) else super().type_of(value)

    def numeric(self, value: Value, node: ast.AST) -> Atom:
        return self.read(value, node) if isinstance(value, Ref) else super().numeric(value, node)

    def read(self, ref: Ref, node: ast.AST) -> Atom:
        """What a section of a buffer holds now."""
        version = self.version(ref, node)
        if not ref.steps:
            return version
        if ref.seen is not None and ref.seen[0] == version:
            return ref.seen[1]
        if ref.steps[-1].suffix == ".T":
            inner = self.read(replace(ref, steps=ref.steps[:-1], seen=None), node)
            return self.emit("transpose", [inner], node)
        return self.taken(version, ref.steps, node)

    def taken(self, version: Atom, steps: tuple[Step, ...], node: ast.AST) -> Atom:
        """What the steps lead to in an array."""
        if steps and steps[0].suffix in _RESHAPES:
            version, steps = self.emit(steps[0].suffix, [version, *steps[0].atoms], node), steps[1:]
        return self.emit("load", [version, *atoms_of(steps)], node, attributes(steps, version.type.rank)) if steps else version

    def version(self, ref: Ref, node: ast.AST) -> Atom:
        """What the whole buffer holds now."""
        assert self.memory is not None
        version = self.numeric(self.env[key_of(ref.buffer)].value, node)
        self.memory.lies[version] = frozenset({ref.buffer})
        return version

    def emit(self, op: str, args: Sequence[Atom], node: ast.AST, attrs: Sequence[tuple[str, Attr]] = (), name: str = "") -> Var:
        out = super().emit(op, args, node, attrs, name)
        if self.memory is not None and out.type.rank and is_view(Stage(out, op, tuple(args), tuple(attrs))):
            self.memory.lies[out] = frozenset().union(*(self.memory.lies.get(arg, frozenset()) for arg in arrays_of(args)))
        return out

    def plain(self, value: Value, node: ast.AST) -> Value:
        return with_refs(value, iter([self.read(ref, node) for ref in refs(value)]))

    def kept(self, value: Value) -> Value:
        """The value as a variable holds it: an array that nobody holds yet becomes a buffer."""
        memory = self.memory
        if memory is None:
            return value
        match value:
            case Var() | Lit() if value.type.rank:
                buffer = memory.new(value.name if isinstance(value, Var) else "", memory.lies.get(value, ()))
                self.env[key_of(buffer)] = Slot(value)
                memory.lies[value] = memory.lies.get(value, frozenset()) | {buffer}
                if isinstance(value, Var) and self._made_in_order(value):
                    memory.contiguous.add(buffer)
                return Ref(buffer, (), value.type)
            case Many(items) | Record(items=items):
                return replace(value, items=tuple(map(self.kept, items)))
            case _:
                return value

    def _made_in_order(self, var: Var) -> bool:
        made = self._stage_of(var)
        return made is not None and (made.op in _IN_ORDER or (self.memory is not None and var in self.memory.ordered))

    def named(self, value: Value, name: str) -> Value:
        if isinstance(value, Ref) and value.seen is not None:
            seen = super().named(value.seen[1], name)
            assert self.memory is not None and isinstance(seen, Var | Lit)
            self.memory.lies[seen] = frozenset({value.buffer})
            return replace(value, seen=(value.seen[0], seen))
        found = super().named(value, name)
        if self.memory is not None and isinstance(value, Var) and isinstance(found, Var) and value in self.memory.lies:
            self.memory.lies[found] = self.memory.lies[value]
        if self.memory is not None and isinstance(value, Var) and isinstance(found, Var) and value in self.memory.ordered:
            self.memory.ordered.add(found)
        return found

    def hold(self, frame: Frame, name: str, value: Value, node: ast.AST | None = None) -> None:
        for ref in refs(value):
            if ref.seen is not None:
                self.settle(ref.seen[1])
        super().hold(frame, name, value, node)

    def word_of(self, key: Key) -> str:
        if self.memory is not None and key[1].startswith("@"):
            return self.memory.words[int(key[1][1:])]
        return super().word_of(key)

    @contextmanager
    def holding(self, value: Value) -> Iterator[None]:
        """While this lasts, the arrays in a value are held although no variable need hold them."""
        held = [] if self.memory is None else self.memory.held
        mark = len(held)
        held += [ref.buffer for ref in refs(value)]
        try:
            yield
        finally:
            del held[mark:]

    def _expr(self, node: ast.expr) -> Value:
        found = super()._expr(node)
        if isinstance(node, ast.NamedExpr) and self.memory is not None and self.is_array(found):
            raise self.refusal(node, "an array cannot be named inside an expression where arrays are written to", "a line of its own")
        return found

    # ------------------------------------------------------------------------------------------ sections

    def read_section(self, section: Section, node: ast.AST) -> Value:
        base = section.base
        if not isinstance(base, Ref):
            return super().read_section(section, node)
        steps = base.steps
        for step in section.steps:
            steps = joined(steps, step)
        version = self.version(base, node)
        found = self.taken(version, steps, node)
        if steps[-1].gather or not found.type.rank:
            return found
        return Ref(base.buffer, steps, found.type, (version, found))

    def outside_array(self, thing: Any, name: str, node: ast.AST) -> Value:
        found = super().outside_array(thing, name, node)
        if self.memory is not None and isinstance(found, Var):
            self.memory.lies[found] = frozenset({OUTSIDE})
        return found

    def attribute_of(self, owner: Value, node: ast.Attribute) -> Value:
        if isinstance(owner, Ref) and node.attr == "T":
            if owner.type.rank < 2:
                return owner
            return replace(owner, steps=(*owner.steps, Step((), (), owner.type.rank, suffix=".T")), seen=None)
        return super().attribute_of(owner, node)

    def call_word(self, word: NumpyWord, args: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        owner = args[0] if args else None
        before = self.read(owner, node) if isinstance(owner, Ref) else None
        found = super().call_word(word, args if before is None else [before, *args[1:]], keywords, node)
        if self.memory is None:
            return found
        if word.name == "array.copy" and isinstance(found, Var):
            self.memory.ordered.add(found)
        return found if not isinstance(owner, Ref) or before is None else self._alias(word, owner, before, found, node)

    def note_view(self, found: Var, of: Var, node: ast.AST) -> None:
        if self.memory is not None and of.type.rank and not found.type.rank:
            message = "this number is a view of an array, in a function that writes to arrays"
            raise self.refusal(node, message, "one element of the array: x[0]")
        super().note_view(found, of, node)

    def _alias(self, word: NumpyWord, owner: Ref, before: Atom, found: Value, node: ast.AST) -> Value:
        """What a function of NumPy gives for an array: the array itself in another shape, where that is certain."""
        assert self.memory is not None
        name = word.name.partition(".")[2]
        whole = owner.buffer in self.memory.contiguous and all(step.suffix in _RESHAPES for step in owner.steps)
        if found == before and (name in ("asarray", "asanyarray") or (whole and name in _RESHAPES)):
            return owner
        made = self._stage_of(found) if isinstance(found, Var) else None
        if not whole or made is None or made.op not in _RESHAPES or made.args[0] != before or not isinstance(found, Var):
            return found
        step = Step((), made.args[1:], found.type.rank, suffix=made.op)
        return Ref(owner.buffer, (step,), found.type, (self.version(owner, node), found))

    def _stage_of(self, var: Var) -> Stage | None:
        """The stage of the current path that made a value."""
        return next((stmt for stmt in reversed(self.stmts) if isinstance(stmt, Stage) and stmt.out == var), None)

    # ------------------------------------------------------------------------------------------ writes

    def target_of(self, target: ast.Subscript) -> Ref | None:
        """The section that an assignment writes to; None where it is no array's."""
        links = [target]
        while isinstance(links[-1].value, ast.Subscript):
            links.append(links[-1].value)
        base = self.usable(self.expr(links[-1].value), links[-1])
        value: Value | Section = base
        while links and not isinstance(value, Section) and not self.is_array(value):
            if len(links) == 1:
                return None
            value = self.part(value, links.pop())
        if self.memory is None:
            raise NeedsMemory
        for link in reversed(links[1:]):
            value = self.part(value, link)
        if not isinstance(value, Section) and not self.is_array(value):
            raise self.refusal(target, f"{describe(value)} has no items to assign to")
        return self._writable(self.section_behind(value, target), target)

    def _writable(self, section: Section, node: ast.AST) -> Ref:
        base = section.base
        if not isinstance(base, Ref):
            raise self.refusal(node, *_NAMELESS)
        steps = base.steps
        for step in section.steps:
            steps = joined(steps, step)
        return Ref(base.buffer, steps, replace(base.type, rank=steps[-1].rank if steps else base.type.rank))

    def write(self, ref: Ref, value: Value, node: ast.AST, op: str = "store") -> None:
        """Puts a value into a section of a buffer, or adds it there (`op`): the buffer has a new version then."""
        memory = self.memory
        assert memory is not None
        self._check_own(ref, node)
        steps = ref.steps
        if not steps or not steps[-1].text.endswith("]"):  # only a subscript can be written to
            steps = (*steps, replace(_WHOLE, rank=ref.type.rank))
        stored = self._fitted(self.array(value, node), ref, node)
        version = self.version(ref, node)
        self.require_one_holder(key_of(ref.buffer), version, node)
        new = self._stored(version, steps, stored, memory.words[ref.buffer], node, op)
        self.env[key_of(ref.buffer)] = Slot(new)
        self._lose_others(ref, node)

    def _stored(
        self, version: Atom, steps: tuple[Step, ...], value: Atom, word: str, node: ast.AST, op: str = "store"
    ) -> Atom:  # fmt: skip
        """The array with a value at the end of the steps; through another shape, it is that shape which is written to."""
        if steps[0].suffix not in _RESHAPES:
            if steps[-1].suffix:  # ``a.T = ...`` would set an attribute
                steps = (*steps, replace(_WHOLE, rank=steps[-1].rank))
            return self.emit(op, [version, *atoms_of(steps), value], node, attributes(steps, version.type.rank), word)
        reshaped = self.emit(steps[0].suffix, [version, *steps[0].atoms], node)
        inner = steps[1:] or (replace(_WHOLE, rank=reshaped.type.rank),)
        return self.emit("reshape_like", [self._stored(reshaped, inner, value, "", node, op), version], node, (), word)

    def _check_own(self, ref: Ref, node: ast.AST) -> None:
        assert self.memory is not None
        around = self.memory.entangled(ref.buffer)
        if OUTSIDE in around:
            raise self.refusal(node, "this writes to an array from outside the function", "a copy: x = x.copy()")
        if KEPT in around:
            raise self.refusal(node, "this writes to an array that a list may hold as well", "a copy in the list: .append(x.copy())")

    def _lose_others(self, ref: Ref, node: ast.AST) -> None:
        """After a write, nothing is known of what buffers hold that may share memory with the one that was written to."""
        memory = self.memory
        assert memory is not None
        for other in memory.entangled(ref.buffer):
            if key_of(other) in self.env:
                self.env[key_of(other)] = Slot(lost(memory.words[other], self.span(node)))

    def _fitted(self, value: Atom, ref: Ref, node: ast.AST) -> Atom:
        """What is written, as the array can hold it."""
        if value.type.rank > ref.type.rank:
            what = "one number" if not ref.type.rank else f"a section with {ref.type.rank} axes"
            raise self.refusal(node, f"{describe(value)} does not fit into {what}")
        kinds = value.type.kind, ref.type.kind
        if kinds in (("float", "int"), ("float", "bool"), ("int", "bool")):
            raise self.refusal(node, f"{describe(value)} is written into an array of {kinds[1]}s, which would cut it off",
                               f"{'int' if kinds[1] == 'int' else 'bool'}(...) around it, or an array of floats")  # fmt: skip
        if value.type.rank or kinds[0] == kinds[1]:
            return value
        return self.converted(value, Type(kinds[1]), node)

    def replaced(self, ref: Ref, final: Var, node: ast.AST) -> None:
        """A function has written to an array that it was given: `final` is what it left there."""
        if ref.steps:
            self.write(ref, final, node)
            return
        self._check_own(ref, node)
        self.env[key_of(ref.buffer)] = Slot(final)
        self._lose_others(ref, node)

    def store(self, target: ast.Subscript, value: Value, node: ast.AST) -> bool:
        """``target[...] = value``; False where the target is no array."""
        ref = self.target_of(target)
        if ref is None:
            return False
        self.write(ref, value, node)
        return True

    def augment_item(self, stmt: ast.AugAssign, target: ast.Subscript) -> bool:
        """``target[...] op= value``: the section is found first, a single element read before the value is computed."""
        ref = self.target_of(target) or self._array_in_dict(target)
        if ref is None:
            return False
        copied = ref.type.rank == 0 or (ref.steps and ref.steps[-1].gather)
        old = self.read(ref, stmt) if copied else None
        right = self.expr(stmt.value)
        self._update(ref, old, right, stmt)
        return True

    def _array_in_dict(self, target: ast.Subscript) -> Ref | None:
        """The array under a name of a dict, which ``p["w"] += x`` changes in place."""
        held = self.usable(self.expr(target), target) if isinstance(self.expr(target.value), Record) else None
        if held is not None and self.is_array(held) and self.memory is None:
            raise NeedsMemory
        return held if isinstance(held, Ref) else None

    def augment_array(self, stmt: ast.AugAssign, old: Value) -> None:
        """``a op= value`` for an array: it is changed in place, for every name that holds it."""
        if self.memory is None:
            raise NeedsMemory
        if not isinstance(old, Ref):
            raise self.refusal(stmt, *_NAMELESS)
        self._update(old, None, self.expr(stmt.value), stmt)

    def _update(self, ref: Ref, old: Atom | None, right: Value, stmt: ast.AugAssign) -> None:
        before = old if old is not None else self.read(ref, stmt)
        if self.is_array(right) and self.type_of(right).rank > ref.type.rank:
            raise self.refusal(stmt, f"{describe(right)} does not fit into {describe(before)}")
        self.write(ref, self.operate(BINARY.get(type(stmt.op), ""), before, right, stmt), stmt)

    def call_in_place(self, method: Method, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        if method.name not in ("fill", "sort"):
            return super().call_in_place(method, args, keywords, node)
        if self.memory is None:
            raise NeedsMemory
        owner, given = method.owner, [*args, *keywords.values()]
        if not isinstance(owner, Ref):
            raise self.refusal(node, *_NAMELESS)
        if method.name == "fill":
            self.expect(given, 1, 1, "fill", node)
            self.write(owner, self.atom(given[0], node), node)
        else:
            self.write(owner, self.call_word(WORDS["sort"], [owner, *args], keywords, node), node)
        return self.constant(None, node)

    # ------------------------------------------------------------------------------------------ two paths

    def merge(
        self, test: Atom, then: Arm, orelse: Arm, keep: frozenset[str] | None, node: ast.AST, guards: bool = False
    ) -> Flow:  # fmt: skip
        if self.memory is not None and Flow.DEAD not in (then.flow, orelse.flow):
            self._agree(self.memory, then, orelse, keep, node)
        return super().merge(test, then, orelse, keep, node, guards)

    def _agree(self, memory: Memory, then: Arm, orelse: Arm, keep: frozenset[str] | None, node: ast.AST) -> None:
        """Lets every variable hold the same buffers on both paths: those that differ become one new buffer for each pair."""
        pairs: dict[tuple[int, int], int] = {}
        for key in [key for key in then.env if key in orelse.env]:
            first, second = then.env[key], orelse.env[key]
            dropped = keep is not None and key[0] == self.frame.number and not key[1].startswith("$") and key[1] not in keep
            if dropped or isinstance(first.value, Unfit) or isinstance(second.value, Unfit):
                continue
            one, other = list(refs(first.value)), list(refs(second.value))
            if len(one) != len(other) or any(a.type != b.type for a, b in zip(one, other, strict=True)):
                continue
            unknown = _unknown(((then, a), (orelse, b)) for a, b in zip(one, other, strict=True) if not alike(a, b))
            if unknown is not None:
                then.env[key], orelse.env[key] = replace(first, value=unknown), replace(second, value=unknown)
                continue
            met = [self._met(memory, pairs, (then, a), (orelse, b), node) for a, b in zip(one, other, strict=True)]
            if [ref for ref, _ in met] != one or [ref for _, ref in met] != other:
                then.env[key] = replace(first, value=with_refs(first.value, iter([ref for ref, _ in met])))
                orelse.env[key] = replace(second, value=with_refs(second.value, iter([ref for _, ref in met])))
        for (a, b), buffer in pairs.items():
            if buffer != a or buffer != b:
                then.env[key_of(buffer)], orelse.env[key_of(buffer)] = then.env[key_of(a)], orelse.env[key_of(b)]
        pairs |= {(buffer, buffer): buffer for buffer in memory.held}
        memory.join([(buffer, ends) for ends, buffer in pairs.items()])

    def _met(
        self, memory: Memory, pairs: dict[tuple[int, int], int], one: tuple[Arm, Ref], other: tuple[Arm, Ref], node: ast.AST
    ) -> tuple[Ref, Ref]:
        """What a variable holds on each of two paths, in terms of one buffer."""
        a, b = one[1], other[1]
        if not alike(a, b):
            a, b = (self.flattened(arm, ref, node) for arm, ref in (one, other))
        ends = a.buffer, b.buffer
        if ends not in pairs:
            pairs[ends] = a.buffer if ends[0] == ends[1] else memory.new(memory.words[ends[0]])
        return replace(a, buffer=pairs[ends]), replace(b, buffer=pairs[ends])

    def flattened(self, arm: Arm, ref: Ref, node: ast.AST) -> Ref:
        """A section as a buffer of its own, which may share memory with the one that it is taken from."""
        if not ref.steps:
            return ref
        return self.inside(arm, lambda: self._apart(ref, node))

    def _apart(self, ref: Ref, node: ast.AST) -> Ref:
        found = self.kept(self.read(ref, node))
        assert isinstance(found, Ref)
        return found

    def inside(self, arm: Arm, lower: Callable[[], Ref]) -> Ref:
        """What `lower` gives at the end of a path."""
        found: list[Ref] = []

        def run() -> Flow:
            found.append(lower())
            return arm.flow

        self.arm(run, arm)
        return found[0]


def _unknown(pairs: Iterable[tuple[tuple[Arm, Ref], tuple[Arm, Ref]]]) -> Unfit | None:
    """Why one of some sections cannot be read at the end of its path; None if all can be."""
    found = (arm.env[key_of(ref.buffer)].value for pair in pairs for arm, ref in pair)
    return next((value for value in found if isinstance(value, Unfit)), None)
