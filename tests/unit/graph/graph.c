/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* graph.c - the node array: what the verifier catches in graphs broken by hand, copies with other
 * bounds, adoption, what a norm means, and both ways to print. */
#include "graph_test.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { N_FREQ = 4 };

typedef struct sample {
    kw_graph *g;
    kw_ref x, table, q, norm, mm, sum, map, store, attention, bias, picked;
} sample;

/* One of each op. */
static sample new_sample(void)
{
    static const double freq[N_FREQ] = {1, 0.5, 0.25, 0.125};
    const kw_attention_attr attr = {
        .heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 0.25f, .window = 5};
    const float bias[12] = {[11] = 7};
    sample s = {.g = new_graph()};
    kw_graph *g = s.g;
    const kw_ref at = kw_input_leaf(g, "positions", KW_EXTENT_TOKENS);
    const kw_ref picks = kw_input_leaf(g, "rows", KW_EXTENT_OUTPUTS);
    s.x = rows(g, 64);
    s.table = kw_rope_table(g, at, freq, 2 * N_FREQ, 1);
    s.norm = kw_rms_norm(g, s.x, weight(g, SHAPE(64)), 1e-5f);
    s.mm = kw_matmul(g, s.norm, weight(g, SHAPE(32, 64)));
    s.q = kw_rope(g, s.x, s.table, &(kw_rope_attr){16, 2 * N_FREQ, false});
    s.store = kw_store(g, kw_state(g, "keys", KW_STATE_KEYS, KW_F16, 100, 2, 16), s.mm, at);
    const kw_ref v =
        kw_store(g, kw_state(g, "values", KW_STATE_VALUES, KW_F16, 100, 2, 16), s.mm, at);
    s.attention = kw_attention(g, s.q, s.store, v, at, &attr);
    const kw_attention_attr more = {
        .heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 0.25f, .softcap = 30, .bias_first = -2};
    s.bias = kw_constant(g, "bias", SHAPE(4, 3), bias);
    (void)kw_attention_biased(g, s.q, s.store, v, at, s.bias, at, &more);
    s.map = kw_silu_mul(g, s.attention, s.x);
    s.sum = kw_reduce(g, s.map, KW_REDUCE_SUM);
    s.picked = kw_gather(g, s.map, picks);
    kw_graph_output(g, s.picked);
    kw_graph_output(g, s.sum);
    kw_error err = {0};
    if (kw_graph_finish(g, &err) != KW_OK)
        fail_msg("%s", err.message);
    return s;
}

static kw_node *at(const sample *s, kw_ref v)
{
    return &s->g->nodes[v.id];
}

static void assert_broken(sample *s, kw_status want, const char *part)
{
    kw_error err = {0};
    assert_refused(kw_graph_verify(s->g, &err), want, &err, part);
    kw_graph_free(s->g);
    *s = new_sample();
}

static void verify_catches_bad_sources(void **state)
{
    sample s = new_sample();
    (void)state;
    at(&s, s.mm)->src[0] = 0;
    assert_broken(&s, KW_E_INTERNAL, "(matmul): source 0 is value 0, not an earlier one");
    at(&s, s.mm)->src[1] = s.mm.id;
    assert_broken(&s, KW_E_INTERNAL, "(matmul): source 1 is value");
    at(&s, s.norm)->src[0] = s.map.id;
    assert_broken(&s, KW_E_INTERNAL, "(norm): source 0 is value");
    at(&s, s.norm)->src[1] = UINT32_MAX;
    assert_broken(&s, KW_E_INTERNAL, "(norm): source 1 is value 4294967295");
    at(&s, s.store)->n_src = 2;
    assert_broken(&s, KW_E_INTERNAL, "(store): 2 sources");
    at(&s, s.attention)->n_src = 1;
    assert_broken(&s, KW_E_INTERNAL, "(attention): 1 sources");
    at(&s, s.picked)->n_src = 0;
    assert_broken(&s, KW_E_INTERNAL, "(gather): 0 sources");
    at(&s, s.mm)->n_src = KW_MAX_SRC + 1;
    assert_broken(&s, KW_E_INTERNAL, "(matmul): 9 sources");
    at(&s, s.x)->op = KW_N_OPS;
    assert_broken(&s, KW_E_INTERNAL, "no op");
    at(&s, s.x)->op = KW_OP_NONE;
    assert_broken(&s, KW_E_INTERNAL, "no op");
    kw_graph_free(s.g);
}

