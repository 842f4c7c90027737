def f(x):
    label = f"{x}"  # error: text is supported only as the message
    return x
