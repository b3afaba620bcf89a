/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* embed.c - vectors of texts: hidden states, pooled in the order of the tokens, in f64.
 *
 * How a model wants to be pooled stands in 1_Pooling/config.json beside it, or under pooling_type
 * in GGUF. Source: Reimers and Gurevych 2019, arXiv:1908.10084, and the files of that library. */
#include "engine/engine.h"

#include "base/check.h"
#include "format/hf.h"
#include "os/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct embedder {
    kw_session *session;
    kw_pooling pooling;
    bool normalize;
    size_t dim;
    int32_t **tokens; /* [n] of each text, owned */
    kw_source_text *texts;
    float *hidden; /* [n_rows][dim] of a run */
    size_t n_rows;
    double *sum; /* [dim] */
} embedder;

void kw_embedding_init(kw_embedding *embedding)
{
    *embedding = (kw_embedding){.struct_size = sizeof *embedding};
}

/* ---- what the model says ---- */

/* llama.cpp's numbers: 0 none, 1 mean, 2 cls, 3 last, 4 rank. */
static kw_pooling pooling_of_gguf(const kw_net *net)
{
    static const kw_pooling kinds[] = {KW_POOLING_MODEL, KW_POOLING_MEAN, KW_POOLING_CLS,
                                       KW_POOLING_LAST, KW_POOLING_CLS};
    char key[80];
    (void)snprintf(key, sizeof key, "%.*s.pooling_type", KW_FMT(net->arch));
    const kw_value *value = kw_model_file_meta(net->file, kw_str_from(key));
    if (!value || value->kind != KW_VALUE_INT || value->i < 0 ||
        value->i >= (int64_t)KW_COUNT(kinds))
        return KW_POOLING_MODEL;
    return kinds[value->i];
}

/* The kind whose flag is set; MODEL when none that is known is. */
static kw_status parse_pooling(kw_str text, const char *path, kw_pooling *out, kw_error *err)
{
    static const struct {
        const char *key;
        kw_pooling pooling;
    } flags[] = {{"pooling_mode_mean_tokens", KW_POOLING_MEAN},
                 {"pooling_mode_cls_token", KW_POOLING_CLS},
                 {"pooling_mode_lasttoken", KW_POOLING_LAST}};
    kw_arena arena = {0};
    kw_image image;
    const kw_status status = kw_hf_config_parse(text, path, &arena, &image, err);
    for (size_t i = 0; status == KW_OK && i < KW_COUNT(flags); i++) {
        const kw_value *const flag = kw_image_meta(&image, flags[i].key);
        if (flag && flag->kind == KW_VALUE_BOOL && flag->b)
            *out = flags[i].pooling;
    }
    kw_arena_free(&arena);
    return status;
}

static kw_status pooling_of_dir(const kw_model_file *file, kw_pooling *out, kw_error *err)
{
    kw_buf path = {0};
    kw_map map;
    kw_buf_printf(&path, "%s/1_Pooling/config.json", file->dir);
    kw_status status = kw_buf_status(&path, err);
    if (status == KW_OK && kw_file_exists(path.data)) {
        status = kw_map_open(path.data, false, &map, err);
        if (status == KW_OK) {
            status = parse_pooling((kw_str){(const char *)map.data, map.len}, path.data, out, err);
            kw_map_close(&map);
        }
    }
    kw_buf_free(&path);
    return status;
}

kw_status kw_model_pooling(const kw_net *net, kw_pooling *out, kw_error *err)
{
    *out = KW_POOLING_MODEL;
    if (kw_model_file_names_gguf(net->file))
        *out = pooling_of_gguf(net);
    else if (net->file->dir)
        KW_TRY(pooling_of_dir(net->file, out, err));
    return KW_OK;
}

static kw_status choose_pooling(const kw_net *net, kw_pooling asked, kw_pooling *out, kw_error *err)
{
    *out = asked;
    if (asked == KW_POOLING_MODEL)
        KW_TRY(kw_model_pooling(net, out, err));
    if (*out == KW_POOLING_MODEL)
        *out = kw_net_has(net, KW_NET_ENCODER) ? KW_POOLING_MEAN : KW_POOLING_LAST;
    return KW_OK;
}

