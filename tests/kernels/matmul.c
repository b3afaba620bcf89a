/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* matmul.c - gemv and gemm of every weight type on every instruction set against scalar gemv. */
#include "kernels_test.h"

#include "base/check.h"

#include <stdio.h>

typedef enum fill { FILL_RANDOM, FILL_LOW, FILL_HIGH, FILL_MIDDLE, N_FILLS } fill;

static uint16_t random_half(void)
{
    return (uint16_t)(random_u32() & 0xbbffu); /* finite, either sign, subnormals too */
}

static uint16_t half_of(fill how)
{
    return how == FILL_RANDOM ? random_half() : how == FILL_HIGH ? 0x7bffu : 0x8400u;
}

/* Weights whose quants are random, or all bits 0, all 1, or the lowest of a signed byte. */
static void fill_weights(kw_dtype dtype, uint8_t *w, size_t bytes, fill how)
{
    static const uint8_t pattern[N_FILLS] = {0, 0x00, 0xff, 0x80};
    for (size_t i = 0; i < bytes; i++)
        w[i] = how == FILL_RANDOM ? (uint8_t)random_u32() : pattern[how];
    const size_t block = kw_dtype_info(dtype)->block_bytes;
    for (size_t at = 0; at < bytes; at += block) {
        const float x = how == FILL_RANDOM ? random_float(-2.0f, 2.0f) : random_wild() * 0x1p-64f;
        if (dtype == KW_F32)
            memcpy(w + at, &x, sizeof x);
        else if (dtype == KW_BF16)
            memcpy(w + at, (const uint8_t *)&x + 2, 2);
        else if (dtype == KW_MXFP4 && how == FILL_RANDOM)
            w[at] = (uint8_t)(90 + random_u32() % 70); /* or infinities hide everything else */
        for (size_t i = 0; put_half_at(dtype, w + at, i, half_of(how)); i++)
            ;
    }
}

/* Activations of one column: random, or all the largest (either sign). */
static void fill_activations(float *x, size_t k, fill how)
{
    for (size_t i = 0; i < k; i++)
        x[i] = how == FILL_RANDOM ? random_float(-3.0f, 3.0f)
               : how == FILL_LOW  ? -1.0f
               : how == FILL_HIGH ? 1.0f
                                  : (random_u32() & 1 ? 1.0f : -1.0f);
}

typedef struct problem {
    kw_dtype dtype;
    size_t k, n_rows, n_cols, row_bytes, shift;
    uint8_t *w;      /* [n_rows][row_bytes] */
    float *x;        /* [n_cols][k] */
    float *expected; /* [n_cols][n_rows], by scalar gemv */
} problem;

static bool is_float_class(const problem *p)
{
    return p->dtype == KW_F32 || p->dtype == KW_F16 || p->dtype == KW_BF16;
}

/* Columns of an activation tile of this table. */
static size_t tile_columns(const kw_cpu_kernels *t, kw_dtype activation)
{
    return activation == KW_F32      ? 1
           : activation == KW_F32_A  ? t->columns_f32
           : activation == KW_BF16_A ? KW_BF16_COLUMNS
                                     : t->columns;
}

/* Column c of the problem as the tile's column `col`. */
static void pack(const kw_cpu_kernels *t, const problem *p, kw_dtype activation, void *tile,
                 size_t c, size_t cols, size_t col)
{
    const float *x = p->x + c * p->k;
    if (activation == KW_F32)
        memcpy(tile, x, p->k * sizeof *x);
    else
        (activation == KW_Q8_A32    ? t->quantize_a32
         : activation == KW_Q8_A256 ? t->quantize_a256
         : activation == KW_F32_A   ? t->pack_f32
                                    : t->pack_bf16)(tile, x, p->k, cols, col);
}

