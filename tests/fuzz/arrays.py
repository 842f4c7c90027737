"""Random NumPy programs with stores, views, aliases, gathers and loops that write in place: the same seed gives the same text.

`program(seed)` returns a `Program`: the text of a module with a function `f` of arrays and numbers that returns one number, and
two points to call it at, of different shapes and layouts. Most points run without an error; where one does not (a position
beyond a short axis), the same error is the right answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.fuzz.array_inputs import LAYOUTS, Bundle, Input, Same
from tests.fuzz.array_terms import ArrayScope, ArrayTerms, Counter, Dims, Held, minus, simple
from tests.fuzz.array_words import (
    ARRAY_NAMES,
    ARRAY_PARAMS,
    AUGMENTED,
    AUGMENTED_IN_LOOPS,
    COUNTER_NAMES,
    FLOAT_PARAMS,
    HELPER_NAMES,
    INT_ARRAY_NAMES,
    MASK_NAMES,
    PREFIX_STORES,
)
from tests.fuzz.programs import ADD, ATOM, CAP, MUL, NOT, OR, UNARY, Program, Term
from tests.fuzz.words import FLOAT_NAMES

#: How many trips the loops of a program may make together, one inside the other.
TRIPS = 60


@dataclass(frozen=True)
class Helper:
    """A function that the program may call: what it takes, and whether it gives a number, an array, or nothing but writes to its first."""

    name: str
    params: tuple[tuple[str, Dims], ...]
    floats: tuple[str, ...]
    result: str


def program(seed: int) -> Program:
    """The program of this seed."""
    return ArrayMaker(Random(seed)).program(seed)


class ArrayMaker(ArrayTerms):
    """Writes one program, statement by statement."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.known: list[Helper] = []
        self.counts: dict[str, str] = {}
        #: The parameters, by name and sizes (none for a number): those that stand alone, and those that come in a container.
        self.alone: list[tuple[str, Dims]] = []
        self.packed: list[tuple[str, Dims]] = []
        self.container: type = tuple
        #: Whether the program may write to its arguments.
        self.writing = False
        #: Whether the function that is being written returns a number.
        self.returning = False

    # ------------------------------------------------------------------------------------------ assignments

    def writable(self) -> list[tuple[str, Held]]:
        """The arrays that the program may write to."""
        return [(name, held) for name, held in self.scope.held() if held.writable and name not in self.scope.locked]

    def hold(self, name: str, held: Held) -> None:
        """Notes what a name holds from now on."""
        self.scope.arrays[name] = replace(held, size=min(max(held.size, 0.5), 2.0 * CAP))

    def assign(self) -> None:
        """One of the many ways to give an array, or a part of one, its numbers."""
        on = self.on
        self.pick(
            (16, self.assign_new),
            (7, self.assign_copy),
            (8 if "views" in on else 0, self.assign_view),
            (4 if "alias" in on else 0, self.assign_alias),
            (1 if {"alias", "branches"} <= on else 0, self.assign_either),
            (5 if "rebind" in on else 0, self.assign_again),
            (22, self.store),
            (16, self.augment),
            (5 if "masks" in on else 0, self.store_masked),
            (6 if "gather" in on else 0, self.store_gathered),
            (6 if "swaps" in on else 0, self.swap_parts),
            (9, self.assign_number),
            (5 if "helpers" in on else 0, self.call_helper),
            (2 if "tuples" in on else 0, self.assign_pair_of_arrays),
            (2 if "tuples" in on else 0, self.swap_names),
            (4 if "tuples" in on else 0, self.store_several),
            (14 if "prefixes" in on and self.loops else 0, self.store_prefix),
            (1 if "lists" in on else 0, self.assign_rows),
            (1 if "branches" in on else 0, self.assign_chosen),
            (2 if "closures" in on and self.depth == 1 else 0, self.assign_closure),
            (3 if "lists" in on else 0, self.assign_list),
            (3 if "masks" in on else 0, self.assign_mask),
            (2 if "gather" in on else 0, self.assign_ints),
        )

    def assign_new(self) -> None:
        """A new array of an expression, or of simple numbers to be filled later."""
        dims = self.any_dims()
        name = self.fresh(ARRAY_NAMES)
        if self.chance(0.25):
            self.emit(f"{name} = {self.blank(dims)}")
            self.hold(name, Held(dims, 1.0))
            return
        term = self.tame(dims, self.one((1, 2, 2)))
        text = self.owned(term)
        self.emit(f"{name} = {text}")
        self.hold(name, Held(dims, term.size))

    def owned(self, term: Term) -> str:
        """The expression as an array of its own: what only names another array, or a part of it, is copied."""
        named = re.fullmatch(r"[\w.]+(\[[^\]]*\])*(\.T)?(\[[^\]]*\])*", term.text)
        return f"{term.at(ATOM)}.copy()" if named or re.search("transpose|ravel|reshape|flip|diag", term.text) else term.text

    def blank(self, dims: Dims) -> str:
        """A new array of zeros or ones, by its shape or like another."""
        like = self.named(dims)
        word = self.one(("zeros", "zeros", "ones"))
        if like and self.chance(0.5):
            return f"{self.np}.{word}_like({like})"
        shape = f"({', '.join(dims)})" if len(dims) > 1 else dims[0]
        return f"{self.np}.{word}({shape})" if not like or self.chance(0.8) else f"{self.np}.{word}({like}.shape)"

    def assign_copy(self) -> None:
        """A copy of an array that is there, to be written to."""
        arrays = [(name, held) for name, held in self.scope.held() if held.dims]
        source, held = self.one(arrays)
        name = self.fresh(ARRAY_NAMES)
        form = self.one(("{x}.copy()", "{x}.copy()", "np.copy({x})", "np.array({x})", "{x} * 1.0", "0.0 + {x}"))
        self.emit(f"{name} = {form.format(x=source).replace('np.', f'{self.np}.')}")
        self.hold(name, Held(held.dims, held.size))

    def assign_view(self) -> None:
        """A name for a part of an array: writes through one are seen through the other."""
        arrays = [(name, held) for name, held in self.scope.held() if held.dims and (held.writable or self.chance(0.2))]
        if not arrays:
            return self.assign_new()
        source, held = self.one(arrays)
        parts, dims = self.section(held)
        name = self.fresh(ARRAY_NAMES)
        text, dims = self.one(((self.subscripted(source, parts), dims), *self.other_views(source, held)))
        if not dims or text == source:
            return self.assign_alias() if "alias" in self.on else self.store()
        self.emit(f"{name} = {text}")
        self.hold(name, Held(dims, held.size, writable=held.writable))
        return None

    def other_views(self, source: str, held: Held) -> list[tuple[str, Dims]]:
        """Views that are no subscripts, with their sizes."""
        found: list[tuple[str, Dims]] = []
        if "transpose" in self.on and len(held.dims) > 1:
            found += [(f"{source}.T", held.dims[::-1])] * 2
        if "steps" in self.on and held.dims:
            found.append((f"{source}[::-1]", held.dims))
            if simple(held.dims[0]) and held.dims[0] != "1":
                found.append((f"{source}[::2]", (f"({held.dims[0]} + 1) // 2", *held.dims[1:])))
        if "newaxis" in self.on:
            found += [(f"{source}[:, None]", (held.dims[0], "1", *held.dims[1:])), (f"{source}[None]", ("1", *held.dims))]
        if "reshape" in self.on and len(held.dims) == 2 and all(map(simple, held.dims)):
            n, m = held.dims
            found += [(f"{source}.reshape({m}, {n})", (m, n)), (f"{source}.reshape({n}, {m}, 1)", (n, m, "1"))]
        return [view for view in found if len(view[1]) < 4]

    def assign_alias(self) -> None:
        """A second name for an array."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        if not arrays:
            return self.assign_new()
        source, held = self.one(arrays)
        name = self.fresh(ARRAY_NAMES)
        self.emit(f"{name} = {source}")
        self.hold(name, held)
        return None

    def assign_either(self) -> None:
        """A name for one array or another, as the data have it."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        same = [(a, b, held) for a, held in arrays for b, other in arrays if a < b and held.dims == other.dims]
        if not same:
            return self.assign_alias()
        one, two, held = self.one(same)
        name, test = self.fresh(ARRAY_NAMES), self.test(0)
        if self.chance(0.5):
            self.emit(f"{name} = {one} if {test.at(OR)} else {two}")
        else:
            self.emit(f"if {test.text}:")
            self.emit(f"    {name} = {one}")
            self.emit("else:")
            self.emit(f"    {name} = {two}")
        self.hold(name, held)
        return None

    def assign_again(self) -> None:
        """A name bound again, to a new array of the same sizes."""
        arrays = [(name, held) for name, held in self.scope.held() if held.dims and name not in self.scope.locked]
        name, held = self.one(arrays)
        others = [other for other, its in arrays if its.dims == held.dims and other != name]
        if others and self.chance(0.3):
            other = self.one(others)
            alike = "alias" in self.on and self.scope.arrays[other].writable == held.writable
            self.emit(f"{name} = {other if alike and self.chance(0.5) else f'{other}.copy()'}")
            self.noted(name, self.scope.arrays[other].size)
            return
        term = self.tame(held.dims, 2, CAP if self.trips == 1 else 4.0)
        self.emit(f"{name} = {self.owned(term)}")
        self.hold(name, Held(held.dims, term.size))

    def place(self, name: str, held: Held) -> tuple[str, Dims]:
        """A part of an array, or all of it, as something to write to."""
        if self.chance(0.15 if self.trips == 1 else 0.05):
            return f"{name}[{self.one((':', '...', ':'))}]", held.dims
        parts, dims = self.section(held)
        text = self.subscripted(name, parts)
        return (text, dims) if text != name else (f"{name}[:]", held.dims)

    def store(self) -> None:
        """A store to an element, a row, a section or all of an array."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        if not arrays:
            return self.assign_copy()
        name, held = self.one(arrays)
        text, dims = self.place(name, held)
        if self.chance(0.04):
            self.emit(f"{name}.fill({self.bounded(self.real(1)).text})")
            return None
        narrow = dims[1:] if dims and "broadcast" in self.on and self.chance(0.2) else dims
        term = self.tame(narrow, self.one((1, 2)), CAP if self.trips == 1 else 3.0)
        if self.trips > 1 and self.chance(0.4):
            term = Term(f"0.6 * {text} + 0.4 * {term.at(UNARY)}", ADD, held.size)
        self.emit(f"{text} = {term.text}")
        self.noted(name, term.size)
        return None

    def augment(self) -> None:
        """An augmented store, to an element or more; a bare name is written in place."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        if not arrays:
            return self.assign_copy()
        name, held = self.one(arrays)
        text, dims = (name, held.dims) if self.chance(0.3) else self.place(name, held)
        form = self.one(AUGMENTED if self.trips == 1 else AUGMENTED_IN_LOOPS)
        term = self.part(dims, 1) if dims else self.real(1)
        if term.size > CAP / 2:
            term = self.tame(dims, 0)
        library = "math" if not dims and self.chance(0.5) else self.np
        self.emit(f"{text} {form.replace('np.', f'{library}.').format(x=term.text, u=term.at(UNARY))}")
        size = held.size**2 if form.startswith("**") else held.size + term.size
        self.noted(name, size)
        if form.startswith("**") and size > CAP:
            self.emit(f"{name}[...] = {self.np}.tanh({name})")
        return None

    def store_masked(self) -> None:
        """A store to where a mask says."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        if not arrays:
            return self.assign_copy()
        name, held = self.one(arrays)
        term = self.bounded(self.real(1), 4.0)
        word = self.one(("=", "=", "+=", "*=", "-="))
        mask = self.mask(held.dims).text
        if self.chance(0.25):
            term, word = Term(f"{self.np}.sin({name}[{mask}])"), self.one(("=", "+="))
        self.emit(f"{name}[{mask}] {word} {term.text}")
        self.noted(name, held.size + term.size)
        return None

    def store_gathered(self) -> None:
        """A store to positions that an int array names; in NumPy, of those that repeat the last one wins."""
        pairs = [
            (name, held, ints)
            for name, held in self.writable()
            for ints, places in self.scope.held("int")
            if held.dims and held.dims[0] == places.counts
        ]
        if not pairs:
            return self.store()
        name, held, ints = self.one(pairs)
        dims = (*self.scope.arrays[ints].dims, *held.dims[1:])
        term = self.tame(self.one((dims, dims, ())), 1, 4.0)
        if self.chance(0.25):
            self.emit(f"{self.np}.add.at({name}, {ints}, {term.text})")
        else:
            self.emit(f"{name}[{ints}] {self.one(('=', '+=', '*=', '-='))} {term.text}")
        self.noted(name, held.size * 4.0)
        return None

    def store_prefix(self) -> None:
        """A store to the part of a vector before or after a loop's position."""
        found = self.beside_counter(self.writable())
        if not found:
            return self.store()
        name, other, counter = self.one(found)
        number = self.bounded(self.real(1), 3.0)
        form = self.one(PREFIX_STORES)
        self.emit(form.format(a=name, b=other, i=counter, n=f"len({name})", x=number.at(UNARY)))
        self.noted(name, self.scope.arrays[name].size + min(self.scope.arrays[other].size, 3.0))
        return None

    def store_several(self) -> None:
        """Elements stored in one statement: by a chain, by a tuple, or changing places with a number."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        if not arrays:
            return self.assign_copy()
        places = []
        for _ in range(2):
            name, held = self.one(arrays)
            places.append(self.subscripted(name, [self.index(dim) for dim in held.dims]))
            self.noted(name, 3.0)
        terms = [self.bounded(self.real(1), 3.0) for _ in range(2)]
        old = [name for name in self.scope.floats if name not in self.scope.locked]
        match self.random.randrange(3):
            case 0:
                self.emit(f"{places[0]} = {places[1]} = {terms[0].text}")
            case 1:
                self.emit(f"{places[0]}, {places[1]} = {terms[0].at(OR)}, {terms[1].at(OR)}")
            case _ if old:
                number = self.one(old)
                self.emit(f"{places[0]}, {number} = {number}, {places[0]}")
                self.bind(number, CAP / 2)
            case _:
                self.emit(f"{places[0]} = {terms[0].text}")
        return None

    def swap_parts(self) -> None:
        """Two elements or rows change places; rows without a copy do what NumPy's views make of it."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        if not arrays:
            return self.assign_copy()
        name, held = self.one(arrays)
        dim = held.dims[0]
        one, two = self.index(dim), self.index(dim)
        if one == two:
            two = "-1" if one != "-1" else "0"
        left, right = (f"{name}[{one}]", f"{name}[{two}]")
        if len(held.dims) == 1:
            self.emit(f"{left}, {right} = {right}, {left}")
        elif self.chance(0.4):
            self.emit(f"{left}, {right} = {right}.copy(), {left}.copy()")
        elif self.chance(0.5):
            self.emit(f"{name}[[0, -1]] = {name}[[-1, 0]]")
        else:
            self.emit(f"{left}, {right} = {right}, {left}")
        return None

    def assign_number(self) -> None:
        """A number, new, old or accumulated."""
        old = [name for name in self.scope.floats if name not in self.scope.locked]
        term = self.bounded(self.real(2), CAP if self.trips == 1 else 3.0)
        if old and self.chance(0.6 if self.trips > 1 else 0.3):
            name = self.one(old)
            word = self.one(("=", "+=", "-=", "+=", "*="))
            self.emit(f"{name} {word} {term.text if word != '*=' else f'math.cos({term.text})'}")
            self.bind(name, self.scope.floats[name] + term.size)
            return
        name = self.fresh(FLOAT_NAMES)
        self.emit(f"{name} = {term.text}")
        self.bind(name, term.size)

    def swap_names(self) -> None:
        """Two names change places, as in double buffering."""
        arrays = [(name, held) for name, held in self.writable() if held.dims]
        same = [(a, b) for a, held in arrays for b, other in arrays if a < b and held.dims == other.dims]
        if not same:
            return self.store()
        one, two = self.one(same)
        self.emit(f"{one}, {two} = {two}, {one}")
        sizes = self.scope.arrays[one].size, self.scope.arrays[two].size
        self.noted(one, sizes[1])
        self.noted(two, sizes[0])
        return None

    def assign_pair_of_arrays(self) -> None:
        """Two new arrays in one assignment."""
        dims = self.any_dims()
        terms = [self.tame(dims, 1), self.tame(dims, 1)]
        one = self.fresh(ARRAY_NAMES)
        two = self.fresh([name for name in ARRAY_NAMES if name != one])
        self.emit(f"{one}, {two} = {self.owned(terms[0])}, {self.owned(terms[1])}")
        self.hold(one, Held(dims, terms[0].size))
        self.hold(two, Held(dims, terms[1].size))

    def assign_list(self) -> None:
        """A list of numbers, by comprehension or by append, made an array or summed."""
        vectors = [(name, held) for name, held in self.scope.held() if len(held.dims) == 1]
        if not vectors or self.trips > 5:
            return self.assign_new()
        source, held = self.one(vectors)
        name, each = self.fresh(ARRAY_NAMES), self.fresh(FLOAT_NAMES)
        form = self.one(("math.sin({v})", "{v} * {v}", "0.5 * {v} + 0.1", "math.tanh({v}) * {c}")).format(v=each, c=self.real(0).at(UNARY))
        listed = f"[{form} for {each} in {source}]"
        match self.random.randrange(3):
            case 0:
                self.emit(f"{name} = {self.np}.array({listed})")
            case 1:
                parts = self.fresh(["parts", "found", "rest", "values"])
                self.emit(f"{parts} = []")
                self.emit(f"for {each} in {source}:")
                self.emit(f"    {parts}.append({form})")
                self.emit(f"{name} = {self.np}.array({parts})")
            case _:
                total = self.fresh([word for word in FLOAT_NAMES if word != each])
                self.emit(f"{total} = sum({listed})")
                self.bind(total, 6.0)
                return None
        self.hold(name, Held(held.dims, held.size * 2.0))
        return None

    def assign_rows(self) -> None:
        """A list of arrays that grows in a loop, stacked or joined."""
        vectors = [(name, held) for name, held in self.scope.held() if len(held.dims) == 1]
        if not vectors or self.trips > 1:
            return self.assign_new()
        source, held = self.one(vectors)
        rows, name, counter = self.fresh(["rows", "states", "path"]), self.fresh(ARRAY_NAMES), self.fresh(COUNTER_NAMES)
        state = self.fresh([word for word in ARRAY_NAMES if word != name])
        self.emit(f"{state} = {source}.copy()")
        self.emit(f"{rows} = []")
        self.emit(f"for {counter} in range(2):")
        self.emit(f"    {self.one((f'{state} = 0.5 * {state} + {self.np}.sin({state})', f'{state} += 0.3 * {source}'))}")
        self.emit(f"    {rows}.append({self.one((f'{state}.copy()', f'{state} * {source}', f'{state} + {counter}'))})")
        self.emit(f"{name} = {self.np}.{self.one(('stack', 'array', 'vstack'))}({rows})")
        self.hold(state, Held(held.dims, 2.0 * held.size))
        self.hold(name, Held(("2", held.dims[0]), 3.0 * held.size))
        return None

    def assign_chosen(self) -> None:
        """A new array, one or another as the data have it."""
        dims = self.any_dims()
        terms = [self.tame(dims, 1), self.tame(dims, 1)]
        name = self.fresh(ARRAY_NAMES)
        self.emit(f"{name} = {self.owned(terms[0])} if {self.test(0).at(OR)} else {self.owned(terms[1])}")
        self.hold(name, Held(dims, max(terms[0].size, terms[1].size)))

    def assign_closure(self) -> None:
        """A function inside the function that sees its arrays, and an array that it makes."""
        source = self.any_dims()
        name, word, inner = self.fresh(ARRAY_NAMES), self.fresh(HELPER_NAMES), self.fresh(["v_", "z_", "u_"])
        other = self.tame(source, 1, 4.0)
        if self.chance(0.5):
            self.emit(f"{word} = lambda {inner}: {self.np}.sin({inner}) + {other.at(MUL)}")
        else:
            self.emit(f"def {word}({inner}):")
            self.emit(f"    {inner} = {inner} * 0.5")
            self.emit(f"    return {inner} - {other.at(MUL)}")
        self.scope.locked.add(word)
        self.emit(f"{name} = {word}({self.array(source, 0).text})")
        self.hold(name, Held(source, other.size + 2.0))

    def assign_mask(self) -> None:
        """A name for a mask."""
        dims = self.any_dims()
        name = self.fresh(MASK_NAMES)
        self.emit(f"{name} = {self.mask(dims).text}")
        self.hold(name, Held(dims, kind="bool"))

    def assign_ints(self) -> None:
        """A name for positions on an axis."""
        dims = self.any_dims()
        name, dim = self.fresh(INT_ARRAY_NAMES), dims[0]
        if not simple(dim):
            return self.assign_new()
        arange = f"{self.np}.arange({dim})"
        text, size = self.one(((f"{self.np}.array([0, -1, 0])", "3"), (f"{arange}[::-1]", dim), (f"({arange} * 2) % {dim}", dim)))
        self.emit(f"{name} = {text}")
        self.hold(name, Held((size,), kind="int", counts=dim))
        return None

    # ------------------------------------------------------------------------------------------ functions of the program

    def invoke_helper(self, result: str, dims: Dims | None = None) -> str:
        """The text of a call of a helper with this result, if its arrays can be had here."""
        fitting = [h for h in self.known if h.result == result]
        for helper in self.random.sample(fitting, len(fitting)):
            sizes = self.fitted(helper, dims)
            if sizes is not None and self.trips <= 12:
                arrays = [self.array(tuple(sizes.get(d, d) for d in wanted), 0).text for _, wanted in helper.params]
                return f"{helper.name}({', '.join(arrays + [self.real(0).text for _ in helper.floats])})"
        return ""

    def fitted(self, helper: Helper, dims: Dims | None) -> dict[str, str] | None:
        """What a helper's own sizes stand for, so that its first array has the sizes `dims`; None if it cannot have them."""
        wanted = helper.params[0][1]
        dims = dims or self.one([held.dims for _, held in self.scope.held() if held.dims])
        if len(dims) != len(wanted):
            return None
        sizes: dict[str, str] = {}
        for own, here in zip(wanted, dims, strict=True):
            if sizes.setdefault(own, here) != here:
                return None
        return sizes

    def call_helper(self) -> None:
        """A call of a helper that writes to its argument, which may be a part of an array."""
        writers = [h for h in self.known if h.result == "nothing"]
        if not writers or self.trips > 12:
            return self.store()
        helper = self.one(writers)
        wanted = len(helper.params[0][1])
        options = []
        for name, held in self.writable():
            if len(held.dims) == wanted:
                options += [(name, held.dims)] * 2
            if held.dims:
                parts, dims = self.section(held)
                options += [(self.subscripted(name, parts), dims)] * (len(dims) == wanted)
        options = [(text, dims, sizes) for text, dims in options if (sizes := self.fitted(helper, dims)) is not None]
        if not options:
            return self.store()
        text, _, sizes = self.one(options)
        rest = [self.array(tuple(sizes.get(d, d) for d in dims), 0).text for _, dims in helper.params[1:]]
        self.emit(f"{helper.name}({', '.join([text, *rest, *(self.real(0).text for _ in helper.floats)])})")
        return None

    def helper(self, name: str) -> Helper:
        """A function of the module: it writes to its first argument, or gives an array or a number."""
        result = self.one(("nothing", "nothing", "array", "number"))
        first: Dims = self.one((("n",), ("n",), ("n", "m")))
        params: list[tuple[str, Dims]] = [(self.one(("u", "v", "w", "x")), first)]
        if self.chance(0.4):
            params.append(("rhs", self.one((first, first[-1:]))))
        floats = ("c",) if self.chance(0.5) else ()
        self.scope = ArrayScope(dict.fromkeys(floats, 2.0), locked=set(floats), sizes=set(first))
        for param, dims in params:
            self.scope.arrays[param] = Held(dims, 3.0, writable=result == "nothing" and param == params[0][0])
        self.returning = result == "number"
        self.emit(f"def {name}({', '.join([p for p, _ in params] + list(floats))}):")
        self.budget = self.one((2, 3, 5))
        with self.block():
            source = params[0][0]
            self.emit(f"n, m = {source}.shape" if len(first) > 1 else self.one((f"n = len({source})", f"n = {source}.shape[0]")))
            while self.budget > 0:
                self.statement()
            if result == "nothing":
                self.store()
            elif result == "array":
                self.emit(f"return {self.owned(self.tame(first, 1))}")
            else:
                self.emit(f"return {self.bounded(self.real(2), 4.0).text}")
        self.emit("")
        return Helper(name, tuple(params), floats, result)

    # ------------------------------------------------------------------------------------------ loops and branches

    def statement(self) -> None:
        """One statement, and all that belongs to it."""
        self.budget -= 1
        if self.budget <= 0 or self.depth > 4:
            self.assign()
            return
        self.pick((60, self.assign), (25, self.loop), (10 if "branches" in self.on else 0, self.branch))

    def loop(self) -> None:
        """A loop over positions, elements or rows, if the nest can still afford one."""
        if len(self.loops) >= 3 or self.trips * 3 > TRIPS:
            return self.assign()
        self.pick(
            (60, self.loop_positions),
            (10 if "while" in self.on else 0, self.loop_while),
            (14 if "rows" in self.on else 0, self.loop_items),
            (8, self.loop_times),
        )
        return None

    def loop_positions(self) -> None:
        """A for over the positions of an axis, forwards or backwards, with or without the ends."""
        dims = [dim for _, held in self.scope.held() for dim in held.dims if simple(dim) and dim != "1"]
        dim = self.one(dims or ["3"])
        name = self.fresh(COUNTER_NAMES)
        low, high = self.one(((0, 0), (0, 0), (1, 0), (0, 1), (1, 1), (2, 0)))
        last = minus(dim, high)
        bounds = f"{low}, {last}" if low or self.chance(0.1) else last
        if self.chance(0.25):
            bounds = f"{minus(last, 1) if not last.isdigit() else int(last) - 1}, {low - 1}, -1"
        elif "steps" in self.on and self.chance(0.15):
            bounds = f"{low}, {last}, 2"
        self.emit(f"for {name} in range({bounds}):")
        self.inside(4, {name: Counter(dim, low, high)})

    def loop_times(self) -> None:
        """A few sweeps."""
        name, count = self.fresh(["sweep", "t_", "step", "_"]), self.one((2, 3))
        self.emit(f"for {name} in range({count}):")
        self.inside(count, {name: Counter(str(count))} if name != "_" else {})

    def loop_while(self) -> None:
        """A while over a counter, with a bound on the data as well."""
        dims = [dim for _, held in self.scope.held() for dim in held.dims if simple(dim) and dim != "1"]
        dim, name = self.one(dims or ["3"]), self.fresh(COUNTER_NAMES)
        self.emit(f"{name} = 0")
        test = f" and {self.test(0).at(NOT)}" if self.chance(0.4) else ""
        self.emit(f"while {name} < {dim}{test}:")
        self.loops.append("late")
        self.inside(4, {name: Counter(dim)}, last=f"{name} += 1")
        self.loops.pop()

    def loop_items(self) -> None:
        """A for over the elements or rows of an array, with their positions, or with those of another."""
        arrays = [(name, held) for name, held in self.scope.held() if held.dims]
        source, held = self.one(arrays)
        inner = held.dims[1:]
        each = self.fresh(["row", "line", "part"] if inner else ["v", "value", "each", "cell"])
        form = self.random.randrange(3)
        counters: dict[str, Counter] = {}
        others = [(name, other) for name, other in arrays if other.dims[0] == held.dims[0] and name != source]
        extra: dict[str, Dims] = {each: inner}
        if form == 1:
            position = self.fresh(COUNTER_NAMES)
            self.emit(f"for {position}, {each} in enumerate({source}):")
            counters[position] = Counter(held.dims[0])
        elif form == 2 and others:
            name, other = self.one(others)
            second = self.fresh(["w2", "other", "second"])
            self.emit(f"for {each}, {second} in zip({source}, {name}):")
            extra[second] = other.dims[1:]
        else:
            self.emit(f"for {each} in {self.one((source, source, f'{source}[1:]'))}:")
        self.inside(4, counters, items=extra, writable=held.writable and self.chance(0.5))

    def inside(
        self, trips: int, counters: dict[str, Counter], last: str = "", items: dict[str, Dims] | None = None, writable: bool = False
    ) -> None:
        """The body of a loop."""
        outer, self.trips = self.trips, self.trips * trips
        if not last:
            self.loops.append("for")
        with self.block():
            self.scope.counters.update(counters)
            for name, dims in (items or {}).items():
                if dims:
                    self.scope.arrays[name] = Held(dims, 3.0, writable=writable)
                else:
                    self.scope.floats[name] = 3.0
                    self.scope.locked.add(name)
            if "leave" in self.on and self.chance(0.2):
                self.emit(f"if {self.test(0).text}:")
                self.emit(f"    {self.one(('break', 'continue') if not last else ('break',))}")
            for _ in range(self.one((1, 1, 2, 2, 3))):
                self.in_loop()
            if last:
                self.emit(last)
        self.trips = outer
        if not last:
            self.loops.pop()

    def in_loop(self) -> None:
        """A statement in a loop's body: most often one that writes in place."""
        swapping = 10 if "tuples" in self.on else 0
        self.pick((45, self.store), (20, self.augment), (12, self.assign_number), (swapping, self.swap_names), (23, self.statement))

    def branch(self) -> None:
        """An if on the data, with or without an else; sometimes it leaves the function."""
        test = self.test(1).text
        if "masks" in self.on and self.chance(0.3):
            test = f"{self.np}.{self.one(('any', 'all'))}({self.mask(self.any_dims()).text})"
        self.emit(f"if {test}:")
        if "returns" in self.on and self.chance(0.4) and self.returning:
            self.emit(f"    return {self.bounded(self.real(2), CAP / 2).text}")
            return
        self.arm()
        if self.chance(0.6):
            self.emit("else:")
            self.arm()

    def arm(self, statements: int = 0) -> Any:
        """An arm; what it binds is not bound after it, and names from outside keep their arrays' sizes."""
        before = self.scope
        with self.block() as inner:
            for _ in range(statements or self.one((1, 1, 2))):
                self.statement()
        for name in before.arrays:
            self.noted(name, inner.arrays[name].size)
        return inner

    # ------------------------------------------------------------------------------------------ the whole

    def program(self, seed: int) -> Program:
        """The whole module: imports, helpers, and `f`."""
        self.emit("import math")
        self.emit(f"import numpy as {self.np}")
        self.emit("")
        if "helpers" in self.on:
            for name in self.random.sample(HELPER_NAMES, self.one((1, 1, 2))):
                self.reserved.add(name)
                self.known.append(self.helper(name))
        self.main()
        points = tuple(self.point(ordinary) for ordinary in (True, False))
        return Program(seed, "\n".join(self.lines) + "\n", points)

    def main(self) -> None:
        """The function that is differentiated."""
        arrays = self.random.sample(ARRAY_PARAMS, self.one((1, 2, 2, 3)))
        if not any(dims == ("n",) for _, dims in arrays):
            arrays.insert(0, ("x", ("n",)))
        floats = self.random.sample(FLOAT_PARAMS, self.one((0, 0, 1, 2)))
        self.scope = ArrayScope(dict.fromkeys(floats, 2.0), locked=set(floats))
        self.writing = "writes" in self.on and self.chance(0.4)
        for name, dims in arrays:
            self.scope.arrays[name] = Held(dims, 2.0, writable=self.writing)
        params = [*arrays, *((name, ()) for name in floats)]
        symbols = sorted({dim for _, dims in arrays for dim in dims if not dim.isdigit()})
        if "gather" in self.on:
            counts = self.one(symbols)
            self.counts["idx0"] = counts
            self.scope.arrays["idx0"] = Held(("q_",), kind="int", counts=counts)
            params.append(("idx0", ("q_",)))
        if "masks" in self.on and self.chance(0.5):
            dims = self.one([dims for _, dims in arrays])
            self.scope.arrays["mask0"] = Held(dims, kind="bool")
            params.append(("mask0", dims))
        self.budget, self.trips, self.loops = self.one((3, 5, 7, 9)), 1, []
        self.pack(params)
        self.returning = True
        self.emit(f"def f({', '.join([name for name, _ in self.alone] + ['p_'] * bool(self.packed))}):")
        with self.block():
            self.unpack()
            self.measure(params, symbols)
            if not self.writing:
                self.assign_copy()
            while self.budget > 0:
                self.statement()
            self.finish()

    def pack(self, params: list[tuple[str, Dims]]) -> None:
        """Decides which of the parameters come in a container: floats and float arrays, but never the first."""
        moving = [param for param in params[1:] if param[0] not in ("idx0", "mask0")]
        self.packed = self.random.sample(moving, self.random.randint(1, len(moving))) if "trees" in self.on and moving else []
        self.alone = [param for param in params if param not in self.packed]
        self.container = self.one((tuple, list, dict))

    def unpack(self) -> None:
        """Names for what is in the container."""
        names = [name for name, _ in self.packed]
        if self.container is not dict and names and self.chance(0.5):
            self.emit(f"{', '.join(names)}{',' if len(names) == 1 else ''} = p_")
            return
        for k, name in enumerate(names):
            self.emit(f"{name} = p_[{repr(name) if self.container is dict else k}]")

    def measure(self, params: list[tuple[str, Dims]], symbols: list[str]) -> None:
        """Binds the names of the sizes that the program uses, each from an array that has it."""
        for symbol in [*symbols, *["q_"] * any("q_" in dims for _, dims in params)]:
            places = [(name, k, dims) for name, dims in params for k, dim in enumerate(dims) if dim == symbol and name != "mask0"]
            name, k, dims = self.one(places)
            options = [f"{name}.shape[{k}]"] + [f"len({name})"] * (k == 0) + [f"{name}.size"] * (len(dims) == 1)
            self.emit(f"{symbol} = {self.one(options)}")
            self.scope.sizes.add(symbol)

    def finish(self) -> None:
        """Returns a number that most of what is known takes part in."""
        names = [name for name, held in self.scope.held() if held.dims]
        parts: list[Callable[[str], str]] = [
            lambda a: f"{self.np}.sum({a} * {a})",
            lambda a: f"({a} * {a}).sum()",
            lambda a: f"{self.np}.sum({self.np}.sin({a}))",
            lambda a: f"{self.np}.mean({a})",
            lambda a: f"{self.np}.sum({self.np}.cos({a}) * {self.weights(self.scope.arrays[a].dims)})",
        ]
        chosen = names[-1:] + self.random.sample(names[:-1], min(len(names) - 1, self.one((1, 2, 3))))
        texts = [self.one(parts)(name) for name in chosen]
        texts += [self.one((name, f"0.5 * {name}", f"math.sin({name})")) for name in list(self.scope.floats)[-2:]]
        if self.chance(0.2):
            texts.append(self.bounded(self.real(2)).at(MUL))
        self.emit(f"return {' + '.join(texts)}")

    def weights(self, dims: Dims) -> str:
        """Different numbers along the last axis, so that no two elements of a gradient are equal by accident."""
        return f"(1.0 + {self.np}.arange({dims[-1]}))" if dims[-1].isidentifier() else "0.7"

    # ------------------------------------------------------------------------------------------ points

    def point(self, ordinary: bool) -> tuple[Any, ...]:
        """Arguments: ordinary shapes and layouts, or any."""
        n, m = self.one(((3, 2), (4, 3), (3, 4), (4, 2)))
        if not ordinary:
            n, m = self.one((1, 2, 3, 3, 4, 5)), self.one((1, 2, 2, 3, 4))
            n = 0 if self.chance(0.06) else n
        sizes = {"n": n, "m": m, "q_": self.one((2, 3, 4, 5))}
        narrow = self.chance(0.12 if ordinary else 0.2)
        widths = self.one((("float32",), ("float32",), ("float32", "float64"))) if narrow else ("float64",)
        made: list[Any] = []
        for name, dims in self.alone + self.packed:
            shape = tuple(int(sizes.get(dim, dim)) for dim in dims)
            twins = [k for k, item in enumerate(made) if isinstance(item, Input) and item.shape == shape and item.dtype in widths]
            layout = "C" if self.chance(0.8 if ordinary else 0.4) else self.one(LAYOUTS)
            if layout == "spread" and self.writing and self.chance(0.8):
                layout = "strided"  # what shares its own elements may be refused where it is written to
            if not dims:
                made.append(round(self.random.uniform(-1.6, 1.6), 4))
            elif twins and not ordinary and name not in ("idx0", "mask0") and self.chance(0.02 if self.writing else 0.08):
                made.append(Same(twins[0]))
            else:
                made.append(self.input(name, shape, self.one(widths), layout, sizes))
        if not self.packed:
            return tuple(made)
        keys = tuple(name for name, _ in self.packed) if self.container is dict else ()
        return (*made[: len(self.alone)], Bundle(self.container, tuple(made[len(self.alone) :]), keys))

    def input(self, name: str, shape: tuple[int, ...], dtype: str, layout: str, sizes: dict[str, int]) -> Input:
        """An array argument."""
        count = math.prod(shape)
        if name == "idx0":
            top = max(sizes.get(self.counts[name], 2), 1)
            return Input(tuple(self.random.randint(-top if self.chance(0.2) else 0, top - 1) for _ in range(count)), shape, "int64", layout)
        if name == "mask0":
            return Input(tuple(float(self.chance(0.5)) for _ in range(count)), shape, "bool", layout)
        if layout == "spread":  # one row stands for all
            return Input(self.numbers(count // max(shape[0], 1)) * shape[0], shape, dtype, layout)
        return Input(self.numbers(count), shape, dtype, layout)

    def numbers(self, count: int) -> tuple[float, ...]:
        """Numbers for a float array."""
        return tuple(round(self.random.uniform(-1.6, 1.6), 4) for _ in range(count))
