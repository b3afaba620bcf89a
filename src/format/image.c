/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* image.c - the lists that the readers fill. */
#include "format/image.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdlib.h>

/* Room for one more item in a list of n: `items`, or a copy twice as large, or NULL. */
static void *grow(kw_arena *arena, void *items, size_t n, size_t *capacity, size_t item_bytes)
{
    if (n < *capacity)
        return items;
    const size_t larger = *capacity == 0 ? 64 : 2 * *capacity;
    void *const moved = kw_arena_array(arena, larger, item_bytes);
    if (!moved)
        return NULL;
    if (n > 0)
        memcpy(moved, items, n * item_bytes);
    *capacity = larger;
    return moved;
}

kw_status kw_image_push_tensor(kw_image *image, size_t *capacity, kw_arena *arena,
                               const kw_tensor_view *view, kw_error *err)
{
    if (image->n_tensors >= KW_MAX_TENSORS)
        return kw_fail(err, KW_E_LIMIT, "more than %zu tensors", KW_MAX_TENSORS);
    kw_tensor_view *const items =
        grow(arena, image->tensors, image->n_tensors, capacity, sizeof *items);
    if (!items)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu tensors", image->n_tensors);
    items[image->n_tensors++] = *view;
    image->tensors = items;
    return KW_OK;
}

kw_status kw_image_push_meta(kw_image *image, size_t *capacity, kw_arena *arena,
                             const kw_meta *meta, kw_error *err)
{
    if (image->n_metas >= KW_MAX_METAS)
        return kw_fail(err, KW_E_LIMIT, "more than %zu metadata values", KW_MAX_METAS);
    kw_meta *const items = grow(arena, image->metas, image->n_metas, capacity, sizeof *items);
    if (!items)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu metadata values", image->n_metas);
    items[image->n_metas++] = *meta;
    image->metas = items;
    return KW_OK;
}

kw_shape kw_shape_fold(const int64_t *sizes, int rank)
{
    const int n_folded = KW_MAX(rank - KW_MAX_RANK, 0);
    kw_shape shape = {.rank = rank - n_folded};
    bool empty = false;
    for (int i = 0; i < rank; i++)
        empty = empty || sizes[i] == 0;
    int64_t first = 1;
    for (int i = 0; i <= n_folded && i < rank; i++)
        first *= empty ? KW_MIN(sizes[i], 1) : sizes[i];
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == 0 && n_folded > 0 ? first : sizes[n_folded + i];
    return shape;
}

static int compare_views(const void *left, const void *right)
{
    const kw_tensor_view *const a = left, *const b = right;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    const size_t n = a->name.len < b->name.len ? a->name.len : b->name.len;
    const int order = n > 0 ? memcmp(a->name.data, b->name.data, n) : 0;
    if (order != 0)
        return order;
    return a->name.len < b->name.len ? -1 : a->name.len > b->name.len;
}

void kw_views_sort(kw_tensor_view *views, size_t n)
{
    size_t i = 1;
    while (i < n && compare_views(&views[i - 1], &views[i]) <= 0)
        i++;
    if (i < n)
        qsort(views, n, sizeof *views, compare_views);
}

const kw_value *kw_image_meta(const kw_image *image, const char *key)
{
    for (size_t i = 0; i < image->n_metas; i++) {
        if (kw_str_is(image->metas[i].key, key))
            return &image->metas[i].value;
    }
    return NULL;
}

bool kw_name_is_clean(kw_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        const unsigned char c = (unsigned char)name.data[i];
        const unsigned char next = i + 1 < name.len ? (unsigned char)name.data[i + 1] : 0xff;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0)) /* C0, DEL, C1 */
            return false;
    }
    return kw_utf8_valid(name.data, name.len);
}