static void problem_new(problem *p, const kw_cpu_kernels *ref, fill how)
{
    assert_true(kw_row_bytes(p->dtype, (int64_t)p->k, &p->row_bytes));
    p->w = input_new(p->n_rows * p->row_bytes, p->shift);
    p->x = input_new(p->n_cols * p->k * sizeof(float), 4);
    p->expected = allocate(p->n_cols * p->n_rows * sizeof(float));
    fill_weights(p->dtype, p->w, p->n_rows * p->row_bytes, how);
    uint8_t *tile = allocate(p->k / KW_QK * KW_ACT_BLOCK);
    for (size_t c = 0; c < p->n_cols; c++) {
        fill_activations(p->x + c * p->k, p->k, how);
        const void *x = p->x + c * p->k;
        if (!is_float_class(p)) {
            pack(ref, p, ref->matmul[p->dtype].activation, tile, c, 1, 0);
            x = tile;
        }
        ref->matmul[p->dtype].gemv(p->expected + c * p->n_rows, p->w, p->row_bytes, p->n_rows, x,
                                   p->k, NULL);
    }
    free(tile);
}

static void problem_free(problem *p)
{
    input_free(p->w, p->shift);
    input_free(p->x, 4);
    free(p->expected);
}

static void check_gemv(const kw_cpu_kernels *t, const problem *p)
{
    output out = output_new(p->n_rows * sizeof(float));
    uint8_t *tile = input_new(p->k / KW_QK * KW_ACT_BLOCK, 4);
    const void *x = p->x;
    if (!is_float_class(p)) {
        pack(t, p, t->matmul[p->dtype].activation, tile, 0, 1, 0);
        x = tile;
    }
    /* What is prefetched need not be readable. */
    t->matmul[p->dtype].gemv(output_data(&out), p->w, p->row_bytes, p->n_rows, x, p->k,
                             p->w + p->n_rows * p->row_bytes);
    char what[64];
    snprintf(what, sizeof what, "gemv %s k=%zu", kw_dtype_info(p->dtype)->name, p->k);
    assert_same(p->expected, output_data(&out), p->n_rows, what);
    input_free(tile, 4);
    output_free(&out);
}

static uint8_t *aligned(const output *memory)
{
    uint8_t *p = output_data(memory);
    return p + (64 - (uintptr_t)p % 64) % 64;
}

/* Everything through the kernels of a batch, to y[n_cols][stride]. */
static void run_gemm(const kw_cpu_kernels *t, const kw_matmul_kernels *m, const problem *p,
                     float *y, size_t stride)
{
    output panel = output_new(m->panel_bytes(p->k) + 64), work = output_new(m->work_bytes + 64);
    m->panel(aligned(&panel), p->w, p->row_bytes, p->n_rows, p->k);
    /* Columns beyond n_cols hold anything: here nan scales and the bytes of a canary. */
    const size_t cols = tile_columns(t, m->activation);
    const size_t tile_bytes = kw_activation_bytes(m->activation, p->k, cols);
    const size_t n_tiles = (p->n_cols + cols - 1) / cols;
    uint8_t *tile = input_new(n_tiles * tile_bytes, 4);
    memset(tile, 0xff, n_tiles * tile_bytes);
    for (size_t c = 0; c < p->n_cols; c++)
        pack(t, p, m->activation, tile + c / cols * tile_bytes, c, cols, c % cols);
    m->gemm(&(kw_gemm_args){.out = y,
                            .out_stride = stride,
                            .panel = aligned(&panel),
                            .x = tile,
                            .work = aligned(&work),
                            .k = p->k,
                            .n_rows = p->n_rows,
                            .n_cols = p->n_cols,
                            .next = p->n_cols % 2 ? p->w : NULL,
                            .next_bytes = p->n_rows * p->row_bytes});
    input_free(tile, 4);
    output_free(&work);
    output_free(&panel);
}

/* y[n_cols][stride] is what was expected, and nothing beyond the rows. */
static void check_columns(const problem *p, const float *y, size_t stride, const char *kernel)
{
    char what[64];
    snprintf(what, sizeof what, "%s %s k=%zu cols=%zu", kernel, kw_dtype_info(p->dtype)->name, p->k,
             p->n_cols);
    for (size_t c = 0; c < p->n_cols; c++) {
        assert_same(p->expected + c * p->n_rows, y + c * stride, p->n_rows, what);
        for (size_t r = p->n_rows; r < stride; r++)
            assert_true(same_float(y[c * stride + r], 0.0f));
    }
}

