def f(x):
    import mathematics  # error: this import fails: No module named 'mathematics'

    return mathematics.sin(x)
