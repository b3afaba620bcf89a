/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokens.c - see tokens.h. */
#include "text/tokens.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/alphabet.h"
#include "text/tokenizer.h"

#include <stdlib.h>

/* Longest way from a key's home slot; a good hash at half load stays far below it. */
#define PROBE_MAX 256
#define NOMEM(err, n) kw_fail((err), KW_E_NOMEM, "vocabulary: out of memory for %zu tokens", (n))

static uint64_t mix(uint64_t x)
{
    x *= UINT64_C(0x9E3779B97F4A7C15);
    return x ^ x >> 32;
}

/* A hash that takes its bytes one by one, so that a spelling is hashed as the bytes it stands for
 * without being written out. */
typedef struct hasher {
    uint64_t h, word, n;
} hasher;

static inline void hash_byte(hasher *s, unsigned char byte)
{
    s->word = s->word << 8 | byte;
    if ((++s->n & 7) == 0) {
        s->h = mix(s->h ^ s->word);
        s->word = 0;
    }
}

/* Never 0. */
static inline uint32_t hash_end(const hasher *s)
{
    return (uint32_t)(mix(s->h ^ s->word ^ s->n << 56) >> 16) | 1u;
}

static uint32_t hash_bytes(const char *data, size_t len)
{
    hasher s = {1, 0, 0};
    for (size_t i = 0; i < len; i++)
        hash_byte(&s, (unsigned char)data[i]);
    return hash_end(&s);
}

/* Adds the bytes that text spells in the alphabet; false when it is none. */
static bool hash_spelled(hasher *s, kw_str text)
{
    for (size_t pos = 0; pos < text.len;) {
        if (text.data[pos] > 0x20 && text.data[pos] < 0x7F) { /* most are themselves */
            hash_byte(s, (unsigned char)text.data[pos++]);
            continue;
        }
        uint32_t codepoint;
        pos += kw_utf8_decode(text.data + pos, text.len - pos, &codepoint);
        const int byte = kw_alphabet_to_byte(codepoint);
        if (byte < 0)
            return false;
        hash_byte(s, (unsigned char)byte);
    }
    return true;
}

/* The hash of a text in two parts, in the alphabet where it is that. */
static uint32_t hash_parts(bool byte_level, kw_merge text)
{
    hasher s = {1, 0, 0};
    if (byte_level && hash_spelled(&s, text.left) && hash_spelled(&s, text.right))
        return hash_end(&s);
    s = (hasher){1, 0, 0};
    for (size_t i = 0; i < text.left.len; i++)
        hash_byte(&s, (unsigned char)text.left.data[i]);
    for (size_t i = 0; i < text.right.len; i++)
        hash_byte(&s, (unsigned char)text.right.data[i]);
    return hash_end(&s);
}

static size_t table_size(size_t n)
{
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    return size;
}

/* BPE never produces control, unknown and byte tokens: text spells them only through added tokens
 * and byte fallback. */
static bool produced(uint8_t kind)
{
    return kind == KW_TOKEN_NORMAL || kind == KW_TOKEN_USER || kind == KW_TOKEN_UNUSED;
}

static kw_str raw_at(const kw_tokens *tokens, int32_t id)
{
    return tokens->byte_level ? tokens->surface[id] : tokens->spelling[id];
}

static kw_status copy_texts(kw_tokens *t, const kw_str *spelling, const kw_token_rules *rules,
                            kw_arena *arena, kw_error *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!kw_add_size(bytes, spelling[i].len + KW_SURFACE_MORE, &bytes))
            return kw_fail(err, KW_E_LIMIT, "vocabulary: tokens are too long");
    char *text = kw_arena_array(arena, bytes + 1, rules->spaced ? 3 : 2);
    if (!text)
        return NOMEM(err, t->n);
    char *room = text + bytes;
    for (size_t i = 0; i < t->n; i++) {
        if (spelling[i].len > 0)
            memcpy(text, spelling[i].data, spelling[i].len);
        t->spelling[i] = (kw_str){text, spelling[i].len};
        t->surface[i] = kw_surface_of(rules, t->spelling[i], t->kinds[i], false, room);
        text += spelling[i].len;
        if (t->surface[i].data == room && !kw_str_eq(t->surface[i], t->spelling[i]))
            room += t->surface[i].len;
        else
            t->surface[i] = t->spelling[i];
        if (!rules->spaced)
            continue;
        t->initial[i] = kw_surface_of(rules, t->spelling[i], t->kinds[i], true, room);
        room += t->initial[i].data == room ? t->initial[i].len : 0;
    }
    return KW_OK;
}

