/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attend.c - attention over ranges of the cache on every instruction set against scalar, and scalar
 * against a plain softmax in f64. */
#include "kernels_test.h"

#include "base/check.h"
#include "tensor/half.h"

static const kw_dtype types[] = {KW_F32, KW_F16, KW_BF16, KW_Q8_0};

typedef struct cache {
    int head_dim;
    kw_dtype type;
    size_t stride;  /* from a head's tile to its next */
    uint8_t *k, *v; /* tiles, each followed by a gap of another head */
} cache;

/* Element i of a block, with the scale `scale` where the type has one: written, then read. */
static void put(const cache *c, uint8_t *block, size_t i, size_t scale, float x)
{
    const uint16_t f16 = kw_f16_from_f32(x), bf16 = kw_bf16_from_f32(x);
    const uint16_t d = kw_f16_from_f32(0.002f * (float)(1 + scale % 7));
    uint8_t *scales = block + KW_ATTN_BLOCK * kw_attn_width((size_t)c->head_dim);
    if (c->type == KW_F32)
        memcpy(block + 4 * i, &x, 4);
    else if (c->type == KW_F16)
        memcpy(block + 2 * i, &f16, 2);
    else if (c->type == KW_BF16)
        memcpy(block + 2 * i, &bf16, 2);
    else {
        block[i] = (uint8_t)(int8_t)(63.0f * x);
        memcpy(scales + 2 * scale, &d, 2);
    }
}

static float get_f16(const cache *c, const uint8_t *block, size_t i)
{
    uint16_t h;
    assert_int_equal(c->type, KW_F16);
    memcpy(&h, block + 2 * i, 2);
    return kw_f32_from_f16(h);
}

static size_t block_at(const cache *c, int64_t pos)
{
    return (size_t)pos / KW_ATTN_TILE * c->stride +
           (size_t)pos % KW_ATTN_TILE / KW_ATTN_BLOCK *
               kw_attn_block_bytes(c->type, (size_t)c->head_dim);
}

/* Positions outside [first, end) are nan or, every other time, huge: they must not reach the
 * result. */
static void cache_new(cache *c, int head_dim, kw_dtype type, int64_t first, int64_t end)
{
    const size_t dim = (size_t)head_dim, width = kw_attn_width(dim), groups = kw_attn_groups(dim);
    const size_t n_tiles = (size_t)(end + KW_ATTN_TILE - 1) / KW_ATTN_TILE;
    const size_t tile = kw_attn_tile_bytes(type, dim);
    *c = (cache){.head_dim = head_dim, .type = type, .stride = tile + 32};
    const size_t bytes = n_tiles ? (n_tiles - 1) * c->stride + tile : 0;
    c->k = allocate(bytes);
    c->v = allocate(bytes);
    const int junk = random_u32() & 1 ? 0xff : 0x7b;
    memset(c->k, junk, bytes);
    memset(c->v, junk, bytes);
    for (int64_t pos = first; pos < end; pos++) {
        uint8_t *k = c->k + block_at(c, pos), *v = c->v + block_at(c, pos);
        const size_t at = (size_t)pos % KW_ATTN_BLOCK;
        for (size_t d = 0; d < dim; d++) {
            put(c, k, d * KW_ATTN_BLOCK + at, d / 32 * KW_ATTN_BLOCK + at,
                random_float(-2.0f, 2.0f));
            put(c, v, at * width + d, at * groups + d / 32, random_float(-2.0f, 2.0f));
        }
    }
}

static void cache_free(cache *c)
{
    free(c->k);
    free(c->v);
}

/* Queries: `group` heads of each of n tokens, each token with a span of its own. */
typedef struct batch {
    int group, n;
    kw_attend_span span[64];
    float softcap;
    kw_attend_bias bias;
} batch;

typedef struct result {
    output m, l, acc;
} result;

