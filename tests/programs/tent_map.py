"""The tent map, with a kick whenever the orbit falls into its hole."""


def tent_map(mu, x, kick, n: int):
    """Where the orbit is after n steps."""
    kicks = folds = 0
    for _ in range(n):
        if x < 0.5:
            x = mu * x
        else:
            x = mu * (1.0 - x)
            folds += 1
        if x < 0.1:
            x += kick
            kicks += 1
            if kicks == 3:
                return x
    return x - 0.01 * kicks * folds


CALLS = ((1.7, 0.23, 0.31, 12), (1.93, 0.71, 0.2, 9), (1.1, 0.01, 0.05, 30))
