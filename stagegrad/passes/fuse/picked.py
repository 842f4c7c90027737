"""What is read at a few computed places of an array that is cheap to compute is computed at these places.

    shifted = logits - top[:, None]                     chosen = logits[range(n), labels] - top
    chosen = shifted[np.arange(n), labels]      ->

Else the array would be made for nobody but them.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from stagegrad.ir import Atom, Block, Fresh, Stage, Var
from stagegrad.passes.fuse.items import SIZES
from stagegrad.passes.fuse.nodes import Ahead, Counting, Entry, Node, Nodes, Ref
from stagegrad.passes.fuse.order import reads
from stagegrad.passes.fuse.schedule import written_by
from stagegrad.passes.fuse.stencil import ARITHMETIC

#: As many operations are computed again at a place.
_MOST = 3


def computed_where_picked(block: Block, found: Mapping[Var, Node], nodes: Nodes, fresh: Fresh) -> dict[Var, tuple[Node, ...]]:
    """For stages that read an array at computed places: the nodes that compute these elements, the stage's own last."""
    picks = [node for node in found.values() if node.stage.op == "load"]
    if not picks:
        return {}
    fixed = _needed_as_arrays(block, found, nodes)
    written = frozenset[Atom | Counting]().union(*(written_by(stmt, nodes) for stmt in block.stmts))
    made = {}
    for node in picks:
        if node.refs[0].base not in fixed:
            chain = _Chain(node, found, written, fresh)
            if chain.comes_to_an_end():
                made[node.out] = tuple(chain.nodes)
    return made


def _needed_as_arrays(block: Block, found: Mapping[Var, Node], nodes: Nodes) -> set[Atom | Counting]:
    """What others than nodes read or write, through views."""
    known = found.keys() | nodes.views.keys()
    others = (stmt for stmt in block.stmts if not (isinstance(stmt, Stage) and (stmt.out in known or stmt.op in SIZES)))
    return {nodes.ref(atom).base for atom in (*(var for stmt in others for var in reads(stmt)), *block.results)}


class _Chain:
    """The operations that make the elements which one node reads, anew over the axes of that node."""

    def __init__(self, reader: Node, found: Mapping[Var, Node], written: Set[Atom | Counting], fresh: Fresh) -> None:
        self.reader, self.found, self.written, self.fresh = reader, found, written, fresh
        self.nodes: list[Node] = []

    def comes_to_an_end(self) -> bool:
        """Are they few, and is all that they read in memory, or made in the trip that reads it?"""
        last = self.maker(self.reader.refs[0])
        return last is not None and len(last.axes) > len(self.reader.axes) and self.add(last, self.reader.refs[0], self.reader.out)

    def maker(self, ref: Ref) -> Node | None:
        maker = self.found.get(ref.base) if isinstance(ref.base, Var) else None
        return maker if maker is not None and maker.stage.op in ARITHMETIC and not maker.into else None

    def add(self, maker: Node, ref: Ref, out: Var) -> bool:
        """Adds a copy of a node behind copies of those that it needs."""
        where = {axis: entry for axis, entry in zip(maker.place, ref.index, strict=True) if isinstance(axis, int)}
        refs = []
        for inner in maker.refs:
            moved = _moved(inner, where, self.reader)
            if moved is None:
                return False
            again = self.maker(moved)
            if again is not None and not self.in_step(moved):
                made = self.fresh.var(f"{again.out.name or 'it'}_at", replace(out.type, kind=again.out.type.kind, bits=again.out.type.bits))
                if not self.add(again, moved, made):
                    return False
                moved = Ref(made, tuple(range(len(self.reader.axes))), self.reader.axes)
            elif not self.is_there(moved):
                return False
            refs.append(moved)
        stage = replace(maker.stage, out=out, note=self.reader.stage.note, span=self.reader.stage.span)
        self.nodes.append(replace(self.reader, stage=stage, refs=tuple(refs), met=(*self.reader.met, *maker.met)))
        return len(self.nodes) <= _MOST

    def is_there(self, ref: Ref) -> bool:
        """Is it a number, an array that is not written to, or made in the same trip?"""
        if not isinstance(ref.base, Var) or not ref.base.type.rank:
            return True
        return self.in_step(ref) if ref.base in self.found else ref.base not in self.written

    def in_step(self, ref: Ref) -> bool:
        """Is each element read in the trip that makes it?"""
        return all(isinstance(entry, int) for entry in ref.index)


def _moved(ref: Ref, where: Mapping[int, Entry], reader: Node) -> Ref | None:
    """An operand of a node, at the places where another reads the node; None where they cannot be told."""

    def moved(entry: Entry) -> Entry | None:
        match entry:
            case int():
                return where.get(entry)
            case Ahead(axis, by):
                base = where.get(axis)
                return Ahead(base, by) if isinstance(base, int) else None
            case Ref():
                return _moved(entry, where, reader)
            case _:
                return entry

    index = tuple(map(moved, ref.index))
    return None if None in index else Ref(ref.base, tuple(entry for entry in index if entry is not None), reader.axes)
