/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* builders.c - each builder infers shape, extents and type, and refuses what does not fit with a
 * message that says what it needs; the first failure sticks. */
#include "graph_test.h"

#include <math.h>

static void assert_value(const kw_graph *g, kw_ref v, kw_op op, kw_dtype dtype, kw_shape shape,
                         const int extents[2])
{
    char want[64], got[64];
    if (g->error.code != KW_OK)
        fail_msg("%s", g->error.message);
    const kw_node *node = kw_graph_node(g, v.id);
    assert_int_equal(node->op, op);
    assert_int_equal(node->dtype, dtype);
    assert_string_equal(kw_shape_print(node->shape, got, sizeof got),
                        kw_shape_print(shape, want, sizeof want));
    for (int d = 0; d < KW_MAX_RANK; d++)
        assert_int_equal(node->extent[d], d < 2 ? extents[d] : 0);
}

#define TOKENS ((const int[2]){KW_EXTENT_TOKENS, 0})
#define OUTPUTS ((const int[2]){KW_EXTENT_OUTPUTS, 0})
#define STATIC ((const int[2]){0, 0})

static void leaves_carry_what_they_are_given(void **state)
{
    kw_graph *g = new_graph();
    (void)state;
    assert_value(g, ids(g), KW_OP_INPUT, KW_I32, SHAPE(8), TOKENS);
    const kw_ref r = kw_input_leaf(g, "rows", KW_EXTENT_OUTPUTS);
    assert_value(g, r, KW_OP_INPUT, KW_I32, SHAPE(3), OUTPUTS);
    assert_int_equal(kw_graph_node(g, r.id)->input.slot, 1);
    assert_string_equal(kw_graph_node(g, r.id)->name, "rows");
    assert_int_equal(g->n_inputs, 2);
    static const float data[32];
    const kw_ref w = kw_weight_leaf(g, "embd", KW_Q4_0, SHAPE(5, 64), data);
    assert_value(g, w, KW_OP_WEIGHT, KW_Q4_0, SHAPE(5, 64), STATIC);
    assert_ptr_equal(kw_graph_node(g, w.id)->weight.data, data);
    const kw_ref s = kw_state(g, "keys", KW_STATE_KEYS, KW_F16, 100, 2, 16);
    assert_value(g, s, KW_OP_STATE, KW_F16, SHAPE(100, 32), STATIC);
    assert_int_equal(kw_graph_node(g, s.id)->state.head_dim, 16);
    (void)kw_state(g, "values", KW_STATE_VALUES, KW_F16, 100, 2, 16);
    assert_int_equal(g->n_states, 2);
    kw_graph_free(g);
}

