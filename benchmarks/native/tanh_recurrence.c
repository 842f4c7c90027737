/* A recurrence through a hyperbolic tangent, and its gradient from the states that were kept. */
#include <math.h>
#include <stdlib.h>

double tanh_recurrence(double x, double w, double b, long n, double *by_x, double *by_w, double *by_b)
{
    double *tape = malloc((n + 1) * sizeof *tape), total = 0, dx = 0, dw = 0, db = 0;
    tape[0] = x;
    for (long k = 0; k < n; k++) {
        tape[k + 1] = tanh(w * tape[k] + b);
        total += tape[k + 1] * tape[k + 1];
    }
    for (long k = n - 1; k >= 0; k--) {
        double y = tape[k + 1], dz = (1 - y * y) * (dx + 2 * y);
        dw += tape[k] * dz, db += dz, dx = w * dz;
    }
    free(tape);
    *by_x = dx, *by_w = dw, *by_b = db;
    return total;
}
