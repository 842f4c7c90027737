"""``out=``: arrays that a caller gives for results, checked against what they are to hold.

Takes the structure of an answer, the shape and the dtype of each array in it and what was given; returns the given arrays, leaf by leaf,
or an ArgumentError that says what to give. An array for a result shares no memory with an argument nor with another result: it is
written while they are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stagegrad.calls.boundary import overlaps_itself, shares_memory
from stagegrad.errors import ArgumentError
from stagegrad.frontend.specs import Known, Leaf, Spec, Tree, class_of, leaves


@dataclass(frozen=True)
class Room:
    """What an array for a result must be."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def word(self) -> str:
        """How a caller makes one."""
        return f"np.empty({self.shape}, np.{self.dtype.newbyteorder('=')})"


@dataclass(frozen=True)
class Outputs:
    """The results of a call, which `title` names: their structure, and for each leaf the room that it takes; None for a number."""

    title: str
    spec: Spec
    rooms: tuple[Room | None, ...]

    def given(self, out: Any, taken: Sequence[tuple[str, Any]]) -> list[Any]:
        """The array that `out` has for each leaf, or None; `taken` are the arrays among the arguments, with what they are called."""
        found: list[Any] = []
        others = [*taken]
        for (path, array), room in zip(self._leaves(self.spec, out, "out"), self.rooms, strict=True):
            found.append(array)
            if array is not None:
                self._require(path, array, room)
                for name, other in others:
                    if shares_memory(array, other):
                        raise self._refused(path, f"shares memory with {name}")
                others.append((path, array))
        return found

    def _leaves(self, spec: Spec, out: Any, path: str) -> Iterator[tuple[str, Any]]:
        """The leaves of what was given, with what they are called; None stands for any number of them."""
        if isinstance(spec, Leaf):
            yield path, out
        elif out is None:
            yield from ((path, None) for _ in leaves(spec))
        elif isinstance(spec, Tree):
            for mark, part, one in zip(_marks(spec), spec.parts, self._parts(spec, out, path), strict=True):
                yield from self._leaves(part, one, path + mark)

    def _parts(self, tree: Tree, out: Any, path: str) -> list[Any]:
        if tree.kind == "dict" and type(out) is dict and out.keys() == set(tree.keys):
            return [out[key] for key in tree.keys]
        if tree.kind == "record" and tree.cls is not None and isinstance(out, tree.cls):
            return [getattr(out, key) for key in tree.keys]
        if tree.kind in ("tuple", "list") and isinstance(out, (tuple, list)) and len(out) == len(tree.parts):
            return [*out]
        what = f"a {class_of(out)}" + (f" of {len(out)}" if isinstance(out, (tuple, list, dict)) else "")
        raise self._refused(path, f"is {what}")

    def _require(self, path: str, array: Any, room: Room | None) -> None:
        if room is None:
            raise self._refused(path, "is for a number, which is returned")
        if type(array) not in (sys.modules["numpy"].ndarray, sys.modules["numpy"].memmap):
            raise self._refused(path, f"is a {class_of(array)}")
        if array.shape != room.shape or array.dtype != room.dtype:
            raise self._refused(path, f"is an array of {array.dtype} with shape {array.shape}")
        if not array.flags.writeable:
            raise self._refused(path, "cannot be written to")
        if not array.flags.c_contiguous and overlaps_itself(array):
            raise self._refused(path, "holds an element twice")

    def _refused(self, path: str, reason: str) -> ArgumentError:
        words = iter("None" if room is None else room.word for room in self.rooms)
        return ArgumentError(f"{path} of {self.title} {reason}", advice=f"out={_shown(self.spec, words)}, with None for what is to be made")


def _marks(tree: Tree) -> list[str]:
    """How the parts of a container are called: ``[0]``, ``['w']``, ``.mass``."""
    if not tree.keys:
        return [f"[{k}]" for k in range(len(tree.parts))]
    return [f"[{key!r}]" if tree.kind == "dict" else f".{key}" for key in tree.keys]


def _shown(spec: Spec, words: Iterator[str]) -> str:
    """What to write for a structure, its leaves being `words`."""
    if isinstance(spec, Leaf):
        return next(words)
    if isinstance(spec, Known):
        return "None"
    parts = [_shown(part, words) for part in spec.parts]
    if spec.cls is not None:
        return f"{spec.cls.__name__}({', '.join(f'{key}={part}' for key, part in zip(spec.keys, parts, strict=True))})"
    if spec.kind == "dict":
        return f"{{{', '.join(f'{key!r}: {part}' for key, part in zip(spec.keys, parts, strict=True))}}}"
    opening, closing = "[]" if spec.kind == "list" else "()"
    return f"{opening}{', '.join(parts)}{',' if spec.kind == 'tuple' and len(parts) == 1 else ''}{closing}"
