/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hop.c - who may keep a place at this relay, and who may be connected to whom.
 *
 * A reservation holds as long as the peer stays connected, and until it expires. Circuits go to
 * peers with a reservation alone; we dial nobody for others. Source: libp2p, relay/circuit-v2. */
#include "net/hop_internal.h"

#include "base/check.h"
#include "base/protobuf.h"
#include "net/circuit.h"
#include "net/envelope.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 500
#define RESERVATIONS_MAX 65536

/* ---- reservations ---- */

static kw_hop_reservation *reservation_of(kw_hop *hop, const kw_peer_id *peer)
{
    for (size_t i = 0; i < hop->n_reservations; i++)
        if (kw_peer_id_equal(&hop->reservations[i].peer, peer))
            return &hop->reservations[i];
    return NULL;
}

static void drop(kw_hop *hop, kw_hop_reservation *r)
{
    kw_host_keep(hop->host, &r->peer, false);
    *r = hop->reservations[--hop->n_reservations];
}

static void on_left(void *user, const kw_peer_id *peer)
{
    kw_hop *hop = user;
    kw_hop_reservation *r = reservation_of(hop, peer);
    if (r)
        drop(hop, r);
}

static size_t count_of_ip(const kw_hop *hop, const kw_hop_reservation *like)
{
    size_t n = 0;
    const size_t bytes = like->ip6 ? 8 : 4;
    for (size_t i = 0; i < hop->n_reservations; i++)
        n += hop->reservations[i].ip6 == like->ip6 &&
             memcmp(hop->reservations[i].ip, like->ip, bytes) == 0;
    return n;
}

/* {1 relay, 2 peer, 3 expiration}, signed: others may be shown that we agreed. */
static kw_status add_voucher(const kw_hop *hop, const kw_peer_id *peer, uint64_t expire_s,
                             kw_buf *out)
{
    static const uint8_t type[] = {0x03, 0x02};
    const kw_peer_id *self = kw_host_id(hop->host);
    kw_buf payload = {0};
    kw_pb_put_bytes(&payload, 1, (kw_bytes){self->bytes, self->len});
    kw_pb_put_bytes(&payload, 2, (kw_bytes){peer->bytes, peer->len});
    kw_pb_put_u64(&payload, 3, expire_s);
    kw_status status = kw_buf_status(&payload, NULL);
    if (status == KW_OK)
        status = kw_envelope_seal(
            hop->host->identity, KW_STR("libp2p-relay-rsvp"), (kw_bytes){type, sizeof type},
            (kw_bytes){(const uint8_t *)payload.data, payload.len}, out, NULL);
    kw_buf_free(&payload);
    return status;
}

static uint32_t reserve(kw_hop *hop, const kw_peer_id *peer)
{
    kw_hop_reservation fresh = {.peer = *peer};
    kw_hop_reservation *r = reservation_of(hop, peer);
    if (!kw_peer_ip(hop->host, peer, &fresh.ip6, fresh.ip))
        return KW_RELAY_DENIED;
    if (!r && (hop->n_reservations >= hop->limits.reservations ||
               count_of_ip(hop, &fresh) >= hop->limits.reservations_per_ip))
        return KW_RELAY_REFUSED;
    if (!r) {
        r = &hop->reservations[hop->n_reservations++];
        *r = fresh;
        kw_host_keep(hop->host, peer, true);
    }
    r->until_ms = kw_loop_now(kw_host_loop(hop->host)) + hop->limits.reservation_s * 1000;
    return KW_RELAY_OK;
}

/* Our addresses with /p2p/ and our id behind them. */
static void add_own_addrs(const kw_hop *hop, kw_relay_message *out)
{
    kw_multiaddr addrs[KW_RELAY_ADDRS];
    const kw_peer_id *self = kw_host_id(hop->host);
    const size_t n = KW_MIN(kw_host_addrs(hop->host, addrs, KW_RELAY_ADDRS), KW_RELAY_ADDRS);
    kw_multiaddr_part part;
    for (size_t i = 0; i < n; i++) {
        if (kw_multiaddr_find(&addrs[i], KW_MA_P2P_CIRCUIT, &part) ||
            kw_multiaddr_add(&addrs[i], KW_MA_P2P, (kw_bytes){self->bytes, self->len}, NULL) !=
                KW_OK)
            continue;
        out->addrs[out->n_addrs++] = addrs[i];
    }
}

