f = lambda x: x * unknown  # error: the name `unknown` is not defined
