"""A program and how it is to be answered: compiled as the options say, called at the point, its answers collected."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from stagegrad.cli.arguments import decoded, example, read_point, read_types
from stagegrad.cli.program import Failed, compiled, failure, place
from stagegrad.errors import StagegradError
from stagegrad.show import Answers

if TYPE_CHECKING:
    from rich.console import Console

    from stagegrad.staged import Staged


@dataclass(frozen=True)
class Request:
    """A program, compiled as the options say, and how its answers are to be printed."""

    program: str
    staged: Staged[..., Any]
    target: str
    as_json: bool
    no_color: bool
    types: Mapping[str, str]

    @classmethod
    def of(cls, program: str, points: Sequence[str], *, target: str, stages: str | None, wrt: str | None, types: str | None,
           as_json: bool, no_color: bool) -> Request:  # fmt: skip
        """Compiles the program; raises StagegradError where it is refused."""
        chosen = None if wrt is None else [name.strip() for name in decoded(wrt).split(",")]
        stated = {} if types is None else read_types(types)
        # Where there is a point, its arrays say themselves what they are.
        needed = {name: word for name, word in stated.items() if not points or "[" not in word}
        choice = {} if chosen is None else {"wrt": chosen[0] if len(chosen) == 1 else tuple(chosen)}
        options = {"target": target, **choice, **({"stages": stages} if stages else {}), **({"types": needed} if needed else {})}
        return cls(program, compiled(program, options), target, as_json, no_color, stated)

    @property
    def wrt(self) -> list[str]:
        """The parameters that the gradients belong to."""
        names = list(inspect.signature(self.staged).parameters)
        return [names[k] for k in self._positions[0]]

    @property
    def _positions(self) -> tuple[tuple[int, ...], bool]:
        return self.staged.build.positions(self.staged.options.wrt)

    def report(self, points: Sequence[str]) -> dict[str, Any]:
        """What every JSON answer begins with; where there is a point, it says what the parameters are."""
        if points:
            self.run(lambda staged, args, named: staged.build_for(*args, **named), self.point(points))
        parameters = list(inspect.signature(self.staged).parameters)
        return {"program": self.program, "name": self.staged.__name__, "parameters": parameters, "wrt": self.wrt, "target": self.target}

    def point(self, points: Sequence[str]) -> dict[str, Any]:
        """The point that ``--at`` gives, in the order of the parameters; UsageError where it is malformed or incomplete."""
        given = read_point(points, self.types)
        parameters = inspect.signature(self.staged).parameters
        missing = [name for name, one in parameters.items() if name not in given and one.default is inspect.Parameter.empty]
        unknown = [name for name in given if name not in parameters]
        if not parameters:
            raise click.UsageError(f"{self.staged.__name__}() has no parameters: there is nothing to differentiate with respect to")
        complaints = [f"no value for {', '.join(missing)}"] if missing else []
        complaints += [f"{self._reason(name)}" for name in unknown]
        if complaints:
            raise click.BadParameter(f"{'; '.join(complaints)}. Write for example {example(parameters)}", param_hint="--at")
        return {name: given[name] for name in parameters if name in given}

    def _reason(self, name: str) -> str:
        names = ", ".join(inspect.signature(self.staged).parameters)
        if name in ("e", "pi", "π", "tau", "inf") and place(self.program) is None:
            return f"{name} is a constant here (--wrt {name} makes it a variable)"
        return f"there is no parameter {name}, there are {names}"

    def run(self, call: Callable[..., Any], point: Mapping[str, Any]) -> Any:
        """Calls the program at a point; what it raises there is the user's to see, at the user's line."""
        bound = inspect.BoundArguments(inspect.signature(self.staged), dict(point))
        try:
            return call(self.staged, bound.args, bound.kwargs)
        except StagegradError:
            raise
        except Exception as error:
            raise Failed(failure(error, self.program, point)) from error

    def answers(self, points: Sequence[str], *, prove: bool | None, into: dict[str, Any]) -> Answers:
        """Value, gradients and proof, as far as they are asked for; `into` gets them as JSON has them."""
        point, value, gradients = self.point(points) if points else {}, None, {}
        if points:
            value, gradient = self.run(lambda staged, args, named: staged.value_and_grad(*args, **named), point)
            gradients = dict(zip(self.wrt, gradient if self._positions[1] else (gradient,), strict=True))
            into.update(at=point, value=value, gradients=gradients)
        lines: Sequence[str] = ()
        if prove or (prove is None and points and self.staged.build.scalar):
            proof = self.staged.prove()
            into["proof"] = proof.as_dict() | {"ok": proof.ok}
            lines = proof.lines
        return Answers(point, value, gradients, lines)

    def console(self) -> Console | None:
        """A rich console if the answer goes to a terminal (or FORCE_COLOR says so), else None."""
        if self.as_json or not (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
            return None
        from rich.console import Console

        plain = self.no_color or bool(os.environ.get("NO_COLOR"))
        return Console(color_system=None if plain else "auto", highlight=False, emoji=False, markup=False)
