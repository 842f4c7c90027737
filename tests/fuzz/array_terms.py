"""Random NumPy expressions: the terms that the statements of `tests.fuzz.arrays` are made of.

An array's sizes are kept as the text of int expressions, such as ``n``, ``n - 1`` or ``2``: two axes fit if their texts are the
same or one is ``1``. What the names stand for is chosen per point, so that one program runs on several shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from tests.fuzz.array_words import (
    EINSUMS,
    FEATURES,
    FUNCTIONS,
    KEPT,
    KINKED,
    PREFIX_WHOLE,
    PRODUCTS,
    REDUCED,
    SCANS,
    SOLVED,
    SQUARE_ALGEBRA,
    SQUARE_FACTORS,
    SQUARE_SCANS,
    SQUARE_WHOLE,
    SQUASHES,
    VECTOR_SCANS,
    VECTOR_WHOLE,
    WHOLE,
)
from tests.fuzz.programs import ADD, ATOM, CAP, COMPARE, MUL, OR, POWER, TERNARY, UNARY, Maker, Scope, Term, literal

Dims = tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """An array that a name holds: its sizes, a guess of how large its numbers get, its kind, and whether the program may write to it."""

    dims: Dims
    size: float = 2.0
    kind: str = "float"
    writable: bool = True
    #: For ints: the size of the axis that they are positions on.
    counts: str = ""


@dataclass(frozen=True)
class Counter:
    """An int variable with ``low <= i < dim - high``."""

    dim: str
    low: int = 0
    high: int = 0


@dataclass
class ArrayScope(Scope):
    """The names that are certainly bound here, arrays and counters included."""

    arrays: dict[str, Held] = field(default_factory=dict)
    counters: dict[str, Counter] = field(default_factory=dict)
    sizes: set[str] = field(default_factory=set)

    def copy(self) -> ArrayScope:
        """A scope for a block: what is bound inside does not leak."""
        floats, arrays, counters = dict(self.floats), dict(self.arrays), dict(self.counters)
        return ArrayScope(floats, locked=set(self.locked), arrays=arrays, counters=counters, sizes=set(self.sizes))

    def used(self) -> set[str]:
        """Every name that means something here."""
        return super().used() | {*self.arrays, *self.counters, *self.sizes}

    def held(self, kind: str = "float") -> list[tuple[str, Held]]:
        """The arrays of a kind."""
        return [(name, held) for name, held in self.arrays.items() if held.kind == kind]


def minus(dim: str, count: int) -> str:
    """The text of a size that is smaller by a constant: ``n`` less 1 is ``n - 1``."""
    if dim.isdigit():
        return str(max(int(dim) - count, 0))
    if not re.fullmatch(r"\w+( - \d+)?", dim):
        return f"{dim} - {count}"
    name, _, before = dim.partition(" - ")
    count += int(before or 0)
    return f"{name} - {count}" if count else name


def simple(dim: str) -> bool:
    """Whether `minus` works on this size."""
    return re.fullmatch(r"\w+( - \d+)?", dim) is not None


class ArrayTerms(Maker):
    """Writes expressions: numbers by `real`, arrays of given sizes by `array`."""

    scope: ArrayScope

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.scope = ArrayScope()
        self.on = {feature for feature in FEATURES if random.random() < 0.5}
        self.np = "np" if random.random() < 0.9 else "xp"
        self.reserved |= {"len", "sum", "range"}  # used by name, so no local may hide them

    # ------------------------------------------------------------------------------------------ positions and sections

    def index(self, dim: str) -> str:
        """A position on an axis of this size, often a loop's counter, sometimes from the end."""
        known = [(name, counter) for name, counter in self.scope.counters.items() if counter.dim == dim]
        if known and self.chance(0.85):
            name, counter = self.one(known)
            options = [name] * 4 + [f"{name} - 1", f"-1 - {name}", f"({name} + 1) % {dim}", f"{minus(dim, 1)} - {name}"]
            options += [f"{name} - {counter.low}"] * (2 if counter.low else 0) + [f"{name} + {counter.high}"] * (2 if counter.high else 0)
            return self.one(options)
        ints = [(name, held) for name, held in self.scope.held("int") if held.counts == dim]
        if ints and self.chance(0.25):
            name, held = self.one(ints)
            return f"{name}[{self.index(held.dims[0])}]"
        return self.one(("0", "0", "-1", "1", "-2") if dim in ("n", "m", "2", "3") else ("0", "0", "-1"))

    def cuts(self, have: str, want: str) -> list[str]:
        """The slices that make one size of another."""
        if have == want:
            return [":", ":", ":", "::-1"] if "steps" in self.on else [":"]
        if not simple(have):
            return []
        options = []
        if want == minus(have, 1):
            options = ["1:", ":-1"] + ["-2::-1", ":0:-1"] * ("steps" in self.on)
        if want == minus(have, 2):
            options = ["1:-1", "2:", ":-2"]
        if "steps" in self.on and want == f"({have} + 1) // 2":
            options = ["::2", "::-2"]
        if "steps" in self.on and want == f"{have} // 2":
            options = ["1::2"]
        if have == "3" and want == "2":
            options = ["1:", ":2", "-2:", "::2"]
        return options

    def positions(self, have: Dims, want: Dims) -> Iterator[list[str]]:
        """The subscripts that read sizes `want` out of sizes `have`: slices, positions, and None for a new axis."""
        if not have and not want:
            yield []
        if have and want and (options := self.cuts(have[0], want[0])):
            for rest in self.positions(have[1:], want[1:]):
                yield [self.one(options), *rest]
        if have and (len(have) > len(want) or (want and want[0] == "1")):
            for rest in self.positions(have[1:], want):
                yield [self.index(have[0]), *rest]
        if want and want[0] == "1" and "newaxis" in self.on:
            for rest in self.positions(have, want[1:]):
                yield ["None" if self.np == "xp" or self.chance(0.7) else "np.newaxis", *rest]

    def subscripted(self, name: str, parts: list[str]) -> str:
        """The text of a subscript, as short as it goes or with an ellipsis, sometimes as a chain."""
        parts = list(parts)
        if "ellipsis" in self.on and len(parts) > 1 and parts[0] == ":" and self.chance(0.5):
            return f"{name}[{', '.join(['...', *parts[1:]])}]"
        while parts and parts[-1] == ":":
            parts.pop()
        if not parts:
            return name
        if (
            len(parts) > 1
            and self.chance(0.12)
            and not re.search("None|newaxis", str(parts))
            and not any(":" in part for part in parts[:-1])
        ):
            return f"{name}[{']['.join(parts)}]"
        return f"{name}[{', '.join(parts)}]"

    def readings(self, name: str, held: Held, dims: Dims) -> list[str]:
        """The texts that read an array of these sizes out of a named one by basic indexing."""
        found = [self.subscripted(name, parts) for parts in self.positions(held.dims, dims)]
        if "transpose" in self.on and held.dims[::-1] == dims and len(dims) > 1:
            found.append(self.one((f"{name}.T", f"{name}.T", f"{self.np}.transpose({name})", f"{name}.transpose()")))
        if "transpose" in self.on and len(held.dims) == 2:
            found += [self.subscripted(f"{name}.T", parts) for parts in self.positions(held.dims[::-1], dims)][:1] * self.chance(0.3)
        return found

    def section(self, held: Held) -> tuple[list[str], Dims]:
        """A part of an array to write to: the subscript, and the sizes of what it names."""
        parts, dims = [], []
        for dim in held.dims:
            known = any(counter.dim == dim for counter in self.scope.counters.values())
            if self.chance(0.75 if known else 0.35):
                parts.append(self.index(dim))
                continue
            wanted = self.one([dim, dim, minus(dim, 1)] + [minus(dim, 2)] * (dim != "2")) if simple(dim) and dim != "1" else dim
            if "steps" in self.on and simple(dim) and self.chance(0.2):
                wanted = self.one((f"({dim} + 1) // 2", f"{dim} // 2"))
            parts.append(self.one(self.cuts(dim, wanted) or [":"]))
            dims.append(wanted if self.cuts(dim, wanted) else dim)
        return parts, tuple(dims)

    # ------------------------------------------------------------------------------------------ numbers

    def real(self, depth: int = 2) -> Term:
        """A float expression."""
        if depth <= 0 or self.chance(0.2):
            return self.leaf()
        return self.pick(
            (22, lambda: self.sum(depth)),
            (18, lambda: self.product(depth)),
            (5, lambda: self.quotient(depth)),
            (12, lambda: self.function(depth)),
            (4, lambda: self.power(depth)),
            (3, lambda: self.negative(depth)),
            (3 if "kinks" in self.on else 0, lambda: self.one((self.extreme, self.absolute, self.ternary))(depth)),
            (14, lambda: self.whole_array(depth)),
            (5 if "helpers" in self.on else 0, lambda: self.number_by_helper(depth)),
            (12 if "prefixes" in self.on and self.loops else 0, lambda: self.prefix(depth)),
            (6, self.leaf),
        )

    def leaf(self) -> Term:
        """A number that is known, an element of an array, or a literal."""
        return self.pick(
            (30, self.variable),
            (45, self.element),
            (12, lambda: literal(self.random)),
            (3, lambda: Term(self.one(("1", "2", "0.5", "3")), ATOM, 2.0)),
            (4, lambda: Term(self.one(self.scope.counters), ATOM, 4.0) if self.scope.counters else self.element()),
            (1, lambda: Term(self.one(self.scope.sizes), ATOM, 4.0) if self.scope.sizes else self.element()),
        )

    def element(self) -> Term:
        """One element of an array."""
        arrays = [(name, held) for name, held in self.scope.held() if held.dims]
        if not arrays:
            return self.variable()
        name, held = self.one(arrays)
        if len(held.dims) == 1 and "kinks" in self.on and self.chance(0.06):
            return Term(f"{name}[{self.np}.{self.one(('argmax', 'argmin'))}({name})]", ATOM, held.size)
        return Term(self.subscripted(name, [self.index(dim) for dim in held.dims]), ATOM, held.size)

    def whole_array(self, depth: int) -> Term:
        """A whole array made one number."""
        dims = self.any_dims()
        inner = self.array(dims, depth - 1)
        options = [form for form in WHOLE if "kinks" in self.on or not re.search(r"max|min|abs|ptp", form)]
        if len(dims) == 1:
            options += VECTOR_WHOLE
        if len(dims) == 2 and dims[0] == dims[1]:
            options += SQUARE_WHOLE * 4 + SQUARE_ALGEBRA * (4 if "linalg" in self.on else 0)
        form = self.one(options)
        if "masks" in self.on and self.chance(0.2):
            masked = self.named(dims)
            if masked:
                return Term(f"{self.np}.sum({masked}[{self.mask(dims).text}])", ATOM, 8.0)
        text = self.form(form, inner, dims)
        return Term(text, ATOM if "@" not in form else MUL, min(inner.size, 4.0) * 4.0)

    def prefix(self, depth: int) -> Term:
        """What the parts of vectors before or after a loop's position add up to."""
        found = self.beside_counter(self.scope.held())
        if not found:
            return self.whole_array(depth)
        name, other, counter = self.one(found)
        text = self.one(PREFIX_WHOLE).replace("np.", f"{self.np}.").format(a=name, b=other, i=counter)
        return Term(text, MUL, min(4.0 * self.scope.arrays[name].size, CAP))

    def beside_counter(self, arrays: list[tuple[str, Held]]) -> list[tuple[str, str, str]]:
        """Vectors out of `arrays`, each with a vector of the same size and a counter of positions on both."""
        vectors = [(name, held.dims[0]) for name, held in self.scope.held() if len(held.dims) == 1]
        mine = [(name, dim) for name, dim in vectors if name in dict(arrays)]
        counters = [(name, counter.dim) for name, counter in self.scope.counters.items()]
        return [(a, b, i) for a, dim in mine for b, same in vectors if dim == same for i, size in counters if size == dim]

    def form(self, form: str, inner: Term, dims: Dims) -> str:
        """A form with its argument, and with a second one only where it has a place for one."""
        second = self.array(dims, 0) if "{y}" in form or "{v}" in form else inner
        text = form.format(x=inner.text, u=inner.at(ATOM), y=second.text, v=second.at(ATOM), k="{k}")
        return text.replace("np.", f"{self.np}.")

    def number_by_helper(self, depth: int) -> Term:
        """A call of a function of the program that returns a number."""
        text = self.invoke_helper("number")
        return Term(text, ATOM, 4.0) if text else self.function(depth)

    def invoke_helper(self, result: str, dims: Dims | None = None) -> str:
        """The text of a call of a helper; empty here, where no helpers are known."""
        return ""

    # ------------------------------------------------------------------------------------------ arrays

    def any_dims(self) -> Dims:
        """The sizes of some array that is known."""
        arrays = [held.dims for _, held in self.scope.held() if held.dims]
        return self.one(arrays) if arrays else ("3",)

    def array(self, dims: Dims, depth: int = 2) -> Term:
        """A float expression of exactly these sizes."""
        if not dims:
            return self.real(depth)
        if depth <= 0 or self.chance(0.15):
            return self.stock(dims)
        on = self.on
        return self.pick(
            (26, lambda: self.array_sum(dims, depth)),
            (22, lambda: self.array_product(dims, depth)),
            (5, lambda: self.array_quotient(dims, depth)),
            (18, lambda: self.array_function(dims, depth)),
            (4, lambda: self.array_power(dims, depth)),
            (5 if "reduce" in on else 0, lambda: self.reduced(dims, depth)),
            (4 if "keepdims" in on else 0, lambda: self.kept(dims, depth)),
            (4 if "scans" in on else 0, lambda: self.scanned(dims, depth)),
            (8 if "matmul" in on else 0, lambda: self.multiplied(dims, depth)),
            (5 if "linalg" in on and len(dims) < 3 else 0, lambda: self.solved(dims, depth)),
            (8 if "gather" in on else 0, lambda: self.gathered(dims, depth)),
            (3 if "masks" in on else 0, lambda: self.chosen(dims, depth)),
            (4 if "helpers" in on else 0, lambda: self.by_helper(dims, depth)),
            (3 if "joins" in on else 0, lambda: self.joined(dims, depth)),
            (3 if "reshape" in on else 0, lambda: self.reshaped(dims, depth)),
            (8, lambda: self.stock(dims)),
        )

    def named(self, dims: Dims) -> str:
        """The name of an array of exactly these sizes, or nothing."""
        names = [name for name, held in self.scope.held() if held.dims == dims]
        return self.one(names) if names else ""

    def stock(self, dims: Dims) -> Term:
        """An array that is known, whole or a part, or a new one of simple numbers."""
        found: list[tuple[str, float]] = []
        for name, held in self.scope.held():
            if held.dims == dims:
                found += [(name, held.size)] * 2
            if "views" in self.on or held.dims != dims:
                found += [(text, held.size) for text in self.readings(name, held, dims)[:3]]
        if found and self.chance(0.93):
            text, size = self.one(found)
            return Term(text, ATOM, size)
        return self.filled(dims)

    def filled(self, dims: Dims) -> Term:
        """A new array of simple numbers, or of one number that varies."""
        if any(not re.fullmatch(r"[\w\s()/+-]+", dim) for dim in dims):
            return self.real(0)
        shape = f"({', '.join(dims)})" if len(dims) > 1 else self.one((dims[0], f"({dims[0]},)"))
        np, number = self.np, self.real(0)
        options = [
            Term(f"{np}.full({shape}, {number.text})", ATOM, number.size),
            Term(f"{np}.ones({shape}) * {number.at(UNARY)}", MUL, number.size),
            Term(f"{np}.zeros({shape}) + {number.at(MUL)}", ADD, number.size),
        ]
        if len(dims) == 1:
            options += [Term(f"{np}.linspace(0.1, 0.9, {dims[0]})", ATOM, 1.0), Term(f"{np}.arange({dims[0]}) * 0.3", MUL, 2.0)]
        if len(dims) == 2 and dims[0] == dims[1]:
            options.append(Term(f"{np}.eye({dims[0]})", ATOM, 1.0))
        return self.one(options)

    def part(self, dims: Dims, depth: int) -> Term:
        """Something that broadcasts to these sizes: an array of them, one of lower rank or with axes of size 1, or a number."""
        if self.chance(0.25):
            return self.real(min(depth, 1))
        if "broadcast" not in self.on or self.chance(0.5):
            return self.array(dims, depth)
        smaller = dims[self.random.randint(0, len(dims) - 1) :]
        smaller = tuple("1" if self.chance(0.4) else dim for dim in smaller)
        return self.array(smaller, depth if set(smaller) != {"1"} else 0)

    def array_sum(self, dims: Dims, depth: int) -> Term:
        terms = [self.array(dims, depth - 1), self.part(dims, depth - 1)]
        self.random.shuffle(terms)
        return Term(f"{terms[0].at(ADD)} {self.one('+-')} {terms[1].at(MUL)}", ADD, terms[0].size + terms[1].size)

    def array_product(self, dims: Dims, depth: int) -> Term:
        terms = [self.array(dims, depth - 1), self.part(dims, depth - 1)]
        self.random.shuffle(terms)
        return Term(f"{terms[0].at(MUL)} * {terms[1].at(UNARY)}", MUL, terms[0].size * terms[1].size)

    def array_quotient(self, dims: Dims, depth: int) -> Term:
        over, under = self.array(dims, depth - 1), self.part(dims, depth - 1)
        below = self.one((f"(1.0 + {under.at(ATOM)}**2)", f"(2.0 + {self.np}.cos({under.text}))", "1.7", "3"))
        return Term(f"{over.at(MUL)} / {below}", MUL, over.size)

    def array_power(self, dims: Dims, depth: int) -> Term:
        base = self.array(dims, depth - 1)
        if self.chance(0.7):
            exponent = self.one(("2", "3", "2", "2.0"))
            return Term(f"{base.at(ATOM)}**{exponent}", POWER, max(1.0, base.size) ** float(exponent))
        exponent = self.one(("0.5", "-0.5", "1.5", f"{self.np}.sin({self.real(0).text})"))
        return Term(f"(0.6 + {base.at(ATOM)}**2) ** {exponent}", POWER, base.size**2)

    def array_function(self, dims: Dims, depth: int) -> Term:
        inner = self.array(dims, depth - 1)
        form, size = self.one(FUNCTIONS + KINKED if "kinks" in self.on else FUNCTIONS)
        second = self.part(dims, depth - 1) if "{y}" in form else inner
        text = form.format(x=inner.text, u=inner.at(ATOM), y=second.text).replace("np.", f"{self.np}.")
        return Term(text, MUL if not text.startswith("-") else UNARY, size if size < CAP else inner.size + 1.0)

    def reduced(self, dims: Dims, depth: int) -> Term:
        """A larger array with one axis reduced."""
        larger = [held.dims for _, held in self.scope.held() if len(held.dims) == len(dims) + 1]
        fitting = [(big, k) for big in larger for k in range(len(big)) if big[:k] + big[k + 1 :] == dims]
        if not fitting:
            return self.array_function(dims, depth)
        big, axis = self.one(fitting)
        inner = self.array(big, depth - 1)
        forms = [form for form in REDUCED if "kinks" in self.on or not re.search(r"max|min", form)]
        text = self.form(self.one(forms), inner, big).format(k=self.one((axis, axis - len(big))))
        return Term(text, ATOM, 3.0 * inner.size)

    def kept(self, dims: Dims, depth: int) -> Term:
        """An array less, or over, what one of its axes reduces to with the axis kept."""
        inner, axis = self.array(dims, 0), self.random.randrange(len(dims))
        forms = [form for form in KEPT if "kinks" in self.on or "max" not in form]
        text = self.form(self.one(forms), inner, dims).format(k=self.one((axis, axis - len(dims))))
        other = self.array(dims, depth - 1)
        return Term(f"{other.at(MUL)} {self.one('-*')} {text}", ADD, other.size + 3.0 * inner.size)

    def scanned(self, dims: Dims, depth: int) -> Term:
        """A running sum, a roll, a flip or a sort."""
        inner, axis = self.array(dims, depth - 1), self.random.randrange(len(dims))
        forms = list(SCANS)
        forms += VECTOR_SCANS * (len(dims) == 1) + SQUARE_SCANS * (len(dims) == 2 and dims[0] == dims[1])
        forms = [form for form in forms if "kinks" in self.on or "sort" not in form]
        return Term(self.form(self.one(forms), inner, dims).format(k=self.one((axis, axis - len(dims)))), ATOM, 2.0 * inner.size)

    def multiplied(self, dims: Dims, depth: int) -> Term:
        """A product of matrices or vectors."""
        inner = self.one([dim for _, held in self.scope.held() for dim in held.dims if len(held.dims) < 3] or ["2"])
        match len(dims):
            case 1:
                pairs = [((dims[0], inner), (inner,)), ((inner,), (inner, dims[0]))]
            case 2:
                pairs = [((dims[0], inner), (inner, dims[1]))]
                if self.chance(0.4):
                    left, right = self.array(dims[:1], depth - 1), self.array(dims[1:], depth - 1)
                    return Term(f"{self.np}.outer({left.text}, {right.text})", ATOM, left.size * right.size)
            case _:
                return self.array_function(dims, depth)
        one, two = self.one(pairs)
        left, right = self.array(one, depth - 1), self.array(two, depth - 1)
        size = 3.0 * left.size * right.size
        form = self.one(PRODUCTS)
        if self.chance(0.1):
            form = f"np.einsum('{EINSUMS[len(one), len(two)]}', {{x}}, {{y}})"
        text = form.replace("np.", f"{self.np}.").format(x=left.text, y=right.text, u=left.at(ATOM), v=right.at(ATOM))
        return Term(text, MUL if "@" in form else ATOM, size)

    def solved(self, dims: Dims, depth: int) -> Term:
        """A linear system solved, an inverse or a factor."""
        matrix = self.array((dims[0], dims[0]), depth - 1)
        other = self.array(dims, depth - 1)
        forms = SOLVED + SQUARE_FACTORS * (len(dims) == 2 and dims[0] == dims[1])
        text = self.one(forms).replace("np.", f"{self.np}.").format(x=matrix.text, y=other.text, u=matrix.at(ATOM), v=other.at(ATOM))
        return Term(text, MUL, 3.0 + other.size)

    def gathered(self, dims: Dims, depth: int) -> Term:
        """Rows or elements at positions that an int array names, repeats included."""
        pairs = [
            (ints, name, at)
            for ints, held in self.scope.held("int")
            for name, array in self.scope.held()
            for at in range(len(array.dims))
            if array.dims[at] == held.counts and array.dims[:at] + held.dims + array.dims[at + 1 :] == dims
        ]
        if not pairs:
            return self.array_function(dims, depth)
        ints, name, at = self.one(pairs)
        size = self.scope.arrays[name].size
        counts = self.scope.arrays[ints].counts
        where = self.one([ints, ints, f"{ints}[::-1]", f"({ints} + 1) % {counts}"])
        return Term(f"{name}[{', '.join([':'] * at + [where])}]", ATOM, size)

    def mask(self, dims: Dims) -> Term:
        """A bool array of exactly these sizes."""
        known = [name for name, held in self.scope.held("bool") if held.dims == dims]
        if known and self.chance(0.5):
            name = self.one(known)
            return self.one((Term(name), Term(name), Term(f"~{name}", UNARY)))
        left = self.array(dims, 0)
        test = f"{left.at(ADD)} {self.one('<>')} {literal(self.random, -1.5, 1.5).text}"
        if self.chance(0.2):
            return Term(f"({test}) {self.one('&|')} ({self.array(dims, 0).at(ADD)} > {literal(self.random, -1.5, 1.5).text})", OR)
        return Term(test, COMPARE)

    def chosen(self, dims: Dims, depth: int) -> Term:
        """``np.where`` over a mask."""
        left, right = self.array(dims, depth - 1), self.part(dims, depth - 1)
        return Term(f"{self.np}.where({self.mask(dims).text}, {left.text}, {right.text})", ATOM, max(left.size, right.size))

    def joined(self, dims: Dims, depth: int) -> Term:
        """Rows stacked where the first axis has a known length, or a part put before a part."""
        if dims[0] in ("2", "3"):
            rows = [self.array(dims[1:], depth - 1) for _ in range(int(dims[0]))]
            size = max(row.size for row in rows)
            if len(dims) == 1:
                return Term(f"{self.np}.array([{', '.join(row.at(TERNARY) for row in rows)}])", ATOM, size)
            word = self.one(("stack", "stack", "array", "vstack") if len(dims) == 2 else ("stack",))
            brackets = self.one(("[]", "()")) if word != "array" else "[]"
            return Term(f"{self.np}.{word}({brackets[0]}{', '.join(row.text for row in rows)}{brackets[1]})", ATOM, size)
        axis = self.random.randrange(len(dims))
        dim = dims[axis]
        if not simple(dim) or dim == "1":
            return self.array_function(dims, depth)
        parts = [self.array((*dims[:axis], size, *dims[axis + 1 :]), depth - 1) for size in self.random.sample((minus(dim, 1), "1"), 2)]
        text = f"{self.np}.concatenate(({parts[0].text}, {parts[1].text}){f', axis={axis}' if axis or self.chance(0.3) else ''})"
        return Term(text, ATOM, max(part.size for part in parts))

    def reshaped(self, dims: Dims, depth: int) -> Term:
        """The same numbers under other sizes."""
        flat = self.array(dims, depth - 1)
        if len(dims) == 1:
            options = [held.dims for _, held in self.scope.held() if len(held.dims) == 2]
            if options:
                big = self.one(options)
                inner = self.array(big, depth - 1)
                shape = f"{big[1]}, {big[0]}" if self.chance(0.5) else f"-1, {big[0]}"
                reduced = self.one((f"{inner.at(ATOM)}.reshape({shape})[:, 0]", f"{inner.at(ATOM)}.reshape({shape}).sum(axis=1)"))
                if big[1] == dims[0]:
                    return Term(reduced, ATOM, 3.0 * inner.size)
            return Term(f"{flat.at(ATOM)}.reshape(-1, 1)[:, 0]", ATOM, flat.size)
        shape = ", ".join(dims)
        form = self.one(("{u}.reshape({s})", "{u}.ravel().reshape({s})", f"{self.np}.reshape({{x}}, ({{s}}))"))
        return Term(form.format(x=flat.text, u=flat.at(ATOM), s=shape), ATOM, flat.size)

    def by_helper(self, dims: Dims, depth: int) -> Term:
        """A call of a function of the program that returns an array."""
        text = self.invoke_helper("array", dims)
        return Term(text, ATOM, 4.0) if text else self.array_function(dims, depth)

    # ------------------------------------------------------------------------------------------ sizes of numbers

    def tame(self, dims: Dims, depth: int, limit: float = CAP) -> Term:
        """An expression of these sizes, squashed where its numbers may be large."""
        term = self.array(dims, depth)
        if term.size <= limit:
            return term
        forms = [form for form in SQUASHES if len(term.text) < 16 or form.count("{") == 1]
        text = self.one(forms).format(x=term.text, u=term.at(ATOM))
        return Term(text.replace("np.", f"{self.np}."), MUL, 1.5)

    def noted(self, name: str, size: float) -> None:
        """Notes that an array's numbers may be larger now."""
        held = self.scope.arrays[name]
        self.scope.arrays[name] = replace(held, size=min(max(held.size, size), 4.0 * CAP))
