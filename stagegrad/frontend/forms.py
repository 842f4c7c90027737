"""Python's functions that take functions, and statements that mean the same as others: each as the plain text that it stands for."""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from stagegrad.frontend import prelude
from stagegrad.frontend.values import FALSE, TRUE, Closure, Embedded, Many, Numbers, Record, Static, Stream, Value, describe
from stagegrad.ir import BOOL, INT, Lit, Var
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.calls import Calls

Handler = Callable[["Calls", list[Value], ast.Call], Value]


def known(value: Value) -> ast.expr:
    """A value in a tree that only `constant` reads, never Python's compiler."""
    return ast.Constant(cast(Any, Embedded(value)))


def name(text: str, context: ast.expr_context | None = None) -> ast.Name:
    """A variable that is read, or written to."""
    return ast.Name(text, context or ast.Load())


def assignment(text: str, value: ast.expr) -> ast.stmt:
    """``text = value``"""
    return ast.Assign([name(text, ast.Store())], value)


def function(title: str, stmts: list[ast.stmt], node: ast.AST) -> ast.FunctionDef:
    """A function without parameters; what the user wrote keeps its own place."""
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.fix_missing_locations(ast.copy_location(ast.FunctionDef(title, nothing, stmts, []), node))


def unused(trees: Sequence[ast.AST], wish: str) -> str:
    """A name that no variable in some trees has."""
    taken = {part.id for tree in trees for part in ast.walk(tree) if isinstance(part, ast.Name)}
    while wish in taken:
        wish += "_"
    return wish


# ---------------------------------------------------------------------------------------------- generators


def each(over: Value) -> ast.GeneratorExp:
    """``(x for x in over)``"""
    return ast.GeneratorExp(name("x"), [ast.comprehension(name("x", ast.Store()), known(over), [], 0)])


def deciding(generator: ast.GeneratorExp, is_all: bool, node: ast.AST) -> ast.FunctionDef:
    """``all`` and ``any``, which end with the first item that decides: ``for ...: if not element: found = False; break``."""
    found = unused([generator], "found")
    loop = generator.generators[0]
    test = ast.UnaryOp(ast.Not(), generator.elt) if is_all else generator.elt
    stmts: list[ast.stmt] = [ast.If(test, [assignment(found, ast.Constant(not is_all)), ast.Break()], [])]
    for condition in reversed(loop.ifs):
        stmts = [ast.If(condition, stmts, [])]
    body: list[ast.stmt] = [assignment(found, ast.Constant(is_all)), ast.For(loop.target, loop.iter, stmts, []), ast.Return(name(found))]
    return function("all" if is_all else "any", body, node)


def summing(target: ast.expr, over: Value, term: ast.expr, start: Value, tests: list[ast.expr], node: ast.Call) -> ast.FunctionDef:
    """``total = start; for target in over: total += term; return total``, compensated as `sum` is."""
    taken = {part.id for tree in (target, term, *tests) for part in ast.walk(tree) if isinstance(part, ast.Name)}
    total, lost = ("total" + "_" * ("total" in taken), "lost" + "_" * ("lost" in taken))

    def names(context: ast.expr_context) -> list[ast.expr]:
        return [ast.Name(total, context), ast.Name(lost, context)]

    step = ast.Call(known(Static(prelude.add_compensated)), [*names(ast.Load()), term], [])
    add: ast.stmt = ast.Assign([ast.Tuple(names(ast.Store()), ast.Store())], step)
    for test in reversed(tests):
        add = ast.If(test, [add], [])
    first = ast.Assign([ast.Tuple(names(ast.Store()), ast.Store())], known(Many((start, literal(0.0)))))
    last = ast.Return(ast.Call(known(Static(prelude.end_compensated)), names(ast.Load()), []))
    return function("sum", [first, ast.For(target, known(over), [add], []), last], node)


def searching(over: Value, op: str, node: ast.Call) -> ast.FunctionDef:
    """``best = None; for x in over: best = x if it is the first, else max(best, x)``, for a sequence that is not empty."""
    best, x, empty = map(name, ("best", "x", "empty"))
    extreme = known(Static(getattr(builtins, op)))
    step = ast.If(empty, [assignment("best", x)], [assignment("best", ast.Call(extreme, [best, x], []))])
    loop = ast.For(name("x", ast.Store()), known(over), [step, assignment("empty", ast.Constant(False))], [])
    error = ast.Call(known(Static(ValueError)), [ast.Constant(f"{op}() arg is an empty sequence")], [])
    stmts = [assignment("empty", ast.Constant(True)), loop, ast.If(empty, [ast.Raise(error)], []), ast.Return(best)]
    return function(op, stmts, node)