static result run(const kw_cpu_kernels *t, const cache *c, const float *q, const batch *b)
{
    const size_t n = (size_t)(b->n * b->group), dim = (size_t)c->head_dim;
    const size_t acc_bytes = 4 * n * kw_attn_width(dim);
    result r = {output_new(4 * n), output_new(4 * n), output_new(acc_bytes)};
    memset(output_data(&r.acc), 0xff, acc_bytes); /* the kernel initialises its outputs */
    memset(output_data(&r.m), 0xff, 4 * n);
    memset(output_data(&r.l), 0xff, 4 * n);
    output work = output_new(kw_attend_work_bytes(dim, n));
    const kw_attend_args args = {.q = q,
                                 .n_q = b->n * b->group,
                                 .group = b->group,
                                 .head_dim = c->head_dim,
                                 .cache = c->type,
                                 .k = c->k,
                                 .v = c->v,
                                 .tile_stride = c->stride,
                                 .span = b->span,
                                 .softcap = b->softcap,
                                 .bias = b->bias,
                                 .m = output_data(&r.m),
                                 .l = output_data(&r.l),
                                 .acc = output_data(&r.acc),
                                 .work = output_data(&work)};
    t->attend(&args);
    output_free(&work);
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
    for (size_t i = 0; i < n_q; i++) /* beyond dim: anything */
        assert_same((const float *)output_data(&a->acc) + i * kw_attn_width(dim),
                    (const float *)output_data(&b->acc) + i * kw_attn_width(dim), dim,
                    "attend acc");
}

static void check_batch(const table_pair *t, int head_dim, const batch *b, kw_dtype type)
{
    const size_t dim = (size_t)head_dim, n = (size_t)(b->n * b->group);
    int64_t first = INT64_MAX, end = 0;
    for (int i = 0; i < b->n; i++) {
        if (b->span[i].first >= b->span[i].end)
            continue;
        first = KW_MIN(first, b->span[i].first);
        end = KW_MAX(end, b->span[i].end);
    }
    cache c;
    cache_new(&c, head_dim, type, first, end);
    float *q = input_new(n * dim * sizeof *q, 4);
    random_floats(q, n * dim, -0.7f, 0.7f);
    result x = run(&t->ref, &c, q, b), y = run(&t->isa, &c, q, b);
    compare(&x, &y, n, dim);
    result_free(&x);
    result_free(&y);
    input_free(q, 4);
    cache_free(&c);
}

static void check(const table_pair *t, int head_dim, int n_q, int64_t first, int64_t end,
                  kw_dtype type)
{
    const batch b = {.group = n_q, .n = 1, .span = {{first, end}}};
    check_batch(t, head_dim, &b, type);
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
            check(&t, 64, n_q, range[i][0], range[i][1],
                  types[(i + (size_t)n_q) % KW_COUNT(types)]);
}

static void head_dims(void **state)
{
    table_pair t;
    tables(&t, state);
    static const int dims[] = {1, 8, 15, 16, 17, 32, 40, 64, 72, 80, 96, 112, 128, 192, 256, 512};
    for (size_t i = 0; i < KW_COUNT(dims); i++) {
        for (size_t type = 0; type < KW_COUNT(types); type++) {
            check(&t, dims[i], 1 + (int)((i + type) % 4), 0, 77, types[type]);
            check(&t, dims[i], 8, 60, 90, types[type]);
        }
    }
}

static void query_counts(void **state)
{
    table_pair t;
    tables(&t, state);
    for (int n_q = 1; n_q <= 64; n_q++)
        check(&t, 16, n_q, 0, 50 + n_q, types[n_q % (int)KW_COUNT(types)]);
}

/* Tokens of a prompt: each sees one position more, or a window; some see nothing of this split. */
static void batches(void **state)
{
    table_pair t;
    tables(&t, state);
    static const int shape[][4] = {{1, 64, 0, 0},   {1, 64, 40, 0},  {8, 8, 60, 0},
                                   {2, 32, 500, 0}, {1, 30, 70, 1},  {1, 64, 50, 5},
                                   {4, 16, 120, 9}, {3, 7, 100, 64}, {5, 3, 126, 70},
                                   {1, 1, 63, 0},   {6, 4, 60, 2},   {7, 2, 62, 0}};
    for (size_t i = 0; i < KW_COUNT(shape); i++) {
        batch b = {.group = shape[i][0], .n = shape[i][1]};
        for (int j = 0; j < b.n; j++) {
            const int64_t end = shape[i][2] + j + 1, window = shape[i][3];
            b.span[j] = (kw_attend_span){window && end > window ? end - window : 0, end};
        }
        check_batch(&t, 24, &b, types[i % KW_COUNT(types)]);
        for (int j = 0; j < b.n; j += 3) /* in any order, overlapping or not */
            b.span[j] = (kw_attend_span){random_u32() % 90, random_u32() % 150};
        check_batch(&t, 16, &b, types[(i + 1) % KW_COUNT(types)]);
    }
}

