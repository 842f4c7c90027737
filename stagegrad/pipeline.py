"""The table of contents: text -> IR -> adjoint IR -> text -> callable, a line for each arrow.

The functions below are the arrows; `Build` is one way through all of them, for one program and one choice of options,
that makes each thing once, when it is first asked for. With ``STAGEGRAD_CHECK=1`` the IR is checked after every pass.
Blocks nest as deeply as the user's branches do, so every arrow has a stack that is deep enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from stagegrad import optimise, runtime
from stagegrad.emit import Source, write
from stagegrad.errors import ArgumentError, NameChoiceError
from stagegrad.frontend import formula, python
from stagegrad.frontend.deep import deeply
from stagegrad.frontend.program import Program
from stagegrad.ir import Function, Module, Shape, Stage, Type, check, walk
from stagegrad.names import name_stages
from stagegrad.ops import REGISTRY
from stagegrad.reverse import reverse
from stagegrad.rules.idioms import restage

TARGETS = ("python", "numba")
LEVELS = ("user", "gates", "fine")
#: What can be computed of a function: its value, its gradient, or both at once.
ANSWERS = ("value", "value_and_grad", "grad")


def read(function: Callable[..., Any], source: str | None = None) -> Program:
    """A Python function -> its program: the IR of its text (`source`, if no file has it), and the globals and cells it reads."""
    program = python.lower(function, source)
    return replace(program, module=_checked(program.module))


def read_formula(text: str, wrt: str | int | Sequence[str | int] | None = None) -> Program:
    """A formula -> its program; `wrt` may make variables of constants such as ``e``."""
    program = formula.lower(text, wrt)
    return replace(program, module=_checked(program.module))


def stage(module: Module, level: str) -> Module:
    """IR -> IR whose stages are of the chosen level, computed once each, safe from int overflow, and named."""
    return deeply(lambda: _checked(name_stages(_checked(optimise.guard_ints(optimise.share(_checked(restage(module, level))))))))


def differentiate(module: Module, wrt: Sequence[int], *, several: bool) -> Module:
    """Staged IR -> IR of the value and the gradient, ``(f, dx)``, or ``(f, (dx, ...))`` where `several`."""
    adjoint = deeply(lambda: _checked(optimise.simplify(_checked(reverse(module, tuple(wrt))))))
    shape: Shape = tuple(range(1, len(wrt) + 1)) if several else 1
    return _with_main(adjoint, replace(adjoint.main, shape=(0, shape)))


def gradient_alone(adjoint: Module, name: str) -> Module:
    """IR of ``(f, gradient)`` -> IR of the gradient, without what only the value needed."""
    main = adjoint.main
    results = main.body.results[1:]
    shape: Shape = 0 if main.shape == (0, 1) else tuple(range(len(results)))
    taken = {function.name for function in adjoint.functions}
    name = name if name not in taken else f"{name}_"
    alone = replace(main, name=name, body=replace(main.body, results=results), shape=shape)
    return deeply(lambda: _checked(optimise.simplify(_checked(_with_main(adjoint, alone)))))


def spell(module: Module, target: str, *, cache: bool) -> Source:
    """IR -> text."""
    source = deeply(lambda: write(module, target))
    return source if cache else replace(source, text=runtime.without_disk_cache(source.text))


def load(source: Source, target: str, *, cache: bool, kinds: Sequence[str]) -> runtime.Loaded:
    """Text -> callable."""
    return runtime.load(source.text, source.entry, target=target, cache=cache, types=kinds)


def undeclared(module: Module) -> list[str]:
    """The operations of a module that are not declared in this process: gates of a user's whose module is not imported."""
    ops = {stmt.op for function in module.functions for stmt in walk(function.body) if isinstance(stmt, Stage)}
    return sorted(ops - REGISTRY.keys())


def _with_main(module: Module, main: Function) -> Module:
    return Module((main, *module.functions[1:]))


def _checked(module: Module) -> Module:
    return check(module) if os.environ.get("STAGEGRAD_CHECK") == "1" else module


# ---------------------------------------------------------------------------------------------- one way through

Choice = str | int | Sequence[str | int] | None


@dataclass(frozen=True)
class Options:
    """How a function is to be compiled: with respect to what, for which target, at which level, and whether on disk."""

    wrt: Choice = None
    target: str | None = None
    stages: str = "user"
    cache: bool = True

    def __post_init__(self) -> None:
        if self.target is not None:
            _one_of("target", self.target, TARGETS)
        _one_of("stages", self.stages, LEVELS)
        if not isinstance(self.cache, bool):
            raise NameChoiceError(f"cache={self.cache!r} is neither True nor False")

    @property
    def chosen_target(self) -> str:
        """The target that was asked for; else numba, or python where Numba is not installed."""
        return self.target or ("numba" if runtime.has_numba() else "python")


