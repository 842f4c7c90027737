"""What was typed -> values: the point after ``--at``, the types after ``--types``; a usage error shows the piece that is wrong."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click

from stagegrad.errors import NameChoiceError


def decoded(argument: str) -> str:
    """The argument as UTF-8, where Python could not decode it because the locale is plain ASCII."""
    return argument if argument.isascii() else os.fsencode(argument).decode(errors="replace")


def read_types(text: str) -> dict[str, str]:
    """``x=float64[:, :],n=int64`` -> the type of each parameter; UsageError that shows what is wrong."""
    from stagegrad.frontend.specs import parse, parse_list  # lazily: the compiler is not needed for --help

    try:
        types = parse_list(decoded(text))
        for name, word in types.items():
            parse(word, name)
    except NameChoiceError as error:
        raise click.BadParameter(str(error), param_hint="--types") from None
    return types


def read_point(points: Sequence[str], types: Mapping[str, str]) -> dict[str, Any]:
    """``x=3,y=[-4, 5]`` -> {"x": 3, "y": array([-4.0, 5.0])}; UsageError that shows the piece which is wrong."""
    found: dict[str, Any] = {}
    for given in map(decoded, points):
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
    number = partial(_read_number, piece=piece)
    try:
        written = text if '"' in text else re.sub(r"\bnan\b", "NaN", re.sub(r"\binf\b", "Infinity", text))
        read = json.loads(written, parse_float=number, parse_int=number)
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


def _read_number(text: str, piece: str) -> float:
    if text in ("True", "true", "False", "false"):
        return text in ("True", "true")
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        hint = f'; as a text it is written "{text}"' if text.isidentifier() else ""
        raise click.BadParameter(f"{text!r} in {piece!r} is not a number{hint}", param_hint="--at") from None
    if math.isinf(number) and "inf" not in text.lower():
        raise click.BadParameter(f"{text!r} in {piece!r} is too large for a float64", param_hint="--at")
    return number


def example(parameters: Mapping[str, inspect.Parameter]) -> str:
    numbers = [f"{name}={2 if one.annotation in (int, 'int') else 1.5}" for name, one in list(parameters.items())[:6]]
    return "--at " + ",".join(numbers) + (",..." if len(parameters) > 6 else "")
