/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry_server.c - answering questions about manifests.
 *
 * A question costs a look at a list in memory, which is read from the index at most each two
 * seconds, and the body of one manifest. What waits to be sent is bounded over all peers. */
#include "node/registry_internal.h"

#include "base/check.h"
#include "base/uvarint.h"
#include "hub/minisign.h"

#include <stdlib.h>

#define RELOAD_MS 2000
#define ANSWERING_MAX ((size_t)32)
#define ANSWERING_BYTES ((size_t)32 << 20) /* of answers that wait to be sent */
#define QUESTIONS_PER_SECOND 64
#define QUESTION_COST 64.0 /* of what the host lets a peer ask: 27 questions a second */
#define STREAMS_OF_PEER 4
#define ANSWERING_MS 60000 /* from the first byte to the last */
#define PIECE ((size_t)64 << 10)

struct registry_answering {
    kw_registry *registry; /* NULL: closed; only the stream is left */
    registry_answering *next;
    kw_frames frames;
    kw_stream *stream;
    kw_timer *timer; /* nobody holds a place for ever */
    kw_buf out;      /* with its length in front */
    size_t sent;
    bool asked, ended;
};

/* ---- what is offered ---- */

static kw_status take_offer(void *user, const kw_index_manifest *m, kw_error *err)
{
    kw_registry *const r = user;
    if (strlen(m->model) > KW_MODEL_NAME_MAX)
        return KW_OK;
    if (r->n_offers == r->cap_offers) {
        const size_t cap = KW_MAX(2 * r->cap_offers, (size_t)16);
        registry_offer *const grown = realloc(r->offers, cap * sizeof *grown);
        if (!grown)
            return kw_fail(err, KW_E_NOMEM, "registry: no memory for %zu offers", cap);
        r->offers = grown;
        r->cap_offers = cap;
    }
    kw_signature signature;
    registry_offer *const offer = &r->offers[r->n_offers++];
    *offer = (registry_offer){.entry = {.version = m->version}};
    memcpy(offer->entry.name, m->model, strlen(m->model) + 1);
    memcpy(offer->entry.sha256, m->sha256, 32);
    offer->is_signed =
        m->signature.len > 0 && kw_signature_get(m->signature, &signature, NULL) == KW_OK;
    if (offer->is_signed)
        memcpy(offer->publisher, signature.id, KW_KEY_ID_LEN);
    return KW_OK;
}

void kw_registry_reload(kw_registry *r)
{
    const uint64_t now = kw_loop_now(kw_host_loop(r->config.host));
    if (r->loaded_ms != 0 && now - r->loaded_ms < RELOAD_MS)
        return;
    r->n_offers = 0;
    r->loaded_ms = KW_MAX(now, (uint64_t)1);
    (void)kw_index_each_offer(r->config.index, take_offer, r, NULL); /* what was read counts */
}

/* ---- the answer ---- */

typedef struct reading {
    const registry_offer *offer;
    kw_buf *out;
    bool found;
} reading;

static kw_status take_body(void *user, const kw_index_manifest *m, kw_error *err)
{
    reading *const r = user;
    (void)err;
    if (!m->offered || memcmp(m->sha256, r->offer->entry.sha256, 32) != 0)
        return KW_OK; /* replaced a moment ago: the next question gets the new one */
    r->found = true;
    kw_registry_put_status(r->out, KW_REGISTRY_HERE);
    kw_registry_put_manifest(r->out, m->body, m->signature);
    return KW_OK;
}

static bool is_asked(const kw_registry_question *question, const registry_offer *offer)
{
    if (question->by == KW_REGISTRY_BY_NAME)
        return kw_registry_compare(question->name, offer->entry.name) == 0;
    return memcmp(question->sha256, offer->entry.sha256, 32) == 0;
}

static void answer_one(kw_registry *r, const kw_registry_question *question, kw_buf *out)
{
    reading look = {.out = out};
    for (size_t i = 0; i < r->n_offers && !look.found; i++) {
        look.offer = &r->offers[i];
        if (is_asked(question, look.offer))
            (void)kw_index_each_manifest(r->config.index, look.offer->entry.name, NULL, take_body,
                                         &look, NULL);
    }
    if (!look.found)
        kw_registry_put_status(out, KW_REGISTRY_UNKNOWN);
}

static void answer_list(const kw_registry *r, const kw_registry_question *question, kw_buf *out)
{
    size_t n = 0;
    bool more = false;
    kw_registry_put_status(out, KW_REGISTRY_HERE);
    for (size_t i = 0; i < r->n_offers && !more; i++) {
        const registry_offer *const offer = &r->offers[i];
        if (!offer->is_signed ||
            memcmp(offer->publisher, question->publisher, KW_KEY_ID_LEN) != 0 ||
            (question->after[0] && kw_registry_compare(offer->entry.name, question->after) <= 0))
            continue;
        more = n == KW_REGISTRY_ENTRIES;
        if (!more)
            kw_registry_put_entry(out, &offer->entry);
        n++;
    }
    if (more)
        kw_registry_put_more(out);
}

/* By the buckets of the peer and its address. */
static bool is_within_rate(const kw_registry *r, const kw_peer_id *peer)
{
    const bool is = kw_host_request(r->config.host, peer, QUESTION_COST);
    if (!is)
        kw_host_blame(r->config.host, peer, KW_HOST_ABUSE);
    return is;
}

