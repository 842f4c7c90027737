"""Linear algebra of one matrix: solve, inv, det, cholesky, eigh, svd, qr, pinv, lstsq.

Each gradient is the standard formula, from the paper that its docstring names:

- Giles 2008: M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation".
- Seeger 2017: M. Seeger, A. Hetzel, Z. Dai, E. Meissner, N. Lawrence, "Auto-differentiating linear algebra", arXiv:1710.08717.
- Wan 2019: Z.-Q. Wan, S.-X. Zhang, "Automatic differentiation for complex valued SVD", arXiv:1909.02659; its real part.
- Golub 1973: G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
  separate", SIAM J. Numer. Anal. 10(2), section 4.

`cholesky`, `eigvalsh` and `eigh` read the lower triangle of a matrix only, and their gradients are those of that function: zero above
the diagonal, and below it what both of a symmetric matrix's elements would receive. A matrix that has no inverse raises as NumPy does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stagegrad.ir import FLOAT, Attr, Type
from stagegrad.ops import Template, Value, general, helper, structural
from stagegrad.rules.arithmetic import quotient
from stagegrad.rules.kinks import where
from stagegrad.rules.products import matmul, outer
from stagegrad.rules.reductions import standing
from stagegrad.rules.shapes import Axis, Pulled, expand_dims, reduced, reduction, reduction_by_axis, sum_
from stagegrad.rules.shaping import first, transpose, tril, triu


def _number(types: Sequence[Type]) -> Type:
    return Type("float", 0, types[0].bits) if types[0].bits != 64 else FLOAT


def _in_width(text: str) -> Template:
    """Numba computes a determinant of 32 bits in 64."""
    return lambda attrs, types: f"np.float32({text})" if types[0].bits == 32 else text


def _vector(types: Sequence[Type]) -> Type:
    return Type("float", 1, types[0].bits)


def _last(types: Sequence[Type]) -> Type:
    return types[-1]


def row(x: Value) -> Value:
    """A vector as a matrix of one row: times a matrix, it scales the columns."""
    return expand_dims(x, axis=0)


def column(x: Value) -> Value:
    """A vector as a matrix of one column: times a matrix, it scales the rows."""
    return expand_dims(x, axis=1)


# ---------------------------------------------------------------------------------------------- inverses


@general("np.linalg.inv({x})", first, stage="inv{x}", cost=1000.0)
def inv(g: Value, out: Value, x: Value) -> Pulled:
    """The inverse of a matrix; one that has none raises LinAlgError (`np.linalg.inv`; Giles 2008, section 2.2.3)."""
    turned = transpose(out)
    return -matmul(matmul(turned, g), turned)


helper(
    '''
    def solve_square(a, b):
        """np.linalg.solve(a, b), which in compiled code does not look at the shape of a."""
        if a.shape[0] != a.shape[1]:
            raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
        return np.linalg.solve(a, b)
    '''
)


@general({"python": "np.linalg.solve({a}, {b})", "numba": "solve_square({a}, {b})"}, _last, stage="solved", helpers=("solve_square",),
         cost=1000.0)  # fmt: skip
def solve(g: Value, out: Value, a: Value, b: Value) -> Pulled:
    """The solution of a x = b, for one right-hand side or several (`np.linalg.solve`; Giles 2008, section 2.3.1)."""
    to_b = solve(transpose(a), g)
    return -(outer(to_b, out) if out.type.rank == 1 else matmul(to_b, transpose(out))), to_b


# ---------------------------------------------------------------------------------------------- factors

# A pass on the way to compiled code puts these in the place of what is above and below; everywhere else the matrix is its own factors.


def _turned(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "np.linalg.solve({a}.T, {b})" if attrs["turned"] else "np.linalg.solve({a}, {b})"


def _by_columns(name: str) -> Template:
    return lambda attrs, types: f"lapack.{name}{'_columns' if types[1].rank == 2 else ''}({{a}}, {{b}}, {attrs['turned']})"


structural("lu", "a", {"python": "{a}", "numba": "lapack.lu({a})"}, first, stage="lu")
structural("lu_solve", "a b", {"python": _turned, "numba": _by_columns("lu_solve")}, _last, stage="solved")
structural("lower_solve", "a b", {"python": _turned, "numba": _by_columns("lower_solve")}, _last, stage="solved")
structural("lu_inverse", "a", {"python": "np.linalg.inv({a})", "numba": "lapack.lu_inverse({a})"}, first, stage="inv{a}")
structural("lu_inverse_or_nan", "a", {"python": "inv_or_nan({a})", "numba": "lapack.lu_inverse_or_nan({a})"}, first, stage="inv{a}",
           helpers=("inv_or_nan",))  # fmt: skip
structural("lu_sign", "a", {"python": "np.linalg.slogdet({a})[0]", "numba": "lapack.lu_sign({a})"}, _number, stage="sign{a}")
structural("lu_log", "a", {"python": "np.linalg.slogdet({a})[1]", "numba": "lapack.lu_log({a})"}, _number, stage="log{a}")


def solved_right(b: Value, a: Value) -> Value:
    """b times the inverse of a."""
    return transpose(solve(transpose(a), transpose(b)))


# ---------------------------------------------------------------------------------------------- determinants

helper(
    '''
    def cofactors(x):
        """The cofactors of a matrix, whether it has an inverse or not."""
        if x.size == 0 or not np.all(np.isfinite(x)):
            return np.full_like(x, np.nan)
        u, s, vt = np.linalg.svd(x)
        before, behind = np.ones_like(s), np.ones_like(s)
        for k in range(1, len(s)):
            before[k] = before[k - 1] * s[k - 1]
            behind[-k - 1] = behind[-k] * s[-k]
        others = before * behind if np.linalg.det(u) * np.linalg.det(vt) > 0 else -before * behind
        return (u * others) @ vt
    '''
)


@general("cofactors({x})", first, stage="minors", helpers=("cofactors",), cost=5000.0)
def cofactors(g: Value, out: Value, x: Value) -> Pulled:
    """The cofactors of a matrix: the derivative of its determinant, right for a singular matrix too.

    Their own derivative is written with a division by the determinant: for a singular matrix it is nan.
    """
    return (sum_(g * out) * out - matmul(matmul(out, transpose(g)), out)) / det(x)


@general({"python": "np.linalg.det({x})", "numba": _in_width("np.linalg.det({x})")}, _number, stage="det{x}", cost=500.0)
def det(g: Value, out: Value, x: Value) -> Pulled:
    """The determinant; its slope is the matrix of cofactors (`np.linalg.det`; Giles 2008, section 2.2.4)."""
    return g * cofactors(x)


@general({"python": "np.linalg.slogdet({x})[0]", "numba": _in_width("np.linalg.slogdet({x})[0]")}, _number,
         stage="sign{x}", title="sign of det", cost=500.0)  # fmt: skip
def slogdet_sign(g: Value, out: Value, x: Value) -> Pulled:
    """The sign of the determinant, which has no slope (`np.linalg.slogdet`)."""
    return None


helper(
    '''
    def inv_or_nan(x):
        """The inverse of a matrix, full of nan where there is none."""
        if np.linalg.slogdet(x)[0] == 0.0:
            return np.full_like(x, np.nan)
        return np.linalg.inv(x)
    '''
)


@general("inv_or_nan({x})", first, stage="inv{x}", helpers=("inv_or_nan",), cost=1000.0)
def inv_or_nan(g: Value, out: Value, x: Value) -> Pulled:
    """The inverse of a matrix; nan where there is none, because the logarithm of its determinant is -inf then."""
    turned = transpose(out)
    return -matmul(matmul(turned, g), turned)


@general({"python": "np.linalg.slogdet({x})[1]", "numba": _in_width("np.linalg.slogdet({x})[1]")}, _number,
         stage="log{x}", title="log of det", cost=500.0)  # fmt: skip
def slogdet_log(g: Value, out: Value, x: Value) -> Pulled:
    """The logarithm of the determinant's size (`np.linalg.slogdet`; Giles 2008, section 2.2.4); -inf, with slopes nan, where that is 0."""
    return g * transpose(inv_or_nan(x))


