"""Those that stagegrad is measured against: how each is given a workload, and whether it is installed.

Each is handed the code that its own users write: JAX and autograd read a workload's NumPy code as it is, with `np` meaning their
module (`spoken`), and loops are written as each of them wants loops. Everything is float64 unless the workload says otherwise,
has one thread, and is complete when a call returns.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

#: A call that computes value and gradient, all of it done when it returns.
Run = Callable[[], Any]
#: The packages of peers, as they are imported.
PACKAGES = ("jax", "torch", "autograd", "casadi", "tangent")


class Absent(Exception):
    """A peer that cannot take part, with the reason."""


def package(name: str) -> Any:
    """The module of a peer, set up for float64 and one thread; raises Absent, with the reason, where there is none."""
    try:
        module: Any = importlib.import_module(name)
    except Exception as error:  # a package of another time may fail in any way while it is imported
        reason = str(error).partition("\n")[0]
        raise Absent("not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be imported: {reason}") from error
    if name == "jax":
        module.config.update("jax_enable_x64", True)
    if name == "torch":
        module.set_num_threads(1)
    return module


def named(path: str) -> Any:
    """What a dotted path says, such as ``jax.scipy.special.erf``."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def presence() -> dict[str, str]:
    """What there is of each peer: its version, or why there is none."""
    found = {}
    for name in PACKAGES:
        try:
            package(name)
            found[name] = importlib.import_module("importlib.metadata").version(name)
        except Absent as error:
            found[name] = f"absent: {error}"
    return found


def spoken(function: Callable[..., Any], **words: Any) -> Callable[..., Any]:
    """The same text with other meanings of its globals, ``np=jax.numpy``; functions of the same module that it calls follow."""
    assert isinstance(function, FunctionType)
    scope = {**function.__globals__, **words}
    for name, value in function.__globals__.items():
        if name not in words and isinstance(value, FunctionType) and value.__module__ == function.__module__:
            scope[name] = FunctionType(value.__code__, scope, name, value.__defaults__)
    return FunctionType(function.__code__, scope, function.__name__, function.__defaults__)


def jax_run(function: Callable[..., Any], args: Sequence[Any], wrt: Sequence[int]) -> Run:
    """Value and gradient by ``jax.jit(jax.value_and_grad(...))``; ints are static, arrays are on the device before the call."""
    jax = package("jax")
    placed = [jax.numpy.asarray(value) if isinstance(value, np.ndarray) else value for value in args]
    static = [k for k, value in enumerate(args) if isinstance(value, int)]
    compiled = jax.jit(jax.value_and_grad(function, argnums=tuple(wrt)), static_argnums=static)
    return lambda: jax.block_until_ready(compiled(*placed))


def jax_steps(step: Callable[[Any], Any], start: Any, steps: int, *, checkpoint: bool) -> Any:
    """The state after some steps by ``lax.scan``; with `checkpoint` a step keeps nothing and is run again for its gradient."""
    jax = package("jax")
    body = jax.checkpoint(step) if checkpoint else step
    return jax.lax.scan(lambda state, _: (body(state), None), start, None, length=steps)[0]


def torch_run(function: Callable[..., Any], args: Sequence[Any], wrt: Sequence[int], *, compiled: bool = False) -> Run:
    """Value and gradient by a backward pass of PyTorch on the processor, eager or by ``torch.compile``."""
    torch = package("torch")
    tensors = [_tensor(torch, value) for value in args]
    leaves = [tensors[k].requires_grad_() for k in wrt]
    forward = torch.compile(function, dynamic=False) if compiled else function

    def run() -> Any:
        value = forward(*tensors)
        return value.detach(), torch.autograd.grad(value, leaves)

    return run


def _tensor(torch: Any, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return torch.tensor(value, dtype=torch.float64) if isinstance(value, float) else value


def autograd_run(function: Callable[..., Any], args: Sequence[Any], wrt: Sequence[int]) -> Run:
    """Value and gradient by autograd, which records the operations of every call anew."""
    package("autograd")
    both = importlib.import_module("autograd").value_and_grad(function, tuple(wrt))
    return lambda: both(*args)


def casadi_run(build: Callable[..., Any], args: Sequence[Any], wrt: Sequence[int], *, kind: str = "SX") -> Run:
    """Value and gradient by a CasADi function of SX (scalar) or MX (array) symbols, run by CasADi's own virtual machine."""
    casadi = package("casadi")
    symbol = getattr(casadi, kind).sym
    symbols = [value if isinstance(value, int) else symbol(f"a{k}", *np.shape(value)) for k, value in enumerate(args)]
    value = build(*symbols)
    inputs = [(s, a) for s, a in zip(symbols, args, strict=True) if not isinstance(a, int)]
    both = casadi.Function("both", [s for s, _ in inputs], [value, *(casadi.gradient(value, symbols[k]) for k in wrt)])
    given = [a for _, a in inputs]

    def run() -> Any:
        value, *slopes = both(*given)
        return value, slopes

    return run


def tangent_run(function: Callable[..., Any], args: Sequence[Any], wrt: Sequence[int]) -> Run:
    """Value and gradient by tangent, which writes a gradient function in Python."""
    gradient = package("tangent").grad(function, wrt=tuple(wrt), preserve_result=True)

    def run() -> Any:
        *slopes, value = gradient(*args)
        return value, slopes

    return run