/* A bucket over all peers. */
static bool may_ask(kw_registry *r)
{
    const uint64_t now = kw_loop_now(kw_host_loop(r->config.host));
    const uint64_t ms = KW_MIN(now - r->bucket_ms, (uint64_t)1000);
    r->bucket_ms = now;
    r->bucket = KW_MIN(r->bucket + (int64_t)ms * QUESTIONS_PER_SECOND,
                       (int64_t)QUESTIONS_PER_SECOND * 1000);
    if (r->bucket < 1000 || r->answering_bytes > ANSWERING_BYTES)
        return false;
    r->bucket -= 1000;
    return true;
}

/* ---- streams ---- */

static void send(registry_answering *a)
{
    while (a->sent < a->out.len) {
        const size_t n = KW_MIN(KW_MIN(a->out.len - a->sent, PIECE), kw_stream_room(a->stream));
        const kw_bytes piece = {(const uint8_t *)a->out.data + a->sent, n};
        if (n == 0 || kw_stream_write(a->stream, piece, NULL) != KW_OK)
            return; /* drained goes on */
        a->sent += n;
    }
    if (!a->ended)
        kw_stream_finish(a->stream);
    a->ended = true;
}

static void put_frame(registry_answering *a, const kw_buf *message)
{
    uint8_t prefix[KW_UVARINT_MAX];
    const size_t n = kw_uvarint_put(prefix, message->len);
    a->out.failed = a->out.failed || message->failed;
    kw_buf_add(&a->out, (const char *)prefix, n);
    kw_buf_add(&a->out, message->data, message->len);
}

static bool on_question(void *user, kw_bytes bytes)
{
    registry_answering *const a = user;
    kw_registry *const r = a->registry;
    kw_registry_question question;
    kw_buf message = {0};
    const kw_peer_id *const peer = kw_stream_peer(a->stream);
    if (a->asked || kw_registry_question_get(bytes, &question, NULL) != KW_OK) {
        kw_host_blame(r->config.host, peer, KW_HOST_MALFORMED);
        kw_stream_reset(a->stream);
        return false;
    }
    a->asked = true;
    if (!is_within_rate(r, peer) || !may_ask(r) ||
        (r->config.serves && !r->config.serves(r->config.user, peer))) {
        r->info.n_refused++;
        kw_registry_put_status(&message, KW_REGISTRY_BUSY);
    } else {
        r->info.n_answered++;
        kw_registry_reload(r);
        if (question.by == KW_REGISTRY_BY_PUBLISHER)
            answer_list(r, &question, &message);
        else
            answer_one(r, &question, &message);
    }
    put_frame(a, &message);
    kw_buf_free(&message);
    r->answering_bytes += a->out.len;
    if (a->out.failed)
        kw_stream_reset(a->stream);
    else
        send(a);
    return true;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    registry_answering *const a = user;
    if (!a->registry || kw_frames_feed(&a->frames, bytes, on_question, a, NULL) == KW_OK)
        return;
    kw_host_blame(a->registry->config.host, kw_stream_peer(stream), KW_HOST_MALFORMED);
    kw_stream_reset(stream);
}

static void on_end(void *user, kw_stream *stream)
{
    const registry_answering *const a = user;
    if (!a->asked)
        kw_stream_reset(stream);
}

static void on_drained(void *user, kw_stream *stream)
{
    registry_answering *const a = user;
    (void)stream;
    if (a->registry && a->asked)
        send(a);
}

static void leave(kw_registry *r, registry_answering *a)
{
    for (registry_answering **place = &r->answering; *place; place = &(*place)->next) {
        if (*place == a) {
            *place = a->next;
            break;
        }
    }
    r->n_answering--;
    r->answering_bytes -= a->out.len;
    a->registry = NULL;
    kw_timer_close(a->timer);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    registry_answering *const a = user;
    (void)stream;
    (void)why;
    if (a->registry)
        leave(a->registry, a);
    kw_frames_free(&a->frames);
    kw_buf_free(&a->out);
    free(a);
}

static const kw_stream_events answer_events = {
    .data = on_data, .end = on_end, .drained = on_drained, .closed = on_closed};

static void on_late(void *user)
{
    const registry_answering *const a = user;
    kw_stream_reset(a->stream);
}

static bool on_incoming(void *user, kw_stream *stream)
{
    kw_registry *const r = user;
    kw_timer *timer;
    registry_answering *const a =
        r->n_answering < ANSWERING_MAX ? calloc(1, sizeof(registry_answering)) : NULL;
    if (!a || kw_timer_open(kw_host_loop(r->config.host), on_late, a, &timer, NULL) != KW_OK) {
        free(a);
        return false;
    }
    kw_timer_set(timer, ANSWERING_MS, 0);
    *a = (registry_answering){.registry = r,
                              .next = r->answering,
                              .stream = stream,
                              .timer = timer,
                              .frames = {.max = KW_REGISTRY_QUESTION_MAX}};
    r->answering = a;
    r->n_answering++;
    kw_stream_listen(stream, &answer_events, a);
    return true;
}

kw_status kw_registry_serve(kw_registry *registry, kw_error *err)
{
    const kw_protocol protocol = {.id = KW_REGISTRY_ID,
                                  .incoming = on_incoming,
                                  .user = registry,
                                  .max_per_peer = STREAMS_OF_PEER};
    return kw_host_speak(registry->config.host, &protocol, err);
}

void kw_registry_unserve(kw_registry *registry)
{
    kw_host_unspeak(registry->config.host, KW_REGISTRY_ID);
    while (registry->answering) {
        kw_stream_reset(registry->answering->stream);
        leave(registry, registry->answering);
    }
}
