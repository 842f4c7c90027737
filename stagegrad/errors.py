"""One family of errors: a message, the place (file:line:column, excerpt with a caret) and what to write instead.

Every error of stagegrad derives from `StagegradError` and also from the builtin that a caller would expect. One
error can report many problems; `filename`, `line` and `column` (1-based) are those of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stagegrad.ir import Span


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, where, and what to write instead."""

    message: str
    span: Span | None = None
    advice: str = ""

    def __str__(self) -> str:
        lines = [self.message] if self.span is None else _located(self.message, self.span)
        if self.advice:
            lines.append(f"  write instead:  {self.advice}")
        return "\n".join(lines)


def _located(message: str, span: Span) -> list[str]:
    lines = [f"{span.file}:{span.line}:{span.col}: {message}"]
    if span.text:
        # A very long line (a machine-made formula) is cut to a window around the caret.
        start = max(0, span.col - 60) if len(span.text) > 160 else 0
        excerpt = span.text[start : start + 160]
        width = span.end_col - span.col if span.end_line in (0, span.line) else len(span.text) - span.col + 1
        width = max(1, min(width, len(excerpt) - (span.col - 1 - start)))
        before, marked = excerpt[: span.col - 1 - start], excerpt[span.col - 1 - start :][:width]
        margin = f"{span.line:>5} | "
        caret = "".join("\t" if letter == "\t" else " " * _columns(letter) for letter in before) + "^" * max(1, _columns(marked))
        lines += [margin + excerpt, " " * (len(margin) - 2) + "| " + caret]
    return lines


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: the letters of East Asian scripts take two each, marks on letters none."""
    if text.isascii():
        return len(text)
    import unicodedata  # lazily: most texts do without

    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


class StagegradError(Exception):
    """The base of all errors that stagegrad raises on purpose."""

    def __init__(self, problems: Problem | str | Sequence[Problem], span: Span | None = None, advice: str = "") -> None:
        if isinstance(problems, str):
            problems = Problem(problems, span, advice)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)

    @property
    def _place(self) -> Span | None:
        return next((problem.span for problem in self.problems if problem.span is not None), None)

    @property
    def filename(self) -> str | None:
        """The file of the first problem that has a place."""
        return self._place.file if self._place else None

    @property
    def line(self) -> int | None:
        """The 1-based line of the first problem that has a place."""
        return self._place.line if self._place else None

    @property
    def column(self) -> int | None:
        """The 1-based column of the first problem that has a place."""
        return self._place.col if self._place else None


class UnsupportedError(StagegradError, NotImplementedError):
    """The program uses something that stagegrad refuses to differentiate."""


class NeedsTypes(StagegradError, TypeError):
    """What a function computes depends on the types of its arguments: it is compiled at the first call, which has them."""


class FormulaError(StagegradError, ValueError):
    """A formula that cannot be read."""


class StagegradSourceError(StagegradError, OSError):
    """The source text of a function cannot be recovered, or is not the text that is running."""

    __str__ = Exception.__str__


class ArgumentError(StagegradError, TypeError):
    """An argument of the wrong kind, or an answer that has no gradient."""


class NameChoiceError(StagegradError, ValueError):
    """`wrt=`, `argnums=`, `target=` or another option names something that is not there."""


class CacheError(StagegradError, OSError):
    """The cache folder cannot be written or is not private."""

    __str__ = Exception.__str__


class MemoryLimitError(StagegradError, MemoryError):
    """A tape or another large array would exceed the memory that compiled functions may use."""


class MissingPackageError(StagegradError, ImportError):
    """A target or a feature needs a package that is not installed."""
