"""The order in which what became of a block is written: the forward pass before the backward pass, sizes and room where they are needed.

A loop that does both is titled inside, where its body goes from the one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stagegrad.ir import Block, For, Remark, Stmt, Var, binds, blocks, free, inner_binds, uses, variables, with_blocks

TITLES = ("forward pass", "backward pass")


class Order:
    """Sorts statements; `sides` says of values whether the forward (0) or the backward pass (1) computes them."""

    def __init__(self, sides: Mapping[Var, int], guards: Mapping[int, Sequence[Stmt]]) -> None:
        self.sides, self.guards = sides, guards

    def arranged(self, stmts: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """The statements in their new order, with titles if there are two passes."""
        return self.titled(self.sorted(stmts))

    def sorted(self, stmts: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """The statements in their new order."""
        makers = {var: stmt for stmt in stmts for var in binds(stmt)}
        guarding = {id(guard) for found in self.guards.values() for guard in found}
        done: set[int] = set()
        found: list[Stmt] = []

        def place(stmt: Stmt) -> None:
            if id(stmt) in done:
                return
            done.add(id(stmt))
            for guard in self.guards.get(id(stmt), ()):
                place(guard)
            for var in sorted(reads(stmt), key=lambda v: (v.name, v.version)):
                if var in makers:
                    place(makers[var])
            found.append(stmt)

        known = [(self.side(stmt), k, stmt) for k, stmt in enumerate(stmts) if id(stmt) not in guarding]
        for _, _, stmt in sorted(((side, k, stmt) for side, k, stmt in known if side is not None), key=lambda entry: entry[:2]):
            place(stmt)
        for stmt in stmts:
            place(stmt)
        return tuple(found)

    def side(self, stmt: Stmt) -> float | None:
        """0.0, 1.0, or 0.5 for a loop that does both; None for what neither pass is about."""
        found = {self.sides[var] for var in self.bound(stmt) if var in self.sides}
        if not found:
            return None if binds(stmt) else 0.0
        return sum(found) / len(found)

    def bound(self, stmt: Stmt) -> set[Var]:
        return set(binds(stmt)).union(*(self.bound(inner) for block in blocks(stmt) for inner in block.stmts))

    def titled(self, stmts: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """With the titles of the passes; inside a loop that does both, if there is one."""
        sides = [self.side(stmt) for stmt in stmts]
        known = [side for side in sides if side is not None]
        if not known or set(known) <= {0.0}:
            return tuple(stmts)
        if 0.5 in known:
            return tuple(self.inside(stmt) if side == 0.5 else stmt for stmt, side in zip(stmts, sides, strict=True))
        first = next(k for k, side in enumerate(sides) if side == 1.0)
        while first and sides[first - 1] is None:
            first -= 1
        head = [Remark(TITLES[0]), *stmts[:first]] if first else []
        return (*head, Remark(TITLES[1]), *stmts[first:])

    def inside(self, stmt: Stmt) -> Stmt:
        def titled(block: Block) -> Block:
            return Block(self.titled(block.stmts), block.results)

        return with_blocks(stmt, titled) if isinstance(stmt, For) else stmt


def reads(stmt: Stmt) -> set[Var]:
    """Every value that a statement reads, those of its blocks included."""
    return set(variables(uses(stmt))).union(*(free(block) for block in blocks(stmt))) - set(inner_binds(stmt))
