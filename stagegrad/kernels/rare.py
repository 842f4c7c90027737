"""A call for the few numbers that a formula does not cover, in a loop that runs on several numbers at once all the same.

LLVM gives up on a loop that calls a function, unless the function has a form for whole vectors. So the function has one for each length,
under a mask: it asks once whether any lane needs the call, and calls the plain function for those that do. Numba compiles in two rounds:
in the first the loop becomes one of vectors, in the second the forms are inlined, so that the usual vector passes one jump not taken.
Where a future LLVM should not go along, the loop is compiled as any other with a call in it, and its results are the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

from llvmlite import ir

from .lane import Lane

#: The lengths of the vectors that a loop may use, of 64 bits and of 32.
LENGTHS_64, LENGTHS_32 = (2, 4, 8), (4, 8, 16)


def unless(test: Lane, x: Lane, name: str, usual: Lane) -> Lane:
    """`usual`, but the C library's function of x where the test holds."""
    builder = x.builder
    function = _outlined(builder.module, name, x)
    before = builder.block
    with builder.if_then(test.llvm, likely=False):
        called = builder.call(function, [x.llvm])
        inside = builder.block
    return x.of(_joined(builder, (usual.llvm, before), (called, inside)))


def _outlined(module: Any, name: str, x: Lane) -> Any:
    """A function of the module that calls the C library's, with forms for vectors."""
    # Modules are linked into one another: a function that had to be renamed then would lose its forms for vectors.
    of_module = hashlib.sha256(module.name.encode()).hexdigest()[:16]
    own = f"stagegrad_{name}_{x.form.bits}_{of_module}"
    if own in module.globals:
        return module.globals[own]
    library = _declared(module, name + x.form.pick("", "f"), x.form.llvm, [x.form.llvm])
    function = ir.Function(module, library.function_type, own)
    function.linkage = "internal"
    forms = {length: _for_vectors(function, length) for length in x.form.pick(LENGTHS_64, LENGTHS_32)}
    variants = ",".join(f"_ZGV_LLVM_M{length}v_{own}({form.name})" for length, form in forms.items())
    _mark(function, "noinline", "nounwind", "memory(none)", f'"vector-function-abi-variant"="{variants}"')
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(builder.call(library, function.args))
    _keep(module, list(forms.values()))
    return function


def _for_vectors(function: Any, length: int) -> Any:
    """The form of a function for vectors of a length, under a mask: their first operand, with calls for the lanes that the mask names."""
    type_ = _vector_type(function, length)
    form = _part_of(function, f"{length}", type_, "alwaysinline")
    builder = ir.IRBuilder(form.append_basic_block())
    lanes = ir.IntType(length)
    any_lane = builder.icmp_unsigned("!=", builder.bitcast(form.args[1], lanes), lanes(0))
    before, slow = builder.block, _lane_by_lane(function, length)
    with builder.if_then(any_lane, likely=False):
        called = builder.call(slow, form.args)
        inside = builder.block
    builder.ret(_joined(builder, (form.args[0], before), (called, inside)))
    return form


def _lane_by_lane(function: Any, length: int) -> Any:
    """What calls a function for each lane that a mask names."""
    slow = _part_of(function, f"each_{length}", _vector_type(function, length), "noinline", "cold")
    builder = ir.IRBuilder(slow.append_basic_block())
    found, mask = slow.args
    for lane in map(ir.IntType(32), range(length)):
        before = builder.block
        with builder.if_then(builder.extract_element(mask, lane), likely=False):
            called = builder.call(function, [builder.extract_element(slow.args[0], lane)])
            filled, inside = builder.insert_element(found, called, lane), builder.block
        found = _joined(builder, (found, before), (filled, inside))
    builder.ret(found)
    return slow


def _vector_type(function: Any, length: int) -> Any:
    vector = ir.VectorType(function.function_type.return_type, length)
    return ir.FunctionType(vector, [vector, ir.VectorType(ir.IntType(1), length)])


def _part_of(function: Any, suffix: str, type_: Any, *attributes: str) -> Any:
    found = ir.Function(function.module, type_, f"{function.name}_{suffix}")
    found.linkage = "internal"
    _mark(found, "nounwind", "memory(none)", *attributes)
    return found


def _joined(builder: Any, *ways: tuple[Any, Any]) -> Any:
    """The value that comes by one of several ways."""
    found = builder.phi(ways[0][0].type)
    for value, block in ways:
        found.add_incoming(value, block)
    return found


def _keep(module: Any, functions: list[Any]) -> None:
    """Keeps functions that nothing calls yet: LLVM does not know that a loop may become one that does."""
    pointer = ir.PointerType(ir.IntType(8))
    name = "llvm.compiler.used"
    kept = module.globals.get(name) or ir.GlobalVariable(module, ir.ArrayType(pointer, 0), name)
    known = kept.initializer.constant if kept.initializer else []
    found = [*known, *(function.bitcast(pointer) for function in functions)]
    kept.linkage, kept.section = "appending", "llvm.metadata"
    # A module has one such list; it grows with each function that is kept.
    kept.value_type = ir.ArrayType(pointer, len(found))
    kept.type = kept.value_type.as_pointer()
    kept.initializer = ir.Constant(kept.value_type, found)


def _declared(module: Any, name: str, result: Any, operands: list[Any]) -> Any:
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, operands), name)


def _mark(function: Any, *attributes: str) -> None:
    # llvmlite knows the names of some attributes only, and none with a value.
    function.attributes._known = function.attributes._known | set(attributes)
    for attribute in attributes:
        function.attributes.add(attribute)