static void verify_catches_bad_types(void **state)
{
    const char *const not_inferred = "shape or dtype is not what its sources give";
    sample s = new_sample();
    (void)state;
    at(&s, s.mm)->shape.dim[1] = 33;
    assert_broken(&s, KW_E_INTERNAL, not_inferred);
    at(&s, s.mm)->shape.rank = 1;
    assert_broken(&s, KW_E_INTERNAL, not_inferred);
    at(&s, s.x)->extent[0] = KW_EXTENT_STATIC;
    assert_broken(&s, KW_E_INTERNAL, not_inferred);
    at(&s, s.sum)->dtype = KW_F16;
    assert_broken(&s, KW_E_INTERNAL, not_inferred);
    at(&s, s.x)->dtype = KW_F16; /* of a gather: always f32 */
    assert_broken(&s, KW_E_INTERNAL, not_inferred);
    at(&s, (kw_ref){1})->extent[0] = 200;
    assert_broken(&s, KW_E_ARG, "a leaf needs a shape of positive size");
    at(&s, (kw_ref){1})->shape.dim[0] = 9; /* not the bound */
    assert_broken(&s, KW_E_ARG, "a leaf needs a shape of positive size");
    kw_graph_free(s.g);
}

static void verify_catches_bad_attributes(void **state)
{
    static const kw_map_program bad = {2, 1, {{KW_MAP_ADD, 0, 2, 0}}};
    static const kw_map_program three = {3, 1, {{KW_MAP_ADD, 0, 2, 0}}};
    static const kw_map_program two = {2, 1, {{KW_MAP_ADD, 0, 1, 0}}};
    sample s = new_sample();
    (void)state;
    at(&s, s.map)->program = &bad;
    assert_broken(&s, KW_E_ARG, "map: needs a valid program");
    at(&s, s.map)->program = NULL;
    assert_broken(&s, KW_E_ARG, "map: needs a valid program");
    at(&s, s.mm)->program = &three;
    assert_broken(&s, KW_E_ARG, "matmul: its epilogue does not fit its sources");
    at(&s, s.mm)->program = &two;
    at(&s, s.mm)->n_src = 3;
    at(&s, s.mm)->src[2] = s.norm.id; /* 64 wide, the product is 32 */
    assert_broken(&s, KW_E_ARG, "matmul: an epilogue source does not fit");
    at(&s, s.store)->rope = (kw_rope_attr){16, 8, false}; /* without its table */
    assert_broken(&s, KW_E_ARG, "store: needs a state");
    at(&s, s.attention)->rope = (kw_rope_attr){16, 8, false};
    at(&s, s.attention)->n_src = 5;
    at(&s, s.attention)->src[4] = s.x.id; /* no table */
    assert_broken(&s, KW_E_ARG, "attention: needs the positions");
    kw_graph_free(s.g);
}

static void verify_catches_bad_outputs(void **state)
{
    sample s = new_sample();
    (void)state;
    s.g->outputs[1] = s.g->n_nodes;
    assert_broken(&s, KW_E_INTERNAL, "output 1 is no value");
    s.g->outputs[1] = 0;
    assert_broken(&s, KW_E_INTERNAL, "output 1 is no value");
    s.g->outputs[1] = 1;
    assert_broken(&s, KW_E_ARG, "output 1 (input) is not computed");
    s.g->outputs[1] = kw_graph_node(s.g, s.store.id)->src[0];
    assert_broken(&s, KW_E_ARG, "output 1 (state) is not computed");
    s.g->outputs[1] = s.g->outputs[0];
    assert_broken(&s, KW_E_ARG, "output 1 is output 0 again");
    kw_graph_free(s.g);
}

static void a_graph_needs_an_output(void **state)
{
    kw_graph *g = new_graph();
    kw_error err = {0};
    (void)state;
    (void)rows(g, 4);
    assert_refused(kw_graph_finish(g, &err), KW_E_ARG, &err, "it has no output");
    kw_graph_output(g, (kw_ref){99});
    assert_refused(kw_graph_finish(g, &err), KW_E_INTERNAL, &err, "an output is no value");
    kw_graph_free(g);
    g = new_graph();
    kw_graph_output(g, KW_NONE);
    assert_refused(kw_graph_finish(g, &err), KW_E_INTERNAL, &err, "an output is no value");
    kw_graph_free(g);
    kw_graph_free(NULL);
}

static kw_str printed(const kw_graph *g, bool json, kw_buf *out)
{
    kw_graph_print(g, json, out);
    assert_false(out->failed);
    return (kw_str){out->data, out->len};
}

