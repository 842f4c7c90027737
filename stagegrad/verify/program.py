"""Programs that run on the numbers of `reals`: generated text, and the user's own live functions.

Generated text is executed in a namespace whose `math`, `numpy` and builtins are exact. A user's function is not
re-read from its source: its own code object is run, with its globals and closure looked up in the live objects and
replaced by exact ones, whatever they are called there.
"""

from __future__ import annotations

import ast
import builtins
import math
import re
import types
from collections.abc import Callable, Mapping
from typing import Any

from stagegrad import ops
from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.verify.expressions import Expression
from stagegrad.verify.functions import Functions, synonyms
from stagegrad.verify.reals import Real, Unsupported, World, is_numpy_scalar

TEXT_FILE = "<generated source>"


class Library(types.SimpleNamespace):
    """What `math` or `numpy` is, exactly."""

    def __init__(self, name: str, functions: Mapping[str, Any]) -> None:
        super().__init__(**functions)
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        raise Unsupported(f"{self.__name__}.{name}")


class Meaning:
    """What an operation means exactly, as a function of its operands in the order given."""

    def __init__(self, machine: Machine, op: ops.Op, operands: tuple[str, ...]) -> None:
        self.machine, self.op, self.operands = machine, op, operands
        self.expression = Expression(op.exact)

    def __call__(self, *values: Any) -> Any:
        # Semantics, rule R3: where no gradient arrives, none leaves, whatever the other factor is.
        if self.op.name in ("quotient", "scaled") and _nothing(values[0]):
            return self.machine.world.lift(0.0)
        try:
            return self.expression(self.machine.functions, dict(zip(self.operands, values, strict=True)))
        except (ValueError, ZeroDivisionError):
            # Helpers have limits and nan where the expression has nothing to say.
            return self.machine.world.lift(math.nan)


def _nothing(value: Any) -> bool:
    if not isinstance(value, Real):
        return bool(value == 0)
    return bool(value.value == 0 and (value.expr is None or value.expr == 0))


