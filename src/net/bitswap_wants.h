/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_wants.h - what one peer wants of us: blocks that wait to be sent, in their order, and
 * those that are not here yet.
 *
 * Each call costs the same however much is wanted, whatever CIDs a peer chooses: it may send
 * thousands of wants a second, and answering them must leave time for everybody else. */
#ifndef KW_NET_BITSWAP_WANTS_H
#define KW_NET_BITSWAP_WANTS_H

#include "wire/cid.h"

enum {
    BITSWAP_WANTS_QUEUED = 1024, /* blocks that wait to be sent, at most */
    BITSWAP_WANTS_LATER = 1024   /* for what is not here yet */
};

typedef struct kw_bitswap_wants kw_bitswap_wants;

typedef enum kw_bitswap_state {
    KW_BITSWAP_UNKNOWN,     /* not wanted */
    KW_BITSWAP_QUEUED,      /* to be sent */
    KW_BITSWAP_LATER_BLOCK, /* to be sent when it comes */
    KW_BITSWAP_LATER_HAVE   /* to be told of when it comes */
} kw_bitswap_state;

/* salt: secret numbers, the same for the life of the set. NULL: no memory. */
kw_bitswap_wants *kw_bitswap_wants_open(const uint64_t salt[8]);
/* The rest takes NULL for an empty set. */
void kw_bitswap_wants_close(kw_bitswap_wants *wants);
void kw_bitswap_wants_clear(kw_bitswap_wants *wants);
kw_bitswap_state kw_bitswap_wants_get(const kw_bitswap_wants *wants, const kw_cid *cid);
/* Makes it wanted in this way and no other, UNKNOWN: not at all. What is queued already keeps its
 * place. False, and nothing has changed: there is no room. */
bool kw_bitswap_wants_put(kw_bitswap_wants *wants, const kw_cid *cid, kw_bitswap_state state);
/* The block that is to be sent next, or NULL; valid until the next change. */
const kw_cid *kw_bitswap_wants_first(const kw_bitswap_wants *wants);
size_t kw_bitswap_wants_queued(const kw_bitswap_wants *wants);
size_t kw_bitswap_wants_later(const kw_bitswap_wants *wants);

#endif
