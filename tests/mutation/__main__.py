"""The command ``python -m tests.mutation [WORD ...]``: checks all mutants, or those whose name holds one of the words.

Exit codes: 0 every mutant was caught; 1 one was not, or could not be made.
"""

from __future__ import annotations

import sys

from tests.mutation.check import Finding, check, require_sound
from tests.mutation.mutants import MUTANTS, NUMBERS, PROGRAMS, RULES


def main(words: list[str]) -> int:
    """Checks the mutants that the words choose and prints a line for each; returns the exit code."""
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    try:
        require_sound(tuple(dict.fromkeys(NUMBERS + PROGRAMS)))
        findings = [_shown(check(mutant)) for mutant in chosen]
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    caught = sum(finding.caught for finding in findings)
    print(f"{caught} of {len(findings)} caught")
    return 0 if findings and caught == len(findings) else 1


def _shown(finding: Finding) -> Finding:
    kind = "rule" if finding.mutant in RULES else "pass"
    print(f"{kind}  {finding.mutant.name:<58}  {finding.test or 'NOT CAUGHT'}", flush=True)
    return finding


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
