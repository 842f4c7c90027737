"""IR -> IR that also returns the gradient.

`reverse` takes a module whose main function returns one float, and returns a module whose main function computes
that value and its gradient: the user's statements, then for every stage, last first, the contributions of its result's
gradient to its operands' gradients (the chain rule), in the same language, so that `reverse` can be applied again.

    z.0 = mul(x.0, y.0); return z.0   ->   z.0 = mul(x.0, y.0); dz.0 = 1.0; dx.0 = mul(y.0, dz.0); dy.0 = mul(x.0, dz.0)

Straight lines and branches need no record: what an arm computed is still there when the backward pass asks for it.
A loop runs its body again in reverse order, from the values that it carried into each trip; of these it records
exactly those that the reverse body, once built and pruned, still reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.analysis import active, needed
from stagegrad.errors import ArgumentError
from stagegrad.ir import (
    FLOAT, INT, Atom, Block, Call, Carry, For, Fresh, Function, If, Lit, Module, Raise, Remark, Shape, Stage, Stmt, Var, While,
    binds, bound, clone, free, substitute, variables, walk,
)  # fmt: skip
from stagegrad.names import Words, describe, reserved, title
from stagegrad.ops import Builder, Op, Value, find, literal, partials_of

#: The gradient that has reached each value so far.
Gradients = dict[Var, Atom]

_ZERO = literal(0.0)
_ONE = literal(1)


def reverse(module: Module, wrt: Sequence[int]) -> Module:
    """The value and the gradient of the main function with respect to the parameters at the positions `wrt`.

    The result's shape is ``(0, 1)`` for one parameter, ``(0, (1, 2, ...))`` for more. Raises ArgumentError where the
    main function does not return a single number.
    """
    main = module.main
    if main.shape != 0 or len(main.body.results) != 1 or main.body.results[0].type.rank:
        raise ArgumentError(f"{main.name}() returns {_answer(main)}; a gradient needs one number", main.span, "return a single float")
    family = _Family(module)
    gradient = family.value_and_gradient(main, tuple(wrt))
    callees = [function for function in module.functions if _calls(gradient, function.name) or function is not main]
    return Module((gradient, *family.backwards(), *callees))


def _answer(function: Function) -> str:
    count = len(function.body.results)
    return f"a tuple of {count}" if count != 1 else "a value that is not a scalar"


def _calls(function: Function, name: str) -> bool:
    return any(isinstance(stmt, Call) and stmt.fn == name for stmt in walk(function.body))


class _Family:
    """The functions of a module and the backward functions that their calls ask for."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.asked: dict[str, str] = {}
        self.words = Words(function.name for function in module.functions)

    def backward_name(self, name: str) -> str:
        """The name of the function that pulls a gradient back through a call of `name`."""
        if name not in self.asked:
            self.asked[name] = self.words.fresh(f"{name}_backward")
        return self.asked[name]

    def backwards(self) -> list[Function]:
        """The backward function of every call met so far, and of the calls in those."""
        made: dict[str, Function] = {}
        while pending := [name for name in self.asked if name not in made]:
            for name in pending:
                made[name] = self.pullback(self.module[name])
        return list(made.values())

    def value_and_gradient(self, function: Function, wrt: tuple[int, ...]) -> Function:
        """`f(...)` -> `f_value_and_grad(...)`, which returns the value and d value / d parameter for each of `wrt`."""
        chosen = [function.params[k] for k in wrt]
        sweep = _Sweep(self, function, chosen)
        stmts, result, seeded = sweep.set_aside(function.body)
        builder = Builder(sweep.fresh)
        gradients: Gradients = {}
        if isinstance(result, Var):
            target = seeded if isinstance(seeded, Var) else result
            gradients[target] = builder.emit("copy", literal(1.0), name=sweep.gradient_word(target))
        forward, backward = sweep.block(stmts, gradients)
        found = tuple(gradients.get(param, _ZERO) for param in chosen)
        body = Block((Remark("forward pass"), *forward, Remark("backward pass"), *builder.stmts, *backward), (result, *found))
        shape: Shape = (0, 1) if len(found) == 1 else (0, tuple(range(1, len(found) + 1)))
        name = self.words.fresh(f"{function.name}_value_and_grad")
        return replace(function, name=name, body=body, shape=shape)

    def pullback(self, function: Function) -> Function:
        """`g(x)` -> `g_backward(x, dg)`, which returns the gradient of every float parameter."""
        floats = [p for p in function.params if p.type.kind == "float"]
        sweep = _Sweep(self, function, floats)
        results = function.body.results
        words = [sweep.gradient_word(r) if isinstance(r, Var) else sweep.words.fresh(f"d{function.name}") for r in results]
        seeds = [sweep.fresh.var(word, r.type) for word, r in zip(words, results, strict=True) if r.type.kind == "float"]
        gradients: Gradients = {}
        builder = Builder(sweep.fresh)
        for seed, result in zip(seeds, (r for r in results if r.type.kind == "float"), strict=True):
            sweep.add(gradients, result, seed, builder)
        forward, backward = sweep.block(_without_raises(function.body).stmts, gradients)
        answers = tuple(gradients.get(param, _ZERO) for param in floats)
        body = Block((Remark("forward pass"), *forward, Remark("backward pass"), *builder.stmts, *backward), answers)
        shape: Shape = 0 if len(answers) == 1 else tuple(range(len(answers)))
        name = self.backward_name(function.name)
        return replace(function, name=name, params=(*function.params, *seeds), body=body, shape=shape)


