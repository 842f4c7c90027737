"""The table of contents: text -> IR -> adjoint IR -> text -> callable, a line for each arrow.

The functions below are the arrows; `Build` is one way through all of them, for one program and one choice of options,
that makes each thing once, when it is first asked for. With ``STAGEGRAD_CHECK=1`` the IR is checked after every pass.
Blocks nest as deeply as the user's branches do, so every arrow has a stack that is deep enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from stagegrad import runtime
from stagegrad.bounds import guarded, in_range
from stagegrad.emit import Source, contracted, loosened, write
from stagegrad.emit.columns import multiplied_alone
from stagegrad.emit.namesakes import apart
from stagegrad.errors import ArgumentError, NameChoiceError, UnsupportedError
from stagegrad.frontend import formula, python
from stagegrad.frontend.deep import TOO_DEEP, require_shallow
from stagegrad.frontend.deep import deeply_or_refused as deeply
from stagegrad.frontend.program import Program
from stagegrad.frontend.specs import Leaf, Spec, Tree, gradient_of, is_number, leaves, word_of
from stagegrad.ir import FLOAT, Atom, Block, Call, Function, Module, Shape, Stage, Stmt, Type, bound, check, depth, walk, with_blocks
from stagegrad.names import Words, name_stages
from stagegrad.ops import REGISTRY
from stagegrad.passes import optimise
from stagegrad.passes.constants import constants_first
from stagegrad.passes.factors import share_factors
from stagegrad.passes.few import few_as_numbers, sizes_wanted, small_arrays, unrolled
from stagegrad.passes.filled import without_filled
from stagegrad.passes.fuse import fuse
from stagegrad.passes.growing import room_before_trips
from stagegrad.passes.inlined import inlined
from stagegrad.passes.into import write_into
from stagegrad.passes.mapping import over_points
from stagegrad.passes.narrow import FLOAT32, can_narrow, fit_constants, narrow
from stagegrad.passes.neighbours import gather_neighbours, written_anew
from stagegrad.passes.parallel import in_parallel
from stagegrad.passes.products import trip_products
from stagegrad.passes.ranges import with_plain_ranges
from stagegrad.passes.rebind import rebind
from stagegrad.passes.returned import without_returns
from stagegrad.passes.scratch import scratch_before_loops
from stagegrad.passes.sections import by_sections
from stagegrad.passes.slopes import trip_slopes
from stagegrad.passes.states import states_in_tapes
from stagegrad.passes.trajectories import as_states
from stagegrad.passes.unread import without_unread_writes
from stagegrad.passes.wholes import recorded_whole
from stagegrad.reverse import reverse
from stagegrad.rules.idioms import restage

TARGETS = ("python", "numpy", "numba")
LEVELS = ("user", "gates", "fine")
#: The targets for which array stages become loops.
LOOPS = ("numba",)
_DEEPEST = 1000
#: What can be computed of a function: its value, its gradient, or both at once.
ANSWERS = ("value", "value_and_grad", "grad")


def read(function: Callable[..., Any], source: str | None = None, specs: Mapping[str, Spec] | None = None) -> Program:
    """A Python function -> its program: the IR of its text (`source`, if no file has it), and the globals and cells it reads.

    `specs` says what the parameters are that are not plain numbers; without, NeedsTypes is raised where it makes a difference.
    """
    program = python.lower(function, source, specs or None)
    if specs:
        program = _with_axes(program, specs)
    _require_depth(program.module)
    return replace(program, module=_checked(program.module))


def _require_depth(module: Module) -> None:
    """Refuses at once what would be refused in minutes: Python reads no text whose blocks nest so deeply."""
    for function in module.functions:
        if depth(function.body) > _DEEPEST:
            raise UnsupportedError(f"{function.name}() has more than {_DEEPEST} blocks inside one another", advice=TOO_DEEP)


def _with_axes(program: Program, specs: Mapping[str, Spec]) -> Program:
    """The program with what its arguments are known to be beyond their types: which axes of arrays have one element."""
    pairs = zip(program.signature.parameters, program.specs, strict=True)
    found = tuple(spec if is_number(spec) else specs.get(name, spec) for name, spec in pairs)
    axes = tuple(leaf.axes for spec in found for leaf in leaves(spec))
    return replace(program, specs=found, module=_with_main(program.module, replace(program.module.main, axes=axes)))


def read_formula(text: str, wrt: str | int | Sequence[str | int] | None = None) -> Program:
    """A formula -> its program; `wrt` may make variables of constants such as ``e``."""
    program = formula.lower(text, wrt)
    return replace(program, module=_checked(program.module))


def stage(module: Module, level: str) -> Module:
    """IR -> IR whose stages are of the chosen level, computed once each, safe from int overflow, and named."""
    prepared = deeply(lambda: _checked(constants_first(_checked(rebind(module)))))
    return deeply(lambda: _checked(name_stages(_checked(optimise.guard_ints(optimise.share(_checked(restage(prepared, level))))))))


def _direct(module: Module, *, in_place: bool) -> Module:
    """The user's IR with short functions where they are called, and numbers for arrays of a few elements, unless it writes to arguments."""
    module = module if (found := inlined(module)) == module else optimise.share(found)
    if in_place:
        return module
    small, longer = few_as_numbers(module), unrolled(module)
    if longer == module:
        return small
    further = few_as_numbers(optimise.share(longer))
    return further if small_arrays(further) < small_arrays(small) else small


