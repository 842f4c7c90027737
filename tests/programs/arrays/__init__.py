"""Array programs as their users would write them: each module has a function of its own name, and calls to try it with."""