# ---------------------------------------------------------------------------------------------- symmetric matrices

helper(
    '''
    def lower_half(x):
        """The lower triangle of a matrix, its diagonal halved."""
        out = np.tril(x)
        for k in range(min(x.shape)):
            out[k, k] *= 0.5
        return out
    ''',
    numba='''
    def lower_half(x):
        """The lower triangle of a matrix, its diagonal halved."""
        out = np.zeros_like(x)
        for i in range(x.shape[0]):
            for j in range(min(i, x.shape[1])):
                out[i, j] = x[i, j]
        for k in range(min(x.shape)):
            out[k, k] = 0.5 * x[k, k]
        return out
    ''',
)


@general("lower_half({x})", first, stage="half{x}", helpers=("lower_half",), linear=True)
def lower_half(g: Value, out: Value, x: Value) -> Pulled:
    """The lower triangle of a matrix, its diagonal halved: what added to its own transpose gives a symmetric matrix back."""
    return lower_half(g)


def onto_lower(s: Value) -> Value:
    """The gradient of a matrix whose lower triangle stands for both, from the gradient of the whole symmetric matrix."""
    return lower_half(s + transpose(s))


@general("np.linalg.cholesky({x})", first, stage="chol{x}", cost=500.0)
def cholesky(g: Value, out: Value, x: Value) -> Pulled:
    """The lower triangular factor of a positive definite matrix (`np.linalg.cholesky`; Seeger 2017, section 4.1).

    Of the matrix only the lower triangle is read. One that is not positive definite raises LinAlgError.
    """
    inner = lower_half(matmul(transpose(out), tril(g)))
    left = solve(transpose(out), inner)
    return onto_lower(solved_right(left, out))


