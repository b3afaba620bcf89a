/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* collect.c - makes an importance matrix.
 *
 * The inputs of the matrix products are made outputs of a graph of its own, so that an ordinary run
 * pays nothing: the planner keeps them in f32 beside what it quantises. Products of one input share
 * its sums. The head and the embedding are left out, as llama.cpp does. */
#include "engine/collect.h"

#include "engine/engine.h"
#include "model/export.h"

#include "base/check.h"
#include "format/gguf_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64 /* tokens whose inputs are in memory */
#define NAME_BYTES 200

/* The input of one or more products. */
typedef struct tap {
    uint32_t node;
    size_t n;      /* its columns */
    double *sums;  /* [n] of squares */
    float *values; /* [BATCH][n] */
} tap;

typedef struct entry {
    char *name; /* GGUF's name of the weight; in the arena */
    size_t tap;
} entry;

typedef struct collector {
    kw_model *model;
    const kw_collect_config *config;
    kw_session *session; /* its cache is used */
    kw_graph *graph;
    kw_plan *plan;
    tap *taps;
    entry *entries;
    void **outputs; /* [1 + n_taps] */
    size_t n_taps, n_entries, windows;
    int bos;
    uint64_t n_tokens; /* read so far */
    uint64_t reserved;
    kw_arena arena;
} collector;

static kw_status nomem(kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "imatrix: no memory to collect");
}

static size_t find_tap(collector *c, uint32_t node)
{
    for (size_t i = 0; i < c->n_taps; i++)
        if (c->taps[i].node == node)
            return i;
    const kw_shape shape = kw_graph_node(c->graph, node)->shape;
    c->taps[c->n_taps] = (tap){.node = node, .n = (size_t)shape.dim[shape.rank - 1]};
    kw_graph_output(c->graph, (kw_ref){node});
    return c->n_taps++;
}

static kw_status add_product(collector *c, const kw_node *product, kw_error *err)
{
    char name[NAME_BYTES];
    const kw_node *const weight = kw_graph_node(c->graph, product->src[1]);
    if (!kw_net_gguf_name(c->model->net, kw_str_from(weight->name), name, sizeof name) ||
        strcmp(name, "output.weight") == 0 || strcmp(name, "token_embd.weight") == 0)
        return KW_OK;
    entry *const e = &c->entries[c->n_entries++];
    e->tap = find_tap(c, product->src[0]);
    e->name = kw_arena_strdup(&c->arena, kw_str_from(name));
    return e->name ? KW_OK : nomem(err);
}

static kw_status find_products(collector *c, kw_error *err)
{
    const uint32_t n = c->graph->n_nodes;
    c->taps = kw_arena_array(&c->arena, n, sizeof *c->taps);
    c->entries = kw_arena_array(&c->arena, n, sizeof *c->entries);
    if (!c->taps || !c->entries)
        return nomem(err);
    for (uint32_t id = 1; id < n; id++)
        if (kw_graph_node(c->graph, id)->op == KW_OP_MATMUL)
            KW_TRY(add_product(c, kw_graph_node(c->graph, id), err));
    return kw_graph_finish(c->graph, err);
}

static kw_status make_room(collector *c, kw_error *err)
{
    uint64_t bytes = kw_plan_bytes(c->plan);
    for (size_t i = 0; i < c->n_taps; i++)
        bytes += c->taps[i].n * (sizeof(double) + BATCH * sizeof(float));
    KW_TRY(kw_engine_reserve(c->model->engine, bytes, "collecting importances", err));
    c->reserved = bytes;
    c->outputs = kw_arena_array(&c->arena, c->n_taps + 1, sizeof *c->outputs);
    if (!c->outputs)
        return nomem(err);
    c->outputs[0] = c->session->logits;
    for (size_t i = 0; i < c->n_taps; i++) {
        tap *const t = &c->taps[i];
        t->sums = kw_arena_array(&c->arena, t->n, sizeof *t->sums);
        t->values = kw_arena_array(&c->arena, BATCH * t->n, sizeof *t->values);
        c->outputs[i + 1] = t->values;
        if (!t->sums || !t->values)
            return nomem(err);
    }
    return KW_OK;
}

static kw_status prepare(collector *c, size_t n_tokens, kw_error *err)
{
    const int64_t bound[KW_N_EXTENTS] = {0, BATCH, 1};
    const kw_engine *const engine = c->model->engine;
    kw_session_config session;
    kw_session_config_init(&session);
    session.context = c->config->window;
    session.batch = BATCH;
    c->windows = n_tokens / (size_t)c->config->window;
    if (c->config->max_windows > 0)
        c->windows = KW_MIN(c->windows, c->config->max_windows);
    if (c->windows == 0)
        return kw_fail(err, KW_E_ARG, "imatrix: %zu tokens are less than a window of %d", n_tokens,
                       c->config->window);
    KW_TRY(kw_session_open(c->model, &session, &c->session, err));
    KW_TRY(kw_graph_copy(c->session->part[KW_NET_DECODER].graph, bound, &c->graph, err));
    KW_TRY(find_products(c, err));
    KW_TRY(kw_plan_create(c->graph, engine->backend, engine->device, bound, &c->plan, err));
    return make_room(c, err);
}

static kw_status add_squares(collector *c, size_t n, kw_error *err)
{
    for (size_t i = 0; i < c->n_taps; i++) {
        tap *const t = &c->taps[i];
        for (size_t r = 0; r < n; r++)
            for (size_t k = 0; k < t->n; k++)
                t->sums[k] += (double)t->values[r * t->n + k] * (double)t->values[r * t->n + k];
        for (size_t k = 0; k < t->n; k++)
            if (!isfinite(t->sums[k]))
                return kw_fail(err, KW_E_FORMAT, "imatrix: the model's values are not finite");
    }
    c->n_tokens += n;
    return KW_OK;
}

