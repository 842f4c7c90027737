"""Python's own functions of tuples, ranges, lists and generators: how a call of each becomes stages."""

from __future__ import annotations

import ast
import builtins
import math
import sys
from functools import partial
from typing import TYPE_CHECKING

from stagegrad.frontend import numpy_words, prelude, words
from stagegrad.frontend.forms import Handler, deciding, each, summing
from stagegrad.frontend.stages import Strength
from stagegrad.frontend.values import (
    FALSE,
    TRUE,
    Closure,
    Many,
    Numbers,
    Range,
    Record,
    Static,
    Stream,
    Value,
    describe,
    disowned,
    ident_of_all,
    leaves,
)  # fmt: skip
from stagegrad.ir import FLOAT, INT, Atom, Lit
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.calls import Calls

#: Since 3.12 `sum` compensates rounding errors between floats.
_COMPENSATED = sys.version_info >= (3, 12)


def _len(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "len", node)
    match args[0]:
        case Many(items, display) if display != "iterator":
            return literal(len(items))
        case Range(start, stop, step, once=False):
            return low.emit("trip_count", [start, stop, step], node)
        case Record(display, items=items) if display != "record":
            return literal(len(items))
        case other if low.is_array(other) or isinstance(other, Numbers):
            return low.length(other, node)
        case other:
            raise low.unknown(node, f"len needs a tuple, a range or an array, and this is {describe(other)}")


def _range(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 3, "range", node)
    bounds = [low.whole(atom, node, "an argument of range") for atom in low.atoms(args, node)]
    if len(bounds) == 1:
        bounds = [literal(0), *bounds]
    start, stop, step = [*bounds, literal(1)][:3]
    if isinstance(step, Lit) and step.value == 0:
        raise low.refusal(node, "range() arg 3 must not be zero")
    return Range(start, stop, step)


def _reversed(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 1, "reversed", node)
    match args[0]:
        case Many(items, display) if display != "iterator":
            return Many(items[::-1], "iterator", ident_of_all(args[0]))
        case Range(start, stop, step, once=False):
            trips = low.emit("trip_count", [start, stop, step], node)
            before = low.arithmetic("sub", start, step, node)  # one step before the first
            last = low.arithmetic("add", before, low.arithmetic("mul", trips, step, node), node)
            back = Lit(-step.value, INT) if isinstance(step, Lit) and step.value is not None else low.emit("neg", [step], node)
            return Range(last, before, back, once=True)
        case other if low.is_array(other) or isinstance(other, Numbers):
            return Stream("reversed", (other,))
        case other:
            raise low.unknown(node, f"only a tuple, a range or an array can be reversed, and this is {describe(other)}")


def _enumerate(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 2, "enumerate", node)
    start = low.whole(low.atom(args[1], node), node, "the start") if len(args) == 2 else literal(0)
    if low.is_counted(args[0]):
        return Stream("enumerate", (args[0],), start)
    items = low.items_of(args[0], "enumerate", node)
    pairs = ((low.arithmetic("add", start, literal(k), node), item) for k, item in enumerate(items))
    return Many(tuple(Many(pair) for pair in pairs), "iterator", ident_of_all(args[0]))


def _zip(low: Calls, args: list[Value], node: ast.Call) -> Value:
    if any(map(low.is_counted, args)):
        return low.side_by_side(args, node)
    columns = [low.items_of(arg, "zip", node) for arg in args]
    return Many(tuple(Many(row) for row in zip(*columns, strict=False)), "iterator", ident_of_all(*args))


def _collected(low: Calls, args: list[Value], node: ast.Call, display: str) -> Value:
    low.expect(args, 0, 1, display, node)
    if args and low.is_counted(args[0]):
        found = low.collected(args[0], node)
        return disowned(found) if display == "tuple" else found
    if display == "list":
        return low.new_list(low.items_of(args[0], display, node) if args else ())
    return Many(low.items_of(args[0], display, node) if args else (), display)


def _any_all(low: Calls, args: list[Value], node: ast.Call, is_all: bool) -> Value:
    low.expect(args, 1, 1, "all" if is_all else "any", node)
    if low.is_counted(args[0]):
        return low.inlined(Closure(deciding(each(args[0]), is_all, node), low.frame), node)
    found: Atom = TRUE if is_all else FALSE
    for item in low.items_of(args[0], "all" if is_all else "any", node):
        test = low.truth(item, node)
        found = test if isinstance(found, Lit) else low.emit("and" if is_all else "or", [found, test], node)
    return found


def _slice_object(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 3, "slice", node)
    nothing: Value = Static(None)
    bounds = [nothing, *args] if len(args) == 1 else args
    return Record("slice", ("start", "stop", "step"), tuple([*bounds, nothing][:3]))


