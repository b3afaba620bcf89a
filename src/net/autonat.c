/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat.c - whom to ask whether we can be dialed, what the answers add up to, whom to serve.
 *
 * One peer at a time is asked, by version 2 where it speaks that; each has one vote, three that
 * agree and outnumber the others decide. Served are few at a time, few a minute, and of one peer
 * one in 20 seconds. Source: libp2p specifications, autonat. */
#include "net/autonat_internal.h"

#include "base/check.h"
#include "net/ip_scope.h"

#include <stdlib.h>
#include <string.h>

#define AGREE 3
#define ANSWER_MS 20000
#define SERVED_A_MINUTE 30
#define PAID_A_MINUTE 12 /* of them, to another IP than the peer's */
#define SERVED_OF_PEER_MS 20000
#define PEERS_MAX 64 /* looked at for one to ask */

typedef kw_autonat_talk talk;
typedef kw_autonat_vote vote;

uint64_t kw_autonat_now(const kw_host *host)
{
    return kw_loop_now(kw_host_loop(host));
}

/* ---- addresses ---- */

bool kw_autonat_is_tcp(const kw_multiaddr *addr, kw_multiaddr_part *ip)
{
    kw_multiaddr_part tcp;
    size_t at = 0;
    return kw_multiaddr_next(addr, &at, ip) && kw_multiaddr_next(addr, &at, &tcp) &&
           (ip->code == KW_MA_IP4 || ip->code == KW_MA_IP6) && tcp.code == KW_MA_TCP &&
           at == addr->len;
}

static void add_own(const kw_autonat *a, const kw_multiaddr *addr, talk *t)
{
    kw_multiaddr_part ip;
    if (!kw_autonat_is_tcp(addr, &ip) || (!a->config.anywhere && !kw_ip_public(addr)) ||
        t->n_addrs == KW_AUTONAT_ADDRS)
        return;
    for (size_t i = 0; i < t->n_addrs; i++)
        if (kw_multiaddr_equal(&t->addrs[i], addr))
            return;
    t->addrs[t->n_addrs++] = *addr;
}

/* Where others saw our listening port, and what we listen on. */
static void own_addrs(const kw_autonat *a, talk *t)
{
    kw_multiaddr own[16];
    for (const kw_link *l = a->config.host->links; l; l = l->next)
        if (!l->relayed && !l->over && l->observed.len > 0 && (l->inbound || l->own_port))
            add_own(a, &l->observed, t);
    const size_t n = KW_MIN(kw_host_addrs(a->config.host, own, KW_COUNT(own)), KW_COUNT(own));
    for (size_t i = 0; i < n; i++)
        add_own(a, &own[i], t);
}

/* ---- talks ---- */

void kw_autonat_free_if_gone(talk *t)
{
    if (!t->over || t->stream || t->n_due > 0)
        return;
    if (t->autonat) {
        talk **at = &t->autonat->talks;
        while (*at != t)
            at = &(*at)->next;
        *at = t->next;
        if (t->asks)
            t->autonat->asking = false;
    }
    kw_frames_free(&t->frames);
    free(t);
}

talk *kw_autonat_new_talk(kw_autonat *a, const kw_peer_id *peer, bool asks)
{
    talk *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    *t = (talk){.autonat = a,
                .host = a->config.host,
                .peer = *peer,
                .since_ms = kw_autonat_now(a->config.host),
                .asks = asks};
    t->next = a->talks;
    a->talks = t;
    return t;
}

void kw_autonat_send(kw_stream *stream, kw_buf *message)
{
    const kw_bytes bytes = {(const uint8_t *)message->data, message->len};
    if (message->failed || kw_frame_write(stream, bytes, NULL) != KW_OK)
        kw_stream_reset(stream);
    kw_buf_free(message);
}

void kw_autonat_on_end(void *user, kw_stream *stream)
{
    const talk *t = user;
    if (t->asks || t->over)
        kw_stream_finish(stream); /* one who asks may have finished: his answer is still due */
}

void kw_autonat_on_closed(void *user, kw_stream *stream, kw_status why)
{
    talk *t = user;
    (void)stream;
    (void)why;
    t->stream = NULL;
    t->due = NULL;
    t->over = true;
    if (t->back)
        kw_stream_reset(t->back);
    kw_autonat_free_if_gone(t);
}

void kw_autonat_on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    talk *t = user;
    if (kw_frames_feed(&t->frames, bytes, t->on_message, t, NULL) != KW_OK)
        kw_stream_reset(stream);
}

void kw_autonat_listen(talk *t, kw_stream *stream, size_t max, kw_autonat_message_fn on_message)
{
    static const kw_stream_events events = {
        .data = kw_autonat_on_data, .end = kw_autonat_on_end, .closed = kw_autonat_on_closed};
    t->frames.max = max;
    t->on_message = on_message;
    t->stream = stream;
    kw_stream_listen(stream, &events, t);
}

