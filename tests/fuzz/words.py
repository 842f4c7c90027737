"""What random programs are made of: names, functions inside their domains, and the forms of loops and updates."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Names for locals; many are names that a compiler of gradients would like for itself.
FLOAT_NAMES = _words(
    """a b c d e g h p q r s t u v w acc total state value result dx dy dz df ds x_tape x_dot out grad f_ tape dv left sum x_ tmp x0 x1
    angle rate level num den inv sigx xpy dout adjoint cotangent trip_x f_value_and_grad range_ _ xdot seed one len"""
)
INT_NAMES = _words("i j k l m ii jj idx trip trips step count_ n_ order stop until size it")
BOOL_NAMES = _words("flag ok done up hit left_early returned test found big inside")
HELPER_NAMES = _words("soft blend mix walk bend squash relax kick drift shift ramp warp exp backward forward tape_of zeros")

#: The parameters of the function that is differentiated.
FLOAT_PARAMS = tuple(map(_words, ("x", "x y", "x y", "x y z", "x y dx", "w x y z", "x tape", "f x")))
INT_PARAMS = tuple(map(_words, ("", "n", "n", "n m", "trips")))

#: Imports beside ``import math``, and an expression that uses them.
IMPORTS = (
    ("from math import sin as cos, tanh", "cos(tanh({x}))"),
    ("from math import atan as exp_", "exp_({x})"),
    ("from math import pi, cos as cosine", "cosine(pi * {x})"),
)

#: Augmented assignments: {x} is an expression, {u} the same as an operand.
AUGMENTED = (
    *("+= {x}", "-= {x}") * 3,
    *("*= math.cos({x})", "*= 0.7", "/= 1.2 + {u} * {u}", "%= 3.7", "**= 2") * 2,
    "//= 0.61",
)

#: Arguments of ``range()``: constant ones, with an int of any size, and with one of up to five.
RANGES = ("3", "2", "4", "5", "1, 4", "4, 0, -1", "0, 6, 2", "5, -2, -3", "0", "3, 3", "1")
RANGES_OF_ANY = (
    *("{n} % 5", "{n} % 4 + 1", "min({n}, 4)", "1, min({n}, 5)"),
    *("min({n}, 4), 0, -1", "0, {n} % 7, 2", "-1, {n} % 4", "{n} % 3, 5"),
)
RANGES_OF_SMALL = ("{n}", "{n} - 1", "{n} - 3", "{n}, 6", "{n}, -1, -1", "1, {n} + 1")

#: Functions inside their domains: {x} is the argument, {u} and {a} the same as an operand, {y} a second argument; and a guess of the size.
FUNCTIONS = (
    ("math.sin({x})", 1.0),
    ("math.cos({x})", 1.0),
    ("math.tanh({x})", 1.0),
    ("math.atan({x})", 1.6),
    ("math.exp(math.sin({x}))", 2.7),
    ("math.exp(-abs({x}))", 1.0),
    ("math.log(1.0 + {u} * {u})", 6.0),
    ("math.log1p({a}**2)", 6.0),
    ("math.log2(1.5 + {u} * {u})", 8.0),
    ("math.log10(2.0 + math.cos({x}))", 1.0),
    ("math.sqrt(0.5 + {u} * {u})", 1e3),
    ("math.expm1(math.tanh({x}))", 2.0),
    ("math.sinh(math.sin({x}))", 1.2),
    ("math.cosh(math.cos({x}))", 1.6),
    ("math.asinh({x})", 4.0),
    ("math.asin(0.9 * math.sin({x}))", 1.2),
    ("math.acos(0.8 * math.tanh({x}))", 3.0),
    ("math.atanh(0.7 * math.cos({x}))", 1.0),
    ("math.acosh(1.5 + {u} * {u})", 6.0),
    ("math.tan(math.sin({x}))", 1.6),
    ("math.erf({x})", 1.0),
    ("math.erfc({x})", 2.0),
    ("math.atan2({x}, 1.5 + math.cos({y}))", 1.6),
    ("math.hypot({x}, 0.5 + math.exp(math.sin({y})))", 1e3),
    ("math.copysign({x}, 0.213 + {y})", 1e3),
    ("math.degrees(math.sin({x})) / 60.0", 1.0),
    ("1.0 / (1.0 + math.exp(-math.sin({x})))", 1.0),
    ("math.pow(1.1 + {u} * {u}, 0.5)", 1e3),
    ("(0.1 + math.radians(30.0 * math.sin({x})))", 1.0),
)

#: What brings a large number back to size.
SQUASHES = (
    "math.tanh({x})",
    "math.sin({x})",
    "{u} / (1.0 + {u} * {u})",
    "1.3 * math.atan(0.5 * {u})",
    "math.log(1.0 + {u} * {u})",
    "2.0 * math.tanh({u} / 4.0)",
    "math.copysign(math.sqrt(0.2 + abs({x})), {x})",
)
