def f(größe):
    return größe + "é" * größe  # error: a number is needed here, and this is a string
