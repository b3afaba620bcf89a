/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attention.c - rotation, the key/value cache and attention over it, through plans: groups of 1, 2
 * and 8 query heads, windows, partly rotated heads of both orders, positions that cross the blocks
 * of 16, 64 and 512, caches of every type. Against double precision; and the same bits however the
 * prompt was cut, on every instruction set, for any number of threads.
 *
 * kw-test: timeout 300 */
#include "ops_test.h"

#include "tensor/half.h"

typedef struct setup {
    const char *name;
    int heads, kv_heads, dim, n_rot, window, positions;
    bool adjacent;
    kw_dtype cache;
    float softcap;
    int n_bias, bias_first; /* columns; 0: no bias */
    bool all;               /* every query sees every position, as in an encoder */
} setup;

static const setup setups[] = {
    {"one head, f32", 1, 1, 16, 16, 0, 40, false, .cache = KW_F32},
    {"no rotation, f16", 2, 2, 20, 0, 0, 40, false, .cache = KW_F16},
    {"groups of 2, part adjacent, f16", 4, 2, 16, 8, 0, 140, true, .cache = KW_F16},
    {"groups of 8, f32, 600 positions", 8, 1, 32, 32, 0, 600, false, .cache = KW_F32},
    {"groups of 2, f16, 1100 positions", 2, 1, 16, 16, 0, 1100, true, .cache = KW_F16},
    {"window 1", 2, 1, 16, 16, 1, 40, false, .cache = KW_F32},
    {"window 5, f16", 4, 2, 24, 10, 5, 90, false, .cache = KW_F16},
    {"window 64", 2, 1, 16, 16, 64, 200, true, .cache = KW_F32},
    {"window 100, 600 positions, f16", 8, 2, 16, 6, 100, 600, false, .cache = KW_F16},
    {"window 513, 1100 positions", 1, 1, 16, 4, 513, 1100, false, .cache = KW_F32},
    {"wide heads, f16", 2, 2, 128, 64, 0, 70, true, .cache = KW_F16},
    {"groups of 3, bf16, 600 positions", 6, 2, 40, 16, 0, 600, false, .cache = KW_BF16},
    {"one head of many tokens, q8_0", 1, 1, 72, 16, 0, 200, true, .cache = KW_Q8_0},
    {"window 70, groups of 4, q8_0", 4, 1, 64, 32, 70, 300, false, .cache = KW_Q8_0},
    {"softcap, window 40, f16", 4, 2, 80, 80, 40, 150, false, .cache = KW_F16, .softcap = 0.75f},
    {"softcap, 600 positions", 2, 1, 112, 0, 0, 600, false, .cache = KW_F32, .softcap = 3},
    {"bias of the whole past", 6, 2, 16, 0, 0, 560, false, .cache = KW_F32, .n_bias = 560,
     .bias_first = -559},
    {"bias of buckets, rotated, f16", 3, 3, 96, 32, 0, 200, false, .cache = KW_F16, .n_bias = 129,
     .bias_first = -128},
    {"softcap and bias, window 70", 4, 1, 24, 8, 70, 150, true, .cache = KW_F32, .softcap = 2,
     .n_bias = 9, .bias_first = -8},
    {"splits in parallel", 2, 2, 4, 4, 0, 2200, false, .cache = KW_F16},
    {"splits in parallel, window 1100", 3, 1, 4, 0, 1100, 2200, false, .cache = KW_F32},
    {"encoder", 4, 4, 32, 0, 0, 530, false, .cache = KW_F32, .all = true},
    {"encoder with bias, f16", 6, 6, 64, 0, 0, 300, false, .cache = KW_F16, .n_bias = 257,
     .bias_first = -128, .all = true},
    {"encoder, wide heads, softcap", 2, 1, 256, 64, 0, 90, false, .cache = KW_F32, .softcap = 5,
     .all = true},
};

typedef struct problem {
    const setup *s;
    float *q, *k, *v; /* [positions][heads * dim], [positions][kv_heads * dim] */
    float *bias;      /* [heads][n_bias] */
    double freq[64];
} problem;

static size_t q_width(const setup *s)
{
    return (size_t)(s->heads * s->dim);
}

