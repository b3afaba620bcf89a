/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rows.c - the ops that work row by row, through a plan: gather of every type, norms and what they
 * lower to, maps with repeated rows and columns, reductions; at odd sizes, against double
 * precision, and the same bits on every instruction set. */
#include "ops_test.h"

#include "plan/rewrite.h"

enum { TOKENS = 29 };

static const int64_t widths[] = {1, 2, 15, 16, 17, 63, 100, 257};

/* ---- gather -----------------------------------------------------------------------------------
 */

static void gather_reads_every_type(void **state)
{
    int n_types = 0;
    (void)state;
    for (int d = 0; d < KW_N_DTYPES; d++) {
        const kw_dtype_traits *type = kw_dtype_info((kw_dtype)d);
        if (!type->decode || d == KW_Q8_A32 || d == KW_Q8_A256)
            continue;
        const int64_t n = type->block_elems > 1 ? 3 * type->block_elems : 77;
        size_t bytes = 0;
        assert_true(kw_tensor_bytes((kw_dtype)d, SHAPE(TOKENS, n), &bytes));
        unsigned char *data = fresh(bytes);
        float *values = random_rows((uint64_t)d, (size_t)(TOKENS * n), 2);
        /* Any integer, and floats of a byte and scales of blocks that are numbers; others are
         * encoded. */
        const unsigned mask = d == KW_BOOL                              ? 1
                              : type->is_float || type->block_elems > 1 ? 0x3f
                                                                        : 0xff;
        for (size_t i = 0; i < bytes; i++)
            data[i] = (unsigned char)(kw_rng_u32(4, 0, i) & mask);
        if (type->encode)
            type->encode(data, values, (size_t)(TOKENS * n), NULL);
        type->decode(values, data, (size_t)(TOKENS * n));
        double *want = fresh((size_t)(TOKENS * n) * sizeof *want);
        for (int64_t i = 0; i < TOKENS * n; i++)
            want[i] = (double)values[i];
        kw_graph *g = graph_of(TOKENS, 1);
        const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
        kw_graph_output(
            g, kw_gather(g, kw_weight_leaf(g, "t", (kw_dtype)d, SHAPE(TOKENS, n), data), ids));
        check_rows(g, TOKENS, (size_t)n, want, NULL, 0, type->name);
        kw_graph_free(g);
        free(want);
        free(values);
        free(data);
        n_types++;
    }
    assert_true(n_types >= 14);
}

static void gather_out_of_range_is_zero(void **state)
{
    const int32_t ids[] = {0, -1, 4, INT32_MAX, INT32_MIN, 3};
    float *table = random_rows(3, 4 * 20, 1), out[6][20];
    bench_plan b;
    (void)state;
    kw_device *device = device_of(NULL, 1);
    kw_graph *g = graph_of(6, 1);
    kw_graph_output(g, fed(g, kw_input_leaf(g, "ids", KW_EXTENT_TOKENS), table, 4, 20));
    bench_open(&b, g, device);
    memset(out, 0xa5, sizeof out);
    bench_run(&b, 6, 1, (const void *const[]){ids}, (void *[]){out});
    assert_memory_equal(out[0], table, sizeof out[0]);
    assert_memory_equal(out[5], table + 3 * 20, sizeof out[0]);
    for (int row = 1; row < 5; row++)
        for (int i = 0; i < 20; i++)
            assert_true(out[row][i] == 0);
    bench_close(&b);
    kw_graph_free(g);
    kw_cpu_backend.close(device);
    free(table);
}

/* ---- norms ------------------------------------------------------------------------------------
 */

static void norm_reference(const float *x, const float *w, const float *b, int64_t n, bool rms,
                           double eps, double *y)
{
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < n && !rms; i++)
        mean += (double)x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    for (int64_t i = 0; i < n; i++) {
        y[i] = ((double)x[i] - mean) / sqrt(sum / (double)n + eps);
        y[i] = y[i] * (w ? (double)w[i] : 1) + (b ? (double)b[i] : 0);
    }
}

static bool no_norm(const kw_device *d, const kw_graph *g, const kw_node *node)
{
    return node->op != KW_OP_NORM && kw_cpu_backend.supports(d, g, node);
}

/* The same graph on a device that has no norm: what it lowers to. Rewritten here, since check_rows
 * plans for the whole CPU. */