static void compute_infers_its_shape(void **state)
{
    kw_graph *g = new_graph();
    const kw_map_program neg = {1, 1, {{KW_MAP_NEG, 0, 0, 0}}};
    (void)state;
    const kw_ref x = rows(g, 64);
    assert_value(g, x, KW_OP_GATHER, KW_F32, SHAPE(8, 64), TOKENS);
    assert_value(g, kw_gather(g, x, kw_input_leaf(g, "rows", KW_EXTENT_OUTPUTS)), KW_OP_GATHER,
                 KW_F32, SHAPE(3, 64), OUTPUTS);
    assert_value(g, kw_matmul(g, x, weight(g, SHAPE(7, 64))), KW_OP_MATMUL, KW_F32, SHAPE(8, 7),
                 TOKENS);
    assert_value(g, kw_cast(g, x, KW_Q8_A32), KW_OP_CAST, KW_Q8_A32, SHAPE(8, 64), TOKENS);
    const kw_ref sum = kw_reduce(g, x, KW_REDUCE_SUM);
    assert_value(g, sum, KW_OP_REDUCE, KW_F32, SHAPE(8, 1), TOKENS);
    assert_value(g, kw_rms_norm(g, x, weight(g, SHAPE(64)), 1e-5f), KW_OP_NORM, KW_F32,
                 SHAPE(8, 64), TOKENS);
    assert_value(g, kw_norm_parts(g, x, weight(g, SHAPE(16)), 4, 1e-5f), KW_OP_NORM, KW_F32,
                 SHAPE(8, 64), TOKENS);
    assert_value(g, kw_columns(g, x, 4, 10, 25, 3), KW_OP_COLUMNS, KW_F32, SHAPE(8, 30), TOKENS);
    assert_value(g, kw_norm(g, KW_NORM_LAYER, x, KW_NONE, KW_NONE, 1e-5f), KW_OP_NORM, KW_F32,
                 SHAPE(8, 64), TOKENS);
    assert_value(g, kw_pointwise(g, &neg, &x, 1), KW_OP_MAP, KW_F32, SHAPE(8, 64), TOKENS);
    /* a row repeated along tokens, a column along the row, in either order */
    assert_value(g, kw_add(g, x, weight(g, SHAPE(64))), KW_OP_MAP, KW_F32, SHAPE(8, 64), TOKENS);
    assert_value(g, kw_mul(g, weight(g, SHAPE(64)), x), KW_OP_MAP, KW_F32, SHAPE(8, 64), TOKENS);
    assert_value(g, kw_mul(g, sum, x), KW_OP_MAP, KW_F32, SHAPE(8, 64), TOKENS);
    assert_value(g, kw_mul(g, x, weight(g, SHAPE(1))), KW_OP_MAP, KW_F32, SHAPE(8, 64), TOKENS);
    assert_value(g, kw_silu_mul(g, x, x), KW_OP_MAP, KW_F32, SHAPE(8, 64), TOKENS);
    /* what the bound happens to be decides nothing: a row against [1, 64] */
    kw_graph_free(g);
    const int64_t one[KW_N_EXTENTS] = {0, 1, 1};
    assert_int_equal(kw_graph_create(one, &g, NULL), KW_OK);
    assert_value(g, kw_add(g, weight(g, SHAPE(64)), rows(g, 64)), KW_OP_MAP, KW_F32, SHAPE(1, 64),
                 TOKENS);
    kw_graph_free(g);
}

static kw_ref keys(kw_graph *g, kw_state_kind kind, kw_dtype dtype, int64_t positions, kw_ref at)
{
    return kw_store(g, kw_state(g, "cache", kind, dtype, positions, 2, 16), rows(g, 32), at);
}

static void rotation_and_attention_infer(void **state)
{
    kw_graph *g = new_graph();
    const double freq[4] = {1, 0.5, 0.25, 0.125};
    const kw_attention_attr attr = {.heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 0.25f};
    (void)state;
    const kw_ref at = ids(g);
    const kw_ref table = kw_rope_table(g, at, freq, 8, 1.5f);
    assert_value(g, table, KW_OP_ROPE_TABLE, KW_F32, SHAPE(8, 8), TOKENS);
    assert_true(kw_graph_node(g, table.id)->rope_table.inv_freq != freq);
    assert_memory_equal(kw_graph_node(g, table.id)->rope_table.inv_freq, freq, sizeof freq);
    const kw_ref q = kw_rope(g, rows(g, 64), table, &(kw_rope_attr){16, 8, true});
    assert_value(g, q, KW_OP_ROPE, KW_F32, SHAPE(8, 64), TOKENS);
    const kw_ref k = keys(g, KW_STATE_KEYS, KW_F16, 100, at);
    assert_value(g, k, KW_OP_STORE, KW_F16, SHAPE(100, 32), STATIC);
    const kw_ref v = keys(g, KW_STATE_VALUES, KW_F16, 100, at);
    assert_value(g, kw_attention(g, q, k, v, at, &attr), KW_OP_ATTENTION, KW_F32, SHAPE(8, 64),
                 TOKENS);
    /* what another graph has stored; a bias by distance */
    const kw_ref keys_there = kw_state(g, "k", KW_STATE_KEYS, KW_F16, 100, 2, 16);
    const kw_ref values_there = kw_state(g, "v", KW_STATE_VALUES, KW_F16, 100, 2, 16);
    assert_value(g, kw_attention(g, q, keys_there, values_there, at, &attr), KW_OP_ATTENTION,
                 KW_F32, SHAPE(8, 64), TOKENS);
    const float values[4] = {1, 2, 3, 4};
    const kw_ref bias = kw_constant(g, "bias", SHAPE(4, 1), values);
    assert_value(g, bias, KW_OP_WEIGHT, KW_F32, SHAPE(4, 1), STATIC);
    assert_true(kw_graph_node(g, bias.id)->weight.data != values);
    assert_memory_equal(kw_graph_node(g, bias.id)->weight.data, values, sizeof values);
    const kw_ref a = kw_attention_biased(g, q, k, v, at, bias, at, &attr);
    assert_value(g, a, KW_OP_ATTENTION, KW_F32, SHAPE(8, 64), TOKENS);
    assert_true(kw_graph_node(g, a.id)->attention.biased);
    const kw_ref from = kw_attention_from(g, a, at);
    assert_value(g, from, KW_OP_ATTENTION, KW_F32, SHAPE(8, 64), TOKENS);
    assert_true(kw_graph_node(g, from.id)->attention.begins);
    assert_int_equal(kw_graph_node(g, from.id)->src[6], at.id);
    assert_false(kw_graph_node(g, a.id)->attention.begins);
    kw_graph_free(g);
}

