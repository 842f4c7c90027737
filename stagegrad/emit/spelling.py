"""Expressions as text: an operation's template filled in, with parentheses exactly where Python needs them."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from stagegrad.ir import FLOAT, Lit

# How tightly an expression binds; a hole of a template asks for at least so much.
TERNARY, OR, AND, NOT, COMPARE = 1, 2, 3, 4, 5
BITOR, BITXOR, BITAND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = 6, 7, 8, 9, 10, 11, 12, 13, 15

_BINARY: dict[type, int] = {
    ast.Add: SUM, ast.Sub: SUM, ast.Mult: PRODUCT, ast.Div: PRODUCT, ast.FloorDiv: PRODUCT, ast.Mod: PRODUCT,
    ast.MatMult: PRODUCT, ast.Pow: POWER, ast.LShift: SHIFT, ast.RShift: SHIFT, ast.BitOr: BITOR, ast.BitXor: BITXOR, ast.BitAnd: BITAND,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    """An expression's text and how tightly it binds."""

    text: str
    binding: int = ATOM

    def within(self, least: int) -> str:
        """The text as an operand that must bind at least so tightly."""
        return self.text if self.binding >= least else f"({self.text})"


@dataclass(frozen=True)
class _Template:
    binding: int
    holes: Mapping[str, int]
    negates: str | None  # the operand of a template that is a bare minus


def fill(template: str, operands: Mapping[str, Text]) -> Text:
    """``"{x} * {y}"`` with x = ``a + b`` and y = ``c`` -> ``(a + b) * c``."""
    if template == "{x}":
        return operands["x"]
    compiled = _compile(template)
    if compiled.negates is not None and operands[compiled.negates].binding == POWER:
        return Text(f"-({operands[compiled.negates].text})", UNARY)
    texts = {name: text.within(compiled.holes.get(name, 0)) for name, text in operands.items()}
    spaced = template
    if compiled.binding == POWER and not all(re.fullmatch(r"[\w.]+", text) for text in texts.values()):
        spaced = template.replace("**", " ** ")
    return Text(spaced.format(**texts), compiled.binding)


@lru_cache(maxsize=1024)
def _compile(template: str) -> _Template:
    tree = ast.parse(re.sub(r"\{(\w+)\}", r"hole_\1", template), mode="eval").body
    holes: dict[str, int] = {}
    _holes(tree, holes)
    operand = tree.operand if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub) else None
    negates = operand.id.removeprefix("hole_") if isinstance(operand, ast.Name) else None
    return _Template(_binding(tree), holes, negates)


def _binding(node: ast.expr) -> int:
    match node:
        case ast.IfExp():
            return TERNARY
        case ast.BoolOp():
            return AND if isinstance(node.op, ast.And) else OR
        case ast.UnaryOp():
            return NOT if isinstance(node.op, ast.Not) else UNARY
        case ast.Compare():
            return COMPARE
        case ast.BinOp():
            return _BINARY[type(node.op)]
        case _:
            return ATOM


def _holes(node: ast.AST, holes: dict[str, int]) -> None:
    for child, least in _children(node):
        if isinstance(child, ast.Name) and child.id.startswith("hole_"):
            name = child.id.removeprefix("hole_")
            holes[name] = max(least, holes.get(name, 0))
        else:
            _holes(child, holes)


def _children(node: ast.AST) -> list[tuple[ast.AST, int]]:
    match node:
        case ast.BinOp(left, op, right):
            level = _BINARY[type(op)]
            return [(left, POWER + 1), (right, UNARY)] if level == POWER else [(left, level), (right, level + 1)]
        case ast.UnaryOp(op, operand):
            return [(operand, NOT if isinstance(op, ast.Not) else UNARY)]
        case ast.Compare(left, _, comparators):
            return [(child, COMPARE + 1) for child in (left, *comparators)]
        case ast.BoolOp(op, values):
            return [(child, (AND if isinstance(op, ast.And) else OR) + 1) for child in values]
        case ast.IfExp(test, body, orelse):
            return [(test, OR), (body, OR), (orelse, TERNARY)]
        case ast.Subscript(value, index):
            return [(value, ATOM), (index, 0)]
        case ast.Attribute(value):
            return [(value, ATOM)]
        case _:
            return [(child, 0) for child in ast.iter_child_nodes(node)]


def constant(atom: Lit) -> Text:
    """A literal as Python reads it back."""
    value = atom.value
    if atom.type.bits == 32:
        return Text(f"np.float32({constant(Lit(value, FLOAT)).text})")
    if isinstance(value, float) and not math.isfinite(value):
        word = "math.nan" if math.isnan(value) else "math.inf"
        return Text(word) if value != -math.inf else Text("-math.inf", UNARY)
    text = repr(value)
    return Text(text, UNARY if text.startswith("-") else ATOM)
