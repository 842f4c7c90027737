"""An actuary discounts and survives by cumulative products; one year nobody survives, so a factor is zero."""

import numpy as np


def product_limit(mortality, rates, benefits, premium):
    """The reserve of a policy, and how long the insured is expected to live."""
    alive = np.cumprod(1.0 - mortality)
    start = np.ones(len(mortality))
    start[1:] = alive[:-1]
    discount = np.cumprod(1.0 / (1.0 + rates))
    paid = np.sum(benefits * start * mortality * discount)
    received = premium * np.dot(start, discount)
    ruin = np.prod(1.0 - 0.5 * mortality) * np.prod(mortality - 1.0)
    return paid - received + 0.01 * alive.sum() + ruin


CALLS = (
    (np.array([0.02, 0.05, 0.3, 1.0, 0.4]), np.array([0.02, 0.025, 0.03, 0.01, 0.02]), np.array([1.0, 1.2, 0.8, 1.5, 1.0]), 0.2),
    (np.array([0.1]), np.array([0.05]), np.array([2.0]), 0.1),
)
