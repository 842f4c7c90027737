"""Every pair of operations, as parent and as child on either side: the text is parsed and compared with the tree that was meant."""

from __future__ import annotations

import ast
import itertools
import math

import pytest

from stagegrad.emit.spelling import ATOM, TERNARY, Text, constant, fill
from stagegrad.ir import FLOAT, INT, Lit

TEMPLATES = (
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / {y}", "{x} // {y}", "{x} % {y}", "{x}**{y}", "-{x}", "+{x}", "~{x}", "not {x}",
    "{x} and {y}", "{x} or {y}", "{x} < {y}", "{x} == {y}", "{x} != {y}", "{x} << {y}", "{x} >> {y}", "{x} & {y}", "{x} | {y}",
    "{x} ^ {y}", "{x} if {y} else {z}", "math.exp({x})", "max({x}, {y})", "{x}[{y}]", "1.0 / {x}", "{x}**2", "-({x} + {y})",
    "{x} * {x}", "math.sqrt({x}) / {y}", "({x} > 0) - ({x} < 0)", "{x}.real",
)  # fmt: skip


def meant(template: str, operands: dict[str, ast.expr]) -> ast.expr:
    """The tree of a template with trees in its holes."""

    class Filler(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return operands.get(node.id, node)

    names = {f"{{{name}}}": name for name in "xyz"}
    text = template
    for hole, name in names.items():
        text = text.replace(hole, f"({name})")
    found: ast.expr = Filler().visit(ast.parse(text, mode="eval").body)
    return found


def same(text: str, tree: ast.expr) -> bool:
    return ast.dump(ast.parse(text, mode="eval").body) == ast.dump(tree)


def holes(template: str) -> list[str]:
    return [name for name in "xyz" if f"{{{name}}}" in template]


@pytest.mark.parametrize("parent", TEMPLATES)
def test_every_child_in_every_hole(parent: str) -> None:
    for child, place in itertools.product(TEMPLATES, holes(parent)):
        inner = fill(child, {"x": Text("a"), "y": Text("b"), "z": Text("c")})
        texts = {name: inner if name == place else Text(f"{name}1") for name in holes(parent)}
        trees = {name: ast.parse(text.text, mode="eval").body for name, text in texts.items()}
        found = fill(parent, texts).text
        assert same(found, meant(parent, trees)), f"{child} as {place} of {parent}: {found}"


@pytest.mark.parametrize("top", TEMPLATES)
def test_three_deep(top: str) -> None:
    plain = {"x": Text("a"), "y": Text("b"), "z": Text("c")}
    for middle, bottom in itertools.product(TEMPLATES, repeat=2):
        low = fill(bottom, plain)
        mid = fill(middle, dict.fromkeys(holes(middle), low))
        found = fill(top, dict.fromkeys(holes(top), mid))
        low_tree = ast.parse(low.text, mode="eval").body
        mid_tree = meant(middle, dict.fromkeys("xyz", low_tree))
        assert same(found.text, meant(top, dict.fromkeys("xyz", mid_tree))), f"{bottom} in {middle} in {top}: {found.text}"


@pytest.mark.parametrize("value", [-1.5, -2, 2, 0.0, -0.0, 1e300, 1e-7, -math.inf, math.inf, 10**20, True, False])
@pytest.mark.parametrize("template", ["{x}**2", "2.0**{x}", "-{x}", "{y} - {x}", "{x} * {y}", "not {x}", "{x} < {y}"])
def test_constants_inside_expressions(value: float, template: str) -> None:
    text = constant(Lit(value, INT if isinstance(value, int) else FLOAT))
    words = {"math": math}
    alone = eval(text.text, words)
    assert repr(alone) == repr(value)
    if "**" in template and abs(value) > 1e3:
        return
    found = eval(fill(template, {"x": text, "y": Text("3.0")}).text, words)
    assert repr(found) == repr(eval(template.format(x="(v)", y="3.0"), {"v": value}))


def test_nan_is_spelled() -> None:
    assert math.isnan(eval(constant(Lit(math.nan, FLOAT)).text, {"math": math}))


def test_parentheses_only_where_python_needs_them() -> None:
    total, product = fill("{x} + {y}", {"x": Text("a"), "y": Text("b")}), fill("{x} * {y}", {"x": Text("a"), "y": Text("b")})
    assert fill("{x} * {y}", {"x": total, "y": total}).text == "(a + b) * (a + b)"
    assert fill("{x} + {y}", {"x": product, "y": product}).text == "a * b + a * b"
    assert fill("{x} - {y}", {"x": total, "y": total}).text == "a + b - (a + b)"
    assert fill("math.exp({x})", {"x": total}).text == "math.exp(a + b)"
    assert fill("{x}[{y}]", {"x": Text("a"), "y": total}).text == "a[a + b]"


def test_powers_as_black_spaces_them() -> None:
    assert fill("{x}**2", {"x": Text("x")}).text == "x**2"
    assert fill("{x}**2", {"x": fill("{x} + {y}", {"x": Text("x"), "y": Text("y")})}).text == "(x + y) ** 2"
    assert fill("-{x}", {"x": fill("{x}**2", {"x": Text("x")})}).text == "-(x**2)"


def test_within() -> None:
    assert Text("a if b else c", TERNARY).within(ATOM) == "(a if b else c)"
    assert Text("a").within(ATOM) == "a"
