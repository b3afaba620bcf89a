/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* wordpiece.c - see wordpiece.h. */
#include "text/wordpiece.h"

#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "tokenizer: out of memory encoding text")

kw_status kw_wordpiece_build(const kw_tokens *tokens, kw_str prefix, kw_arena *arena,
                             kw_wordpiece *out, kw_error *err)
{
    kw_wordpiece w = {.max_chars = 100, .unk = -1};
    KW_TRY(kw_trie_build(tokens->spelling, NULL, tokens->n, arena, &w.trie, err));
    w.any_inside = true;
    for (size_t i = 0; i < prefix.len && w.any_inside; i++) {
        w.inside = kw_trie_next(&w.trie, w.inside, (uint8_t)prefix.data[i]);
        w.any_inside = w.inside != 0;
    }
    *out = w;
    return KW_OK;
}

static bool starts_character(kw_str text, size_t at)
{
    return at == text.len || ((unsigned char)text.data[at] & 0xC0) != 0x80;
}

/* The longest token from a node on at the start of text, and its end; -1: none. */
static int32_t longest(const kw_trie *trie, uint32_t node, kw_str text, size_t *end)
{
    int32_t best = -1;
    for (size_t i = 0; i < text.len; i++) {
        node = kw_trie_next(trie, node, (uint8_t)text.data[i]);
        if (node == 0)
            break;
        if (trie->ids[node] >= 0 && starts_character(text, i + 1)) {
            best = trie->ids[node];
            *end = i + 1;
        }
    }
    return best;
}

static bool is_long(const kw_wordpiece *w, kw_str word)
{
    size_t n = 0;
    for (size_t i = 0; i < word.len && n <= w->max_chars; i++)
        n += starts_character(word, i);
    return n > w->max_chars;
}

kw_status kw_wordpiece_encode(const kw_wordpiece *w, kw_str word, kw_ids *ids, kw_error *err)
{
    const size_t before = ids->n;
    bool known = w->whole || !is_long(w, word);
    for (size_t at = 0, end = 0; at < word.len && known; at += end) {
        const bool dead = at > 0 && !w->any_inside;
        const kw_str rest = {word.data + at, word.len - at};
        const int32_t id = dead ? -1 : longest(&w->trie, at > 0 ? w->inside : 0, rest, &end);
        known = id >= 0 && !(w->whole && end < word.len);
        if (known && !kw_ids_add(ids, id))
            return NOMEM(err);
    }
    if (known)
        return KW_OK;
    ids->n = before;
    return w->unk < 0 || kw_ids_add(ids, w->unk) ? KW_OK : NOMEM(err);
}
