"""Which loops a processor can run on several numbers at once, so that their stages are worth a vector kernel.

`in_lanes` names the stages of such loops: innermost ``for`` loops whose trips do not wait for one another, but for sums, for counting
and for the largest or smallest number so far. Everywhere else a call of the C library's function is as good, and reads better, but for
the few stages of loops that `in_turn` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from stagegrad.emit.rounding import Roundings
from stagegrad.ir import Atom, Attr, Block, Carry, For, Function, If, Lit, Remark, Stage, Stmt, Var, While, binds, walk
from stagegrad.ops import HELPERS, find

#: Marks a division whose divisor's reciprocal is computed for several quotients.
SHARED: tuple[str, Attr] = ("shared", True)

#: Fewer trips than these are not worth it.
_FEW = 8

#: What a loop carries through these, from the operands at these places, may be computed in any order.
_REORDERED = {"add": (0, 1), "sub": (0,), "plus": (0,), "minus": (0,), "maximum": (0, 1), "minimum": (0, 1), "copy": (0,)}
#: Functions whose kernel answers a single number sooner than the C library does: in two thirds of the time and less.
_SOONER = frozenset({"tanh", "erf", "pow_halves"})
_WRITES = {"store", "accumulate"}
_READS = {"load", "size", "extent", "count"}

#: The functions that are instructions.
_WORDS = "sqrt|fabs|abs|floor|ceil|trunc|copysign|isnan|isinf|isfinite|degrees|radians|sign|float32"
_INSTRUCTIONS = re.compile(rf"\b(?:math|np)\.(?:{_WORDS})\(")
#: What makes LLVM give up on a loop: a function of a library, a loop, an error, a power that is none of products, a remainder.
_OBSTACLES = re.compile(r"\b(?:math|np)\.\w+\(|\bfor\b|\bwhile\b|\braise\b|\*\*(?!\s*\d)|//|%")
_DOCSTRING = re.compile(r'"""(?:.|\n)*?"""')


def are_independent(loop: For) -> bool:
    """Can vector instructions run several trips of a loop at once?"""
    return _Trips(loop).are_independent()


def in_lanes(function: Function) -> frozenset[Var]:
    """The floats that the stages of a function compute in a loop which vector instructions can run."""
    return frozenset(_results(function.body))


def in_turn(function: Function) -> frozenset[Var]:
    """The floats of loops that are worth a kernel though trip waits for trip, where no branch can see their last bits."""
    loops = (stmt for stmt in walk(function.body) if isinstance(stmt, (For, While)))
    inside = (stmt for loop in loops for stmt in walk(loop.body) if isinstance(stmt, Stage) and not stmt.out.type.rank)
    found = frozenset(stage.out for stage in inside if stage.op in _SOONER)
    return found if found and Roundings(function).harmless(found) else frozenset()


def has_kernels(loop: For) -> bool:
    """Is there a vector kernel for something in a loop?"""
    stages = (stmt for stmt in walk(loop.body) if isinstance(stmt, Stage))
    return any(SHARED in stage.attrs or "lanes" in find(stage.op).spelling for stage in stages)


def _results(block: Block) -> Iterator[Var]:
    for loop in _vector_loops(block):
        yield from (inside.out for inside in walk(loop.body) if isinstance(inside, Stage) and inside.out.type.kind == "float")


def _vector_loops(block: Block) -> Iterator[For]:
    """The loops that can become vector instructions, and in which there is a word for them."""
    for stmt in walk(block):
        if isinstance(stmt, For) and has_kernels(stmt) and _Trips(stmt).are_independent():
            yield stmt


# ---------------------------------------------------------------------------------------------- trips


class _Trips:
    """The trips of a loop: what one of them needs of those before."""

    def __init__(self, loop: For) -> None:
        self.loop = loop
        self.stmts = list(walk(loop.body))
        self.made = {out: stmt for stmt in self.stmts for out in binds(stmt)}
        self.results = dict(zip([carry.var for carry in loop.carries], loop.body.results, strict=True))
        self.counting = {loop.index} | {carry.var for carry in loop.carries if self._counts(carry)}

    def are_independent(self) -> bool:
        """Can several trips run at once?"""
        if self.loop.until is not None or self._is_short():
            return False
        if not all(isinstance(stmt, (If, Remark)) or (isinstance(stmt, Stage) and _is_instructions(stmt)) for stmt in self.stmts):
            return False
        return all(self._is_harmless(carry) for carry in self.loop.carries)

    def _is_short(self) -> bool:
        bounds = (self.loop.start, self.loop.stop, self.loop.step)
        numbers = [atom.value for atom in bounds if isinstance(atom, Lit) and isinstance(atom.value, int)]
        return len(numbers) == len(bounds) and numbers[2] != 0 and len(range(*numbers)) < _FEW

    def _is_harmless(self, carry: Carry) -> bool:
        if self.results[carry.var] == carry.var or carry.var in self.counting:
            return True
        if carry.var.type.rank:
            return self._writes_apart(carry)
        return carry.var.type.kind == "float" and self._is_total(carry)

    # ------------------------------------------------------------------------------------------ numbers

    def _counts(self, carry: Carry) -> bool:
        """Does an int change by the same step in every trip?"""
        made = self._maker(self.results[carry.var])
        if carry.var.type.kind != "int" or not isinstance(made, Stage) or made.op not in ("add", "sub"):
            return False
        return made.args[0] == carry.var and self._is_steady(made.args[1])

    def _maker(self, atom: Atom) -> Stmt | None:
        return self.made.get(atom) if isinstance(atom, Var) else None

    def _is_steady(self, atom: Atom) -> bool:
        """Is a value the same in every trip?"""
        return isinstance(atom, Lit) or (atom not in self.made and atom not in self.results and atom != self.loop.index)

    def _is_total(self, carry: Carry) -> bool:
        """Is a number a sum, or the largest or smallest so far, which no trip looks at?"""
        chain = self._chain(self.results[carry.var], carry.var)
        others = [result for var, result in self.results.items() if var != carry.var]
        return bool(chain) and chain.isdisjoint(others) and all(self._leaves_alone(stmt, chain) for stmt in self.stmts)

    def _chain(self, atom: Atom, start: Var) -> set[Atom]:
        """The values on the way from the start of a trip to its result; none where it is not a way through sums and the like."""
        if atom == start:
            return {start}
        match self._maker(atom):
            case Stage(op=op, args=args) if op in _REORDERED:
                ways = [found for place in _REORDERED[op] if (found := self._chain(args[place], start))]
                return ways[0] | {atom} if len(ways) == 1 else set()
            case If() as branch:
                first, second = (self._chain(arm, start) for arm in _arms(branch, atom))
                return first | second | {atom} if first and second else set()
            case _:
                return set()

    def _leaves_alone(self, stmt: Stmt, chain: set[Atom]) -> bool:
        """Does a statement that is no part of a chain not read it?"""
        match stmt:
            case Stage():
                return stmt.out in chain or chain.isdisjoint(stmt.args)
            case If():
                pairs = zip(stmt.outs, stmt.then.results, stmt.orelse.results, strict=True)
                return stmt.test not in chain and all(out in chain or chain.isdisjoint(arms) for out, *arms in pairs)
            case _:
                return True

    # ------------------------------------------------------------------------------------------ arrays

    def _writes_apart(self, carry: Carry) -> bool:
        """Does each trip write to elements of its own, and read no others of that array?"""
        versions = self._versions(carry.var)
        accesses = [stmt for stmt in self.stmts if isinstance(stmt, Stage) and stmt.args and stmt.args[0] in versions]
        writes = [stmt for stmt in accesses if stmt.op in _WRITES]
        if self.results[carry.var] not in versions or not all(any(map(self._moves, _index(stmt)[0])) for stmt in writes):
            return False
        places = {_index(stmt) for stmt in accesses if stmt.op in _WRITES or stmt.op == "load"}
        return len(places) == 1 or all(stmt.op == "store" for stmt in accesses)

    def _versions(self, start: Var) -> set[Atom]:
        """An array as it enters a trip, and as the trip's writes leave it."""
        found: set[Atom] = {start}
        size = 0
        while len(found) > size:  # a branch stands before what its arms write
            size = len(found)
            for stmt in self.stmts:
                if isinstance(stmt, Stage) and stmt.op in _WRITES and stmt.args[0] in found:
                    found.add(stmt.out)
                elif isinstance(stmt, If):
                    found |= {out for out in stmt.outs if found.issuperset(_arms(stmt, out))}
        return found

    def _moves(self, index: Atom) -> bool:
        """Is an index one more, or one less, in every trip?"""
        if index in self.counting:
            return True
        match self._maker(index):
            case Stage(op="add" | "sub", args=(first, second)):
                return (self._moves(first) and self._is_steady(second)) or (self._is_steady(first) and self._moves(second))
            case _:
                return False