/* ---- refusals -------------------------------------------------------------------------------- */

typedef kw_ref (*build_fn)(kw_graph *g);

static const kw_map_program neg_program = {1, 1, {{KW_MAP_NEG, 0, 0, 0}}};
static const kw_map_program add_program = {2, 1, {{KW_MAP_ADD, 0, 1, 0}}};

#define BUILD(name, expression)                                                                    \
    static kw_ref name(kw_graph *g)                                                                \
    {                                                                                              \
        return expression;                                                                         \
    }

BUILD(static_input, kw_input_leaf(g, "x", KW_EXTENT_STATIC))
BUILD(empty_weight, weight(g, SHAPE(4, 0)))
BUILD(negative_weight, weight(g, SHAPE(-4, 4)))
BUILD(huge_weight, weight(g, SHAPE(INT64_MAX, 2)))
BUILD(scalar_weight, weight(g, (kw_shape){0}))
BUILD(empty_state, kw_state(g, "s", KW_STATE_KEYS, KW_F16, 0, 2, 16))

BUILD(gather_of_a_vector, kw_gather(g, weight(g, SHAPE(4)), ids(g)))
BUILD(gather_by_floats, kw_gather(g, weight(g, SHAPE(4, 4)), weight(g, SHAPE(4))))

BUILD(store_of_a_weight, kw_store(g, weight(g, SHAPE(9, 32)), rows(g, 32), ids(g)))
BUILD(store_of_other_width,
      kw_store(g, kw_state(g, "s", KW_STATE_KEYS, KW_F16, 9, 2, 16), rows(g, 31), ids(g)))
BUILD(store_at_floats,
      kw_store(g, kw_state(g, "s", KW_STATE_KEYS, KW_F16, 9, 2, 16), rows(g, 32), rows(g, 1)))
BUILD(store_at_other_rows, kw_store(g, kw_state(g, "s", KW_STATE_KEYS, KW_F16, 9, 2, 16),
                                    rows(g, 32), kw_input_leaf(g, "rows", KW_EXTENT_OUTPUTS)))

BUILD(cast_of_ids, kw_cast(g, ids(g), KW_F16))
BUILD(cast_of_part_of_a_block, kw_cast(g, rows(g, 40), KW_Q8_A32))
BUILD(cast_to_superblocks, kw_cast(g, rows(g, 320), KW_Q8_A256))

