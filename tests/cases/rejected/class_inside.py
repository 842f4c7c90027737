def f(x):
    class Point:  # error: a class inside the function
        pass

    return x
