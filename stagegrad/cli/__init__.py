"""The command ``stagegrad``: show, grad, trace and prove, each for a formula or for a function of a file.

Takes what the user typed, prints the answer on stdout and what is wrong on stderr. Exit codes: 0 fine; 1 the program was
refused, or failed at the point, or its proof failed; 2 the command itself was wrong. Formulas are never evaluated by
Python; FILE.py:FUNCTION imports, that is runs, the user's file. Everything but click is imported when it is needed.
"""

from stagegrad.cli.commands import main

__all__ = ["main"]
