/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_json.c - vocabularies written as JSON: tokenizer.json, and vocab.json beside merges.txt.
 *
 * Keys come in any order, so everything is collected first and put together at the end. Ids index
 * an array whose size is bounded by the number of entries, not by the largest id a file may claim.
 * Source: Hugging Face tokenizers, the serialised form of Tokenizer. */
#include "text/vocab.h"

#include "base/check.h"
#include "base/json.h"
#include "text/grow.h"
#include "text/json_steps.h"
#include "text/json_tree.h"

#include <math.h>

/* Ids may leave holes: this many more than twice the entries. */
#define HOLES_MAX 65536

typedef struct entry {
    kw_str text;
    int64_t id;
    double score; /* Unigram */
} entry;

typedef struct loader {
    const char *subject;
    kw_arena *arena;
    entry *entries; /* owned */
    size_t n_entries, cap_entries;
    kw_merge *merges; /* owned */
    size_t n_merges, cap_merges;
    kw_added_token *added; /* owned */
    size_t n_added, cap_added;
    kw_tree *normalizer, *pretokenizer, *postprocessor, *decoder;
    kw_str model_type, unk, word_prefix, word_suffix;
    int64_t unk_id, max_chars; /* -1: not said */
    bool byte_fallback, fuse_unk, ignore_merges, has_vocab, has_merges, scored;
} loader;

static kw_status nomem(const loader *l, kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "%s: out of memory", l->subject);
}

static entry *add_entry(loader *l)
{
    entry *entries = kw_grow(l->entries, &l->cap_entries, l->n_entries + 1, sizeof(entry));
    if (!entries)
        return NULL;
    l->entries = entries;
    return &entries[l->n_entries];
}

/* {"token": id, ..} */
static kw_status read_vocab(loader *l, kw_json *json, kw_error *err)
{
    l->has_vocab = true;
    for (;;) {
        kw_json_token token;
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        entry *added = add_entry(l);
        if (!added)
            return nomem(l, err);
        KW_TRY(kw_json_string(json, &token, l->arena, &added->text, err));
        KW_TRY(kw_json_expect(json, KW_JSON_NUMBER, &token, err));
        KW_TRY(kw_json_i64(json, &token, &added->id, err));
        l->n_entries++;
    }
}

/* [["token", score], ..], ids in order */
static kw_status read_scored(loader *l, kw_json *json, kw_error *err)
{
    l->has_vocab = l->scored = true;
    for (;;) {
        kw_json_token token;
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        if (token.kind != KW_JSON_ARRAY)
            return kw_fail(err, KW_E_FORMAT, "%s: token %zu is not [text, score]", l->subject,
                           l->n_entries);
        entry *added = add_entry(l);
        if (!added)
            return nomem(l, err);
        KW_TRY(kw_json_expect(json, KW_JSON_STRING, &token, err));
        KW_TRY(kw_json_string(json, &token, l->arena, &added->text, err));
        KW_TRY(kw_json_expect(json, KW_JSON_NUMBER, &token, err));
        KW_TRY(kw_json_f64(json, &token, &added->score, err));
        KW_TRY(kw_json_expect(json, KW_JSON_ARRAY_END, &token, err));
        added->id = (int64_t)l->n_entries++;
    }
}

static kw_status add_merge(loader *l, kw_merge merge, kw_error *err)
{
    kw_merge *merges = kw_grow(l->merges, &l->cap_merges, l->n_merges + 1, sizeof(kw_merge));
    if (!merges)
        return nomem(l, err);
    l->merges = merges;
    merges[l->n_merges++] = merge;
    return KW_OK;
}

