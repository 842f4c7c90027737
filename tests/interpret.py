"""Runs IR directly, statement by statement: an oracle for frontends and passes that needs no writer."""

from __future__ import annotations

import builtins
import math
import re
from typing import Any

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.ir import Atom, Block, Call, For, Function, If, Lit, Module, Raise, Remark, Shape, Stage, Var, While
from stagegrad.ops import HELPERS, find


class Interpreter:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.target = "numpy" if any(param.type.rank for function in module.functions for param in function.params) else "python"
        self.words: dict[str, Any] = {"math": math}
        for helper in HELPERS.values():
            exec(helper.text, self.words)

    def __call__(self, *args: Any) -> Any:
        return self.function(self.module.main, args)

    def function(self, function: Function, args: tuple[Any, ...]) -> Any:
        env = dict(zip(function.params, args, strict=True))
        results = self.block(function.body, env)
        return shaped(function.shape, results)

    def block(self, block: Block, env: dict[Var, Any]) -> list[Any]:
        for stmt in block.stmts:
            self.stmt(stmt, env)
        return [self.atom(a, env) for a in block.results]

    def atom(self, atom: Atom, env: dict[Var, Any]) -> Any:
        return atom.value if isinstance(atom, Lit) else env[atom]

    def stmt(self, stmt: Any, env: dict[Var, Any]) -> None:
        match stmt:
            case Stage():
                env[stmt.out] = self.stage(stmt, [self.atom(a, env) for a in stmt.args])
            case If():
                arm = stmt.then if self.atom(stmt.test, env) else stmt.orelse
                env.update(zip(stmt.outs, self.block(arm, env), strict=True))
            case For():
                start, stop, step = (self.atom(a, env) for a in (stmt.start, stmt.stop, stmt.step))
                state = [self.atom(c.init, env) for c in stmt.carries]
                for index in range(start, stop, step):
                    env[stmt.index] = index
                    state, ended = self.trip(stmt, state, env)
                    if ended:
                        break
                env.update({c.out: v for c, v in zip(stmt.carries, state, strict=True)})
            case While():
                state = [self.atom(c.init, env) for c in stmt.carries]
                while True:
                    env.update({c.var: v for c, v in zip(stmt.carries, state, strict=True)})
                    if not self.block(stmt.test, env)[0]:
                        break
                    state, ended = self.trip(stmt, state, env)
                    if ended:
                        break
                env.update({c.out: v for c, v in zip(stmt.carries, state, strict=True)})
            case Call():
                callee = self.module[stmt.fn]
                inner = dict(zip(callee.params, [self.atom(a, env) for a in stmt.args], strict=True))
                env.update(zip(stmt.outs, self.block(callee.body, inner), strict=True))
            case Raise():
                if self.atom(stmt.test, env):
                    error = getattr(builtins, stmt.error)
                    if stmt.message is None:
                        raise error
                    forms = iter(stmt.formats)
                    parts = [p if isinstance(p, str) else format(self.atom(p, env), next(forms, "")) for p in stmt.message]
                    raise error("".join(parts))
            case Remark():
                pass
            case _:
                raise TypeError(stmt)

    def trip(self, loop: For | While, state: list[Any], env: dict[Var, Any]) -> tuple[list[Any], bool]:
        env.update({c.var: v for c, v in zip(loop.carries, state, strict=True)})
        state = self.block(loop.body, env)
        until = next((v for c, v in zip(loop.carries, state, strict=True) if c.var == loop.until), False)
        return state, bool(until)

    def stage(self, stage: Stage, args: list[Any]) -> Any:
        match stage.op:
            case "load" if not isinstance(args[0], list):
                return eval("array" + place(stage), self.words, named(args)).copy()
            case "store" | "accumulate" if not isinstance(args[0], list):
                return self.written(stage, args)
            case "store":
                return [*args[0][: args[1]], args[2], *args[0][args[1] + 1 :]]
            case "accumulate":
                return [*args[0][: args[1]], args[0][args[1]] + args[2], *args[0][args[1] + 1 :]]
            case "grow":
                return args[0] if args[1] < len(args[0]) else [*args[0], *args[0]]
            case "zeros" if self.target == "python":
                return [0.0] * args[0]
            case "duplicate":
                return args[0]
        op = find(stage.op)
        names = dict(zip(op.names(len(args)), args, strict=True))
        attrs = {key: str(value) for key, value in stage.attrs}
        template = op.template(self.target, dict(stage.attrs), [arg.type for arg in stage.args])
        text = template.format(**{name: f"({name})" for name in names}, **attrs)
        if "np." in text:
            self.words["np"] = numpy()
        return eval(text, self.words, names)

    def written(self, stage: Stage, args: list[Any]) -> Any:
        """A copy of an array with something written into it: arrays are values here."""
        names = named(args)
        names["array"] = args[0].copy()
        if stage.op == "accumulate" and dict(stage.attrs).get("gather"):
            numpy().add.at(names["array"], args[1], args[-1])
        else:
            exec(f"array{place(stage)} {'=' if stage.op == 'store' else '+='} value", self.words, names)
        return names["array"]


def numpy() -> Any:
    """NumPy, which programs without arrays do not load."""
    import numpy as np

    return np


def named(args: list[Any]) -> dict[str, Any]:
    """The operands of a reading or a writing by the names that `place` uses; what is written is a copy, for it may overlap."""
    value = args[-1] if isinstance(args[-1], (int, float)) else args[-1].copy()
    return {"array": args[0], "value": value, **{f"i{k}": index for k, index in enumerate(args[1:])}}


def place(stage: Stage) -> str:
    """The index of a `load`, a `store` or an `accumulate` over the names of its operands: ``[i0, :]``."""
    return re.sub(r"\{(\d+)\}", r"i\1", str(dict(stage.attrs).get("at", "[{0}]")))


def shaped(shape: Shape, results: list[Any]) -> Any:
    """Results put together as a function's shape says."""
    return results[shape] if isinstance(shape, int) else tuple(shaped(part, results) for part in shape)