bool kw_autonat_incoming(kw_autonat *a, kw_stream *stream, size_t max,
                         kw_autonat_message_fn on_message)
{
    talk *t = kw_autonat_new_talk(a, kw_stream_peer(stream), false);
    if (t)
        kw_autonat_listen(t, stream, max, on_message);
    return t != NULL;
}

/* ---- serving ---- */

bool kw_autonat_may_serve(kw_autonat *a, const kw_peer_id *peer, bool paid)
{
    const uint64_t now = kw_autonat_now(a->config.host);
    size_t of_minute = 0, of_paid = 0;
    for (size_t i = 0; i < a->n_served; i++) {
        const kw_autonat_served *s = &a->served[i];
        const bool recent = now - s->at_ms < 60000;
        of_minute += recent;
        of_paid += recent && s->paid;
        if (kw_peer_id_equal(&s->peer, peer) && now - s->at_ms < SERVED_OF_PEER_MS)
            return false;
    }
    if (of_minute >= SERVED_A_MINUTE || (paid && of_paid >= PAID_A_MINUTE))
        return false;
    if (a->n_served == KW_AUTONAT_SERVED)
        memmove(a->served, a->served + 1, --a->n_served * sizeof a->served[0]);
    a->served[a->n_served++] = (kw_autonat_served){.peer = *peer, .at_ms = now, .paid = paid};
    return true;
}

/* ---- what the answers add up to ---- */

static vote *vote_of(kw_autonat *a, const kw_peer_id *peer)
{
    for (size_t i = 0; i < a->n_votes; i++)
        if (kw_peer_id_equal(&a->votes[i].peer, peer))
            return &a->votes[i];
    return NULL;
}

static void decide(kw_autonat *a)
{
    size_t yes = 0, no = 0;
    for (size_t i = 0; i < a->n_votes; i++) {
        yes += a->votes[i].says == KW_REACH_PUBLIC;
        no += a->votes[i].says == KW_REACH_PRIVATE;
    }
    if (yes >= AGREE && yes > no)
        a->reach = KW_REACH_PUBLIC;
    else if (no >= AGREE && no > yes)
        a->reach = KW_REACH_PRIVATE;
    const bool told = a->reach == KW_REACH_PUBLIC && a->reached.len > 0;
    kw_multiaddr own[16];
    const size_t n = KW_MIN(kw_host_addrs(a->config.host, own, KW_COUNT(own)), KW_COUNT(own));
    bool listened = false;
    for (size_t i = 0; i < n; i++)
        listened = listened || kw_multiaddr_equal(&own[i], &a->reached);
    if (!told || !listened)
        kw_host_set_also(a->config.host, KW_ALSO_OBSERVED, &a->reached, told);
}

/* An address that is proven is not given up for one that is only said. */
void kw_autonat_heard(kw_autonat *a, const kw_peer_id *peer, kw_reach says,
                      const kw_multiaddr *addr, bool proven)
{
    vote *v = vote_of(a, peer);
    if (v)
        v->says = says;
    if (addr && (proven || !a->proven)) {
        a->reached = *addr;
        a->proven = proven;
    }
    decide(a);
}

/* ---- whom to ask ---- */

static bool speaks(const kw_autonat *a, const kw_peer_id *peer, const char *id)
{
    return kw_host_peer_speaks(a->config.host, peer, id);
}

/* The connected peer that was never asked, or asked longest ago; NULL: nobody speaks it. */
static const kw_peer_id *choose(kw_autonat *a, const kw_peer_info *infos, size_t n)
{
    const kw_peer_id *best = NULL;
    uint64_t best_ms =
        kw_autonat_now(a->config.host) - KW_MIN(kw_autonat_now(a->config.host), 60000);
    for (size_t i = 0; i < n; i++) {
        const vote *v = vote_of(a, &infos[i].id);
        const uint64_t asked_ms = v ? v->asked_ms : 0;
        if (infos[i].relayed || (v && asked_ms >= best_ms) ||
            !(speaks(a, &infos[i].id, KW_AUTONAT2_ID) || speaks(a, &infos[i].id, KW_AUTONAT_ID)))
            continue;
        best = &infos[i].id;
        best_ms = asked_ms;
        if (!v)
            break;
    }
    return best;
}

/* The oldest vote makes room. */
static void note_asked(kw_autonat *a, const kw_peer_id *peer)
{
    vote *v = vote_of(a, peer);
    if (v) {
        v->asked_ms = kw_autonat_now(a->config.host);
        return;
    }
    if (a->n_votes == KW_AUTONAT_VOTES)
        memmove(a->votes, a->votes + 1, --a->n_votes * sizeof a->votes[0]);
    a->votes[a->n_votes++] = (vote){.peer = *peer, .asked_ms = kw_autonat_now(a->config.host)};
}

