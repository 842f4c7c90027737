"""Factorisations of a matrix that are kept and used again, for compiled code: LAPACK and BLAS as SciPy has them.

`lu` and `chol` factor once; what they return solves any number of systems, gives the determinant and the inverse. All take float64 or
float32 in any layout, copy what LAPACK would overwrite, and raise LinAlgError where NumPy does. Solutions with several right-hand sides
come in Fortran's order, as those of ``np.linalg.solve`` do in compiled code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llvmlite.binding
import numba
import numba.core.cgutils
import numba.core.types
import numpy as np
from llvmlite import ir
from numba.extending import get_cython_function_address, intrinsic

types: Any = numba.core.types  # typed in part alone
cgutils: Any = numba.core.cgutils
config: Any = numba.config

_LETTERS = {"float64": "d", "float32": "s"}


def _routine(library: str, name: str) -> Any:
    """A routine of LAPACK or BLAS as a function of the tuple of its operands: arrays, and numbers, which it cannot change.

    The first array of floats says which precision is called. A letter is the number of its character.
    """
    places = {kind: get_cython_function_address(f"scipy.linalg.{library}", letter + name) for kind, letter in _LETTERS.items()}
    for kind, letter in _LETTERS.items():
        llvmlite.binding.add_symbol(f"stagegrad_{letter}{name}", places[kind])  # machine code on disk refers to it by this name
    if config.DISABLE_JIT:
        return lambda operands: _call_from_python(places, operands)

    def call(typing_context: Any, operands: Any) -> Any:
        kind = next(type_.dtype for type_ in operands if isinstance(type_, types.Array) and isinstance(type_.dtype, types.Float))

        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = [(type_, builder.extract_value(args[0], k)) for k, type_ in enumerate(operands)]
            pointers = [_pointer(context, builder, type_, value, kind) for type_, value in values]
            function = ir.FunctionType(ir.VoidType(), [pointer.type for pointer in pointers])
            symbol = f"stagegrad_{_LETTERS[str(kind)]}{name}"
            builder.call(builder.module.globals.get(symbol) or ir.Function(builder.module, function, symbol), pointers)
            return context.get_dummy_value()

        return types.void(operands), write

    return intrinsic(call)


def _pointer(context: Any, builder: Any, type_: Any, value: Any, kind: Any) -> Any:
    """The place of an operand: an array's elements, or where a number has been put, an int of 32 bits or a float of `kind`."""
    if isinstance(type_, types.Array):
        place = context.make_array(type_)(context, builder, value).data
    else:
        number = context.cast(builder, value, type_, kind if isinstance(type_, types.Float) else types.int32)
        place = cgutils.alloca_once_value(builder, number)
    return builder.bitcast(place, ir.IntType(8).as_pointer())


def _call_from_python(places: Mapping[str, int], operands: Sequence[Any]) -> None:
    kind = next(str(each.dtype) for each in operands if isinstance(each, np.ndarray) and each.dtype.kind == "f")
    numbers: dict[type, Any] = {int: np.int32, bool: np.int32, float: np.dtype(kind)}
    arrays = [each if isinstance(each, np.ndarray) else np.array(each, numbers[type(each)]) for each in operands]
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))(places[kind])(*(array.ctypes.data for array in arrays))


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    found: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return found


_getrf, _getrs, _getri = (_routine("cython_lapack", name) for name in ("getrf", "getrs", "getri"))
_trsm = _routine("cython_blas", "trsm")


#: What LAPACK and BLAS call a matrix as it is, one that is turned, the right side, and the upper triangle.
_AS_IT_IS, _TURNED, _RIGHT, _UPPER = map(ord, "NTRU")


# ---------------------------------------------------------------------------------------------- any square matrix


@_compiled
def lu(a: Any) -> Any:
    """The triangular factors of a square matrix of n rows, which may be singular, and how its rows were swapped.

    They are n + 1 rows: the factors in Fortran's order, that is turned, and the swaps.
    """
    n = a.shape[0]
    if a.shape[1] != n:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    found = np.empty((n + 1, n), a.dtype)
    for i in range(n):
        for j in range(n):
            found[j, i] = a[i, j]
    swaps = np.empty(n, np.int32)
    if n:
        _getrf((n, n, found, n, swaps, 0))
    for k in range(n):
        found[n, k] = swaps[k]
    return found


@_compiled
def _swaps(factors: Any) -> Any:
    n = factors.shape[1]
    swaps = np.empty(n, np.int32)
    for k in range(n):
        swaps[k] = int(factors[n, k])
    return swaps


@_compiled
def _is_singular(factors: Any) -> bool:
    for k in range(factors.shape[1]):  # noqa: SIM110 (compiled code has no any())
        if factors[k, k] == 0.0:
            return True
    return False


