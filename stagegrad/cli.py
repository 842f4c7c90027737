"""The command ``stagegrad``: show, grad, trace and prove, each for a formula or for a function of a file.

Takes what the user typed, prints the answer on stdout and what is wrong on stderr. Exit codes: 0 fine; 1 the program was
refused, or failed at the point, or its proof failed; 2 the command itself was wrong. Formulas are never evaluated by
Python; FILE.py:FUNCTION imports, that is runs, the user's file. Everything but click is imported when it is needed.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import importlib.util
import inspect
import json
import linecache
import math
import os
import re
import sys
import sysconfig
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stagegrad.errors import NameChoiceError, NeedsTypes, Problem, StagegradError
from stagegrad.export import export
from stagegrad.ir import Span
from stagegrad.show import Answers, comments, plain_answers, print_answers, print_source, print_trace, simple, written
from stagegrad.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from stagegrad.staged import Part, Staged

_FILE = re.compile(r"(?P<file>.+\.pyw?):(?P<function>\w+)", re.DOTALL)

_EPILOG = """\b
PROGRAM is one of
  a formula       "(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)"
                  Parsed, never run. Names are variables, but for the constants pi, e,
                  tau and inf (--wrt e makes e a variable).
  a function      path/to/file.py:function
                  The file is imported: this RUNS the code in it.

\b
Exit codes: 0 fine; 1 the program was refused, failed at the point, or was not proved;
2 the command line was wrong.
"""


# ---------------------------------------------------------------------------------------------- commands and options


class _Command(click.Command):
    """A command whose argument may begin with a minus, as in ``stagegrad grad "-x*y" --at x=1,y=2``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = [name for param in self.get_params(ctx) for name in (*param.opts, *param.secondary_opts) if name.startswith("--")]
        for arg in args[: args.index("--")] if "--" in args else args:
            name = arg.partition("=")[0]
            if re.fullmatch(r"--[a-z][a-z-]*", name) and name not in options:
                raise click.NoSuchOption(name, possibilities=get_close_matches(name, options), ctx=ctx)
        return super().parse_args(ctx, args)


