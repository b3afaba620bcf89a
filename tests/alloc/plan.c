/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* plan.c - building, copying, rewriting, lowering, laying out and compiling a graph while the n-th
 * allocation fails, for every n; also on a device that lacks the norm. */
#include "alloc_fail.h"
#include "ops/ops_test.h"

static kw_device *device;
static kw_backend backend;

static bool no_norm(const kw_device *d, const kw_graph *g, const kw_node *node)
{
    return node->op != KW_OP_NORM && kw_cpu_backend.supports(d, g, node);
}

/* One of everything that the rewrites touch. */
static kw_ref build(kw_graph *g, const float *data, const void *packed)
{
    const double freq[8] = {1, 0.5, 0.25, 0.125, 1, 1, 1, 1};
    const kw_attention_attr attr = {.heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 0.25f};
    const kw_rope_attr rope = {16, 16, false};
    const kw_ref at = kw_input_leaf(g, "at", KW_EXTENT_TOKENS);
    const kw_ref x = fed(g, at, data, 16, 64), table = kw_rope_table(g, at, freq, 16, 1);
    const kw_ref w = kw_weight_leaf(g, "w", KW_F32, SHAPE(64), data);
    const kw_ref big = kw_weight_leaf(g, "big", KW_Q4_0, SHAPE(64, 64), packed);
    const kw_ref small = kw_weight_leaf(g, "small", KW_Q4_0, SHAPE(32, 64), packed);
    const kw_ref h = kw_norm(g, KW_NORM_LAYER, x, w, w, 1e-5f);
    const kw_ref q = kw_rope(g, kw_matmul(g, h, big), table, &rope);
    const kw_ref k = kw_rope(g, kw_matmul(g, h, small), table, &rope);
    const kw_ref keys = kw_store(g, kw_state(g, "k", KW_STATE_KEYS, KW_F16, 32, 2, 16), k, at);
    const kw_ref values = kw_store(g, kw_state(g, "v", KW_STATE_VALUES, KW_F16, 32, 2, 16),
                                   kw_matmul(g, h, small), at);
    const kw_ref bias = kw_constant(g, "bias", SHAPE(4, 3), data);
    const kw_ref a = kw_attention_biased(g, q, keys, values, at, bias, at, &attr);
    return kw_add(g, kw_add(g, kw_matmul(g, kw_mul(g, kw_mul(g, a, w), w), big), w), x);
}

static kw_status plan_once(const float *data, const void *packed, kw_error *err)
{
    const int64_t bound[KW_N_EXTENTS] = {0, 8, 1};
    kw_graph *g = NULL;
    kw_plan *plan = NULL;
    kw_status status = kw_graph_create(bound, &g, err);
    if (status == KW_OK) {
        kw_graph_output(g, build(g, data, packed));
        status = kw_graph_finish(g, err);
    }
    if (status == KW_OK)
        status = kw_plan_create(g, &backend, device, bound, &plan, err);
    kw_plan_free(plan);
    kw_graph_free(g);
    return status;
}

static void check(bool all_after)
{
    float *data = random_rows(1, 16 * 64, 1);
    void *packed = fresh(64 * 64);
    for (long n = 1;; n++) {
        const long live = kw_alloc_live();
        kw_error err = {0};
        if (all_after)
            kw_alloc_fail_from(n);
        else
            kw_alloc_fail_at(n);
        const kw_status status = plan_once(data, packed, &err);
        const bool failed = kw_alloc_stop();
        assert_int_equal(kw_alloc_live(), live);
        if (!failed) {
            assert_int_equal(status, KW_OK);
            print_message("%ld allocations\n", n - 1);
            assert_true(n > 30);
            break;
        }
        if (status != KW_E_NOMEM || err.message[0] == '\0')
            fail_msg("allocation %ld: status %d \"%s\"", n, (int)status, err.message);
    }
    free(data);
    free(packed);
}

static void plans_survive(void **state)
{
    (void)state;
    device = device_of(NULL, 1);
    backend = kw_cpu_backend;
    check(false);
    check(true);
    backend.supports = no_norm;
    check(false);
    check(true);
    kw_cpu_backend.close(device);
}

/* A pool with threads: those that started are joined when another cannot. */
static void devices_survive(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        const kw_device_config config = {.n_threads = 4};
        kw_error err = {0};
        const long live = kw_alloc_live();
        device = NULL;
        kw_alloc_fail_at(n);
        const kw_status status = kw_cpu_backend.open(&config, &device, &err);
        const bool failed = kw_alloc_stop();
        kw_cpu_backend.close(device);
        assert_int_equal(kw_alloc_live(), live);
        if (!failed) {
            assert_int_equal(status, KW_OK);
            break;
        }
        assert_int_equal(status, KW_E_NOMEM);
        assert_null(device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans_survive),
                                       cmocka_unit_test(devices_survive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
