"""Every code block of README.md and of docs/ is run, and prints what the text says.

A ``python`` or ``sh`` block is followed by a ``text`` block with its output, or prints nothing. Python blocks of a page are one session,
in a process of its own. After a change that is meant, ``STAGEGRAD_UPDATE=1 python -m pytest tests/test_readme.py`` rewrites the outputs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted(page for page in (ROOT / "docs").glob("*.md") if "```" in page.read_text())]
_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
#: Commands that are not run here, and why.
ELSEWHERE = {
    "python -m pip install": "needs a network; .ci/run runs it in a new virtual environment",
    "python -m pytest": "is what runs this test",
}

#: Runs the files that it is given in one namespace, and prints what each of them printed, as JSON.
_SESSION = """
import contextlib, io, json, pathlib, sys
scope = {"__name__": "__main__"}
outputs = []
for path in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(pathlib.Path(path).read_text(), path, "exec"), scope)
    outputs.append(output.getvalue())
print(json.dumps(outputs))
"""


@dataclass(frozen=True)
class Block:
    """A block of code in the README: its kind, its text, the lines above it, and the output that the README states."""

    kind: str
    text: str
    line: int
    output: str


def blocks(text: str, kind: str) -> list[Block]:
    """All blocks of a kind, in order."""
    found = (match for match in _BLOCK.finditer(text) if match["kind"] == kind)
    return [Block(kind, match["body"], text[: match.start("body")].count("\n"), match["output"] or "") for match in found]


def python_outputs(session: list[Block], folder: Path) -> list[str]:
    """What each block of the session prints; in errors the file of a block is called example.py."""
    files = [folder / f"block{k}.py" for k in range(len(session))]
    for file, block in zip(files, session, strict=True):
        file.write_text(block.text)
    done = subprocess.run([sys.executable, "-c", _SESSION, *map(str, files)], capture_output=True, text=True, env=environment(folder))
    assert done.returncode == 0, done.stderr
    printed: list[str] = json.loads(done.stdout.splitlines()[-1])
    return [output.replace(str(file), "example.py") for file, output in zip(files, printed, strict=True)]


def environment(folder: Path) -> dict[str, str]:
    """This process's environment, with the package of this checkout and an empty cache."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, "STAGEGRAD_CACHE_DIR": str(folder / "cache")}


def shell_output(block: Block, folder: Path) -> str:
    """What the commands of a block print, those aside that are run elsewhere."""
    commands = [command.strip() for line in block.text.splitlines() for command in line.split("&&")]
    return "".join(command_output(command, folder) for command in commands if not command.startswith(tuple(ELSEWHERE)))


def command_output(command: str, folder: Path) -> str:
    word, *rest = shlex.split(command)
    assert word == "stagegrad", f"a page has a command that no test knows how to run: {command}"
    done = subprocess.run(
        [sys.executable, "-m", "stagegrad", *rest],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def outputs(page: Path, folder: Path) -> dict[str, list[str]]:
    """What the blocks of each kind print, in order."""
    text = page.read_text()
    found = {"python": python_outputs(blocks(text, "python"), folder), "sh": [shell_output(block, folder) for block in blocks(text, "sh")]}
    if os.environ.get("STAGEGRAD_UPDATE") == "1":
        left = {kind: iter(printed) for kind, printed in found.items()}
        page.write_text(_BLOCK.sub(lambda match: _updated(match, next(left[match["kind"]])), text))
    return found


def _updated(match: re.Match[str], output: str) -> str:
    if match["output"] is None:
        return match[0]
    return f"```{match['kind']}\n{match['body']}```\n\n```text\n{output.rstrip()}\n```\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for kind, printed in outputs(page, tmp_path).items():
        for block, output in zip(blocks(page.read_text(), kind), printed, strict=True):
            assert output.rstrip() == block.output.rstrip(), f"{page.name}:{block.line + 1}"


def test_the_first_output_comes_early() -> None:
    first = blocks(README.read_text(), "python")[0]
    assert first.output
    assert first.line + first.text.count("\n") + first.output.count("\n") + 4 < 30


def test_the_main_commands_are_there() -> None:
    commands = "".join(block.text for block in blocks(README.read_text(), "sh"))
    assert "python -m pip install . && stagegrad show " in commands
    assert "python -m pip install '.[test]' && python -m pytest\n" in commands


def test_links_lead_to_files() -> None:
    for page in [README, *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
