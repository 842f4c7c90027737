"""What a call costs: the operations, the trips, the records and the memory of the printed text, counted while the text runs.

`count` puts counters into a generated module and runs it: with Numba at the speed of machine code, else in Python. What it counts is what
`Staged.source` prints, statement by statement:

- operations on floats, by kind: an operation on an array counts once for each element, a sum once for each element that it adds, a
  product of matrices as its multiplications and additions. A helper or a function of NumPy's counts as one operation of its name.
  Ints, comparisons and the copying of numbers are not counted; of ``x if c else y``, both sides are.
- trips of all loops, inner ones each time they run; those of a function's loops inside NumPy are not.
- records: numbers written to tapes; and the bytes of the tapes, each at its longest.
- the bytes of all other arrays that the call makes, those too that are gone before the next is made.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stagegrad.ir import For, Module, Stage, Var, While, walk
from stagegrad.memory import shown_bytes
from stagegrad.rules.gather import ADDERS, SETTERS


@dataclass(frozen=True)
class Cost:
    """What one call costs; `operations` are those on floats, by kind, the most frequent first."""

    name: str
    operations: dict[str, int] = field(default_factory=dict)
    trips: int = 0
    recorded: int = 0
    tape_bytes: int = 0
    workspace_bytes: int = 0

    @property
    def flops(self) -> int:
        """All operations on floats together."""
        return sum(self.operations.values())

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {**asdict(self), "flops": self.flops}

    def __repr__(self) -> str:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in self.operations.items()) or "none"
        return "\n".join((
            f"{self.name}: {self.flops:,} operations on floats, {self.trips:,} trips of loops",
            f"  operations  {kinds}",
            f"  tapes       {shown_bytes(self.tape_bytes)}, {self.recorded:,} numbers recorded",
            f"  workspace   {shown_bytes(self.workspace_bytes)} in other arrays",
        ))  # fmt: skip


def tape_names(module: Module) -> frozenset[str]:
    """What the text calls the tapes of a module, apart from a number behind the name."""
    found: set[Var] = set()
    for stmt in (stmt for function in module.functions for stmt in walk(function.body)):
        match stmt:
            case Stage() if stmt.op in _TAPES or (stmt.op in _WRITES and stmt.args[0] in found):
                found.add(stmt.out)
            case For() | While():
                found.update(var for carry in stmt.carries if carry.init in found for var in (carry.var, carry.out))
    return frozenset(var.name.rstrip("0123456789") for var in found if var.name) | _TAPES


_TAPES = frozenset({"tape_float", "tape_int", "tape_bool"})
_WRITES = frozenset({"store", "grow", "reserve"})
#: How many times counters change before Numba is worth its time.
_PATIENCE = 200_000


def count(name: str, text: str, entry: str, functions: Iterable[str], tapes: frozenset[str], args: Sequence[Any], *, numba: bool) -> Cost:
    """The cost of a call of a generated module's function `entry`; `functions` are the user's and their gradients, the rest are helpers."""
    counters = _Counters(frozenset(functions), tapes)
    tree = ast.fix_missing_locations(counters.visit(ast.parse(text)))
    tally = _counted_on_numba(tree, entry, args, len(counters.meanings)) if numba else None
    if tally is None:
        tally = [0] * len(counters.meanings)
        _run(tree, entry, args, tally, {"floats_": floats, "bytes_": bytes_of})
    found: Counter[tuple[str, str]] = Counter()
    for meaning, number in zip(counters.meanings, tally, strict=True):
        found[meaning] += int(number)
    operations = Counter({kind: number for (what, kind), number in found.items() if what == "operation" and number})
    amounts: Counter[str] = Counter()
    for (what, _), number in found.items():
        amounts[what] += number
    return Cost(name, dict(operations.most_common()), amounts["trip"], amounts["record"], amounts["tape"], amounts["array"])


def _run(tree: ast.Module, entry: str, args: Sequence[Any], tally: Any, scope: dict[str, Any]) -> None:
    scope["__name__"] = "stagegrad_cost"
    exec(compile(tree, "<stagegrad cost>", "exec"), scope)
    scope[entry](tally, *(arg.copy() if getattr(arg, "shape", ()) else arg for arg in args))


def _counted_on_numba(tree: ast.Module, entry: str, args: Sequence[Any], length: int) -> Any:
    """The counters of a module for Numba: a short run is over before it would be compiled."""
    import numpy  # lazily: a heavy package, and Numba is there

    plainly = _Patient(length)
    try:
        with numpy.errstate(all="ignore"):
            _run(_Plain().visit(copy.deepcopy(tree)), entry, args, plainly, {"floats_": floats, "bytes_": bytes_of})
    except Exception:  # not so short, or something that raises in Python alone
        compiled = numpy.zeros(length, numpy.int64)
        _run(tree, entry, args, compiled, _on_numba())
        return compiled
    return plainly


class _Patient(list[int]):
    """Counters that lose patience."""

    def __init__(self, length: int) -> None:
        super().__init__([0] * length)
        self.left = _PATIENCE

    def __setitem__(self, place: Any, number: Any) -> None:
        self.left -= 1
        if not self.left:
            raise TimeoutError
        super().__setitem__(place, number)


class _Plain(ast.NodeTransformer):
    """A module for Numba as plain Python."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.decorator_list = [one for one in node.decorator_list if "njit" not in ast.unparse(one)]
        return node


