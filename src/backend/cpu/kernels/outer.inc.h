/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* outer.inc.h - products of f32 matrices as sums of outer products, tile by tile in registers.
 *
 * Every output has one accumulator and k is sequential in it, whatever the tile: this is the order
 * of products that have no row-wise twin (docs/numerics.md), such as those of attention. A lane is
 * a column; a vector of b is loaded once for all rows of the tile. */

enum { OUTER_ROWS = KV_F_COLS, OUTER_SUMS = KV_F_VECTORS * KV_F_COLS, OUTER_VECTORS = 4 };

/* out[i][c] = (add ? out[i][c] : 0) + sum of a[i][k] * b[k][c], fused, k increasing, in n_rows rows
 * and n_vectors vectors of 16 columns. */
typedef struct outer_args {
    const float *a, *b;
    float *out;
    size_t a_stride, b_stride, out_stride, n_k;
    bool add;
} outer_args;

static KV_INLINE void outer_tile(const outer_args *o, size_t row, size_t vector, int n_rows,
                                 int n_vectors)
{
    kv_f sum[OUTER_ROWS][OUTER_VECTORS];
    const float *a[OUTER_ROWS], *b = o->b + 16 * vector;
    float *out = o->out + row * o->out_stride + 16 * vector;
    KV_UNROLL
    for (int i = 0; i < n_rows; i++)
        a[i] = o->a + (row + (size_t)i) * o->a_stride;
    KV_UNROLL
    for (int i = 0; i < n_rows; i++)
        KV_UNROLL
    for (int j = 0; j < n_vectors; j++)
        sum[i][j] = o->add ? kv_load(out + (size_t)i * o->out_stride + 16 * j) : kv_zero();
    for (size_t k = 0; k < o->n_k; k++) {
        kv_f v[OUTER_VECTORS];
        KV_UNROLL
        for (int j = 0; j < n_vectors; j++)
            v[j] = kv_load(b + k * o->b_stride + 16 * j);
        KV_UNROLL
        for (int i = 0; i < n_rows; i++) {
            const kv_f x = kv_set1(a[i][k]);
            KV_UNROLL
            for (int j = 0; j < n_vectors; j++)
                sum[i][j] = kv_fma(x, v[j], sum[i][j]);
        }
    }
    KV_UNROLL
    for (int i = 0; i < n_rows; i++)
        KV_UNROLL
    for (int j = 0; j < n_vectors; j++)
        kv_store(out + (size_t)i * o->out_stride + 16 * j, sum[i][j]);
}

/* n_rows rows, a constant, in all vectors: as many at once as there are registers for. */
static KV_INLINE void outer_rows(const outer_args *o, size_t row, int n_rows, size_t n_vectors)
{
    const int wide = KW_MIN(OUTER_SUMS / n_rows, (int)OUTER_VECTORS);
    size_t v = 0;
    for (; v + (size_t)wide <= n_vectors; v += (size_t)wide)
        outer_tile(o, row, v, n_rows, wide);
    for (; v < n_vectors; v++)
        outer_tile(o, row, v, n_rows, 1);
}

static void outer(const outer_args *o, size_t n_rows, size_t n_vectors)
{
    size_t row = 0;
    for (size_t left; (left = n_rows - row) > 0;) {
        /* Two tiles of four rather than one of six and one of two. */
        if (left >= OUTER_ROWS && !(OUTER_ROWS > 4 && left == 8)) {
            outer_rows(o, row, OUTER_ROWS, n_vectors);
            row += OUTER_ROWS;
        } else if (OUTER_ROWS > 4 && left >= 4) {
            outer_rows(o, row, KW_MIN(4, (int)OUTER_ROWS), n_vectors);
            row += 4;
        } else if (OUTER_ROWS > 2 && left >= 2) {
            outer_rows(o, row, 2, n_vectors);
            row += 2;
        } else {
            outer_rows(o, row, 1, n_vectors);
            row++;
        }
    }
}
