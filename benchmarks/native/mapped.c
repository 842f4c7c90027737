/* The CS231n function at many points, and its slopes at each of them. */
#include <tgmath.h>

void mapped(const REAL *restrict x, long n, const REAL *restrict y, long m, REAL *restrict value, REAL *restrict dx, REAL *restrict dy)
{
    (void)m;
    for (long i = 0; i < n; i++) {
        REAL sigx = 1 / (1 + exp(-x[i])), sigy = 1 / (1 + exp(-y[i]));
        REAL both = x[i] + y[i], inverse = 1 / (sigx + both * both);
        REAL ratio = (x[i] + sigy) * inverse, dboth = -2 * both * ratio * inverse;
        value[i] = ratio;
        dx[i] = inverse + dboth - (1 - sigx) * sigx * ratio * inverse;
        dy[i] = (1 - sigy) * sigy * inverse + dboth;
    }
}
