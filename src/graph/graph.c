/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* graph.c - the node array: creation, copying, appending, verification.
 *
 * Invariant: every source id is below the id of its user, so array order is a topological order. */
#include "graph/graph.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NODES (1u << 20)

kw_status kw_graph_create(const int64_t bound[KW_N_EXTENTS], kw_graph **out, kw_error *err)
{
    kw_graph *g = calloc(1, sizeof *g);
    if (!g)
        return kw_fail(err, KW_E_NOMEM, "graph: no memory for a graph");
    memcpy(g->bound, bound, sizeof g->bound);
    g->bound[KW_EXTENT_STATIC] = 0;
    g->n_nodes = 1;
    *out = g;
    return KW_OK;
}

void kw_graph_free(kw_graph *graph)
{
    if (!graph)
        return;
    kw_arena_free(&graph->arena);
    free(graph->nodes);
    free(graph->outputs);
    free(graph);
}

static bool grow(void **array, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap)
        return true;
    const uint32_t cap_new = KW_MAX(64, *cap * 2);
    void *p = realloc(*array, cap_new * size);
    if (!p)
        return false;
    *array = p;
    *cap = cap_new;
    return true;
}

static kw_ref stuck(kw_graph *g, kw_status status, const char *what)
{
    if (g->error.code == KW_OK)
        (void)kw_fail(&g->error, status, "graph: %s", what);
    return KW_NONE;
}

kw_ref kw_graph_add(kw_graph *g, const kw_node *node)
{
    if (g->error.code != KW_OK)
        return KW_NONE;
    if (g->n_nodes >= MAX_NODES)
        return stuck(g, KW_E_LIMIT, "more than 1048576 nodes");
    void *nodes = g->nodes;
    if (!grow(&nodes, &g->cap_nodes, g->n_nodes + 1, sizeof *g->nodes))
        return stuck(g, KW_E_NOMEM, "no memory for another node");
    g->nodes = nodes;
    kw_node added = *node;
    if (!added.name)
        added.name = "";
    const kw_op_info *info = kw_op_get(added.op);
    if (added.n_src < info->min_src || added.n_src > info->max_src)
        return stuck(g, KW_E_INTERNAL, "a node has too few or too many sources");
    for (int i = 0; i < added.n_src; i++)
        if (added.src[i] == 0 || added.src[i] >= g->n_nodes)
            return stuck(g, KW_E_INTERNAL, "a node uses a value that does not exist");
    if (info->infer(g, &added, &g->error) != KW_OK)
        return KW_NONE;
    g->nodes[g->n_nodes] = added;
    return (kw_ref){g->n_nodes++};
}

void kw_graph_output(kw_graph *g, kw_ref value)
{
    if (g->error.code != KW_OK)
        return;
    if (value.id == 0 || value.id >= g->n_nodes) {
        (void)stuck(g, KW_E_INTERNAL, "an output is no value");
        return;
    }
    void *outputs = g->outputs;
    if (!grow(&outputs, &g->cap_outputs, g->n_outputs + 1, sizeof *g->outputs)) {
        (void)stuck(g, KW_E_NOMEM, "no memory for another output");
        return;
    }
    g->outputs = outputs;
    g->outputs[g->n_outputs++] = value.id;
}

/* A copy of an array in the graph's arena; NULL sticks. */
static void *keep(kw_graph *g, const void *data, size_t n, size_t size)
{
    void *copy = kw_arena_array(&g->arena, n, size);
    if (!copy)
        (void)stuck(g, KW_E_NOMEM, "no memory for a table");
    else if (n > 0)
        memcpy(copy, data, n * size);
    return copy;
}

kw_ref kw_graph_adopt(kw_graph *g, const kw_node *node)
{
    if (g->error.code != KW_OK)
        return KW_NONE;
    kw_node copy = *node;
    copy.name = kw_arena_strdup(&g->arena, kw_str_from(node->name));
    if (!copy.name)
        return stuck(g, KW_E_NOMEM, "no memory for a name");
    for (int d = 0; d < copy.shape.rank; d++)
        if (copy.extent[d] != KW_EXTENT_STATIC)
            copy.shape.dim[d] = g->bound[copy.extent[d]];
    if (node->program) {
        kw_map_program *program = kw_arena_alloc(&g->arena, sizeof *program);
        if (!program)
            return stuck(g, KW_E_NOMEM, "no memory for a program");
        *program = *node->program;
        copy.program = program;
    }
    if (node->op == KW_OP_ROPE_TABLE) {
        const size_t n = (size_t)node->rope_table.n_rot / 2;
        copy.rope_table.inv_freq = keep(g, node->rope_table.inv_freq, n, sizeof(double));
        if (!copy.rope_table.inv_freq)
            return KW_NONE;
    }
    if (node->op == KW_OP_WEIGHT && node->weight.parts) {
        const int64_t n = node->shape.dim[0];
        copy.weight.parts = keep(g, node->weight.parts, n > 0 ? (size_t)n : 0, sizeof(void *));
        if (!copy.weight.parts)
            return KW_NONE;
    }
    if (node->op == KW_OP_WEIGHT && node->weight.owned) {
        int64_t n;
        const bool counts = kw_shape_count(node->shape, &n) && n > 0;
        copy.weight.data = keep(g, node->weight.data, counts ? (size_t)n : 0, sizeof(float));
        if (!copy.weight.data)
            return KW_NONE;
    }
    return kw_graph_add(g, &copy);
}

