"""Arrays of a few elements, how many is known before the program runs -> their elements, as numbers.

    for k in range(n):                             for k in range(n):
        v = array_of(p1, -p0)         ->               v_0, v_1 = p1, -p0
        p = add(p, mul(h, v))                          p_0 = p_0 + h * v_0
                                                       p_1 = p_1 + h * v_1

The state of an ODE or of a filter is such an array: to make one takes as long as twenty products of numbers. How many elements there
are a literal says, as in ``np.array([x, y])``, or an array that meets such a one: then the program asks first. An operation that
is not known here (`solve`, an index that a loop computes) gets the array, made of its numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stagegrad.ir import (
    BOOL,
    INT,
    Atom,
    Attr,
    Block,
    Call,
    Carry,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Remark,
    Stage,
    Stmt,
    Var,
    While,
    rename,
    walk,
)  # fmt: skip
from stagegrad.ops import find, literal
from stagegrad.passes.few.moves import Sizes, moved, position
from stagegrad.passes.few.unroll import unrolled
from stagegrad.passes.few.uses import Uses, is_elementwise, is_few, is_suited, line_of, sizes_wanted
from stagegrad.shapes import Dim, Dimensions, dimensions

#: A function that would become longer stays as it was.
_TOO_LONG = 800

#: Said of an array that has another size than what it meets.
_UNEQUAL = "operands could not be broadcast together"

_REDUCING = frozenset({"load", "extent", "size", "sum", "norm", "matmul"})
_FILLED = {"zeros_like": 0.0, "ones_like": 1.0, "zeros_of": 0.0, "ones_of": 1.0}


def few_as_numbers(module: Module) -> Module:
    """The module whose small arrays are numbers; a function that has none, or would become too long, stays as it is."""
    return Module(tuple(_changed(function, module) for function in module.functions))


def _changed(function: Function, module: Module) -> Function:
    if not any(isinstance(stmt, Stage) and is_suited(stmt.out.type) for stmt in walk(function.body)):
        return function
    try:
        return _Few(function, module).function()
    except _GivenUp:
        return function


def small_arrays(module: Module) -> int:
    """How many stages make an array that may be a small one."""
    return sum(isinstance(stmt, Stage) and is_suited(stmt.out.type) for function in module.functions for stmt in walk(function.body))


class _GivenUp(Exception):
    """The function would become too long, or it is not known how many elements an array has."""


@dataclass(frozen=True)
class _Numbers:
    """An array as its elements, row after row."""

    sizes: Sizes
    items: tuple[Atom, ...]


@dataclass
class _Place:
    """A block that is being written: its statements, the sizes that are equal in it, and which arrays were made or taken apart there."""

    equal: Mapping[Dim, Dim]
    stmts: list[Stmt] = field(default_factory=list)
    packed: dict[Var, Var] = field(default_factory=dict)
    apart: dict[Var, _Numbers] = field(default_factory=dict)


class _Few:
    """One walk through a function: `numbers` are the arrays that are numbers, `become` what has become of other values."""

    def __init__(self, function: Function, module: Module) -> None:
        self.before, self.fresh, self.uses = function, Fresh(function), Uses(function)
        self.found: Dimensions = dimensions(function, module=module)
        self.taken = self.fresh.taken()
        self.stems: dict[str, str] = {}
        self.numbers: dict[Var, _Numbers] = {}
        self.become: dict[Var, Atom] = {}
        self.names: dict[Var, Var] = {}  # elements without a name that are those of an array with one
        self.places: list[_Place] = []  # the block that is being written, and those around it
        self.count = 0

    def function(self) -> Function:
        """The function with its small arrays as numbers."""
        place = self._written(self.before.body, self.found.same_as)
        body = self._ended(self.before.body, place)
        return replace(self.before, body=rename(body, self.names)) if self.numbers else self.before

    # ------------------------------------------------------------------------------------------ values

    def emit(self, stmt: Stmt) -> None:
        self.count += 1
        if self.count > _TOO_LONG:
            raise _GivenUp
        self.places[-1].stmts.append(stmt)

    def made(self, op: str, args: Sequence[Atom], like: Stage, out: Var | None = None) -> Var:
        """A number, as a stage of this name or of none."""
        out = out or self.fresh.var("", find(op).result([arg.type for arg in args]))
        attrs = like.attrs if op == like.op else ()
        if "numpy" in find(op).spelling and not any(key == "lib" for key, _ in attrs):
            attrs = (("lib", "numpy"), *attrs)
        self.emit(Stage(out, op, tuple(args), attrs, "", like.span))
        return out

    def element(self, var: Var, number: int, sizes: Sizes) -> Var:
        """The name of an element: ``v_0``, ``m_01``."""
        if not var.name:
            return self.fresh.var("", replace(var.type, rank=0))
        digits = "".join(map(str, position(number, sizes)))
        return Var(f"{self._stem(var.name)}_{digits}", replace(var.type, rank=0), var.version)

    def _stem(self, name: str) -> str:
        """What the names of an array's elements begin with: its own name, unless others would be called the same."""
        if name not in self.stems:
            stem = name
            while stem in self.stems.values() or any(re.fullmatch(rf"{stem}_\d+", other) for other in self.taken):
                stem += "_"
            self.stems[name] = stem
        return self.stems[name]

    def elements(self, var: Var, sizes: Sizes) -> list[Var]:
        return [self.element(var, number, sizes) for number in range(math.prod(sizes))]

    def sizes(self, atom: Atom) -> Sizes | None:
        """How many elements an array has along its axes, if they are few and known in the block that is being written."""
        if isinstance(atom, Var) and atom in self.numbers:
            return self.numbers[atom].sizes
        return self._sizes(atom, self.places[-1].equal)

    def _sizes(self, atom: Atom, equal: Mapping[Dim, Dim]) -> Sizes | None:
        if not isinstance(atom, Var) or not is_suited(atom.type) or atom not in self.found.of:
            return None
        known = list[int]()
        for dim in self.found.of[atom]:
            while dim in equal:
                dim = equal[dim]
            if not isinstance(dim, int):
                return None
            known.append(dim)
        return tuple(known) if is_few(tuple(known)) else None

    def atom(self, old: Atom) -> Atom:
        """A value as it is now: whoever reads it as an array gets one, made of its numbers."""
        while isinstance(old, Var) and old in self.become:
            old = self.become[old]
        if not isinstance(old, Var) or old not in self.numbers:
            return old
        for place in self.places:
            if old in place.packed:
                return place.packed[old]
        held = self.numbers[old]
        out = self.fresh.var(old.name, old.type)
        self.emit(Stage(out, "array_of", held.items, (("shape", held.sizes),)))
        self.places[-1].packed[old] = out
        return out

    def items(self, old: Atom) -> _Numbers | None:
        """The elements of an array, or a number as its own element; None of an array whose sizes are not known."""
        if not old.type.rank:
            return _Numbers((), (self.atom(old),))
        for known in (self.numbers, *(place.apart for place in self.places)):
            if isinstance(old, Var) and old in known:
                return known[old]
        sizes = self.sizes(old)
        if sizes is None or not isinstance(old, Var):
            return None
        array = self.atom(old)
        self._ask(array, self.found.of[old], sizes)
        items = [self._read(array, position(number, sizes)) for number in range(math.prod(sizes))]
        self.places[-1].apart[old] = _Numbers(sizes, tuple(items))
        return self.places[-1].apart[old]

    def _ask(self, array: Atom, dims: Sequence[Dim], sizes: Sizes, *, first: int = 0) -> None:
        """Raises where the axes of an array, from the `first` on, have other sizes than what they meet."""
        for axis, (dim, size) in enumerate(zip(dims, sizes, strict=True), first):
            if not isinstance(dim, int):
                own, other = self.fresh.var("", INT), self.fresh.var("", BOOL)
                self.emit(Stage(own, "extent", (array,), (("axis", axis),)))
                self.emit(Stage(other, "ne", (own, literal(size))))
                self.emit(Raise(other, "ValueError", (_UNEQUAL,)))

    def _read(self, array: Atom, at: Sequence[Atom | int]) -> Var:
        out = self.fresh.var("", replace(array.type, rank=0))
        indices = tuple(literal(index) if isinstance(index, int) else index for index in at)
        self.emit(Stage(out, "load", (array, *indices), _at(len(indices))))
        return out

    def keep(self, var: Var, sizes: Sizes, items: Iterable[Atom]) -> bool:
        """From here on an array is these numbers; those without a name get its own."""
        held = tuple(items)
        self.numbers[var] = _Numbers(sizes, held)
        for number, item in enumerate(held):
            if var.name and isinstance(item, Var) and not item.name and item not in self.names:
                self.names[item] = self.element(var, number, sizes)
        return True

    # ------------------------------------------------------------------------------------------ statements

    def _written(self, block: Block, equal: Mapping[Dim, Dim]) -> _Place:
        """The statements of a block; what it yields is said by `_ended`."""
        self.places.append(_Place(equal))
        for stmt in block.stmts:
            self.stmt(stmt)
        return self.places.pop()

    def _ended(self, block: Block, place: _Place, apart: Collection[int] = ()) -> Block:
        """The block with what it yields, of which the results at these positions are numbers."""
        self.places.append(place)
        results = list[Atom]()
        for k, result in enumerate(block.results):
            if k not in apart:
                results.append(self.atom(result))
            elif (held := self.items(result)) is None:
                raise _GivenUp
            else:
                results += held.items
        self.places.pop()
        return Block(tuple(place.stmts), tuple(results))

    def stmt(self, stmt: Stmt) -> None:
        match stmt:
            case Stage():
                self.stage(stmt)
            case If():
                self.branch(stmt)
            case For() | While():
                self.loop(stmt)
            case Call():
                self.emit(replace(stmt, args=tuple(map(self.atom, stmt.args))))
            case Raise(message=None):
                self.emit(replace(stmt, test=self.atom(stmt.test)))
            case Raise(message=tuple(parts)):
                message = tuple(part if isinstance(part, str) else self.atom(part) for part in parts)
                self.emit(replace(stmt, test=self.atom(stmt.test), message=message))
            case Remark():
                self.emit(stmt)
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def stage(self, stage: Stage) -> None:
        if not stage.out.type.rank and self._number(stage):
            return
        if is_suited(stage.out.type) and (self._created(stage) or self._computed(stage)):
            return
        if stage.op == "store" and self._line_written(stage):
            return
        self.emit(replace(stage, args=tuple(map(self.atom, stage.args))))

    def _is_numbers(self, atom: Atom) -> bool:
        return isinstance(atom, Var) and atom in self.numbers

    def _number(self, stage: Stage) -> bool:
        """Makes the number that a stage makes of arrays, if some of them are numbers."""
        if stage.op not in _REDUCING or not any(map(self._is_numbers, stage.args)):
            return False
        operands = [self.items(arg) for arg in stage.args]
        held = operands[0]
        made: Atom | None = None
        match stage.op:
            case "extent" | "size" if held is not None:
                axis = dict(stage.attrs).get("axis", 0)
                assert isinstance(axis, int)
                made = literal(held.sizes[axis])
            case "load" if held is not None and (found := moved(stage, self.sizes)) is not None:
                made = held.items[found.sources[0]]
                if stage.out.name and isinstance(made, Var) and not made.name and made not in self.names:
                    self.names[made] = stage.out
            case "sum" if held is not None and not stage.attrs and stage.out.type.kind == "float":  # answers are counted as an array
                made = self._sum(held.items, stage, stage.out)
            case "norm" if held is not None and not stage.attrs and len(held.items) > 1:
                made = self._joined("hypot", held.items, stage, stage.out)
            case "matmul" if held is not None and operands[1] is not None and len(held.items) == len(operands[1].items):
                made = self._dot(held.items, operands[1].items, stage, stage.out)
        if made is None:
            return False
        if made != stage.out:
            self.become[stage.out] = made
        return True

    def _joined(self, op: str, items: Sequence[Atom], like: Stage, out: Var) -> Atom:
        """One operation after the other: ``op(op(a, b), c)``; the last one makes `out`."""
        total = items[0]
        for number, item in enumerate(items[1:], 2):
            total = self.made(op, (total, item), like, out if number == len(items) else None)
        return total

    def _sum(self, items: Sequence[Atom], like: Stage, out: Var) -> Atom:
        return self._joined("add", items, like, out)

    def _dot(self, xs: Sequence[Atom], ys: Sequence[Atom], like: Stage, out: Var) -> Atom:
        products = [self.made("mul", pair, like, out if len(xs) == 1 else None) for pair in zip(xs, ys, strict=True)]
        return self._sum(products, like, out)

    # ------------------------------------------------------------------------------------------ arrays that stages make

    def _created(self, stage: Stage) -> bool:
        """Keeps an array of given numbers, if numbers are what is needed of it."""
        out, attrs = stage.out, dict(stage.attrs)
        if stage.op == "load" and (axis := line_of(stage, stage.args[1:])) is not None:
            return self._line_read(stage, axis)
        if stage.op not in _FILLED and stage.op not in ("eye_of", "array_of"):
            return False
        if stage.op == "array_of":
            shape = attrs["shape"]
            assert isinstance(shape, tuple)
            sizes: Sizes | None = tuple(size for size in shape if isinstance(size, int))
        else:
            sizes = self.sizes(stage.args[0]) if stage.op.endswith("_like") else _literals(stage.args)
        if sizes is None or not is_few(sizes) or out.type.kind != "float" or not self.uses.serve(out):
            return False
        if stage.op == "array_of":
            if any(arg.type.kind != "float" and not isinstance(arg, Lit) for arg in stage.args):
                return False
            return self.keep(out, sizes, [_as_float(self.atom(arg)) for arg in stage.args])
        if stage.op == "eye_of":
            shift = attrs.get("k", 0)
            return self.keep(out, sizes, [literal(float(j - i == shift)) for i in range(sizes[0]) for j in range(sizes[1])])
        return self.keep(out, sizes, [literal(_FILLED[stage.op])] * math.prod(sizes))

    def _line_read(self, stage: Stage, axis: int) -> bool:
        """Reads the elements of a row or a column, if it has few."""
        sizes = self.sizes(stage.out)
        if sizes is None or self._is_numbers(stage.args[0]) or not self.uses.serve(stage.out):
            return False
        array, *at = map(self.atom, stage.args)
        self._ask(array, self.found.of[stage.out], sizes, first=axis)
        return self.keep(stage.out, sizes, [self._read(array, (*at[:axis], k, *at[axis:])) for k in range(sizes[0])])

    def _line_written(self, stage: Stage) -> bool:
        """Writes numbers to the elements of a row or a column."""
        whole, value, axis = stage.args[0], stage.args[-1], line_of(stage, stage.args[1:-1])
        if axis is None or not self._is_numbers(value) or whole not in self.found.of or self._is_numbers(whole):
            return False
        assert isinstance(whole, Var) and isinstance(value, Var)
        if whole.type.kind != "float" or whole.type.bits != 64:
            return False
        held, array, at = self.numbers[value], self.atom(whole), tuple(map(self.atom, stage.args[1:-1]))
        self._ask(array, self.found.of[whole][axis : axis + 1], held.sizes, first=axis)
        for k, item in enumerate(held.items):
            out = stage.out if k + 1 == len(held.items) else self.fresh.like(stage.out)
            indices = (*at[:axis], literal(k), *at[axis:])
            self.emit(Stage(out, "store", (array, *indices, item), _at(len(indices)), "", stage.span))
            array = out
        return True

    def _computed(self, stage: Stage) -> bool:
        """Keeps what a stage makes of arrays, some of which are numbers."""
        arrays = [arg for arg in stage.args if arg.type.rank]
        if not any(map(self._is_numbers, arrays)) or any(self.sizes(arg) is None for arg in arrays):
            return False
        if stage.op in ("copy", "duplicate"):
            held = self.items(stage.args[0])
            return held is not None and self.keep(stage.out, held.sizes, held.items)
        if (found := moved(stage, self.sizes)) is not None:
            operands = [self.items(stage.args[k]) for k in found.operands]
            together = [_as_float(item) for operand in operands if operand is not None for item in operand.items]
            return self.keep(stage.out, found.sizes, [together[k] for k in found.sources])
        if stage.op in ("matmul", "outer"):
            return self._product(stage)
        if stage.op == "cross":
            return self._cross(stage)
        return is_elementwise(stage) and self._elementwise(stage)

    def _elementwise(self, stage: Stage) -> bool:
        """The same operation of every element."""
        operands = [held for arg in stage.args if (held := self.items(arg)) is not None]
        sizes = _broadcast([operand.sizes for operand in operands])
        if len(operands) < len(stage.args) or sizes is None or not is_few(sizes):
            return False
        items = list[Atom]()
        for number, out in enumerate(self.elements(stage.out, sizes)):
            args = [operand.items[_source(number, sizes, operand.sizes)] for operand in operands]
            items.append(self.made(stage.op, args, stage, out))
        return self.keep(stage.out, sizes, items)

    def _product(self, stage: Stage) -> bool:
        """A product of matrices and vectors: each element is a sum of products."""
        left, right = map(self.items, stage.args)
        if left is None or right is None:
            return False
        inner = 1 if stage.op == "outer" else left.sizes[-1]
        across = len(right.items) if stage.op == "outer" else right.sizes[1] if len(right.sizes) == 2 else 1
        sizes = (*left.sizes, *right.sizes) if stage.op == "outer" else (*left.sizes[:-1], *right.sizes[1:])
        if inner * across != len(right.items) or not is_few(sizes):
            return False
        rows = [left.items[k : k + inner] for k in range(0, len(left.items), inner)]
        cells = [(row, right.items[k::across]) for row in rows for k in range(across)]
        elements = self.elements(stage.out, sizes)
        return self.keep(stage.out, sizes, [self._dot(x, y, stage, out) for (x, y), out in zip(cells, elements, strict=True)])

    def _cross(self, stage: Stage) -> bool:
        """The cross product of two vectors of three elements."""
        left, right = map(self.items, stage.args)
        if left is None or right is None or not left.sizes == right.sizes == (3,):
            return False
        items = list[Atom]()
        for k, out in enumerate(self.elements(stage.out, (3,))):
            i, j = (k + 1) % 3, (k + 2) % 3
            minuend = self.made("mul", (left.items[i], right.items[j]), stage)
            subtrahend = self.made("mul", (left.items[j], right.items[i]), stage)
            items.append(self.made("sub", (minuend, subtrahend), stage, out))
        return self.keep(stage.out, (3,), items)

    # ------------------------------------------------------------------------------------------ branches and loops

    def branch(self, stmt: If) -> None:
        """Runs both arms; an array that both make, one of them of numbers, comes out as numbers."""
        test = self.atom(stmt.test)
        arms = (stmt.then, stmt.orelse)
        places = [self._written(arm, self.found.inside.get(id(arm), self.places[-1].equal)) for arm in arms]
        chosen, outs = set[int](), list[Var]()
        for k, out in enumerate(stmt.outs):
            results = [arm.results[k] for arm in arms]
            first, second = (self._in(place, result) for place, result in zip(places, results, strict=True))
            if first is not None and first == second and any(map(self._is_numbers, results)):
                chosen.add(k)
                outs += self._as_elements(out, first)
            else:
                outs.append(out)
        then, orelse = (self._ended(arm, place, chosen) for arm, place in zip(arms, places, strict=True))
        self.emit(If(test, then, orelse, tuple(outs), stmt.note, stmt.span))

    def _in(self, place: _Place, atom: Atom) -> Sizes | None:
        """The sizes of an array in another block than this one."""
        return self.numbers[atom].sizes if isinstance(atom, Var) and atom in self.numbers else self._sizes(atom, place.equal)

    def _as_elements(self, var: Var, sizes: Sizes) -> list[Var]:
        elements = self.elements(var, sizes)
        self.keep(var, sizes, elements)
        return elements

    def loop(self, loop: For | While) -> None:
        """Carries numbers instead of arrays, where they serve; how many they are is what a trip would find."""
        here, inside = self.places[-1], self.found.inside.get(id(loop.body), self.places[-1].equal)
        carries, chosen = list[Carry](), set[int]()
        for k, carry in enumerate(loop.carries):
            sizes = self._sizes(carry.var, inside) if self.uses.serve(carry.var) else None
            start = self.items(carry.init) if self._is_numbers(carry.init) else None
            if start is None and sizes is not None:
                outside, here.equal = here.equal, inside
                start = self.items(carry.init)
                here.equal = outside
            if start is None or start.sizes != sizes:
                carries.append(replace(carry, init=self.atom(carry.init)))
            else:
                chosen.add(k)
                carries += map(Carry, self._as_elements(carry.var, sizes), start.items, self._as_elements(carry.out, sizes))
        if isinstance(loop, While):
            test = self._ended(loop.test, self._written(loop.test, here.equal))
            body = self._ended(loop.body, self._written(loop.body, inside), chosen)
            self.emit(replace(loop, carries=tuple(carries), test=test, body=body))
        else:
            start_, stop, step = (self.atom(atom) for atom in (loop.start, loop.stop, loop.step))
            body = self._ended(loop.body, self._written(loop.body, inside), chosen)
            self.emit(replace(loop, start=start_, stop=stop, step=step, carries=tuple(carries), body=body))


