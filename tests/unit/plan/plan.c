/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* plan.c - what a plan promises: siblings share a wave, fewer live rows than the bound, no rows at
 * all, cancellation, run parameters out of range, sizes that do not fit, and its printed form. */
#include "ops/ops_test.h"

#include "base/json.h"

enum { TOKENS = 12, OUTPUTS = 5, N = 64, MAX_STEPS = 64 };

static kw_device *device;

static int open_cpu(void **state)
{
    (void)state;
    device = device_of(NULL, 3);
    return device ? 0 : -1;
}

static int close_cpu(void **state)
{
    (void)state;
    kw_cpu_backend.close(device);
    return 0;
}

typedef struct block {
    kw_graph *g;
    float *table, *weights;
} block;

static kw_ref weight(const block *b, kw_shape shape)
{
    return kw_weight_leaf(b->g, "w", KW_F32, shape, b->weights);
}

/* A transformer block in small: norm, q, k, v, attention, residual, gate and up, picked rows. */
static block new_block(void)
{
    static const double freq[8] = {1, 0.5, 0.25, 0.125, 0.0625, 0.03, 0.01, 0.001};
    const kw_attention_attr attr = {.heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 0.25f};
    const kw_rope_attr rope = {16, 16, false};
    block b = {graph_of(TOKENS, OUTPUTS), random_rows(1, 40 * N, 1),
               random_rows(2, 4 * N * N, 0.25f)};
    kw_graph *g = b.g;
    const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    const kw_ref at = kw_input_leaf(g, "positions", KW_EXTENT_TOKENS);
    const kw_ref picks = kw_input_leaf(g, "rows", KW_EXTENT_OUTPUTS);
    const kw_ref x = fed(g, ids, b.table, 40, N), table = kw_rope_table(g, at, freq, 16, 1);
    const kw_ref h = kw_rms_norm(g, x, weight(&b, SHAPE(N)), 1e-5f);
    const kw_ref q = kw_rope(g, kw_matmul(g, h, weight(&b, SHAPE(N, N))), table, &rope);
    const kw_ref k = kw_rope(g, kw_matmul(g, h, weight(&b, SHAPE(32, N))), table, &rope);
    const kw_ref v = kw_matmul(g, h, weight(&b, SHAPE(32, N)));
    const kw_ref keys = kw_store(g, kw_state(g, "k", KW_STATE_KEYS, KW_F16, 48, 2, 16), k, at);
    const kw_ref vals = kw_store(g, kw_state(g, "v", KW_STATE_VALUES, KW_F16, 48, 2, 16), v, at);
    const kw_ref a = kw_attention(g, q, keys, vals, at, &attr);
    const kw_ref y = kw_add(g, x, kw_matmul(g, a, weight(&b, SHAPE(N, N))));
    const kw_ref gate = kw_matmul(g, y, weight(&b, SHAPE(3 * N, N)));
    const kw_ref up = kw_matmul(g, y, weight(&b, SHAPE(3 * N, N)));
    const kw_ref ffn = kw_matmul(g, kw_silu_mul(g, gate, up), weight(&b, SHAPE(N, 3 * N)));
    kw_graph_output(g, kw_gather(g, kw_add(g, y, ffn), picks));
    return b;
}

static void free_block(block *b)
{
    kw_graph_free(b->g);
    free(b->table);
    free(b->weights);
}

typedef struct step {
    int64_t wave;
    char op[32], kernel[64];
} step;

/* The steps of a plan, from its JSON. */
static int steps_of(const kw_plan *plan, step steps[MAX_STEPS])
{
    kw_buf out = {0};
    kw_json json;
    kw_json_token t, key = {0};
    kw_error err = {0};
    int n = -1;
    kw_plan_print(plan, true, &out);
    assert_false(out.failed);
    kw_json_init(&json, (kw_str){out.data, out.len}, "plan");
    do {
        must(kw_json_next(&json, &t, &err), &err);
        if (t.kind == KW_JSON_KEY) {
            key = t;
            if (kw_str_is(t.text, "wave"))
                n++;
        } else if (t.kind == KW_JSON_NUMBER && kw_str_is(key.text, "wave")) {
            assert_true(n < MAX_STEPS);
            must(kw_json_i64(&json, &t, &steps[n].wave, &err), &err);
        } else if (t.kind == KW_JSON_STRING && n >= 0) {
            char *to = kw_str_is(key.text, "op")       ? steps[n].op
                       : kw_str_is(key.text, "kernel") ? steps[n].kernel
                                                       : NULL;
            if (to) {
                assert_true(t.text.len < sizeof steps[n].op);
                memcpy(to, t.text.data, t.text.len);
                to[t.text.len] = '\0';
            }
        }
    } while (t.kind != KW_JSON_END);
    kw_buf_free(&out);
    return n + 1;
}

