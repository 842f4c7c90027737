/* Rosenbrock's function and its gradient in one pass that gathers: each element computes the gap of the pair before it again. */
double rosenbrock(const REAL *restrict x, long n, REAL *restrict dx)
{
    REAL first = x[1] - x[0] * x[0], total = 100 * first * first + (1 - x[0]) * (1 - x[0]);
    dx[0] = -400 * first * x[0] - 2 * (1 - x[0]);
    for (long i = 1; i < n - 1; i++) {
        REAL here = x[i], gap = x[i + 1] - here * here, before = here - x[i - 1] * x[i - 1], rest = 1 - here;
        total += 100 * gap * gap + rest * rest;
        dx[i] = 200 * before - 400 * gap * here - 2 * rest;
    }
    dx[n - 1] = 200 * (x[n - 1] - x[n - 2] * x[n - 2]);
    return total;
}
