/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pair.h - two connections joined by a wire that cuts, delays and loses as a seed says; no socket
 * and no clock. */
#ifndef KW_TESTS_NET_PAIR_H
#define KW_TESTS_NET_PAIR_H

#include "net/connection.h"
#include "net/fifo.h"

#include <stdlib.h>
#include <string.h>

typedef struct pair pair;

typedef struct pair_end {
    pair *owner;
    kw_connection *connection;
    kw_identity identity;
    kw_fifo sent; /* on its way to the other end */
    int n_secured, n_closed;
    kw_status why;
    char reason[160];
    kw_peer_id peer;
    bool (*incoming)(void *user, kw_stream *stream, const char *protocol);
    void *incoming_user;
    const char *const *spoken;
    size_t n_spoken;
} pair_end;

struct pair {
    pair_end ends[2]; /* 0 is the initiator */
    uint64_t now_ms;
    uint32_t random;
    size_t max_piece; /* bytes that the wire passes on at once */
};

static uint32_t pair_random(pair *p, uint32_t below)
{
    p->random = p->random * 1664525u + 1013904223u;
    return (p->random >> 8) % below;
}

static void pair_send(void *user, kw_bytes bytes)
{
    pair_end *end = user;
    if (!kw_fifo_add(&end->sent, bytes))
        abort();
}

static void pair_secured(void *user, const kw_peer_id *peer)
{
    pair_end *end = user;
    end->n_secured++;
    end->peer = *peer;
}

static bool pair_incoming(void *user, kw_stream *stream, const char *protocol)
{
    pair_end *end = user;
    return end->incoming && end->incoming(end->incoming_user, stream, protocol);
}

static bool pair_speaks(void *user, const char *protocol)
{
    const pair_end *end = user;
    for (size_t i = 0; i < end->n_spoken; i++) {
        if (strcmp(end->spoken[i], protocol) == 0)
            return true;
    }
    return false;
}

static void pair_closed(void *user, kw_status why, const char *reason)
{
    pair_end *end = user;
    end->n_closed++;
    end->why = why;
    strncpy(end->reason, reason, sizeof end->reason - 1);
}

static const kw_connection_owner pair_owner = {.send = pair_send,
                                               .secured = pair_secured,
                                               .incoming = pair_incoming,
                                               .speaks = pair_speaks,
                                               .closed = pair_closed};

/* Opens both ends; change: what a test wants otherwise (NULL: nothing). */
static kw_status pair_open(pair *p, uint32_t seed, size_t max_piece,
                           void (*change)(kw_connection_config *config, int end))
{
    *p = (pair){.random = seed, .max_piece = max_piece, .now_ms = 1000};
    for (int i = 0; i < 2; i++) {
        pair_end *end = &p->ends[i];
        uint8_t key[32];
        memset(key, i + 1, sizeof key);
        end->owner = p;
        KW_TRY(kw_identity_of_seed(key, &end->identity, NULL));
        kw_connection_config config = {.identity = &end->identity,
                                       .owner = &pair_owner,
                                       .user = end,
                                       .initiator = i == 0,
                                       .now_ms = p->now_ms};
        if (change)
            change(&config, i);
        KW_TRY(kw_connection_open(&config, &end->connection, NULL));
    }
    return KW_OK;
}

/* Passes one piece in a direction chosen at random; false when nothing is on its way. */
static bool pair_step(pair *p)
{
    int from = (int)pair_random(p, 2);
    if (p->ends[from].sent.len == 0)
        from = 1 - from;
    pair_end *const end = &p->ends[from];
    if (end->sent.len == 0)
        return false;
    size_t n = 1 + pair_random(p, (uint32_t)p->max_piece);
    if (n > end->sent.len)
        n = end->sent.len;
    uint8_t *piece = malloc(n); /* exactly as long, so that a sanitizer sees a step beyond it */
    if (!piece)
        abort();
    memcpy(piece, kw_fifo_view(&end->sent).data, n);
    kw_fifo_drop(&end->sent, n);
    kw_connection_receive(p->ends[1 - from].connection, (kw_bytes){piece, n}, p->now_ms);
    free(piece);
    if (pair_random(p, 16) == 0)
        p->now_ms++;
    return true;
}

static void pair_run(pair *p)
{
    while (pair_step(p))
        ;
}

static void pair_tick(pair *p, uint64_t ms)
{
    p->now_ms += ms;
    for (int i = 0; i < 2; i++)
        kw_connection_tick(p->ends[i].connection, p->now_ms);
}

static void pair_free(pair *p)
{
    for (int i = 0; i < 2; i++) {
        kw_connection_free(p->ends[i].connection);
        kw_fifo_free(&p->ends[i].sent);
    }
}

#endif
