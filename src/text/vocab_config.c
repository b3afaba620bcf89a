/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_config.c - tokenizer_config.json beside a vocabulary. Source: Hugging Face transformers,
 * the serialised arguments of its tokenizers. */
#include "base/check.h"
#include "base/json.h"
#include "text/grow.h"
#include "text/json_tree.h"
#include "text/vocab.h"

#include <stdio.h>

static kw_status nomem(const char *subject, kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
}

/* "eos_token": "</s>" or {"content": "</s>", ..}; keeps *id when there is none. */
static void read_named(const kw_tree *config, const char *key, const kw_vocab *vocab, int32_t *id)
{
    const kw_tree *value = kw_tree_get(config, key);
    if (!value)
        return;
    const kw_str text =
        value->kind == KW_JSON_STRING ? value->text : kw_tree_text(value, "content");
    const int32_t found = text.len > 0 ? kw_vocab_find(vocab, text) : -1;
    if (found >= 0)
        *id = found;
}

/* The decimal number a key spells, or -1. */
static int64_t number_of(kw_str key)
{
    int64_t value = key.len == 0 || key.len > 9 ? -1 : 0;
    for (size_t i = 0; i < key.len && value >= 0; i++)
        value = key.data[i] >= '0' && key.data[i] <= '9' ? 10 * value + (key.data[i] - '0') : -1;
    return value;
}

/* One more than the largest id of "added_tokens_decoder" that comes right after the vocabulary. */
static size_t extended_size(const kw_tree *list, size_t n)
{
    size_t n_keys = 0, largest = n;
    for (const kw_tree *at = list->child; at; at = at->next)
        n_keys++;
    for (const kw_tree *at = list->child; at; at = at->next) {
        const int64_t id = number_of(at->key);
        if (id >= 0 && (size_t)id < n + n_keys && (size_t)id >= largest)
            largest = (size_t)id + 1;
    }
    return largest;
}

/* Copies of the tables for n tokens, the new ones unused and without text. */
static kw_status extend(kw_vocab *vocab, size_t n, const char *subject, kw_arena *arena,
                        kw_str **tokens, uint8_t **kinds, kw_error *err)
{
    float *scores = vocab->scores ? kw_arena_array(arena, n, sizeof(*scores)) : NULL;
    *tokens = kw_arena_array(arena, n, sizeof(**tokens));
    *kinds = kw_arena_array(arena, n, sizeof(**kinds));
    if (!*tokens || !*kinds || (vocab->scores && !scores))
        return nomem(subject, err);
    for (size_t i = 0; i < n; i++) {
        const bool old = i < vocab->n_tokens;
        (*tokens)[i] = old ? vocab->tokens[i] : KW_STR("");
        (*kinds)[i] = old ? (vocab->kinds ? vocab->kinds[i] : KW_TOKEN_NORMAL) : KW_TOKEN_UNUSED;
        if (scores && old)
            scores[i] = vocab->scores[i];
    }
    vocab->tokens = *tokens;
    vocab->kinds = *kinds;
    vocab->scores = scores;
    vocab->n_tokens = n;
    return KW_OK;
}

/* {"128000": {"content": "<|begin_of_text|>", "special": true, ..}, ..}: for vocabularies whose own
 * file knows nothing of added tokens. */
static kw_status read_added(const kw_tree *list, const char *subject, kw_arena *arena,
                            kw_vocab *vocab, kw_error *err)
{
    const size_t n = extended_size(list, vocab->n_tokens);
    kw_str *tokens;
    uint8_t *kinds;
    KW_TRY(extend(vocab, n, subject, arena, &tokens, &kinds, err));
    for (const kw_tree *at = list->child; at; at = at->next) {
        const int64_t id = number_of(at->key);
        const kw_str text = kw_tree_text(at, "content");
        if (id < 0 || (size_t)id >= n || text.len == 0)
            continue;
        tokens[id] = text;
        if (kinds[id] != KW_TOKEN_UNKNOWN)
            kinds[id] = kw_tree_bool(at, "special", false) ? KW_TOKEN_CONTROL : KW_TOKEN_USER;
    }
    vocab->added = NULL; /* derived from the kinds again */
    vocab->n_added = 0;
    return KW_OK;
}

