"""How 32-bit floats stay 32 bits wide where generated code would widen them.

NumPy takes a Python number beside 32-bit floats to be as narrow as they are. Numba takes it for the 64 bits that it has, and
so do the functions of NumPy that a helper calls: there, a constant or a Python number is converted first, and so is what a helper
makes in doubles on Numba: ``np.float32(2.0) * x``.
"""

from __future__ import annotations

import re

from stagegrad.emit.spelling import Text
from stagegrad.ir import Atom, Stage
from stagegrad.ops import HELPERS, Op, width

_CONSTANT = re.compile(r"(?<![\w.])\d+\.\d+")


def must_stay_narrow(stage: Stage, op: Op) -> bool:
    """Is this arithmetic on 32-bit floats, or a comparison of them?"""
    return op.kind in ("elementwise", "flat") and width([arg.type for arg in stage.args]) == 32


def narrow_operand(text: Text, atom: Atom) -> Text:
    """A Python number converted: ``2.0`` -> ``np.float32(2.0)``; arrays and what is narrow already stay."""
    weak = atom.type.rank == 0 and atom.type.bits == 64 and atom.type.kind in ("float", "int")
    return Text(f"np.float32({text.text})") if weak else text


def narrow_template(template: str) -> str:
    """The constants of a template converted: ``1.0 / {x}`` -> ``np.float32(1.0) / {x}``."""
    return _CONSTANT.sub(lambda match: f"np.float32({match[0]})", template)


def narrow_result(text: Text, stage: Stage, helpers: list[str]) -> Text:
    """What helpers make of narrow operands, converted back; they compute in doubles."""
    if stage.out.type.kind != "float" or all(HELPERS[name].keeps_width for name in helpers):
        return text
    return Text(f"{text.text}.astype(np.float32)" if stage.out.type.rank else f"np.float32({text.text})")
