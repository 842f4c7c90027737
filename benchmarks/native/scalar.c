/* The CS231n function at a point, and its slopes by the quotient rule. */
#include <math.h>

double scalar(double x, double y, double *dx, double *dy)
{
    double sigx = 1 / (1 + exp(-x)), sigy = 1 / (1 + exp(-y)), both = x + y, num = x + sigy, den = sigx + both * both;
    *dx = (den - num * (sigx * (1 - sigx) + 2 * both)) / (den * den);
    *dy = (sigy * (1 - sigy) * den - num * 2 * both) / (den * den);
    return num / den;
}
