"""PROGRAM as it was typed -> the compiled function: of a formula, or of a file, which is run; and in words what goes wrong with it."""

from __future__ import annotations

import ast
import contextlib
import errno
import importlib.util
import linecache
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stagegrad.cli.arguments import decoded
from stagegrad.errors import NameChoiceError, NeedsTypes, Problem, StagegradError
from stagegrad.ir import Span
from stagegrad.show import written

if TYPE_CHECKING:
    from stagegrad.staged import Staged

_FILE = re.compile(r"(?P<file>.+?\.pyw?)(?::(?P<function>\S*))?", re.DOTALL)
_OURS = Path(__file__).parents[1]


def place(program: str) -> tuple[Path, str] | None:
    """FILE.py:FUNCTION in its parts, the function empty where it was left out; None for a formula."""
    found = _FILE.fullmatch(program)
    if found is None or not (found["function"] or Path(found["file"]).is_file()):
        return None
    return Path(found["file"]), found["function"] or ""


def compiled(program: str, options: Mapping[str, Any]) -> Staged[..., Any]:
    """The `Staged` of a formula, or of a function in a file."""
    import stagegrad  # lazily: the compiler is not needed for --help

    found = place(program)
    if found is not None:
        function = _function(*found)
        if isinstance(function, stagegrad.Staged):
            # What was compiled is what is shown, but for the target, which --target says.
            options = {**asdict(function.options), **options}
        staged: Staged[..., Any] = stagegrad.compile(function, **options)
        return staged
    if "types" in options:
        raise click.BadParameter("the parameters of a formula are floats", param_hint="--types")
    return stagegrad.formula(decoded(program), **options)


def _first_function(path: Path) -> str:
    """The name of a function that the file defines, for an example; the file is read, not run, and may hold anything."""
    try:
        return next(node.name for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.FunctionDef))
    except (StopIteration, SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return "function"


def _function(path: Path, name: str) -> Any:
    """The function of that name, after the file was run as an import runs it."""
    if not path.is_file():
        raise click.UsageError(f"{path} is a folder" if path.is_dir() else f"there is no file {path}")
    if not name.isidentifier():
        refused = f"{name} is not the name of a function of the file." if name else "which function of the file?"
        raise click.UsageError(f"{refused} For example {path}:{_first_function(path)}")
    module = _imported(path)
    found = getattr(module, name, None)
    if found is None:
        own = [word for word, value in vars(module).items() if callable(value) and getattr(value, "__module__", None) == module.__name__]
        near = get_close_matches(name, own, 3) or own[:8]
        raise click.UsageError(f"{path} has no function {name}; it has {', '.join(near) or 'none'}")
    if not callable(found):
        raise click.UsageError(f"{name} of {path} is of the type {type(found).__name__}, not a function")
    return found


def _imported(path: Path) -> Any:
    """The module of a file; its folder is importable from it, and what it prints goes to stderr, away from the answer."""
    name = path.stem if path.stem not in sys.modules else f"{path.stem} of {path.parent}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise click.UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except StagegradError:
        raise  # a decorated function that is refused; the error shows its place
    except (Exception, SystemExit) as error:
        raise Failed(f"{path} failed while it was imported:\n{_from_file(error, path.resolve())}") from None
    return module


def _from_file(error: BaseException, path: Path) -> str:
    """The traceback without the frames that led to the user's file."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename != str(path):
        step = step.tb_next
    return "".join(traceback.format_exception(type(error), error, step)).rstrip()


class Failed(Exception):
    """The user's program failed; the message is all that there is to say."""


@contextlib.contextmanager
def reported(program: str) -> Iterator[None]:
    """Turns what was refused into a message on stderr and an exit code."""
    try:
        yield
    except NameChoiceError as error:
        raise click.UsageError(str(error)) from None
    except NeedsTypes as error:
        reason = error.problems[0].message.partition(";")[0]
        raise click.UsageError(f"{reason}.\nSay what the parameters are: --types x=float64[:],n=int64, or --at with a point.") from None
    except (StagegradError, Failed) as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # a pipe that was closed at the other end, which click knows
        raise click.ClickException(f"cannot write the answer: {error.strerror or error}") from None


def failure(error: Exception, program: str, point: Mapping[str, Any]) -> str:
    """An exception that the program raised at a point, with the place in the user's text; a bug of ours goes on as it is."""
    frames = traceback.extract_tb(error.__traceback__)
    if Path(frames[-1].filename).is_relative_to(_OURS):
        raise error
    # NumPy's own lines, where it raised, say nothing to the user.
    last = next((frame for frame in reversed(frames) if not _is_installed(frame.filename)), frames[-1])
    line = last.lineno or 1
    # Not `last.line`, which lost its indentation; and the columns of a frame count bytes.
    text = decoded(program).splitlines()[line - 1] if last.filename == "<formula>" else linecache.getline(last.filename, line).rstrip()
    start, end = (len(text.encode()[: offset or 0].decode(errors="replace")) for offset in (last.colno, last.end_colno))
    shown = Span(last.filename, line, start + 1, text, last.end_lineno or line, max(start, end) + 1)
    where = ", ".join(f"{name} = {written(value)}" for name, value in point.items())
    return str(Problem(f"{type(error).__name__}: {error}", shown)) + f"\n  at {where}"


def _is_installed(file: str) -> bool:
    """Whether a file is one of an installed package, stagegrad's own included, or of Python itself."""
    folders = [_OURS, *(Path(path) for key, path in sysconfig.get_paths().items() if key.endswith("lib"))]
    return any(Path(file).is_relative_to(folder) for folder in folders)
