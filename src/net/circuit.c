/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* circuit.c - a whole connection (Noise, Yamux) inside a stream to a relay, which sees none of it.
 *
 * The dialing side asks the relay on a "hop" stream for a peer; once the relay says OK the rest of
 * the stream is the connection's, first byte included. The other side gets a "stop" stream from
 * its relay (relay_client.c) and hands it over here. The circuit belongs to the stream; link and
 * circuit point at each other until one of them ends. Source: libp2p, relay/circuit-v2. */
#include "net/circuit.h"

#include "base/check.h"
#include "net/carrier.h"
#include "net/frame.h"
#include "net/muxer.h"

#include <stdlib.h>
#include <string.h>

struct kw_circuit {
    kw_link *link; /* NULL: it has ended */
    kw_stream *stream;
    kw_frames frames; /* until ready */
    kw_peer_id relay;
    bool ready; /* what comes is the connection's */
};

/* ---- addresses ---- */

bool kw_circuit_split(const kw_multiaddr *addr, kw_multiaddr *relay_addr, kw_peer_id *relay)
{
    kw_multiaddr head = {0};
    kw_multiaddr_part part;
    size_t at = 0;
    while (kw_multiaddr_next(addr, &at, &part)) {
        if (part.code == KW_MA_P2P_CIRCUIT)
            return at == addr->len && kw_multiaddr_split(&head, relay_addr, relay);
        if (kw_multiaddr_add(&head, part.code, part.value, NULL) != KW_OK)
            return false;
    }
    return false;
}

kw_status kw_circuit_addr(const kw_multiaddr *relay_addr, const kw_peer_id *relay,
                          kw_multiaddr *out, kw_error *err)
{
    *out = *relay_addr;
    KW_TRY(kw_multiaddr_add(out, KW_MA_P2P, (kw_bytes){relay->bytes, relay->len}, err));
    return kw_multiaddr_add(out, KW_MA_P2P_CIRCUIT, (kw_bytes){0}, err);
}

/* ---- bytes ---- */

size_t kw_circuit_write(kw_link *link, kw_bytes bytes)
{
    kw_stream *stream = link->circuit ? link->circuit->stream : NULL;
    if (!stream)
        return 0;
    const size_t n = KW_MIN(kw_stream_room(stream), bytes.len);
    if (n > 0 && kw_stream_write(stream, (kw_bytes){bytes.data, n}, NULL) != KW_OK)
        return 0;
    return n;
}

size_t kw_circuit_queued(const kw_link *link)
{
    const kw_stream *stream = link->circuit ? link->circuit->stream : NULL;
    const size_t queued = stream ? KW_STREAM_ROOM - kw_stream_room(stream) : 0;
    return queued > KW_STREAM_ROOM / 2 ? queued : 0; /* from there on `drained` will come */
}

static void give(kw_link *link, kw_bytes bytes)
{
    if (link->over || bytes.len == 0)
        return;
    if (link->mode == KW_LINK_RAW) {
        kw_link_take(link, bytes);
        return;
    }
    kw_buf own = {0}; /* a private network deciphers in place */
    kw_buf_add(&own, (const char *)bytes.data, bytes.len);
    if (own.failed)
        kw_link_fail(link, KW_E_NOMEM, "out of memory");
    else
        kw_carrier_receive(link, (kw_bytes){(const uint8_t *)own.data, own.len});
    kw_buf_free(&own);
}

/* ---- the relay's answer ---- */

static void begin(kw_circuit *c, const kw_relay_message *said)
{
    kw_link *link = c->link;
    kw_error err;
    c->ready = true;
    link->limited = said->has_limit && (said->duration_s > 0 || said->data_bytes > 0);
    if (!link->inbound)
        link->host->n_connecting--;
    link->mode = link->host->config.psk ? KW_LINK_CARRIED : KW_LINK_RAW;
    const kw_status status = kw_link_shake_hands(link, &link->expected, &err);
    if (status != KW_OK)
        kw_link_fail(link, status, err.message);
}

static bool on_answer(void *user, kw_bytes message)
{
    kw_circuit *c = user;
    kw_relay_message said;
    kw_error err;
    const kw_status status = kw_relay_message_get(KW_RELAY_HOP, message, &said, &err);
    if (status != KW_OK)
        kw_link_fail(c->link, status, err.message);
    else if (said.type != KW_RELAY_STATUS || said.status != KW_RELAY_OK)
        kw_link_fail(c->link, KW_E_IO, kw_relay_status_text(said.status));
    else
        begin(c, &said);
    return false;
}

/* ---- the stream ---- */

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    kw_circuit *c = user;
    kw_error err;
    (void)stream;
    /* Byte by byte up to the end of the answer: what is behind it is not a message. */
    for (; bytes.len > 0 && c->link && !c->ready; bytes.data++, bytes.len--) {
        const kw_status status =
            kw_frames_feed(&c->frames, (kw_bytes){bytes.data, 1}, on_answer, c, &err);
        if (status != KW_OK && c->link)
            kw_link_fail(c->link, status, err.message);
    }
    if (c->link)
        give(c->link, bytes);
}

