/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry_lookup.h - one question to the network, by who is no node: with a host that lives as
 * long as the question, and a key of its own that is thrown away. */
#ifndef KW_NODE_REGISTRY_LOOKUP_H
#define KW_NODE_REGISTRY_LOOKUP_H

#include "node/registry_message.h"
#include "wire/multiaddr.h"

typedef struct kw_registry_lookup {
    const char *agent;
    const uint8_t *psk;        /* [32] of a private network, borrowed; NULL: none */
    const kw_multiaddr *peers; /* to ask and to begin the DHT with; borrowed */
    size_t n_peers;
    bool local; /* look for peers on the local network too */
    const kw_registry_question *question;
    uint32_t wait_ms;       /* at most */
    const char *reputation; /* the database of scores and bans, also of a node; NULL: none */
    /* An answer, with what was asked for: a claim. Views for the call. */
    void (*answer)(void *user, const kw_registry_answer *answer);
    /* Asked ten times a second: false ends it with KW_E_CANCELLED. May be NULL. */
    bool (*still)(void *user);
    void *user;
} kw_registry_lookup;

/* Returns when everybody who was found has answered, two seconds after the first answer, or when
 * the time is over; *n_peers: how many peers there were. That nobody answers is KW_OK. */
kw_status kw_registry_look_up(const kw_registry_lookup *lookup, size_t *n_peers, kw_error *err);

#endif
