/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dcutr.c - /libp2p/dcutr, both sides.
 *
 * B, who was reached through a relay, begins: it dials what A says of itself; where that fails it
 * exchanges observed addresses with A over the relay, measures the round trip, says SYNC, and dials
 * half a round trip later, while A dials on SYNC. Whatever comes of it, A shakes hands as the one
 * that dialed. Three times at most. A direct connection retires the relayed one (peers.c).
 *
 * What a peer names is dialed, so: addresses of TCP alone, few, those of the Internet alone unless
 * the relay itself is in a private network, and few peers at a time.
 * Source: libp2p specifications, relay/DCUtR. */
#include "net/dcutr.h"

#include "base/check.h"
#include "net/dcutr_message.h"
#include "net/dial.h"
#include "net/frame.h"
#include "net/ip_scope.h"

#include <stdlib.h>
#include <string.h>

#define DCUTR_ID "/libp2p/dcutr"
#define PUNCHES_MAX 8
#define TRIES 3
#define SETTLE_MS 1000    /* after our dial has failed, for theirs */
#define PATIENCE_MS 30000 /* for all of it */

typedef struct punch {
    struct punch *next;
    kw_dcutr *dcutr; /* NULL: closed meanwhile */
    kw_host *host;
    kw_peer_id peer;
    kw_stream *stream; /* NULL: not yet, or gone */
    kw_frames frames;
    kw_timer *timer; /* B: when to dial; else when to give up */
    kw_multiaddr addrs[KW_DCUTR_ADDRS];
    size_t n_addrs;
    uint64_t sent_ms;
    unsigned n_tries;
    unsigned n_due;              /* callbacks that will come */
    bool begins;                 /* we are B */
    bool synced, settling, over; /* settling: the other side's dial may still arrive */
} punch;

struct kw_dcutr {
    kw_host *host;
    punch *punches;
    size_t n;
    kw_dcutr_info info;
};

/* ---- addresses ---- */

static kw_link *relayed_link(const kw_host *host, const kw_peer_id *peer)
{
    kw_link *link = kw_peer_link(kw_peer_find(host, peer));
    return link && link->relayed ? link : NULL;
}

static bool is_tcp(const kw_multiaddr *addr)
{
    kw_multiaddr_part ip, tcp;
    size_t at = 0;
    return kw_multiaddr_next(addr, &at, &ip) && kw_multiaddr_next(addr, &at, &tcp) &&
           (ip.code == KW_MA_IP4 || ip.code == KW_MA_IP6) && tcp.code == KW_MA_TCP &&
           at == addr->len;
}

static void add_addr(const kw_multiaddr *addr, bool anywhere, kw_dcutr_message *out)
{
    if (!is_tcp(addr) || (!anywhere && !kw_ip_public(addr)) || out->n_addrs == KW_DCUTR_ADDRS)
        return;
    for (size_t i = 0; i < out->n_addrs; i++)
        if (kw_multiaddr_equal(&out->addrs[i], addr))
            return;
    out->addrs[out->n_addrs++] = *addr;
}

/* Where others saw our listening port, then what we know of ourselves. */
static void own_addrs(const kw_host *host, bool anywhere, kw_dcutr_message *out)
{
    kw_multiaddr own[16];
    out->n_addrs = 0;
    for (const kw_link *l = host->links; l; l = l->next)
        if (!l->relayed && !l->over && l->observed.len > 0 && (l->inbound || l->own_port))
            add_addr(&l->observed, anywhere, out);
    const size_t n = KW_MIN(kw_host_addrs(host, own, KW_COUNT(own)), KW_COUNT(own));
    for (size_t i = 0; i < n; i++)
        add_addr(&own[i], anywhere, out);
}

/* ---- the end ---- */

static void free_if_gone(punch *p)
{
    if (!p->over || p->stream || p->n_due > 0)
        return;
    if (p->dcutr) {
        punch **at = &p->dcutr->punches;
        while (*at != p)
            at = &(*at)->next;
        *at = p->next;
        p->dcutr->n--;
    }
    kw_frames_free(&p->frames);
    kw_timer_close(p->timer);
    free(p);
}

/* The caller asks free_if_gone at its end. */
static void end(punch *p)
{
    if (p->over)
        return;
    p->over = true;
    kw_timer_clear(p->timer);
    const kw_link *link = kw_peer_link(kw_peer_find(p->host, &p->peer));
    if (p->dcutr && link && !link->relayed)
        p->dcutr->info.n_direct++;
    if (p->stream)
        kw_stream_finish(p->stream);
}

