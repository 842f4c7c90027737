"""Where a call enters compiled code: takes a signature and the kinds of its parameters, returns a fast function of arguments.

What a user passes (ints, NumPy scalars, keywords, defaults) becomes the plain float, int or bool that the compiled
function expects, or an `ArgumentError` that names the argument. Arguments that are plain already, the usual case, go
straight through a function that is written for their number and kinds.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stagegrad.errors import ArgumentError

_LARGEST = 2**63 - 1
_PLAIN = {"float": float, "int": int, "bool": bool}
_MISSING: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Boundary:
    """What a function accepts: its name, its signature, the kind of each parameter, and whether its ints have 64 bits."""

    name: str
    signature: inspect.Signature
    kinds: tuple[str, ...]
    narrow: bool

    def plain(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[float | int | bool, ...]:
        """The arguments of a call in the order of the parameters, defaults filled in, each of its parameter's kind."""
        return tuple(map(self._convert, self._names, self.kinds, self._bound(args, named)))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.signature.parameters)

    def _bound(self, args: Sequence[Any], named: Mapping[str, Any]) -> Sequence[Any]:
        if not named and len(args) == len(self._names) and self.positional:
            return args  # the usual case, and `bind` takes microseconds
        try:
            bound = self.signature.bind(*args, **named)
        except TypeError as error:
            raise ArgumentError(f"{self.name}() takes {self.signature}: {error}") from None
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    @cached_property
    def positional(self) -> bool:
        """Whether every argument may be given by its position alone."""
        return not any(parameter.kind is parameter.KEYWORD_ONLY for parameter in self.signature.parameters.values())

    def _convert(self, name: str, kind: str, value: Any) -> float | int | bool:
        if kind == "float" and isinstance(value, float):
            return float(value)
        if isinstance(value, (int, numbers.Integral)) or _is_numpy_bool(value):
            return self._from_int(name, kind, value)
        raise ArgumentError(f"argument `{name}` of {self.name}() {_wrong(kind, value)}", advice=_advice(name, kind, value))

    def _from_int(self, name: str, kind: str, value: Any) -> float | int | bool:
        """An int or a bool, of Python or of NumPy, as what the parameter is."""
        if kind == "bool":
            if isinstance(value, bool) or _is_numpy_bool(value):
                return bool(value)
            raise ArgumentError(f"argument `{name}` of {self.name}() {_wrong(kind, value)}", advice=f"bool({name})")
        number = int(value)
        if kind == "int":
            if self.narrow and not -_LARGEST - 1 <= number <= _LARGEST:
                reason = f"argument `{name}` of {self.name}() does not fit in the 64 bits of an int of the numba target"
                raise ArgumentError(reason, advice='target="python"')
            return number
        if not -(2**53) <= number <= 2**53 and not _exact(number):
            reason = f"argument `{name}` of {self.name}() is an int that no float equals"
            raise ArgumentError(reason, advice=f"float({name}), if rounding is meant")
        return float(number)


def _exact(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _is_numpy_bool(value: Any) -> bool:
    # By name, so that NumPy is not imported for a call that has nothing to do with it.
    return type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")


def _wrong(kind: str, value: Any) -> str:
    """Says what a value is that cannot be accepted."""
    word = (
        type(value).__name__ if type(value).__module__ in ("builtins", "__main__") else f"{type(value).__module__}.{type(value).__name__}"
    )
    wanted = {"float": "a float", "int": "an int", "bool": "a bool"}[kind]
    if value is None:
        return f"is None; it needs {wanted}"
    if isinstance(value, complex) or word in ("numpy.complex64", "numpy.clongdouble"):
        return f"is complex ({word}); stagegrad differentiates real functions only"
    if word == "numpy.ndarray":
        return f"is an array ({value.dtype}, shape {value.shape}); arrays are not supported yet, it needs {wanted}"
    if word in ("numpy.float32", "numpy.float16", "numpy.longdouble"):
        return f"is {word}; stagegrad computes in 64 bits"
    if kind == "int" and isinstance(value, float):
        return f"is a float ({float(value)!r}), but the function uses it as an int"
    return f"is {'an' if word[0] in 'aeiou' else 'a'} {word}; it needs {wanted}"


def _advice(name: str, kind: str, value: Any) -> str:
    if value is None:
        return ""
    if type(value).__name__ == "ndarray":
        return f"one number at a time: [f({name}) for {name} in ...]"
    if isinstance(value, complex):
        return f"{name}.real"
    if kind == "int" and isinstance(value, float):
        return f"int({name}), or annotate the parameter if it is meant to be one: {name}: float"
    return f"{kind}({name})"


# ---------------------------------------------------------------------------------------------- the fast way


def enter(
    boundary: Boundary,
    compiled: Callable[..., Any],
    *,
    second: bool,
    watched: Sequence[tuple[Callable[[], object], object]],
    slow: Callable[[tuple[Any, ...], dict[str, Any]], Any],
    failed: Callable[[Exception, tuple[Any, ...]], BaseException],
) -> Callable[..., Any]:
    """A function of a user's arguments that calls `compiled`, written for their number and kinds.

    `second` asks for the second part of the result alone. A call goes to `slow(args, named)` where an argument is not plain, or
    where what one of the `watched` functions reads is not the object beside it any more; an exception of the compiled code
    becomes what `failed(error, args)` returns.
    """
    words = [f"a{k}" for k in range(len(boundary.kinds))]
    tests = [_test(word, kind, boundary.narrow) for word, kind in zip(words, boundary.kinds, strict=True)]
    if not boundary.positional:
        tests.append("False")
    same = " and ".join(f"read{k}() is value{k}" for k in range(len(watched)))
    given = "".join(f"{word}, " for word in words)
    parameters = ", ".join([*(f"{word}=missing" for word in words), *("/" for _ in words[:1]), "*rest", "**named"])
    text = f"""
def call({parameters}):
    try:
        same = {same or True}
    except Exception:
        same = False  # what was read is not there any more
    if {" and ".join(["same and not rest and not named", *tests])}:
        try:
            return compiled({given.rstrip(", ")}){"[1]" if second else ""}
        except Exception as error:
            reason = error
        raise failed(reason, ({given}))
    return slow((*(a for a in ({given}) if a is not missing), *rest), named)
"""
    scope = {"missing": _MISSING, "compiled": compiled, "slow": slow, "failed": failed}
    for k, (read, value) in enumerate(watched):
        scope |= {f"read{k}": read, f"value{k}": value}
    exec(compile(text, "<stagegrad call>", "exec"), scope)
    call: Callable[..., Any] = scope["call"]
    return call


def run(compiled: Callable[..., Any], args: tuple[Any, ...], *, second: bool, failed: Callable[..., BaseException]) -> Any:
    """What `enter` makes of plain arguments, for any number of them."""
    try:
        answer = compiled(*args)
    except Exception as error:
        reason = error
    else:
        return answer[1] if second else answer
    raise failed(reason, args)


def _test(word: str, kind: str, narrow: bool) -> str:
    if kind == "int" and narrow:
        return f"type({word}) is int and {-_LARGEST - 1} <= {word} <= {_LARGEST}"
    return f"type({word}) is {_PLAIN[kind].__name__}"


def plain_result(result: Any) -> Any:
    """A result of Python code as compiled code gives it: every NumPy scalar in it becomes the Python number that it equals."""
    if isinstance(result, tuple):
        return tuple(map(plain_result, result))
    if isinstance(result, float):
        return float(result)
    return bool(result) if _is_numpy_bool(result) else result
