"""What a Python function may not contain or call, what that is called, and what to write instead."""

from __future__ import annotations

import ast
import types

_LOOP = "a loop that adds to a number"
_NUMBERS = "numbers under names of their own, or a tuple"

_REFUSED: dict[str, tuple[str, str]] = {
    "Yield": ("`yield` makes a generator, which has no single result", "a loop and a `return`"),
    "YieldFrom": ("`yield from` makes a generator, which has no single result", "a loop and a `return`"),
    "Await": ("`await` is not supported", "plain calls"),
    "AsyncFunctionDef": ("`async def` is not supported", "def"),
    "AsyncFor": ("`async for` is not supported", "for i in range(...)"),
    "AsyncWith": ("`async with` is not supported", "the statements inside it, without the `async with`"),
    "ClassDef": ("a class inside the function is not supported", "functions, and numbers as parameters"),
    "Try": ("`try` is not supported", "an `if` that asks before the operation"),
    "TryStar": ("`try` is not supported", "an `if` that asks before the operation"),
    "With": ("only `with np.errstate(...)` is supported: a context may do anything", "the statements inside it, without the `with`"),
    "Global": ("`global` makes results depend on hidden state", "a parameter and a returned value"),
    "Nonlocal": ("`nonlocal` makes results depend on hidden state", "a parameter and a returned value"),
    "TypeAlias": ("a type alias inside the function is not supported", "the alias at the top of the file"),
    "Set": ("a set is not supported", _NUMBERS),
    "SetComp": ("a set comprehension is not supported", f"sum(... for i in range(n)), or {_LOOP}"),
    "JoinedStr": ("text is supported only as the message of `raise` and `assert`", "numbers"),
    "TemplateStr": ("a template string is not supported", "numbers"),
    "Starred": ("`*` is supported only in calls, tuples and assignments of known length", "the items one by one"),
}


def refused(node: ast.AST) -> tuple[str, str]:
    """The message and the advice for a construct that is not supported."""
    kind = type(node).__name__
    return _REFUSED.get(kind, (f"{kind} is not supported", "arithmetic, branches and loops over numbers"))


# ---------------------------------------------------------------------------------------------- calls

#: What does the same as a function of NumPy that is refused.
_INSTEAD = {
    "numpy.nanquantile": "np.quantile(x[~np.isnan(x)], q)",
    "numpy.nanpercentile": "np.percentile(x[~np.isnan(x)], q)",
    "numpy.partition": "np.sort(x)",
    "numpy.argpartition": "np.argsort(x)",
    "numpy.vectorize": "the function of numbers in a loop, or one of arrays",
    "numpy.apply_along_axis": "a loop over the rows",
    "sorted": "np.sort(...)",
    "math.fsum": "sum(...)",
    "statistics.mean": "sum(x) / len(x)",
    "statistics.fmean": "sum(x) / len(x)",
    "statistics.median": "np.median(x)",
    "statistics.stdev": "np.std(x, ddof=1)",
    "statistics.pstdev": "np.std(x)",
    "statistics.variance": "np.var(x, ddof=1)",
    "statistics.pvariance": "np.var(x)",
    "set": "a tuple, and `in`",
    "frozenset": "a tuple, and `in`",
    "input": "the value as a parameter",
    "io.open": "what the file holds as a parameter",
    "eval": "the expression itself",
    "scipy.linalg.lu_factor": "scipy.linalg.solve(a, b), without the factors",
    "scipy.linalg.lu_solve": "scipy.linalg.solve(a, b), without the factors",
}


def is_of(thing: object, *packages: str) -> bool:
    """Whether it is written in Python, but in one of these: not for this compiler, as a refusal inside it would tell nobody anything."""
    module = getattr(thing, "__module__", None) or ""
    return module.partition(".")[0] in packages and not module.startswith("stagegrad.frontend.prelude")


def unknown_call(thing: object, written: str = "") -> tuple[str, str]:
    """The message and the advice for something that cannot be called here; `written` is what the user's text calls it."""
    title = title_of(thing)
    root = (getattr(thing, "__module__", None) or "").partition(".")[0]
    by_chance = "random" in title or type(getattr(thing, "__self__", None)).__module__ == "random"
    if root in ("random", "time", "datetime", "secrets") or by_chance:
        return f"{written or title} gives another result each time", "the value as a parameter"
    if is_of(thing, "stagegrad") or type(thing).__module__.partition(".")[0] == "stagegrad":
        name = getattr(thing, "__name__", title)
        return f"{name} of stagegrad is not supported inside a function", "a function without it, whose derivative is taken: grad(grad(f))"
    if is_of(thing, "numpy", "scipy") or type(thing).__module__.partition(".")[0] == "numpy":
        return f"{title} is not supported", _INSTEAD.get(title, "NumPy's functions that stagegrad knows, or a loop over numbers")
    if isinstance(thing, type):
        return f"{title} is a class; objects are not supported", _INSTEAD.get(title, "numbers and tuples")
    if isinstance(thing, types.FunctionType):
        return f"{title} is not supported: what it does cannot be differentiated", _INSTEAD.get(title, "what it does, in plain arithmetic")
    if isinstance(thing, types.MethodType):
        return f"{title} is a method; only plain functions can be called", "a function of numbers"
    advice = _INSTEAD.get(title, "an operation it knows, or a gate: @stagegrad.gate")
    return f"{written or title} is not written in Python and is not one that stagegrad knows", advice


def title_of(thing: object) -> str:
    """What a live object is called, with its module unless that is Python's own."""
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or repr(thing)
    module = getattr(thing, "__module__", None)
    if not isinstance(module, str) or module in ("builtins", "__main__"):
        return str(name)
    public = module.partition("._")[0] if module.startswith(("numpy.", "scipy.")) else module  # what users import it from
    return f"{public}.{name}"
