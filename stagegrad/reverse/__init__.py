"""IR -> IR that also returns the gradient.

`reverse` takes a module whose main function returns one float, and returns a module whose main function computes
that value and its gradient: the user's statements, then for every stage, last first, the contributions of its result's
gradient to its operands' gradients (the chain rule), in the same language, so that `reverse` can be applied again.

    z.0 = mul(x.0, y.0); return z.0   ->   z.0 = mul(x.0, y.0); dz.0 = 1.0; dx.0 = mul(y.0, dz.0); dy.0 = mul(x.0, dz.0)

Straight lines and branches need no record: what an arm computed is still there when the backward pass asks for it.
A loop runs its body again in reverse order, from the values that it carried into each trip; of these it records
exactly those that the reverse body, once built and pruned, still reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.errors import ArgumentError
from stagegrad.ir import Call, Function, Module, walk
from stagegrad.reverse.elements import elements_as_numbers
from stagegrad.reverse.family import Family


def reverse(module: Module, wrt: Sequence[int]) -> Module:
    """The value and the gradient of the main function with respect to the parameters at the positions `wrt`.

    The result's shape is ``(0, 1)`` for one parameter, ``(0, (1, 2, ...))`` for more. Raises ArgumentError where the
    main function does not return a single number.
    """
    main = module.main
    if main.shape != 0 or len(main.body.results) != 1 or main.body.results[0].type.rank:
        raise ArgumentError(f"{main.name}() returns {_answer(main)}; a gradient needs one number", main.span, "return a single float")
    module = elements_as_numbers(module)
    main = module.main
    family = Family(module)
    gradient = family.value_and_gradient(main, tuple(wrt))
    functions = (gradient, *family.backwards(), *module.functions[1:])
    called = any(_calls(function, main.name) for function in functions)
    return Module((*functions, main) if called else functions)


def _answer(function: Function) -> str:
    count = len(function.body.results)
    return f"a tuple of {count}" if count != 1 else "a value that is not a scalar"


def _calls(function: Function, name: str) -> bool:
    return any(isinstance(stmt, Call) and stmt.fn == name for stmt in walk(function.body))
