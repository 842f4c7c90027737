"""GradBench's protocol: a message is a line of JSON with an id and a kind, and every message gets one answer with the same id.

    {"id": 0, "kind": "start", "eval": "hello"}                                -> {"id": 0, "tool": "stagegrad", "config": {...}}
    {"id": 1, "kind": "define", "module": "hello"}                             -> {"id": 1, "success": true}
    {"id": 2, "kind": "evaluate", "module": "hello", "function": "square", "input": 3.0}
                                   -> {"id": 2, "success": true, "output": 9.0, "timings": [{"name": "evaluate", "nanoseconds": 250}]}
    {"id": 3, "kind": "analysis", "of": 2, "valid": true}                      -> {"id": 3}

What cannot be answered has ``"success": false`` and an ``"error"``, one line of words; a line without an id is answered with the id null.
"""

from __future__ import annotations

import json
import platform
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from benchmarks.gradbench.fields import BadMessage, Fields
from benchmarks.gradbench.task import Task
from stagegrad import StagegradError, __version__

#: The evals, each a module of `benchmarks.gradbench.evals`.
EVALS = ("ba", "det", "gmm", "hello", "ht", "kmeans", "llsq", "lse", "lstm", "ode", "particle", "saddle")


def answers(lines: Iterable[str]) -> Iterator[str]:
    """The answer to each line that is not empty, as a line of JSON."""
    for line in lines:
        if line.strip():
            yield _answer(line)


def _answer(line: str) -> str:
    number: object = None
    try:
        message = Fields(_parsed(line), "the message")
        number = _identity(message.any("id"))
        return _line({"id": number, **_reply(message)})
    except (BadMessage, StagegradError) as error:
        reason = str(error)
    except Exception as error:  # one function that fails is not the end of the others
        traceback.print_exc(file=sys.stderr)
        reason = f"{type(error).__name__}: {error}"
    return json.dumps({"id": number, "success": False, "error": reason})


def _identity(found: object) -> object:
    """The message's id, which has to be fit for an answer: Python reads NaN and 1e999, which JSON cannot hold."""
    try:
        json.dumps(found, allow_nan=False)
    except ValueError:
        raise BadMessage(f"the message.id is {found}, which JSON has no number for") from None
    return found


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"the message is not JSON: {error}") from None


def _line(reply: Mapping[str, Any]) -> str:
    try:
        return json.dumps(reply, allow_nan=False)
    except ValueError:
        raise BadMessage("the output has numbers that are infinite or nan, which JSON has none of") from None


def _reply(message: Fields) -> dict[str, Any]:
    """What answers a message, beside its id."""
    match message.text("kind"):
        case "start":
            return {"tool": "stagegrad", "config": {"stagegrad": __version__, "python": platform.python_version()}}
        case "define":
            _functions(message.text("module"))
            return {"success": True}
        case "evaluate":
            return _evaluated(message)
        case "analysis" | "end":
            return {}
        case kind:
            raise BadMessage(f"the message's kind is {kind!r}, not 'start', 'define', 'evaluate' or 'analysis'")


def _evaluated(message: Fields) -> dict[str, Any]:
    module, name = message.text("module"), message.text("function")
    functions = _functions(module)
    if name not in functions:
        raise BadMessage(f"the eval {module!r} has no function {name!r}; it has {', '.join(functions)}")
    output, timings = functions[name].run(message.any("input"))
    return {"success": True, "output": output, "timings": timings}


def _functions(module: str) -> Mapping[str, Task]:
    """The functions of an eval by GradBench's names; an eval is imported when it is first asked for."""
    if module not in EVALS:
        raise BadMessage(f"there is no eval {module!r}; there are {', '.join(EVALS)}")
    functions: Mapping[str, Task] = import_module(f"benchmarks.gradbench.evals.{module}").FUNCTIONS
    return functions