def differentiate(module: Module, wrt: Sequence[int], *, several: bool) -> Module:
    """Staged IR -> IR of the value and the gradient, ``(f, dx)``, or ``(f, (dx, ...))`` where `several`."""
    deeply(lambda: require_shallow(module, wrt))
    adjoint = _reversed(module, wrt)
    named = deeply(lambda: apart(module.main, adjoint.main))
    if named is not module.main:
        adjoint = _reversed(_with_main(module, named), wrt)
    shape: Shape = tuple(range(1, len(wrt) + 1)) if several else 1
    return _with_main(adjoint, replace(adjoint.main, shape=(0, shape)))


def _reversed(module: Module, wrt: Sequence[int]) -> Module:
    prepared = deeply(lambda: _checked(written_anew(_checked(as_states(module)))))
    adjoint = _simplified(prepared, lambda module: fit_constants(reverse(module, tuple(wrt))))
    return _simplified(_simplified(adjoint, lambda module: without_unread_writes(without_returns(module))), without_filled)


def _simplified(module: Module, change: Callable[[Module], Module]) -> Module:
    """The module changed and simplified; itself, where nothing is changed."""
    changed = deeply(lambda: _checked(change(module)))
    return module if deeply(lambda: changed == module) else deeply(lambda: _checked(optimise.simplify(changed)))


def gradient_alone(adjoint: Module, name: str) -> Module:
    """IR of ``(f, gradient)`` -> IR of the gradient, without what only the value needed."""
    main = adjoint.main
    results = main.body.results[1:]
    shape: Shape = 0 if main.shape == (0, 1) else tuple(range(len(results)))
    taken = {function.name for function in adjoint.functions}
    name = name if name not in taken else f"{name}_"
    alone = replace(main, name=name, body=replace(main.body, results=results), shape=shape)
    return deeply(lambda: _checked(optimise.simplify(_checked(_with_main(adjoint, alone)))))


def spell(module: Module, target: str, *, cache: bool, checked: bool = False, fresh: frozenset[str] = frozenset(),
          into: Sequence[int] = (), parallel: bool = False) -> Source:  # fmt: skip
    """IR -> text; `checked` where not every index of the user's is known to be in range, `fresh` the functions that are gradients.

    The results at the positions `into` are written to arrays that the main function takes behind its other arguments. With `parallel`,
    loops of compiled code run on several threads.
    """
    if target in LOOPS:
        module = deeply(lambda: _checked(fuse(_checked(states_in_tapes(_checked(recorded_whole(module)))))))
    if target == "numba":
        module = deeply(lambda: _checked(with_plain_ranges(_checked(share_factors(_checked(gather_neighbours(module)))))))
        module = deeply(lambda: _checked(room_before_trips(_checked(trip_slopes(_checked(trip_products(module)))))))
    if target == "numba" and not parallel:
        module = deeply(lambda: _checked(scratch_before_loops(_checked(by_sections(module)))))
    module = deeply(lambda: _checked(write_into(module, into)))
    freely: frozenset[str] | None = None
    if target == "numba" and parallel:
        module, freely, parts = deeply(lambda: _in_parts(loosened(module)))
        fresh |= parts
    source = deeply(lambda: write(module, target, checked=checked, fresh=fresh, freely=freely))
    # What Numba keeps on disk of a function that calls itself crashes the process that loads it.
    kept = cache and not _has_recursion(module)
    return source if kept else replace(source, text=runtime.without_disk_cache(source.text))