BUILD(map_without_its_source, kw_pointwise(g, &add_program, (kw_ref[]){rows(g, 4)}, 1))
BUILD(map_with_one_more, kw_pointwise(g, &neg_program, (kw_ref[]){rows(g, 4), rows(g, 4)}, 2))
BUILD(map_of_nothing, kw_pointwise(g, &(kw_map_program){0, 1, {{KW_MAP_CONST, 0, 0, 1}}}, NULL, 0))
BUILD(map_of_a_bad_program,
      kw_pointwise(g, &(kw_map_program){1, 1, {{KW_MAP_NEG, 1, 0, 0}}}, (kw_ref[]){rows(g, 4)}, 1))
BUILD(map_of_ids, kw_pointwise(g, &neg_program, (kw_ref[]){ids(g)}, 1))
BUILD(map_of_other_widths, kw_add(g, rows(g, 4), rows(g, 5)))
BUILD(map_of_a_long_row, kw_add(g, rows(g, 4), weight(g, SHAPE(5))))
BUILD(map_of_other_rows,
      kw_add(g, rows(g, 4), kw_gather(g, rows(g, 4), kw_input_leaf(g, "rows", KW_EXTENT_OUTPUTS))))
BUILD(map_of_static_rows, kw_add(g, rows(g, 4), weight(g, SHAPE(8, 4))))
BUILD(map_of_a_cache,
      kw_pointwise(g, &neg_program, (kw_ref[]){kw_state(g, "s", KW_STATE_KEYS, KW_F32, 9, 2, 16)},
                   1))
BUILD(map_of_a_store,
      kw_pointwise(g, &neg_program, (kw_ref[]){keys(g, KW_STATE_KEYS, KW_F32, 9, ids(g))}, 1))

BUILD(reduce_of_ids, kw_reduce(g, ids(g), KW_REDUCE_MAX))

BUILD(matmul_of_other_k, kw_matmul(g, rows(g, 64), weight(g, SHAPE(7, 63))))
BUILD(matmul_with_a_vector, kw_matmul(g, rows(g, 64), weight(g, SHAPE(64))))
BUILD(matmul_of_a_vector, kw_matmul(g, weight(g, SHAPE(64)), weight(g, SHAPE(7, 64))))
BUILD(matmul_with_live_rows, kw_matmul(g, rows(g, 64), rows(g, 64)))
BUILD(matmul_of_halves,
      kw_matmul(g, kw_weight_leaf(g, "half", KW_F16, SHAPE(8, 64), ""), weight(g, SHAPE(7, 64))))

BUILD(norm_of_ids, kw_rms_norm(g, ids(g), KW_NONE, 1e-5f))
BUILD(norm_with_a_short_weight, kw_rms_norm(g, rows(g, 64), weight(g, SHAPE(63)), 1e-5f))
BUILD(norm_with_a_matrix, kw_rms_norm(g, rows(g, 64), weight(g, SHAPE(1, 64)), 1e-5f))
BUILD(norm_with_halves,
      kw_rms_norm(g, rows(g, 64), kw_weight_leaf(g, "half", KW_F16, SHAPE(64), ""), 1e-5f))
BUILD(norm_in_uneven_parts, kw_norm_parts(g, rows(g, 64), weight(g, SHAPE(21)), 3, 1e-5f))
BUILD(norm_in_parts_with_a_whole_weight,
      kw_norm_parts(g, rows(g, 64), weight(g, SHAPE(64)), 4, 1e-5f))
BUILD(columns_beyond_the_row, kw_columns(g, rows(g, 64), 5, 10, 25, 3))
BUILD(columns_that_overlap, kw_columns(g, rows(g, 64), 0, 10, 9, 2))
BUILD(columns_before_the_row, kw_columns(g, rows(g, 64), -1, 10, 10, 2))
BUILD(columns_without_width, kw_columns(g, rows(g, 64), 0, 0, 10, 2))
BUILD(columns_of_ids, kw_columns(g, ids(g), 0, 1, 1, 1))
BUILD(norm_with_a_short_bias,
      kw_norm(g, KW_NORM_LAYER, rows(g, 64), weight(g, SHAPE(64)), weight(g, SHAPE(1)), 1e-5f))