def _command(name: str, *options: Callable[[Any], Any]) -> Callable[[Callable[..., None]], click.Command]:
    """A command that takes PROGRAM, the options that all commands share, and `options`."""
    shared = (
        click.option(
            "--target",
            type=click.Choice(["python", "numpy", "numba"]),
            default="python",
            show_default=True,
            help="What the code is generated for; numpy is python for functions of arrays.",
        ),
        click.option(
            "--stages",
            type=click.Choice(["user", "gates", "fine"]),
            help="How finely the program is cut into stages: the user's own operations, named gates, or + * exp 1/x. "
            "By default gates for formulas, user for functions.",
        ),
        click.option("--wrt", metavar="x,y", help="Differentiate with respect to these; by default to all float parameters."),
        click.option("--types", metavar="x=float64[:]", help="What parameters are, where --at does not say so: x=float32[:, :],n=int64."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object (keys above); nan, inf and -inf are strings in it."),
        click.option("--no-color", is_flag=True, help="No colours; also the default for pipes and where NO_COLOR is set."),
    )

    def decorate(decorated: Callable[..., None]) -> click.Command:
        for option in reversed((*options, *shared)):
            decorated = option(decorated)
        decorated = click.argument("program", metavar="PROGRAM")(decorated)
        settings = {"ignore_unknown_options": True}
        command: click.Command = main.command(name, cls=_Command, epilog=_EPILOG, context_settings=settings)(decorated)
        return command

    return decorate


def _at(required: bool) -> Callable[[Any], Any]:
    return click.option(
        "--at",
        "points",
        metavar="x=3,y=-4",
        multiple=True,
        required=required,
        help='The point: a value for every parameter. An array is [1,2,3], a dict {"w": 1.5}, a text "...".',
    )


@click.group(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="stagegrad", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Your function's backward pass, as code you can read, with a proof."""
    ctx.with_resource(_plain_streams())


_PART = click.option("--part", type=click.Choice(["both", "forward", "backward"]), default="both", show_default=True, help="One pass only.")
_PROVE = click.option("--prove/--no-prove", default=None, help="Prove the code too (imports SymPy); by default where --at is given.")
_PLAIN = click.option("--plain", is_flag=True, help="The generated module as it is, also on a terminal; what pipes get.")

_OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the generated module to this file; the vector kernels that it calls go into a folder beside it.",
)


@_command("show", _at(False), _PART, _PROVE, _PLAIN, _OUTPUT)
def show(program: str, points: tuple[str, ...], part: Part, prove: bool | None, plain: bool, output: Path | None, **options: Any) -> None:
    """Print the staged forward and backward pass of PROGRAM.

    On a wide terminal the passes stand side by side. In a pipe the output is the generated module itself. With --at the
    value, the gradients and the proof follow, in a pipe as comments.

    \b
    JSON: program, name, parameters, wrt, target, stages, source;
    with --at also at, value, gradients; with a proof also proof.
    """
    with _reported(program):
        request = _Request.of(program, points, **options)
        staged = request.staged
        report = request.report(points)
        answers = request.answers(points, prove=prove, into=report)
        report.update(stages=list(staged.stages), source=staged.source(part=part))
        if output:
            _export(report["source"], output)
        if request.as_json:
            _print_json(report)
        elif (console := request.console()) is None or plain:
            click.echo(report["source"] + (f"\n{found}\n" if (found := comments(answers)) else ""), nl=False)
        else:
            passes = (staged.source(part="forward"), staged.source(part="backward")) if part == "both" else ("", "")
            print_source(console, report["source"], *passes)
            console.print()
            print_answers(console, answers)
    _exit(report)


def _export(text: str, output: Path) -> None:
    try:
        files = export(text, output)
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename or output}: {error.strerror}") from error
    for file in files:
        click.echo(f"wrote {file}", err=True)


@_command("grad", _at(True))
def grad(program: str, points: tuple[str, ...], **options: Any) -> None:
    """Print the value and the gradients of PROGRAM at a point.

    \b
    JSON: program, name, parameters, wrt, target, at, value, gradients.
    """
    with _reported(program):
        request = _Request.of(program, points, **options)
        report = request.report(points)
        answers = request.answers(points, prove=False, into=report)
        if request.as_json:
            _print_json(report)
        elif console := request.console():
            print_answers(console, answers)
        else:
            click.echo(plain_answers(answers))


@_command("trace", _at(True))
def trace(program: str, points: tuple[str, ...], **options: Any) -> None:
    """Print every stage's value and gradient at a point.

    \b
    JSON: program, name, parameters, wrt, target, at, stages: for each its value and its
    gradient (null where none passes through it; lists, first trip first, in loops).
    """
    with _reported(program):
        request = _Request.of(program, points, **options)
        point = request.point(points)
        found = request.run(lambda staged, args, named: staged.trace(*args, **named), point)
        if request.as_json:
            _print_json({**request.report(points), "at": point, "stages": found.as_dict()})
        elif console := request.console():
            rows = [re.split(r" {2,}", line + "  ")[:3] for line in str(found).splitlines()]
            print_trace(console, [[*row, "", ""][:3] for row in rows], "")
        else:
            click.echo(str(found))


@_command("prove", _at(False))
def prove(program: str, points: tuple[str, ...], **options: Any) -> None:
    """Prove the generated code of PROGRAM against SymPy's derivative.

    Each quantity is proved (its difference to SymPy's derivative is zero), checked (it agrees to 30 digits at random points),
    tested (in floating point), or refuted; the exit code is 1 if it is none of the first three.

    \b
    JSON: program, name, parameters, wrt, target, proof; with --at also at, value, gradients.
    """
    with _reported(program):
        request = _Request.of(program, points, **options)
        report = request.report(points)
        answers = request.answers(points, prove=True, into=report)
        if request.as_json:
            _print_json(report)
        elif console := request.console():
            print_answers(console, answers)
        else:
            click.echo("\n".join(filter(None, (plain_answers(answers), *answers.proof))))
    _exit(report)