def _in_parts(module: Module) -> tuple[Module, frozenset[str], frozenset[str]]:
    """The module with its loops on several threads, the functions that are `contracted` in it, and those that run parts of loops."""
    freely = contracted(module)
    found = _checked(in_parallel(module))
    parts = frozenset(function.name for function in found.functions) - {function.name for function in module.functions}
    return found, freely | parts if module.main.name in freely else freely, parts


def _has_recursion(module: Module) -> bool:
    """Does a function of the module call itself, be it by way of others?"""
    callees = {function.name: {stmt.fn for stmt in walk(function.body) if isinstance(stmt, Call)} for function in module.functions}
    while callees:
        ends = [name for name, called in callees.items() if not called & callees.keys()]
        if not ends:
            return True
        for name in ends:
            del callees[name]
    return False


def load(source: Source, target: str, *, cache: bool, kinds: Sequence[str]) -> runtime.Loaded:
    """Text -> callable."""
    return runtime.load(source.text, source.entry, target=target, cache=cache, types=kinds)


def undeclared(module: Module) -> list[str]:
    """The operations of a module that are not declared in this process: gates of a user's whose module is not imported."""
    ops = {stmt.op for function in module.functions for stmt in walk(function.body) if isinstance(stmt, Stage)}
    return sorted(ops - REGISTRY.keys())


def _calling(function: Function, old: str, new: str) -> Function:
    """The function with another name for one that it calls."""

    def renamed(block: Block) -> Block:
        return replace(block, stmts=tuple(map(changed, block.stmts)))

    def changed(stmt: Stmt) -> Stmt:
        return replace(stmt, fn=new) if isinstance(stmt, Call) and stmt.fn == old else with_blocks(stmt, renamed)

    return replace(function, body=renamed(function.body))


def _with_main(module: Module, main: Function) -> Module:
    return Module((main, *module.functions[1:]))


def _checked(module: Module) -> Module:
    return check(module) if os.environ.get("STAGEGRAD_CHECK") == "1" else module


# ---------------------------------------------------------------------------------------------- one way through

Choice = str | int | Sequence[str | int] | None


@dataclass(frozen=True)
class Options:
    """How a function is to be compiled: with respect to what, for which target, at which level, and whether on disk.

    With `flush_denormals`, compiled code takes numbers below 2.2e-308 as zero; with `parallel`, its loops run on several threads.
    """

    wrt: Choice = None
    target: str | None = None
    stages: str = "user"
    cache: bool = True
    flush_denormals: bool = False
    parallel: bool = False

    def __post_init__(self) -> None:
        if self.target is not None:
            _one_of("target", self.target, TARGETS)
        _one_of("stages", self.stages, LEVELS)
        _require_choice(self.wrt)
        for option, given in (("cache", self.cache), ("flush_denormals", self.flush_denormals), ("parallel", self.parallel)):
            if not isinstance(given, bool):
                raise NameChoiceError(f"{option}={given!r} is neither True nor False")
        if self.flush_denormals and self.parallel:
            raise NameChoiceError("flush_denormals=True holds for the calling thread, and so cannot go with parallel=True")

    @property
    def chosen_target(self) -> str:
        """The target that was asked for; else numba, or python where Numba is not installed."""
        return self.target or ("numba" if runtime.has_numba() else "python")


