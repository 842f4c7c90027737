/* The cross-entropy of a softmax and its gradient, three passes over each row. */
#include <tgmath.h>

double softmax(const REAL *restrict logits, long rows, long columns, const long *restrict labels, long n, REAL *restrict dlogits)
{
    double value = 0;
    REAL share = (REAL)1 / rows;
    (void)n;
    for (long i = 0; i < rows; i++) {
        const REAL *row = logits + i * columns;
        REAL *out = dlogits + i * columns, top = row[0], total = 0;
        for (long j = 1; j < columns; j++)
            top = row[j] > top ? row[j] : top;
        for (long j = 0; j < columns; j++) {
            out[j] = exp(row[j] - top);
            total += out[j];
        }
        value += log(total) - (row[labels[i]] - top);
        REAL scale = share / total;
        for (long j = 0; j < columns; j++)
            out[j] *= scale;
        out[labels[i]] -= share;
    }
    return value / rows;
}
