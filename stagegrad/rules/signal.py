"""Convolution and correlation of vectors, in NumPy's three modes.

Every mode is a middle part of the full result, so its gradient is set into zeros of the full length first; from there each
operand's gradient is a product of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stagegrad.ir import Attr, Type
from stagegrad.ops import Value, general, helper
from stagegrad.rules.shapes import Pulled

helper(
    '''
    def padded(g, a, v, late):
        """A gradient in the middle of zeros of the length of np.convolve(a, v); where no middle is exact, one to the left unless `late`."""
        found = np.zeros(a.size + v.size - 1, g.dtype)
        start = (found.size - g.size + late) // 2
        for k in range(g.size):
            found[start + k] = g[k]
        return found
    ''',
    numpy='''
    def padded(g, a, v, late):
        """A gradient in the middle of zeros of the length of np.convolve(a, v); where no middle is exact, one to the left unless `late`."""
        found = np.zeros(a.size + v.size - 1, g.dtype)
        start = (found.size - g.size + late) // 2
        found[start : start + g.size] = g
        return found
    ''',
)
helper(
    '''
    def middle(x, like, late):
        """The middle part of a vector, as long as another; where no middle is exact, one to the left unless `late`."""
        start = (x.size - like.size + late) // 2
        return x[start : start + like.size].copy()
    '''
)


def _moded(name: str) -> Callable[[Mapping[str, Attr], Sequence[Type]], str]:
    """``np.convolve(a, v, "same")``."""
    return lambda attrs, types: f'np.{name}({{a}}, {{v}}, "{attrs["mode"]}")'


def _width(types: Sequence[Type]) -> Type:
    return Type("float", 1, max(types[0].bits, types[1].bits))


@general(_moded("convolve"), _width, stage="{a}conv{v}", title="convolve", linear=True)
def convolve(g: Value, out: Value, a: Value, v: Value, *, mode: str) -> Pulled:
    """Each operand of a convolution receives the gradient's correlation with the other (`np.convolve`)."""
    whole = g if mode == "full" else padded(g, a, v)
    return correlate(whole, v, mode="valid"), correlate(whole, a, mode="valid")


@general(_moded("correlate"), _width, stage="{a}corr{v}", title="correlate", linear=True)
def correlate(g: Value, out: Value, a: Value, v: Value, *, mode: str) -> Pulled:
    """The first operand of a correlation receives the gradient's convolution with the second, which receives its own correlation with it.

    NumPy exchanges the operands of a correlation whose second is the longer, and turns the result around (`np.correlate`).
    """
    whole = g if mode == "full" else padded(g, a, v, turned=True)
    return convolve(whole, v, mode="valid"), correlate(a, whole, mode="valid")


def _late(attrs: Mapping[str, Attr], first: str, second: str) -> str:
    """Whether the middle is one to the right: in a correlation that NumPy has turned around."""
    return f"{first}.size < {second}.size" if attrs.get("turned") else "False"


@general(lambda attrs, types: f"padded({{grad}}, {{a}}, {{v}}, {_late(attrs, '{a}', '{v}')})", lambda types: types[0], stage="{grad}pad",
         title="set into zeros", helpers=("padded",))  # fmt: skip
def padded(g: Value, out: Value, grad: Value, a: Value, v: Value, *, turned: bool = False) -> Pulled:
    """The middle part of a full convolution, with zeros for the rest of it."""
    return middle(g, grad, a, v, turned=turned), None, None


@general(lambda attrs, types: f"middle({{x}}, {{like}}, {_late(attrs, '{a}', '{v}')})", lambda types: types[0], stage="{x}mid",
         title="middle", helpers=("middle",))  # fmt: skip
def middle(g: Value, out: Value, x: Value, like: Value, a: Value, v: Value, *, turned: bool = False) -> Pulled:
    """The middle part of a full convolution of two vectors."""
    return padded(g, a, v, turned=turned), None, None, None