/* ["left right", ..] or [["left", "right"], ..] */
static kw_status read_merges(loader *l, kw_json *json, kw_error *err)
{
    l->has_merges = true;
    for (;;) {
        kw_json_token token;
        kw_merge merge = {{NULL, 0}, {NULL, 0}};
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        if (token.kind == KW_JSON_ARRAY) {
            KW_TRY(kw_json_expect(json, KW_JSON_STRING, &token, err));
            KW_TRY(kw_json_string(json, &token, l->arena, &merge.left, err));
            KW_TRY(kw_json_expect(json, KW_JSON_STRING, &token, err));
            KW_TRY(kw_json_string(json, &token, l->arena, &merge.right, err));
            KW_TRY(kw_json_expect(json, KW_JSON_ARRAY_END, &token, err));
        } else {
            kw_str joined;
            KW_TRY(kw_json_string(json, &token, l->arena, &joined, err));
            if (!kw_merge_split(joined, &merge))
                return kw_fail(err, KW_E_FORMAT, "%s: merge %zu \"%.*s\" is not two tokens",
                               l->subject, l->n_merges, KW_FMT(joined));
        }
        KW_TRY(add_merge(l, merge, err));
    }
}

/* A part of the model other than the vocabulary and the merges. */
static kw_status read_setting(loader *l, kw_json *json, kw_str key, const kw_json_token *first,
                              kw_error *err)
{
    kw_tree *value;
    KW_TRY(kw_tree_read(json, first, l->arena, &value, err));
    const bool yes = value->kind == KW_JSON_TRUE;
    if (kw_str_is(key, "type"))
        l->model_type = value->text;
    else if (kw_str_is(key, "unk_token"))
        l->unk = value->text;
    else if (kw_str_is(key, "continuing_subword_prefix"))
        l->word_prefix = value->text;
    else if (kw_str_is(key, "end_of_word_suffix"))
        l->word_suffix = value->text;
    else if (kw_str_is(key, "unk_id") && value->kind == KW_JSON_NUMBER)
        l->unk_id = value->integer;
    else if (kw_str_is(key, "max_input_chars_per_word"))
        l->max_chars = value->integer;
    else if (kw_str_is(key, "byte_fallback"))
        l->byte_fallback = yes;
    else if (kw_str_is(key, "fuse_unk"))
        l->fuse_unk = yes;
    else if (kw_str_is(key, "ignore_merges"))
        l->ignore_merges = yes;
    return KW_OK;
}

static kw_status read_model(loader *l, kw_json *json, kw_error *err)
{
    for (;;) {
        kw_json_token token;
        kw_str key;
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        KW_TRY(kw_json_string(json, &token, l->arena, &key, err));
        KW_TRY(kw_json_next(json, &token, err));
        if (kw_str_is(key, "vocab") && token.kind == KW_JSON_OBJECT && !l->has_vocab)
            KW_TRY(read_vocab(l, json, err));
        else if (kw_str_is(key, "vocab") && token.kind == KW_JSON_ARRAY && !l->has_vocab)
            KW_TRY(read_scored(l, json, err));
        else if (kw_str_is(key, "vocab") || (kw_str_is(key, "merges") && l->has_merges))
            KW_TRY(kw_json_skip(json, &token, err)); /* a second one */
        else if (kw_str_is(key, "merges") && token.kind == KW_JSON_ARRAY)
            KW_TRY(read_merges(l, json, err));
        else
            KW_TRY(read_setting(l, json, key, &token, err));
    }
}

/* One added token, given as an object; `id` when the object does not say. */
static kw_status add_added(loader *l, const kw_tree *value, int64_t id, kw_error *err)
{
    const kw_tree *own = kw_tree_get(value, "id");
    const kw_added_token token = {
        .text = kw_tree_text(value, "content"),
        .special = kw_tree_bool(value, "special", false),
        .lstrip = kw_tree_bool(value, "lstrip", false),
        .rstrip = kw_tree_bool(value, "rstrip", false),
        .single_word = kw_tree_bool(value, "single_word", false),
        .normalized = kw_tree_bool(value, "normalized", false),
    };
    if (own)
        id = own->integer;
    if (id < 0 || id > INT32_MAX)
        return kw_fail(err, KW_E_FORMAT, "%s: added token \"%.*s\" has no id", l->subject,
                       KW_FMT(token.text));
    kw_added_token *added = kw_grow(l->added, &l->cap_added, l->n_added + 1, sizeof(*added));
    if (!added)
        return nomem(l, err);
    l->added = added;
    added[l->n_added] = token;
    added[l->n_added++].id = (int32_t)id;
    return KW_OK;
}

