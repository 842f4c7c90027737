"""Collatz's numbers decide what happens to a float: the control is all ints, the payload all floats."""

import math


def collatz(x, rate, n: int):
    """The payload when the numbers reach one."""
    longest = 0
    while n > 1:
        if n % 2 == 0:
            n //= 2
            x = x * rate + 0.1
        else:
            n = 3 * n + 1
            x = math.sin(x) - rate * x
        longest = max(longest, n)
        if n & 7 == 5:
            x, rate = rate, x
    return x + 0.001 * longest


CALLS = ((0.7, 0.4, 7), (-0.3, 0.9, 27), (1.2, 0.8, 1))
