"""Imports go down the layers only: the imports of every module are read, those inside functions too, and every other edge fails."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import stagegrad

ROOT = Path(stagegrad.__file__).parent

#: From the bottom to the top. A part (a module or a package) may import the parts of the lines below its own, and itself.
LAYERS = (
    ("version",),
    ("ir",),
    ("errors", "ir_text"),
    ("ops",),
    ("rules",),
    ("analysis", "shapes"),
    ("bounds",),
    ("names", "passes.versions"),
    (
        *("frontend", "forward", "reverse", "emit"),
        *("passes.unread", "passes.filled", "passes.trajectories", "passes.inlined", "passes.few", "passes.rebind", "passes.returned"),
        *("passes.constants", "passes.optimise", "passes.factors", "passes.fuse", "passes.mapping", "passes.narrow", "passes.into"),
        *("passes.states", "passes.wholes", "passes.ranges", "passes.sections", "passes.slopes", "passes.products", "passes.growing"),
        "passes.scratch",
    ),
    ("straight", "linking"),
    ("runtime", "export", "calls.boundary", "calls.tracebacks", "calls.tracing", "kernels", "passes.parallel", "passes.neighbours"),
    ("derive", "calls.outputs", "memory"),
    ("calls.cost",),
    ("calls.points",),
    ("gates",),
    ("pipeline",),
    ("verify", "circuit"),
    ("calls.entry", "calls.raw"),
    ("calls.passages", "calls.doors"),
    ("staged",),
    ("making",),
    ("stagegrad",),  # the public surface
    ("interop", "show"),
    ("cli", "explorer"),
    ("__main__",),
)

#: What a part may not import although it lies below, or may import alone of what lies below.
ONLY = {
    "ir": set(),  # knows no derivative
    "emit": {"ir", "ops", "analysis", "names", "shapes"},  # does not know that it prints an adjoint
    "export": set(),  # takes text
    "kernels": set(),  # is copied beside exported files
    "straight": set(),  # knows Python's text and Numba
    "linking": set(),  # knows Numba
    "runtime": {"errors", "version", "straight", "linking"},  # takes text and never sees IR
    "calls.boundary": {"errors", "ir", "frontend"},  # of the frontend the specs alone: what arguments are
    "calls.entry": {"ir", "frontend", "calls.boundary"},  # of the frontend the specs alone
    "calls.doors": {"calls.entry"},
    "calls.points": {"errors", "ir", "frontend", "calls.boundary", "calls.outputs", "runtime"},  # of the frontend the specs alone
    "calls.outputs": {"errors", "frontend", "calls.boundary"},
    "calls.tracebacks": set(),
    "calls.tracing": {"emit"},  # the text and the lines' places, not the IR
}

#: Packages from elsewhere, and the parts that may import them where they are imported themselves; elsewhere only inside functions.
HEAVY = {
    "numpy": {"verify", "interop", "kernels"},
    "llvmlite": {"kernels", "straight"},
    "numba": {"kernels", "straight", "linking"},
    "sympy": {"verify", "interop"},
    "mpmath": {"verify"},
    "scipy": set(),
    "click": {"cli", "explorer"},
    "rich": {"show", "explorer"},
    "platformdirs": set(),
}

#: Packages whose modules are parts of their own; the packages themselves hold nothing but a docstring.
FOLDERS = ("calls", "passes")

MODULES = sorted(ROOT.rglob("*.py"))


def part_of(module: str) -> str:
    """``stagegrad.rules.scalar`` -> ``rules``, ``stagegrad.calls.entry`` -> ``calls.entry``; the package itself is ``stagegrad``."""
    words = module.split(".")
    if len(words) > 2 and words[1] in FOLDERS:
        return f"{words[1]}.{words[2]}"
    return words[1] if len(words) > 1 else words[0]


def name_of(path: Path) -> str:
    words = ["stagegrad", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def imports(path: Path):
    """Every module that a file imports, and whether it does so when the file is imported (not in a function, not for types only)."""
    tree = ast.parse(path.read_text())
    later = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _is_for_types(node)]
    inside = {node for part in later for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node not in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:  # the kernels are copied beside exported files, under another name
                assert path.parent.name == "kernels" and node.level == 1, f"{path}:{node.lineno}: relative import"
                yield "stagegrad.kernels", node not in inside
            elif node.module in {"stagegrad", *(f"stagegrad.{folder}" for folder in FOLDERS)}:
                yield from ((f"{node.module}.{alias.name}", node not in inside) for alias in node.names)
            else:
                yield node.module, node not in inside


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def below(part: str) -> set[str]:
    """What a part may import of stagegrad."""
    if part in ONLY or part in FOLDERS:
        return ONLY.get(part, set())
    level = next(k for k, layer in enumerate(LAYERS) if part in layer)
    return {other for layer in LAYERS[:level] for other in layer}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    part = part_of(name_of(path))
    allowed = below(part) | {part}
    upward = [name for name, _ in imports(path) if name.startswith("stagegrad") and part_of(name) not in allowed]
    assert not upward, f"{name_of(path)} imports {upward}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_packages_are_imported_lazily(path):
    part = part_of(name_of(path))
    early = [name for name, at_import in imports(path) if at_import and part not in HEAVY.get(name.partition(".")[0], {part})]
    assert not early, f"{name_of(path)} imports {early} when it is imported"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_else_is_imported(path):
    known = {"stagegrad", *HEAVY, *sys.stdlib_module_names, "annotationlib"}  # the last one is Python's own from 3.14 on
    unknown = [name for name, _ in imports(path) if name.partition(".")[0] not in known and part_of(name_of(path)) != "interop"]
    assert not unknown, f"{name_of(path)} imports {unknown}"


def test_every_part_has_a_layer():
    parts = {part_of(name_of(path)) for path in MODULES}
    assert parts <= {part for layer in LAYERS for part in layer} | set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_of_parts_hold_nothing_themselves(folder):
    assert len(ast.parse((ROOT / folder / "__init__.py").read_text()).body) == 1


def test_the_public_surface_brings_nothing_but_the_version():
    eager = {part_of(name) for name, at_import in imports(ROOT / "__init__.py") if at_import and name.startswith("stagegrad")}
    assert eager == {"version"}


@pytest.mark.parametrize("target", ["python", "numba"])
@pytest.mark.parametrize("answer", ["value", "value_and_grad", "grad"])
def test_generated_code_imports_math_numpy_and_numba_only(target, answer):
    text = stagegrad.formula("gamma(x) * erf(y) + maximum(x, y) ** x", target=target).source(answer=answer)
    found = {alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert found <= ({"math", "numpy", "numba"} if target == "numba" else {"math"})
