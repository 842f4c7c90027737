"""Formula text to a syntax tree: what `ast` cannot read is explained, with a caret and with what to write instead.

Takes the text, returns the tree's statements and the lines that they came from. Nothing here evaluates anything.
Every way in which `ast.parse` can fail (SyntaxError, RecursionError, MemoryError, ValueError) ends as a `FormulaError`.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stagegrad.errors import FormulaError, Problem
from stagegrad.frontend.deep import deeply
from stagegrad.frontend.formula_words import WORDS
from stagegrad.ir import Span

FILE = "<formula>"
LONGEST = 100_000  # characters
MOST_PROBLEMS = 20

_TOO_DEEP = "give the parts names first:  s = x + y; t = s*x; s + t"


@dataclass
class Lines:
    """The lines of a formula, and how far `ast` saw them shifted: it was given the text without its leading blanks."""

    lines: list[str]
    skipped_lines: int
    skipped_columns: int
    _offsets: dict[int, list[int]] = field(default_factory=dict)

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> Span:
        """The place of a node."""
        end_line, end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        line, col = self.place(node.lineno, node.col_offset)
        end_line, end_col = self.place(end_line, end)
        return Span(FILE, line, col, self.lines[line - 1], end_line, end_col)

    def place(self, line: int, offset: int) -> tuple[int, int]:
        """The 1-based line and column of a byte offset that `ast` gave."""
        shown = line + self.skipped_lines
        shift = self.skipped_columns if line == 1 else 0
        text = self.lines[shown - 1]
        if text.isascii():
            return shown, offset + shift + 1
        if shown not in self._offsets:
            self._offsets[shown] = _characters(text[shift:])
        return shown, self._offsets[shown][offset] + shift + 1

    def between(self, start: int, end: int) -> Span:
        """The place of a piece of the whole text, by positions in ``"\\n".join(lines)``."""
        line = 0
        while line + 1 < len(self.lines) and start > len(self.lines[line]):
            start, end, line = start - len(self.lines[line]) - 1, end - len(self.lines[line]) - 1, line + 1
        text = self.lines[line]
        return Span(FILE, line + 1, start + 1, text, line + 1, min(max(end, start + 1), len(text) + 1) + 1)


def _characters(text: str) -> list[int]:
    """Which character each byte of the UTF-8 form belongs to, its end included."""
    return [i for i, character in enumerate(text) for _ in character.encode()] + [len(text)]


def parse(text: str) -> tuple[list[ast.stmt], Lines]:
    """The statements of a formula, not yet judged, and its lines."""
    if len(text) > LONGEST:
        message = f"the formula has {len(text):,} characters; at most {LONGEST:,} are read"
        raise FormulaError(message, Span(FILE, 1, 1), "a Python function with loops, given to stagegrad.compile")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    body = text.lstrip(" \t\n")
    skipped = text[: len(text) - len(body)]
    lines = Lines([_visible(line) for line in text.split("\n")], skipped.count("\n"), len(skipped) - skipped.rfind("\n") - 1)
    if not body:
        raise FormulaError("the formula is empty", Span(FILE, 1, 1), "for example  x*y + sin(x)")
    if problems := list(_strange_characters(text, lines)):
        raise FormulaError(problems)
    if trap := _first_slip(_TRAPS, lines):
        raise FormulaError(trap)
    return _parsed(body.rstrip(), lines), lines


def _visible(line: str) -> str:
    """The line with what a terminal would hide, reorder or refuse replaced, one character for one."""
    return line if line.isascii() and line.isprintable() else "".join(" " if c == "\t" else "\ufffd" if _is_strange(c) else c for c in line)


def _is_strange(character: str) -> bool:
    """True for control, format (invisible, right-to-left), private and unassigned characters, surrogates and odd blanks."""
    if " " <= character <= "~" or character in "\t\n":
        return False
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp", "Zs")


def _strange_characters(text: str, lines: Lines) -> Iterator[Problem]:
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return
    found = 0
    for position, character in enumerate(text):
        if _is_strange(character):
            name = unicodedata.name(character, "a control character" if character < " " else "a character without a name")
            blank = unicodedata.category(character)[0] == "Z"
            advice = "an ordinary blank" if blank else "the formula without it"
            yield Problem(f"U+{ord(character):04X} ({name}) has no place in a formula", lines.between(position, position + 1), advice)
            found += 1
            if found == MOST_PROBLEMS:
                return


def _parsed(body: str, lines: Lines) -> list[ast.stmt]:
    try:
        return deeply(lambda: ast.parse(body).body)
    except SyntaxError as error:
        raise FormulaError(_explained(body, error, lines)) from None
    except (RecursionError, MemoryError):
        raise FormulaError("the formula is nested too deeply to be read", lines.between(0, 1), _TOO_DEEP) from None
    except ValueError as error:
        raise FormulaError(f"the formula cannot be read: {error}", lines.between(0, 1)) from None


# ---------------------------------------------------------------------------------------------- syntax errors, explained


#: How far from the place of a SyntaxError a slip is looked for: the patterns are quadratic in this.
_NEAR = 400
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True)
class Slip:
    """A common slip: a pattern that no valid formula contains, and what to say about it."""

    pattern: re.Pattern[str]
    message: Callable[[re.Match[str]], str]
    advice: Callable[[re.Match[str]], str]


_OPERATORS = {
    "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-", "—": "-", "≤": "<=", "≥": ">=",
    "≠": "!=", "∞": "inf", "∧": " and ", "∨": " or ", "¬": " not ", "√": "sqrt(...)", "∛": "cbrt(...)",
}  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ALLOWED_KEYWORDS = {"if", "else", "and", "or", "not", "True", "False"}
_RESERVED = "|".join(sorted(set(keyword.kwlist) - _ALLOWED_KEYWORDS))
_KEYWORD = "|".join(keyword.kwlist)
_WORD = rf"(?!(?:{_KEYWORD})\b)[^\W\d]\w*"
_NUMBER = r"(?<![\w.])(?!0[xXbBoO])(?>\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"


def _slip(pattern: str, message: str | Callable[[re.Match[str]], str], advice: str | Callable[[re.Match[str]], str]) -> Slip:
    """A `Slip` whose texts are templates over the pattern's groups, or functions of the match."""

    def filled(template: str | Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
        return (lambda match: template.format(*match.groups())) if isinstance(template, str) else template

    return Slip(re.compile(pattern), filled(message), filled(advice))


def _two_words(match: re.Match[str]) -> str:
    first, second = match.groups()
    return f"{first}({second})" if first in WORDS else f"{first}*{second}"


_SLIPS = (
    _slip(r"(\w*)\s*([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", "a raised {1} is not an operator", lambda m: f"{m[1] or '(...)'}**{_power(m[2])}"),
    _slip(r"(\w*)([₀₁₂₃₄₅₆₇₈₉]+)", "a lowered {1} cannot be part of a name", lambda m: m[1] + m[2].translate(_LOWERED)),
    _slip(rf"([{''.join(_OPERATORS)}])", "{0} is not read in a formula", lambda m: _OPERATORS[m[1]].strip()),
    _slip(rf"\b({_RESERVED})\b", "{0} is a reserved word of Python and cannot be a variable", lambda m: _other_name(m[1])),
    _slip(r"\|([^|\n]+)\|", "bars do not mean the absolute value here", "abs({0})"),
    _slip(rf"({_NUMBER})\s*({_WORD})", "a product needs its sign", "{0}*{1}"),
    _slip(rf"(?<![\w.)])({_WORD})[ \t]+((?:{_WORD})|\d[\w.]*)", lambda m: _word_after_word(m), _two_words),
    _slip(rf"\)\s*({_WORD}|\d[\w.]*)", "a product needs its sign", ")*{0}"),
    _slip(r"([\w)])\s*!(?!=)", "! is not an operator here", "gamma({0} + 1) for a factorial"),
    _slip(r"(&&|\|\|)", "{0} does not join conditions here", lambda m: "and" if m[1] == "&&" else "or"),
    _slip(r"(<>|=<|=>|===)", "{0} is not a comparison", lambda m: {"<>": "!=", "=<": "<=", "=>": ">=", "===": "=="}[m[1]]),
    _slip(r"([?$@`'\"{\[])", "{0} has no place in a formula", "names, numbers, + - * / // % **, comparisons and functions such as sin(x)"),
)  # fmt: skip
#: What Python would read, with a warning on the terminal or not as it was meant.
_TRAPS = (
    _slip(r"\\(\w*)", "a backslash is LaTeX, and a formula is written as in Python", lambda m: _without_backslash(m[1])),
    _slip(rf"(?<![\w.])((?>0[xX][\da-fA-F_]+|{_NUMBER})[jJ]?)({_KEYWORD})\b", "a number ends where the next word begins", "{0} {1}"),
)


def _power(raised: str) -> str:
    return raised.translate(_RAISED)


def _without_backslash(word: str) -> str:
    usual = {"frac": "a/b", "cdot": "*", "times": "*", "left": "(", "right": ")"}
    return usual.get(word, word or "( and ) around a formula of several lines")


def _other_name(word: str) -> str:
    return {"lambda": "lam", "is": "=="}.get(word, word + "_")


def _word_after_word(match: re.Match[str]) -> str:
    return f"{match[1]} needs its argument in parentheses" if match[1] in WORDS else "a product needs its sign"


def _explained(body: str, error: SyntaxError, lines: Lines) -> Problem:
    """The problem behind a SyntaxError: a known slip if the text has one, else Python's own words at Python's own place."""
    reason = error.msg or "invalid syntax"
    if "nested" in reason:
        return Problem("the formula is nested too deeply to be read", lines.between(0, 1), _TOO_DEEP)
    if "integer string conversion" in reason:
        return Problem("a whole number of thousands of digits is not read", lines.between(0, 1), "the number in the form 1.5e300")
    line, offset = min(error.lineno or 1, body.count("\n") + 1), max(error.offset or 1, 1)
    shown = line + lines.skipped_lines
    text = lines.lines[shown - 1]
    col = min(offset + (lines.skipped_columns if line == 1 else 0), len(text) + 1)
    if problem := _slip_near(sum(len(earlier) + 1 for earlier in lines.lines[: shown - 1]) + col - 1, lines):
        return problem
    width = (error.end_offset or 0) - offset if error.end_lineno == error.lineno else 1
    span = Span(FILE, shown, col, text, shown, col + max(width, 1))
    return Problem(_plain(reason), span, _advice_for(reason))


def _slip_near(position: int, lines: Lines) -> Problem | None:
    """The first known slip around the place that Python complains of."""
    return _first_slip(_SLIPS, lines, max(0, position - _NEAR), position + _NEAR)


def _first_slip(slips: tuple[Slip, ...], lines: Lines, *window: int) -> Problem | None:
    whole = _COMMENT.sub(lambda comment: " " * len(comment[0]), "\n".join(lines.lines))
    found = [(match.start(), slip, match) for slip in slips if (match := slip.pattern.search(whole, *window))]
    if not found:
        return None
    _, slip, match = min(found, key=lambda one: one[0])
    return Problem(slip.message(match), lines.between(match.start(), match.end()), slip.advice(match))


def _plain(reason: str) -> str:
    """Python's message without its advice for programmers of Python."""
    reason = reason.split(". ")[0].split("? ")[0]
    return "this is not a formula" if reason.startswith("invalid syntax") else f"this is not a formula: {reason}"


def _advice_for(reason: str) -> str:
    if "was never closed" in reason:
        return "the same with every parenthesis closed"
    if "unmatched" in reason or "does not match" in reason:
        return "the same with as many ( as )"
    if "indent" in reason:
        return "( and ) around a formula of several lines"
    if "assign" in reason or "':='" in reason:
        return "name = value; formula   or, for a comparison, =="
    return "names, numbers, + - * / // % **, comparisons and functions, as in  (x + sin(y))/2"
