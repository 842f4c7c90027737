"""A contest: one function, its gradient by stagegrad, by hand and by the peers, at a few sizes.

The function is what a user writes. `stagegrad` is what is measured; the others are measured in the same rounds, and what is shown
of them is their time over stagegrad's: above 1, stagegrad is the faster one. Nothing is timed before it agrees: the small sizes
with central differences of the function in plain Python, and everyone, at every size, with stagegrad.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numba
import numpy as np

import stagegrad
from benchmarks.checking import require_close, require_direction
from benchmarks.compiled_c import c_run
from benchmarks.figures import Effort
from benchmarks.peers import Absent, Run, autograd_run, jax_run, named, package, spoken, torch_run
from benchmarks.timing import Contender, Times, race

OURS, ALONE, NJIT, BY_HAND, C = "stagegrad", "function", "function, njit", "Numba by hand", "C by hand"
JAX, CHECKPOINT, EAGER, COMPILED, AUTOGRAD, CASADI, TANGENT = (
    "JAX", "JAX checkpoint", "PyTorch", "PyTorch compile", "autograd", "CasADi", "tangent"
)  # fmt: skip
#: All contenders, in the order of the table.
CONTENDERS = (OURS, ALONE, NJIT, BY_HAND, C, JAX, CHECKPOINT, EAGER, COMPILED, AUTOGRAD, CASADI, TANGENT)
#: What an adjoint by hand is compiled with: what may be changed without losing nan and inf.
FLAGS: dict[str, Any] = {"fastmath": {"contract", "nsz", "reassoc", "arcp"}, "error_model": "numpy"}
#: Seconds of the processor, of all threads: peers compute in threads of their own.
CLOCK = time.process_time if time.get_clock_info("process_time").resolution <= 1e-6 else time.perf_counter


@dataclass(frozen=True)
class Peer:
    """How a peer is given the arguments, and the most work that it is asked to do: beyond that, a call takes many seconds."""

    run: Callable[..., Run]
    most: float = float("inf")


@dataclass(frozen=True)
class Contest:
    """A function to differentiate, by whom, at which sizes; a size is a label and what `arguments` and `work` are called with."""

    function: Callable[..., Any]
    #: The arguments by which it is differentiated, by position.
    wrt: tuple[int, ...]
    arguments: Callable[..., tuple[Any, ...]]
    sizes: Mapping[str, tuple[Any, ...]]
    #: Sizes that plain Python computes at once; the first is in float64.
    small: Mapping[str, tuple[Any, ...]]
    #: How much there is to do, in the unit that is named.
    work: Callable[..., float]
    unit: str
    #: Value and gradients, flat, by an adjoint written by hand for Numba; None where nobody would write one.
    by_hand: Callable[..., Any] | None
    #: The file of the same in C, without its ending; None where it would only call BLAS or LAPACK, as everyone does.
    c: str | None
    peers: Mapping[str, Peer] = field(default_factory=dict)
    #: The most that stagegrad's time over another's may be, where it is not 1.2 of those by hand and 1 of JAX.
    limits: Mapping[str, float] = field(default_factory=dict)
    #: The same for one size only.
    limits_at: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    #: How well value and gradient agree with central differences at the small sizes.
    by_differences: float = 1e-5
    #: The most that a first gradient may take, nothing cached, in seconds.
    compile_limit: float = 5.0
    #: Whether it is a function of numbers that is mapped over arrays of points, so that there is a value for each of them.
    mapped: bool = False

    def gradient(self, staged: Any) -> Callable[..., Any]:
        """What computes value and gradient by stagegrad."""
        call: Callable[..., Any] = staged.map if self.mapped else staged.value_and_grad
        return call

    def alone(self, staged: Any) -> Callable[..., Any]:
        """What computes the value alone."""
        return partial(staged.map, answer="value") if self.mapped else staged

    def plain(self) -> Callable[..., Any]:
        """The function by Numba, without stagegrad."""
        compiled: Callable[..., Any] = (numba.vectorize if self.mapped else numba.njit)(self.function)
        return compiled


@dataclass(frozen=True)
class Entry:
    """What one contender took: the median and the quartiles in seconds and its time over stagegrad's; or why it has none."""

    seconds: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    rounds: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """What came out at one size: an entry for each contender, and what was missed."""

    contest: str
    size: str
    work: float
    unit: str
    entries: Mapping[str, Entry]
    limits: Mapping[str, float]
    #: The first gradient of the process: lowering, compiling and running it, nothing cached; and the most that it may take.
    compile_seconds: float
    compile_limit: float

    @property
    def over_function(self) -> float | None:
        """Value and gradient over the function alone, which is the faster of stagegrad's and plain njit's."""
        found = [ratio for name in (ALONE, NJIT) if (ratio := self.entries[name].ratio)]
        return 1.0 / min(found) if found else None

    @property
    def missed(self) -> tuple[str, ...]:
        """Those against whom stagegrad took more than the limit says."""
        ours = {name: 1.0 / entry.ratio for name, entry in self.entries.items() if entry.ratio}
        ours[ALONE] = self.over_function or 0.0
        missed = [name for name, most in self.limits.items() if ours.get(name, 0.0) > most]
        return (*missed, *(["compile"] if self.compile_seconds > self.compile_limit else []))

    @property
    def met(self) -> bool:
        """Whether every limit was kept."""
        return not self.missed

    def as_dict(self) -> dict[str, Any]:
        """The standing as JSON has it; times are in seconds."""
        return {**asdict(self), "over_function": self.over_function, "missed": self.missed}


