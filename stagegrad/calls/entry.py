"""The fast way of a call: functions that are written for the number and the kinds of arguments, as text, and take those that are plain.

What is not plain goes the way of `boundary`. A number of floats is called like this in little more time than Numba's own dispatcher takes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stagegrad.calls.boundary import LARGE, LARGEST, NUMBERS, PLAIN, Answer, Boundary, dtype_of, in_rows
from stagegrad.frontend.program import INSIDE, Capture
from stagegrad.frontend.specs import Known, Leaf, Spec, Specs, Tree, fill, is_number, leaves
from stagegrad.ir import FLOAT, Shape, Type

#: What an argument is that was not given, and what `Entry.loosely` returns for arguments that it does not take.
MISSING: Any = inspect.Parameter.empty
_NARROW = Type("float", 0, 32)
#: The largest int such that it and all smaller ones are floats.
_EXACT = 2**53
#: The numbers that NumPy takes beside float32 as being of 32 bits.
_PYTHONS = frozenset(PLAIN.values())
#: Arguments with more leaves than these always take the long way.
_MOST_LEAVES = 64


@dataclass(frozen=True)
class Case:
    """What a function was compiled to for one list of types.

    `native` says that `compiled` is machine code, which takes any number for a float, and arrays that cannot be written to. Its results
    have the structure `shape`; they, or the second of them if `second`, become the `answer`, where it is not None: numbers are the answer
    as they are. Arrays among them are new ones if they are `fresh`. It is out of date where a name that is `watched` holds something else,
    as `changed` says. What it raises becomes what ``failed(error, args)`` returns.
    """

    specs: Specs
    boundary: Boundary
    compiled: Callable[..., Any]
    native: bool
    second: bool
    shape: Shape
    answer: Answer | None
    fresh: bool
    watched: Sequence[Capture]
    changed: Callable[[], object]
    failed: Callable[[Exception, tuple[Any, ...]], BaseException]


@dataclass
class Shown:
    """The types of the latest call, for which a function shows its code."""

    specs: Specs


@dataclass(frozen=True)
class Entry:
    """What calls go to: `strictly` takes a user's arguments, and calls what is compiled where they are plain.

    `loosely` is for arguments in the order of the parameters that need converting first, and gives `MISSING` for all others.
    """

    strictly: Callable[..., Any]
    loosely: Callable[..., Any]


def enter(cases: Sequence[Case], shown: Shown, missed: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]) -> Entry:
    """The functions that call what a function was compiled to, be the types those of any of the `cases`.

    What is plain in none of them goes to ``missed(call, args, named)``, `call` being the function itself.
    """
    parameters = cases[0].boundary.parameters
    scope = _Scope(missing=MISSING, missed=missed, shown=shown)
    words = [f"a{k}" for k in range(len(parameters.names))]
    given = ", ".join([*(f"{word}=missing" for word in words), *("/" for _ in words[:1]), "*rest", "**named"])
    strictly = [line for case in cases for line in _lines(case, words, scope, loose=False)] if parameters.positional else []
    loosely = [line for case in cases for line in _lines(case, words, scope, loose=True)]
    text = "\n".join([
        f"def call({given}):",
        *(["    if not (rest or named):", *_indented(strictly, 2)] if strictly else []),
        f"    return missed(call, (*(a for a in {_tuple(words)} if a is not missing), *rest), named)",
        f"def loosely({', '.join(words)}):",
        *_indented(loosely, 1),
        "    return missing",
    ])  # fmt: skip
    return Entry(scope.run(text, "call"), scope.names["loosely"])


class _Scope:
    """What the text of an entry names, in a plain dict: Python looks names up in others more slowly."""

    def __init__(self, **names: Any) -> None:
        self.names = names

    def hold(self, word: str, value: Any) -> str:
        """A name for a value: the word itself, with a number if that is another one's already."""
        name, k = word, 0
        while name in self.names and self.names[name] is not value:
            k += 1
            name = f"{word}{k}"
        self.names[name] = value
        return name

    def run(self, text: str, name: str) -> Any:
        """Runs the text, and returns what it calls by this name."""
        exec(compile(text, "<stagegrad call>", "exec"), self.names)
        return self.names[name]


