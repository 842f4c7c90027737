"""The methods of NumPy's ufuncs, and calls that write their result to an array: ``np.add.at``, ``np.add.reduce``, ``out=``."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from stagegrad.errors import NeedsTypes
from stagegrad.frontend.forms import known
from stagegrad.frontend.indexing import Step
from stagegrad.frontend.numpy_words import WORDS, find
from stagegrad.frontend.values import Many, Method, Ref, Static, Value, describe
from stagegrad.frontend.words_composed import running_extreme
from stagegrad.frontend.words_creation import array_of
from stagegrad.frontend.writes import NeedsMemory, Writes
from stagegrad.ir import INT, Atom, Lit, Type
from stagegrad.ops import literal

#: What a ufunc does along an axis, under its own name.
_ALONG = {
    "reduce": {
        "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
        "logaddexp": "scipy.special.logsumexp",
    },
    "accumulate": {"add": "cumsum", "multiply": "cumprod"},
}  # fmt: skip


class Ufuncs(Writes):
    """Lowers calls of functions of NumPy that write to an array that they are given, and of the methods of ufuncs."""

    def attribute_of(self, owner: Value, node: ast.Attribute) -> Value:
        if isinstance(owner, Static) and type(owner.thing).__name__ == "ufunc" and node.attr in ("at", "outer", *_ALONG):
            return Method(node.attr, owner, None)
        return super().attribute_of(owner, node)

    def call_method(self, method: Method, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        if not isinstance(method.owner, Static) or method.thing is not None:
            return super().call_method(method, args, keywords, node)
        thing: Any = method.owner.thing
        if self.compilation.guesses:
            raise NeedsTypes(f"np.{thing.__name__}.{method.name} of arguments of unknown types", self.span(node), "a call, or types=")
        if method.name == "at":
            self.expect(args, 3, 3, f"np.{thing.__name__}.at", node)
            return self._add_at(thing.__name__, args, node)
        if method.name == "outer":
            self.expect(args, 2, 2, f"np.{thing.__name__}.outer", node)
            first, second = (array_of(self, node, arg) for arg in args)
            for _ in range(second.type.rank if first.type.rank else 0):
                first = self.emit("expand_dims", [first], node, [("axis", first.type.rank)])
            return self.call_object(thing, [first, second], keywords, node)
        if method.name == "accumulate" and thing.__name__ in ("maximum", "minimum"):
            self.expect(args, 1, 2, f"np.{thing.__name__}.accumulate", node)
            axis = args[1] if len(args) == 2 else keywords.get("axis", literal(0))
            return running_extreme(self, node, thing.__name__, self.for_numpy(args[0], node), axis)
        title = _ALONG[method.name].get(thing.__name__)
        if title is None:
            raise self.refusal(node, f"np.{thing.__name__}.{method.name} is not supported", "a loop over the items")
        given = {} if len(args) > 1 or "axis" in keywords else {"axis": literal(0)}
        return self.call_word(WORDS[title], args, {**given, **keywords}, node)

    def _add_at(self, name: str, args: list[Value], node: ast.Call) -> Value:
        """``np.add.at(a, index, values)``: an element that is named twice is added to twice."""
        if name not in ("add", "subtract"):
            raise self.refusal(node, f"np.{name}.at is not supported", "a loop over the indices")
        owner = self._written(args[0], node)
        index = ast.Subscript(ast.Constant(None), known(args[1]), ast.Load())
        step = self.section_behind(owner, ast.fix_missing_locations(ast.copy_location(index, node))).steps[-1]
        value = self.numeric(args[2], node) if self.is_array(args[2]) else self.array(args[2], node)
        if name == "subtract":
            value = self.emit("neg", [value], node)
        self.write(Ref(owner.buffer, (*owner.steps, step), _typed(owner, step)), value, node, "accumulate")
        return self.constant(None, node)

    # ------------------------------------------------------------------------------------------ results in given arrays

    def call_object(self, thing: object, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        if getattr(thing, "__name__", "") == "fill_diagonal" and str(getattr(thing, "__module__", "")).startswith("numpy"):
            return self._fill_diagonal(args, keywords, node)
        operands = getattr(thing, "nin", 0) if type(thing).__name__ == "ufunc" else 0
        if operands and len(args) == operands + 1 and "out" not in keywords:
            args, keywords = args[:-1], {**keywords, "out": args[-1]}
        out = keywords.get("out")
        if out is None or not (operands or find(thing)):
            return super().call_object(thing, args, keywords, node)
        others = {key: value for key, value in keywords.items() if key != "out"}
        if isinstance(out, Static) and out.thing is None:
            return super().call_object(thing, args, others, node)
        owner = self._written(out, node)
        found = super().call_object(thing, args, others, node)
        result = self.array(found, node)
        if result.type.rank > owner.type.rank or (not operands and result.type.rank != owner.type.rank):
            raise self.refusal(node, f"{describe(result)} does not fit into {describe(owner)}")
        if not operands:
            self._require_shape(owner, result, node)
        self.write(owner, result, node)
        return owner

    def _require_shape(self, owner: Ref, result: Atom, node: ast.AST) -> None:
        """Functions other than ufuncs repeat nothing along the axes of ``out``."""
        version = self.read(owner, node)
        for axis in range(owner.type.rank):
            own, other = (self.emit("extent", [array], node, (("axis", axis),)) for array in (version, result))
            self.stop(self.arithmetic("ne", own, other, node), "ValueError", "output array has wrong dimensions", node)

    def _written(self, value: Value, node: ast.AST) -> Ref:
        """An array that a call writes to."""
        if isinstance(value, Many) and len(value.items) == 1:
            value = value.items[0]
        if not self.is_array(value):
            raise self.unknown(node, f"an array is needed to write to, and this is {describe(value)}")
        if self.memory is None:
            raise NeedsMemory
        if not isinstance(value, Ref):
            raise self.refusal(node, "this writes to an array that has no name", "a name for the array, then the call")
        return value

    def _fill_diagonal(self, args: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        """``a[k, k] = value`` for each place of the diagonal."""
        self.expect(args, 2, 2, "np.fill_diagonal", node)
        if keywords:
            raise self.refusal(node, "np.fill_diagonal with wrap= is not supported", "a loop over the rows")
        owner = self._written(args[0], node)
        if owner.type.rank != 2:
            raise self.refusal(node, "the diagonal of a matrix can be filled, and this has another number of axes")
        version = self.read(owner, node)
        sizes = [self.emit("extent", [version], node, (("axis", axis),)) for axis in (0, 1)]
        places = self.emit("arange", [Lit(0, INT), self.emit("min", sizes, node), Lit(1, INT)], node)
        step = Step(("{}", "{}"), (places, places), 1, gather=True)
        self.write(Ref(owner.buffer, (*owner.steps, step), _typed(owner, step)), args[1], node)
        return self.constant(None, node)


def _typed(owner: Ref, step: Step) -> Type:
    """The type of what a step leads to."""
    return replace(owner.type, rank=step.rank)
