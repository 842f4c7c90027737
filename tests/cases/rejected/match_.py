def f(x, n: int):
    match n:  # error: `match` is not supported
        case 0:
            return x
        case _:
            return 2.0 * x
