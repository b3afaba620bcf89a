/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokenizer.c - building a tokenizer from a vocabulary, and what it answers about its tokens. */
#include "text/tokenizer.h"

#include "base/check.h"
#include "text/tokenizer_impl.h"

#include <math.h>
#include <stdlib.h>

#define TOKENS_MAX ((size_t)1 << 24)
#define METASPACE "\xE2\x96\x81"
#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "vocabulary: out of memory")

static bool is_spm(kw_vocab_kind kind)
{
    return kind == KW_VOCAB_SPM_BPE || kind == KW_VOCAB_UNIGRAM;
}

static bool is_words(kw_vocab_kind kind)
{
    return kind == KW_VOCAB_WORDPIECE || kind == KW_VOCAB_WORDLEVEL;
}

void kw_vocab_defaults(kw_vocab *vocab, kw_vocab_kind kind)
{
    const bool spm = is_spm(kind), words = is_words(kind);
    *vocab = (kw_vocab){
        .kind = kind,
        .pre = spm     ? KW_PRE_NONE
               : words ? KW_PRE_BERT
                       : KW_PRE_GPT2,
        .bos = -1,
        .eos = -1,
        .eot = -1,
        .unk = -1,
        .pad = -1,
        .add_space_prefix = spm,
        .drop_first_space = spm,
        .metaspace = spm,
        .byte_fallback = spm,
        .fuse_unk = spm,
        .word_inside = words ? KW_STR("##") : KW_STR(""),
        .word_decoded = KW_STR("##"),
        .spelled_unk = words,
        .spaced = words,
        .cleanup = words,
    };
}

int32_t kw_vocab_find(const kw_vocab *vocab, kw_str spelling)
{
    for (size_t i = 0; i < vocab->n_tokens; i++)
        if (kw_str_eq(vocab->tokens[i], spelling))
            return (int32_t)i;
    return -1;
}

static kw_status check_id(const kw_vocab *vocab, const char *what, int32_t id, kw_error *err)
{
    if (id < -1 || (id >= 0 && (size_t)id >= vocab->n_tokens))
        return kw_fail(err, KW_E_FORMAT, "vocabulary: %s id %d is outside of %zu tokens", what, id,
                       vocab->n_tokens);
    return KW_OK;
}

static kw_status check_ids(const kw_vocab *vocab, kw_error *err)
{
    if (vocab->n_tokens == 0)
        return kw_fail(err, KW_E_FORMAT, "vocabulary: no tokens");
    if (vocab->n_tokens > TOKENS_MAX)
        return kw_fail(err, KW_E_LIMIT, "vocabulary: %zu tokens are more than %zu", vocab->n_tokens,
                       TOKENS_MAX);
    KW_TRY(check_id(vocab, "bos", vocab->bos, err));
    KW_TRY(check_id(vocab, "eos", vocab->eos, err));
    KW_TRY(check_id(vocab, "eot", vocab->eot, err));
    KW_TRY(check_id(vocab, "unknown", vocab->unk, err));
    KW_TRY(check_id(vocab, "padding", vocab->pad, err));
    for (size_t i = 0; i < vocab->n_prefix; i++)
        KW_TRY(check_id(vocab, "prefix", vocab->prefix[i], err));
    for (size_t i = 0; i < vocab->n_suffix; i++)
        KW_TRY(check_id(vocab, "suffix", vocab->suffix[i], err));
    for (size_t i = 0; i < vocab->n_added; i++) {
        KW_TRY(check_id(vocab, "added token", vocab->added[i].id, err));
        if (vocab->added[i].id < 0)
            return kw_fail(err, KW_E_FORMAT, "vocabulary: added token %zu has no id", i);
    }
    return KW_OK;
}

/* A score as an integer that is less the better the score; NaN is worst. */
static uint32_t rank_of_score(float score)
{
    if (isnan(score))
        return UINT32_MAX;
    const float positive_zero = score + 0.0f;
    uint32_t bits;
    memcpy(&bits, &positive_zero, sizeof(bits));
    const uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ~ascending;
}

