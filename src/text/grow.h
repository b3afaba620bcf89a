/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grow.h - growing arrays of this layer: spans of a text, and token ids. */
#ifndef KW_TEXT_GROW_H
#define KW_TEXT_GROW_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Room for `need` items of `size` bytes. Returns the array, moved perhaps, or NULL with the old one
 * untouched. */
static inline void *kw_grow(void *items, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap && items)
        return items;
    size_t room = *cap + *cap / 2 + 16, bytes;
    if (room < need)
        room = need;
    if (!kw_mul_size(room, size, &bytes))
        return NULL;
    void *moved = realloc(items, bytes);
    if (moved)
        *cap = room;
    return moved;
}

typedef struct kw_span {
    uint32_t start, end;
} kw_span;

typedef struct kw_spans {
    kw_span *items; /* owned */
    size_t n, cap;
} kw_spans;

/* False when memory is out. An empty span is left out. */
static inline bool kw_spans_add(kw_spans *spans, size_t start, size_t end)
{
    if (start >= end)
        return true;
    kw_span *items = (kw_span *)kw_grow(spans->items, &spans->cap, spans->n + 1, sizeof(kw_span));
    if (!items)
        return false;
    spans->items = items;
    items[spans->n++] = (kw_span){(uint32_t)start, (uint32_t)end};
    return true;
}

typedef struct kw_ids {
    int32_t *items; /* owned */
    size_t n, cap;
} kw_ids;

/* Room for `more` ids; false when memory is out. */
static inline bool kw_ids_reserve(kw_ids *ids, size_t more)
{
    int32_t *items = (int32_t *)kw_grow(ids->items, &ids->cap, ids->n + more, sizeof(int32_t));
    if (items)
        ids->items = items;
    return items != NULL;
}

static inline bool kw_ids_add(kw_ids *ids, int32_t id)
{
    int32_t *items = (int32_t *)kw_grow(ids->items, &ids->cap, ids->n + 1, sizeof(int32_t));
    if (!items)
        return false;
    ids->items = items;
    items[ids->n++] = id;
    return true;
}

#endif
