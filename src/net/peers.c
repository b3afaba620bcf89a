/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peers.c - which connections lead to whom, and the streams and connections that are asked for.
 *
 * When two peers dial each other at once there are two connections. Both ends prefer the one that
 * the smaller peer id began, so that they agree without a word; the other is retired: no new
 * streams, and it closes when it has none. Of two that the same end began, that end retires the
 * later one. A connection through a relay is the last choice, and is retired when there is another.
 */
#include "net/dial.h"

#include "base/check.h"
#include "net/relay_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREDIT_OF_BLOCK 16.0
#define LEARNED_MS 3600000 /* an address that answered */

static const char only_relayed[] =
    "the peer is reached through a relay alone, which does not carry this";

/* ---- peers and their links ---- */

kw_peer *kw_peer_find(const kw_host *host, const kw_peer_id *id)
{
    return (kw_peer *)kw_peer_table_find(&host->peers, id);
}

/* 0: the link that both ends prefer. */
static int rank(const kw_link *link, const kw_peer_id *other)
{
    const kw_peer_id *self = kw_host_id(link->host);
    int order = memcmp(self->bytes, other->bytes, KW_MIN(self->len, other->len));
    if (order == 0)
        order = self->len < other->len ? -1 : 1;
    return 2 * link->relayed + ((order < 0) == link->inbound);
}

kw_link *kw_peer_link(const kw_peer *peer)
{
    kw_link *best = NULL;
    for (kw_link *l = peer ? peer->links : NULL; l; l = l->next_of_peer)
        if (!l->over && (!best || rank(l, &peer->node.id) < rank(best, &peer->node.id)))
            best = l;
    return best;
}

static void retire_others(const kw_peer *peer)
{
    const kw_link *best = kw_peer_link(peer);
    const kw_peer_id *id = &peer->node.id;
    for (kw_link *l = peer->links; l; l = l->next_of_peer)
        l->retired = best && l != best && (rank(l, id) != rank(best, id) || !l->inbound);
}

static kw_peer *peer_of(kw_host *host, const kw_peer_id *id)
{
    kw_peer *peer = kw_peer_find(host, id);
    if (peer)
        return peer;
    peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->node.id = *id;
    peer->requests = kw_bucket_full(&host->requests, kw_loop_now(host->loop));
    if (kw_peer_table_add(&host->peers, &peer->node, NULL) != KW_OK) {
        free(peer);
        return NULL;
    }
    kw_book_pin(host->book, id, true);
    return peer;
}

void kw_peer_came(kw_link *link, const kw_peer_id *id)
{
    kw_host *host = link->host;
    if (kw_peer_id_equal(id, kw_host_id(host))) {
        link->refused = "it is ourselves";
        return;
    }
    if (!kw_host_allows(host, id, &link->addr, link->inbound)) {
        link->refused = "not allowed";
        return;
    }
    kw_peer *peer = peer_of(host, id);
    if (!peer) {
        link->refused = "out of memory";
        return;
    }
    kw_link **last = &peer->links;
    while (*last)
        last = &(*last)->next_of_peer;
    *last = link;
    link->peer = peer;
    retire_others(peer);
}

void kw_link_started(kw_link *link)
{
    kw_host *host = link->host;
    link->busy_ms = kw_loop_now(host->loop);
    if (!link->inbound)
        (void)kw_book_learn(host->book, &link->peer->node.id, &link->addr, link->busy_ms,
                            LEARNED_MS, NULL);
    if (link->dial)
        kw_dial_won(link->dial, link);
    kw_identify_ask(link);
}

void kw_peer_left(kw_link *link)
{
    kw_peer *peer = link->peer;
    kw_host *host = link->host;
    if (!peer)
        return;
    kw_link **at = &peer->links;
    while (*at != link)
        at = &(*at)->next_of_peer;
    *at = link->next_of_peer;
    link->peer = NULL;
    if (peer->links) {
        retire_others(peer);
        return;
    }
    const kw_peer_id id = peer->node.id;
    const bool joined = peer->joined;
    kw_peer_table_remove(&host->peers, &peer->node);
    kw_buf_free(&peer->protocols);
    free(peer);
    kw_book_pin(host->book, &id, false);
    if (joined)
        kw_host_tell(host, &id, false);
}

/* ---- requests ---- */

/* A stream or a connection that somebody waits for. */
struct kw_request {
    kw_request *next; /* in host->soon */
    kw_host *host;
    kw_peer_id peer;
    kw_stream_fn opened; /* one of the two */
    kw_connected_fn connected;
    void *user;
    kw_status status;
    char why[240];
    bool inside; /* of the call that asks */
    size_t n_protocols;
    char *protocols[]; /* into the same allocation */
};

