def f(x):
    return eval("x * x")  # error: eval is not written in Python
