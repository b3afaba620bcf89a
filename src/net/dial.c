/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dial.c - reaching a peer: its addresses one after the other, 250 ms apart, all in parallel; the
 * first whose handshake ends wins and the others are dropped (after RFC 8305).
 *
 * Names are looked up in libuv's pool. Whoever waits is told from the dial's timer, so never within
 * a call of his own, and once. */
#include "net/dial.h"

#include "base/check.h"
#include "net/circuit.h"
#include "net/webrtc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGGER_MS 250
#define PUNCH_MS 4000 /* for a dial at the same time as the other side's */
#define MAX_TARGETS 32
#define MAX_OF_NAME 4 /* addresses of one name that are tried */

typedef struct target {
    struct sockaddr_storage address;
    kw_multiaddr addr;
    bool ws, webrtc, relayed; /* relayed: address is not set */
} target;

typedef struct waiter {
    struct waiter *next;
    kw_connected_fn done;
    void *user;
} waiter;

struct kw_dial {
    kw_host *host;
    kw_dial *next, *prev;
    uint64_t serial;
    kw_peer_id peer;    /* who must answer; len 0: anybody */
    target *targets;    /* owned, [MAX_TARGETS] */
    size_t n, at;       /* targets, and how many were tried */
    size_t n_live;      /* attempts under way */
    size_t n_resolving; /* lookups under way */
    kw_timer *timer;
    waiter *waiters, **last_waiter;
    uint64_t until_ms;
    bool own_port;      /* from the port that we listen on, where that is free */
    bool punch;         /* kw_dial_punch */
    bool responder;     /* likewise */
    bool ended, counts; /* counts: a failure lengthens the peer's backoff */
    kw_peer_id who;     /* who answered */
    kw_status status;
    char why[160];
};

typedef struct lookup {
    uv_getaddrinfo_t request;
    kw_host *host;
    uint64_t serial; /* of the dial, which may have ended meanwhile */
    uint16_t port;   /* network order */
    kw_multiaddr addr;
} lookup;

/* ---- the end ---- */

static void free_dial(kw_dial *dial)
{
    kw_timer_close(dial->timer);
    free(dial->targets);
    free(dial);
}

static void unlink_dial(kw_dial *dial)
{
    if (dial->next)
        dial->next->prev = dial->prev;
    *(dial->prev ? &dial->prev->next : &dial->host->dials) = dial->next;
}

/* No attempt is to come back to a dial that has ended. */
static void drop_attempts(kw_dial *dial)
{
    for (kw_link *link = dial->host->links; link;) {
        kw_link *next = link->next;
        if (link->dial == dial) {
            link->dial = NULL;
            kw_link_fail(link, KW_E_CANCELLED, "another address answered");
        }
        link = next;
    }
}

static void finish(kw_dial *dial)
{
    kw_host *host = dial->host;
    unlink_dial(dial);
    drop_attempts(dial);
    const kw_peer_id *who = dial->status == KW_OK ? &dial->who : &dial->peer;
    if (dial->status == KW_OK)
        kw_book_reached(host->book, who);
    else if (dial->counts && dial->peer.len > 0 && dial->status != KW_E_CANCELLED)
        kw_book_failed(host->book, &dial->peer, kw_loop_now(host->loop));
    while (dial->waiters) {
        waiter *w = dial->waiters;
        dial->waiters = w->next;
        w->done(w->user, who, dial->status, dial->status == KW_OK ? "" : dial->why);
        free(w);
    }
    free_dial(dial);
}

static void set_why(kw_dial *dial, kw_status status, const char *why)
{
    dial->status = status;
    (void)snprintf(dial->why, sizeof dial->why, "%.150s", why);
}

static void set_end(kw_dial *dial)
{
    dial->ended = true;
    kw_timer_set(dial->timer, 0, 0);
}

void kw_dial_won(kw_dial *dial, kw_link *link)
{
    link->dial = NULL;
    if (dial->ended)
        return;
    dial->who = *kw_connection_peer(link->connection);
    dial->status = KW_OK;
    set_end(dial);
}

void kw_dial_lost(kw_dial *dial, kw_link *link, kw_status why, const char *reason)
{
    char text[KW_MULTIADDR_TEXT_MAX];
    link->dial = NULL;
    dial->n_live--;
    if (dial->ended)
        return;
    kw_multiaddr_text(&link->addr, text);
    dial->status = why == KW_OK ? KW_E_IO : why;
    (void)snprintf(dial->why, sizeof dial->why, "%.80s: %.70s", text, reason);
    kw_timer_set(dial->timer, 0, STAGGER_MS); /* the next one without waiting */
}

