/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat_v2.c - /libp2p/autonat/2/dial-request, asking, and /libp2p/autonat/2/dial-back.
 *
 * That we were reached counts when our nonce came, on a connection that was dialed to us and is
 * another than the one we asked over; it may be of another peer id, since servers dial from a host
 * of its own. What the server says alone proves nothing but that it did not get through.
 * Source: libp2p specifications, autonat/autonat-v2. */
#include "net/autonat_internal.h"

#include "base/check.h"
#include "crypto/crypto.h"

#include <string.h>

#define NONCE_BYTES_MAX 64
#define DATA_BYTES 4000 /* of a message of data; 4096 are allowed */

typedef kw_autonat_talk talk;

void kw_autonat_v2_say(kw_stream *stream, const kw_autonat2_message *message)
{
    kw_buf out = {0};
    kw_autonat2_message_put(message, &out);
    kw_autonat_send(stream, &out);
}

/* ---- what it comes to ---- */

static void conclude(talk *t)
{
    t->due = NULL;
    t->over = true;
    if (t->stream)
        kw_stream_finish(t->stream);
    if (!t->autonat || !t->answered)
        return;
    const kw_multiaddr *addr = &t->addrs[t->place];
    kw_multiaddr_part ip;
    const bool through =
        t->proven && kw_autonat_is_tcp(addr, &ip) && (ip.code == KW_MA_IP6) == t->proven_ip6;
    if (through && (t->dialed == KW_AUTONAT2_DIALED || t->dialed == KW_AUTONAT2_BACK_ERROR))
        kw_autonat_heard(t->autonat, &t->peer, KW_REACH_PUBLIC, addr, true);
    else if (!t->proven && t->dialed == KW_AUTONAT2_DIAL_ERROR)
        kw_autonat_heard(t->autonat, &t->peer, KW_REACH_PRIVATE, NULL, false);
}

static void give_up(talk *t)
{
    conclude(t);
    kw_autonat_free_if_gone(t);
}

/* The nonce may still be on its way: it takes another connection than the answer. */
static void answered(talk *t, const kw_autonat2_message *said)
{
    if (said->status == KW_AUTONAT2_OK && said->place < t->n_addrs) {
        t->answered = true;
        t->place = said->place;
        t->dialed = said->dialed;
    }
    if (t->answered && t->dialed == KW_AUTONAT2_DIALED && !t->proven) {
        t->due = give_up;
        t->due_ms = kw_autonat_now(t->host) + KW_AUTONAT_BACK_MS;
        return;
    }
    conclude(t);
}

/* The address is our own, so its server may have its price, once, and no more than is usual. */
static bool pay(talk *t, const kw_autonat2_message *price)
{
    static const uint8_t zeros[DATA_BYTES];
    if (t->paid || price->place >= t->n_addrs || price->n_bytes > KW_AUTONAT_PRICE_MAX)
        return false;
    t->paid = true;
    for (size_t left = (size_t)price->n_bytes; left > 0;) {
        const size_t n = KW_MIN(left, sizeof zeros);
        kw_autonat_v2_say(t->stream, &(kw_autonat2_message){.type = KW_AUTONAT2_DATA,
                                                            .data = (kw_bytes){zeros, n}});
        left -= n;
    }
    return true;
}

/* ---- our question ---- */

static bool on_message(void *user, kw_bytes bytes)
{
    talk *t = user;
    kw_autonat2_message said;
    if (t->over || !t->autonat)
        return false;
    const bool read = kw_autonat2_message_get(bytes, &said, NULL) == KW_OK;
    if (read && said.type == KW_AUTONAT2_PAY && pay(t, &said))
        return true;
    if (read && said.type == KW_AUTONAT2_ANSWER && !t->answered) {
        answered(t, &said);
    } else {
        kw_stream_reset(t->stream);
        t->over = true;
    }
    return false;
}

/* The server may finish right behind its answer; the nonce is waited for without it. */
static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    talk *t = user;
    if (t->due) {
        t->stream = NULL;
        return;
    }
    kw_autonat_on_closed(user, stream, why);
}

static const kw_stream_events events = {
    .data = kw_autonat_on_data, .end = kw_autonat_on_end, .closed = on_closed};

void kw_autonat_v2_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    talk *t = user;
    (void)status;
    (void)why;
    t->n_due--;
    if (!stream) {
        t->over = true;
        kw_autonat_free_if_gone(t);
        return;
    }
    kw_autonat_listen(t, stream, KW_AUTONAT2_MESSAGE_MAX, on_message);
    kw_stream_listen(stream, &events, t);
    if (!t->autonat || kw_crypto_random(&t->nonce, sizeof t->nonce, NULL) != KW_OK) {
        kw_stream_reset(stream);
        return;
    }
    kw_autonat2_message ask = {.type = KW_AUTONAT2_DIAL, .nonce = t->nonce, .n_addrs = t->n_addrs};
    memcpy(ask.addrs, t->addrs, t->n_addrs * sizeof ask.addrs[0]);
    kw_autonat_v2_say(stream, &ask);
}

/* ---- the dial-back ---- */

/* Whether the stream came over a connection of its own, dialed to us. */
static bool is_fresh(const talk *t, const kw_link *link)
{
    kw_multiaddr_part tcp;
    return link && link->inbound && !link->relayed &&
           kw_multiaddr_find(&link->addr, KW_MA_TCP, &tcp) &&
           !(t->stream && kw_link_of_stream(t->host, t->stream) == link);
}

static talk *question_of(const kw_autonat *a, uint64_t nonce)
{
    for (talk *t = a->talks; t; t = t->next)
        if (t->asks && !t->over && t->nonce == nonce && nonce != 0)
            return t;
    return NULL;
}

static bool on_nonce(void *user, kw_bytes bytes)
{
    talk *back = user;
    uint64_t nonce;
    if (back->over || !back->autonat)
        return false;
    back->over = true;
    const kw_link *link = kw_link_of_stream(back->host, back->stream);
    talk *t = kw_autonat2_nonce_get(bytes, &nonce, NULL) == KW_OK
                  ? question_of(back->autonat, nonce)
                  : NULL;
    if (!t || !is_fresh(t, link)) {
        kw_stream_reset(back->stream);
        return false;
    }
    t->proven = true;
    t->proven_ip6 = link->ip6;
    kw_autonat_send(back->stream, &(kw_buf){0}); /* OK is 0, which is not written */
    kw_stream_finish(back->stream);
    if (t->due)
        give_up(t); /* of waiting: it is there */
    return false;
}

bool kw_autonat_v2_back(void *user, kw_stream *stream)
{
    return kw_autonat_incoming(user, stream, NONCE_BYTES_MAX, on_nonce);
}
