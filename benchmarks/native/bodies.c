/* Bodies that attract one another, and the gradient: positions are kept, backward every body gathers both ways of a pair. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void push(const double *restrict x, double *restrict v, const double *restrict mass, long n, double h)
{
    for (long i = 0; i < n; i++) {
        double ax = 0, ay = 0, az = 0;
        for (long j = 0; j < n; j++) {
            double rx = x[j] - x[i], ry = x[n + j] - x[n + i], rz = x[2 * n + j] - x[2 * n + i];
            double square = rx * rx + ry * ry + rz * rz + 0.01, pull = mass[j] / (square * sqrt(square));
            ax += pull * rx, ay += pull * ry, az += pull * rz;
        }
        v[i] += h * ax, v[n + i] += h * ay, v[2 * n + i] += h * az;
    }
}

static void gather(const double *restrict x, const double *restrict g, const double *restrict mass, long n, double *restrict dx,
                   double *restrict dmass)
{
    const double *y = x + n, *z = x + 2 * n;
    for (long i = 0; i < n; i++) {
        double ex = 0, ey = 0, ez = 0, em = 0;
        for (long j = 0; j < n; j++) {
            double rx = x[j] - x[i], ry = y[j] - y[i], rz = z[j] - z[i], square = rx * rx + ry * ry + rz * rz + 0.01;
            double cube = 1 / (square * sqrt(square));
            double gx = mass[i] * g[j] - mass[j] * g[i], gy = mass[i] * g[n + j] - mass[j] * g[n + i];
            double gz = mass[i] * g[2 * n + j] - mass[j] * g[2 * n + i], along = 3 * (gx * rx + gy * ry + gz * rz) / square;
            ex += cube * (gx - along * rx), ey += cube * (gy - along * ry), ez += cube * (gz - along * rz);
            em -= cube * (g[j] * rx + g[n + j] * ry + g[2 * n + j] * rz);
        }
        dx[i] += ex, dx[n + i] += ey, dx[2 * n + i] += ez, dmass[i] += em;
    }
}

double bodies(const double *position, long three, long n, const double *velocity, long rows, long columns, const double *mass, long m, double h,
              long steps, double *dx, double *dv, double *dmass)
{
    long all = 3 * n;
    double *tape = malloc((steps + 1) * all * sizeof *tape), *v = malloc(all * sizeof *v), *g = malloc(all * sizeof *g), value = 0;
    (void)three, (void)rows, (void)columns, (void)m;
    memcpy(tape, position, all * sizeof *tape);
    memcpy(v, velocity, all * sizeof *v);
    for (long k = 0; k < steps; k++) {
        double *x = tape + k * all;
        push(x, v, mass, n, h);
        for (long i = 0; i < all; i++)
            x[all + i] = x[i] + h * v[i];
    }
    for (long i = 0; i < all; i++) {
        double last = tape[steps * all + i];
        value += last * last, dx[i] = 2 * last, dv[i] = 0;
    }
    memset(dmass, 0, n * sizeof *dmass);
    for (long k = steps - 1; k >= 0; k--) {
        for (long i = 0; i < all; i++)
            dv[i] += h * dx[i], g[i] = h * dv[i];
        gather(tape + k * all, g, mass, n, dx, dmass);
    }
    free(tape), free(v), free(g);
    return value;
}