static bool is_direct(const punch *p)
{
    const kw_link *link = kw_peer_link(kw_peer_find(p->host, &p->peer));
    return link && !link->relayed;
}

/* ---- messages ---- */

static void say(punch *p, kw_dcutr_type type)
{
    kw_dcutr_message message = {.type = type};
    kw_buf out = {0};
    const kw_link *way = relayed_link(p->host, &p->peer);
    if (type == KW_DCUTR_CONNECT && way)
        own_addrs(p->host, !kw_ip_public(&way->addr), &message);
    kw_dcutr_message_put(&message, &out);
    if (out.failed ||
        kw_frame_write(p->stream, (kw_bytes){(const uint8_t *)out.data, out.len}, NULL) != KW_OK)
        kw_stream_reset(p->stream);
    kw_buf_free(&out);
    p->sent_ms = kw_loop_now(kw_host_loop(p->host));
}

static void keep_addrs(punch *p, const kw_dcutr_message *said)
{
    const kw_link *way = relayed_link(p->host, &p->peer);
    kw_dcutr_message kept = {.n_addrs = 0};
    for (size_t i = 0; way && i < said->n_addrs; i++)
        add_addr(&said->addrs[i], !kw_ip_public(&way->addr), &kept);
    memcpy(p->addrs, kept.addrs, sizeof p->addrs);
    p->n_addrs = kept.n_addrs;
}

static void on_punched(void *user, const kw_peer_id *peer, kw_status status, const char *why);

static void dial(punch *p)
{
    p->synced = false;
    p->n_due++;
    if (kw_dial_punch(p->host, &p->peer, p->addrs, p->n_addrs, p->begins ? KW_PUNCH_RESPONDS : 0,
                      on_punched, p, NULL) == KW_OK)
        return;
    p->n_due--;
    end(p);
}

static void on_punched(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    punch *p = user;
    (void)peer;
    (void)why;
    p->n_due--;
    if (p->over || status == KW_OK || is_direct(p) || !p->stream)
        end(p);
    else if (p->begins) {
        p->settling = true;
        kw_timer_set(p->timer, SETTLE_MS, 0);
    }
    free_if_gone(p);
}

static void on_timer(void *user)
{
    punch *p = user;
    const bool again = p->settling && p->stream && !is_direct(p) && p->n_tries < TRIES;
    p->settling = false;
    kw_timer_set(p->timer, PATIENCE_MS, 0);
    if (again) {
        p->n_tries++;
        say(p, KW_DCUTR_CONNECT);
    } else if (p->begins && p->synced) {
        dial(p);
    } else {
        end(p);
    }
    free_if_gone(p);
}

static bool on_message(void *user, kw_bytes bytes)
{
    punch *p = user;
    kw_dcutr_message said;
    if (p->over || kw_dcutr_message_get(bytes, &said, NULL) != KW_OK) {
        kw_stream_reset(p->stream);
        return false;
    }
    if (p->begins && said.type == KW_DCUTR_CONNECT && !p->synced) {
        const uint64_t rtt = kw_loop_now(kw_host_loop(p->host)) - p->sent_ms;
        keep_addrs(p, &said);
        say(p, KW_DCUTR_SYNC);
        p->synced = true;
        kw_timer_set(p->timer, rtt / 2, 0);
    } else if (!p->begins && said.type == KW_DCUTR_CONNECT && p->n_tries < TRIES) {
        p->n_tries++;
        keep_addrs(p, &said);
        say(p, KW_DCUTR_CONNECT);
        p->synced = true;
    } else if (!p->begins && said.type == KW_DCUTR_SYNC && p->synced) {
        dial(p);
    } else {
        kw_stream_reset(p->stream);
        return false;
    }
    return !p->over;
}

/* ---- the stream ---- */

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    punch *p = user;
    if (kw_frames_feed(&p->frames, bytes, on_message, p, NULL) != KW_OK)
        kw_stream_reset(stream);
}

static void on_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    punch *p = user;
    (void)stream;
    (void)why;
    p->stream = NULL;
    if (p->n_due == 0) /* a dial under way may still succeed */
        end(p);
    free_if_gone(p);
}

static const kw_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};

static punch *new_punch(kw_dcutr *dcutr, const kw_peer_id *peer, bool begins)
{
    for (const punch *p = dcutr->punches; p; p = p->next)
        if (kw_peer_id_equal(&p->peer, peer))
            return NULL;
    punch *p = dcutr->n < PUNCHES_MAX ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    *p = (punch){.dcutr = dcutr,
                 .host = dcutr->host,
                 .peer = *peer,
                 .frames = {.max = KW_DCUTR_MESSAGE_MAX},
                 .n_tries = begins,
                 .begins = begins};
    if (kw_timer_open(kw_host_loop(dcutr->host), on_timer, p, &p->timer, NULL) != KW_OK) {
        free(p);
        return NULL;
    }
    kw_timer_set(p->timer, PATIENCE_MS, 0);
    p->next = dcutr->punches;
    dcutr->punches = p;
    dcutr->n++;
    dcutr->info.n_tried++;
    return p;
}

