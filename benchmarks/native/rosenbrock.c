/* Rosenbrock's function and its gradient in one pass. */
double rosenbrock(const REAL *restrict x, long n, REAL *restrict dx)
{
    REAL total = 0, carried = 0;
    for (long i = 0; i < n - 1; i++) {
        REAL here = x[i], gap = x[i + 1] - here * here, rest = 1 - here;
        total += 100 * gap * gap + rest * rest;
        dx[i] = carried - 400 * gap * here - 2 * rest;
        carried = 200 * gap;
    }
    dx[n - 1] = carried;
    return total;
}
