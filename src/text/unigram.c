/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unigram.c - see unigram.h.
 *
 * A place that no token reaches across is on every way through the text. There the ids so far are
 * written and the table starts again, so that it is as long as the longest stretch of overlapping
 * tokens (a word or two, mostly) and not as the text. */
#include "text/unigram.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/vocab.h"

#include <float.h>
#include <math.h>

#define NONE UINT32_MAX
#define UNKNOWN_PENALTY 10.0
#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "tokenizer: out of memory encoding text")

/* Whether SentencePiece looks for a token in text. */
static bool spells(uint8_t kind)
{
    return kind == KW_TOKEN_NORMAL || kind == KW_TOKEN_USER || kind == KW_TOKEN_UNUSED;
}

static double score_at(kw_unigram_scores scores, size_t i)
{
    return scores.single ? (double)scores.single[i] : scores.exact[i];
}

/* The least and the greatest score of the tokens that count. The greatest is above 0, as the
 * reference starts from the least positive float. */
static void find_range(const kw_tokens *tokens, kw_unigram_scores scores, double *least,
                       double *most)
{
    bool any = false;
    *least = 0;
    *most = (double)FLT_MIN;
    for (size_t i = 0; i < tokens->n; i++) {
        const double score = score_at(scores, i);
        if (isnan(score) || (scores.single && tokens->kinds[i] != KW_TOKEN_NORMAL))
            continue;
        *least = any ? fmin(*least, score) : score;
        *most = fmax(*most, score);
        any = true;
    }
}

kw_status kw_unigram_build(const kw_tokens *tokens, kw_unigram_scores scores, kw_arena *arena,
                           kw_unigram *out, kw_error *err)
{
    kw_unigram u = {.single = scores.single != NULL};
    double least, most;
    uint8_t *take = kw_arena_array(arena, tokens->n, 1);
    u.scores = kw_arena_array(arena, tokens->n, sizeof(*u.scores));
    if (!take || !u.scores)
        return kw_fail(err, KW_E_NOMEM, "vocabulary: out of memory for %zu tokens", tokens->n);
    find_range(tokens, scores, &least, &most);
    u.unk_score =
        u.single ? (double)((float)least - (float)UNKNOWN_PENALTY) : least - UNKNOWN_PENALTY;
    for (size_t i = 0; i < tokens->n; i++) {
        u.scores[i] = score_at(scores, i);
        take[i] = (u.single ? spells(tokens->kinds[i]) : !isnan(u.scores[i])) ? 1 : 0;
        if (u.single && tokens->kinds[i] == KW_TOKEN_USER) /* so that it is always taken */
            u.scores[i] = (double)((float)tokens->spelling[i].len * (float)most) - 0.1;
    }
    KW_TRY(kw_trie_build(tokens->spelling, take, tokens->n, arena, &u.trie, err));
    *out = u;
    return KW_OK;
}

void kw_viterbi_free(kw_viterbi *work)
{
    free(work->places);
    free(work->parts.items);
    *work = (kw_viterbi){0};
}

/* Room for places up to and with `last`, the new ones empty; *n of them are there. */
static bool reserve(kw_viterbi *work, size_t *n, size_t last)
{
    kw_unigram_place *places = kw_grow(work->places, &work->cap, last + 1, sizeof(*places));
    if (!places)
        return false;
    work->places = places;
    for (; *n <= last; ++*n)
        places[*n].from = NONE;
    return true;
}

/* A way over [from, to) with a token, if it is better than those before. */
static void offer(const kw_unigram *u, kw_viterbi *work, size_t from, size_t to, int32_t id,
                  double score)
{
    kw_unigram_place *place = &work->places[to];
    const double sum = score + work->places[from].score;
    if (place->from != NONE && !(sum > place->score))
        return;
    *place = (kw_unigram_place){u->single ? (double)(float)sum : sum, id, (uint32_t)from};
}

/* Offers every token that starts at text[0], and the unknown one. `at`: its place in the table.
 * *reach is the last place that has a way. */