/* Scores that are capped, or have something added to them by distance: tables that end before,
 * inside and after what is seen, and own positions before and after it. */
static void adjusted_scores(void **state)
{
    table_pair t;
    tables(&t, state);
    static const int shape[][4] = {{1, 1, 1, 0},      {1, 9, 257, -128}, {4, 16, 40, -39},
                                   {3, 5, 16, -8},    {8, 8, 700, -699}, {2, 32, 33, 7},
                                   {5, 3, 100, -300}, {1, 64, 300, -90}, {2, 2, 128, -64}};
    for (size_t i = 0; i < 2 * KW_COUNT(shape); i++) {
        const int *s = shape[i / 2];
        batch b = {.group = s[0], .n = s[1], .softcap = i % 3 == 1 ? 0.0f : 1.5f};
        float *table = input_new((size_t)(s[0] * s[2]) * sizeof *table, 4);
        int32_t own[64];
        random_floats(table, (size_t)(s[0] * s[2]), -3.0f, 3.0f);
        const int64_t end = 30 + random_u32() % 170;
        for (int j = 0; j < b.n; j++) {
            b.span[j] = (kw_attend_span){i % 2 ? random_u32() % 25 : 0, end + (i % 2 ? j : 0)};
            own[j] = (int32_t)(i % 4 == 3 ? random_u32() % 200 : b.span[j].end - 1);
        }
        if (i % 3 != 2)
            b.bias = (kw_attend_bias){table, own, s[2], s[3]};
        check_batch(&t, 24, &b, types[i % KW_COUNT(types)]);
        input_free(table, 4);
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
static void check_softmax(float softcap, const kw_attend_bias *bias)
{
    enum { DIM = 24, FIRST = 7, SPLIT = 512, END = 700 };
    kw_cpu_kernels t;
    assert_true(kw_cpu_kernels_select(&t, 0, "scalar"));
    cache c;
    cache_new(&c, DIM, KW_F16, FIRST, END);
    float q[DIM];
    random_floats(q, DIM, -0.7f, 0.7f);
    double sum = 0.0, expected[DIM] = {0};
    for (size_t pos = FIRST; pos < END; pos++) {
        const uint8_t *k = c.k + block_at(&c, (int64_t)pos), *v = c.v + block_at(&c, (int64_t)pos);
        double s = 0.0;
        for (size_t d = 0; d < DIM; d++)
            s += (double)q[d] * (double)get_f16(&c, k, d * 16 + pos % 16);
        if (softcap > 0)
            s = (double)softcap * tanh(s);
        if (bias->table) {
            const int64_t at = (int64_t)pos - bias->own[0] - bias->first;
            s += (double)bias->table[at < 0 ? 0 : at < bias->n ? at : bias->n - 1];
        }
        sum += exp(s);
        for (size_t d = 0; d < DIM; d++)
            expected[d] += exp(s) * (double)get_f16(&c, v, pos % 16 * kw_attn_width(DIM) + d);
    }
    result a = run(&t, &c, q, &(batch){1, 1, {{FIRST, SPLIT}}, softcap, *bias});
    result b = run(&t, &c, q, &(batch){1, 1, {{SPLIT, END}}, softcap, *bias});
    float *m = output_data(&a.m), *l = output_data(&a.l), *acc = output_data(&a.acc);
    t.attend_merge(m, l, acc, *(float *)output_data(&b.m), *(float *)output_data(&b.l),
                   output_data(&b.acc), DIM);
    for (size_t d = 0; d < DIM; d++)
        assert_true(fabs((double)acc[d] / (double)*l - expected[d] / sum) < 1e-6);
    result_free(&a);
    result_free(&b);
    cache_free(&c);
}

static void scalar_is_softmax(void **state)
{
    (void)state;
    float table[300];
    const int32_t own = 499;
    random_floats(table, KW_COUNT(table), -2.0f, 2.0f);
    const kw_attend_bias none = {0}, bias = {table, &own, KW_COUNT(table), -100};
    check_softmax(0, &none);
    check_softmax(0, &bias);
    check_softmax(1.25f, &none);
    check_softmax(1.25f, &bias);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_is_softmax),
        ON_EVERY_ISA(ranges),
        ON_EVERY_ISA(head_dims),
        ON_EVERY_ISA(query_counts),
        ON_EVERY_ISA(batches),
        ON_EVERY_ISA(adjusted_scores),
        ON_EVERY_ISA(merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