static kw_request *new_request(kw_host *host, const kw_peer_id *peer, const char *const *protocols,
                               size_t n)
{
    size_t bytes = sizeof(kw_request) + n * sizeof(char *);
    for (size_t i = 0; i < n; i++)
        bytes += strlen(protocols[i]) + 1;
    kw_request *r = malloc(bytes);
    if (!r)
        return NULL;
    *r = (kw_request){.host = host, .n_protocols = n};
    if (peer)
        r->peer = *peer;
    char *text = (char *)&r->protocols[n];
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(protocols[i]) + 1;
        memcpy(text, protocols[i], len);
        r->protocols[i] = text;
        text += len;
    }
    return r;
}

static void answer(kw_request *r)
{
    if (r->opened)
        r->opened(r->user, NULL, r->status, r->why);
    else if (r->connected)
        r->connected(r->user, &r->peer, r->status, r->why);
    free(r);
}

static void set_answer(kw_request *r, kw_status status, const char *why)
{
    r->status = status;
    (void)snprintf(r->why, sizeof r->why, "%s", why ? why : "");
}

/* The answer is due from the loop. */
static void answer_soon(kw_request *r, kw_status status, const char *why)
{
    kw_request **last = &r->host->soon;
    while (*last)
        last = &(*last)->next;
    *last = r;
    r->next = NULL;
    set_answer(r, status, why);
    kw_timer_set(r->host->soon_timer, 0, 0);
}

void kw_requests_run(kw_host *host)
{
    kw_request *list = host->soon;
    host->soon = NULL;
    while (list) {
        kw_request *next = list->next;
        answer(list);
        list = next;
    }
}

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    kw_request *r = user;
    if (r->inside) {
        answer_soon(r, status == KW_OK ? KW_E_INTERNAL : status, why);
        return;
    }
    r->opened(r->user, stream, status, why);
    free(r);
}

static void ask_stream(kw_request *r, kw_link *link)
{
    kw_connection_stream(link->connection, (const char *const *)r->protocols, r->n_protocols,
                         on_opened, r);
}

/* A relay that counts bytes is for arranging a direct connection, not for files; and no relay is
 * asked through another one. */
static bool may_run(const kw_link *link, const char *protocol)
{
    const kw_protocol *row = kw_host_protocol(link->host, protocol);
    if (link->relayed && strcmp(protocol, KW_RELAY_HOP_ID) == 0)
        return false;
    return !link->limited || (row && row->limited);
}

static void on_dialed(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    kw_request *r = user;
    kw_link *link = status == KW_OK ? kw_peer_link(kw_peer_find(r->host, peer)) : NULL;
    r->peer = *peer;
    if (status == KW_OK && !link)
        set_answer(r, KW_E_IO, "the connection is gone already");
    else
        set_answer(r, status, why);
    if (link && r->opened && may_run(link, r->protocols[0])) {
        ask_stream(r, link);
        return;
    }
    if (link && r->opened)
        set_answer(r, KW_E_LIMIT, only_relayed);
    answer(r);
}

void kw_host_stream(kw_host *host, const kw_peer_id *peer, const char *const *protocols,
                    size_t n_protocols, kw_stream_fn opened, void *user)
{
    kw_error err;
    kw_request *r = new_request(host, peer, protocols, n_protocols);
    if (!r) { /* the one case within the call: there is no memory for a later one */
        opened(user, NULL, KW_E_NOMEM, "out of memory");
        return;
    }
    r->opened = opened;
    r->user = user;
    kw_link *link = kw_peer_link(kw_peer_find(host, peer));
    if (host->closing) {
        answer_soon(r, KW_E_CANCELLED, "the host closes");
    } else if (link && !may_run(link, protocols[0])) {
        answer_soon(r, KW_E_LIMIT, only_relayed);
    } else if (link) {
        r->inside = true;
        ask_stream(r, link);
        r->inside = false; /* it waits, or is in host->soon */
    } else if (kw_peer_id_equal(peer, kw_host_id(host))) {
        answer_soon(r, KW_E_ARG, "a host does not dial itself");
    } else {
        const kw_status status = kw_dial_start(host, peer, NULL, on_dialed, r, &err);
        if (status != KW_OK)
            answer_soon(r, status, err.message);
    }
}

