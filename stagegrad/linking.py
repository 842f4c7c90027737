"""Numba, made to optimise a function and to write its machine code once: together with all that it calls, and for it alone.

Numba does both for every function on its way, its own implementations of NumPy's included, although all of them but the first are copied
into what calls them, and nobody else ever runs them. `together` leaves that out: such a function gets machine code of its own when its
address is asked for, and not before.

It reaches into parts of Numba that have no public names. Where one of them is missing, nothing is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from numba.core import caching, codegen, environment
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys

#: Numba has no types.
Library: Any = codegen.JITCodeLibrary
Codegen: Any = codegen.JITCPUCodegen
_lock: Any = global_compiler_lock
_runtime: Any = rtsys
_environment_of: Any = environment.lookup_environment

_ENVIRONMENT = "_ZN08NumbaEnv"
#: Nobody calls a helper from Python, or hands it to C.
_CALLED_BY_COMPILED_CODE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class _Linked(Library):  # type: ignore[misc]  # Numba's classes are Any
    """The code of a function and of what it calls, optimised and made machine code of at the moment when that is needed."""

    _compiled_object: Any = None  # Numba's libraries have it only where they are kept on disk
    _written = False

    def _optimize_final_module(self) -> None:
        """Nothing yet: the library that this one is linked into optimises the whole."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True
        if self._compiled_object is not None:  # machine code that was read from disk
            self._write()

    def _write(self) -> None:
        """The machine code, by the way that every library of Numba's goes."""
        self._ensure_finalized()
        if self._written:
            return
        self._written = True
        if self._compiled_object is None:
            super()._optimize_final_module()
            self._final_module.verify()
        super()._finalize_final_module()
        # What raises an error whose message is made on the way looks up its function's environment.
        names = [variable.name for variable in self._final_module.global_variables if variable.name.startswith(_ENVIRONMENT)]
        self._environments = {name: found for name in names if (found := _environment_of(name)) is not None}
        for name, found in self._environments.items():
            Codegen.set_env(self._codegen, name, found)

    def get_pointer_to_function(self, name: str) -> Any:
        """The address of a function; 0 for one of another library, without any machine code."""
        self._ensure_finalized()
        if not self._written and not any(function.name == name for function in self.get_defined_functions()):
            return 0
        self._write()
        return super().get_pointer_to_function(name)

    def _get_compiled_object(self) -> Any:
        self._write()
        return super()._get_compiled_object()

    def get_llvm_str(self) -> Any:
        """The code as it was compiled."""
        self._write()
        return super().get_llvm_str()

    def get_asm_str(self) -> Any:
        """The machine code in words."""
        self._write()
        return super().get_asm_str()


def _set_environment(name: str, found: Any) -> None:
    """Tells machine code where its environment is, if there is machine code."""
    compiler = cpu_target.target_context.codegen()
    if compiler._engine.get_global_value_address(name):
        Codegen.set_env(compiler, name, found)


#: What of Numba's compiler is ours meanwhile: by the name of the attribute.
_OURS = {"_library_class": _Linked, "set_env": _set_environment}
#: What must be there for that.
_NEEDED = {
    Library: ("_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals", "_verify_declare_only_symbols"),
    Codegen: tuple(_OURS),
}
_FITS = all(hasattr(part, name) for part, names in _NEEDED.items() for name in names)


def _helpers(function: Any) -> list[Any]:
    """The compiled functions that are defined beside one."""
    beside = function.py_func.__globals__.values()
    return [found for found in beside if type(found) is type(function) and found is not function]


def _calls_itself(functions: list[Any]) -> bool:
    """Does one of the functions call itself, be it by way of others? Numba looks for such a function in machine code."""
    calls = {function.__name__: set(function.py_func.__code__.co_names) for function in functions}
    for _ in calls:
        calls = {name: called.union(*(calls[other] for other in called & calls.keys())) for name, called in calls.items()}
    return any(name in called for name, called in calls.items())


@contextlib.contextmanager
def together(function: Any) -> Iterator[None]:
    """Inside it a dispatcher of Numba's compiles what its module defines into its own machine code, and nowhere else.

    The other functions of the module are as before when that is done: whoever calls one of them from Python has it compiled then. Nothing
    of them is kept on disk, for the machine code of `function` holds them.
    """
    with _lock:
        helpers = _helpers(function)
        if not _FITS or _calls_itself([function, *helpers]):
            yield
            return
        compiler = cpu_target.target_context.codegen()
        _runtime.initialize(cpu_target.target_context)  # its machine code is asked for in the middle of writing other
        with contextlib.ExitStack() as undo:
            for helper in helpers:
                undo.callback(_as_before, helper, helper.targetoptions, helper._cache)
                helper.targetoptions = helper._compiler.targetoptions = {**helper.targetoptions, **_CALLED_BY_COMPILED_CODE}
                helper._cache = caching.NullCache()
            for name, ours in _OURS.items():
                setattr(compiler, name, ours)
                undo.callback(delattr, compiler, name)
            yield


def _as_before(helper: Any, options: dict[str, Any], cache: Any) -> None:
    """Forgets what was compiled of a helper: nobody can call that from Python."""
    helper.targetoptions = helper._compiler.targetoptions = options
    helper._cache = cache
    helper._reset_overloads()
