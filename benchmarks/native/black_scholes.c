/* The price of European calls and the closed forms of their Greeks. */
#include <tgmath.h>

double black_scholes(const REAL *restrict spot, long n, const REAL *restrict strike, long n1, const REAL *restrict rate, long n2,
                     const REAL *restrict vol, long n3, const REAL *restrict time, long n4, REAL *restrict delta, REAL *restrict dual,
                     REAL *restrict rho, REAL *restrict vega, REAL *restrict theta)
{
    const REAL root_half = 0.70710678118654752440, root_two_pi = 2.5066282746310005024;
    REAL total = 0;
    (void)n1, (void)n2, (void)n3, (void)n4;
    for (long i = 0; i < n; i++) {
        REAL root = sqrt(time[i]), spread = vol[i] * root;
        REAL d1 = (log(spot[i] / strike[i]) + (rate[i] + vol[i] * vol[i] / 2) * time[i]) / spread, d2 = d1 - spread;
        REAL by_spot = (1 + erf(d1 * root_half)) / 2, by_strike = -exp(-rate[i] * time[i]) * (1 + erf(d2 * root_half)) / 2;
        REAL density = spot[i] * exp(-d1 * d1 / 2) / root_two_pi;
        delta[i] = by_spot;
        dual[i] = by_strike;
        rho[i] = -time[i] * strike[i] * by_strike;
        vega[i] = density * root;
        theta[i] = density * vol[i] / root / 2 - rate[i] * strike[i] * by_strike;
        total += spot[i] * by_spot + strike[i] * by_strike;
    }
    return total;
}
