def f(x):
    return first(x) + second(x)  # error: the name `first` is not defined  # error: the name `second` is not defined
