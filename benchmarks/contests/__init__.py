"""The contests, in the order of the table; each is a module here with a `CONTEST`."""

#: The module of a contest -> what is differentiated. Modules are imported in the process that measures, and only there.
CONTESTS = {
    "scalar": "one call of the CS231n function",
    "thousand": "an expression of 1,000 stages",
    "branches": "a scalar loop with a branch",
    "tanh_recurrence": "a scalar recurrence through a hyperbolic tangent",
    "lotka_volterra": "predators and prey by Runge-Kutta steps",
    "mapped": "the CS231n function, mapped over up to ten million points",
    "points": "the same as code for arrays of points",
    "black_scholes": "the price of calls and their Greeks",
    "rosenbrock": "Rosenbrock's function of up to a million numbers",
    "softmax": "the cross-entropy of a softmax, in 64 and 32 bits",
    "layer_norm": "layer normalisation, in 64 and 32 bits",
    "logistic": "logistic regression",
    "burgers": "Burgers' equation on a square, cell by cell",
    "burgers_slices": "the same by whole slices",
    "bodies": "bodies that attract one another",
    "lstm": "a long short-term memory",
    "network": "a perceptron of three layers, in 64 and 32 bits",
    "solve": "a system of linear equations",
    "slogdet": "the logarithm of a determinant",
    "cholesky": "a Cholesky factor",
}