kw_status kw_graph_copy(const kw_graph *graph, const int64_t bound[KW_N_EXTENTS], kw_graph **out,
                        kw_error *err)
{
    kw_graph *g;
    KW_TRY(kw_graph_create(bound, &g, err));
    for (uint32_t id = 1; id < graph->n_nodes; id++)
        (void)kw_graph_adopt(g, &graph->nodes[id]);
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        kw_graph_output(g, (kw_ref){graph->outputs[i]});
    g->n_states = graph->n_states;
    g->n_inputs = graph->n_inputs;
    if (g->error.code != KW_OK) {
        if (err)
            *err = g->error;
        const kw_status status = g->error.code;
        kw_graph_free(g);
        return status;
    }
    *out = g;
    return KW_OK;
}

static bool same_type(const kw_node *a, const kw_node *b)
{
    return a->dtype == b->dtype && kw_shape_eq(a->shape, b->shape) &&
           memcmp(a->extent, b->extent, sizeof a->extent) == 0;
}

static kw_status verify_node(const kw_graph *g, uint32_t id, kw_error *err)
{
    const kw_node *node = &g->nodes[id];
    if (node->op <= KW_OP_NONE || node->op >= KW_N_OPS)
        return kw_fail(err, KW_E_INTERNAL, "graph: node %u: %d is no op", (unsigned)id,
                       (int)node->op);
    const kw_op_info *info = kw_op_get(node->op);
    if (node->n_src < info->min_src || node->n_src > info->max_src)
        return kw_fail(err, KW_E_INTERNAL, "graph: node %u (%s): %d sources, it takes %d to %d",
                       (unsigned)id, info->name, node->n_src, info->min_src, info->max_src);
    for (int i = 0; i < node->n_src; i++)
        if (node->src[i] == 0 || node->src[i] >= id)
            return kw_fail(err, KW_E_INTERNAL,
                           "graph: node %u (%s): source %d is value %u, not an earlier one",
                           (unsigned)id, info->name, i, (unsigned)node->src[i]);
    kw_node again = *node;
    KW_TRY(info->infer(g, &again, err));
    if (!same_type(node, &again))
        return kw_fail(err, KW_E_INTERNAL,
                       "graph: node %u (%s): shape or dtype is not what its sources give",
                       (unsigned)id, info->name);
    return KW_OK;
}

static kw_status verify_output(const kw_graph *g, uint32_t i, kw_error *err)
{
    const uint32_t id = g->outputs[i];
    if (id == 0 || id >= g->n_nodes)
        return kw_fail(err, KW_E_INTERNAL, "graph: output %u is no value", (unsigned)i);
    const kw_node *node = &g->nodes[id];
    if (node->op != KW_OP_STORE && (node->n_src == 0 || node->dtype != KW_F32))
        return kw_fail(err, KW_E_ARG, "graph: output %u (%s) is not computed as f32 rows",
                       (unsigned)i, kw_op_get(node->op)->name);
    for (uint32_t j = 0; j < i; j++)
        if (g->outputs[j] == id)
            return kw_fail(err, KW_E_ARG, "graph: output %u is output %u again", (unsigned)i,
                           (unsigned)j);
    return KW_OK;
}

kw_status kw_graph_verify(const kw_graph *graph, kw_error *err)
{
    for (uint32_t id = 1; id < graph->n_nodes; id++)
        KW_TRY(verify_node(graph, id, err));
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        KW_TRY(verify_output(graph, i, err));
    return KW_OK;
}

kw_status kw_graph_finish(kw_graph *graph, kw_error *err)
{
    if (graph->error.code != KW_OK) {
        if (err)
            *err = graph->error;
        return graph->error.code;
    }
    if (graph->n_outputs == 0)
        return kw_fail(err, KW_E_ARG, "graph: it has no output");
    return kw_graph_verify(graph, err);
}
