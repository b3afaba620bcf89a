/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.c - each row of the fusion table, before and after: how many nodes of which op, and what
 * the fused node says. */
#include "ops/ops_test.h"

#include "plan/rewrite.h"

static const int64_t bound[KW_N_EXTENTS] = {0, 8, 3};
static kw_device *device;
static const kw_backend *backend = &kw_cpu_backend;

static int open_cpu(void **state)
{
    (void)state;
    device = device_of(NULL, 1);
    return device ? 0 : -1;
}

static int close_cpu(void **state)
{
    (void)state;
    kw_cpu_backend.close(device);
    return 0;
}

static kw_graph *start(kw_ref *ids)
{
    kw_graph *g = graph_of(bound[1], bound[2]);
    *ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    return g;
}

static kw_ref weight(kw_graph *g, kw_dtype dtype, kw_shape shape)
{
    static const float data[1];
    return kw_weight_leaf(g, "w", dtype, shape, data);
}

static kw_ref rows(kw_graph *g, kw_ref ids, int64_t n)
{
    return kw_gather(g, weight(g, KW_F32, SHAPE(16, n)), ids);
}

/* Finishes and rewrites; both graphs are the caller's, the first is freed. */
static kw_graph *rewritten(kw_graph *g, kw_ref output)
{
    kw_graph *after = NULL;
    kw_error err = {0};
    if (output.id)
        kw_graph_output(g, output);
    must(kw_graph_finish(g, &err), &err);
    must(kw_rewrite(g, backend, device, bound, &after, &err), &err);
    assert_int_equal(after->n_states, g->n_states);
    assert_int_equal(after->n_inputs, g->n_inputs);
    assert_int_equal(after->n_outputs, g->n_outputs);
    assert_int_equal(kw_graph_verify(after, NULL), KW_OK);
    kw_graph_free(g);
    return after;
}

static int count(const kw_graph *g, kw_op op)
{
    int n = 0;
    for (uint32_t id = 1; id < g->n_nodes; id++)
        n += kw_graph_node(g, id)->op == op;
    return n;
}

/* The only node of an op. */
static const kw_node *only(const kw_graph *g, kw_op op)
{
    assert_int_equal(count(g, op), 1);
    for (uint32_t id = 1; id < g->n_nodes; id++)
        if (kw_graph_node(g, id)->op == op)
            return kw_graph_node(g, id);
    return NULL;
}

static const kw_node *source(const kw_graph *g, const kw_node *node, int i)
{
    assert_true(i < node->n_src);
    return kw_graph_node(g, node->src[i]);
}

static void maps_join(void **state)
{
    const kw_map_program neg = {1, 1, {{KW_MAP_NEG, 0, 0, 0}}};
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    const kw_ref x = rows(g, ids, 32), y = rows(g, ids, 32);
    /* neg(x * y + y): four maps */
    kw_ref v = kw_pointwise(g, &neg, &(kw_ref){kw_add(g, kw_mul(g, x, y), y).id}, 1);
    v = kw_pointwise(g, &neg, &v, 1);
    assert_int_equal(count(g, KW_OP_MAP), 4);
    g = rewritten(g, v);
    const kw_node *map = only(g, KW_OP_MAP);
    assert_int_equal(map->program->n_instr, 4);
    assert_int_equal(map->n_src, 3);
    kw_graph_free(g);
}

static void maps_with_two_users_stay(void **state)
{
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    const kw_ref x = rows(g, ids, 32), twice = kw_add(g, x, x);
    g = rewritten(g, kw_mul(g, kw_add(g, twice, x), twice));
    assert_int_equal(count(g, KW_OP_MAP), 2); /* x + x, and ((. + x) * .) */
    kw_graph_free(g);
    /* an output is a user too */
    g = start(&ids);
    const kw_ref a = kw_add(g, rows(g, ids, 32), rows(g, ids, 32));
    kw_graph_output(g, a);
    g = rewritten(g, kw_mul(g, a, rows(g, ids, 32)));
    assert_int_equal(count(g, KW_OP_MAP), 2);
    kw_graph_free(g);
}

