/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* equivalence.c - rewriting and memory planning change no bit: random graphs are run once with only
 * their last values wanted (fused, in place, places reused) and once with every value an output
 * (nothing fuses, nothing shares a place). The values that both have must be equal.
 *
 * kw-test: timeout 300 */
#include "ops/ops_test.h"

#include "os/system.h"

enum { MAX_VALUES = 48, MAX_TOKENS = 30 };

typedef struct random_graph {
    kw_graph *g;
    kw_arena arena; /* the weights */
    uint64_t seed, draws;
    kw_ref ids, values[MAX_VALUES];
    int n_values;
} random_graph;

static uint32_t draw(random_graph *r, uint32_t n)
{
    return kw_rng_u32(r->seed, 5, r->draws++) % n;
}

static float draw_float(random_graph *r)
{
    return kw_rng_uniform(r->seed, 5, r->draws++) * 2.0f - 1.0f;
}

static void add_value(random_graph *r, kw_ref v)
{
    if (r->g->error.code != KW_OK)
        fail_msg("seed %d: %s", (int)r->seed, r->g->error.message);
    assert_true(r->n_values < MAX_VALUES);
    r->values[r->n_values++] = v;
}

static int64_t width(const random_graph *r, kw_ref v)
{
    return kw_graph_node(r->g, v.id)->shape.dim[1];
}

static kw_ref any(random_graph *r)
{
    return r->values[draw(r, (uint32_t)r->n_values)];
}

/* A value of this width, or the one given. */
static kw_ref any_of_width(random_graph *r, kw_ref otherwise)
{
    for (int tries = 0; tries < 20; tries++) {
        const kw_ref v = any(r);
        if (width(r, v) == width(r, otherwise))
            return v;
    }
    return otherwise;
}

static kw_ref weight(random_graph *r, kw_dtype dtype, kw_shape shape)
{
    int64_t n = 0;
    size_t bytes = 0;
    assert_true(kw_shape_count(shape, &n) && kw_tensor_bytes(dtype, shape, &bytes));
    float *x = kw_arena_array(&r->arena, (size_t)n, sizeof *x);
    void *data = kw_arena_alloc(&r->arena, bytes);
    assert_true(x && data);
    for (int64_t i = 0; i < n; i++)
        x[i] = draw_float(r);
    kw_dtype_info(dtype)->encode(data, x, (size_t)n, NULL);
    return kw_weight_leaf(r->g, "w", dtype, shape, data);
}

static void add_table(random_graph *r)
{
    static const int64_t widths[] = {32, 64, 256};
    const int64_t n = widths[draw(r, 3)];
    add_value(r, kw_gather(r->g, weight(r, KW_F32, SHAPE(MAX_TOKENS, n)), r->ids));
}

/* One of the pointwise operations that keep numbers small, over values of one width, a row and a
 * column. */
static void add_map(random_graph *r)
{
    static const uint8_t ops[] = {KW_MAP_ADD, KW_MAP_SUB, KW_MAP_MUL,  KW_MAP_MAX,
                                  KW_MAP_MIN, KW_MAP_NEG, KW_MAP_TANH, KW_MAP_SIGMOID};
    const int n_src = 1 + (int)draw(r, 3), n_instr = 1 + (int)draw(r, 5);
    kw_ref src[3] = {any(r)};
    for (int i = 1; i < n_src; i++) {
        const uint32_t kind = draw(r, 6);
        src[i] = kind == 0   ? weight(r, KW_F32, SHAPE(width(r, src[0])))
                 : kind == 1 ? kw_reduce(r->g, any(r), KW_REDUCE_MAX)
                             : any_of_width(r, src[0]);
    }
    kw_map_program p = {.n_src = (uint8_t)n_src, .n_instr = (uint8_t)n_instr};
    for (int i = 0; i < n_instr; i++)
        p.instr[i] = (kw_map_instr){ops[draw(r, 8)], (uint8_t)draw(r, (uint32_t)(n_src + i)),
                                    (uint8_t)draw(r, (uint32_t)(n_src + i)), 0};
    p.instr[n_instr - 1].a = 0; /* so that the widest source counts */
    add_value(r, kw_pointwise(r->g, &p, src, n_src));
}

static void add_matmul(random_graph *r)
{
    static const kw_dtype types[] = {KW_F32, KW_F16, KW_Q8_0, KW_Q4_0, KW_Q4_K, KW_Q6_K};
    static const int64_t widths[] = {32, 64, 256};
    const kw_ref x = any(r);
    const int64_t k = width(r, x);
    kw_dtype dtype = types[draw(r, 6)];
    if (k % kw_dtype_info(dtype)->block_elems != 0)
        dtype = KW_F32;
    add_value(r, kw_matmul(r->g, x, weight(r, dtype, SHAPE(widths[draw(r, 3)], k))));
}

