/* Burgers' equation by explicit steps and its gradient: all states are kept, backward every cell gathers from its neighbours. */
#include <stdlib.h>
#include <string.h>

#define AT(a, i, j) a[(i) * columns + (j)]

static void step(const double *restrict u, double *restrict v, long rows, long columns, double viscosity, double h)
{
    memcpy(v, u, rows * columns * sizeof *v);
    for (long i = 1; i < rows - 1; i++)
        for (long j = 1; j < columns - 1; j++) {
            double below = AT(u, i + 1, j), above = AT(u, i - 1, j), right = AT(u, i, j + 1), left = AT(u, i, j - 1), here = AT(u, i, j);
            double spread = below + above + right + left - 4 * here, carried = here * (below - above + right - left) / 2;
            AT(v, i, j) = here + h * (viscosity * spread - carried);
        }
}

/* The gradient of the cells within the frame, one step back; the result is what it is by the viscosity. */
static double back(const double *restrict u, const double *restrict g, double *restrict out, long rows, long columns, double viscosity, double h)
{
    double by_viscosity = 0;
    for (long i = 1; i < rows - 1; i++)
        for (long j = 1; j < columns - 1; j++) {
            double below = AT(u, i + 1, j), above = AT(u, i - 1, j), right = AT(u, i, j + 1), left = AT(u, i, j - 1);
            by_viscosity += h * AT(g, i, j) * (below + above + right + left - 4 * AT(u, i, j));
            AT(out, i, j) = AT(g, i, j) * (1 - h * (4 * viscosity + (below - above + right - left) / 2))
                + h * (AT(g, i - 1, j) * (viscosity - above / 2) + AT(g, i + 1, j) * (viscosity + below / 2)
                       + AT(g, i, j - 1) * (viscosity - left / 2) + AT(g, i, j + 1) * (viscosity + right / 2));
        }
    return by_viscosity;
}

static void frame(const double *u, const double *g, double *out, long rows, long columns, double viscosity, double h)
{
    for (long j = 1; j < columns - 1; j++) {
        AT(out, 0, j) += h * AT(g, 1, j) * (viscosity + AT(u, 1, j) / 2);
        AT(out, rows - 1, j) += h * AT(g, rows - 2, j) * (viscosity - AT(u, rows - 2, j) / 2);
    }
    for (long i = 1; i < rows - 1; i++) {
        AT(out, i, 0) += h * AT(g, i, 1) * (viscosity + AT(u, i, 1) / 2);
        AT(out, i, columns - 1) += h * AT(g, i, columns - 2) * (viscosity - AT(u, i, columns - 2) / 2);
    }
}

double burgers(const double *start, long rows, long columns, double viscosity, double h, long steps, double *dstart, double *by_viscosity)
{
    long cells = rows * columns;
    double *tape = malloc((steps + 1) * cells * sizeof *tape), *g = calloc(cells, sizeof *g), *other = calloc(cells, sizeof *other);
    double value = 0, by = 0;
    memcpy(tape, start, cells * sizeof *tape);
    for (long k = 0; k < steps; k++)
        step(tape + k * cells, tape + (k + 1) * cells, rows, columns, viscosity, h);
    const double *last = tape + steps * cells;
    for (long k = 0; k < cells; k++) {
        value += last[k] * last[k];
        dstart[k] = 2 * last[k];
    }
    for (long i = 1; i < rows - 1; i++)
        memcpy(&AT(g, i, 1), &AT(dstart, i, 1), (columns - 2) * sizeof *g);
    for (long k = steps - 1; k >= 0; k--) {
        const double *u = tape + k * cells;
        frame(u, g, dstart, rows, columns, viscosity, h);
        by += back(u, g, other, rows, columns, viscosity, h);
        double *swapped = g;
        g = other, other = swapped;
    }
    for (long i = 1; i < rows - 1; i++)
        memcpy(&AT(dstart, i, 1), &AT(g, i, 1), (columns - 2) * sizeof *g);
    free(tape), free(g), free(other);
    *by_viscosity = by;
    return value;
}
