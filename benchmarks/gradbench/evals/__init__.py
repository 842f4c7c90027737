"""GradBench's evals: each module has the objective and, as FUNCTIONS, what GradBench asks of it."""