def extreme_by(over: Value, op: str, key: Value | None, default: Value | None, node: ast.Call) -> ast.FunctionDef:
    """``for x in over: if empty or key(x) > most: best, most = x, key(x)``; the default where there is nothing to go over."""
    best, most, x, here, empty = map(name, ("best", "most", "x", "here", "empty"))
    beyond = ast.Compare(here, [ast.Gt() if op == "max" else ast.Lt()], [most])
    taken: list[ast.stmt] = [assignment("best", x), assignment("most", here)]
    step = [
        assignment("here", x if key is None else ast.Call(known(key), [x], [])),
        ast.If(empty, taken, [ast.If(beyond, [assignment("best", x), assignment("most", here)], [])]),
        assignment("empty", ast.Constant(False)),
    ]
    loop = ast.For(name("x", ast.Store()), known(over), step, [])
    error = ast.Call(known(Static(ValueError)), [ast.Constant(f"{op}() arg is an empty sequence")], [])
    nothing: ast.stmt = ast.Raise(error) if default is None else assignment("best", known(default))
    return function(op, [assignment("empty", ast.Constant(True)), loop, ast.If(empty, [nothing], []), ast.Return(best)], node)


def accumulating(over: Value, combine: Value | None, initial: Value | None, node: ast.Call) -> ast.FunctionDef:
    """``for x in over: total = x if it is the first else combine(total, x); found.append(total)``"""
    total, x, empty = map(name, ("total", "x", "empty"))
    more = ast.BinOp(total, ast.Add(), x) if combine is None else ast.Call(known(combine), [total, x], [])
    append: ast.stmt = ast.Expr(ast.Call(ast.Attribute(name("found"), "append", ast.Load()), [total], []))
    first: list[ast.stmt] = [assignment("found", ast.List([], ast.Load())), assignment("empty", ast.Constant(initial is None))]
    if initial is not None:
        first += [assignment("total", known(initial)), append]
    step = ast.If(empty, [assignment("total", x)], [assignment("total", more)])
    loop = ast.For(name("x", ast.Store()), known(over), [step, assignment("empty", ast.Constant(False)), append], [])
    return function("accumulate", [*first, loop, ast.Return(name("found"))], node)


def multiplying(over: Value, node: ast.Call) -> ast.FunctionDef:
    """``total = 1; for x in over: total *= x; return total``"""
    step = assignment("total", ast.BinOp(name("total"), ast.Mult(), name("x")))
    loop = ast.For(name("x", ast.Store()), known(over), [step], [])
    return function("prod", [assignment("total", ast.Constant(1)), loop, ast.Return(name("total"))], node)


# ---------------------------------------------------------------------------------------------- functions that take functions


def _reduce(low: Calls, args: list[Value], node: ast.Call) -> Value:
    """``for x in items: total = function(total, x)``; without a first value, the first item is it."""
    low.expect(args, 2, 3, "functools.reduce", node)
    if isinstance(args[1], Stream):
        args[1] = low.collected(args[1], node)
    if len(args) == 2:
        low.require_some(args[1], "TypeError", "reduce() of empty iterable with no initial value", node)
        first: ast.expr = ast.Subscript(known(args[1]), ast.Constant(0), ast.Load())
        rest: ast.expr = ast.Subscript(known(args[1]), ast.Slice(ast.Constant(1)), ast.Load())
    else:
        first, rest = known(args[2]), known(args[1])
    step = assignment("total", ast.Call(name("function"), [name("total"), name("x")], []))
    loop = ast.For(name("x", ast.Store()), rest, [step], [])
    stmts = [assignment("function", known(args[0])), assignment("total", first), loop, ast.Return(name("total"))]
    return low.inlined(Closure(function("reduce", stmts, node), low.frame), node)


def _map(low: Calls, args: list[Value], node: ast.Call) -> Value:
    """``[function(x) for x in items]``, or of several sequences side by side."""
    if len(args) < 2:
        raise low.refusal(node, "map() must have at least two arguments")
    if any(map(low.is_counted, args[1:])):
        return Stream("map", tuple(args))
    names = [f"x{k}" for k in range(len(args) - 1)]
    target: ast.expr = ast.Tuple([name(text, ast.Store()) for text in names], ast.Store())
    over = ast.Call(known(Static(builtins.zip)), [known(arg) for arg in args[1:]], [])
    element = ast.Call(known(args[0]), [name(text) for text in names], [])
    return listed(low, ast.ListComp(element, [ast.comprehension(target, over, [], 0)]), node)


def _filter(low: Calls, args: list[Value], node: ast.Call) -> Value:
    """``[x for x in items if function(x)]``"""
    low.expect(args, 2, 2, "filter", node)
    test = name("x") if isinstance(args[0], Static) and args[0].thing is None else ast.Call(known(args[0]), [name("x")], [])
    return listed(low, ast.ListComp(name("x"), [ast.comprehension(name("x", ast.Store()), known(args[1]), [test], 0)]), node)


def listed(low: Calls, made: ast.ListComp, node: ast.AST) -> Value:
    """What a comprehension gives, once."""
    return once(low.listing(ast.fix_missing_locations(ast.copy_location(made, node))))


def once(found: Value) -> Value:
    """A list as an iterator over it."""
    return Many(found.items, "iterator", found.ident) if isinstance(found, Many) else Stream("kept", (found,))


