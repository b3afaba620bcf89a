/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_config.c - tokenizer_config.json beside a vocabulary. Source: Hugging Face transformers,
 * the serialised arguments of its tokenizers. */
#include "base/json.h"
#include "text/grow.h"
#include "text/json_tree.h"
#include "text/vocab.h"

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

/* {"128000": {"content": "<|begin_of_text|>", "special": true, ..}, ..}: for vocabularies whose own
 * file knows nothing of added tokens. */
static kw_status read_added(const kw_tree *list, const char *subject, kw_arena *arena,
                            kw_vocab *vocab, kw_error *err)
{
    const size_t n = extended_size(list, vocab->n_tokens);
    kw_str *tokens = kw_arena_array(arena, n, sizeof(*tokens));
    uint8_t *kinds = kw_arena_array(arena, n, sizeof(*kinds));
    float *scores = vocab->scores ? kw_arena_array(arena, n, sizeof(*scores)) : NULL;
    if (!tokens || !kinds || (vocab->scores && !scores))
        return nomem(subject, err);
    for (size_t i = 0; i < n; i++) {
        const bool old = i < vocab->n_tokens;
        tokens[i] = old ? vocab->tokens[i] : KW_STR("");
        kinds[i] = old ? (vocab->kinds ? vocab->kinds[i] : KW_TOKEN_NORMAL) : KW_TOKEN_UNUSED;
        if (scores && old)
            scores[i] = vocab->scores[i];
    }
    for (const kw_tree *at = list->child; at; at = at->next) {
        const int64_t id = number_of(at->key);
        const kw_str text = kw_tree_text(at, "content");
        if (id < 0 || (size_t)id >= n || text.len == 0)
            continue;
        tokens[id] = text;
        if (kinds[id] != KW_TOKEN_UNKNOWN)
            kinds[id] = kw_tree_bool(at, "special", false) ? KW_TOKEN_CONTROL : KW_TOKEN_USER;
    }
    vocab->tokens = tokens;
    vocab->kinds = kinds;
    vocab->scores = scores;
    vocab->n_tokens = n;
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
    if (vocab->kind == KW_VOCAB_SPM_BPE)
        vocab->prefix_everywhere = kw_tree_bool(config, "legacy", vocab->prefix_everywhere);
    read_named(config, "bos_token", vocab, &vocab->bos);
    read_named(config, "eos_token", vocab, &vocab->eos);
    read_named(config, "unk_token", vocab, &vocab->unk);
    read_named(config, "pad_token", vocab, &vocab->pad);
    read_add(config, "add_bos_token", &vocab->add_bos, &vocab->prefix, &vocab->n_prefix);
    read_add(config, "add_eos_token", &vocab->add_eos, &vocab->suffix, &vocab->n_suffix);
    return KW_OK;
}

kw_status kw_vocab_apply_config(kw_str text, const char *subject, kw_arena *arena, kw_vocab *vocab,
                                kw_error *err)
{
    kw_json json;
    kw_json_token token;
    kw_tree *config;
    kw_json_init(&json, text, subject);
    KW_TRY(kw_json_expect(&json, KW_JSON_OBJECT, &token, err));
    KW_TRY(kw_tree_read(&json, &token, arena, &config, err));
    KW_TRY(kw_json_expect(&json, KW_JSON_END, &token, err));
    kw_vocab changed = *vocab;
    KW_TRY(read_config(config, subject, arena, &changed, err));
    *vocab = changed;
    return KW_OK;
}
