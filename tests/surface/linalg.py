"""Linear algebra of one matrix."""

from __future__ import annotations

import numpy as np

from tests.surface import Array, Entry, Shape


def regular(rng: np.random.Generator, shape: Shape) -> Array:
    """Matrices far from singular, whose singular values are far apart."""
    rows, columns = shape
    found = 0.3 * rng.normal(size=shape)
    for k in range(min(rows, columns)):
        found[k, k] += 2.0 + 1.5 * k
    return found


def definite(rng: np.random.Generator, shape: Shape) -> Array:
    """Symmetric matrices with positive eigenvalues that are far apart."""
    half = np.tril(regular(rng, shape))
    return half + half.T


M, V, TALL, WIDE = (3, 3), (3,), (4, 3), (2, 4)
LA, SL = "np.linalg.", "scipy.linalg."

ENTRIES = [
    Entry(LA + "inv", "np.linalg.inv(x)", (M,), (regular,), empty=((0, 0),)),
    Entry(LA + "solve", "np.linalg.solve(x, y)", (M, V), (regular, "normal"), single=((1, 1), (1,)), empty=((0, 0), (0,))),
    Entry(LA + "solve", "np.linalg.solve(x, y)", (M, (3, 2)), (regular, "normal")),
    Entry(LA + "solve", "np.linalg.solve(x.T, y[:, 1])", (M, (3, 2)), (regular, "normal"), single="one shape"),
    Entry(LA + "det", "np.linalg.det(x)", (M,), (regular,), empty=((0, 0),)),
    Entry(LA + "slogdet", "np.linalg.slogdet(x)[1]", (M,), (regular,), empty=((0, 0),)),
    Entry(LA + "slogdet", "np.linalg.slogdet(-x)[0] * x", (M,), (regular,)),
    Entry(LA + "cholesky", "np.linalg.cholesky(x)", (M,), (definite,), empty=((0, 0),)),
    Entry(LA + "eigh", "np.linalg.eigh(x)[0]", (M,), (definite,), empty=((0, 0),)),
    Entry(LA + "eigh", "np.linalg.eigh(x)[1]", (M,), (definite,), loose=10.0),
    Entry(LA + "eigvalsh", "np.linalg.eigvalsh(x)", (M,), (definite,)),
    Entry(LA + "eigvalsh", "np.linalg.eigvalsh(x, UPLO='U')", (M,), (definite,)),
    Entry(LA + "svd", "np.linalg.svd(x, compute_uv=False)", (TALL,), (regular,)),
    Entry(LA + "svd", "np.linalg.svd(x, full_matrices=False)[0]", (TALL,), (regular,), loose=10.0),
    Entry(LA + "svd", "np.linalg.svd(x, full_matrices=False)[2]", (WIDE,), (regular,), loose=10.0),
    Entry(LA + "svd", "np.linalg.svd(x, full_matrices=False)[2] * y", (TALL, V), (regular, "normal"), single=((1, 1), (1,)), loose=10.0),
    Entry(LA + "qr", "np.linalg.qr(x)[0]", (TALL,), (regular,)),
    Entry(LA + "qr", "np.linalg.qr(x)[1]", (TALL,), (regular,)),
    Entry(LA + "qr", "np.linalg.qr(x, mode='r')", (M,), (regular,)),
    Entry(LA + "pinv", "np.linalg.pinv(x)", (TALL,), (regular,)),
    Entry(LA + "pinv", "np.linalg.pinv(x)", (WIDE,), (regular,)),
    Entry(LA + "lstsq", "np.linalg.lstsq(x, y)[0]", (TALL, (4,)), (regular, "normal"), single=((1, 1), (1,))),
    Entry(LA + "lstsq", "np.linalg.lstsq(x, y, rcond=None)[0]", (WIDE, (2, 2)), (regular, "normal")),
    Entry(LA + "matrix_power", "np.linalg.matrix_power(x, 2)", (M,), (regular,)),
    Entry(LA + "matrix_power", "np.linalg.matrix_power(x, 5)", (M,), ("within",)),
    Entry(LA + "matrix_power", "np.linalg.matrix_power(x, -3)", (M,), (regular,)),
    Entry(LA + "matrix_power", "np.linalg.matrix_power(x, 0) * x", (M,), (regular,)),
    Entry(LA + "multi_dot", "np.linalg.multi_dot([x, y, x])", (WIDE, (4, 2))),
    Entry(LA + "norm", "np.linalg.norm(x)", (V,), empty=((0,),)),
    Entry(LA + "norm", "np.linalg.norm(x)", (M,)),
    Entry(LA + "norm", "np.linalg.norm(x, 'fro')", (M,)),
    Entry(LA + "norm", "np.linalg.norm(x, axis=1)", (M,), empty=((0, 3),)),
    Entry(LA + "norm", "np.linalg.norm(x, axis=0, keepdims=True)", (M,)),
    Entry(LA + "norm", "np.linalg.norm(x, axis=(0, 2))", ((2, 3, 4),)),
    Entry(LA + "norm", "np.linalg.norm(x, 1)", (V,)),
    Entry(LA + "norm", "np.linalg.norm(x, np.inf)", (V,)),
    Entry(LA + "norm", "np.linalg.norm(x, -np.inf, axis=1)", (M,)),
    Entry(LA + "norm", "np.linalg.norm(x, 3)", (V,)),
    Entry(LA + "norm", "np.linalg.norm(x, 1)", (M,)),
    Entry(LA + "norm", "np.linalg.norm(x, np.inf)", (M,)),
    Entry(LA + "norm", "np.linalg.norm(x, 2)", (M,), (regular,)),
    Entry(LA + "norm", "np.linalg.norm(x, 'nuc')", (M,), (regular,)),
    Entry(SL + "solve", "scipy.linalg.solve(x, y)", (M, V), (regular, "normal"), single=((1, 1), (1,))),
    Entry(SL + "solve", "scipy.linalg.solve(x, y, check_finite=False)", (M, (3, 2)), (regular, "normal")),
    Entry(SL + "inv", "scipy.linalg.inv(x)", (M,), (regular,)),
    Entry(SL + "det", "scipy.linalg.det(x)", (M,), (regular,)),
    Entry(SL + "solve_triangular", "scipy.linalg.solve_triangular(x, y)", (M, V), (regular, "normal"), single=((1, 1), (1,))),
    Entry(SL + "solve_triangular", "scipy.linalg.solve_triangular(x, y, lower=True)", (M, (3, 2)), (regular, "normal")),
    Entry(SL + "solve_triangular", "scipy.linalg.solve_triangular(x, y, trans=1, lower=True)", (M, V), (regular, "normal")),
    Entry(SL + "solve_triangular", "scipy.linalg.solve_triangular(x, y, 'T', unit_diagonal=True)", (M, V), (regular, "normal")),
    Entry(SL + "cholesky", "scipy.linalg.cholesky(x)", (M,), (definite,)),
    Entry(SL + "cholesky", "scipy.linalg.cholesky(x, lower=True)", (M,), (definite,)),
    Entry(SL + "cho_factor", "scipy.linalg.cho_factor(x)[0]", (M,), (definite,)),
    Entry(SL + "cho_factor", "scipy.linalg.cho_factor(x, True)[0]", (M,), (definite,)),
    Entry(SL + "cho_solve", "scipy.linalg.cho_solve(scipy.linalg.cho_factor(x), y)", (M, V), (definite, "normal"), single=((1, 1), (1,))),
    Entry(SL + "cho_solve", "scipy.linalg.cho_solve((scipy.linalg.cholesky(x, lower=True), True), y)", (M, (3, 2)), (definite, "normal")),
]