static kw_status read_added(loader *l, kw_json *json, kw_error *err)
{
    for (;;) {
        kw_json_token token;
        kw_tree *value;
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        KW_TRY(kw_tree_read(json, &token, l->arena, &value, err));
        KW_TRY(add_added(l, value, -1, err));
    }
}

static kw_status read_file(loader *l, kw_str text, kw_error *err)
{
    kw_json json;
    kw_json_token token;
    kw_json_init(&json, text, l->subject);
    KW_TRY(kw_json_expect(&json, KW_JSON_OBJECT, &token, err));
    for (;;) {
        kw_str key;
        KW_TRY(kw_json_next(&json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            break;
        KW_TRY(kw_json_string(&json, &token, l->arena, &key, err));
        KW_TRY(kw_json_next(&json, &token, err));
        if (kw_str_is(key, "model") && token.kind == KW_JSON_OBJECT)
            KW_TRY(read_model(l, &json, err));
        else if (kw_str_is(key, "added_tokens") && token.kind == KW_JSON_ARRAY)
            KW_TRY(read_added(l, &json, err));
        else if (kw_str_is(key, "normalizer"))
            KW_TRY(kw_tree_read(&json, &token, l->arena, &l->normalizer, err));
        else if (kw_str_is(key, "pre_tokenizer"))
            KW_TRY(kw_tree_read(&json, &token, l->arena, &l->pretokenizer, err));
        else if (kw_str_is(key, "post_processor"))
            KW_TRY(kw_tree_read(&json, &token, l->arena, &l->postprocessor, err));
        else if (kw_str_is(key, "decoder"))
            KW_TRY(kw_tree_read(&json, &token, l->arena, &l->decoder, err));
        else
            KW_TRY(kw_json_skip(&json, &token, err));
    }
    return kw_json_expect(&json, KW_JSON_END, &token, err);
}

static bool is_type(const loader *l, const char *type)
{
    return kw_str_is(l->model_type, type);
}

/* The kind of the model; one that does not say is told by what it has. */
static kw_status find_kind(const loader *l, bool bytes, kw_vocab_kind *kind, kw_error *err)
{
    const bool untyped = l->model_type.len == 0;
    const bool pieces = untyped && l->word_prefix.len > 0 && !l->has_merges;
    if (is_type(l, "Unigram") || (untyped && l->scored))
        *kind = KW_VOCAB_UNIGRAM;
    else if (is_type(l, "WordPiece") || pieces)
        *kind = KW_VOCAB_WORDPIECE;
    else if (is_type(l, "WordLevel"))
        *kind = KW_VOCAB_WORDLEVEL;
    else if (is_type(l, "BPE") || untyped)
        *kind = bytes ? KW_VOCAB_BYTE_BPE : KW_VOCAB_SPM_BPE;
    else
        return kw_fail(err, KW_E_UNSUPPORTED, "%s: model type \"%.*s\" is not supported",
                       l->subject, KW_FMT(l->model_type));
    const bool bpe = *kind == KW_VOCAB_BYTE_BPE || *kind == KW_VOCAB_SPM_BPE;
    if (!l->has_vocab || l->scored != (*kind == KW_VOCAB_UNIGRAM))
        return kw_fail(err, KW_E_FORMAT, "%s: the model has no vocab", l->subject);
    if (bpe && !l->has_merges)
        return kw_fail(err, KW_E_FORMAT, "%s: the model has no merges", l->subject);
    return KW_OK;
}

/* One more than the largest id, which must not leave more holes than a file may have. */
static kw_status count_tokens(const loader *l, size_t *n, kw_error *err)
{
    int64_t largest = -1;
    for (size_t i = 0; i < l->n_entries; i++) {
        if (l->entries[i].id < 0)
            return kw_fail(err, KW_E_FORMAT, "%s: token \"%.*s\" has a negative id", l->subject,
                           KW_FMT(l->entries[i].text));
        if (l->entries[i].id > largest)
            largest = l->entries[i].id;
    }
    for (size_t i = 0; i < l->n_added; i++)
        if (l->added[i].id > largest)
            largest = l->added[i].id;
    const size_t limit = 2 * (l->n_entries + l->n_added) + HOLES_MAX;
    if (largest >= (int64_t)limit)
        return kw_fail(err, KW_E_LIMIT, "%s: id %lld is too large for %zu tokens", l->subject,
                       (long long)largest, l->n_entries + l->n_added);
    *n = (size_t)(largest + 1);
    return KW_OK;
}

static bool is_byte(kw_str text)
{
    return text.len == 6 && memcmp(text.data, "<0x", 3) == 0 && text.data[5] == '>';
}

/* tokens and kinds by id, in the arena. */
static kw_status place_tokens(const loader *l, kw_vocab *vocab, kw_error *err)
{
    size_t n = 0;
    KW_TRY(count_tokens(l, &n, err));
    kw_str *tokens = kw_arena_array(l->arena, n, sizeof(*tokens));
    uint8_t *kinds = kw_arena_array(l->arena, n, sizeof(*kinds));
    if (!tokens || !kinds)
        return nomem(l, err);
    memset(kinds, KW_TOKEN_UNUSED, n);
    for (size_t i = 0; i < l->n_entries; i++) {
        const entry *e = &l->entries[i];
        const bool unk =
            l->scored ? e->id == l->unk_id : l->unk.len > 0 && kw_str_eq(e->text, l->unk);
        tokens[e->id] = e->text;
        kinds[e->id] = unk                                    ? KW_TOKEN_UNKNOWN
                       : l->byte_fallback && is_byte(e->text) ? KW_TOKEN_BYTE
                                                              : KW_TOKEN_NORMAL;
        if (unk)
            vocab->unk = (int32_t)e->id;
    }
    for (size_t i = 0; i < l->n_added; i++) {
        const kw_added_token *added = &l->added[i];
        tokens[added->id] = added->text;
        kinds[added->id] = added->special ? KW_TOKEN_CONTROL : KW_TOKEN_USER;
        if (!l->scored && l->unk.len > 0 && kw_str_eq(added->text, l->unk))
            vocab->unk = added->id;
    }
    vocab->tokens = tokens;
    vocab->kinds = kinds;
    vocab->n_tokens = n;
    return KW_OK;
}

/* A copy in the arena, where the vocabulary may point, of what the loader owns; NULL without
 * memory. */
static void *keep(const loader *l, const void *items, size_t n, size_t size)
{
    void *copy = kw_arena_array(l->arena, n, size);
    if (copy && n > 0)
        memcpy(copy, items, n * size);
    return copy;
}

static kw_status keep_lists(const loader *l, kw_vocab *vocab, kw_error *err)
{
    vocab->merge_pairs = keep(l, l->merges, l->n_merges, sizeof(kw_merge));
    vocab->added = keep(l, l->added, l->n_added, sizeof(kw_added_token));
    vocab->n_merges = l->n_merges;
    vocab->n_added = l->n_added;
    return vocab->merge_pairs && vocab->added ? KW_OK : nomem(l, err);
}

/* The scores of a Unigram model by id. Added tokens beyond them are never looked for in text. */
static kw_status place_scores(const loader *l, kw_vocab *vocab, kw_error *err)
{
    double *scores = kw_arena_array(l->arena, vocab->n_tokens, sizeof(*scores));
    if (!scores)
        return nomem(l, err);
    for (size_t i = 0; i < vocab->n_tokens; i++)
        scores[i] = i < l->n_entries ? l->entries[i].score : (double)NAN;
    vocab->exact_scores = scores;
    vocab->fuse_unk = true;
    return KW_OK;
}

static void set_words(const loader *l, kw_vocab *vocab)
{
    vocab->word_inside = l->word_prefix;
    vocab->word_end = l->word_suffix;
    vocab->max_word_chars = l->max_chars > 0 ? (size_t)l->max_chars : 0;
}

/* What normalizers made of bytes is still so when it is cut. */
static kw_status split_mapped(const loader *l, kw_step_list *split, kw_error *err)
{
    if (split->bytes || split->n == KW_JSON_MAX_STEPS)
        return kw_fail(err, KW_E_UNSUPPORTED, "%s: ByteLevel twice is not supported", l->subject);
    if (split->n == 0)
        return KW_OK;
    memmove(split->items + 1, split->items, split->n * sizeof *split->items);
    split->items[0] = (kw_step){.kind = KW_STEP_BYTES, .pre = KW_PRE_CUSTOM};
    split->n++;
    return KW_OK;
}

static kw_status assemble(loader *l, kw_vocab *vocab, kw_error *err)
{
    kw_step_list normal = {.arena = l->arena}, split = {.arena = l->arena};
    kw_vocab_kind kind;
    KW_TRY(kw_json_normalizer(l->normalizer, l->subject, &normal, err));
    KW_TRY(kw_json_pretokenizer(l->pretokenizer, l->subject, &split, err));
    if (normal.bytes)
        KW_TRY(split_mapped(l, &split, err));
    KW_TRY(find_kind(l, normal.bytes || split.bytes, &kind, err));
    kw_vocab_defaults(vocab, kind);
    KW_TRY(place_tokens(l, vocab, err));
    KW_TRY(keep_lists(l, vocab, err));
    KW_TRY(kw_json_postprocessor(l->postprocessor, l->subject, l->arena, vocab, err));
    KW_TRY(kw_json_decoder(l->decoder, l->subject, l->arena, vocab, err));
    vocab->custom_steps = true;
    vocab->pre = KW_PRE_CUSTOM;
    vocab->normalizers = keep(l, normal.items, normal.n, sizeof(kw_step));
    vocab->splitters = keep(l, split.items, split.n, sizeof(kw_step));
    if (!vocab->normalizers || !vocab->splitters)
        return nomem(l, err);
    vocab->n_normalizers = normal.n;
    vocab->n_splitters = split.n;
    vocab->byte_fallback = l->byte_fallback;
    vocab->fuse_unk = l->fuse_unk;
    vocab->ignore_merges = l->ignore_merges;
    set_words(l, vocab);
    return kind == KW_VOCAB_UNIGRAM ? place_scores(l, vocab, err) : KW_OK;
}

static void loader_free(loader *l)
{
    free(l->entries);
    free(l->merges);
    free(l->added);
}

kw_status kw_vocab_from_json(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                             kw_error *err)
{
    loader l = {.subject = subject, .arena = arena, .unk_id = -1, .max_chars = -1};
    kw_vocab vocab;
    kw_status status = read_file(&l, text, err);
    if (status == KW_OK)
        status = assemble(&l, &vocab, err);
    loader_free(&l);
    if (status == KW_OK)
        *out = vocab;
    return status;
}

/* A line is a merge; the first may be "#version: ..". */
static kw_status read_merge_lines(loader *l, kw_str text, kw_error *err)
{
    l->has_merges = true;
    for (size_t at = 0, line = 1; at < text.len; line++) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.len - at);
        kw_str joined = {start, end ? (size_t)(end - start) : text.len - at};
        at += joined.len + 1;
        if (joined.len > 0 && joined.data[joined.len - 1] == '\r')
            joined.len--;
        if (joined.len == 0 || (line == 1 && kw_str_starts(joined, KW_STR("#version"))))
            continue;
        kw_merge merge;
        if (!kw_merge_split(joined, &merge))
            return kw_fail(err, KW_E_FORMAT, "%s: line %zu \"%.*s\" is not two tokens", l->subject,
                           line, KW_FMT(joined));
        KW_TRY(add_merge(l, merge, err));
    }
    return KW_OK;
}