static const double some_freq[64];
BUILD(table_of_floats, kw_rope_table(g, rows(g, 1), some_freq, 8, 1))
BUILD(table_of_odd, kw_rope_table(g, ids(g), some_freq, 7, 1))
BUILD(table_of_one, kw_rope_table(g, ids(g), some_freq, 1, 1))
BUILD(table_of_none, kw_rope_table(g, ids(g), some_freq, 0, 1))
BUILD(table_of_less, kw_rope_table(g, ids(g), some_freq, -2, 1))

#define ROPE(x, head_dim, n_rot, n_table)                                                          \
    kw_rope(g, x, kw_rope_table(g, ids(g), some_freq, n_table, 1),                                 \
            &(kw_rope_attr){head_dim, n_rot, false})
BUILD(rope_of_part_of_a_head, ROPE(rows(g, 40), 16, 8, 8))
BUILD(rope_of_more_than_a_head, ROPE(rows(g, 64), 16, 18, 18))
BUILD(rope_of_odd, ROPE(rows(g, 64), 16, 7, 8))
BUILD(rope_of_nothing, ROPE(rows(g, 64), 16, 0, 8))
BUILD(rope_without_a_head, ROPE(rows(g, 64), 0, 8, 8))
BUILD(rope_by_another_table, ROPE(rows(g, 64), 16, 8, 10))
BUILD(rope_of_other_rows,
      ROPE(kw_gather(g, rows(g, 64), kw_input_leaf(g, "rows", KW_EXTENT_OUTPUTS)), 16, 8, 8))

static kw_ref attention_at(kw_graph *g, kw_ref q, kw_ref at, kw_attention_attr attr)
{
    return kw_attention(g, q, keys(g, KW_STATE_KEYS, KW_F16, 9, ids(g)),
                        keys(g, KW_STATE_VALUES, KW_F16, 9, ids(g)), at, &attr);
}

#define HEADS(n, kv, dim, past)                                                                    \
    ((kw_attention_attr){                                                                          \
        .heads = n, .kv_heads = kv, .head_dim = dim, .scale = 0.25f, .window = past})
BUILD(attention_of_no_heads, attention_at(g, rows(g, 64), ids(g), HEADS(0, 2, 16, 0)))
BUILD(attention_of_no_keys, attention_at(g, rows(g, 64), ids(g), HEADS(4, 0, 16, 0)))
BUILD(attention_of_odd_groups, attention_at(g, rows(g, 48), ids(g), HEADS(3, 2, 16, 0)))
BUILD(attention_of_a_negative_window, attention_at(g, rows(g, 64), ids(g), HEADS(4, 2, 16, -1)))
BUILD(attention_of_narrow_queries, attention_at(g, rows(g, 32), ids(g), HEADS(4, 2, 16, 0)))
BUILD(attention_of_other_keys, attention_at(g, rows(g, 64), ids(g), HEADS(4, 4, 16, 0)))
BUILD(attention_of_other_heads, attention_at(g, rows(g, 64), ids(g), HEADS(2, 1, 32, 0)))
BUILD(attention_at_floats, attention_at(g, rows(g, 64), rows(g, 1), HEADS(4, 2, 16, 0)))
BUILD(attention_at_other_rows,
      attention_at(g, rows(g, 64), kw_input_leaf(g, "r", KW_EXTENT_OUTPUTS), HEADS(4, 2, 16, 0)))
BUILD(attention_of_a_state_and_a_store,
      kw_attention(g, rows(g, 64), kw_state(g, "s", KW_STATE_KEYS, KW_F16, 9, 2, 16),
                   keys(g, KW_STATE_VALUES, KW_F16, 9, ids(g)), ids(g), &HEADS(4, 2, 16, 0)))
BUILD(attention_of_weights, kw_attention(g, rows(g, 64), weight(g, SHAPE(9, 32)),
                                         weight(g, SHAPE(9, 32)), ids(g), &HEADS(4, 2, 16, 0)))
