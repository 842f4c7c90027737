"""Operations that `reverse` and `forward` know by name: copies, conversions, and the reading and writing of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stagegrad.ir import BOOL, FLOAT, INT, Attr, Type
from stagegrad.ops import Template, Value, always, flat, helper, structural
from stagegrad.rules import gather
from stagegrad.rules import rounding as _rounding  # noqa: F401  (registers the helper that checks ints)


def _with_numpy(spelled: Callable[[Mapping[str, Attr], Sequence[Type]], str]) -> dict[str, Template]:
    return {"numba": spelled, "numpy": spelled}


def _first(types: Sequence[Type]) -> Type:
    return types[0]


def _section(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    """What `load` reads: a section of the rank that it says, by default one less than the array's."""
    rank = attrs.get("rank", types[0].rank - 1)
    assert isinstance(rank, int)
    return Type(types[0].kind, rank, types[0].bits)


copy = structural("copy", "x", "{x}", _first, view=True)
#: The same array in memory of its own: what is written to the one is not seen in the other.
duplicate = structural("duplicate", "x", "{x}.copy()", _first, stage="{x}copy")
# Numba has no float(bool).
to_float = structural("to_float", "x", {"python": "float({x})", "numba": "1.0 * {x}"}, always(FLOAT), stage="{x}float")
to_int = structural("to_int", "x", {"python": "int({x})", "numba": "int(fits_int({x}))"}, always(INT), stage="{x}int",
                    helpers=("fits_int",))  # fmt: skip


