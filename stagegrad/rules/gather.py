"""How elements at the positions in index arrays, and under masks, are read, written and added to.

NumPy has all of it as subscripts, but for an addition in which a position may come twice (`np.add.at`). Numba has little of it: there, a
subscript becomes a view, whose first axes are those that the arrays index, and a helper with a loop: ``a[:, i]`` is
``np.ascontiguousarray(gathered(a.T, i).T)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from stagegrad.ir import Attr, Type
from stagegrad.ops import APART, helper

_HOLE = re.compile(r"\{(\d+)\}")

# ---------------------------------------------------------------------------------------------- helpers for Numba

helper(
    '''
    def position(k, n):
        """An index counted from the front; an axis of n elements has no other than those from -n to n - 1."""
        if not -n <= k < n:
            raise IndexError("index is out of bounds for its axis")
        return k + n if k < 0 else k
    '''
)
helper(
    '''
    def from_front(k, n):
        """Indices counted from the front; an axis of n elements has no others than those from -n to n - 1."""
        found = np.empty_like(k)
        for i in range(k.shape[0]):
            found[i] = position(k[i], n)
        return found
    ''',
    "position",
)
helper(
    '''
    def matching(mask, a):
        """A mask for the first axes of a, if it has their shape."""
        if mask.shape != a.shape[:mask.ndim]:
            raise IndexError("boolean index did not match indexed array")
        return mask
    '''
)
helper(
    '''
    def masked(a, mask):
        """The elements of a, or its rows, where the mask is true."""
        found = np.empty((np.sum(matching(mask, a)),) + a.shape[mask.ndim:], a.dtype)
        n = 0
        for k in np.ndindex(mask.shape):
            if mask[k]:
                found[n] = a[k]
                n += 1
        return found
    ''',
    "matching",
)
_WRITE_MASKED = '''
    def {name}_masked(a, mask, values):
        """{title} where the mask is true, in its order."""
        each = np.broadcast_to(values, (np.sum(matching(mask, a)),) + a.shape[mask.ndim:])
        n = 0
        for k in np.ndindex(mask.shape):
            if mask[k]:
                a[k] {sign} each[n]
                n += 1
'''
_GATHER = '''
    def {name}(a, {indices}):
        """The elements of a, or its rows, at these positions."""{broadcast}
        found = np.empty({first}.shape + a.shape[{count}:], a.dtype)
        for n in np.ndindex({first}.shape):
            found[n] = a[{places}]
        return found
'''
_SCATTER = '''
    def {name}(a, {indices}, values):
        """{title} at these positions, one after the other."""{broadcast}
        each = np.broadcast_to(values, {first}.shape + a.shape[{count}:])
        for n in np.ndindex({first}.shape):
            a[{places}] {sign} each[n]
'''
_WRITES = (
    ("scatter", "Writes to the elements of a, or to its rows,", "="),
    ("scatter_add", "Adds to the elements of a, or to its rows,", "+="),
)


def _register(count: int) -> None:
    """The helpers for so many index arrays: ``gathered(a, i)``, ``scatter(a, i, values)``, ``gathered2(a, i, j)``, …"""
    words = list("ijklm"[:count])
    read = words if count == 1 else [f"{word}_each" for word in words]
    broadcast = "" if count == 1 else f"\n        {', '.join(read)} = np.broadcast_arrays({', '.join(words)})"
    places = ", ".join(f"position({word}[n], a.shape[{axis}])" for axis, word in enumerate(read))
    form = {"indices": ", ".join(words), "broadcast": broadcast, "first": read[0], "count": count, "places": places}
    mark = "" if count == 1 else str(count)
    helper(_GATHER.format(name=f"gathered{mark}", **form), "position")
    for name, title, sign in _WRITES:
        helper(_SCATTER.format(name=f"{name}{mark}", title=title, sign=sign, **form), "position")


for _count in range(1, 6):
    _register(_count)
for _name, _title, _sign in _WRITES:
    helper(_WRITE_MASKED.format(name=_name, title=_title, sign=_sign), "matching")

READERS = ("masked", *(f"gathered{mark}" for mark in ("", *range(2, 6))))
WRITERS = tuple(f"{name}{mark}" for name, _, _ in _WRITES for mark in ("_masked", "", *range(2, 6)))

# Numba takes half a second to compile ``section += x``, anew in every place, and a second or two for the first ``section = x``, most of it
# for the sizes in the error's message. These it compiles once; what is assigned lies elsewhere.
_OF_ROWS = '''
    def {name}_row(row, x):
        """row {sign} x, where x has one axis too."""
        if x.shape[0] not in (1, row.shape[0]):
            raise ValueError("operands could not be broadcast together")
        if x.shape == row.shape:
            for i in range(x.shape[0]):
                row[i] {sign} x[i]
        else:
            for i in range(row.shape[0]):
                row[i] {sign} x[0]
'''
_OF_BLOCKS = '''
    def {name}_block(block, x):
        """block {sign} x, where x has two axes too."""
        if x.shape[0] not in (1, block.shape[0]) or x.shape[1] not in (1, block.shape[1]):
            raise ValueError("operands could not be broadcast together")
        if x.shape == block.shape:
            for i in range(x.shape[0]):
                for j in range(x.shape[1]):
                    block[i, j] {sign} x[i, j]
        else:
            for i in range(block.shape[0]):
                for j in range(block.shape[1]):
                    block[i, j] {sign} x[i % x.shape[0], j % x.shape[1]]
'''
_OF_MORE = '''
    def {name}(block, x):
        """block {sign} x, where x has {rank} axes too."""
        if x.shape[0] not in (1, block.shape[0]):
            raise ValueError("operands could not be broadcast together")
        for i in range(block.shape[0]):
            {inner}(block[i], x[i % x.shape[0]])
'''
#: By the rank of the section that is added to, or set.
ADDERS = {1: "add_row", 2: "add_block", 3: "add_block3", 4: "add_block4", 5: "add_block5"}
SETTERS = {1: "set_row", 2: "set_block", 3: "set_block3", 4: "set_block4", 5: "set_block5"}
for _name, _sign, _words in (("add", "+=", ADDERS), ("set", "=", SETTERS)):
    helper(_OF_ROWS.format(name=_name, sign=_sign))
    helper(_OF_BLOCKS.format(name=_name, sign=_sign))
    for _rank in range(3, 6):
        helper(_OF_MORE.format(name=_words[_rank], sign=_sign, rank=_rank, inner=_words[_rank - 1]), _words[_rank - 1])

# ---------------------------------------------------------------------------------------------- a subscript taken apart


@dataclass(frozen=True)
class _Gather:
    """A subscript with index arrays, as a view and the arrays that index axes of it."""

    view: str  # the view as a template over the operands: "{a}[1:]"
    rank: int  # of the view
    axes: tuple[int, ...]  # those of the view that the arrays index
    arrays: tuple[str, ...]  # the arrays as templates
    mask: bool  # is the one array a mask?
    depth: int  # how many axes of the result come from the arrays
    front: int  # how many axes of the result come before these

    @property
    def others(self) -> tuple[int, ...]:
        """The axes of the view that no array indexes."""
        return tuple(axis for axis in range(self.rank) if axis not in self.axes)

    @property
    def turned_view(self) -> str:
        """The view with the axes that the arrays index first."""
        return _transposed(self.view, (*self.axes, *self.others))

    def turned_back(self, text: str) -> str:
        """What was read of the turned view, with its axes where NumPy has them."""
        others = [self.depth + k for k in range(len(self.others))]
        turned = _transposed(text, (*others[: self.front], *range(self.depth), *others[self.front :]))
        return text if turned == text else f"np.ascontiguousarray({turned})"

    def turned_value(self, text: str, rank: int) -> str:
        """What is to be written, with its axes where the turned view has them."""
        if rank == 0 or self.front == 0:
            return text
        whole = self.depth + len(self.others)
        if rank < whole:
            text = f"{text}[{'None, ' * (whole - rank)}...]"
        end = self.front + self.depth
        return _transposed(text, (*range(self.front, end), *range(self.front), *range(end, whole)))

    def call(self, reader: str, value: str = "") -> str:
        """The call of a helper: ``gathered2({a}, {i0}, {i1})``."""
        mark = "" if len(self.arrays) == 1 else str(len(self.arrays))
        name = {"gathered": "masked"}.get(reader, f"{reader}_masked") if self.mask else reader + mark
        return f"{name}({', '.join([self.turned_view, *self.arrays, *([value] if value else [])])})"


def _transposed(text: str, axes: tuple[int, ...]) -> str:
    if axes == tuple(range(len(axes))):
        return text
    return f"{text}.T" if axes == (1, 0) else f"permuted({text}, {axes})"


def _parts(at: str) -> tuple[str, list[str]]:
    """The links of a chain of subscripts before the last, and the parts of the last."""
    start = at.rindex("[")
    return at[:start], at[start + 1 : -1].split(", ")


def _named(text: str) -> str:
    """``[{0}, :]`` -> ``[{i0}, :]``: the holes by the operands' names."""
    return _HOLE.sub(r"{i\1}", text)