BUILD(attention_of_values_as_keys,
      kw_attention(g, rows(g, 64), keys(g, KW_STATE_VALUES, KW_F16, 9, ids(g)),
                   keys(g, KW_STATE_VALUES, KW_F16, 9, ids(g)), ids(g), &HEADS(4, 2, 16, 0)))
BUILD(attention_of_two_lengths,
      kw_attention(g, rows(g, 64), keys(g, KW_STATE_KEYS, KW_F16, 9, ids(g)),
                   keys(g, KW_STATE_VALUES, KW_F16, 10, ids(g)), ids(g), &HEADS(4, 2, 16, 0)))
BUILD(attention_of_two_types,
      kw_attention(g, rows(g, 64), keys(g, KW_STATE_KEYS, KW_F16, 9, ids(g)),
                   keys(g, KW_STATE_VALUES, KW_F32, 9, ids(g)), ids(g), &HEADS(4, 2, 16, 0)))

#define SOFTCAP(x) ((kw_attention_attr){.heads = 4, .kv_heads = 2, .head_dim = 16, .softcap = x})
BUILD(attention_of_a_negative_softcap, attention_at(g, rows(g, 64), ids(g), SOFTCAP(-1)))
BUILD(attention_of_no_softcap, attention_at(g, rows(g, 64), ids(g), SOFTCAP(NAN)))
BUILD(attention_of_an_endless_softcap, attention_at(g, rows(g, 64), ids(g), SOFTCAP(INFINITY)))

static kw_ref biased(kw_graph *g, kw_ref bias, kw_ref own)
{
    return kw_attention_biased(g, rows(g, 64), keys(g, KW_STATE_KEYS, KW_F16, 9, ids(g)),
                               keys(g, KW_STATE_VALUES, KW_F16, 9, ids(g)), ids(g), bias, own,
                               &HEADS(4, 2, 16, 0));
}

BUILD(first_at_floats, kw_attention_from(g, biased(g, weight(g, SHAPE(4, 7)), ids(g)), rows(g, 1)))
BUILD(bias_of_other_heads, biased(g, weight(g, SHAPE(2, 7)), ids(g)))
BUILD(bias_of_one_row, biased(g, weight(g, SHAPE(4)), ids(g)))
BUILD(bias_that_is_computed, biased(g, rows(g, 7), ids(g)))
BUILD(bias_of_halves, biased(g, kw_weight_leaf(g, "w", KW_F16, SHAPE(4, 7), NULL), ids(g)))
BUILD(bias_at_floats, biased(g, weight(g, SHAPE(4, 7)), rows(g, 1)))
BUILD(bias_at_other_rows,
      biased(g, weight(g, SHAPE(4, 7)), kw_input_leaf(g, "r", KW_EXTENT_OUTPUTS)))

typedef struct refusal {
    build_fn build;
    const char *op, *rule;
} refusal;

#define LEAF "a leaf needs a shape of positive size"
#define STORE "needs a state, f32 rows of its width and their positions"
#define CAST "needs f32 rows of whole blocks of the new type"
#define PROGRAM "needs a valid program and its sources"
#define FIT "sources do not fit each other"
#define MATMUL "needs x [t, k] and w [n, k]"
#define COLUMNS "needs f32 [t, n] that has the columns"
#define WEIGHT "needs an f32 weight of the row's length"
#define TABLE "needs i32 positions [t] and an even number of dimensions"
#define TURN "needs x [t, heads * head_dim] and a table [t, n_rot]"
#define GROUPS "query heads must be a multiple of key/value heads"
#define STORED "needs stored keys and values"
#define BIAS "needs an f32 bias [heads, n] and its queries' own positions"
#define CAP "needs a finite softcap, 0 or more"

