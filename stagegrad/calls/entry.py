"""The fast way of a call: functions that are written for the number and the kinds of arguments, as text, and take those that are plain.

What is not plain goes the way of `boundary`. A number of floats is called like this in little more time than Numba's own dispatcher takes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

from stagegrad.calls.boundary import LARGEST, PLAIN, Answer, Boundary, dtype_of
from stagegrad.frontend.program import Capture
from stagegrad.frontend.specs import Known, Leaf, Spec, Tree, fill, is_number, leaves
from stagegrad.ir import Type

_MISSING: Any = inspect.Parameter.empty
_NARROW = Type("float", 0, 32)


def enter(
    boundary: Boundary,
    compiled: Callable[..., Any],
    *,
    second: bool,
    watched: Sequence[Capture],
    slow: Callable[[tuple[Any, ...], dict[str, Any]], Any],
    failed: Callable[[Exception, tuple[Any, ...]], BaseException],
    answer: Answer | None = None,
    fresh: bool = False,
) -> Callable[..., Any]:
    """A function of a user's arguments that calls `compiled`, written for their number and kinds.

    A `lock` that `compiled` has is held meanwhile. `second` asks for the second part of the result alone, `answer` says what becomes of
    it; arrays in it are new ones if it is `fresh`.
    A call goes to `slow(args, named)` where an argument is not plain, or where a name that is `watched` does not hold the same
    object any more; an exception of the compiled code becomes what `failed(error, args)` returns. The function has a function `takes`,
    which says of a tuple of arguments whether all of them are plain.
    """
    native = _machine_code(compiled)
    scope: dict[str, Any] = {"missing": _MISSING, "compiled": native or compiled, "slow": slow, "failed": failed, "answer": answer}
    held = _held(compiled, scope)
    words = [f"a{k}" for k in range(len(boundary.specs))]
    tests = [_test(word, spec, boundary.numba, scope) for word, spec in zip(words, boundary.specs, strict=True)]
    tests += _apart(boundary, words, scope) if boundary.parameters.positional else ["False"]
    taken = [word for word, spec in zip(words, boundary.specs, strict=True) if not isinstance(spec, Known)]
    parameters = ", ".join([*(f"{word}=missing" for word in words), *("/" for _ in words[:1]), "*rest", "**named"])
    alone = not any(isinstance(spec, Tree) for spec in boundary.specs)  # arguments in containers always take the long way
    plain = alone and native is not None and (fresh or (answer is not None and not any(leaf.type.rank for leaf in leaves(answer.spec))))
    text = "\n".join([
        f"def call({parameters}):",
        *_watching(watched, scope),
        f"    if {' and '.join([*(['same'] if watched else []), *tests, 'not (rest or named)'])}:",
        "        try:",
        f"            {held}{'return' if answer is None else 'raw ='} compiled({', '.join(taken)}){'[1]' if second else ''}",
        "        except Exception as error:",
        "            reason = error",
        *(() if answer is None else _answering(answer, boundary.leaves, taken, scope, plain=plain)),
        f"        raise failed(reason, {_tuple(taken)})",
        f"    return slow((*(a for a in {_tuple(words)} if a is not missing), *rest), named)",
        "def takes(args):",
        f"    if len(args) != {len(words)}: return False",
        f"    {_tuple(words)} = args",
        f"    return {' and '.join(tests) or True}",
        "call.takes = takes",
    ])  # fmt: skip
    exec(compile(text, "<stagegrad call>", "exec"), scope)
    call: Callable[..., Any] = scope["call"]
    return call


def _apart(boundary: Boundary, words: Sequence[str], scope: dict[str, Any]) -> list[str]:
    """The conditions under which no argument that the function writes to shares memory; each lies in one piece, by its own condition."""
    if not boundary.apart:
        return []
    if not boundary.numba or boundary.written or any(isinstance(spec, Tree) for spec in boundary.specs):
        return ["False"]
    scope["shared"] = sys.modules["numpy"].may_share_memory
    leaves_of = {word: spec for word, spec in zip(words, boundary.specs, strict=True) if isinstance(spec, Leaf)}
    written = [list(leaves_of)[k] for k in boundary.apart]
    arrays = [word for word, leaf in leaves_of.items() if leaf.type.rank]
    pairs = {tuple(sorted((one, other))) for one in written for other in arrays if one != other}
    return [f"not shared({one}, {other})" for one, other in sorted(pairs)]


def _machine_code(compiled: Any) -> Callable[..., Any] | None:
    """What Numba has compiled for a function's one list of types; its dispatcher would look for that at each call, which takes as long."""
    found = [*getattr(compiled, "overloads", {}).values()]
    entry: Callable[..., Any] | None = found[0].entry_point if len(found) == 1 else None
    return entry