static void on_end(void *user, kw_stream *stream)
{
    kw_circuit *c = user;
    kw_stream_finish(stream);
    if (c->link)
        kw_link_fail(c->link, KW_E_IO, "the relay ended it");
}

static void on_drained(void *user, kw_stream *stream)
{
    kw_circuit *c = user;
    (void)stream;
    if (c->link)
        kw_link_drained(c->link);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    kw_circuit *c = user;
    kw_link *link = c->link;
    (void)stream;
    (void)why;
    c->stream = NULL;
    if (link) {
        kw_circuit_leave(link);
        kw_link_fail(link, KW_E_IO, "the way through the relay is gone");
    }
    kw_frames_free(&c->frames);
    free(c);
}

static const kw_stream_events circuit_events = {
    .data = on_data, .end = on_end, .drained = on_drained, .closed = on_closed};

void kw_circuit_leave(kw_link *link)
{
    kw_circuit *c = link->circuit;
    link->circuit = NULL;
    link->host->n_circuits--;
    c->link = NULL;
    if (c->stream && link->secured && c->ready)
        kw_stream_finish(c->stream); /* what is queued may still leave */
    else if (c->stream)
        kw_stream_reset(c->stream);
}

/* ---- beginning ---- */

kw_status kw_relay_say(kw_stream *stream, kw_relay_side side, const kw_relay_message *message,
                       kw_error *err)
{
    kw_buf out = {0};
    kw_relay_message_put(side, message, &out);
    kw_status status = kw_buf_status(&out, err);
    if (status == KW_OK)
        status = kw_frame_write(stream, (kw_bytes){(const uint8_t *)out.data, out.len}, err);
    kw_buf_free(&out);
    return status;
}

static kw_status new_circuit(kw_link *link, const kw_peer_id *relay, kw_error *err)
{
    kw_host *host = link->host;
    if (host->n_circuits >= KW_CIRCUITS_MAX)
        return kw_fail(err, KW_E_LIMIT, "host: has %d connections through relays", KW_CIRCUITS_MAX);
    kw_circuit *c = calloc(1, sizeof *c);
    if (!c)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory for a connection");
    c->link = link;
    c->frames.max = KW_RELAY_MESSAGE_MAX;
    c->relay = *relay;
    link->circuit = c;
    link->relayed = true;
    host->n_circuits++;
    return KW_OK;
}

static void on_hop(void *user, kw_stream *stream, kw_status status, const char *why)
{
    kw_circuit *c = user;
    if (!stream) {
        kw_link *link = c->link;
        if (link) {
            kw_circuit_leave(link);
            kw_link_fail(link, status, why);
        }
        free(c);
        return;
    }
    c->stream = stream;
    kw_stream_listen(stream, &circuit_events, c);
    if (!c->link) {
        kw_stream_reset(stream); /* nobody waits any more */
        return;
    }
    const kw_relay_message ask = {.type = KW_RELAY_CONNECT, .peer = c->link->expected};
    if (kw_relay_say(stream, KW_RELAY_HOP, &ask, NULL) != KW_OK)
        kw_stream_reset(stream);
}

kw_status kw_circuit_dial(kw_link *link, kw_error *err)
{
    static const char *const ids[] = {KW_RELAY_HOP_ID};
    kw_multiaddr addr;
    kw_peer_id relay;
    if (!kw_circuit_split(&link->addr, &addr, &relay) || link->expected.len == 0 ||
        kw_peer_id_equal(&relay, &link->expected))
        return kw_fail(err, KW_E_ARG, "host: an address through a relay that leads to nobody");
    KW_TRY(new_circuit(link, &relay, err));
    if (addr.len > 0)
        kw_host_learn(link->host, &relay, &addr, 1, link->host->limits.dial_ms);
    kw_host_stream(link->host, &relay, ids, 1, on_hop, link->circuit);
    return KW_OK;
}

kw_status kw_circuit_accept(kw_host *host, kw_stream *stream, const kw_relay_message *asked,
                            kw_error *err)
{
    kw_link *link;
    const kw_peer_id *relay = kw_stream_peer(stream);
    const kw_link *way = kw_peer_link(kw_peer_find(host, relay));
    const kw_peer_id nobody = {.len = 0};
    if (!way || host->n_links > host->limits.connections)
        return kw_fail(err, KW_E_LIMIT, "host: has %zu connections", host->limits.connections);
    KW_TRY(kw_link_open(host, true, 0, &link, err));
    kw_status status = kw_circuit_addr(&way->addr, relay, &link->addr, err);
    if (status == KW_OK && !kw_host_allows(host, &nobody, &link->addr, true))
        status = kw_fail(err, KW_E_CANCELLED, "host: not allowed");
    if (status == KW_OK)
        status = new_circuit(link, relay, err);
    const kw_relay_message answer = {.type = KW_RELAY_STATUS, .status = KW_RELAY_OK};
    if (status == KW_OK)
        status = kw_relay_say(stream, KW_RELAY_STOP, &answer, err);
    if (status != KW_OK) {
        kw_link_fail(link, status, "not taken");
        return status;
    }
    link->circuit->stream = stream;
    kw_stream_listen(stream, &circuit_events, link->circuit);
    link->expected = asked->peer;
    begin(link->circuit, asked);
    return KW_OK;
}
