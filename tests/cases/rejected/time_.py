import time


def f(x):
    return x * time.perf_counter()  # error: gives another result each time