static void check_gemm(const kw_cpu_kernels *t, const problem *p)
{
    const size_t stride = p->n_rows + 3;
    output out = output_new(p->n_cols * stride * sizeof(float));
    run_gemm(t, &t->matmul[p->dtype], p, output_data(&out), stride);
    check_columns(p, output_data(&out), stride, "gemm");
    output_free(&out);
}

/* The columns are apart; what is prefetched need not be readable. */
static void check_few(const kw_cpu_kernels *t, const problem *p)
{
    const kw_matmul_kernels *m = &t->matmul[p->dtype];
    const size_t x_stride = kw_activation_bytes(m->activation, p->k, 1), stride = p->n_rows + 3;
    uint8_t *x = input_new(p->n_cols * x_stride, 4);
    for (size_t c = 0; c < p->n_cols; c++)
        pack(t, p, m->activation, x + c * x_stride, c, 1, 0);
    output out = output_new(p->n_cols * stride * sizeof(float));
    m->few(&(kw_few_args){.out = output_data(&out),
                          .out_stride = stride,
                          .w = p->w,
                          .row_bytes = p->row_bytes,
                          .n_rows = p->n_rows,
                          .x = x,
                          .x_stride = x_stride,
                          .n_cols = p->n_cols,
                          .k = p->k,
                          .next = p->n_cols % 2 ? p->w + p->n_rows * p->row_bytes : NULL});
    check_columns(p, output_data(&out), stride, "few");
    input_free(x, 4);
    output_free(&out);
}

static void check(const table_pair *t, problem p, fill how)
{
    problem_new(&p, &t->ref, how);
    check_gemv(&t->isa, &p);
    if (t->isa.matmul[p.dtype].few && p.n_cols <= KW_FEW_COLUMNS)
        check_few(&t->isa, &p);
    if (p.n_rows <= t->isa.matmul[p.dtype].panel_rows && p.n_cols <= t->isa.matmul[p.dtype].columns)
        check_gemm(&t->isa, &p);
    problem_free(&p);
}

/* Every row count that a tile of four or of a panel can leave over, every column count. */
static void check_type(const table_pair *t, kw_dtype dtype)
{
    static const size_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64};
    static const size_t floats[] = {1, 7, 15, 16, 17, 31, 33, 64, 100, 259, 2065};
    static const size_t blocks[] = {1, 2, 3, 5, 7, 8, 12, 17};
    const size_t block = kw_dtype_info(dtype)->block_elems;
    const size_t n = block == 1 ? KW_COUNT(floats) : KW_COUNT(blocks);
    const size_t columns = t->isa.matmul[dtype].columns;
    assert_true(columns > 0 &&
                columns % tile_columns(&t->isa, t->isa.matmul[dtype].activation) == 0);
    for (size_t i = 0; i < n; i++) {
        const size_t k = block == 1 ? floats[i] : blocks[i] * block;
        for (size_t j = 0; j < KW_COUNT(rows); j++) {
            const size_t n_cols = 1 + (i + j) % columns;
            check(t, (problem){dtype, k, rows[j], n_cols, .shift = j % 3}, FILL_RANDOM);
        }
        for (fill how = FILL_LOW; how < N_FILLS; how++)
            check(t, (problem){dtype, k, 5, columns, .shift = 1}, how);
    }
}

/* A row long enough that the prefetch distance, the superblocks and the sums are as in use. */
static void check_long(const table_pair *t, kw_dtype dtype)
{
    const size_t columns = t->isa.matmul[dtype].columns;
    const size_t rows = t->isa.matmul[dtype].panel_rows;
    check(t, (problem){dtype, 2048, rows, columns, .shift = 0}, FILL_RANDOM);
    if (t->isa.matmul[dtype].few)
        check(t, (problem){dtype, 768, 50, KW_FEW_COLUMNS, .shift = 1}, FILL_RANDOM);
    for (size_t k = 2048; k <= 11008; k += 8960)
        for (fill how = FILL_RANDOM; how < N_FILLS; how++)
            check(t, (problem){dtype, k, 32, 1 + (size_t)how % columns, .shift = 0}, how);
}

