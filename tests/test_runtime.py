"""Generated text becomes a callable: cached on disk, private, checked, and safe among threads and processes."""

from __future__ import annotations

import inspect
import linecache
import os
import stat
import subprocess
import sys
import textwrap
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stagegrad import runtime
from stagegrad.errors import CacheError, MissingPackageError, UnsupportedError

PYTHON = textwrap.dedent("""\
    import math


    def slope(x, n):
        f = 0.0
        for i in range(n):
            f += math.exp(x)
        return f, f
    """)

NUMBA = PYTHON.replace("import math\n", "import math\n\nfrom numba import njit\n").replace("def slope", "@njit(cache=True)\ndef slope")
TYPES = ("float", "int")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache folder of the test's own, and nothing loaded yet."""
    path = tmp_path / "cache"
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(path))
    monkeypatch.setattr(runtime, "_ready", {})
    monkeypatch.setattr(runtime, "_warned", set())
    return path


def forget():
    """What a fresh process would know."""
    runtime._ready.clear()


def load_numba(**options):
    return runtime.load(NUMBA, "slope", target="numba", types=TYPES, **options)


def python(script, **variables):
    """What a fresh process prints."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True).stdout.strip()


def hits_and_misses(loaded):
    stats = loaded.function.stats
    return sum(stats.cache_hits.values()), sum(stats.cache_misses.values())


# ---------------------------------------------------------------------------------------------- files


def test_a_module_is_a_file_named_by_function_and_hash(folder):
    loaded = runtime.load(PYTHON, "slope", target="python")
    path = Path(loaded.path)
    assert path.parent == folder
    assert path.stem.startswith("slope_") and len(path.stem) == len("slope_") + 16
    assert path.read_text() == PYTHON == loaded.text
    assert loaded.function(0.0, 3) == (3.0, 3.0)
    assert inspect.getsource(loaded.function).startswith("def slope(x, n):")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_folder_and_files_are_the_owners_alone(folder):
    old = os.umask(0)
    try:
        load_numba()
    finally:
        os.umask(old)
    places = [folder, *folder.rglob("*")]
    assert all(stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600) for path in places if path.suffix != ".tmp")


def test_the_same_text_gives_the_same_function():
    assert runtime.load(PYTHON, "slope", target="python") is runtime.load(PYTHON, "slope", target="python")


def test_a_changed_text_gives_another_file(folder):
    runtime.load(PYTHON, "slope", target="python")
    runtime.load(PYTHON.replace("0.0", "1.0"), "slope", target="python")
    assert len(list(folder.glob("*.py"))) == 2


@pytest.mark.parametrize("damage", [b"", b"raise SystemExit\n", PYTHON.encode()[:-4], b"\xff\x00"])
def test_a_damaged_file_never_runs_and_is_written_again(damage):
    path = Path(runtime.load(PYTHON, "slope", target="python").path)
    path.write_bytes(damage)
    forget()
    assert runtime.load(PYTHON, "slope", target="python").function(0.0, 2) == (2.0, 2.0)
    assert path.read_text() == PYTHON


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_in_place_of_a_file_is_replaced_not_followed(tmp_path):
    path = Path(runtime.load(PYTHON, "slope", target="python").path)
    elsewhere = tmp_path / "elsewhere.py"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    forget()
    runtime.load(PYTHON, "slope", target="python")
    assert not path.is_symlink()


def test_names_that_files_cannot_have(folder):
    text = "def überlänge_π():\n    return 1.0\n"
    assert runtime.load(text, "überlänge_π", target="python").function() == 1.0
    assert all(path.name.isascii() for path in folder.glob("*.py"))
    long = "f" * 300
    assert runtime.load(f"def {long}():\n    return 2.0\n", long, target="python").function() == 2.0


# ---------------------------------------------------------------------------------------------- where no folder can be had


def test_an_unwritable_folder_means_memory(monkeypatch, tmp_path):
    blocker = tmp_path / "a file"
    blocker.write_text("")
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(blocker / "cache"))
    with pytest.warns(RuntimeWarning, match="in memory only"):
        loaded = load_numba()
    assert loaded.function(0.0, 3) == (3.0, 3.0)
    assert "cache=True" not in loaded.text
    assert "cannot be made" in runtime.cache_info().problem
    assert runtime.cache_clear() == 0


def test_the_warning_comes_once(monkeypatch, tmp_path, recwarn):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path / "file" / "cache"))
    for number in range(3):
        runtime.load(f"def f():\n    return {number}.0\n", "f", target="python")
    assert len(recwarn) == 1


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_refused(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(CacheError, match="can be written by other users"):
        runtime.cache_folder()
    with pytest.warns(RuntimeWarning, match="other users"):
        loaded = runtime.load(PYTHON, "slope", target="python")
    assert loaded.function(0.0, 1) == (1.0, 1.0)
    assert not list(folder.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="owners are POSIX")
def test_a_folder_of_another_user_is_refused(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(CacheError, match="another user"):
        runtime.cache_folder()


def test_without_a_cache_nothing_is_written(folder):
    loaded = load_numba(cache=False)
    assert loaded.function(0.0, 3) == (3.0, 3.0)
    assert not folder.exists()
    assert "@njit\ndef slope" in loaded.text
    assert inspect.getsource(loaded.function.py_func).startswith("@njit\ndef slope")


def test_tracebacks_show_code_that_lives_in_memory():
    loaded = runtime.load(PYTHON.replace("f = 0.0", "f = 1.0 / 0.0"), "slope", target="python", cache=False)
    linecache.checkcache()
    with pytest.raises(ZeroDivisionError) as caught:
        loaded.function(0.0, 3)
    assert "f = 1.0 / 0.0" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@njit(cache=True)", "@njit"),
        ("@njit(cache=True, nogil=True)", "@njit(nogil=True)"),
        ('@njit(error_model="numpy", cache=True)', '@njit(error_model="numpy")'),
        ("    note = '@njit(cache=True)'", "    note = '@njit(cache=True)'"),
    ],
)
def test_only_the_decorator_loses_its_cache(before, after):
    assert runtime.without_disk_cache(before) == after


# ---------------------------------------------------------------------------------------------- Numba


def test_a_warm_start_compiles_nothing():
    cold = load_numba()
    assert hits_and_misses(cold) == (0, 1)
    forget()
    warm = load_numba()
    assert warm is not cold
    assert hits_and_misses(warm) == (1, 0)
    assert warm.function(0.5, 3) == cold.function(0.5, 3)


def test_a_function_that_calls_itself_runs_in_every_process(tmp_path):
    program = tmp_path / "recursion.py"
    program.write_text(
        textwrap.dedent("""\
        import stagegrad

        def power(n: int, x):
            return 1.0 if n == 0 else x * power(n - 1, x)

        @stagegrad.compile
        def cube(x: float):
            return power(3, x)

        print(cube(2.0), cube.grad(2.0))
        """)
    )
    script = f"import runpy; runpy.run_path({str(program)!r})"
    assert [python(script) for _ in range(2)] == ["8.0 12.0"] * 2


def test_numba_cache_dir_is_respected(tmp_path):
    # Numba reads the variable once, when it is imported.
    script = f"""
        from stagegrad import runtime
        loaded = runtime.load({NUMBA!r}, "slope", target="numba", types=("float", "int"))
        print(sum(loaded.function.stats.cache_hits.values()))
    """
    runs = [python(script, NUMBA_CACHE_DIR=str(tmp_path / "numba")) for _ in range(2)]
    assert runs == ["0", "1"]
    assert list((tmp_path / "numba").rglob("slope_*.nbc"))


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("kept", [0, 1, 0.5, 0.9])
def test_damaged_machine_code_is_a_miss(folder, suffix, kept):
    load_numba()
    (path,) = folder.rglob(f"*{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))] if kept < 1 else b"\x80garbage")
    forget()
    assert load_numba().function(0.0, 3) == (3.0, 3.0)
    forget()
    assert hits_and_misses(load_numba()) == (1, 0)


def test_a_flipped_bit_in_machine_code_is_noticed(folder):
    load_numba()
    (path,) = folder.rglob("*.nbc")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert runtime.cache_verify() == (path.name,)
    forget()
    assert hits_and_misses(load_numba()) == (0, 1)
    assert runtime.cache_verify() == ()


def test_types_are_fixed_when_they_are_given():
    function = load_numba().function
    function(1, 3)
    assert function(2**62, 0) == (0.0, 0.0)
    assert len(function.signatures) == 1


def test_what_numba_cannot_compile_is_refused_without_its_traceback():
    text = NUMBA.replace("math.exp(x)", "math.exp('x')")
    with pytest.raises(UnsupportedError, match="Numba cannot compile slope: No implementation of function") as caught:
        runtime.load(text, "slope", target="numba", types=TYPES)
    assert "Failed in" not in str(caught.value)


def test_text_that_is_too_deep_is_refused():
    with pytest.raises(UnsupportedError, match="too large or too deep"):
        runtime.load("def f(x):\n    return " + "(" * 5000 + "x" + ")" * 5000 + "\n", "f", target="python")


def test_without_numba_the_python_target_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not runtime.has_numba()
    assert runtime.load(PYTHON, "slope", target="python").function(0.0, 1) == (1.0, 1.0)
    with pytest.raises(MissingPackageError, match="pip install numba") as caught:
        load_numba()
    assert isinstance(caught.value, ImportError)


def test_numba_switched_off_by_its_own_variable():
    script = f"""
        from stagegrad import runtime
        print(runtime.load({NUMBA!r}, "slope", target="numba", types=("float", "int")).function(0.0, 3))
    """
    assert python(script, NUMBA_DISABLE_JIT="1") == "(3.0, 3.0)"


def test_functions_of_one_element_when_numba_is_switched_off(tmp_path):
    """On arrays, empty ones, narrow ones and beside numbers they are what the numpy target computes, nan included."""
    program = tmp_path / "elements.py"
    program.write_text(
        textwrap.dedent("""\
        import numpy as np, stagegrad

        def f(x, y):
            return np.sum(np.clip(x, y, 2.0) * np.maximum(x, y) * np.arctan2(x, 0.5))

        compiled, plain = (stagegrad.compile(f, target=target, cache=False).value_and_grad for target in ("numba", "numpy"))
        x, y = np.array([[0.0, 1.0, np.nan, 2.0], [2.5, -1.0, 0.5, -0.0]]), np.array([0.0, 1.0, 1.0, np.nan])
        for a, b in ((x, y), (x, x), (np.float32(x), np.float32(y)), (x[:, :0], y[:0]), (x[:0], y)):
            for one, other in zip((value := compiled(a, b))[1], plain(a, b)[1]):
                assert one.dtype == other.dtype and one.shape == other.shape
                np.testing.assert_allclose(one, other, rtol=1e-6)
            np.testing.assert_allclose(value[0], plain(a, b)[0], rtol=1e-6)
        print("right")
        """)
    )
    assert python(f"import runpy; runpy.run_path({str(program)!r})", NUMBA_DISABLE_JIT="1") == "right"


# ---------------------------------------------------------------------------------------------- threads and processes


def test_threads_compile_a_text_once(monkeypatch):
    runs = []
    original = runtime._run
    monkeypatch.setattr(runtime, "_run", lambda *args: (runs.append(1), original(*args))[1])
    start = threading.Barrier(8)

    def work(_):
        start.wait()
        return load_numba().function(0.3, 5)

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(work, range(8)))
    assert len(answers) == 1 and len(runs) == 1


def test_many_processes_share_a_folder():
    script = textwrap.dedent(f"""
        from stagegrad import runtime
        print(runtime.load({NUMBA!r}, "slope", target="numba", types=("float", "int")).function(0.5, 7))
    """)
    runs = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {run.communicate()[0] for run in runs}
    assert len(answers) == 1 and all(run.returncode == 0 for run in runs)
    assert runtime.cache_verify() == ()


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
def test_a_forked_child_can_load_while_a_thread_of_the_parent_held_the_lock():
    key = runtime._digest(PYTHON, "python")
    with runtime._lock_for(key), runtime._guard:
        pid = os.fork()
        if pid == 0:
            ok = runtime.load(PYTHON, "slope", target="python").function(0.0, 1) == (1.0, 1.0)
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# ---------------------------------------------------------------------------------------------- looking after it


def test_info_and_clear(folder):
    load_numba()
    stranger = folder / "notes.py"
    stranger.write_text("mine")
    info = runtime.cache_info()
    assert info.folder == str(folder) and info.modules == 1 and info.bytes > 1000 and not info.problem
    assert runtime.cache_clear() == 4  # text, sums, index, machine code
    assert runtime.cache_info().modules == 0
    assert stranger.exists()


def fill(folder, count, size=100_000):
    """So many modules of a known size, the first the oldest; the stems of them."""
    stems = []
    for number in range(count):
        loaded = runtime.load(f"# {'x' * size}\ndef f():\n    return {number}.0\n", "f", target="python")
        os.utime(loaded.path, (number, number))
        stems.append(Path(loaded.path).stem)
    return stems


def test_the_oldest_modules_go_when_the_folder_outgrows_its_limit(folder, monkeypatch):
    monkeypatch.setenv("STAGEGRAD_CACHE_LIMIT", "1")
    monkeypatch.setattr(runtime, "_unread", 0.0)
    folder.mkdir(mode=0o700)
    (folder / "notes.txt").write_text("not ours")
    stems = fill(folder, 15)
    info = runtime.cache_info()
    assert info.limit == 1 << 20 >= info.bytes > info.limit // 2
    left = {path.stem for path in folder.glob("*.py")}
    assert left == set(stems[-len(left) :]) and len(left) < 15
    assert (folder / "notes.txt").exists()


def test_a_module_that_was_used_lately_stays(folder, monkeypatch):
    kept = Path(load_numba().path)
    for path in folder.rglob("slope_*"):
        os.utime(path, (0, 0))
    fill(folder, 3)
    forget()
    load_numba()  # from now on the youngest
    monkeypatch.setattr(runtime, "_limit", lambda: 200_000)
    monkeypatch.setattr(runtime, "_unread", float("inf"))
    runtime.load("def f():\n    return 9.0\n", "f", target="python")
    assert kept.exists()
    assert runtime.cache_info().bytes <= 200_000


def test_a_process_reads_the_folder_again_only_when_it_has_written_enough(folder, monkeypatch):
    seen = []
    files = runtime._files
    monkeypatch.setattr(runtime, "_files", lambda folder: seen.append(1) or files(folder))
    monkeypatch.setattr(runtime, "_unread", float("inf"))
    fill(folder, 20, size=10)
    assert len(seen) == 1


def test_what_another_process_removed_is_made_again(folder):
    loaded = load_numba()
    for path in folder.rglob("slope_*"):
        path.unlink()
    assert loaded.function(0.0, 3) == (3.0, 3.0)
    forget()
    assert load_numba().function(0.0, 3) == (3.0, 3.0)
    assert runtime.cache_verify() == ()


@pytest.mark.parametrize("given", ["", "many", "-3"])
def test_a_limit_that_is_no_number_is_the_default(given, monkeypatch):
    monkeypatch.setenv("STAGEGRAD_CACHE_LIMIT", given)
    assert runtime.cache_info().limit == 1 << 30
