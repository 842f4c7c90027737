def f(x, n):
    total = 0.0
    power = 1.0
    for i in range(n):
        for j in range(i, 0, -2):
            power = power * x / j
            total += power * i
    return total


CASES = [(1.3, 6), (0.7, 1), (0.7, 0)]

# --- reverse python
def f_value_and_grad(x, n):
    # forward pass
    power_tape = [0.0] * n
    power = 1.0
    total = 0.0
    for i in range(n):
        power_tape[i] = power
        for j in range(i, 0, -2):
            num = power * x
            power = num / j
            poweri = power * i
            total += poweri
    f = total

    # backward pass
    dtotal = 1.0
    dpower = 0.0
    dx = 0.0
    for i in range(n - 1, -1, -1):
        power = power_tape[i]
        power_tape2 = [0.0] * len(range(i, 0, -2))
        for j in range(i, 0, -2):
            trip = (i - j) // 2
            power_tape2[trip] = power
            num = power * x
            power = num / j
        for j in range(i - (len(range(i, 0, -2)) - 1) * 2, i + 2, 2):
            trip2 = (i - j) // 2
            power = power_tape2[trip2]
            # total = total + poweri
            dpoweri = dtotal
            # poweri = power * i
            dpower += i * dpoweri
            # power = num / j
            dnum = dpower / j
            # num = power * x
            dpower = x * dnum
            dx += power * dnum
    return f, dx