/* ---- what is read ---- */

static void add_row(embedder *e, const float *row)
{
    for (size_t i = 0; i < e->dim; i++)
        e->sum[i] += (double)row[i];
}

/* Adds those of n hidden states that count; they are of tokens [first, first + n) of n_all. */
static void pool(embedder *e, const float *hidden, size_t first, size_t n, size_t n_all)
{
    for (size_t r = 0; r < n; r++) {
        const size_t t = first + r;
        if (e->pooling == KW_POOLING_MEAN || (e->pooling == KW_POOLING_CLS && t == 0) ||
            (e->pooling == KW_POOLING_LAST && t + 1 == n_all))
            add_row(e, hidden + r * e->dim);
    }
}

/* Room for the hidden states of a run of n tokens. */
static kw_status need_rows(embedder *e, size_t n, kw_error *err)
{
    size_t count, bytes;
    if (e->hidden && n <= e->n_rows)
        return KW_OK;
    float *more = kw_mul_size(n, e->dim, &count) && kw_mul_size(count, sizeof *more, &bytes)
                      ? realloc(e->hidden, KW_MAX(bytes, (size_t)1))
                      : NULL;
    if (!more)
        return kw_fail(err, KW_E_NOMEM, "embed: no memory for %zu vectors of %zu", n, e->dim);
    e->hidden = more;
    e->n_rows = n;
    return KW_OK;
}

static void finish(const embedder *e, size_t n, float *out)
{
    double square = 0;
    const double share = e->pooling == KW_POOLING_MEAN ? 1.0 / (double)n : 1.0;
    for (size_t i = 0; i < e->dim; i++)
        square += e->sum[i] * share * (e->sum[i] * share);
    const double length = sqrt(square), scale = e->normalize && length > 0 ? 1.0 / length : 1.0;
    for (size_t i = 0; i < e->dim; i++)
        out[i] = (float)(e->sum[i] * share * scale);
}

/* A text with a decoder, a batch after the other. */
static kw_status decode(embedder *e, const kw_source_text *text, float *out, kw_error *err)
{
    kw_session *s = e->session;
    const size_t batch = (size_t)s->batch, n = text->n;
    KW_TRY(need_rows(e, KW_MIN(n, batch), err));
    memset(e->sum, 0, e->dim * sizeof *e->sum);
    s->position = 0;
    for (size_t done = 0; done < n; done += batch) {
        const size_t count = KW_MIN(n - done, batch);
        kw_session_place(s, text->tokens + done, count, (int)done, 0);
        for (size_t i = 0; i < count; i++)
            s->inputs[KW_SLOT_ROWS][i] = (int32_t)i;
        KW_TRY(kw_part_run(s, KW_NET_HIDDEN, KW_BUCKET_SCORE, count, count, e->hidden, err));
        pool(e, e->hidden, done, count, n);
    }
    finish(e, n, out);
    return KW_OK;
}

/* Gives places to the texts that one run takes, of n: as many as the context has places for and a
 * batch tokens. The first is always among them. */
static size_t place_texts(const embedder *e, kw_source_text *texts, size_t n, size_t *n_tokens)
{
    const size_t context = (size_t)e->session->context;
    size_t count = 0, end = 0, tokens = 0;
    for (; count < n; count++) {
        kw_source_text *const t = &texts[count];
        t->place = kw_source_place(end, t->n);
        if (count > 0 && (t->place + t->n > context || tokens + t->n > (size_t)e->session->batch))
            break;
        end = t->place + t->n;
        tokens += t->n;
    }
    *n_tokens = tokens;
    return count;
}

/* Texts with an encoder, as many at once as fit. */
static kw_status encode(embedder *e, kw_source_text *texts, size_t n, float *out, kw_error *err)
{
    for (size_t done = 0, count; done < n; done += count) {
        size_t n_tokens;
        count = place_texts(e, texts + done, n - done, &n_tokens);
        KW_TRY(need_rows(e, n_tokens, err));
        KW_TRY(kw_session_read_texts(e->session, texts + done, count, e->hidden, err));
        const float *hidden = e->hidden;
        for (size_t i = done; i < done + count; i++) {
            memset(e->sum, 0, e->dim * sizeof *e->sum);
            pool(e, hidden, 0, texts[i].n, texts[i].n);
            finish(e, texts[i].n, out + i * e->dim);
            hidden += texts[i].n * e->dim;
        }
    }
    return KW_OK;
}

