/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_lookup.c - the candidates of a lookup.
 *
 * Invariants: candidates are sorted by distance and appear once; n_under_way counts those in state
 * ASKED, n_slow those in state SLOW. One that was asked stays until it answers or is given up,
 * whatever closer ones come, so that both are exact. Only the KW_KAD_K closest that have not failed
 * are asked: a peer that lies can add candidates, which cost a request each until they fail, up to
 * KW_KAD_LOOKUP_ASKED. Source: libp2p kad-dht specification, "Peer routing". */
#include "net/kad_lookup.h"

#include <string.h>

/* Where a key belongs; *found: it is there. */
static size_t place(const kw_kad_lookup *lookup, const kw_kad_key *key, bool *found)
{
    size_t low = 0, high = lookup->n;
    *found = false;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = kw_kad_compare(&lookup->target, key, &lookup->candidates[middle].key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void remove_at(kw_kad_lookup *lookup, size_t at)
{
    lookup->n--;
    memmove(lookup->candidates + at, lookup->candidates + at + 1,
            (lookup->n - at) * sizeof *lookup->candidates);
}

/* Forgets the farthest that is not being asked; false when it is closer than `at`. */
static bool make_room(kw_kad_lookup *lookup, size_t at)
{
    for (size_t i = lookup->n; i > at; i--) {
        const kw_kad_candidate_state state = lookup->candidates[i - 1].state;
        if (state != KW_KAD_ASKED && state != KW_KAD_SLOW) {
            remove_at(lookup, i - 1);
            return true;
        }
    }
    return false;
}

bool kw_kad_lookup_heard(kw_kad_lookup *lookup, const kw_peer_id *peer)
{
    const kw_kad_key key = kw_kad_key_of_peer(peer);
    bool found;
    const size_t at = place(lookup, &key, &found);
    if (found)
        return true;
    if (lookup->n == KW_KAD_CANDIDATES && !make_room(lookup, at))
        return false;
    memmove(lookup->candidates + at + 1, lookup->candidates + at,
            (lookup->n - at) * sizeof *lookup->candidates);
    lookup->candidates[at] = (kw_kad_candidate){.peer = *peer, .key = key, .state = KW_KAD_HEARD};
    lookup->n++;
    return true;
}

bool kw_kad_lookup_next(kw_kad_lookup *lookup, kw_peer_id *out)
{
    if (lookup->n_under_way >= KW_KAD_ALPHA || lookup->n_asked >= KW_KAD_LOOKUP_ASKED)
        return false;
    size_t alive = 0;
    for (size_t i = 0; i < lookup->n && alive < KW_KAD_K; i++) {
        kw_kad_candidate *candidate = &lookup->candidates[i];
        if (candidate->state == KW_KAD_HEARD) {
            candidate->state = KW_KAD_ASKED;
            lookup->n_asked++;
            lookup->n_under_way++;
            *out = candidate->peer;
            return true;
        }
        alive += candidate->state != KW_KAD_SILENT;
    }
    return false;
}

static kw_kad_candidate *find(kw_kad_lookup *lookup, const kw_peer_id *peer)
{
    const kw_kad_key key = kw_kad_key_of_peer(peer);
    bool found;
    const size_t at = place(lookup, &key, &found);
    return found ? &lookup->candidates[at] : NULL;
}

void kw_kad_lookup_slow(kw_kad_lookup *lookup, const kw_peer_id *peer)
{
    kw_kad_candidate *candidate = find(lookup, peer);
    if (!candidate || candidate->state != KW_KAD_ASKED || lookup->n_slow == KW_KAD_SLOW_MAX)
        return;
    candidate->state = KW_KAD_SLOW;
    lookup->n_under_way--;
    lookup->n_slow++;
}

void kw_kad_lookup_answered(kw_kad_lookup *lookup, const kw_peer_id *peer, bool answered)
{
    kw_kad_candidate *candidate = find(lookup, peer);
    if (!candidate)
        return;
    if (candidate->state == KW_KAD_ASKED)
        lookup->n_under_way--;
    else if (candidate->state == KW_KAD_SLOW)
        lookup->n_slow--;
    else
        return;
    candidate->state = answered ? KW_KAD_ANSWERED : KW_KAD_SILENT;
}

bool kw_kad_lookup_over(const kw_kad_lookup *lookup)
{
    size_t answered = 0;
    for (size_t i = 0; i < lookup->n && answered < KW_KAD_K; i++) {
        const kw_kad_candidate_state state = lookup->candidates[i].state;
        if (state == KW_KAD_ASKED || state == KW_KAD_SLOW)
            return false;
        if (state == KW_KAD_HEARD && lookup->n_asked < KW_KAD_LOOKUP_ASKED)
            return false;
        answered += state == KW_KAD_ANSWERED;
    }
    return true;
}

size_t kw_kad_lookup_closest(const kw_kad_lookup *lookup, kw_peer_id *out, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < lookup->n && found < n; i++) {
        if (lookup->candidates[i].state == KW_KAD_ANSWERED)
            out[found++] = lookup->candidates[i].peer;
    }
    return found;
}
