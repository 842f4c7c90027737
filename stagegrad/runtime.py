"""Text -> callable: takes the text of a generated module, returns one of its functions, compiled and kept on disk.

A generated module lives as a real file, ``<function>_<hash>.py``, in a folder that only its owner can read, so that
tracebacks, debuggers and `inspect` show it and Numba can keep machine code beside it (in ``__pycache__``, or under
``NUMBA_CACHE_DIR``). What runs is always the text that was given, never what the disk holds: a file that differs
from it is written again. Machine code is checked against ``<function>_<hash>.sha256`` before Numba reads it, and what
is damaged counts as missing. Where no such folder can be had, modules live in memory and everything still works.

This module sees text and strings only; it knows nothing of derivatives or of the IR.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import linecache
import os
import re
import stat
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from stagegrad.errors import CacheError, MissingPackageError, StagegradError, UnsupportedError
from stagegrad.version import __version__

#: What this module writes into the cache folder, and so all that `cache_clear` may remove.
_OURS = re.compile(r"[A-Za-z0-9_]{1,48}_[0-9a-f]{16}\.(py|sha256|.*\.nb[ic])")
_POSIX = os.name == "posix"


@dataclass(frozen=True)
class Loaded:
    """A function that is ready to run, the text of its module as it runs, and the file (or pseudo-file) that shows it."""

    function: Callable[..., Any]
    text: str
    path: str


@dataclass(frozen=True)
class CacheInfo:
    """Where generated modules are kept, how many there are, their size in bytes and the most that they may take.

    `problem` says why there are none, if there is no folder.
    """

    folder: str | None
    modules: int
    bytes: int
    problem: str
    limit: int


# ---------------------------------------------------------------------------------------------- loading


def load(text: str, entry: str, *, target: str, cache: bool = True, types: Sequence[str] | None = None) -> Loaded:
    """Returns the function `entry` of the module `text`, from this process, from the cache folder, or newly compiled.

    `target` is "python", "numpy" or "numba". With `types` (one of "float", "float32", "int", "bool" for each parameter, and behind it
    the rank of an array, as in "float[2]"; arrays are contiguous, as in C, or where an F follows, as in Fortran) Numba compiles the
    function at once and for those types only; a later call converts its numbers to them. Without, Numba compiles at the first call,
    for the types that it sees.
    Safe in threads and among processes.
    """
    if not cache:
        text = without_disk_cache(text)
    key = _digest(text, target)
    word = re.sub(r"[^A-Za-z0-9_]", "_", entry)[:48]
    module = _Module(text, f"{word}_{key[:16]}", target, entry, None if types is None else tuple(types))
    with _lock_for(key):
        if module not in _ready:
            _ready[module] = _load(module, cache)
        return _ready[module]


def without_disk_cache(text: str) -> str:
    """The same module, but Numba keeps no machine code of it: ``@njit(cache=True)`` -> ``@njit``."""
    lines = text.split("\n")
    return "\n".join(_uncached(line) if line.startswith("@") else line for line in lines)


def _uncached(decorator: str) -> str:
    shorter = re.sub(r",\s*cache=True|cache=True(,\s*)?", "", decorator)
    return shorter.removesuffix("()")


def has_numba() -> bool:
    """Whether Numba is installed, found without importing it."""
    if "numba" in sys.modules:
        return sys.modules["numba"] is not None  # None marks a package that must not be imported
    return importlib.util.find_spec("numba") is not None


@dataclass(frozen=True)
class _Module:
    """A text on its way to a function: `stem` names its file, and `types` is None where Numba is to find them itself.

    `short` says that its long functions are compiled at once, as `straight` does it.
    """

    text: str
    stem: str
    target: str
    entry: str
    types: tuple[str, ...] | None
    short: bool = False


def _load(module: _Module, cache: bool) -> Loaded:
    path = _file_for(module.text, module.stem) if cache else None
    if _may_be_short(module):
        # Whatever does not go the fast way goes the ordinary one, which also tells what is wrong with it.
        with contextlib.suppress(Exception):
            return _load_short(replace(module, short=True), path)
    if path is None:
        return _load_in_memory(module)
    if module.target != "numba":
        return _run(module, str(path))
    for _ in range(2):
        # When what Numba kept on disk is damaged, or the disk is full, its errors come out raw. It is then removed, and the
        # second round starts without it; should that fail as well, the program itself is to blame, and memory will tell.
        try:
            loaded = _run(module, str(path))
            _compile_kept(loaded.function, module.types, path)
        except Exception:
            continue
        return loaded
    return _load_in_memory(module)


def _may_be_short(module: _Module) -> bool:
    """Whether it has functions that `straight` compiles: long ones, of numbers alone."""
    if module.target != "numba" or module.types is None or any("[" in word for word in module.types):
        return False
    return not _numba().config.DISABLE_JIT and bool(_straight().shortened(module.text)[1])


def _load_short(module: _Module, path: Path | None) -> Loaded:
    if path is None:
        loaded = _run_in_memory(module)
        _compile(loaded.function, module.types)
    else:
        loaded = _run(module, str(path))
        _compile_kept(loaded.function, module.types, path)
    return loaded


def _run_in_memory(module: _Module) -> Loaded:
    module = replace(module, text=without_disk_cache(module.text))
    path = f"<stagegrad {module.stem}>"
    # An entry without a time stamp stays in linecache for ever, so that tracebacks and `inspect` show a file that is none.
    linecache.cache[path] = (len(module.text), None, module.text.splitlines(keepends=True), path)
    return _run(module, path)


def _load_in_memory(module: _Module) -> Loaded:
    if module.target != "numba":
        return _run_in_memory(module)
    try:
        loaded = _run_in_memory(module)
        _compile(loaded.function, module.types)
    except StagegradError:
        raise
    except ImportError as error:
        advice = 'pip install "stagegrad[linalg]", or target="python"'
        reason = f"Numba needs SciPy to compile `@` and np.linalg in {module.entry}: {error}"
        raise MissingPackageError(reason, advice=advice) from error
    except Exception as error:
        raise UnsupportedError(f"Numba cannot compile {module.entry}: {_reason(error)}", advice='target="python"') from error
    return loaded


def _reason(error: Exception) -> str:
    """The line of Numba's message that says what is wrong: behind those that say where in Numba it was found."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("Failed in ")), lines[0] if lines else type(error).__name__)