static void matmul(void **state)
{
    table_pair t;
    tables(&t, state);
    for (int dtype = 0; dtype < KW_N_DTYPES; dtype++) {
        assert_int_equal(t.ref.matmul[dtype].weight_class, t.isa.matmul[dtype].weight_class);
        if (t.ref.matmul[dtype].weight_class == KW_CLASS_NONE)
            continue;
        check_type(&t, (kw_dtype)dtype);
        check_long(&t, (kw_dtype)dtype);
    }
}

/* A fast kernel may round each weight and each activation to bf16, and add in any order. */
static void check_fast(const table_pair *t, problem p)
{
    const kw_matmul_kernels *m = &t->isa.fast[p.dtype];
    problem_new(&p, &t->ref, FILL_RANDOM);
    const size_t stride = p.n_rows;
    output out = output_new(p.n_cols * stride * sizeof(float));
    float *y = output_data(&out), *row = allocate(p.k * sizeof *row);
    run_gemm(&t->isa, m, &p, y, stride);
    for (size_t r = 0; r < p.n_rows; r++) {
        kw_dtype_info(p.dtype)->decode(row, p.w + r * p.row_bytes, p.k);
        for (size_t c = 0; c < p.n_cols; c++) {
            double sum = 0.0, size = 0.0;
            for (size_t i = 0; i < p.k; i++) {
                const double product = (double)row[i] * (double)p.x[c * p.k + i];
                sum += product;
                size += fabs(product);
            }
            if (!(fabs((double)y[c * stride + r] - sum) <= size * 0x1.1p-7))
                fail_msg("fast %s k=%zu: row %zu column %zu is %a, not %a",
                         kw_dtype_info(p.dtype)->name, p.k, r, c, (double)y[c * stride + r], sum);
        }
    }
    free(row);
    output_free(&out);
    problem_free(&p);
}

static void fast_is_close(void **state)
{
    table_pair t;
    tables(&t, state);
    size_t n = 0;
    for (int dtype = 0; dtype < KW_N_DTYPES; dtype++) {
        if (!t.isa.fast[dtype].gemm)
            continue;
        assert_int_equal(t.isa.fast[dtype].weight_class, t.isa.matmul[dtype].weight_class);
        for (size_t k = 1; k <= 2048; k = k * 3 + 1)
            check_fast(&t, (problem){(kw_dtype)dtype, k, 1 + k % t.isa.fast[dtype].panel_rows,
                                     1 + k % t.isa.fast[dtype].columns, .shift = k % 2 * 4});
        n++;
    }
    if (n == 0) {
        print_message("skipped: %s has no fast kernels\n", t.isa.isa);
        skip();
    }
}

/* The roofline counts what it does: twice the rounds, twice the operations. */
static void peaks_count(void **state)
{
    table_pair t;
    tables(&t, state);
    assert_true(t.isa.peak_int8(3) > 0 && t.isa.peak_int8(6) == 2 * t.isa.peak_int8(3));
    assert_true(t.isa.peak_f32(3) > 0 && t.isa.peak_f32(6) == 2 * t.isa.peak_f32(3));
}

/* Scalar's own gemm, through its panels of raw rows, has the bits of its gemv. */
static void scalar_gemm(void **state)
{
    (void)state;
    table_pair t;
    assert_true(kw_cpu_kernels_select(&t.ref, 0, "scalar"));
    t.isa = t.ref;
    for (int dtype = 0; dtype < KW_N_DTYPES; dtype++) {
        if (t.ref.matmul[dtype].weight_class == KW_CLASS_NONE)
            continue;
        const size_t k = kw_dtype_info((kw_dtype)dtype)->block_elems * 3;
        for (size_t n_cols = 1; n_cols <= t.ref.columns; n_cols++)
            check(&t, (problem){(kw_dtype)dtype, k, 7, n_cols, .shift = 1}, FILL_RANDOM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_gemm),
        ON_EVERY_ISA(matmul),
        ON_EVERY_ISA(fast_is_close),
        ON_EVERY_ISA(peaks_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
