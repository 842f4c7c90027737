async def f(x):  # error: `async def` is not supported
    return x
