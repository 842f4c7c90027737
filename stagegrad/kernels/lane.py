"""How a kernel is written: ordinary arithmetic on `Lane` handles, each operator of which emits one LLVM instruction.

A kernel becomes one LLVM function without branches, inlined wherever it is called: that is what lets LLVM run the calling loop on
several numbers at once, one in each lane of a vector register. Nothing here is Python that Numba has to infer types for, so that a
kernel costs milliseconds to compile.

The arithmetic is exactly what is written: the flags under which the caller is compiled do not reach it (see `_seal`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from llvmlite import ir
from llvmlite.ir.instructions import FastMathFlags

T = TypeVar("T")


@dataclass(frozen=True)
class Format:
    """A binary format of IEEE 754: float64 or float32."""

    llvm: Any
    integer: Any  # the integer type of the same width
    bits: int
    fraction: int  # stored bits of the significand
    bias: int
    largest: float
    normal: float  # the smallest normal number
    #: Added to a small number, it leaves that number's nearest integer in the lowest bits of the sum.
    magic: float

    def pick(self, double: T, single: T) -> T:
        """The one that belongs to this format."""
        return double if self.bits == 64 else single

    def bits_of(self, number: float) -> int:
        """The bits of a number in this format, as a signed integer."""
        narrow = np.array(number, np.float32).view(np.int32)
        return int(np.array(number, np.float64).view(np.int64) if self.bits == 64 else narrow)


DOUBLE = Format(ir.DoubleType(), ir.IntType(64), 64, 52, 1023, 1.7976931348623157e308, 2.0**-1022, 1.5 * 2.0**52)
SINGLE = Format(ir.FloatType(), ir.IntType(32), 32, 23, 127, float(np.finfo(np.float32).max), 2.0**-126, 1.5 * 2.0**23)

Operand: TypeAlias = "Lane | float | int"


class _Sealed(FastMathFlags):  # type: ignore[misc]  # llvmlite has no types
    """The flags of a call that stay as they are."""

    def add(self, name: str) -> None:
        """Ignores the flag."""


def _seal(instruction: Any) -> Any:
    """Keeps Numba from adding the caller's fast-math flags, which would undo arithmetic that recovers rounding errors.

    Numba leaves alone what has a flag already: a division may be contracted and anything else may use a reciprocal, which both mean
    nothing.
    """
    if instruction.opname == "call":
        instruction.fastmath = _Sealed()
    else:
        instruction.flags = ["contract" if instruction.opname == "fdiv" else "arcp"]
    return instruction


@dataclass(frozen=True, eq=False)
class Lane:
    """A number, an integer or a truth value of the kernel that is being built."""

    builder: Any
    llvm: Any
    form: Format

    # ------------------------------------------------------------------------------------------ operands

    def like(self, other: Operand) -> Any:
        """The LLVM value of an operand, a constant made of this one's type."""
        if isinstance(other, Lane):
            return other.llvm
        return ir.Constant(self.llvm.type, _rounded(other, self.form) if self.is_float else int(other))

    def constant(self, number: float) -> Lane:
        """A number of this format."""
        return self.of(ir.Constant(self.form.llvm, _rounded(number, self.form)))

    def of(self, llvm: Any) -> Lane:
        """Another value of the same kernel."""
        return Lane(self.builder, llvm, self.form)

    @property
    def is_float(self) -> bool:
        """Whether this is a floating-point number."""
        return bool(self.llvm.type == self.form.llvm)

    def _with(self, number: str, integer: str, other: Operand, swap: bool = False) -> Lane:
        left, right = (self.like(other), self.llvm) if swap else (self.llvm, self.like(other))
        if self.is_float:
            return self.of(_seal(getattr(self.builder, number)(left, right)))
        return self.of(getattr(self.builder, integer)(left, right))

    # ------------------------------------------------------------------------------------------ arithmetic

    def __add__(self, other: Operand) -> Lane:
        return self._with("fadd", "add", other)

    def __radd__(self, other: Operand) -> Lane:
        return self._with("fadd", "add", other, swap=True)

    def __sub__(self, other: Operand) -> Lane:
        return self._with("fsub", "sub", other)

    def __rsub__(self, other: Operand) -> Lane:
        return self._with("fsub", "sub", other, swap=True)

    def __mul__(self, other: Operand) -> Lane:
        return self._with("fmul", "mul", other)

    def __rmul__(self, other: Operand) -> Lane:
        return self._with("fmul", "mul", other, swap=True)

    def __truediv__(self, other: Operand) -> Lane:
        return self._with("fdiv", "", other)

    def __rtruediv__(self, other: Operand) -> Lane:
        return self._with("fdiv", "", other, swap=True)

    def __neg__(self) -> Lane:
        return self.of(self.builder.fneg(self.llvm))

    def __abs__(self) -> Lane:
        return self._call("llvm.fabs", self)

    # ------------------------------------------------------------------------------------------ bits and truth values

    def __and__(self, other: Operand) -> Lane:
        return self.of(self.builder.and_(self.llvm, self.like(other)))

    def __or__(self, other: Operand) -> Lane:
        return self.of(self.builder.or_(self.llvm, self.like(other)))

    def __xor__(self, other: Operand) -> Lane:
        return self.of(self.builder.xor(self.llvm, self.like(other)))

    def __invert__(self) -> Lane:
        return self.of(self.builder.not_(self.llvm))

    def __lshift__(self, count: int) -> Lane:
        return self.of(self.builder.shl(self.llvm, self.like(count)))

    def __rshift__(self, count: int) -> Lane:
        return self.of(self.builder.ashr(self.llvm, self.like(count)))

    def down(self, count: int) -> Lane:
        """These bits moved towards the lowest, zeros taking their place; `>>` keeps the sign, which takes some processors several steps."""
        return self.of(self.builder.lshr(self.llvm, self.like(count)))

    # ------------------------------------------------------------------------------------------ comparisons

    def _compare(self, sign: str, other: Operand) -> Lane:
        if not self.is_float:
            return self.of(self.builder.icmp_signed(sign, self.llvm, self.like(other)))
        return self.of(_seal(self.builder.fcmp_ordered(sign, self.llvm, self.like(other))))

    def __lt__(self, other: Operand) -> Lane:
        return self._compare("<", other)

    def __le__(self, other: Operand) -> Lane:
        return self._compare("<=", other)

    def __gt__(self, other: Operand) -> Lane:
        return self._compare(">", other)

    def __ge__(self, other: Operand) -> Lane:
        return self._compare(">=", other)

    def equals(self, other: Operand) -> Lane:
        """Whether both are the same number; never for nan."""
        return self._compare("==", other)

    @property
    def is_nan(self) -> Lane:
        """Whether this is not a number."""
        return self.of(_seal(self.builder.fcmp_unordered("uno", self.llvm, self.llvm)))

    # ------------------------------------------------------------------------------------------ other views

    @property
    def raw(self) -> Lane:
        """The bits of a number, as a signed integer."""
        return self.of(self.builder.bitcast(self.llvm, self.form.integer))

    @property
    def number(self) -> Lane:
        """The number of these bits."""
        return self.of(self.builder.bitcast(self.llvm, self.form.llvm))

    def to(self, form: Format) -> Lane:
        """This number in another format."""
        if form == self.form:
            return self
        change = self.builder.fpext if form.bits > self.form.bits else self.builder.fptrunc
        return Lane(self.builder, change(self.llvm, form.llvm), form)

    def _call(self, name: str, *operands: Lane) -> Lane:
        """An operation of LLVM's that becomes an instruction, or a loop over the lanes' library calls where there is none."""
        intrinsic = self.builder.module.declare_intrinsic(name, [self.llvm.type], _signature(self.llvm.type, len(operands)))
        return self.of(_seal(self.builder.call(intrinsic, [operand.llvm for operand in operands])))

    def call(self, name: str, *others: Operand) -> Lane:
        """One of LLVM's intrinsic functions of this number and others."""
        return self._call(name, self, *(self.of(self.like(other)) for other in others))


