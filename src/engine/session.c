/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* session.c - a cache, a position, and the plans that move it forward. */
#include "engine/engine.h"

#include "engine/constrain.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_BATCH 256 /* half the work space of 512, and as fast */
#define MAX_CONTEXT (1 << 26)

static const kw_dtype CACHE_DTYPES[] = {[KW_CACHE_F16] = KW_F16,
                                        [KW_CACHE_F32] = KW_F32,
                                        [KW_CACHE_BF16] = KW_BF16,
                                        [KW_CACHE_Q8_0] = KW_Q8_0};

void kw_session_place(kw_session *session, const int32_t *tokens, size_t n, int first, int seen)
{
    for (size_t i = 0; i < n; i++) {
        session->inputs[KW_SLOT_TOKENS][i] = tokens[i];
        session->inputs[KW_SLOT_POSITIONS][i] = first + (int32_t)i;
        session->inputs[KW_SLOT_SEEN][i] = seen;
    }
}

void kw_session_config_init(kw_session_config *config)
{
    *config = (kw_session_config){.struct_size = sizeof *config};
}

void kw_session_close(kw_session *session)
{
    if (!session)
        return;
    kw_constrainer_free(session->constrainer);
    kw_parts_close(session);
    kw_engine_release(session->model->engine, session->reserved_bytes);
    for (int i = 0; i < KW_N_SLOTS; i++)
        free(session->inputs[i]);
    free(session->adapters);
    free(session->tokens);
    free(session->logits);
    free(session);
}

/* An encoder reads all of its input at once, a decoder a batch. */
static kw_status open_buffers(kw_session *session, kw_error *err)
{
    const kw_model *model = session->model;
    const bool decodes = kw_net_has(model->net, KW_NET_DECODER);
    const size_t n =
        (size_t)(kw_net_has(model->net, KW_NET_ENCODER) ? session->context : session->batch);
    bool ok = true;
    session->tokens = calloc((size_t)session->context, sizeof *session->tokens);
    session->logits = decodes ? calloc((size_t)model->vocab, sizeof *session->logits) : NULL;
    for (int i = 0; i < KW_N_SLOTS; i++) {
        session->inputs[i] = calloc(n, sizeof *session->inputs[i]);
        ok = ok && session->inputs[i];
    }
    if (!ok || !session->tokens || (decodes && !session->logits))
        return kw_fail(err, KW_E_NOMEM, "session: no memory for a batch of %zu tokens", n);
    return KW_OK;
}

static kw_status choose_context(kw_session *session, const kw_session_config *config, kw_error *err)
{
    const kw_model *model = session->model;
    const int64_t trained = model->net->family->context(model->net->config);
    const int asked = config ? config->context : 0, batch = config ? config->batch : 0;
    if (asked < 0 || asked > MAX_CONTEXT || batch < 0 || batch > MAX_CONTEXT)
        return kw_fail(err, KW_E_ARG, "session: context %d, batch %d: must be 0 to %d", asked,
                       batch, MAX_CONTEXT);
    session->context = asked > 0 ? asked : (int)KW_MIN(trained, (int64_t)KW_DEFAULT_CONTEXT);
    session->batch = KW_MIN(batch > 0 ? batch : DEFAULT_BATCH, session->context);
    if (session->context <= trained)
        return KW_OK;
    if (model->net->family->learned_positions)
        return kw_fail(err, KW_E_LIMIT, "session: a context of %d: this model has %lld positions",
                       session->context, (long long)trained);
    kw_log_print(&model->engine->log, KW_LOG_WARN,
                 "session: a context of %d, the model was trained for %lld", session->context,
                 (long long)trained);
    return KW_OK;
}

/* The caller's array is read while the session opens; later parts need it, too. */
static kw_status keep_adapters(kw_session *session, const kw_session_config *config, kw_error *err)
{
    const size_t n = config ? config->n_adapters : 0;
    session->adapters = calloc(n + 1, sizeof *session->adapters);
    if (!session->adapters)
        return kw_fail(err, KW_E_NOMEM, "session: no memory for %zu adapters", n);
    if (n > 0)
        memcpy(session->adapters, config->adapters, n * sizeof *session->adapters);
    session->n_adapters = n;
    return KW_OK;
}