def _arms(branch: If, out: Atom) -> tuple[Atom, Atom]:
    """What a branch may yield for one of its outs."""
    k = [*branch.outs].index(out)  # type: ignore[arg-type]  # an out is an atom
    return branch.then.results[k], branch.orelse.results[k]


def _index(stage: Stage) -> tuple[tuple[Atom, ...], Attr]:
    """Where a stage reads or writes: the operands of the index, and how they are put together."""
    last = len(stage.args) - (stage.op in _WRITES)
    return stage.args[1:last], dict(stage.attrs).get("at")


def _is_instructions(stage: Stage) -> bool:
    """Is a stage on numbers one that a processor has instructions for, or one with a kernel?"""
    if stage.op in _WRITES or stage.op in _READS:
        return stage.args[-1].type.rank == 0 or (stage.op in _READS and stage.out.type.rank == 0)
    if stage.out.type.rank or any(arg.type.rank for arg in stage.args):
        return False
    attrs = dict(stage.attrs)
    code = find(stage.op).template("numba", attrs, [arg.type for arg in stage.args], lanes=True)
    for name, value in attrs.items():
        code = code.replace(f"{{{name}}}", str(value))
    return not _is_obstacle(code)


@cache
def _is_obstacle(code: str) -> bool:
    """Does an expression, or a helper that it calls, hold what vector instructions have no word for?"""
    code = _INSTRUCTIONS.sub("(", _DOCSTRING.sub("", code))
    called = re.findall(r"(?<![.\w])([A-Za-z_]\w*)\(", re.sub(r"^def \w+", "", code))
    return bool(_OBSTACLES.search(code)) or any(_is_obstacle(HELPERS[name].for_target("numba")) for name in called if name in HELPERS)