def _type_of(part: str, types: Sequence[Type]) -> Type | None:
    """The type of the index array that a part of a subscript is, or None."""
    hole = _HOLE.fullmatch(part)
    found = types[1 + int(hole[1])] if hole else None
    return found if found is not None and found.rank else None


def _taken_apart(attrs: Mapping[str, Attr], types: Sequence[Type]) -> _Gather:
    prefix, parts = _parts(str(attrs["at"]))
    arrays = [(k, found) for k, part in enumerate(parts) if (found := _type_of(part, types)) is not None]
    mask = len(arrays) == 1 and arrays[0][1].kind == "bool"
    depth = max(1 if found.kind == "bool" else found.rank for _, found in arrays)
    indexed = {k: found.rank if found.kind == "bool" else 1 for k, found in arrays}
    slices = {k for k, part in enumerate(parts) if ":" in part}
    single = {k for k, part in enumerate(parts) if k not in indexed and k not in slices and part not in ("...", "None")}
    # The axes that `...` stands for follow from the rank of the result.
    hidden = cast(int, attrs["rank"]) - depth - len(slices) - parts.count("None") if "..." in parts else 0
    made = [0 if k in single else hidden if part == "..." else indexed.get(k, 1) for k, part in enumerate(parts)]
    axes = tuple(sum(made[:k]) + n for k, _ in arrays for n in range(indexed[k]))
    chosen = sorted({*indexed, *single})
    apart = chosen[-1] - chosen[0] >= len(chosen)
    rank = cast(int, attrs["rank"]) - depth + len(axes)
    read = [", ".join([":"] * indexed[k]) if k in indexed else part for k, part in enumerate(parts)]
    index = "" if all(part.strip(" ,:") in ("", "...") for part in read) else f"[{', '.join(read)}]"
    texts = tuple(_named(parts[k]) if mask or found.kind != "bool" else f"np.flatnonzero({_named(parts[k])})" for k, found in arrays)
    return _Gather(_named(f"{{a}}{prefix}{index}"), rank, axes, texts, mask, depth, 0 if apart else sum(made[: chosen[0]]))