static kw_graph *lowered(const kw_graph *g)
{
    kw_backend poor = kw_cpu_backend;
    kw_graph *out = NULL;
    kw_error err = {0};
    kw_device *device = device_of(NULL, 1);
    poor.supports = no_norm;
    must(kw_rewrite(g, &poor, device, g->bound, &out, &err), &err);
    for (uint32_t id = 1; id < out->n_nodes; id++)
        assert_int_not_equal(kw_graph_node(out, id)->op, KW_OP_NORM);
    kw_cpu_backend.close(device);
    return out;
}

static void check_norm(int64_t n, bool rms, int n_src, float eps)
{
    char what[80];
    const size_t total = (size_t)(TOKENS * n);
    float *x = random_rows((uint64_t)n, total, 4), *w = random_rows(5, (size_t)n, 2);
    float *b = random_rows(6, (size_t)n, 1);
    double *want = fresh(total * sizeof *want);
    for (int64_t i = 0; i < n; i++)
        x[i] = 0; /* a row of zeros */
    for (int64_t t = 0; t < TOKENS; t++)
        norm_reference(x + t * n, n_src > 1 ? w : NULL, n_src > 2 && !rms ? b : NULL, n, rms,
                       (double)eps, want + t * n);
    kw_graph *g = graph_of(TOKENS, 1);
    const kw_ref in = fed(g, kw_input_leaf(g, "ids", KW_EXTENT_TOKENS), x, TOKENS, n);
    const kw_ref weight = n_src > 1 ? kw_weight_leaf(g, "w", KW_F32, SHAPE(n), w) : KW_NONE;
    const kw_ref bias = n_src > 2 && !rms ? kw_weight_leaf(g, "b", KW_F32, SHAPE(n), b) : KW_NONE;
    kw_graph_output(g, kw_norm(g, rms ? KW_NORM_RMS : KW_NORM_LAYER, in, weight, bias, eps));
    (void)snprintf(what, sizeof what, "%s norm of %d, %d sources", rms ? "rms" : "layer", (int)n,
                   n_src);
    /* the difference from the mean loses digits where all elements are alike: n = 1, 2 */
    const double tolerance = n < 3 && !rms ? 2e-4 : 4e-6;
    check_rows(g, TOKENS, (size_t)n, want, NULL, tolerance, what);
    kw_graph *low = lowered(g);
    check_rows(low, TOKENS, (size_t)n, want, NULL, tolerance, "lowered");
    kw_graph_free(low);
    kw_graph_free(g);
    free(x);
    free(w);
    free(b);
    free(want);
}

static void norms_and_what_they_lower_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < KW_COUNT(widths); i++)
        for (int n_src = 1; n_src <= 3; n_src++) {
            check_norm(widths[i], true, n_src, 1e-5f);
            check_norm(widths[i], false, n_src, 1e-3f);
        }
}

/* One row alone, of rank 1: the norm and its lowering. */
/* Each part of a row is normed as a row of its own. */
static void norms_in_parts(void **state)
{
    static const int part_widths[] = {1, 5, 16, 40};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(part_widths); i++) {
        const int64_t part = part_widths[i], parts = 3, n = part * parts;
        const size_t total = (size_t)(TOKENS * n);
        float *x = random_rows(8, total, 4), *w = random_rows(9, (size_t)part, 2);
        double *want = fresh(total * sizeof *want);
        for (int64_t p = 0; p < TOKENS * parts; p++)
            norm_reference(x + p * part, w, NULL, part, true, 1e-6, want + p * part);
        kw_graph *g = graph_of(TOKENS, 1);
        const kw_ref in = fed(g, kw_input_leaf(g, "ids", KW_EXTENT_TOKENS), x, TOKENS, n);
        const kw_ref weight = kw_weight_leaf(g, "w", KW_F32, SHAPE(part), w);
        kw_graph_output(g, kw_norm_parts(g, in, weight, (int)parts, 1e-6f));
        check_rows(g, TOKENS, (size_t)n, want, NULL, 4e-6, "norm in parts");
        kw_graph_free(g);
        free(want);
        free(w);
        free(x);
    }
}