class _Sweep:
    """The backward pass of one function. `block` is the whole of it; the rest is a method a kind of statement."""

    def __init__(self, family: _Family, function: Function, wrt: Iterable[Var]) -> None:
        self.family = family
        self.fresh = Fresh(function)
        self.active = active(function, wrt)
        self.words = Words(reserved(function))
        self.given: dict[tuple[str, str], str] = {}
        self.routed: set[Atom] = set()
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
        return number + describe(stage)

    # ------------------------------------------------------------------------------------------ gradients

    def add(self, gradients: Gradients, to: Atom, contribution: Atom, builder: Builder, routed: bool = False) -> None:
        """``dx = contribution`` where it is the first, ``dx += contribution`` after that."""
        if not isinstance(to, Var) or to not in self.active:
            return
        before = gradients.get(to)
        self._add(gradients, to, contribution, builder)
        if (routed or self.may_stop(contribution)) and (before is None or self.may_stop(before)):
            self.routed.update(variables([gradients[to]]))

    def may_stop(self, gradient: Atom) -> bool:
        """Can this gradient be zero because a branch, a ``where`` or a maximum chose something else?"""
        return gradient in self.routed or _is_zero(gradient)

    def _add(self, gradients: Gradients, to: Var, contribution: Atom, builder: Builder) -> None:
        word = self.gradient_word(to)
        before = gradients.get(to)
        if before is None and isinstance(contribution, Var) and contribution.name == word:
            gradients[to] = contribution
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
            builder.stmts[-1] = replace(last, out=self.fresh.var(word, last.out.type))
            return builder.stmts[-1].out
        return builder.emit("copy", atom, name=word)

    def pull(self, partial: Value, g: Atom, builder: Builder, guarded: bool) -> Atom:
        """``partial * g``, in the shape a person would write it: a quotient keeps its denominator last."""
        if partial.literal == 1.0:
            return g
        made = builder.definition(partial.atom)
        match made:
            case Stage(op="neg", args=(inner,)):
                builder.stmts.remove(made)
                return builder.emit("neg", self.pull(builder.value(inner), g, builder, guarded))
            case Stage(op="div" | "quotient" as op, args=(num, den)):
                builder.stmts.remove(made)
                above = self.pull(builder.value(num), g, builder, guarded)
                return builder.emit("quotient" if guarded else op, above, den)
            case Stage(op="where", args=(test, yes, no)):
                builder.stmts.remove(made)
                arms = (_ZERO if _is_zero(a) else self.pull(builder.value(a), g, builder, guarded) for a in (yes, no))
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
            before, after = self.stmt(stmt, gradients)
            forward[:0] = before
            backward += after
        return forward, backward

    def stmt(self, stmt: Stmt, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        match stmt:
            case Stage():
                shown = replace(stmt, note=f"> ({self.number[stmt.out]}) {title(stmt)}") if self._shows_number(stmt) else stmt
                return [shown], self.stage(stmt, gradients)
            case Call():
                return [stmt], self.call(stmt, gradients)
            case If():
                return self.branch(stmt, gradients)
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
        if stage.op in _ARRAY_RULES:
            _ARRAY_RULES[stage.op](self, stage, g, gradients, builder)
            return builder.stmts
        if stage.op == "copy":
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
        rule = find(op.name) if hasattr(op, "name") else find(str(op))
        scratch = Builder(self.fresh, builder.note, builder.span)
        partial = partials_of(rule, scratch, stage.out, args, stage.attrs)[position]
        if partial is None:
            return
        contribution = self.pull(partial, g, scratch, rule.singular)
        kept = needed(Block(tuple(scratch.stmts), (contribution,)))
        scratch.stmts = list(kept.stmts)
        self.add(gradients, args[position], contribution, scratch)
        builder.stmts += scratch.stmts

    def call(self, stmt: Call, gradients: Gradients) -> list[Stmt]:
        """``g(x)`` is undone by ``dx = g_backward(x, dg)``."""
        callee = self.family.module[stmt.fn]
        if not any(out in gradients for out in stmt.outs):
            return []
        seeds = tuple(gradients.pop(out, _ZERO) for out in stmt.outs if out.type.kind == "float")
        slots = [a for p, a in zip(callee.params, stmt.args, strict=True) if p.type.kind == "float"]
        outs = tuple(self.fresh.var(word, FLOAT) for word in self._call_words(slots, gradients))
        note = f"{', '.join(out.name or 'it' for out in stmt.outs)} = {stmt.fn}({', '.join(map(_word, stmt.args))})"
        undo = Call(outs, self.family.backward_name(stmt.fn), (*stmt.args, *seeds), note, stmt.span)
        builder = Builder(self.fresh, note)
        for out, arg in zip(outs, slots, strict=True):
            self.add(gradients, arg, out, builder)
        return [undo, *builder.stmts]

    def _call_words(self, slots: Sequence[Atom], gradients: Gradients) -> list[str]:
        """A word for each gradient that a backward function returns: ``dx`` for a first contribution, ``dx2`` for a later one."""
        words: list[str] = []
        for atom in slots:
            if not isinstance(atom, Var) or atom not in self.active:
                words.append("")
            elif atom in gradients or self.gradient_word(atom) in words:
                words.append(self.words.fresh(self.gradient_word(atom)))
            else:
                words.append(self.gradient_word(atom))
        return words

    # ------------------------------------------------------------------------------------------ branches

    def branch(self, stmt: If, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        """The backward pass asks the same question again and undoes the arm that ran."""
        seeds = {out: gradients.pop(out) for out in stmt.outs if out in gradients and out in self.active}
        before = Builder(self.fresh)
        for arm in (stmt.then, stmt.orelse):
            self._shadow_arrays(free(arm), gradients, before)
        arms = [self._arm(stmt, arm, seeds, dict(gradients)) for arm in (stmt.then, stmt.orelse)]
        changed = _changed(gradients, [found for _, _, found in arms], bound(stmt.then) | bound(stmt.orelse))
        if not changed:
            return [stmt], []
        outs = tuple(self.fresh.var(self.gradient_word(var), var.type) for var in changed)
        back = [needed(Block(tuple(b), tuple(found.get(v, _ZERO) for v in changed))) for _, b, found in arms]
        forward = If(stmt.test, Block(tuple(arms[0][0]), stmt.then.results), Block(tuple(arms[1][0]), stmt.orelse.results),
                     stmt.outs, stmt.note, stmt.span)  # fmt: skip
        forward, (then, orelse) = self._export(forward, back)
        for k, (var, out) in enumerate(zip(changed, outs, strict=True)):
            gradients[var] = out
            if any(self.may_stop(arm.results[k]) for arm in back):
                self.routed.add(out)
        return [forward], [*before.stmts, If(stmt.test, then, orelse, outs, "", stmt.span)]

    def _arm(self, stmt: If, arm: Block, seeds: Gradients, gradients: Gradients) -> tuple[list[Stmt], list[Stmt], Gradients]:
        builder = Builder(self.fresh)
        for out, result in zip(stmt.outs, arm.results, strict=True):
            if out in seeds:
                self.add(gradients, result, seeds[out], builder)
        forward, backward = self.block(arm.stmts, gradients)
        return forward, [*builder.stmts, *backward], gradients

    def _export(self, forward: If, back: list[Block]) -> tuple[If, list[Block]]:
        """What a backward arm reads of its forward arm becomes a result of the forward branch, undefined in the other arm."""
        outs, results = list(forward.outs), [list(forward.then.results), list(forward.orelse.results)]
        for side, arm in enumerate((forward.then, forward.orelse)):
            local = {var for stmt in arm.stmts for var in binds(stmt)}
            mapping: dict[Var, Atom] = {}
            for var in sorted(free(back[side]) & local, key=lambda v: (v.name, v.version)):
                if var in results[side]:
                    mapping[var] = outs[results[side].index(var)]
                    continue
                out = self.fresh.like(var)
                if var in self.active:
                    self.active.add(out)
                mapping[var] = out
                outs.append(out)
                results[side].append(var)
                results[1 - side].append(Lit(None, var.type))
            back[side] = substitute(back[side], mapping)
        then, orelse = (Block(a.stmts, tuple(r)) for a, r in zip((forward.then, forward.orelse), results, strict=True))
        return If(forward.test, then, orelse, tuple(outs), forward.note, forward.span), back

    def _shadow_arrays(self, vars: Iterable[Var], gradients: Gradients, builder: Builder) -> None:
        """An array's gradient must be there before a branch or a loop adds to its elements."""
        for var in sorted(vars, key=lambda v: (v.name, v.version)):
            if var.type.rank and var in self.active and var not in gradients:
                gradients[var] = builder.emit("zeros", builder.emit("size", var), name=self.gradient_word(var))

    # ------------------------------------------------------------------------------------------ loops

    def loop(self, loop: For | While, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        """Runs the trips again, last first: restore what a trip began with, run its body, undo its body."""
        if not any(c.out in gradients and c.out in self.active for c in loop.carries):
            for carry in loop.carries:
                gradients.pop(carry.out, None)
            return [loop], []
        return _LoopReversal(self, loop).run(gradients)

    def set_aside(self, body: Block) -> tuple[tuple[Stmt, ...], Atom, Atom]:
        """``return x`` -> ``f = x; return f`` where a loop carried x: the backward pass restores x's earlier values."""
        result = body.results[0]
        looped = {c.out for stmt in body.stmts if isinstance(stmt, (For, While)) for c in stmt.carries}
        if not isinstance(result, Var) or result not in looped or result not in self.active:
            return body.stmts, result, result
        kept = Stage(self.fresh.var(self.words.fresh("f"), result.type), "copy", (result,))
        return (*body.stmts, kept), kept.out, result


class _LoopReversal:
    """The reversal of one loop; an object because its parts share what the loop is."""

    def __init__(self, sweep: _Sweep, loop: For | While) -> None:
        self.sweep, self.loop, self.fresh = sweep, loop, sweep.fresh
        inner = Block((replace(_body_only(loop)),), ())
        copied, mapping = clone(inner, self.fresh)
        sweep.active |= {new for old, new in mapping.items() if old in sweep.active}
        self.copy = copied.stmts[0]
        assert isinstance(self.copy, (For, While))
        self.trip_stmts, self.results = _completed_trip(self.copy, sweep.active)
        self.partial_trips_vanish = self.results is not self.copy.body.results

    def run(self, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        before = Builder(self.fresh)
        carries, inner, changed = self._gradient_carries(gradients, before)
        body, results, kept = self._undo(inner, carries)
        after = Builder(self.fresh)
        restores = self._restores(body)
        forward, tapes, trips = self._record(restores)
        loop = self._backward_loop(body, results, kept, restores, tapes, trips, before)
        self._hand_on(kept, gradients, after)
        return forward, [*before.stmts, *loop, *after.stmts]

    # -- the gradients that travel from trip to trip

    def _gradient_carries(self, gradients: Gradients, before: Builder) -> tuple[list[tuple[Var, Carry]], Gradients, set[Var]]:
        """For each active carry, and each active value from outside that the body reads: (value, its gradient's carry)."""
        sweep, loop = self.sweep, self.copy
        found: list[tuple[Var, Carry]] = []
        inner: Gradients = {}
        for carry, original in zip(loop.carries, self.loop.carries, strict=True):
            if carry.var in sweep.active:
                start = gradients.pop(original.out, None)
                if start is None:
                    start = self._zero(original.out, before)
                found.append((carry.var, self._carry(carry.var, start)))
        outside = sorted(free(loop.body), key=lambda v: (v.name, v.version))
        for var in outside:
            if var in sweep.active and var not in [c.var for c in loop.carries]:
                start = gradients.get(var)
                found.append((var, self._carry(var, self._zero(var, before) if start is None else start)))
                inner[var] = found[-1][1].var
        return found, inner, set(outside)

    def _zero(self, var: Var, before: Builder) -> Atom:
        """Nothing has reached it yet: 0.0, or an array of zeros."""
        return before.emit("zeros", before.emit("size", var), name=self.sweep.gradient_word(var)) if var.type.rank else _ZERO

    def _carry(self, var: Var, start: Atom) -> Carry:
        word = self.sweep.gradient_word(var)
        carry = Carry(self.fresh.var(word, var.type), start, self.fresh.var(word, var.type))
        if self.sweep.may_stop(start):
            self.sweep.routed.add(carry.var)
        return carry

    def _undo(self, inner: Gradients, carries: list[tuple[Var, Carry]]) -> tuple[list[Stmt], list[Atom], list[tuple[Var, Carry]]]:
        """The body of the reverse loop: the trip again (what of it is needed), then the trip undone."""
        sweep = self.sweep
        seeds = Builder(self.fresh)
        arriving = {var: carry.var for var, carry in carries}
        for carry, result in zip(self.copy.carries, self.results, strict=True):
            if carry.var in arriving:
                sweep.add(inner, result, arriving[carry.var], seeds)
        again, undo = sweep.block(self.trip_stmts, inner)
        owned = {c.var for c in self.copy.carries}
        kept = [(var, c) for var, c in carries if var in owned or inner.get(var) != c.var]
        results = [inner.get(var) or self._vanished(var, c) for var, c in kept]
        body = needed(Block((*again, *seeds.stmts, *undo), tuple(results)))
        return list(body.stmts), results, kept

    def _vanished(self, var: Var, carry: Carry) -> Atom:
        # An array that the trip overwrites whole does not occur (stores keep the rest), so its gradient is always there.
        return carry.var if var.type.rank else _ZERO

    # -- what must be known again at the start of each trip

    def _restores(self, body: list[Stmt]) -> list[int]:
        """The positions of the carries whose value at the start of a trip the reverse body reads."""
        reading = free(Block(tuple(body)))
        return [k for k, carry in enumerate(self.copy.carries) if carry.var in reading]

    def _stride(self, k: int) -> Lit | None:
        """The constant that an int carry grows by on every trip, if that is all that happens to it."""
        carry, result = self.copy.carries[k], self.results[k]
        made = next((s for s in self.trip_stmts if isinstance(s, Stage) and s.out == result), None)
        if carry.var.type == INT and made and made.op == "add" and made.args[0] == carry.var and isinstance(made.args[1], Lit):
            return made.args[1]
        return None

    def _record(self, restores: list[int]) -> tuple[list[Stmt], dict[int, Var], Var | None]:
        """The forward loop with a tape for each carry that is recorded, and a count of trips where it cannot be foretold."""
        loop = self.loop
        counted = isinstance(loop, While) or loop.until is not None
        taped = [k for k in restores if self._stride(k) is None and not self._unchanging(k)]
        if not taped and not counted:
            return [loop], {}, None
        return _Recorder(self.sweep, loop, taped, counted, self.partial_trips_vanish).run()

    def _unchanging(self, k: int) -> bool:
        return self.results[k] == self.copy.carries[k].var

    # -- the loop itself

    def _backward_loop(self, body: list[Stmt], results: list[Atom], kept: list[tuple[Var, Carry]], restores: list[int],
                       tapes: dict[int, Var], trips: Var | None, before: Builder) -> list[Stmt]:  # fmt: skip
        loop = self.loop
        inside = Builder(self.fresh)
        backwards = _Range(self.fresh, self.sweep.words, loop, trips, before, inside)
        mapping: dict[Var, Atom] = {}
        if isinstance(self.copy, For):
            mapping[self.copy.index] = backwards.user_index
        for k in restores:
            mapping[self.copy.carries[k].var] = self._restored(k, tapes, backwards.position, inside)
        core = substitute(Block(tuple(body), tuple(results)), mapping)
        whole = needed(Block((*inside.stmts, *core.stmts), core.results))
        return [replace(backwards.header, carries=tuple(c for _, c in kept), body=whole, span=loop.span)]

    def _restored(self, k: int, tapes: dict[int, Var], position: Atom, inside: Builder) -> Atom:
        carry, stride = self.loop.carries[k], self._stride(k)
        if k in tapes:
            return inside.emit("load", tapes[k], position, name=carry.var.name)
        if stride is None:
            return carry.init
        steps = position if stride.value == 1 else inside.emit("mul", position, stride)
        return steps if carry.init == literal(0) else inside.emit("add", carry.init, steps, name=carry.var.name)

    def _hand_on(self, kept: list[tuple[Var, Carry]], gradients: Gradients, after: Builder) -> None:
        """After the loop: outside values keep what reached them, and each carry's initial value receives its gradient."""
        owned = {c.var: original for c, original in zip(self.copy.carries, self.loop.carries, strict=True)}
        for var, carry in kept:
            if self.sweep.may_stop(carry.var):
                self.sweep.routed.add(carry.out)
            if var not in owned:
                gradients[var] = carry.out
        for var, carry in kept:
            if var in owned:
                self.sweep.add(gradients, owned[var].init, carry.out, after)


class _Range:
    """``range`` backwards: the header of the reverse loop, the user's index and the position on the tape in terms of it."""

    def __init__(self, fresh: Fresh, words: Words, loop: For | While, trips: Var | None, before: Builder, inside: Builder) -> None:
        minus = literal(-1)
        if isinstance(loop, While):
            assert trips is not None
            index = fresh.var("trip", INT)
            self.header = For(index, before.emit("sub", trips, _ONE), minus, minus, (), Block(()))
            self.user_index: Atom = index
            self.position: Atom = index
            return
        index = fresh.like(loop.index)
        start, stop, step = loop.start, loop.stop, loop.step
        if step == _ONE and trips is None:
            last, end, back = _minus(before, stop, _ONE), _minus(before, start, _ONE), minus
        elif step == minus and trips is None:
            last, end, back = _plus(before, stop, _ONE), _plus(before, start, _ONE), _ONE
        else:
            count = trips if trips is not None else before.emit("trip_count", start, stop, step)
            past = before.emit("mul", _minus(before, count, _ONE), step) if step != _ONE else _minus(before, count, _ONE)
            last, end, back = _plus(before, past, start), _minus(before, start, step), before.emit("neg", step)
        self.header = For(index, last, end, back, (), Block(()))
        self.user_index = index
        self.position = position_of(inside, index, start, step, words)


def _minus(builder: Builder, x: Atom, y: Atom) -> Atom:
    if isinstance(x, Lit) and isinstance(y, Lit) and isinstance(x.value, int) and isinstance(y.value, int):
        return literal(x.value - y.value)
    return x if y == literal(0) else builder.emit("sub", x, y)


def _plus(builder: Builder, x: Atom, y: Atom) -> Atom:
    if isinstance(x, Lit) and isinstance(y, Lit) and isinstance(x.value, int) and isinstance(y.value, int):
        return literal(x.value + y.value)
    return x if y == literal(0) else builder.emit("add", x, y)


def position_of(builder: Builder, index: Atom, start: Atom, step: Atom, words: Words) -> Atom:
    """How many trips came before the one with this index: ``trip = (index - start) // step``."""
    if step == _ONE and start == literal(0):
        return index
    if step == literal(-1):
        return builder.emit("sub", start, index, name=words.fresh("trip"))
    if step == _ONE:
        return builder.emit("sub", index, start, name=words.fresh("trip"))
    return builder.emit("floordiv", _minus(builder, index, start), step, name=words.fresh("trip"))


class _Recorder:
    """The forward loop with its tapes: arrays of the trip count where that is known on entry, growing ones otherwise."""

    def __init__(self, sweep: _Sweep, loop: For | While, taped: list[int], counted: bool, in_full_trips: bool) -> None:
        self.sweep, self.fresh, self.loop, self.taped = sweep, sweep.fresh, loop, taped
        self.counted, self.in_full_trips = counted, in_full_trips

    def run(self) -> tuple[list[Stmt], dict[int, Var], Var | None]:
        before = Builder(self.fresh)
        extra: list[Carry] = []
        if self.counted:
            word = self.sweep.words.fresh("trips")
            count = Carry(self.fresh.var(word, INT), literal(0), self.fresh.var(word, INT))
            extra.append(count)
        if self.taped:
            room = self._room(before)
            extra += [self._tape(k, room, before) for k in self.taped]
        carries = (*self.loop.carries, *extra)
        body = self._recording(self.loop.body, extra) if self.in_full_trips else self._record_first(self.loop.body, extra)
        tapes = {k: c.out for k, c in zip(self.taped, extra[-len(self.taped) :] if self.taped else [], strict=True)}
        forward = replace(self.loop, carries=carries, body=body)
        return [*before.stmts, forward], tapes, extra[0].out if self.counted else None

    def _room(self, before: Builder) -> Atom:
        if isinstance(self.loop, While):
            return literal(16)
        return before.emit("trip_count", self.loop.start, self.loop.stop, self.loop.step)

    def _tape(self, k: int, room: Atom, before: Builder) -> Carry:
        carry = self.loop.carries[k]
        word = self.sweep.word("{}_tape", carry.var.name or "it")
        empty = before.emit(f"tape_{carry.var.type.kind}", room, name=word)
        made = [self.fresh.var(word, empty.type) for _ in range(2)]
        if carry.var in self.sweep.active:
            self.sweep.active.update((empty, *made) if isinstance(empty, Var) else made)
        return Carry(made[0], empty, made[1])

    def _record_first(self, body: Block, extra: list[Carry]) -> Block:
        stmts, results = self._records(extra)
        return Block((*stmts, *body.stmts), (*body.results, *results))

    def _recording(self, body: Block, extra: list[Carry]) -> Block:
        """Records behind the last early exit: a trip that ends there changes nothing, so nothing of it is undone."""
        last = body.stmts[-1] if body.stmts else None
        side = _exit_side(last, body, self.loop) if isinstance(last, If) else None
        if side is None or not isinstance(last, If):
            return self._record_first(body, extra)
        staying = self._recording(_arm_as_body((last.then, last.orelse)[1 - side], last, body), extra)
        outs = tuple(self.fresh.like(result_for) for result_for in (c.var for c in extra))
        arm = (last.then, last.orelse)[1 - side]
        grown = Block(staying.stmts, (*arm.results, *staying.results[len(body.results) :]))
        leaving = (last.then, last.orelse)[side]
        left = Block(leaving.stmts, (*leaving.results, *(c.var for c in extra)))
        arms = (left, grown) if side == 0 else (grown, left)
        branch = If(last.test, *arms, (*last.outs, *outs), last.note, last.span)
        return Block((*body.stmts[:-1], branch), (*body.results, *outs))

    def _records(self, extra: list[Carry]) -> tuple[list[Stmt], list[Atom]]:
        builder = Builder(self.fresh)
        results: list[Atom] = []
        tapes = extra[-len(self.taped) :] if self.taped else []
        if self.counted:
            position: Atom = extra[0].var
        else:
            assert isinstance(self.loop, For)
            position = position_of(builder, self.loop.index, self.loop.start, self.loop.step, self.sweep.words)
        for k, tape in zip(self.taped, tapes, strict=True):
            roomy: Atom = tape.var
            if isinstance(self.loop, While):
                roomy = builder.emit("grow", tape.var, position, name=tape.var.name)
            record = builder.emit("store", roomy, position, self.loop.carries[k].var, name=tape.var.name)
            if tape.var in self.sweep.active:
                self.sweep.active.update(v for v in (roomy, record) if isinstance(v, Var))
            results.append(record)
        if self.counted:
            results.insert(0, builder.emit("add", extra[0].var, _ONE, name=extra[0].var.name))
        return builder.stmts, results


# ---------------------------------------------------------------------------------------------- trips that end early


def _completed_trip(loop: For | While, active_vars: set[Var]) -> tuple[tuple[Stmt, ...], tuple[Atom, ...]]:
    """The statements and results of a trip that ran to its end, if trips that do not are of no consequence.

    ``...; if test: break; rest`` -> ``...; rest``, where nothing that a gradient passes through was changed before the exit.
    """
    body = loop.body
    while loop.until is not None and body.stmts and isinstance(body.stmts[-1], If):
        branch = body.stmts[-1]
        side = _exit_side(branch, body, loop, active_vars)
        if side is None:
            break
        staying = (branch.then, branch.orelse)[1 - side]
        mapping = dict(zip(branch.outs, staying.results, strict=True))
        results = tuple(mapping.get(r, r) if isinstance(r, Var) else r for r in body.results)
        body = Block((*body.stmts[:-1], *staying.stmts), results)
    if body is loop.body:
        return body.stmts, body.results
    until = [r for c, r in zip(loop.carries, body.results, strict=True) if c.var == loop.until][0]
    return (body.stmts, body.results) if until == literal(False) else (loop.body.stmts, loop.body.results)


def _exit_side(branch: If, body: Block, loop: For | While, active_vars: set[Var] | None = None) -> int | None:
    """Which arm of a trip's last branch leaves the loop without having changed anything: 0, 1 or None."""
    for side, arm in enumerate((branch.then, branch.orelse)):
        final = dict(zip(branch.outs, arm.results, strict=True))
        ends = [final.get(r, r) if isinstance(r, Var) else r for r in body.results]
        leaves = any(c.var == loop.until and e == literal(True) for c, e in zip(loop.carries, ends, strict=False))
        unchanged = active_vars is None or all(
            e == c.var or c.var not in active_vars for c, e in zip(loop.carries, ends, strict=False)
        )
        if leaves and unchanged:
            return side
    return None


def _arm_as_body(arm: Block, branch: If, body: Block) -> Block:
    final = dict(zip(branch.outs, arm.results, strict=True))
    return Block(arm.stmts, tuple(final.get(r, r) if isinstance(r, Var) else r for r in body.results))


def _body_only(loop: For | While) -> For | While:
    return replace(loop, body=_without_raises(loop.body))


def _without_raises(block: Block) -> Block:
    """A block that runs for the second time: what could raise has not."""

    def strip(stmt: Stmt) -> Stmt:
        match stmt:
            case For() | While():
                return replace(stmt, body=_without_raises(stmt.body))
            case If():
                return replace(stmt, then=_without_raises(stmt.then), orelse=_without_raises(stmt.orelse))
            case _:
                return stmt

    return Block(tuple(strip(stmt) for stmt in block.stmts if not isinstance(stmt, (Raise, Remark))), block.results)


def _minus_in_front(atom: Atom, builder: Builder) -> Atom:
    """``-(a * b)`` -> ``-a * b``, as a person would write it; the product's bits are the same."""
    made = builder.definition(atom)
    if made is None or made.op != "neg":
        return atom
    product = builder.definition(made.args[0])
    if product is None or product.op not in ("mul", "div", "quotient"):
        return atom
    builder.stmts.remove(made)
    builder.stmts.remove(product)
    first = _minus_in_front(builder.emit("neg", product.args[0]), builder)
    return builder.emit(product.op, first, *product.args[1:])


def _changed(before: Gradients, after: list[Gradients], inside: set[Var]) -> list[Var]:
    """The values from outside an `If` whose gradient one of its arms changed, in the order of their first change."""
    found = {var: None for gradients in after for var in gradients if gradients[var] != before.get(var)}
    return [var for var in found if var not in inside]


def _is_zero(atom: Atom) -> bool:
    return isinstance(atom, Lit) and atom.value == 0


def _word(atom: Atom) -> str:
    return atom.name or "it" if isinstance(atom, Var) else repr(atom.value)


# ---------------------------------------------------------------------------------------------- arrays


def _undo_store(sweep: _Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``a[i] = v``: v receives the element's gradient, and what the element was before receives none."""
    array, index, value = stage.args
    if isinstance(value, Var) and value in sweep.active:
        sweep.add(gradients, value, builder.emit("load", g, index), builder)
    if isinstance(array, Var):
        gradients[array] = builder.emit("store", g, index, _ZERO, name=sweep.gradient_word(array))


def _undo_accumulate(sweep: _Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``a[i] += v``: v receives the element's gradient, and so does what the element was before."""
    array, index, value = stage.args
    if isinstance(value, Var) and value in sweep.active:
        sweep.add(gradients, value, builder.emit("load", g, index), builder)
    if isinstance(array, Var):
        gradients[array] = g


def _undo_load(sweep: _Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """``x = a[i]``: the element's gradient grows by that of x."""
    array, index = stage.args
    if isinstance(array, Var) and array in sweep.active:
        sweep._shadow_arrays([array], gradients, builder)
        gradients[array] = builder.emit("accumulate", gradients[array], index, g, name=sweep.gradient_word(array))


def _undo_grow(sweep: _Sweep, stage: Stage, g: Atom, gradients: Gradients, builder: Builder) -> None:
    """Room that was made for later records is never read by earlier ones: the gradient stays where it is."""
    if isinstance(stage.args[0], Var):
        gradients[stage.args[0]] = g


_ARRAY_RULES = {"store": _undo_store, "accumulate": _undo_accumulate, "load": _undo_load, "grow": _undo_grow}