def _from_values(g: Value, x: Value) -> Value:
    """The gradient of a symmetric matrix from that of its eigenvalues."""
    v = eigh_vectors(x)
    return onto_lower(matmul(v * row(g), transpose(v)))


@general("np.linalg.eigvalsh({x})", _vector, stage="eig{x}", title="eigenvalues", cost=5000.0)
def eigvalsh(g: Value, out: Value, x: Value) -> Pulled:
    """The eigenvalues of a symmetric matrix, in ascending order (`np.linalg.eigvalsh`; Giles 2008, section 3.1; Seeger 2017).

    Equal eigenvalues have no slopes one by one. Each gets that of its own eigenvector, which is right for every function that does not
    depend on their order, as their sum.
    """
    return _from_values(g, x)


@general("np.linalg.eigh({x})[0]", _vector, stage="eig{x}", title="eigenvalues", cost=5000.0)
def eigh_values(g: Value, out: Value, x: Value) -> Pulled:
    """The eigenvalues of a symmetric matrix as they come with its vectors (`np.linalg.eigh`); their slopes are those of `eigvalsh`."""
    return _from_values(g, x)


helper(
    '''
    def inverse_gaps(w):
        """1 / (w[j] - w[i]) at [i, j], zero on the diagonal; vectors of equal values have no derivative, so these raise."""
        gaps = np.expand_dims(w, 0) - np.expand_dims(w, 1)
        np.fill_diagonal(gaps, np.inf)
        if w.size and np.min(np.abs(gaps)) <= 8 * w.size * np.finfo(w.dtype).eps * np.max(np.abs(w)):
            raise np.linalg.LinAlgError("the vectors of equal eigenvalues or singular values have no derivative")
        return np.reciprocal(gaps)
    '''
)


def _by_pairs(types: Sequence[Type]) -> Type:
    return Type("float", 2, types[0].bits)


@general("inverse_gaps({w})", _by_pairs, stage="gaps", helpers=("inverse_gaps",), cost=100.0)
def inverse_gaps(g: Value, out: Value, w: Value) -> Pulled:
    """One over the difference of every two numbers of a vector."""
    slopes = g * out * out
    return sum_(slopes, axis=1) - sum_(slopes, axis=0)