static void answer_reserve(kw_hop_circuit *c)
{
    kw_hop *hop = c->hop;
    const uint32_t status = reserve(hop, &c->from);
    if (status != KW_RELAY_OK) {
        kw_hop_refuse(c, status);
        return;
    }
    kw_buf voucher = {0};
    kw_relay_message answer = kw_hop_limit(hop);
    answer.type = KW_RELAY_STATUS;
    answer.status = KW_RELAY_OK;
    answer.has_reservation = true;
    answer.expire_s = (uint64_t)time(NULL) + hop->limits.reservation_s;
    add_own_addrs(hop, &answer);
    if (add_voucher(hop, &c->from, answer.expire_s, &voucher) == KW_OK)
        answer.voucher = (kw_bytes){(const uint8_t *)voucher.data, voucher.len};
    if (kw_relay_say(c->ends[0].stream, KW_RELAY_HOP, &answer, NULL) != KW_OK)
        kw_stream_reset(c->ends[0].stream);
    kw_buf_free(&voucher);
    kw_hop_end_circuit(c);
}

/* ---- connections ---- */

kw_relay_message kw_hop_limit(const kw_hop *hop)
{
    return (kw_relay_message){.has_limit = !hop->limits.unlimited,
                              .duration_s = hop->limits.circuit_s,
                              .data_bytes = hop->limits.circuit_bytes};
}

/* Circuits from and to a peer, the larger count of the two. */
static size_t count_of_peer(const kw_hop *hop, const kw_peer_id *peer)
{
    size_t from = 0, to = 0;
    for (const kw_hop_circuit *c = hop->circuits; c; c = c->next) {
        const bool counts = c->phase > KW_HOP_ASKED && c->phase < KW_HOP_OVER;
        from += counts && kw_peer_id_equal(&c->from, peer);
        to += counts && kw_peer_id_equal(&c->to, peer);
    }
    return KW_MAX(from, to);
}

static uint32_t may_connect(kw_hop *hop, const kw_peer_id *from, const kw_peer_id *to)
{
    if (to->len == 0 || kw_peer_id_equal(from, to) || kw_peer_id_equal(to, kw_host_id(hop->host)))
        return KW_RELAY_MALFORMED;
    if (!reservation_of(hop, to) || !kw_host_connected(hop->host, to))
        return KW_RELAY_NO_RESERVATION;
    if (hop->n_circuits >= hop->limits.circuits ||
        count_of_peer(hop, from) >= hop->limits.circuits_per_peer ||
        count_of_peer(hop, to) >= hop->limits.circuits_per_peer)
        return KW_RELAY_RESOURCE_LIMIT;
    return KW_RELAY_OK;
}

void kw_hop_asked(kw_hop_circuit *c, const kw_relay_message *message)
{
    if (message->type == KW_RELAY_RESERVE) {
        answer_reserve(c);
        return;
    }
    uint32_t status = KW_RELAY_UNEXPECTED;
    if (message->type == KW_RELAY_CONNECT)
        status = may_connect(c->hop, &c->from, &message->peer);
    if (status != KW_RELAY_OK) {
        kw_hop_refuse(c, status);
        return;
    }
    c->to = message->peer;
    c->hop->n_circuits++;
    kw_hop_connect(c);
}

static bool on_incoming(void *user, kw_stream *stream)
{
    kw_hop *hop = user;
    return !hop->closing && kw_hop_new_circuit(hop, stream) != NULL;
}

/* ---- opening and closing ---- */

