/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - one answer: input to tokens, tokens through the session, events to the caller.
 *
 * Text is held back while it could still become a stop text, and never splits a character. */
#include "engine/engine.h"

#include "base/check.h"
#include "engine/constrain.h"
#include "engine/sampler.h"
#include "os/system.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void kw_constraints_init(kw_constraints *constraints)
{
    *constraints = (kw_constraints){.struct_size = sizeof *constraints,
                                    .max_tokens = -1,
                                    .temperature = 0.8f,
                                    .top_k = 40,
                                    .top_p = 0.95f,
                                    .min_p = 0.05f,
                                    .repeat_penalty = 1.0f,
                                    .repeat_last_n = 64,
                                    .typical_p = 1.0f,
                                    .top_n_sigma = -1.0f,
                                    .xtc_threshold = 0.1f,
                                    .dynatemp_exponent = 1.0f,
                                    .dry_base = 1.75f,
                                    .dry_allowed_length = 2,
                                    .dry_last_n = -1,
                                    .mirostat_tau = 5.0f,
                                    .mirostat_eta = 0.1f};
}

typedef struct answer {
    kw_session *session;
    const kw_constraints *limits;
    kw_event_fn on_event;
    void *user;
    kw_sampler sampler;
    kw_matcher *matcher; /* NULL: no grammar */
    bool complete;       /* nothing can follow in the grammar */
    kw_detokenizer decoder;
    kw_buf held; /* text that may be the start of a stop text */
    kw_finish finish;
    size_t n_prompt, n_kept, n_generated;
    uint64_t start_ns, prompt_ns, first_ns, end_ns;
} answer;

static void send(answer *a, const kw_event *event)
{
    if (a->on_event && !a->on_event(a->user, event) && a->finish == KW_FINISH_NONE)
        a->finish = KW_FINISH_CANCELLED;
}

static bool cancelled(const answer *a)
{
    return atomic_load_explicit(&a->session->cancel, memory_order_relaxed);
}

/* Where the first stop text begins in the held text; its length when there is none. */
static size_t find_stop(const answer *a)
{
    size_t first = a->held.len;
    for (size_t s = 0; s < a->limits->n_stop; s++) {
        const char *stop = a->limits->stop[s];
        const size_t len = strlen(stop);
        for (size_t at = 0; len > 0 && at + len <= a->held.len && at < first; at++)
            if (memcmp(a->held.data + at, stop, len) == 0)
                first = at;
    }
    return first;
}

/* How much of the held text's end is the beginning of some stop text. */
static size_t partial_stop(const answer *a)
{
    size_t longest = 0;
    for (size_t s = 0; s < a->limits->n_stop; s++) {
        const char *stop = a->limits->stop[s];
        const size_t len = strlen(stop);
        for (size_t n = KW_MIN(len, a->held.len); n > longest; n--)
            if (n < len && memcmp(a->held.data + a->held.len - n, stop, n) == 0)
                longest = n;
    }
    return longest;
}

static void send_token(answer *a, int32_t token, size_t len)
{
    send(a, &(kw_event){.kind = KW_EVENT_TOKEN,
                        .text = a->held.data ? a->held.data : "",
                        .text_len = len,
                        .token = token,
                        .n_done = a->n_generated});
    if (len > 0 && a->held.data) {
        memmove(a->held.data, a->held.data + len, a->held.len - len);
        a->held.len -= len;
    }
}

/* Emits a token's text, as far as no stop text can begin in it. */
static void emit(answer *a, int32_t token)
{
    if (a->session->model->tokenizer) {
        const kw_str text = kw_detokenizer_push(&a->decoder, token);
        kw_buf_add(&a->held, text.data, text.len);
    }
    const size_t stop = find_stop(a);
    if (stop < a->held.len) {
        a->finish = KW_FINISH_STOP;
        send_token(a, token, stop);
        a->held.len = 0;
        return;
    }
    send_token(a, token, a->held.len - partial_stop(a));
}

/* told: with an event for each batch. */
static kw_status read_prompt(answer *a, const int32_t *tokens, size_t n, bool told, kw_error *err)
{
    kw_session *s = a->session;
    const size_t step = (size_t)s->batch;
    for (size_t done = 0; done < n && a->finish == KW_FINISH_NONE;) {
        const size_t count = KW_MIN(n - done, step);
        const bool last = done + count == n;
        const kw_status status =
            kw_session_advance(s, tokens + done, count, true, last ? s->logits : NULL, err);
        if (status == KW_E_CANCELLED) {
            a->finish = KW_FINISH_CANCELLED;
            return KW_OK;
        }
        KW_TRY(status);
        done += count;
        if (told)
            send(a, &(kw_event){.kind = KW_EVENT_PROMPT, .n_done = done, .n_total = n});
    }
    return KW_OK;
}

