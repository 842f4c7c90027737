"""Functions that are Python's where Python runs them, and inlined machine code where Numba compiles the caller."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import signature
from numba.extending import lower_builtin, type_callable

from .lane import DOUBLE, SINGLE, Format, Kernel, Lane

F = TypeVar("F", bound=Callable[..., Any])


def vector(kernel: Kernel, *, single: Kernel | None = None) -> Callable[[F], F]:
    """Declares that Numba compiles calls of a function as `kernel`, float32 operands as `single` (else: computed in float64).

    The function itself is what runs where Numba does not: under ``NUMBA_DISABLE_JIT=1``, or called from Python.
    """

    def declare(function: F) -> F:
        count = len(inspect.signature(function).parameters)
        _type(function, count)
        for numbers, form, code in ((types.float64, DOUBLE, kernel), (types.float32, SINGLE, single or _widened(kernel))):
            _lower(function, form, code, [numbers] * count)
        return function

    return declare


def _type(function: Callable[..., Any], count: int) -> None:
    """Tells Numba the type of a call: float32 where all operands are, float64 for all other real numbers."""

    def typer(*operands: Any) -> Any:
        if not all(isinstance(operand, (types.Integer, types.Float, types.Boolean)) for operand in operands):
            return None
        kind = types.float32 if all(operand == types.float32 for operand in operands) else types.float64
        return signature(kind, *[kind] * count)  # type: ignore[no-untyped-call]  # Numba has no types

    typer.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # how Numba learns the number of operands
    type_callable(function)(lambda context: typer)


def _lower(function: Callable[..., Any], form: Format, kernel: Kernel, kinds: list[Any]) -> None:
    """Tells Numba how to compile a call: as a call of an LLVM function that is always inlined, built once a module."""
    name = f"stagegrad.{function.__name__}.{form.bits}"

    @lower_builtin(function, *kinds)  # type: ignore[untyped-decorator, no-untyped-call]  # Numba has no types
    def lower(context: Any, builder: Any, sig: Any, operands: Any) -> Any:
        made = builder.module.globals.get(name) or _built(builder.module, name, form, kernel, len(kinds))
        return builder.call(made, operands)


def _built(module: Any, name: str, form: Format, kernel: Kernel, count: int) -> Any:
    function = ir.Function(module, ir.FunctionType(form.llvm, [form.llvm] * count), name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(kernel(*(Lane(builder, operand, form) for operand in function.args)).llvm)
    return function


def _widened(kernel: Kernel) -> Kernel:
    """The kernel for float32 that computes in float64: exact to the last rounding."""
    return lambda *operands: kernel(*(operand.to(DOUBLE) for operand in operands)).to(SINGLE)