static void columns_are_taken(void **state)
{
    enum { N = 44, FIRST = 3, WIDTH = 5, STRIDE = 11, RUNS = 4 };
    float *x = random_rows(10, TOKENS * N, 4);
    double *want = fresh(TOKENS * WIDTH * RUNS * sizeof *want);
    (void)state;
    for (int t = 0; t < TOKENS; t++)
        for (int i = 0; i < WIDTH * RUNS; i++)
            want[t * WIDTH * RUNS + i] = (double)x[t * N + FIRST + i / WIDTH * STRIDE + i % WIDTH];
    kw_graph *g = graph_of(TOKENS, 1);
    const kw_ref in = fed(g, kw_input_leaf(g, "ids", KW_EXTENT_TOKENS), x, TOKENS, N);
    kw_graph_output(g, kw_columns(g, in, FIRST, WIDTH, STRIDE, RUNS));
    check_rows(g, TOKENS, WIDTH * RUNS, want, NULL, 0, "columns");
    kw_graph_free(g);
    free(want);
    free(x);
}

static void norms_of_a_single_row(void **state)
{
    float *x = random_rows(8, 100, 3);
    double want[100];
    (void)state;
    norm_reference(x, NULL, NULL, 100, false, 1e-5, want);
    kw_graph *g = graph_of(1, 1);
    (void)kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    const kw_ref in = kw_weight_leaf(g, "x", KW_F32, SHAPE(100), x);
    kw_graph_output(g, kw_norm(g, KW_NORM_LAYER, in, KW_NONE, KW_NONE, 1e-5f));
    check_rows(g, 1, 100, want, NULL, 4e-6, "one row");
    kw_graph *low = lowered(g);
    check_rows(low, 1, 100, want, NULL, 4e-6, "one row, lowered");
    kw_graph_free(low);
    kw_graph_free(g);
    free(x);
}

/* ---- maps -------------------------------------------------------------------------------------
 */

/* Source kinds of a map: rows, one row for all, one element a row, one element for all. */
typedef enum shape_kind { ROWS, ONE_ROW, COLUMN, ELEMENT, N_KINDS } shape_kind;

static kw_ref map_source(kw_graph *g, kw_ref ids, shape_kind kind, const float *data, int64_t n)
{
    switch (kind) {
    case ROWS:
        return fed(g, ids, data, TOKENS, n);
    case ONE_ROW:
        return kw_weight_leaf(g, "row", KW_F32, SHAPE(n), data);
    case COLUMN:
        return fed(g, ids, data, TOKENS, 1);
    default:
        return kw_weight_leaf(g, "element", KW_F32, SHAPE(1), data);
    }
}

static double element(shape_kind kind, const float *data, int64_t t, int64_t i, int64_t n)
{
    return (double)data[kind == ROWS ? t * n + i : kind == ONE_ROW ? i : kind == COLUMN ? t : 0];
}

/* a * tanh(b) - c, with every kind of b and c. */
static void maps_repeat_rows_and_columns(void **state)
{
    const kw_map_program program = {
        3, 3, {{KW_MAP_TANH, 1, 0, 0}, {KW_MAP_MUL, 0, 3, 0}, {KW_MAP_SUB, 4, 2, 0}}};
    (void)state;
    for (size_t w = 0; w < KW_COUNT(widths); w++)
        for (int kinds = 0; kinds < N_KINDS * N_KINDS; kinds++) {
            const shape_kind kb = (shape_kind)(kinds % N_KINDS), kc = (shape_kind)(kinds / N_KINDS);
            const int64_t n = widths[w];
            const size_t total = (size_t)(TOKENS * n);
            float *data[3] = {random_rows(1, total, 3), random_rows(2, total + TOKENS, 3),
                              random_rows(3, total + TOKENS, 3)};
            double *want = fresh(total * sizeof *want);
            for (int64_t i = 0; i < TOKENS * n; i++)
                want[i] = (double)data[0][i] * tanh(element(kb, data[1], i / n, i % n, n)) -
                          element(kc, data[2], i / n, i % n, n);
            kw_graph *g = graph_of(TOKENS, 1);
            const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
            const kw_ref src[3] = {map_source(g, ids, ROWS, data[0], n),
                                   map_source(g, ids, kb, data[1], n),
                                   map_source(g, ids, kc, data[2], n)};
            kw_graph_output(g, kw_pointwise(g, &program, src, 3));
            check_rows(g, TOKENS, (size_t)n, want, NULL, 1e-6, "map");
            kw_graph_free(g);
            for (int i = 0; i < 3; i++)
                free(data[i]);
            free(want);
        }
}