/* What an explicit true or false makes of what surrounds a text. A longer template stays. */
static void read_add(const kw_tree *config, const char *key, bool *add, const int32_t **ids,
                     size_t *n)
{
    const kw_tree *value = kw_tree_get(config, key);
    if (!value || (value->kind != KW_JSON_TRUE && value->kind != KW_JSON_FALSE) || *n > 1)
        return;
    *add = value->kind == KW_JSON_TRUE;
    *ids = NULL;
    *n = 0;
}

/* What a list of words does not say itself. */
static kw_status read_bert(const kw_tree *config, kw_arena *arena, kw_vocab *vocab, kw_error *err)
{
    const bool cased = kw_vocab_is_cased(vocab);
    if (vocab->kind != KW_VOCAB_WORDPIECE || !vocab->cleanup_text)
        return KW_OK;
    const bool lower = kw_tree_bool(config, "do_lower_case", !cased);
    return kw_vocab_set_bert(
        vocab,
        (kw_bert_rules){.slow = true,
                        .cjk = kw_tree_bool(config, "tokenize_chinese_chars", true),
                        .strip = kw_tree_bool(config, "strip_accents", lower),
                        .lower = lower},
        arena, err);
}

#define EXTRA_IDS_MAX 4096
#define EXTRA_ID_BYTES 20

/* T5's sentinels, <extra_id_0> the last, after the tokens of a spiece.model. */
static kw_status read_extra_ids(const kw_tree *config, kw_str class, const char *subject,
                                kw_arena *arena, kw_vocab *vocab, kw_error *err)
{
    const kw_tree *value = kw_tree_get(config, "extra_ids");
    if (vocab->kind != KW_VOCAB_UNIGRAM || !vocab->user_in_model ||
        !kw_str_starts(class, KW_STR("T5Tokenizer")) || vocab->added)
        return KW_OK;
    if (kw_vocab_find(vocab, KW_STR("<extra_id_0>")) >= 0)
        return KW_OK;
    const int64_t n = value && value->kind == KW_JSON_NUMBER ? value->integer : 100;
    if (n < 0 || n > EXTRA_IDS_MAX)
        return kw_fail(err, KW_E_LIMIT, "%s: extra_ids %lld is outside of 0 to %d", subject,
                       (long long)n, EXTRA_IDS_MAX);
    const size_t first = vocab->n_tokens, n_all = first + (size_t)n;
    char *names = kw_arena_array(arena, (size_t)n, EXTRA_ID_BYTES);
    kw_added_token *added = kw_arena_array(arena, n_all, sizeof(*added));
    kw_str *tokens;
    uint8_t *kinds;
    if (!names || !added)
        return nomem(subject, err);
    KW_TRY(extend(vocab, n_all, subject, arena, &tokens, &kinds, err));
    for (size_t i = 0; i < n_all; i++) {
        const bool sentinel = i >= first;
        char *name = names + (sentinel ? (i - first) * EXTRA_ID_BYTES : 0);
        if (sentinel) {
            snprintf(name, EXTRA_ID_BYTES, "<extra_id_%d>", (int)(n_all - 1 - i));
            tokens[i] = kw_str_from(name);
            kinds[i] = KW_TOKEN_CONTROL;
        }
        if (kinds[i] == KW_TOKEN_CONTROL || kinds[i] == KW_TOKEN_UNKNOWN)
            added[vocab->n_added++] = (kw_added_token){.text = tokens[i],
                                                       .id = (int32_t)i,
                                                       .special = true,
                                                       .lstrip = sentinel,
                                                       .rstrip = sentinel};
    }
    vocab->added = added;
    return KW_OK;
}

