/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* builders.c - one small function per op: sources and attributes in, value out. */
#include "graph/graph.h"

#include "base/check.h"

#include <string.h>

static kw_ref add_named(kw_graph *g, kw_node *node, const char *name)
{
    if (g->error.code != KW_OK)
        return KW_NONE;
    node->name = kw_arena_strdup(&g->arena, kw_str_from(name));
    if (!node->name) {
        (void)kw_fail(&g->error, KW_E_NOMEM, "graph: no memory for the name \"%.100s\"", name);
        return KW_NONE;
    }
    return kw_graph_add(g, node);
}

kw_ref kw_input_leaf(kw_graph *g, const char *name, kw_extent extent)
{
    kw_node node = {.op = KW_OP_INPUT, .dtype = KW_I32, .shape = SHAPE(g->bound[extent])};
    node.extent[0] = (uint8_t)extent;
    node.input.slot = g->n_inputs++;
    return add_named(g, &node, name);
}

kw_ref kw_weight_leaf(kw_graph *g, const char *name, kw_dtype dtype, kw_shape shape,
                      const void *data)
{
    kw_node node = {.op = KW_OP_WEIGHT, .dtype = dtype, .shape = shape};
    node.weight.data = data;
    return add_named(g, &node, name);
}

kw_ref kw_constant(kw_graph *g, const char *name, kw_shape shape, const float *values)
{
    kw_node node = {.op = KW_OP_WEIGHT, .dtype = KW_F32, .shape = shape, .name = name};
    node.weight.data = values;
    node.weight.owned = true;
    return kw_graph_adopt(g, &node);
}

kw_ref kw_state(kw_graph *g, const char *name, kw_state_kind kind, kw_dtype dtype,
                int64_t positions, int kv_heads, int head_dim)
{
    kw_node node = {
        .op = KW_OP_STATE, .dtype = dtype, .shape = SHAPE(positions, (int64_t)kv_heads * head_dim)};
    node.state.kind = kind;
    node.state.kv_heads = kv_heads;
    node.state.head_dim = head_dim;
    node.state.slot = g->n_states++;
    return add_named(g, &node, name);
}

kw_ref kw_gather(kw_graph *g, kw_ref table, kw_ref indices)
{
    return kw_graph_add(g,
                        &(kw_node){.op = KW_OP_GATHER, .n_src = 2, .src = {table.id, indices.id}});
}

kw_ref kw_store(kw_graph *g, kw_ref state, kw_ref rows, kw_ref positions)
{
    return kw_graph_add(
        g, &(kw_node){.op = KW_OP_STORE, .n_src = 3, .src = {state.id, rows.id, positions.id}});
}

kw_ref kw_columns(kw_graph *g, kw_ref x, int64_t first, int64_t width, int64_t stride, int64_t runs)
{
    kw_node node = {.op = KW_OP_COLUMNS, .n_src = 1, .src = {x.id}};
    int64_t n = 0;
    if (g->error.code == KW_OK && !kw_shape_count(SHAPE(width, runs), &n))
        (void)kw_fail(&g->error, KW_E_ARG, "graph: %lld runs of %lld columns", (long long)runs,
                      (long long)width);
    node.columns.first = first;
    node.columns.width = width;
    node.columns.stride = stride;
    node.shape = SHAPE(0, n); /* the rule fills in the rows */
    return kw_graph_add(g, &node);
}

kw_ref kw_cast(kw_graph *g, kw_ref x, kw_dtype dtype)
{
    return kw_graph_add(g, &(kw_node){.op = KW_OP_CAST, .dtype = dtype, .n_src = 1, .src = {x.id}});
}

