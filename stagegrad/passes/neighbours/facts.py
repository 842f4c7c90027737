"""What is known of the sizes of a function's arrays, and which of its sizes are equal because it would have raised otherwise."""

from __future__ import annotations

from itertools import takewhile

from stagegrad.ir import BOOL, Atom, Block, For, Fresh, Function, If, Lit, Raise, Stage, Var, While, walk
from stagegrad.shapes import Dim, dimensions

#: What makes an array with as many cells along its axes as its operands say.
_MADE_OF_SIZES = frozenset({"zeros", "zeros_of", "ones_of", "empty_of"})


class Facts:
    """What is known of the sizes of a function's arrays."""

    def __init__(self, function: Function) -> None:
        self.dims, self.fresh = dimensions(function), Fresh(function)
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.choices = {out: stmt for stmt in walk(function.body) if isinstance(stmt, If) for out in stmt.outs}
        for stmt in takewhile(lambda stmt: not isinstance(stmt, (For, While)), function.body.stmts):
            if isinstance(stmt, Raise):
                self.learn(stmt.test)
        self.longer = {
            (size[1], self.dims.equal(dim)): size[2]
            for made in self.makers.values()
            if made.op in _MADE_OF_SIZES
            for arg, dim in zip(made.args, self.dims.shape(made.out), strict=True)
            if (size := self.size(arg)) is not None
        }  # two dimensions, and how many cells the second has more: ``zeros(n + 2)`` has two more than n

    def learn(self, test: Atom) -> None:
        """Sizes that are compared before all loops, ``if len(x) != len(y): raise``, are equal in these."""
        made = self.makers.get(test) if isinstance(test, Var) else None
        match made or (self.choices.get(test) if isinstance(test, Var) else None):
            case Stage(op="ne", args=(first, second)):
                self.learn_equal(first, second)
            case Stage(op="or", args=(first, second)):
                self.learn(first)
                self.learn(second)
            case Stage(op="not", args=(Var() as inner,)) if inner in self.makers and self.makers[inner].op == "eq":
                self.learn_equal(*self.makers[inner].args)
            case If(test=first, then=then, orelse=Block(results=(second,))) if then.results == (Lit(True, BOOL),):  # ``first or second``
                self.learn(first)
                self.learn(second)
            case _:
                pass

    def learn_equal(self, first: Atom, second: Atom) -> None:
        """Two sizes that are equal."""
        one, other = self.size(first), self.size(second)
        if one and other and one[2] == other[2] and one[1] != other[1]:
            self.dims.unite(one[1], other[1])

    def of(self, array: Var) -> tuple[Dim, ...]:
        """The dimensions of an array; those of the same name are equal in every run."""
        return tuple(map(self.dims.equal, self.dims.shape(array)))

    def size(self, atom: Atom) -> tuple[Var, Dim, int] | None:
        """A number that is the size of an array, and so many more: (that size, its dimension, how many)."""
        if not isinstance(atom, Var):
            return None
        match self.makers.get(atom):
            case Stage(op="add" | "sub" as op, args=(first, Lit(int() as number))):
                found = self.size(first)
                return found and (found[0], found[1], found[2] + (number if op == "add" else -number))
            case Stage(op="copy", args=(first,)):
                return self.size(first)
            case Stage(op="max", args=(first, Lit(value=0))) if (found := self.size(first)) is not None:
                return found  # no trips are no trips
            case _:
                return (atom, self.dims.equal(self.dims.sizes[atom]), 0) if atom in self.dims.sizes else None
