"""IR -> IR, the value the same: what makes the generated text shorter or the compiled code faster.

`optimise` is for every target. For Numba alone, `fuse` makes loops of array stages, `neighbours` turns what loops scatter into what
they gather, `factors` shares factorisations and `parallel` cuts loops into parts. `mapping`, `narrow` and `into` fit a function to a
call: a loop over points around it, all floats in 32 bits, results in arrays that are given.
"""
