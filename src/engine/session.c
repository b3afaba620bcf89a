/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* session.c - a cache, a position, and the plans that move it forward. */
#include "engine/engine.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_BATCH 512
#define SCORE_BATCH 64 /* tokens of a chunk whose logits are all wanted */
#define MAX_CONTEXT (1 << 26)

static const kw_dtype CACHE_DTYPES[] = {[KW_CACHE_F16] = KW_F16,
                                        [KW_CACHE_F32] = KW_F32,
                                        [KW_CACHE_BF16] = KW_BF16,
                                        [KW_CACHE_Q8_0] = KW_Q8_0};

void kw_session_config_init(kw_session_config *config)
{
    *config = (kw_session_config){.struct_size = sizeof *config};
}

void kw_session_close(kw_session *session)
{
    if (!session)
        return;
    kw_engine *engine = session->model->engine;
    for (int i = 0; i < KW_N_BUCKETS; i++)
        kw_plan_free(session->plan[i]);
    for (int i = 0; session->states && session->state_bytes && i < session->graph->n_states; i++)
        engine->backend->free(engine->device, session->states[i], session->state_bytes[i]);
    kw_engine_release(engine, session->reserved_bytes);
    kw_graph_free(session->graph);
    free(session->states);
    free(session->state_bytes);
    free(session->tokens);
    free(session->ids);
    free(session->positions);
    free(session->rows);
    free(session->logits);
    free(session);
}

static kw_status reserve(kw_session *session, uint64_t bytes, const char *what, kw_error *err)
{
    KW_TRY(kw_engine_reserve(session->model->engine, bytes, what, err));
    session->reserved_bytes += bytes;
    return KW_OK;
}

static kw_status open_states(kw_session *session, kw_error *err)
{
    kw_engine *engine = session->model->engine;
    const kw_graph *g = session->graph;
    const size_t n = (size_t)g->n_states;
    uint64_t total = 0;
    session->states = calloc(KW_MAX(n, (size_t)1), sizeof(void *));
    session->state_bytes = calloc(KW_MAX(n, (size_t)1), sizeof(size_t));
    if (!session->states || !session->state_bytes)
        return kw_fail(err, KW_E_NOMEM, "session: no memory for %zu states", n);
    for (uint32_t id = 1; id < g->n_nodes; id++) {
        const kw_node *node = kw_graph_node(g, id);
        if (node->op != KW_OP_STATE)
            continue;
        const size_t bytes = engine->backend->state_bytes(engine->device, node);
        session->state_bytes[node->state.slot] = bytes;
        if (!kw_add_u64(total, bytes, &total))
            return kw_fail(err, KW_E_LIMIT, "session: a cache of more than 2^64 bytes");
    }
    KW_TRY(reserve(session, total, "the key/value cache", err));
    for (size_t i = 0; i < n; i++) {
        session->states[i] = engine->backend->alloc(engine->device, session->state_bytes[i]);
        if (!session->states[i])
            return kw_fail(err, KW_E_NOMEM, "session: no memory for a cache of %llu MiB",
                           (unsigned long long)(total >> 20));
    }
    return KW_OK;
}

static kw_status open_buffers(kw_session *session, kw_error *err)
{
    const size_t batch = (size_t)session->batch;
    session->tokens = calloc((size_t)session->context, sizeof *session->tokens);
    session->ids = calloc(batch, sizeof *session->ids);
    session->positions = calloc(batch, sizeof *session->positions);
    session->rows = calloc(batch, sizeof *session->rows);
    session->logits = calloc((size_t)session->model->vocab, sizeof *session->logits);
    if (!session->tokens || !session->ids || !session->positions || !session->rows ||
        !session->logits)
        return kw_fail(err, KW_E_NOMEM, "session: no memory for a batch of %zu tokens", batch);
    return KW_OK;
}

static kw_status open_session(kw_session *session, const kw_session_config *config, kw_error *err)
{
    const kw_model *model = session->model;
    const int64_t trained = model->net->family->context(model->net->config);
    const int asked = config ? config->context : 0, batch = config ? config->batch : 0;
    if (asked < 0 || asked > MAX_CONTEXT || batch < 0 || batch > MAX_CONTEXT)
        return kw_fail(err, KW_E_ARG, "session: context %d, batch %d: must be 0 to %d", asked,
                       batch, MAX_CONTEXT);
    session->context = asked > 0 ? asked : (int)KW_MIN(trained, (int64_t)KW_DEFAULT_CONTEXT);
    session->batch = KW_MIN(batch > 0 ? batch : DEFAULT_BATCH, session->context);
    if (session->context > trained)
        kw_log_print(&model->engine->log, KW_LOG_WARN,
                     "session: a context of %d, the model was trained for %lld", session->context,
                     (long long)trained);
    const int64_t batch_bound = session->batch, score = KW_MIN(batch_bound, SCORE_BATCH);
    const int64_t few = KW_MIN(batch_bound, model->engine->backend->few_tokens);
    const int64_t bounds[KW_N_BUCKETS][KW_N_EXTENTS] = {
        {0, 1, 1}, {0, few, few}, {0, batch_bound, 1}, {0, score, score}};
    memcpy(session->bound, bounds, sizeof bounds);
    const kw_cache_type cache = config ? config->cache : KW_CACHE_F16;
    if ((size_t)cache >= KW_COUNT(CACHE_DTYPES))
        return kw_fail(err, KW_E_ARG, "session: cache type %d: must be 0 to %zu", (int)cache,
                       KW_COUNT(CACHE_DTYPES) - 1);
    const kw_net_options options = {session->context, CACHE_DTYPES[cache]};
    KW_TRY(kw_net_build(model->net, &options, &session->graph, err));
    if (config)
        KW_TRY(kw_session_adapt(model, config->adapters, config->n_adapters, &session->graph, err));
    KW_TRY(open_states(session, err));
    return open_buffers(session, err);
}

