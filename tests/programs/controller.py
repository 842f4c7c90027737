"""A PID controller with anti-windup holds a heated tank at its set point."""


def clamp(u, low, high):
    return low if u < low else high if u > high else u


def controller(kp, ki, kd, target, steps: int):
    """The integral of the squared error, with a price on the heat."""
    temperature, integral, last = 20.0, 0.0, 0.0
    cost = 0.0
    for k in range(steps):
        error = target - temperature
        u = kp * error + ki * integral + kd * (error - last)
        heat = clamp(u, 0.0, 10.0)
        if heat == u:
            integral += error * 0.1
        last = error
        temperature += 0.1 * (heat - 0.3 * (temperature - 15.0))
        cost += error * error + 0.02 * heat * heat
        if k > 10 and abs(error) < 1e-6:
            break
    return cost / steps


CALLS = ((2.0, 0.5, 0.3, 35.0, 60), (0.7, 0.1, 0.0, 28.0, 25), (1.5, 0.2, 0.1, 60.0, 10))
