/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry.c - asking a peer for a manifest. registry_server.c answers, registry_search.c asks
 * many. */
#include "node/registry_internal.h"

#include "base/sha256.h"

#include <stdlib.h>

#define ASK_MS 20000

struct kw_registry_ask {
    kw_registry *registry; /* NULL: nobody waits any more */
    kw_registry_ask *next;
    kw_registry_fn done;
    void *user;
    kw_peer_id peer;
    kw_registry_question question;
    kw_timer *timer;
    kw_stream *stream;
    kw_frames frames;
    bool answered;
};

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

int kw_registry_compare(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return (unsigned char)fold(*a) - (unsigned char)fold(*b);
}

static void leave(kw_registry *registry, kw_registry_ask *a)
{
    for (kw_registry_ask **place = &registry->asks; *place; place = &(*place)->next) {
        if (*place == a) {
            *place = a->next;
            break;
        }
    }
    a->registry = NULL;
    kw_timer_close(a->timer);
    a->timer = NULL;
}

/* Tells what came of it; the rest of the ask lives as long as its stream. */
static void end_ask(kw_registry_ask *a, kw_status status, const kw_registry_answer *answer)
{
    if (!a->registry)
        return;
    leave(a->registry, a);
    a->done(a->user, status, answer);
}

static void free_ask(kw_registry_ask *a)
{
    kw_frames_free(&a->frames);
    free(a);
}

static void report(const kw_registry_ask *a, kw_conduct what)
{
    if (a->registry && a->registry->config.guard)
        kw_guard_report(a->registry->config.guard, &a->peer, what);
}

/* Whether it is a manifest of the model that was asked for. */
static bool is_of(kw_str text, const char *model)
{
    kw_manifest manifest;
    const bool is = kw_manifest_get(text, &manifest, NULL) == KW_OK &&
                    kw_registry_compare(manifest.model, model) == 0;
    kw_manifest_free(&manifest);
    return is;
}

static bool has_digest(kw_str text, const uint8_t sha256[32])
{
    uint8_t digest[32];
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, text.data, text.len);
    kw_sha256_final(&hash, digest);
    return memcmp(digest, sha256, 32) == 0;
}

/* Whether the answer is about what was asked. KW_E_FORMAT: it is not, and *what says of which
 * kind that is. */
static kw_status check(const kw_registry_question *question, const kw_registry_answer *answer,
                       kw_conduct *what)
{
    bool good = true;
    *what = KW_CONDUCT_MALFORMED;
    if (answer->status == KW_REGISTRY_BUSY)
        return KW_E_LIMIT;
    if (answer->status == KW_REGISTRY_UNKNOWN)
        return KW_E_NOTFOUND;
    if (question->by == KW_REGISTRY_BY_PUBLISHER)
        return answer->manifest.len == 0 ? KW_OK : KW_E_FORMAT;
    if (answer->manifest.len == 0 || answer->n_entries > 0)
        return KW_E_FORMAT;
    if (question->by == KW_REGISTRY_BY_NAME) {
        good = is_of(answer->manifest, question->name);
    } else {
        good = has_digest(answer->manifest, question->sha256);
        *what = KW_CONDUCT_WRONG_MANIFEST;
    }
    return good ? KW_OK : KW_E_FORMAT;
}

static bool on_message(void *user, kw_bytes message)
{
    kw_registry_ask *const a = user;
    kw_registry_answer answer;
    kw_conduct what = KW_CONDUCT_MALFORMED;
    const kw_status status = kw_registry_answer_get(message, &answer, NULL) == KW_OK
                                 ? check(&a->question, &answer, &what)
                                 : KW_E_FORMAT;
    a->answered = true;
    if (status == KW_E_FORMAT)
        report(a, what);
    kw_stream_reset(a->stream); /* whatever else it would say */
    end_ask(a, status, status == KW_OK ? &answer : NULL);
    return false;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    kw_registry_ask *const a = user;
    if (a->answered || !a->registry)
        return;
    const kw_status status = kw_frames_feed(&a->frames, bytes, on_message, a, NULL);
    if (status == KW_OK)
        return;
    if (status != KW_E_NOMEM)
        report(a, KW_CONDUCT_MALFORMED);
    kw_stream_reset(stream);
    end_ask(a, status, NULL);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    kw_registry_ask *const a = user;
    (void)stream;
    (void)why;
    a->stream = NULL;
    end_ask(a, KW_E_IO, NULL);
    free_ask(a);
}

