/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* part.c - the graphs of a session (decoder, encoder, hidden states): states that they share by
 * name, and plans made when first used. */
#include "engine/engine.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define SCORE_BATCH 64 /* tokens of a chunk whose logits are all wanted */
#define FIRST_BOUND 64 /* tokens of the first plan of an encoder */

kw_status kw_session_reserve(kw_session *session, uint64_t bytes, const char *what, kw_error *err)
{
    KW_TRY(kw_engine_reserve(session->model->engine, bytes, what, err));
    session->reserved_bytes += bytes;
    return KW_OK;
}

static void close_part(kw_session_part *part)
{
    for (int i = 0; i < KW_N_BUCKETS; i++)
        kw_plan_free(part->plan[i]);
    kw_graph_free(part->graph);
    free(part->states);
    *part = (kw_session_part){0};
}

void kw_parts_close(kw_session *session)
{
    kw_engine *engine = session->model->engine;
    for (int i = 0; i < KW_N_NET_PARTS; i++)
        close_part(&session->part[i]);
    for (size_t i = 0; i < session->n_states; i++) {
        engine->backend->free(engine->device, session->states[i].data, session->states[i].bytes);
        free(session->states[i].name);
    }
    free(session->states);
    session->states = NULL;
    session->n_states = 0;
}

static kw_session_state *find_state(kw_session *session, const char *name)
{
    for (size_t i = 0; i < session->n_states; i++)
        if (strcmp(session->states[i].name, name) == 0)
            return &session->states[i];
    return NULL;
}

/* Whether a node is the first to name its state. */
static bool is_new_state(kw_session *session, const kw_graph *g, uint32_t id)
{
    const kw_node *node = kw_graph_node(g, id);
    if (node->op != KW_OP_STATE || find_state(session, node->name))
        return false;
    for (uint32_t i = 1; i < id; i++)
        if (kw_graph_node(g, i)->op == KW_OP_STATE &&
            strcmp(kw_graph_node(g, i)->name, node->name) == 0)
            return false;
    return true;
}

static kw_status add_state(kw_session *session, const kw_node *node, size_t bytes, kw_error *err)
{
    kw_engine *engine = session->model->engine;
    const size_t name_bytes = strlen(node->name) + 1;
    kw_session_state *states =
        realloc(session->states, (session->n_states + 1) * sizeof *session->states);
    if (states)
        session->states = states;
    char *name = malloc(name_bytes);
    void *data = engine->backend->alloc(engine->device, bytes);
    if (!states || !name || !data) {
        free(name);
        if (data)
            engine->backend->free(engine->device, data, bytes);
        return kw_fail(err, KW_E_NOMEM, "session: no memory for a cache of %zu bytes", bytes);
    }
    memcpy(name, node->name, name_bytes);
    states[session->n_states++] = (kw_session_state){name, data, bytes};
    return KW_OK;
}

/* The states of the graph that no other graph has named: their bytes are counted before any of them
 * is allocated. */
static kw_status make_states(kw_session *session, const kw_graph *g, kw_error *err)
{
    kw_engine *engine = session->model->engine;
    uint64_t total = 0;
    for (uint32_t id = 1; id < g->n_nodes; id++) {
        const kw_node *node = kw_graph_node(g, id);
        if (is_new_state(session, g, id) &&
            !kw_add_u64(total, engine->backend->state_bytes(engine->device, node), &total))
            return kw_fail(err, KW_E_LIMIT, "session: a cache of more than 2^64 bytes");
    }
    KW_TRY(kw_session_reserve(session, total, "the key/value cache", err));
    for (uint32_t id = 1; id < g->n_nodes; id++) {
        const kw_node *node = kw_graph_node(g, id);
        if (is_new_state(session, g, id))
            KW_TRY(
                add_state(session, node, engine->backend->state_bytes(engine->device, node), err));
    }
    return KW_OK;
}