/* GPT-2's one special token, when the vocabulary has it. */
static kw_status add_end_of_text(loader *l, kw_vocab *vocab, kw_error *err)
{
    const kw_str name = KW_STR("<|endoftext|>");
    for (size_t i = 0; i < l->n_entries; i++) {
        if (!kw_str_eq(l->entries[i].text, name) || l->entries[i].id < 0 ||
            l->entries[i].id > INT32_MAX)
            continue;
        l->added = kw_grow(NULL, &l->cap_added, 1, sizeof(*l->added));
        if (!l->added)
            return nomem(l, err);
        vocab->bos = vocab->eos = (int32_t)l->entries[i].id;
        l->added[l->n_added++] = (kw_added_token){.text = name, .id = vocab->eos, .special = true};
        break;
    }
    return KW_OK;
}

static int64_t find_entry(const loader *l, const char *text)
{
    for (size_t i = 0; i < l->n_entries; i++)
        if (kw_str_is(l->entries[i].text, text))
            return l->entries[i].id <= INT32_MAX ? l->entries[i].id : -1;
    return -1;
}

/* CLIP's vocabulary ends words with </w> and has a token for the start of a text; the rest of how
 * it works is not in its files. Source: openai/CLIP, simple_tokenizer.py. */
static kw_status set_clip(loader *l, kw_vocab *vocab, kw_error *err)
{
    static const char start_name[] = "<|startoftext|>";
    static const kw_step normalizers[] = {
        {.kind = KW_STEP_NFC},
        {.kind = KW_STEP_REPLACE, .pre = KW_PRE_CUSTOM, .text = {"\\s+", 3}, .with = {" ", 1}},
        {.kind = KW_STEP_LOWER}};
    static const kw_step splitters[] = {
        {.kind = KW_STEP_SPLIT, .pre = KW_PRE_CLIP, .mode = KW_SPLIT_REMOVED, .invert = true}};
    const int64_t start = find_entry(l, start_name);
    if (start < 0 || find_entry(l, "a</w>") < 0)
        return KW_OK;
    kw_added_token *added = kw_grow(l->added, &l->cap_added, l->n_added + 1, sizeof(*added));
    if (!added)
        return nomem(l, err);
    l->added = added;
    added[l->n_added++] =
        (kw_added_token){.text = KW_STR(start_name), .id = (int32_t)start, .special = true};
    vocab->word_end = vocab->end_decoded = KW_STR("</w>");
    vocab->end_kept = true;
    vocab->custom_steps = true;
    vocab->normalizers = normalizers;
    vocab->n_normalizers = KW_COUNT(normalizers);
    vocab->splitters = splitters;
    vocab->n_splitters = KW_COUNT(splitters);
    vocab->bos = (int32_t)start;
    vocab->unk = vocab->eos;
    vocab->add_bos = vocab->add_eos = true;
    return KW_OK;
}