@main.group()
def cache() -> None:
    """Look after the folder in which generated code is kept."""


_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@cache.command("info")
@_AS_JSON
def cache_info(as_json: bool) -> None:
    """Print the folder, the number of modules, their size, and the limit (STAGEGRAD_CACHE_LIMIT, in MiB).

    \b
    JSON: folder, modules, bytes, problem, limit.
    """
    from stagegrad import runtime  # lazily: starting up does not need it

    info = runtime.cache_info()
    if as_json:
        _print_json(asdict(info))
    elif info.folder:
        click.echo(f"{info.folder}: {info.modules} modules, {info.bytes:,} bytes of at most {info.limit:,}")
    else:
        click.echo(f"no cache folder: {info.problem}")


@cache.command("clear")
@_AS_JSON
def cache_clear(as_json: bool) -> None:
    """Remove all generated modules and their machine code.

    \b
    JSON: removed.
    """
    from stagegrad import runtime

    removed = runtime.cache_clear()
    if as_json:
        _print_json({"removed": removed})
    else:
        click.echo(f"removed {removed} files")


@cache.command("verify")
@_AS_JSON
def cache_verify(as_json: bool) -> None:
    """Check that every file is what was written; exit with 1 if one is not. Damaged files are never run, but made again.

    \b
    JSON: ok, damaged.
    """
    from stagegrad import runtime

    with _reported("cache"):
        damaged = runtime.cache_verify()
    if as_json:
        _print_json({"ok": not damaged, "damaged": damaged})
    else:
        click.echo("\n".join(f"damaged: {name}" for name in damaged) or "all files are as they were written")
    if damaged:
        raise click.exceptions.Exit(1)


# ---------------------------------------------------------------------------------------------- a request