def _lines(case: Case, words: Sequence[str], scope: _Scope, *, loose: bool) -> list[str]:
    """The lines that call what is compiled, where arguments are those of a case: if they are plain, or made so if `loose`."""
    tests = _Tests(case, scope, loose)
    conditions = [condition for pair in zip(words, case.boundary.specs, strict=True) for condition in tests.of(*pair)]
    conditions += _apart(case, tests.taken, scope)
    if "False" in conditions:
        return []
    inner = _calling(case, tests, scope)
    if case.watched and loose:
        inner = [f"if not {scope.hold('changed', case.changed)}():", *_indented(inner, 1)]
    elif case.watched:
        inner = [*_watching(case.watched, scope), "if same:", *_indented(inner, 1)]
    return [f"if {' and '.join(conditions) or True}:", *_indented([*tests.conversions, *inner], 1)]


def _calling(case: Case, tests: _Tests, scope: _Scope) -> list[str]:
    """The lines that call what is compiled with the plain leaves of its arguments, and return the answer."""
    result = f"{scope.hold('compiled', case.compiled)}({', '.join(tests.taken)}){'[1]' if case.second else ''}"
    return [
        f"shown.specs = {scope.hold('specs', case.specs)}",
        "try:",
        f"    {'return' if case.answer is None else 'raw ='} {result}",
        "except Exception as error:",
        "    reason = error",
        *([] if case.answer is None else ["else:", *_indented(_answering(case, case.answer, tests.taken, scope), 1)]),
        _failing(case, tests.taken, scope),
    ]


def _failing(case: Case, taken: Sequence[str], scope: _Scope) -> str:
    """The line that raises what becomes of the exception called `reason`; Python computes with floats where machine code did."""
    plain = (f"float({word})" if leaf.type == FLOAT else word for word, leaf in zip(taken, case.boundary.leaves, strict=True))
    return f"raise {scope.hold('failed', case.failed)}(reason, {_tuple([*plain])})"


class _Tests:
    """The conditions under which arguments are those of a case, the words for their leaves, and the lines that make these plain."""

    def __init__(self, case: Case, scope: _Scope, loose: bool) -> None:
        self.case, self.scope, self.loose = case, scope, loose
        self.taken: list[str] = []
        self.conversions: list[str] = []
        self.narrow = any(leaf.type.bits == 32 for leaf in case.boundary.leaves)

    def of(self, word: str, spec: Spec, *, inside: str = "") -> list[str]:
        """The conditions for one argument, or for a part of one, which `inside` gives a value to the word."""
        named = f"({word} := {inside})" if inside else word
        match spec:
            case Known(value):
                return [self._known(named, value)]
            case Leaf():
                self.taken.append(word)
                if len(self.taken) > _MOST_LEAVES:
                    return ["False"]
                return self._array(named, word, spec) if spec.type.rank else [self._number(named, word, spec.type, bool(inside))]
            case Tree():
                return self._container(named, word, spec)

    def _known(self, named: str, value: object) -> str:
        if not self.loose:
            return f"{named} is {self.scope.hold('known', value)}"
        return f"{self.scope.hold('is_known', Known(value).__eq__)}({self.scope.hold('Known', Known)}({named}))"

    def _container(self, named: str, word: str, tree: Tree) -> list[str]:
        cls = self.scope.hold("cls", tree.cls or {"tuple": tuple, "list": list, "dict": dict}[tree.kind])
        found = [f"type({named}) is {cls}"]
        if tree.kind == "dict":
            found.append(f"tuple({word}) == {self.scope.hold('keys', tree.keys)}")
        elif tree.kind != "record":
            found.append(f"len({word}) == {len(tree.parts)}")
        for k, part in enumerate(tree.parts):
            key = f"[{k}]" if tree.kind in ("tuple", "list") else f"[{tree.keys[k]!r}]" if tree.kind == "dict" else f".{tree.keys[k]}"
            found += self.of(f"{word}_{k}", part, inside=word + key)
        return found

    def _number(self, named: str, word: str, type_: Type, inside: bool) -> str:
        """The condition for a number. To machine code an int is a float, but in a container it is an int."""
        if type_ == _NARROW:
            return f"type({named}) is {self._float32()}"
        if self.loose and not inside:
            path = self.case.boundary.paths[len(self.taken) - 1]
            number = self.scope.hold("number", partial(self.case.boundary.number, path, type_.kind))
            self.conversions.append(f"{word} = {f'{word} if type({word}) is float else ' if type_.kind == 'float' else ''}{number}({word})")
            return f"type({named}) in {self.scope.hold('numbers', _PYTHONS if self.narrow else NUMBERS)}"
        if type_.kind == "int" and self.case.boundary.numba:
            return f"type({named}) is int and {-LARGEST - 1} <= {word} <= {LARGEST}"
        if type_.kind == "float" and self.case.native:
            wide = "" if self.narrow else f" or type({word}) is {self.scope.hold('float64', sys.modules['numpy'].float64)}"
            return f"(type({named}) is float{wide}{'' if inside else f' or type({word}) is int and {-_EXACT} <= {word} <= {_EXACT}'})"
        return f"type({named}) is {PLAIN[type_.kind].__name__}"

    def _float32(self) -> str:
        return self.scope.hold("float32", sys.modules["numpy"].float32)

    def _array(self, named: str, word: str, leaf: Leaf) -> list[str]:
        """The conditions for an array; one that only lies in another way is copied where nobody can tell."""
        case, numpy, position = self.case, sys.modules["numpy"], len(self.taken) - 1
        dtype = self.scope.hold(f"{leaf.type.kind}{leaf.type.bits}", dtype_of(leaf.type))
        found = [f"type({named}) is {self.scope.hold('ndarray', numpy.ndarray)}", f"{word}.dtype {'==' if self.loose else 'is'} {dtype}"]
        found += [f"{word}.ndim == {leaf.type.rank}"]
        found += [f"{word}.shape[{k}] {'!= 1' if mark == 'n' else f'== {mark}'}" for k, mark in enumerate(leaf.axes)]
        if not case.boundary.numba:
            return found
        apart, turned = position in case.boundary.apart, position in case.boundary.turned
        fixed = apart or not case.native
        if turned:  # NumPy's `farray` is true of arrays with gaps, too
            lies = f"((flags := {word}.flags).f_contiguous and flags.{'behaved' if fixed else 'aligned'})"
        else:
            lies = f"((flags := {word}.flags).carray{'' if fixed else ' or flags.c_contiguous and flags.aligned'})"
        if not self.loose or apart or turned or not _makes_its_arrays(case):
            return [*found, lies]
        copied = self.scope.hold("in_rows", in_rows)
        self.conversions.append(f"{word} = {word} if {lies} else {copied}({word})")
        is_other = f"{word}.flags.f_contiguous and not {word}.flags.c_contiguous and {word}.nbytes >= {LARGE}"  # of another case
        return [*found, f"not ({is_other})"] if position in case.boundary.columns else found