static void maps_of_other_shapes_or_too_many_sources_stay(void **state)
{
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    /* a product of columns, repeated along the row: other rows than the sum's */
    const kw_ref x = rows(g, ids, 32), c = kw_reduce(g, x, KW_REDUCE_MAX);
    g = rewritten(g, kw_add(g, x, kw_mul(g, c, c)));
    assert_int_equal(count(g, KW_OP_MAP), 2);
    kw_graph_free(g);
    g = start(&ids);
    kw_ref sum = rows(g, ids, 32);
    for (int i = 0; i < 5; i++)
        sum = kw_add(g, sum, rows(g, ids, 32));
    g = rewritten(g, sum); /* six sources in maps of at most four */
    assert_int_equal(count(g, KW_OP_MAP), 2);
    kw_graph_free(g);
}

static void a_map_becomes_the_epilogue(void **state)
{
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    const kw_ref x = rows(g, ids, 64), residual = rows(g, ids, 7);
    const kw_ref mm = kw_matmul(g, x, weight(g, KW_F32, SHAPE(7, 64)));
    const kw_ref biased = kw_add(g, mm, weight(g, KW_F32, SHAPE(7)));
    g = rewritten(g, kw_add(g, residual, biased));
    assert_int_equal(count(g, KW_OP_MAP), 0);
    const kw_node *fused = only(g, KW_OP_MATMUL);
    assert_int_equal(fused->n_src, 4);
    assert_int_equal(fused->program->n_instr, 2);
    assert_int_equal(fused->program->n_src, 3);
    assert_int_equal(g->outputs[0], g->n_nodes - 1);
    /* the others in the program's order, around the slot of the product */
    int residual_at = -1, bias_at = -1;
    for (int i = 2; i < 4; i++) {
        const kw_node *other = source(g, fused, i);
        if (other->op == KW_OP_GATHER)
            residual_at = i;
        if (other->op == KW_OP_WEIGHT && other->shape.rank == 1)
            bias_at = i;
    }
    assert_true(residual_at > 0 && bias_at > 0);
    kw_graph_free(g);
}

static void gate_and_up_run_side_by_side(void **state)
{
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    const kw_ref x = rows(g, ids, 64);
    const kw_ref gate = kw_matmul(g, x, weight(g, KW_F32, SHAPE(7, 64)));
    const kw_ref up = kw_matmul(g, x, weight(g, KW_F32, SHAPE(7, 64)));
    g = rewritten(g, kw_silu_mul(g, gate, up));
    assert_int_equal(count(g, KW_OP_MATMUL), 2);
    const kw_node *map = only(g, KW_OP_MAP);
    assert_int_equal(source(g, map, 0)->op, KW_OP_MATMUL);
    assert_int_equal(source(g, map, 1)->op, KW_OP_MATMUL);
    assert_null(source(g, map, 0)->program);
    assert_null(source(g, map, 1)->program);
    kw_graph_free(g);
}

static void epilogues_need_a_product_of_their_own(void **state)
{
    kw_ref ids;
    (void)state;
    /* used twice by the map, by another node, or as an output */
    for (int way = 0; way < 3; way++) {
        kw_graph *g = start(&ids);
        const kw_ref mm = kw_matmul(g, rows(g, ids, 64), weight(g, KW_F32, SHAPE(7, 64)));
        const kw_ref sum = kw_add(g, mm, way == 0 ? mm : rows(g, ids, 7));
        if (way == 1)
            kw_graph_output(g, kw_reduce(g, mm, KW_REDUCE_MAX));
        if (way == 2)
            kw_graph_output(g, mm);
        g = rewritten(g, sum);
        assert_null(only(g, KW_OP_MATMUL)->program);
        assert_int_equal(count(g, KW_OP_MAP), 1);
        kw_graph_free(g);
    }
    /* one element a row, repeated: the epilogue reads whole rows */
    kw_graph *g = start(&ids);
    const kw_ref mm = kw_matmul(g, rows(g, ids, 64), weight(g, KW_F32, SHAPE(7, 64)));
    g = rewritten(g, kw_mul(g, mm, kw_reduce(g, rows(g, ids, 9), KW_REDUCE_SUM)));
    assert_null(only(g, KW_OP_MATMUL)->program);
    kw_graph_free(g);
    /* nor does a second map join a product that has one */
    g = start(&ids);
    kw_ref v = kw_matmul(g, rows(g, ids, 64), weight(g, KW_F32, SHAPE(7, 64)));
    for (int i = 0; i < 5; i++)
        v = kw_add(g, v, rows(g, ids, 7));
    g = rewritten(g, v);
    assert_int_equal(only(g, KW_OP_MATMUL)->n_src, 5);
    assert_int_equal(count(g, KW_OP_MAP), 1);
    kw_graph_free(g);
}

