"""The backward pass of one function: a method for each kind of statement, last statement first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from stagegrad.analysis import active, needed, unbound
from stagegrad.ir import (
    Atom,
    Attr,
    Block,
    Call,
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
    binds,
    variables,
    walk,
)  # fmt: skip
from stagegrad.names import Words, describe, describe_call, reserved, title
from stagegrad.ops import Builder, Op, Value, contributions_of, find, literal, partials_of
from stagegrad.reverse.arrays import ARRAY_RULES
from stagegrad.reverse.branches import BranchReversal
from stagegrad.reverse.facts import GROWING, atoms, conditional, is_infinite, library, scopes, unbounded
from stagegrad.reverse.lineages import WRITES, lineages
from stagegrad.reverse.loops import LoopReversal
from stagegrad.reverse.nest import NestReversal
from stagegrad.reverse.one_pass import one_pass
from stagegrad.reverse.threads import Level, Nest, read_again, same_facts
from stagegrad.shapes import Shape, dimensions, reshaped, section, shapes

#: The gradient that has reached each value so far.
Gradients = dict[Var, Atom]

ZERO = literal(0.0)


@dataclass(frozen=True)
class Pullback:
    """What a backward function does, in positions: it is given the gradients of the results `seeds`, and returns those of the parameters
    `wanted`; to `onto` of these, arrays, it adds, behind its other arguments.
    """

    name: str
    seeds: tuple[int, ...]
    wanted: tuple[int, ...]
    onto: tuple[int, ...] = ()


class Functions(Protocol):
    """What a sweep asks of the module around its function."""

    module: Module

    def backward(self, asked: Pullback) -> tuple[str, Pullback]: ...


class Sweep:
    """The backward pass of one function. `block` is the whole of it; the rest is a method a kind of statement."""

    def __init__(self, family: Functions, function: Function, wrt: Iterable[Var]) -> None:
        self.family = family
        self.fresh = Fresh(function)
        self.active = active(function, wrt)
        self.words = Words(reserved(function))
        self.given: dict[tuple[str, str], str] = {}
        self.routed: set[Atom] = set()
        self.masked: set[Atom] = set()  # zero where the user's own mask said so: what lies behind it may be nan
        self.conditional = conditional(function.body)
        self.undefined = unbound(function)
        self.questions = {out: stmt.test for stmt in walk(function.body) if isinstance(stmt, If) for out in stmt.outs}
        self.library = library(function.body)
        self.infinite = any(is_infinite(atom) for each in family.module.functions for atom in atoms(each.body))
        handed = function.params if self.infinite and function is not family.module.main else ()
        self.unbounded: set[Atom] = unbounded(function.body, handed)
        self.made = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.shapes: dict[Var, Shape] = shapes(function, module=family.module)
        self.certain: dict[Var, Shape] = dimensions(function, module=family.module).of  # equal only for what has met before
        self.reshaped = reshaped(function, family.module)
        self.scopes = scopes(function)
        self.function = function
        self.lineages = lineages(function.params, function.body)
        self.current: dict[Var, Atom] = {}  # arrays as they are restored at this point of the backward pass
        self.nest: Nest | None = None  # the loops that write to arrays in place, while such are undone
        self.levels: list[Level] = []
        self.tape_words: dict[Var, str] = {}  # what the tape of a value without a name is called
        self.numbered = function.origin == "formula"
        self.number = {s.out: k for k, s in enumerate((s for s in function.body.stmts if isinstance(s, Stage)), 1)}

    # ------------------------------------------------------------------------------------------ words

    def word(self, role: str, base: str) -> str:
        """One word for each role of each name: ("d{}", "x") -> ``dx``."""
        if (role, base) not in self.given:
            self.given[role, base] = self.words.fresh(role.format(base), "_")
        return self.given[role, base]

    def gradient_word(self, var: Var) -> str:
        return self.word("d{}", var.name or "it")

    def note(self, stage: Stage) -> str:
        number = f"({self.number[stage.out]}) " if self.numbered and stage.out in self.number else ""
        return number + describe(stage, self.made)

    # ------------------------------------------------------------------------------------------ gradients

    def add(self, gradients: Gradients, to: Atom, contribution: Atom, builder: Builder, routed: bool = False,
            masked: bool = False) -> None:  # fmt: skip
        """``dx = contribution`` where it is the first, ``dx += contribution`` after that."""
        if not isinstance(to, Var) or to not in self.active:
            return
        before = gradients.get(to)
        if contribution.type.bits != to.type.bits:
            contribution = builder.emit("cast", contribution, bits=to.type.bits)
        self._add(gradients, to, contribution, builder)
        if (routed or self.may_stop(contribution)) and (before is None or self.may_stop(before)):
            self.routed.update(variables([gradients[to]]))
        if (masked or contribution in self.masked) and (before is None or before in self.masked):
            self.masked.update(variables([gradients[to]]))

    def may_stop(self, gradient: Atom) -> bool:
        """Can this gradient be zero because a branch, a ``where`` or a maximum chose something else?"""
        return gradient in self.routed or is_zero(gradient)

    def _add(self, gradients: Gradients, to: Var, contribution: Atom, builder: Builder) -> None:
        word = self.gradient_word(to)
        before = gradients.get(to)
        last = builder.stmts[-1] if builder.stmts else None
        new = isinstance(last, Stage) and last.out == contribution
        if before is None and isinstance(contribution, Var) and contribution.name == word:
            gradients[to] = contribution
        elif before is None and to.type.rank and not contribution.type.rank and not new:
            gradients[to] = contribution  # one number for every element has a word already
        elif before is None:
            gradients[to] = self.named(_minus_in_front(contribution, builder), word, builder)
        else:
            made = builder.definition(contribution)
            if made is not None and made.op == "neg" and not made.out.name:
                builder.stmts.remove(made)
                gradients[to] = builder.emit("sub", before, made.args[0], name=word)
            else:
                gradients[to] = builder.emit("add", before, contribution, name=word)

    def named(self, atom: Atom, word: str, builder: Builder) -> Atom:
        """Gives the last unnamed stage a name; a value that has one already, or a constant, is copied."""
        last = builder.stmts[-1] if builder.stmts else None
        if isinstance(last, Stage) and last.out == atom and not last.out.name:
            renamed = self.fresh.var(word, last.out.type)
            builder.stmts[-1] = replace(last, out=renamed)
            return renamed
        return builder.emit("copy", atom, name=word)

    def pull(self, partial: Value, g: Atom, builder: Builder, guarded: bool) -> Atom:
        """``partial * g``, in the shape a person would write it: a quotient keeps its denominator last."""
        if partial.literal == 1.0:
            return g
        guarded = guarded and partial.literal is None
        made = builder.definition(partial.atom)
        match made:
            case Stage(op="neg", args=(inner,)):
                builder.stmts.remove(made)
                return builder.emit("neg", self.pull(builder.value(inner), g, builder, guarded))
            case Stage(op="div" | "divided" | "quotient" as op, args=(num, den)):
                builder.stmts.remove(made)
                above = self.pull(builder.value(num), g, builder, guarded)
                return builder.emit("quotient" if guarded else op, above, den)
            case Stage(op="where", args=(test, yes, no)):
                builder.stmts.remove(made)
                arms = (ZERO if is_zero(a) else self.pull(builder.value(a), g, builder, guarded) for a in (yes, no))
                return builder.emit("where", test, *arms)
        if partial.literal == -1.0:
            return builder.emit("neg", g)
        return builder.emit("scaled" if guarded else "mul", *((g, partial.atom) if guarded else (partial.atom, g)))

    # ------------------------------------------------------------------------------------------ statements

    def block(self, stmts: Sequence[Stmt], gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        """The statements with what they must record, and the statements that undo them, last first."""
        forward: list[Stmt] = []
        backward: list[Stmt] = []
        for stmt in reversed(stmts):
            state = dict(self.current)
            if isinstance(stmt, Stage) and stmt.op in WRITES and self.lineages.changing(stmt.out):
                before, after = self.write(stmt, gradients)
            else:
                before, after = self.stmt(stmt, gradients)
                after = self.met(after, state)
            forward[:0] = before
            backward += after
        return forward, backward

    def outermost(self, stmts: Sequence[Stmt], gradients: Gradients, seeds: Sequence[Stmt]) -> tuple[list[Stmt], list[Stmt]]:
        """`block` for a function's own statements; `seeds` have made the gradients that it begins with."""
        forward: list[Stmt] = []
        backward: list[Stmt] = list(seeds)
        for stmt in reversed(stmts):
            at_once = one_pass(self, stmt, gradients, backward) if isinstance(stmt, (For, While)) else None
            before, after = at_once or self.block([stmt], gradients)
            forward[:0] = before
            backward += after
        return forward, backward[len(seeds) :]

    def met(self, stmts: list[Stmt], state: dict[Var, Atom]) -> list[Stmt]:
        """Statements of the backward pass with every array as it is at this point."""
        if not (state or self.levels):
            return stmts  # there are no arrays that change
        level = self.levels[-1] if self.levels else Level({}, set())
        return read_again(self, level, stmts, state, Builder(self.fresh))

    def write(self, stage: Stage, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        """A write to an array keeps what it overwrites; undone, it puts that back before anything else."""
        array = stage.args[0]
        kept, restore = Builder(self.fresh, "", stage.span), Builder(self.fresh, "", stage.span)
        if isinstance(array, Var):
            attrs = dict(stage.attrs)
            was = kept.stage("load", (array, *stage.args[1:-1]), attrs)
            assert isinstance(was, Var)
            self.tape_words[was] = f"{array.name or 'it'}_was"
            for known in (self.shapes, self.certain):
                if (dims := section(stage, known)) is not None:
                    known[was] = dims
            before = self.current.get(stage.out, stage.out)
            self._written(stage, before, attrs, restore)
            back = restore.stage("store", (before, *stage.args[1:-1], was), attrs, array.name)
            if isinstance(back, Var):
                same_facts(self, {array: back})
            after = self.met(restore.stmts, {})
            self.current[array] = back
        undone = self.stage(stage, gradients)
        return [*kept.stmts, stage], [*after, *self.met(undone, dict(self.current))]

    def _written(self, stage: Stage, array: Atom, attrs: dict[str, Attr], builder: Builder) -> None:
        """What was written to an element is in the array until that is restored: whoever needs it afterwards has it from there."""
        value = stage.args[-1]
        if stage.op != "store" or not self.levels or not isinstance(value, Var) or value not in self.levels[-1].makers:
            return
        if value.type.rank or self.levels[-1].makers[value].op == "load" or value in self.levels[-1].again:
            return
        found = builder.stage("load", (array, *stage.args[1:-1]), attrs, value.name)
        if isinstance(found, Var) and found.type == value.type:
            same_facts(self, {value: found})
            self.levels[-1].again[value] = found

    def outside_of(self, loop: For | While) -> set[Var]:
        """The values that are bound when a loop of the function's own statements begins."""
        found = set(self.function.params)
        for stmt in self.function.body.stmts:
            if stmt is loop:
                break
            found.update(binds(stmt))
        else:
            return set(self.function.params)
        return found

    def fills(self, stage: Stage, value: Atom) -> bool:
        """Has a value the shape of the section that it is written to?"""
        known = self.shapes.get(value) if isinstance(value, Var) else None
        return known is not None and known == section(stage, self.shapes)

    def stmt(self, stmt: Stmt, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        match stmt:
            case Stage():
                shown = replace(stmt, note=f"> ({self.number[stmt.out]}) {title(stmt)}") if self._shows_number(stmt) else stmt
                return [shown], self.stage(stmt, gradients)
            case Call():
                return [stmt], self.call(stmt, gradients)
            case If():
                return BranchReversal(self, stmt).run(gradients)
            case For() | While():
                return self.loop(stmt, gradients)
            case Raise() | Remark():
                return ([stmt] if isinstance(stmt, Raise) else []), []
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def _shows_number(self, stage: Stage) -> bool:
        return self.numbered and stage.out in self.number

    def stage(self, stage: Stage, gradients: Gradients) -> list[Stmt]:
        """One stage of the chain rule: each operand receives its slope times the result's gradient."""
        g = gradients.pop(stage.out, None)
        if g is None or stage.out not in self.active:
            return []
        builder = Builder(self.fresh, self.note(stage), stage.span)
        if stage.op in ARRAY_RULES:
            ARRAY_RULES[stage.op](self, stage, g, gradients, builder)
            return builder.stmts
        if stage.op in ("copy", "duplicate"):
            self.add(gradients, stage.args[0], g, builder)
            return builder.stmts
        doubled = stage.op == "mul" and stage.args[0] == stage.args[1]
        op, args = (find("square"), stage.args[:1]) if doubled else (find(stage.op), stage.args)
        for position, arg in enumerate(args):
            if isinstance(arg, Var) and arg in self.active:
                self._pull_one(op, position, stage, args, g, gradients, builder)
        return builder.stmts

    def _pull_one(self, op: Op, position: int, stage: Stage, args: tuple[Atom, ...], g: Atom, gradients: Gradients,
                  builder: Builder) -> None:  # fmt: skip
        scratch = Builder(self.fresh, builder.note, builder.span)
        stops = self.may_stop(g)
        if op.kind == "general":
            contribution = self._pulled(op, position, stage, g, scratch)
        else:
            contribution = self._scaled(op, position, stage, args, g, scratch)
        if contribution is None:
            return
        kept = needed(Block(tuple(scratch.stmts), (contribution,)))
        scratch.stmts = list(kept.stmts)
        routed = stops or any(isinstance(stmt, Stage) and stmt.op in _PLACING for stmt in scratch.stmts)
        self.add(gradients, args[position], contribution, scratch, routed, masked=g in self.masked or stage.op == "where")
        builder.stmts += scratch.stmts

    def _pulled(self, op: Op, position: int, stage: Stage, g: Atom, scratch: Builder) -> Atom | None:
        """What a general operation's pull-back hands to one operand."""
        whole = self.whole(g, stage.out, scratch)
        found = contributions_of(op, scratch, whole, stage.out, stage.args, stage.attrs)[position]
        return None if found is None else found.atom

    def _scaled(self, op: Op, position: int, stage: Stage, args: tuple[Atom, ...], g: Atom, scratch: Builder) -> Atom | None:
        """Slope times gradient, summed where broadcasting repeated the operand."""
        arg, rank = args[position], stage.out.type.rank
        fits = not rank or self.same_shape(arg, stage.out)
        even = all(self.same_shape(a, stage.out) for a in args if a.type.rank)
        if rank and not even:
            g = self.whole(g, stage.out, scratch)
        partial = partials_of(op, scratch, stage.out, args, stage.attrs or self.library)[position]
        if partial is None:
            return None
        summed = even and not arg.type.rank and not g.type.rank and bool(partial.type.rank)
        if summed:
            partial = scratch.value(scratch.emit("sum", partial.atom))  # one number times each slope: that number times their sum
        steep = op.pole or op.name in GROWING or not self.unbounded.isdisjoint(args)
        missing = g in self.masked and partial.type.rank > 0
        contribution = self.pull(partial, g, scratch, op.singular or missing or (steep and (self.may_stop(g) or self.infinite)))
        if fits or summed:
            return contribution
        if not arg.type.rank and not contribution.type.rank:
            return scratch.emit("mul", contribution, scratch.emit("count", self.shaped_like(stage.out)))
        contribution = self.whole(contribution, stage.out, scratch)
        return self.summed_to(arg, contribution, stage.out, scratch) if arg.type.rank else scratch.emit("sum", contribution)

    # ------------------------------------------------------------------------------------------ arrays

    def same_shape(self, first: Atom, second: Atom) -> bool:
        """Have two arrays the same shape in every run?"""
        known = [self.shapes.get(atom) if isinstance(atom, Var) else None for atom in (first, second)]
        return known[0] is not None and known[0] == known[1]

    def whole(self, gradient: Atom, of: Var, builder: Builder) -> Atom:
        """The gradient of an array as an array of its shape, where it may be one number for all elements."""
        if gradient.type.rank or not of.type.rank:
            return gradient
        if is_zero(gradient):
            return builder.emit("zeros_like", self.shaped_like(of))
        return builder.emit("full_like", self.shaped_like(of), gradient)

    def summed_to(self, arg: Atom, gradient: Atom, out: Var, builder: Builder) -> Atom:
        """The gradient of an operand that was broadcast to the shape of `out`: summed along the axes where it was repeated."""
        mine, whole = (self.shapes.get(atom) if isinstance(atom, Var) else None for atom in (arg, out))
        if mine is None or whole is None or any(a not in (1, b) for a, b in zip(mine, whole[len(whole) - len(mine) :], strict=True)):
            return builder.emit("unbroadcast", gradient, arg)  # what is repeated is known only when the program runs
        lead = len(whole) - len(mine)
        if lead:
            gradient = builder.emit("sum", gradient, axis=0 if lead == 1 else tuple(range(lead)))
        single = tuple(axis for axis, size in enumerate(mine) if size == 1 and whole[lead + axis] != 1)
        if not single:
            return gradient
        return builder.emit("sum", gradient, axis=single[0] if len(single) == 1 else single, keepdims=True)

    def shaped_like(self, var: Var) -> Var:
        """An array of the same shape that was there as early as possible: it need not be computed again for its shape alone."""
        dims = self.certain.get(var)
        alike = (other for other in self.scopes if other.type == var.type and dims is not None and self.certain.get(other) == dims)
        return next(alike, var)

    def call(self, stmt: Call, gradients: Gradients) -> list[Stmt]:
        """``g(x)`` is undone by ``dx = g_backward(x, dg)``, and ``g(a)`` in a loop by ``da = g_backward(a, dg, da)``."""
        first = Builder(self.fresh, describe_call(stmt, self.made))
        seeds = {k: self.whole(gradients.pop(out), out, first) for k, out in enumerate(stmt.outs) if out in gradients}
        for r, a in stmt.onto:  # what is written there is what was there and something more
            if r in seeds:
                self.add(gradients, stmt.args[a], seeds[r], first)
        wanted = self._active_floats(stmt)
        if not seeds or not wanted:
            return first.stmts
        onto = tuple(k for k in wanted if self._has_total(stmt.args, k, gradients))
        name, does = self.family.backward(Pullback(stmt.fn, tuple(seeds), wanted, onto))
        return [*first.stmts, *self._undone(stmt, name, does, seeds, gradients)]

    def _active_floats(self, stmt: Call) -> tuple[int, ...]:
        """The positions of the arguments whose gradients are of use; that of what is written onto is known without the function."""
        onto = {a for _, a in stmt.onto}
        return tuple(k for k, arg in enumerate(stmt.args) if arg in self.active and arg.type.kind == "float" and k not in onto)

    def _has_total(self, args: Sequence[Atom], position: int, gradients: Gradients) -> bool:
        """Is there an array to which the gradient of an argument can be added?"""
        arg = args[position]
        total = gradients.get(arg) if isinstance(arg, Var) and arg.type.rank and arg not in args[:position] else None
        return total is not None and total.type == arg.type

    def _undone(self, stmt: Call, name: str, does: Pullback, seeds: Mapping[int, Atom], gradients: Gradients) -> list[Stmt]:
        note = describe_call(stmt, self.made)
        builder = Builder(self.fresh, note)
        given = [seeds[k] if k in seeds else self.whole(ZERO, stmt.outs[k], builder) for k in does.seeds]
        slots = [stmt.args[k] for k in does.wanted]
        added = set(variables(stmt.args[k] for k in does.onto))
        words = self._call_words(slots, gradients, added)
        outs = tuple(self.fresh.var(word, slot.type) for word, slot in zip(words, slots, strict=True))
        totals = [gradients[arg] for arg in variables(stmt.args[k] for k in does.onto)]
        args = (*stmt.args, *given, *totals)
        onto = tuple((does.wanted.index(k), len(args) - len(totals) + j) for j, k in enumerate(does.onto))
        builder.stmts.append(Call(outs, name, args, note, stmt.span, onto))
        for k, out, arg in zip(does.wanted, outs, slots, strict=True):
            if k not in does.onto:
                self.add(gradients, arg, out, builder)
            elif isinstance(arg, Var):
                if self.may_stop(gradients[arg]):
                    self.routed.add(out)
                if gradients[arg] in self.masked:
                    self.masked.add(out)
                gradients[arg] = out
        return builder.stmts

    def _call_words(self, slots: Sequence[Atom], gradients: Gradients, added: set[Var]) -> list[str]:
        """A word for each gradient that a backward function returns: ``dx`` for a first contribution, ``dx2`` for a later one.

        What it has added to keeps its word.
        """
        words: list[str] = []
        for atom in slots:
            if not isinstance(atom, Var) or atom not in self.active:
                words.append("")
            elif atom in added and self.gradient_word(atom) not in words:
                words.append(self.gradient_word(atom))
            elif atom in gradients or self.gradient_word(atom) in words:
                words.append(self.words.fresh(self.gradient_word(atom)))
            else:
                words.append(self.gradient_word(atom))
        return words

    def shadow_arrays(self, vars: Iterable[Var], gradients: Gradients, builder: Builder) -> None:
        """An array's gradient must be there before a branch or a loop adds to its elements."""
        for var in sorted(vars, key=lambda v: (v.name, v.version)):
            if var.type.rank and var in self.active and var not in gradients:
                gradients[var] = builder.emit("zeros_like", self.shaped_like(var), name=self.gradient_word(var))
                self.routed.update(variables([gradients[var]]))
            elif var.type.rank and var in self.active and not gradients[var].type.rank:
                gradients[var] = self.named(self.whole(gradients[var], var, builder), self.gradient_word(var), builder)

    # ------------------------------------------------------------------------------------------ loops

    def loop(self, loop: For | While, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        """Runs the trips again, last first: restore what a trip began with, run its body, undo its body."""
        if self.nest is not None or self.lineages.written_in(loop.body) or self.reshaping(loop):
            return NestReversal(self, loop).run(gradients)
        if not any(c.out in gradients and c.out in self.active for c in loop.carries):
            for carry in loop.carries:
                gradients.pop(carry.out, None)
            return [loop], []
        return LoopReversal(self, loop).run(gradients)

    def reshaping(self, loop: For | While) -> bool:
        """Does an array that a loop carries have another shape behind a trip than before it, or may it?"""
        return any(carry.var in self.reshaped for carry in loop.carries)

    def set_aside(self, body: Block) -> tuple[tuple[Stmt, ...], Atom, Atom]:
        """``return x`` -> ``f = x; return f`` where a loop carried x: the backward pass restores x's earlier values."""
        result = body.results[0]
        looped = {c.out for stmt in body.stmts if isinstance(stmt, (For, While)) for c in stmt.carries}
        if not isinstance(result, Var) or result not in looped or result not in self.active:
            return body.stmts, result, result
        kept = Stage(self.fresh.var(self.words.fresh("f"), result.type), "copy", (result,))
        return (*body.stmts, kept), kept.out, result


#: What a pull-back may emit that leaves some elements without a gradient.
_PLACING = {"where", "accumulate", "store", "zeros_like", "scattered", "on_diagonal", "diag_matrix", "tril", "triu", "pad", "tied", "item"}


def is_zero(atom: Atom) -> bool:
    return isinstance(atom, Lit) and atom.value == 0


def _minus_in_front(atom: Atom, builder: Builder) -> Atom:
    """``-(a * b)`` -> ``-a * b``, as a person would write it; the product's bits are the same."""
    made = builder.definition(atom)
    if made is None or made.op != "neg":
        return atom
    product = builder.definition(made.args[0])
    if product is None or product.op not in ("mul", "div", "divided", "quotient"):
        return atom
    builder.stmts.remove(made)
    builder.stmts.remove(product)
    first = _minus_in_front(builder.emit("neg", product.args[0]), builder)
    return builder.emit(product.op, first, *product.args[1:])
