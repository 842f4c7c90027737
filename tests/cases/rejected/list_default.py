def f(x, weights=[1.0]):  # error: the default of `weights` is a list, not a number
    return x
