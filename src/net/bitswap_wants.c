/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_wants.c - chained hashing over a fixed array. See bitswap_wants.h.
 *
 * The bucket of a CID is a sum of products of its digest's words with secret odd numbers: of any
 * two CIDs that were chosen without knowing them, few chances in N_BUCKETS fall together
 * (Dietzfelbinger 1996). Entries are taken from the front, so that memory that was never needed is
 * never touched. */
#include "net/bitswap_wants.h"

#include "base/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { N_ENTRIES = BITSWAP_WANTS_QUEUED + BITSWAP_WANTS_LATER, BUCKET_BITS = 11 };
static_assert(KW_DIGEST_MAX == 64, "a digest is eight words");

typedef struct entry {
    kw_cid cid;
    uint16_t next; /* of its bucket, or of the free ones: its index and 1; 0: none */
    uint8_t state;
} entry;

struct kw_bitswap_wants {
    uint64_t salt[8];
    size_t n_later, n_queued, first, n_used;
    uint16_t free;
    uint16_t buckets[1 << BUCKET_BITS];
    uint16_t queue[BITSWAP_WANTS_QUEUED]; /* a ring of entries */
    entry entries[N_ENTRIES];
};

kw_bitswap_wants *kw_bitswap_wants_open(const uint64_t salt[8])
{
    kw_bitswap_wants *const w = calloc(1, sizeof(*w));
    if (w)
        memcpy(w->salt, salt, sizeof(w->salt));
    return w;
}

void kw_bitswap_wants_close(kw_bitswap_wants *wants)
{
    free(wants);
}

void kw_bitswap_wants_clear(kw_bitswap_wants *wants)
{
    if (!wants)
        return;
    wants->n_later = wants->n_queued = wants->n_used = 0;
    wants->free = 0;
    memset(wants->buckets, 0, sizeof(wants->buckets));
}

static size_t bucket_of(const kw_bitswap_wants *w, const kw_cid *cid)
{
    uint64_t words[8], sum = 0;
    memcpy(words, cid->digest, sizeof(words));
    for (size_t i = 0; i < KW_COUNT(words); i++)
        sum += words[i] * (w->salt[i] | 1);
    return (size_t)(sum >> (64 - BUCKET_BITS));
}

/* The link that leads to its entry, or the end of its bucket. */
static uint16_t *find(kw_bitswap_wants *w, const kw_cid *cid)
{
    uint16_t *link = &w->buckets[bucket_of(w, cid)];
    while (*link != 0 && !kw_cid_equal(&w->entries[*link - 1].cid, cid))
        link = &w->entries[*link - 1].next;
    return link;
}

kw_bitswap_state kw_bitswap_wants_get(const kw_bitswap_wants *wants, const kw_cid *cid)
{
    if (!wants)
        return KW_BITSWAP_UNKNOWN;
    uint16_t at = wants->buckets[bucket_of(wants, cid)];
    while (at != 0 && !kw_cid_equal(&wants->entries[at - 1].cid, cid))
        at = wants->entries[at - 1].next;
    return at != 0 ? (kw_bitswap_state)wants->entries[at - 1].state : KW_BITSWAP_UNKNOWN;
}

/* ---- the queue ---- */

static uint16_t *queued(kw_bitswap_wants *w, size_t i)
{
    return &w->queue[(w->first + i) % BITSWAP_WANTS_QUEUED];
}

static void unqueue(kw_bitswap_wants *w, uint16_t index)
{
    size_t i = 0;
    while (*queued(w, i) != index)
        i++;
    w->n_queued--;
    if (i == 0)
        w->first = (w->first + 1) % BITSWAP_WANTS_QUEUED;
    else
        for (; i < w->n_queued; i++)
            *queued(w, i) = *queued(w, i + 1);
}

const kw_cid *kw_bitswap_wants_first(const kw_bitswap_wants *wants)
{
    return wants && wants->n_queued > 0 ? &wants->entries[wants->queue[wants->first]].cid : NULL;
}

size_t kw_bitswap_wants_queued(const kw_bitswap_wants *wants)
{
    return wants ? wants->n_queued : 0;
}

size_t kw_bitswap_wants_later(const kw_bitswap_wants *wants)
{
    return wants ? wants->n_later : 0;
}

/* ---- changes ---- */

static bool has_room(const kw_bitswap_wants *w, kw_bitswap_state state)
{
    return state == KW_BITSWAP_QUEUED ? w->n_queued < BITSWAP_WANTS_QUEUED
                                      : w->n_later < BITSWAP_WANTS_LATER;
}

/* There is a place: each entry is in one of the two counts, which have their limits. */
static uint16_t take_place(kw_bitswap_wants *w)
{
    uint16_t index = w->free;
    if (index == 0)
        return (uint16_t)++w->n_used;
    w->free = w->entries[index - 1].next;
    return index;
}

/* Leaves the count and the queue of its state. */
static void leave(kw_bitswap_wants *w, uint16_t index)
{
    if (w->entries[index].state == KW_BITSWAP_QUEUED)
        unqueue(w, index);
    else
        w->n_later--;
}

static void enter(kw_bitswap_wants *w, uint16_t index, kw_bitswap_state state)
{
    w->entries[index].state = (uint8_t)state;
    if (state != KW_BITSWAP_QUEUED)
        w->n_later++;
    else
        *queued(w, w->n_queued++) = index;
}

static void forget(kw_bitswap_wants *w, uint16_t *link)
{
    const uint16_t at = *link;
    entry *const e = &w->entries[at - 1];
    leave(w, (uint16_t)(at - 1));
    *link = e->next;
    e->next = w->free;
    w->free = at;
}

bool kw_bitswap_wants_put(kw_bitswap_wants *wants, const kw_cid *cid, kw_bitswap_state state)
{
    uint16_t *const link = wants ? find(wants, cid) : NULL;
    if (!wants || (*link == 0 && state == KW_BITSWAP_UNKNOWN))
        return state == KW_BITSWAP_UNKNOWN;
    if (state == KW_BITSWAP_UNKNOWN) {
        forget(wants, link);
        return true;
    }
    if (*link != 0 && wants->entries[*link - 1].state == state)
        return true;
    const bool both_later = *link != 0 && wants->entries[*link - 1].state != KW_BITSWAP_QUEUED &&
                            state != KW_BITSWAP_QUEUED;
    if (!both_later && !has_room(wants, state))
        return false;
    if (*link != 0) {
        leave(wants, (uint16_t)(*link - 1));
    } else {
        *link = take_place(wants);
        wants->entries[*link - 1].cid = *cid;
        wants->entries[*link - 1].next = 0;
    }
    enter(wants, (uint16_t)(*link - 1), state);
    return true;
}
