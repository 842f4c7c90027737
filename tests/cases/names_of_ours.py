def f(x, dx, trips, x_tape, n):
    tape = dx
    for i in range(n):
        tape = tape * x + trips
        if tape > 1e6:
            break
    f2 = tape * x_tape
    return f2


CASES = [(1.5, 0.3, 2.0, 0.7, 5), (3.0, 9.0, 2.0, 0.7, 50)]

# --- reverse python
def f_value_and_grad(x, dx, trips, x_tape, n):
    # forward pass
    tape_tape = [0.0] * n
    tape = dx
    trips2 = 0
    for i in range(n):
        tape_tape[trips2] = tape
        trips2 += 1
        tapex = tape * x
        tape = tapex + trips
        if tape > 1000000.0:
            break
    f2 = tape * x_tape

    # backward pass
    df2 = 1.0
    # f2 = tape * x_tape
    dtape = x_tape * df2
    dx_tape = tape * df2
    dtrips = 0.0
    dx_ = 0.0
    for i in range(trips2 - 1, -1, -1):
        tape = tape_tape[i]
        # tape = tapex + trips
        dtapex = dtape
        dtrips += dtape
        # tapex = tape * x
        dtape = x * dtapex
        dx_ += tape * dtapex
    ddx = dtape
    return f2, (dx_, ddx, dtrips, dx_tape)