/* Every instruction once, and the three programs with kernels of their own. */
static void every_instruction_computes(void **state)
{
    enum { N = 130 };
    float *a = random_rows(1, TOKENS * N, 3), *b = random_rows(2, TOKENS * N, 3);
    double *want = fresh(TOKENS * N * sizeof *want);
    (void)state;
    for (int op = 0; op < KW_N_MAP_OPS + 3; op++) {
        kw_graph *g = graph_of(TOKENS, 1);
        const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
        const kw_ref src[2] = {fed(g, ids, a, TOKENS, N), fed(g, ids, b, TOKENS, N)};
        for (int i = 0; i < TOKENS * N; i++) {
            const double x = (double)a[i], y = (double)b[i], m = fabs(x);
            const double sigmoid = 1 / (1 + exp(-x));
            const double each[KW_N_MAP_OPS + 3] = {
                1.25,   x + y,   x - y,   x * y,       x / y,          fmax(x, y), fmin(x, y),
                -x,     m,       sqrt(m), 1 / sqrt(m), exp(x),         log(m),     tanh(x),
                erf(x), sigmoid, x + y,   x * y,       x * sigmoid * y};
            want[i] = each[op];
        }
        const bool positive = op == KW_MAP_SQRT || op == KW_MAP_RSQRT || op == KW_MAP_LOG;
        const kw_map_program p = {
            2, 2, {{KW_MAP_ABS, 0, 0, 0}, {(uint8_t)op, positive ? 2 : 0, 1, 1.25f}}};
        kw_graph_output(g, op < KW_N_MAP_OPS        ? kw_pointwise(g, &p, src, 2)
                           : op == KW_N_MAP_OPS     ? kw_add(g, src[0], src[1])
                           : op == KW_N_MAP_OPS + 1 ? kw_mul(g, src[0], src[1])
                                                    : kw_silu_mul(g, src[0], src[1]));
        check_rows(g, TOKENS, N, want, NULL, 2e-6,
                   op < KW_N_MAP_OPS ? kw_map_op_name((kw_map_op)op) : "hot");
        kw_graph_free(g);
    }
    free(a);
    free(b);
    free(want);
}

/* ---- reductions ---------------------------------------------------------------------
 */

static void reductions(void **state)
{
    (void)state;
    for (size_t w = 0; w < KW_COUNT(widths); w++)
        for (int kind = KW_REDUCE_SUM; kind <= KW_REDUCE_MAX; kind++) {
            const int64_t n = widths[w];
            float *x = random_rows((uint64_t)n, (size_t)(TOKENS * n), 3);
            double want[TOKENS], slack[TOKENS];
            for (int64_t t = 0; t < TOKENS; t++) {
                want[t] = kind == KW_REDUCE_SUM ? 0 : (double)x[t * n];
                slack[t] = 1;
                for (int64_t i = 0; i < n; i++) {
                    const double v = (double)x[t * n + i];
                    want[t] = kind == KW_REDUCE_SUM ? want[t] + v : fmax(want[t], v);
                    slack[t] += fabs(v);
                }
            }
            kw_graph *g = graph_of(TOKENS, 1);
            const kw_ref in = fed(g, kw_input_leaf(g, "ids", KW_EXTENT_TOKENS), x, TOKENS, n);
            kw_graph_output(g, kw_reduce(g, in, (kw_reduce_kind)kind));
            check_rows(g, TOKENS, 1, want, slack, kind == KW_REDUCE_SUM ? 1e-6 : 0, "reduce");
            kw_graph_free(g);
            free(x);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_reads_every_type),
        cmocka_unit_test(gather_out_of_range_is_zero),
        cmocka_unit_test(norms_and_what_they_lower_to),
        cmocka_unit_test(norms_in_parts),
        cmocka_unit_test(columns_are_taken),
        cmocka_unit_test(norms_of_a_single_row),
        cmocka_unit_test(maps_repeat_rows_and_columns),
        cmocka_unit_test(every_instruction_computes),
        cmocka_unit_test(reductions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