@general("np.linalg.eigh({x})[1]", first, stage="vec{x}", title="eigenvectors", cost=5000.0)
def eigh_vectors(g: Value, out: Value, x: Value) -> Pulled:
    """The eigenvectors of a symmetric matrix, in columns (`np.linalg.eigh`; Giles 2008, section 3.1; Seeger 2017, section 4.3).

    Where two eigenvalues are equal, their vectors are any basis of a plane and have no derivative: the gradient raises LinAlgError.
    """
    inner = inverse_gaps(eigh_values(x)) * matmul(transpose(out), g)
    return onto_lower(matmul(matmul(out, inner), transpose(out)))


# ---------------------------------------------------------------------------------------------- norms


def _norm_of_numba(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"np.sqrt({reduction_by_axis('np.sum')(attrs, types)})".replace("{x}", "np.square({x})")


@general({"python": reduction("np.linalg.norm"), "numba": _norm_of_numba}, reduced, stage="norm{x}", cost=20.0)
def norm(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The root of a sum of squares; where that is 0 it has the slope 0, the smallest of its subgradients (`np.linalg.norm`)."""
    return standing(g, x, axis, keepdims) * quotient(x, standing(out, x, axis, keepdims))


# ---------------------------------------------------------------------------------------------- singular values


def _from_singular(g: Value, out: Value, x: Value) -> Value:
    """The gradient of a matrix from that of its singular values; one that is 0 has the slope 0, as a norm at 0 has."""
    return matmul(svd_u(x) * row(where(out > 0.0, g, 0.0)), svd_vt(x))


@general({"python": "np.linalg.svd({x}, compute_uv=False)", "numba": "np.linalg.svd({x}, False)[1]"}, _vector, stage="sing{x}",
         title="singular values", cost=5000.0)  # fmt: skip
def svdvals(g: Value, out: Value, x: Value) -> Pulled:
    """The singular values of a matrix, in descending order (`np.linalg.svd`; Giles 2008, section 3.2; Wan 2019).

    A singular value that is 0 has the slope 0, as a norm at 0 has; equal ones share theirs as equal eigenvalues do.
    """
    return _from_singular(g, out, x)


@general({"python": "np.linalg.svd({x}, full_matrices=False)[1]", "numba": "np.linalg.svd({x}, False)[1]"}, _vector, stage="sing{x}",
         title="singular values", cost=5000.0)  # fmt: skip
def svd_values(g: Value, out: Value, x: Value) -> Pulled:
    """The singular values of a matrix as they come with its vectors (`np.linalg.svd`); their slopes are those of `svdvals`."""
    return _from_singular(g, out, x)


@general({"python": "np.linalg.svd({x}, full_matrices=False)[0]", "numba": "np.linalg.svd({x}, False)[0]"}, first, stage="u{x}",
         title="left vectors", cost=5000.0)  # fmt: skip
def svd_u(g: Value, out: Value, x: Value) -> Pulled:
    """The left singular vectors of a matrix, in columns, as many as it has singular values (`np.linalg.svd`; Wan 2019, equation 11).

    Singular values that are equal or 0 have vectors without a derivative: the gradient raises LinAlgError.
    """
    s, vt = svd_values(x), svd_vt(x)
    mixed = matmul(transpose(out), g)
    inside = inverse_gaps(s * s) * (mixed - transpose(mixed)) * row(s)
    beyond = (g - matmul(out, mixed)) / row(s)
    return matmul(matmul(out, inside) + beyond, vt)


@general({"python": "np.linalg.svd({x}, full_matrices=False)[2]", "numba": "np.linalg.svd({x}, False)[2]"}, first, stage="vt{x}",
         title="right vectors", cost=5000.0)  # fmt: skip
def svd_vt(g: Value, out: Value, x: Value) -> Pulled:
    """The right singular vectors of a matrix, in rows, as many as it has singular values (`np.linalg.svd`; Wan 2019, equation 11).

    Singular values that are equal or 0 have vectors without a derivative: the gradient raises LinAlgError.
    """
    s, u = svd_values(x), svd_u(x)
    mixed = matmul(out, transpose(g))
    inside = column(s) * (inverse_gaps(s * s) * (mixed - transpose(mixed)))
    beyond = (g - matmul(transpose(mixed), out)) / column(s)
    return matmul(u, matmul(inside, out) + beyond)


# ---------------------------------------------------------------------------------------------- least squares


def _symmetric(x: Value) -> Value:
    """The symmetric matrix that has the lower triangle of `x`."""
    half = lower_half(x)
    return half + transpose(half)


helper(
    '''
    def over_factor(b, r):
        """b times the inverse of r transposed; r is the triangular QR factor of a matrix, which must be square."""
        if r.shape[0] != r.shape[1]:
            raise np.linalg.LinAlgError("the gradient of np.linalg.qr needs a matrix with at least as many rows as columns")
        return np.linalg.solve(r, b.T).T
    '''
)


@general("over_factor({b}, {r})", first, stage="{b}over", title="solve", helpers=("over_factor",), cost=1000.0)
def over_factor(g: Value, out: Value, b: Value, r: Value) -> Pulled:
    """A matrix times the inverse of another one, transposed: what the gradient of a QR factorisation is made of."""
    back = solved_right(g, r)
    return back, -matmul(transpose(back), out)


@general("np.linalg.qr({x})[0]", first, stage="q{x}", title="orthonormal factor", cost=2000.0)
def qr_q(g: Value, out: Value, x: Value) -> Pulled:
    """The factor with orthonormal columns of a matrix that has at least as many rows as columns (`np.linalg.qr`; Seeger 2017, section 4.2).

    The gradient of a matrix with fewer rows, or with columns that are not independent, raises LinAlgError.
    """
    return over_factor(g - matmul(out, _symmetric(matmul(transpose(g), out))), qr_r(x))


@general("np.linalg.qr({x})[1]", first, stage="r{x}", title="triangular factor", cost=2000.0)
def qr_r(g: Value, out: Value, x: Value) -> Pulled:
    """The upper triangular factor of a matrix that has at least as many rows as columns (`np.linalg.qr`; Seeger 2017, section 4.2).

    The gradient of a matrix with fewer rows, or with columns that are not independent, raises LinAlgError.
    """
    return over_factor(matmul(qr_q(x), _symmetric(matmul(out, transpose(triu(g))))), out)


@general("np.linalg.pinv({x})", first, stage="pinv{x}", title="pseudo-inverse", cost=5000.0)
def pinv(g: Value, out: Value, x: Value) -> Pulled:
    """The pseudo-inverse of a matrix whose rank does not change nearby (`np.linalg.pinv`; Golub 1973, equation 4.12).

    Where the rank does change, the pseudo-inverse jumps and has no derivative; what comes out is that of the matrices of the same rank.
    """
    turned, gt = transpose(out), transpose(g)
    rows = gt - matmul(x, matmul(out, gt))
    columns = gt - matmul(matmul(gt, out), x)
    return (matmul(rows, matmul(out, turned)) + matmul(matmul(turned, out), columns)) - matmul(matmul(turned, g), turned)


def _solution(types: Sequence[Type]) -> Type:
    return types[1]


@general("np.linalg.lstsq({a}, {b})[0]", _solution, stage="fit", title="least squares", cost=5000.0)
def lstsq(g: Value, out: Value, a: Value, b: Value) -> Pulled:
    """The least squares solution of a x = b, the shortest where there are several (`np.linalg.lstsq`; Golub 1973, section 4).

    As for `pinv`, the rank of the matrix must not change nearby.
    """
    inverse = pinv(a)
    turned = transpose(inverse)
    to_b, back = matmul(turned, g), matmul(turned, out)
    rest, missed = b - matmul(a, out), g - matmul(transpose(a), to_b)
    if out.type.rank == 1:
        return outer(rest, matmul(inverse, to_b)) + outer(back, missed) - outer(to_b, out), to_b
    along = matmul(rest, transpose(matmul(inverse, to_b))) + matmul(back, transpose(missed))
    return along - matmul(to_b, transpose(out)), to_b
