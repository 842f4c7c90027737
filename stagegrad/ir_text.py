"""The IR as text: `show` prints a module, `parse` reads it back, so that any pass can be tested on text.

    function f(x.0: float, n.0: int) -> 0:
      for i.0 in range(0, n.0, 1) carry (s.1: float = 0.0 -> s.2):
        s.3: float = add(s.1, x.0)
        yield s.3
      return s.2

Spans and docstrings are not printed; everything else survives the round trip.
"""

from __future__ import annotations

import ast
import re

from stagegrad.ir import (
    Atom,
    Attr,
    Block,
    Call,
    Carry,
    For,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Remark,
    Shape,
    Stage,
    Stmt,
    Type,
    Var,
    While,
)  # fmt: skip


def show(module: Module | Function) -> str:
    """The module's text form."""
    functions = module.functions if isinstance(module, Module) else (module,)
    return "\n".join("\n".join(_function(function)) for function in functions) + "\n"


def _function(function: Function) -> list[str]:
    given = f" given ({', '.join(map(str, function.given))})" if function.given else ""
    head = f"function {function.name}({_typed(function.params)}) -> {function.shape} from {function.origin}{given}:"
    return [head, *_block(function.body, "return")]


def _typed(vars: tuple[Var, ...]) -> str:
    return ", ".join(f"{var}: {var.type}" for var in vars)


def _atoms(atoms: tuple[Atom, ...]) -> str:
    return ", ".join(map(str, atoms))


def _block(block: Block, end: str = "yield") -> list[str]:
    lines = [line for stmt in block.stmts for line in _stmt(stmt)]
    return ["  " + line for line in (*lines, f"{end} {_atoms(block.results)}".rstrip())]


def _note(note: str) -> str:
    return f" ; {note!r}" if note else ""


def _carries(stmt: For | While) -> str:
    inside = ", ".join(f"{c.var}: {c.var.type} = {c.init} -> {c.out}" for c in stmt.carries)
    return f"carry ({inside})" + (f" until {stmt.until}" if stmt.until else "")


def _stmt(stmt: Stmt) -> list[str]:
    match stmt:
        case Stage(out, op, args, attrs, note):
            extra = " {" + ", ".join(f"{k}={v!r}" for k, v in attrs) + "}" if attrs else ""
            return [f"{out}: {out.type} = {op}({_atoms(args)}){extra}{_note(note)}"]
        case For():
            bounds = _atoms((stmt.start, stmt.stop, stmt.step))
            range_ = "prange" if stmt.parallel else "range"
            return [f"for {stmt.index} in {range_}({bounds}) {_carries(stmt)}:", *_block(stmt.body)]
        case While():
            return [f"while {_carries(stmt)}:", *_block(stmt.test), "do:", *_block(stmt.body)]
        case If():
            head = f"if {stmt.test} -> ({_typed(stmt.outs)}):{_note(stmt.note)}"
            return [head, *_block(stmt.then), "else:", *_block(stmt.orelse)]
        case Call():
            onto = f" onto ({', '.join(f'{r}={a}' for r, a in stmt.onto)})" if stmt.onto else ""
            return [f"({_typed(stmt.outs)}) = call {stmt.fn}({_atoms(stmt.args)}){onto}{_note(stmt.note)}"]
        case Raise():
            word = "assert" if stmt.is_assert else "raise"
            parts = "" if stmt.message is None else f"({', '.join(_parts(stmt))})"
            return [f"{word} {stmt.error}{parts} if {stmt.test}"]
        case Remark():
            return [f"remark {stmt.text!r}"]
        case _:
            raise TypeError(f"not a statement: {stmt!r}")


def _parts(stmt: Raise) -> list[str]:
    formats = iter(stmt.formats)
    found = []
    for part in stmt.message or ():
        form = "" if isinstance(part, str) else next(formats, "")
        found.append(repr(part) if isinstance(part, str) else f"{part}:{form!r}" if form else str(part))
    return found