static void on_tick(void *user)
{
    kw_hop *hop = user;
    const uint64_t now = kw_loop_now(kw_host_loop(hop->host));
    for (size_t i = hop->n_reservations; i > 0; i--) {
        kw_hop_reservation *r = &hop->reservations[i - 1];
        if (now >= r->until_ms || !kw_host_connected(hop->host, &r->peer))
            drop(hop, r);
    }
    for (kw_hop_circuit *c = hop->circuits; c;) {
        kw_hop_circuit *next = c->next;
        if (c->phase < KW_HOP_OVER && c->until_ms > 0 && now >= c->until_ms)
            kw_hop_end_circuit(c);
        c = next;
    }
}

static kw_hop_limits with_defaults(const kw_hop_limits *given)
{
    const kw_hop_limits l = given ? *given : (kw_hop_limits){0};
    return (kw_hop_limits){.reservations = l.reservations ? l.reservations : 128,
                           .reservations_per_ip = l.reservations_per_ip ? l.reservations_per_ip : 8,
                           .reservation_s = l.reservation_s ? l.reservation_s : 3600,
                           .circuits = l.circuits ? l.circuits : 256,
                           .circuits_per_peer = l.circuits_per_peer ? l.circuits_per_peer : 16,
                           .circuit_s = l.circuit_s ? l.circuit_s : 120,
                           .circuit_bytes = l.circuit_bytes ? l.circuit_bytes : (uint64_t)128 << 10,
                           .unlimited = l.unlimited};
}

void kw_hop_free_if_over(kw_hop *hop)
{
    if (!hop->closing || hop->circuits)
        return;
    free(hop);
}

kw_status kw_hop_open(kw_host *host, const kw_hop_limits *limits, kw_hop **out, kw_error *err)
{
    const kw_hop_limits complete = with_defaults(limits);
    if (complete.reservations > RESERVATIONS_MAX)
        return kw_fail(err, KW_E_ARG, "relay: %zu places (at most %d)", complete.reservations,
                       RESERVATIONS_MAX);
    kw_hop *hop = calloc(1, sizeof *hop + complete.reservations * sizeof hop->reservations[0]);
    if (!hop)
        return kw_fail(err, KW_E_NOMEM, "relay: out of memory");
    hop->host = host;
    hop->limits = complete;
    kw_status status = kw_timer_open(kw_host_loop(host), on_tick, hop, &hop->timer, err);
    const kw_host_watch watch = {.left = on_left, .user = hop};
    if (status == KW_OK)
        status = kw_host_add_watch(host, &watch, err);
    const kw_protocol protocol = {.id = KW_RELAY_HOP_ID,
                                  .incoming = on_incoming,
                                  .user = hop,
                                  .max_per_peer = hop->limits.circuits_per_peer + 2,
                                  .direct = true};
    if (status == KW_OK)
        status = kw_host_speak(host, &protocol, err);
    if (status != KW_OK) {
        kw_host_remove_watch(host, hop);
        if (hop->timer)
            kw_timer_close(hop->timer);
        free(hop);
        return status;
    }
    kw_timer_set(hop->timer, TICK_MS, TICK_MS);
    *out = hop;
    return KW_OK;
}

void kw_hop_close(kw_hop *hop)
{
    kw_host_unspeak(hop->host, KW_RELAY_HOP_ID);
    kw_host_remove_watch(hop->host, hop);
    kw_timer_close(hop->timer);
    while (hop->n_reservations > 0)
        drop(hop, &hop->reservations[hop->n_reservations - 1]);
    for (kw_hop_circuit *c = hop->circuits; c; c = c->next)
        kw_hop_end_circuit(c);
    hop->closing = true;
    kw_hop_free_if_over(hop);
}

void kw_hop_get_info(const kw_hop *hop, kw_hop_info *out)
{
    *out = (kw_hop_info){.n_reservations = hop->n_reservations,
                         .n_circuits = hop->n_circuits,
                         .n_relayed = hop->n_relayed,
                         .bytes = hop->bytes};
}