/* Puts an id at its place. A second token of the same raw form, spelling and use adds nothing. */
static kw_status insert(kw_tokens *t, int32_t id, kw_error *err)
{
    const kw_str raw = raw_at(t, id);
    const uint32_t hash = hash_bytes(raw.data, raw.len);
    if (t->byte_level && raw.data == t->spelling[id].data)
        t->any_plain = t->any_plain || hash != hash_parts(true, (kw_merge){raw, {NULL, 0}});
    size_t at = hash & t->mask;
    for (size_t probe = 0; probe < PROBE_MAX; probe++, at = (at + 1) & t->mask) {
        kw_token_slot *slot = &t->slots[at];
        if (slot->hash == 0) {
            *slot = (kw_token_slot){hash, id};
            t->probe = KW_MAX(t->probe, probe + 1);
            return KW_OK;
        }
        if (slot->hash == hash && kw_str_eq(t->spelling[slot->id], t->spelling[id]) &&
            produced(t->kinds[slot->id]) == produced(t->kinds[id]))
            return KW_OK;
    }
    return kw_fail(err, KW_E_LIMIT, "vocabulary: token %d is one of more than %d that collide", id,
                   PROBE_MAX);
}

/* Applies the edits to what a token writes. */
static kw_status edit(const kw_token_rules *rules, kw_arena *arena, kw_str *surface, kw_error *err)
{
    char *changed;
    size_t len = 0;
    if (!kw_surface_edit(rules, *surface, &changed, &len))
        return kw_fail(err, KW_E_NOMEM, "vocabulary: out of memory decoding tokens");
    const bool same = !changed || kw_str_eq((kw_str){changed, len}, *surface);
    const char *copy = same ? surface->data : kw_arena_strdup(arena, (kw_str){changed, len});
    free(changed);
    if (!copy)
        return kw_fail(err, KW_E_NOMEM, "vocabulary: out of memory decoding tokens");
    if (!same)
        *surface = (kw_str){copy, len};
    return KW_OK;
}

static kw_status edit_all(kw_tokens *t, const kw_token_rules *rules, kw_arena *arena, kw_error *err)
{
    for (size_t i = 0; i < t->n && rules->n_edits > 0; i++) {
        if (t->kinds[i] == KW_TOKEN_BYTE)
            continue;
        KW_TRY(edit(rules, arena, &t->surface[i], err));
        if (t->initial)
            KW_TRY(edit(rules, arena, &t->initial[i], err));
    }
    return KW_OK;
}

kw_status kw_tokens_build(const kw_str *spelling, const uint8_t *kinds, size_t n,
                          const kw_token_rules *rules, kw_arena *arena, kw_tokens *out,
                          kw_error *err)
{
    kw_tokens t = {.n = n, .byte_level = rules->byte_level};
    const size_t size = table_size(n);
    t.spelling = kw_arena_array(arena, n, sizeof(kw_str));
    t.surface = kw_arena_array(arena, n, sizeof(kw_str));
    t.initial = rules->spaced ? kw_arena_array(arena, n, sizeof(kw_str)) : NULL;
    t.kinds = kw_arena_array(arena, n, 1);
    t.slots = kw_arena_array(arena, size, sizeof(kw_token_slot));
    if (!t.spelling || !t.surface || !t.kinds || !t.slots || (rules->spaced && !t.initial))
        return NOMEM(err, n);
    t.mask = size - 1;
    for (size_t i = 0; i < n; i++)
        t.kinds[i] = kinds && kinds[i] >= KW_TOKEN_NORMAL && kinds[i] <= KW_TOKEN_BYTE
                         ? kinds[i]
                         : KW_TOKEN_NORMAL;
    KW_TRY(copy_texts(&t, spelling, rules, arena, err));
    for (size_t i = 0; i < n; i++) {
        if (t.spelling[i].len == 0)
            continue;
        KW_TRY(insert(&t, (int32_t)i, err));
        if (produced(t.kinds[i]))
            t.longest = KW_MAX(t.longest, raw_at(&t, (int32_t)i).len);
    }
    if (!t.byte_level) /* there the surface is also what BPE compares */
        KW_TRY(edit_all(&t, rules, arena, err));
    *out = t;
    return KW_OK;
}

