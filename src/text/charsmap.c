/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* charsmap.c - see charsmap.h. */
#include "text/charsmap.h"

#include "base/utf8.h"

/* Longest sequence, and longest string that one may become; the longest of NFKC has 33 bytes. */
#define BECOMES_MAX 1024

static uint32_t u32_at(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

kw_status kw_charsmap_build(kw_str bytes, kw_arena *arena, kw_charsmap *out, kw_error *err)
{
    if (bytes.len < 4)
        return kw_fail(err, KW_E_FORMAT, "charsmap: %zu bytes are no map", bytes.len);
    const size_t size = u32_at(bytes.data);
    if (size % 4 != 0 || size == 0 || size > bytes.len - 4)
        return kw_fail(err, KW_E_FORMAT, "charsmap: an array of %zu bytes in %zu", size,
                       bytes.len - 4);
    kw_charsmap map = {.n_units = size / 4};
    uint32_t *units = kw_arena_array(arena, map.n_units, sizeof(*units));
    const kw_str pool = {bytes.data + 4 + size, bytes.len - 4 - size};
    char *copy = kw_arena_alloc(arena, pool.len + 1);
    if (!units || !copy)
        return kw_fail(err, KW_E_NOMEM, "charsmap: out of memory for %zu bytes", bytes.len);
    for (size_t i = 0; i < map.n_units; i++)
        units[i] = u32_at(bytes.data + 4 + 4 * i);
    memcpy(copy, pool.data, pool.len);
    copy[pool.len] = 0;
    map.units = units;
    map.pool = (kw_str){copy, pool.len + 1};
    *out = map;
    return KW_OK;
}

/* The parts of a unit. */
static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & 0x200) >> 6);
}

static bool has_value(uint32_t unit)
{
    return unit >> 8 & 1;
}

/* The string at a value of the array, when it is one. */
static bool string_at(const kw_charsmap *map, uint32_t value, kw_str *out)
{
    value &= 0x7FFFFFFF;
    if (value >= map->pool.len)
        return false;
    const char *start = map->pool.data + value;
    const size_t room = map->pool.len - value;
    const char *end = memchr(start, 0, room < BECOMES_MAX ? room : BECOMES_MAX);
    if (!end)
        return false;
    const kw_str text = {start, (size_t)(end - start)};
    if (!kw_utf8_valid(text.data, text.len))
        return false;
    *out = text;
    return true;
}

size_t kw_charsmap_find(const kw_charsmap *map, kw_str text, bool shortest, kw_str *becomes)
{
    size_t found = 0;
    size_t at = offset_of(map->units[0]);
    for (size_t i = 0; i < text.len && i < BECOMES_MAX; i++) {
        at ^= (unsigned char)text.data[i];
        if (at >= map->n_units)
            break;
        const uint32_t unit = map->units[at];
        if ((unit & 0x800000FF) != (unsigned char)text.data[i])
            break;
        at ^= offset_of(unit);
        const bool character =
            i + 1 == text.len || ((unsigned char)text.data[i + 1] & 0xC0) != 0x80;
        if (has_value(unit) && at < map->n_units && character &&
            string_at(map, map->units[at], becomes)) {
            found = i + 1;
            if (shortest)
                break;
        }
    }
    return found;
}
