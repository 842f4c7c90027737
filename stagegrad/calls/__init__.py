"""The call from Python: arguments in, compiled code, answers out; and what else can be asked of a call: its cost, its trace.

`boundary` checks and converts what is passed, `entry` is the fast way past it, `passages` the compiled functions of one combination
of types. `points` is `map`, `outputs` is ``out=``, `raw` are Numba's functions themselves.
"""