kw_ref kw_pointwise(kw_graph *g, const kw_map_program *program, const kw_ref *src, int n_src)
{
    if (g->error.code != KW_OK)
        return KW_NONE;
    kw_map_program *copy = kw_arena_alloc(&g->arena, sizeof *copy);
    if (!copy || n_src > KW_MAP_MAX_SRC) {
        (void)kw_fail(&g->error, copy ? KW_E_ARG : KW_E_NOMEM, "graph: map of %d sources", n_src);
        return KW_NONE;
    }
    *copy = *program;
    kw_node node = {.op = KW_OP_MAP, .dtype = KW_F32, .n_src = (uint8_t)n_src, .program = copy};
    for (int i = 0; i < n_src; i++)
        node.src[i] = src[i].id;
    return kw_graph_add(g, &node);
}

kw_ref kw_reduce(kw_graph *g, kw_ref x, kw_reduce_kind kind)
{
    kw_node node = {.op = KW_OP_REDUCE, .n_src = 1, .src = {x.id}};
    node.reduce = kind;
    return kw_graph_add(g, &node);
}

kw_ref kw_matmul(kw_graph *g, kw_ref x, kw_ref w)
{
    return kw_graph_add(g, &(kw_node){.op = KW_OP_MATMUL, .n_src = 2, .src = {x.id, w.id}});
}

kw_ref kw_norm(kw_graph *g, kw_norm_kind kind, kw_ref x, kw_ref w, kw_ref b, float eps)
{
    kw_node node = {.op = KW_OP_NORM, .dtype = KW_F32, .n_src = 1, .src = {x.id, w.id, b.id}};
    node.n_src = (uint8_t)(w.id == 0 ? 1 : b.id == 0 ? 2 : 3);
    node.norm.kind = kind;
    node.norm.eps = eps;
    return kw_graph_add(g, &node);
}

kw_ref kw_norm_parts(kw_graph *g, kw_ref x, kw_ref w, int parts, float eps)
{
    kw_node node = {.op = KW_OP_NORM, .dtype = KW_F32, .n_src = 2, .src = {x.id, w.id}};
    node.norm.kind = KW_NORM_RMS;
    node.norm.parts = parts;
    node.norm.eps = eps;
    return kw_graph_add(g, &node);
}

kw_ref kw_rope_table(kw_graph *g, kw_ref positions, const double *inv_freq, int n_rot,
                     float magnitude)
{
    if (g->error.code != KW_OK)
        return KW_NONE;
    const size_t n = n_rot > 0 ? (size_t)n_rot / 2 : 0;
    double *freq = kw_arena_array(&g->arena, n, sizeof *freq);
    if (!freq) {
        (void)kw_fail(&g->error, KW_E_NOMEM, "graph: no memory for %zu frequencies", n);
        return KW_NONE;
    }
    memcpy(freq, inv_freq, n * sizeof *freq);
    kw_node node = {.op = KW_OP_ROPE_TABLE, .n_src = 1, .src = {positions.id}};
    node.rope_table.n_rot = n_rot;
    node.rope_table.magnitude = magnitude;
    node.rope_table.inv_freq = freq;
    return kw_graph_add(g, &node);
}

kw_ref kw_rope(kw_graph *g, kw_ref x, kw_ref table, const kw_rope_attr *attr)
{
    return kw_graph_add(
        g, &(kw_node){.op = KW_OP_ROPE, .n_src = 2, .src = {x.id, table.id}, .rope = *attr});
}

kw_ref kw_attention(kw_graph *g, kw_ref q, kw_ref keys, kw_ref values, kw_ref last,
                    const kw_attention_attr *attr)
{
    kw_node node = {.op = KW_OP_ATTENTION, .n_src = 4, .src = {q.id, keys.id, values.id, last.id}};
    node.attention = *attr;
    return kw_graph_add(g, &node);
}

kw_ref kw_attention_biased(kw_graph *g, kw_ref q, kw_ref keys, kw_ref values, kw_ref last,
                           kw_ref bias, kw_ref own, const kw_attention_attr *attr)
{
    kw_node node = {.op = KW_OP_ATTENTION,
                    .n_src = 6,
                    .src = {q.id, keys.id, values.id, last.id, bias.id, own.id}};
    node.attention = *attr;
    node.attention.biased = true;
    return kw_graph_add(g, &node);
}