static const refusal refusals[] = {
    {static_input, "input", LEAF},
    {empty_weight, "weight", LEAF},
    {negative_weight, "weight", LEAF},
    {huge_weight, "weight", LEAF},
    {scalar_weight, "weight", LEAF},
    {empty_state, "state", LEAF},
    {gather_of_a_vector, "gather", "needs a table [rows, n]"},
    {gather_by_floats, "gather", "i32 indices [t]"},
    {store_of_a_weight, "store", STORE},
    {store_of_other_width, "store", STORE},
    {store_at_floats, "store", STORE},
    {store_at_other_rows, "store", STORE},
    {cast_of_ids, "cast", CAST},
    {cast_of_part_of_a_block, "cast", CAST},
    {cast_to_superblocks, "cast", CAST},
    {map_without_its_source, "map", PROGRAM},
    {map_with_one_more, "map", PROGRAM},
    {map_of_nothing, "map", PROGRAM},
    {map_of_a_bad_program, "map", PROGRAM},
    {map_of_ids, "map", FIT},
    {map_of_other_widths, "map", FIT},
    {map_of_a_long_row, "map", FIT},
    {map_of_other_rows, "map", FIT},
    {map_of_static_rows, "map", FIT},
    {map_of_a_cache, "map", FIT},
    {map_of_a_store, "map", FIT},
    {reduce_of_ids, "reduce", "needs f32 [.., n]"},
    {matmul_of_other_k, "matmul", MATMUL},
    {matmul_with_a_vector, "matmul", MATMUL},
    {matmul_of_a_vector, "matmul", MATMUL},
    {matmul_with_live_rows, "matmul", MATMUL},
    {matmul_of_halves, "matmul", MATMUL},
    {norm_of_ids, "norm", "needs f32 [.., n]"},
    {norm_in_uneven_parts, "norm", "needs f32 [.., n], in equal parts"},
    {norm_in_parts_with_a_whole_weight, "norm", WEIGHT},
    {columns_beyond_the_row, "columns", COLUMNS},
    {columns_that_overlap, "columns", COLUMNS},
    {columns_before_the_row, "columns", COLUMNS},
    {columns_without_width, "columns", COLUMNS},
    {columns_of_ids, "columns", COLUMNS},
    {norm_with_a_short_weight, "norm", WEIGHT},
    {norm_with_a_matrix, "norm", WEIGHT},
    {norm_with_halves, "norm", WEIGHT},
    {norm_with_a_short_bias, "norm", WEIGHT},
    {table_of_floats, "rope_table", TABLE},
    {table_of_odd, "rope_table", TABLE},
    {table_of_one, "rope_table", TABLE},
    {table_of_none, "rope_table", TABLE},
    {table_of_less, "rope_table", TABLE},
    {rope_of_part_of_a_head, "rope", TURN},
    {rope_of_more_than_a_head, "rope", TURN},
    {rope_of_odd, "rope", TURN},
    {rope_of_nothing, "rope", TURN},
    {rope_without_a_head, "rope", TURN},
    {rope_by_another_table, "rope", TURN},
    {rope_of_other_rows, "rope", TURN},
    {attention_of_no_heads, "attention", GROUPS},
    {attention_of_no_keys, "attention", GROUPS},
    {attention_of_odd_groups, "attention", GROUPS},
    {attention_of_a_negative_window, "attention", GROUPS},
    {attention_of_narrow_queries, "attention", "needs queries f32 [t, heads * head_dim]"},
    {attention_of_other_keys, "attention", STORED},
    {attention_of_other_heads, "attention", STORED},
    {attention_at_floats, "attention", "needs the positions of its queries"},
    {attention_at_other_rows, "attention", "needs the positions of its queries"},
    {attention_of_a_negative_softcap, "attention", CAP},
    {attention_of_no_softcap, "attention", CAP},
    {attention_of_an_endless_softcap, "attention", CAP},
    {bias_of_other_heads, "attention", BIAS},
    {bias_of_one_row, "attention", BIAS},
    {bias_that_is_computed, "attention", BIAS},
    {bias_of_halves, "attention", BIAS},
    {bias_at_floats, "attention", BIAS},
    {first_at_floats, "attention", "needs the first position of each of its queries"},
    {bias_at_other_rows, "attention", BIAS},
    {attention_of_a_state_and_a_store, "attention", STORED},
    {attention_of_weights, "attention", STORED},
    {attention_of_values_as_keys, "attention", STORED},
    {attention_of_two_lengths, "attention", STORED},
    {attention_of_two_types, "attention", STORED},
};