def _run(module: _Module, path: str) -> Loaded:
    """Runs a module and registers it: Numba imports the module of a function by name when it reads machine code from disk."""
    made = ModuleType(f"_stagegrad_{module.stem}")
    made.__file__ = path
    text = module.text
    if module.short:
        text, functions = _straight().shortened(text)
        made.__dict__.update({name: _straight().intrinsic_of(function, made.__dict__) for name, function in functions.items()})
    elif module.target == "numba" and _numba().config.DISABLE_JIT:
        text = _interpreted(text)
    try:
        code = compile(text, path, "exec")
    except (RecursionError, MemoryError, SyntaxError) as error:
        reason = f"the code of {module.entry} is too large or too deep for Python's own compiler: {str(error) or type(error).__name__}"
        raise UnsupportedError(reason, advice="fewer blocks inside blocks, or a function for some of them") from error
    sys.modules[made.__name__] = made
    exec(code, made.__dict__)
    return Loaded(made.__dict__[module.entry], module.text, path)


def _interpreted(text: str) -> str:
    """The module for ``NUMBA_DISABLE_JIT=1``: Numba's ``vectorize`` compiles even then, and cannot call what `njit` left as it is."""
    return re.sub(r"^(from numba import .*), vectorize$", r"\1; from stagegrad.kernels.spread import vectorize", text, flags=re.MULTILINE)


def _digest(text: str, target: str) -> str:
    parts = [__version__, target, text]
    if target == "numba":
        parts += [str(_numba().__version__), _code_of_ours()]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _code_of_ours() -> str:
    """A digest of what machine code is made of besides the text, and Numba does not look at: the kernels, and the fast way."""
    found = hashlib.sha256()
    ours = (Path(__file__).with_name(name) for name in ("straight.py", "linking.py"))
    for path in (*ours, *sorted(Path(__file__).with_name("kernels").glob("*.py"))):
        found.update(path.read_bytes())
    return found.hexdigest()


# ---------------------------------------------------------------------------------------------- Numba


def _numba() -> ModuleType:
    """Numba, imported only where the numba target is used: it takes a second."""
    try:
        import numba
    except ImportError as error:
        advice = 'pip install numba, or use target="python"'
        raise MissingPackageError(f"Numba cannot be imported: {error}", advice=advice) from error
    module: ModuleType = numba
    return module


def _straight() -> ModuleType:
    """The fast way for long functions, imported only where Numba is."""
    from stagegrad import straight

    return straight


def _linking() -> ModuleType:
    """How Numba is made to compile what belongs together once, imported only where Numba is."""
    from stagegrad import linking

    return linking