/* The peer and the address that are meant: what is in /p2p of the address must be the peer. */
static kw_status whom(const kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                      kw_peer_id *id, kw_multiaddr *without, kw_error *err)
{
    *id = peer ? *peer : (kw_peer_id){.len = 0};
    *without = addr ? *addr : (kw_multiaddr){.len = 0};
    kw_peer_id named;
    if (addr && kw_multiaddr_split(addr, without, &named)) {
        if (id->len > 0 && !kw_peer_id_equal(id, &named))
            return kw_fail(err, KW_E_ARG, "host: the address names another peer");
        *id = named;
    }
    if (id->len == 0 && without->len == 0)
        return kw_fail(err, KW_E_ARG, "host: neither a peer nor an address");
    if (kw_peer_id_equal(id, kw_host_id(host)))
        return kw_fail(err, KW_E_ARG, "host: a host does not dial itself");
    return host->closing ? kw_fail(err, KW_E_CANCELLED, "the host closes") : KW_OK;
}

static void connect_to(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                       bool own_port, kw_connected_fn done, void *user)
{
    kw_error err = {.message = ""};
    kw_multiaddr without;
    kw_peer_id id = {.len = 0};
    kw_request *r = new_request(host, peer, NULL, 0);
    if (!r) {
        if (done)
            done(user, peer ? peer : &id, KW_E_NOMEM, "out of memory");
        return;
    }
    r->connected = done;
    r->user = user;
    kw_status status = whom(host, peer, addr, &id, &without, &err);
    r->peer = id;
    if (status != KW_OK || (id.len > 0 && kw_host_connected(host, &id))) {
        answer_soon(r, status, err.message);
        return;
    }
    status = kw_dial_start(host, &id, without.len > 0 ? &without : NULL, on_dialed, r, &err);
    if (status != KW_OK)
        answer_soon(r, status, err.message);
    else if (own_port)
        kw_dial_from_own_port(host, &id);
}

void kw_host_connect(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                     kw_connected_fn done, void *user)
{
    connect_to(host, peer, addr, false, done, user);
}

void kw_host_connect_from_port(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                               kw_connected_fn done, void *user)
{
    connect_to(host, peer, addr, true, done, user);
}

/* ---- asking about peers ---- */

void kw_host_disconnect(kw_host *host, const kw_peer_id *peer)
{
    kw_link *link;
    while ((link = kw_peer_link(kw_peer_find(host, peer))) != NULL)
        kw_link_close(link);
}

void kw_host_enforce(kw_host *host)
{
    const kw_peer_id nobody = {.len = 0};
    for (kw_link *link = host->links; link;) {
        kw_link *next = link->next; /* stays in memory in this turn of the loop */
        const kw_peer_id *id = link->peer ? &link->peer->node.id : &nobody;
        if (!link->over && !kw_host_allows(host, id, &link->addr, link->inbound))
            kw_link_close(link);
        link = next;
    }
}

bool kw_host_peer_addr(const kw_host *host, const kw_peer_id *peer, kw_multiaddr *out)
{
    const kw_link *link = kw_peer_link(kw_peer_find(host, peer));
    if (link)
        *out = link->addr;
    return link != NULL;
}

bool kw_host_request(kw_host *host, const kw_peer_id *id, double cost)
{
    kw_peer *peer = kw_peer_find(host, id);
    const kw_link *link = kw_peer_link(peer);
    const uint64_t now = kw_loop_now(host->loop);
    if (!link)
        return true; /* it leaves: nothing of it is answered any more */
    if (!kw_bucket_has(&peer->requests, &host->requests, now) ||
        (link->counted && !kw_limits_request(host->gate, link->ip6, link->ip, cost, now)))
        return false;
    kw_bucket_spend(&peer->requests, cost);
    return true;
}

/* Whom we dialed, and who came through a relay, have no credit of their own. */
static void add_credit(kw_host *host, const kw_peer_id *id, double credit)
{
    const kw_link *link = kw_peer_link(kw_peer_find(host, id));
    if (link && link->counted)
        kw_limits_earn(host->gate, link->ip6, link->ip, credit, kw_loop_now(host->loop));
}

void kw_host_answered(kw_host *host, const kw_peer_id *id, size_t n)
{
    kw_bucket_fill(&host->answers, &host->answer_rate, kw_loop_now(host->loop));
    kw_bucket_spend(&host->answers, (double)n);
    add_credit(host, id, -(double)n);
}

void kw_host_moved(kw_host *host, const kw_peer_id *id, size_t n_blocks)
{
    add_credit(host, id, CREDIT_OF_BLOCK * (double)n_blocks);
}

bool kw_host_has_time(kw_host *host, const kw_peer_id *id)
{
    const kw_link *link = kw_peer_link(kw_peer_find(host, id));
    const uint64_t now = kw_loop_now(host->loop);
    if (!link || kw_bucket_has(&host->answers, &host->answer_rate, now))
        return true;
    if (!link->inbound)
        return true;
    return link->counted && kw_limits_has_credit(host->gate, link->ip6, link->ip, now);
}

