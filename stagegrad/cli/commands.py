"""The commands and their options, as click has them, and how answers are printed."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stagegrad.cli.program import place, reported
from stagegrad.cli.request import Request
from stagegrad.export import export
from stagegrad.show import comments, plain_answers, print_answers, print_source, print_trace, simple
from stagegrad.version import __version__

if TYPE_CHECKING:
    from stagegrad.staged import Part

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
    with reported(program):
        request = Request.of(program, points, **options)
        staged = request.staged
        report = request.report(points)
        answers = request.answers(points, prove=prove, into=report)
        report.update(stages=list(staged.stages), source=staged.source(part=part))
        if output:
            _export(report["source"], output, program)
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


def _export(text: str, output: Path, program: str) -> None:
    read = place(program)
    if read is not None and output.exists() and output.samefile(read[0]):
        raise click.BadParameter(f"{output} is the file that the program is in", param_hint="-o")
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
    with reported(program):
        request = Request.of(program, points, **options)
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
    with reported(program):
        request = Request.of(program, points, **options)
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
    with reported(program):
        request = Request.of(program, points, **options)
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

    with reported("cache"):
        damaged = runtime.cache_verify()
    if as_json:
        _print_json({"ok": not damaged, "damaged": damaged})
    else:
        click.echo("\n".join(f"damaged: {name}" for name in damaged) or "all files are as they were written")
    if damaged:
        raise click.exceptions.Exit(1)


# ---------------------------------------------------------------------------------------------- what is printed


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
        try:
            yield
        finally:
            _write_what_is_left()


def _write_what_is_left() -> None:
    """What cannot be written is said now; Python 3.14 would try once more when the process ends, and answer 120."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            raise click.ClickException(f"cannot write the answer: {error.strerror}") from error
