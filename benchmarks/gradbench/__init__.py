"""GradBench's evals, each written as a user of stagegrad would write it, behind GradBench's protocol.

``python -m benchmarks.gradbench`` reads a message from each line of stdin and answers it with a line on stdout; README.md beside this
file says how to run it inside GradBench. `protocol` reads and answers messages, `fields` reads inputs, `task` runs and times one function
of an eval, `generated` makes functions of generated text, and ``evals/<module>.py`` is one eval.
"""
