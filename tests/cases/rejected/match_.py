def f(x, n: int):
    match n:
        case 0:
            return x
        case int():  # error: only constants, names, `_` and `|` of these are supported as patterns
            return 2.0 * x
