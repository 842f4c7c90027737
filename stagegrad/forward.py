"""IR -> IR that also returns the derivative along a direction.

`forward` gives every value that depends on the chosen parameters a twin that ends with ``dot``, computed right behind it from the
same rules as `reverse` uses: the sum, over a stage's operands, of slope times the operand's direction.

    z.0 = mul(x.0, y.0); return z.0   ->   z.0 = mul(x.0, y.0); zdot.0 = y.0 * xdot.0 + x.0 * ydot.0; return z.0, zdot.0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.analysis import varied
from stagegrad.errors import ArgumentError
from stagegrad.ir import Atom, Block, Call, Carry, For, Fresh, Function, If, Lit, Module, Raise, Remark, Shape, Stage, Stmt, Var, While
from stagegrad.names import Words, reserved
from stagegrad.ops import Builder, find, literal, partials_of

_ZERO = literal(0.0)


def forward(module: Module, wrt: Sequence[int]) -> Module:
    """The main function's results, then their derivatives along a direction.

    Each chosen parameter's direction is a further parameter (``xdot``), in the order of `wrt`; the result's shape is
    ``(results, directions)``. Results that are not floats have the direction 0.0.
    """
    if any(param.type.rank for param in module.main.params):
        raise ArgumentError(f"{module.main.name}() takes an array; directions are known of functions of numbers only", module.main.span)
    family = _Family(module)
    main = family.with_directions(module.main, tuple(wrt), family.words.fresh(f"{module.main.name}_forward"))
    return Module((main, *family.asked_for(), *module.functions[1:], module.main))


class _Family:
    """The functions of a module and the versions of them with directions that calls ask for."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.words = Words(function.name for function in module.functions)
        self.asked: dict[str, str] = {}

    def name_of(self, callee: str) -> str:
        if callee not in self.asked:
            self.asked[callee] = self.words.fresh(f"{callee}_forward")
        return self.asked[callee]

    def asked_for(self) -> list[Function]:
        made: dict[str, Function] = {}
        while pending := [name for name in self.asked if name not in made]:
            for name in pending:
                function = self.module[name]
                floats = tuple(k for k, p in enumerate(function.params) if p.type.kind == "float")
                made[name] = self.with_directions(function, floats, self.name_of(name))
        return list(made.values())

    def with_directions(self, function: Function, wrt: tuple[int, ...], name: str) -> Function:
        push = _Push(self, function, [function.params[k] for k in wrt])
        extra = tuple(push.twin(function.params[k]) for k in wrt)
        body = push.block(function.body, function.body.results)
        count = len(function.body.results)
        dots: Shape = count if function.shape == 0 else tuple(range(count, 2 * count))
        return replace(function, name=name, params=(*function.params, *extra), body=body, shape=(function.shape, dots), given=())