def _compile(function: Any, types: tuple[str, ...] | None) -> None:
    """Compiles a dispatcher for one list of types and closes it, so that an int given for a float is converted, not specialised."""
    numba = _numba()
    if types is None or numba.config.DISABLE_JIT:
        return  # with NUMBA_DISABLE_JIT=1 the decorator gives back the plain Python function
    with warnings.catch_warnings():
        # ``@`` copies a strided operand first, as np.ascontiguousarray would: nothing that the user could change in generated text.
        warnings.filterwarnings("ignore", ".*is faster on contiguous arrays", numba.core.errors.NumbaPerformanceWarning)
        with _linking().together(function):
            function.compile(tuple(_numba_type(word, numba) for word in types))
    function.disable_compile()


def _numba_type(word: str, numba: Any) -> Any:
    """``"float"`` -> float64, ``"float32[2]"`` -> a contiguous matrix of float32, ``"float32[2]F"`` -> one in Fortran's order."""
    kind, _, about = word.partition("[")
    rank, _, order = about.partition("]")
    scalar = {"float": numba.float64, "float32": numba.float32, "int": numba.int64, "bool": numba.boolean}[kind]
    return numba.types.Array(scalar, int(rank), order or "C") if rank else scalar


def _compile_kept(function: Any, types: tuple[str, ...] | None, path: Path) -> None:
    """`_compile`, with the machine code on disk checked before, sealed after, and removed if it cannot be used."""
    if _numba().config.DISABLE_JIT:
        return
    sums = path.with_suffix(".sha256")
    wanted = _read_sums(sums)
    _remove([file for file in _machine_code(function, path) if file.name in wanted and _sha256(file) != wanted[file.name]])
    try:
        _compile(function, types)
    except Exception:
        _remove(_machine_code(function, path))
        raise
    _seal(sums, wanted, [path, *_machine_code(function, path)])


def _machine_code(function: Any, path: Path) -> list[Path]:
    """The files that Numba keeps for the functions of a module."""
    folder = function.stats.cache_path
    return sorted(Path(folder).glob(f"{path.stem}.*.nb[ic]")) if folder else []


def _seal(sums: Path, before: dict[str, str], files: Sequence[Path]) -> None:
    """Writes down what the files hold now; index files are left out, since other processes add to them."""
    found = {file.name: _sha256(file) for file in files if file.suffix != ".nbi"}
    try:
        if found == before:
            os.utime(sums)  # used now: see `_make_room`
            return
        for file in files:
            file.chmod(0o600)
        _write(sums, "".join(f"{digest}  {name}\n" for name, digest in sorted(found.items())).encode())
    except OSError:
        return  # another process took a file away, or the disk is full: then nothing is vouched for
    _make_room(sums.parent, sums.stem, sum(map(_size, files)))


def _read_sums(path: Path) -> dict[str, str]:
    rows = (line.split("  ", 1) for line in (_read(path) or b"").decode("ascii", "replace").splitlines())
    return {row[1]: row[0] for row in rows if len(row) == 2}


# ---------------------------------------------------------------------------------------------- files


def cache_folder() -> Path:
    """The private folder of generated modules, made if need be; `CacheError` if there can be none.

    It is ``STAGEGRAD_CACHE_DIR`` where that is set, else the platform's place for a user's caches.
    """
    import platformdirs  # lazily: not needed until something is compiled

    folder = Path(os.environ.get("STAGEGRAD_CACHE_DIR") or platformdirs.user_cache_dir("stagegrad", appauthor=False)).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.stat()
    except OSError as error:
        raise CacheError(f"the cache folder {folder} cannot be made: {error.strerror}") from error
    if _POSIX and about.st_uid != os.geteuid():
        raise CacheError(f"the cache folder {folder} belongs to another user")
    if _POSIX and about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheError(f"the cache folder {folder} can be written by other users", advice=f"chmod go-w {folder}")
    return folder


def _file_for(text: str, stem: str) -> Path | None:
    """The file that holds the text, written now unless it holds it already; None where there is no folder for it."""
    expected = text.encode("utf-8", "surrogatepass")
    try:
        folder = cache_folder()
        path = folder / f"{stem}.py"
        if path.is_symlink() or _read(path) != expected:
            _write(path, expected)
            _make_room(folder, stem, len(expected))
        # Numba makes this folder if it is missing, but for everyone to read.
        (folder / "__pycache__").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        _warn_once(str(error))
        return None
    return path


