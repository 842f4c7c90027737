"""Array stages -> loops: what NumPy computes array by array, a nest of loops computes element by element.

    z = x * y            for i in range(n):
    e = exp(z)               z_i = x[i] * y[i]
    f = sum(e)               e_i = exp(z_i)
    dz = e * df              f += e_i
    dx = y * dz              dz_i = e_i * df
                             dx[i] = y[i] * dz_i

For Numba, where a loop is as fast as the machine and a temporary array is not. `fuse` is ``Module -> Module``, and leaves alone what
it does not know: products of matrices, sorting, whatever is read or written at computed places. `expand` writes composite operations
in terms of simpler ones, `nodes` says over which axes a stage runs and which elements it reads, `stencil` gathers sums into sections,
`blocks` finds what becomes loops, `schedule` says when and in which, and `nest` writes them.
"""

from __future__ import annotations

from dataclasses import replace

from stagegrad.ir import Function, Module, bound
from stagegrad.passes.fuse.blocks import Fuser
from stagegrad.passes.fuse.expand import expanded
from stagegrad.passes.fuse.nest import UNEQUAL

__all__ = ["UNEQUAL", "fuse"]


def fuse(module: Module) -> Module:
    """The module with loops in the place of array stages."""
    return Module(tuple(map(_fused, module.functions)))


def _fused(function: Function) -> Function:
    if not any(var.type.rank for var in (*function.params, *bound(function.body))):
        return function
    function = expanded(function)
    return replace(function, body=Fuser(function).body())