static const double freq[8] = {1, 0.5, 0.25, 0.125, 1, 1, 1, 1};

static kw_ref cache(kw_graph *g, kw_state_kind kind, kw_ref x, kw_ref at)
{
    return kw_store(g, kw_state(g, "cache", kind, KW_F16, 100, 2, 16), x, at);
}

static void rotation_moves_into_store_and_attention(void **state)
{
    const kw_rope_attr rope = {16, 8, true};
    const kw_attention_attr attr = {.heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 0.25f};
    kw_ref at;
    (void)state;
    kw_graph *g = start(&at);
    const kw_ref table = kw_rope_table(g, at, freq, 8, 1);
    const kw_ref q = kw_rope(g, rows(g, at, 64), table, &rope);
    const kw_ref k = cache(g, KW_STATE_KEYS, kw_rope(g, rows(g, at, 32), table, &rope), at);
    const kw_ref v = cache(g, KW_STATE_VALUES, rows(g, at, 32), at);
    g = rewritten(g, kw_attention(g, q, k, v, at, &attr));
    assert_int_equal(count(g, KW_OP_ROPE), 0);
    const kw_node *attention = only(g, KW_OP_ATTENTION);
    assert_int_equal(attention->n_src, 5);
    assert_int_equal(attention->rope.n_rot, 8);
    assert_true(attention->rope.adjacent);
    assert_int_equal(source(g, attention, 4)->op, KW_OP_ROPE_TABLE);
    const kw_node *keys = source(g, attention, 1), *values = source(g, attention, 2);
    assert_int_equal(keys->n_src, 4);
    assert_int_equal(keys->rope.n_rot, 8);
    assert_int_equal(keys->state.kind, KW_STATE_KEYS);
    assert_int_equal(source(g, keys, 1)->op, KW_OP_GATHER);
    assert_int_equal(values->n_src, 3);
    assert_int_equal(values->rope.n_rot, 0);
    kw_graph_free(g);
}

/* A rotated value that something else reads, or whose heads are not the cache's, stays. */
static void rotations_with_other_users_stay(void **state)
{
    kw_ref at;
    (void)state;
    for (int way = 0; way < 2; way++) {
        const kw_rope_attr rope = {way == 0 ? 16 : 32, 8, false};
        kw_graph *g = start(&at);
        const kw_ref table = kw_rope_table(g, at, freq, 8, 1);
        const kw_ref turned = kw_rope(g, rows(g, at, 32), table, &rope);
        const kw_attention_attr attr = {.heads = 2, .kv_heads = 2, .head_dim = 16, .scale = 0.25f};
        const kw_ref k = cache(g, KW_STATE_KEYS, turned, at);
        const kw_ref v = cache(g, KW_STATE_VALUES, way == 0 ? turned : rows(g, at, 32), at);
        g = rewritten(g, kw_attention(g, rows(g, at, 32), k, v, at, &attr));
        assert_int_equal(count(g, KW_OP_ROPE), 1);
        assert_int_equal(only(g, KW_OP_ATTENTION)->n_src, 4);
        kw_graph_free(g);
    }
}