static const kw_stream_events ask_events = {.data = on_data, .closed = on_closed};

static kw_status write_question(kw_registry_ask *a)
{
    kw_buf message = {0};
    kw_registry_question_put(&a->question, &message);
    kw_status status = kw_buf_status(&message, NULL);
    if (status == KW_OK)
        status =
            kw_frame_write(a->stream, (kw_bytes){(const uint8_t *)message.data, message.len}, NULL);
    kw_buf_free(&message);
    return status;
}

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    kw_registry_ask *const a = user;
    (void)why;
    if (!stream) {
        end_ask(a, status == KW_OK ? KW_E_IO : status, NULL);
        free_ask(a);
        return;
    }
    a->stream = stream;
    kw_stream_listen(stream, &ask_events, a);
    if (!a->registry || write_question(a) != KW_OK)
        kw_stream_reset(stream);
    else
        kw_stream_finish(stream);
}

static void on_late(void *user)
{
    kw_registry_ask *const a = user;
    if (a->stream) {
        report(a, KW_CONDUCT_STALL);
        kw_stream_reset(a->stream);
    }
    end_ask(a, KW_E_IO, NULL); /* without a stream, one that comes later is reset */
}

kw_status kw_registry_ask_peer(kw_registry *registry, const kw_peer_id *peer,
                               const kw_registry_question *question, kw_registry_fn done,
                               void *user, kw_registry_ask **out, kw_error *err)
{
    static const char *const ids[] = {KW_REGISTRY_ID};
    kw_registry_ask *a = calloc(1, sizeof *a);
    if (!a)
        return kw_fail(err, KW_E_NOMEM, "registry: no memory for a question");
    const kw_status status =
        kw_timer_open(kw_host_loop(registry->config.host), on_late, a, &a->timer, err);
    if (status != KW_OK) {
        free(a);
        return status;
    }
    a->registry = registry;
    a->next = registry->asks;
    registry->asks = a;
    a->done = done;
    a->user = user;
    a->peer = *peer;
    a->question = *question;
    a->frames.max =
        question->by == KW_REGISTRY_BY_PUBLISHER ? KW_REGISTRY_LIST_MAX : KW_REGISTRY_ANSWER_MAX;
    registry->info.n_asked++;
    *out = a;
    kw_timer_set(a->timer, registry->config.ask_ms ? registry->config.ask_ms : ASK_MS, 0);
    kw_host_stream(registry->config.host, peer, ids, 1, on_opened, a);
    return KW_OK;
}

static void cancel(kw_registry *registry, kw_registry_ask *a)
{
    if (a->stream)
        kw_stream_reset(a->stream);
    leave(registry, a);
}

void kw_registry_cancel(kw_registry_ask *a)
{
    cancel(a->registry, a);
}

kw_status kw_registry_open(const kw_registry_config *config, kw_registry **out, kw_error *err)
{
    kw_registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return kw_fail(err, KW_E_NOMEM, "registry: no memory");
    registry->config = *config;
    const kw_status status = config->index ? kw_registry_serve(registry, err) : KW_OK;
    if (status != KW_OK) {
        free(registry);
        return status;
    }
    *out = registry;
    return KW_OK;
}

void kw_registry_close(kw_registry *registry)
{
    if (!registry)
        return;
    while (registry->searches)
        kw_registry_search_close(registry->searches);
    while (registry->asks)
        cancel(registry, registry->asks);
    if (registry->config.index)
        kw_registry_unserve(registry);
    free(registry->offers);
    free(registry);
}

void kw_registry_get_info(kw_registry *registry, kw_registry_info *out)
{
    if (registry->config.index)
        kw_registry_reload(registry);
    *out = registry->info;
    out->n_offered = registry->n_offers;
}
