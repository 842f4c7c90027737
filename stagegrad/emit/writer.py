"""IR -> text: a function's statements as Python that a person would write.

The writer decides nothing about derivatives: it does not know that it prints an adjoint. Values are written in place or
held in variables (`inline`, `storage`); what a loop or branch yields is assigned at the end of its body, unless the value is
there already; an early exit becomes ``break`` or ``return``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stagegrad.emit.counts import plus, shifted, trips_of_list
from stagegrad.emit.inline import Plan, is_condition, plan
from stagegrad.emit.lanes import SHARED, in_lanes, in_turn
from stagegrad.emit.sharing import IN_PLACE
from stagegrad.emit.spelling import AND, COMPARE, OR, TERNARY, Text, constant, fill
from stagegrad.emit.storage import assign
from stagegrad.emit.undefined import handed_on, read_before_bound
from stagegrad.emit.width import must_stay_narrow, narrow_operand, narrow_result, narrow_template
from stagegrad.ir import (
    INT,
    Atom,
    Attr,
    Block,
    Call,
    For,
    Function,
    If,
    Lit,
    Raise,
    Remark,
    Shape,
    Span,
    Stage,
    Stmt,
    Type,
    Var,
    While,
    leaves,
    literal_is,
)  # fmt: skip
from stagegrad.names import Words, words_of
from stagegrad.ops import find, literal


@dataclass(frozen=True)
class Line:
    """A line of text without its indentation's spaces, and the place in the user's text that it comes from."""

    depth: int
    text: str
    span: Span | None = None


@dataclass(frozen=True)
class _End:
    """What happens at the end of a block: its results are moved to `targets`, then it leaves the loop or returns."""

    targets: tuple[Var | None, ...] = ()
    until: int | None = None  # the result that tells whether the loop ends here
    returns: Shape | None = None
    steady: tuple[Atom | None, ...] = ()  # what a target is on every trip that does not leave the loop

    @property
    def may_jump(self) -> bool:
        return self.until is not None or self.returns is not None


@dataclass
class FunctionText:
    """A function as lines; `parts` are the titled parts of it: (title, first line, line after the last).

    `in_lanes` says whether loops of it run a vector kernel on several numbers at once.
    """

    lines: list[Line]
    helpers: list[str]
    calls: list[str]
    in_lanes: bool = False
    parts: list[tuple[str, int, int]] = field(default_factory=list)


def write_function(function: Function, target: str, shapes: Mapping[str, Shape] | None = None, lanes: bool = False) -> FunctionText:
    """The lines of a function for a target: "python", "numba" or "numpy"; `shapes` are the answers of those that it calls.

    With `lanes`, loops that can become vector instructions call the vector kernels.
    """
    return _Writer(plan(function), target, shapes or {}, lanes).run()


class _Writer:
    def __init__(self, found: Plan, target: str, shapes: Mapping[str, Shape], lanes: bool) -> None:
        self.plan, self.target, self.shapes = found, target, shapes
        self.function = found.function
        self.storage = assign(found)
        self.in_lanes = in_lanes(found.function) if lanes else frozenset()
        self.by_kernels = self.in_lanes | in_turn(found.function) if lanes else frozenset()
        self.handed_on = handed_on(found, self.storage)
        if target == "numba":
            self.handed_on |= read_before_bound(found, self.storage)
        self.unread = "_" if "_" not in words_of(found.function) else Words(words_of(found.function)).fresh("unread")
        self.lines: list[Line] = []
        self.depth = 0
        self.note = ""
        self.helpers: dict[str, None] = {}
        self.calls: dict[str, None] = {}
        self.titles: list[tuple[str, int]] = []
        self.texts: dict[Var, Text] = {}

    def run(self) -> FunctionText:
        function = self.function
        params = ", ".join(self.storage[p] for p in function.params)
        self.line(f"def {function.name}({params}):", function.span)
        self.depth += 1
        self.block(function.body, _End(tuple(None for _ in function.body.results), returns=function.shape))
        starts = [start for _, start in self.titles]
        parts = [(title, start, end) for (title, start), end in zip(self.titles, [*starts[1:], len(self.lines)], strict=False)]
        return FunctionText(self.lines, list(self.helpers), list(self.calls), bool(self.in_lanes), parts)

    # ------------------------------------------------------------------------------------------ expressions

    def text(self, atom: Atom) -> Text:
        """What stands for an atom: a literal, a variable, or the expression that is written in its place."""
        if isinstance(atom, Lit):
            return constant(atom)
        made = self.plan.inlined.get(atom)
        if made is None:
            return Text(self.storage[atom])
        return self.expression(made)

    def expression(self, stmt: Stage | If) -> Text:
        """The right-hand side of a stage, or of an `If` that is one line."""
        if isinstance(stmt, If):
            return self._choice(stmt)
        op = find(stmt.op)
        if stmt.op == "trip_count":
            return Text(f"len({self._range(*stmt.args)})")
        if (summed := shifted(stmt, self.plan.inlined)) is not None:
            return plus(self.text(summed[0]), summed[1])
        if (trips := trips_of_list(stmt, self.target, self.plan.inlined)) is not None:
            stmt = replace(stmt, args=(trips,))
        attrs = dict(stmt.attrs)
        template = op.template(self.target, attrs, [arg.type for arg in stmt.args], lanes=stmt.out in self.by_kernels)
        if SHARED in stmt.attrs and stmt.out in self.in_lanes:
            template = "kernels.over(1.0, {x})" if stmt.op == "reciprocal" else "kernels.over({x}, {y})"
        helpers = _called(op.helpers, template)
        self.helpers.update(dict.fromkeys(helpers))
        narrow = (self.target == "numba" or bool(helpers)) and must_stay_narrow(stmt, op)
        operands = self._operands(stmt, narrow)
        operands |= {name: Text(str(value)) for name, value in attrs.items() if f"{{{name}}}" in template}
        if narrow and self.target == "numba":
            return narrow_result(fill(narrow_template(template), operands), stmt, helpers)
        return fill(template, operands)

    def _operands(self, stage: Stage, narrow: bool = False) -> dict[str, Text]:
        """The texts of a stage's operands by their names in templates; Python numbers made as `narrow` as the others if need be."""
        names = find(stage.op).names(len(stage.args))
        texts = (narrow_operand(self.text(arg), arg) if narrow else self.text(arg) for arg in stage.args)
        return dict(zip(names, texts, strict=True))

    def _choice(self, stmt: If) -> Text:
        test, yes, no = self.text(stmt.test), self.text(stmt.then.results[0]), self.text(stmt.orelse.results[0])
        match is_condition(stmt):
            case "and":
                return Text(f"{test.within(AND)} and {yes.within(AND + 1)}", AND)
            case "or":
                return Text(f"{test.within(OR)} or {no.within(OR + 1)}", OR)
            case _:
                return Text(f"{yes.within(OR)} if {test.within(OR)} else {no.within(TERNARY)}", TERNARY)

    def _range(self, start: Atom, stop: Atom, step: Atom) -> str:
        """``range(stop)``, ``range(start, stop)`` or ``range(start, stop, step)``: the shortest that says it."""
        bounds = [self.text(start).text, self.text(stop).text, self.text(step).text]
        if literal_is(step, 1):
            bounds.pop()
            if literal_is(start, 0):
                bounds.pop(0)
        return f"range({', '.join(bounds)})"

    def _opposite(self, test: Atom) -> str:
        """The text of ``not test``, without a double negation."""
        made = self.plan.inlined.get(test) if isinstance(test, Var) else None
        if isinstance(made, Stage) and made.op == "not":
            return self.text(made.args[0]).text
        if isinstance(made, Stage) and made.op in ("eq", "ne"):  # unlike the opposite of <, true where either is nan
            return self.expression(replace(made, op="ne" if made.op == "eq" else "eq")).text
        if isinstance(test, Lit):
            return str(not test.value)
        return f"not {self.text(test).within(COMPARE)}"

    # ------------------------------------------------------------------------------------------ lines

    def line(self, text: str, span: Span | None = None) -> None:
        self.lines.append(Line(self.depth, text, span))

    def indented(self, block: Block, end: _End) -> list[Line]:
        """The lines of a block one level deeper, taken out of the text; none where it has nothing but comments."""
        kept, note = self.lines, self.note
        self.lines, self.depth = [], self.depth + 1
        self.block(block, end)
        found, self.lines = self.lines, kept
        self.depth, self.note = self.depth - 1, note
        return found if any(_is_code(line) for line in found) else []

    def _under(self, note: str) -> None:
        """Prints a note above the statements that share it."""
        if note and not note.startswith(">") and note != self.note:
            self.line(f"# {note}")
        if not note.startswith(">"):
            self.note = note

    # ------------------------------------------------------------------------------------------ statements

    def block(self, block: Block, end: _End) -> None:
        last = block.stmts[-1] if block.stmts else None
        if isinstance(last, If) and self._jumps(last, block, end):
            for stmt in block.stmts[:-1]:
                self.stmt(stmt)
            self._jumping_if(last, block, end)
            return
        for stmt in block.stmts:
            if isinstance(stmt, Remark) and stmt is last:
                break  # the title of nothing
            self.stmt(stmt)
            if isinstance(stmt, Raise) and literal_is(stmt.test, True):
                return
        self.finish(block.results, end)

    def stmt(self, stmt: Stmt) -> None:
        if self.plan.is_inlined(stmt):
            return
        match stmt:
            case Stage():
                self._under(stmt.note)
                self._stage(stmt)
            case If():
                self._if(stmt)
            case For() | While():
                self._loop(stmt)
            case Call():
                self._under(stmt.note)
                self._call(stmt)
            case Raise():
                self._raise(stmt)
            case Remark():
                if len(self.lines) > (self.depth == 1):
                    self.line("")
                if self.depth == 1:
                    self.titles.append((stmt.text, len(self.lines)))
                self.line(f"# {stmt.text}")
                self.note = ""
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def _stage(self, stage: Stage) -> None:
        trailing = f"  # {stage.note.removeprefix('> ')}" if stage.note.startswith(">") else ""
        out = self._target(stage.out)
        if stage.op in ("store", "accumulate", "grow"):
            self._write_array(stage, out)
            return
        first = stage.args[0] if stage.args else None
        held = isinstance(first, Var) and first not in self.plan.inlined and self.storage[first] == out
        if held and stage.op in _AUGMENTED and SHARED not in stage.attrs and (not stage.out.type.rank or IN_PLACE in stage.attrs):
            narrow = self.target == "numba" and must_stay_narrow(stage, find(stage.op))
            change = self._operands(stage, narrow)["y"].text
            self.line(f"{out} {_AUGMENTED[stage.op]} {change}{trailing}", stage.span)
            return
        text = self.expression(stage).text
        if text != out:
            self.line(f"{out} = {text}{trailing}", stage.span)

    def _target(self, out: Var) -> str:
        """The variable that a result is assigned to; ``_`` where it has no name because nobody reads it."""
        return self.storage[out] if out.name else self.unread

    def _write_array(self, stage: Stage, out: str) -> None:
        array, index = self.text(stage.args[0]).text, self.text(stage.args[1])
        if array != out:
            self.line(f"{out} = {array}", stage.span)
        match stage.op:
            case "store" | "accumulate":
                self.line(self._written(stage, out), stage.span)
            case _:
                self.helpers["grown"] = None
                self.line(f"if {index.within(COMPARE + 1)} == len({out}):", stage.span)
                self.lines.append(Line(self.depth + 1, f"{out} = grown({out})", stage.span))

    def _written(self, stage: Stage, array: str) -> str:
        """How a stage writes to a place in an array: ``a[i, 1:] = x``, ``np.add.at(a, i, x)``."""
        op = find(stage.op)
        template = op.template(self.target, dict(stage.attrs), [arg.type for arg in stage.args])
        operands = {**self._operands(stage), "a": Text(array)}
        assignment = re.fullmatch(r"(.*) (\+?=) (.*)", template)
        if assignment:
            left, sign, right = assignment.groups()
            return f"{fill(left, operands).text} {sign} {fill(right, operands).text}"
        self.helpers.update(dict.fromkeys(_called(op.helpers, template)))
        return fill(template, operands).text

    def _call(self, stmt: Call) -> None:
        self.calls[stmt.fn] = None
        args = ", ".join(self.text(a).text for a in stmt.args)
        shape = self.shapes.get(stmt.fn, tuple(range(len(stmt.outs))))
        outs = self._unpacked(shape, list(map(self._target, stmt.outs)))
        self.line(f"{outs} = {stmt.fn}({args})" if stmt.outs else f"{stmt.fn}({args})", stmt.span)
        shown = set(leaves(shape))
        for result, argument in stmt.onto:
            # What is not among the function's answers lies where it has written it.
            out, array = self._target(stmt.outs[result]), self.text(stmt.args[argument]).text
            if result not in shown and stmt.outs[result].name and out != array:
                self.line(f"{out} = {array}", stmt.span)

    def _unpacked(self, shape: Shape, outs: list[str], inner: bool = False) -> str:
        """The left-hand side that takes an answer of this shape apart; a result that comes twice is taken once."""
        if isinstance(shape, int):
            out, outs[shape] = outs[shape], self.unread
            return out
        text = ", ".join(self._unpacked(part, outs, inner=True) for part in shape) + ("," if len(shape) == 1 else "")
        return f"({text})" if inner else text

    def _raise(self, stmt: Raise) -> None:
        message = "" if stmt.message is None else self._message(stmt.message, stmt.formats)
        if stmt.is_assert:
            self.line(f"assert {self._opposite(stmt.test)}" + (f", {message}" if message else ""), stmt.span)
            return
        raising = f"raise {stmt.error}" + (f"({message})" if message else "")
        if literal_is(stmt.test, True):
            self.line(raising, stmt.span)
        elif not literal_is(stmt.test, False):
            self.line(f"if {self.text(stmt.test).text}:", stmt.span)
            self.lines.append(Line(self.depth + 1, raising, stmt.span))

    def _message(self, parts: Sequence[str | Atom], formats: Sequence[str]) -> str:
        if all(isinstance(part, str) for part in parts):
            return repr("".join(part for part in parts if isinstance(part, str)))
        if self.target == "numba":
            # Compiled code cannot format numbers; the caller asks the python target for the full message.
            return repr("".join(part if isinstance(part, str) else "..." for part in parts))
        forms = iter(formats)
        written = [p.replace("{", "{{").replace("}", "}}") if isinstance(p, str) else self._shown(p, next(forms, "")) for p in parts]
        return "f" + repr("".join(written))

    def _shown(self, value: Atom, form: str) -> str:
        return "{" + self.text(value).text + (f":{form}" if form else "") + "}"

    # ------------------------------------------------------------------------------------------ branches

    def _if(self, stmt: If) -> None:
        if self.plan.is_expression(stmt):
            self.note = ""
            out, text = self.storage[stmt.outs[0]], self._choice(stmt).text
            if text != out:
                self.line(f"{out} = {text}", stmt.span)
            return
        end = _End(stmt.outs)
        self._print_if(stmt, self.indented(stmt.then, end), self.indented(stmt.orelse, end))

    def _print_if(self, stmt: If, then: list[Line], orelse: list[Line]) -> None:
        if then:
            self.line(f"if {self.text(stmt.test).text}:", stmt.span)
            self.lines += then
            if orelse:
                self._print_else(orelse)
        elif orelse:
            self.line(f"if {self._opposite(stmt.test)}:", stmt.span)
            self.lines += orelse
        elif stmt.test in self.plan.inlined:  # nothing depends on it, but it may raise
            self.line(f"{self.unread} = {self.text(stmt.test).text}", stmt.span)
        self.note = ""

    def _print_else(self, orelse: list[Line]) -> None:
        """``else:``, or ``elif`` where the arm is one ``if`` and nothing else."""
        inner = self.depth + 1
        heads = [line.text for line in orelse if line.depth == inner]
        if heads[0].startswith("if ") and all(text.startswith(("elif ", "else:")) for text in heads[1:]):
            first = orelse[0]
            self.line("el" + first.text, first.span)
            self.lines += [Line(line.depth - 1, line.text, line.span) for line in orelse[1:]]
        else:
            self.line("else:")
            self.lines += orelse

    def _jumps(self, branch: If, block: Block, end: _End) -> bool:
        """Is this last `If` the place where the block may leave, so that each arm ends for itself?"""
        if not end.may_jump or self.plan.is_inlined(branch) or self.plan.is_expression(branch):
            return False
        uses_here = [sum(r == out for r in block.results) for out in branch.outs]
        if any(self.plan.counts[out] != n for out, n in zip(branch.outs, uses_here, strict=True)):
            return False
        if not branch.outs:
            return False
        if end.returns is not None:
            # Only where the whole answer comes from the branch: else one return at the end reads better.
            return all(r in branch.outs for r in block.results if isinstance(r, Var))
        return block.results[end.until or 0] in branch.outs

    def _jumping_if(self, branch: If, block: Block, end: _End) -> None:
        arms = []
        for arm in (branch.then, branch.orelse):
            final = dict(zip(branch.outs, arm.results, strict=True))
            results = tuple(final.get(r, r) if isinstance(r, Var) else r for r in block.results)
            arms.append((Block(arm.stmts, results), self.indented(Block(arm.stmts, results), end)))
        (then_block, then), (else_block, orelse) = arms
        if self._leaves(else_block, end) and not self._leaves(then_block, end):
            self.line(f"if {self._opposite(branch.test)}:", branch.span)
            self.lines += orelse
            self._dedent(then)
        elif self._leaves(then_block, end):
            self.line(f"if {self.text(branch.test).text}:", branch.span)
            self.lines += then
            self._dedent(orelse)
        else:
            self._print_if(branch, then, orelse)
        self.note = ""

    def _dedent(self, lines: list[Line]) -> None:
        self.lines += [Line(line.depth - 1, line.text, line.span) for line in lines]

    def _leaves(self, block: Block, end: _End) -> bool:
        """Does control never reach the end of this block?"""
        if end.returns is not None or (end.until is not None and literal_is(block.results[end.until], True)):
            return True
        return any(isinstance(stmt, Raise) and literal_is(stmt.test, True) for stmt in block.stmts)

    # ------------------------------------------------------------------------------------------ loops

    def _loop(self, loop: For | While) -> None:
        self.note = ""
        read = [self._carried(c.var) or self._carried(c.out) for c in loop.carries]
        targets = tuple(c.var if kept else None for c, kept in zip(loop.carries, read, strict=True))
        self._move([c.init for c in loop.carries], targets)
        until = next((k for k, c in enumerate(loop.carries) if c.var == loop.until), None)
        body = self._loop_body(loop, _End(targets, until, steady=_steady(loop, until)))
        if isinstance(loop, For):
            header = f"for {self.storage[loop.index]} in {'p' * loop.parallel}{self._range(loop.start, loop.stop, loop.step)}:"
        else:
            header, before = self._while_header(loop)
            body = before + body
        self.line(header, loop.span)
        self.lines += body or [Line(self.depth + 1, "pass")]
        self.note = ""

    def _carried(self, var: Var) -> bool:
        return self.plan.counts[var] > 0

    def _loop_body(self, loop: For | While, end: _End) -> list[Line]:
        return self.indented(loop.body, end)

    def _while_header(self, loop: While) -> tuple[str, list[Line]]:
        """``while test:``, or ``while True:`` with the test's own statements first."""
        before = self.indented(Block(loop.test.stmts, ()), _End())
        if not before:
            return f"while {self.text(loop.test.results[0]).text}:", []
        leave = [Line(self.depth + 1, f"if {self._opposite(loop.test.results[0])}:", loop.span), Line(self.depth + 2, "break", loop.span)]
        return "while True:", before + leave

    # ------------------------------------------------------------------------------------------ ends of blocks

    def finish(self, results: Sequence[Atom], end: _End) -> None:
        if end.returns is not None:
            self.line(f"return {self._shaped(end.returns, results)}", self.function.span)
            return
        if end.until is None:
            self._move(results, end.targets)
            return
        ends = results[end.until]
        held = end.steady if literal_is(ends, False) else (None,) * len(results)
        targets = [None if r == h else t for t, r, h in zip(end.targets, results, held, strict=True)]
        if self._spoils(results, targets, ends):
            # ``if abs(x2 - x) < tol`` reads what the trip began with: it comes before ``x = x2``, which either way needs.
            self.line(f"if {self.text(ends).text}:")
            self.depth += 1
            self._move(results, targets)
            self.line("break")
            self.depth -= 1
            self._move(results, targets)
            return
        self._move(results, targets)
        if literal_is(ends, True):
            self.line("break")
        elif not literal_is(ends, False):
            self.line(f"if {self.text(ends).text}:")
            self.lines.append(Line(self.depth + 1, "break"))

    def _shaped(self, shape: Shape, results: Sequence[Atom], inner: bool = False) -> str:
        if isinstance(shape, int):
            return self.text(results[shape]).text
        text = ", ".join(self._shaped(part, results, inner=True) for part in shape)
        if len(shape) == 1:
            text += ","
        return f"({text})" if inner or not shape else text

    def _move(self, results: Sequence[Atom], targets: Sequence[Var | None]) -> None:
        """Assigns results to variables, all at once where one assignment would spoil another."""
        moves: list[tuple[str, Text, set[str]]] = []
        for result, target in zip(results, targets, strict=False):
            if target is None:
                continue
            out = self.storage[target]
            undefined = isinstance(result, Lit) and result.value is None
            if undefined and out not in self.handed_on:
                continue
            text = self._anything(result.type) if undefined else self.text(result)
            if text.text != out:
                moves.append((out, text, {self.storage[leaf] for leaf in self.plan.leaves(result)}))
        if moves:
            self.note = ""
        while moves:
            free = next((m for m in moves if not any(m[0] in read for other, _, read in moves if other != m[0])), None)
            if free is None:
                outs, texts = ", ".join(m[0] for m in moves), ", ".join(m[1].within(TERNARY) for m in moves)
                self.line(f"{outs} = {texts}")
                return
            self.line(f"{free[0]} = {free[1].text}")
            moves.remove(free)

    def _spoils(self, results: Sequence[Atom], targets: Sequence[Var | None], ends: Atom) -> bool:
        """Does moving the results change a variable that the text of `ends` reads?"""
        read = {self.storage[leaf] for leaf in self.plan.leaves(ends)}
        moved = [(self.storage[t], r) for t, r in zip(targets, results, strict=True) if t is not None and self.storage[t] in read]
        return any(isinstance(result, Lit) or self.text(result).text != out for out, result in moved)

    def _anything(self, type: Type) -> Text:
        """What stands for an undefined value where the text must have one."""
        if type.rank:
            sizes = {f"n{k}": Text("0") for k in range(type.rank)}
            attrs: dict[str, Attr] = {"bits": 32} if type.bits == 32 else {}
            return fill(find(f"tape_{type.kind}").template(self.target, attrs, [INT] * type.rank), sizes)
        return constant(_ANYTHING[type.kind])


