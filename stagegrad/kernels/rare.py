"""A call for the few numbers that a formula does not cover, in a loop that runs on several numbers at once all the same.

LLVM gives up on a loop that calls a function, unless the function has a form for whole vectors. So the function declares one, for vectors
far longer than any processor's, under a mask: LLVM then keeps the loop, asks of each lane whether it needs the call, and calls the plain
function for those that do (for the usual lanes that is a jump not taken). Where a future LLVM should not go along, the loop is compiled
as any other with a call in it, and its results are the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

from llvmlite import ir

from .lane import DOUBLE, SINGLE, Format, Lane

#: The length of the vectors of the form that is declared and never called.
LANES = 256


def unless(test: Lane, x: Lane, name: str, usual: Lane) -> Lane:
    """`usual`, but the C library's function of x where the test holds."""
    builder = x.builder
    function = _outlined(builder.module, name, x)
    before = builder.block
    with builder.if_then(test.llvm, likely=False):
        called = builder.call(function, [x.llvm])
        inside = builder.block
    found = builder.phi(x.llvm.type)
    found.add_incoming(usual.llvm, before)
    found.add_incoming(called, inside)
    return x.of(found)


def _outlined(module: Any, name: str, x: Lane) -> Any:
    """A function of the module that calls the C library's, with a declared form for vectors."""
    # Modules are linked into one another: a function that had to be renamed then would lose its form for vectors.
    of_module = hashlib.sha256(module.name.encode()).hexdigest()[:16]
    own = f"stagegrad_{name}_{x.form.bits}_{of_module}"
    if own in module.globals:
        return module.globals[own]
    library = _declared(module, name + x.form.pick("", "f"), x.form.llvm, [x.form.llvm])
    function = ir.Function(module, library.function_type, own)
    function.linkage = "internal"
    variant = f'"vector-function-abi-variant"="_ZGV_LLVM_M{LANES}v_{own}({_whole(module, x.form)})"'
    _mark(function, "noinline", "nounwind", "memory(none)", variant)
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(builder.call(library, function.args))
    return function


def _whole(module: Any, form: Format) -> str:
    """The name of the form for vectors, the same for all functions of a format; declared and kept with the first of them."""
    names = {each: f"stagegrad_never_called_{each.bits}" for each in (DOUBLE, SINGLE)}
    if names[form] not in module.globals:
        pointer = ir.PointerType(ir.IntType(8))
        mask = ir.VectorType(ir.IntType(1), LANES)
        vectors = [(name, ir.VectorType(each.llvm, LANES)) for each, name in names.items()]
        declared = [_declared(module, name, vector, [vector, mask]) for name, vector in vectors]
        kept = ir.GlobalVariable(module, ir.ArrayType(pointer, len(declared)), "llvm.compiler.used")
        kept.linkage, kept.section = "appending", "llvm.metadata"
        kept.initializer = ir.Constant(kept.type.pointee, [function.bitcast(pointer) for function in declared])
    return names[form]


def _declared(module: Any, name: str, result: Any, operands: list[Any]) -> Any:
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, operands), name)


def _mark(function: Any, *attributes: str) -> None:
    # llvmlite knows the names of some attributes only, and none with a value.
    function.attributes._known = function.attributes._known | set(attributes)
    for attribute in attributes:
        function.attributes.add(attribute)
