"""What stagegrad costs, and how it stands against others: ``python -m benchmarks`` measures both and prints tables.

Every workload and contest runs in a process of its own, with one thread, an empty cache folder and the environment that `isolation`
states. Before anything is timed, value and gradient are compared with a closed form, a hand-written derivative or differences. Times
are medians of many interleaved rounds; ratios are medians of the ratios within a round, so that other load on the machine hits
both sides.

A workload (``benchmarks/workloads``) has a function ``measure(effort) -> list[Figure]``: one number after another, some with a limit.
A contest (``benchmarks/contests``) has a `CONTEST`: a function as a user writes it, its arguments at some sizes, its adjoint by hand
for Numba and in C (``benchmarks/native``), and how each peer is given it (`peers`). To add one, write the module and name it in the
``__init__.py`` beside it. Peers are optional: who is absent is said to be, with the reason.
"""
