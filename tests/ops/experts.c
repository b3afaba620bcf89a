/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* experts.c - a mixture of experts: who a token goes to, that its products have the bits of a
 * product with that expert's matrix, that nobody else's is read, and the sum. */
#include "ops_test.h"

enum { EXPERTS = 6, USED = 2, N = 75, K = 256 };

/* Expert 4 is nobody's. */
static void fill_logits(float *logits, int64_t tokens)
{
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t e = 0; e < EXPERTS; e++)
            logits[t * EXPERTS + e] =
                e == 4 ? -1000.0f : kw_rng_uniform(3, (uint64_t)t, (uint64_t)e) * 4;
}

/* The output of a graph fed with ids 0, 1, ...; NULL: no such instruction set. */
static float *run(kw_graph *g, const char *isa, int threads, int64_t tokens, size_t n)
{
    bench_plan b;
    kw_device *device = device_of(isa, threads);
    if (!device)
        return NULL;
    float *out = fresh((size_t)tokens * n * sizeof *out);
    int32_t *ids = fresh((size_t)tokens * sizeof *ids);
    for (int32_t i = 0; i < tokens; i++)
        ids[i] = i;
    bench_open(&b, g, device);
    bench_run(&b, tokens, 1, (const void *const[]){ids}, (void *[]){out});
    bench_close(&b);
    kw_cpu_backend.close(device);
    free(ids);
    return out;
}

typedef struct world {
    int64_t tokens;
    bool parts; /* x has a part for each expert */
    kw_dtype dtype;
    float *logits, *x;
    unsigned char *w; /* [EXPERTS][N][K] */
    size_t matrix_bytes;
} world;

static void open_world(world *w, int64_t tokens, bool parts, kw_dtype dtype)
{
    const int64_t width = parts ? USED * K : K;
    *w = (world){.tokens = tokens, .parts = parts, .dtype = dtype};
    assert_true(kw_tensor_bytes(dtype, SHAPE(N, K), &w->matrix_bytes));
    w->logits = fresh((size_t)(tokens * EXPERTS) * sizeof(float));
    fill_logits(w->logits, tokens);
    w->x = random_rows(5, (size_t)(tokens * width), 1);
    w->w = fresh(EXPERTS * w->matrix_bytes);
    float *values = random_rows(6, EXPERTS * N * K, 1);
    kw_dtype_info(dtype)->encode(w->w, values, EXPERTS * N * K, NULL);
    free(values);
}

static void close_world(world *w)
{
    free(w->logits);
    free(w->x);
    free(w->w);
}

/* apart: each matrix by its own address, and none for who gets no token. */
static float *products(const world *w, bool apart, const char *isa, int threads)
{
    const void *parts[EXPERTS];
    for (int e = 0; e < EXPERTS; e++)
        parts[e] = e == 4 ? NULL : w->w + (size_t)e * w->matrix_bytes;
    const kw_shape shape = SHAPE(EXPERTS, N, K);
    kw_graph *g = graph_of(w->tokens, 1);
    const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    const kw_ref route = kw_route(g, fed(g, ids, w->logits, w->tokens, EXPERTS), USED, true);
    const kw_ref leaf = apart ? kw_experts_leaf(g, "w", w->dtype, shape, parts)
                              : kw_weight_leaf(g, "w", w->dtype, shape, w->w);
    const kw_ref x = fed(g, ids, w->x, w->tokens, w->parts ? USED * K : K);
    kw_graph_output(g, kw_experts(g, x, leaf, route));
    float *out = run(g, isa, threads, w->tokens, USED * N);
    kw_graph_free(g);
    return out;
}

/* Part `part` of x (0: all of it) times one matrix. */
static float *one_product(const world *w, int expert, int part)
{
    float *rows = fresh((size_t)w->tokens * K * sizeof *rows);
    for (int64_t t = 0; t < w->tokens; t++)
        memcpy(rows + t * K, w->x + (w->parts ? t * USED + part : t) * K, K * sizeof *rows);
    kw_graph *g = graph_of(w->tokens, 1);
    const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    const kw_ref leaf =
        kw_weight_leaf(g, "w", w->dtype, SHAPE(N, K), w->w + (size_t)expert * w->matrix_bytes);
    kw_graph_output(g, kw_matmul(g, fed(g, ids, rows, w->tokens, K), leaf));
    float *out = run(g, "scalar", 1, w->tokens, N);
    kw_graph_free(g);
    free(rows);
    return out;
}

static int ranked(const float *logits, int rank)
{
    int best = 0, second = -1;
    for (int e = 1; e < EXPERTS; e++)
        if (logits[e] > logits[best])
            best = e;
    for (int e = 0; e < EXPERTS; e++)
        if (e != best && (second < 0 || logits[e] > logits[second]))
            second = e;
    return rank == 0 ? best : second;
}

