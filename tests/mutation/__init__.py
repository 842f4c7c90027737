"""Ten rules and ten passes, broken on purpose one at a time; the suite has to notice each.

``python -m tests.mutation`` does it for all of them and prints a table; names on the command line choose some.
"""