def _makes_its_arrays(case: Case) -> bool:
    """Whether no array in a case's results is, or is part of, one of its arguments."""
    return case.fresh or (case.answer is not None and not any(leaf.type.rank for leaf in leaves(case.answer.spec)))


def _apart(case: Case, taken: Sequence[str], scope: _Scope) -> list[str]:
    """The conditions under which no argument that the function writes to shares memory; each lies in one piece, by its own condition."""
    boundary = case.boundary
    if not boundary.apart:
        return []
    if not boundary.numba or boundary.written:
        return ["False"]
    shared = scope.hold("shared", sys.modules["numpy"].may_share_memory)
    arrays = [word for word, leaf in zip(taken, boundary.leaves, strict=True) if leaf.type.rank]
    pairs = {tuple(sorted((taken[k], other))) for k in boundary.apart for other in arrays if taken[k] != other}
    return [f"not {shared}({one}, {other})" for one, other in sorted(pairs)]


def _watching(watched: Sequence[Capture], scope: _Scope) -> list[str]:
    """The lines that find out whether what was read is still there; a global is looked up in its dict, which is the fastest way."""
    tests = []
    for capture in watched:
        is_global = type(capture.owner) is dict and capture.owner.get(capture.name) is capture.value
        place = scope.hold("place", capture.owner if is_global else capture.read)
        value = scope.hold("value", capture.value)
        tests.append(f"{place}{f'[{capture.name!r}]' if is_global else '()'} is {value}")
        pairs = zip(INSIDE, capture.inside, strict=False)  # none of what is no function
        tests += [f"{value}.{name} is {scope.hold('inside', part)}" for name, part in pairs]
    return ["try:", f"    same = {' and '.join(tests)}", "except Exception:", "    same = False"]


# ---------------------------------------------------------------------------------------------- what comes back


