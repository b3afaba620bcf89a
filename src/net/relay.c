/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay.c - places at relays, and the connections that come through them.
 *
 * One question is under way at a relay at a time; it is a `question` of its own, so that closing
 * need not wait for it. Source: libp2p, relay/circuit-v2. */
#include "net/relay.h"

#include "base/check.h"
#include "base/protobuf.h"
#include "net/circuit.h"
#include "net/dial.h"
#include "net/envelope.h"
#include "net/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 250
#define ANSWER_MS 15000
#define RETRY_MS 5000 /* doubles with each failure */
#define RETRY_MAX_MS 300000
#define EXPIRE_MIN_MS 60000
#define EXPIRE_MAX_MS (24 * 3600000)
#define ADDRS_OF_ONE 3 /* told to others, of one relay */

typedef struct question question;

typedef struct place {
    kw_peer_id peer;
    kw_multiaddr addr; /* without /p2p */
    kw_multiaddr addrs[ADDRS_OF_ONE];
    size_t n_addrs;
    question *question; /* under way */
    bool held;
    unsigned n_failed;           /* in a row */
    uint64_t due_ms, expires_ms; /* of the next question; of the place */
    uint32_t duration_s;
    uint64_t data_bytes;
    char why[120];
} place;

struct kw_relay {
    kw_host *host;
    kw_timer *timer;
    place places[KW_RELAYS_MAX];
    size_t n;
};

struct question {
    kw_relay *relay; /* NULL: closed meanwhile */
    kw_host *host;
    size_t at; /* of the place */
    kw_stream *stream;
    kw_frames frames;
    uint64_t since_ms;
    bool answered;
};

static uint64_t now_of(const kw_relay *relay)
{
    return kw_loop_now(kw_host_loop(relay->host));
}

/* ---- what we tell others ---- */

static void tell(kw_relay *relay)
{
    kw_multiaddr all[KW_ALSO_ADDRS];
    size_t n = 0;
    for (size_t i = 0; i < relay->n; i++)
        for (size_t a = 0; relay->places[i].held && a < relay->places[i].n_addrs; a++)
            if (n < KW_ALSO_ADDRS)
                all[n++] = relay->places[i].addrs[a];
    kw_host_set_also(relay->host, KW_ALSO_RELAYED, all, n);
}

static void add_addr(place *p, const kw_multiaddr *relay_addr)
{
    if (p->n_addrs < ADDRS_OF_ONE &&
        kw_circuit_addr(relay_addr, &p->peer, &p->addrs[p->n_addrs], NULL) == KW_OK)
        p->n_addrs++;
}

/* The relay's own addresses with our way through it; without any, the one we asked it at. */
static void take_addrs(place *p, const kw_relay_message *said)
{
    p->n_addrs = 0;
    for (size_t i = 0; i < said->n_addrs; i++) {
        kw_multiaddr without;
        kw_multiaddr_part part;
        kw_peer_id who;
        if (!kw_multiaddr_find(&said->addrs[i], KW_MA_P2P_CIRCUIT, &part) &&
            kw_multiaddr_split(&said->addrs[i], &without, &who) &&
            kw_peer_id_equal(&who, &p->peer) && without.len > 0)
            add_addr(p, &without);
    }
    if (p->n_addrs == 0 && p->addr.len > 0)
        add_addr(p, &p->addr);
}

/* ---- the answer ---- */

static void lost(kw_relay *relay, place *p, const char *why)
{
    const bool was = p->held;
    p->held = false;
    const unsigned doubled = KW_MIN(p->n_failed, 6u);
    p->n_failed++;
    p->due_ms = now_of(relay) + KW_MIN((uint64_t)RETRY_MS << doubled, RETRY_MAX_MS);
    (void)snprintf(p->why, sizeof p->why, "%.*s", (int)sizeof p->why - 1, why);
    if (was) {
        kw_host_keep(relay->host, &p->peer, false);
        tell(relay);
    }
}

