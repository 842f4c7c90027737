"""A saver compares accounts in a loop over tuples, with a fee that a lambda computes and a while that stops at the goal."""

import numpy as np


def savings_plan(rates, deposits, goal, fee):
    """The years to the goal, made smooth by the surplus of the last year."""
    cost = lambda balance: fee * np.sqrt(balance)
    balances = np.zeros(len(rates))
    years = 0
    while balances.sum() < goal and years < 50:
        for k, (rate, deposit) in enumerate(zip(rates, deposits)):
            balances[k] = balances[k] * (1.0 + rate) + deposit
            balances[k] -= cost(balances[k])
        years += 1
    return years - (balances.sum() - goal) / goal


CALLS = ((np.array([0.01, 0.03, 0.02]), np.array([10.0, 20.0, 5.0]), 150.3, 0.02),)
