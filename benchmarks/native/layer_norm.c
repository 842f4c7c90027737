/* Layer normalisation, weighted and summed, and its gradient: a few passes over each row. */
#include <tgmath.h>

double layer_norm(const REAL *restrict x, long rows, long columns, const REAL *restrict gain, long n1, const REAL *restrict shift, long n2,
                  const REAL *restrict weight, long n3, long n4, REAL *restrict dx, REAL *restrict dgain, REAL *restrict dshift)
{
    double value = 0;
    (void)n1, (void)n2, (void)n3, (void)n4;
    for (long j = 0; j < columns; j++)
        dgain[j] = dshift[j] = 0;
    for (long i = 0; i < rows; i++) {
        const REAL *row = x + i * columns, *pull = weight + i * columns;
        REAL *out = dx + i * columns, mean = 0, squares = 0, sum1 = 0, sum2 = 0, part = 0;
        for (long j = 0; j < columns; j++)
            mean += row[j];
        mean /= columns;
        for (long j = 0; j < columns; j++)
            squares += (row[j] - mean) * (row[j] - mean);
        REAL inverse = 1 / sqrt(squares / columns + (REAL)1e-5);
        for (long j = 0; j < columns; j++) {
            REAL normal = (row[j] - mean) * inverse, pulled = pull[j] * gain[j];
            part += pulled * normal + pull[j] * shift[j];
            dgain[j] += pull[j] * normal;
            dshift[j] += pull[j];
            sum1 += pulled;
            sum2 += pulled * normal;
        }
        value += part;
        sum1 /= columns, sum2 /= columns;
        for (long j = 0; j < columns; j++)
            out[j] = inverse * (pull[j] * gain[j] - sum1 - (row[j] - mean) * inverse * sum2);
    }
    return value;
}