/* A voucher is for others to see; one that is not what it says tells that the relay lies. */
static bool voucher_fits(const kw_relay *relay, const place *p, kw_bytes voucher)
{
    static const uint8_t type[] = {0x03, 0x02};
    kw_peer_id signer, ids[2] = {{.len = 0}, {.len = 0}};
    kw_bytes payload, id;
    if (voucher.len == 0)
        return true;
    if (kw_envelope_open(voucher, KW_STR("libp2p-relay-rsvp"), (kw_bytes){type, sizeof type},
                         &signer, &payload, NULL) != KW_OK)
        return false;
    kw_pb pb = kw_pb_read(payload);
    kw_pb_field field;
    while (kw_pb_next(&pb, &field))
        if ((field.number == 1 || field.number == 2) && kw_pb_bytes(&pb, &field, &id))
            (void)kw_peer_id_get(id, &ids[field.number - 1], NULL);
    return !pb.bad && kw_peer_id_equal(&signer, &p->peer) && kw_peer_id_equal(&ids[0], &p->peer) &&
           kw_peer_id_equal(&ids[1], kw_host_id(relay->host));
}

static void reserved(kw_relay *relay, place *p, const kw_relay_message *said)
{
    const uint64_t now = now_of(relay), wall_s = (uint64_t)time(NULL);
    /* Clocks differ: what is not believable counts as a minute or a day. */
    uint64_t left_ms = 0;
    if (said->expire_s > wall_s)
        left_ms = KW_MIN(said->expire_s - wall_s, EXPIRE_MAX_MS / 1000) * 1000;
    left_ms = KW_MAX(left_ms, EXPIRE_MIN_MS);
    if (!p->held)
        kw_host_keep(relay->host, &p->peer, true);
    p->held = true;
    p->n_failed = 0;
    p->expires_ms = now + left_ms;
    p->due_ms = now + left_ms / 4 * 3;
    p->duration_s = said->duration_s;
    p->data_bytes = said->data_bytes;
    p->why[0] = 0;
    take_addrs(p, said);
    tell(relay);
}

static bool on_message(void *user, kw_bytes bytes)
{
    question *q = user;
    kw_relay_message said;
    kw_error err;
    if (!q->relay || q->answered)
        return false;
    place *p = &q->relay->places[q->at];
    q->answered = true;
    if (kw_relay_message_get(KW_RELAY_HOP, bytes, &said, &err) != KW_OK)
        lost(q->relay, p, err.message);
    else if (said.type != KW_RELAY_STATUS || said.status != KW_RELAY_OK)
        lost(q->relay, p, kw_relay_status_text(said.status));
    else if (!said.has_reservation || !voucher_fits(q->relay, p, said.voucher))
        lost(q->relay, p, "the relay's voucher is not what it says");
    else
        reserved(q->relay, p, &said);
    kw_stream_finish(q->stream);
    return false;
}

/* ---- asking ---- */

static void end_question(question *q, const char *why)
{
    if (q->relay) {
        place *p = &q->relay->places[q->at];
        p->question = NULL;
        if (!q->answered)
            lost(q->relay, p, why);
    }
    kw_frames_free(&q->frames);
    free(q);
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    question *q = user;
    if (kw_frames_feed(&q->frames, bytes, on_message, q, NULL) != KW_OK)
        kw_stream_reset(stream);
}

static void on_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)stream;
    (void)why;
    end_question(user, "the relay did not answer");
}

static const kw_stream_events question_events = {
    .data = on_data, .end = on_end, .closed = on_closed};

static void on_hop(void *user, kw_stream *stream, kw_status status, const char *why)
{
    question *q = user;
    const kw_relay_message ask = {.type = KW_RELAY_RESERVE};
    if (!stream) {
        end_question(q, status == KW_E_UNSUPPORTED ? "the peer is no relay" : why);
        return;
    }
    q->stream = stream;
    kw_stream_listen(stream, &question_events, q);
    if (!q->relay || kw_relay_say(stream, KW_RELAY_HOP, &ask, NULL) != KW_OK)
        kw_stream_reset(stream);
}