static kw_status build_merges(kw_tokenizer *t, const kw_vocab *vocab, kw_error *err)
{
    kw_bpe *bpe = &t->bpe;
    if ((vocab->merges || vocab->merge_pairs) && !vocab->scores)
        return kw_pairs_build(&bpe->tokens, vocab->merges, vocab->merge_pairs, vocab->n_merges,
                              vocab->word_inside, &t->arena, &bpe->pairs, err);
    bpe->tokens.ranks = kw_arena_array(&t->arena, vocab->n_tokens, sizeof(uint32_t));
    if (!bpe->tokens.ranks)
        return NOMEM(err);
    for (size_t i = 0; i < vocab->n_tokens; i++)
        bpe->tokens.ranks[i] = vocab->scores ? rank_of_score(vocab->scores[i]) : (uint32_t)i;
    return KW_OK;
}

static kw_token_rules rules_of(const kw_vocab *vocab)
{
    return (kw_token_rules){.byte_level = vocab->kind == KW_VOCAB_BYTE_BPE,
                            .metaspace = vocab->metaspace,
                            .spelled_bytes = vocab->spelled_bytes,
                            .spaced = vocab->spaced,
                            .cleanup = vocab->cleanup,
                            .edits = vocab->edits,
                            .n_edits = vocab->n_edits,
                            .inside = vocab->word_decoded};
}

/* What marks the end or the inside of a word, into the arena. */
static kw_status copy_mark(kw_str mark, kw_arena *arena, kw_str *out, kw_error *err)
{
    if (mark.len > KW_WORD_MARK_MAX)
        return kw_fail(err, KW_E_LIMIT, "vocabulary: the mark of a word has %zu bytes, over %d",
                       mark.len, KW_WORD_MARK_MAX);
    const char *copy = kw_arena_strdup(arena, mark);
    if (!copy)
        return NOMEM(err);
    *out = (kw_str){copy, mark.len};
    return KW_OK;
}

static kw_status build_words(kw_tokenizer *t, const kw_vocab *vocab, kw_error *err)
{
    KW_TRY(kw_wordpiece_build(&t->bpe.tokens, vocab->word_inside, &t->arena, &t->wordpiece, err));
    t->wordpiece.unk = vocab->unk;
    t->wordpiece.whole = vocab->kind == KW_VOCAB_WORDLEVEL;
    if (vocab->max_word_chars > 0)
        t->wordpiece.max_chars = vocab->max_word_chars;
    return KW_OK;
}

static kw_status build_model(kw_tokenizer *t, const kw_vocab *vocab, kw_error *err)
{
    kw_bpe *bpe = &t->bpe;
    const bool byte_level = vocab->kind == KW_VOCAB_BYTE_BPE;
    const kw_token_rules rules = rules_of(vocab);
    t->kind = vocab->kind;
    KW_TRY(kw_tokens_build(vocab->tokens, vocab->kinds, vocab->n_tokens, &rules, &t->arena,
                           &bpe->tokens, err));
    KW_TRY(copy_mark(vocab->word_end, &t->arena, &bpe->word_end, err));
    KW_TRY(copy_mark(vocab->word_inside, &t->arena, &bpe->word_inside, err));
    KW_TRY(copy_mark(vocab->end_decoded, &t->arena, &t->end_decoded, err));
    t->end_kept = vocab->end_kept;
    bpe->unk = vocab->unk;
    bpe->fuse_unk = vocab->fuse_unk;
    bpe->byte_fallback = vocab->byte_fallback && !byte_level;
    bpe->ignore_merges = vocab->ignore_merges;
    if (is_words(vocab->kind))
        return build_words(t, vocab, err);
    if (vocab->kind == KW_VOCAB_UNIGRAM) {
        const kw_unigram_scores scores = {vocab->scores, vocab->exact_scores};
        if (!scores.single && !scores.exact)
            return kw_fail(err, KW_E_FORMAT, "vocabulary: a unigram model without scores");
        KW_TRY(kw_unigram_build(&bpe->tokens, scores, &t->arena, &t->unigram, err));
    } else {
        KW_TRY(build_merges(t, vocab, err));
    }
    KW_TRY(kw_bpe_index(bpe, &t->arena, err));
    if (vocab->unk_leads && vocab->kind == KW_VOCAB_UNIGRAM && vocab->unk >= 0)
        return kw_unigram_set_lead(&t->unigram, bpe, bpe->tokens.spelling[vocab->unk], err);
    return KW_OK;
}

