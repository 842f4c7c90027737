def f(x):
    return x * 9**9**9  # error: this power is too large
