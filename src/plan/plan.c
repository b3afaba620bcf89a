/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* plan.c - waves, lifetimes, layout, compilation.
 *
 * The wave of a node is one more than the highest wave among its sources: siblings (Q, K, V; gate,
 * up) meet in one wave by themselves. A value lives from the wave that writes it to the last that
 * reads it, both included, because the nodes of a wave run in any order; to the end of the run when
 * a late worker may still read it. */
#include "plan/plan.h"

#include "base/check.h"
#include "plan/memory.h"
#include "plan/rewrite.h"

#include <stdlib.h>
#include <string.h>

struct kw_plan {
    const kw_backend *backend;
    kw_device *device;
    kw_graph *graph;
    kw_program *program;
    size_t arena_bytes;
    uint32_t n_waves;
};

typedef struct layout {
    const kw_graph *g;
    uint32_t *wave;           /* [n_nodes] */
    uint32_t *order;          /* [n_order] computing nodes by wave */
    uint32_t *owner;          /* [n_nodes] whose place this value uses: itself unless in place */
    size_t *offset;           /* [n_nodes] */
    kw_extent_of_life *lives; /* [n_nodes] */
    uint32_t n_order, n_waves;
} layout;

static bool is_leaf(const kw_node *node)
{
    return node->op == KW_OP_INPUT || node->op == KW_OP_WEIGHT || node->op == KW_OP_STATE;
}

static bool is_output(const kw_graph *g, uint32_t id)
{
    for (uint32_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] == id)
            return true;
    return false;
}

/* Leaves count as wave "before 0", so that nodes of leaves only are in wave 0. */
static void assign_waves(layout *l)
{
    for (uint32_t id = 1; id < l->g->n_nodes; id++) {
        const kw_node *node = kw_graph_node(l->g, id);
        uint32_t wave = 0;
        if (is_leaf(node))
            continue;
        for (int i = 0; i < node->n_src; i++)
            if (!is_leaf(kw_graph_node(l->g, node->src[i])))
                wave = KW_MAX(wave, l->wave[node->src[i]] + 1);
        l->wave[id] = wave;
        l->n_waves = KW_MAX(l->n_waves, wave + 1);
        l->n_order++;
    }
    uint32_t at = 0;
    for (uint32_t wave = 0; wave < l->n_waves; wave++)
        for (uint32_t id = 1; id < l->g->n_nodes; id++)
            if (!is_leaf(kw_graph_node(l->g, id)) && l->wave[id] == wave)
                l->order[at++] = id;
}

/* Values in the arena: all but leaves, states after a store, and outputs. */
static bool needs_place(const kw_graph *g, uint32_t id)
{
    const kw_node *node = kw_graph_node(g, id);
    return !is_leaf(node) && node->op != KW_OP_STORE && !is_output(g, id);
}

/* The last wave that reads a value, and how often it is read there; the wave after all others when
 * one of its readers lingers. */
static uint32_t last_use(const layout *l, const kw_plan *plan, uint32_t id, uint32_t *n_at_last)
{
    uint32_t last = l->wave[id];
    *n_at_last = 0;
    for (uint32_t user = id + 1; user < l->g->n_nodes; user++) {
        const kw_node *node = kw_graph_node(l->g, user);
        for (int i = 0; i < node->n_src; i++) {
            if (node->src[i] != id)
                continue;
            if (plan->backend->lingers(plan->device, l->g, node)) {
                *n_at_last = 0;
                return l->n_waves;
            }
            if (l->wave[user] < last)
                continue;
            *n_at_last = l->wave[user] > last ? 1 : *n_at_last + 1;
            last = l->wave[user];
        }
    }
    return last;
}

/* Row kernels that may write where they read. */
static bool works_in_place(const kw_node *node)
{
    return node->op == KW_OP_MAP || node->op == KW_OP_NORM || node->op == KW_OP_ROPE;
}

/* A value takes over the place of a source that dies in it, when both are f32 rows of one shape. */
static void reuse_place(layout *l, uint32_t id, const uint32_t *last, const uint32_t *n_at_last)
{
    const kw_node *node = kw_graph_node(l->g, id);
    if (!works_in_place(node) || node->dtype != KW_F32 || !needs_place(l->g, id))
        return;
    /* A rotation reads all of its table while it writes: only x may be overwritten. */
    const int n_src = node->op == KW_OP_ROPE ? 1 : node->n_src;
    for (int i = 0; i < n_src; i++) {
        const uint32_t src = node->src[i];
        const kw_node *from = kw_graph_node(l->g, src);
        if (!needs_place(l->g, src) || from->dtype != KW_F32 || n_at_last[src] != 1 ||
            last[src] != l->wave[id] || !kw_shape_eq(from->shape, node->shape))
            continue;
        l->owner[id] = l->owner[src];
        l->lives[l->owner[src]].last = KW_MAX(l->lives[l->owner[src]].last, last[id]);
        return;
    }
}