/* SentencePiece's own steps. */
static size_t spm_steps(const kw_vocab *vocab, const kw_added_token *keep, size_t n_keep,
                        kw_step *out)
{
    size_t n = 0;
    if (vocab->charsmap.len > 0)
        out[n++] = (kw_step){
            .kind = KW_STEP_CHARSMAP, .text = vocab->charsmap, .keep = keep, .n_keep = n_keep};
    if (vocab->squeeze_spaces)
        out[n++] = (kw_step){.kind = KW_STEP_SQUEEZE,
                             .first_only = vocab->add_space_prefix && !vocab->prefix_everywhere};
    if (vocab->add_space_prefix)
        out[n++] = (kw_step){
            .kind = KW_STEP_PREPEND, .first_only = !vocab->prefix_everywhere, .text = KW_STR(" ")};
    if (vocab->metaspace)
        out[n++] = (kw_step){.kind = KW_STEP_REPLACE,
                             .literal = true,
                             .text = KW_STR(" "),
                             .with = KW_STR(METASPACE)};
    return n;
}

/* The user-defined tokens, which SentencePiece does not normalise, in an array of the arena. */
static kw_status find_kept(const kw_tokenizer *t, const kw_vocab *vocab, kw_arena *work,
                           kw_added_token **out, size_t *n, kw_error *err)
{
    const kw_tokens *tokens = &t->bpe.tokens;
    *n = 0;
    *out = kw_arena_array(work, vocab->charsmap.len > 0 ? tokens->n : 0, sizeof(**out));
    if (!*out)
        return NOMEM(err);
    for (size_t i = 0; vocab->charsmap.len > 0 && i < tokens->n; i++)
        if (tokens->kinds[i] == KW_TOKEN_USER && tokens->spelling[i].len <= KW_ADDED_MAX_BYTES)
            (*out)[(*n)++] = (kw_added_token){.text = tokens->spelling[i], .id = (int32_t)i};
    return KW_OK;
}

/* The steps that the flags of a vocabulary imply. */
static kw_status imply_steps(kw_tokenizer *t, const kw_vocab *vocab, kw_arena *work, kw_error *err)
{
    kw_step normalizers[8], splitters[1];
    kw_added_token *keep;
    size_t n = 0, n_splitters = 0, n_keep;
    KW_TRY(find_kept(t, vocab, work, &keep, &n_keep, err));
    if (vocab->nfc)
        normalizers[n++] = (kw_step){.kind = KW_STEP_NFC};
    if (is_spm(vocab->kind))
        n += spm_steps(vocab, keep, n_keep, normalizers + n);
    if (vocab->pre != KW_PRE_NONE && vocab->pre != KW_PRE_CUSTOM) {
        const bool words = vocab->pre == KW_PRE_BERT || vocab->pre == KW_PRE_WORDS;
        splitters[n_splitters++] = (kw_step){.kind = KW_STEP_SPLIT,
                                             .pre = vocab->pre,
                                             .invert = words,
                                             .mode = words ? KW_SPLIT_REMOVED : KW_SPLIT_ISOLATED};
    }
    KW_TRY(kw_steps_compile(normalizers, n, &t->arena, &t->normalizers, err));
    return kw_steps_compile(splitters, n_splitters, &t->arena, &t->splitters, err);
}

/* The implied steps, or the vocabulary's own lists. */
static kw_status build_steps(kw_tokenizer *t, const kw_vocab *vocab, kw_error *err)
{
    if (vocab->custom_steps) {
        KW_TRY(kw_steps_compile(vocab->normalizers, vocab->n_normalizers, &t->arena,
                                &t->normalizers, err));
        return kw_steps_compile(vocab->splitters, vocab->n_splitters, &t->arena, &t->splitters,
                                err);
    }
    kw_arena work = {0};
    const kw_status status = imply_steps(t, vocab, &work, err);
    kw_arena_free(&work);
    return status;
}

/* The added tokens that kinds imply, in an array of the arena: special ones as written,
 * user-defined ones of SPM in normalised text, where a space is U+2581. */