def _held(compiled: Any, scope: dict[str, Any]) -> str:
    """What comes before a call of machine code for which there is a lock: Numba's threads are there for one call at a time."""
    scope["lock"] = getattr(compiled, "lock", None)
    return "with lock: " if scope["lock"] else ""


def _watching(watched: Sequence[Capture], scope: dict[str, Any]) -> list[str]:
    """The lines that find out whether what was read is still there; a global is looked up in its dict, which is the fastest way."""
    if not watched:
        return []
    tests = []
    for k, capture in enumerate(watched):
        is_global = type(capture.owner) is dict and capture.owner.get(capture.name) is capture.value
        scope |= {f"value{k}": capture.value, f"place{k}": capture.owner if is_global else capture.read}
        tests.append(f"place{k}{f'[{capture.name!r}]' if is_global else '()'} is value{k}")
    return ["    try:", f"        same = {' and '.join(tests)}", "    except Exception:", "        same = False"]


def _answering(answer: Answer, given: Sequence[Leaf], taken: Sequence[str], scope: dict[str, Any], *, plain: bool) -> list[str]:
    """The lines that make the answer of a raw result.

    Where it is `plain` and every array in it fits, the raw result is the answer, but for numbers of 32 bits, which come as Python's.
    """
    whole = f"return answer(raw, {_tuple(taken)}, {_tuple(taken)})"
    found = [*leaves(answer.spec)]
    if not plain or not _is_raw(answer.spec) or not all(_is_as_given(leaf, given) for leaf in found):
        return [f"        else: {whole}"]
    words = [f"r{k}" for k in range(len(found))]
    narrow = [leaf.type == _NARROW for leaf in found]
    if any(narrow):
        scope["narrow"] = sys.modules["numpy"].float32
    dressed = (f"narrow({word})" if is_narrow else word for word, is_narrow in zip(words, narrow, strict=True))
    result = str(fill(answer.spec, dressed)) if any(narrow) else "raw"
    arrays = [(word, taken[leaf.like]) for word, leaf in zip(words, found, strict=True) if leaf.type.rank and leaf.like is not None]
    fits = [f"{word}.shape == {argument}.shape and {word}.flags.carray" for word, argument in arrays]
    return [
        "        else:",
        f"            {fill(answer.spec, iter(words))} = raw".replace("'", ""),
        f"            if {' and '.join(fits) or True}: return {result}".replace("'", ""),
        f"            {whole}",
    ]


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