/* A copy prints the same, owns all it points to, and lives longer than its original. */
static void copies_are_whole(void **state)
{
    sample s = new_sample();
    kw_graph *copy = NULL, *again = NULL;
    kw_buf before = {0}, after = {0};
    (void)state;
    assert_int_equal(kw_graph_copy(s.g, usual_bound, &copy, NULL), KW_OK);
    assert_int_equal(kw_graph_copy(copy, usual_bound, &again, NULL), KW_OK);
    const kw_str want = printed(s.g, false, &before);
    assert_true(at(&s, s.map)->program != copy->nodes[s.map.id].program);
    assert_true(at(&s, s.table)->rope_table.inv_freq !=
                copy->nodes[s.table.id].rope_table.inv_freq);
    assert_int_equal(copy->n_states, s.g->n_states);
    assert_int_equal(copy->n_inputs, s.g->n_inputs);
    assert_int_equal(copy->n_outputs, s.g->n_outputs);
    kw_graph_free(s.g);
    kw_graph_free(copy);
    const kw_str got = printed(again, false, &after);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    assert_int_equal(kw_graph_verify(again, NULL), KW_OK);
    const double *freq = again->nodes[s.table.id].rope_table.inv_freq;
    assert_true(freq[0] == 1 && freq[3] == 0.125);
    const float *bias = again->nodes[s.bias.id].weight.data;
    assert_true(bias[0] == 0 && bias[11] == 7);
    kw_graph_free(again);
    kw_buf_free(&before);
    kw_buf_free(&after);
}

static void copies_take_other_bounds(void **state)
{
    sample s = new_sample();
    kw_graph *copy = NULL;
    kw_error err = {0};
    (void)state;
    const int64_t bound[KW_N_EXTENTS] = {77, 1, 2};
    assert_int_equal(kw_graph_copy(s.g, bound, &copy, NULL), KW_OK);
    assert_int_equal(copy->nodes[s.x.id].shape.dim[0], 1);
    assert_int_equal(copy->nodes[s.picked.id].shape.dim[0], 2);
    assert_int_equal(copy->nodes[s.store.id].shape.dim[0], 100); /* static */
    assert_int_equal(copy->bound[KW_EXTENT_STATIC], 0);
    assert_int_equal(kw_graph_verify(copy, NULL), KW_OK);
    kw_graph_free(copy);
    copy = NULL;
    const int64_t none[KW_N_EXTENTS] = {0, 0, 1};
    assert_refused(kw_graph_copy(s.g, none, &copy, &err), KW_E_ARG, &err,
                   "a leaf needs a shape of positive size");
    assert_null(copy);
    kw_graph_free(s.g);
}

/* What NORM means: reductions and maps, nothing else, of the norm's own shape. */
static void norms_lower_to_compute(void **state)
{
    (void)state;
    for (int kind = KW_NORM_RMS; kind <= KW_NORM_LAYER; kind++)
        for (int n_src = 1; n_src <= 3; n_src++) {
            kw_graph *g = new_graph();
            const kw_ref x = rows(g, 64), w = n_src > 1 ? weight(g, SHAPE(64)) : KW_NONE;
            const kw_ref b = n_src > 2 ? weight(g, SHAPE(64)) : KW_NONE;
            const kw_ref norm = kw_norm(g, (kw_norm_kind)kind, x, w, b, 1e-5f);
            const kw_node node = *kw_graph_node(g, norm.id);
            const kw_ref y = kw_op_get(KW_OP_NORM)->lower(g, &node);
            assert_int_equal(g->error.code, KW_OK);
            assert_true(kw_shape_eq(kw_graph_node(g, y.id)->shape, node.shape));
            int n_reduce = 0;
            for (uint32_t id = norm.id + 1; id < g->n_nodes; id++) {
                const kw_op op = kw_graph_node(g, id)->op;
                assert_true(op == KW_OP_MAP || op == KW_OP_REDUCE);
                n_reduce += op == KW_OP_REDUCE;
            }
            assert_int_equal(n_reduce, kind == KW_NORM_LAYER ? 2 : 1);
            kw_graph_output(g, y);
            assert_int_equal(kw_graph_finish(g, NULL), KW_OK);
            kw_graph_free(g);
        }
    /* a single row too */
    kw_graph *g = new_graph();
    const kw_ref norm = kw_rms_norm(g, weight(g, SHAPE(64)), weight(g, SHAPE(64)), 1e-5f);
    const kw_node node = *kw_graph_node(g, norm.id);
    (void)kw_op_get(KW_OP_NORM)->lower(g, &node);
    if (g->error.code != KW_OK)
        fail_msg("%s", g->error.message);
    kw_graph_free(g);
}