static bool on_incoming(void *user, kw_stream *stream)
{
    kw_dcutr *dcutr = user;
    const kw_peer_id *peer = kw_stream_peer(stream);
    punch *p = relayed_link(dcutr->host, peer) ? new_punch(dcutr, peer, false) : NULL;
    if (!p)
        return false;
    p->stream = stream;
    kw_stream_listen(stream, &events, p);
    return true;
}

/* ---- beginning ---- */

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    punch *p = user;
    (void)status;
    (void)why;
    p->n_due--;
    if (stream) {
        p->stream = stream;
        kw_stream_listen(stream, &events, p);
        if (p->over)
            kw_stream_reset(stream);
        else
            say(p, KW_DCUTR_CONNECT);
    } else {
        end(p);
    }
    free_if_gone(p);
}

static void on_tried(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    static const char *const ids[] = {DCUTR_ID};
    punch *p = user;
    (void)why;
    p->n_due--;
    if (p->over || status == KW_OK || !relayed_link(p->host, peer)) {
        end(p);
    } else {
        p->n_due++;
        kw_host_stream(p->host, &p->peer, ids, 1, on_opened, p);
    }
    free_if_gone(p);
}

/* The peer is connected directly by now. */
static void end_of(kw_dcutr *dcutr, const kw_peer_id *peer)
{
    punch *p = dcutr->punches;
    while (p && !kw_peer_id_equal(&p->peer, peer))
        p = p->next;
    if (!p)
        return;
    end(p);
    free_if_gone(p);
}

/* A peer that came through a relay and is known by now: first it is dialed as anybody would. */
static void on_joined(void *user, const kw_peer_id *peer)
{
    kw_dcutr *dcutr = user;
    const kw_link *link = relayed_link(dcutr->host, peer);
    kw_multiaddr known[KW_BOOK_ADDRS];
    kw_dcutr_message direct = {.n_addrs = 0};
    if (!link)
        end_of(dcutr, peer);
    if (!link || !link->inbound || !kw_host_peer_speaks(dcutr->host, peer, DCUTR_ID))
        return;
    punch *p = new_punch(dcutr, peer, true);
    if (!p)
        return;
    const size_t n =
        KW_MIN(kw_host_known(dcutr->host, peer, known, KW_COUNT(known)), KW_COUNT(known));
    for (size_t i = 0; i < n; i++)
        add_addr(&known[i], !kw_ip_public(&link->addr), &direct);
    p->n_due++;
    if (direct.n_addrs == 0 || kw_dial_punch(dcutr->host, peer, direct.addrs, direct.n_addrs, 0,
                                             on_tried, p, NULL) != KW_OK)
        on_tried(p, peer, KW_E_NOTFOUND, "");
}

kw_status kw_dcutr_open(kw_host *host, kw_dcutr **out, kw_error *err)
{
    kw_dcutr *dcutr = calloc(1, sizeof *dcutr);
    if (!dcutr)
        return kw_fail(err, KW_E_NOMEM, "dcutr: out of memory");
    dcutr->host = host;
    const kw_host_watch watch = {.joined = on_joined, .user = dcutr};
    const kw_protocol protocol = {
        .id = DCUTR_ID, .incoming = on_incoming, .user = dcutr, .max_per_peer = 1, .limited = true};
    kw_status status = kw_host_add_watch(host, &watch, err);
    if (status == KW_OK)
        status = kw_host_speak(host, &protocol, err);
    if (status != KW_OK) {
        kw_host_remove_watch(host, dcutr);
        free(dcutr);
        return status;
    }
    *out = dcutr;
    return KW_OK;
}

void kw_dcutr_close(kw_dcutr *dcutr)
{
    kw_host_unspeak(dcutr->host, DCUTR_ID);
    kw_host_remove_watch(dcutr->host, dcutr);
    for (punch *p = dcutr->punches; p;) {
        punch *next = p->next;
        p->dcutr = NULL;
        end(p);
        free_if_gone(p);
        p = next;
    }
    free(dcutr);
}

void kw_dcutr_get_info(const kw_dcutr *dcutr, kw_dcutr_info *out)
{
    *out = dcutr->info;
}
