/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* name_index.c - open addressing with linear probing, at most half full.
 *
 * The names come from a file that may be hostile: a probe sequence longer than any that honest
 * names make is refused, so that building stays linear whatever the names are. Source of the hash:
 * FNV-1a (Fowler, Noll, Vo), with a final mix of the high bits. */
#include "format/name_index.h"

#include "base/check.h"

enum { MAX_PROBES = 512 };

static uint64_t hash_name(kw_str name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static kw_str name_of(const kw_name_index *index, size_t record)
{
    kw_str name;
    memcpy(&name, index->records + record * index->stride, sizeof name);
    return name;
}

/* The slot where the name is or belongs, or KW_NOT_FOUND after too many probes. */
static size_t find_slot(const kw_name_index *index, kw_str name)
{
    size_t slot = (size_t)hash_name(name) & index->mask;
    for (int probe = 0; probe < MAX_PROBES; probe++) {
        if (index->slots[slot] == 0 || kw_str_eq(name_of(index, index->slots[slot] - 1), name))
            return slot;
        slot = (slot + 1) & index->mask;
    }
    return KW_NOT_FOUND;
}

kw_status kw_name_index_build(kw_name_index *index, kw_arena *arena, const void *records,
                              size_t stride, size_t n, const char *subject, kw_error *err)
{
    if (n > UINT32_MAX / 4)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu names are too many to index", subject, n);
    size_t n_slots = 8;
    while (n_slots < 2 * n)
        n_slots *= 2;
    kw_name_index made = {.records = records, .stride = stride, .mask = n_slots - 1};
    made.slots = kw_arena_array(arena, n_slots, sizeof *made.slots);
    if (!made.slots)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for an index of %zu names", subject, n);
    for (size_t i = 0; i < n; i++) {
        const kw_str name = name_of(&made, i);
        const size_t slot = find_slot(&made, name);
        if (slot == KW_NOT_FOUND)
            return kw_fail(err, KW_E_LIMIT, "%s \"%.*s\": more than %d names share its hash",
                           subject, KW_FMT(name), MAX_PROBES);
        if (made.slots[slot] != 0)
            return kw_fail(err, KW_E_FORMAT, "%s \"%.*s\" appears twice", subject, KW_FMT(name));
        made.slots[slot] = (uint32_t)(i + 1);
    }
    *index = made;
    return KW_OK;
}

size_t kw_name_index_find(const kw_name_index *index, kw_str name)
{
    if (!index->slots)
        return KW_NOT_FOUND;
    const size_t slot = find_slot(index, name);
    if (slot == KW_NOT_FOUND || index->slots[slot] == 0)
        return KW_NOT_FOUND;
    return index->slots[slot] - 1;
}
