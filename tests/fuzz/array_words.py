"""What random array programs are made of: names, functions inside their domains, reductions, and the forms of loops and updates."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Names for local arrays; some are names that a compiler of gradients would like for itself.
ARRAY_NAMES = _words("a b d e g p r t u v w du dx out res acc state grid row col buf old new tmp tape x_tape dv y1 y2 flux h2 left right")
COUNTER_NAMES = _words("i j k l ii jj step it")
INT_ARRAY_NAMES = _words("idx order where_ pick ids")
MASK_NAMES = _words("mask inside keep hot")
HELPER_NAMES = _words("relax smooth shift_ blend mix sweep push_ kick scan norm_ tidy d_sweep")

#: Parameters: a name and the sizes of its axes. The first line of each kind is what most programs have.
ARRAY_PARAMS = (
    *(("x", ("n",)), ("y", ("n",)), ("z", ("m",)), ("A", ("n", "m")), ("B", ("n", "n")), ("W", ("m", "n"))),
    *(("C", ("n", "1")), ("R", ("1", "m")), ("T", ("2", "n", "m")), ("S", ("m", "m")), ("q", ("3",)), ("x0", ("n",)), ("da", ("n", "m"))),
)
FLOAT_PARAMS = _words("c s h dt")

#: Element-wise functions inside their domains: {x} is the argument, {u} the same as an operand, {y} a second one; and a guess of the size.
FUNCTIONS = (
    ("np.sin({x})", 1.0),
    ("np.cos({x})", 1.0),
    ("np.tanh({x})", 1.0),
    ("np.arctan({x})", 1.6),
    ("np.exp(np.sin({x}))", 2.7),
    ("np.exp(-{u}**2)", 1.0),
    ("np.log(1.0 + {u} * {u})", 6.0),
    ("np.log1p({u}**2)", 6.0),
    ("np.sqrt(0.5 + {u} * {u})", 20.0),
    ("np.expm1(np.tanh({x}))", 2.0),
    ("np.square(np.sin({x}))", 1.0),
    ("1.0 / (1.0 + np.exp(-np.sin({x})))", 1.0),
    ("1.0 / (1.5 + {u}**2)", 1.0),
    ("np.arctan2({x}, 1.5 + np.cos({y}))", 1.6),
    ("np.hypot({x}, 0.7 + np.cos({y}) ** 2)", 20.0),
    ("-{u}", 2.0),
    ("np.sinh(np.sin({x}))", 1.2),
    ("np.logaddexp({x}, {y})", 20.0),
)
#: The same with kinks.
KINKED = (
    ("np.abs({x})", 20.0),
    ("abs({x})", 20.0),
    ("np.maximum({x}, {y})", 20.0),
    ("np.minimum({x}, 0.3717)", 20.0),
    ("np.maximum(-0.6131, {x})", 20.0),
    ("np.clip({x}, -0.7131, 0.9121)", 1.0),
    ("np.where({x} > 0.1131, {x}, 0.3 * {u})", 20.0),
    ("np.where({u} * {u} < 0.813, {y}, {x})", 20.0),
    ("np.fmax({x}, 0.1173)", 20.0),
    ("np.sign({x}) * {u}", 20.0),
    ("np.copysign({x}, 0.3172 + {y})", 20.0),
)
#: What brings large numbers back to size.
SQUASHES = ("np.tanh({x})", "np.sin({x})", "{u} / (1.0 + {u} * {u})", "1.3 * np.arctan(0.5 * {u})", "np.cos({x})")

#: From a whole array to a number: {x}, and the same as an operand, {u}. Squares where the sum alone would be too plain.
WHOLE = (
    *("np.sum({x})", "{u}.sum()", "np.mean({x})", "{u}.mean()", "np.sum({u} * {u})", "np.sum(np.sin({x}))", "({u} * {u}).sum()"),
    *("np.var({x})", "np.prod(np.cos({x}))", "np.max({x})", "{u}.min()", "np.sqrt(0.3 + np.sum({u} ** 2))", "np.sum(np.abs({x}))"),
    *("np.std({x})", "np.linalg.norm({x})", "np.ptp({x})"),
)
#: From a vector to a number.
VECTOR_WHOLE = ("np.dot({x}, {y})", "{u} @ {v}", "sum({x})", "np.inner({x}, {y})", "np.vdot({x}, {y})")
#: From the parts of two vectors before or after a position {i} on them, to a number.
PREFIX_WHOLE = (
    *(
        "np.dot({a}[:{i}], {b}[:{i}])",
        "np.sum({a}[{i}:])",
        "({a}[:{i}] * {b}[:{i}]).sum()",
        "{a}[{i}:] @ {b}[{i}:]",
        "np.sum({a}[:{i} + 1] ** 2)",
    ),
    *("np.sum({a}[{i} + 1:] * {b}[{i}])", "np.dot({a}[{i}:], {b}[::-1][{i}:])", "np.sum(np.sin({a}[{i} - 1:{i} + 1]))"),
)
#: Stores to such parts: {x} is a number.
PREFIX_STORES = (
    *("{a}[{i}:] *= 0.8", "{a}[:{i}] += 0.1 * {b}[:{i}]", "{a}[{i} + 1:] -= 0.3 * {a}[{i}] * {b}[{i} + 1:]", "{a}[:{i}] = {b}[:{i}]"),
    *("{a}[{i}:] = {x}", "{a}[{i}:] += 0.2 * {a}[{i}]", "{a}[{i}:] = 0.5 * {b}[:{n} - {i}]", "{a}[:{i} + 1] = 0.5 * {a}[:{i} + 1][::-1]"),
    *("{a}[{i}:{i} + 2] = {b}[{i}:{i} + 2] * {x}", "{a}[{i}:] -= 0.2 * {a}[:{n} - {i}]", "{a}[{i} + 1:] += 0.3 * {a}[:-1][{i}:]"),
)

#: From a square matrix to a number.
SQUARE_WHOLE = ("np.trace({x})", "np.sum(np.diag({x}) ** 2)")
SQUARE_ALGEBRA = (
    "np.linalg.det(np.eye(len({x})) + 0.2 * np.sin({x}))",
    "np.linalg.slogdet(3.0 * np.eye(len({x})) + np.cos({x}))[1]",
    "np.linalg.norm({x})",
    "np.sum(np.linalg.eigvalsh({u} + {u}.T) ** 3)",
)

#: One axis reduced: {k} is the axis.
REDUCED = (
    *("np.sum({x}, axis={k})", "{u}.sum(axis={k})", "np.mean({x}, axis={k})", "np.sum({x}, {k})", "np.max({x}, axis={k})"),
    *("{u}.sum({k})", "np.prod(np.cos({x}), axis={k})", "{u}.mean({k})", "np.min({x}, axis={k})", "np.var({x}, axis={k})"),
    "np.linalg.norm({x}, axis={k})",
)
KEPT = (
    *("np.sum({x}, axis={k}, keepdims=True)", "{u}.mean(axis={k}, keepdims=True)", "np.max({x}, axis={k}, keepdims=True)"),
    "{u}.sum({k}, keepdims=True)",
)

#: The same shape, but no longer element by element: {k} is an axis.
SCANS = ("np.cumsum({x}, axis={k})", "np.flip({x}, {k})", "np.roll({x}, 1, axis={k})", "np.sort({x}, axis={k})", "{u}.cumsum(axis={k})")
VECTOR_SCANS = ("np.cumsum({x})", "{u}.cumsum()", "np.cumprod(np.cos({x}))", "np.roll({x}, -1)", "np.sort({x})", "np.flip({x})")
SQUARE_SCANS = ("np.tril({x})", "np.triu({x})", "np.diag(np.diag({x}))")

#: Linear algebra with matrices that have an inverse: {x} is a square matrix, {y} a vector or matrix beside it.
SOLVED = ("np.linalg.solve(3.0 * np.eye(len({x})) + np.sin({x}), {y})", "np.linalg.inv(3.0 * np.eye(len({x})) + np.cos({x})) @ {v}")
SQUARE_FACTORS = ("np.linalg.inv(4.0 * np.eye(len({x})) + np.tanh({x}))", "np.linalg.cholesky(np.eye(len({x})) + {u} @ {u}.T)")

#: Products: of a matrix and a vector, a vector and a matrix, two matrices.
PRODUCTS = ("{u} @ {v}", "{u} @ {v}", "{u} @ {v}", "np.dot({x}, {y})", "np.matmul({x}, {y})", "{u}.dot({y})", "np.tensordot({x}, {y}, 1)")
EINSUMS = {(2, 1): "ij,j->i", (1, 2): "i,ij->j", (2, 2): "ij,jk->ik"}

#: Augmented stores outside and inside loops: {x} is an expression, {u} the same as an operand.
AUGMENTED = ("+= {x}", "-= {x}", "+= {x}", "*= np.cos({x})", "*= 0.7", "/= 1.2 + {u} * {u}", "-= 0.3 * {u}", "**= 2")
AUGMENTED_IN_LOOPS = ("+= 0.3 * np.sin({x})", "-= 0.2 * np.tanh({x})", "*= np.cos({x})", "*= 0.9", "/= 1.1 + {u} * {u}")

#: What a program may use; each has about half of it, so that no single refusal hides everything else.
FEATURES = _words(
    """kinks views steps newaxis transpose gather masks reduce keepdims scans matmul broadcast alias swaps helpers rows while leave
    tuples lists joins reshape branches writes rebind ellipsis linalg trees prefixes returns closures"""
)