static void what_does_not_fit_is_refused(void **state)
{
    int n_wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        kw_graph *g = new_graph();
        kw_error err = {0};
        const refusal *r = &refusals[i];
        const kw_ref v = r->build(g);
        const kw_status status = kw_graph_finish(g, &err);
        if (v.id != 0 || status != KW_E_ARG || !strstr(err.message, r->op) ||
            !strstr(err.message, r->rule)) {
            print_error("refusal %zu: value %u, status %d \"%s\", expected \"%s: %s\"\n", i,
                        (unsigned)v.id, (int)status, err.message, r->op, r->rule);
            n_wrong++;
        }
        kw_graph_free(g);
    }
    assert_int_equal(n_wrong, 0);
}

/* A refusal names the shapes, and the leaves by name. */
static void refusals_name_the_shapes(void **state)
{
    kw_graph *g = new_graph();
    kw_error err = {0};
    (void)state;
    static const float data[1];
    (void)kw_matmul(g, rows(g, 64), kw_weight_leaf(g, "blk.0.attn_q", KW_F32, SHAPE(7, 63), data));
    assert_refused(kw_graph_finish(g, &err), KW_E_ARG, &err,
                   "got [8, 64] and blk.0.attn_q [7, 63]");
    kw_graph_free(g);
}

static void too_many_sources_are_refused(void **state)
{
    kw_graph *g = new_graph();
    kw_error err = {0};
    (void)state;
    const kw_ref x = rows(g, 4);
    const kw_ref five[] = {x, x, x, x, x};
    (void)kw_pointwise(g, &add_program, five, 5);
    assert_refused(kw_graph_finish(g, &err), KW_E_ARG, &err, "map of 5 sources");
    kw_graph_free(g);
}

/* After a failure every builder answers "no value" and changes nothing; finish tells the first. */
static void the_first_failure_sticks(void **state)
{
    kw_graph *g = new_graph();
    kw_error err = {0};
    (void)state;
    const kw_ref x = rows(g, 4);
    const uint32_t n = g->n_nodes;
    assert_int_equal(kw_add(g, x, rows(g, 5)).id, 0);
    const uint32_t n_stuck = g->n_nodes;
    assert_true(n_stuck >= n);
    assert_int_equal(kw_matmul(g, x, weight(g, SHAPE(3, 9))).id, 0);
    assert_int_equal(kw_rms_norm(g, x, KW_NONE, 1).id, 0);
    assert_int_equal(kw_gather(g, x, x).id, 0);
    assert_int_equal(ids(g).id, 0);
    assert_int_equal(kw_rope_table(g, x, some_freq, 7, 1).id, 0);
    kw_graph_output(g, x);
    assert_int_equal(g->n_outputs, 0);
    assert_int_equal(g->n_nodes, n_stuck);
    assert_refused(kw_graph_finish(g, &err), KW_E_ARG, &err, FIT);
    assert_refused(kw_graph_finish(g, &err), KW_E_ARG, &err, FIT);
    kw_graph_free(g);
}

static void values_that_do_not_exist_are_refused(void **state)
{
    kw_graph *g = new_graph();
    kw_error err = {0};
    (void)state;
    (void)kw_add(g, rows(g, 4), (kw_ref){1000});
    assert_refused(kw_graph_finish(g, &err), KW_E_INTERNAL, &err, "does not exist");
    kw_graph_free(g);
    g = new_graph();
    (void)kw_matmul(g, KW_NONE, weight(g, SHAPE(4, 4)));
    assert_refused(kw_graph_finish(g, &err), KW_E_INTERNAL, &err, "does not exist");
    kw_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_carry_what_they_are_given),
        cmocka_unit_test(compute_infers_its_shape),
        cmocka_unit_test(rotation_and_attention_infer),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(refusals_name_the_shapes),
        cmocka_unit_test(too_many_sources_are_refused),
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(values_that_do_not_exist_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