void kw_dial_close_all(kw_host *host)
{
    while (host->dials) {
        host->dials->ended = true;
        set_why(host->dials, KW_E_CANCELLED, "the host closes");
        finish(host->dials);
    }
}

/* ---- attempts ---- */

static void add_address(kw_dial *dial, const kw_multiaddr *addr);

static void on_connect(uv_connect_t *request, int code)
{
    kw_link *link = request->data;
    kw_error err;
    if (link->socket_gone || !link->dial)
        return;
    if (code != 0) {
        if (link->own_port && !link->dial->punch) {
            link->dial->own_port = false; /* an earlier connection may be in the way */
            add_address(link->dial, &link->addr);
        }
        kw_link_fail(link, KW_E_IO, uv_strerror(code));
        return;
    }
    if (link->dial->responder) {
        link->host->n_connecting--;
        link->inbound = true;
        link->mode = KW_LINK_SNIFFING;
    }
    const kw_status status = kw_link_begin(link, &err);
    if (status != KW_OK)
        kw_link_fail(link, status, err.message);
}

/* By UDP the session of the link goes on by itself. */
static kw_status open_link(kw_dial *dial, const target *t, kw_link **out, kw_error *err)
{
    if (t->webrtc)
        return kw_webrtc_dial(dial->host, &t->addr, out, err);
    const bool bound = dial->own_port && !t->relayed;
    KW_TRY(kw_link_open(dial->host, false, bound ? t->address.ss_family : 0, out, err));
    (*out)->own_port = bound && kw_listen_bind(dial->host, *out, t->address.ss_family);
    return KW_OK;
}

static void attempt(kw_dial *dial, const target *t)
{
    kw_link *link;
    kw_error err;
    /* What a name stands for, not the name. */
    const kw_multiaddr where =
        t->relayed ? t->addr : kw_addr_of_socket((const struct sockaddr *)&t->address);
    int code = 0;
    if (!kw_host_allows(dial->host, &dial->peer, &where, false)) {
        set_why(dial, KW_E_CANCELLED, "not allowed");
        return;
    }
    if (open_link(dial, t, &link, &err) != KW_OK) {
        set_why(dial, err.code, err.message);
        return;
    }
    link->addr = t->addr;
    link->ws = t->ws;
    link->expected = dial->peer;
    link->dial = dial;
    dial->n_live++;
    if (t->webrtc)
        return;
    link->connect.data = link;
    if (t->relayed) {
        const kw_status status = kw_circuit_dial(link, &err);
        if (status != KW_OK)
            kw_link_fail(link, status, err.message);
        return;
    }
    code = uv_tcp_connect(&link->connect, &link->tcp, (const struct sockaddr *)&t->address,
                          on_connect);
    if (code != 0)
        kw_link_fail(link, KW_E_IO, uv_strerror(code));
}

static void on_timer(void *user)
{
    kw_dial *dial = user;
    kw_host *host = dial->host;
    if (dial->ended) {
        finish(dial);
        return;
    }
    kw_timer_set(dial->timer, STAGGER_MS, STAGGER_MS);
    if (kw_loop_now(host->loop) >= dial->until_ms) {
        if (dial->status == KW_E_NOTFOUND && dial->n > 0)
            set_why(dial, KW_E_IO, "no answer in time");
        set_end(dial);
        return;
    }
    do {
        if (dial->at < dial->n && host->n_connecting < KW_DIALS_AT_ONCE)
            attempt(dial, &dial->targets[dial->at++]);
    } while (dial->punch && dial->at < dial->n && host->n_connecting < KW_DIALS_AT_ONCE);
    if (dial->at == dial->n && dial->n_live == 0 && dial->n_resolving == 0)
        set_end(dial);
}

/* ---- addresses ---- */

/* Ways through relays are tried after all others. */
static target *new_target(kw_dial *dial, bool relayed)
{
    size_t i = dial->n++;
    for (; !relayed && i > dial->at && dial->targets[i - 1].relayed; i--)
        dial->targets[i] = dial->targets[i - 1];
    memset(&dial->targets[i], 0, sizeof dial->targets[i]);
    return &dial->targets[i];
}

static void add_relayed(kw_dial *dial, const kw_multiaddr *addr)
{
    kw_multiaddr relay_addr;
    kw_peer_id relay;
    if (dial->n == MAX_TARGETS || !kw_circuit_split(addr, &relay_addr, &relay))
        return;
    target *t = new_target(dial, true);
    t->addr = *addr;
    t->relayed = true;
}