# ---------------------------------------------------------------------------------------------- what a value amounts to


def floats(value: Any) -> int:
    """How many floats a value is."""
    if isinstance(value, float):
        return 1
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return int(value.size) if kind == "f" else 0


def bytes_of(value: Any) -> int:
    """How much memory the elements of an array or of a list take."""
    return 8 * len(value) if isinstance(value, list) else int(getattr(value, "nbytes", 0)) if getattr(value, "shape", ()) else 0


def _on_numba() -> dict[str, Callable[..., Any]]:
    """The same two for compiled code."""
    from numba import types  # lazily: a heavy package
    from numba.extending import overload

    def floats_(value: Any) -> int:
        return floats(value)

    def bytes_(value: Any) -> int:
        return bytes_of(value)

    def elements(value: Any) -> Any:
        return value.size

    def memory(value: Any) -> Any:
        return value.size * value.itemsize

    def one(value: Any) -> Any:
        return 1

    def nothing(value: Any) -> Any:
        return 0

    @overload(floats_)
    def _floats(value: Any) -> Any:
        if isinstance(value, types.Array):
            return elements if isinstance(value.dtype, types.Float) else nothing
        return one if isinstance(value, types.Float) else nothing

    @overload(bytes_)
    def _bytes(value: Any) -> Any:
        return memory if isinstance(value, types.Array) and value.ndim else nothing

    return {"floats_": floats_, "bytes_": bytes_}


# ---------------------------------------------------------------------------------------------- counters in the text

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.Pow: "pow"}
_WORDS = {"plus": "add", "minus": "sub"}
#: Functions of NumPy's that take an array as a whole: what is counted is the elements that they read.
_WHOLE = frozenset({"sum", "mean", "prod", "max", "min", "amax", "amin", "dot", "var", "std", "cumsum", "cumprod", "trace", "vdot"})
#: What computes nothing: it makes room, or shows the same elements in another way.
_QUIET = frozenset({
    "empty", "zeros", "ones", "full", "empty_like", "zeros_like", "ones_like", "full_like", "copy", "room", "room_like", "reshape", "ravel",
    "range", "len", "float", "int", "bool", "ascontiguousarray", "asarray", "expand_dims", "squeeze", "transpose", "concatenate", "stack",
    "broadcast_to", "grown", "reserved", "shape", "flip", "size", "array", "position", "from_front",
})  # fmt: skip
_GROWING = frozenset({"grown", "reserved"})
#: Calls that write to a section, and the operation that they do on the way.
_BY_CALL = {**dict.fromkeys(SETTERS.values()), **dict.fromkeys(ADDERS.values(), ast.Add)}
_TALLY = "tally_"