static int in_wave(const step *steps, int n, int64_t wave, const char *op)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found += steps[i].wave == wave && strcmp(steps[i].op, op) == 0;
    return found;
}

static void siblings_share_a_wave(void **state)
{
    block b = new_block();
    bench_plan p;
    step steps[MAX_STEPS] = {{0}};
    (void)state;
    bench_open(&p, b.g, device);
    const int n = steps_of(p.plan, steps);
    /* Kernels that take tiles of floats have them made by the norm, by the map, and by two casts.
     */
    const int casts = kw_cpu_backend.activation(device, KW_F32, TOKENS) != KW_F32;
    /* 0 x and the angles, 1 norm, 2 q k v, 3 stores, 4 attention, 5 its product, 6 gate and up,
     * 7 their map, 8 down, 9 the picked rows; casts before 5 and 6 */
    const struct {
        int64_t wave;
        const char *op;
        int count;
    } want[] = {{0, "gather", 1},
                {0, "rope_table", 1},
                {1, "norm", 1},
                {2, "matmul", 3},
                {3, "store", 2},
                {4, "attention", 1},
                {5, "cast", casts},
                {5 + casts, "matmul", 1},
                {6 + casts, "cast", casts},
                {6 + 2 * casts, "matmul", 2},
                {7 + 2 * casts, "map", 1},
                {8 + 2 * casts, "matmul", 1},
                {9 + 2 * casts, "gather", 1}};
    int total = 0;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(in_wave(steps, n, want[i].wave, want[i].op), want[i].count);
        total += want[i].count;
    }
    assert_int_equal(total, n);
    for (int i = 1; i < n; i++)
        assert_true(steps[i - 1].wave <= steps[i].wave);
    kw_buf text = {0};
    kw_plan_print(p.plan, false, &text);
    assert_non_null(strstr(text.data, "bucket: up to 12 tokens, 5 outputs on CPU"));
    assert_non_null(strstr(text.data, casts ? "17 steps in 12 waves" : "15 steps in 10 waves"));
    assert_non_null(strstr(text.data, "rope+store"));
    kw_buf_free(&text);
    assert_true(kw_plan_bytes(p.plan) > 0);
    bench_close(&p);
    free_block(&b);
}

static const int32_t all_ids[TOKENS] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
static const int32_t all_at[TOKENS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* Any number of live rows, in any bucket: the same bits, and nothing else is written. */
static void fewer_live_rows_than_the_bound(void **state)
{
    block b = new_block();
    bench_plan p;
    float first[TOKENS * N] = {0}, out[(OUTPUTS + 1) * N];
    (void)state;
    /* one token at a time in a bucket of its own */
    const int64_t one[KW_N_EXTENTS] = {0, 1, 1};
    kw_graph *small = NULL;
    assert_int_equal(kw_graph_copy(b.g, one, &small, NULL), KW_OK);
    bench_open(&p, small, device);
    for (int t = 0; t < TOKENS; t++)
        bench_run(&p, 1, 1, (const void *const[]){&all_ids[t], &all_at[t], &all_at[0]},
                  (void *[]){first + t * N});
    bench_close(&p);
    kw_graph_free(small);
    for (int n = 1; n <= TOKENS; n++) {
        const int rows = n < OUTPUTS ? n : OUTPUTS - n % 2;
        bench_open(&p, b.g, device);
        for (int i = 0; i < (OUTPUTS + 1) * N; i++)
            out[i] = -1.5f;
        const int32_t *picks = all_at + n - rows; /* the last rows */
        bench_run(&p, n, rows, (const void *const[]){all_ids, all_at, picks}, (void *[]){out});
        assert_same_bits(out, first + (n - rows) * N, (size_t)rows * N, "live rows");
        for (int i = rows * N; i < (OUTPUTS + 1) * N; i++)
            assert_true(out[i] < -1.25f && out[i] > -1.75f);
        bench_close(&p);
    }
    free_block(&b);
}

/* Without rows the caches are filled all the same; without tokens nothing happens. */
static void no_rows_are_no_rows(void **state)
{
    block b = new_block();
    bench_plan p, q;
    float want[N], got[N];
    (void)state;
    bench_open(&p, b.g, device);
    bench_run(&p, TOKENS, 1, (const void *const[]){all_ids, all_at, &all_at[TOKENS - 1]},
              (void *[]){want});
    bench_open(&q, b.g, device);
    bench_run(&q, TOKENS - 1, 0, (const void *const[]){all_ids, all_at, NULL}, (void *[]){NULL});
    bench_run(&q, 0, 0, (const void *const[]){NULL, NULL, NULL}, (void *[]){NULL});
    bench_run(&q, 1, 1,
              (const void *const[]){&all_ids[TOKENS - 1], &all_at[TOKENS - 1], &all_at[0]},
              (void *[]){got});
    assert_same_bits(got, want, N, "after a run without rows");
    bench_close(&p);
    bench_close(&q);
    free_block(&b);
}

static void parameters_out_of_range_are_refused(void **state)
{
    static const int64_t bad[][2] = {
        {TOKENS + 1, 1}, {-1, 1}, {1, OUTPUTS + 1}, {1, -1}, {INT64_MAX, 1}};
    block b = new_block();
    bench_plan p;
    float out[OUTPUTS][N];
    const void *inputs[3] = {all_ids, all_at, all_at};
    void *outputs[1] = {out};
    (void)state;
    bench_open(&p, b.g, device);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kw_error err = {0};
        const kw_run_args args = {.live = {0, bad[i][0], bad[i][1]},
                                  .inputs = inputs,
                                  .states = p.states,
                                  .outputs = outputs};
        assert_int_equal(kw_plan_run(p.plan, &args, &err), KW_E_ARG);
        assert_non_null(strstr(err.message, "the bound is"));
    }
    bench_close(&p);
    free_block(&b);
}

