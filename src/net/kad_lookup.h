/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_lookup.h - who to ask next: the candidates of one lookup, closest first.
 *
 * A lookup sends nothing and knows no time. It is over when the KW_KAD_K closest candidates that
 * have not failed have all answered. */
#ifndef KW_NET_KAD_LOOKUP_H
#define KW_NET_KAD_LOOKUP_H

#include "net/kad_key.h"

#define KW_KAD_ALPHA 10         /* requests under way at a time, */
#define KW_KAD_SLOW_MAX 20      /* and those that take long */
#define KW_KAD_CANDIDATES 200   /* the farthest are forgotten */
#define KW_KAD_LOOKUP_ASKED 250 /* requests of one lookup, whatever it is told */

typedef enum kw_kad_candidate_state {
    KW_KAD_HEARD,
    KW_KAD_ASKED,
    KW_KAD_SLOW, /* asked, and another may be asked in its place */
    KW_KAD_ANSWERED,
    KW_KAD_SILENT
} kw_kad_candidate_state;

typedef struct kw_kad_candidate {
    kw_peer_id peer;
    kw_kad_key key;
    kw_kad_candidate_state state;
} kw_kad_candidate;

typedef struct kw_kad_lookup {
    kw_kad_key target;
    size_t n, n_asked;
    size_t n_under_way, n_slow;                     /* in the states ASKED and SLOW */
    kw_kad_candidate candidates[KW_KAD_CANDIDATES]; /* by distance */
} kw_kad_lookup;

/* The caller has set target and zeroed the rest. Adds a candidate; twice is once. False: too far
 * away to matter. */
bool kw_kad_lookup_heard(kw_kad_lookup *lookup, const kw_peer_id *peer);
/* Takes the next to ask, or false when there is none now. */
bool kw_kad_lookup_next(kw_kad_lookup *lookup, kw_peer_id *out);
/* One that was asked takes long. */
void kw_kad_lookup_slow(kw_kad_lookup *lookup, const kw_peer_id *peer);
/* What became of one that was asked. */
void kw_kad_lookup_answered(kw_kad_lookup *lookup, const kw_peer_id *peer, bool answered);
bool kw_kad_lookup_over(const kw_kad_lookup *lookup);
/* The closest that answered, closest first, at most n. */
size_t kw_kad_lookup_closest(const kw_kad_lookup *lookup, kw_peer_id *out, size_t n);

#endif