def read(found: Mapping[str, Any]) -> Standing:
    """A standing from what `as_dict` gave."""
    kept = {name: found[name] for name in ("contest", "size", "work", "unit", "limits", "compile_seconds", "compile_limit")}
    return Standing(**kept, entries={name: Entry(**entry) for name, entry in found["entries"].items()})


def array_peers(
    function: Callable[..., Any],
    wrt: Sequence[int],
    *,
    torch: Callable[..., Any] | None = None,
    words: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Peer]:
    """JAX, PyTorch and autograd for NumPy code that they read as it is.

    `torch` is the text for PyTorch, where that has to differ. `words` says what else a global means to which of them, besides `np`:
    ``{"erf": {"jax": "jax.scipy.special.erf", ...}}``.
    """

    def read_by(peer: str, module: str) -> Callable[..., Any]:
        package(peer)
        others = {word: named(meanings[peer]) for word, meanings in (words or {}).items()}
        return spoken(function, np=importlib.import_module(module), **others)

    def in_torch(compiled: bool) -> Callable[..., Run]:
        return lambda *args: torch_run(torch or read_by("torch", "torch"), args, wrt, compiled=compiled)

    return {
        JAX: Peer(lambda *args: jax_run(read_by("jax", "jax.numpy"), args, wrt)),
        EAGER: Peer(in_torch(False)),
        COMPILED: Peer(in_torch(True)),
        AUTOGRAD: Peer(lambda *args: autograd_run(read_by("autograd", "autograd.numpy"), args, wrt)),
    }


def hold(name: str, contest: Contest, effort: Effort) -> list[Standing]:
    """Checks and measures a contest at every size; raises WrongAnswer where someone disagrees."""
    numba.njit(lambda x: x.sum())(np.ones(2))  # what Numba does once in a process is not what a gradient takes
    staged = stagegrad.compile(contest.function, target="numba", wrt=tuple(_names(contest)))
    first = next(iter(contest.small.values()))
    begun = time.process_time()
    contest.gradient(staged)(*contest.arguments(*first))
    seconds = time.process_time() - begun
    _require_slopes(name, contest, staged, contest.arguments(*first))
    sizes = contest.small if effort.quick else {**contest.small, **contest.sizes}
    standings = []
    for label, size in sizes.items():
        contenders = _contenders(contest, staged, contest.arguments(*size), contest.work(*size), effort)
        if label in contest.sizes or effort.quick:
            entries = _measured(f"{name}, {label}", contenders, effort)
            limits = {} if effort.quick else {BY_HAND: 1.2, C: 1.2, JAX: 1.0, **contest.limits, **contest.limits_at.get(label, {})}
            done = contest.work(*size)
            standings.append(Standing(name, label, done, contest.unit, entries, limits, seconds, contest.compile_limit))
    return standings


