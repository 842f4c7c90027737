"""Random programs in which names share arrays: views, swaps, branches, loops, helpers that write to their arguments."""

from __future__ import annotations

import random

_HEAD = """import numpy as np

def touch(x, y):
    x[0] = y[1] + 1.0
    y[2] *= 0.5

def mix(x, y):
    for k in range(2):
        x[k] = y[k + 1]
    return x

def pick(x, y):
    return x if x[0] > y[0] else y

def first(x, y):
    z = x[:]
    z[1] = y[0]
    return z

def early(x, y):
    if x[0] > 1.0:
        return x
    x[1] = y[0]
    return y

"""


class _Program:
    """One program, line by line; `names` are the arrays that exist, with their ranks: vectors of 4, matrices of 3 x 4."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = {"a": 1, "b": 1, "M": 2}
        self.lines: list[str] = []

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def vector(self) -> str:
        return self.pick(*(name for name, rank in self.names.items() if rank == 1))

    def matrix(self) -> str:
        return self.pick(*(name for name, rank in self.names.items() if rank == 2))

    def index(self) -> str:
        return self.pick("0", "1", "-1", "i", "2")

    def new_vector(self) -> str:
        x, y, m, i = self.vector(), self.vector(), self.matrix(), self.random.randrange(3)
        return self.pick(f"{x} * 0.5 + {y}", x, f"{x}.copy()", f"{m}[{i}]", f"{x}[::-1]", "np.zeros(4)", f"{x} - {y}[0]",
                         f"{x} if {y}[0] > 0.3 else {y}", f"(lambda q: q)({x})", f"({x}, {y})[{i % 2}]")  # fmt: skip

    def new_matrix(self) -> str:
        m, n = self.matrix(), self.matrix()
        return self.pick(m, f"{m}.copy()", f"{m} * 0.5", f"{m}[::-1]", f"{n} + {self.vector()}")

    def simple(self, depth: int) -> list[str]:
        """One statement that is no block, or two."""
        x, y, m, i, j = self.vector(), self.vector(), self.matrix(), self.index(), self.index()
        name, table = self.pick(*"abcd"), self.pick(*"MN")
        kind = self.random.randrange(18)
        text = [
            f"{name} = {self.new_vector()}", f"{table} = {self.new_matrix()}", f"{x}[{i}] = {y}[{j}] + 0.25", f"{x}[{i}] = {y}[{j}] + 0.25",
            f"{x}[{i}] {self.pick('+=', '*=', '-=')} {y}[{j}]", f"{m}[{i}, {j}] = {x}[{i}]", f"{m}[{i}] {self.pick('=', '+=', '*=')} {x}",
            f"{x} {self.pick('+=', '*=')} {self.pick(y, '0.5', y + '[::-1]')}", f"{x}, {y} = {y}, {x}",
            f"{x}[{i}], {y}[{j}] = {y}[{j}], {x}[{i}]", f"{x}[1:] = {self.pick(x, y)}[:-1]",
            f"w = {x}[{self.pick('1:3', ':2', '::2')}]\nw[{self.pick('0', '1')}] = s + 1.0", f"s += {x}[{i}]",
            f"{self.pick('touch', 'mix', 'early')}({x}, {y})", f"{name} = {self.pick('pick', 'first', 'mix', 'early')}({x}, {y})",
            f"{m}[{i}], {m}[{j}] = {m}[{j}], {m}[{i}]", f"{m}[:, {i}] = {x}[:3]", f"for row in {m}:\n    row[{i}] = {x}[0]",
        ][kind]  # fmt: skip
        if kind in (0, 14):
            self.names.setdefault(name, 1)
        if kind == 1:
            self.names.setdefault(table, 2)
        return ["    " * depth + line for line in text.split("\n")]

    def block(self, depth: int, count: int) -> None:
        for _ in range(count):
            chance, deep = self.random.random(), depth >= 3
            if not deep and chance < 0.18:
                self.inside(depth, f"for i in range({self.random.randrange(4)}):")
            elif not deep and chance < 0.3:
                self.inside(depth, f"if {self.vector()}[{self.index()}] > {self.pick('0.0', '0.5', 's')}:")
                if self.random.random() < 0.5:
                    self.inside(depth, "else:")
            elif depth > 1 and chance < 0.36:
                self.lines.append("    " * depth + f"if s > 3.0: {self.pick('s -= 1.0', 's = 0.5')}")
            else:
                self.lines += self.simple(depth)

    def inside(self, depth: int, header: str) -> None:
        """A block whose new names are not used behind it."""
        known = dict(self.names)
        self.lines.append("    " * depth + header)
        self.block(depth + 1, self.random.randrange(1, 4))
        self.names = known


def program(seed: int) -> str:
    """The text of the function `f(a, b, M)`, which returns every array that it has at its end."""
    made = _Program(seed)
    if made.random.random() < 0.7:
        made.lines += ["    a = a.copy()", "    M = M.copy()"]
    made.block(1, made.random.randrange(4, 10))
    body = "\n".join(["    s = 0.5", "    i = 1", *made.lines])
    return f"{_HEAD}def f(a, b, M):\n{body}\n    return {', '.join(['s', *made.names])}\n"
