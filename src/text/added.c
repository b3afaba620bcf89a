/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* added.c - see added.h. Source: Hugging Face tokenizers, the behaviour of AddedVocabulary. */
#include "text/added.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/unicode_table.h"

/* The child of a node for a byte, or 0. */
static uint32_t child_of(const kw_added *added, uint32_t node, uint8_t byte)
{
    if (node == 0)
        return added->first[byte];
    uint32_t at = added->nodes[node].child;
    while (at != 0 && added->nodes[at].byte != byte)
        at = added->nodes[at].sibling;
    return at;
}

static void add_token(kw_added *added, uint32_t *n_nodes, kw_str text, int32_t index)
{
    uint32_t node = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = (uint8_t)text.data[i];
        uint32_t next = child_of(added, node, byte);
        if (next == 0) {
            next = (*n_nodes)++;
            added->nodes[next] = (kw_added_node){0, 0, -1, byte};
            if (node == 0) {
                added->first[byte] = next;
            } else {
                added->nodes[next].sibling = added->nodes[node].child;
                added->nodes[node].child = next;
            }
        }
        node = next;
    }
    if (added->nodes[node].token < 0)
        added->nodes[node].token = index;
}

kw_status kw_added_build(const kw_added_token *tokens, size_t n, kw_arena *arena, kw_added *out,
                         kw_error *err)
{
    kw_added added = {.n = n};
    size_t bytes = 1;
    for (size_t i = 0; i < n; i++) {
        if (tokens[i].text.len > KW_ADDED_MAX_BYTES)
            return kw_fail(err, KW_E_LIMIT, "vocabulary: added token %d has %zu bytes, over %d",
                           tokens[i].id, tokens[i].text.len, KW_ADDED_MAX_BYTES);
        if (!kw_add_size(bytes, tokens[i].text.len, &bytes) || bytes > UINT32_MAX)
            return kw_fail(err, KW_E_LIMIT, "vocabulary: added tokens are too long");
        added.any_plain = added.any_plain || !tokens[i].special;
    }
    added.tokens = kw_arena_array(arena, n, sizeof(*added.tokens));
    added.nodes = kw_arena_array(arena, bytes, sizeof(*added.nodes));
    if (!added.tokens || !added.nodes)
        return kw_fail(err, KW_E_NOMEM, "vocabulary: out of memory for %zu added tokens", n);
    uint32_t n_nodes = 1;
    for (size_t i = 0; i < n; i++) {
        added.tokens[i] = tokens[i];
        /* A match in valid UTF-8 then starts and ends at characters. */
        if (tokens[i].text.len > 0 && kw_utf8_valid(tokens[i].text.data, tokens[i].text.len))
            add_token(&added, &n_nodes, tokens[i].text, (int32_t)i);
    }
    *out = added;
    return KW_OK;
}

/* The longest token at text[at], or -1; its end in *end. */
static int32_t longest_at(const kw_added *added, kw_str text, size_t at, bool special, size_t *end)
{
    int32_t best = -1;
    uint32_t node = 0;
    for (size_t i = at; i < text.len; i++) {
        node = child_of(added, node, (uint8_t)text.data[i]);
        if (node == 0)
            break;
        const int32_t token = added->nodes[node].token;
        if (token >= 0 && (special || !added->tokens[token].special)) {
            best = token;
            *end = i + 1;
        }
    }
    return best;
}

size_t kw_added_at(const kw_added *added, kw_str text, size_t at)
{
    size_t end = 0;
    return longest_at(added, text, at, true, &end) < 0 ? 0 : end;
}

/* Whether the character at text[at..) is one of words. */
static bool is_word(kw_str text, size_t at)
{
    uint32_t codepoint;
    kw_utf8_decode(text.data + at, text.len - at, &codepoint);
    return kw_unicode_class(codepoint) & (KW_UC_L | KW_UC_M | KW_UC_N | KW_UC_PC);
}

/* Start of the character that ends at `end` > 0. */
static size_t character_before(kw_str text, size_t end)
{
    do
        end--;
    while (end > 0 && ((unsigned char)text.data[end] & 0xC0) == 0x80);
    return end;
}

static bool stands_alone(kw_str text, size_t start, size_t end)
{
    return !(start > 0 && is_word(text, character_before(text, start))) &&
           !(end < text.len && is_word(text, end));
}

static void take_spaces(const kw_added_token *token, kw_str text, size_t from,
                        kw_added_match *match)
{
    uint32_t codepoint;
    while (token->lstrip && match->start > from) {
        const size_t at = character_before(text, match->start);
        kw_utf8_decode(text.data + at, text.len - at, &codepoint);
        if (at < from || !kw_is_space(codepoint))
            break;
        match->start = at;
    }
    while (token->rstrip && match->end < text.len) {
        const size_t width =
            kw_utf8_decode(text.data + match->end, text.len - match->end, &codepoint);
        if (!kw_is_space(codepoint))
            break;
        match->end += width;
    }
}

kw_added_match kw_added_find(const kw_added *added, kw_str text, size_t from, bool special)
{
    kw_added_match match = {text.len, text.len, -1};
    if (added->n == 0 || (!special && !added->any_plain))
        return match;
    for (size_t at = from; at < text.len; at++) {
        size_t end = at;
        const int32_t found = added->first[(uint8_t)text.data[at]] != 0
                                  ? longest_at(added, text, at, special, &end)
                                  : -1;
        if (found < 0)
            continue;
        const kw_added_token *token = &added->tokens[found];
        if (token->single_word && !stands_alone(text, at, end)) {
            at = end - 1;
            continue;
        }
        match = (kw_added_match){at, end, token->id};
        take_spaces(token, text, from, &match);
        break;
    }
    return match;
}
