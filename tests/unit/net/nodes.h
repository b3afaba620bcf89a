/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* nodes.h - hosts on one loop over the loopback interface, for tests. */
#ifndef KW_TEST_NODES_H
#define KW_TEST_NODES_H

#include "net/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/loop_uv.h"
#include "net/perf.h"

typedef struct node {
    kw_identity identity;
    kw_host *host;
    bool closed;
} node;

/* What a callback said. */
typedef struct said {
    bool done;
    kw_status status;
    kw_peer_id peer;
    uint64_t number;
    char why[200];
} said;

static inline kw_loop *open_loop(void)
{
    kw_loop *loop = NULL;
    assert_int_equal(kw_loop_open(&loop, NULL), KW_OK);
    return loop;
}

static inline void node_closed(void *user)
{
    ((node *)user)->closed = true;
}

/* config may be NULL; a node with the same `seed` always is the same peer. */
static inline void node_open(node *n, kw_loop *loop, uint8_t seed, const kw_host_config *config)
{
    uint8_t secret[32];
    kw_error err = {.message = ""};
    kw_host_config c = config ? *config : (kw_host_config){0};
    memset(secret, seed, sizeof secret);
    *n = (node){0};
    assert_int_equal(kw_identity_of_seed(secret, &n->identity, &err), KW_OK);
    c.loop = loop;
    c.identity = &n->identity;
    c.agent = "kwaai/test";
    assert_int_equal(kw_host_open(&c, &n->host, &err), KW_OK);
}

/* Listens on a free port of the loopback interface; the address without /p2p. */
static inline kw_multiaddr node_listen(node *n)
{
    kw_multiaddr addr;
    kw_error err = {.message = ""};
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/tcp/0"), &addr, &err), KW_OK);
    if (kw_host_listen(n->host, &addr, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kw_host_addrs(n->host, &addr, 1), 1);
    return addr;
}

static inline struct sockaddr_in node_socket(const kw_multiaddr *addr)
{
    struct sockaddr_in where;
    kw_multiaddr_part port;
    assert_true(kw_multiaddr_find(addr, KW_MA_TCP, &port));
    assert_int_equal(uv_ip4_addr("127.0.0.1", port.value.data[0] << 8 | port.value.data[1], &where),
                     0);
    return where;
}

static inline void on_said_connected(void *user, const kw_peer_id *peer, kw_status status,
                                     const char *why)
{
    said *s = user;
    assert_false(s->done); /* once */
    s->done = true;
    s->status = status;
    s->peer = *peer;
    (void)snprintf(s->why, sizeof s->why, "%s", why);
}

static inline void on_said_ping(void *user, kw_status status, uint64_t rtt_us)
{
    said *s = user;
    assert_false(s->done);
    s->done = true;
    s->status = status;
    s->number = rtt_us;
}

static inline void on_said_perf(void *user, kw_status status, const kw_perf_result *result)
{
    said *s = user;
    assert_false(s->done);
    s->done = true;
    s->status = status;
    s->number = result->down_bytes;
}

/* Runs the loop until *flag, at most so long; whether it came. */
static inline bool wait_for(kw_loop *loop, const bool *flag, uint64_t ms)
{
    kw_loop_step(loop, 0);
    const uint64_t until = kw_loop_now(loop) + ms;
    while (!*flag && kw_loop_now(loop) < until)
        kw_loop_step(loop, 10);
    return *flag;
}

static inline void wait_ms(kw_loop *loop, uint64_t ms)
{
    const bool never = false;
    (void)wait_for(loop, &never, ms);
}

static inline void node_close(node *n, kw_loop *loop)
{
    kw_host_close(n->host, node_closed, n);
    assert_false(n->closed); /* never within the call */
    assert_true(wait_for(loop, &n->closed, 5000));
}

/* a dials b and waits until it is connected. */
static inline void nodes_connect(kw_loop *loop, node *a, const node *b, const kw_multiaddr *addr)
{
    said s = {0};
    kw_host_connect(a->host, &b->identity.id, addr, on_said_connected, &s);
    assert_false(s.done);
    assert_true(wait_for(loop, &s.done, 5000));
    if (s.status != KW_OK)
        fail_msg("%s", s.why);
    assert_true(kw_peer_id_equal(&s.peer, &b->identity.id));
}

static inline bool node_pings(kw_loop *loop, node *a, const node *b)
{
    said s = {0};
    kw_host_ping(a->host, &b->identity.id, on_said_ping, &s);
    return wait_for(loop, &s.done, 3000) && s.status == KW_OK;
}

#endif