static void siblings_share_one_cast(void **state)
{
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    const kw_ref x = rows(g, ids, 256);
    kw_graph_output(g, kw_matmul(g, x, weight(g, KW_Q4_0, SHAPE(5, 256))));
    kw_graph_output(g, kw_matmul(g, x, weight(g, KW_Q8_0, SHAPE(6, 256))));
    kw_graph_output(g, kw_matmul(g, x, weight(g, KW_Q6_K, SHAPE(7, 256))));
    kw_graph_output(g, kw_matmul(g, x, weight(g, KW_Q4_K, SHAPE(8, 256))));
    kw_graph_output(g, kw_matmul(g, x, weight(g, KW_F16, SHAPE(9, 256))));
    g = rewritten(g, KW_NONE);
    const bool tiles = backend->activation(device, KW_F16, bound[1]) != KW_F32;
    assert_int_equal(count(g, KW_OP_CAST), tiles ? 3 : 2); /* one of each kind */
    int n_matmul = 0;
    uint32_t casts[KW_N_DTYPES] = {0};
    for (uint32_t id = 1; id < g->n_nodes; id++) {
        const kw_node *node = kw_graph_node(g, id);
        if (node->op != KW_OP_MATMUL)
            continue;
        const kw_dtype got = source(g, node, 0)->dtype, w = source(g, node, 1)->dtype;
        assert_int_equal(got, backend->activation(device, w, node->shape.dim[0]));
        if (casts[got] == 0)
            casts[got] = node->src[0];
        assert_int_equal(node->src[0], casts[got]);
        n_matmul++;
    }
    assert_int_equal(n_matmul, 5);
    kw_graph_free(g);
}

static void norms_and_maps_write_activations_themselves(void **state)
{
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    kw_ref h = kw_rms_norm(g, rows(g, ids, 64), weight(g, KW_F32, SHAPE(64)), 1e-5f);
    const kw_ref gate = kw_matmul(g, h, weight(g, KW_Q4_0, SHAPE(96, 64)));
    const kw_ref up = kw_matmul(g, h, weight(g, KW_Q4_0, SHAPE(96, 64)));
    h = kw_silu_mul(g, gate, up);
    g = rewritten(g, kw_matmul(g, h, weight(g, KW_Q8_0, SHAPE(64, 96))));
    assert_int_equal(count(g, KW_OP_CAST), 0);
    assert_int_equal(only(g, KW_OP_NORM)->dtype, KW_Q8_A32);
    assert_int_equal(only(g, KW_OP_MAP)->dtype, KW_Q8_A32);
    kw_graph_free(g);
    /* not when someone wants the numbers too */
    g = start(&ids);
    h = kw_rms_norm(g, rows(g, ids, 64), weight(g, KW_F32, SHAPE(64)), 1e-5f);
    kw_graph_output(g, h);
    g = rewritten(g, kw_matmul(g, h, weight(g, KW_Q4_0, SHAPE(96, 64))));
    assert_int_equal(only(g, KW_OP_NORM)->dtype, KW_F32);
    assert_int_equal(count(g, KW_OP_CAST), 1);
    kw_graph_free(g);
}

static void what_no_output_needs_is_dropped(void **state)
{
    kw_ref ids;
    (void)state;
    kw_graph *g = start(&ids);
    const kw_ref x = rows(g, ids, 32), y = kw_add(g, x, x);
    (void)kw_reduce(g, kw_mul(g, y, y), KW_REDUCE_SUM);
    (void)cache(g, KW_STATE_KEYS, x, ids);
    (void)kw_input_leaf(g, "never read", KW_EXTENT_OUTPUTS);
    g = rewritten(g, y);
    assert_int_equal(count(g, KW_OP_MAP), 1);
    assert_int_equal(count(g, KW_OP_REDUCE), 0);
    assert_int_equal(count(g, KW_OP_STORE), 0);
    assert_int_equal(count(g, KW_OP_INPUT), 1);
    assert_int_equal(g->n_nodes, 1 + 4); /* ids, table, gather, map */
    kw_graph_free(g);
}

static bool no_norm(const kw_device *d, const kw_graph *g, const kw_node *node)
{
    return node->op != KW_OP_NORM && kw_cpu_backend.supports(d, g, node);
}

static bool no_matmul(const kw_device *d, const kw_graph *g, const kw_node *node)
{
    return node->op != KW_OP_MATMUL && kw_cpu_backend.supports(d, g, node);
}