class _Counters(ast.NodeTransformer):
    """Puts a counter behind every statement that computes; `meanings` says of each counter what it counts."""

    def __init__(self, functions: frozenset[str], tapes: frozenset[str]) -> None:
        self.functions, self.tapes = functions, tapes
        self.meanings: list[tuple[str, str]] = []
        self.function = ""
        self.places: dict[tuple[str, str], int] = {}

    # -- functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.decorator_list = [_uncached(decorator) for decorator in node.decorator_list]
        if node.name not in self.functions:
            return node
        self.function = node.name
        node.args.args.insert(0, ast.arg(_TALLY))
        node.body = self._block(node.body)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in self.functions:
            node.args.insert(0, _name(_TALLY))
        return node

    # -- statements

    def _block(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for stmt in stmts:
            found += self._stmt(stmt)
        return found

    def _stmt(self, stmt: ast.stmt) -> list[ast.stmt]:
        match stmt:
            case ast.For():
                stmt.iter = self.visit(stmt.iter)
                stmt.body = [self._add(("trip", ""), ast.Constant(1)), *self._block(stmt.body)]
                return [stmt]
            case ast.While():
                stmt.test = self.visit(stmt.test)
                stmt.body = [self._add(("trip", ""), ast.Constant(1)), *self._block(stmt.body)]
                return [stmt]
            case ast.If():
                stmt.test = self.visit(stmt.test)
                stmt.body, stmt.orelse = self._block(stmt.body), self._block(stmt.orelse)
                return [stmt]
            case ast.Assign(targets=[target], value=value):
                return self._assignment(stmt, target, value)
            case ast.AugAssign(target=target, op=op, value=value):
                return self._augmented(stmt, target, _BINARY.get(type(op), "other"), value)
            case ast.Expr(value=ast.Call(func=ast.Name(id=word), args=[section, value])) if word in _BY_CALL:
                return self._stmt(_as_assignment(word, section, value))
        self.visit(stmt)
        return [stmt]

    def _assignment(self, stmt: ast.Assign, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        if isinstance(target, ast.Tuple):
            self.visit(stmt)
            return [stmt]
        before: list[ast.stmt] = []
        made = target
        if isinstance(target, ast.Subscript):  # what is written is computed under a name of its own
            made = _name(f"value{len(self.meanings)}_")
            before = [ast.Assign([ast.Name(made.id, ast.Store())], self.visit(value))]
            stmt.value = made
        else:
            self.visit(stmt)
        return [*before, stmt, *self._counted(value, made), *self._memory(target, made, value)]

    def _augmented(self, stmt: ast.AugAssign, target: ast.expr, kind: str, value: ast.expr) -> list[ast.stmt]:
        made = _name(f"value{len(self.meanings)}_")
        before = ast.Assign([ast.Name(made.id, ast.Store())], self.visit(value))
        stmt.value = made
        return [before, stmt, *self._counted(value, made), self._add(("operation", kind), _call("floats_", made))]

    def _counted(self, value: ast.expr, made: ast.expr) -> Iterator[ast.stmt]:
        """Counters for the operations of an expression whose value is `made`."""
        for kind, of in _operations(value, self.functions):
            if kind == "matmul":
                left = of if of is not None else made
                for part in ("mul", "add"):
                    yield self._add(("operation", part), ast.BinOp(_call("floats_", made), ast.Mult(), _last_extent(left)))
            else:
                yield self._add(("operation", kind), _call("floats_", of if of is not None else made))

    def _memory(self, target: ast.expr, made: ast.expr, value: ast.expr) -> Iterator[ast.stmt]:
        """Counters for what is written to a tape, and for the memory of an array that was made."""
        if isinstance(target, ast.Subscript):
            if isinstance(target.value, ast.Name) and self._is_tape(target.value.id):
                yield self._add(("record", ""), _count_of(made))
        elif isinstance(target, ast.Name) and _makes(value):
            if not self._is_tape(target.id):
                yield self._add(("array", ""), _call("bytes_", made))
                return
            place = self.places.setdefault((self.function, target.id), len(self.meanings))
            if place == len(self.meanings):
                self.meanings.append(("tape", ""))
            cell = ast.Subscript(_name(_TALLY), ast.Constant(place), ast.Store())
            longest = _call("max", ast.Subscript(_name(_TALLY), ast.Constant(place), ast.Load()), _call("bytes_", made))
            yield ast.Assign([cell], longest)

    def _is_tape(self, name: str) -> bool:
        return name.rstrip("0123456789") in self.tapes

    def _add(self, meaning: tuple[str, str], amount: ast.expr) -> ast.stmt:
        self.meanings.append(meaning)
        cell = ast.Subscript(_name(_TALLY), ast.Constant(len(self.meanings) - 1), ast.Store())
        return ast.AugAssign(cell, ast.Add(), amount)


def _as_assignment(word: str, section: ast.expr, value: ast.expr) -> ast.stmt:
    """``set_row(a[i], x)`` -> ``a[i] = x``, ``add_row(a, x)`` -> ``a[:] += x``."""
    place = section.slice if isinstance(section, ast.Subscript) else ast.Slice()
    target = ast.Subscript(section.value if isinstance(section, ast.Subscript) else section, place, ast.Store())
    operation = _BY_CALL[word]
    return ast.Assign([target], value) if operation is None else ast.AugAssign(target, operation(), value)


def _name(word: str) -> ast.Name:
    return ast.Name(word, ast.Load())


def _call(word: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_name(word), list(map(_loaded, args)), [])


def _loaded(node: ast.expr) -> ast.expr:
    return _name(node.id) if isinstance(node, ast.Name) else node


def _count_of(made: ast.expr) -> ast.expr:
    """How many numbers a record holds: one that is no array of floats holds one."""
    return _call("max", ast.Constant(1), _call("floats_", made))


def _last_extent(array: ast.expr) -> ast.expr:
    shape = ast.Attribute(array, "shape", ast.Load())
    return ast.Subscript(shape, ast.UnaryOp(ast.USub(), ast.Constant(1)), ast.Load())


def _uncached(decorator: ast.expr) -> ast.expr:
    """A decorator for code that is in no file."""
    if isinstance(decorator, ast.Call):
        decorator.keywords = [word for word in decorator.keywords if word.arg != "cache"]
    return decorator


def _makes(value: ast.expr) -> bool:
    """Does an expression make an array, if its value is one? A name, a section or another view does not."""
    match value:
        case ast.Call(func=ast.Attribute(attr=word)) | ast.Call(func=ast.Name(id=word)):
            return word not in ("reshape", "ravel", "transpose", "squeeze", "expand_dims", "broadcast_to", "asarray")
        case ast.BinOp(left=ast.List()):
            return True
        case ast.BinOp() | ast.UnaryOp():
            return True
    return False


def _operations(value: ast.expr, functions: Mapping[str, Any] | frozenset[str]) -> Iterator[tuple[str, ast.expr | None]]:
    """The operations of an expression: the kind of each, and what it reads, where that is what counts."""
    match value:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield "matmul", left
            parts: list[ast.expr] = [left, right]
        case ast.BinOp(left=ast.List()):
            parts = []
        case ast.BinOp(left=left, op=op, right=right):
            yield _power(right) if isinstance(op, ast.Pow) else _BINARY.get(type(op), "other"), None
            parts = [left, right]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield "neg", None
            parts = [operand]
        case ast.Call(func=ast.Name(id=word), args=args) if word in functions:
            parts = args
        case ast.Call(func=ast.Attribute(attr=word), args=args) | ast.Call(func=ast.Name(id=word), args=args):
            if word == "dot" and len(args) >= 2:
                yield "matmul", args[0]
            elif word not in _QUIET:
                yield _WORDS.get(word, word), args[0] if word in _WHOLE and args else None
            parts = [] if word in _QUIET else args
        case ast.IfExp(test=test, body=body, orelse=orelse):
            parts = [test, body, orelse]
        case ast.Compare(left=left, comparators=others):
            parts = [left, *others]
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts):
            pass
        case _:
            parts = []
    for part in parts:
        yield from _operations(part, functions)


def _power(exponent: ast.expr) -> str:
    """Small whole powers are products."""
    return "mul" if isinstance(exponent, ast.Constant) and exponent.value == 2 else "pow"
