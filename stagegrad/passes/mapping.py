"""IR of a function of numbers -> IR that applies it to arrays of points, in one loop.

Takes a module and the parameters that are the same number at every point; returns one whose main function takes an array for each
other parameter and, behind them, an array for each result, all of one dimension and as long as there are points:

    f(x, y): r = mul(x, y); return r

    f_map(all_x, y, all_r): for i in range(len(all_r)): x = all_x[i]; r = mul(x, y); all_r[i] = r

The arrays of the results belong to the function while it runs (`Function.given`): it writes to them, and returns them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

from stagegrad.ir import (
    FLOAT,
    INT,
    Atom,
    Block,
    Call,
    Carry,
    For,
    Fresh,
    Function,
    Lit,
    Module,
    Shape,
    Stage,
    Stmt,
    Type,
    Var,
    leaves,
    walk,
)  # fmt: skip
from stagegrad.names import Words, words_of
from stagegrad.ops import literal


def over_points(module: Module, name: str, same: Container[int] = ()) -> Module:
    """The module with a main function, called `name` if it can be, that loops over points; `same` are positions of parameters."""
    main = module.main
    others = module.functions[1:]
    if any(isinstance(stmt, Call) and stmt.fn == main.name for function in module.functions for stmt in walk(function.body)):
        others = module.functions  # it calls itself
    name = Words(function.name for function in others).fresh(name)
    return Module((_Loop(main, same).function(name), *others))


class _Loop:
    """The loop around one function's body."""

    def __init__(self, main: Function, same: Container[int]) -> None:
        main = _apart(main)
        self.main, self.fresh, self.words = main, Fresh(main), Words(words_of(main) | {"len", "range"})
        self.params = [param if k in same else self.array(param.name, param.type) for k, param in enumerate(main.params)]
        self.results = [self.array(_name(result), self.width(result)) for result in main.body.results]

    def array(self, name: str, type_: Type) -> Var:
        """An array of as many elements as there are points."""
        return self.fresh.var(self.words.fresh(f"all_{name}"), replace(type_, rank=1))

    def width(self, result: Atom) -> Type:
        """The type of a result; a constant, such as the gradient with respect to what is not used, is as wide as the parameters are."""
        floats = [param.type for param in self.main.params if param.type.kind == "float"]
        return floats[0] if isinstance(result, Lit) and result.type == FLOAT and floats else result.type

    def function(self, name: str) -> Function:
        main, index = self.main, self.fresh.var(self.words.fresh("i"), INT)
        count = self.fresh.var("", INT)
        pairs = zip(main.params, self.params, strict=True)
        loads = [Stage(param, "load", (array, index)) for param, array in pairs if array is not param]
        carried = [self.fresh.like(array) for array in self.results]
        written = [self.fresh.like(array) for array in self.results]
        stores = self.stores(written, carried, index)
        body = Block((*loads, *main.body.stmts, *stores), tuple(written))
        outs = [self.fresh.like(array) for array in self.results]
        carries = tuple(map(Carry, carried, self.results, outs))
        loop = For(index, literal(0), count, literal(1), carries, body, span=main.span)
        stmts: tuple[Stmt, ...] = (Stage(count, "size", (self.results[0],)), loop)
        params = (*self.params, *self.results)
        first = len(self.params)
        given = tuple(range(first, first + len(self.results)))
        return replace(main, name=name, params=params, body=Block(stmts, tuple(outs)), axes=(), given=given)

    def stores(self, written: Sequence[Var], carried: Sequence[Var], index: Var) -> list[Stage]:
        """What puts a point's results in their places."""
        results = map(_defined, self.main.body.results)
        return [Stage(new, "store", (old, index, result)) for new, old, result in zip(written, carried, results, strict=True)]


def _apart(main: Function) -> Function:
    """The function with a result of its own for each part of its answer, where one is returned twice."""
    order = list(leaves(main.shape))
    numbers = iter(range(len(order)))
    return replace(main, body=replace(main.body, results=tuple(main.body.results[k] for k in order)), shape=_counted(main.shape, numbers))


def _counted(shape: Shape, numbers: Iterator[int]) -> Shape:
    return next(numbers) if isinstance(shape, int) else tuple(_counted(part, numbers) for part in shape)


def _name(result: Atom) -> str:
    return result.name if isinstance(result, Var) and result.name else "result"


def _defined(result: Atom) -> Atom:
    """The result itself; where it is never computed, because every way there raises, any number."""
    if isinstance(result, Lit) and result.value is None:
        return replace(result, value={"float": 0.0, "int": 0, "bool": False}[result.type.kind])
    return result