static void add_target(kw_dial *dial, const struct sockaddr *address, const kw_multiaddr *addr)
{
    if (dial->n == MAX_TARGETS)
        return;
    kw_multiaddr_part ws;
    target *t = new_target(dial, false);
    memcpy(&t->address, address,
           address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in));
    t->addr = *addr;
    t->ws = kw_multiaddr_find(addr, KW_MA_WS, &ws);
    t->webrtc = kw_webrtc_dialable(addr);
}

static kw_dial *dial_of_lookup(const lookup *l)
{
    kw_dial *dial = l->host->dials;
    while (dial && dial->serial != l->serial)
        dial = dial->next;
    return dial;
}

static void add_found(kw_dial *dial, const lookup *l, struct addrinfo *found)
{
    int n = 0;
    for (struct addrinfo *a = found; a && n < MAX_OF_NAME; a = a->ai_next) {
        if (a->ai_family == AF_INET6)
            ((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_port = l->port;
        else if (a->ai_family == AF_INET)
            ((struct sockaddr_in *)(void *)a->ai_addr)->sin_port = l->port;
        else
            continue;
        add_target(dial, a->ai_addr, &l->addr);
        n++;
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int code, struct addrinfo *found)
{
    lookup *l = request->data;
    kw_host *host = l->host;
    kw_dial *dial = dial_of_lookup(l);
    if (dial) {
        dial->n_resolving--;
        if (code != 0 && !dial->ended)
            set_why(dial, KW_E_NOTFOUND, uv_strerror(code));
        add_found(dial, l, found);
        if (!dial->ended)
            kw_timer_set(dial->timer, 0, STAGGER_MS);
    }
    uv_freeaddrinfo(found);
    free(l);
    kw_host_released(host);
}

static void resolve(kw_dial *dial, const kw_multiaddr_part *name, uint16_t port,
                    const kw_multiaddr *addr)
{
    char text[256];
    lookup *l = calloc(1, sizeof *l);
    if (!l || name->value.len >= sizeof text || memchr(name->value.data, 0, name->value.len)) {
        free(l);
        return;
    }
    memcpy(text, name->value.data, name->value.len);
    text[name->value.len] = 0;
    *l = (lookup){.serial = dial->serial, .host = dial->host, .port = port, .addr = *addr};
    l->request.data = l;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_family = name->code == KW_MA_DNS4   ? AF_INET
                                                : name->code == KW_MA_DNS6 ? AF_INET6
                                                                           : AF_UNSPEC};
    if (uv_getaddrinfo(kw_loop_uv(dial->host->loop), &l->request, on_resolved, text, NULL,
                       &hints) != 0) {
        free(l);
        return;
    }
    dial->n_resolving++;
    dial->host->n_handles++;
}

/* Whether an address is one that we can dial: /ip4|ip6|dns*, /tcp, and /ws or nothing. */
static bool dialable(const kw_multiaddr *addr, kw_multiaddr_part *where, uint16_t *port)
{
    kw_multiaddr_part tcp, more;
    size_t at = 0;
    if (!kw_multiaddr_next(addr, &at, where) || !kw_multiaddr_next(addr, &at, &tcp) ||
        tcp.code != KW_MA_TCP || (kw_multiaddr_next(addr, &at, &more) && more.code != KW_MA_WS) ||
        kw_multiaddr_next(addr, &at, &more))
        return false;
    memcpy(port, tcp.value.data, sizeof *port);
    return where->code == KW_MA_IP4 || where->code == KW_MA_IP6 || where->code == KW_MA_DNS ||
           where->code == KW_MA_DNS4 || where->code == KW_MA_DNS6;
}

static void add_address(kw_dial *dial, const kw_multiaddr *addr)
{
    kw_multiaddr_part where;
    uint16_t port;
    struct sockaddr_storage address;
    if (kw_multiaddr_find(addr, KW_MA_P2P_CIRCUIT, &where)) {
        add_relayed(dial, addr);
        return;
    }
    if (kw_webrtc_dialable(addr) && !dial->host->config.psk) {
        kw_socket_of_addr(addr, &address);
        add_target(dial, (const struct sockaddr *)&address, addr);
        return;
    }
    if (!dialable(addr, &where, &port))
        return;
    if (where.code == KW_MA_IP4) {
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = port};
        memcpy(&four.sin_addr, where.value.data, 4);
        add_target(dial, (const struct sockaddr *)&four, addr);
    } else if (where.code == KW_MA_IP6) {
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = port};
        memcpy(&six.sin6_addr, where.value.data, 16);
        add_target(dial, (const struct sockaddr *)&six, addr);
    } else {
        resolve(dial, &where, port, addr);
    }
}

