def f(x):
    with open("x") as file:  # error: `with` is not supported
        return x
