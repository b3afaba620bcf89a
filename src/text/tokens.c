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
#define METASPACE "\xE2\x96\x81"
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

/* The hash of the bytes that text spells in the alphabet, or of itself when it is none. */
static uint32_t hash_spelled(kw_str text)
{
    hasher s = {1, 0, 0};
    for (size_t pos = 0; pos < text.len;) {
        uint32_t codepoint;
        pos += kw_utf8_decode(text.data + pos, text.len - pos, &codepoint);
        const int byte = kw_alphabet_to_byte(codepoint);
        if (byte < 0)
            return hash_bytes(text.data, text.len);
        hash_byte(&s, (unsigned char)byte);
    }
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

/* The text with U+2581 as spaces; a view of it when there is none. room holds text.len bytes. */
static kw_str with_spaces(kw_str text, char *room)
{
    size_t n = 0;
    bool changed = false;
    for (size_t i = 0; i < text.len;) {
        if (text.len - i >= 3 && memcmp(text.data + i, METASPACE, 3) == 0) {
            room[n++] = ' ';
            i += 3;
            changed = true;
        } else {
            room[n++] = text.data[i++];
        }
    }
    return changed ? (kw_str){room, n} : text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A single byte written <0xNN>, or -1. */
static int byte_of(kw_str text)
{
    if (text.len != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>')
        return -1;
    const int high = hex_digit(text.data[3]), low = hex_digit(text.data[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/* What decoding writes for a token; `room` holds its length. */
static kw_str surface_of(kw_token_rules rules, kw_str text, uint8_t kind, char *room)
{
    const int byte = kind == KW_TOKEN_BYTE && !rules.byte_level ? byte_of(text) : -1;
    if (byte >= 0) {
        room[0] = (char)byte;
        return (kw_str){room, 1};
    }
    size_t n;
    if (rules.byte_level) { /* what people wrote into the vocabulary is plain text */
        const bool plain = kind == KW_TOKEN_CONTROL || kind == KW_TOKEN_USER;
        return !plain && kw_alphabet_decode(text, room, &n) ? (kw_str){room, n} : text;
    }
    return rules.metaspace ? with_spaces(text, room) : text;
}

static kw_status copy_texts(kw_tokens *t, const kw_str *spelling, kw_token_rules rules,
                            kw_arena *arena, kw_error *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!kw_add_size(bytes, spelling[i].len, &bytes))
            return kw_fail(err, KW_E_LIMIT, "vocabulary: tokens are too long");
    char *text = kw_arena_array(arena, bytes + 1, 2);
    if (!text)
        return NOMEM(err, t->n);
    char *room = text + bytes;
    for (size_t i = 0; i < t->n; i++) {
        if (spelling[i].len > 0)
            memcpy(text, spelling[i].data, spelling[i].len);
        t->spelling[i] = (kw_str){text, spelling[i].len};
        t->surface[i] = surface_of(rules, t->spelling[i], t->kinds[i], room);
        text += spelling[i].len;
        if (t->surface[i].data == room && !kw_str_eq(t->surface[i], t->spelling[i]))
            room += t->surface[i].len;
        else
            t->surface[i] = t->spelling[i];
    }
    return KW_OK;
}

/* Puts an id at its place. A second token of the same raw form, spelling and use adds nothing. */
static kw_status insert(kw_tokens *t, int32_t id, kw_error *err)
{
    const kw_str raw = raw_at(t, id);
    const uint32_t hash = hash_bytes(raw.data, raw.len);
    if (t->byte_level && raw.data == t->spelling[id].data)
        t->any_plain = t->any_plain || hash != hash_spelled(raw);
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

kw_status kw_tokens_build(const kw_str *spelling, const uint8_t *kinds, size_t n,
                          kw_token_rules rules, kw_arena *arena, kw_tokens *out, kw_error *err)
{
    kw_tokens t = {.n = n, .byte_level = rules.byte_level};
    const size_t size = table_size(n);
    t.spelling = kw_arena_array(arena, n, sizeof(kw_str));
    t.surface = kw_arena_array(arena, n, sizeof(kw_str));
    t.kinds = kw_arena_array(arena, n, 1);
    t.slots = kw_arena_array(arena, size, sizeof(kw_token_slot));
    if (!t.spelling || !t.surface || !t.kinds || !t.slots)
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
    *out = t;
    return KW_OK;
}

kw_status kw_tokens_set_surface(kw_tokens *tokens, int32_t id, kw_str text, kw_token_rules rules,
                                kw_arena *arena, kw_error *err)
{
    char *room = kw_arena_array(arena, text.len + 1, 2);
    if (!room)
        return NOMEM(err, tokens->n);
    memcpy(room, text.data, text.len);
    tokens->surface[id] =
        surface_of(rules, (kw_str){room, text.len}, KW_TOKEN_USER, room + text.len);
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

/* The least id under this hash that is spelled so, or `best` when that is less. */
static int32_t find_spelled(const kw_tokens *tokens, uint32_t hash, kw_str spelling, int32_t best)
{
    size_t at = hash & tokens->mask;
    for (size_t probe = 0; probe < tokens->probe; probe++, at = (at + 1) & tokens->mask) {
        const kw_token_slot *slot = &tokens->slots[at];
        if (slot->hash == 0)
            break;
        if (slot->hash == hash && (best < 0 || slot->id < best) &&
            kw_str_eq(tokens->spelling[slot->id], spelling))
            best = slot->id;
    }
    return best;
}

int32_t kw_tokens_find(const kw_tokens *tokens, kw_str spelling)
{
    int32_t best = -1;
    if (tokens->byte_level)
        best = find_spelled(tokens, hash_spelled(spelling), spelling, best);
    if (!tokens->byte_level || tokens->any_plain)
        best = find_spelled(tokens, hash_bytes(spelling.data, spelling.len), spelling, best);
    return best;
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

/* The ids of a merge's parts and of their joined spelling; false when one is missing. */
static kw_status resolve(const kw_tokens *tokens, kw_merge merge, kw_pair_slot *out, bool *known,
                         kw_error *err)
{
    char few[128], *room = few;
    const size_t len = merge.left.len + merge.right.len;
    *known = false;
    if (merge.left.len == 0 || merge.right.len == 0)
        return KW_OK;
    out->left = kw_tokens_find(tokens, merge.left);
    out->right = kw_tokens_find(tokens, merge.right);
    if (out->left < 0 || out->right < 0)
        return KW_OK;
    if (len > sizeof(few) && !(room = malloc(len)))
        return NOMEM(err, tokens->n);
    memcpy(room, merge.left.data, merge.left.len);
    memcpy(room + merge.left.len, merge.right.data, merge.right.len);
    out->id = kw_tokens_find(tokens, (kw_str){room, len});
    *known = out->id >= 0;
    if (room != few)
        free(room);
    return KW_OK;
}

kw_status kw_pairs_build(const kw_tokens *tokens, const kw_str *joined, const kw_merge *apart,
                         size_t n, kw_arena *arena, kw_pairs *out, kw_error *err)
{
    const size_t size = table_size(n);
    kw_pairs pairs = {kw_arena_array(arena, size, sizeof(kw_pair_slot)), size - 1, 0};
    if (!pairs.slots || n >= UINT32_MAX)
        return kw_fail(err, KW_E_NOMEM, "vocabulary: out of memory for %zu merges", n);
    for (size_t i = 0; i < size; i++)
        pairs.slots[i].left = -1;
    for (size_t i = 0; i < n; i++) {
        kw_pair_slot merge = {.rank = (uint32_t)i};
        kw_merge parts;
        bool known = false;
        if (joined ? kw_merge_split(joined[i], &parts) : (parts = apart[i], true))
            KW_TRY(resolve(tokens, parts, &merge, &known, err));
        if (known)
            KW_TRY(insert_pair(&pairs, merge, err));
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
