/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pulls_internal.h - what the files of pulls share; for pulls*.c only.
 *
 * A pull's request is constant once its thread runs; what `sync` guards is written by that thread
 * and read on the loop's; the rest belongs to the loop's thread. */
#ifndef KW_NODE_PULLS_INTERNAL_H
#define KW_NODE_PULLS_INTERNAL_H

#include "hub/gateway.h"
#include "hub/pull.h"
#include "hub/web_source.h"
#include "node/node_internal.h"
#include "node/peers_source.h"
#include "os/sync.h"
#include "os/thread.h"

#define KW_PULL_SOURCES (KW_PULL_GATEWAYS + 2) /* peers, and a web server */

typedef struct kw_pull {
    struct kw_pull *next;
    kw_pulls *pulls;
    uint64_t id;
    kw_thread *thread;
    kw_growing *growing; /* owned, while the thread runs */
    bool provided;       /* the DHT was told */
    bool finished;       /* the thread has ended */
    /* the request */
    kw_listed file;
    char model[KW_REF_NAME_MAX + 1];
    char *gateways[KW_PULL_GATEWAYS]; /* owned */
    size_t n_gateways;
    kw_multiaddr peers[KW_PULL_PEERS];
    size_t n_peers;
    uint64_t bytes_per_s;
    /* who ordered it; NULL: the owner alone */
    void (*done)(void *user, kw_status status, const char *why);
    void *user;
    /* how it goes */
    kw_sync *sync;
    bool cancelled, there;
    uint32_t patience_s; /* 0: without end */
    uint64_t moved_ns;   /* when a byte last came; like `stuck` of the thread alone */
    bool stuck;
    kw_status status;
    kw_error err;
    kw_buf path; /* owned */
    kw_fetch_progress progress;
    kw_fetch_share shares[KW_PULL_SOURCES];
    uint8_t sha256[32];
} kw_pull;

struct kw_pulls {
    kw_node *node;
    kw_peers_source *peers;
    kw_source source; /* of peers */
    kw_pull *list;    /* owned */
    uint64_t last_id;
};

/* pulls_words.c: the request of a pull in words; KW_E_ARG. */
kw_status kw_pull_read(kw_pull *pull, char *const *words, size_t n, kw_error *err);
/* pulls_thread.c: runs one to its end. */
void kw_pull_run(void *pull);

#endif
