"""The tables as a page of the documentation: a row for each NumPy name, what is tested of it, and why something is not."""

from __future__ import annotations

from collections.abc import Iterable

from tests.surface import CASES, Entry

_HEAD = """\
# What of NumPy is supported

Each row is a function of NumPy or SciPy, each of its `forms` a call with other arguments. Every "yes" is a test: stagegrad's value is
compared with the untouched function's, its gradient, and the gradient of the gradient, with differences of the untouched function, on the
`numpy` target in every run of the tests and on the `numba` target in the long one. `float32` says that arrays of 32 bits stay so,
forward and backward. `order` says how often the function can be differentiated: 0 where its derivative is zero wherever it exists.

The cases: axes of one element that broadcast, arrays of one element, empty arrays, arrays that are not contiguous in memory, one array
passed for several arguments. Where a case is missing, the cell says why: "one array" is all that the function takes, "not defined" is
what has no value in NumPy or no gradient; "raises" means that NumPy's exception is raised.

This page is written by tests/test_numpy_surface.py from the tables in tests/surface.
"""


def page(tables: dict[str, list[Entry]]) -> str:
    """The whole page."""
    parts = [_HEAD]
    for table, entries in tables.items():
        parts.append(f"\n## {table.replace('_', ' ').capitalize()}\n")
        header = ["function", "forms", "order", "float32", *CASES[1:], "targets"]
        rows = [_row(name, [e for e in entries if e.name == name]) for name in dict.fromkeys(e.name for e in entries)]
        parts.append("\n".join(_line(row) for row in [header, ["---"] * len(header), *rows]))
        notes = _notes(entries)
        if notes:
            parts.append("\n" + "\n".join(notes))
    return "\n".join(parts) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _row(name: str, entries: list[Entry]) -> list[str]:
    orders = sorted({entry.orders for entry in entries})
    cells = [f"`{name}`", str(len(entries)), "-".join(map(str, orders)), "yes" if any(not e.float32 for e in entries) else "no"]
    cells += [_mark(case, entries) for case in CASES[1:]]
    return [*cells, ", ".join(dict.fromkeys(target for entry in entries for target in entry.targets))]


def _mark(case: str, entries: list[Entry]) -> str:
    """``yes`` where an entry has the case, ``raises`` where NumPy raises, else why there is none."""
    found = [entry.case(case) for entry in entries]
    if any(not isinstance(shapes, (str, type)) for shapes in found):
        return "yes"
    return "raises" if any(isinstance(shapes, type) for shapes in found) else str(found[0])


def _notes(entries: list[Entry]) -> list[str]:
    """What the entries say about themselves, and what has no float32 or not every target."""
    found: dict[str, None] = {}
    for entry in entries:
        if entry.note:
            found[f"- `{entry.text}`: {entry.note}"] = None
        if entry.float32:
            found[f"- `{entry.text}` has no float32: {entry.float32}"] = None
    return list(found)
