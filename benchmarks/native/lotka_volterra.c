/* Predators and prey by Runge-Kutta steps, and the gradient: states are kept, a step is computed again when it is undone. */
#include <stdlib.h>

typedef struct { double born, eaten, fed, die; } Rates;

static inline double grow(double p, double q, Rates r) { return p * (r.born - r.eaten * q); }
static inline double hunt(double p, double q, Rates r) { return q * (r.fed * p - r.die); }

/* The points of a step, the first in p[0], q[0], and how far it goes. */
static inline void step(double *p, double *q, double *up, double *uq, Rates r, double h)
{
    double k[4], l[4];
    const double ahead[3] = {h / 2, h / 2, h};
    for (int s = 0; s < 4; s++) {
        k[s] = grow(p[s], q[s], r), l[s] = hunt(p[s], q[s], r);
        if (s < 3)
            p[s + 1] = p[0] + ahead[s] * k[s], q[s + 1] = q[0] + ahead[s] * l[s];
    }
    *up = h / 6 * (k[0] + 2 * k[1] + 2 * k[2] + k[3]);
    *uq = h / 6 * (l[0] + 2 * l[1] + 2 * l[2] + l[3]);
}

double lotka_volterra(double prey, double hunters, double born, double eaten, double fed, double die, double h, long n, double *dprey,
                      double *dhunters, double *dborn, double *deaten, double *dfed, double *ddie)
{
    Rates r = {born, eaten, fed, die};
    double *tape = malloc(2 * n * sizeof *tape), p[4], q[4], up, uq, value;
    double dp = 1, dq = 1, da = 0, db = 0, dc = 0, dd = 0;
    const double weight[4] = {h / 6, h / 3, h / 3, h / 6}, ahead[4] = {h / 2, h / 2, h, 0};
    for (long i = 0; i < n; i++) {
        tape[2 * i] = prey, tape[2 * i + 1] = hunters;
        p[0] = prey, q[0] = hunters;
        step(p, q, &up, &uq, r, h);
        prey += up, hunters += uq;
    }
    value = prey + hunters;
    for (long i = n - 1; i >= 0; i--) {
        double ep = 0, eq = 0, sum_p = 0, sum_q = 0;
        p[0] = tape[2 * i], q[0] = tape[2 * i + 1];
        step(p, q, &up, &uq, r, h);
        for (int s = 3; s >= 0; s--) {
            double dk = weight[s] * dp + ahead[s] * ep, dl = weight[s] * dq + ahead[s] * eq;
            da += p[s] * dk, db -= p[s] * q[s] * dk, dc += p[s] * q[s] * dl, dd -= q[s] * dl;
            ep = (born - eaten * q[s]) * dk + fed * q[s] * dl;
            eq = (fed * p[s] - die) * dl - eaten * p[s] * dk;
            sum_p += ep, sum_q += eq;
        }
        dp += sum_p, dq += sum_q;
    }
    free(tape);
    *dprey = dp, *dhunters = dq, *dborn = da, *deaten = db, *dfed = dc, *ddie = dd;
    return value;
}