static kw_status read_both(loader *l, kw_str vocab_json, kw_str merges, kw_vocab *out,
                           kw_error *err)
{
    kw_json json;
    kw_json_token token;
    kw_json_init(&json, vocab_json, l->subject);
    KW_TRY(kw_json_expect(&json, KW_JSON_OBJECT, &token, err));
    KW_TRY(read_vocab(l, &json, err));
    KW_TRY(kw_json_expect(&json, KW_JSON_END, &token, err));
    KW_TRY(read_merge_lines(l, merges, err));
    kw_vocab_defaults(out, KW_VOCAB_BYTE_BPE);
    KW_TRY(add_end_of_text(l, out, err));
    KW_TRY(set_clip(l, out, err));
    KW_TRY(place_tokens(l, out, err));
    return keep_lists(l, out, err);
}

kw_status kw_vocab_from_merges(kw_str vocab_json, kw_str merges, const char *subject,
                               kw_arena *arena, kw_vocab *out, kw_error *err)
{
    loader l = {.subject = subject, .arena = arena, .unk_id = -1, .max_chars = -1};
    kw_vocab vocab;
    const kw_status status = read_both(&l, vocab_json, merges, &vocab, err);
    loader_free(&l);
    if (status == KW_OK)
        *out = vocab;
    return status;
}
