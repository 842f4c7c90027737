def f(x, mode: str):  # error: `mode` is annotated as str
    return x
