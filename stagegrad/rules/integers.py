"""Operations on ints and bools: never differentiated, and checked where Numba would go wrong without a word."""

from __future__ import annotations

from collections.abc import Sequence

from stagegrad.ir import BOOL, INT, Type
from stagegrad.ops import Value, each, flat, helper

helper(
    '''
    def nonzero(n):
        """n, if one can divide by it."""
        if n == 0:
            raise ZeroDivisionError("integer division or modulo by zero")
        return n
    '''
)
helper(
    '''
    def shl64(x, n):
        """x << n, checked against 64 bits."""
        if n < 0:
            raise ValueError("negative shift count")
        if x != 0 and (n > 62 or (x << n) >> n != x):
            raise OverflowError("a shift exceeds 64 bits")
        return x << n if x != 0 else 0
    '''
)
helper(
    '''
    def shr64(x, n):
        """x >> n for every n that Python accepts."""
        if n < 0:
            raise ValueError("negative shift count")
        return x >> min(n, 63)
    '''
)
each(
    '''
    def shl_each(x, n):
        """x << n, which is 0 where every bit is shifted out."""
        return x << n
    ''',
    "x << n if 0 <= n < 64 else 0",
)
each(
    '''
    def shr_each(x, n):
        """x >> n, which is 0 or -1 where every bit is shifted out."""
        return x >> n
    ''',
    "x >> (n if 0 <= n < 64 else 63)",
)


def _bits(types: Sequence[Type]) -> Type:
    """Bits of bools are a bool, as Python has it."""
    return BOOL if all(type.kind == "bool" for type in types) else INT


@flat({"python": "{x} // {y}", "numba": "{x} // nonzero({y})", "array": "{x} // {y}"}, INT, stage="{x}div{y}", title="floor division",
      exact="floor(x / y)", helpers=("nonzero",), cost=5.0)  # fmt: skip
def floordiv_int(x: Value, y: Value) -> None:
    """How often y goes into x, between ints, where y may be zero: Numba's answer would be 0."""


@flat({"python": "{x} % {y}", "numba": "{x} % nonzero({y})", "array": "{x} % {y}"}, INT, stage="{x}mod{y}", title="remainder",
      exact="x - y * floor(x / y)", helpers=("nonzero",), cost=5.0)  # fmt: skip
def mod_int(x: Value, y: Value) -> None:
    """What floor division leaves, between ints, where y may be zero: Numba's answer would be 0."""


@flat("{x} & {y}", _bits, stage="{x}and{y}", title="bits of both")
def bitand(x: Value, y: Value) -> None:
    """The bits that are set in both."""


@flat("{x} | {y}", _bits, stage="{x}or{y}", title="bits of either")
def bitor(x: Value, y: Value) -> None:
    """The bits that are set in either."""


@flat("{x} ^ {y}", _bits, stage="{x}xor{y}", title="bits of one")
def bitxor(x: Value, y: Value) -> None:
    """The bits that are set in exactly one."""


@flat("~{x}", INT, stage="not{x}", title="bits turned")
def invert(x: Value) -> None:
    """Every bit turned: -x - 1."""


@flat({"python": "{x} << {n}", "numba": "shl64({x}, {n})", "array": "{x} << {n}", "array:numba": "shl_each({x}, {n})"}, INT,
      stage="{x}shl{n}", title="shift left", helpers=("shl64", "shl_each"))  # fmt: skip
def shl(x: Value, n: Value) -> None:
    """x times 2**n."""


@flat({"python": "{x} >> {n}", "numba": "shr64({x}, {n})", "array": "{x} >> {n}", "array:numba": "shr_each({x}, {n})"}, INT,
      stage="{x}shr{n}", title="shift right", helpers=("shr64", "shr_each"))  # fmt: skip
def shr(x: Value, n: Value) -> None:
    """x divided by 2**n, rounded down."""


@flat({"python": "math.gcd({x}, {y})", "array": "np.gcd({x}, {y})"}, INT, stage="gcd{x}{y}", title="greatest common divisor", cost=20.0)
def gcd(x: Value, y: Value) -> None:
    """The greatest common divisor, never negative."""


# The checks are made on floats: a compiler may assume that ints never overflow, and drop a check made on ints.
helper(
    '''
    def mul64(x, y):
        """x * y, if it fits 64 bits: Python's ints have no end, compiled ones do."""
        if abs(float(x) * float(y)) > 9.2e18:
            raise OverflowError("an int exceeds 64 bits; use floats, or target='python'")
        return x * y
    '''
)
helper(
    '''
    def add64(x, y):
        """x + y, if it fits 64 bits: Python's ints have no end, compiled ones do."""
        if abs(float(x) + float(y)) > 9.2e18:
            raise OverflowError("an int exceeds 64 bits; use floats, or target='python'")
        return x + y
    '''
)
helper(
    '''
    def sub64(x, y):
        """x - y, if it fits 64 bits: Python's ints have no end, compiled ones do."""
        if abs(float(x) - float(y)) > 9.2e18:
            raise OverflowError("an int exceeds 64 bits; use floats, or target='python'")
        return x - y
    '''
)


@flat({"python": "{x} * {y}", "numba": "mul64({x}, {y})", "array": "{x} * {y}"}, INT, stage="{x}{y}", title="multiply", exact="x * y",
      helpers=("mul64",))  # fmt: skip
def mul_int(x: Value, y: Value) -> None:
    """A product of ints that may grow without bound."""


@flat({"python": "{x} + {y}", "numba": "add64({x}, {y})", "array": "{x} + {y}"}, INT, stage="{x}p{y}", title="add", exact="x + y",
      helpers=("add64",))  # fmt: skip
def add_int(x: Value, y: Value) -> None:
    """A sum of ints that may grow without bound."""


@flat({"python": "{x} - {y}", "numba": "sub64({x}, {y})", "array": "{x} - {y}"}, INT, stage="{x}m{y}", title="subtract", exact="x - y",
      helpers=("sub64",))  # fmt: skip
def sub_int(x: Value, y: Value) -> None:
    """A difference of ints that may grow without bound."""
