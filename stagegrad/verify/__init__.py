"""Proof of generated source: `prove`, `prove_source`, `prove_rule`, and the numeric `check_grads`.

What is judged is the text that runs, not the IR it came from: it is executed on exact numbers and on SymPy expressions, beside the
untouched original. Levels are never overstated: see `Verdict`. Importing this package imports SymPy.
"""

from stagegrad.verify.numeric import check_grads
from stagegrad.verify.proof import prove, prove_source
from stagegrad.verify.report import Comparison, GradientCheck, Proof, Verdict
from stagegrad.verify.rule import prove_rule

__all__ = ["Comparison", "GradientCheck", "Proof", "Verdict", "check_grads", "prove", "prove_rule", "prove_source"]
