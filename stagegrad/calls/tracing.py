"""Generated Python code and arguments -> every stage's value and gradient: the printed code itself is run, with probes in it.

The value of a stage is read after the statement that computes it, its gradient before the block of the backward pass that undoes
it (``# z = x * y``): there it is complete. A statement and its block are matched by the place in the user's text that both
come from. In a loop each trip is recorded; the backward pass meets the trips last first. What cannot be matched has no gradient.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from stagegrad.emit import Source

Number: TypeAlias = "float | int | bool"

_NOTE = re.compile(r"\s*# (?:\(\d+\) )?(\w+) = ")
_PROBE = "stagegrad probe"  # no name that the code could have: it holds a space
_MOST = 6


@dataclass(frozen=True)
class Row:
    """A stage: its name, its value and its gradient each time it ran. `gradients` is empty where none passes through it."""

    name: str
    values: tuple[Number, ...]
    gradients: tuple[float, ...]
    repeated: bool

    def as_dict(self) -> dict[str, Any]:
        """``value`` and ``gradient``: numbers, or lists of them, first trip first, for a stage in a loop."""
        if self.repeated:
            return {"value": list(self.values), "gradient": list(self.gradients) or None}
        return {"value": self.values[0], "gradient": self.gradients[0] if self.gradients else None}


@dataclass(frozen=True)
class Trace:
    """The value and the gradient of every stage at a point: parameters first, then the stages as they are computed."""

    name: str
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, name: str) -> Row:
        """The last stage of that name."""
        for row in reversed(self.rows):
            if row.name == name:
                return row
        raise KeyError(name)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Each stage by name; the second stage of a name is ``z (2)``, and so on."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            name, count = row.name, 2
            while name in found:
                name, count = f"{row.name} ({count})", count + 1
            found[name] = row.as_dict()
        return found

    def __str__(self) -> str:
        cells = [("stage", "value", "gradient"), *(line for row in self.rows for line in _lines(row))]
        widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def _lines(row: Row) -> Iterator[tuple[str, str, str]]:
    gradients = [repr(g) for g in row.gradients] or [""] * len(row.values)
    if not row.repeated:
        yield row.name, repr(row.values[0]), gradients[0]
        return
    for trip, (value, gradient) in enumerate(zip(row.values, gradients, strict=True)):
        if trip < _MOST or trip == len(row.values) - 1:
            yield f"{row.name}[{trip}]", repr(value), gradient
        elif trip == _MOST:
            yield "...", "", ""


def trace(source: Source, args: Sequence[Number], params: Sequence[str], chosen: Sequence[int]) -> Trace:
    """Runs the code that computes value and gradient with respect to the parameters at `chosen`, and records its stages."""
    probes = _Probes(source)
    result = probes.run(args)
    gradient = result[1] if isinstance(result[1], tuple) else (result[1],)
    by_position: Mapping[int, float] = dict(zip(chosen, gradient, strict=True))
    rows = [
        Row(name, (value,), (by_position[k],) if k in by_position else (), False)
        for k, (name, value) in enumerate(zip(params, args, strict=True))
    ]
    rows += probes.rows()
    if probes.result not in (None, *(row.name for row in rows)):
        rows.append(Row(str(probes.result), (result[0],), (1.0,), False))
    return Trace(source.entry.removesuffix("_value_and_grad"), tuple(rows))


class _Probes:
    """The generated function with probes in it, and what they saw: line -> the values of one variable, one for each time."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = source.text.splitlines()
        self.tree = ast.parse(source.text)
        self.function = next(node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name == source.entry)
        self.seen: dict[int, list[Any]] = {}
        self.stages: dict[int, tuple[str, bool]] = {}  # the line of a stage -> its name, and whether it is in a loop
        self.blocks: dict[int, str] = {}  # the first line of a block of the backward pass -> the stage that it undoes
        backward = {n.id for stmt in ast.walk(self.function) if self._within(stmt, source.backward) for n in _stored(stmt)}
        forward = {n.id for stmt in ast.walk(self.function) if self._within(stmt, source.forward) for n in _stored(stmt)}
        self.gradients = backward - forward

    @property
    def result(self) -> str | None:
        """The variable that holds the value which the function returns, if one does."""
        match self.function.body[-1]:
            case ast.Return(ast.Tuple([ast.Name(name), *_])):
                return name
        return None

    def run(self, args: Sequence[Number]) -> Any:
        """Puts the probes in and runs the function."""
        self._body(self.function.body, repeated=False)
        scope: dict[str, Any] = {_PROBE: self._see}
        exec(compile(ast.fix_missing_locations(self.tree), "<stagegrad trace>", "exec"), scope)
        return scope[self.source.entry](*args)

    def _see(self, line: int, name: str) -> None:
        self.seen.setdefault(line, []).append(sys._getframe(1).f_locals.get(name))

    def rows(self) -> Iterator[Row]:
        """The stages that ran, in the order of the text."""
        for line, (name, repeated) in sorted(self.stages.items()):
            values = self.seen.get(line, [])
            if values and all(isinstance(value, (bool, int, float)) for value in values):
                yield Row(name, tuple(values), self._gradients(line, name, len(values)), repeated)

    def _gradients(self, line: int, name: str, count: int) -> tuple[float, ...]:
        place = self.source.spans[line - 1]
        undoing = [
            first for first, word in self.blocks.items() if self.source.spans[first - 1] == place and re.fullmatch(rf"{word}\d*", name)
        ]
        twins = [other for other, (word, _) in self.stages.items() if self.source.spans[other - 1] == place and word == name]
        found = self.seen.get(undoing[0], []) if len(undoing) == len(twins) == 1 else []
        return tuple(reversed(found)) if len(found) == count and None not in found else ()

    # ------------------------------------------------------------------------------------------ putting them in

    def _body(self, body: list[ast.stmt], *, repeated: bool) -> None:
        for stmt in list(body):
            if self._within(stmt, self.source.forward) and self.source.spans[stmt.lineno - 1] is not None:
                self._after(body, stmt, repeated)
            elif self._within(stmt, self.source.backward):
                self._before(body, stmt)
            for inner in (getattr(stmt, "body", []), getattr(stmt, "orelse", [])):
                self._body(inner, repeated=repeated or isinstance(stmt, (ast.For, ast.While)))

    def _after(self, body: list[ast.stmt], stmt: ast.stmt, repeated: bool) -> None:
        if isinstance(stmt, (ast.Assign, ast.AugAssign)) and len(names := _stored(stmt)) == 1:
            self.stages[stmt.lineno] = (names[0].id, repeated)
            body.insert(body.index(stmt) + 1, _probe(stmt, names[0].id))

    def _before(self, body: list[ast.stmt], stmt: ast.stmt) -> None:
        note = _NOTE.match(self.lines[stmt.lineno - 2])
        if note is None:
            return
        place = self.source.spans[stmt.lineno - 1]
        block = [other for other in body[body.index(stmt) :] if self._place(other) == place]
        read = {n.id for part in block for n in ast.walk(part) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        words = [word for word in sorted(read & self.gradients) if re.fullmatch(rf"d{note[1]}\d*_*", word)]
        if place is not None and len(words) == 1:
            self.blocks[stmt.lineno] = note[1]
            body.insert(body.index(stmt), _probe(stmt, words[0]))

    def _place(self, stmt: ast.stmt) -> Any:
        return self.source.spans[stmt.lineno - 1]

    def _within(self, node: ast.AST, lines: tuple[int, int]) -> bool:
        return isinstance(node, ast.stmt) and lines[0] < node.lineno <= lines[1]


def _probe(stmt: ast.stmt, name: str) -> ast.stmt:
    """``probe(line, "name")``, which reads the variable from the frame that calls it."""
    call = ast.Call(ast.Name(_PROBE, ast.Load()), [ast.Constant(stmt.lineno), ast.Constant(name)], [])
    return ast.copy_location(ast.Expr(call), stmt)


def _stored(node: ast.AST) -> list[ast.Name]:
    """The plain variables that a statement assigns to; none where it assigns to an element."""
    if isinstance(node, ast.Assign):
        return [target for target in node.targets if isinstance(target, ast.Name)]
    return [node.target] if isinstance(node, (ast.AugAssign, ast.For)) and isinstance(node.target, ast.Name) else []