def _steady(loop: For | While, until: int | None) -> tuple[Atom | None, ...]:
    """For each carry the constant that it holds from its start until the trip that leaves the loop, or None.

    ``found = False`` before a loop needs no ``found = False`` at the end of each trip of it.
    """
    inits = [c.init if isinstance(c.init, Lit) and c.init.value is not None else None for c in loop.carries]
    if until is None:
        return tuple(None for _ in inits)
    staying = [results for results in _trip_ends(loop.body) if not literal_is(results[until], True)]
    return tuple(
        init if init is not None and all(results[k] in (init, carry.var) for results in staying) else None
        for k, (init, carry) in enumerate(zip(inits, loop.carries, strict=True))
    )


def _trip_ends(block: Block) -> list[tuple[Atom, ...]]:
    """The results of a block on every way through its last branches."""
    last = block.stmts[-1] if block.stmts else None
    if not isinstance(last, If) or not any(r in last.outs for r in block.results):
        return [block.results]
    ends = []
    for arm in (last.then, last.orelse):
        final = dict(zip(last.outs, arm.results, strict=True))
        ends += _trip_ends(Block(arm.stmts, tuple(final.get(r, r) if isinstance(r, Var) else r for r in block.results)))
    return ends


_ANYTHING = {"float": literal(0.0), "int": literal(0), "bool": literal(False)}
_AUGMENTED = {"add": "+=", "sub": "-=", "mul": "*=", "div": "/="}


def _called(words: Sequence[str], template: str) -> list[str]:
    """The helpers among these words that a template calls: ``np.sign({x})`` does not call ``sign``."""
    return [word for word in words if re.search(rf"(?<![.\w]){word}\(", template)]


def _is_code(line: Line) -> bool:
    return bool(line.text) and not line.text.startswith("#")
