"""Where a call enters compiled code: takes a signature and the specs of its parameters, returns a fast function of arguments.

What a user passes (ints, NumPy scalars, arrays of any layout, containers, keywords, defaults) becomes the plain numbers and arrays that
the compiled function expects, or an `ArgumentError` that names the argument; what comes back takes the structure of the user's
result, or of the arguments whose gradient it is. Nothing that belongs to the caller is changed, but by `Boundary.write_back`.
"""

from __future__ import annotations

import inspect
import numbers
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from stagegrad.errors import ArgumentError, StagegradError
from stagegrad.frontend.specs import Leaf, Reader, Spec, class_of, fill, flatten, is_number, leaves, paths
from stagegrad.ir import BOOL, FLOAT, Type

#: The largest int of compiled code.
LARGEST = 2**63 - 1
#: Matrices of fewer bytes are copied in less time than compiling for them is worth.
LARGE = 2**18
#: The classes of plain numbers, by kind.
PLAIN = {"float": float, "int": int, "bool": bool}
#: Classes of plain numbers, those of NumPy with 64 bits as they are met: what needs no looking at one by one.
NUMBERS: set[type] = {float, int, bool}


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all arguments are numbers of classes that are known as such; a 0-d array is not."""
    return NUMBERS.issuperset(map(type, values))


def _remember(number: Any) -> None:
    if type(number).__module__ == "numpy" and type(number).__name__ in ("float64", "int64", "int32", "bool", "bool_"):
        NUMBERS.add(type(number))


@dataclass(frozen=True)
class Parameters:
    """A function's parameters as a call binds them; `pinned` are the numbers whose type the user has stated apart from the text."""

    name: str
    signature: inspect.Signature
    pinned: Mapping[str, Spec]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(self.signature.parameters)

    @cached_property
    def known(self) -> frozenset[str]:
        """The names."""
        return frozenset(self.names)

    @cached_property
    def positional(self) -> bool:
        """Whether every argument may be given by its position alone."""
        return not any(parameter.kind is parameter.KEYWORD_ONLY for parameter in self.signature.parameters.values())

    @cached_property
    def annotated(self) -> frozenset[str]:
        """The parameters whose annotation says that they are numbers."""
        return frozenset(name for name, one in self.signature.parameters.items() if _is_annotated(one.annotation))

    @cached_property
    def in_order(self) -> Callable[..., tuple[Any, ...]]:
        """What puts the arguments of a call in the order of the parameters, as `bound` does but sooner; a TypeError where it cannot."""
        scope: dict[str, Any] = {}
        words: list[str] = []
        before: Any = None
        for k, (name, one) in enumerate(self.signature.parameters.items()):
            if before is one.POSITIONAL_ONLY is not one.kind:
                words.append("/")
            if before is not one.KEYWORD_ONLY is one.kind:
                words.append("*")
            if one.default is not one.empty:
                scope[f"default{k}"] = one.default
            words.append(name if one.default is one.empty else f"{name}=default{k}")
            before = one.kind
        words += ["/"] if before is inspect.Parameter.POSITIONAL_ONLY else []
        exec(f"def in_order({', '.join(words)}):\n    return ({''.join(f'{name}, ' for name in self.names)})", scope)
        found: Callable[..., tuple[Any, ...]] = scope["in_order"]
        return found

    def bound(self, args: Sequence[Any], named: Mapping[str, Any]) -> Sequence[Any]:
        """The arguments of a call in the order of the parameters, defaults filled in."""
        if not named and len(args) == len(self.names) and self.positional:
            return args  # the usual case, and `bind` takes microseconds
        try:
            bound = self.signature.bind(*args, **named)
        except TypeError as error:
            raise ArgumentError(f"{self.name}() takes {self.signature}: {error}") from None
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def specs(self, values: Sequence[Any]) -> dict[str, Spec]:
        """What the arguments are, as far as the text of the function cannot say it: arrays, containers, known values.

        Numbers of 64 bits are not among them, but where they are pinned: what a function does with an int says whether it takes it as one.
        """
        found: dict[str, Spec] = {}
        if not self.pinned and are_numbers(values):
            return found
        reader = Reader(self.name)
        for name, value in zip(self.names, values, strict=True):
            spec = None if name in self.annotated else reader.spec(value, name)
            if spec is not None and not is_number(spec):
                found[name] = spec
                continue
            _remember(value)
            if name in self.pinned:
                found[name] = self.pinned[name]
        if any(leaf.type.bits == 32 for spec in found.values() for leaf in leaves(spec)):
            self._refuse_wide_scalars(reader, values)
        return found

    def numbers(self) -> dict[str, Spec]:
        """The specs of arguments that are numbers alone, for a function that has to be told even that."""
        parameters = self.signature.parameters.items()
        return {name: Leaf(BOOL if isinstance(one.default, bool) else FLOAT) for name, one in parameters}

    def _refuse_wide_scalars(self, reader: Reader, values: Sequence[Any]) -> None:
        """Beside float32, NumPy takes a Python float as one of 32 bits and a float64 of its own as one of 64: the latter is refused."""
        for name, value in zip(self.names, values, strict=True):
            spec = reader.spec(value, name)
            for path, leaf, inner in zip(paths(spec, name), leaves(spec), flatten(spec, value), strict=True):
                if is_number(leaf) and leaf.type.kind != "bool" and hasattr(inner, "dtype"):
                    reason = f"argument `{path}` of {self.name}() is {_shown(inner)} beside float32, which makes float64 of the result"
                    raise ArgumentError(reason, advice=f"{leaf.type.kind}({path})")


