/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bpe.c - see bpe.h.
 *
 * Symbols are a linked list over the piece; each names the bytes it covers. A candidate in the heap
 * records how long its pair was: symbols only grow, so a pair of another length is out of date. */
#include "text/bpe.h"

#include "base/utf8.h"
#include "text/tokenizer.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define MEMO 4096
#define CACHE_FROM 512 /* pieces of a text that are encoded without the cache */
#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "tokenizer: out of memory encoding text")

struct kw_symbol {
    uint32_t start, len; /* of the piece; len 0: merged away */
    uint32_t previous, next;
    int32_t id; /* -1: a character that is no token */
};

struct kw_candidate {
    uint64_t order; /* rank << 32 | left symbol */
    uint32_t len;   /* of both symbols together */
    int32_t id;
};

typedef struct kw_symbol symbol;
typedef struct kw_candidate candidate;

static int32_t byte_spelled(const kw_tokens *tokens, unsigned byte)
{
    static const char digits[] = "0123456789ABCDEF";
    const char text[6] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
    const int32_t id = kw_tokens_find(tokens, (kw_str){text, sizeof(text)});
    return id >= 0 && tokens->kinds[id] == KW_TOKEN_BYTE ? id : -1;
}

/* What a symbol of a piece is spelled with besides: where it stands. */
typedef struct place {
    bool inside, end; /* not the first; the last */
} place;

typedef struct marked {
    char text[4 + 2 * KW_WORD_MARK_MAX];
    size_t len;
} marked;

static void append(marked *m, const char *data, size_t len)
{
    memcpy(m->text + m->len, data, len);
    m->len += len;
}

/* A symbol of at most 4 bytes with the marks of its place. */
static marked mark(const kw_bpe *bpe, const char *start, size_t width, place at)
{
    marked m = {.len = 0};
    if (at.inside)
        append(&m, bpe->word_inside.data, bpe->word_inside.len);
    append(&m, start, width);
    if (at.end)
        append(&m, bpe->word_end.data, bpe->word_end.len);
    return m;
}

/* The token of a symbol, or -1. */
static int32_t find_marked(const kw_bpe *bpe, const char *start, size_t width, place at)
{
    const marked m = mark(bpe, start, width, at);
    return kw_tokens_find_raw(&bpe->tokens, m.text, m.len);
}

kw_status kw_bpe_index(kw_bpe *bpe, kw_arena *arena, kw_error *err)
{
    const kw_tokens *tokens = &bpe->tokens;
    for (unsigned byte = 0; byte < 256; byte++) {
        const char raw = (char)byte;
        bpe->byte_ids[byte] =
            tokens->byte_level ? kw_tokens_find_raw(tokens, &raw, 1) : byte_spelled(tokens, byte);
        if (byte < 128)
            bpe->ascii_ids[byte] = kw_tokens_find_raw(tokens, &raw, 1);
    }
    for (size_t i = 0; i < tokens->n; i++)
        bpe->any_unused = bpe->any_unused || tokens->kinds[i] == KW_TOKEN_UNUSED;
    if (tokens->byte_level)
        return KW_OK;
    bpe->follows = kw_arena_array(arena, 1024, sizeof(uint64_t));
    if (!bpe->follows)
        return NOMEM(err);
    for (size_t i = 0; i < tokens->n; i++) {
        const kw_str text = tokens->spelling[i];
        for (size_t at = 1; at < text.len; at++) {
            const unsigned pair =
                (unsigned)(unsigned char)text.data[at - 1] << 8 | (unsigned char)text.data[at];
            bpe->follows[pair >> 6] |= UINT64_C(1) << (pair & 63);
        }
    }
    return KW_OK;
}

void kw_merger_free(kw_merger *merger)
{
    free(merger->symbols);
    free(merger->heap);
    free(merger->memo);
    free(merger->unused_left);
    free(merger->stack.items);
    free(merger->cache);
    *merger = (kw_merger){0};
}

/* --- the heap: the least order first; four children a node, which lie in one cache line --- */