# ---------------------------------------------------------------------------------------------- templates

Spelled = Callable[[Mapping[str, Attr], Sequence[Type]], str]


def _plain(attrs: Mapping[str, Attr]) -> str:
    at = str(attrs.get("at", "[{0}]")).replace("[...]", "[:]")  # Numba cannot read ``a[...]``
    return _named("{a}" + at)


def reading(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """``{a}[{i0}, :]``: how an element or a section is read."""
    return _plain(attrs)


def reading_on_numba(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """The same where Numba has no such subscript: ``gathered({a}, {i0})``."""
    if not attrs.get("gather"):
        return _plain(attrs)
    found = _taken_apart(attrs, types)
    return found.turned_back(found.call("gathered"))


def writing(sign: str) -> Spelled:
    """``{a}[{i0}] = {i1}``, or with ``+=``: how an element or a section is written or added to."""

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        value = f"{{i{len(types) - 2}}}"
        if sign == "+=" and attrs.get("gather") and any(type.rank and type.kind == "int" for type in types[1:-1]):
            return _added(attrs, types, value)
        return f"{_plain(attrs)} {sign} {value}"

    return spelled


def _added(attrs: Mapping[str, Attr], types: Sequence[Type], value: str) -> str:
    """``np.add.at({a}, {i0}, {i1})``: an addition in which a position may come twice."""
    if types[-1].rank not in (0, attrs["rank"]):
        # NumPy 2.4 reads past the end of values that np.add.at would have to broadcast along a two-dimensional index.
        value = f"np.broadcast_to({value}, {_plain(attrs)}.shape)"
    prefix, parts = _parts(str(attrs["at"]))
    text = ", ".join(parts)
    if len(parts) > 1:
        text = f"np.s_[{text}]" if any(":" in part or part == "..." for part in parts) else f"({text})"
    return _named(f"np.add.at({{a}}{prefix}, {text}, ") + f"{value})"


def writing_on_numba(sign: str) -> Spelled:
    """The same where Numba has no such subscript: ``scatter({a}, {i0}, {i1})``."""
    name = {"=": "scatter", "+=": "scatter_add"}[sign]

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        value = f"{{i{len(types) - 2}}}"
        if not attrs.get("gather"):
            rank = attrs.get("rank", types[0].rank - 1)
            by_call = ADDERS if sign == "+=" else SETTERS if APART in attrs.items() else {}
            if isinstance(rank, int) and rank == types[-1].rank and rank in by_call:
                section = "{a}" if attrs.get("at") == "[...]" else _plain(attrs)
                return f"{by_call[rank]}({section}, {value})"
            return f"{_plain(attrs)} {sign} {value}"
        found = _taken_apart(attrs, types[:-1])
        return found.call(name, found.turned_value(value, types[-1].rank))

    return spelled