static problem new_problem(const setup *s)
{
    const size_t n = (size_t)s->positions, kv = (size_t)(s->kv_heads * s->dim);
    problem p = {.s = s,
                 .q = random_rows(1, n * q_width(s), 2),
                 .k = random_rows(2, n * kv, 2),
                 .v = random_rows(3, n * kv, 2),
                 .bias = random_rows(4, (size_t)(s->heads * s->n_bias), 3)};
    for (int i = 0; i < s->n_rot / 2; i++)
        p.freq[i] = pow(10000, -2.0 * i / s->n_rot);
    return p;
}

static void free_problem(problem *p)
{
    free(p->q);
    free(p->k);
    free(p->v);
    free(p->bias);
}

/* The last position that query t sees. */
static int last_of(const setup *s, int t)
{
    return s->all ? s->positions - 1 : t;
}

static kw_ref attend(kw_graph *g, const problem *p, kw_ref q, kw_ref k, kw_ref v, kw_ref last,
                     kw_ref own)
{
    const setup *s = p->s;
    const kw_attention_attr attr = {.heads = s->heads,
                                    .kv_heads = s->kv_heads,
                                    .head_dim = s->dim,
                                    .scale = 1.0f / sqrtf((float)s->dim),
                                    .window = s->window,
                                    .softcap = s->softcap,
                                    .bias_first = s->bias_first};
    if (s->n_bias == 0)
        return kw_attention(g, q, k, v, last, &attr);
    const kw_ref bias = kw_constant(g, "bias", SHAPE(s->heads, s->n_bias), p->bias);
    return kw_attention_biased(g, q, k, v, last, bias, own, &attr);
}

static kw_graph *build(const problem *p, int64_t bound)
{
    const setup *s = p->s;
    const kw_rope_attr rope = {s->dim, s->n_rot, s->adjacent};
    kw_graph *g = graph_of(bound, 1);
    const kw_ref at = kw_input_leaf(g, "positions", KW_EXTENT_TOKENS);
    const kw_ref last = kw_input_leaf(g, "last", KW_EXTENT_TOKENS);
    kw_ref q = fed(g, at, p->q, s->positions, (int64_t)q_width(s));
    kw_ref k = fed(g, at, p->k, s->positions, s->kv_heads * s->dim);
    kw_ref v = fed(g, at, p->v, s->positions, s->kv_heads * s->dim);
    if (s->n_rot > 0) {
        const kw_ref table = kw_rope_table(g, at, p->freq, s->n_rot, 1);
        q = kw_rope(g, q, table, &rope);
        k = kw_rope(g, k, table, &rope);
    }
    k = kw_store(g, kw_state(g, "k", KW_STATE_KEYS, s->cache, s->positions, s->kv_heads, s->dim), k,
                 at);
    v = kw_store(g, kw_state(g, "v", KW_STATE_VALUES, s->cache, s->positions, s->kv_heads, s->dim),
                 v, at);
    kw_graph_output(g, attend(g, p, q, k, v, last, at));
    return g;
}

/* ---- the reference ----------------------------------------------------------------------------
 */

static void rotate(const problem *p, double *x, int position)
{
    const int half = p->s->n_rot / 2;
    for (int i = 0; i < half; i++) {
        const int a = p->s->adjacent ? 2 * i : i, b = p->s->adjacent ? 2 * i + 1 : i + half;
        const double c = cos(position * p->freq[i]), s = sin(position * p->freq[i]);
        const double xa = x[a], xb = x[b];
        x[a] = xa * c - xb * s;
        x[b] = xa * s + xb * c;
    }
}

/* A head's row as the cache keeps it, or the query. */
static void load(const problem *p, const float *from, bool turn, bool cached, int position,
                 double *to)
{
    for (int i = 0; i < p->s->dim; i++)
        to[i] = (double)from[i];
    if (turn)
        rotate(p, to, position);
    if (!cached || p->s->cache == KW_F32)
        return;
    float row[512] = {0};
    unsigned char kept[sizeof row];
    const kw_dtype_traits *type = kw_dtype_info(p->s->cache);
    for (int i = 0; i < p->s->dim; i++)
        row[i] = (float)to[i];
    const size_t n = kw_align_up((size_t)p->s->dim, 32);
    type->encode(kept, row, n, NULL);
    type->decode(row, kept, n);
    for (int i = 0; i < p->s->dim; i++)
        to[i] = (double)row[i];
}

