/* The CS231n function, summed over points, and its slopes at each of them. */
#include <tgmath.h>

double points(const REAL *restrict x, long n, const REAL *restrict y, long m, REAL *restrict dx, REAL *restrict dy)
{
    REAL total = 0;
    (void)m;
    for (long i = 0; i < n; i++) {
        REAL sigx = 1 / (1 + exp(-x[i])), sigy = 1 / (1 + exp(-y[i]));
        REAL both = x[i] + y[i], inverse = 1 / (sigx + both * both);
        REAL value = (x[i] + sigy) * inverse, dboth = -2 * both * value * inverse;
        total += value;
        dx[i] = inverse + dboth - (1 - sigx) * sigx * value * inverse;
        dy[i] = (1 - sigy) * sigy * inverse + dboth;
    }
    return total;
}
