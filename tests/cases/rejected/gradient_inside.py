import stagegrad

slope = stagegrad.grad(lambda y: y * y)


def f(x):
    return slope(x)  # error: of stagegrad is not supported inside a function