static bool extend(const kw_unigram *u, const kw_bpe *bpe, kw_viterbi *work, kw_str text, size_t at,
                   size_t width, size_t *n, size_t *reach)
{
    uint32_t node = 0;
    bool whole = false; /* the character by itself is a token */
    for (size_t i = 0; i < text.len; i++) {
        node = kw_trie_next(&u->trie, node, (uint8_t)text.data[i]);
        if (node == 0)
            break;
        const int32_t id = u->trie.ids[node];
        if (id < 0 || (u->single && bpe->tokens.kinds[id] == KW_TOKEN_UNUSED))
            continue;
        if (!reserve(work, n, at + i + 1))
            return false;
        offer(u, work, at, at + i + 1, id, u->scores[id]);
        whole = whole || i + 1 == width;
        *reach = KW_MAX(*reach, at + i + 1);
    }
    if (whole)
        return true;
    if (!reserve(work, n, at + width))
        return false;
    offer(u, work, at, at + width, -1, u->unk_score);
    *reach = KW_MAX(*reach, at + width);
    return true;
}

/* Writes the best way to the last place of the table, which covers text. */
static bool write_best(const kw_bpe *bpe, kw_viterbi *work, kw_str text, kw_ids *ids, bool *unknown)
{
    work->parts.n = 0;
    for (size_t end = text.len; end > 0; end = work->places[end].from)
        if (!kw_spans_add(&work->parts, work->places[end].from, end))
            return false;
    while (work->parts.n > 0) {
        const kw_span part = work->parts.items[--work->parts.n];
        const int32_t id = work->places[part.end].id;
        if (id < 0) {
            const kw_str what = {text.data + part.start, part.end - part.start};
            if (!kw_bpe_unknown(bpe, what, ids, unknown))
                return false;
            continue;
        }
        *unknown = false;
        if (!kw_ids_add(ids, id))
            return false;
    }
    return true;
}

/* Encodes a piece; *sum is what the sums start from, and then what they came to. */
static kw_status encode(const kw_unigram *u, const kw_bpe *bpe, kw_viterbi *work, kw_str piece,
                        double *sum, kw_ids *ids, kw_error *err)
{
    size_t base = 0, n = 0, reach = 0;
    bool unknown = false;
    if (!reserve(work, &n, 0))
        return NOMEM(err);
    work->places[0] = (kw_unigram_place){*sum, -1, 0};
    for (size_t at = 0; at < piece.len;) {
        uint32_t codepoint;
        const kw_str rest = {piece.data + at, piece.len - at};
        const size_t width = kw_utf8_decode(rest.data, rest.len, &codepoint);
        kw_assert(work->places[at - base].from != NONE);
        if (!extend(u, bpe, work, rest, at - base, width, &n, &reach))
            return NOMEM(err);
        at += width;
        if (base + reach != at)
            continue;
        *sum = work->places[reach].score;
        if (!write_best(bpe, work, (kw_str){piece.data + base, at - base}, ids, &unknown))
            return NOMEM(err);
        base = at;
        n = 1;
        reach = 0;
        work->places[0] = (kw_unigram_place){*sum, -1, 0};
    }
    return KW_OK;
}

kw_status kw_unigram_set_lead(kw_unigram *u, const kw_bpe *bpe, kw_str text, kw_error *err)
{
    kw_viterbi work = {0};
    kw_ids ids = {0};
    double sum = 0.0;
    const kw_status status = encode(u, bpe, &work, text, &sum, &ids, err);
    if (status == KW_OK)
        u->lead = sum;
    free(ids.items);
    kw_viterbi_free(&work);
    return status;
}

kw_status kw_unigram_encode(const kw_unigram *u, const kw_bpe *bpe, kw_viterbi *work, kw_str piece,
                            kw_ids *ids, kw_error *err)
{
    double sum = kw_str_starts(piece, KW_STR("\xE2\x96\x81")) ? u->lead : 0.0;
    return encode(u, bpe, work, piece, &sum, ids, err);
}
