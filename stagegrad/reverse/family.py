"""The functions of a module and their gradients: the main function's, and a backward function for each that it calls."""

from __future__ import annotations

from dataclasses import replace

from stagegrad.ir import Block, Function, Lit, Module, Remark, Shape, Stage, Var, walk
from stagegrad.names import Words
from stagegrad.ops import Builder
from stagegrad.reverse.lineages import WRITES, lineages
from stagegrad.reverse.loops import without_raises
from stagegrad.reverse.sweep import ZERO, Gradients, Pullback, Sweep

#: How many backward functions one function has at most: calls that ask for less than all of it are many in the worst case.
_MOST_VERSIONS = 4


class Family:
    """The functions of a module and the backward functions that their calls ask for."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.asked: dict[Pullback, str] = {}
        self.words = Words(function.name for function in module.functions)

    def backward(self, asked: Pullback) -> tuple[str, Pullback]:
        """The name of a function that pulls a gradient back through a call, and what that function does."""
        asked = replace(asked, onto=tuple(k for k in asked.onto if not _is_written(self.module[asked.name], k)))
        if asked not in self.asked and sum(1 for one in self.asked if one.name == asked.name) >= _MOST_VERSIONS:
            asked = self._whole(asked.name)
        if asked not in self.asked:
            self.asked[asked] = self.words.fresh(f"{asked.name}_backward")
        return self.asked[asked], asked

    def _whole(self, name: str) -> Pullback:
        """What takes the gradient of every result, and returns that of every parameter."""
        function = self.module[name]
        seeds = tuple(k for k, result in enumerate(function.body.results) if result.type.kind == "float")
        return Pullback(name, seeds, tuple(k for k, param in enumerate(function.params) if param.type.kind == "float"))

    def backwards(self) -> list[Function]:
        """The backward function of every call met so far, and of the calls in those."""
        made: dict[Pullback, Function] = {}
        while pending := [pullback for pullback in self.asked if pullback not in made]:
            for pullback in pending:
                made[pullback] = self.pullback(pullback)
        return list(made.values())

    def value_and_gradient(self, function: Function, wrt: tuple[int, ...]) -> Function:
        """`f(...)` -> `f_value_and_grad(...)`, which returns the value and d value / d parameter for each of `wrt`."""
        chosen = [function.params[k] for k in wrt]
        sweep = Sweep(self, function, chosen)
        stmts, result, seeded = sweep.set_aside(function.body)
        builder = Builder(sweep.fresh)
        gradients: Gradients = {}
        if isinstance(result, Var):
            target = seeded if isinstance(seeded, Var) else result
            gradients[target] = builder.emit("copy", Lit(1.0, target.type), name=sweep.gradient_word(target))
        forward, backward = sweep.outermost(stmts, gradients, builder.stmts)
        last = Builder(sweep.fresh)
        found = tuple(sweep.whole(gradients.get(param, ZERO), param, last) for param in chosen)
        backward += last.stmts
        body = Block((Remark("forward pass"), *forward, Remark("backward pass"), *builder.stmts, *backward), (result, *found))
        shape: Shape = (0, 1) if len(found) == 1 else (0, tuple(range(1, len(found) + 1)))
        name = self.words.fresh(f"{function.name}_value_and_grad")
        return replace(function, name=name, body=body, shape=shape, given=())

    def pullback(self, asked: Pullback) -> Function:
        """`g(x, a)` -> `g_backward(x, a, dg, da)`, which returns the gradients that are asked for, those of arrays added to `da`."""
        function = self.module[asked.name]
        floats = [function.params[k] for k in asked.wanted]
        sweep = Sweep(self, function, floats)
        results = function.body.results
        words = [sweep.gradient_word(r) if isinstance(r, Var) else sweep.words.fresh(f"d{function.name}") for r in results]
        seeds = [sweep.fresh.var(words[k], results[k].type) for k in asked.seeds]
        onto = [function.params[k] for k in asked.onto]
        totals = [sweep.fresh.var(sweep.gradient_word(param), param.type) for param in onto]
        gradients: Gradients = dict(zip(onto, totals, strict=True))
        sweep.routed.update(totals)
        builder = Builder(sweep.fresh)
        for seed, position in zip(seeds, asked.seeds, strict=True):
            sweep.add(gradients, results[position], seed, builder)
        forward, backward = sweep.block(without_raises(function.body).stmts, gradients)
        last = Builder(sweep.fresh)
        answers = tuple(sweep.whole(gradients.get(param, ZERO), param, last) for param in floats)
        backward += last.stmts
        body = Block((Remark("forward pass"), *forward, Remark("backward pass"), *builder.stmts, *backward), answers)
        shape: Shape = 0 if len(answers) == 1 else tuple(range(len(answers)))
        params = (*function.params, *seeds, *totals)
        given = tuple(range(len(params) - len(totals), len(params)))
        return replace(function, name=self.asked[asked], params=params, body=body, shape=shape, given=given)


def _is_written(function: Function, position: int) -> bool:
    """Does a function write to an array that it is given, be it to a copy?"""
    found = lineages(function.params, function.body)
    written = {found.root[stmt.out] for stmt in walk(function.body) if isinstance(stmt, Stage) and stmt.op in WRITES}
    return found.root[function.params[position]] in written