kw_status kw_tokens_set_surface(kw_tokens *tokens, int32_t id, kw_str text,
                                const kw_token_rules *rules, kw_arena *arena, kw_error *err)
{
    char *room = kw_arena_array(arena, text.len + KW_SURFACE_MORE, 2);
    if (!room)
        return NOMEM(err, tokens->n);
    memcpy(room, text.data, text.len);
    tokens->surface[id] =
        kw_surface_of(rules, (kw_str){room, text.len}, KW_TOKEN_USER, false, room + text.len);
    return KW_OK;
}

int32_t kw_tokens_find_raw(const kw_tokens *tokens, const char *raw, size_t len)
{
    if (len > tokens->longest)
        return -1;
    const uint32_t hash = hash_bytes(raw, len);
    size_t at = hash & tokens->mask;
    for (size_t probe = 0; probe < tokens->probe; probe++, at = (at + 1) & tokens->mask) {
        const kw_token_slot *slot = &tokens->slots[at];
        if (slot->hash == 0)
            break;
        if (slot->hash == hash && produced(tokens->kinds[slot->id]) &&
            kw_str_eq(raw_at(tokens, slot->id), (kw_str){raw, len}))
            return slot->id;
    }
    return -1;
}

static bool is_spelled(const kw_tokens *tokens, int32_t id, kw_merge text)
{
    const kw_str spelling = tokens->spelling[id], left = text.left, right = text.right;
    return spelling.len == left.len + right.len &&
           (left.len == 0 || memcmp(spelling.data, left.data, left.len) == 0) &&
           (right.len == 0 || memcmp(spelling.data + left.len, right.data, right.len) == 0);
}

/* The first id under this hash that is spelled so, or -1. Of equal ones the least came first. */
static int32_t find_spelled(const kw_tokens *tokens, uint32_t hash, kw_merge text)
{
    size_t at = hash & tokens->mask;
    for (size_t probe = 0; probe < tokens->probe; probe++, at = (at + 1) & tokens->mask) {
        const kw_token_slot *slot = &tokens->slots[at];
        if (slot->hash == 0)
            break;
        if (slot->hash == hash && is_spelled(tokens, slot->id, text))
            return slot->id;
    }
    return -1;
}

int32_t kw_tokens_find(const kw_tokens *tokens, kw_str spelling)
{
    const kw_merge text = {spelling, {NULL, 0}};
    const int32_t id = find_spelled(tokens, hash_parts(tokens->byte_level, text), text);
    if (!tokens->any_plain)
        return id;
    const int32_t plain = find_spelled(tokens, hash_bytes(spelling.data, spelling.len), text);
    return id < 0 || (plain >= 0 && plain < id) ? plain : id;
}

size_t kw_pair_hash(int32_t left, int32_t right)
{
    return (size_t)(mix((uint64_t)(uint32_t)left << 32 | (uint32_t)right) >> 8);
}

/* Of two merges of the same pair the better one counts. */
static kw_status insert_pair(kw_pairs *pairs, kw_pair_slot merge, kw_error *err)
{
    size_t at = kw_pair_hash(merge.left, merge.right) & pairs->mask;
    for (size_t probe = 0; probe < PROBE_MAX; probe++, at = (at + 1) & pairs->mask) {
        kw_pair_slot *slot = &pairs->slots[at];
        if (slot->left == merge.left && slot->right == merge.right)
            return KW_OK;
        if (slot->left < 0) {
            *slot = merge;
            pairs->probe = KW_MAX(pairs->probe, probe + 1);
            return KW_OK;
        }
    }
    return kw_fail(err, KW_E_LIMIT, "vocabulary: merge %u is one of more than %d that collide",
                   (unsigned)merge.rank, PROBE_MAX);
}

bool kw_merge_split(kw_str joined, kw_merge *out)
{
    if (joined.len < 3)
        return false;
    const char *space = memchr(joined.data + 1, ' ', joined.len - 1);
    if (!space)
        return false;
    const size_t n = (size_t)(space - joined.data);
    *out = (kw_merge){{joined.data, n}, {space + 1, joined.len - n - 1}};
    return true;
}

/* Looking up one of many: what, and where it is. */
typedef struct lookup {
    kw_merge text;
    uint32_t hash;
    int32_t id;
    size_t len;
} lookup;

