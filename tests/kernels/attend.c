/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attend.c - attention over ranges of the cache on every instruction set against scalar, and scalar
 * against a plain softmax in f64. */
#include "kernels_test.h"

#include "base/check.h"
#include "tensor/half.h"

typedef struct cache {
    int head_dim;
    size_t n_blocks, element, stride; /* stride: from a head's block to its next */
    uint8_t *k, *v;                   /* [n_blocks], each followed by a gap of another head */
} cache;

static void put(const cache *c, uint8_t *p, size_t i, float x)
{
    const uint16_t h = kw_f16_from_f32(x);
    if (c->element == 2)
        memcpy(p + 2 * i, &h, 2);
    else
        memcpy(p + 4 * i, &x, 4);
}

static float get(const cache *c, const uint8_t *p, size_t i)
{
    uint16_t h;
    float x;
    if (c->element == 2) {
        memcpy(&h, p + 2 * i, 2);
        return kw_f32_from_f16(h);
    }
    memcpy(&x, p + 4 * i, 4);
    return x;
}

/* Positions outside [first, end) are nan or, every other time, huge: they must not reach the
 * result.
 */
static void cache_new(cache *c, int head_dim, bool half, int64_t first, int64_t end)
{
    const size_t dim = (size_t)head_dim;
    c->head_dim = head_dim;
    c->element = half ? 2 : 4;
    c->n_blocks = (size_t)(end + KW_ATTN_BLOCK - 1) / KW_ATTN_BLOCK;
    const size_t block = dim * KW_ATTN_BLOCK * c->element;
    c->stride = block + 32;
    const size_t bytes = c->n_blocks ? (c->n_blocks - 1) * c->stride + block : 0;
    c->k = allocate(bytes);
    c->v = allocate(bytes);
    const int junk = random_u32() & 1 ? 0xff : 0x7b;
    memset(c->k, junk, bytes);
    memset(c->v, junk, bytes);
    for (int64_t pos = first; pos < end; pos++) {
        uint8_t *k = c->k + (size_t)pos / KW_ATTN_BLOCK * c->stride;
        uint8_t *v = c->v + (size_t)pos / KW_ATTN_BLOCK * c->stride;
        const size_t at = (size_t)pos % KW_ATTN_BLOCK;
        for (size_t d = 0; d < dim; d++) {
            put(c, k, d * KW_ATTN_BLOCK + at, random_float(-2.0f, 2.0f));
            put(c, v, at * dim + d, random_float(-2.0f, 2.0f));
        }
    }
}

static void cache_free(cache *c)
{
    free(c->k);
    free(c->v);
}

typedef struct result {
    output m, l, acc;
} result;

static result run(const kw_cpu_kernels *t, const cache *c, const float *q, int n_q, int64_t first,
                  int64_t end)
{
    const size_t n = (size_t)n_q, dim = (size_t)c->head_dim;
    result r = {output_new(4 * n), output_new(4 * n), output_new(4 * n * dim)};
    memset(output_data(&r.acc), 0xff, 4 * n * dim); /* the kernel initialises its outputs */
    memset(output_data(&r.m), 0xff, 4 * n);
    memset(output_data(&r.l), 0xff, 4 * n);
    const kw_attend_args args = {.q = q,
                                 .n_q = n_q,
                                 .head_dim = c->head_dim,
                                 .k = c->k,
                                 .v = c->v,
                                 .block_stride = c->stride,
                                 .first = first,
                                 .end = end,
                                 .m = output_data(&r.m),
                                 .l = output_data(&r.l),
                                 .acc = output_data(&r.acc)};
    (c->element == 2 ? t->attend_f16 : t->attend_f32)(&args);
    return r;
}

static void result_free(result *r)
{
    output_free(&r->m);
    output_free(&r->l);
    output_free(&r->acc);
}

static void compare(const result *a, const result *b, size_t n_q, size_t dim)
{
    assert_same(output_data(&a->m), output_data(&b->m), n_q, "attend m");
    assert_same(output_data(&a->l), output_data(&b->l), n_q, "attend l");
    assert_same(output_data(&a->acc), output_data(&b->acc), n_q * dim, "attend acc");
}

static void check(const table_pair *t, int head_dim, int n_q, int64_t first, int64_t end, bool half)
{
    const size_t dim = (size_t)head_dim, n = (size_t)n_q;
    cache c;
    cache_new(&c, head_dim, half, first, end);
    float *q = input_new(n * dim * sizeof *q, 4);
    random_floats(q, n * dim, -0.7f, 0.7f);
    result a = run(&t->ref, &c, q, n_q, first, end);
    result b = run(&t->isa, &c, q, n_q, first, end);
    compare(&a, &b, n, dim);
    result_free(&a);
    result_free(&b);
    input_free(q, 4);
    cache_free(&c);
}

