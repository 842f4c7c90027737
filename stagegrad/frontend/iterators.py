"""The functions of `itertools`: over what is known they give their items at once, over anything else a `Stream`."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from stagegrad.frontend.forms import accumulating, known, listed, name
from stagegrad.frontend.values import Closure, Many, Range, Static, Stream, Value, ident_of_all
from stagegrad.ir import Lit
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.calls import Calls

#: How a call is lowered, its keywords included.
Keyed: TypeAlias = Callable[["Calls", list[Value], dict[str, Value], ast.Call], Value]
#: The most items that are written out.
_MOST = 1000


def _none(value: Value | None) -> bool:
    return value is None or (isinstance(value, Static) and value.thing is None)


def _only(low: Calls, keywords: dict[str, Value], title: str, node: ast.AST, *allowed: str) -> list[Value | None]:
    strange = next((key for key in keywords if key not in allowed), None)
    if strange is not None:
        raise low.refusal(node, f"{title}() got an unexpected keyword argument '{strange}'")
    return [keywords.get(key) for key in allowed]


def _known(low: Calls, value: Value, title: str, node: ast.AST) -> tuple[Value, ...] | None:
    """The items of something whose length is known; None where it is not."""
    if isinstance(value, Range) and (places := value.known()) is not None and len(places) <= _MOST:
        return tuple(map(literal, places))
    return None if low.is_counted(value) else low.items_of(value, title, node)


def _written_out(low: Calls, rows: Iterable[tuple[Value, ...]], of: tuple[Value, ...], node: ast.AST) -> Value:
    found = tuple(Many(tuple(row)) for row in itertools.islice(rows, _MOST + 1))
    if len(found) > _MOST:
        raise low.refusal(node, f"these are more than {_MOST} combinations", "loops inside one another")
    low.shared(*found)
    return Many(found, "iterator", ident_of_all(*of))


def _product(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    (times,) = _only(low, keywords, "product", node, "repeat")
    if times is not None and not (isinstance(times, Lit) and type(times.value) is int and 0 <= times.value <= 8):
        raise low.refusal(node, "how often the factors are repeated must be a small int that is written out", "repeat=2")
    factors = args * (times.value if isinstance(times, Lit) and type(times.value) is int else 1)
    if all(isinstance(factor, Many) for factor in factors):
        return _written_out(low, itertools.product(*(low.items_of(factor, "product", node) for factor in factors)), tuple(factors), node)
    return Stream("product", tuple(factors))


def _chosen(title: str, choose: Callable[..., Iterable[tuple[Value, ...]]]) -> Keyed:
    """``combinations`` and its kin: of what is known they give all their items at once."""

    def lower(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        (by_name,) = _only(low, keywords, title, node, "r")
        low.expect(args, 1, 2, title, node)
        size = args[1] if len(args) == 2 else by_name
        items = _known(low, args[0], title, node)
        if items is None:
            raise low.refusal(node, f"itertools.{title} of something whose length is known at run time only is not supported",
                              "loops inside one another: for i in range(n): for j in range(i + 1, n)")  # fmt: skip
        if not _none(size) and not (isinstance(size, Lit) and type(size.value) is int):
            raise low.refusal(node, f"the number of items in each of the {title} must be known", "an int as a literal")
        count = [size.value] if isinstance(size, Lit) else []
        return _written_out(low, choose(items, *count), (args[0],), node)

    return lower


def _chain(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    _only(low, keywords, "chain", node)
    if not any(map(low.is_counted, args)):
        items = tuple(item for arg in args for item in low.items_of(arg, "chain", node))
        return Many(items, "iterator", ident_of_all(*args))
    return Stream("chain", tuple(args))


def _pairwise(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    _only(low, keywords, "pairwise", node)
    low.expect(args, 1, 1, "pairwise", node)
    if low.is_counted(args[0]):
        return Stream("pairwise", tuple(args))
    return _written_out(low, itertools.pairwise(low.items_of(args[0], "pairwise", node)), tuple(args), node)


def _zip_longest(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    (filling,) = _only(low, keywords, "zip_longest", node, "fillvalue")
    filling = Static(None) if filling is None else filling
    low.shared(filling)
    if any(map(low.is_counted, args)):
        return Stream("zip_longest", (filling, *args))
    columns = [low.items_of(arg, "zip_longest", node) for arg in args]
    return _written_out(low, itertools.zip_longest(*columns, fillvalue=filling), tuple(args), node)


def _islice(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    _only(low, keywords, "islice", node)
    low.expect(args, 2, 4, "islice", node)
    bounds = [Static(None), args[1]] if len(args) == 2 else args[1:]
    start, stop, step = [*bounds, Static(None)][:3]
    first = literal(0) if _none(start) else low.whole(low.atom(start, node), node, "a bound of islice")
    by = literal(1) if _none(step) else low.whole(low.atom(step, node), node, "the step of islice")
    last = literal(2**62) if _none(stop) else low.whole(low.atom(stop, node), node, "a bound of islice")
    for bound, least in ((first, 0), (last, 0), (by, 1)):
        low.stop(low.arithmetic("lt", bound, literal(least), node), "ValueError", "Indices for islice() must not be negative", node)
    if low.is_counted(args[0]) or not all(isinstance(bound, Lit) for bound in (first, last, by)):
        return Stream("islice", (args[0], first, last, by))
    places = [int(bound.value or 0) for bound in (first, last, by) if isinstance(bound, Lit)]
    return Many(low.items_of(args[0], "islice", node)[slice(*places)], "iterator", ident_of_all(args[0]))


def _accumulate(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    function, initial = _only(low, keywords, "accumulate", node, "func", "initial")
    low.expect(args, 1, 2, "accumulate", node)
    function = args[1] if len(args) == 2 else function
    made = accumulating(args[0], None if _none(function) else function, None if _none(initial) else initial, node)
    found = low.inlined(Closure(made, low.frame), node)
    return Many(found.items, "iterator", found.ident) if isinstance(found, Many) else Stream("kept", (found,))


def _starmap(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    _only(low, keywords, "starmap", node)
    low.expect(args, 2, 2, "starmap", node)
    element = ast.Call(known(args[0]), [ast.Starred(name("x"), ast.Load())], [])
    return listed(low, ast.ListComp(element, [ast.comprehension(name("x", ast.Store()), known(args[1]), [], 0)]), node)


def _count(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    start, step = _only(low, keywords, "count", node, "start", "step")
    low.expect(args, 0, 2, "count", node)
    first = args[0] if args else start or literal(0)
    return Stream("count", (first, args[1] if len(args) == 2 else step or literal(1)))


def _repeat(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    (times,) = _only(low, keywords, "repeat", node, "times")
    low.expect(args, 1, 2, "repeat", node)
    times = args[1] if len(args) == 2 else times
    low.shared(args[0])
    if times is None:
        return Stream("repeat", (args[0],))
    return Stream("islice", (Stream("repeat", (args[0],)), literal(0), low.whole(low.atom(times, node), node, "how often"), literal(1)))


def _cycle(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    _only(low, keywords, "cycle", node)
    low.expect(args, 1, 1, "cycle", node)
    if not isinstance(args[0], Many) or not args[0].items:
        raise low.refusal(node, "itertools.cycle needs a tuple or a list of known length, which is not empty", "x[i % len(x)]")
    low.shared(args[0])
    return Stream("cycle", (Many(args[0].items, "list"),))


#: How calls of these are lowered.
ITERATORS: dict[object, Keyed] = {
    itertools.product: _product, itertools.chain: _chain, itertools.pairwise: _pairwise, itertools.zip_longest: _zip_longest,
    itertools.islice: _islice, itertools.accumulate: _accumulate, itertools.starmap: _starmap, itertools.count: _count,
    itertools.repeat: _repeat, itertools.cycle: _cycle, itertools.combinations: _chosen("combinations", itertools.combinations),
    itertools.permutations: _chosen("permutations", itertools.permutations),
    itertools.combinations_with_replacement: _chosen("combinations_with_replacement", itertools.combinations_with_replacement),
}  # fmt: skip