#define LOOKUPS 96 /* at once; three for each merge */

/* Finds n spellings. Step by step for all of them, so that reads of memory that is not in the cache
 * do not wait for one another: this is most of the time it takes to load a large vocabulary. */
static void find_all(const kw_tokens *tokens, lookup *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        list[i].hash = hash_parts(tokens->byte_level, list[i].text);
    for (size_t i = 0; i < n; i++) {
        const kw_token_slot *slot = &tokens->slots[list[i].hash & tokens->mask];
        list[i].id = slot->hash == list[i].hash ? slot->id : -1;
    }
    for (size_t i = 0; i < n; i++)
        list[i].len = list[i].id >= 0 ? tokens->spelling[list[i].id].len : 0;
    for (size_t i = 0; i < n; i++) {
        const kw_merge text = list[i].text;
        const bool likely = list[i].len == text.left.len + text.right.len;
        if (list[i].id < 0 || !likely || !is_spelled(tokens, list[i].id, text))
            list[i].id = find_spelled(tokens, list[i].hash, text);
    }
}

/* What a merge makes: its parts, without the mark that the right one has of being inside a word. */
static kw_merge made_of(kw_merge merge, kw_str inside)
{
    if (merge.right.len < inside.len)
        return (kw_merge){{NULL, 0}, {NULL, 0}};
    return (kw_merge){merge.left, {merge.right.data + inside.len, merge.right.len - inside.len}};
}

/* Adds up to LOOKUPS / 3 merges, the first of them with this rank. */
static kw_status add_merges(kw_pairs *pairs, const kw_tokens *tokens, const kw_merge *merges,
                            size_t n, size_t rank, kw_str inside, kw_error *err)
{
    lookup list[LOOKUPS];
    for (size_t i = 0; i < n; i++) {
        const kw_str none = {NULL, 0};
        list[3 * i].text = (kw_merge){merges[i].left, none};
        list[3 * i + 1].text = (kw_merge){merges[i].right, none};
        list[3 * i + 2].text = inside.len > 0 ? made_of(merges[i], inside) : merges[i];
    }
    find_all(tokens, list, 3 * n);
    for (size_t i = 0; i < n; i++) {
        const kw_pair_slot merge = {list[3 * i].id, list[3 * i + 1].id, (uint32_t)(rank + i),
                                    list[3 * i + 2].id};
        if (merge.left >= 0 && merge.right >= 0 && merge.id >= 0)
            KW_TRY(insert_pair(pairs, merge, err));
    }
    return KW_OK;
}

kw_status kw_pairs_build(const kw_tokens *tokens, const kw_str *joined, const kw_merge *apart,
                         size_t n, kw_str inside, kw_arena *arena, kw_pairs *out, kw_error *err)
{
    const size_t size = table_size(n);
    kw_pairs pairs = {kw_arena_array(arena, size, sizeof(kw_pair_slot)), size - 1, 0};
    if (!pairs.slots || n >= UINT32_MAX)
        return kw_fail(err, KW_E_NOMEM, "vocabulary: out of memory for %zu merges", n);
    for (size_t i = 0; i < size; i++)
        pairs.slots[i].left = -1;
    for (size_t at = 0; at < n; at += LOOKUPS / 3) {
        kw_merge merges[LOOKUPS / 3];
        const size_t more = KW_MIN(n - at, LOOKUPS / 3);
        for (size_t i = 0; i < more; i++) {
            merges[i] = (kw_merge){{NULL, 0}, {NULL, 0}}; /* spells nothing, which is no token */
            if (!joined)
                merges[i] = apart[at + i];
            else
                kw_merge_split(joined[at + i], &merges[i]);
        }
        KW_TRY(add_merges(&pairs, tokens, merges, more, at, inside, err));
    }
    *out = pairs;
    return KW_OK;
}

const kw_pair_slot *kw_pairs_find(const kw_pairs *pairs, int32_t left, int32_t right)
{
    size_t at = kw_pair_hash(left, right) & pairs->mask;
    for (size_t probe = 0; probe < pairs->probe; probe++, at = (at + 1) & pairs->mask) {
        const kw_pair_slot *slot = &pairs->slots[at];
        if (slot->left == left && slot->right == right)
            return slot;
        if (slot->left < 0)
            break;
    }
    return NULL;
}