static void sift_down(candidate *heap, size_t n, size_t at)
{
    const candidate moving = heap[at];
    for (size_t child; (child = 4 * at + 1) < n;) {
        const size_t end = child + 4 < n ? child + 4 : n;
        size_t least = child;
        for (size_t i = child + 1; i < end; i++)
            if (heap[i].order < heap[least].order)
                least = i;
        if (moving.order <= heap[least].order)
            break;
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = moving;
}

static void heap_pop(kw_merger *m)
{
    m->heap[0] = m->heap[--m->n_heap];
    if (m->n_heap > 1)
        sift_down(m->heap, m->n_heap, 0);
}

/* There is room: see add_candidates. */
static void heap_push(kw_merger *m, candidate item)
{
    size_t at = m->n_heap++;
    while (at > 0 && item.order < m->heap[(at - 1) / 4].order) {
        m->heap[at] = m->heap[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    m->heap[at] = item;
}

/* --- symbols --- */

static bool add_symbol(kw_merger *m, uint32_t start, uint32_t len, int32_t id)
{
    symbol *symbols = kw_grow(m->symbols, &m->cap_symbols, m->n_symbols + 1, sizeof(*symbols));
    if (!symbols)
        return false;
    m->symbols = symbols;
    const uint32_t at = (uint32_t)m->n_symbols++;
    symbols[at] = (symbol){start, len, at - 1, at + 1, id}; /* at 0: previous is NONE */
    return true;
}

/* The token of a single byte or character, without marks. */
static int32_t find_single(const kw_bpe *bpe, const char *start, size_t width)
{
    const uint8_t first = (uint8_t)*start;
    if (bpe->tokens.byte_level)
        return bpe->byte_ids[first];
    return first < 128 ? bpe->ascii_ids[first] : kw_tokens_find_raw(&bpe->tokens, start, width);
}

/* The place of the symbol at `at` of a part that has its own. */
static place place_of(const kw_bpe *bpe, place part, size_t at, bool last)
{
    return (place){bpe->word_inside.len > 0 && (part.inside || at > 0), part.end && last};
}

/* The first symbols of a part: its bytes, or its characters. */
static kw_status add_symbols(const kw_bpe *bpe, kw_merger *m, kw_str piece, place part,
                             kw_error *err)
{
    m->n_symbols = 0;
    for (size_t at = 0, width = 1; at < piece.len; at += width) {
        uint32_t codepoint;
        if (!bpe->tokens.byte_level)
            width = kw_utf8_decode(piece.data + at, piece.len - at, &codepoint);
        const place here = place_of(bpe, part, at, at + width == piece.len);
        const int32_t id = here.inside || here.end ? find_marked(bpe, piece.data + at, width, here)
                                                   : find_single(bpe, piece.data + at, width);
        if (!add_symbol(m, (uint32_t)at, (uint32_t)width, id))
            return NOMEM(err);
    }
    if (m->n_symbols > 0)
        m->symbols[m->n_symbols - 1].next = NONE;
    return KW_OK;
}

/* The token that two symbols spell, and its rank; id -1 when they spell none. */
static kw_pair_slot spelled_pair(const kw_bpe *bpe, kw_merger *m, kw_str piece, const symbol *a,
                                 const symbol *b)
{
    const bool known = a->id >= 0 && b->id >= 0;
    kw_pair_slot *slot = &m->memo[kw_pair_hash(a->id, b->id) % MEMO];
    if (known && slot->left == a->id && slot->right == b->id)
        return *slot;
    kw_pair_slot pair = {a->id, b->id, 0, -1};
    pair.id = kw_tokens_find_raw(&bpe->tokens, piece.data + a->start, a->len + b->len);
    if (pair.id >= 0)
        pair.rank = bpe->tokens.ranks[pair.id];
    if (known)
        *slot = pair;
    return pair;
}

/* Whether a symbol and the next one merge, and into what. */
static bool candidate_of(const kw_bpe *bpe, kw_merger *m, kw_str piece, uint32_t left,
                         candidate *out)
{
    const symbol *a = &m->symbols[left], *b = &m->symbols[a->next];
    uint32_t rank;
    if (bpe->pairs.slots) {
        const kw_pair_slot *pair =
            a->id >= 0 && b->id >= 0 ? kw_pairs_find(&bpe->pairs, a->id, b->id) : NULL;
        if (!pair)
            return false;
        out->id = pair->id;
        rank = pair->rank;
    } else {
        const kw_pair_slot pair = spelled_pair(bpe, m, piece, a, b);
        if (pair.id < 0)
            return false;
        out->id = pair.id;
        rank = pair.rank;
        if (m->unused_left && bpe->tokens.kinds[pair.id] == KW_TOKEN_UNUSED)
            m->unused_left[pair.id] = a->len;
    }
    out->order = (uint64_t)rank << 32 | left;
    out->len = a->len + b->len;
    return true;
}

/* The candidates of all neighbours. Each merge takes one from the heap and adds at most two, and
 * there is one merge less than symbols at most, so twice the symbols is room for all. */
static kw_status add_candidates(const kw_bpe *bpe, kw_merger *m, kw_str piece, kw_error *err)
{
    m->n_heap = 0;
    candidate *heap = kw_grow(m->heap, &m->cap_heap, 2 * m->n_symbols, sizeof(*heap));
    if (!heap)
        return NOMEM(err);
    m->heap = heap;
    for (uint32_t left = 0; left + 1 < m->n_symbols; left++)
        if (candidate_of(bpe, m, piece, left, &heap[m->n_heap]))
            m->n_heap++;
    for (size_t at = (m->n_heap + 2) / 4; at-- > 0;)
        sift_down(heap, m->n_heap, at);
    return KW_OK;
}

static kw_status merge_all(const kw_bpe *bpe, kw_merger *m, kw_str piece, kw_error *err)
{
    KW_TRY(add_candidates(bpe, m, piece, err));
    while (m->n_heap > 0) {
        const candidate best = m->heap[0];
        const uint32_t left = (uint32_t)best.order;
        symbol *a = &m->symbols[left];
        heap_pop(m);
        if (a->len == 0 || a->next == NONE || a->len + m->symbols[a->next].len != best.len)
            continue;
        symbol *b = &m->symbols[a->next];
        a->id = best.id;
        a->len = best.len;
        a->next = b->next;
        b->len = 0;
        if (a->next != NONE)
            m->symbols[a->next].previous = left;
        candidate more;
        if (a->next != NONE && candidate_of(bpe, m, piece, left, &more))
            heap_push(m, more);
        if (a->previous != NONE && candidate_of(bpe, m, piece, a->previous, &more))
            heap_push(m, more);
    }
    return KW_OK;
}

/* --- from symbols to ids --- */

bool kw_bpe_unknown(const kw_bpe *bpe, kw_str text, kw_ids *ids, bool *unknown)
{
    bool bytes = bpe->byte_fallback;
    for (size_t i = 0; i < text.len && bytes; i++)
        bytes = bpe->byte_ids[(uint8_t)text.data[i]] >= 0;
    for (size_t i = 0; i < text.len && bytes; i++)
        if (!kw_ids_add(ids, bpe->byte_ids[(uint8_t)text.data[i]]))
            return false;
    const bool again = *unknown;
    *unknown = !bytes;
    return bytes || bpe->unk < 0 || (again && bpe->fuse_unk) || kw_ids_add(ids, bpe->unk);
}

/* Adds text[start, end), a token that is unused, as the parts it was merged from. */
static bool add_unused(const kw_bpe *bpe, kw_merger *m, kw_str piece, kw_span whole, kw_ids *ids,
                       bool *unknown)
{
    m->stack.n = 0;
    if (!kw_spans_add(&m->stack, whole.start, whole.end))
        return false;
    while (m->stack.n > 0) {
        const kw_span span = m->stack.items[--m->stack.n];
        const kw_str text = {piece.data + span.start, span.end - span.start};
        const int32_t id = kw_tokens_find_raw(&bpe->tokens, text.data, text.len);
        const uint32_t left =
            id >= 0 && bpe->tokens.kinds[id] == KW_TOKEN_UNUSED ? m->unused_left[id] : 0;
        if (left > 0 && left < text.len) {
            if (!kw_spans_add(&m->stack, span.start + left, span.end) ||
                !kw_spans_add(&m->stack, span.start, span.start + left))
                return false;
        } else if (id < 0) {
            if (!kw_bpe_unknown(bpe, text, ids, unknown))
                return false;
        } else {
            *unknown = false;
            if (!kw_ids_add(ids, id))
                return false;
        }
    }
    return true;
}

/* A symbol that is no token: with byte tokens its marks are spelled out, too. */
static bool add_unknown(const kw_bpe *bpe, kw_str text, place at, kw_ids *ids, bool *unknown)
{
    if (!at.inside && !at.end)
        return kw_bpe_unknown(bpe, text, ids, unknown);
    const marked m = mark(bpe, text.data, text.len, at);
    return kw_bpe_unknown(bpe, (kw_str){m.text, m.len}, ids, unknown);
}

static kw_status add_ids(const kw_bpe *bpe, kw_merger *m, kw_str piece, place part, kw_ids *ids,
                         bool *unknown, kw_error *err)
{
    for (uint32_t at = 0; at != NONE; at = m->symbols[at].next) {
        const symbol *s = &m->symbols[at];
        const kw_str text = {piece.data + s->start, s->len};
        bool done;
        if (s->id < 0) {
            done = add_unknown(bpe, text, place_of(bpe, part, s->start, s->next == NONE), ids,
                               unknown);
        } else if (m->unused_left && bpe->tokens.kinds[s->id] == KW_TOKEN_UNUSED) {
            done = add_unused(bpe, m, piece, (kw_span){s->start, s->start + s->len}, ids, unknown);
        } else {
            *unknown = false;
            done = kw_ids_add(ids, s->id);
        }
        if (!done)
            return NOMEM(err);
    }
    return KW_OK;
}

/* Encodes a part that nothing merges out of. */
static kw_status encode_part(const kw_bpe *bpe, kw_merger *m, kw_str part, place at, kw_ids *ids,
                             bool *unknown, kw_error *err)
{
    KW_TRY(add_symbols(bpe, m, part, at, err));
    if (m->n_symbols > 1)
        KW_TRY(merge_all(bpe, m, part, err));
    return add_ids(bpe, m, part, at, ids, unknown, err);
}

/* End of the part that starts at `from`: the first character that no token puts after the one
 * before it. */
static size_t part_end(const kw_bpe *bpe, kw_str piece, size_t from)
{
    if (!bpe->follows)
        return piece.len;
    for (size_t at = from + 1; at < piece.len; at++) {
        const unsigned b = (unsigned char)piece.data[at];
        const unsigned pair = (unsigned)(unsigned char)piece.data[at - 1] << 8 | b;
        if ((b & 0xC0) != 0x80 && !(bpe->follows[pair >> 6] >> (pair & 63) & 1))
            return at;
    }
    return piece.len;
}

/* Work memory for pairs that are found by what they spell. */
static kw_status start_lookups(const kw_bpe *bpe, kw_merger *m, kw_error *err)
{
    m->memo = malloc(MEMO * sizeof(*m->memo));
    if (bpe->any_unused && !m->unused_left)
        m->unused_left = calloc(bpe->tokens.n, sizeof(*m->unused_left));
    if (!m->memo || (bpe->any_unused && !m->unused_left))
        return NOMEM(err);
    for (size_t i = 0; i < MEMO; i++)
        m->memo[i].left = -1;
    return KW_OK;
}

static kw_status encode_piece(const kw_bpe *bpe, kw_merger *merger, kw_str piece, kw_ids *ids,
                              kw_error *err)
{
    if (bpe->ignore_merges) {
        const int32_t id = kw_tokens_find_raw(&bpe->tokens, piece.data, piece.len);
        if (id >= 0)
            return kw_ids_add(ids, id) ? KW_OK : NOMEM(err);
    }
    if (!bpe->pairs.slots && !merger->memo)
        KW_TRY(start_lookups(bpe, merger, err));
    bool unknown = false;
    for (size_t at = 0; at < piece.len;) {
        const size_t end = part_end(bpe, piece, at);
        const place where = {at > 0, end == piece.len && bpe->word_end.len > 0};
        const kw_str part = {piece.data + at, end - at};
        KW_TRY(encode_part(bpe, merger, part, where, ids, &unknown, err));
        at = end;
    }
    return KW_OK;
}

/* Whether a piece goes through the cache. It is made when a text is long enough to pay for it. */
static bool is_cached(kw_merger *merger, size_t len)
{
    if (len == 0 || len > KW_PIECE_BYTES)
        return false;
    if (!merger->cache && ++merger->n_pieces % CACHE_FROM == 0)
        merger->cache = calloc(KW_PIECE_SLOTS, sizeof(*merger->cache));
    return merger->cache != NULL;
}

kw_status kw_bpe_encode(const kw_bpe *bpe, kw_merger *merger, kw_str piece, kw_ids *ids,
                        kw_error *err)
{
    if (!is_cached(merger, piece.len))
        return encode_piece(bpe, merger, piece, ids, err);
    uint64_t key[3];
    kw_piece_slot *slot = &merger->cache[kw_piece_key(piece, key)];
    if (kw_piece_same(slot, key, piece.len)) {
        if (!kw_ids_reserve(ids, KW_PIECE_IDS))
            return NOMEM(err);
        memcpy(ids->items + ids->n, slot->ids, sizeof(slot->ids));
        ids->n += slot->n;
        return KW_OK;
    }
    const size_t before = ids->n;
    KW_TRY(encode_piece(bpe, merger, piece, ids, err));
    const size_t n = ids->n - before;
    if (n > KW_PIECE_IDS)
        return KW_OK;
    *slot = (kw_piece_slot){{key[0], key[1], key[2]}, (uint32_t)piece.len, (uint32_t)n, {0}};
    if (n > 0)
        memcpy(slot->ids, ids->items + before, n * sizeof(*slot->ids));
    return KW_OK;
}