class Machine:
    """Runs programs in one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.functions = Functions(world)
        self.libraries = {"math": self._library("math"), "numpy": self._library("numpy")}
        self.builtins = {**vars(builtins), "int": self.functions("int"), "float": self.functions("float"), "__import__": self._import}
        self.taken: dict[str, Meaning] = {}  # helper functions of texts that were taken by their exact meaning
        self._replaced: dict[int, tuple[Any, Any]] = {}  # id -> (the original, kept alive; what stands for it)

    # ------------------------------------------------------------------------------------------ generated text

    def text(self, text: str, entry: str) -> Callable[..., Any]:
        """The function `entry` of generated text. Helpers that have an exact meaning are taken by it."""
        namespace: dict[str, Any] = {"__builtins__": self.builtins, "__name__": "generated"}
        exec(self._exact_code(compile(text, TEXT_FILE, "exec")), namespace)
        defined = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
        for name, meaning in self.helpers().items():
            # Only what is there word for word: a function of the user's may have the name of a helper.
            if name in defined and _words(defined[name]) == _words(ast.parse(ops.HELPERS[name].text).body[0]):
                namespace[name] = self.taken[name] = meaning
        if entry not in namespace:
            raise Unsupported(f"the text defines no {entry}")
        return namespace[entry]  # type: ignore[no-any-return]  # what the text defines under this name is a function

    def helpers(self) -> dict[str, Meaning]:
        """Helper functions of generated code that stand for an operation, by the operation's exact meaning."""
        meanings: dict[str, Meaning] = {}
        for op in filter(self._known, ops.REGISTRY.values()):
            name, operands = _helper_call(op)
            if name:
                meanings[name] = Meaning(self, op, operands)
        for name in ops.HELPERS.keys() & ops.REGISTRY.keys() - meanings.keys():
            if self._known(ops.REGISTRY[name]):
                meanings[name] = Meaning(self, ops.REGISTRY[name], ops.REGISTRY[name].operands)
        return meanings

    def _known(self, op: ops.Op) -> bool:
        """Whether the operation has an exact meaning in functions that are known here; a user's gate may use others."""
        called = re.findall(r"(\w+)\(", op.exact)
        return bool(op.exact) and all(name == "Piecewise" or self.functions(name) is not None for name in called)

    # ------------------------------------------------------------------------------------------ the user's function

    def function(self, function: Any) -> Callable[..., Any]:
        """The user's live function, on exact numbers."""
        plain = plain_function(function)
        if plain is None:
            raise Unsupported(f"{function!r} is not a Python function")
        return self._rebuilt(plain)

    def _rebuilt(self, function: types.FunctionType) -> types.FunctionType:
        known = self._replaced.get(id(function))
        if known is not None:
            return known[1]  # type: ignore[no-any-return]  # a function stands for a function
        words: dict[str, Any] = {"__builtins__": self.builtins, "__name__": function.__module__ or "user"}
        closure = tuple(types.CellType() for _ in function.__closure__ or ())
        rebuilt = types.FunctionType(self._exact_code(function.__code__), words, function.__name__, None, closure or None)
        self._replaced[id(function)] = (function, rebuilt)
        rebuilt.__defaults__ = tuple(map(self.replace, function.__defaults__ or ())) or None
        rebuilt.__kwdefaults__ = {k: self.replace(v) for k, v in (function.__kwdefaults__ or {}).items()}
        for name in _names(function.__code__):
            if name in function.__globals__:
                words[name] = self.replace(function.__globals__[name])
        for cell, original in zip(closure, function.__closure__ or (), strict=True):
            _fill(cell, original, self.replace)
        return rebuilt

    def _exact_code(self, code: types.CodeType) -> types.CodeType:
        """The same code with exact constants, so that arithmetic on constants alone is not rounded either."""
        return code if self.world.binary else code.replace(co_consts=tuple(map(self._exact_constant, code.co_consts)))

    def _exact_constant(self, constant: Any) -> Any:
        match constant:
            case types.CodeType():
                return self._exact_code(constant)
            case float():
                return self.world.lift(constant)
            case tuple():
                return tuple(map(self._exact_constant, constant))
            case _:
                return constant

    def replace(self, thing: Any) -> Any:
        """What stands for a live object that a program refers to."""
        if isinstance(thing, float):
            return thing if self.world.binary else self.world.lift(thing)
        if isinstance(thing, types.ModuleType):
            return self._module(thing.__name__)
        plain = plain_function(thing)
        if plain is not None:
            return self._rebuilt(plain)
        if isinstance(thing, tuple):
            return tuple(map(self.replace, thing))
        if is_numpy_scalar(thing):
            return self.replace(thing.item())
        for table in ((float, "float"), (int, "int")):
            if thing is table[0]:
                return self.functions(table[1])
        return self._library_function(thing)

    def _library_function(self, thing: Any) -> Any:
        name = getattr(thing, "__name__", "")
        if isinstance(thing, types.BuiltinFunctionType) and getattr(math, name, None) is thing:
            return getattr(self.libraries["math"], name)
        if type(thing).__name__ == "ufunc" or (getattr(thing, "__module__", "") == "numpy" and callable(thing)):
            return getattr(self.libraries["numpy"], name)
        return thing

    # ------------------------------------------------------------------------------------------ libraries

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        return self._module(name)

    def _module(self, name: str) -> Any:
        if name not in self.libraries:
            raise Unsupported(f"the module {name}")
        return self.libraries[name]

    def _library(self, name: str) -> Library:
        named = self.functions.named
        table: dict[str, Any] = {**named, **{word: named[meaning] for word, meaning in synonyms.items() if meaning in named}}
        if name == "numpy":
            table = {word: self._quiet(meaning) for word, meaning in table.items()}
            table.update(float64=named["float"], int64=named["int"], bool_=bool)
        table.update({word: self.world.lift(getattr(math, word)) for word in ("pi", "e", "tau", "inf", "nan")})
        return Library(name, table)

    def _quiet(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """NumPy's functions give nan where those of `math` raise."""

        def quiet(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except (ValueError, ZeroDivisionError):
                return self.world.lift(math.nan)

        return quiet


class _Unqualified(ast.NodeTransformer):
    """``math.exp`` -> ``exp``: a module may have imported it either way."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        is_math = isinstance(node.value, ast.Name) and node.value.id == "math"
        return ast.Name(node.attr, node.ctx) if is_math else self.generic_visit(node)


def _words(function: ast.stmt) -> str:
    return ast.dump(_Unqualified().visit(function))


def plain_function(thing: Any) -> types.FunctionType | None:
    """The Python function behind a plain, compiled or stagegrad function; None if there is none."""
    if isinstance(thing, ops.Gate):
        return plain_function(thing.function)
    for attribute in ("__stagegrad_function__", "py_func"):
        inner = getattr(thing, attribute, None)
        if inner is not None:
            return plain_function(inner)
    return thing if isinstance(thing, types.FunctionType) else None


def _names(code: types.CodeType) -> set[str]:
    """The global names that code may read, nested functions included."""
    names: set[str] = set()
    todo = [code]
    while todo:
        part = todo.pop()
        names.update(part.co_names)
        todo.extend(constant for constant in part.co_consts if isinstance(constant, types.CodeType))
    return names


def _fill(cell: types.CellType, original: types.CellType, replace: Callable[[Any], Any]) -> None:
    try:
        contents = original.cell_contents
    except ValueError:  # an empty cell: the name is not bound yet
        return
    cell.cell_contents = replace(contents)


def _helper_call(op: ops.Op) -> tuple[str, tuple[str, ...]]:
    """The helper that an operation's Python spelling calls and nothing else, and the operands in the order of the call."""
    match = re.fullmatch(r"(\w+)\((.*)\)", op.template("python"))
    if match is None or match[1] not in ops.HELPERS:
        return "", ()
    operands = tuple(part.strip().strip("{}") for part in match[2].split(","))
    return (match[1], operands) if all(part in op.operands + op.attrs for part in operands) else ("", ())