@dataclass(frozen=True)
class _Request:
    """A program, compiled as the options say, and how its answers are to be printed."""

    program: str
    staged: Staged[..., Any]
    target: str
    as_json: bool
    no_color: bool
    types: Mapping[str, str]

    @classmethod
    def of(cls, program: str, points: Sequence[str], *, target: str, stages: str | None, wrt: str | None, types: str | None,
           as_json: bool, no_color: bool) -> _Request:  # fmt: skip
        """Compiles the program; raises StagegradError where it is refused."""
        chosen = None if wrt is None else [name.strip() for name in _decoded(wrt).split(",")]
        stated = {} if types is None else _read_types(types)
        # Where there is a point, its arrays say themselves what they are.
        needed = {name: word for name, word in stated.items() if not points or "[" not in word}
        choice = {} if chosen is None else {"wrt": chosen[0] if len(chosen) == 1 else tuple(chosen)}
        options = {"target": target, **choice, **({"stages": stages} if stages else {}), **({"types": needed} if needed else {})}
        return cls(program, _compiled(program, options), target, as_json, no_color, stated)

    @property
    def wrt(self) -> list[str]:
        """The parameters that the gradients belong to."""
        names = list(inspect.signature(self.staged).parameters)
        return [names[k] for k in self._positions[0]]

    @property
    def _positions(self) -> tuple[tuple[int, ...], bool]:
        return self.staged.build.positions(self.staged.options.wrt)

    def report(self, points: Sequence[str]) -> dict[str, Any]:
        """What every JSON answer begins with; where there is a point, it says what the parameters are."""
        if points:
            self.run(lambda staged, args, named: staged.build_for(*args, **named), self.point(points))
        parameters = list(inspect.signature(self.staged).parameters)
        return {"program": self.program, "name": self.staged.__name__, "parameters": parameters, "wrt": self.wrt, "target": self.target}

    def point(self, points: Sequence[str]) -> dict[str, Any]:
        """The point that ``--at`` gives, in the order of the parameters; UsageError where it is malformed or incomplete."""
        given = _read_point(points, self.types)
        parameters = inspect.signature(self.staged).parameters
        missing = [name for name, one in parameters.items() if name not in given and one.default is inspect.Parameter.empty]
        unknown = [name for name in given if name not in parameters]
        if not parameters:
            raise click.UsageError(f"{self.staged.__name__}() has no parameters: there is nothing to differentiate with respect to")
        complaints = [f"no value for {', '.join(missing)}"] if missing else []
        complaints += [f"{self._reason(name)}" for name in unknown]
        if complaints:
            raise click.BadParameter(f"{'; '.join(complaints)}. Write for example {_example(parameters)}", param_hint="--at")
        return {name: given[name] for name in parameters if name in given}

    def _reason(self, name: str) -> str:
        names = ", ".join(inspect.signature(self.staged).parameters)
        if name in ("e", "pi", "π", "tau", "inf") and not _FILE.fullmatch(self.program):
            return f"{name} is a constant here (--wrt {name} makes it a variable)"
        return f"there is no parameter {name}, there are {names}"

    def run(self, call: Callable[..., Any], point: Mapping[str, Any]) -> Any:
        """Calls the program at a point; what it raises there is the user's to see, at the user's line."""
        bound = inspect.BoundArguments(inspect.signature(self.staged), dict(point))
        try:
            return call(self.staged, bound.args, bound.kwargs)
        except StagegradError:
            raise
        except Exception as error:
            raise _Failed(_failure(error, self.program, point)) from error

    def answers(self, points: Sequence[str], *, prove: bool | None, into: dict[str, Any]) -> Answers:
        """Value, gradients and proof, as far as they are asked for; `into` gets them as JSON has them."""
        point, value, gradients = self.point(points) if points else {}, None, {}
        if points:
            value, gradient = self.run(lambda staged, args, named: staged.value_and_grad(*args, **named), point)
            gradients = dict(zip(self.wrt, gradient if self._positions[1] else (gradient,), strict=True))
            into.update(at=point, value=value, gradients=gradients)
        lines: Sequence[str] = ()
        if prove or (prove is None and points and self.staged.build.scalar):
            proof = self.staged.prove()
            into["proof"] = proof.as_dict() | {"ok": proof.ok}
            lines = proof.lines
        return Answers(point, value, gradients, lines)

    def console(self) -> Console | None:
        """A rich console if the answer goes to a terminal (or FORCE_COLOR says so), else None."""
        if self.as_json or not (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
            return None
        from rich.console import Console

        plain = self.no_color or bool(os.environ.get("NO_COLOR"))
        return Console(color_system=None if plain else "auto", highlight=False, emoji=False, markup=False)


def _read_types(text: str) -> dict[str, str]:
    """``x=float64[:, :],n=int64`` -> the type of each parameter; UsageError that shows what is wrong."""
    from stagegrad.frontend.specs import parse, parse_list  # lazily: the compiler is not needed for --help

    try:
        types = parse_list(_decoded(text))
        for name, word in types.items():
            parse(word, name)
    except NameChoiceError as error:
        raise click.BadParameter(str(error), param_hint="--types") from None
    return types


def _read_point(points: Sequence[str], types: Mapping[str, str]) -> dict[str, Any]:
    """``x=3,y=[-4, 5]`` -> {"x": 3, "y": array([-4.0, 5.0])}; UsageError that shows the piece which is wrong."""
    found: dict[str, Any] = {}
    for given in map(_decoded, points):
        for piece in map(str.strip, _pieces(given)):
            name, equals, value = (part.strip() for part in piece.partition("="))
            if not equals or not name.isidentifier():
                raise click.BadParameter(f"{piece!r} in {given!r} is not of the form name=number", param_hint="--at")
            name = unicodedata.normalize("NFKC", name)
            if name in found:
                raise click.BadParameter(f"{name} is given twice", param_hint="--at")
            found[name] = _read_value(value, piece, types.get(name, ""))
    return found


def _pieces(text: str) -> Iterator[str]:
    """The text cut at the commas that are in no bracket and in no quotes."""
    depth, start, quoted = 0, 0, False
    for position, letter in enumerate(text):
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in "[{") - (letter in "]}")
        if letter == "," and depth <= 0 and not quoted:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def _read_value(text: str, piece: str, type_: str) -> Any:
    """A number, an array, a dict or a text, as it is written in JSON."""
    if text in ("None", "null"):
        return None
    if text[:1] not in ("[", "{", '"'):
        return _read_number(text, piece)
    try:
        written = text if '"' in text else re.sub(r"\bnan\b", "NaN", re.sub(r"\binf\b", "Infinity", text))
        read = json.loads(written, parse_float=lambda number: _read_number(number, piece))
    except (ValueError, RecursionError):
        raise click.BadParameter(f"{text!r} in {piece!r} is not JSON", param_hint="--at") from None
    return _from_json(read, piece, type_)


