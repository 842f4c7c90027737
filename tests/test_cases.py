"""Case files: the user's function, a line that names transform and target, the generated text.

One test writes the text again and compares; another runs what the file holds and compares its value with the user's function and its
gradient with differences and with forward mode, so that a wrong text cannot be accepted. After a change that is meant,
``STAGEGRAD_UPDATE=1 python -m pytest tests/test_cases.py`` rewrites the files; read the difference before you keep it.
"""

from __future__ import annotations

import linecache
import math
import os
import pathlib
import types
from collections.abc import Callable
from typing import Any

import pytest

from stagegrad import emit
from stagegrad.forward import forward
from stagegrad.frontend import formula, python
from stagegrad.ir import Module, check
from stagegrad.names import name_stages
from stagegrad.passes import optimise
from stagegrad.pipeline import differentiate
from stagegrad.rules.idioms import restage

CASES = sorted(pathlib.Path(__file__).parent.joinpath("cases").glob("*.py"))
MARK = "# --- "


def split(path: pathlib.Path) -> tuple[str, dict[str, str]]:
    """The user's part of a case file, and the generated text under each mark."""
    user, *sections = path.read_text().split("\n" + MARK)
    texts = {}
    for section in sections:
        title, _, text = section.partition("\n")
        texts[title.strip()] = text.strip("\n") + "\n"
    return user + "\n", texts


def user_names(path: pathlib.Path, user: str) -> types.SimpleNamespace:
    """The user's part, executed as a file would be."""
    linecache.cache[str(path)] = (len(user), None, user.splitlines(keepends=True), str(path))
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(user, str(path), "exec"), namespace)
    return types.SimpleNamespace(**namespace)


def module_of(names: types.SimpleNamespace) -> Module:
    """The staged IR of the function `f`, or of the text FORMULA, that a case file holds."""
    text = getattr(names, "FORMULA", None)
    program = formula.lower(text) if text else python.lower(names.f)
    level = getattr(names, "STAGES", "gates" if text else "user")
    return check(name_stages(optimise.share(restage(check(program.module), level))))


def floats(module: Module) -> tuple[int, ...]:
    return tuple(k for k, param in enumerate(module.main.params) if param.type.kind == "float")


def transformed(module: Module, title: str) -> str:
    """What a section of this title should hold."""
    transform, _, target = title.partition(" ")
    match transform:
        case "value":
            made = module
        case "reverse":
            made = differentiate(module, floats(module), several=len(floats(module)) > 1)
        case "forward":
            made = optimise.simplify(forward(module, floats(module)))
        case _:
            raise ValueError(f"no transform is called {transform!r}")
    return emit.write(check(made), target).text


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_text_is_what_the_compiler_writes(path: pathlib.Path) -> None:
    user, texts = split(path)
    module = module_of(user_names(path, user))
    written = {title: transformed(module, title) for title in texts}
    if os.environ.get("STAGEGRAD_UPDATE") == "1":
        path.write_text(user.rstrip("\n") + "\n" + "".join(f"\n{MARK}{title}\n{text}" for title, text in written.items()))
    else:
        assert texts, "a case file without generated text tests nothing"
        assert written == texts


def difference(function: Callable[..., float], args: tuple[Any, ...], position: int) -> float:
    """A central difference of fourth order."""
    h = 1e-4 * max(1.0, abs(args[position]))

    def at(step: float) -> float:
        moved = list(args)
        moved[position] += step * h
        return float(function(*moved))

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_text_computes_the_value_and_the_gradient(path: pathlib.Path) -> None:
    user, texts = split(path)
    names = user_names(path, user)
    module = module_of(names)
    title = next(title for title in texts if title.startswith("reverse"))
    gradient = run(texts[title], f"{module.main.name}_value_and_grad")
    along = run(emit.write(optimise.simplify(forward(module, floats(module))), "python").text, f"{module.main.name}_forward")
    plain = getattr(names, "f", None) or run(emit.write(module, "python").text, "f")
    for args in names.CASES:
        value, found = gradient(*args)
        found = found if isinstance(found, tuple) else (found,)
        assert value == plain(*args) or math.isclose(value, plain(*args), rel_tol=4e-16)
        for k, (position, slope) in enumerate(zip(floats(module), found, strict=True)):
            assert math.isclose(slope, difference(plain, args, position), rel_tol=1e-7, abs_tol=1e-8), (args, position)
            direction = [float(j == k) for j in range(len(found))]
            assert math.isclose(slope, along(*args, *direction)[1], rel_tol=1e-12, abs_tol=1e-14), (args, position)


def run(text: str, entry: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(compile(text.replace("cache=True, ", ""), f"<{entry}>", "exec"), namespace)
    found: Callable[..., Any] = namespace[entry]
    return found