static void what_the_device_lacks_is_lowered(void **state)
{
    kw_backend poor = kw_cpu_backend;
    kw_ref ids;
    (void)state;
    poor.supports = no_norm;
    backend = &poor;
    kw_graph *g = start(&ids);
    const kw_ref h =
        kw_norm(g, KW_NORM_LAYER, rows(g, ids, 64), weight(g, KW_F32, SHAPE(64)), KW_NONE, 1e-5f);
    g = rewritten(g, kw_matmul(g, h, weight(g, KW_Q4_0, SHAPE(5, 64))));
    backend = &kw_cpu_backend;
    assert_int_equal(count(g, KW_OP_NORM), 0);
    assert_int_equal(count(g, KW_OP_REDUCE), 2);
    /* x - mean; its square; the rest in one, which writes the activation */
    assert_int_equal(count(g, KW_OP_MAP), 3);
    assert_int_equal(count(g, KW_OP_CAST), 0);
    kw_graph_free(g);
}

/* What has no meaning in smaller ops is the plan's to refuse. */
static void what_cannot_be_lowered_is_refused(void **state)
{
    kw_backend poor = kw_cpu_backend;
    kw_plan *plan = NULL;
    kw_error err = {0};
    kw_ref ids;
    (void)state;
    poor.supports = no_matmul;
    kw_graph *g = start(&ids);
    kw_graph_output(g, kw_matmul(g, rows(g, ids, 64), weight(g, KW_F16, SHAPE(5, 64))));
    assert_int_equal(kw_plan_create(g, &poor, device, bound, &plan, &err), KW_E_UNSUPPORTED);
    assert_string_equal(err.message, "plan: CPU cannot run matmul of f16");
    assert_null(plan);
    kw_graph_free(g);
    g = start(&ids);
    kw_graph_output(g, kw_matmul(g, rows(g, ids, 64), weight(g, KW_I32, SHAPE(5, 64))));
    assert_int_equal(kw_plan_create(g, &kw_cpu_backend, device, bound, &plan, &err),
                     KW_E_UNSUPPORTED);
    assert_string_equal(err.message, "plan: CPU cannot run matmul of i32");
    kw_graph_free(g);
}

/* Rewriting what was rewritten changes nothing more. */
static void the_fixpoint_is_one(void **state)
{
    kw_ref ids;
    kw_graph *again = NULL;
    kw_buf one = {0}, two = {0};
    (void)state;
    kw_graph *g = start(&ids);
    const kw_ref x = rows(g, ids, 64);
    const kw_ref h = kw_rms_norm(g, x, weight(g, KW_F32, SHAPE(64)), 1e-5f);
    const kw_ref mm = kw_matmul(g, h, weight(g, KW_Q4_0, SHAPE(64, 64)));
    g = rewritten(g, kw_add(g, kw_add(g, mm, weight(g, KW_F32, SHAPE(64))), x));
    assert_int_equal(kw_rewrite(g, backend, device, bound, &again, NULL), KW_OK);
    kw_graph_print(g, false, &one);
    kw_graph_print(again, false, &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    kw_buf_free(&one);
    kw_buf_free(&two);
    kw_graph_free(g);
    kw_graph_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_join),
        cmocka_unit_test(maps_with_two_users_stay),
        cmocka_unit_test(maps_of_other_shapes_or_too_many_sources_stay),
        cmocka_unit_test(a_map_becomes_the_epilogue),
        cmocka_unit_test(gate_and_up_run_side_by_side),
        cmocka_unit_test(epilogues_need_a_product_of_their_own),
        cmocka_unit_test(rotation_moves_into_store_and_attention),
        cmocka_unit_test(rotations_with_other_users_stay),
        cmocka_unit_test(siblings_share_one_cast),
        cmocka_unit_test(norms_and_maps_write_activations_themselves),
        cmocka_unit_test(what_no_output_needs_is_dropped),
        cmocka_unit_test(what_the_device_lacks_is_lowered),
        cmocka_unit_test(what_cannot_be_lowered_is_refused),
        cmocka_unit_test(the_fixpoint_is_one),
    };
    return cmocka_run_group_tests(tests, open_cpu, close_cpu);
}
