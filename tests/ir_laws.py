"""What must hold of every well-formed module, whatever it computes: one function a law, which raises AssertionError.

The tests run the laws over some hundred seeds of `random_ir`; ``python -m tests.ir_laws FIRST LAST`` runs them over any range.
"""

from __future__ import annotations

import math
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from stagegrad import emit, names
from stagegrad import forward as forwards
from stagegrad import reverse as reverses
from stagegrad.emit import Source
from stagegrad.ir import Module, check
from stagegrad.ir_text import parse, show
from stagegrad.passes import optimise
from tests import random_ir
from tests.interpret import Interpreter

#: The steps that were taken last, with what they were taken from: the laws look at the same modules at several points.
_taken: dict[tuple[Any, ...], tuple[Module, Any]] = {}


def _once(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step that is taken but once for each module."""

    def taken(module: Module, *rest: Any) -> Any:
        key = (step, id(module), *rest)
        if key not in _taken:
            if len(_taken) > 1000:
                _taken.clear()
            _taken[key] = module, step(module, *rest)
        return _taken[key][1]

    return taken


made = lru_cache(maxsize=100)(random_ir.module)
name_stages, share, simplify = _once(names.name_stages), _once(optimise.share), _once(optimise.simplify)
reverse, forward, write = _once(reverses.reverse), _once(forwards.forward), _once(emit.write)


def outcome(function: Callable[..., Any], args: Sequence[Any]) -> tuple[str, Any]:
    """What a call gives: its value, or the error that it raises, in a form that compares bit for bit (nan is nan)."""
    try:
        return "value", repr(function(*args))
    except (ArithmeticError, ValueError, RuntimeError, AssertionError) as error:
        return type(error).__name__, str(error)


def executed(module: Module, target: str = "python") -> Callable[..., Any]:
    """The emitted text of a module, run."""
    return run(write(module, target))


def run(source: Source) -> Callable[..., Any]:
    """The entry of a generated text."""
    words: dict[str, Any] = {}
    exec(compile(source.text, "<generated>", "exec"), words)
    entry: Callable[..., Any] = words[source.entry]
    return entry


def same_text_and_meaning(module: Module, args: Sequence[Any]) -> None:
    """The emitted text computes what the interpreter computes, bit for bit, errors included."""
    source = write(module, "python")
    expected, found = outcome(Interpreter(module), args), outcome(run(source), args)
    assert found == expected, f"text gives {found}, the interpreter {expected}, at {args}\n{source.text}\n{show(module)}"


def same_meaning(before: Module, after: Module, args: Sequence[Any]) -> None:
    """A pass that keeps values keeps their bits."""
    check(after)
    expected, found = outcome(Interpreter(before), args), outcome(Interpreter(after), args)
    assert found == expected, f"{found} is not {expected} at {args}\n{show(before)}\n{show(after)}"


def projected(adjoint: Module, k: int) -> Module:
    """The function that gives the k-th answer of a gradient alone: a function of one float again."""
    main = adjoint.main
    body = replace(main.body, results=(main.body.results[1 + k],))
    return Module((replace(main, body=body, shape=0), *adjoint.functions[1:]))


def flattened(answer: Any) -> list[Any]:
    """``(f, dx)`` and ``(f, (dx, dy))`` as a list."""
    return [x for part in answer for x in flattened(part)] if isinstance(answer, tuple) else [answer]


def close(found: float, expected: float, tolerance: float) -> bool:
    if math.isnan(found) or math.isnan(expected):
        return math.isnan(found) and math.isnan(expected)
    return abs(found - expected) <= tolerance * (1.0 + abs(expected))


def directions(wrt: Sequence[int], seed: int) -> list[float]:
    chooser = random.Random(f"{seed} direction")
    return [chooser.uniform(-1.0, 1.0) for _ in wrt]


# ---------------------------------------------------------------------------------------------- the laws


def law_values(module: Module, args: Sequence[Any], seed: int) -> None:
    """Naming, sharing and simplifying keep the law and the bits."""
    for step in (name_stages, share, simplify, lambda m: simplify(simplify(m)), lambda m: simplify(name_stages(share(m)))):
        same_meaning(module, step(module), args)


def law_text(module: Module, args: Sequence[Any], seed: int) -> None:
    """The writer's text means what the module means, before and after the passes that keep values."""
    for step in (lambda m: m, name_stages, simplify, lambda m: name_stages(share(m))):
        same_text_and_meaning(step(module), args)


def law_round_trip(module: Module, args: Sequence[Any], seed: int) -> None:
    """The text form says everything."""
    wrt = random_ir.float_positions(module)
    for each in (module, name_stages(module), reverse(name_stages(module), wrt), forward(module, wrt)):
        assert parse(show(each)) == each


def law_reverse(module: Module, args: Sequence[Any], seed: int) -> None:
    """Reverse keeps the law and the value; its text means the same, simplified or not; forward agrees with it."""
    wrt = random_ir.float_positions(module)
    named = name_stages(module)
    adjoint = check(reverse(named, wrt))
    simple = check(simplify(adjoint))
    same_text_and_meaning(adjoint, args)
    same_text_and_meaning(simple, args)
    same_meaning(adjoint, simple, args)
    kind, value = outcome(Interpreter(module), args)
    if kind != "value":
        assert outcome(Interpreter(simple), args) == (kind, value)
        return
    found = flattened(Interpreter(simple)(*args))
    assert repr(found[0]) == value, f"the value {found[0]} is not {value}"
    pushed = check(forward(named, wrt))
    direction = directions(wrt, seed)
    same_text_and_meaning(pushed, [*args, *direction])
    same_text_and_meaning(simplify(pushed), [*args, *direction])
    answer, slope = Interpreter(pushed)(*args, *direction)
    assert repr(answer) == value
    expected = sum(g * d for g, d in zip(found[1:], direction, strict=True))
    assert close(slope, expected, 1e-10), f"forward {slope}, reverse {expected} at {args}\n{show(named)}\n{show(simple)}"


def law_differences(module: Module, args: Sequence[Any], seed: int) -> None:
    """The gradient is what central differences say, where two step sizes agree on it."""
    wrt = random_ir.float_positions(module)
    if outcome(Interpreter(module), args)[0] != "value":
        return
    primal = executed(module)
    gradient = flattened(executed(simplify(reverse(name_stages(module), wrt)))(*args))[1:]
    for position, found in zip(wrt, gradient, strict=True):
        rough, fine = (_difference(primal, args, position, h) for h in (2e-5, 1e-5))
        if rough is not None and fine is not None and close(rough, fine, 1e-5):
            assert close(found, fine, 1e-4), f"gradient {found}, differences {fine} of argument {position} at {args}\n{show(module)}"


def _difference(function: Callable[..., Any], args: Sequence[Any], position: int, h: float) -> float | None:
    values = []
    for side in (h, -h):
        moved = [a + side if k == position else a for k, a in enumerate(args)]
        if outcome(function, moved)[0] != "value":
            return None
        values.append(function(*moved))
    difference: float = (values[0] - values[1]) / (2.0 * h)
    return difference


def law_second_order(module: Module, args: Sequence[Any], seed: int) -> None:
    """The gradient of a gradient is the directional derivative of it, and of the function's own, swept forward twice."""
    wrt = random_ir.float_positions(module)
    if outcome(Interpreter(module), args)[0] != "value":
        return
    adjoint = simplify(reverse(name_stages(module), wrt))
    direction = directions(wrt, seed)
    for k in range(len(wrt)):
        partial = check(projected(adjoint, k))
        twice = check(simplify(check(reverse(name_stages(partial), wrt))))
        same_text_and_meaning(twice, args)
        found = flattened(Interpreter(twice)(*args))[1:]
        slope = Interpreter(check(forward(partial, wrt)))(*args, *direction)[1]
        expected = sum(g * d for g, d in zip(found, direction, strict=True))
        assert close(slope, expected, 1e-9), f"forward over reverse {slope}, reverse twice {expected} at {args}\n{show(module)}"


LAWS = (law_values, law_text, law_round_trip, law_reverse, law_differences, law_second_order)


def hold(seed: int, laws: Sequence[Callable[[Module, Sequence[Any], int], None]] = LAWS, **options: Any) -> None:
    """The laws hold of the module that a seed makes, at two points."""
    module = made(seed, **options)
    for turn in range(2):
        for law in laws:
            law(module, random_ir.arguments(module, seed + turn), seed)


def sized(seed: int) -> dict[str, Any]:
    """Options that vary with the seed: most modules are of middling size, some are long, some deep, some raise."""
    sizes = ((8, 3), (8, 3), (3, 2), (20, 2), (6, 5))
    size, depth = sizes[seed % len(sizes)]
    return {"size": size, "depth": depth, "raising": seed % 7 == 0}


def main(first: int, last: int, *names: str) -> None:
    """Runs the laws over a range of seeds and prints what breaks."""
    chosen = [law for law in LAWS if not names or law.__name__ in names]
    broken = 0
    for seed in range(first, last):
        for law in chosen:
            try:
                hold(seed, [law], **sized(seed))
            except Exception as error:
                broken += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                reason = str(error).partition("\n")[0][:160]
                print(seed, law.__name__, type(error).__name__, reason, f"{where.name}:{where.lineno}", flush=True)
                if broken > 40:
                    return
    print(f"{broken} broken")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