static void ask(kw_autonat *a)
{
    static const char *const v1[] = {KW_AUTONAT_ID}, *const v2[] = {KW_AUTONAT2_ID};
    kw_peer_info *infos = calloc(PEERS_MAX, sizeof *infos);
    const size_t n = infos ? KW_MIN(kw_host_peers(a->config.host, infos, PEERS_MAX), PEERS_MAX) : 0;
    const kw_peer_id *peer = choose(a, infos, n);
    talk *t = peer ? kw_autonat_new_talk(a, peer, true) : NULL;
    if (t) {
        a->asking = true;
        own_addrs(a, t);
        if (t->n_addrs == 0) {
            t->over = true;
            kw_autonat_free_if_gone(t);
        } else {
            note_asked(a, peer);
            t->n_due++;
            if (speaks(a, &t->peer, KW_AUTONAT2_ID))
                kw_host_stream(a->config.host, &t->peer, v2, 1, kw_autonat_v2_opened, t);
            else
                kw_host_stream(a->config.host, &t->peer, v1, 1, kw_autonat_v1_opened, t);
        }
    }
    free(infos);
    a->due_ms = kw_autonat_now(a->config.host) +
                (a->reach == KW_REACH_UNKNOWN ? a->config.undecided_ms : a->config.again_ms);
}

static void on_timer(void *user)
{
    kw_autonat *a = user;
    const uint64_t now = kw_autonat_now(a->config.host);
    for (talk *t = a->talks, *next; t; t = next) {
        next = t->next;
        if (t->stream && now - t->since_ms > ANSWER_MS)
            kw_stream_reset(t->stream);
        else if (t->due && now >= t->due_ms)
            t->due(t);
    }
    if (!a->asking && now >= a->due_ms)
        ask(a);
}

static void unspeak(kw_host *host)
{
    kw_host_unspeak(host, KW_AUTONAT_ID);
    kw_host_unspeak(host, KW_AUTONAT2_ID);
    kw_host_unspeak(host, KW_AUTONAT2_BACK_ID);
}

static kw_status speak(kw_autonat *a, kw_error *err)
{
    const kw_protocol protocols[] = {{.id = KW_AUTONAT_ID,
                                      .incoming = kw_autonat_v1_incoming,
                                      .user = a,
                                      .max_per_peer = 1,
                                      .direct = true},
                                     {.id = KW_AUTONAT2_ID,
                                      .incoming = kw_autonat_v2_incoming,
                                      .user = a,
                                      .max_per_peer = 1,
                                      .direct = true},
                                     {.id = KW_AUTONAT2_BACK_ID,
                                      .incoming = kw_autonat_v2_back,
                                      .user = a,
                                      .max_per_peer = 1,
                                      .direct = true}};
    for (size_t i = 0; i < KW_COUNT(protocols); i++)
        KW_TRY(kw_host_speak(a->config.host, &protocols[i], err));
    return KW_OK;
}

kw_status kw_autonat_open(const kw_autonat_config *config, kw_autonat **out, kw_error *err)
{
    kw_autonat *a = calloc(1, sizeof *a);
    if (!a)
        return kw_fail(err, KW_E_NOMEM, "autonat: out of memory");
    a->config = *config;
    if (a->config.undecided_ms == 0)
        a->config.undecided_ms = 15000;
    if (a->config.again_ms == 0)
        a->config.again_ms = 300000;
    kw_status status = kw_timer_open(kw_host_loop(config->host), on_timer, a, &a->timer, err);
    if (status == KW_OK)
        status = speak(a, err);
    if (status != KW_OK) {
        unspeak(a->config.host);
        if (a->timer)
            kw_timer_close(a->timer);
        free(a);
        return status;
    }
    const uint64_t tick = KW_MIN(a->config.undecided_ms / 4, 1000);
    a->due_ms = kw_autonat_now(config->host) + tick;
    kw_timer_set(a->timer, tick, tick);
    *out = a;
    return KW_OK;
}

void kw_autonat_close(kw_autonat *a)
{
    unspeak(a->config.host);
    kw_timer_close(a->timer);
    for (talk *t = a->talks; t;) {
        talk *next = t->next;
        t->autonat = NULL;
        t->due = NULL;
        t->over = true;
        if (t->back)
            kw_stream_reset(t->back);
        if (t->stream)
            kw_stream_reset(t->stream);
        kw_autonat_free_if_gone(t);
        t = next;
    }
    kw_host_set_also(a->config.host, KW_ALSO_OBSERVED, NULL, 0);
    free(a);
}

void kw_autonat_get_info(const kw_autonat *a, kw_autonat_info *out)
{
    *out = (kw_autonat_info){.reach = a->reach, .n_served = a->n_served_ever};
    for (size_t i = 0; i < a->n_votes; i++) {
        out->n_yes += a->votes[i].says == KW_REACH_PUBLIC;
        out->n_no += a->votes[i].says == KW_REACH_PRIVATE;
    }
}
