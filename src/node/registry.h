/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry.h - /kwaai/model/1.0.0 on a host: which models there are, by name, by manifest, by
 * publisher.
 *
 * A stream carries one question and one answer. What is answered is what the index offers; what
 * comes as an answer is a claim, to be judged by its signature (hub/trust.h). Everything is on the
 * thread of the host's loop. */
#ifndef KW_NODE_REGISTRY_H
#define KW_NODE_REGISTRY_H

#include "hub/index.h"
#include "net/kad.h"
#include "node/guard.h"
#include "node/registry_message.h"

typedef struct kw_registry kw_registry;
typedef struct kw_registry_ask kw_registry_ask;
typedef struct kw_registry_search kw_registry_search;

typedef struct kw_registry_config {
    kw_host *host;   /* borrowed */
    kw_index *index; /* borrowed; NULL: nothing is answered */
    /* Whether a peer is answered. NULL: all. */
    bool (*serves)(void *user, const kw_peer_id *peer);
    void *user;
    kw_guard *guard; /* told of peers that answer what they must not; borrowed; NULL: nobody is */
    uint32_t ask_ms; /* for an answer, dialing included; 0: 20,000 */
} kw_registry_config;

kw_status kw_registry_open(const kw_registry_config *config, kw_registry **out, kw_error *err);
/* Asks and searches end without a call. The host still runs. */
void kw_registry_close(kw_registry *registry);

typedef struct kw_registry_info {
    size_t n_offered; /* manifests */
    uint64_t n_answered, n_refused, n_asked;
} kw_registry_info;
void kw_registry_get_info(kw_registry *registry, kw_registry_info *out);

/* ---- one peer ---- */

/* The last call of an ask, never within kw_registry_ask_peer. KW_OK: an answer, with what was asked
 * for; views for the call. A manifest that was asked for by its SHA-256 has it. KW_E_NOTFOUND: the
 * peer does not know it. */
typedef void (*kw_registry_fn)(void *user, kw_status status, const kw_registry_answer *answer);
kw_status kw_registry_ask_peer(kw_registry *registry, const kw_peer_id *peer,
                               const kw_registry_question *question, kw_registry_fn done,
                               void *user, kw_registry_ask **out, kw_error *err);
/* Its call does not come. Not after it came. */
void kw_registry_cancel(kw_registry_ask *ask);

/* ---- everybody ---- */

#define KW_REGISTRY_SEARCH_PEERS 32 /* that one search asks */

typedef struct kw_registry_search_events {
    /* As kw_registry_fn with KW_OK. */
    void (*answer)(void *user, const kw_peer_id *from, const kw_registry_answer *answer);
    /* Nobody is left to ask, at the moment. The search may be closed in it. */
    void (*idle)(void *user);
} kw_registry_search_events;

/* Asks the connected peers that speak the protocol, and those who say in the DHT (NULL: none) that
 * they can answer; each once. No event comes within the call. */
kw_status kw_registry_search_open(kw_registry *registry, kw_kad *kad,
                                  const kw_registry_question *question,
                                  const kw_registry_search_events *events, void *user,
                                  kw_registry_search **out, kw_error *err);
/* Looks again, among those who have come since. */
void kw_registry_search_again(kw_registry_search *search);
void kw_registry_search_close(kw_registry_search *search);

#endif
