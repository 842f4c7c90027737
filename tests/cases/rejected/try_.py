def f(x):
    try:  # error: `try` is not supported
        return 1.0 / x
    except ZeroDivisionError:
        return 0.0
