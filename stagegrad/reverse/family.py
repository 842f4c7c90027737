"""The functions of a module and their gradients: the main function's, and a backward function for each that it calls."""

from __future__ import annotations

from dataclasses import replace

from stagegrad.ir import Block, Function, Lit, Module, Remark, Shape, Var
from stagegrad.names import Words
from stagegrad.ops import Builder
from stagegrad.reverse.loops import without_raises
from stagegrad.reverse.sweep import ZERO, Gradients, Sweep


class Family:
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
        return replace(function, name=name, body=body, shape=shape)

    def pullback(self, function: Function) -> Function:
        """`g(x)` -> `g_backward(x, dg)`, which returns the gradient of every float parameter."""
        floats = [p for p in function.params if p.type.kind == "float"]
        sweep = Sweep(self, function, floats)
        results = function.body.results
        words = [sweep.gradient_word(r) if isinstance(r, Var) else sweep.words.fresh(f"d{function.name}") for r in results]
        seeds = [sweep.fresh.var(word, r.type) for word, r in zip(words, results, strict=True) if r.type.kind == "float"]
        gradients: Gradients = {}
        builder = Builder(sweep.fresh)
        for seed, result in zip(seeds, (r for r in results if r.type.kind == "float"), strict=True):
            sweep.add(gradients, result, seed, builder)
        forward, backward = sweep.block(without_raises(function.body).stmts, gradients)
        last = Builder(sweep.fresh)
        answers = tuple(sweep.whole(gradients.get(param, ZERO), param, last) for param in floats)
        backward += last.stmts
        body = Block((Remark("forward pass"), *forward, Remark("backward pass"), *builder.stmts, *backward), answers)
        shape: Shape = 0 if len(answers) == 1 else tuple(range(len(answers)))
        name = self.backward_name(function.name)
        return replace(function, name=name, params=(*function.params, *seeds), body=body, shape=shape)