static kw_status derive_added(kw_tokenizer *t, const kw_vocab *vocab, kw_added_token *out,
                              size_t *n_out, kw_error *err)
{
    const kw_tokens *tokens = &t->bpe.tokens;
    const bool spm = is_spm(vocab->kind);
    const kw_step replace = {
        .kind = KW_STEP_REPLACE, .literal = true, .text = KW_STR(" "), .with = KW_STR(METASPACE)};
    kw_compiled_step item = {.step = replace};
    const kw_steps spaces = {&item, vocab->metaspace ? 1 : 0};
    kw_pieces pieces = {.current = -1};
    kw_status status = KW_OK;
    for (size_t i = 0; i < tokens->n; i++) {
        const uint8_t kind = tokens->kinds[i];
        const bool user = kind == KW_TOKEN_USER;
        if ((!user && kind != KW_TOKEN_CONTROL && kind != KW_TOKEN_UNKNOWN) ||
            (user && vocab->user_in_model))
            continue;
        kw_added_token added = {.text = tokens->spelling[i],
                                .id = (int32_t)i,
                                .special = !user,
                                .normalized = user && spm};
        if (added.normalized && added.text.len <= KW_ADDED_MAX_BYTES) {
            KW_GOTO(status, kw_steps_run(&spaces, added.text, true, &pieces, err));
            const char *copy = kw_arena_strdup(&t->arena, pieces.text);
            if (!copy)
                KW_GOTO(status, NOMEM(err));
            added.text = (kw_str){copy, pieces.text.len};
        }
        out[(*n_out)++] = added;
    }
fail:
    kw_pieces_free(&pieces);
    return status;
}

/* Copies the given added tokens; the text of normalised ones as the normalizers write it, which is
 * also what decoding writes. */
static kw_status copy_added(kw_tokenizer *t, const kw_vocab *vocab, kw_added_token *out,
                            kw_error *err)
{
    kw_pieces pieces = {.current = -1};
    kw_status status = KW_OK;
    for (size_t i = 0; i < vocab->n_added; i++) {
        out[i] = vocab->added[i];
        if (!out[i].normalized || out[i].text.len > KW_ADDED_MAX_BYTES)
            continue;
        KW_GOTO(status, kw_steps_run(&t->normalizers, out[i].text, true, &pieces, err));
        const kw_str text = pieces.spans.n > 0 ? pieces.text : KW_STR("");
        const char *copy = kw_arena_strdup(&t->arena, text);
        if (!copy)
            KW_GOTO(status, NOMEM(err));
        const bool changed = !kw_str_eq(text, out[i].text);
        out[i].text = (kw_str){copy, text.len};
        if (!changed || !vocab->metaspace)
            continue;
        const kw_token_rules rules = {.metaspace = true};
        KW_GOTO(status, kw_tokens_set_surface(&t->bpe.tokens, out[i].id, out[i].text, &rules,
                                              &t->arena, err));
    }
fail:
    kw_pieces_free(&pieces);
    return status;
}

static kw_status build_added(kw_tokenizer *t, const kw_vocab *vocab, kw_error *err)
{
    const size_t room = vocab->added ? vocab->n_added : vocab->n_tokens;
    kw_arena work = {0};
    kw_status status = KW_OK;
    kw_added_token *all = kw_arena_array(&work, room, sizeof(*all));
    kw_added_token *part = kw_arena_array(&work, room, sizeof(*part));
    size_t n = vocab->n_added, n_part = 0;
    if (!all || !part)
        KW_GOTO(status, NOMEM(err));
    if (vocab->added)
        KW_GOTO(status, copy_added(t, vocab, all, err));
    else
        KW_GOTO(status, derive_added(t, vocab, all, &n, err));
    for (size_t i = 0; i < n; i++)
        if (!all[i].normalized)
            part[n_part++] = all[i];
    KW_GOTO(status, kw_added_build(part, n_part, &t->arena, &t->written, err));
    n_part = 0;
    for (size_t i = 0; i < n; i++)
        if (all[i].normalized)
            part[n_part++] = all[i];
    KW_GOTO(status, kw_added_build(part, n_part, &t->arena, &t->normalized, err));
fail:
    kw_arena_free(&work);
    return status;
}

void kw_tokenizer_add_end(kw_tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id)
            return;
    if (id >= 0 && (size_t)id < t->bpe.tokens.n && t->n_ends < KW_ENDS_MAX)
        t->ends[t->n_ends++] = id;
}

/* eos, and the names under which models end a turn. A name counts only for a token that ordinary
 * text cannot produce; "</s>" is an HTML tag in some vocabularies and counts as a control token
 * only. */