static void add_norm(random_graph *r)
{
    const kw_ref x = any(r), w = weight(r, KW_F32, SHAPE(width(r, x)));
    add_value(r, kw_norm(r->g, draw(r, 2) ? KW_NORM_RMS : KW_NORM_LAYER, x, w, KW_NONE, 1e-3f));
}

/* Any value whose width is that of a head may serve as the table. */
static void add_rope(random_graph *r)
{
    const kw_ref x = any(r);
    const int dim = (int)width(r, x);
    const int head_dim = draw(r, 2) && dim % 32 == 0 ? 32 : dim;
    for (int i = 0; dim > 1 && i < r->n_values; i++)
        if (width(r, r->values[i]) == head_dim && r->values[i].id != x.id) {
            const kw_rope_attr attr = {head_dim, head_dim, draw(r, 2) == 0};
            add_value(r, kw_rope(r->g, x, r->values[i], &attr));
            return;
        }
}

static random_graph new_random_graph(uint64_t seed, int64_t tokens)
{
    random_graph r = {.seed = seed, .g = graph_of(tokens, 1)};
    r.ids = kw_input_leaf(r.g, "ids", KW_EXTENT_TOKENS);
    add_table(&r);
    const int n = 4 + (int)draw(&r, 24);
    for (int i = 0; i < n; i++) {
        const uint32_t kind = draw(&r, 10);
        if (kind == 0)
            add_table(&r);
        else if (kind < 5)
            add_map(&r);
        else if (kind < 7)
            add_matmul(&r);
        else if (kind < 9)
            add_norm(&r);
        else
            add_rope(&r);
    }
    return r;
}

/* Plans the graph with some of its values as outputs and runs it; results[i] is values[i]'s. */
static void run(const random_graph *r, kw_device *device, const bool *wanted, int64_t tokens,
                float **results)
{
    bench_plan b;
    kw_graph *g = NULL;
    void *outputs[MAX_VALUES];
    int32_t ids[MAX_TOKENS];
    uint32_t n_outputs = 0;
    for (int32_t i = 0; i < MAX_TOKENS; i++)
        ids[i] = MAX_TOKENS - 1 - i;
    assert_int_equal(kw_graph_copy(r->g, r->g->bound, &g, NULL), KW_OK);
    for (int i = 0; i < r->n_values; i++) {
        results[i] = NULL;
        if (!wanted[i])
            continue;
        results[i] = fresh((size_t)(MAX_TOKENS * width(r, r->values[i])) * sizeof(float));
        kw_graph_output(g, r->values[i]);
        outputs[n_outputs++] = results[i];
    }
    bench_open(&b, g, device);
    /* twice: what a run leaves behind must not matter */
    bench_run(&b, tokens, 1, (const void *const[]){ids}, outputs);
    bench_run(&b, tokens, 1, (const void *const[]){ids}, outputs);
    bench_close(&b);
    kw_graph_free(g);
}

static void check_graph(uint64_t seed, kw_device *device, int64_t tokens, int64_t live)
{
    random_graph r = new_random_graph(seed, tokens);
    bool all[MAX_VALUES], some[MAX_VALUES] = {false};
    float *apart[MAX_VALUES], *fused[MAX_VALUES];
    for (int i = 0; i < r.n_values; i++)
        all[i] = true;
    some[r.n_values - 1] = true;
    for (uint32_t i = draw(&r, 3); i > 0; i--)
        some[draw(&r, (uint32_t)r.n_values)] = true;
    run(&r, device, all, live, apart);
    run(&r, device, some, live, fused);
    for (int i = 0; i < r.n_values; i++) {
        const size_t n = (size_t)(live * width(&r, r.values[i]));
        for (size_t k = 0; fused[i] && k < n; k++)
            if (!same_bits(fused[i][k], apart[i][k]))
                fail_msg("seed %d, %d of %d tokens: value %d (%s), element %zu is %a, apart %a",
                         (int)seed, (int)live, (int)tokens, i,
                         kw_op_get(kw_graph_node(r.g, r.values[i].id)->op)->name, k,
                         (double)fused[i][k], (double)apart[i][k]);
        free(fused[i]);
        free(apart[i]);
    }
    kw_graph_free(r.g);
    kw_arena_free(&r.arena);
}

static void fused_graphs_compute_the_same(void **state)
{
    (void)state;
    kw_device *device = device_of(NULL, 3);
    assert_non_null(device);
    const uint64_t start = kw_clock_ns();
    uint64_t seed = 0;
    for (; seed < 60 || (seed < 1500 && kw_clock_ns() - start < 4000000000u); seed++) {
        const int64_t tokens = seed % 3 == 0 ? 1 : 1 + (int64_t)(seed * 7 % MAX_TOKENS);
        check_graph(seed, device, tokens, 1 + (int64_t)(seed * 11) % tokens);
    }
    print_message("%d graphs\n", (int)seed);
    kw_cpu_backend.close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fused_graphs_compute_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