@_compiled
def _solve(factors: Any, x: Any, count: int, turned: bool) -> None:
    """Solves for `count` right-hand sides that stand one after the other in `x`, where the solutions will be."""
    n = factors.shape[1]
    if _is_singular(factors):
        raise np.linalg.LinAlgError("Singular matrix")
    if x.size:
        _getrs((_TURNED if turned else _AS_IT_IS, n, count, factors, n, _swaps(factors), x, n, 0))


@_compiled
def lu_solve(factors: Any, b: Any, turned: bool) -> Any:
    """The solution of a x = b, or of a.T x = b, for one right-hand side, from ``lu(a)``."""
    if b.shape[0] != factors.shape[1]:
        raise np.linalg.LinAlgError("Incompatible array sizes")
    x = np.empty(b.shape[0], factors.dtype)
    for k in range(b.shape[0]):
        x[k] = b[k]
    _solve(factors, x, 1, turned)
    return x


@_compiled
def lu_solve_columns(factors: Any, b: Any, turned: bool) -> Any:
    """The solution of a x = b, or of a.T x = b, for the columns of a matrix, from ``lu(a)``."""
    n, count = b.shape
    if n != factors.shape[1]:
        raise np.linalg.LinAlgError("Incompatible array sizes")
    x = np.empty((count, n), factors.dtype)
    for i in range(n):
        for j in range(count):
            x[j, i] = b[i, j]
    _solve(factors, x, count, turned)
    return x.T


@_compiled
def lu_inverse(factors: Any) -> Any:
    """The inverse of a matrix, from its ``lu``."""
    n = factors.shape[1]
    if _is_singular(factors):
        raise np.linalg.LinAlgError("Singular matrix")
    found, work = np.empty((n, n), factors.dtype), np.empty(64 * n, factors.dtype)
    for i in range(n):
        for j in range(n):
            found[i, j] = factors[i, j]
    if n:
        _getri((n, found, n, _swaps(factors), work, 64 * n, 0))
    return found.T


@_compiled
def lu_inverse_or_nan(factors: Any) -> Any:
    """The inverse of a matrix, from its ``lu``; full of nan where there is none."""
    if _is_singular(factors):
        n = factors.shape[1]
        return np.full((n, n), np.nan, factors.dtype).T
    return lu_inverse(factors)


@_compiled
def lu_sign(factors: Any) -> Any:
    """The sign of a matrix's determinant, from its ``lu``; 0 where it is singular."""
    n, odd = factors.shape[1], False
    for k in range(n):
        if factors[k, k] == 0.0:
            return factors.dtype.type(0.0)
        odd ^= (factors[n, k] != k + 1) ^ (factors[k, k] < 0.0)
    return factors.dtype.type(-1.0 if odd else 1.0)


@_compiled
def lu_log(factors: Any) -> Any:
    """The logarithm of the size of a matrix's determinant, from its ``lu``; -inf where it is singular."""
    total = factors.dtype.type(0.0)
    for k in range(factors.shape[1]):
        if factors[k, k] == 0.0:
            return factors.dtype.type(-np.inf)
        total += np.log(abs(factors[k, k]))
    return total


# ---------------------------------------------------------------------------------------------- lower triangular matrices


@_compiled
def _solve_lower(factor: Any, x: Any, count: int, turned: bool) -> None:
    """Solves in place for the `count` columns of a matrix in C's order, by looking at everything as if it were turned."""
    n = factor.shape[0]
    if factor.shape[1] != n or x.shape[0] != n:
        raise np.linalg.LinAlgError("Incompatible array sizes")
    if _is_singular(factor):
        raise np.linalg.LinAlgError("Singular matrix")
    rows = np.empty((n, n), factor.dtype)
    for i in range(n):
        for j in range(i + 1):
            rows[i, j] = factor[i, j]
    if x.size:
        _trsm((_RIGHT, _UPPER, _TURNED if turned else _AS_IT_IS, _AS_IT_IS, count, n, 1.0, rows, n, x, count))


@_compiled
def lower_solve(factor: Any, b: Any, turned: bool) -> Any:
    """The solution of a x = b, or of a.T x = b, for one right-hand side and a lower triangular matrix a."""
    x = np.empty(b.shape[0], factor.dtype)
    for k in range(b.shape[0]):
        x[k] = b[k]
    _solve_lower(factor, x, 1, turned)
    return x


@_compiled
def lower_solve_columns(factor: Any, b: Any, turned: bool) -> Any:
    """The solution of a x = b, or of a.T x = b, for the columns of a matrix and a lower triangular matrix a."""
    x = np.empty(b.shape, factor.dtype)
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            x[i, j] = b[i, j]
    _solve_lower(factor, x, b.shape[1], turned)
    return x