static kw_status read_config(const kw_tree *config, const char *subject, kw_arena *arena,
                             kw_vocab *vocab, kw_error *err)
{
    const kw_str class = kw_tree_text(config, "tokenizer_class");
    const kw_tree *added = kw_tree_get(config, "added_tokens_decoder");
    if (added && added->kind == KW_JSON_OBJECT && !vocab->custom_steps)
        KW_TRY(read_added(added, subject, arena, vocab, err));
    if (!vocab->custom_steps && vocab->kind == KW_VOCAB_BYTE_BPE &&
        kw_str_starts(class, KW_STR("Qwen2Tokenizer"))) {
        vocab->pre = KW_PRE_QWEN2;
        vocab->nfc = true;
    }
    KW_TRY(read_bert(config, arena, vocab, err));
    KW_TRY(read_extra_ids(config, class, subject, arena, vocab, err));
    const bool t5 = kw_str_starts(class, KW_STR("T5Tokenizer"));
    if (vocab->kind == KW_VOCAB_SPM_BPE || vocab->kind == KW_VOCAB_UNIGRAM)
        vocab->prefix_everywhere =
            kw_tree_bool(config, "legacy", t5 ? true : vocab->prefix_everywhere);
    vocab->unk_leads = t5 && !vocab->prefix_everywhere;
    vocab->eos_once = vocab->eos_once || t5;
    if (vocab->kind == KW_VOCAB_UNIGRAM && vocab->user_in_model)
        vocab->cleanup_text = kw_tree_bool(config, "clean_up_tokenization_spaces", false);
    read_named(config, "bos_token", vocab, &vocab->bos);
    read_named(config, "eos_token", vocab, &vocab->eos);
    read_named(config, "unk_token", vocab, &vocab->unk);
    read_named(config, "pad_token", vocab, &vocab->pad);
    read_add(config, "add_bos_token", &vocab->add_bos, &vocab->prefix, &vocab->n_prefix);
    read_add(config, "add_eos_token", &vocab->add_eos, &vocab->suffix, &vocab->n_suffix);
    return KW_OK;
}

static kw_status read_object(kw_str text, const char *subject, kw_arena *arena, kw_tree **out,
                             kw_error *err)
{
    kw_json json;
    kw_json_token token;
    kw_json_init(&json, text, subject);
    KW_TRY(kw_json_expect(&json, KW_JSON_OBJECT, &token, err));
    KW_TRY(kw_tree_read(&json, &token, arena, out, err));
    return kw_json_expect(&json, KW_JSON_END, &token, err);
}

kw_status kw_vocab_apply_added(kw_str text, const char *subject, kw_arena *arena, kw_vocab *vocab,
                               kw_error *err)
{
    kw_tree *list;
    size_t n = vocab->n_tokens, n_keys = 0;
    KW_TRY(read_object(text, subject, arena, &list, err));
    for (const kw_tree *at = list->child; at; at = at->next)
        n_keys++;
    for (const kw_tree *at = list->child; at; at = at->next)
        if (at->integer >= 0 && (uint64_t)at->integer < vocab->n_tokens + n_keys)
            n = KW_MAX(n, (size_t)at->integer + 1);
    kw_vocab changed = *vocab;
    kw_str *tokens;
    uint8_t *kinds;
    KW_TRY(extend(&changed, n, subject, arena, &tokens, &kinds, err));
    for (size_t i = 0; i < vocab->n_added; i++) /* they are derived from the kinds again */
        kinds[vocab->added[i].id] = KW_TOKEN_CONTROL;
    for (const kw_tree *at = list->child; at; at = at->next) {
        if (at->integer < 0 || (uint64_t)at->integer >= n || at->key.len == 0)
            continue;
        tokens[at->integer] = at->key;
        kinds[at->integer] = at->key.data[0] == '<' && at->key.data[at->key.len - 1] == '>'
                                 ? KW_TOKEN_CONTROL
                                 : KW_TOKEN_USER;
    }
    changed.added = NULL;
    changed.n_added = 0;
    *vocab = changed;
    return KW_OK;
}

kw_status kw_vocab_apply_config(kw_str text, const char *subject, kw_arena *arena, kw_vocab *vocab,
                                kw_error *err)
{
    kw_tree *config;
    KW_TRY(read_object(text, subject, arena, &config, err));
    kw_vocab changed = *vocab;
    KW_TRY(read_config(config, subject, arena, &changed, err));
    *vocab = changed;
    return KW_OK;
}