def _signature(type_: Any, count: int) -> Any:
    return ir.FunctionType(type_, [type_] * count)


def _rounded(number: float, form: Format) -> float:
    return float(np.float32(number)) if form.bits == 32 else float(number)


# ---------------------------------------------------------------------------------------------- what kernels are made of


def fma(x: Lane, y: Operand, z: Operand) -> Lane:
    """``x * y + z`` rounded once, on every processor: for arithmetic that recovers rounding errors."""
    return x.call("llvm.fma", y, z)


def near(x: Lane, y: Operand, z: Operand) -> Lane:
    """``x * y + z`` rounded once where the processor can, else twice: for sums whose last rounding does not matter."""
    return x.call("llvm.fmuladd", y, z)


def where(test: Lane, yes: Operand, no: Operand) -> Lane:
    """`yes` where the test holds, else `no`; both are computed."""
    kind = yes if isinstance(yes, Lane) else no if isinstance(no, Lane) else test.constant(0.0)
    return test.of(test.builder.select(test.llvm, kind.like(yes), kind.like(no)))


def between(x: Lane, low: float, high: float) -> Lane:
    """x, or the limit that it exceeds; nan stays nan."""
    below = where(x > high, high, x)
    return where(below < low, low, below)


def with_sign(x: Lane, sign: Lane) -> Lane:
    """The size of x with the sign of another number, which nan and zero have too."""
    return x.call("llvm.copysign", sign)


