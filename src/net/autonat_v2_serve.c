/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat_v2_serve.c - /libp2p/autonat/2/dial-request, serving.
 *
 * The first address of TCP and IP that the peer names is dialed. Where that is another IP than his
 * he sends 30,000 to 100,000 bytes first, so that aiming us at a third costs more than it brings,
 * and we wait a while, so that many of us do not strike at once.
 * Source: libp2p specifications, autonat/autonat-v2. */
#include "net/autonat_internal.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/dial.h"
#include "net/ip_scope.h"

#include <string.h>

#define PIECE_MIN 100      /* bytes of a message of data, but for the last */
#define STRIKE_WITHIN 3000 /* ms; by chance */

typedef kw_autonat_talk talk;

static void answer(talk *t, uint32_t status, uint32_t dialed)
{
    t->due = NULL;
    t->over = true;
    if (!t->stream)
        return;
    kw_autonat_v2_say(t->stream, &(kw_autonat2_message){.type = KW_AUTONAT2_ANSWER,
                                                        .status = status,
                                                        .place = t->place,
                                                        .dialed = dialed});
    kw_stream_finish(t->stream);
}

/* ---- the nonce, over the connection that was dialed ---- */

/* What it says does not matter: the nonce has arrived. */
static void on_back_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    talk *t = user;
    (void)bytes;
    if (!t->over)
        answer(t, KW_AUTONAT2_OK, KW_AUTONAT2_DIALED);
    kw_stream_reset(stream);
}

static void on_back_closed(void *user, kw_stream *stream, kw_status why)
{
    talk *t = user;
    (void)stream;
    (void)why;
    t->back = NULL;
    t->n_due--;
    if (!t->over)
        answer(t, KW_AUTONAT2_OK, KW_AUTONAT2_BACK_ERROR);
    kw_autonat_free_if_gone(t);
}

static void on_back_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static const kw_stream_events back_events = {
    .data = on_back_data, .end = on_back_end, .closed = on_back_closed};

static void too_late(talk *t)
{
    t->due = NULL;
    if (t->back)
        kw_stream_reset(t->back);
}

static void on_back(void *user, kw_stream *stream, kw_status status, const char *why)
{
    talk *t = user;
    kw_buf out = {0};
    (void)status;
    (void)why;
    if (!stream) {
        t->n_due--;
        if (!t->over)
            answer(t, KW_AUTONAT2_OK, KW_AUTONAT2_BACK_ERROR);
        kw_autonat_free_if_gone(t);
        return;
    }
    t->back = stream;
    kw_stream_listen(stream, &back_events, t);
    if (t->over) {
        kw_stream_reset(stream);
        return;
    }
    t->due = too_late;
    t->due_ms = kw_autonat_now(t->host) + KW_AUTONAT_BACK_MS;
    kw_autonat2_nonce_put(t->nonce, &out);
    kw_autonat_send(stream, &out);
    kw_stream_finish(stream);
}

/* The connection that this dial has made: the last of those that lead there. */
static kw_link *dialed_link(const talk *t)
{
    const kw_peer *peer = kw_peer_find(t->host, &t->peer);
    kw_link *found = NULL;
    for (kw_link *l = peer ? peer->links : NULL; l; l = l->next_of_peer)
        if (!l->over && !l->inbound && kw_multiaddr_equal(&l->addr, &t->addrs[0]))
            found = l;
    return found;
}

static void on_dialed(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    static const char *const ids[] = {KW_AUTONAT2_BACK_ID};
    talk *t = user;
    const kw_link *link = status == KW_OK ? dialed_link(t) : NULL;
    (void)peer;
    (void)why;
    if (t->over || !link) {
        t->n_due--;
        if (!t->over)
            answer(t, KW_AUTONAT2_OK, KW_AUTONAT2_DIAL_ERROR);
        kw_autonat_free_if_gone(t);
        return;
    }
    kw_connection_stream(link->connection, ids, 1, on_back, t);
}

static void dial(talk *t)
{
    t->due = NULL;
    t->n_due++;
    t->autonat->n_served_ever++;
    if (kw_dial_punch(t->host, &t->peer, t->addrs, 1, KW_PUNCH_OTHER_PORT, on_dialed, t, NULL) ==
        KW_OK)
        return;
    t->n_due--;
    answer(t, KW_AUTONAT2_INTERNAL, 0);
}

/* ---- the price ---- */

static uint32_t by_chance(uint32_t below)
{
    uint32_t drawn = 0;
    (void)kw_crypto_random(&drawn, sizeof drawn, NULL);
    return drawn % below;
}

static void ask_price(talk *t)
{
    t->unpaid = KW_AUTONAT_PRICE_MIN + by_chance(KW_AUTONAT_PRICE_MAX - KW_AUTONAT_PRICE_MIN + 1);
    kw_autonat_v2_say(
        t->stream,
        &(kw_autonat2_message){.type = KW_AUTONAT2_PAY, .place = t->place, .n_bytes = t->unpaid});
}

/* False: the peer pays in pieces that cost us more than him, or what nobody asked for. */
static bool paid(talk *t, size_t n)
{
    if (t->unpaid == 0 || (n < PIECE_MIN && n < t->unpaid))
        return false;
    t->unpaid -= KW_MIN(n, t->unpaid);
    if (t->unpaid == 0) {
        t->due = dial;
        t->due_ms = kw_autonat_now(t->host) + by_chance(STRIKE_WITHIN);
    }
    return true;
}

/* ---- the request ---- */

static bool sees_at(const talk *t, const kw_multiaddr_part *ip)
{
    uint8_t seen[16];
    bool ip6;
    return kw_peer_ip(t->host, &t->peer, &ip6, seen) && (ip->code == KW_MA_IP6) == ip6 &&
           memcmp(ip->value.data, seen, ip->value.len) == 0;
}

static void serve(talk *t, const kw_autonat2_message *asked)
{
    kw_autonat *a = t->autonat;
    kw_multiaddr_part ip;
    for (size_t i = 0; i < asked->n_addrs && t->n_addrs == 0; i++) {
        if (!kw_autonat_is_tcp(&asked->addrs[i], &ip) ||
            (!a->config.anywhere && !kw_ip_public(&asked->addrs[i])))
            continue;
        t->addrs[t->n_addrs++] = asked->addrs[i];
        t->place = asked->places[i];
    }
    if (t->n_addrs == 0) {
        answer(t, KW_AUTONAT2_REFUSED, 0);
        return;
    }
    (void)kw_autonat_is_tcp(&t->addrs[0], &ip);
    const bool elsewhere = !sees_at(t, &ip);
    t->nonce = asked->nonce;
    if (!kw_autonat_may_serve(a, &t->peer, elsewhere))
        answer(t, KW_AUTONAT2_REJECTED, 0);
    else if (elsewhere)
        ask_price(t);
    else
        dial(t);
}

static bool on_message(void *user, kw_bytes bytes)
{
    talk *t = user;
    kw_autonat2_message said;
    if (t->over || !t->autonat)
        return false;
    const bool read = kw_autonat2_message_get(bytes, &said, NULL) == KW_OK;
    if (read && said.type == KW_AUTONAT2_DIAL && t->n_addrs == 0) {
        serve(t, &said);
    } else if (!read || said.type != KW_AUTONAT2_DATA || !paid(t, said.data.len)) {
        kw_stream_reset(t->stream);
        t->due = NULL;
        t->over = true;
    }
    return !t->over;
}

bool kw_autonat_v2_incoming(void *user, kw_stream *stream)
{
    return kw_autonat_incoming(user, stream, KW_AUTONAT2_MESSAGE_MAX, on_message);
}