/* The input by the encoder, then the token that answers begin with by the decoder. */
static kw_status read_source(answer *a, const int32_t *tokens, size_t n, kw_error *err)
{
    const kw_net *net = a->session->model->net;
    if (!kw_net_has(net, KW_NET_DECODER))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "run: %.*s has no decoder: it makes embeddings (kwaai embed), no text",
                       KW_FMT(net->arch));
    const int32_t start = (int32_t)net->family->decoder_start(net->config);
    const kw_status status = kw_session_read_source(a->session, tokens, n, NULL, err);
    if (status == KW_E_CANCELLED) {
        a->finish = KW_FINISH_CANCELLED;
        return KW_OK;
    }
    KW_TRY(status);
    send(a, &(kw_event){.kind = KW_EVENT_PROMPT, .n_done = n, .n_total = n});
    return a->finish == KW_FINISH_NONE ? read_prompt(a, &start, 1, false, err) : KW_OK;
}

static bool is_end(const answer *a, int32_t token)
{
    const kw_tokenizer *t = a->session->model->tokenizer;
    return t && !a->limits->ignore_eos && kw_tokenizer_is_end(t, token);
}

static bool out_of_room(const answer *a)
{
    const kw_constraints *c = a->limits;
    if (c->max_tokens >= 0 && a->n_generated >= (size_t)c->max_tokens)
        return true;
    return c->max_ms > 0 && (kw_clock_ns() - a->start_ns) / 1000000u >= c->max_ms;
}

/* Goes on in the grammar; an answer that nothing can follow is complete. */
static kw_status follow_grammar(answer *a, int32_t token, kw_error *err)
{
    bool fits;
    KW_TRY(kw_matcher_push_token(a->matcher, a->session->model->tokenizer, token, &fits, err));
    if (!fits)
        return kw_fail(err, KW_E_UNSUPPORTED, "run: no token that the grammar allows has a logit");
    a->complete = kw_matcher_complete(a->matcher);
    return KW_OK;
}

static kw_status generate(answer *a, kw_error *err)
{
    kw_session *s = a->session;
    while (a->finish == KW_FINISH_NONE) {
        if (out_of_room(a)) {
            a->finish = KW_FINISH_LENGTH;
            break;
        }
        if (a->matcher)
            KW_TRY(kw_constrain_mask(a->matcher, (size_t)s->model->vocab, &a->sampler.mask, err));
        const int32_t token = kw_sample(&a->sampler, s->logits, s->tokens, (size_t)s->position,
                                        (uint64_t)s->position);
        if (a->n_generated == 0)
            a->first_ns = kw_clock_ns();
        if (is_end(a, token)) {
            a->finish = KW_FINISH_STOP;
            break;
        }
        a->n_generated++;
        if (a->matcher)
            KW_TRY(follow_grammar(a, token, err));
        emit(a, token);
        if (a->complete && a->finish == KW_FINISH_NONE)
            a->finish = KW_FINISH_STOP;
        if (a->finish != KW_FINISH_NONE)
            break;
        if (cancelled(a)) {
            a->finish = KW_FINISH_CANCELLED;
            break;
        }
        if (out_of_room(a) || s->position == s->context) {
            a->finish = KW_FINISH_LENGTH;
            break;
        }
        const kw_status status = kw_session_advance(s, &token, 1, true, s->logits, err);
        if (status == KW_E_CANCELLED)
            a->finish = KW_FINISH_CANCELLED;
        else
            KW_TRY(status);
    }
    return kw_buf_status(&a->held, err);
}

static void finish(answer *a, kw_result *result)
{
    if (a->session->model->tokenizer && a->finish != KW_FINISH_STOP) {
        const kw_str rest = kw_detokenizer_flush(&a->decoder);
        kw_buf_add(&a->held, rest.data, rest.len);
    }
    a->end_ns = kw_clock_ns();
    const kw_finish why = a->finish;
    send(a, &(kw_event){.kind = KW_EVENT_END,
                        .text = a->held.data ? a->held.data : "",
                        .text_len = a->held.len,
                        .n_done = a->n_generated,
                        .finish = why});
    if (!result)
        return;
    kw_result r = {.struct_size = result->struct_size,
                   .finish = why,
                   .n_prompt = a->n_prompt,
                   .n_kept = a->n_kept,
                   .n_generated = a->n_generated,
                   .prompt_ns = a->prompt_ns - a->start_ns,
                   .generate_ns = a->end_ns - a->prompt_ns};
    r.first_token_ns = a->first_ns > 0 ? a->first_ns - a->start_ns : 0;
    memcpy(result, &r, KW_MIN(result->struct_size, sizeof r));
}