static kw_status place_values(layout *l, kw_plan *plan, kw_error *err)
{
    const uint32_t n = l->g->n_nodes;
    uint32_t *last = calloc(n, sizeof *last), *n_at_last = calloc(n, sizeof *n_at_last);
    kw_status status = KW_OK;
    if (!last || !n_at_last)
        status = kw_fail(err, KW_E_NOMEM, "plan: no memory for %u lifetimes", (unsigned)n);
    for (uint32_t id = 1; status == KW_OK && id < n; id++) {
        last[id] = last_use(l, plan, id, &n_at_last[id]);
        l->owner[id] = id;
        l->lives[id] = (kw_extent_of_life){.first = l->wave[id], .last = last[id]};
    }
    for (uint32_t id = 1; status == KW_OK && id < n; id++) {
        reuse_place(l, id, last, n_at_last);
        if (needs_place(l->g, id) && l->owner[id] == id)
            l->lives[id].bytes = plan->backend->value_bytes(plan->device, kw_graph_node(l->g, id));
    }
    if (status == KW_OK)
        status = kw_memory_plan(l->lives, n, &plan->arena_bytes, err);
    for (uint32_t id = 1; status == KW_OK && id < n; id++)
        l->offset[id] = needs_place(l->g, id) ? l->lives[l->owner[id]].offset : KW_NO_OFFSET;
    free(last);
    free(n_at_last);
    return status;
}

static void layout_free(layout *l)
{
    free(l->wave);
    free(l->order);
    free(l->owner);
    free(l->offset);
    free(l->lives);
}

static kw_status layout_create(layout *l, const kw_graph *g, kw_error *err)
{
    const size_t n = g->n_nodes;
    *l = (layout){.g = g};
    l->wave = calloc(n, sizeof *l->wave);
    l->order = calloc(n, sizeof *l->order);
    l->owner = calloc(n, sizeof *l->owner);
    l->offset = calloc(n, sizeof *l->offset);
    l->lives = calloc(n, sizeof *l->lives);
    if (!l->wave || !l->order || !l->owner || !l->offset || !l->lives)
        return kw_fail(err, KW_E_NOMEM, "plan: no memory to lay out %zu nodes", n);
    assign_waves(l);
    return KW_OK;
}

static kw_status compile(kw_plan *plan, kw_error *err)
{
    layout l;
    kw_status status;
    KW_GOTO(status, layout_create(&l, plan->graph, err));
    KW_GOTO(status, place_values(&l, plan, err));
    plan->n_waves = l.n_waves;
    KW_GOTO(status, plan->backend->compile(plan->device,
                                           &(kw_unit){.graph = plan->graph,
                                                      .order = l.order,
                                                      .n_order = l.n_order,
                                                      .wave = l.wave,
                                                      .n_waves = l.n_waves,
                                                      .offset = l.offset,
                                                      .arena_bytes = plan->arena_bytes},
                                           &plan->program, err));
fail:
    layout_free(&l);
    return status;
}

void kw_plan_free(kw_plan *plan)
{
    if (!plan)
        return;
    if (plan->program)
        plan->backend->program_free(plan->device, plan->program);
    kw_graph_free(plan->graph);
    free(plan);
}

kw_status kw_plan_create(const kw_graph *graph, const kw_backend *backend, kw_device *device,
                         const int64_t bound[KW_N_EXTENTS], kw_plan **out, kw_error *err)
{
    kw_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return kw_fail(err, KW_E_NOMEM, "plan: no memory for a plan");
    plan->backend = backend;
    plan->device = device;
    kw_status status = kw_rewrite(graph, backend, device, bound, &plan->graph, err);
    for (uint32_t id = 1; status == KW_OK && id < plan->graph->n_nodes; id++) {
        const kw_node *node = kw_graph_node(plan->graph, id);
        if (!is_leaf(node) && !backend->supports(device, plan->graph, node))
            status = kw_fail(
                err, KW_E_UNSUPPORTED, "plan: %s cannot run %s of %s", backend->name,
                kw_op_get(node->op)->name,
                kw_dtype_info(kw_graph_node(plan->graph, node->src[node->n_src > 1])->dtype)->name);
    }
    if (status == KW_OK)
        status = compile(plan, err);
    if (status != KW_OK) {
        kw_plan_free(plan);
        return status;
    }
    *out = plan;
    return KW_OK;
}

kw_status kw_plan_run(kw_plan *plan, const kw_run_args *args, kw_error *err)
{
    KW_TRY(plan->backend->submit(plan->device, plan->program, args, err));
    return plan->backend->sync(plan->device, err);
}

size_t kw_plan_bytes(const kw_plan *plan)
{
    return plan->backend->program_bytes(plan->program);
}

void kw_plan_print(const kw_plan *plan, bool json, kw_buf *out)
{
    const int64_t *bound = plan->graph->bound;
    if (json)
        kw_buf_printf(out,
                      "{\"tokens\":%lld,\"outputs\":%lld,\"waves\":%u,\"arena_bytes\":%zu,"
                      "\"steps\":",
                      (long long)bound[KW_EXTENT_TOKENS], (long long)bound[KW_EXTENT_OUTPUTS],
                      (unsigned)plan->n_waves, plan->arena_bytes);
    else
        kw_buf_printf(out, "bucket: up to %lld tokens, %lld outputs on %s\n",
                      (long long)bound[KW_EXTENT_TOKENS], (long long)bound[KW_EXTENT_OUTPUTS],
                      plan->backend->name);
    plan->backend->program_print(plan->program, json, out);
    if (json)
        kw_buf_add(out, "}", 1);
}
