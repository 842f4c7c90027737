"""Which variable of the text holds which value.

Values of one name share one variable wherever their lives do not overlap: ``x.1``, ``x.2``, ``x.3`` are all ``x`` again. Two values
interfere where one is bound while the other is still to be read; interfering values get variables of their own (``x2``).
A loop's carried value and its result are always one variable; the other ends of a carry or a branch join it if they can.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from stagegrad.emit.inline import Plan
from stagegrad.emit.sharing import IN_PLACE
from stagegrad.ir import Atom, Block, For, If, Stage, Stmt, Type, Var, While, binds, blocks, free, inner_binds, uses, walk
from stagegrad.names import Words, reserved, spelled_words

_WRITES = frozenset({"store", "accumulate", "grow"})


class _Bits:
    """A bit for each value, counted among those of its name: sets of namesakes are whole numbers, quick to join and to compare."""

    def __init__(self) -> None:
        self.given: dict[Var, int] = {}
        self.next: dict[str, int] = {}

    def of(self, var: Var) -> int:
        if var not in self.given:
            self.given[var] = self.next.get(var.name, 1)
            self.next[var.name] = self.given[var] << 1
        return self.given[var]


class _Live:
    """The values still to be read at a point of the program, by name."""

    def __init__(self, bits: _Bits, by_name: dict[str, int] | None = None) -> None:
        self.bits = bits
        self.by_name: dict[str, int] = by_name if by_name is not None else {}

    def copy(self) -> _Live:
        return _Live(self.bits, dict(self.by_name))

    def add(self, vars: Iterable[Var]) -> None:
        for var in vars:
            self.by_name[var.name] = self.by_name.get(var.name, 0) | self.bits.of(var)

    def remove(self, vars: Iterable[Var]) -> None:
        for var in vars:
            left = self.by_name.pop(var.name, 0) & ~self.bits.of(var)
            if left:  # a name without values would be copied and joined from now on
                self.by_name[var.name] = left

    def join(self, other: _Live) -> None:
        for name, found in other.by_name.items():
            self.by_name[name] = self.by_name.get(name, 0) | found

    def namesakes(self, var: Var) -> int:
        return self.by_name.get(var.name, 0)


class _Classes:
    """Sets of values of one name that share a variable, and which sets may not be merged."""

    def __init__(self, bits: _Bits) -> None:
        self.bits = bits
        self.parent: dict[Var, Var] = {}
        self.members: dict[Var, int] = {}
        self.apart: dict[Var, int] = {}

    def find(self, var: Var) -> Var:
        root = var
        while self.parent.get(root, root) != root:
            root = self.parent[root]
        while self.parent.get(var, var) != root:
            self.parent[var], var = root, self.parent[var]
        return root

    def separate(self, var: Var, others: int) -> None:
        """`var` may share no variable with the others, save with itself."""
        self.apart[var] = self.apart.get(var, 0) | (others & ~self.bits.of(var))

    def may_merge(self, a: Var, b: Var) -> bool:
        a, b = self.find(a), self.find(b)
        return not (self.apart.get(a, 0) & self._members(b) or self.apart.get(b, 0) & self._members(a))

    def merge(self, a: Var, b: Var) -> None:
        a, b = self.find(a), self.find(b)
        if a == b:
            return
        self.parent[b] = a
        self.members[a] = self._members(a) | self._members(b)
        self.apart[a] = self.apart.get(a, 0) | self.apart.get(b, 0)

    def first_fit(self, roots: Iterable[Var], root: Var) -> Var | None:
        """The first of the classes that a class may be merged with."""
        apart, members = self.apart.get(root, 0), self._members(root)
        fits = (other for other in roots if not (apart & self._members(other) or self.apart.get(other, 0) & members))
        return next(fits, None)

    def _members(self, root: Var) -> int:
        return self.members.get(root) or self.bits.of(root)


def assign(plan: Plan) -> dict[Var, str]:
    """The variable that holds each value which is not inlined; parameters keep their own names."""
    function = plan.function
    classes = _Classes(_Bits())
    order = [*function.params, *(v for s in walk(function.body) for v in (*inner_binds(s), *binds(s)) if v not in plan.inlined)]
    _Interference(plan, classes).run()
    loops = [s for s in walk(function.body) if isinstance(s, (For, While))]
    for carry in (c for loop in loops for c in loop.carries):
        classes.merge(carry.var, carry.out)
    for a, b in _wishes(function.body):
        _try_merge(classes, a, b)
    roots: dict[tuple[str, Type], dict[Var, None]] = defaultdict(dict)
    for var in order:
        namesakes, root = roots[var.name, var.type], classes.find(var)
        if root not in namesakes:
            classes.merge(classes.first_fit(namesakes, root) or root, root)
            namesakes[classes.find(root)] = None
    return _spell(order, classes, reserved(function), spelled_words(function))


def _wishes(block: Block) -> list[tuple[Var, Atom]]:
    """Pairs that save a copy if they share a variable: the ends of carries and branches."""
    found: list[tuple[Var, Atom]] = []
    for stmt in walk(block):
        if isinstance(stmt, (For, While)):
            for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                found += [(carry.var, result), (carry.var, carry.init)]
        elif isinstance(stmt, If):
            for arm in (stmt.then, stmt.orelse):
                found += list(zip(stmt.outs, arm.results, strict=True))
        elif isinstance(stmt, Stage) and (stmt.op in _WRITES or IN_PLACE in stmt.attrs):
            found.append((stmt.out, stmt.args[0]))
    return found


def _try_merge(classes: _Classes, a: Var, b: Atom) -> bool:
    if not isinstance(b, Var) or a.name != b.name or a.type != b.type or not classes.may_merge(a, b):
        return False
    classes.merge(a, b)
    return True


def _spell(order: list[Var], classes: _Classes, taken: set[str], used: set[str]) -> dict[Var, str]:
    """Each class takes its values' own name, or that name and a number where the name is `used` already."""
    words = Words(taken)
    spelled: dict[Var, str] = {}
    used = set(used)
    for var in order:
        root = classes.find(var)
        if root not in spelled:
            spelled[root] = var.name if var.name not in used else words.fresh(var.name)
            used.add(var.name)
    return {var: spelled[classes.find(var)] for var in order}


