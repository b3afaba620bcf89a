/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat.c - /libp2p/autonat/1.0.0, both sides.
 *
 * Asking: one peer at a time, each has one vote, three that agree and outnumber the others decide.
 * Serving: we dial the address that we see the peer at and no other, so nobody can aim us at a
 * third; few at a time, few a minute, and of one peer one in 20 seconds.
 * Source: libp2p specifications, autonat/autonat-v1. */
#include "net/autonat.h"

#include "base/check.h"
#include "net/autonat_message.h"
#include "net/dial.h"
#include "net/frame.h"
#include "net/ip_scope.h"

#include <stdlib.h>
#include <string.h>

#define AUTONAT_ID "/libp2p/autonat/1.0.0"
#define VOTES_MAX 8
#define AGREE 3
#define ANSWER_MS 20000
#define SERVED_A_MINUTE 30
#define SERVED_OF_PEER_MS 20000
#define SERVED_MAX 64 /* remembered */
#define PEERS_MAX 64  /* looked at for one to ask */

typedef struct vote {
    kw_peer_id peer;
    uint64_t asked_ms;
    kw_reach says; /* unknown: has not answered, or not to the point */
} vote;

/* A stream, ours or theirs; it outlives the rest when that is closed. */
typedef struct talk {
    struct talk *next;
    kw_autonat *autonat; /* NULL: closed */
    kw_host *host;
    kw_peer_id peer;
    kw_stream *stream;
    kw_frames frames;
    kw_multiaddr addrs[KW_AUTONAT_ADDRS]; /* that we named, or dial */
    size_t n_addrs;
    uint64_t since_ms;
    unsigned n_due; /* callbacks that will come */
    bool asks, over;
} talk;

typedef struct served {
    kw_peer_id peer;
    uint64_t at_ms;
} served;

struct kw_autonat {
    kw_autonat_config config;
    kw_timer *timer;
    talk *talks;
    vote votes[VOTES_MAX];
    size_t n_votes;
    uint64_t due_ms;
    bool asking;
    kw_reach reach;
    kw_multiaddr reached; /* that a peer dialed; len 0: none */
    served served[SERVED_MAX];
    size_t n_served;
    uint64_t n_served_ever;
};

static uint64_t now_of(const kw_host *host)
{
    return kw_loop_now(kw_host_loop(host));
}

/* ---- addresses ---- */

static bool is_tcp(const kw_multiaddr *addr, kw_multiaddr_part *ip)
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
    if (!is_tcp(addr, &ip) || (!a->config.anywhere && !kw_ip_public(addr)) ||
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

/* ---- a talk's end ---- */

static void free_if_gone(talk *t)
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

static void say(talk *t, const kw_autonat_message *message)
{
    kw_buf out = {0};
    kw_autonat_message_put(message, &out);
    if (out.failed ||
        kw_frame_write(t->stream, (kw_bytes){(const uint8_t *)out.data, out.len}, NULL) != KW_OK)
        kw_stream_reset(t->stream);
    kw_buf_free(&out);
}

static talk *new_talk(kw_autonat *a, const kw_peer_id *peer, bool asks)
{
    talk *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    *t = (talk){.autonat = a,
                .host = a->config.host,
                .peer = *peer,
                .frames = {.max = KW_AUTONAT_MESSAGE_MAX},
                .since_ms = now_of(a->config.host),
                .asks = asks};
    t->next = a->talks;
    a->talks = t;
    return t;
}

/* ---- serving ---- */

static bool may_serve(kw_autonat *a, const kw_peer_id *peer)
{
    const uint64_t now = now_of(a->config.host);
    size_t of_minute = 0;
    for (size_t i = 0; i < a->n_served; i++) {
        of_minute += now - a->served[i].at_ms < 60000;
        if (kw_peer_id_equal(&a->served[i].peer, peer) &&
            now - a->served[i].at_ms < SERVED_OF_PEER_MS)
            return false;
    }
    if (of_minute >= SERVED_A_MINUTE)
        return false;
    if (a->n_served == SERVED_MAX)
        memmove(a->served, a->served + 1, --a->n_served * sizeof a->served[0]);
    a->served[a->n_served++] = (served){.peer = *peer, .at_ms = now};
    a->n_served_ever++;
    return true;
}

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
    free_if_gone(t);
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
        if (is_tcp(&asked->addrs[i], &ip) && (ip.code == KW_MA_IP6) == ip6 &&
            memcmp(ip.value.data, seen, ip.value.len) == 0 &&
            (a->config.anywhere || kw_ip_public(&asked->addrs[i])))
            t->addrs[t->n_addrs++] = asked->addrs[i];
    }
    if (t->n_addrs == 0 || !may_serve(a, &t->peer)) {
        answer(t, KW_AUTONAT_REFUSED);
        return;
    }
    t->n_due++;
    if (kw_dial_punch(t->host, &t->peer, t->addrs, t->n_addrs, KW_PUNCH_OTHER_PORT, on_dialed_back,
                      t, NULL) == KW_OK)
        return;
    t->n_due--;
    answer(t, KW_AUTONAT_INTERNAL);
}

/* ---- asking ---- */

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

