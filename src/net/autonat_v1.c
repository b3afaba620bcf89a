/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat_v1.c - /libp2p/autonat/1.0.0, both sides.
 *
 * Serving: we dial the address that we see the peer at and no other, so nobody can aim us at a
 * third. Source: libp2p specifications, autonat/autonat-v1. */
#include "net/autonat_internal.h"

#include "net/dial.h"
#include "net/ip_scope.h"

#include <string.h>

typedef kw_autonat_talk talk;

static void say(talk *t, const kw_autonat_message *message)
{
    kw_buf out = {0};
    kw_autonat_message_put(message, &out);
    kw_autonat_send(t->stream, &out);
}

/* ---- serving ---- */

static void answer(talk *t, uint32_t status)
{
    kw_autonat_message message = {.type = KW_AUTONAT_ANSWER, .status = status};
    t->over = true;
    if (!t->stream)
        return;
    if (status == KW_AUTONAT_OK) {
        message.addrs[0] = t->addrs[0];
        message.n_addrs = 1;
    }
    say(t, &message);
    kw_stream_finish(t->stream);
}

static void on_dialed_back(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    talk *t = user;
    (void)peer;
    (void)why;
    t->n_due--;
    answer(t, status == KW_OK ? KW_AUTONAT_OK : KW_AUTONAT_DIAL_ERROR);
    kw_autonat_free_if_gone(t);
}

/* Keeps the first address that leads where we see the peer. */
static void serve(talk *t, const kw_autonat_message *asked)
{
    kw_autonat *a = t->autonat;
    uint8_t seen[16];
    bool ip6;
    if (asked->peer.len > 0 && !kw_peer_id_equal(&asked->peer, &t->peer)) {
        answer(t, KW_AUTONAT_BAD_REQUEST);
        return;
    }
    const bool known = kw_peer_ip(t->host, &t->peer, &ip6, seen);
    for (size_t i = 0; known && i < asked->n_addrs && t->n_addrs == 0; i++) {
        kw_multiaddr_part ip;
        if (kw_autonat_is_tcp(&asked->addrs[i], &ip) && (ip.code == KW_MA_IP6) == ip6 &&
            memcmp(ip.value.data, seen, ip.value.len) == 0 &&
            (a->config.anywhere || kw_ip_public(&asked->addrs[i])))
            t->addrs[t->n_addrs++] = asked->addrs[i];
    }
    if (t->n_addrs == 0 || !kw_autonat_may_serve(a, &t->peer, false)) {
        answer(t, KW_AUTONAT_REFUSED);
        return;
    }
    t->n_due++;
    a->n_served_ever++;
    if (kw_dial_punch(t->host, &t->peer, t->addrs, t->n_addrs, KW_PUNCH_OTHER_PORT, on_dialed_back,
                      t, NULL) == KW_OK)
        return;
    t->n_due--;
    answer(t, KW_AUTONAT_INTERNAL);
}

/* ---- asking ---- */

static void heard(const talk *t, const kw_autonat_message *said)
{
    const kw_multiaddr *reached = NULL;
    for (size_t i = 0; said->n_addrs > 0 && i < t->n_addrs; i++)
        if (kw_multiaddr_equal(&t->addrs[i], &said->addrs[0]))
            reached = &t->addrs[i];
    if (said->status == KW_AUTONAT_OK)
        kw_autonat_heard(t->autonat, &t->peer, KW_REACH_PUBLIC, reached, false);
    else if (said->status == KW_AUTONAT_DIAL_ERROR)
        kw_autonat_heard(t->autonat, &t->peer, KW_REACH_PRIVATE, NULL, false);
}

/* ---- streams ---- */

static bool on_message(void *user, kw_bytes bytes)
{
    talk *t = user;
    kw_autonat_message said;
    if (t->over || !t->autonat)
        return false;
    if (kw_autonat_message_get(bytes, &said, NULL) != KW_OK ||
        said.type != (t->asks ? KW_AUTONAT_ANSWER : KW_AUTONAT_DIAL)) {
        kw_stream_reset(t->stream);
        t->over = true;
    } else if (t->asks) {
        heard(t, &said);
        t->over = true;
        kw_stream_finish(t->stream);
    } else if (t->n_due == 0) {
        serve(t, &said);
    }
    return false;
}

bool kw_autonat_v1_incoming(void *user, kw_stream *stream)
{
    return kw_autonat_incoming(user, stream, KW_AUTONAT_MESSAGE_MAX, on_message);
}

void kw_autonat_v1_opened(void *user, kw_stream *stream, kw_status status, const char *why)
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
    kw_autonat_listen(t, stream, KW_AUTONAT_MESSAGE_MAX, on_message);
    if (!t->autonat) {
        kw_stream_reset(stream);
        return;
    }
    kw_autonat_message ask = {.type = KW_AUTONAT_DIAL, .peer = *kw_host_id(t->host)};
    memcpy(ask.addrs, t->addrs, sizeof ask.addrs);
    ask.n_addrs = t->n_addrs;
    say(t, &ask);
}
