/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* memory.c - static memory planning: size-sorted, smallest gap.
 * Source: Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference"
 * (greedy by size), with best fit instead of first fit. */
#include "plan/memory.h"

#include "base/check.h"

#include <stdlib.h>

#define ALIGN 64

typedef struct item {
    kw_extent_of_life *life;
    size_t index; /* to keep the order of equals */
} item;

static int by_size(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->life->bytes != y->life->bytes)
        return x->life->bytes < y->life->bytes ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static bool overlap(const kw_extent_of_life *a, const kw_extent_of_life *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The placed lives are kept sorted by offset, so gaps appear in one sweep. */
static size_t find_gap(const kw_extent_of_life *life, kw_extent_of_life *const *placed, size_t n)
{
    const size_t need = kw_align_up(life->bytes, ALIGN);
    size_t cursor = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        if (!overlap(life, placed[i]))
            continue;
        const size_t start = placed[i]->offset;
        if (start >= cursor && start - cursor >= need && start - cursor < best_size) {
            best = cursor;
            best_size = start - cursor;
        }
        cursor = KW_MAX(cursor, start + kw_align_up(placed[i]->bytes, ALIGN));
    }
    return best != SIZE_MAX ? best : cursor;
}

static void insert(kw_extent_of_life **placed, size_t n, kw_extent_of_life *life)
{
    size_t at = n;
    for (; at > 0 && placed[at - 1]->offset > life->offset; at--)
        placed[at] = placed[at - 1];
    placed[at] = life;
}

kw_status kw_memory_plan(kw_extent_of_life *lives, size_t n, size_t *total, kw_error *err)
{
    item *items = calloc(KW_MAX(n, (size_t)1), sizeof *items);
    kw_extent_of_life **placed = calloc(KW_MAX(n, (size_t)1), sizeof(kw_extent_of_life *));
    size_t n_items = 0, end = 0, sum = 0;
    kw_status status = KW_OK;
    if (!items || !placed)
        status = kw_fail(err, KW_E_NOMEM, "plan: no memory to place %zu values", n);
    for (size_t i = 0; status == KW_OK && i < n; i++) {
        if (lives[i].bytes == 0)
            continue;
        if (lives[i].bytes > SIZE_MAX / 4 || !kw_add_size(sum, lives[i].bytes + ALIGN, &sum))
            status = kw_fail(err, KW_E_LIMIT, "plan: values of more than %zu bytes",
                             (size_t)SIZE_MAX / 4);
        items[n_items++] = (item){&lives[i], i};
    }
    if (status == KW_OK) {
        qsort(items, n_items, sizeof *items, by_size);
        for (size_t i = 0; i < n_items; i++) {
            items[i].life->offset = find_gap(items[i].life, placed, i);
            insert(placed, i, items[i].life);
            end = KW_MAX(end, items[i].life->offset + kw_align_up(items[i].life->bytes, ALIGN));
        }
        *total = end;
    }
    free(items);
    free(placed);
    return status;
}