static void check_products(int64_t tokens, bool parts, kw_dtype dtype)
{
    world w;
    size_t n_isas;
    const char *const *isas = kw_cpu_isa_names(&n_isas);
    open_world(&w, tokens, parts, dtype);
    float *want = fresh((size_t)tokens * USED * N * sizeof *want);
    for (int e = 0; e < EXPERTS; e++)
        for (int rank = 0; rank < USED; rank++) {
            float *one = one_product(&w, e, rank);
            for (int64_t t = 0; t < tokens; t++)
                if (ranked(w.logits + t * EXPERTS, rank) == e)
                    memcpy(want + (t * USED + rank) * N, one + t * N, N * sizeof *want);
            free(one);
        }
    for (size_t v = 0; v < 2 * n_isas; v++) {
        float *got = products(&w, v % 2 == 1, isas[v / 2], v % 2 ? 3 : 1);
        if (!got) {
            say_missing(v / 2, isas[v / 2]);
            continue;
        }
        assert_same_bits(got, want, (size_t)tokens * USED * N, isas[v / 2]);
        free(got);
    }
    free(want);
    close_world(&w);
}

static void products_are_those_of_the_matrix(void **state)
{
    static const int64_t tokens[] = {1, 2, 3, 4, 37, 90};
    static const kw_dtype dtypes[] = {KW_F32, KW_F16, KW_BF16, KW_Q8_0, KW_Q4_K, KW_Q6_K};
    (void)state;
    for (size_t t = 0; t < KW_COUNT(tokens); t++)
        for (size_t d = 0; d < KW_COUNT(dtypes); d++) {
            check_products(tokens[t], false, dtypes[d]);
            check_products(tokens[t], true, dtypes[d]);
        }
}

/* Weights are a softmax over all or over the chosen; equal ones go by index. */
static void routes_are_ranked(void **state)
{
    static const float logits[3][5] = {
        {0, 3, 1, 2, -1}, {7, 7, 7, 7, 7}, {-50, -49, -48, -47, -46}};
    static const int chosen[3][3] = {{1, 3, 2}, {0, 1, 2}, {4, 3, 2}};
    (void)state;
    for (int over_chosen = 0; over_chosen < 2; over_chosen++) {
        double want[3 * 6];
        for (int t = 0; t < 3; t++) {
            double all = 0, some = 0;
            for (int e = 0; e < 5; e++)
                all += exp((double)logits[t][e]);
            for (int r = 0; r < 3; r++)
                some += exp((double)logits[t][chosen[t][r]]);
            for (int r = 0; r < 3; r++) {
                want[t * 6 + r] = exp((double)logits[t][chosen[t][r]]) / (over_chosen ? some : all);
                want[t * 6 + 3 + r] = chosen[t][r];
            }
        }
        kw_graph *g = graph_of(3, 1);
        const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
        kw_graph_output(g, kw_route(g, fed(g, ids, logits[0], 3, 5), 3, over_chosen));
        check_rows(g, 3, 6, want, NULL, 1e-6, "route");
        kw_graph_free(g);
    }
}

static void parts_are_summed_by_weight(void **state)
{
    enum { TOKENS = 9 };
    float *logits = fresh(TOKENS * EXPERTS * sizeof *logits);
    float *y = random_rows(8, TOKENS * USED * N, 2);
    double *want = fresh(TOKENS * N * sizeof *want);
    (void)state;
    fill_logits(logits, TOKENS);
    for (int t = 0; t < TOKENS; t++) {
        const float *l = logits + t * EXPERTS;
        const double a = exp((double)l[ranked(l, 0)]), b = exp((double)l[ranked(l, 1)]);
        for (int i = 0; i < N; i++)
            want[t * N + i] =
                (a * (double)y[t * USED * N + i] + b * (double)y[(t * USED + 1) * N + i]) / (a + b);
    }
    kw_graph *g = graph_of(TOKENS, 1);
    const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    const kw_ref route = kw_route(g, fed(g, ids, logits, TOKENS, EXPERTS), USED, true);
    kw_graph_output(g, kw_mix(g, fed(g, ids, y, TOKENS, USED * N), route));
    check_rows(g, TOKENS, N, want, NULL, 1e-6, "mix");
    kw_graph_free(g);
    free(want);
    free(y);
    free(logits);
}

static void expect_refused(kw_graph *g, const char *words)
{
    assert_int_equal(g->error.code, KW_E_ARG);
    if (!strstr(g->error.message, words))
        fail_msg("%s", g->error.message);
    kw_graph_free(g);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const float zeros[3 * 64];
    (void)state;
    kw_graph *g = graph_of(3, 1);
    kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    (void)kw_route(g, fed(g, ids, zeros, 3, 4), 5, true);
    expect_refused(g, "needs f32 [t, experts]");
    g = graph_of(3, 1);
    ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    kw_ref route = kw_route(g, fed(g, ids, zeros, 3, 4), 2, true);
    (void)kw_experts(g, fed(g, ids, zeros, 3, 16),
                     kw_weight_leaf(g, "w", KW_F32, SHAPE(5, 2, 16), zeros), route);
    expect_refused(g, "needs a route of its tokens to its experts");
    g = graph_of(3, 1);
    ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    route = kw_route(g, fed(g, ids, zeros, 3, 4), 2, true);
    (void)kw_experts(g, fed(g, ids, zeros, 3, 48),
                     kw_weight_leaf(g, "w", KW_F32, SHAPE(4, 2, 16), zeros), route);
    expect_refused(g, "needs one row of k");
    g = graph_of(3, 1);
    ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    route = kw_route(g, fed(g, ids, zeros, 3, 4), 2, true);
    (void)kw_mix(g, fed(g, ids, zeros, 3, 15), route);
    expect_refused(g, "needs f32 [t, used * n]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_the_matrix),
        cmocka_unit_test(routes_are_ranked),
        cmocka_unit_test(parts_are_summed_by_weight),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
