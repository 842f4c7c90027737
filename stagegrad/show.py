"""Answers for a terminal: highlighted source, forward and backward side by side where there is room, tables, proofs.

Takes plain strings and numbers and a rich `Console`, prints. The plain texts that go into files and pipes are made here
as well, without rich. Importing this module imports nothing heavy.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from stagegrad.ops import HELPERS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

#: From this width on, forward and backward may stand side by side.
WIDE = 120
#: The terminal's own sixteen colours, so that dark and light backgrounds both work.
THEME = "ansi_dark"
_LEVELS = {"proved": "bold green", "checked": "green", "tested": "yellow", "untested": "bold yellow", "refuted": "bold red"}


@dataclass(frozen=True)
class Answers:
    """What is known of a function at a point: its value, its gradients by parameter, and the lines of the proof."""

    point: Mapping[str, Any] = field(default_factory=dict)
    value: Any = None
    gradients: Mapping[str, Any] = field(default_factory=dict)
    proof: Sequence[str] = ()

    def rows(self) -> Iterator[tuple[str, str]]:
        """Label and number, the value first; nothing where no point was given."""
        if self.point or self.gradients:
            yield "value", written(self.value)
            yield from ((f"df/d{name}", written(gradient)) for name, gradient in self.gradients.items())


_LARGE = 1000


def simple(value: Any) -> Any:
    """Numbers, lists and dicts for arrays, NumPy's numbers and containers of any class."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: simple(part) for name, part in zip(value._fields, value, strict=True)}
    if isinstance(value, (tuple, list)):
        return type(value)(map(simple, value))
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: simple(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {key: simple(part) for key, part in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def written(value: Any) -> str:
    """A value on one line; large arrays are shortened to their ends."""
    if getattr(value, "size", 0) > _LARGE:
        return " ".join(str(value).split())
    return repr(simple(value))


# ---------------------------------------------------------------------------------------------- plain text


def plain_answers(answers: Answers) -> str:
    """One line for the value and for each gradient."""
    return "\n".join(_aligned(answers.rows()))


def comments(answers: Answers) -> str:
    """The answers as comment lines, so that source with answers below it is still a valid Python file."""
    lines = [f"at: {_point(answers.point)}"] if answers.point else []
    lines += [f"{label}: {number}" for label, number in answers.rows()]
    lines += [f"proof: {line}" for line in answers.proof]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def _point(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {written(value)}" for name, value in point.items())


def _aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max((len(label) for label, _ in rows), default=0)
    return [f"{label:<{width}}  {number}" for label, number in rows]


# ---------------------------------------------------------------------------------------------- for a terminal


def print_source(console: Console, text: str, forward: str, backward: str) -> None:
    """The generated module; its two passes side by side where the terminal is wide enough for both."""
    passes = {"forward": _body(forward), "backward": _body(backward)}
    width = sum(max(map(len, body), default=0) + 4 for body in passes.values()) + 2
    found = _head(text) if WIDE <= console.width >= width and all(passes.values()) else None
    if found is None:
        console.print(_highlighted(text), soft_wrap=True)
        return
    from rich.table import Table
    from rich.text import Text

    head, helpers = found
    console.print(_highlighted(head), soft_wrap=True)
    height = max(map(len, passes.values())) + 2
    table = Table.grid(padding=(0, 1))
    table.add_row(*(_panel(title, body, height) for title, body in passes.items()))
    console.print(table)
    for line in helpers:
        console.print(Text(f"  {line}", "dim"), soft_wrap=True)


def _body(part: str) -> list[str]:
    """The lines of a pass without the comment that a panel's title repeats."""
    return re.sub(r"\A# \w+ pass\n", "", part).rstrip().splitlines()


def _panel(title: str, body: Sequence[str], height: int) -> RenderableType:
    from rich.box import ROUNDED
    from rich.panel import Panel

    return Panel(_highlighted("\n".join(body)), title=title, title_align="left", box=ROUNDED, border_style="dim", height=height)


def _highlighted(text: str) -> Text:
    from rich.syntax import Syntax

    highlighted = Syntax("", "python", theme=THEME, background_color="default").highlight(text)
    highlighted.highlight_regex(r"(?m)^ *(?P<name>\w+)(?= \+?= )", "bold")
    highlighted.rstrip()
    return highlighted


def _head(text: str) -> tuple[str, list[str]] | None:
    """The head of the module's one function, and a line about each helper above it; None if there are more functions."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    helpers = [function for function in functions if function.name in HELPERS]
    if len(functions) != len(helpers) + 1:
        return None
    entry = next(function for function in functions if function not in helpers)
    first = min([entry.lineno, *(decorator.lineno for decorator in entry.decorator_list)])
    lines = text.splitlines()[first - 1 :]
    last = next(k for k, line in enumerate(lines) if line.endswith(":"))
    notes = [(ast.get_docstring(helper) or "").partition("\n")[0] for helper in helpers]
    return "\n".join(lines[: last + 1]), [f"helper {helper.name}: {note}" for helper, note in zip(helpers, notes, strict=True)]


def print_answers(console: Console, answers: Answers) -> None:
    """Value, gradients and proof below one another."""
    from rich.text import Text

    if answers.point:
        console.print(Text(f"at {_point(answers.point)}", "dim"), soft_wrap=True)
    for line in _aligned(answers.rows()):
        label, _, number = line.partition("  ")
        console.print(Text.assemble((label + "  ", "bold cyan"), (number, "bold")), soft_wrap=True)
    if answers.proof:
        console.print(Text("proof", "dim"))
        _print_proof(console, answers.proof)


def _print_proof(console: Console, lines: Sequence[str]) -> None:
    """The lines of a proof, each level in its colour."""
    from rich.text import Text

    for line in lines:
        text = Text(line)
        for level, style in _LEVELS.items():
            text.highlight_regex(rf"(?<=\s){level}(?=\s|$)", style)
        console.print(text, soft_wrap=True)


def print_trace(console: Console, rows: Sequence[Sequence[str]], title: str) -> None:
    """The table of a trace: stage, value, gradient."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    (head, *body) = rows
    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", title_style="dim", pad_edge=False)
    for word, style in zip(head, ("bold cyan", "", ""), strict=True):
        table.add_column(word, style=style, overflow="fold")
    for row in body:
        table.add_row(*row)
    console.print(table)