static void find_ends(kw_tokenizer *t, const kw_vocab *vocab)
{
    static const char *const names[] = {
        "<|eot_id|>",    "<|end_of_text|>", "<|im_end|>", "<|endoftext|>",
        "<end_of_turn>", "<|eom_id|>",      "<|end|>",    "</s>"};
    kw_tokenizer_add_end(t, vocab->eos);
    kw_tokenizer_add_end(t, vocab->eot);
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        const int32_t id = kw_tokens_find(&t->bpe.tokens, kw_str_from(names[i]));
        const uint8_t kind = id >= 0 ? t->bpe.tokens.kinds[id] : KW_TOKEN_NORMAL;
        if (kind == KW_TOKEN_CONTROL || (kind == KW_TOKEN_USER && names[i][1] != '/'))
            kw_tokenizer_add_end(t, id);
    }
}

static int32_t *copy_ids(kw_arena *arena, const int32_t *ids, size_t n)
{
    int32_t *copy = kw_arena_array(arena, n, sizeof(*copy));
    if (copy && n > 0)
        memcpy(copy, ids, n * sizeof(*copy));
    return copy;
}

static kw_status build_specials(kw_tokenizer *t, const kw_vocab *vocab, kw_error *err)
{
    t->bos = vocab->bos;
    t->eos = vocab->eos;
    t->skip_repeats = vocab->skip_repeats;
    t->drop_first_space = vocab->drop_first_space;
    t->drop_first_spaces = vocab->drop_first_space && vocab->squeeze_spaces;
    t->spelled_unk = vocab->spelled_unk;
    t->eos_once = vocab->eos_once;
    t->cleanup_text = vocab->cleanup_text;
    t->n_prefix = vocab->prefix ? vocab->n_prefix : vocab->add_bos && vocab->bos >= 0;
    t->n_suffix = vocab->suffix ? vocab->n_suffix : vocab->add_eos && vocab->eos >= 0;
    t->prefix = copy_ids(&t->arena, vocab->prefix ? vocab->prefix : &vocab->bos, t->n_prefix);
    t->suffix = copy_ids(&t->arena, vocab->suffix ? vocab->suffix : &vocab->eos, t->n_suffix);
    if (!t->prefix || !t->suffix)
        return NOMEM(err);
    find_ends(t, vocab);
    return KW_OK;
}

kw_status kw_tokenizer_create(const kw_vocab *vocab, kw_tokenizer **out, kw_error *err)
{
    KW_TRY(check_ids(vocab, err));
    kw_tokenizer *t = calloc(1, sizeof(*t));
    if (!t)
        return NOMEM(err);
    kw_status status;
    KW_GOTO(status, build_model(t, vocab, err));
    KW_GOTO(status, build_steps(t, vocab, err));
    KW_GOTO(status, build_added(t, vocab, err));
    KW_GOTO(status, build_specials(t, vocab, err));
    *out = t;
    return KW_OK;
fail:
    kw_tokenizer_free(t);
    return status;
}

void kw_tokenizer_free(kw_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    kw_steps_free(&tokenizer->normalizers);
    kw_steps_free(&tokenizer->splitters);
    kw_arena_free(&tokenizer->arena);
    free(tokenizer);
}

static bool in_range(const kw_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->bpe.tokens.n;
}

size_t kw_tokenizer_size(const kw_tokenizer *tokenizer)
{
    return tokenizer->bpe.tokens.n;
}

kw_str kw_tokenizer_piece(const kw_tokenizer *tokenizer, int32_t id)
{
    return in_range(tokenizer, id) ? tokenizer->bpe.tokens.spelling[id] : KW_STR("");
}

kw_token_kind kw_tokenizer_kind(const kw_tokenizer *tokenizer, int32_t id)
{
    return in_range(tokenizer, id) ? (kw_token_kind)tokenizer->bpe.tokens.kinds[id]
                                   : KW_TOKEN_UNKNOWN;
}

int32_t kw_tokenizer_bos(const kw_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t kw_tokenizer_eos(const kw_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

kw_str kw_tokenizer_surface(const kw_tokenizer *tokenizer, int32_t id)
{
    const kw_tokens *tokens = &tokenizer->bpe.tokens;
    return id >= 0 && (size_t)id < tokens->n ? tokens->surface[id] : KW_STR("");
}

bool kw_tokenizer_is_end(const kw_tokenizer *tokenizer, int32_t id)
{
    for (size_t i = 0; i < tokenizer->n_ends; i++)
        if (tokenizer->ends[i] == id)
            return true;
    return false;
}

int32_t kw_tokenizer_find(const kw_tokenizer *tokenizer, kw_str piece)
{
    return kw_tokens_find(&tokenizer->bpe.tokens, piece);
}
