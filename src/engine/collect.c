/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* collect.c - makes an importance matrix.
 *
 * The inputs of the matrix products are made outputs of a graph of its own, so that an ordinary run
 * pays nothing: the planner keeps them in f32 beside what it quantises. Products of one input share
 * its sums; of experts each has its own, over the tokens that go to it. The head and the embedding
 * are left out, as llama.cpp does. */
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

/* A value of the graph that is looked at. */
typedef struct tap {
    uint32_t node;
    size_t n;      /* its columns */
    float *values; /* [BATCH][n] */
} tap;

/* What one or more products read of a tap: all of it, or, of experts, what each is given. */
typedef struct sum {
    size_t tap, route; /* route: the tap that says which experts; of one matrix: the tap itself */
    size_t matrices, n;
    double *squares; /* [matrices][n] */
    uint64_t *count; /* [matrices] */
} sum;

typedef struct entry {
    char *name; /* GGUF's name of the weight; in the arena */
    size_t sum;
} entry;

typedef struct collector {
    kw_model *model;
    const kw_collect_config *config;
    kw_session *session; /* its cache is used */
    kw_graph *graph;
    kw_plan *plan;
    tap *taps;
    sum *sums;
    entry *entries;
    void **outputs; /* [1 + n_taps] */
    float *row;     /* [longest] */
    size_t n_taps, n_sums, n_entries, longest, windows;
    int bos;
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

static size_t find_sum(collector *c, const kw_node *product, const kw_node *weight)
{
    const bool experts = product->op == KW_OP_EXPERTS;
    const size_t input = find_tap(c, product->src[0]);
    const size_t route = experts ? find_tap(c, product->src[2]) : input;
    for (size_t i = 0; i < c->n_sums; i++)
        if (c->sums[i].tap == input && c->sums[i].route == route)
            return i;
    c->sums[c->n_sums] = (sum){.tap = input,
                               .route = route,
                               .matrices = experts ? (size_t)weight->shape.dim[0] : 1,
                               .n = (size_t)weight->shape.dim[weight->shape.rank - 1]};
    return c->n_sums++;
}

/* The matrices of experts are called so in graphs of every kind of file. */
static bool name_of(const collector *c, const kw_node *product, const kw_node *weight,
                    char name[NAME_BYTES])
{
    if (product->op != KW_OP_EXPERTS)
        return kw_net_gguf_name(c->model->net, kw_str_from(weight->name), name, NAME_BYTES) &&
               strcmp(name, "output.weight") != 0 && strcmp(name, "token_embd.weight") != 0;
    (void)snprintf(name, NAME_BYTES, "%s", weight->name);
    return true;
}

static kw_status add_product(collector *c, const kw_node *product, kw_error *err)
{
    char name[NAME_BYTES];
    const kw_node weight = *kw_graph_node(c->graph, product->src[1]);
    const kw_node copy = *product; /* taps make the graph's outputs grow */
    if (!name_of(c, &copy, &weight, name))
        return KW_OK;
    entry *const e = &c->entries[c->n_entries++];
    e->sum = find_sum(c, &copy, &weight);
    e->name = kw_arena_strdup(&c->arena, kw_str_from(name));
    return e->name ? KW_OK : nomem(err);
}

static bool is_product(const kw_node *node)
{
    return node->op == KW_OP_MATMUL || node->op == KW_OP_EXPERTS;
}

static kw_status find_products(collector *c, kw_error *err)
{
    const uint32_t n = c->graph->n_nodes;
    c->taps = kw_arena_array(&c->arena, n, sizeof *c->taps);
    c->sums = kw_arena_array(&c->arena, n, sizeof *c->sums);
    c->entries = kw_arena_array(&c->arena, n, sizeof *c->entries);
    if (!c->taps || !c->sums || !c->entries)
        return nomem(err);
    for (uint32_t id = 1; id < n; id++)
        if (is_product(kw_graph_node(c->graph, id)))
            KW_TRY(add_product(c, kw_graph_node(c->graph, id), err));
    return kw_graph_finish(c->graph, err);
}

static kw_status make_room(collector *c, kw_error *err)
{
    uint64_t bytes = kw_plan_bytes(c->plan);
    for (size_t i = 0; i < c->n_taps; i++)
        bytes += c->taps[i].n * BATCH * sizeof(float);
    for (size_t i = 0; i < c->n_sums; i++) {
        bytes += c->sums[i].matrices * (c->sums[i].n * sizeof(double) + sizeof(uint64_t));
        c->longest = KW_MAX(c->longest, c->sums[i].n);
    }
    KW_TRY(kw_engine_reserve(c->model->engine, bytes, "collecting importances", err));
    c->reserved = bytes;
    c->outputs = kw_arena_array(&c->arena, c->n_taps + 1, sizeof *c->outputs);
    c->row = kw_arena_array(&c->arena, c->longest, sizeof *c->row);
    if (!c->outputs || !c->row)
        return nomem(err);
    c->outputs[0] = c->session->logits;
    for (size_t i = 0; i < c->n_taps; i++) {
        tap *const t = &c->taps[i];
        t->values = kw_arena_array(&c->arena, BATCH * t->n, sizeof *t->values);
        c->outputs[i + 1] = t->values;
        if (!t->values)
            return nomem(err);
    }
    for (size_t i = 0; i < c->n_sums; i++) {
        sum *const s = &c->sums[i];
        s->squares = kw_arena_array(&c->arena, s->matrices * s->n, sizeof *s->squares);
        s->count = kw_arena_array(&c->arena, s->matrices, sizeof *s->count);
        if (!s->squares || !s->count)
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

/* What matrix m is multiplied with. */
static void add_row(sum *s, size_t m, const float *values)
{
    double *const squares = s->squares + m * s->n;
    for (size_t k = 0; k < s->n; k++)
        squares[k] += (double)values[k] * (double)values[k];
    s->count[m]++;
}

/* One token: its row, or for each rank of its route the row, or that rank's part of it. */
static void add_token(sum *s, const tap *input, const tap *route, size_t token)
{
    const float *const row = input->values + token * input->n;
    const float *const to = route->values + token * route->n;
    const size_t used = route->n / 2;
    if (input == route) {
        add_row(s, 0, row);
        return;
    }
    for (size_t rank = 0; rank < used; rank++)
        add_row(s, (size_t)to[used + rank], input->n == s->n ? row : row + rank * s->n);
}

static kw_status add_squares(collector *c, size_t n, kw_error *err)
{
    for (size_t i = 0; i < c->n_sums; i++) {
        sum *const s = &c->sums[i];
        for (size_t r = 0; r < n; r++)
            add_token(s, &c->taps[s->tap], &c->taps[s->route], r);
        for (size_t k = 0; k < s->matrices * s->n; k++)
            if (!isfinite(s->squares[k]))
                return kw_fail(err, KW_E_FORMAT, "imatrix: the model's values are not finite");
    }
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
                                  .outputs = c->outputs,
                                  .gate = kw_model_gate(c->session->model)};
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

static kw_status write_sum(collector *c, const sum *s, kw_gguf_writer *writer, kw_error *err)
{
    for (size_t m = 0; m < s->matrices; m++) {
        for (size_t k = 0; k < s->n; k++)
            c->row[k] = (float)s->squares[m * s->n + k];
        KW_TRY(kw_gguf_write(writer, c->row, s->n * sizeof *c->row, err));
    }
    for (size_t m = 0; m < s->matrices; m++) {
        const float count = (float)s->count[m];
        KW_TRY(kw_gguf_write(writer, &count, sizeof count, err));
    }
    return KW_OK;
}

static kw_status write_entries(collector *c, kw_gguf_writer *writer, kw_error *err)
{
    for (size_t i = 0; i < c->n_entries; i++)
        KW_TRY(write_sum(c, &c->sums[c->entries[i].sum], writer, err));
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
        const sum *const s = &c->sums[e->sum];
        const int64_t n = (int64_t)s->n, matrices = (int64_t)s->matrices;
        specs[2 * i] =
            (kw_tensor_spec){joined(&c->arena, e->name, ".in_sum2"), KW_F32, SHAPE(matrices, n)};
        specs[2 * i + 1] =
            (kw_tensor_spec){joined(&c->arena, e->name, ".counts"), KW_F32, SHAPE(matrices, 1)};
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
