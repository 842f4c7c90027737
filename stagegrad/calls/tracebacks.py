"""An exception of generated code -> the same exception, whose traceback shows the user's own lines.

The frames of the generated module are replaced by frames of empty code that claims the user's file, line and columns, as
template engines do; their locals are those of the generated function, so a debugger shows the values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from types import FrameType, TracebackType
from typing import Protocol, TypeVar

_Error = TypeVar("_Error", bound=BaseException)


class Place(Protocol):
    """A place in the user's text: 1-based line and columns; `text` is the line itself."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def col(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def end_line(self) -> int: ...
    @property
    def end_col(self) -> int: ...


def locate(error: _Error, path: str, places: Sequence[Place | None], names: Iterable[str]) -> _Error:
    """The error with the frames of the generated file `path` shown where `places[line - 1]` says.

    A frame whose line has no place is left out, and so are the frames of stagegrad that called the generated code. `names` are the
    user's functions: a generated ``f_value_and_grad`` is shown as ``f``.
    """
    known = sorted(names, key=len, reverse=True)
    found: list[TracebackType] = []
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            place = places[step.tb_lineno - 1] if step.tb_lineno <= len(places) else None
            if place is not None and place.line > 0:
                found.append(_frame(place, step.tb_frame, known))
        elif found:
            found.append(step)
        step = step.tb_next
    chain: TracebackType | None = None
    for entry in reversed(found):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return error.with_traceback(chain)


def _frame(place: Place, generated: FrameType, names: Sequence[str]) -> TracebackType:
    """A traceback entry at the user's place, made by raising an exception from code that says it stands there."""
    positions = {
        "lineno": place.line,
        "col_offset": _offset(place.text, place.col),
        "end_lineno": place.end_line or place.line,
        "end_col_offset": _offset(place.text, place.end_col) if place.end_line in (0, place.line) else place.end_col - 1,
    }
    if place.end_col <= 0:
        positions["end_lineno"], positions["end_col_offset"] = place.line, positions["col_offset"]
    tree = ast.Module([ast.Raise(ast.Name("error", ast.Load(), **positions), None, **positions)], [])
    word = generated.f_code.co_name
    shown = next((name for name in names if word == name or word.startswith(f"{name}_")), word)
    code = compile(tree, place.file, "exec").replace(co_name=shown, co_qualname=shown)
    try:
        exec(code, {"error": RuntimeError(), "__name__": shown}, dict(generated.f_locals))
    except RuntimeError as error:
        made = error.__traceback__
    assert made is not None and made.tb_next is not None, "code that only raises has raised"
    return made.tb_next


def _offset(text: str, column: int) -> int:
    """A 1-based column in characters as a 0-based offset in bytes, which is how code objects count."""
    return len(text[: max(column - 1, 0)].encode("utf-8", "surrogatepass")) if text else max(column - 1, 0)
