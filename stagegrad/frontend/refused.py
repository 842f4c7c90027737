"""What a Python function may not contain, what it is called, and what to write instead."""

from __future__ import annotations

import ast

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
    "Delete": ("`del` is not supported", "nothing: a name that is not read any more costs nothing"),
    "Global": ("`global` makes results depend on hidden state", "a parameter and a returned value"),
    "Nonlocal": ("`nonlocal` makes results depend on hidden state", "a parameter and a returned value"),
    "TypeAlias": ("a type alias inside the function is not supported", "the alias at the top of the file"),
    "Set": ("a set is not supported", _NUMBERS),
    "SetComp": ("a set comprehension is not supported", f"sum(... for i in range(n)), or {_LOOP}"),
    "GeneratorExp": ("a generator is supported only as the argument of sum", f"a list: [... for ...], or {_LOOP}"),
    "JoinedStr": ("text is supported only as the message of `raise` and `assert`", "numbers"),
    "TemplateStr": ("a template string is not supported", "numbers"),
    "Starred": ("`*` is supported only in calls, tuples and assignments of known length", "the items one by one"),
}


def refused(node: ast.AST) -> tuple[str, str]:
    """The message and the advice for a construct that is not supported."""
    kind = type(node).__name__
    return _REFUSED.get(kind, (f"{kind} is not supported", "arithmetic, branches and loops over numbers"))