def enter_writing(
    boundary: Boundary,
    compiled: Callable[..., Any],
    spec: Spec,
    *,
    watched: Sequence[Capture],
    failed: Callable[[Exception, tuple[Any, ...]], BaseException],
) -> Callable[[Sequence[Any], Any], Any] | None:
    """A function ``(args, out)`` that gives value and gradient, of this spec, the latter written by `compiled` to the arrays in `out`.

    It returns None where an argument or `out` is not plain; there is none at all where a gradient is more than a tuple of arrays.
    """
    native, several = _machine_code(compiled), isinstance(spec, Tree)
    parts = spec.parts if isinstance(spec, Tree) else (spec,)
    plain = _is_raw(spec) and all(isinstance(part, Leaf) and part.type.rank and _is_as_given(part, boundary.leaves) for part in parts)
    if native is None or boundary.apart or not plain:
        return None
    scope: dict[str, Any] = {"compiled": native, "failed": failed, "shared": sys.modules["numpy"].may_share_memory}
    words = [f"a{k}" for k in range(len(boundary.specs))]
    taken = [word for word, one in zip(words, boundary.specs, strict=True) if not isinstance(one, Known)]
    outs = [f"o{k}" for k in range(len(parts))]
    tests = [_test(word, one, True, scope) for word, one in zip(words, boundary.specs, strict=True)]
    tests += _fitting(outs, [*leaves(spec)], taken, boundary.leaves)
    shape = [f"len(args) == {len(words)}", *([f"type(out) is tuple and len(out) == {len(outs)}"] if several else [])]
    text = "\n".join([
        "def write(args, out):",
        *_watching(watched, scope),
        f"    if {' and '.join([*(['same'] if watched else []), *shape])}:",
        f"        {_tuple(words)} = args",
        f"        {_tuple(outs) if several else outs[0]} = out",
        f"        if {' and '.join(tests)}:",
        "            try:",
        f"                {_held(compiled, scope)}return compiled({', '.join([*taken, *outs])})[0], out",
        "            except Exception as error:",
        "                reason = error",
        f"            raise failed(reason, {_tuple(taken)})",
        "    return None",
    ])  # fmt: skip
    exec(compile(text, "<stagegrad call>", "exec"), scope)
    write: Callable[[Sequence[Any], Any], Any] = scope["write"]
    return write


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
    scope: dict[str, Any] = {"compiled": _machine_code(compiled) or compiled, "rooms": rooms, "dtype": dtype}
    scope |= {"ndarray": numpy.ndarray, "shared": numpy.may_share_memory, **{f"t{k}": dtype_of(type_) for k, type_ in enumerate(types)}}
    words, outs = [f"a{k}" for k in range(count)], [f"r{k}" for k in range(len(types))]
    kinds = {**dict.fromkeys(words, "dtype"), **{out: f"t{k}" for k, out in enumerate(outs)}}
    plain = [f"type({word}) is ndarray and {word}.dtype is {kinds[word]} and {word}.flags.carray" for word in kinds]
    alike = [f"{word}.shape == a0.shape" for word in kinds]
    apart = [f"not shared({out}, {other})" for k, out in enumerate(outs) for other in (*words, *outs[:k])]
    answer = str(fill(spec, iter(outs))).replace("'", "")
    text = "\n".join([
        "def map(args, out):",
        *_watching(watched, scope),
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
        f"                {_held(compiled, scope)}compiled({', '.join([*words, *outs])})",
        "            except Exception:",
        "                return None",
        f"            return {answer}",
        "    return None",
    ])  # fmt: skip
    exec(compile(text, "<stagegrad call>", "exec"), scope)
    found: Callable[[Sequence[Any], Any], Any] = scope["map"]
    return found


def _unpacking(spec: Spec, word: str) -> list[str]:
    """The conditions under which something can be taken apart as tuples of this structure."""
    if not isinstance(spec, Tree):
        return []
    parts = [test for k, part in enumerate(spec.parts) for test in _unpacking(part, f"{word}[{k}]")]
    return [f"type({word}) is tuple and len({word}) == {len(spec.parts)}", *parts]


def _fitting(outs: Sequence[str], parts: Sequence[Leaf], taken: Sequence[str], given: Sequence[Leaf]) -> list[str]:
    """The conditions under which arrays can be written to: each is like its argument, and apart from all of them and the other arrays."""
    arrays = [word for word, leaf in zip(taken, given, strict=True) if leaf.type.rank]
    tests = []
    for word, leaf in zip(outs, parts, strict=True):
        argument = taken[leaf.like or 0]
        tests.append(f"type({word}) is ndarray and {word}.dtype is {argument}.dtype and {word}.shape == {argument}.shape")
        tests += [f"{word}.flags.carray", *(f"not shared({word}, {other})" for other in arrays)]
        arrays.append(word)
    return tests


def _test(word: str, spec: Spec, numba: bool, scope: dict[str, Any]) -> str:
    """The condition under which an argument is what compiled code takes as it is; what it compares with goes into the scope."""
    match spec:
        case Known(value):
            scope[f"known_{word}"] = value
            return f"{word} is known_{word}"
        case Leaf(Type(kind, 0, 64)):
            if kind == "int" and numba:
                return f"type({word}) is int and {-LARGEST - 1} <= {word} <= {LARGEST}"
            return f"type({word}) is {PLAIN[kind].__name__}"
        case Leaf(type_) if type_ == _NARROW:
            scope["narrow"] = sys.modules["numpy"].float32
            return f"type({word}) is narrow"
        case Leaf(type_, axes=axes) if type_.rank:
            dtype = f"{type_.kind}{type_.bits}"
            scope |= {dtype: dtype_of(type_), "ndarray": sys.modules["numpy"].ndarray}
            tests = [f"type({word}) is ndarray", f"{word}.dtype is {dtype}", f"{word}.ndim == {type_.rank}"]
            tests += [f"{word}.shape[{k}] {'==' if mark == '1' else '!='} 1" for k, mark in enumerate(axes)]
            return " and ".join([*tests, f"{word}.flags.carray"] if numba else tests)
        case _:
            return "False"