/* ---- beginning ---- */

static kw_status wait_for(kw_dial *dial, kw_connected_fn done, void *user, kw_error *err)
{
    waiter *w = malloc(sizeof *w);
    if (!w)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory");
    *w = (waiter){.done = done, .user = user};
    *dial->last_waiter = w;
    dial->last_waiter = &w->next;
    return KW_OK;
}

static kw_dial *dial_to(const kw_host *host, const kw_peer_id *peer)
{
    kw_dial *dial = host->dials;
    while (dial && (dial->ended || dial->punch || !kw_peer_id_equal(&dial->peer, peer)))
        dial = dial->next;
    return dial;
}

static kw_status new_dial(kw_host *host, const kw_peer_id *peer, kw_dial **out, kw_error *err)
{
    kw_dial *dial = calloc(1, sizeof *dial);
    target *targets = calloc(MAX_TARGETS, sizeof *targets);
    kw_timer *timer = NULL;
    if (!dial || !targets || kw_timer_open(host->loop, on_timer, dial, &timer, err) != KW_OK) {
        free(dial);
        free(targets);
        return kw_fail(err, KW_E_NOMEM, "host: out of memory for a dial");
    }
    *dial = (kw_dial){.host = host,
                      .serial = ++host->n_dials,
                      .peer = *peer,
                      .targets = targets,
                      .timer = timer,
                      .status = KW_E_NOTFOUND,
                      .until_ms = kw_loop_now(host->loop) + host->limits.dial_ms,
                      .why = "no address that can be dialed"};
    dial->last_waiter = &dial->waiters;
    dial->next = host->dials;
    if (dial->next)
        dial->next->prev = dial;
    host->dials = dial;
    *out = dial;
    return KW_OK;
}

static void add_known(kw_dial *dial, const kw_multiaddr *but)
{
    kw_multiaddr known[KW_BOOK_ADDRS];
    const uint64_t now = kw_loop_now(dial->host->loop);
    const size_t n = kw_book_known(dial->host->book, &dial->peer, now, known, KW_COUNT(known));
    for (size_t i = 0; i < n; i++)
        if (!but || !kw_multiaddr_equal(but, &known[i]))
            add_address(dial, &known[i]);
}

kw_status kw_dial_start(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                        kw_connected_fn done, void *user, kw_error *err)
{
    const bool named = peer->len > 0;
    kw_dial *dial = named ? dial_to(host, peer) : NULL;
    if (dial) {
        if (addr)
            add_address(dial, addr);
        return wait_for(dial, done, user, err);
    }
    const uint64_t wait_ms =
        named && !addr ? kw_book_wait(host->book, peer, kw_loop_now(host->loop)) : 0;
    if (wait_ms > 0)
        return kw_fail(err, KW_E_IO, "host: the peer did not answer; next try in %llu ms",
                       (unsigned long long)wait_ms);
    KW_TRY(new_dial(host, peer, &dial, err));
    dial->counts = !addr;
    const kw_status status = wait_for(dial, done, user, err);
    if (status != KW_OK) {
        unlink_dial(dial);
        free_dial(dial);
        return status;
    }
    if (addr)
        add_address(dial, addr);
    if (named)
        add_known(dial, addr);
    kw_timer_set(dial->timer, 0, STAGGER_MS);
    return KW_OK;
}

kw_status kw_dial_punch(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addrs, size_t n,
                        unsigned how, kw_connected_fn done, void *user, kw_error *err)
{
    kw_dial *dial;
    if (host->closing)
        return kw_fail(err, KW_E_CANCELLED, "the host closes");
    KW_TRY(new_dial(host, peer, &dial, err));
    dial->punch = true;
    dial->own_port = (how & KW_PUNCH_OTHER_PORT) == 0;
    dial->responder = (how & KW_PUNCH_RESPONDS) != 0;
    dial->until_ms = kw_loop_now(host->loop) + KW_MIN(host->limits.dial_ms, PUNCH_MS);
    const kw_status status = wait_for(dial, done, user, err);
    if (status != KW_OK) {
        unlink_dial(dial);
        free_dial(dial);
        return status;
    }
    for (size_t i = 0; i < n; i++)
        add_address(dial, &addrs[i]);
    kw_timer_set(dial->timer, 0, STAGGER_MS);
    return KW_OK;
}

void kw_dial_from_own_port(kw_host *host, const kw_peer_id *peer)
{
    kw_dial *dial = dial_to(host, peer);
    if (dial && dial->at == 0)
        dial->own_port = true;
}
