"""Operations that `reverse` and `forward` know by name: copies, conversions, and the reading and writing of arrays."""

from __future__ import annotations

from collections.abc import Sequence

from stagegrad.ir import BOOL, FLOAT, INT, Type
from stagegrad.ops import always, helper, structural
from stagegrad.rules import rounding as _rounding  # noqa: F401  (registers the helper that checks ints)


def _first(types: Sequence[Type]) -> Type:
    return types[0]


def _element(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, types[0].rank - 1, types[0].bits)


copy = structural("copy", "x", "{x}", _first)
# Numba has no float(bool).
to_float = structural("to_float", "x", {"python": "float({x})", "numba": "1.0 * {x}"}, always(FLOAT), stage="{x}float")
to_int = structural("to_int", "x", {"python": "int({x})", "numba": "int(fits_int({x}))"}, always(INT), stage="{x}int",
                    helpers=("fits_int",))  # fmt: skip

# A tape is an array of `n` records; what it holds before it is written is never read.
tape_float = structural("tape_float", "n", {"python": "[0.0] * {n}", "numba": "np.empty({n})"}, always(Type("float", 1)))
tape_int = structural("tape_int", "n", {"python": "[0] * {n}", "numba": "np.empty({n}, np.int64)"}, always(Type("int", 1)))
tape_bool = structural("tape_bool", "n", {"python": "[False] * {n}", "numba": "np.empty({n}, np.bool_)"}, always(Type("bool", 1)))
zeros = structural("zeros", "n", {"python": "[0.0] * {n}", "numba": "np.zeros({n})"}, always(Type("float", 1)))
size = structural("size", "a", "len({a})", always(INT))
trip_count = structural("trip_count", "start stop step", "len(range({start}, {stop}, {step}))", always(INT), stage="trips")

load = structural("load", "a i", "{a}[{i}]", _element)
store = structural("store", "a i value", "{a}[{i}] = {value}", _first)
accumulate = structural("accumulate", "a i value", "{a}[{i}] += {value}", _first)
helper(
    '''
    def grown(tape):
        """A tape twice as long that begins with the same records."""
        if len(tape) >= 2**26:
            raise MemoryError("a while loop ran more than 67,108,864 trips, which is more than a backward pass can record")
        return tape + tape
    ''',
    numba='''
    def grown(tape):
        """A tape twice as long that begins with the same records."""
        if len(tape) >= 2**26:
            raise MemoryError("a while loop ran more than 67,108,864 trips, which is more than a backward pass can record")
        return np.append(tape, np.empty_like(tape))
    ''',
)
#: Makes room for a record at position `n`: the same tape, or one twice as long that begins with the same records.
grow = structural("grow", "a n", "{a} = grown({a}, {n})", _first)

is_true = structural("is_true", "x", "{x} != 0", always(BOOL))