def _at(count: int) -> tuple[tuple[str, Attr], ...]:
    return (("at", f"[{', '.join(f'{{{k}}}' for k in range(count))}]"), ("rank", 0)) if count > 1 else ()


def _as_float(atom: Atom) -> Atom:
    return literal(float(atom.value)) if isinstance(atom, Lit) and type(atom.value) is int else atom


def _literals(atoms: Sequence[Atom]) -> Sizes | None:
    found = tuple(atom.value for atom in atoms if isinstance(atom, Lit) and isinstance(atom.value, int))
    return found if len(found) == len(atoms) else None


def _broadcast(operands: Sequence[Sizes]) -> Sizes | None:
    """The sizes of what operands of these sizes make together; None where they do not fit."""
    rank = max(map(len, operands))
    found = list[int]()
    for axis in range(-rank, 0):
        sizes = {sizes[axis] for sizes in operands if len(sizes) >= -axis} - {1}
        if len(sizes) > 1:
            return None
        found.append(sizes.pop() if sizes else 1)
    return tuple(found)


def _source(number: int, sizes: Sizes, own: Sizes) -> int:
    """The number of the element of an operand with sizes of its `own` that goes into an element of the result."""
    found = 0
    for index, size in zip(position(number, sizes)[len(sizes) - len(own) :], own, strict=True):
        found = found * size + (index if size > 1 else 0)
    return found


__all__ = ["few_as_numbers", "sizes_wanted", "small_arrays", "unrolled"]