static kw_status check_arguments(const kw_input *input, const kw_constraints *c, kw_error *err)
{
    if (!input || input->struct_size != sizeof *input)
        return kw_fail(err, KW_E_ARG, "run: no input, or one of another library's size");
    if (c->struct_size != sizeof *c)
        return kw_fail(err, KW_E_ARG, "run: constraints of %zu bytes, this library has %zu",
                       c->struct_size, sizeof *c);
    return kw_sampler_check(c, err);
}

kw_status kw_input_tokens_of(const kw_session *s, const kw_input *input, int32_t **tokens,
                             size_t *n, kw_error *err)
{
    const bool fresh = s->position == 0 || input->from_start || s->part[KW_NET_ENCODER].graph;
    if (input->tokens) {
        *tokens = malloc(KW_MAX(input->n_tokens, (size_t)1) * sizeof **tokens);
        if (!*tokens)
            return kw_fail(err, KW_E_NOMEM, "run: no memory for %zu tokens", input->n_tokens);
        memcpy(*tokens, input->tokens, input->n_tokens * sizeof **tokens);
        *n = input->n_tokens;
    } else {
        const char *text = input->text ? input->text : "";
        const size_t len = input->text_len ? input->text_len : strlen(text);
        KW_TRY(kw_model_tokenize(s->model, text, len, !input->no_special && fresh,
                                 input->parse_special, tokens, n, err));
    }
    if (*n > 0)
        return KW_OK;
    free(*tokens);
    return kw_fail(err, KW_E_ARG, "run: the input is empty");
}

/* Rewinds to where the input and what the session holds part. The last token is computed in any
 * case, for its logits. */
static void keep_common(kw_session *s, const int32_t *tokens, size_t n)
{
    size_t same = 0;
    while (same + 1 < n && same < (size_t)s->position && s->tokens[same] == tokens[same])
        same++;
    s->position = (int)same;
}

static kw_status read_input(answer *a, const kw_input *input, kw_error *err)
{
    kw_session *s = a->session;
    int32_t *tokens = NULL;
    size_t n = 0;
    KW_TRY(kw_input_tokens_of(s, input, &tokens, &n, err));
    a->n_prompt = n;
    kw_status status = KW_OK;
    if (s->part[KW_NET_ENCODER].graph) {
        status = read_source(a, tokens, n, err);
        free(tokens);
        return status;
    }
    const int position = input->from_start ? 0 : s->position;
    if (n > (size_t)(s->context - position))
        status = kw_fail(err, KW_E_LIMIT,
                         "run: %zu input tokens at position %d do not fit the context of %d "
                         "(-c makes it larger)",
                         n, position, s->context);
    if (status == KW_OK)
        status = kw_session_check_ids(s->model, tokens, n, err); /* all, before any is read */
    if (status == KW_OK && input->from_start)
        keep_common(s, tokens, n);
    const size_t kept = status == KW_OK && input->from_start ? (size_t)s->position : 0;
    a->n_kept = kept;
    if (status == KW_OK)
        status = read_prompt(a, tokens + kept, n - kept, true, err);
    free(tokens);
    return status;
}

static kw_status run(answer *a, const kw_input *input, kw_error *err)
{
    KW_TRY(kw_session_constrain(a->session, a->limits, &a->matcher, err));
    KW_TRY(read_input(a, input, err));
    a->prompt_ns = kw_clock_ns();
    const kw_model *model = a->session->model;
    KW_TRY(kw_sampler_open(&a->sampler, a->limits, model->vocab, err));
    if (model->tokenizer)
        KW_TRY(kw_sampler_breakers(&a->sampler, model->tokenizer, err));
    return generate(a, err);
}

kw_status kw_run(kw_session *session, const kw_input *input, const kw_constraints *constraints,
                 kw_event_fn on_event, void *user, kw_result *result, kw_error *err)
{
    kw_constraints defaults;
    kw_constraints_init(&defaults);
    answer a = {.session = session,
                .limits = constraints ? constraints : &defaults,
                .on_event = on_event,
                .user = user,
                .start_ns = kw_clock_ns()};
    KW_TRY(check_arguments(input, a.limits, err));
    atomic_store_explicit(&session->cancel, false, memory_order_relaxed);
    a.prompt_ns = a.start_ns;
    if (session->model->tokenizer) {
        kw_detokenizer_init(&a.decoder, session->model->tokenizer, false);
        /* The answer continues the input, or stands alone. */
        a.decoder.first = session->part[KW_NET_ENCODER].graph != NULL;
    }
    const kw_status status = run(&a, input, err);
    if (status == KW_OK)
        finish(&a, result);
    kw_sampler_close(&a.sampler);
    kw_buf_free(&a.held);
    return status;
}
