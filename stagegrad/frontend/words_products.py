"""NumPy's words for products of arrays: ``@``, ``np.dot``, ``np.outer`` and their kin."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from stagegrad.frontend.numpy_words import word
from stagegrad.frontend.values import Value
from stagegrad.frontend.words_creation import array_of, as_type, common_type
from stagegrad.frontend.words_shaping import expect_size, flat, transposed
from stagegrad.ir import Atom, Attr
from stagegrad.rules.products import contraction

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def factors(low: Arrays, node: ast.AST, a: Value, b: Value) -> tuple[Atom, Atom]:
    """Two operands with elements of one type, floats."""
    x, y = array_of(low, node, a), array_of(low, node, b)
    type = common_type([x, y])
    if type.kind != "float":
        raise low.refusal(node, "products of arrays of ints are not supported", "x.astype(float)")
    return as_type(low, node, x, type), as_type(low, node, y, type)


def product(low: Arrays, node: ast.AST, x: Atom, y: Atom) -> Atom:
    """``x @ y`` for any ranks from 1 on; a vector beside a stack of matrices becomes a matrix of one row or column."""
    if not x.type.rank or not y.type.rank:
        raise low.refusal(node, "`@` needs arrays, and one of these is a number", "x * y")
    if max(x.type.rank, y.type.rank) <= 2 or min(x.type.rank, y.type.rank) > 1:
        return low.emit("matmul", [x, y], node)
    if x.type.rank == 1:
        made = low.emit("matmul", [low.emit("expand_dims", [x], node, [("axis", 0)]), y], node)
        return low.emit("squeeze", [made], node, [("axis", made.type.rank - 2)])
    made = low.emit("matmul", [x, low.emit("expand_dims", [y], node, [("axis", 1)])], node)
    return low.emit("squeeze", [made], node, [("axis", made.type.rank - 1)])


@word("matmul")
def matmul(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    """The value of ``x1 @ x2``."""
    return product(low, node, *factors(low, node, x1, x2))


@word("dot", method=True)
def _dot(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    if not x.type.rank or not y.type.rank:
        return low.emit("mul", [x, y], node)
    if y.type.rank == 1 or max(x.type.rank, y.type.rank) <= 2:
        return product(low, node, x, y)
    return _tensordot_of(low, node, x, y, [x.type.rank - 1], [y.type.rank - 2])


@word("inner")
def _inner(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    if not x.type.rank or not y.type.rank:
        return low.emit("mul", [x, y], node)
    return _tensordot_of(low, node, x, y, [x.type.rank - 1], [y.type.rank - 1])


@word("vdot")
def _vdot(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    return product(low, node, flat(low, node, x), flat(low, node, y))


@word("outer")
def _outer(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    return low.emit("outer", [flat(low, node, x), flat(low, node, y)], node)


@word("kron")
def _kron(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    if (x.type.rank, y.type.rank) == (1, 1):
        return flat(low, node, low.emit("outer", [x, y], node))
    if (x.type.rank, y.type.rank) != (2, 2):
        raise low.refusal(node, "np.kron is supported for two vectors or two matrices")
    return low.emit("kron", [x, y], node)


@word("cross")
def _cross(low: Arrays, node: ast.AST, a: Value, b: Value) -> Value:
    x, y = factors(low, node, a, b)
    if not x.type.rank or not y.type.rank:
        raise low.refusal(node, "np.cross needs vectors, and one of these is a number")
    for part in dict.fromkeys((x, y)):
        expect_size(low, node, part, part.type.rank - 1, 3, "np.cross is supported for vectors of three numbers only")
    return low.emit("cross", [x, y], node)


# ---------------------------------------------------------------------------------------------- sums of products over named axes


@word("tensordot")
def _tensordot(low: Arrays, node: ast.AST, a: Value, b: Value, axes: Any = 2) -> Value:
    x, y = factors(low, node, a, b)
    known = low.known(axes, node)
    if isinstance(known, int) and 0 <= known <= min(x.type.rank, y.type.rank):
        return _tensordot_of(low, node, x, y, list(range(x.type.rank - known, x.type.rank)), list(range(known)))
    if not isinstance(known, tuple) or len(known) != 2:
        raise low.refusal(node, "axes must be a number of axes, or the axes of either array", "axes=([0], [1])")
    left, right = (_listed(low, node, axis, part.type.rank) for axis, part in zip(known, (x, y), strict=True))
    if len(left) != len(right):
        raise low.refusal(node, "as many axes of one array as of the other must be named")
    return _tensordot_of(low, node, x, y, left, right)


def _listed(low: Arrays, node: ast.AST, axes: Any, rank: int) -> list[int]:
    found = list(axes) if isinstance(axes, tuple) else [axes]
    if not all(isinstance(axis, int) and -rank <= axis < rank for axis in found) or len({axis % rank for axis in found}) < len(found):
        raise low.refusal(node, f"these are not axes of an array of {rank} axes")
    return [axis % rank for axis in found]


def _tensordot_of(low: Arrays, node: ast.AST, x: Atom, y: Atom, left: Sequence[int], right: Sequence[int]) -> Atom:
    """The sum of products over pairs of axes."""
    first, second = list(ascii_lowercase[: x.type.rank]), list(ascii_lowercase[x.type.rank : x.type.rank + y.type.rank])
    for one, other in zip(left, right, strict=True):
        second[other] = first[one]
    kept = [letter for word_ in (first, second) for letter in word_ if not (letter in first and letter in second)]
    return _summed(low, node, ["".join(first), "".join(second)], "".join(kept), [x, y])


@word("einsum")
def _einsum(low: Arrays, node: ast.AST, *operands: Value, optimize: Any = False) -> Value:
    pattern = low.known(operands[0], node) if operands else None
    if not isinstance(pattern, str):
        raise low.refusal(node, "np.einsum needs its subscripts as text", 'np.einsum("ij,jk->ik", x, y)')
    atoms = [array_of(low, node, value) for value in operands[1:]]
    if "..." in pattern:
        pattern = _spelled_out(low, node, pattern, atoms)
    words, output = _parsed(low, node, pattern, len(operands) - 1)
    type = common_type(atoms)
    if type.kind != "float":
        raise low.refusal(node, "products of arrays of ints are not supported", "x.astype(float)")
    for letters, atom in zip(words, atoms, strict=True):
        if len(letters) != atom.type.rank or not letters:
            raise low.refusal(node, f"the subscripts {letters!r} are for an array of {len(letters)} axes, and this has {atom.type.rank}")
    return _summed(low, node, words, output, [as_type(low, node, atom, type) for atom in atoms])


def _spelled_out(low: Arrays, node: ast.AST, pattern: str, atoms: Sequence[Atom]) -> str:
    """The subscripts with letters that nobody uses for ``...``, the same for the same axes counted from the end."""
    left, arrow, right = pattern.replace(" ", "").partition("->")
    words = left.split(",")
    free = [letter for letter in ascii_lowercase if letter not in pattern]
    counts = [atom.type.rank - len(word_.replace("...", "")) for word_, atom in zip(words, atoms, strict=False) if "..." in word_]
    if len(words) != len(atoms) or len(set(counts)) != 1 or not 0 <= counts[0] <= len(free):
        raise low.refusal(node, "an ellipsis in np.einsum must stand for as many axes everywhere", "a letter for each axis")
    letters = "".join(free[: counts[0]])
    named = ",".join(words).replace("...", letters)
    if not arrow:
        once = sorted(letter for letter in set(named) - {",", *letters} if named.count(letter) == 1)
        return f"{named}->{letters}{''.join(once)}"
    return f"{named}->{right.replace('...', letters)}"


def _parsed(low: Arrays, node: ast.AST, pattern: str, count: int) -> tuple[list[str], str]:
    """The letters of each operand and of the output; an output that is not given has the letters that occur once, in order."""
    left, arrow, right = pattern.replace(" ", "").partition("->")
    words = left.split(",")
    if not all(letter.isascii() and letter.isalpha() for letter in left.replace(",", "") + right) or len(words) != count or not left:
        raise low.refusal(node, f"np.einsum cannot read {pattern!r} with {count} arrays", 'np.einsum("ij,jk->ik", x, y)')
    everything = "".join(words)
    output = right if arrow else "".join(sorted(letter for letter in set(everything) if everything.count(letter) == 1))
    if len(set(output)) < len(output) or not set(output) <= set(everything):
        raise low.refusal(node, f"the output {output!r} must name axes of the arrays, each once")
    return words, output


def _summed(low: Arrays, node: ast.AST, words: Sequence[str], output: str, atoms: Sequence[Atom]) -> Atom:
    """The sum of products over the letters that `output` does not have; by `@`, `*` and sums where they can say it."""
    letters, parts = list(words), list(atoms)
    for k in range(len(parts)):
        letters[k], parts[k] = _only_once(low, node, letters[k], parts[k])
        others = set(output).union(*(word_ for j, word_ in enumerate(letters) if j != k))
        letters[k], parts[k] = _without(low, node, letters[k], parts[k], set(letters[k]) - others)
    while len(parts) > 1 and not all(letters):  # a factor that has become a number
        k = next(k for k, word_ in enumerate(letters) if not word_)
        other = 1 if k == 0 else 0
        parts[other] = low.emit("mul", [parts[k], parts[other]], node)
        del letters[k], parts[k]
    if len(parts) == 1:
        return _ordered(low, node, letters[0], output, *parts)
    made = _by_matrices(low, node, letters, output, parts) if len(parts) == 2 else None
    return made or low.emit(contraction(tuple(letters), output).name, parts, node)


def _only_once(low: Arrays, node: ast.AST, letters: str, x: Atom) -> tuple[str, Atom]:
    """An operand that names an axis twice, as its diagonal."""
    if len(set(letters)) == len(letters):
        return letters, x
    if len(letters) != 2:
        raise low.refusal(node, f"{letters!r} in np.einsum is not supported", "np.diag or a loop for the diagonal")
    return letters[0], low.emit("diagonal", [x], node)


def _without(low: Arrays, node: ast.AST, letters: str, x: Atom, gone: set[str]) -> tuple[str, Atom]:
    """An operand summed over the axes of some letters."""
    axes = tuple(k for k, letter in enumerate(letters) if letter in gone)
    if not axes:
        return letters, x
    attrs: list[tuple[str, Attr]] = [("axis", axes[0] if len(axes) == 1 else axes)] if len(axes) < len(letters) else []
    return "".join(letter for letter in letters if letter not in gone), low.emit("sum", [x], node, attrs)


def _ordered(low: Arrays, node: ast.AST, letters: str, output: str, x: Atom) -> Atom:
    return transposed(low, node, x, [letters.index(letter) for letter in output])


def _by_matrices(low: Arrays, node: ast.AST, words: Sequence[str], output: str, parts: Sequence[Atom]) -> Atom | None:
    """Two operands multiplied by ``*``, or by one matrix product; None where neither does it."""
    (first, second), (x, y) = words, parts
    common = [letter for letter in first if letter in second]
    if first == second and (output or len(first) > 1):
        kept, made = _without(low, node, first, low.emit("mul", [x, y], node), set(first) - set(output))
        return _ordered(low, node, kept, output, made)
    left, right = ("".join(letter for letter in word_ if letter not in common) for word_ in (first, second))
    if len(left) > 1 or len(right) > 1 or len(common) > 1 or any(letter in output for letter in common):
        return None
    if not common:
        return _ordered(low, node, left + right, output, low.emit("outer", [x, y], node))
    inner = common[0]
    made = product(low, node, _ordered(low, node, first, left + inner, x), _ordered(low, node, second, inner + right, y))
    return _ordered(low, node, left + right, output, made)


__all__ = ["factors", "matmul", "product"]