class _Interference:
    """Walks the program backwards with the values still to be read, and separates what overlaps."""

    def __init__(self, plan: Plan, classes: _Classes) -> None:
        self.plan, self.classes = plan, classes

    def run(self) -> None:
        live = _Live(self.classes.bits)
        self.block(self.plan.function.body, live)
        self._bind(self.plan.function.params, live)

    def _leaves(self, atoms: Iterable[Atom]) -> list[Var]:
        return [leaf for atom in atoms for leaf in self.plan.leaves(atom)]

    def _bind(self, vars: Iterable[Var], live: _Live) -> None:
        """Binds at once: each is apart from what is still read after, and from the others."""
        vars = list(vars)
        together = live.copy() if len(vars) > 1 else live
        if together is not live:
            together.add(vars)
        for var in vars:
            self.classes.separate(var, together.namesakes(var))
        live.remove(vars)

    def block(self, block: Block, live: _Live) -> None:
        """`live` is what is read after the block, and becomes what is read before it."""
        live.add(self._leaves(block.results))
        for stmt in reversed(block.stmts):
            self.stmt(stmt, live)

    def stmt(self, stmt: Stmt, live: _Live) -> None:
        if self.plan.is_inlined(stmt):
            return
        match stmt:
            case If():
                self._bind(stmt.outs, live)
                other = live.copy()
                self.block(stmt.then, live)
                self.block(stmt.orelse, other)
                live.join(other)
                live.add(self._leaves([stmt.test]))
            case For() | While():
                self.loop(stmt, live)
            case Stage() if stmt.op in _WRITES:
                self._bind([stmt.out], live)
                # Where the array has another variable, ``b = a`` comes before ``b[i] = v``: what i and v read is apart from b.
                for leaf in self._leaves(stmt.args[1:]):
                    if leaf.name == stmt.out.name and leaf != stmt.args[0]:
                        self.classes.separate(stmt.out, self.classes.bits.of(leaf))
                live.add(self._leaves(stmt.args))
            case _:
                self._bind(binds(stmt), live)
                live.add(self._leaves(uses(stmt)))

    def loop(self, loop: For | While, live: _Live) -> None:
        self._bind((c.out for c in loop.carries), live)
        vars = [c.var for c in loop.carries]
        # Whatever the body reads from outside is read again on the next trip, so it is alive all through the body.
        for block in blocks(loop):
            live.add(leaf for var in free(block) - set(inner_binds(loop)) for leaf in self.plan.leaves(var))
        inside = live.copy()
        self.block(loop.body, inside)
        if isinstance(loop, While):
            # The test sees the carries after a body too; what it reads of them is assigned by then.
            inside.join(live)
            inside.add(vars)
            self.block(loop.test, inside)
        else:
            self._bind([loop.index], inside)
            self._range(loop)
        inside.join(live)
        self._bind(vars, inside)
        live.join(inside)
        live.remove(vars)
        live.add(self._leaves(uses(loop)))

    def _range(self, loop: For) -> None:
        """The range is read after the carries have their first values: what it reads is apart from them, save from its own copy."""
        for leaf in self._leaves((loop.start, loop.stop, loop.step)):
            for carry in loop.carries:
                if carry.init != leaf and carry.var.name == leaf.name:
                    self.classes.separate(carry.var, self.classes.bits.of(leaf))