def partial(low: Calls, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
    """``functools.partial(f, a, k=b)`` as ``lambda *rest: f(a, *rest, k=b)``, where `f`, `a` and `b` are the values of now."""
    if not args:
        raise low.refusal(node, "partial() takes at least one argument")
    held = {f"given{k}": value for k, value in enumerate(args)} | {f"with_{key}": value for key, value in keywords.items()}
    inner = ast.arguments(posonlyargs=[], args=[], vararg=ast.arg("rest"), kwonlyargs=[ast.arg(key) for key in held],
                          kw_defaults=[None] * len(held), defaults=[])  # fmt: skip
    given: list[ast.expr] = [name(f"given{k}") for k in range(1, len(args))]
    named = [ast.keyword(key, name(f"with_{key}")) for key in keywords]
    call = ast.Call(name("given0"), [*given, ast.Starred(name("rest"), ast.Load())], named)
    made = ast.fix_missing_locations(ast.copy_location(ast.Lambda(inner, call), node))
    return Closure(made, low.frame, tuple(held.items()))


# ---------------------------------------------------------------------------------------------- what a value is


def _isinstance(low: Calls, args: list[Value], node: ast.Call) -> Value:
    """Whether a value is of a type, where that is the same for all that stagegrad takes for such a value."""
    low.expect(args, 2, 2, "isinstance", node)
    asked = args[1].items if isinstance(args[1], Many) else (args[1],)
    kinds = [kind.thing for kind in asked if isinstance(kind, Static) and isinstance(kind.thing, type)]
    low.decided_by_type(node)
    own = _types_of(low, args[0])
    if own and len(kinds) == len(asked):
        answers = {issubclass(kind, tuple(kinds)) for kind in own}
        if len(answers) == 1:
            return TRUE if answers.pop() else FALSE
    raise low.refusal(node, f"whether {describe(args[0])} is of this type is not known here", "a parameter that says so")


def _types_of(low: Calls, value: Value) -> tuple[type, ...]:
    """The types that a value may be of; none if that is not known."""
    import numpy as np  # heavy, and the program may do without it

    if low.is_array(value):
        return (np.ndarray,)
    match value:
        case Var() | Lit() if value.type == BOOL:
            return bool, np.bool_
        case Var() | Lit() if value.type == INT:
            return (type(value.value),) if isinstance(value, Lit) and value.value is not None else (int, np.int64)
        case Var() | Lit():
            return (np.float32,) if value.type.bits == 32 else (float, np.float64)
        case Many(display="tuple") | Many(display="list") | Numbers():
            return (tuple if isinstance(value, Many) and value.display == "tuple" else list,)
        case Record(cls=cls, display=display):
            return (cls or dict,) if display != "slice" else (slice,)
        case Static(thing):
            return (type(thing),)
        case _:
            return ()


#: How calls of these are lowered.
FORMS: dict[object, Handler] = {functools.reduce: _reduce, map: _map, filter: _filter, isinstance: _isinstance}


# ---------------------------------------------------------------------------------------------- match


def branches(stmt: ast.Match, subject: ast.expr) -> list[ast.stmt] | ast.pattern:
    """``match`` as ``if ... elif ... else``; the pattern that cannot be written so, if there is one."""
    found: list[ast.stmt] = []
    for case in reversed(stmt.cases):
        try:
            test, bound = _matching(case.pattern, subject)
        except _Unfit as unfit:
            return unfit.pattern
        guard = case.guard
        for text in reversed(bound if guard else ()):  # bound before the guard is asked, and so for good
            named = ast.List([ast.NamedExpr(name(text, ast.Store()), subject)], ast.Load())
            guard = ast.IfExp(ast.Call(known(Static(bool)), [named], []), guard, ast.Constant(False)) if guard else None
        asked = [part for part in (test, guard) if part is not None]
        inner: list[ast.stmt] = [*(assignment(text, subject) for text in bound), *case.body]
        whole = asked[0] if len(asked) == 1 else ast.BoolOp(ast.And(), asked)
        found = [ast.If(whole, inner, found)] if asked else inner
    for part in found:
        ast.fix_missing_locations(ast.copy_location(part, stmt))
    return found


class _Unfit(Exception):
    def __init__(self, pattern: ast.pattern) -> None:
        super().__init__(ast.dump(pattern))
        self.pattern = pattern


def _matching(pattern: ast.pattern, subject: ast.expr) -> tuple[ast.expr | None, list[str]]:
    """The test that a pattern is (None: it always fits), and the names that are the subject's where that holds."""
    match pattern:
        case ast.MatchValue(value):
            return ast.Compare(subject, [ast.Eq()], [value]), []
        case ast.MatchSingleton(value):
            return ast.Compare(subject, [ast.Is()], [ast.Constant(value)]), []
        case ast.MatchAs(None, None):
            return None, []
        case ast.MatchAs(inner, str(text)):
            test, bound = (None, []) if inner is None else _matching(inner, subject)
            return test, [*bound, text]
        case ast.MatchOr(patterns):
            found = [_matching(part, subject) for part in patterns]
            tests = [test for test, _ in found if test is not None]
            if not any(bound for _, bound in found):
                return (ast.BoolOp(ast.Or(), tests) if len(tests) == len(found) else None), []
    raise _Unfit(pattern)
