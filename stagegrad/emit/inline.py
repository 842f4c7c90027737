"""Which values are written where they are used, instead of on a line of their own.

An unnamed value that is read once, later in the same block, with nothing in between that could change what it means, is
inlined. `plan` decides it for a whole function; what stays unnamed and is not inlined gets a word from `names`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from stagegrad.emit.sharing import IN_PLACE
from stagegrad.ir import (
    BOOL,
    INT,
    Atom,
    Block,
    Call,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Remark,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    blocks,
    inner_binds,
    rename_function,
    uses,
    variables,
    walk,
)  # fmt: skip
from stagegrad.names import Words, count_reads, destinations, end_of, reserved, structural

#: The most operations that one line holds; a longer expression is broken into named parts.
_MOST_OPERATIONS = 7

_WRITES = {"store", "accumulate", "grow"}
_INDEXED = {"load", "store", "accumulate"}

#: What these read of an array is the same after a write.
_READ_NO_ELEMENTS = {"size", "extent", "count"}


@dataclass
class Plan:
    """`inlined`: values with the statement that defines them, written in place. `expressions`: an `If` on one line."""

    function: Function
    counts: Counter[Var]
    inlined: dict[Var, Stage | If] = field(default_factory=dict)
    expressions: set[int] = field(default_factory=set)

    def is_inlined(self, stmt: Stmt) -> bool:
        return isinstance(stmt, (Stage, If)) and any(out in self.inlined for out in binds(stmt))

    def is_expression(self, stmt: If) -> bool:
        """Is this `If` written ``out = a if test else b``?"""
        return id(stmt) in self.expressions

    def leaves(self, atom: Atom) -> list[Var]:
        """The values that the text of an atom mentions."""
        found: list[Var] = []
        pending = [atom]
        while pending:
            this = pending.pop()
            if not isinstance(this, Var):
                continue
            made = self.inlined.get(this)
            if made is None:
                found.append(this)
            else:
                pending += operands(made)
        return found


def operands(stmt: Stage | If) -> list[Atom]:
    """What the text of an inlined statement is made of."""
    if isinstance(stmt, Stage):
        return list(stmt.args)
    return [stmt.test, stmt.then.results[0], stmt.orelse.results[0]]


def plan(function: Function) -> Plan:
    """Decides what is inlined, and names what is neither named nor inlined."""
    counts = count_reads(function.body)
    found = Plan(function, counts, _neighbours(function, counts))
    _Planner(found).block(function.body)
    mapping = _missing_names(function, found) or _shared_names(function)
    if not mapping:
        return found
    # Planning again on the named function gives the same answer: only values that are not inlined were renamed.
    named = rename_function(function, mapping)
    return plan(named)


def _neighbours(function: Function, counts: Counter[Var]) -> dict[Var, Stage | If]:
    """Indices such as ``i - 1`` and ``i + j``, which are written in the brackets however often they are read."""
    as_index: Counter[Var] = Counter()
    steps: list[Stage] = []
    for stmt in walk(function.body):
        if isinstance(stmt, Stage) and stmt.op in _INDEXED:
            as_index.update(variables(stmt.args[1 : -1 if stmt.op in _WRITES else None]))
        elif isinstance(stmt, Stage) and stmt.op in ("add", "sub") and stmt.out.type == INT and not stmt.out.name:
            steps += [stmt] if all(isinstance(arg, Lit) or arg.name for arg in stmt.args) else []
    return {step.out: step for step in steps if as_index[step.out] == counts[step.out]}


def _missing_names(function: Function, found: Plan) -> dict[Var, Var]:
    words, fresh = Words(reserved(function)), Fresh(function)
    goes_to = destinations(function.body, of_all_kinds=True)
    chosen: dict[Var, str] = {}
    mapping: dict[Var, Var] = {}
    for stmt in walk(function.body):
        for var in (*inner_binds(stmt), *binds(stmt)):
            if var.name or var in found.inlined or (var not in found.counts and isinstance(stmt, (Call, Stage))):
                continue
            end = end_of(goes_to, var)
            if end not in chosen:
                chosen[end] = end.name or words.fresh(_word(_copied(stmt, found), var, mapping))
            mapping[var] = fresh.var(chosen[end], var.type)
    return mapping


def _shared_names(function: Function) -> dict[Var, Var]:
    """One name for both ends of a carry, which are one variable: the one that it has inside the loop."""
    fresh = Fresh(function)
    carries = [carry for stmt in walk(function.body) if isinstance(stmt, (For, While)) for carry in stmt.carries]
    return {carry.out: fresh.like(carry.var) for carry in carries if carry.out.name != carry.var.name}


def _copied(stmt: Stmt, found: Plan) -> Stmt:
    """What a copy is of, where that is written in place: ``a[i].copy()`` is named as ``a[i]`` would be."""
    made = found.inlined.get(stmt.args[0]) if isinstance(stmt, Stage) and stmt.op == "duplicate" and isinstance(stmt.args[0], Var) else None
    return made or stmt


def _word(stmt: Stmt, var: Var, mapping: dict[Var, Var]) -> str:
    if var.type == BOOL:
        return "branch1"
    if isinstance(stmt, Stage):
        return structural(stmt, mapping)
    return "pick" if isinstance(stmt, If) else "it"


class _Planner:
    def __init__(self, found: Plan) -> None:
        self.plan = found
        self.sizes: dict[Var, int] = {}
        self.readers: set[Var] = set()  # values that are made of arrays' elements: not to be written behind a write to an array

    def block(self, block: Block) -> None:
        pending: dict[Var, Stage | If] = {}
        for stmt in block.stmts:
            if isinstance(stmt, If):
                self.block(stmt.then)
                self.block(stmt.orelse)
            if isinstance(stmt, Call):
                # What the call writes to is read behind it, by a name.
                for array in variables(stmt.args[argument] for _, argument in stmt.onto):
                    pending.pop(array, None)
            for carry in stmt.carries if isinstance(stmt, (For, While)) else ():
                self._consume((carry.init,), pending)  # on a line of its own
            size = self._consume(uses(stmt), pending)
            reading = self._reads_array(stmt)
            if isinstance(stmt, If) and self._on_one_line(stmt):
                size += sum(self.sizes.get(r, 0) for arm in (stmt.then, stmt.orelse) for r in variables(arm.results)) + 1
                self._offer_if(stmt, size, reading, pending)
            elif isinstance(stmt, Stage):
                self._offer_stage(stmt, size, reading, pending)
            elif not isinstance(stmt, Remark):
                pending.clear()
                for inner in blocks(stmt) if not isinstance(stmt, If) else ():
                    self.block(inner)
        self._consume(block.results, pending)

    def _consume(self, atoms: tuple[Atom, ...], pending: dict[Var, Stage | If]) -> int:
        """Inlines the pending values among the atoms while the line stays short; returns its number of operations."""
        here = [a for a in variables(atoms) if a in pending]
        budget = _MOST_OPERATIONS
        for var in sorted(here, key=lambda v: self.sizes[v]):
            if self.sizes[var] <= budget:
                budget -= self.sizes[var]
                self.plan.inlined[var] = pending[var]
            del pending[var]
        return _MOST_OPERATIONS - budget

    def _offer_stage(self, stage: Stage, size: int, reading: bool, pending: dict[Var, Stage | If]) -> None:
        # What is computed into an array that has no name, because it is written here itself, changes nothing that another reads.
        if stage.op in _WRITES or (IN_PLACE in stage.attrs and stage.args[0] not in self.plan.inlined):
            for var in [v for v in pending if v in self.readers]:
                del pending[var]
        if stage.op in _WRITES or stage.out in self.plan.inlined:
            return
        if not stage.out.name and self.plan.counts[stage.out] == 1 and not stage.note.startswith(">"):
            self.sizes[stage.out] = size + 1
            pending[stage.out] = stage
            if reading:
                self.readers.add(stage.out)

    def _offer_if(self, stmt: If, size: int, reading: bool, pending: dict[Var, Stage | If]) -> None:
        out = stmt.outs[0]
        if size > _MOST_OPERATIONS:
            pending.clear()
            return
        self.plan.expressions.add(id(stmt))
        if not out.name and self.plan.counts[out] == 1:
            self.sizes[out] = size
            pending[out] = stmt
            if reading:
                self.readers.add(out)

    def _on_one_line(self, stmt: If) -> bool:
        """One result, and arms whose stages all went into it."""
        arms = (stmt.then, stmt.orelse)
        undefined = any(isinstance(r, Lit) and r.value is None for arm in arms for r in arm.results)
        all_inlined = all(self.plan.is_inlined(s) for arm in arms for s in arm.stmts)
        return len(stmt.outs) == 1 and not undefined and all_inlined and not stmt.note

    def _reads_array(self, stmt: Stmt) -> bool:
        if isinstance(stmt, Stage):
            reads = stmt.op not in _READ_NO_ELEMENTS and any(a.type.rank for a in stmt.args)
            return reads or any(a in self.readers for a in variables(stmt.args))
        if isinstance(stmt, If):
            # A loop, not `any`: arms nest deeply, and CPython 3.12 allows few calls from C inside one another.
            for inner in (*stmt.then.stmts, *stmt.orelse.stmts):
                if self._reads_array(inner):
                    return True
        return False


def is_condition(stmt: If) -> str:
    """ "and" or "or" where the `If` is one of these on truth values, "" where it is a ternary."""
    if stmt.outs[0].type != BOOL:
        return ""
    if stmt.orelse.results[0] == Lit(False, BOOL):
        return "and"
    return "or" if stmt.then.results[0] == Lit(True, BOOL) else ""
