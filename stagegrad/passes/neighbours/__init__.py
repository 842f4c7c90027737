"""Loops over a grid in which cells read or add to their neighbours: what is added to a neighbour is gathered by it.

    for i in range(1, n - 1):                     for i in range(2, n - 2):
        t = c * dv[i]                                 du[i] = c * dv[i - 1] - 2.0 * (c * dv[i]) + c * dv[i + 1]
        du[i - 1] += t                    ->      for i in (0, 1, n - 2, n - 1):
        du[i] -= 2.0 * t                              the same, of what there is
        du[i + 1] += t

The left loop is what differentiating a stencil gives. Its trips add to the same elements, so they run one after the other; those of the
right one are vector instructions. Each element is the same sum in the same order. Loops behind one another over the same grid become
one where a cell needs nothing of the others but what was there before: so a copy of the grid in which only the inner cells are
replaced is never made, and an array is not filled with zeros to be added to.

`gather_neighbours` is ``Module -> Module``, for the target "numba"; `written_anew` prepares a function before it is differentiated.
`reading` says what such a loop is, and leaves alone what is not certainly one: what reads cells that it has written (Gauss-Seidel),
what may count from the end of an array, what leaves a loop early.
"""

from __future__ import annotations

from stagegrad.ir import Function, Module
from stagegrad.passes.neighbours.anew import written_anew
from stagegrad.passes.neighbours.groups import Gathering

__all__ = ["gather_neighbours", "written_anew"]


def gather_neighbours(module: Module) -> Module:
    """The module with loops whose cells gather from their neighbours."""
    return Module(tuple(map(_gathered, module.functions)))


def _gathered(function: Function) -> Function:
    return Gathering(function).function()