def _from_json(read: Any, piece: str, type_: str) -> Any:
    """What JSON says, with its lists of numbers as arrays: of floats, unless the type says otherwise."""
    if isinstance(read, dict):
        return {key: _from_json(inner, piece, type_) for key, inner in read.items()}
    if not isinstance(read, list):
        return read
    import numpy  # lazily: a heavy package, needed where there are arrays

    try:
        array = numpy.array(read)
    except ValueError:
        raise click.BadParameter(f"the lists in {piece!r} are not of one length", param_hint="--at") from None
    if array.dtype.kind not in "fib":
        raise click.BadParameter(f"the list in {piece!r} does not hold numbers", param_hint="--at")
    wanted = type_.partition("[")[0].strip() or ("bool" if array.dtype.kind == "b" else "float64")
    with numpy.errstate(invalid="ignore"):  # nan as an int, which the comparison finds
        converted = array.astype({"float": "float64", "int": "int64"}.get(wanted, wanted))
    if converted.dtype.kind != "f" and not numpy.array_equal(converted, array):
        raise click.BadParameter(f"the list in {piece!r} does not hold {wanted} alone", param_hint="--at")
    return converted


def _decoded(argument: str) -> str:
    """The argument as UTF-8, where Python could not decode it because the locale is plain ASCII."""
    return argument if argument.isascii() else os.fsencode(argument).decode(errors="replace")


def _read_number(text: str, piece: str) -> float:
    if text in ("True", "true", "False", "false"):
        return text in ("True", "true")
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} in {piece!r} is not a number", param_hint="--at") from None
    if math.isinf(number) and "inf" not in text.lower():
        raise click.BadParameter(f"{text!r} in {piece!r} is too large for a float64", param_hint="--at")
    return number


def _example(parameters: Mapping[str, inspect.Parameter]) -> str:
    numbers = [f"{name}={2 if one.annotation in (int, 'int') else 1.5}" for name, one in list(parameters.items())[:6]]
    return "--at " + ",".join(numbers) + (",..." if len(parameters) > 6 else "")


# ---------------------------------------------------------------------------------------------- the program


def _compiled(program: str, options: Mapping[str, Any]) -> Staged[..., Any]:
    """The `Staged` of a formula, or of a function in a file."""
    import stagegrad  # lazily: the compiler is not needed for --help

    place = _FILE.fullmatch(program)
    if place is not None:
        function = _function(Path(place["file"]), place["function"])
        if isinstance(function, stagegrad.Staged):
            own = function.options
            options = {"wrt": own.wrt, "stages": own.stages, "cache": own.cache, **options}
        staged: Staged[..., Any] = stagegrad.compile(function, **options)
        return staged
    file = program.rstrip(":")
    if file.endswith(".py") and Path(file).is_file():
        raise click.UsageError(f"which function of the file? For example {file}:{_first_function(Path(file))}")
    if "types" in options:
        raise click.BadParameter("the parameters of a formula are floats", param_hint="--types")
    return stagegrad.formula(_decoded(program), **options)


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
    module = _imported(path)
    found = getattr(module, name, None)
    if found is None:
        own = [word for word, value in vars(module).items() if callable(value) and getattr(value, "__module__", None) == module.__name__]
        near = get_close_matches(name, own, 3) or own[:8]
        raise click.UsageError(f"{path} has no function {name}; it has {', '.join(near) or 'none'}")
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
        raise _Failed(f"{path} failed while it was imported:\n{_from_file(error, path.resolve())}") from None
    return module