kw_status kw_session_open(kw_model *model, const kw_session_config *config, kw_session **out,
                          kw_error *err)
{
    if (config && config->struct_size != sizeof *config)
        return kw_fail(err, KW_E_ARG, "session: config of %zu bytes, this library has %zu",
                       config->struct_size, sizeof *config);
    kw_session *session = calloc(1, sizeof *session);
    if (!session)
        return kw_fail(err, KW_E_NOMEM, "session: no memory for a session");
    session->model = model;
    const kw_status status = open_session(session, config, err);
    if (status != KW_OK) {
        kw_session_close(session);
        return status;
    }
    *out = session;
    return KW_OK;
}

int kw_session_position(const kw_session *session)
{
    return session->position;
}

int kw_session_context(const kw_session *session)
{
    return session->context;
}

kw_status kw_session_rewind(kw_session *session, int position, kw_error *err)
{
    if (position < 0 || position > session->position)
        return kw_fail(err, KW_E_ARG, "session: rewind to %d, the session is at %d", position,
                       session->position);
    session->position = position;
    return KW_OK;
}

void kw_session_cancel(kw_session *session)
{
    atomic_store_explicit(&session->cancel, true, memory_order_relaxed);
}

static kw_status need_plan(kw_session *session, kw_bucket bucket, kw_error *err)
{
    if (session->plan[bucket])
        return KW_OK;
    kw_engine *engine = session->model->engine;
    kw_plan *plan;
    KW_TRY(kw_plan_create(session->graph, engine->backend, engine->device, session->bound[bucket],
                          &plan, err));
    const kw_status status = reserve(session, kw_plan_bytes(plan), "work space", err);
    if (status != KW_OK) {
        kw_plan_free(plan);
        return status;
    }
    session->plan[bucket] = plan;
    return KW_OK;
}

/* One run of at most a bucket's tokens. n_rows logits rows are written: 0, 1 (the last) or n. */
static kw_status step(kw_session *session, const int32_t *tokens, size_t n, size_t n_rows,
                      float *logits, kw_error *err)
{
    const bool few = (int64_t)n <= session->bound[KW_BUCKET_FEW][KW_EXTENT_TOKENS];
    const kw_bucket bucket = n == 1       ? KW_BUCKET_DECODE
                             : few        ? KW_BUCKET_FEW
                             : n_rows > 1 ? KW_BUCKET_SCORE
                                          : KW_BUCKET_PROMPT;
    KW_TRY(need_plan(session, bucket, err));
    for (size_t i = 0; i < n; i++) {
        session->ids[i] = tokens[i];
        session->positions[i] = session->position + (int32_t)i;
        session->rows[i] = (int32_t)(n - n_rows + i); /* only the first n_rows are read */
    }
    const void *inputs[KW_N_SLOTS] = {session->ids, session->positions, session->rows};
    void *outputs[1] = {logits};
    const kw_run_args args = {.live = {0, (int64_t)n, (int64_t)n_rows},
                              .inputs = inputs,
                              .states = session->states,
                              .outputs = outputs,
                              .cancel = &session->cancel};
    KW_TRY(kw_plan_run(session->plan[bucket], &args, err));
    memcpy(session->tokens + session->position, tokens, n * sizeof *tokens);
    session->position += (int)n;
    return KW_OK;
}

kw_status kw_session_check_ids(const kw_model *model, const int32_t *tokens, size_t n,
                               kw_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= model->vocab)
            return kw_fail(err, KW_E_ARG, "session: token %d (index %zu) is not in 0 to %lld",
                           (int)tokens[i], i, (long long)model->vocab - 1);
    return KW_OK;
}

kw_status kw_session_check(const kw_session *session, const int32_t *tokens, size_t n,
                           kw_error *err)
{
    if (n == 0)
        return kw_fail(err, KW_E_ARG, "session: no tokens");
    if (n > (size_t)(session->context - session->position))
        return kw_fail(err, KW_E_LIMIT, "session: %zu tokens at position %d pass the context of %d",
                       n, session->position, session->context);
    return kw_session_check_ids(session->model, tokens, n, err);
}

kw_status kw_session_advance(kw_session *session, const int32_t *tokens, size_t n, bool last_only,
                             float *logits, kw_error *err)
{
    KW_TRY(kw_session_check(session, tokens, n, err));
    const bool all = logits && !last_only;
    const size_t most =
        (size_t)session->bound[all ? KW_BUCKET_SCORE : KW_BUCKET_PROMPT][KW_EXTENT_TOKENS];
    for (size_t done = 0; done < n;) {
        const size_t count = KW_MIN(n - done, most);
        const bool last = done + count == n;
        const size_t rows = all ? count : logits && last ? 1 : 0;
        float *to = all ? logits + done * (size_t)session->model->vocab : logits;
        /* A single token always computes its row: somewhere to put it. */
        KW_TRY(step(session, tokens + done, count, rows, rows ? to : session->logits, err));
        done += count;
    }
    return KW_OK;
}

kw_status kw_session_eval(kw_session *session, const int32_t *tokens, size_t n, bool last_only,
                          float *logits, kw_error *err)
{
    atomic_store_explicit(&session->cancel, false, memory_order_relaxed);
    return kw_session_advance(session, tokens, n, last_only, logits, err);
}