def _require_slopes(name: str, contest: Contest, staged: Any, args: tuple[Any, ...]) -> None:
    """Raises WrongAnswer unless value and gradient agree with the function in plain Python and its central differences."""
    function, gradient = contest.function, contest.gradient(staged)
    if contest.mapped:
        single = np.vectorize(contest.function)
        require_close([gradient(*args)[0]], [single(*args)], 1e-12, name)
        function = lambda *args: np.sum(single(*args))  # noqa: E731  # a point's slope is that of the sum
        gradient = lambda *args: (np.sum(staged.map(*args)[0]), staged.map(*args)[1])  # noqa: E731
    require_direction(function, gradient, args, contest.by_differences, name, wrt=contest.wrt)


def _names(contest: Contest) -> list[str]:
    code = contest.function.__code__
    return [code.co_varnames[k] for k in contest.wrt]


def _contenders(contest: Contest, staged: Any, args: tuple[Any, ...], work: float, effort: Effort) -> dict[str, Run | str]:
    """Each contender's call, which was seen to agree; or why there is none."""
    gradient = partial(contest.gradient(staged), *args)
    ours = numbers(gradient())
    found: dict[str, Run | str] = {OURS: gradient}
    asked = {name: peer for name, peer in contest.peers.items() if name.split()[0].lower() in effort.peers}
    rivals = {**_by_hand(contest, effort), **asked}
    tolerance = 1e-4 if any(getattr(value, "dtype", None) == np.float32 for value in args) else 1e-9
    for name, peer in rivals.items():
        found[name] = _tried(name, peer, args, work)
        run = found[name]
        if not isinstance(run, str):
            require_close(numbers(run()), ours, tolerance, f"{contest.function.__name__}: {name}")
    if effort.quick and contest.by_hand:
        found[BY_HAND] = "checked, in plain Python"
    if not effort.quick:  # each of them has to be compiled
        found[ALONE] = partial(contest.alone(staged), *args)
        found[NJIT] = _tried(NJIT, Peer(partial(partial, contest.plain())), args, work)
    return found


def _by_hand(contest: Contest, effort: Effort) -> dict[str, Peer]:
    """The adjoints by hand; with little effort the one for Numba is run by plain Python, which has nothing to compile."""
    found = {}
    if contest.by_hand is not None:
        by_hand = contest.by_hand if effort.quick else numba.njit(**FLAGS)(contest.by_hand)
        found[BY_HAND] = Peer(partial(partial, by_hand))
    if (c := contest.c) is not None:
        found[C] = Peer(lambda *args: c_run(c, args, contest.wrt, mapped=contest.mapped))
    return found


def left_out(reason: str) -> Peer:
    """A peer that is not measured, and why."""

    def run(*_: Any) -> Run:
        raise Absent(f"left out: {reason}")

    return Peer(run)


def _tried(name: str, peer: Peer, args: tuple[Any, ...], work: float) -> Run | str:
    """The peer's call, run once; or the reason why it cannot take part."""
    if work > peer.most:
        return f"left out: a call takes many seconds beyond {peer.most:,.0f}"
    _say(f"  {name} ...")
    try:
        run = peer.run(*args)
        run()
    except Absent as error:
        return str(error)
    except Exception as error:  # what a peer cannot do is a result, whatever it raises
        if name == BY_HAND:
            raise
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:160]}"
    return run


def numbers(answer: Any) -> list[Any]:
    """Value and gradients as flat arrays of float64, whatever the peer returns them in."""
    if isinstance(answer, tuple | list):
        return [leaf for part in answer for leaf in numbers(part)]
    return [np.asarray(answer, dtype=np.float64).ravel()]


def _measured(label: str, contenders: Mapping[str, Run | str], effort: Effort) -> dict[str, Entry]:
    _say(f"  {label}: timing ...")
    runs = {name: Contender(run) for name, run in contenders.items() if not isinstance(run, str)}
    times = race(runs, effort, clock=CLOCK)
    reasons = {name: Entry(reason=run) for name, run in contenders.items() if isinstance(run, str)}
    timed = {name: _entry(times, name) for name in runs}
    return {name: {**reasons, **timed}.get(name, Entry()) for name in CONTENDERS}


def _entry(times: Times, name: str) -> Entry:
    low, high = times.quartiles(name)
    return Entry(times.median(name), low, high, times.ratio(name, OURS), len(times.seconds[name]))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def geometric_mean(ratios: Sequence[float]) -> float:
    """The geometric mean, nan of nothing."""
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")
