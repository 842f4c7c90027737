"""What stagegrad costs: ``python -m benchmarks`` measures it and prints a table.

Every workload runs in a process of its own, with one thread, an empty cache folder and the environment that `isolation` states.
Before anything is timed, the value and the gradient are compared with a closed form or a hand-written derivative. Times are
medians of many interleaved rounds; ratios are medians of the ratios within a round, so that other load on the machine hits
both sides.

To add a workload, write ``benchmarks/workloads/<name>.py`` with a function ``measure(effort) -> list[Figure]`` and name it in
``benchmarks/workloads/__init__.py``. To add a peer, add a `Contender` to the workload's dictionary: it is measured in the same rounds.
"""
