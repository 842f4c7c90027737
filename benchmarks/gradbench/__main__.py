"""Answers GradBench's messages: one line of JSON on stdin, one on stdout."""

from __future__ import annotations

import contextlib
import sys

from benchmarks.gradbench.protocol import answers


def main() -> None:
    """Answers until stdin ends, or until nobody reads the answers; whatever else is printed goes to stderr."""
    out = sys.stdout
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # stdin is a text file
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        for answer in answers(sys.stdin):
            out.write(answer + "\n")
            out.flush()


if __name__ == "__main__":
    main()