static void cancelled_runs_say_so(void **state)
{
    block b = new_block();
    bench_plan p;
    float out[N], want[N];
    atomic_bool cancel = true;
    kw_error err = {0};
    const void *inputs[3] = {all_ids, all_at, &all_at[TOKENS - 1]};
    void *outputs[1] = {out};
    (void)state;
    bench_open(&p, b.g, device);
    bench_run(&p, TOKENS, 1, inputs, (void *[]){want});
    const kw_run_args args = {.live = {0, TOKENS, 1},
                              .inputs = inputs,
                              .states = p.states,
                              .outputs = outputs,
                              .cancel = &cancel};
    memset(out, 0, sizeof out);
    assert_int_equal(kw_plan_run(p.plan, &args, &err), KW_E_CANCELLED);
    assert_string_equal(err.message, "cpu: the run was cancelled");
    for (int i = 0; i < N; i++)
        assert_true(out[i] == 0); /* nothing ran */
    cancel = false;
    assert_int_equal(kw_plan_run(p.plan, &args, &err), KW_OK); /* and the plan is as good as new */
    assert_same_bits(out, want, N, "after a cancelled run");
    bench_close(&p);
    free_block(&b);
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    static const float data[1];
    const int64_t bound[KW_N_EXTENTS] = {0, INT64_MAX / (1 << 22), 1};
    kw_plan *plan = NULL;
    kw_error err = {0};
    (void)state;
    kw_graph *g = graph_of(1, 1);
    const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    const kw_ref x = kw_gather(g, kw_weight_leaf(g, "t", KW_F32, SHAPE(4, 1 << 22), data), ids);
    kw_graph_output(g, kw_reduce(g, x, KW_REDUCE_MAX));
    assert_int_equal(kw_plan_create(g, &kw_cpu_backend, device, bound, &plan, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "plan: values of more than"));
    const int64_t large[KW_N_EXTENTS] = {0, (int64_t)1 << 35, 1}; /* 2^59 bytes: no such machine */
    assert_int_equal(kw_plan_create(g, &kw_cpu_backend, device, large, &plan, &err), KW_E_NOMEM);
    assert_null(plan);
    kw_graph_free(g);
}

/* Ranks that the CPU's steps do not walk are refused and not computed in part. */
static void three_dimensions_are_refused(void **state)
{
    static const float data[2 * 3 * 4];
    const kw_map_program neg = {1, 1, {{KW_MAP_NEG, 0, 0, 0}}};
    kw_plan *plan = NULL;
    kw_error err = {0};
    (void)state;
    kw_graph *g = graph_of(1, 1);
    const kw_ref w = kw_weight_leaf(g, "w", KW_F32, SHAPE(2, 3, 4), data);
    kw_graph_output(g, kw_pointwise(g, &neg, &w, 1));
    must(kw_graph_finish(g, &err), &err);
    assert_int_equal(kw_plan_create(g, &kw_cpu_backend, device, g->bound, &plan, &err),
                     KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "cannot run map"));
    kw_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siblings_share_a_wave),
        cmocka_unit_test(fewer_live_rows_than_the_bound),
        cmocka_unit_test(no_rows_are_no_rows),
        cmocka_unit_test(parameters_out_of_range_are_refused),
        cmocka_unit_test(cancelled_runs_say_so),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(three_dimensions_are_refused),
    };
    return cmocka_run_group_tests(tests, open_cpu, close_cpu);
}
