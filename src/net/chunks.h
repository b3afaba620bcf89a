/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chunks.h - bytes that wait, in pieces of 64 KiB: nothing is moved once it is in, and what is out
 * gives its memory back. What fifo.h keeps in one piece is short; this is for megabytes. */
#ifndef KW_NET_CHUNKS_H
#define KW_NET_CHUNKS_H

#include "base/check.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define KW_CHUNK ((size_t)64 << 10)

typedef struct kw_chunk {
    struct kw_chunk *next;
    size_t head, len, cap;
    uint8_t data[];
} kw_chunk;

/* Zero-initialised is a valid empty one. */
typedef struct kw_chunks {
    kw_chunk *first, *last; /* owned; none is empty */
    size_t len, cap;        /* of all */
} kw_chunks;

/* What lies in one piece in front; empty only when all is. */
static inline kw_bytes kw_chunks_front(const kw_chunks *chunks)
{
    const kw_chunk *const first = chunks->first;
    return first ? (kw_bytes){first->data + first->head, first->len} : (kw_bytes){NULL, 0};
}

/* Drops n bytes in front. */
static inline void kw_chunks_drop(kw_chunks *chunks, size_t n)
{
    kw_assert(n <= chunks->len);
    chunks->len -= n;
    for (kw_chunk *first; n > 0 && (first = chunks->first) != NULL;) {
        const size_t now = KW_MIN(n, first->len);
        first->head += now;
        first->len -= now;
        n -= now;
        if (first->len > 0)
            return;
        chunks->cap -= first->cap;
        chunks->first = first->next;
        if (!chunks->first)
            chunks->last = NULL;
        free(first);
    }
}

static inline void kw_chunks_free(kw_chunks *chunks)
{
    kw_chunks_drop(chunks, chunks->len);
}

/* False: no memory; what was added before it was noticed stays. */
static inline bool kw_chunks_add(kw_chunks *chunks, kw_bytes bytes)
{
    while (bytes.len > 0) {
        kw_chunk *last = chunks->last;
        if (!last || last->head + last->len == last->cap) {
            /* A little that waits alone gets a little. */
            const size_t cap = chunks->len == 0 && bytes.len < 1024 ? 1024 : KW_CHUNK;
            kw_chunk *const fresh = malloc(sizeof *fresh + cap);
            if (!fresh)
                return false;
            fresh->next = NULL;
            fresh->head = fresh->len = 0;
            fresh->cap = cap;
            *(last ? &last->next : &chunks->first) = fresh;
            chunks->last = last = fresh;
            chunks->cap += cap;
        }
        const size_t now = KW_MIN(bytes.len, last->cap - last->head - last->len);
        memcpy(last->data + last->head + last->len, bytes.data, now);
        last->len += now;
        chunks->len += now;
        bytes = (kw_bytes){bytes.data + now, bytes.len - now};
    }
    return true;
}

#endif