def _answering(case: Case, answer: Answer, taken: Sequence[str], scope: _Scope) -> list[str]:
    """The lines that make the answer of a raw result: from its parts, where every array in it is just what the user gets."""
    whole = f"return {scope.hold('answer', answer)}(raw, {_tuple(taken)}, {_tuple(taken)})"
    found = [*leaves(answer.spec)]
    given = case.boundary.leaves
    if not case.native or not _makes_its_arrays(case) or not all(_is_as_given(leaf, given) for leaf in found):
        return [whole]
    words = [f"r{k}" for k in range(len(found))]
    shape = case.shape[1] if case.second and isinstance(case.shape, tuple) else case.shape
    raw = _unpacked(shape, iter(words))
    # Numbers of 32 bits come as Python's.
    narrow = "" if not any(leaf.type == _NARROW for leaf in found) else scope.hold("float32", sys.modules["numpy"].float32)
    dressed = (f"{narrow}({word})" if leaf.type == _NARROW else word for word, leaf in zip(words, found, strict=True))
    result = _expression(answer.spec, dressed, scope)
    arrays = [(word, taken[leaf.like]) for word, leaf in zip(words, found, strict=True) if leaf.type.rank and leaf.like is not None]
    fits = [f"{word}.shape == {argument}.shape and {word}.flags.carray" for word, argument in arrays]
    if not fits:
        return [f"{raw} = raw", f"return {'raw' if result == raw else result}"]
    return [f"{raw} = raw", f"if {' and '.join(fits)}:", f"    return {'raw' if result == raw else result}", whole]


def _unpacked(shape: Shape, words: Iterator[str]) -> str:
    """What takes a raw result apart."""
    return next(words) if isinstance(shape, int) else _tuple([_unpacked(part, words) for part in shape])


def _expression(spec: Spec, words: Iterator[str], scope: _Scope) -> str:
    """What makes a value of that spec out of its leaves."""
    if isinstance(spec, Leaf):
        return next(words)
    if isinstance(spec, Known):
        return scope.hold("known", spec.value)
    if spec.cls is not None:
        inner = [next(words) for _ in leaves(spec)]
        return f"{scope.hold('filled', partial(fill, spec))}(iter({_tuple(inner)}))"
    parts = [_expression(part, words, scope) for part in spec.parts]
    if spec.kind == "dict":
        return f"{{{', '.join(f'{key!r}: {part}' for key, part in zip(spec.keys, parts, strict=True))}}}"
    return f"[{', '.join(parts)}]" if spec.kind == "list" else _tuple(parts)


def _is_raw(spec: Spec) -> bool:
    """Whether compiled code returns just this structure: a leaf, or plain tuples of them."""
    if isinstance(spec, Tree):
        return spec.kind == "tuple" and spec.cls is None and all(map(_is_raw, spec.parts))
    return isinstance(spec, Leaf)


def _is_as_given(leaf: Leaf, given: Sequence[Leaf]) -> bool:
    """Whether a leaf of a compiled result is what the user gets: a number, or an array just like the argument's."""
    if leaf.like is None:
        return is_number(leaf) or leaf.type == _NARROW
    return leaf.type == given[leaf.like].type and (leaf.type.rank > 0 or is_number(leaf) or leaf.type == _NARROW)


def _tuple(words: Sequence[str]) -> str:
    return f"({''.join(f'{word}, ' for word in words)})"


