"""The contests, in the order of the table; each is a module here with a `CONTEST`."""

#: The module of a contest -> what is differentiated. Modules are imported in the process that measures, and only there.
CONTESTS = {
    "rosenbrock": "Rosenbrock's function of a million numbers",
}