class _Push:
    """The forward sweep of one function: `dots` holds the direction of each value that has one."""

    def __init__(self, family: _Family, function: Function, wrt: Sequence[Var]) -> None:
        self.family = family
        self.fresh = Fresh(function)
        self.words = Words(reserved(function))
        self.given: dict[str, str] = {}
        self.varied = varied(function.body, set(wrt))
        self.dots: dict[Var, Atom] = {}

    def twin(self, var: Var) -> Var:
        """A fresh value for the direction of `var`: x -> xdot."""
        dot = self.fresh.var(self.word(var), var.type)
        self.dots[var] = dot
        return dot

    def word(self, var: Var) -> str:
        """The word for directions of values of this name; a value without a name has a direction without one."""
        if var.name and var.name not in self.given:
            self.given[var.name] = self.words.fresh(f"{var.name}dot", "_")
        return self.given[var.name] if var.name else ""

    def dot(self, atom: Atom) -> Atom:
        """The direction of an atom; 0.0 where it does not depend on the parameters."""
        return self.dots.get(atom, _ZERO) if isinstance(atom, Var) else _ZERO

    def block(self, block: Block, of: Sequence[Atom]) -> Block:
        """The block with its directions; it yields the directions of `of` behind its results."""
        stmts = [new for stmt in block.stmts for new in self.stmt(stmt)]
        builder = Builder(self.fresh)
        dots = [self.direction(atom, builder) for atom in of]
        return Block((*stmts, *builder.stmts), (*block.results, *dots))

    def stmt(self, stmt: Stmt) -> list[Stmt]:
        match stmt:
            case Stage():
                return [stmt, *self.stage(stmt)] if stmt.out in self.varied else [stmt]
            case If():
                return [self.branch(stmt)]
            case For() | While():
                return self.loop(stmt)
            case Call():
                return [self.call(stmt)]
            case Raise() | Remark():
                return [stmt]
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def stage(self, stage: Stage) -> list[Stmt]:
        builder = Builder(self.fresh, "", stage.span)
        if stage.op in _ARRAYS:
            self.array(stage, builder)
            return builder.stmts
        if stage.op in ("copy", "duplicate"):
            self.finish(stage.out, self.dot(stage.args[0]), builder)
            return builder.stmts
        op = find(stage.op)
        total: Atom | None = None
        for arg, partial in zip(stage.args, partials_of(op, builder, stage.out, stage.args, stage.attrs), strict=True):
            if partial is None or self.dot(arg) == _ZERO:
                continue
            guarded = op.singular or op.pole
            factors = (self.dot(arg), partial.atom) if guarded else (partial.atom, self.dot(arg))
            product = builder.emit("scaled" if guarded else "mul", *factors)
            total = product if total is None else builder.emit("add", total, product)
        self.finish(stage.out, _ZERO if total is None else total, builder)
        return builder.stmts

    def finish(self, out: Var, value: Atom, builder: Builder) -> None:
        """Binds the direction of `out`: the last stage takes its name, or a copy does."""
        dot = self.twin(out)
        last = builder.stmts[-1] if builder.stmts else None
        if isinstance(last, Stage) and last.out == value:
            builder.stmts[-1] = replace(last, out=dot)
        else:
            builder.stmts.append(Stage(dot, "copy", (value,)))

    def array(self, stage: Stage, builder: Builder) -> None:
        """An array's direction is an array of the same room, read and written at the same places."""
        match stage.op, stage.args:
            case "load", (array, index):
                value = Stage(self.twin(stage.out), "load", (self.dot(array), index))
            case ("store" | "accumulate") as op, (array, index, new):
                value = Stage(self.twin(stage.out), op, (self.direction(array, builder), index, self.dot(new)))
            case _, (array, room):
                value = Stage(self.twin(stage.out), "grow", (self.direction(array, builder), room))
        builder.stmts.append(value)

    def direction(self, atom: Atom, builder: Builder) -> Atom:
        """The direction of an atom in a form that it may be stored as: zeros for an array that has none yet, undefined for what is."""
        if isinstance(atom, Lit):
            return Lit(None, atom.type) if atom.value is None and atom.type.kind == "float" else _ZERO
        if not atom.type.rank or atom in self.dots:
            return self.dot(atom)
        # Not kept in `dots`: each use is written to in place, and this one may be inside a branch.
        return builder.emit("zeros_like", atom, name=self.word(atom))

    def branch(self, stmt: If) -> If:
        kept = [k for k, out in enumerate(stmt.outs) if out in self.varied]
        then = self.block(stmt.then, [stmt.then.results[k] for k in kept])
        orelse = self.block(stmt.orelse, [stmt.orelse.results[k] for k in kept])
        dots = tuple(self.twin(stmt.outs[k]) for k in kept)
        return replace(stmt, then=then, orelse=orelse, outs=(*stmt.outs, *dots))

    def loop(self, loop: For | While) -> list[Stmt]:
        before = Builder(self.fresh)
        kept = [k for k, c in enumerate(loop.carries) if c.var in self.varied]
        inits = [self.direction(loop.carries[k].init, before) for k in kept]
        vars = [self.twin(loop.carries[k].var) for k in kept]
        body = self.block(loop.body, [loop.body.results[k] for k in kept])
        extra = [Carry(var, init, self.twin(loop.carries[k].out)) for k, var, init in zip(kept, vars, inits, strict=True)]
        return [*before.stmts, replace(loop, body=body, carries=(*loop.carries, *extra))]

    def call(self, stmt: Call) -> Call:
        if not any(out in self.varied for out in stmt.outs):
            return stmt
        callee = self.family.module[stmt.fn]
        dots = tuple(self.dot(a) for p, a in zip(callee.params, stmt.args, strict=True) if p.type.kind == "float")
        outs = tuple(self.twin(out) if out.type.kind == "float" else self.fresh.var() for out in stmt.outs)
        name = self.family.name_of(stmt.fn)
        return replace(stmt, fn=name, args=(*stmt.args, *dots), outs=(*stmt.outs, *outs), onto=())


_ARRAYS = {"load", "store", "accumulate", "grow"}