static void every_op_has_a_name(void **state)
{
    (void)state;
    for (int op = 0; op < KW_N_OPS; op++) {
        assert_non_null(kw_op_get((kw_op)op)->name);
        assert_non_null(kw_op_get((kw_op)op)->infer);
    }
}

static void text_has_a_line_a_node(void **state)
{
    sample s = new_sample();
    kw_buf out = {0};
    (void)state;
    const kw_str text = printed(s.g, false, &out);
    uint32_t n_lines = 0;
    for (size_t i = 0; i < text.len; i++)
        n_lines += text.data[i] == '\n';
    assert_int_equal(n_lines, s.g->n_nodes - 1);
    assert_null(strstr(text.data, " \n")); /* nothing trails */
    assert_non_null(strstr(text.data, "[tokens<=8, 64]"));
    assert_non_null(strstr(text.data, "[outputs<=3, 64]"));
    assert_non_null(strstr(text.data, "rms eps=1e-05"));
    assert_non_null(strstr(text.data, "heads=4 kv_heads=2 head_dim=16 scale=0.25 window=5"));
    assert_non_null(strstr(text.data, "scale=0.25 window=0 softcap=30 bias from -2"));
    assert_non_null(strstr(text.data, "rope=8/16 halves"));
    assert_non_null(strstr(text.data, "r2=sigmoid(r0) r3=mul(r0,r2) r4=mul(r3,r1)"));
    assert_non_null(strstr(text.data, "\"positions\""));
    kw_buf_free(&out);
    const kw_map_program half = {1, 2, {{KW_MAP_CONST, 0, 0, 0.5f}, {KW_MAP_MUL, 0, 1, 0}}};
    (void)kw_pointwise(s.g, &half, &s.x, 1);
    (void)printed(s.g, false, &out);
    assert_non_null(strstr(out.data, "r1=const(0.5) r2=mul(r0,r1)"));
    char line[64];
    (void)snprintf(line, sizeof line, "<- %%%u, %%%u", (unsigned)s.x.id, (unsigned)s.table.id);
    assert_non_null(strstr(out.data, line));
    kw_buf_free(&out);
    kw_graph_free(s.g);
}

static void json_parses(void **state)
{
    sample s = new_sample();
    kw_buf out = {0};
    kw_json json;
    kw_json_token t;
    kw_error err = {0};
    (void)state;
    (void)kw_weight_leaf(s.g, "a \"name\"\\\n\x01 \xff", KW_F32, SHAPE(1), "");
    kw_json_init(&json, printed(s.g, true, &out), "graph");
    int n_objects = 0, n_ops = 0, n_live = 0;
    do {
        if (kw_json_next(&json, &t, &err) != KW_OK)
            fail_msg("%s in %s", err.message, out.data);
        n_objects += t.kind == KW_JSON_OBJECT;
        n_ops += t.kind == KW_JSON_KEY && kw_str_is(t.text, "op");
        n_live += t.kind == KW_JSON_STRING && kw_str_is(t.text, "tokens");
    } while (t.kind != KW_JSON_END);
    assert_int_equal(n_objects, s.g->n_nodes - 1);
    assert_int_equal(n_ops, n_objects);
    assert_true(n_live >= 8);
    kw_buf_free(&out);
    kw_graph_free(s.g);
    /* an empty graph is an empty array */
    kw_graph *g = new_graph();
    kw_json_init(&json, printed(g, true, &out), "graph");
    assert_int_equal(kw_json_expect(&json, KW_JSON_ARRAY, &t, NULL), KW_OK);
    assert_int_equal(kw_json_expect(&json, KW_JSON_ARRAY_END, &t, NULL), KW_OK);
    kw_buf_free(&out);
    kw_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_catches_bad_sources),
        cmocka_unit_test(verify_catches_bad_types),
        cmocka_unit_test(verify_catches_bad_attributes),
        cmocka_unit_test(verify_catches_bad_outputs),
        cmocka_unit_test(a_graph_needs_an_output),
        cmocka_unit_test(copies_are_whole),
        cmocka_unit_test(copies_take_other_bounds),
        cmocka_unit_test(norms_lower_to_compute),
        cmocka_unit_test(every_op_has_a_name),
        cmocka_unit_test(text_has_a_line_a_node),
        cmocka_unit_test(json_parses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
