"""Products of matrices and vectors: `@`, outer products, and what NumPy builds from them.

Numba's ``@`` takes matrices and vectors only; stacks of matrices go through a helper with a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from stagegrad.ir import Attr, Type
from stagegrad.ops import HELPERS, REGISTRY, Helper, Op, Operand, Value, general, helper
from stagegrad.rules.shapes import Pulled, unbroadcast
from stagegrad.rules.shaping import reshape, transpose
from stagegrad.rules.structural import extent

helper(
    '''
    def matmul_stacks(x, y):
        """x @ y for stacks of matrices, matrix by matrix."""
        shape = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        left = np.broadcast_to(x, shape + x.shape[-2:])
        right = np.broadcast_to(y, shape + y.shape[-2:])
        out = np.empty(shape + (x.shape[-2], y.shape[-1]), x.dtype)
        for at in np.ndindex(shape):
            out[at] = np.ascontiguousarray(left[at]) @ np.ascontiguousarray(right[at])
        return out
    '''
)


def _product(types: Sequence[Type]) -> Type:
    """A matrix product's type: the inner axes go; stacks keep the longer of their shapes."""
    x, y = types
    rank = x.rank + y.rank - 2 if max(x.rank, y.rank) <= 2 else max(x.rank, y.rank)
    return Type("float", rank, max(x.bits, y.bits))