static void attend_reference(const problem *p, const double *keys, const double *values, int head,
                             int t, double *out)
{
    const setup *s = p->s;
    const int dim = s->dim, last = last_of(s, t);
    const int first = s->window > 0 && last + 1 > s->window ? last + 1 - s->window : 0;
    const size_t stride = (size_t)(s->kv_heads * dim);
    const size_t kv = (size_t)(head / (s->heads / s->kv_heads) * dim);
    double q[512], sum = 0;
    load(p, p->q + (size_t)t * q_width(s) + (size_t)(head * dim), true, false, t, q);
    memset(out, 0, (size_t)dim * sizeof *out);
    for (int j = first; j <= last; j++) {
        double score = 0;
        for (int i = 0; i < dim; i++)
            score += q[i] * keys[(size_t)j * stride + kv + (size_t)i];
        score /= sqrt(dim);
        if (s->softcap > 0)
            score = (double)s->softcap * tanh(score / (double)s->softcap);
        if (s->n_bias > 0) {
            const int column = KW_MIN(KW_MAX(j - t - s->bias_first, 0), s->n_bias - 1);
            score += (double)p->bias[head * s->n_bias + column];
        }
        const double weight = exp(score);
        sum += weight;
        for (int i = 0; i < dim; i++)
            out[i] += weight * values[(size_t)j * stride + kv + (size_t)i];
    }
    for (int i = 0; i < dim; i++)
        out[i] /= sum;
}

static double *reference(const problem *p)
{
    const setup *s = p->s;
    const size_t n = (size_t)s->positions, kv = (size_t)(s->kv_heads * s->dim);
    double *keys = fresh(n * kv * sizeof *keys), *values = fresh(n * kv * sizeof *values);
    double *want = fresh(n * q_width(s) * sizeof *want);
    for (size_t row = 0; row < n * (size_t)s->kv_heads; row++) {
        const size_t at = row * (size_t)s->dim;
        const int position = (int)(row / (size_t)s->kv_heads);
        load(p, p->k + at, true, true, position, keys + at);
        load(p, p->v + at, false, true, position, values + at);
    }
    for (int t = 0; t < s->positions; t++)
        for (int h = 0; h < s->heads; h++)
            attend_reference(p, keys, values, h, t,
                             want + (size_t)t * q_width(s) + (size_t)(h * s->dim));
    free(keys);
    free(values);
    return want;
}

/* ---- runs -------------------------------------------------------------------------------------
 */

/* The whole of the positions in pieces (the pattern repeats), in buckets of one token, of three and
 * of `bound`. */
static void run(const problem *p, kw_device *device, int bound, const int *pieces, int n_pieces,
                float *out)
{
    bench_plan plans[3];
    kw_graph *graphs[3];
    void *own[3][OPS_MAX_SLOTS];
    for (int i = 0; i < 3; i++) {
        graphs[i] = build(p, (const int[]){1, 3, bound}[i]);
        bench_open(&plans[i], graphs[i], device);
        memcpy(own[i], plans[i].states, sizeof own[i]);
        memcpy(plans[i].states, own[0], sizeof own[0]); /* one cache for all */
    }
    for (int at = 0, i = 0; at < p->s->positions; i++) {
        int32_t positions[2200], last[2200];
        const int n = KW_MIN(pieces[i % n_pieces], p->s->positions - at);
        for (int t = 0; t < n; t++) {
            positions[t] = at + t;
            last[t] = last_of(p->s, at + t);
        }
        bench_run(&plans[n == 1   ? 0
                         : n <= 3 ? 1
                                  : 2],
                  n, 1, (const void *const[]){positions, last},
                  (void *[]){out + (size_t)at * q_width(p->s)});
        at += n;
    }
    for (int i = 0; i < 3; i++) {
        memcpy(plans[i].states, own[i], sizeof own[i]);
        bench_close(&plans[i]);
        kw_graph_free(graphs[i]);
    }
}