def _from_file(error: BaseException, path: Path) -> str:
    """The traceback without the frames that led to the user's file."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename != str(path):
        step = step.tb_next
    return "".join(traceback.format_exception(type(error), error, step)).rstrip()


# ---------------------------------------------------------------------------------------------- what went wrong


class _Failed(Exception):
    """The user's program failed; the message is all that there is to say."""


@contextlib.contextmanager
def _reported(program: str) -> Iterator[None]:
    """Turns what was refused into a message on stderr and an exit code."""
    try:
        yield
    except NameChoiceError as error:
        raise click.UsageError(str(error)) from None
    except NeedsTypes as error:
        reason = error.problems[0].message.partition(";")[0]
        raise click.UsageError(f"{reason}.\nSay what the parameters are: --types x=float64[:],n=int64, or --at with a point.") from None
    except (StagegradError, _Failed) as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # a pipe that was closed at the other end, which click knows
        raise click.ClickException(f"cannot write the answer: {error.strerror or error}") from None


def _failure(error: Exception, program: str, point: Mapping[str, Any]) -> str:
    """An exception that the program raised at a point, with the place in the user's text; a bug of ours goes on as it is."""
    frames = traceback.extract_tb(error.__traceback__)
    if Path(frames[-1].filename).is_relative_to(Path(__file__).parent):
        raise error
    # NumPy's own lines, where it raised, say nothing to the user.
    last = next((frame for frame in reversed(frames) if not _is_installed(frame.filename)), frames[-1])
    line = last.lineno or 1
    # Not `last.line`, which lost its indentation; and the columns of a frame count bytes.
    text = _decoded(program).splitlines()[line - 1] if last.filename == "<formula>" else linecache.getline(last.filename, line).rstrip()
    start, end = (len(text.encode()[: offset or 0].decode(errors="replace")) for offset in (last.colno, last.end_colno))
    shown = Span(last.filename, line, start + 1, text, last.end_lineno or line, max(start, end) + 1)
    where = ", ".join(f"{name} = {written(value)}" for name, value in point.items())
    return str(Problem(f"{type(error).__name__}: {error}", shown)) + f"\n  at {where}"


def _is_installed(file: str) -> bool:
    """Whether a file is one of an installed package, stagegrad's own included, or of Python itself."""
    folders = [Path(__file__).parent, *(Path(path) for key, path in sysconfig.get_paths().items() if key.endswith("lib"))]
    return any(Path(file).is_relative_to(folder) for folder in folders)


def _exit(report: Mapping[str, Any]) -> None:
    """Exit code 1 where a proof was made and failed."""
    if not report.get("proof", {}).get("ok", True):
        raise click.exceptions.Exit(1)


def _print_json(report: Mapping[str, Any]) -> None:
    click.echo(json.dumps(_for_json(report), ensure_ascii=False, indent=2, allow_nan=False))


def _for_json(value: Any) -> Any:
    """The value with arrays as lists, and nan and infinities as strings, which JSON has no numbers for."""
    value = simple(value)
    match value:
        case Mapping():
            return {str(key): _for_json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_for_json(inner) for inner in value]
        case float() if not math.isfinite(value):
            return repr(value)
        case _:
            return value


@contextlib.contextmanager
def _plain_streams() -> Iterator[None]:
    """Warnings without our file names, and output that can hold every character: source files are UTF-8."""
    if sys.stdout is None:  # closed by who started us
        raise click.ClickException("there is no standard output to write to")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(**({"errors": "backslashreplace"} if stream.isatty() else {"encoding": "utf-8"}))
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *place, **more: click.echo(f"warning: {message}", err=True)
        yield