static void heard(talk *t, const kw_autonat_message *said)
{
    kw_autonat *a = t->autonat;
    for (size_t i = 0; i < a->n_votes; i++) {
        if (!kw_peer_id_equal(&a->votes[i].peer, &t->peer))
            continue;
        if (said->status == KW_AUTONAT_OK)
            a->votes[i].says = KW_REACH_PUBLIC;
        else if (said->status == KW_AUTONAT_DIAL_ERROR)
            a->votes[i].says = KW_REACH_PRIVATE;
    }
    for (size_t i = 0; said->status == KW_AUTONAT_OK && said->n_addrs > 0 && i < t->n_addrs; i++)
        if (kw_multiaddr_equal(&t->addrs[i], &said->addrs[0]))
            a->reached = t->addrs[i];
    decide(a);
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

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    talk *t = user;
    if (kw_frames_feed(&t->frames, bytes, on_message, t, NULL) != KW_OK)
        kw_stream_reset(stream);
}

static void on_end(void *user, kw_stream *stream)
{
    const talk *t = user;
    if (t->asks || t->over)
        kw_stream_finish(stream); /* one who asks may have finished: his answer is still due */
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    talk *t = user;
    (void)stream;
    (void)why;
    t->stream = NULL;
    t->over = true;
    free_if_gone(t);
}

static const kw_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};

static bool on_incoming(void *user, kw_stream *stream)
{
    talk *t = new_talk(user, kw_stream_peer(stream), false);
    if (!t)
        return false;
    t->stream = stream;
    kw_stream_listen(stream, &events, t);
    return true;
}

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    talk *t = user;
    (void)status;
    (void)why;
    t->n_due--;
    if (!stream) {
        t->over = true;
        free_if_gone(t);
        return;
    }
    t->stream = stream;
    kw_stream_listen(stream, &events, t);
    if (!t->autonat) {
        kw_stream_reset(stream);
        return;
    }
    kw_autonat_message ask = {.type = KW_AUTONAT_DIAL, .peer = *kw_host_id(t->host)};
    memcpy(ask.addrs, t->addrs, sizeof ask.addrs);
    ask.n_addrs = t->n_addrs;
    say(t, &ask);
}

/* ---- whom to ask ---- */

static vote *vote_of(kw_autonat *a, const kw_peer_id *peer)
{
    for (size_t i = 0; i < a->n_votes; i++)
        if (kw_peer_id_equal(&a->votes[i].peer, peer))
            return &a->votes[i];
    return NULL;
}

/* The connected peer that was never asked, or asked longest ago; NULL: nobody speaks it. */
static const kw_peer_id *choose(kw_autonat *a, const kw_peer_info *infos, size_t n)
{
    const kw_peer_id *best = NULL;
    uint64_t best_ms = now_of(a->config.host) - KW_MIN(now_of(a->config.host), 60000);
    for (size_t i = 0; i < n; i++) {
        const vote *v = vote_of(a, &infos[i].id);
        const uint64_t asked_ms = v ? v->asked_ms : 0;
        if (infos[i].relayed || (v && asked_ms >= best_ms) ||
            !kw_host_peer_speaks(a->config.host, &infos[i].id, AUTONAT_ID))
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
        v->asked_ms = now_of(a->config.host);
        return;
    }
    if (a->n_votes == VOTES_MAX)
        memmove(a->votes, a->votes + 1, --a->n_votes * sizeof a->votes[0]);
    a->votes[a->n_votes++] = (vote){.peer = *peer, .asked_ms = now_of(a->config.host)};
}

static void ask(kw_autonat *a)
{
    static const char *const ids[] = {AUTONAT_ID};
    kw_peer_info *infos = calloc(PEERS_MAX, sizeof *infos);
    const size_t n = infos ? KW_MIN(kw_host_peers(a->config.host, infos, PEERS_MAX), PEERS_MAX) : 0;
    const kw_peer_id *peer = choose(a, infos, n);
    talk *t = peer ? new_talk(a, peer, true) : NULL;
    if (t) {
        a->asking = true;
        own_addrs(a, t);
        if (t->n_addrs == 0) {
            t->over = true;
            free_if_gone(t);
        } else {
            note_asked(a, peer);
            t->n_due++;
            kw_host_stream(a->config.host, &t->peer, ids, 1, on_opened, t);
        }
    }
    free(infos);
    a->due_ms = now_of(a->config.host) +
                (a->reach == KW_REACH_UNKNOWN ? a->config.undecided_ms : a->config.again_ms);
}

static void on_timer(void *user)
{
    kw_autonat *a = user;
    const uint64_t now = now_of(a->config.host);
    for (talk *t = a->talks; t; t = t->next)
        if (t->stream && now - t->since_ms > ANSWER_MS)
            kw_stream_reset(t->stream);
    if (!a->asking && now >= a->due_ms)
        ask(a);
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
    const kw_protocol protocol = {
        .id = AUTONAT_ID, .incoming = on_incoming, .user = a, .max_per_peer = 1, .direct = true};
    kw_status status = kw_timer_open(kw_host_loop(config->host), on_timer, a, &a->timer, err);
    if (status == KW_OK)
        status = kw_host_speak(config->host, &protocol, err);
    if (status != KW_OK) {
        if (a->timer)
            kw_timer_close(a->timer);
        free(a);
        return status;
    }
    const uint64_t tick = KW_MIN(a->config.undecided_ms / 4, 1000);
    a->due_ms = now_of(config->host) + tick;
    kw_timer_set(a->timer, tick, tick);
    *out = a;
    return KW_OK;
}

void kw_autonat_close(kw_autonat *a)
{
    kw_host_unspeak(a->config.host, AUTONAT_ID);
    kw_timer_close(a->timer);
    for (talk *t = a->talks; t;) {
        talk *next = t->next;
        t->autonat = NULL;
        t->over = true;
        if (t->stream)
            kw_stream_reset(t->stream);
        free_if_gone(t);
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
