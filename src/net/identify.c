/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* identify.c - /ipfs/id/1.0.0 and /ipfs/id/push/1.0.0: who a peer is, where, and what it speaks.
 *
 * Each connection is asked once. A peer joins (kw_host_watch) when it has answered or has had
 * five seconds; later changes come as pushes. Source: libp2p specifications, identify. */
#include "net/host_internal.h"

#include "base/check.h"
#include "net/frame.h"

#include <stdlib.h>
#include <string.h>

static const char identify_id[] = "/ipfs/id/1.0.0";
static const char push_id[] = "/ipfs/id/push/1.0.0";

#define ANSWER_MS 5000
#define LEARNED_MS 3600000
#define MAX_MESSAGES 10 /* that go-libp2p splits one answer into */

/* ---- what we say ---- */

static kw_status write_identify(kw_host *host, kw_stream *stream)
{
    kw_identify *say = calloc(1, sizeof *say);
    if (!say)
        return KW_E_NOMEM;
    say->version = KW_STR("ipfs/0.1.0");
    say->agent = kw_str_from(host->agent);
    say->public_key = (kw_bytes){host->identity->encoded, sizeof host->identity->encoded};
    say->n_addrs = KW_MIN(kw_host_addrs(host, say->addrs, KW_IDENTIFY_ADDRS), KW_IDENTIFY_ADDRS);
    for (size_t i = 0; i < host->n_protocols; i++)
        if (!host->protocols[i].hidden)
            say->protocols[say->n_protocols++] = kw_str_from(host->protocols[i].id);
    const kw_link *link = kw_peer_link(kw_peer_find(host, kw_stream_peer(stream)));
    if (link && !link->relayed)
        say->observed = link->addr;
    kw_buf message = {0};
    kw_identify_put(say, &message);
    free(say);
    kw_status status = kw_buf_status(&message, NULL);
    if (status == KW_OK)
        status =
            kw_frame_write(stream, (kw_bytes){(const uint8_t *)message.data, message.len}, NULL);
    kw_buf_free(&message);
    return status;
}

static void ignore_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void ignore_end(void *user, kw_stream *stream, kw_status why)
{
    (void)user;
    (void)stream;
    (void)why;
}

static const kw_stream_events answer_events = {.data = ignore_data, .closed = ignore_end};

static void tell(kw_host *host, kw_stream *stream)
{
    kw_stream_listen(stream, &answer_events, NULL);
    if (write_identify(host, stream) == KW_OK)
        kw_stream_finish(stream);
    else
        kw_stream_reset(stream);
}

static bool on_question(void *user, kw_stream *stream)
{
    tell(user, stream);
    return true;
}

/* ---- what others say ---- */

typedef struct hearing {
    kw_host *host;
    kw_link *link; /* of a question; NULL for a push, whose stream has no claim on one */
    kw_frames frames;
    size_t n_messages;
    kw_peer_id peer;
} hearing;

static void hear_protocols(kw_peer *peer, const kw_identify *said, bool first)
{
    if (said->n_protocols > 0 && first)
        kw_buf_free(&peer->protocols);
    for (size_t i = 0; i < said->n_protocols && peer->protocols.len < KW_IDENTIFY_MAX; i++) {
        kw_buf_add(&peer->protocols, said->protocols[i].data, said->protocols[i].len);
        kw_buf_add(&peer->protocols, "", 1);
    }
    if (peer->protocols.failed)
        kw_buf_free(&peer->protocols);
}

