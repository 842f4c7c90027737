/* A population that grows until it is harvested, and the gradient: the states that are kept say which way was taken. */
#include <stdlib.h>

double branches(double x, double growth, double kept, long n, double *by_x, double *by_growth, double *by_kept)
{
    double *tape = malloc(n * sizeof *tape), dx = 1, dgrowth = 0, dkept = 0, value;
    for (long k = 0; k < n; k++) {
        tape[k] = x;
        x = x > 1 ? kept * x : x + growth * x * (1 - x / 2);
    }
    value = x;
    for (long k = n - 1; k >= 0; k--) {
        double was = tape[k];
        if (was > 1) {
            dkept += was * dx;
            dx *= kept;
        } else {
            dgrowth += was * (1 - was / 2) * dx;
            dx *= 1 + growth * (1 - was);
        }
    }
    free(tape);
    *by_x = dx, *by_growth = dgrowth, *by_kept = dkept;
    return value;
}