static kw_status open_session(kw_session *session, const kw_session_config *config, kw_error *err)
{
    const kw_cache_type cache = config ? config->cache : KW_CACHE_F16;
    KW_TRY(choose_context(session, config, err));
    if ((size_t)cache >= KW_COUNT(CACHE_DTYPES))
        return kw_fail(err, KW_E_ARG, "session: cache type %d: must be 0 to %zu", (int)cache,
                       KW_COUNT(CACHE_DTYPES) - 1);
    session->options = (kw_net_options){session->context, CACHE_DTYPES[cache], KW_NET_DECODER};
    KW_TRY(keep_adapters(session, config, err));
    if (kw_net_has(session->model->net, KW_NET_DECODER))
        KW_TRY(kw_part_open(session, KW_NET_DECODER, err));
    if (kw_net_has(session->model->net, KW_NET_ENCODER))
        KW_TRY(kw_part_open(session, KW_NET_ENCODER, err));
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

/* One run of at most a bucket's tokens. n_rows logits rows are written: 0, 1 (the last) or n. */
static kw_status step(kw_session *session, const int32_t *tokens, size_t n, size_t n_rows,
                      float *logits, kw_error *err)
{
    const kw_session_part *const part = &session->part[KW_NET_DECODER];
    const bool few = (int64_t)n <= part->bound[KW_BUCKET_FEW][KW_EXTENT_TOKENS];
    const bool small = (int64_t)n <= part->bound[KW_BUCKET_SMALL][KW_EXTENT_TOKENS];
    const kw_bucket bucket = n == 1       ? KW_BUCKET_DECODE
                             : few        ? KW_BUCKET_FEW
                             : small      ? KW_BUCKET_SMALL
                             : n_rows > 1 ? KW_BUCKET_SCORE
                                          : KW_BUCKET_PROMPT;
    kw_session_place(session, tokens, n, session->position, session->source - 1);
    for (size_t i = 0; i < n; i++) /* only the first n_rows are read */
        session->inputs[KW_SLOT_ROWS][i] = (int32_t)(n - n_rows + i);
    KW_TRY(kw_part_run(session, KW_NET_DECODER, bucket, n, n_rows, logits, err));
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

/* Why a session cannot write: it has no decoder, or its decoder nothing to attend to. */
static kw_status check_decoder(const kw_session *session, kw_error *err)
{
    const kw_net *net = session->model->net;
    if (!kw_net_has(net, KW_NET_DECODER))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "session: %.*s has no decoder: it makes embeddings, no text",
                       KW_FMT(net->arch));
    if (kw_net_has(net, KW_NET_ENCODER) && session->source == 0)
        return kw_fail(err, KW_E_ARG, "session: the encoder has read nothing yet");
    return KW_OK;
}

kw_status kw_session_check(const kw_session *session, const int32_t *tokens, size_t n,
                           kw_error *err)
{
    KW_TRY(check_decoder(session, err));
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
    const kw_session_part *const part = &session->part[KW_NET_DECODER];
    const size_t most =
        (size_t)part->bound[all ? KW_BUCKET_SCORE : KW_BUCKET_PROMPT][KW_EXTENT_TOKENS];
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

size_t kw_source_place(size_t at, size_t n)
{
    const size_t unit = n > KW_ATTENTION_SPLIT  ? KW_ATTENTION_SPLIT
                        : n > KW_ATTENTION_TILE ? KW_ATTENTION_TILE
                                                : KW_ATTENTION_LANES;
    /* What it fits into from place 0 on, it must fit into here. */
    const size_t within = n > KW_ATTENTION_TILE ? KW_ATTENTION_SPLIT : KW_ATTENTION_TILE;
    const size_t place = kw_align_up(at, unit);
    return n <= within && place % within + n > within ? kw_align_up(place, within) : place;
}

kw_status kw_session_check_source(const kw_session *session, const int32_t *tokens, size_t n,
                                  kw_error *err)
{
    if (n == 0)
        return kw_fail(err, KW_E_ARG, "session: no tokens");
    if (n > (size_t)session->context)
        return kw_fail(err, KW_E_LIMIT,
                       "session: %zu tokens are more than the %d that the encoder reads at once", n,
                       session->context);
    return kw_session_check_ids(session->model, tokens, n, err);
}

/* The inputs of a text's tokens, which are those from `row` on of a run. */
static void place_text(kw_session *session, const kw_source_text *text, size_t row)
{
    const int32_t first = (int32_t)text->place, last = (int32_t)(text->place + text->n - 1);
    for (size_t i = 0; i < text->n; i++) {
        session->inputs[KW_SLOT_TOKENS][row + i] = text->tokens[i];
        session->inputs[KW_SLOT_POSITIONS][row + i] = (int32_t)i;
        session->inputs[KW_SLOT_ROWS][row + i] = (int32_t)(row + i);
        session->inputs[KW_SLOT_PLACES][row + i] = first + (int32_t)i;
        session->inputs[KW_SLOT_FIRST][row + i] = first;
        session->inputs[KW_SLOT_SEEN][row + i] = last;
    }
}

kw_status kw_session_read_texts(kw_session *session, const kw_source_text *texts, size_t n_texts,
                                float *out, kw_error *err)
{
    size_t n = 0;
    session->position = 0;
    session->source = 0;
    for (size_t i = 0; i < n_texts; i++) {
        kw_assert(texts[i].place + texts[i].n <= (size_t)session->context);
        place_text(session, &texts[i], n);
        n += texts[i].n;
    }
    return kw_part_run(session, KW_NET_ENCODER, KW_BUCKET_SCORE, n, out ? n : 0, out, err);
}

kw_status kw_session_read_source(kw_session *session, const int32_t *tokens, size_t n, float *out,
                                 kw_error *err)
{
    const kw_source_text text = {.tokens = tokens, .n = n};
    KW_TRY(kw_session_check_source(session, tokens, n, err));
    KW_TRY(kw_session_read_texts(session, &text, 1, out, err));
    session->source = (int)n;
    return KW_OK;
}

kw_status kw_session_encode(kw_session *session, const int32_t *tokens, size_t n, kw_error *err)
{
    if (!session->part[KW_NET_ENCODER].graph)
        return kw_fail(err, KW_E_UNSUPPORTED, "session: this model has no encoder");
    atomic_store_explicit(&session->cancel, false, memory_order_relaxed);
    return kw_session_read_source(session, tokens, n, NULL, err);
}
