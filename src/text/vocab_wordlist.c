/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_wordlist.c - BERT's vocab.txt (a line is a token), and how BERT prepares text. Source:
 * google-research/bert, tokenization.py; Hugging Face transformers, BertTokenizer. */
#include "base/check.h"
#include "text/vocab.h"

static kw_status nomem(const char *subject, kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
}

kw_status kw_vocab_set_bert(kw_vocab *vocab, kw_bert_rules rules, kw_arena *arena, kw_error *err)
{
    kw_step *steps = kw_arena_array(arena, 5, sizeof(*steps));
    kw_step *split = kw_arena_alloc(arena, sizeof(*split));
    size_t n = 0;
    if (!steps || !split)
        return nomem("vocabulary", err);
    steps[n++] = (kw_step){.kind = KW_STEP_CLEAN, .all = rules.slow};
    if (rules.cjk)
        steps[n++] = (kw_step){.kind = KW_STEP_CJK};
    if (rules.strip) {
        steps[n++] = (kw_step){.kind = KW_STEP_NFD};
        steps[n++] = (kw_step){.kind = KW_STEP_UNMARK};
    }
    if (rules.lower)
        steps[n++] = (kw_step){.kind = KW_STEP_LOWER};
    *split = (kw_step){
        .kind = KW_STEP_SPLIT, .pre = KW_PRE_BERT, .invert = true, .mode = KW_SPLIT_REMOVED};
    vocab->custom_steps = true;
    vocab->normalizers = steps;
    vocab->n_normalizers = n;
    vocab->splitters = split;
    vocab->n_splitters = 1;
    return KW_OK;
}

bool kw_vocab_is_cased(const kw_vocab *vocab)
{
    for (size_t i = 0; i < vocab->n_tokens; i++) {
        const kw_str token = vocab->tokens[i];
        if (token.len > 0 && token.data[0] == '[') /* [CLS] */
            continue;
        for (size_t k = 0; k < token.len; k++)
            if (token.data[k] >= 'A' && token.data[k] <= 'Z')
                return true;
    }
    return false;
}

/* The special tokens, by their names. */
static void find_specials(kw_vocab *vocab, uint8_t *kinds, int32_t *around)
{
    static const char *const names[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};
    int32_t ids[KW_COUNT(names)];
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        ids[i] = kw_vocab_find(vocab, kw_str_from(names[i]));
        if (ids[i] >= 0)
            kinds[ids[i]] = KW_TOKEN_CONTROL;
    }
    vocab->unk = ids[0];
    vocab->bos = around[0] = ids[1];
    vocab->eos = around[1] = ids[2];
    vocab->pad = ids[3];
    vocab->prefix = around;
    vocab->suffix = around + 1;
    vocab->n_prefix = ids[1] >= 0;
    vocab->n_suffix = ids[2] >= 0;
}

kw_status kw_vocab_from_wordlist(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                                 kw_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == '\n' || i + 1 == text.len;
    if (n == 0)
        return kw_fail(err, KW_E_FORMAT, "%s: no lines", subject);
    kw_vocab vocab;
    kw_str *tokens = kw_arena_array(arena, n, sizeof(*tokens));
    uint8_t *kinds = kw_arena_array(arena, n, 1);
    int32_t *around = kw_arena_array(arena, 2, sizeof(*around));
    if (!tokens || !kinds || !around)
        return nomem(subject, err);
    memset(kinds, KW_TOKEN_NORMAL, n);
    for (size_t i = 0, at = 0; i < n; i++) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.len - at);
        tokens[i] = (kw_str){start, end ? (size_t)(end - start) : text.len - at};
        at += tokens[i].len + 1;
        if (tokens[i].len > 0 && start[tokens[i].len - 1] == '\r')
            tokens[i].len--;
    }
    kw_vocab_defaults(&vocab, KW_VOCAB_WORDPIECE);
    vocab.n_tokens = n;
    vocab.tokens = tokens;
    vocab.kinds = kinds;
    vocab.cleanup_text = true;
    find_specials(&vocab, kinds, around);
    const bool cased = kw_vocab_is_cased(&vocab);
    const kw_bert_rules rules = {.slow = true, .cjk = true, .strip = !cased, .lower = !cased};
    KW_TRY(kw_vocab_set_bert(&vocab, rules, arena, err));
    *out = vocab;
    return KW_OK;
}