def _sum(low: Calls, args: list[Value], node: ast.Call) -> Value:
    low.expect(args, 1, 2, "sum", node)
    start: Value = args[1] if len(args) == 2 else literal(0)
    match args[0]:
        case Many(items):
            state: tuple[Value, ...] = (start, literal(0.0))
            for item in items:
                state = _add_term(low, [*state, item], node).items
            return _end_sum(low, list(state), node)
        case Range() | Stream():
            return _accumulated(low, ast.Name("i", ast.Store()), args[0], ast.Name("i", ast.Load()), start, [], node)
        case other if low.is_counted(other) and low.holds_arrays(other):
            rows = low.call_word(numpy_words.WORDS["sum"], [other, literal(0)], {}, node)
            return rows if start == literal(0) else low.operate("add", start, rows, node)
        case other if low.is_counted(other):
            return _accumulated(low, ast.Name("x", ast.Store()), args[0], ast.Name("x", ast.Load()), start, [], node)
        case other:
            raise low.unknown(node, f"sum needs a tuple, a range or a generator, and this is {describe(other)}", "a loop that adds")


def _add_term(low: Calls, args: list[Value], node: ast.Call) -> Many:
    """The next total, and what rounding has lost so far: `sum` keeps count of it between floats since Python 3.12."""
    total, lost, term = args
    numbers = [leaf for value in (total, term) for leaf in leaves(value)]
    of_python = all(low.strength(number) is Strength.WEAK for number in numbers)
    if not _COMPENSATED or not of_python or [number.type for number in numbers] != [FLOAT, FLOAT]:
        return Many((low.operate("add", total, term, node), lost))
    pair = low.prelude("add_compensated", [total, lost, term], node)
    assert isinstance(pair, Many)
    return pair


def _end_sum(low: Calls, args: list[Value], node: ast.Call) -> Value:
    total, lost = args
    exact = not _COMPENSATED or isinstance(lost, Lit) or [leaf.type for leaf in leaves(total)] != [FLOAT]
    return total if exact else low.prelude("end_compensated", [total, lost], node)


def over_generator(low: Calls, thing: object, generator: ast.GeneratorExp, node: ast.Call) -> Value | None:
    if thing in (builtins.any, builtins.all) and len(generator.generators) == 1 and not generator.generators[0].is_async:
        return low.inlined(Closure(deciding(generator, thing is builtins.all, node), low.frame), node)
    several = len(generator.generators) > 1 and thing is builtins.sum
    if thing in _OF_LISTS or several:
        made = low.usable(low.listing(generator), generator)
        others = [low.usable(low.expr(arg), arg) for arg in node.args[1:]]
        given = {keyword.arg: low.expr(keyword.value) for keyword in node.keywords if keyword.arg}
        return made if thing is builtins.list and not others else low.call_object(thing, [made, *others], given, node)
    if thing is not builtins.sum or node.keywords or len(node.args) > 2:
        if numpy_words.find(thing) is not None or words.find(thing) is not None:
            raise low.refusal(generator, "NumPy makes no array of a generator", "a list: [... for ...]")
        return None
    loop = generator.generators[0]
    if loop.is_async:
        raise low.refusal(generator, "an asynchronous generator is not supported", "for")
    start = low.usable(low.expr(node.args[1]), node) if len(node.args) == 2 else literal(0)
    over = low.usable(low.expr(loop.iter), loop.iter)
    return _accumulated(low, loop.target, over, generator.elt, start, loop.ifs, node)


def _accumulated(low: Calls, target: ast.expr, over: Value, term: ast.expr, start: Value, tests: list[ast.expr], node: ast.Call) -> Value:
    """A sum as the loop that it is: the text of a function that adds term by term is made, and lowered in place."""
    for part in (part for tree in (term, *tests) for part in ast.walk(tree)):
        if isinstance(part, ast.NamedExpr):
            raise low.refusal(part, "`:=` inside a generator is not supported", "a loop")
    return low.inlined(Closure(summing(target, over, term, start, tests, node), low.frame), node)


#: What takes a list where it is given a generator.
_OF_LISTS = (builtins.list, builtins.tuple, builtins.max, builtins.min, builtins.sorted, math.prod)
#: How calls of these are lowered.
SEQUENCES: dict[object, Handler] = {
    len: _len, range: _range, reversed: _reversed, enumerate: _enumerate, zip: _zip, sum: _sum, slice: _slice_object,
    tuple: partial(_collected, display="tuple"), list: partial(_collected, display="list"),
    any: partial(_any_all, is_all=False), all: partial(_any_all, is_all=True),
    prelude.add_compensated: _add_term, prelude.end_compensated: _end_sum,
}  # fmt: skip