def _write(path: Path, content: bytes) -> None:
    """Puts a whole file in place at once, readable by its owner only; other processes see the old file or the new one."""
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        # On Windows a file that someone reads cannot be replaced; if it is already what we want, nothing is lost.
        if _read(path) != content:
            raise


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _sha256(path: Path) -> str:
    content = _read(path)
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _remove(paths: Iterable[Path]) -> int:
    removed = 0
    for path in paths:
        try:
            path.unlink()
        except OSError:
            continue  # another process was faster
        removed += 1
    return removed


_warned: set[str] = set()


def _warn_once(problem: str) -> None:
    if problem not in _warned:
        _warned.add(problem)
        warnings.warn(f"{problem}; compiled functions are kept in memory only (set STAGEGRAD_CACHE_DIR)", RuntimeWarning, stacklevel=2)


# ---------------------------------------------------------------------------------------------- looking after the cache


def cache_info() -> CacheInfo:
    """Says where generated modules are kept and how much there is."""
    try:
        folder = cache_folder()
    except CacheError as error:
        return CacheInfo(None, 0, 0, str(error), _limit())
    files = list(_files(folder))
    return CacheInfo(str(folder), sum(file.suffix == ".py" for file in files), sum(map(_size, files)), "", _limit())


def cache_clear() -> int:
    """Removes all generated modules and their machine code from the cache folder; returns how many files went.

    Functions that this process has loaded go on working. Files that stagegrad did not make are left alone.
    """
    try:
        return _remove(_files(cache_folder()))
    except CacheError:
        return 0


def cache_verify() -> tuple[str, ...]:
    """The files in the cache folder that are not what was written there, by name; each will count as missing when it is asked for."""
    folder = cache_folder()
    damaged = []
    for sums in sorted(folder.glob("*.sha256")):
        for name, digest in _read_sums(sums).items():
            found = [path for path in (folder / name, folder / "__pycache__" / name) if path.exists()]
            damaged += [name for path in found if _sha256(path) != digest]
    return tuple(damaged)


def _limit() -> int:
    """The most bytes that the folder may take: ``STAGEGRAD_CACHE_LIMIT``, in MiB, else one GiB."""
    given = os.environ.get("STAGEGRAD_CACHE_LIMIT", "")
    return (int(given) if given.isdecimal() else 1024) << 20


def _make_room(folder: Path, stem: str, written: int) -> None:
    """Removes the modules that were not used for the longest time, once the folder has outgrown its limit; never `stem` itself.

    The folder is read again only when this process has written a good part of the limit since. What another process is about to read
    may go: to it, that is a miss.
    """
    global _unread
    limit = _limit()
    _unread += written
    if _unread < limit / 64:
        return
    _unread = 0
    modules: dict[str, list[Path]] = {}
    for path in _files(folder):
        modules.setdefault(path.name.partition(".")[0], []).append(path)
    sizes = {name: sum(map(_size, paths)) for name, paths in modules.items()}
    excess = sum(sizes.values()) - limit
    if excess <= 0:
        return
    for name in sorted(modules.keys() - {stem}, key=lambda name: max(map(_used, modules[name]))):
        if excess <= -limit / 8:  # so that it does not happen at every module
            break
        excess -= sizes[name]
        _remove(modules[name])


#: How many bytes this process has written since it last saw what there is; at first it has seen nothing.
_unread: float = float("inf")


def _files(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / "__pycache__"):
        yield from (path for path in sorted(place.glob("*")) if _OURS.fullmatch(path.name))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _used(path: Path) -> float:
    """When a file was written, or touched because its module was used."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


# ---------------------------------------------------------------------------------------------- threads and processes

_ready: dict[_Module, Loaded] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def _lock_for(key: str) -> threading.Lock:
    """One lock for each module, so that two threads never compile the same text twice."""
    with _guard:
        return _locks.setdefault(key, threading.Lock())


def hold_compiler() -> Callable[[], None]:
    """Waits until no other thread compiles, and lets none do so until what it returns is called: Numba has one lock for all of them."""
    numba = sys.modules.get("numba")
    lock = getattr(getattr(getattr(numba, "core", None), "compiler_lock", None), "global_compiler_lock", None)
    if lock is None:  # not imported, or not all of it yet
        return lambda: None
    lock.acquire()
    release: Callable[[], None] = lock.release
    return release


def _renew_locks() -> None:
    """A child process starts with open locks: the thread that held one in the parent does not exist in the child."""
    global _guard
    _guard = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_locks)