def _by_stacks(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "blas.dot({x}, {y})" if all(type.rank <= 2 for type in types) else "matmul_stacks({x}, {y})"


@general({"python": "{x} @ {y}", "numba": _by_stacks}, _product, stage="{x}{y}", title="product", linear=True, helpers=("matmul_stacks",))
def matmul(g: Value, out: Value, x: Value, y: Value) -> Pulled:
    """A product's gradient is two products: with the other factor, transposed (`np.matmul`; Giles 2008, section 2.2.2).

    Each operand is a vector or a matrix, or both are matrices or stacks of them, whose other axes broadcast.
    """
    match x.type.rank, y.type.rank:
        case 1, 1:
            return g * y, g * x
        case 2, 1:
            return outer(g, y), matmul(transpose(x), g)
        case 1, 2:
            return matmul(y, g), outer(x, g)
        case 2, 2:
            return matmul(g, transpose(y)), matmul(transpose(x), g)
    return unbroadcast(matmul(g, turned(y)), x), unbroadcast(matmul(turned(x), g), y)


def turned(x: Value) -> Value:
    """A matrix, or every matrix of a stack, transposed."""
    rank = x.type.rank
    return transpose(x) if rank == 2 else transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _pairs(types: Sequence[Type]) -> Type:
    return Type("float", 2, max(type.bits for type in types))


@general("np.outer({x}, {y})", _pairs, stage="{x}by{y}", title="outer", linear=True)
def outer(g: Value, out: Value, x: Value, y: Value) -> Pulled:
    """Every product of an element of one vector with one of another; each vector's gradient sums over the other (`np.outer`)."""
    return matmul(g, y), matmul(x, g)


# ---------------------------------------------------------------------------------------------- sums of products over named axes


@cache
def contraction(inputs: tuple[str, ...], output: str) -> Op:
    """The operation ``np.einsum("ij,jk->ik", x, y)``, made when it is first asked for.

    No operand names an axis twice, and every axis of an operand is one of another operand or of the output. Numba has no einsum: there
    it is a helper, a nest of loops with one loop a letter.
    """
    name = f"einsum_{'_'.join(inputs)}_to_{output or 'number'}"
    if name in REGISTRY:
        return REGISTRY[name]
    operands = tuple(f"x{k}" for k in range(len(inputs)))
    HELPERS[name] = Helper(name, _loops(name, inputs, output), of_user=True)
    holes = ", ".join(f"{{{x}}}" for x in operands)

    def pull(g: Value, out: Value, *values: Value) -> list[Value]:
        found = []
        for k, value in enumerate(values):
            others = [v for j, v in enumerate(values) if j != k]
            letters = (output, *(word for j, word in enumerate(inputs) if j != k)) if output else _without(inputs, k)
            made = contracted(letters, inputs[k], [g, *others] if output else others)
            found.append(unbroadcast(made if output else g * made, value))
        return found

    spelled = {"python": f'np.einsum("{",".join(inputs)}->{output}", {holes})', "numba": f"{name}({holes})"}
    REGISTRY[name] = Op(name, "general", operands, spelled, "summed", "sum of products", lambda types: _contracted(types, output),
                        pull=pull, linear=True, cost=100.0, helpers=(name,),
                        doc="A sum of products over named axes; each factor's gradient is one with the others (`np.einsum`).")  # fmt: skip
    return REGISTRY[name]


def _without(inputs: tuple[str, ...], position: int) -> tuple[str, ...]:
    return inputs[:position] + inputs[position + 1 :]


def _contracted(types: Sequence[Type], output: str) -> Type:
    return Type("float", len(output), max(type.bits for type in types))


def contracted(inputs: tuple[str, ...], output: str, values: Sequence[Value]) -> Value:
    """The sum of products over the axes that `output` does not name."""
    if len(values) == 1:
        axes = tuple(inputs[0].index(letter) for letter in output)
        return values[0] if axes == tuple(range(len(axes))) else transpose(values[0], axes=axes)
    return contraction(inputs, output)(*values)


def _loops(name: str, inputs: tuple[str, ...], output: str) -> str:
    """The helper's text: loops over the output's letters, then over the others."""
    letters = dict.fromkeys(output + "".join(inputs))
    where = {letter: (k, word.index(letter)) for k, word in reversed(list(enumerate(inputs))) for letter in word}
    arrays = [f"x{k}" for k in range(len(inputs))]
    size = {letter: f"size_{letter}" for letter in letters}
    read = [f"    {size[letter]} = x{where[letter][0]}.shape[{where[letter][1]}]" for letter in letters]
    unequal = [f"{x}.shape != {_shape(map(size.get, word))}" for x, word in zip(arrays, inputs, strict=True)]
    nest = [f"{'    ' * depth}for {letter} in range({size[letter]}):" for depth, letter in enumerate(letters, 1)]
    product = " * ".join(f"{x}[{', '.join(word)}]" for x, word in zip(arrays, inputs, strict=True))
    return "\n".join([
        f"def {name}({', '.join(arrays)}):",
        f'    """np.einsum("{",".join(inputs)}->{output}", {", ".join(arrays)})."""',
        *read,
        f"    if {' or '.join(unequal)}:",
        '        raise ValueError("the sizes of axes with the same letter differ")',
        f"    out = np.zeros({_shape(map(size.get, output)) if output else '1'}, x0.dtype)",
        *nest,
        f"{'    ' * (len(letters) + 1)}out[{', '.join(output) or '0'}] += {product}",
        "    return out" if output else "    return out[0]",
    ])  # fmt: skip


def _shape(sizes: Iterable[str | None]) -> str:
    """Sizes as a tuple: ``(size_i,)``, ``(size_i, size_j)``."""
    words = [size for size in sizes if size]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


# ---------------------------------------------------------------------------------------------- what is built from products


@general("np.kron({x}, {y})", _pairs, stage="{x}{y}", title="kron", linear=True)
def kron(g: Value, out: Value, x: Value, y: Value) -> Pulled:
    """One matrix in the place of every element of another, times it; each gradient sums over the other's elements (`np.kron`)."""
    sizes: list[Operand] = [extent(part, axis=axis) for axis in (0, 1) for part in (x, y)]
    blocks = reshape(g, *sizes)
    return contracted(("ipjq", "pq"), "ij", [blocks, y]), contracted(("ipjq", "ij"), "pq", [blocks, x])


def _longer(types: Sequence[Type]) -> Type:
    return Type("float", max(type.rank for type in types), max(type.bits for type in types))


@general("np.cross({x}, {y})", _longer, stage="{x}cross{y}", title="cross product", linear=True)
def cross(g: Value, out: Value, x: Value, y: Value) -> Pulled:
    """The cross product of vectors of three numbers along the last axis (`np.cross`)."""
    return unbroadcast(cross(y, g), x), unbroadcast(cross(g, x), y)
