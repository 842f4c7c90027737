"""Answers for a terminal: highlighted source, forward and backward side by side where there is room, tables, proofs.

Takes plain strings and numbers and a rich `Console`, prints. The plain texts that go into files and pipes are made here
as well, without rich. Importing this module imports nothing heavy.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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

    point: Mapping[str, float] = field(default_factory=dict)
    value: Any = None
    gradients: Mapping[str, float] = field(default_factory=dict)
    proof: Sequence[str] = ()

    def rows(self) -> Iterator[tuple[str, str]]:
        """Label and number, the value first; nothing where no point was given."""
        if self.point or self.gradients:
            yield "value", repr(self.value)
            yield from ((f"df/d{name}", repr(gradient)) for name, gradient in self.gradients.items())


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


def _point(point: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in point.items())


def _aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max((len(label) for label, _ in rows), default=0)
    return [f"{label:<{width}}  {number}" for label, number in rows]


# ---------------------------------------------------------------------------------------------- for a terminal


def print_source(console: Console, text: str, forward: str, backward: str) -> None:
    """The generated module; its two passes side by side where the terminal is wide enough for both."""
    lines = [line for part in (forward, backward) for line in part.splitlines()]
    widths = [max(map(len, part.splitlines()), default=0) for part in (forward, backward)]
    if console.width < WIDE or sum(widths) + 10 > console.width or not lines:
        console.print(_highlighted(text), soft_wrap=True)
        return
    from rich.table import Table

    head, helpers = _head(text)
    console.print(_highlighted(head), soft_wrap=True)
    height = max(len(forward.splitlines()), len(backward.splitlines())) + 2
    table = Table.grid(padding=(0, 1))
    table.add_row(_panel("forward", forward, height), _panel("backward", backward, height))
    console.print(table)
    for line in helpers:
        console.print(f"  [dim]{line}[/dim]", soft_wrap=True, highlight=False)


def _panel(title: str, part: str, height: int) -> RenderableType:
    from rich.box import ROUNDED
    from rich.panel import Panel

    body = re.sub(r"\A# \w+ pass\n", "", part)
    return Panel(_highlighted(body), title=title, title_align="left", box=ROUNDED, border_style="dim", height=height)


def _highlighted(text: str) -> Text:
    from rich.syntax import Syntax

    highlighted = Syntax("", "python", theme=THEME, background_color="default").highlight(text)
    highlighted.rstrip()
    return highlighted


def _head(text: str) -> tuple[str, list[str]]:
    """The ``def`` line of the module's last function, and a line about each function above it."""
    lines = text.splitlines()
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    *helpers, entry = functions
    decorators = (
        [line for line in lines[: entry.lineno - 1] if line.startswith("@")][-len(entry.decorator_list) :] if entry.decorator_list else []
    )
    head = "\n".join((*decorators, lines[entry.lineno - 1]))
    return head, [f"{helper.name}: {(ast.get_docstring(helper) or 'defined above it').splitlines()[0]}" for helper in helpers]


def print_answers(console: Console, answers: Answers) -> None:
    """Value, gradients and proof below one another."""
    from rich.text import Text

    if answers.point:
        console.print(Text(f"at {_point(answers.point)}", "dim"), soft_wrap=True)
    for line in _aligned(answers.rows()):
        label, _, number = line.partition("  ")
        console.print(Text.assemble((label + "  ", "bold cyan"), (number, "bold")), soft_wrap=True)
    if answers.proof:
        print_proof(console, answers.proof)


def print_proof(console: Console, lines: Sequence[str]) -> None:
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