def _indented(lines: Sequence[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]


# ---------------------------------------------------------------------------------------------- arrays of the caller's for results


def enter_writing(case: Case, value: Leaf, spec: Spec) -> Callable[[Sequence[Any], Any], Any] | None:
    """A function ``(args, out)`` that gives value and gradient, of these specs, the latter written to the arrays in `out`.

    The case is that of what writes there, behind the arguments. It returns None where an argument or `out` is not plain; there is none
    at all where a gradient is more than a tuple of arrays.
    """
    several = isinstance(spec, Tree)
    parts = spec.parts if isinstance(spec, Tree) else (spec,)
    given = case.boundary.leaves
    plain = _is_raw(spec) and all(isinstance(part, Leaf) and part.type.rank and _is_as_given(part, given) for part in parts)
    plain = plain and (is_number(value) or value.type == _NARROW)
    if not case.native or case.boundary.apart or not plain:
        return None
    scope, words, outs = _Scope(), [f"a{k}" for k in range(len(case.boundary.specs))], [f"o{k}" for k in range(len(parts))]
    tests = _Tests(case, scope, loose=False)
    conditions = [condition for pair in zip(words, case.boundary.specs, strict=True) for condition in tests.of(*pair)]
    conditions += _fitting(outs, [*leaves(spec)], tests.taken, given, scope)
    shape = [f"len(args) == {len(words)}", *([f"type(out) is tuple and len(out) == {len(outs)}"] if several else [])]
    called = f"{scope.hold('compiled', case.compiled)}({', '.join([*tests.taken, *outs])})[0]"
    called = called if is_number(value) else f"{scope.hold('float32', sys.modules['numpy'].float32)}({called})"
    text = "\n".join([
        "def write(args, out):",
        *(_indented(_watching(case.watched, scope), 1) if case.watched else []),
        f"    if {' and '.join([*(['same'] if case.watched else []), *shape])}:",
        f"        {_tuple(words)} = args",
        f"        {_tuple(outs) if several else outs[0]} = out",
        f"        if {' and '.join(conditions)}:",
        "            try:",
        f"                return {called}, out",
        "            except Exception as error:",
        "                reason = error",
        f"            {_failing(case, tests.taken, scope)}",
        "    return None",
    ])  # fmt: skip
    write: Callable[[Sequence[Any], Any], Any] = scope.run(text, "write")
    return write


def _fitting(outs: Sequence[str], parts: Sequence[Leaf], taken: Sequence[str], given: Sequence[Leaf], scope: _Scope) -> list[str]:
    """The conditions under which arrays can be written to: each is like its argument, and apart from all of them and the other arrays."""
    arrays = [word for word, leaf in zip(taken, given, strict=True) if leaf.type.rank]
    shared, tests = scope.hold("shared", sys.modules["numpy"].may_share_memory), []
    for word, leaf in zip(outs, parts, strict=True):
        argument = taken[leaf.like or 0]
        tests.append(f"type({word}) is ndarray and {word}.dtype is {argument}.dtype and {word}.shape == {argument}.shape")
        tests += [f"{word}.flags.carray", *(f"not {shared}({word}, {other})" for other in arrays)]
        arrays.append(word)
    return tests


def enter_mapping(
    count: int,
    dtype: Any,
    compiled: Callable[..., Any],
    spec: Spec,
    types: Sequence[Type],
    *,
    watched: Sequence[Capture],
    rooms: Callable[[int], tuple[Any, ...]],
) -> Callable[[Sequence[Any], Any], Any] | None:
    """A function ``(args, out)`` that runs a loop over points: `count` arrays of this dtype and of one length, all without gaps.

    The results, of this spec and these types, are the arrays in `out`; where that is None, what `rooms` makes for a number of points. It
    returns None where an argument or `out` is not such, and where the loop raises; there is none where results are not plain tuples.
    """
    if not _is_raw(spec):
        return None
    numpy = sys.modules["numpy"]
    scope = _Scope(compiled=compiled, rooms=rooms, dtype=dtype, ndarray=numpy.ndarray, shared=numpy.may_share_memory)
    scope.names.update({f"t{k}": dtype_of(type_) for k, type_ in enumerate(types)})
    words, outs = [f"a{k}" for k in range(count)], [f"r{k}" for k in range(len(types))]
    kinds = {**dict.fromkeys(words, "dtype"), **{out: f"t{k}" for k, out in enumerate(outs)}}
    plain = [f"type({word}) is ndarray and {word}.dtype is {kinds[word]} and {word}.flags.carray" for word in kinds]
    alike = [f"{word}.shape == a0.shape" for word in kinds]
    apart = [f"not shared({out}, {other})" for k, out in enumerate(outs) for other in (*words, *outs[:k])]
    answer = _expression(spec, iter(outs), scope)
    text = "\n".join([
        "def map(args, out):",
        *(_indented(_watching(watched, scope), 1) if watched else []),
        f"    if {' and '.join([*(['same'] if watched else []), f'len(args) == {count}'])}:",
        f"        {_tuple(words)} = args",
        f"        if {' and '.join([*plain[:count], 'a0.ndim == 1', *alike[1:count]])}:",
        "            try:",
        "                if out is None:",
        f"                    {_tuple(outs)} = rooms(len(a0))",
        f"                elif {' and '.join(_unpacking(spec, 'out')) or True}:",
        f"                    {answer} = out",
        f"                    if not ({' and '.join([*plain[count:], *alike[count:], *apart])}): return None",
        "                else:",
        "                    return None",
        f"                compiled({', '.join([*words, *outs])})",
        "            except Exception:",
        "                return None",
        f"            return {answer}",
        "    return None",
    ])  # fmt: skip
    found: Callable[[Sequence[Any], Any], Any] = scope.run(text, "map")
    return found


def _unpacking(spec: Spec, word: str) -> list[str]:
    """The conditions under which something can be taken apart as tuples of this structure."""
    if not isinstance(spec, Tree):
        return []
    parts = [test for k, part in enumerate(spec.parts) for test in _unpacking(part, f"{word}[{k}]")]
    return [f"type({word}) is tuple and len({word}) == {len(spec.parts)}", *parts]