void kw_host_blame(kw_host *host, const kw_peer_id *peer, kw_host_fault fault)
{
    kw_multiaddr addr = {.len = 0};
    if (!host->config.fault)
        return;
    const kw_link *link = kw_peer_link(kw_peer_find(host, peer));
    if (link && !link->relayed) /* a relay is not to blame for whom it carries */
        addr = link->addr;
    host->config.fault(host->config.allow_user, peer, &addr, fault);
}

void kw_link_blame(const kw_link *link, kw_host_fault fault)
{
    const kw_peer_id nobody = {.len = 0};
    const kw_host *host = link->host;
    kw_multiaddr_part udp;
    if (!host->config.fault || host->closing)
        return;
    /* An address that was dialed may be what somebody else named, that of a datagram is not proven:
     * until it is known who is there, nobody is to blame. */
    if (!link->peer && (!link->inbound || kw_multiaddr_find(&link->addr, KW_MA_UDP, &udp)))
        return;
    const kw_multiaddr nowhere = {.len = 0};
    host->config.fault(host->config.allow_user, link->peer ? &link->peer->node.id : &nobody,
                       link->relayed ? &nowhere : &link->addr, fault);
}

void kw_host_keep(kw_host *host, const kw_peer_id *peer, bool keep)
{
    kw_peer *p = kw_peer_find(host, peer);
    if (p && keep)
        p->n_kept++;
    else if (p && p->n_kept > 0)
        p->n_kept--;
}

kw_link *kw_link_of_stream(const kw_host *host, const kw_stream *stream)
{
    const kw_peer *peer = kw_peer_find(host, kw_stream_peer(stream));
    kw_link *link = peer ? peer->links : NULL;
    while (link && !kw_connection_carries(link->connection, stream))
        link = link->next_of_peer;
    return link;
}

bool kw_peer_ip(const kw_host *host, const kw_peer_id *peer, bool *ip6, uint8_t ip[16])
{
    const kw_link *link = kw_peer_link(kw_peer_find(host, peer));
    kw_multiaddr_part part;
    memset(ip, 0, 16);
    if (!link || link->relayed)
        return false;
    *ip6 = kw_multiaddr_find(&link->addr, KW_MA_IP6, &part);
    if (!*ip6 && !kw_multiaddr_find(&link->addr, KW_MA_IP4, &part))
        return false;
    memcpy(ip, part.value.data, part.value.len);
    return true;
}

bool kw_host_connected(const kw_host *host, const kw_peer_id *peer)
{
    return kw_peer_link(kw_peer_find(host, peer)) != NULL;
}

void kw_host_learn(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addrs, size_t n,
                   uint64_t ttl_ms)
{
    if (kw_peer_id_equal(peer, kw_host_id(host)))
        return;
    for (size_t i = 0; i < n; i++) {
        kw_multiaddr without = addrs[i];
        kw_peer_id named;
        if (kw_multiaddr_split(&addrs[i], &without, &named) && !kw_peer_id_equal(&named, peer))
            continue;
        (void)kw_book_learn(host->book, peer, &without, kw_loop_now(host->loop), ttl_ms, NULL);
    }
}

size_t kw_host_known(const kw_host *host, const kw_peer_id *peer, kw_multiaddr *out, size_t n)
{
    return kw_book_known(host->book, peer, kw_loop_now(host->loop), out, n);
}

size_t kw_host_peers(const kw_host *host, kw_peer_info *out, size_t n)
{
    size_t i = 0;
    for (kw_peer_node *at = NULL; (at = kw_peer_table_next(&host->peers, at)) != NULL;) {
        const kw_peer *peer = (const kw_peer *)at;
        const kw_link *link = kw_peer_link(peer);
        if (link && i < n) {
            out[i] = (kw_peer_info){.id = peer->node.id,
                                    .addr = link->addr,
                                    .inbound = link->inbound,
                                    .relayed = link->relayed,
                                    .since_ms = link->opened_ms};
            memcpy(out[i].agent, peer->agent, sizeof out[i].agent);
            kw_connection_get_info(link->connection, &out[i].traffic);
        }
        i += link != NULL;
    }
    return i;
}

bool kw_host_peer_speaks(const kw_host *host, const kw_peer_id *peer, const char *protocol)
{
    const kw_peer *p = kw_peer_find(host, peer);
    for (size_t at = 0; p && at < p->protocols.len;) {
        if (strcmp(p->protocols.data + at, protocol) == 0)
            return true;
        at += strlen(p->protocols.data + at) + 1;
    }
    return false;
}
