"""Proves a declared operation: what it is spelled as and the slopes that its rule gives, against SymPy's derivative of `exact`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stagegrad import ops
from stagegrad.emit import write
from stagegrad.ir import BOOL, FLOAT, INT, Attr, Block, Fresh, Function, Lit, Module, Type, Var
from stagegrad.names import name_stages
from stagegrad.verify.expressions import Expression
from stagegrad.verify.program import Machine
from stagegrad.verify.proof import Oracle, prove_source
from stagegrad.verify.report import LEVELS, Proof, Verdict

#: Operands that are not floats, by the names that all rules give them.
_KINDS: dict[str, Type] = {"test": BOOL, "n": INT}


def prove_rule(op: ops.Op | str, *, time_limit: float = 10.0, **attrs: Attr) -> Verdict:
    """Judges an operation by its declared `exact` meaning: its Python spelling, and every slope that its rule states.

    The rule's stages are written out as a program, so that the spellings of what it uses are judged too. `attrs` gives the
    attributes of an operation that has some (`n` of polygamma), 1 each if omitted. The verdict is the weakest of all quantities.
    """
    found = ops.find(op) if isinstance(op, str) else op
    if not found.exact:
        return Verdict("untested", f"the operation {found.name} declares no exact meaning")
    proof = _proof(found, {**dict.fromkeys(found.attrs, 1), **attrs}, time_limit)
    verdicts = {"the value": proof.value, **{f"the slope in {name}": verdict for name, verdict in proof.gradients.items()}}
    name, weakest = min(verdicts.items(), key=lambda item: LEVELS.index(item[1].level))
    if weakest.level == "proved":
        detail = f"{' and '.join(verdicts)} of {found.name}: the difference to {found.exact} and its derivative simplifies to 0"
        return Verdict("proved", detail)
    return Verdict(weakest.level, f"{name} of {found.name}: {weakest.detail}", weakest.point)


def _proof(op: ops.Op, attrs: dict[str, Attr], time_limit: float) -> Proof:
    function = _program(op, attrs)
    source = write(name_stages(Module((function,))), "python")
    types = tuple(param.type.kind for param in function.params)
    wrt = tuple(param.name for param in _differentiated(op, function.params))
    oracle = Oracle(f"{op.name} as declared: {op.exact}", _meaning(op, attrs), at_kinks=False)
    return prove_source(source.text, source.entry, [oracle], op.operands, wrt, types=types, name=op.name, time_limit=time_limit)


def _program(op: ops.Op, attrs: dict[str, Attr]) -> Function:
    """A function that returns the operation's value and its slope in every float operand."""
    fresh = Fresh()
    logical = op.name in ("not", "and", "or")
    params = tuple(fresh.var(name, BOOL if logical else _KINDS.get(name, FLOAT)) for name in op.operands)
    builder = ops.Builder(fresh)
    out = builder.emit(op.name, *params, name="value", **attrs)
    partials = ops.partials_of(op, builder, out, params, tuple(attrs.items()))
    slopes = [Lit(0.0, FLOAT) if partial is None else partial.atom for partial in partials]
    wanted = [slope for slope, param in zip(slopes, params, strict=True) if param in _differentiated(op, params)]
    body = Block(tuple(builder.stmts), (out, *wanted))
    return Function(f"{op.name}_rule", params, body, (0, tuple(range(1, len(wanted) + 1))))


def _differentiated(op: ops.Op, params: tuple[Var, ...]) -> tuple[Var, ...]:
    """The operands that have a slope: floats, unless the result is a count or a truth value."""
    result = op.type_of([param.type for param in params])
    return tuple(param for param in params if param.type == FLOAT == result)


def _meaning(op: ops.Op, attrs: dict[str, Attr]) -> Callable[[Machine], Callable[..., Any]]:
    def build(machine: Machine) -> Callable[..., Any]:
        expression = Expression(op.exact)
        return lambda *values: expression(machine.functions, {**attrs, **dict(zip(op.operands, values, strict=True))})

    return build