static void on_connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    static const char *const ids[] = {KW_RELAY_HOP_ID};
    question *q = user;
    if (status != KW_OK || !q->relay) {
        end_question(q, why);
        return;
    }
    kw_host_stream(q->host, peer, ids, 1, on_hop, q);
}

static void ask(kw_relay *relay, size_t at)
{
    place *p = &relay->places[at];
    question *q = calloc(1, sizeof *q);
    if (!q)
        return; /* the next tick tries again */
    *q = (question){.relay = relay,
                    .host = relay->host,
                    .at = at,
                    .frames = {.max = KW_RELAY_MESSAGE_MAX},
                    .since_ms = now_of(relay)};
    p->question = q;
    kw_host_connect_from_port(relay->host, &p->peer, p->addr.len > 0 ? &p->addr : NULL,
                              on_connected, q);
}

static void on_tick(void *user)
{
    kw_relay *relay = user;
    const uint64_t now = now_of(relay);
    for (size_t i = 0; i < relay->n; i++) {
        place *p = &relay->places[i];
        if (p->held && !p->question && now >= p->expires_ms)
            lost(relay, p, "it expired");
        if (!p->question && now >= p->due_ms)
            ask(relay, i);
        else if (p->question && p->question->stream && now - p->question->since_ms > ANSWER_MS)
            kw_stream_reset(p->question->stream);
    }
}

static void on_left(void *user, const kw_peer_id *peer)
{
    kw_relay *relay = user;
    for (size_t i = 0; i < relay->n; i++) {
        place *p = &relay->places[i];
        if (p->held && kw_peer_id_equal(&p->peer, peer)) {
            lost(relay, p, "the connection to the relay is gone");
            p->due_ms = now_of(relay) + 1000;
        }
    }
}

/* ---- connections that relays bring ---- */

typedef struct visit {
    kw_host *host;
    kw_frames frames;
    kw_stream *stream;
} visit;

static void visit_closed(void *user, kw_stream *stream, kw_status why)
{
    visit *v = user;
    (void)stream;
    (void)why;
    kw_frames_free(&v->frames);
    free(v);
}

/* The circuit takes the stream over; what the visit held goes. */
static bool on_visit_message(void *user, kw_bytes bytes)
{
    visit *v = user;
    kw_relay_message asked;
    kw_relay_message answer = {.type = KW_RELAY_STATUS, .status = KW_RELAY_FAILED};
    kw_stream *stream = v->stream;
    const kw_status status = kw_relay_message_get(KW_RELAY_STOP, bytes, &asked, NULL);
    if (status == KW_OK && asked.type == KW_RELAY_CONNECT && asked.peer.len > 0 &&
        kw_circuit_accept(v->host, stream, &asked, NULL) == KW_OK) {
        visit_closed(v, stream, KW_OK);
        return false;
    }
    if (status != KW_OK)
        answer.status = KW_RELAY_MALFORMED;
    if (kw_relay_say(stream, KW_RELAY_STOP, &answer, NULL) == KW_OK)
        kw_stream_finish(stream);
    else
        kw_stream_reset(stream);
    return false;
}

static void on_visit_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    visit *v = user;
    if (kw_frames_feed(&v->frames, bytes, on_visit_message, v, NULL) != KW_OK)
        kw_stream_reset(stream);
}

static const kw_stream_events visit_events = {
    .data = on_visit_data, .end = on_end, .closed = visit_closed};

static bool on_visit(void *user, kw_stream *stream)
{
    kw_relay *relay = user;
    visit *v = calloc(1, sizeof *v);
    if (!v)
        return false;
    *v = (visit){.host = relay->host, .frames = {.max = KW_RELAY_MESSAGE_MAX}, .stream = stream};
    kw_stream_listen(stream, &visit_events, v);
    return true;
}

/* ---- opening and closing ---- */