/* The reference rotates in f64, so that now and then it rounds a key to its neighbour. */
static double tolerance(kw_dtype cache)
{
    return cache == KW_F32 ? 1e-5 : cache == KW_F16 ? 1.5e-3 : 1e-2;
}

enum { N_WAYS = 4 };

typedef struct way {
    int n_threads, bound, n_pieces, pieces[6];
} way;

static const way short_ways[N_WAYS] = {
    {1, 2200, 1, {2200}}, {3, 2200, 1, {2200}}, {3, 33, 6, {1, 33, 5, 1, 1, 24}}, {2, 8, 1, {1}}};
/* A long prompt, then few tokens at a time, across the edge of a split. */
static const way long_ways[N_WAYS] = {{1, 2200, 1, {2200}},
                                      {3, 2115, 6, {2115, 3, 3, 3, 3, 1}},
                                      {2, 2190, 6, {2190, 1, 2, 1, 3, 1}},
                                      {4, 1500, 6, {1500, 600, 3, 1, 3, 2}}};

static void attention_matches(void **state)
{
    const setup *s = *state;
    problem p = new_problem(s);
    const size_t n = (size_t)s->positions * q_width(s);
    float *first = fresh(n * sizeof *first), *got = fresh(n * sizeof *got);
    /* What sees everything comes in one piece. */
    const size_t n_ways = s->all ? 2 : N_WAYS;
    const way *ways = s->positions > 2000 ? long_ways : short_ways;
    size_t n_isas;
    const char *const *isas = kw_cpu_isa_names(&n_isas);
    for (size_t isa = 0; isa < n_isas; isa++)
        for (size_t w = 0; w < n_ways; w++) {
            kw_device *device = device_of(isas[isa], ways[w].n_threads);
            if (!device) {
                say_missing(isa, isas[isa]);
                continue;
            }
            memset(got, 0, n * sizeof *got);
            run(&p, device, KW_MIN(ways[w].bound, s->positions), ways[w].pieces, ways[w].n_pieces,
                got);
            if (isa == 0 && w == 0)
                memcpy(first, got, n * sizeof *first);
            for (size_t i = 0; i < n; i++)
                if (!same_bits(got[i], first[i]))
                    fail_msg("%s, %s, way %zu: position %zu is %a, scalar in one piece %a", s->name,
                             isas[isa], w, i / q_width(s), (double)got[i], (double)first[i]);
            kw_cpu_backend.close(device);
        }
    double *want = reference(&p);
    assert_close(first, want, NULL, tolerance(s->cache), n, s->name);
    free(want);
    free(first);
    free(got);
    free_problem(&p);
}

/* Keys and values that another graph has left in the states: queries in pieces, with the bits of an
 * encoder that has them in one. */
static void cross_attention(void **state)
{
    static const setup s = {
        "cross",           4,          2, 48, 0, 0, 530, false, .cache = KW_F16, .n_bias = 65,
        .bias_first = -32, .all = true};
    (void)state;
    problem p = new_problem(&s);
    const size_t n = (size_t)s.positions * q_width(&s);
    float *want = fresh(n * sizeof *want), *got = fresh(n * sizeof *got);
    int32_t positions[530], last[530];
    for (int t = 0; t < s.positions; t++) {
        positions[t] = t;
        last[t] = last_of(&s, t);
    }
    kw_device *device = device_of(NULL, 3);
    bench_plan encoder, decoder;
    kw_graph *from = build(&p, s.positions), *g = graph_of(20, 1);
    const kw_ref own = kw_input_leaf(g, "positions", KW_EXTENT_TOKENS);
    const kw_ref at = kw_input_leaf(g, "last", KW_EXTENT_TOKENS);
    const kw_ref q = fed(g, own, p.q, s.positions, (int64_t)q_width(&s));
    const kw_ref k = kw_state(g, "k", KW_STATE_KEYS, s.cache, s.positions, s.kv_heads, s.dim);
    const kw_ref v = kw_state(g, "v", KW_STATE_VALUES, s.cache, s.positions, s.kv_heads, s.dim);
    kw_graph_output(g, attend(g, &p, q, k, v, at, own));
    bench_open(&encoder, from, device);
    bench_open(&decoder, g, device);
    bench_run(&encoder, s.positions, 1, (const void *const[]){positions, last}, (void *[]){want});
    for (int i = 0; i < 2; i++)
        memcpy(decoder.states[i], encoder.states[i], encoder.state_bytes[i]);
    for (int t = 0; t < s.positions; t += 20)
        bench_run(&decoder, KW_MIN(20, s.positions - t), 1,
                  (const void *const[]){positions + t, last + t},
                  (void *[]){got + (size_t)t * q_width(&s)});
    assert_same_bits(got, want, n, "cross-attention");
    bench_close(&encoder);
    bench_close(&decoder);
    kw_cpu_backend.close(device);
    kw_graph_free(from);
    kw_graph_free(g);
    free(want);
    free(got);
    free_problem(&p);
}