kw_ref kw_attention_from(kw_graph *g, kw_ref attention, kw_ref first)
{
    if (g->error.code != KW_OK)
        return KW_NONE;
    kw_node node = *kw_graph_node(g, attention.id);
    kw_assert(node.op == KW_OP_ATTENTION && !node.attention.begins && node.rope.n_rot == 0);
    node.src[node.n_src++] = first.id;
    node.attention.begins = true;
    return kw_graph_add(g, &node);
}

kw_ref kw_experts_leaf(kw_graph *g, const char *name, kw_dtype dtype, kw_shape shape,
                       const void *const *parts)
{
    kw_node node = {.op = KW_OP_WEIGHT, .dtype = dtype, .shape = shape, .name = name};
    node.weight.data = parts[0];
    node.weight.parts = parts;
    return kw_graph_adopt(g, &node);
}

kw_ref kw_route(kw_graph *g, kw_ref logits, int used, bool renormalise)
{
    kw_node node = {.op = KW_OP_ROUTE, .n_src = 1, .src = {logits.id}};
    node.route.renormalise = renormalise;
    node.shape = SHAPE(0, 2 * (int64_t)used); /* the rule fills in the rows */
    return kw_graph_add(g, &node);
}

kw_ref kw_experts(kw_graph *g, kw_ref x, kw_ref w, kw_ref route)
{
    return kw_graph_add(g,
                        &(kw_node){.op = KW_OP_EXPERTS, .n_src = 3, .src = {x.id, w.id, route.id}});
}

kw_ref kw_mix(kw_graph *g, kw_ref y, kw_ref route)
{
    return kw_graph_add(g, &(kw_node){.op = KW_OP_MIX, .n_src = 2, .src = {y.id, route.id}});
}

kw_ref kw_rms_norm(kw_graph *g, kw_ref x, kw_ref w, float eps)
{
    return kw_norm(g, KW_NORM_RMS, x, w, KW_NONE, eps);
}

kw_ref kw_add(kw_graph *g, kw_ref a, kw_ref b)
{
    const kw_map_program add = {2, 1, {{KW_MAP_ADD, 0, 1, 0}}};
    return kw_pointwise(g, &add, (kw_ref[]){a, b}, 2);
}

kw_ref kw_mul(kw_graph *g, kw_ref a, kw_ref b)
{
    const kw_map_program mul = {2, 1, {{KW_MAP_MUL, 0, 1, 0}}};
    return kw_pointwise(g, &mul, (kw_ref[]){a, b}, 2);
}

kw_ref kw_scale(kw_graph *g, kw_ref a, float factor)
{
    const kw_map_program scale = {1, 2, {{KW_MAP_CONST, 0, 0, factor}, {KW_MAP_MUL, 0, 1, 0}}};
    return kw_pointwise(g, &scale, &a, 1);
}

kw_ref kw_softcap(kw_graph *g, kw_ref a, float cap)
{
    const kw_map_program softcap = {1,
                                    4,
                                    {{KW_MAP_CONST, 0, 0, cap},
                                     {KW_MAP_DIV, 0, 1, 0},
                                     {KW_MAP_TANH, 2, 0, 0},
                                     {KW_MAP_MUL, 3, 1, 0}}};
    return kw_pointwise(g, &softcap, &a, 1);
}

kw_ref kw_silu_mul(kw_graph *g, kw_ref gate, kw_ref up)
{
    /* (gate * sigmoid(gate)) * up */
    const kw_map_program silu_mul = {
        2, 3, {{KW_MAP_SIGMOID, 0, 0, 0}, {KW_MAP_MUL, 0, 2, 0}, {KW_MAP_MUL, 3, 1, 0}}};
    return kw_pointwise(g, &silu_mul, (kw_ref[]){gate, up}, 2);
}