/* The bounds that each bucket of a part has. */
static void set_bounds(const kw_session *session, kw_net_part part, kw_session_part *out)
{
    const int64_t batch = session->batch, score = KW_MIN(batch, SCORE_BATCH);
    const kw_engine *engine = session->model->engine;
    const int64_t few = KW_MIN(batch, engine->backend->few_tokens);
    const int64_t small = KW_MIN(batch, engine->backend->small_tokens(engine->device));
    const int64_t decoder[KW_N_BUCKETS][KW_N_EXTENTS] = {
        {0, 1, 1}, {0, few, few}, {0, small, small}, {0, batch, 1}, {0, score, score}};
    const int64_t all = part == KW_NET_HIDDEN ? batch : KW_MIN(session->context, FIRST_BOUND);
    const int64_t others[KW_N_BUCKETS][KW_N_EXTENTS] = {[KW_BUCKET_SCORE] = {0, all, all}};
    memcpy(out->bound, part == KW_NET_DECODER ? decoder : others, sizeof out->bound);
}

static kw_status open_part(kw_session *session, kw_net_part which, kw_error *err)
{
    kw_session_part *const part = &session->part[which];
    kw_net_options options = session->options;
    options.part = which;
    KW_TRY(kw_net_build(session->model->net, &options, &part->graph, err));
    KW_TRY(kw_session_adapt(session->model, session->adapters, session->n_adapters, &part->graph,
                            err));
    set_bounds(session, which, part);
    part->states = calloc((size_t)part->graph->n_states + 1, sizeof *part->states);
    if (!part->states)
        return kw_fail(err, KW_E_NOMEM, "session: no memory for %d states", part->graph->n_states);
    KW_TRY(make_states(session, part->graph, err));
    for (uint32_t id = 1; id < part->graph->n_nodes; id++) {
        const kw_node *node = kw_graph_node(part->graph, id);
        if (node->op == KW_OP_STATE)
            part->states[node->state.slot] = find_state(session, node->name)->data;
    }
    return KW_OK;
}

kw_status kw_part_open(kw_session *session, kw_net_part part, kw_error *err)
{
    if (session->part[part].graph)
        return KW_OK;
    const kw_status status = open_part(session, part, err);
    if (status != KW_OK)
        close_part(&session->part[part]);
    return status;
}

static void drop_plan(kw_session *session, kw_plan **plan)
{
    const uint64_t bytes = *plan ? kw_plan_bytes(*plan) : 0;
    kw_engine_release(session->model->engine, bytes);
    session->reserved_bytes -= bytes;
    kw_plan_free(*plan);
    *plan = NULL;
}

static kw_status need_plan(kw_session *session, kw_session_part *part, kw_bucket bucket, size_t n,
                           kw_error *err)
{
    int64_t *const bound = part->bound[bucket];
    if ((int64_t)n > bound[KW_EXTENT_TOKENS]) {
        int64_t all = KW_MAX(bound[KW_EXTENT_TOKENS], 1);
        while (all < (int64_t)n)
            all *= 2;
        all = KW_MIN(all, (int64_t)session->context);
        bound[KW_EXTENT_TOKENS] = bound[KW_EXTENT_OUTPUTS] = all;
        drop_plan(session, &part->plan[bucket]);
    }
    if (part->plan[bucket])
        return KW_OK;
    kw_engine *engine = session->model->engine;
    kw_plan *plan;
    KW_TRY(kw_plan_create(part->graph, engine->backend, engine->device, bound, &plan, err));
    const kw_status status = kw_session_reserve(session, kw_plan_bytes(plan), "work space", err);
    if (status != KW_OK) {
        kw_plan_free(plan);
        return status;
    }
    part->plan[bucket] = plan;
    return KW_OK;
}

kw_status kw_part_run(kw_session *session, kw_net_part which, kw_bucket bucket, size_t n,
                      size_t n_rows, float *out, kw_error *err)
{
    kw_session_part *const part = &session->part[which];
    const void *inputs[KW_N_SLOTS];
    void *outputs[1] = {out};
    KW_TRY(need_plan(session, part, bucket, n, err));
    for (int i = 0; i < KW_N_SLOTS; i++)
        inputs[i] = session->inputs[i];
    const kw_run_args args = {.live = {0, (int64_t)n, (int64_t)n_rows},
                              .inputs = inputs,
                              .states = part->states,
                              .outputs = outputs,
                              .cancel = &session->cancel,
                              .gate = kw_model_gate(session->model)};
    return kw_plan_run(part->plan[bucket], &args, err);
}