static bool on_message(void *user, kw_bytes message)
{
    hearing *h = user;
    kw_peer *peer = kw_peer_find(h->host, &h->peer);
    kw_identify *said = calloc(1, sizeof *said);
    const bool read = said && kw_identify_get(message, said, NULL) == KW_OK;
    const bool good = peer && read && h->n_messages < MAX_MESSAGES;
    if (said && !good)
        kw_host_blame(h->host, &h->peer, KW_HOST_MALFORMED);
    if (good) {
        hear_protocols(peer, said, h->n_messages == 0);
        if (said->agent.len > 0)
            kw_identify_text(said->agent, peer->agent, sizeof peer->agent);
        kw_host_learn(h->host, &h->peer, said->addrs, said->n_addrs, LEARNED_MS);
        if (h->link && !h->link->relayed && said->observed.len > 0)
            h->link->observed = said->observed;
        h->n_messages++;
    }
    free(said);
    return good;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    hearing *h = user;
    const kw_status status = kw_frames_feed(&h->frames, bytes, on_message, h, NULL);
    if (status == KW_OK)
        return;
    if (status != KW_E_NOMEM)
        kw_host_blame(h->host, &h->peer, KW_HOST_MALFORMED);
    kw_stream_reset(stream);
}

static void on_finished(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static void on_heard(void *user, kw_stream *stream, kw_status why)
{
    hearing *h = user;
    kw_host *host = h->host;
    (void)why;
    if (h->link && stream && h->link->identify == stream)
        h->link->identify = NULL;
    kw_peer *peer = kw_peer_find(host, &h->peer);
    if (peer && kw_peer_link(peer) && (h->n_messages > 0 || !peer->joined)) {
        peer->joined = true;
        kw_host_tell(host, &h->peer, true);
    }
    kw_frames_free(&h->frames);
    free(h);
}

static const kw_stream_events hear_events = {
    .data = on_data, .end = on_finished, .closed = on_heard};

static hearing *new_hearing(kw_host *host, kw_link *link, const kw_peer_id *peer)
{
    hearing *h = calloc(1, sizeof *h);
    if (h) {
        h->host = host;
        h->link = link;
        h->peer = *peer;
        h->frames.max = KW_IDENTIFY_MAX;
    }
    return h;
}

static bool on_push(void *user, kw_stream *stream)
{
    hearing *h = new_hearing(user, NULL, kw_stream_peer(stream));
    if (h)
        kw_stream_listen(stream, &hear_events, h);
    return h != NULL;
}

static void on_asked(void *user, kw_stream *stream, kw_status status, const char *why)
{
    hearing *h = user;
    (void)why;
    if (!stream) {
        on_heard(h, NULL, status);
        return;
    }
    h->link->identify = stream;
    h->link->identify_ms = kw_loop_now(h->host->loop);
    kw_stream_listen(stream, &hear_events, h);
}

void kw_identify_ask(kw_link *link)
{
    static const char *const ids[] = {identify_id};
    hearing *h = new_hearing(link->host, link, &link->peer->node.id);
    if (h)
        kw_connection_stream(link->connection, ids, 1, on_asked, h);
}

void kw_identify_tick(kw_link *link, uint64_t now_ms)
{
    if (link->identify && now_ms - link->identify_ms > ANSWER_MS)
        kw_stream_reset(link->identify);
}

/* ---- push ---- */

static void on_push_open(void *user, kw_stream *stream, kw_status status, const char *why)
{
    (void)status;
    (void)why;
    if (stream)
        tell(user, stream);
}

void kw_identify_push(kw_host *host)
{
    static const char *const ids[] = {push_id};
    host->push_due = false;
    for (kw_link *link = host->links; link; link = link->next)
        if (!link->over && link->peer && kw_peer_link(link->peer) == link &&
            kw_host_peer_speaks(host, &link->peer->node.id, push_id))
            kw_connection_stream(link->connection, ids, 1, on_push_open, host);
}

kw_status kw_identify_serve(kw_host *host, kw_error *err)
{
    const kw_protocol answers = {.id = identify_id,
                                 .incoming = on_question,
                                 .user = host,
                                 .max_per_peer = 2,
                                 .limited = true};
    const kw_protocol pushes = {
        .id = push_id, .incoming = on_push, .user = host, .max_per_peer = 2, .limited = true};
    KW_TRY(kw_host_speak(host, &answers, err));
    return kw_host_speak(host, &pushes, err);
}
