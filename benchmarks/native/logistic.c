/* Logistic regression and its gradient, one pass over the rows. */
#include <tgmath.h>

double logistic(const REAL *restrict weights, long columns, double bias, const REAL *restrict x, long rows, long same,
                const REAL *restrict label, long labels, REAL *restrict dweights, double *restrict dbias)
{
    REAL total = 0, slope = 0;
    (void)same, (void)labels;
    for (long j = 0; j < columns; j++)
        dweights[j] = 0;
    for (long i = 0; i < rows; i++) {
        const REAL *row = x + i * columns;
        REAL margin = bias;
        for (long j = 0; j < columns; j++)
            margin += row[j] * weights[j];
        REAL grown = exp(-label[i] * margin), dmargin = -label[i] * grown / (1 + grown) / rows;
        total += log1p(grown);
        slope += dmargin;
        for (long j = 0; j < columns; j++)
            dweights[j] += dmargin * row[j];
    }
    *dbias = slope;
    return total / rows;
}
