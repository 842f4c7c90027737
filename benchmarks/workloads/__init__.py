"""The workloads, in the order of the table; each is a module here with a function ``measure(effort) -> list[Figure]``."""

#: The module of a workload -> what it measures. Modules are imported in the process that measures, and only there.
WORKLOADS = {
    "call": "one gradient of the CS231n function, called from Python",
    "recurrence": "1,000 steps of a scalar recurrence with a branch: value and gradient against the value",
    "growth": "the gradient of a loop from n to 100 n trips: time and tape",
    "arrays": "programs of arrays: value and gradient against the function, from n to 100 n elements",
    "kernels": "the functions of vector mathematics in a loop, against the C library's",
    "parallel": "what a second thread is worth: a map, a sum and a Monte-Carlo loop, against one thread and a plain prange",
    "memory": "the memory that the gradient of a 1,000-step, 10,000-cell stencil holds, against its tape",
    "cold": "from a Python function to its first gradient, nothing cached, against plain njit",
    "warm": "the same in a new process, from the cache",
    "start": "what `import stagegrad` adds to Python's own start",
}