def polynomial(x: Lane, coefficients: Sequence[Operand]) -> Lane:
    """c0 + c1 x + c2 x**2 + ... after Estrin: the products of pairs do not wait for each other."""
    terms: list[Operand] = list(coefficients)
    power = x
    while len(terms) > 1:
        pairs = [near(power, terms[k + 1], terms[k]) for k in range(0, len(terms) - 1, 2)]
        terms = [*pairs, *terms[len(terms) - len(terms) % 2 :]]
        power = power * power if len(terms) > 1 else power
    last = terms[0]
    return last if isinstance(last, Lane) else x.constant(last)


def nearest(x: Lane) -> tuple[Lane, Lane]:
    """The integer nearest to a small number, as a number, and with its bits in the lowest bits of an integer."""
    shifted = x + x.form.magic
    return shifted - x.form.magic, shifted.raw


def two_sum(x: Lane, y: Operand) -> tuple[Lane, Lane]:
    """The sum of two numbers and its rounding error, exactly (Knuth)."""
    total = x + y
    of_y = total - x
    of_x = total - of_y
    return total, (x - of_x) + (y - of_y)


def quick_two_sum(x: Lane, y: Operand) -> tuple[Lane, Lane]:
    """The sum and its rounding error, exactly, where x is not the smaller one (Dekker)."""
    total = x + y
    return total, y - (total - x)


def two_product(x: Lane, y: Operand) -> tuple[Lane, Lane]:
    """The product of two numbers and its rounding error, exactly."""
    product = x * y
    return product, fma(x, y, -product)


def table(index: Lane, name: str, numbers: Sequence[float]) -> Lane:
    """The number at a place of a constant table."""
    module, form = index.builder.module, index.form
    name = f"stagegrad.table.{name}.{form.bits}"
    kind = ir.ArrayType(form.llvm, len(numbers))
    if name not in module.globals:
        made = ir.GlobalVariable(module, kind, name)
        made.linkage, made.global_constant = "internal", True
        made.initializer = ir.Constant(kind, list(numbers))
    place = index.builder.gep(module.globals[name], [ir.Constant(form.integer, 0), index.llvm], inbounds=True)
    return index.of(index.builder.load(place))


Kernel: TypeAlias = Callable[..., Lane]