/* Rotation on its own, where something else reads it too: both orders, part of a head. */
static void rotation_alone(void **state)
{
    enum { T = 29 };
    static const struct {
        int heads, dim, n_rot;
    } shapes[] = {{1, 2, 2}, {3, 16, 16}, {2, 20, 6}, {1, 64, 64}, {5, 33, 32}};
    (void)state;
    for (size_t i = 0; i < 2 * KW_COUNT(shapes); i++) {
        const setup s = {.name = "rope",
                         .heads = shapes[i / 2].heads,
                         .kv_heads = 1,
                         .dim = shapes[i / 2].dim,
                         .n_rot = shapes[i / 2].n_rot,
                         .positions = T,
                         .adjacent = i % 2 == 0,
                         .cache = KW_F32};
        const kw_rope_attr attr = {s.dim, s.n_rot, s.adjacent};
        problem p = new_problem(&s);
        double *want = fresh(T * q_width(&s) * sizeof *want);
        for (int row = 0; row < T * s.heads; row++)
            load(&p, p.q + row * s.dim, true, false, row / s.heads, want + row * s.dim);
        kw_graph *g = graph_of(T, 1);
        const kw_ref at = kw_input_leaf(g, "positions", KW_EXTENT_TOKENS);
        const kw_ref x = fed(g, at, p.q, T, (int64_t)q_width(&s));
        kw_graph_output(g, kw_rope(g, x, kw_rope_table(g, at, p.freq, s.n_rot, 1), &attr));
        check_rows(g, T, q_width(&s), want, NULL, 1e-6, "rope");
        kw_graph_free(g);
        free(want);
        free_problem(&p);
    }
}

/* The angles: cos and sin of position times frequency, times the magnitude. */
static void angles(void **state)
{
    enum { T = 29, N = 64 };
    double freq[N / 2], want[T * N];
    (void)state;
    for (int i = 0; i < N / 2; i++)
        freq[i] = pow(500000, -2.0 * i / (double)N);
    for (int i = 0; i < T * N / 2; i++) {
        want[2 * i] = 1.25 * cos(i / (N / 2) * freq[i % (N / 2)]);
        want[2 * i + 1] = 1.25 * sin(i / (N / 2) * freq[i % (N / 2)]);
    }
    kw_graph *g = graph_of(T, 1);
    const kw_ref at = kw_input_leaf(g, "positions", KW_EXTENT_TOKENS);
    kw_graph_output(g, kw_rope_table(g, at, freq, N, 1.25f));
    check_rows(g, T, N, want, NULL, 1e-7, "angles");
    kw_graph_free(g);
}

int main(void)
{
    struct CMUnitTest tests[KW_COUNT(setups) + 3];
    for (size_t i = 0; i < KW_COUNT(setups); i++)
        tests[i] = (struct CMUnitTest){setups[i].name, attention_matches, NULL, NULL,
                                       (void *)(uintptr_t)&setups[i]};
    tests[KW_COUNT(setups)] = (struct CMUnitTest)cmocka_unit_test(rotation_alone);
    tests[KW_COUNT(setups) + 1] = (struct CMUnitTest)cmocka_unit_test(angles);
    tests[KW_COUNT(setups) + 2] = (struct CMUnitTest)cmocka_unit_test(cross_attention);
    return _cmocka_run_group_tests("attention", tests, KW_COUNT(tests), NULL, NULL);
}
