def f(x):
    with open("x") as file:  # error: only `with np.errstate(...)` is supported
        return x