/* The tokens of input i; too many of them, or none that there are, are refused. */
static kw_status take_tokens(embedder *e, const kw_input *input, size_t i, kw_error *err)
{
    kw_session *const s = e->session;
    kw_source_text *const text = &e->texts[i];
    if (input->struct_size != sizeof *input)
        return kw_fail(err, KW_E_ARG, "embed: an input of another library's size");
    s->position = 0;
    s->source = 0;
    KW_TRY(kw_input_tokens_of(s, input, &e->tokens[i], &text->n, err));
    text->tokens = e->tokens[i];
    if (s->part[KW_NET_ENCODER].graph)
        return kw_session_check_source(s, text->tokens, text->n, err);
    if (text->n > (size_t)s->context)
        return kw_fail(err, KW_E_LIMIT, "embed: %zu tokens do not fit the context of %d", text->n,
                       s->context);
    return kw_session_check_ids(s->model, text->tokens, text->n, err);
}

static kw_status embed_all(embedder *e, const kw_input *inputs, size_t n, float *vectors,
                           size_t *n_tokens, kw_error *err)
{
    size_t read = 0;
    e->tokens = calloc(n + 1, sizeof *e->tokens);
    e->texts = calloc(n + 1, sizeof *e->texts);
    if (!e->tokens || !e->texts)
        return kw_fail(err, KW_E_NOMEM, "embed: no memory for %zu texts", n);
    for (size_t i = 0; i < n; i++) {
        KW_TRY(take_tokens(e, &inputs[i], i, err));
        read += e->texts[i].n;
    }
    if (e->session->part[KW_NET_ENCODER].graph)
        KW_TRY(encode(e, e->texts, n, vectors, err));
    else
        for (size_t i = 0; i < n; i++)
            KW_TRY(decode(e, &e->texts[i], vectors + i * e->dim, err));
    if (n_tokens)
        *n_tokens = read;
    return KW_OK;
}

static kw_status open_embedder(embedder *e, kw_session *s, const kw_embedding *how, kw_error *err)
{
    int dim = 0, layers;
    const kw_net *net = s->model->net;
    if (how && how->struct_size != sizeof *how)
        return kw_fail(err, KW_E_ARG, "embed: a configuration of %zu bytes, this library has %zu",
                       how->struct_size, sizeof *how);
    const kw_pooling asked = how ? how->pooling : KW_POOLING_MODEL;
    if ((int)asked < 0 || asked > KW_POOLING_LAST)
        return kw_fail(err, KW_E_ARG, "embed: pooling %d: must be 0 to %d", (int)asked,
                       (int)KW_POOLING_LAST);
    KW_TRY(choose_pooling(net, asked, &e->pooling, err));
    if (!s->part[KW_NET_ENCODER].graph)
        KW_TRY(kw_part_open(s, KW_NET_HIDDEN, err));
    net->family->sizes(net->config, &dim, &layers);
    e->session = s;
    e->dim = (size_t)dim;
    e->normalize = !how || !how->no_normalize;
    e->sum = malloc(e->dim * sizeof *e->sum);
    return e->sum ? KW_OK : kw_fail(err, KW_E_NOMEM, "embed: no memory for a vector of %d", dim);
}

kw_status kw_embed(kw_session *session, const kw_input *inputs, size_t n, const kw_embedding *how,
                   float *vectors, size_t *n_tokens, kw_error *err)
{
    embedder e = {0};
    atomic_store_explicit(&session->cancel, false, memory_order_relaxed);
    kw_status status = open_embedder(&e, session, how, err);
    if (status == KW_OK)
        status = embed_all(&e, inputs, n, vectors, n_tokens, err);
    session->position = 0;
    session->source = 0;
    for (size_t i = 0; e.tokens && i < n; i++)
        free(e.tokens[i]);
    free(e.tokens);
    free(e.texts);
    free(e.hidden);
    free(e.sum);
    return status;
}