class Build:
    """One program on its way through the pipeline; everything is made when it is first asked for, and kept."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program, self.options = program, options
        self._modules: dict[tuple[str, Choice], Module] = {}
        self._sources: dict[tuple[str, Choice, str], Source] = {}

    @property
    def name(self) -> str:
        """The name of the function, as the user gave it."""
        return self.program.module.main.name

    @cached_property
    def primal(self) -> Module:
        """The function itself, staged and named."""
        return stage(self.program.module, self.options.stages)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each parameter is: "float", "int" or "bool"."""
        return tuple(str(param.type) for param in self.program.module.main.params)

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in the order in which they are computed."""
        named = [stmt.out.name for stmt in walk(self.primal.main.body) if isinstance(stmt, Stage)]
        return tuple(dict.fromkeys(name for name in named if name))

    def module(self, answer: str, wrt: Choice = None) -> Module:
        """The IR that computes an answer (one of `ANSWERS`); `wrt` overrides the option."""
        wrt = self.options.wrt if wrt is None else wrt
        key = (answer, _key(wrt))
        if key not in self._modules:
            self._modules[key] = self._made(answer, wrt)
        return self._modules[key]

    def source(self, answer: str, target: str, wrt: Choice = None) -> Source:
        """The text that computes an answer on a target."""
        _one_of("answer", answer, ANSWERS)
        _one_of("target", target, TARGETS)
        key = (answer, _key(wrt), target)
        if key not in self._sources:
            self._sources[key] = spell(self.module(answer, wrt), target, cache=self.options.cache)
        return self._sources[key]

    def loaded(self, answer: str, target: str, wrt: Choice = None) -> runtime.Loaded:
        """The compiled function that computes an answer on a target."""
        return load(self.source(answer, target, wrt), target, cache=self.options.cache, kinds=self.kinds)

    def derived(self, answer: str, wrt: Choice) -> Program:
        """The program of an answer, to be differentiated again."""
        return replace(self.program, module=self.module(answer, wrt))

    def _made(self, answer: str, wrt: Choice) -> Module:
        if answer == "value":
            return self.primal
        positions, several = self.positions(wrt)
        _require_one_float(self.program.module.main)
        adjoint = differentiate(self.primal, positions, several=several)
        return gradient_alone(adjoint, f"{self.name}_grad") if answer == "grad" else adjoint

    def positions(self, wrt: Choice) -> tuple[tuple[int, ...], bool]:
        """The positions of the parameters that `wrt` chooses, and whether the gradient is a tuple."""
        params = self.program.module.main.params
        if wrt is None:
            floats = tuple(k for k, param in enumerate(params) if param.type.kind == "float")
            if not floats:
                raise ArgumentError(f"{self.name}() has no float parameter to differentiate with respect to", self.program.module.main.span)
            return floats, len(floats) > 1
        several = not isinstance(wrt, (str, int))
        found = tuple(map(self._position, (wrt,) if isinstance(wrt, (str, int)) else wrt))
        if not found or len(set(found)) < len(found):
            raise NameChoiceError(f"{wrt!r} names {'no parameter' if not found else 'a parameter twice'}", advice=self._advice())
        for position in found:
            if params[position].type.kind != "float":
                self._refuse(params[position].name, params[position].type)
        return found, several

    def _position(self, choice: str | int) -> int:
        names = [param.name for param in self.program.module.main.params]
        if isinstance(choice, str) and choice in names:
            return names.index(choice)
        if isinstance(choice, int) and not isinstance(choice, bool) and -len(names) <= choice < len(names):
            return choice % len(names)
        raise NameChoiceError(
            f"{self.name}() has no parameter {choice!r}; its parameters are {', '.join(names) or 'none'}", advice=self._advice()
        )

    def _advice(self) -> str:
        floats = [repr(param.name) for param in self.program.module.main.params if param.type.kind == "float"]
        return " or ".join(floats)

    def _refuse(self, name: str, type: Type) -> None:
        raise ArgumentError(
            f"argument `{name}` of {self.name}() is {type}; only a float has a gradient", advice=f"def {self.name}(..., {name}: float, ...)"
        )


def _require_one_float(main: Function) -> None:
    """Refuses a gradient of what is not one float, and names the alternative."""
    results = main.body.results
    if main.shape != 0:
        reason = f"{main.name}() returns a tuple of {len(results)}; a gradient needs one float"
        raise ArgumentError(reason, main.span, "return one of them, or a sum of them, from a function of its own")
    kind = results[0].type.kind
    if kind != "float":
        raise ArgumentError(
            f"{main.name}() returns {'an int' if kind == 'int' else f'a {kind}'}, which has no gradient", main.span, "return a float"
        )


def _key(wrt: Choice) -> Choice:
    """A choice as part of a dictionary's key; a list is as good as a tuple."""
    return wrt if wrt is None or isinstance(wrt, (str, int)) else tuple(wrt)


def _one_of(option: str, given: object, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise NameChoiceError(f"{option}={given!r} is not one of {', '.join(map(repr, allowed))}")
