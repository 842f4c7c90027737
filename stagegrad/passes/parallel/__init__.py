"""Loops of a function that run on several threads: IR -> IR for the target "numba".

    for i in range(n):              def f_part(part, parts, n, x, dx):      # compiled as on one thread
        loss += f(x[i])                 loss = 0.0
        dx[i] = ...          ->         for i in range(cut(n, part, parts), cut(n, part + 1, parts)):
                                            loss += f(x[i])
                                            dx[i] = ...
                                        return loss

                                    parts = max(1, min(256, n // 1000))
                                    if parts > 1:
                                        for part in prange(parts):          # a loop whose trips run at once
                                            loss_parts[part] = f_part(part, parts, n, x, dx)
                                        for part in range(parts):
                                            loss += loss_parts[part]
                                    else:
                                        loss += f_part(0, 1, n, x, dx)

Each part has sums of its own, which are added in the order of the parts: the result depends neither on the number of threads nor on
which of them was faster. A loop can be cut so where its trips do nothing together but add to numbers, and where each writes to elements
of arrays that no other trip touches, or adds to elements that nothing in the loop reads: then each part adds to an array of its own.
What is too little for two threads is left to one. `in_parallel` refuses a function that has loops none of which can be cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stagegrad.errors import Problem, UnsupportedError
from stagegrad.ir import For, Fresh, Function, Module, Stmt
from stagegrad.names import Words, count_reads, spelled_words, words_of
from stagegrad.passes.parallel.cut import Cut
from stagegrad.passes.parallel.independent import obstacle
from stagegrad.passes.parallel.steady import lifted, without_unread_constants

_ADVICE = "the same, compiled without parallel=True"


def in_parallel(module: Module) -> Module:
    """The module with the loops of its main function on several threads."""
    found = _Threads(module)
    stmts = tuple(found.statements())
    # Where an array has but one row, or one column, its loops may be others, and there is little to do.
    is_usual = not any("1" in marks for marks in module.main.axes)
    if found.problems and not found.parts and is_usual:
        raise UnsupportedError(found.problems)
    body = without_unread_constants(replace(module.main.body, stmts=stmts))
    return Module((replace(module.main, body=body), *found.parts, *module.functions[1:]))


class _Threads:
    """The statements of a function's body, with loops cut into parts, and the functions that run a part."""

    def __init__(self, module: Module) -> None:
        self.main, self.fresh = module.main, Fresh(module.main)
        self.words = Words(word for one in module.functions for word in {one.name, *words_of(one), *spelled_words(one)})
        self.reads = count_reads(module.main.body)
        self.problems: list[Problem] = []
        self.parts: list[Function] = []

    def statements(self) -> Iterator[Stmt]:
        for stmt in self.main.body.stmts:
            if not isinstance(stmt, For) or not stmt.carries:
                yield stmt
                continue
            before, loop = lifted(stmt, self.fresh)
            problem = obstacle(loop, self.reads)
            if problem is None:
                name = self.words.fresh(f"{self.main.name}_part")
                cut = Cut(loop, self.main, self.fresh, name, self.reads)
                yield from (*before, *cut.statements())
                self.parts.append(cut.function)
                continue
            self.problems.append(Problem(f"this loop cannot run in parallel: {problem}", stmt.span, _ADVICE))
            yield stmt


__all__ = ["in_parallel"]