static kw_status read_window(collector *c, const int32_t *tokens, kw_error *err)
{
    for (size_t at = 0; at < (size_t)c->config->window; at += BATCH) {
        const size_t n = KW_MIN((size_t)BATCH, (size_t)c->config->window - at);
        int32_t ids[BATCH], positions[BATCH], rows[1] = {0};
        for (size_t i = 0; i < n; i++) {
            ids[i] = at + i == 0 && c->bos >= 0 ? c->bos : tokens[at + i];
            positions[i] = (int32_t)(at + i);
        }
        const void *inputs[KW_N_DECODER_SLOTS] = {ids, positions, rows};
        const kw_run_args args = {.live = {0, (int64_t)n, 0},
                                  .inputs = inputs,
                                  .states = c->session->part[KW_NET_DECODER].states,
                                  .outputs = c->outputs};
        KW_TRY(kw_plan_run(c->plan, &args, err));
        KW_TRY(add_squares(c, n, err));
    }
    return KW_OK;
}

/* ---- the file ---- */

static char *joined(kw_arena *arena, const char *name, const char *suffix)
{
    char text[NAME_BYTES + 16];
    (void)snprintf(text, sizeof text, "%s%s", name, suffix);
    return kw_arena_strdup(arena, kw_str_from(text));
}

static kw_status write_entries(collector *c, kw_gguf_writer *writer, kw_error *err)
{
    const float count = (float)c->n_tokens;
    for (size_t i = 0; i < c->n_entries; i++) {
        tap *const t = &c->taps[c->entries[i].tap];
        for (size_t k = 0; k < t->n; k++)
            t->values[k] = (float)t->sums[k];
        KW_TRY(kw_gguf_write(writer, t->values, t->n * sizeof *t->values, err));
        KW_TRY(kw_gguf_write(writer, &count, sizeof count, err));
    }
    return KW_OK;
}

static kw_status write_file(collector *c, const char *path, kw_error *err)
{
    const kw_str dataset = kw_str_from(c->config->dataset ? c->config->dataset : "");
    const kw_meta metas[] = {
        {KW_STR("general.type"), kw_gguf_string(KW_STR("imatrix"))},
        {KW_STR("imatrix.datasets"), kw_gguf_array(KW_GGUF_STRING, &dataset, 1)},
        {KW_STR("imatrix.chunk_count"), kw_gguf_u32((uint32_t)c->windows)},
        {KW_STR("imatrix.chunk_size"), kw_gguf_u32((uint32_t)c->config->window)},
    };
    kw_gguf_writer *writer;
    kw_tensor_spec *const specs = kw_arena_array(&c->arena, 2 * c->n_entries, sizeof *specs);
    if (!specs)
        return nomem(err);
    for (size_t i = 0; i < c->n_entries; i++) {
        const entry *const e = &c->entries[i];
        const int64_t n = (int64_t)c->taps[e->tap].n;
        specs[2 * i] =
            (kw_tensor_spec){joined(&c->arena, e->name, ".in_sum2"), KW_F32, SHAPE(1, n)};
        specs[2 * i + 1] =
            (kw_tensor_spec){joined(&c->arena, e->name, ".counts"), KW_F32, SHAPE(1, 1)};
        if (!specs[2 * i].name || !specs[2 * i + 1].name)
            return nomem(err);
    }
    KW_TRY(kw_gguf_create(path, metas, KW_COUNT(metas), specs, 2 * c->n_entries, &writer, err));
    const kw_status status = write_entries(c, writer, err);
    const kw_status finished =
        kw_gguf_finish(writer, status == KW_OK, status == KW_OK ? err : NULL);
    return status == KW_OK ? finished : status;
}

static kw_status collect(collector *c, const int32_t *tokens, size_t n_tokens, const char *path,
                         kw_error *err)
{
    if (kw_net_has(c->model->net, KW_NET_ENCODER))
        return kw_fail(err, KW_E_UNSUPPORTED, "imatrix: models with an encoder are not supported");
    KW_TRY(kw_model_bos(c->model, &c->bos, err));
    KW_TRY(prepare(c, n_tokens, err));
    KW_TRY(kw_session_check_ids(c->model, tokens, c->windows * (size_t)c->config->window, err));
    for (size_t w = 0; w < c->windows; w++) {
        KW_TRY(read_window(c, tokens + w * (size_t)c->config->window, err));
        if (c->config->progress && !c->config->progress(c->config->user, w + 1, c->windows))
            return kw_fail(err, KW_E_CANCELLED, "imatrix: interrupted");
    }
    return write_file(c, path, err);
}

kw_status kw_imatrix_collect(kw_model *model, const int32_t *tokens, size_t n_tokens,
                             const char *path, const kw_collect_config *config, size_t *n_entries,
                             size_t *n_windows, kw_error *err)
{
    collector c = {.model = model, .config = config};
    const kw_status status = collect(&c, tokens, n_tokens, path, err);
    if (status == KW_OK) {
        *n_entries = c.n_entries;
        *n_windows = c.windows;
    }
    kw_plan_free(c.plan);
    kw_graph_free(c.graph);
    kw_session_close(c.session);
    kw_engine_release(model->engine, c.reserved);
    kw_arena_free(&c.arena);
    return status;
}