def _is_annotated(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.strip() in ("float", "int", "bool", "np.float64", "numpy.float64", "np.int64", "numpy.int64")
    return any(annotation is kind for kind in PLAIN.values())


def _shown(value: Any) -> str:
    return f"a 0-d array of {value.dtype}" if type(value).__name__ == "ndarray" else f"a {class_of(value)}"


@dataclass(frozen=True)
class Boundary:
    """What a compiled function accepts: its parameters, what each of them is, and whether it was compiled by Numba.

    Numba's ints have 64 bits, and its arrays are contiguous. `apart` are the leaves that may not share memory with others, `altered`
    those that may not be arrays without axes, `written` those whose final values come back. Of the matrices that may as well lie column
    after column, the `columns`, those that are `turned` do.
    """

    parameters: Parameters
    specs: tuple[Spec, ...]
    numba: bool
    apart: tuple[int, ...] = ()
    altered: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    columns: frozenset[int] = frozenset()
    turned: frozenset[int] = frozenset()

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """The leaves of all parameters: what the compiled function takes."""
        return tuple(leaf for spec in self.specs for leaf in leaves(spec))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """What the leaves are called: ``x``, ``p['w']``."""
        return tuple(path for name, spec in zip(self.parameters.names, self.specs, strict=True) for path in paths(spec, name))

    @cached_property
    def _scalar(self) -> bool:
        return all(map(is_number, self.specs))

    def given(self, values: Sequence[Any]) -> Sequence[Any]:
        """The leaves of a call's arguments, as the user gave them."""
        if self._scalar:
            return values
        return tuple(leaf for spec, value in zip(self.specs, values, strict=True) for leaf in flatten(spec, value))

    def plain(self, given: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves as the compiled function takes them: each of its parameter's kind, arrays in their native layout."""
        if self.apart:
            self._refuse_overlaps(given)
        if not self.turned:
            return tuple(map(self.leaf, self.paths, self.leaves, given))
        known = enumerate(zip(self.paths, self.leaves, given, strict=True))
        return tuple([self.leaf(*one, "F" if k in self.turned else "C") for k, one in known])

    # ------------------------------------------------------------------------------------------ numbers

    def leaf(self, path: str, leaf: Leaf, value: Any, order: Literal["C", "F"] = "C") -> Any:
        """One leaf, called `path`, as the compiled function takes it."""
        type_ = leaf.type
        if type_.rank:
            return self._array(path, type_, value, order)
        if type_.bits == 64:
            return self.number(path, type_.kind, value)
        if isinstance(value, (numbers.Real, sys.modules["numpy"].ndarray)) and getattr(value, "ndim", 0) == 0:
            self._refuse_altered(path, value)
            return sys.modules["numpy"].float32(value)
        raise self._refused(path, "float", value)

    def number(self, path: str, kind: str, value: Any) -> float | int | bool:
        """A number of 64 bits, called `path`, as Python's of this kind."""
        if kind == "float" and isinstance(value, float):
            return float(value)
        if isinstance(value, (int, numbers.Integral)) or _is_numpy_bool(value):
            return self._from_int(path, kind, value)
        if _is_array(value) and value.ndim == 0:
            self._refuse_altered(path, value)
            return self.number(path, kind, value[()])
        raise self._refused(path, kind, value)

    def _refuse_altered(self, path: str, value: Any) -> None:
        """An array without axes counts as a number, which is wrong where the function changes it in place, for all its names."""
        if self.altered and _is_array(value) and self.paths.index(path) in self.altered:
            reason = f"argument `{path}` of {self.parameters.name}() is an array without axes, which the function changes in place"
            raise ArgumentError(reason, advice=f"float({path})")

    def _from_int(self, path: str, kind: str, value: Any) -> float | int | bool:
        """An int or a bool, of Python or of NumPy, as what the parameter is."""
        if kind == "bool":
            if isinstance(value, bool) or _is_numpy_bool(value):
                return bool(value)
            raise self._refused(path, kind, value)
        number = int(value)
        if kind == "int":
            if self.numba and not -LARGEST - 1 <= number <= LARGEST:
                reason = f"argument `{path}` of {self.parameters.name}() does not fit in the 64 bits of an int of the numba target"
                raise ArgumentError(reason, advice='target="python"')
            return number
        if not -(2**53) <= number <= 2**53 and not _exact(number):
            reason = f"argument `{path}` of {self.parameters.name}() is an int that no float equals"
            raise ArgumentError(reason, advice=f"float({path}), if rounding is meant")
        return float(number)

    def _refused(self, path: str, kind: str, value: Any) -> ArgumentError:
        reason = f"argument `{path}` of {self.parameters.name}() {_wrong(kind, value)}"
        return ArgumentError(reason, advice=_advice(path, kind, value, annotated=path in self.parameters.annotated))

    # ------------------------------------------------------------------------------------------ arrays

    def _array(self, path: str, type_: Type, value: Any, order: Literal["C", "F"]) -> Any:
        """The array itself where the compiled code takes it as it is, else a copy of the right kind and layout."""
        numpy, wanted = sys.modules["numpy"], dtype_of(type_)
        if not isinstance(value, numpy.ndarray) or value.ndim != type_.rank:
            reason = f"argument `{path}` of {self.parameters.name}() is {_shown_array(value, numpy)}"
            raise ArgumentError(f"{reason}; it needs an array of {type_.rank} dimensions")
        lies = value.flags.carray if order == "C" else value.flags.f_contiguous and value.flags.behaved
        if (value.dtype is wanted or (value.dtype == wanted and value.dtype.isnative)) and (lies or not self.numba):
            return value if type(value) is numpy.ndarray else numpy.asarray(value)
        return numpy.array(value, dtype=wanted, order=order) if order == "F" else in_rows(value, wanted)

    def _refuse_overlaps(self, given: Sequence[Any]) -> None:
        """A function that writes to an argument must not see that writing through another one."""
        numpy = sys.modules["numpy"]
        for written in self.apart:
            for other, value in enumerate(given):
                if other != written and isinstance(value, numpy.ndarray) and numpy.may_share_memory(given[written], value):
                    first, second = sorted((written, other))
                    reason = (
                        f"arguments `{self.paths[first]}` and `{self.paths[second]}` of {self.parameters.name}() share memory, "
                        f"and the function writes to `{self.paths[written]}`"
                    )
                    raise ArgumentError(reason, advice=f"{self.paths[second]}.copy()")
            if overlaps_itself(given[written]):
                reason = f"argument `{self.paths[written]}` of {self.parameters.name}() is written to, but its elements share memory"
                raise ArgumentError(reason, advice=f"{self.paths[written]}.copy()")

    def write_back(self, given: Sequence[Any], final: Sequence[Any]) -> None:
        """Puts the final values of the arrays that the function writes to where the caller sees them."""
        numpy = sys.modules["numpy"]
        for position, value in zip(self.written, final, strict=True):
            numpy.copyto(given[position], value, casting="same_kind")

    def with_final(self, plain: Sequence[Any], final: Sequence[Any]) -> Sequence[Any]:
        """The leaves as the compiled function left them."""
        last = dict(zip(self.written, final, strict=True))
        return tuple(last.get(k, value) for k, value in enumerate(plain))


def in_rows(value: Any, dtype: Any = None) -> Any:
    """A copy of an array that lies row after row, as native numbers.

    Where columns become rows, NumPy goes through the whole matrix again and again; blocks of it stay in the cache meanwhile.
    """
    numpy = sys.modules["numpy"]
    if value.ndim != 2 or value.nbytes < LARGE or not value.flags.f_contiguous:
        return numpy.array(value, dtype=dtype, order="C")
    found = numpy.empty(value.shape, dtype or value.dtype)
    for row in range(0, len(found), 256):
        for column in range(0, found.shape[1], 64):
            part = slice(row, row + 256), slice(column, column + 64)
            found[part] = value[part]
    return found


def turned_among(columns: frozenset[int], given: Sequence[Any]) -> frozenset[int]:
    """The matrices of some columns that lie so, and are large enough that copying them would take longer than much else."""
    return frozenset(k for k in columns if given[k].nbytes >= LARGE and given[k].flags.f_contiguous and not given[k].flags.c_contiguous)


@cache
def dtype_of(type_: Type) -> Any:
    """NumPy's dtype of an array's elements."""
    import numpy  # lazily: a heavy package, and only those who compile for arrays need it

    return numpy.dtype({"float": f"float{type_.bits}", "int": "int64", "bool": "bool"}[type_.kind])


def _shown_array(value: Any, numpy: Any) -> str:
    return f"an array of {value.ndim}" if isinstance(value, numpy.ndarray) else f"a {class_of(value)}"


def shares_memory(first: Any, second: Any) -> bool:
    """Whether two arrays have an element in common; what would take long to find out counts as yes."""
    numpy = sys.modules["numpy"]
    if not numpy.may_share_memory(first, second):
        return False
    try:
        return bool(numpy.shares_memory(first, second, max_work=10_000))
    except numpy.exceptions.TooHardError:
        return True


def overlaps_itself(array: Any) -> bool:
    """Whether an array surely holds an element twice: it spans less memory than its elements have."""
    span = array.itemsize + sum((extent - 1) * abs(stride) for extent, stride in zip(array.shape, array.strides, strict=True))
    return bool(array.size and span < array.size * array.itemsize)


def _exact(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _is_array(value: Any) -> bool:
    # By name, as below.
    return type(value).__name__ == "ndarray" and type(value).__module__ == "numpy"


def _is_numpy_bool(value: Any) -> bool:
    # By name, so that NumPy is not imported for a call that has nothing to do with it.
    return type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")


def _wrong(kind: str, value: Any) -> str:
    """Says what a value is that cannot be accepted."""
    word = class_of(value)
    wanted = {"float": "a float", "int": "an int", "bool": "a bool"}[kind]
    if value is None:
        return f"is None; it needs {wanted}"
    if isinstance(value, complex) or word in ("numpy.complex64", "numpy.clongdouble"):
        return f"is complex ({word}); stagegrad differentiates real functions only"
    if word == "numpy.ndarray":
        return f"is an array ({value.dtype}, shape {value.shape}); it needs {wanted}"
    if word in ("numpy.float32", "numpy.float16", "numpy.longdouble"):
        return f"is {word}; it needs {wanted} of 64 bits"
    if kind == "int" and isinstance(value, float):
        return f"is a float ({float(value)!r}), but the function uses it as an int"
    return f"is {'an' if word[0] in 'aeiou' else 'a'} {word}; it needs {wanted}"


def _advice(path: str, kind: str, value: Any, *, annotated: bool) -> str:
    if value is None:
        return ""
    if type(value).__name__ == "ndarray":
        one_by_one = f"one number at a time: [f({path}) for {path} in ...]"
        return f"def f(..., {path}: np.ndarray, ...)" if annotated and value.ndim else one_by_one
    if isinstance(value, complex):
        return f"{path}.real"
    if kind == "int" and isinstance(value, float):
        return f"int({path}), or annotate the parameter if it is meant to be one: {path}: float"
    return f"{kind}({path})"


# ---------------------------------------------------------------------------------------------- what comes back


@dataclass(frozen=True)
class Answer:
    """What becomes of a raw result, a number, an array or nested tuples of them: the user's result, of the spec's structure."""

    title: str
    spec: Spec

    @cached_property
    def _leaves(self) -> tuple[Leaf, ...]:
        return tuple(leaves(self.spec))

    def __call__(self, raw: Any, given: Sequence[Any], plain: Sequence[Any]) -> Any:
        """The result; `given` are the leaves that the user gave, `plain` those that the compiled function took."""
        found: list[Any] = []
        taken: list[Any] = []
        for leaf, value in zip(self._leaves, flat(raw), strict=True):
            like, type_ = leaf.like, leaf.type
            if like is None:
                found.append(_returned(value, given, plain) if type_.rank else _result(type_, value))
            elif type_.rank:
                taken = taken or [one for one in plain if hasattr(one, "shape")]
                made = self._fresh(type_, value, given[like], taken)
                taken.append(made)
                found.append(made)
            else:
                found.append(_dressed(type_, value, given[like]))
        return fill(self.spec, iter(found))

    def _fresh(self, type_: Type, value: Any, argument: Any, taken: Sequence[Any]) -> Any:
        """A gradient array that is contiguous, of the argument's shape and kind, and shares memory with nothing that the caller has."""
        if value.shape != argument.shape:
            reason = f"the gradient of {self.title}() has shape {value.shape} for an argument of shape {argument.shape}"
            raise StagegradError(f"{reason}; this is a bug of stagegrad, please report it")
        if value.dtype is argument.dtype and value.flags.carray and not _is_shared(value, taken):
            return value
        dtype = argument.dtype if argument.dtype.kind == "f" else dtype_of(type_)
        return sys.modules["numpy"].array(value, dtype=dtype, order="C")


def _is_shared(value: Any, taken: Sequence[Any]) -> bool:
    """Whether an array is, or is part of, another one; what is part of anything counts as shared, so that no memory is kept in vain."""
    base = value.base
    if base is None:
        return any(value is other for other in taken)
    if hasattr(base, "shape"):
        return True
    # Compiled code's arrays have a base of Numba's, whether it made them or was given them.
    may_share_memory = sys.modules["numpy"].may_share_memory
    return any(may_share_memory(value, other) for other in taken)


def flat(raw: Any) -> Sequence[Any]:
    """The parts of nested tuples."""
    if type(raw) is not tuple:
        return (raw,)
    if tuple not in map(type, raw):
        return raw
    return [leaf for part in raw for leaf in flat(part)]


def _returned(value: Any, given: Sequence[Any], plain: Sequence[Any]) -> Any:
    """An array of the user's result; the caller's own where it is one of those that were handed over in another form."""
    for mine, taken in zip(given, plain, strict=True):
        if mine is not taken and hasattr(taken, "shape") and _is_one(value, taken):
            return mine
    return value


def _is_one(first: Any, second: Any) -> bool:
    one, other = first.__array_interface__, second.__array_interface__
    return bool(one["data"] == other["data"] and first.shape == second.shape and first.strides == second.strides)


def _result(type_: Type, value: Any) -> Any:
    """A number of the user's result as Python has it, but one of 32 bits as NumPy has it."""
    return plain_result(value) if type_.bits == 64 else sys.modules["numpy"].float32(value)


def _dressed(type_: Type, value: Any, argument: Any) -> Any:
    """The gradient of a number: a 0-d array for a 0-d array, a float32 for a float32, else a Python float."""
    if type(argument).__name__ == "ndarray":
        numpy = sys.modules["numpy"]
        return numpy.array(value, dtype=argument.dtype if argument.dtype.kind == "f" else numpy.float64)
    return _result(type_, value)


def plain_result(result: Any) -> Any:
    """A result of Python code as compiled code gives it: every NumPy scalar in it becomes the Python number that it equals."""
    if isinstance(result, tuple):
        return tuple(map(plain_result, result))
    if isinstance(result, float):
        return float(result)
    if type(result).__name__ == "ndarray" and result.ndim == 0:
        return plain_result(result[()])
    if _is_numpy_bool(result):
        return bool(result)
    return int(result) if type(result).__module__ == "numpy" and isinstance(result, numbers.Integral) else result


def machine_code(compiled: Any) -> Callable[..., Any] | None:
    """What Numba has compiled for a function's one list of types; its dispatcher would look for that at each call, which takes as long.

    It must be given arguments of just these types: it looks at none of them.
    """
    found = [*getattr(compiled, "overloads", {}).values()]
    entry: Callable[..., Any] | None = found[0].entry_point if len(found) == 1 else None
    return entry


def run(compiled: Callable[..., Any], args: Sequence[Any], *, second: bool, failed: Callable[..., BaseException]) -> Any:
    """What `enter` makes of plain arguments, for any number of them."""
    try:
        answer = compiled(*args)
    except Exception as error:
        reason = error
    else:
        return answer[1] if second else answer
    raise failed(reason, args)
