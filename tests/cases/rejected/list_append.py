def f(x):
    values = [x]
    others = values
    values.append(x)  # error: this list has another name as well
    return others[0]