static void ranges(void **state)
{
    table_pair t;
    tables(&t, state);
    static const int64_t range[][2] = {{0, 1},     {0, 15},    {0, 16},      {0, 17},   {0, 63},
                                       {0, 64},    {0, 65},    {0, 511},     {0, 512},  {0, 513},
                                       {512, 513}, {512, 640}, {1024, 1500}, {64, 128}, {5, 6},
                                       {3, 200},   {63, 65},   {100, 131},   {16, 48},  {70, 71}};
    for (size_t i = 0; i < KW_COUNT(range); i++)
        for (int n_q = 1; n_q <= 9; n_q += 1 + (int)(i % 3))
            check(&t, 64, n_q, range[i][0], range[i][1], (i + (size_t)n_q) % 2);
}

static void head_dims(void **state)
{
    table_pair t;
    tables(&t, state);
    static const int dims[] = {1, 8, 15, 16, 17, 32, 40, 64, 72, 80, 96, 112, 128, 192, 256, 512};
    for (size_t i = 0; i < KW_COUNT(dims); i++) {
        for (int half = 0; half < 2; half++) {
            check(&t, dims[i], 1 + (int)(i % 4), 0, 77, half);
            check(&t, dims[i], 8, 60, 90, half);
        }
    }
}

static void merge(void **state)
{
    table_pair t;
    tables(&t, state);
    for (size_t dim = 1; dim <= 130; dim += 3) {
        float acc_b[130], acc[2][130], m[2], l[2];
        random_floats(acc_b, dim, -2.0f, 2.0f);
        random_floats(acc[0], dim, -2.0f, 2.0f);
        memcpy(acc[1], acc[0], sizeof acc[0]);
        m[0] = m[1] = random_float(-9.0f, 9.0f);
        l[0] = l[1] = random_float(1.0f, 9.0f);
        const float m_b = random_float(-9.0f, 9.0f), l_b = random_float(1.0f, 9.0f);
        t.ref.attend_merge(&m[0], &l[0], acc[0], m_b, l_b, acc_b, dim);
        t.isa.attend_merge(&m[1], &l[1], acc[1], m_b, l_b, acc_b, dim);
        assert_same(acc[0], acc[1], dim, "merge acc");
        assert_true(same_float(m[0], m[1]) && same_float(l[0], l[1]));
    }
}

/* The definition itself: a softmax in f64 over the same cache, in two parts that are merged. */
static void scalar_is_softmax(void **state)
{
    (void)state;
    enum { DIM = 24, FIRST = 7, SPLIT = 512, END = 700 };
    kw_cpu_kernels t;
    assert_true(kw_cpu_kernels_select(&t, 0, "scalar"));
    cache c;
    cache_new(&c, DIM, true, FIRST, END);
    float q[DIM];
    random_floats(q, DIM, -0.7f, 0.7f);
    double sum = 0.0, expected[DIM] = {0};
    for (size_t pos = FIRST; pos < END; pos++) {
        const uint8_t *k = c.k + pos / 16 * c.stride, *v = c.v + pos / 16 * c.stride;
        double s = 0.0;
        for (size_t d = 0; d < DIM; d++)
            s += (double)q[d] * (double)get(&c, k, d * 16 + pos % 16);
        sum += exp(s);
        for (size_t d = 0; d < DIM; d++)
            expected[d] += exp(s) * (double)get(&c, v, pos % 16 * DIM + d);
    }
    result a = run(&t, &c, q, 1, FIRST, SPLIT), b = run(&t, &c, q, 1, SPLIT, END);
    float *m = output_data(&a.m), *l = output_data(&a.l), *acc = output_data(&a.acc);
    t.attend_merge(m, l, acc, *(float *)output_data(&b.m), *(float *)output_data(&b.l),
                   output_data(&b.acc), DIM);
    for (size_t d = 0; d < DIM; d++)
        assert_true(fabs((double)acc[d] / (double)*l - expected[d] / sum) < 1e-6);
    result_free(&a);
    result_free(&b);
    cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_is_softmax),
        ON_EVERY_ISA(ranges),
        ON_EVERY_ISA(head_dims),
        ON_EVERY_ISA(merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