class Build:
    """One program on its way through the pipeline; everything is made when it is first asked for, and kept."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program, self.options = program, options
        self._modules: dict[tuple[str, Choice], Module] = {}
        self._sources: dict[tuple[str, Choice, str], Source] = {}
        self._map_sources: dict[tuple[str, Choice, frozenset[int]], Source] = {}

    @property
    def name(self) -> str:
        """The name of the function, as the user gave it."""
        return self.program.module.main.name

    @cached_property
    def primal(self) -> Module:
        """The function itself, staged and named."""
        return stage(self.program.module, self.options.stages)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each parameter of the compiled function is: "float", "int", "bool", "float[2]", "float32[1]"."""
        return tuple(str(param.type) for param in self.program.module.main.params)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the user's parameters."""
        return tuple(self.program.signature.parameters)

    @cached_property
    def scalar(self) -> bool:
        """Whether only numbers of 64 bits go in and come out, alone or in tuples."""
        types = [param.type for param in self.program.module.main.params] + [atom.type for atom in self._results]
        return (
            all(isinstance(spec, Leaf) for spec in self.program.specs)
            and all(not type_.rank and type_.bits == 64 for type_ in types)
            and (self.program.result is None or _is_plain(self.program.result))
        )

    @cached_property
    def arrays(self) -> bool:
        """Whether the function works on arrays, or on NumPy's numbers of 32 bits."""
        functions = self.program.module.functions
        return any(var.type.rank or var.type.bits == 32 for one in functions for var in (*one.params, *bound(one.body)))

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in the order in which they are computed."""
        named = [stmt.out.name for stmt in walk(self.primal.main.body) if isinstance(stmt, Stage)]
        return tuple(dict.fromkeys(name for name in named if name))

    def module(self, answer: str, wrt: Choice = None) -> Module:
        """The IR that computes an answer (one of `ANSWERS`); `wrt` overrides the option."""
        wrt = self.options.wrt if wrt is None else wrt
        key = (answer, _key(wrt))
        if key not in self._modules:
            self._modules[key] = self._made(answer, wrt)
        return self._modules[key]

    def module_for(self, answer: str, target: str) -> Module:
        """The IR that the text for a target is made of."""
        return (self._compiled if target == "numba" else self).module(answer)

    def source(self, answer: str, target: str, wrt: Choice = None) -> Source:
        """The text that computes an answer on a target."""
        _one_of("answer", answer, ANSWERS)
        _one_of("target", target, TARGETS)
        target = self.spelled(target)
        key = (answer, _key(wrt), target)
        if target == "numba" and self._compiled is not self:
            return self._compiled.source(answer, target, wrt)
        if key not in self._sources:
            self._sources[key] = self._spelled(self.module(answer, wrt), target, parallel=self.options.parallel)
        return self._sources[key]

    def _spelled(self, module: Module, target: str, into: Sequence[int] = (), *, parallel: bool = False) -> Source:
        gradients = frozenset(function.name for function in module.functions) - {function.name for function in self.primal.functions}
        return spell(module, target, cache=self.options.cache, checked=self.checked, fresh=gradients, into=into, parallel=parallel)

    @cached_property
    def checked(self) -> bool:
        """Whether compiled code must ask if an index is in range: what a program without arrays of its own indexes is a tape."""
        return self.arrays and not in_range(self.primal)

    @cached_property
    def sizes_wanted(self) -> frozenset[str]:
        """Of which arguments compiled code is made for their sizes, if these are small: see `passes.few`."""
        return sizes_wanted(self.program.module) if self.options.chosen_target == "numba" else frozenset()

    @cached_property
    def _compiled(self) -> Build:
        """What compiled code is made of: the program with short functions where they are called, and numbers for arrays of a few.

        Where not every index is known to be in range, it asks before its loops, if it need not ask in each trip then.
        """
        module = deeply(lambda: _checked(_direct(self.program.module, in_place=bool(self.program.written))))
        found = self._of(module) if module != self.program.module else self
        if not found.checked or self.program.written:
            return found
        asking = found._of(_checked(guarded(module)))
        return found if asking.checked else asking

    def _of(self, module: Module) -> Build:
        """The same for a program whose IR was changed; compiled code is made of that."""
        found = Build(replace(self.program, module=module), self.options)
        found.__dict__["_compiled"] = found
        return found

    def spelled(self, target: str) -> str:
        """The target whose text is meant: what needs no Numba is "python" for numbers and "numpy" for arrays."""
        return target if target == "numba" else "numpy" if self.arrays else "python"

    def loaded(self, answer: str, target: str, wrt: Choice = None, turned: frozenset[int] = frozenset()) -> runtime.Loaded:
        """The compiled function that computes an answer on a target; its parameters at the positions `turned` lie column after column."""
        kinds = self._laid(self.kinds, turned)
        return load(self.source(answer, target, wrt), self.spelled(target), cache=self.options.cache, kinds=kinds)

    def columns(self, answer: str, wrt: Choice = None) -> frozenset[int]:
        """The positions of the matrices that may as well lie column after column, as far as a computation's speed is concerned."""
        return multiplied_alone(self._compiled.module(answer, wrt).main)

    def _laid(self, kinds: Sequence[str], turned: frozenset[int]) -> list[str]:
        return [f"{kind}F" if k in turned else kind for k, kind in enumerate(kinds)]

    # ------------------------------------------------------------------------------------------ many points

    @cached_property
    def narrowed(self) -> Build:
        """The same function of numbers in floats of 32 bits; itself, where its own arrays say how wide they are."""
        program = self.program
        if not can_narrow(program.module):
            return self
        specs = tuple(replace(spec, type=FLOAT32) if isinstance(spec, Leaf) and spec.type == FLOAT else spec for spec in program.specs)
        return Build(replace(program, module=_checked(narrow(program.module)), specs=specs), self.options)

    def map_source(self, answer: str, wrt: Choice = None, same: frozenset[int] = frozenset(), *, parallel: bool = False) -> Source:
        """The text for Numba that computes an answer at many points; the parameters at the positions `same` are numbers there."""
        key = (f"{answer} in parallel" if parallel else answer, _key(wrt), same)
        if key not in self._map_sources:
            self._map_sources[key] = self._spelled(self._map_module(answer, wrt, same), "numba", parallel=parallel)
        return self._map_sources[key]

    def map_loaded(self, answer: str, wrt: Choice, same: frozenset[int], *, parallel: bool = False) -> runtime.Loaded:
        """The compiled function that computes an answer at many points: of arrays, and behind them those that it writes to."""
        kinds = [str(param.type) for param in self._map_module(answer, wrt, same).main.params]
        return load(self.map_source(answer, wrt, same, parallel=parallel), "numba", cache=self.options.cache, kinds=kinds)

    def map_types(self, answer: str, wrt: Choice = None) -> tuple[Type, ...]:
        """What the numbers are that an answer has at each point, one for each leaf of it."""
        main = self._map_module(answer, wrt, frozenset()).main
        return tuple(replace(main.params[position].type, rank=0) for position in main.given)

    def _map_module(self, answer: str, wrt: Choice, same: frozenset[int]) -> Module:
        _one_of("answer", answer, ANSWERS)
        self._require_numbers()
        return deeply(lambda: _checked(over_points(self.module(answer, wrt), f"{self.name}_map", same)))

    def _require_numbers(self) -> None:
        """Refuses a map of what takes or returns more than numbers, by name."""
        main, results = self.program.module.main, self._results
        others = [spec for spec in self.program.specs if isinstance(spec, Tree) or (isinstance(spec, Leaf) and spec.type.rank)]
        what = f"takes {word_of(others[0])}" if others else ""
        if not results or any(atom.type.rank for atom in results):
            what = what or f"returns {word_of(self.answer('value')) if results else 'nothing'}"
        if what:
            reason = f"map() is for functions of numbers, and {main.name}() {what}"
            raise ArgumentError(reason, main.span, "a loop over value_and_grad(...)")

    # ------------------------------------------------------------------------------------------ gradients in place

    def into_source(self, wrt: Choice = None) -> Source:
        """The text for Numba that computes value and gradient, the arrays of which it takes behind the arguments."""
        if self._compiled is not self:
            return self._compiled.into_source(wrt)
        key = ("into", _key(wrt), frozenset[int]())
        if key not in self._map_sources:
            module = self.module("value_and_grad", wrt)
            self._map_sources[key] = self._spelled(module, "numba", _arrays(module.main), parallel=self.options.parallel)
        return self._map_sources[key]

    def into_loaded(self, wrt: Choice = None, turned: frozenset[int] = frozenset()) -> runtime.Loaded:
        """The compiled function that computes value and gradient, the arrays of which it takes behind the arguments."""
        main = self.module("value_and_grad", wrt).main
        kinds = [*self._laid(self.kinds, turned), *(str(main.body.results[k].type) for k in _arrays(main))]
        return load(self.into_source(wrt), "numba", cache=self.options.cache, kinds=kinds)

    # ------------------------------------------------------------------------------------------ again

    def derived(self, answer: str, wrt: Choice) -> Program:
        """The program of an answer, to be differentiated again."""
        wrt = self.options.wrt if wrt is None else wrt
        return replace(self.program, module=self.module(answer, wrt), result=self.answer(answer, wrt), written=())

    def answer(self, answer: str, wrt: Choice = None) -> Spec:
        """What an answer is made of, as a user gets it."""
        if answer == "value":
            return self.program.result or _spec_of(self._shape, self._results)
        positions, several = self.positions(self.options.wrt if wrt is None else wrt)
        specs, firsts = self.program.specs, self._firsts
        found = tuple(gradient_of(specs[k], firsts[k]) for k in positions)
        gradient = Tree("tuple", (), found) if several else found[0]
        return gradient if answer == "grad" else Tree("tuple", (), (self.answer("value"), gradient))

    def _made(self, answer: str, wrt: Choice) -> Module:
        if answer == "value":
            return self.primal
        positions, several = self.positions(wrt)
        self._require_one_float()
        chosen = [k for position in positions for k in self._float_leaves(position)]
        adjoint = differentiate(self._without_written(self.primal), chosen, several=several or len(chosen) > 1)
        return gradient_alone(adjoint, f"{self.name}_grad") if answer == "grad" else adjoint

    # ------------------------------------------------------------------------------------------ results

    @property
    def _shape(self) -> Shape:
        """The shape of the user's result."""
        shape = self.program.module.main.shape
        return shape[0] if self.program.written and isinstance(shape, tuple) else shape

    @property
    def _results(self) -> tuple[Atom, ...]:
        """The user's results, without the final values of the arrays that the function writes to."""
        results = self.program.module.main.body.results
        return results[: len(results) - len(self.program.written)]

    def _without_written(self, module: Module) -> Module:
        """``f -> (result, a)`` -> ``f -> result``: to the gradient, what is written to an argument is nobody's concern."""
        if not self.program.written:
            return module
        main = module.main
        results = main.body.results[: len(self._results)]
        alone = replace(main, body=replace(main.body, results=results), shape=self._shape)
        calls = (stmt for function in module.functions for stmt in walk(function.body) if isinstance(stmt, Call))
        if all(call.fn != main.name for call in calls):
            return _checked(_with_main(module, alone))
        # Whoever calls it, itself included, needs what it writes: beside the one that was asked for, it stays as it is.
        inner = Words(function.name for function in module.functions).fresh(f"{main.name}_in_place")
        functions = tuple(_calling(replace(f, name=inner) if f is main else f, main.name, inner) for f in module.functions)
        return _checked(Module((_calling(alone, main.name, inner), *functions)))

    def _require_one_float(self) -> None:
        """Refuses a gradient of what is not one float, and names the alternative."""
        main, results, found = self.program.module.main, self._results, self.answer("value")
        if not isinstance(found, Leaf):
            is_tuple = isinstance(found, Tree) and found.kind == "tuple" and results
            what = f"a tuple of {len(results)}" if is_tuple else word_of(found) if results else "nothing"
            advice = "return one of them, or a sum of them, from a function of its own" if results else "return a float"
            raise ArgumentError(f"{main.name}() returns {what}; a gradient needs one float", main.span, advice)
        type_ = results[0].type
        if type_.rank:
            reason = f"{main.name}() returns an array ({word_of(Leaf(type_))}); a gradient needs one float"
            raise ArgumentError(reason, main.span, "return its sum, or one of its elements")
        if type_.kind != "float":
            reason = f"{main.name}() returns {'an int' if type_.kind == 'int' else f'a {type_.kind}'}, which has no gradient"
            raise ArgumentError(reason, main.span, "return a float")

    # ------------------------------------------------------------------------------------------ parameters

    @cached_property
    def _firsts(self) -> tuple[int, ...]:
        """For each of the user's parameters, the position of its first leaf."""
        found, first = [], 0
        for spec in self.program.specs:
            found.append(first)
            first += sum(1 for _ in leaves(spec))
        return tuple(found)

    def _float_leaves(self, position: int) -> Iterator[int]:
        """The positions of the leaves of a parameter that have a gradient."""
        for k, leaf in enumerate(leaves(self.program.specs[position])):
            if leaf.type.kind == "float":
                yield self._firsts[position] + k

    def positions(self, wrt: Choice) -> tuple[tuple[int, ...], bool]:
        """The positions of the user's parameters that `wrt` chooses, and whether the gradient is a tuple."""
        if wrt is None:
            floats = tuple(k for k in range(len(self.parameters)) if [*self._float_leaves(k)])
            if not floats:
                names, specs = self.parameters, self.program.specs
                what = "; ".join(f"`{name}` is {_kind(spec)}" for name, spec in zip(names, specs, strict=True))
                reason = f"{self.name}() has no float parameter to differentiate with respect to{f': {what}' if what else ''}"
                raise ArgumentError(reason, self.program.module.main.span, _as_float(names[0], specs[0], self.name) if names else "")
            return floats, len(floats) > 1
        _require_choice(wrt)
        several = not isinstance(wrt, (str, int))
        found = tuple(map(self._position, (wrt,) if isinstance(wrt, (str, int)) else wrt))
        if not found or len(set(found)) < len(found):
            raise NameChoiceError(f"{wrt!r} names {'no parameter' if not found else 'a parameter twice'}", advice=self._advice())
        for position in found:
            if not [*self._float_leaves(position)]:
                self._refuse(position)
        return found, several

    def _position(self, choice: str | int) -> int:
        names = self.parameters
        if isinstance(choice, str) and choice in names:
            return names.index(choice)
        if isinstance(choice, int) and not isinstance(choice, bool) and -len(names) <= choice < len(names):
            return choice % len(names)
        raise NameChoiceError(
            f"{self.name}() has no parameter {choice!r}; its parameters are {', '.join(names) or 'none'}", advice=self._advice()
        )

    def _advice(self) -> str:
        return " or ".join(repr(name) for k, name in enumerate(self.parameters) if [*self._float_leaves(k)])

    def _refuse(self, position: int) -> None:
        name, spec = self.parameters[position], self.program.specs[position]
        reason = f"argument `{name}` of {self.name}() is {_kind(spec)}; only a float has a gradient"
        raise ArgumentError(reason, advice=_as_float(name, spec, self.name))