kw_status kw_relay_open(kw_host *host, kw_relay **out, kw_error *err)
{
    kw_relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return kw_fail(err, KW_E_NOMEM, "relay: out of memory");
    relay->host = host;
    kw_status status = kw_timer_open(kw_host_loop(host), on_tick, relay, &relay->timer, err);
    const kw_host_watch watch = {.left = on_left, .user = relay};
    if (status == KW_OK)
        status = kw_host_add_watch(host, &watch, err);
    const kw_protocol protocol = {.id = KW_RELAY_STOP_ID,
                                  .incoming = on_visit,
                                  .user = relay,
                                  .max_per_peer = KW_CIRCUITS_MAX / 2,
                                  .direct = true};
    if (status == KW_OK)
        status = kw_host_speak(host, &protocol, err);
    if (status != KW_OK) {
        kw_host_remove_watch(host, relay);
        if (relay->timer)
            kw_timer_close(relay->timer);
        free(relay);
        return status;
    }
    kw_timer_set(relay->timer, TICK_MS, TICK_MS);
    *out = relay;
    return KW_OK;
}

void kw_relay_close(kw_relay *relay)
{
    kw_host_unspeak(relay->host, KW_RELAY_STOP_ID);
    kw_host_remove_watch(relay->host, relay);
    kw_timer_close(relay->timer);
    for (size_t i = 0; i < relay->n; i++) {
        place *p = &relay->places[i];
        if (p->held)
            kw_host_keep(relay->host, &p->peer, false);
        if (p->question)
            p->question->relay = NULL;
    }
    kw_host_set_also(relay->host, KW_ALSO_RELAYED, NULL, 0);
    free(relay);
}

kw_status kw_relay_reserve(kw_relay *relay, const kw_multiaddr *addr, kw_error *err)
{
    place p = {.due_ms = 0, .why = "not asked yet"};
    kw_multiaddr_part part;
    if (!kw_multiaddr_split(addr, &p.addr, &p.peer) ||
        kw_multiaddr_find(addr, KW_MA_P2P_CIRCUIT, &part)) {
        char text[KW_MULTIADDR_TEXT_MAX];
        kw_multiaddr_text(addr, text);
        return kw_fail(err, KW_E_ARG, "relay: %.180s does not name a relay (/…/p2p/ID)", text);
    }
    for (size_t i = 0; i < relay->n; i++)
        if (kw_peer_id_equal(&relay->places[i].peer, &p.peer))
            return KW_OK;
    if (relay->n == KW_RELAYS_MAX)
        return kw_fail(err, KW_E_LIMIT, "relay: at most %d are asked", KW_RELAYS_MAX);
    relay->places[relay->n++] = p;
    return KW_OK;
}

void kw_relay_drop(kw_relay *relay, const kw_peer_id *peer)
{
    size_t i = 0;
    while (i < relay->n && !kw_peer_id_equal(&relay->places[i].peer, peer))
        i++;
    if (i == relay->n)
        return;
    place *p = &relay->places[i];
    if (p->held)
        kw_host_keep(relay->host, &p->peer, false);
    if (p->question) {
        p->question->relay = NULL;
        if (p->question->stream)
            kw_stream_reset(p->question->stream);
    }
    *p = relay->places[--relay->n]; /* the last one takes its place */
    if (i < relay->n && p->question)
        p->question->at = i;
    tell(relay);
}

size_t kw_relay_reservations(const kw_relay *relay, kw_reservation *out, size_t n)
{
    const uint64_t now = now_of(relay);
    for (size_t i = 0; i < relay->n && i < n; i++) {
        const place *p = &relay->places[i];
        const uint64_t until = p->held ? p->expires_ms : p->due_ms;
        out[i] = (kw_reservation){.relay = p->peer,
                                  .addr = p->addr,
                                  .held = p->held,
                                  .n_failed = p->n_failed,
                                  .left_ms = until > now ? until - now : 0,
                                  .duration_s = p->duration_s,
                                  .data_bytes = p->data_bytes};
        memcpy(out[i].why, p->why, sizeof out[i].why);
    }
    return relay->n;
}