def _recorded(kind: str) -> Callable[[Sequence[Type], Mapping[str, Attr]], Type]:
    def result(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
        bits = attrs.get("bits", 64)
        assert isinstance(bits, int)
        return Type(kind, len(types), bits)

    return result


def _room(create: str, dtype: str) -> Callable[[Mapping[str, Attr], Sequence[Type]], str]:
    """``np.empty(n)``, ``np.zeros((n, m), np.float32)``: an array of so many elements along each axis."""

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        sizes = ", ".join(f"{{n{k}}}" for k in range(len(types)))
        kind = "np.float32" if attrs.get("bits") == 32 else dtype
        return f"{create}({sizes if len(types) == 1 else f'({sizes})'}{f', {kind}' if kind else ''})"

    return spelled


def _tape(zero: str, dtype: str) -> dict[str, Template]:
    """A tape is an array of `n` records; what it holds before it is written is never read."""
    return {"python": f"[{zero}] * {{n0}}", "numpy": _room("np.empty", dtype), "numba": _room("room", dtype)}


tape_float = structural("tape_float", "*n", _tape("0.0", ""), _recorded("float"))
tape_int = structural("tape_int", "*n", _tape("0", "np.int64"), _recorded("int"))
tape_bool = structural("tape_bool", "*n", _tape("False", "np.bool_"), _recorded("bool"))
zeros = structural("zeros", "*n", {"python": "[0.0] * {n0}", **_with_numpy(_room("np.zeros", ""))}, _recorded("float"))
size = structural("size", "a", "len({a})", always(INT))
extent = structural("extent", "a", lambda attrs, types: f"{{a}}.shape[{attrs['axis']}]", always(INT))
count = structural("count", "a", "{a}.size", always(INT), stage="n{a}")
trip_count = structural("trip_count", "start stop step", "len(range({start}, {stop}, {step}))", always(INT), stage="trips")

# Into how many parts a loop of `n` trips is cut, each of `least` trips or more, and at which trip a part begins.
parts = structural("parts", "n least", lambda attrs, types: f"max(1, min({attrs['most']}, {{n}} // {{least}}))", always(INT), stage="parts")
_CUT = {"python": "{n} * {part} // {parts}", "numba": "cut({n}, {part}, {parts})"}
cut = structural("cut", "n part parts", _CUT, always(INT), stage="start")

# How many rows of a matrix are worked on together, and the section of it that has them; only compiled code does so.
rows_at_once = structural("rows_at_once", "x", {"python": "max(1, {x}.shape[0])", "numba": "rows_at_once({x})"}, always(INT), stage="rows")
section = structural("section", "x first last", {"python": "{x}[{first}:{last}]", "numba": "section({x}, {first}, {last})"}, _first,
                     view=True)  # fmt: skip

# The sum that a loop carries, where its terms may be added in any order: only the writer for Numba makes these of `add` and `sub`.
plus = structural("plus", "x y", {"python": "{x} + {y}", "numba": "plus({x}, {y})"}, _first)
minus = structural("minus", "x y", {"python": "{x} - {y}", "numba": "minus({x}, {y})"}, _first)

# The attributes of the next three: `at` is the index as text over the operands i (by default "[{0}]"), `rank` the rank of what is
# read or written there, `gather` is true where an index is an array, so that what is read is a copy and may name an element twice.
load = structural("load", "a *i", {"python": gather.reading, "numba": gather.reading_on_numba}, _section, helpers=gather.READERS)
store = structural("store", "a *i", {"python": gather.writing("="), "numba": gather.writing_on_numba("=")}, _first,
                   helpers=(*gather.WRITERS, *gather.SETTERS.values()))  # fmt: skip
accumulate = structural("accumulate", "a *i", {"python": gather.writing("+="), "numba": gather.writing_on_numba("+=")}, _first,
                        helpers=(*gather.WRITERS, *gather.ADDERS.values()))  # fmt: skip
_GROWN = '''
    def grown(tape):
        """A tape twice as long that begins with the same records."""
        if len(tape) >= 2**26:
            raise MemoryError("a while loop ran more than 67,108,864 trips, which is more than a backward pass can record")
        return {}
'''
# Numba takes a second to compile ``longer[:len(tape)] = tape``, for the sake of the message of an error that cannot arise.
_GROWN_IN_ROOM = '''
    def grown(tape):
        """A tape twice as long that begins with the same records."""
        longer = room_like((2 * len(tape),) + tape.shape[1:], tape)
        for k in range(len(tape)):
            longer[k] = tape[k]
        return longer
'''
helper(_GROWN.format("tape + tape"), numba=_GROWN_IN_ROOM, numpy=_GROWN.format("np.concatenate((tape, np.empty_like(tape)))"))
#: Makes room for a record at position `n`: the same tape, or one twice as long that begins with the same records.
grow = structural("grow", "a n", "{a} = grown({a}, {n})", _first)

_RESERVED = '''
    def reserved(tape, n):
        """A tape with room for n elements that begins with the same ones."""
        if n <= len(tape):
            return tape{}
        longer = {}
        {}
        return longer
'''
_NOT_ENDLESS = """
        if n > 2**31:
            raise MemoryError("a loop records more than 2,147,483,648 numbers, which is more than a backward pass can keep")"""
helper(
    _RESERVED.format(_NOT_ENDLESS, "np.empty((max(n, 2 * len(tape)),) + tape.shape[1:], tape.dtype)", "longer[:len(tape)] = tape"),
    numba=_RESERVED.format(
        "", "room_like((max(n, 2 * len(tape)),) + tape.shape[1:], tape)", "for k in range(len(tape)):\n            longer[k] = tape[k]"
    ),
)
#: Makes room for `n` elements: the same tape, or a longer one that begins with the same elements.
reserve = structural("reserve", "tape n", "reserved({tape}, {n})", _first, view=True, helpers=("reserved",))


@flat({"python": "position({k}, {n})", "array": "from_front({k}, {n})"}, INT, title="count from the front",
      helpers=("position", "from_front"))  # fmt: skip
def position(k: Value, n: Value) -> None:
    """The index k of an axis of n elements, counted from the front; IndexError where there is none."""


is_true = structural("is_true", "x", "{x} != 0", always(BOOL))