def _kind(spec: Spec) -> str:
    return str(spec.type) if isinstance(spec, Leaf) and not spec.type.rank else word_of(spec)


def _as_float(name: str, spec: Spec, function: str) -> str:
    """How a parameter that has no gradient becomes one that has."""
    return f"{name}.astype(float)" if isinstance(spec, Leaf) and spec.type.rank else f"def {function}(..., {name}: float, ...)"


def _arrays(main: Function) -> list[int]:
    """The positions of the results that are arrays."""
    return [k for k, result in enumerate(main.body.results) if result.type.rank]


def _is_plain(spec: Spec) -> bool:
    """Whether it is a number or nothing but tuples of numbers."""
    match spec:
        case Leaf():
            return is_number(spec)
        case Tree("tuple", (), parts):
            return all(map(_is_plain, parts))
        case _:
            return False


def _spec_of(shape: Shape, results: Sequence[Atom]) -> Spec:
    """The spec of a result that is a number, an array, or nested tuples of them."""
    if isinstance(shape, int):
        return Leaf(results[shape].type)
    return Tree("tuple", (), tuple(_spec_of(part, results) for part in shape))


def _key(wrt: Choice) -> Choice:
    """A choice as part of a dictionary's key; a list is as good as a tuple."""
    _require_choice(wrt)
    return wrt if wrt is None or isinstance(wrt, (str, int)) else tuple(wrt)


def _require_choice(wrt: object) -> None:
    """Refuses what neither names parameters nor counts them."""
    if isinstance(wrt, (tuple, list)) and all(isinstance(one, (str, int)) for one in wrt):
        return
    if wrt is not None and not isinstance(wrt, (str, int)):
        raise NameChoiceError(f"wrt={wrt!r} is not a choice of parameters", advice='a name or a position, "x" or 0, or a tuple of them')


def _one_of(option: str, given: object, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise NameChoiceError(f"{option}={given!r} is not one of {', '.join(map(repr, allowed))}")
