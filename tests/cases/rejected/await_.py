async def g(x):
    return x


async def f(x):  # error: `async def` is not supported
    return await g(x)
