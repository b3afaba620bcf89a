/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_node_parts.h - what kad_node.c, kad_task.c and kad_serve.c know of each other. */
#ifndef KW_NET_KAD_NODE_PARTS_H
#define KW_NET_KAD_NODE_PARTS_H

#include "net/kad_lookup.h"
#include "net/kad_node.h"
#include "net/kad_table.h"

#define KW_KAD_PROVIDERS_SEEN 256 /* of one task */

typedef struct kw_kad_request {
    struct kw_kad_request *next;
    uint64_t ticket, deadline_ms;
    kw_kad_task *task; /* NULL: whether the peer is alive */
    kw_peer_id peer;
} kw_kad_request;

typedef enum kw_kad_phase { KW_KAD_NEW, KW_KAD_LOOKING, KW_KAD_STORING, KW_KAD_ENDED } kw_kad_phase;

struct kw_kad_task {
    kw_kad_task *next;
    kw_kad_node *node;
    kw_kad_goal goal;
    kw_kad_phase phase;
    const kw_kad_events *events;
    void *user;
    uint64_t deadline_ms;
    size_t want, n_found;
    size_t n_storing; /* requests of the second phase under way */
    uint8_t key[KW_KAD_KEY_MAX];
    size_t key_len;
    kw_buf value;     /* owned: what is put, or the best that was got */
    kw_peer_id *seen; /* owned, [KW_KAD_PROVIDERS_SEEN]; providers so far */
    kw_kad_lookup lookup;
};

struct kw_kad_node {
    kw_kad_node_config config;
    kw_kad_table *table;
    kw_kad_request *requests;
    kw_kad_task *tasks;
    size_t n_tasks;
    uint64_t last_ticket, draws;
    uint64_t refresh_ms, alive_ms; /* when they are due */
    size_t refresh_bucket;         /* the next to look into; KW_KAD_KEY_BITS: at rest */
    kw_kad_task *refreshing;
    unsigned depth; /* calls under way; ended tasks are freed at 0 */
};

/* kad_node.c */
uint64_t kw_kad_now(const kw_kad_node *node);
bool kw_kad_send(kw_kad_node *node, kw_kad_task *task, const kw_peer_id *peer, kw_bytes request,
                 bool answered);
void kw_kad_drop_requests(kw_kad_node *node, const kw_kad_task *task);
/* Leaves addresses that this network may see; false: none is left. */
bool kw_kad_filter(const kw_kad_node *node, kw_kad_peer *peer);
void kw_kad_enter(kw_kad_node *node);
void kw_kad_leave(kw_kad_node *node);

/* kad_task.c */
void kw_kad_task_step(kw_kad_task *task);
void kw_kad_task_reply(kw_kad_task *task, const kw_peer_id *from, const kw_kad_message *message);
void kw_kad_task_stored(kw_kad_task *task, bool stored);
/* Its time is over. */
void kw_kad_task_late(kw_kad_task *task);
void kw_kad_task_free(kw_kad_task *task);
/* The type of message that looks for this, or that stores it. */
kw_kad_type kw_kad_task_asks(const kw_kad_task *task);

#endif
