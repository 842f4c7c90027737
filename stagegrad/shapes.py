"""Which arrays of a function certainly have the same shape: a fact, found without knowing any size.

`shapes` gives every array of a function a tuple of dimensions. Equal dimensions are equal sizes in every run (in the same trip of
a loop); different ones may be equal or not. NumPy's broadcasting makes that the question to ask: ``x * y`` has the shape of x only
where no axis of x has one element that y repeats. Of the parameters it is known which axes have one element (`Function.axes`); two
others that meet in one operation are equal then, or it would have raised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, zip_longest
from typing import TypeVar

from stagegrad.ir import Atom, Block, Call, For, Function, If, Lit, Module, Raise, Remark, Stage, Type, Var, While, walk
from stagegrad.ops import find

#: A size: a number, or a name for one that is only known when the program runs.
Dim = int | str
Shape = tuple[Dim, ...]

_AS_FIRST = frozenset({
    "store", "accumulate", "duplicate", "copy", "zeros_like", "full_like", "ones_like", "empty_like", "cast", "astype", "tril",
    "triu", "flip", "roll", "cumsum", "cumprod", "sort", "argsort", "softmax", "log_softmax", "shares", "inv", "inv_or_nan", "cofactors",
    "cholesky", "lower_half", "eigh_vectors", "over_factor",
})  # fmt: skip
#: How `np.einsum` is called with its subscripts.
_EINSUM = re.compile(r"einsum_([A-Za-z_]*)_to_([A-Za-z]+)")
_SIZED = frozenset({"zeros", "tape_float", "tape_int", "tape_bool", "zeros_of", "ones_of", "empty_of", "eye_of"})
_REDUCED = frozenset({
    "sum", "mean", "var", "std", "prod", "amax", "amin", "argmax", "argmin", "any", "all", "count_nonzero", "logsumexp", "median", "norm",
    "nanmax", "nanmin",
})  # fmt: skip


def shapes(function: Function, *, certain: bool = False, module: Module | None = None) -> dict[Var, Shape]:
    """The dimensions of every array of a function, of the module if that is given.

    Two that meet in an arm or in the body of a loop count as equal everywhere, which is enough to know for whoever asks about
    arrays that meet; where `certain`, they do so only if they meet in every run.
    """
    found = dimensions(function, module=module)
    if not certain:
        found.same_as = found.ever
    return {var: tuple(map(found.equal, dims)) for var, dims in found.of.items()}


def dimensions(
    function: Function, *, hopeful: bool = False, apart: bool = False, even: bool = False, module: Module | None = None
) -> Dimensions:
    """The dimensions of every array of a function as each was found, and which of them turned out to be equal.

    Short functions of the module, if that is given, are looked into where they are called.

    Where two that had other names are equal, an operation that meets both would have raised otherwise: whoever does without the
    operation has to ask. The `hopeful` take it that sections which meet, ``x[1:] * y[1:]``, are equal too, and none has just one
    element; they have to ask as well. Where sizes stay `apart`, none is equal to another for what they meet in: that is for whoever
    asks before the operation has run, or where it may not run at all. Where all is `even`, so is whatever meets and is not known to
    have one element.
    """
    return walked(Dimensions(hopeful=hopeful, apart=apart, even=even, module=module), function)


Walk = TypeVar("Walk", bound="Dimensions")


def walked(found: Walk, function: Function) -> Walk:
    """A walk, when it has been through a function."""
    for param, axes in zip_longest(function.params, function.axes, fillvalue=""):
        if isinstance(param, Var) and param.type.rank:
            found.of[param] = tuple(found.axis(mark) for mark in axes.ljust(param.type.rank, "?"))
    found.block(function.body)
    return found


def reshaped(function: Function, module: Module) -> set[Var]:
    """The arrays that a loop carries and that may have another shape in the next trip.

    It is taken that no axis grows because it was repeated: what begins with one element and grows so does not fit where it is recorded,
    and that raises.
    """
    carried = (carry.var for stmt in walk(function.body) if isinstance(stmt, (For, While)) for carry in stmt.carries)
    return dimensions(function, even=True, module=module).changing if any(var.type.rank for var in carried) else set()


def section(stage: Stage, of: dict[Var, Shape]) -> Shape | None:
    """The dimensions of the section of an array that a `store` writes to; None where they are not known."""
    array = stage.args[0]
    if not isinstance(array, Var) or array not in of:
        return None
    rank = dict(stage.attrs).get("rank", array.type.rank - 1)
    assert isinstance(rank, int)
    read = Stage(Var("", Type(array.type.kind, rank), -1), "load", stage.args[:-1], stage.attrs)
    return Dimensions({array: of[array]}, numbers=_SECTIONS).section(read)


def shorter(dim: Dim, less: int) -> Dim:
    """A dimension without so many of its elements, or without all if it has fewer; of several steps, one: ``"d0-3"``."""
    if isinstance(dim, int):
        return max(dim - less, 0)
    whole, before = left_of(dim)
    return f"{whole}-{before + less}" if before + less else dim


def left_of(dim: Dim) -> tuple[Dim, int]:
    """A dimension as another one and how many elements less: ``"d0-2"`` -> ``("d0", 2)``."""
    name, _, less = str(dim).rpartition("-")
    return (name, int(less)) if name and less.isdigit() else (dim, 0)


def _is_number(atom: Atom, number: int) -> bool:
    return isinstance(atom, Lit) and atom.value == number


def _natural(atom: Atom) -> int | None:
    return atom.value if isinstance(atom, Lit) and isinstance(atom.value, int) and atom.value >= 0 else None


def _spelled_out(parts: list[str], rank: int) -> list[str]:
    """The parts of a subscript with a ``:`` for each axis that an ellipsis stands for."""
    stripped = [part.strip() for part in parts]
    if "..." not in stripped:
        return parts
    at = stripped.index("...")
    others = sum(part not in ("None", "...") for part in stripped)
    return [*parts[:at], *[":"] * (rank - others), *parts[at + 1 :]]


#: Functions within functions are looked into so far, and functions of so many statements.
_DEEP, _LONG = 3, 200
#: Numbers for the sizes of sections, which no walk through a function hands out.
_SECTIONS = count(-1, -1)


@dataclass
class Dimensions:
    """One walk through a block; `sizes` holds the ints that are known to be a dimension, ``n = x.shape[0]``.

    `differences` holds those that are a dimension less a constant, ``n - 2``: no size, for they may be negative; `multiples` those that
    are so many times a dimension. `spans` says of a section between two multiples, ``x[n:2 * n]``, which dimension it is as long as
    unless it is cut short; None of what lies behind the last, ``x[2 * n:]``.
    """

    of: dict[Var, Shape] = field(default_factory=dict)
    sizes: dict[Var, Dim] = field(default_factory=dict)
    differences: dict[Var, tuple[Dim, int]] = field(default_factory=dict)
    multiples: dict[Atom, tuple[Dim, int]] = field(default_factory=dict)
    spans: dict[Dim, Dim | None] = field(default_factory=dict)
    compared: dict[Var, tuple[str, Dim, int]] = field(default_factory=dict)  # what asks if a size is above or below a number
    bounded: set[tuple[str, Dim, int]] = field(default_factory=set)
    numbers: count[int] = field(default_factory=count)
    several: set[Dim] = field(default_factory=set)  # certainly not one
    same_as: dict[Dim, Dim] = field(default_factory=dict)
    hopeful: bool = False
    apart: bool = False
    even: bool = False
    module: Module | None = None
    calling: tuple[str, ...] = ()
    changing: set[Var] = field(default_factory=set)  # what loops carry and reshape
    ever: dict[Dim, Dim] = field(default_factory=dict)  # as `same_as`, of all blocks together
    inside: dict[int, dict[Dim, Dim]] = field(default_factory=dict)  # as `same_as`, of a block inside others, by its identity

    def scoped(self, block: Block) -> None:
        """A block that may not run: what it finds to be equal is equal inside it."""
        before, bounded = dict(self.same_as), set(self.bounded)
        self.block(block)
        self.inside[id(block)], self.same_as, self.bounded = self.same_as, before, bounded

    def unite(self, dim: Dim, other: Dim) -> None:
        """Two names of one dimension."""
        self.same_as[other] = dim
        while dim in self.ever:
            dim = self.ever[dim]
        while other in self.ever:
            other = self.ever[other]
        if dim != other:
            self.ever[other] = dim

    def axis(self, mark: str) -> Dim:
        """The dimension of a parameter's axis: "1" for one element, "3" for three, "n" for any number but one, "?" for any number."""
        if mark.isdigit():
            return int(mark)
        dim = self.unknown()
        if mark == "n":
            self.several.add(dim)
        return dim

    def is_several(self, dim: Dim) -> bool:
        return dim in self.several or (isinstance(dim, int) and dim != 1)

    def equal(self, dim: Dim) -> Dim:
        """The first of the dimensions that a dimension has turned out to be equal to."""
        names = self.same_as if not self.even else self.ever
        while dim in names:
            dim = names[dim]
        return dim

    def unknown(self) -> Dim:
        return f"d{next(self.numbers)}"

    def fresh(self, var: Var) -> None:
        if var.type.rank:
            self.of[var] = tuple(self.unknown() for _ in range(var.type.rank))

    def shape(self, atom: Atom) -> Shape:
        if isinstance(atom, Var) and atom in self.of:
            return self.of[atom]
        return tuple(self.unknown() for _ in range(atom.type.rank))

    def block(self, block: Block) -> None:
        for stmt in block.stmts:
            match stmt:
                case Stage():
                    self.stage(stmt)
                case If():
                    self.scoped(stmt.then)
                    self.scoped(stmt.orelse)
                    for out, a, b in zip(stmt.outs, stmt.then.results, stmt.orelse.results, strict=True):
                        self.join(out, a, b)
                case For() | While():
                    self.loop(stmt)
                case Call():
                    self.call(stmt)
                    for result, argument in stmt.onto:
                        if stmt.outs[result].type.rank:
                            self.of[stmt.outs[result]] = self.shape(stmt.args[argument])
                case Raise():
                    self.refused(stmt.test)
                case Remark():
                    pass
                case _:
                    raise TypeError(f"not a statement: {stmt!r}")

    def refused(self, test: Atom) -> None:
        """A size that is neither above nor below a number, or the program would have stopped, is that number."""
        if not isinstance(test, Var) or test not in self.compared or self.apart:
            return
        word, dim, number = self.compared[test]
        self.bounded |= {(word, dim, number)} if word != "ne" else {("gt", dim, number), ("lt", dim, number)}
        known = self.equal(dim)
        both = {("gt", dim, number), ("lt", dim, number)} <= self.bounded
        if both and isinstance(known, str) and self.is_several(known):  # elsewhere, one element would be repeated
            self.unite(number, known)

    def call(self, call: Call) -> None:
        """What a function returns has the dimensions that it gives to arguments like these, if it may be looked into."""
        callee = self._looked_into(call)
        if callee is None:
            for out in call.outs:
                self.fresh(out)
            return
        inner = self._inside(callee, call)
        inner.block(callee.body)
        self.several |= inner.several
        if not self.even:
            self.same_as, self.ever = inner.same_as, inner.ever  # what met in the function has met
        for out, result in zip(call.outs, callee.body.results, strict=True):
            if out.type.rank:
                self.of[out] = tuple(map(inner.equal, inner.shape(result)))

    def _looked_into(self, call: Call) -> Function | None:
        """The function that is called, if it is known, returns an array, and is not too much to walk through for each call."""
        if self.module is None or call.fn in self.calling or len(self.calling) == _DEEP or not any(out.type.rank for out in call.outs):
            return None
        callee = self.module[call.fn]
        return callee if self.even or sum(1 for _ in walk(callee.body)) <= _LONG else None

    def _inside(self, callee: Function, call: Call) -> Dimensions:
        """A walk through a function that is called, with what is known of the arguments."""
        pairs = [*zip(callee.params, call.args, strict=True)]
        given = {param: self.shape(arg) for param, arg in pairs if param.type.rank}
        sizes = {param: self.sizes[arg] for param, arg in pairs if isinstance(arg, Var) and arg in self.sizes}
        same_as = {} if self.even else dict(self.same_as)
        inner = Dimensions(given, sizes, numbers=self.numbers, several=set(self.several), same_as=same_as, ever=dict(self.ever))
        inner.apart, inner.even, inner.module, inner.calling = self.apart, self.even, self.module, (*self.calling, call.fn)
        return inner

    def join(self, out: Var, first: Atom, second: Atom) -> None:
        """A value that comes from one of two: what both have in common; what is undefined is an empty array in the text."""
        if out.type.rank:
            known = [self.shape(atom) for atom in (first, second)]
            pairs = zip(*known, strict=True)
            self.of[out] = tuple(a if self.equal(a) == self.equal(b) else self.unknown() for a, b in pairs)

    def loop(self, loop: For | While) -> None:
        """Assumes that what a loop carries keeps its shape, and drops what a trip refutes, until nothing more is refuted."""
        arrays = [(c, r) for c, r in zip(loop.carries, loop.body.results, strict=True) if c.var.type.rank]
        own: set[tuple[Var, int]] = set()  # axes that change: each has a dimension of its own, which no trip can refute
        for carry, _ in arrays:
            self.of[carry.var] = self.shape(carry.init)
        ever = dict(self.ever)
        while True:
            if self.even:
                self.ever = dict(ever)
            if isinstance(loop, While):
                self.block(loop.test)
            self.scoped(loop.body)
            outside, self.same_as = self.same_as, self.inside[id(loop.body)]  # a trip that comes to its end has met what is in it
            refuted = {(c.var, k) for c, r in arrays for k in range(c.var.type.rank) if not self.keeps(c.var, r, k)} - own
            self.same_as = outside
            if not refuted:
                break
            own |= refuted
            for var, k in sorted(refuted, key=lambda pair: (pair[0].name, pair[0].version, pair[1])):
                dims = self.of[var]
                self.of[var] = (*dims[:k], self.unknown(), *dims[k + 1 :])
        self.changing -= {carry.var for carry, _ in arrays}
        self.changing |= {var for var, _ in own} | {carry.var for carry, _ in arrays if isinstance(carry.init, Lit)}
        for carry, _ in arrays:
            # An axis that changes has one size in each trip, and another behind the loop.
            axes = enumerate(self.of[carry.var])
            self.of[carry.out] = tuple(self.unknown() if (carry.var, k) in own else dim for k, dim in axes)

    def keeps(self, var: Var, result: Atom, axis: int) -> bool:
        before, behind = self.equal(self.of[var][axis]), self.equal(self.shape(result)[axis])
        return before == behind or (self.even and self.may_agree(before, behind))

    def may_agree(self, dim: Dim, other: Dim) -> bool:
        """Are two sizes equal for all that is known, and is the other one never 1, so that it is noticed if they are not?"""
        return isinstance(dim, str) and self.is_several(other) and not re.search("[-@]", f"{dim}{other}")

    def stage(self, stage: Stage) -> None:
        if stage.out.type.rank:
            self.of[stage.out] = self.made(stage)
            return
        if stage.op == "matmul":
            self.multiplied(self.shape(stage.args[0])[-1], self.shape(stage.args[1])[-1])
        self.number(stage)

    def multiplied(self, columns: Dim, rows: Dim) -> None:
        """Where rows are multiplied by columns, both have as many elements: nothing is repeated.

        Elsewhere one of them may be repeated, so that they are equal everywhere only if neither is one.
        """
        if self.even:
            self.met([columns, rows])
            return
        first, second = self.equal(columns), self.equal(rows)
        if first == second or self.apart or (isinstance(first, int) and isinstance(second, int)):
            return
        first, second = (second, first) if isinstance(second, int) else (first, second)
        if self.is_several(first) and self.is_several(second):
            self.unite(first, second)
        else:
            self.same_as[second] = first

    def number(self, stage: Stage) -> None:
        """Notes a number that is a size, or a size less a constant."""
        out, first = stage.out, stage.args[0] if stage.args else None
        if stage.op in ("mul", "mul_int"):
            for times, var in (stage.args, stage.args[::-1]):
                if var in self.multiples and (number := _natural(times)) is not None:
                    self.multiples[out] = self.multiples[var][0], self.multiples[var][1] * number
        if not isinstance(first, Var):
            return
        match stage.op:
            case "extent" | "size":
                axis = dict(stage.attrs).get("axis", 0)
                assert isinstance(axis, int)
                self.sizes[out] = self.shape(first)[axis]
                if self.sizes[out] != 1:
                    self.multiples[out] = self.sizes[out], 1
            case "sub" if (less := _natural(stage.args[1])) is not None:
                known = self.differences.get(first) or ((self.sizes[first], 0) if first in self.sizes else None)
                if known is not None:
                    self.differences[out] = known[0], known[1] + less
            case "gt" | "lt" | "ne" if first in self.sizes and (number := _natural(stage.args[1])) is not None:
                self.compared[out] = stage.op, self.sizes[first], number
            case "max" if first in self.differences and _is_number(stage.args[1], 0):
                self.sizes[out] = shorter(*self.differences[first])

    def made(self, stage: Stage) -> Shape:
        args = stage.args
        if stage.op in _AS_FIRST:
            return self.shape(args[0])
        if stage.op in _SIZED:
            return tuple(self.size(arg) for arg in args)
        if find(stage.op).kind in ("elementwise", "flat"):
            return self.broadcast([self.shape(arg) for arg in args if arg.type.rank])
        attrs = dict(stage.attrs)
        if named := _EINSUM.fullmatch(stage.op):
            return self.contracted(args, *named.groups())
        if stage.op in _REDUCED:
            return self.reduced(self.shape(args[0]), attrs.get("axis"), bool(attrs.get("keepdims")))
        if stage.op == "matmul":
            self.multiplied(self.shape(args[0])[-1], self.shape(args[1])[max(args[1].type.rank - 2, 0)])
        match stage.op:
            case "arange" if _is_number(args[0], 0) and _is_number(args[2], 1) and isinstance(args[1], Var):
                return (self.size(args[1]),)
            case "array_of":
                sizes = attrs["shape"]
                assert isinstance(sizes, tuple)
                return tuple(size for size in sizes if isinstance(size, int))
            case "broadcast_like" | "unbroadcast":
                if self.hopeful and stage.op == "unbroadcast":
                    self.broadcast([self.shape(arg) for arg in args])  # the second was repeated to the shape of the first
                return self.shape(args[1])
            case "full_of":
                return tuple(self.size(arg) for arg in args[1:])
            case "broadcast_to":
                return tuple(self.size(arg) for arg in args[1:])
            case "reshape":  # a size may be -1: whatever is left
                return tuple(self.sizes.get(arg, self.unknown()) if isinstance(arg, Var) else self.positive(arg) for arg in args[1:])
            case "expand_dims":
                axis = attrs["axis"]
                assert isinstance(axis, int)
                dims = self.shape(args[0])
                return (*dims[:axis], 1, *dims[axis:])
            case "squeeze":
                axis = attrs["axis"]
                return tuple(dim for k, dim in enumerate(self.shape(args[0])) if k != axis)
            case "outer":
                return (*self.shape(args[0])[:1], *self.shape(args[1])[:1])
            case "transpose" if isinstance(attrs.get("axes"), tuple):
                order, dims = attrs["axes"], self.shape(args[0])
                assert isinstance(order, tuple)
                return tuple(dims[k] for k in order if isinstance(k, int))
            case "matmul" if args[0].type.rank == args[1].type.rank == 2:
                return self.shape(args[0])[0], self.shape(args[1])[1]
            case "matmul" if args[1].type.rank == 1 and args[0].type.rank == 2:
                return (self.shape(args[0])[0],)
            case "matmul" if args[0].type.rank == 1 and args[1].type.rank == 2:
                return (self.shape(args[1])[1],)
            case "transpose":
                return self.shape(args[0])[::-1]
            case "concatenate" if stage.out.type.rank == 1:
                return (self.joined([self.equal(self.shape(arg)[0]) for arg in args]),)
            case "cross" if stage.out.type.rank == 1:
                return (3 if any(self.equal(self.shape(arg)[-1]) == 3 for arg in args) else self.unknown(),)
            case "solve":
                return self.shape(args[1])
            case "load":
                return self.section(stage)
        return tuple(self.unknown() for _ in range(stage.out.type.rank))

    def joined(self, dims: Sequence[Dim]) -> Dim:
        """How many elements vectors have together; with two that are known of it is not one."""
        known = [dim for dim in dims if isinstance(dim, int)]
        if len(known) == len(dims):
            return sum(known)
        dim = self.unknown()
        if sum(known) > 1:
            self.several.add(dim)
        return dim

    def contracted(self, args: Sequence[Atom], inputs: str, output: str) -> Shape:
        """What ``np.einsum("ij,jk->ik", x, y)`` gives: axes that share a letter have one size, or one of them has one element."""
        named = [pair for letters, arg in zip(inputs.split("_"), args, strict=True) for pair in zip(letters, self.shape(arg), strict=True)]
        return tuple(self.met([dim for letter, dim in named if letter == wanted]) for wanted in output)

    def reduced(self, dims: Shape, axis: object, keepdims: bool) -> Shape:
        """What a reduction along some axes (None: all of them) leaves."""
        gone = range(len(dims)) if axis is None else (axis,) if isinstance(axis, int) else axis
        assert isinstance(gone, (range, tuple))
        along = {k % len(dims) for k in gone if isinstance(k, int)}
        return tuple(1 if k in along else dim for k, dim in enumerate(dims) if keepdims or k not in along)

    def size(self, atom: Atom) -> Dim:
        if isinstance(atom, Lit):
            return atom.value if isinstance(atom.value, int) else self.unknown()
        if atom in self.differences:  # a negative number of elements is an error, or none
            return shorter(*self.differences[atom])
        return self.sizes.setdefault(atom, self.unknown())

    def positive(self, size: Lit) -> Dim:
        return size.value if isinstance(size.value, int) and size.value >= 0 else self.unknown()

    def broadcast(self, operands: list[Shape]) -> Shape:
        rank = max(map(len, operands))
        return tuple(self.met([shape[axis] for shape in operands if len(shape) >= -axis]) for axis in range(-rank, 0))

    def met(self, dims: list[Dim]) -> Dim:
        """The size that operands of these sizes broadcast to; sizes that are not one are equal, or the operation raises."""
        known = {self.equal(dim) for dim in dims} - {1}
        found = sorted(known, key=lambda dim: (not self.is_several(dim), self.spans.get(dim) is None, str(dim)))
        if not found:
            return 1
        first, *others = found
        if not self.is_several(first):
            shifted = all("-" in str(dim) and "@" not in str(dim) for dim in found)
            fit = shifted or (first in self.spans and all(self.as_long(other, first) for other in others))
            if self.even or (self.hopeful and fit):
                for other in others:
                    self.unite(first, other)
                return first
            return self.unknown() if others else first
        for other in others:
            whole = self.is_several(other) and not isinstance(other, int) and not self.apart
            if whole or (self.hopeful and self.as_long(other, first)):
                self.unite(first, other)
        return first  # what meets it has one element, or as many

    def as_long(self, section: Dim, dim: Dim) -> bool:
        """Is a section between multiples of a dimension as long as what it meets, if the section is not cut short?"""
        if section not in self.spans:
            return False
        span, other = self.spans[section], self.spans.get(dim, dim)
        return span is None or other is None or self.equal(span) == self.equal(other)

    def section(self, stage: Stage) -> Shape:
        """What ``a[i, :]`` keeps: whole axes behind whole indices; of anything else nothing is known."""
        rank, source = stage.out.type.rank, self.shape(stage.args[0])
        at = str(dict(stage.attrs).get("at", "[{0}]"))
        unknown = tuple(self.unknown() for _ in range(rank))
        indices = stage.args[1:]
        every = f"[{', '.join(f'{{{k}}}' for k in range(len(source)))}]"  # an index array for each axis
        picked = dict(stage.attrs).get("gather") and len(indices) == len(source) and at == every
        if picked and all(index.type.rank == 1 and index.type.kind == "int" for index in indices):
            return self.broadcast([self.shape(index) for index in indices])
        if dict(stage.attrs).get("gather") or not re.fullmatch(r"\[[^][]*\]", at):
            return unknown
        dims: list[Dim] = []
        axes = iter(source)
        for part in _spelled_out(at[1:-1].split(","), len(source)):
            text = part.strip().format(*(str(arg.value) if isinstance(arg, Lit) else f"<{arg}>" for arg in indices))
            if text == "None":
                dims.append(1)
            elif ":" in text:
                dims.append(self.cut(next(axes), text))
                self.spanned(dims[-1], part.strip(), indices)
            else:
                next(axes)
        dims += axes
        return tuple(dims) if len(dims) == rank else unknown

    def spanned(self, section: Dim, text: str, indices: tuple[Atom, ...]) -> None:
        """Notes of a section between multiples of a dimension how long it is."""
        match = re.fullmatch(r"(?:\{(\d)\})?:(?:\{(\d)\})?", text)
        if match is None or "@" not in str(section):
            return
        begin, end = (self.multiples.get(indices[int(k)]) if k else None for k in match.groups())
        if begin is None and match[1] is None and end is not None:
            begin = end[0], 0
        if begin is not None and match[2] is None:
            self.spans[section] = None
        elif begin is not None and end is not None and begin[0] == end[0] and end[1] - begin[1] == 1:
            self.spans[section] = begin[0]

    def cut(self, dim: Dim, text: str) -> Dim:
        """The size of a slice: ``x[1:]`` and ``x[:-1]`` are both one less than x; the same slice of two as long is as long."""
        match = re.fullmatch(r"(\d*):(-\d+)?", text)
        if match is None:
            return f"{self.equal(dim)}@{text.replace('-', '~')}"
        less = int(match[1] or 0) - int(match[2] or 0)
        return shorter(self.equal(dim), less) if less else dim