_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<undef>undef:[a-z]+\d*(?:\[\d+\])?)
    |(?P<var>[^\W\d]\w*\.\d+|%\d+)
    |(?P<number>-?(?:(?:inf|nan)(?!\w)|\d+(?:\.\d+)?(?:e[-+]?\d+)?))
    |(?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    |(?P<mark>->|[-(){}\[\]:,=;]))""",
    re.VERBOSE,
)


def parse(text: str) -> Module:
    """The module that `show` printed; raises ValueError with the line at text of another form."""
    reader = _Reader(text)
    functions = []
    while reader.line < len(reader.lines):
        functions.append(reader.function())
    return Module(tuple(functions))


def _type(text: str) -> Type:
    found = re.fullmatch(r"([a-z]+)(\d*)(?:\[(\d+)\])?", text)
    if found is None:
        raise ValueError(f"not a type: {text!r}")
    kind, bits, rank = found.groups()
    return Type(kind, int(rank or 0), int(bits or 64))


class _Reader:
    """Reads line by line; `types` remembers the type that each value was bound with."""

    def __init__(self, text: str) -> None:
        self.lines = [line for line in text.splitlines() if line.strip()]
        self.line = 0
        self.types: dict[str, Type] = {}
        self.tokens: list[tuple[str, str]] = []

    def fail(self, expected: str) -> ValueError:
        place = self.lines[self.line - 1] if self.line else ""
        return ValueError(f"IR text, line {self.line}: expected {expected} in {place!r}")

    def advance(self) -> int:
        """Tokenises the next line and returns its indentation."""
        raw = self.lines[self.line]
        self.line += 1
        self.tokens, position = [], 0
        body = raw.rstrip()
        while position < len(body):
            found = _TOKEN.match(body, position)
            if found is None:
                raise self.fail("a token")
            self.tokens.append((found.lastgroup or "", found.group(found.lastgroup or "")))
            position = found.end()
        return len(raw) - len(raw.lstrip())

    def indent(self) -> int:
        raw = self.lines[self.line] if self.line < len(self.lines) else ""
        return len(raw) - len(raw.lstrip())

    def take(self, *wanted: str) -> str:
        if not self.tokens or (wanted and self.tokens[0][1] not in wanted):
            raise self.fail(" or ".join(wanted) or "more")
        return self.tokens.pop(0)[1]

    def next_is(self, *wanted: str) -> bool:
        return bool(self.tokens) and self.tokens[0][1] in wanted

    def function(self) -> Function:
        self.advance()
        self.types = {}
        self.take("function")
        name = self.take()
        params = self.typed()
        self.take("->")
        shape = self.shape()
        self.take("from")
        origin = self.take()
        given = tuple(first for first, _ in self.positions("given"))
        return Function(name, params, self.block(), shape, "", origin, given=given)

    def positions(self, word: str) -> tuple[tuple[int, int], ...]:
        """``onto (0=3, 1=4)`` -> ((0, 3), (1, 4)), and ``given (3, 4)`` -> ((3, 3), (4, 4)); nothing where the word is not next."""
        found: list[tuple[int, int]] = []
        if self.next_is(word):
            self.take()
            self.take("(")
            while not self.next_is(")"):
                first = second = int(self.take())
                if self.next_is("="):
                    self.take()
                    second = int(self.take())
                found.append((first, second))
                if self.next_is(","):
                    self.take()
            self.take(")")
        return tuple(found)

    def shape(self) -> Shape:
        if not self.next_is("("):
            return int(self.take())
        self.take("(")
        parts: list[Shape] = []
        while not self.next_is(")"):
            parts.append(self.shape())
            if self.next_is(","):
                self.take(",")
        self.take(")")
        return tuple(parts)

    def typed(self) -> tuple[Var, ...]:
        self.take("(")
        found: list[Var] = []
        while not self.next_is(")"):
            name = self.take()
            self.take(":")
            found.append(self.bind(name, self.type()))
            if self.next_is(","):
                self.take(",")
        self.take(")")
        return tuple(found)

    def type(self) -> Type:
        text = self.take()
        if self.next_is("["):
            text += self.take("[") + self.take() + self.take("]")
        return _type(text)

    def bind(self, name: str, type: Type) -> Var:
        self.types[name] = type
        return self.var(name)

    def var(self, name: str) -> Var:
        base, _, version = name.rpartition(".") if "." in name else ("", "", name[1:])
        if name not in self.types:
            raise self.fail(f"{name} to be bound before it is read")
        return Var(base, self.types[name], int(version))

    def atom(self) -> Atom:
        kind, text = self.tokens.pop(0)
        if kind == "var":
            return self.var(text)
        if kind == "undef":
            return Lit(None, _type(text.removeprefix("undef:")))
        if text in ("True", "False"):
            return Lit(text == "True", Type("bool"))
        if re.fullmatch(r"-?\d+", text):
            return Lit(int(text), Type("int"))
        return Lit(float(text), Type("float"))

    def atoms(self, end: str = "") -> tuple[Atom, ...]:
        found: list[Atom] = []
        while self.tokens and not self.next_is(end):
            found.append(self.atom())
            if self.next_is(","):
                self.take(",")
        return tuple(found)

    def constant(self) -> Attr:
        """The value of an attribute: a text, a number, None or a tuple."""
        text = self.take()
        while text.count("(") > text.count(")") and text[0] == "(":
            text += self.take()
        found: Attr = ast.literal_eval(text)
        return found

    def note(self) -> str:
        if not self.next_is(";"):
            return ""
        self.take(";")
        return str(ast.literal_eval(self.take()))

    def block(self) -> Block:
        depth = self.indent()
        stmts: list[Stmt] = []
        while True:
            if self.advance() != depth:
                raise self.fail(f"indentation {depth}")
            if self.next_is("yield", "return"):
                self.take()
                return Block(tuple(stmts), self.atoms())
            stmts.append(self.stmt())

    def stmt(self) -> Stmt:
        if self.next_is("for"):
            return self.for_()
        if self.next_is("while"):
            self.take()
            carries, until = self.carries()
            test = self.block()
            self.advance()
            self.take("do")
            return While(carries, test, self.block(), until)
        if self.next_is("if"):
            return self.if_()
        if self.next_is("assert", "raise"):
            return self.raise_()
        if self.next_is("remark"):
            self.take()
            return Remark(str(ast.literal_eval(self.take())))
        if self.next_is("("):
            outs = self.typed()
            self.take("=")
            self.take("call")
            fn = self.take()
            self.take("(")
            args = self.atoms(")")
            self.take(")")
            onto = self.positions("onto")
            return Call(outs, fn, args, self.note(), onto=onto)
        return self.stage()

    def stage(self) -> Stage:
        name = self.take()
        self.take(":")
        type = self.type()
        self.take("=")
        op = self.take()
        self.take("(")
        args = self.atoms(")")
        self.take(")")
        attrs: list[tuple[str, Attr]] = []
        if self.next_is("{"):
            self.take("{")
            while not self.next_is("}"):
                key = self.take()
                self.take("=")
                attrs.append((key, self.constant()))
                if self.next_is(","):
                    self.take(",")
            self.take("}")
        note = self.note()
        return Stage(self.bind(name, type), op, args, tuple(attrs), note)

    def carries(self) -> tuple[tuple[Carry, ...], Var | None]:
        self.take("carry")
        self.take("(")
        found: list[Carry] = []
        while not self.next_is(")"):
            name = self.take()
            self.take(":")
            type = self.type()
            self.take("=")
            init = self.atom()
            self.take("->")
            found.append(Carry(self.bind(name, type), init, self.bind(self.take(), type)))
            if self.next_is(","):
                self.take(",")
        self.take(")")
        until = None
        if self.next_is("until"):
            self.take()
            until = self.var(self.take())
        return tuple(found), until

    def for_(self) -> For:
        self.take("for")
        index = self.bind(self.take(), Type("int"))
        self.take("in")
        parallel = self.next_is("prange")
        self.take("prange" if parallel else "range")
        self.take("(")
        start, stop, step = self.atoms(")")
        self.take(")")
        carries, until = self.carries()
        return For(index, start, stop, step, carries, self.block(), until, parallel=parallel)

    def if_(self) -> If:
        self.take("if")
        test = self.atom()
        self.take("->")
        outs = self.typed()
        self.take(":")
        note = self.note()
        then = self.block()
        self.advance()
        self.take("else")
        return If(test, then, self.block(), outs, note)

    def raise_(self) -> Raise:
        is_assert = self.take() == "assert"
        error = self.take()
        message: list[str | Atom] | None = None
        formats: list[str] = []
        if self.next_is("("):
            message = []
            self.take("(")
            while not self.next_is(")"):
                kind, text = self.tokens[0]
                if kind == "string":
                    self.tokens.pop(0)
                    message.append(str(ast.literal_eval(text)))
                else:
                    message.append(self.atom())
                    formats.append(self._format())
                if self.next_is(","):
                    self.take(",")
            self.take(")")
        self.take("if")
        plain = not any(formats)
        return Raise(self.atom(), error, None if message is None else tuple(message), is_assert, () if plain else tuple(formats))

    def _format(self) -> str:
        if not self.next_is(":"):
            return ""
        self.take(":")
        return str(ast.literal_eval(self.take()))
