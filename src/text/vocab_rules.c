/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_rules.c - see vocab_rules.h. Tables of names; adding a way to cut text is a row.
 * Source: ggml-org/llama.cpp, docs and defaults of tokenizer.ggml.*; the models' own
 * tokenizer.json. */
#include "text/vocab_rules.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One way to cut text: known by code, or by splits in the words of tokenizer.json. */
typedef struct way {
    const char *name;
    const kw_step *steps;
    size_t n_steps;
    kw_pretokenizer pre;
    bool ignore_merges, add_bos;
} way;

#define SPLIT(mode_, ...) {.kind = KW_STEP_SPLIT, .mode = mode_, __VA_ARGS__}
#define REGEX(expression)                                                                          \
    SPLIT(KW_SPLIT_ISOLATED, .pre = KW_PRE_CUSTOM, .text = {expression, sizeof(expression) - 1})
#define GPT2 SPLIT(KW_SPLIT_ISOLATED, .pre = KW_PRE_GPT2)

#define MARKED_WORD "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CONTRACTION "'(?:[sStTmMdD\xC5\xBF]|[rR][eE]|[vV][eE]|[lL][lL])"
#define TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const kw_step nfc_only[] = {{.kind = KW_STEP_NFC}};
static const kw_step starcoder[] = {REGEX("\\p{N}"), GPT2};
static const kw_step falcon[] = {
    SPLIT(KW_SPLIT_CONTIGUOUS, .pre = KW_PRE_CUSTOM,
          .text = {"[\\p{P}!-\\/:-@\\[-`{-~]", sizeof("[\\p{P}!-\\/:-@\\[-`{-~]") - 1}),
    GPT2,
    {.kind = KW_STEP_BYTES},
    SPLIT(KW_SPLIT_CONTIGUOUS, .pre = KW_PRE_CUSTOM, .text = {"\\p{N}", 5}),
    REGEX("[0-9][0-9][0-9]"),
};
static const kw_step gpt4o[] = {REGEX(MARKED_WORD UPPER "*" LOWER "+(?:" CONTRACTION
                                                        ")?|" MARKED_WORD UPPER "+" LOWER
                                                        "*(?:" CONTRACTION ")?|\\p{N}{1,3}" TAIL)};
static const kw_step tekken[] = {
    REGEX(MARKED_WORD UPPER "*" LOWER "+|" MARKED_WORD UPPER "+" LOWER "*|\\p{N}" TAIL)};
static const kw_step deepseek3[] = {
    REGEX("\\p{N}{1,3}"),
    REGEX("[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"),
    REGEX("[!\"#$%&'()*+,\\-.\\/:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
          "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
};
static const kw_step qwen35[] = {REGEX(
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
                "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")};

#define STEPS(list) list, KW_COUNT(list), KW_PRE_CUSTOM
#define KNOWN(pre) NULL, 0, pre

static const way ways[] = {
    {"gpt-2", KNOWN(KW_PRE_GPT2), false, false},
    {"phi-2", KNOWN(KW_PRE_GPT2), false, false},
    {"mpt", KNOWN(KW_PRE_GPT2), false, false},
    {"olmo", KNOWN(KW_PRE_GPT2), false, false},
    {"jais", KNOWN(KW_PRE_GPT2), false, false},
    {"gigachat", KNOWN(KW_PRE_GPT2), false, false},
    {"roberta-bpe", KNOWN(KW_PRE_GPT2), false, false},
    {"exaone4", KNOWN(KW_PRE_GPT2), false, false},
    {"llama-bpe", KNOWN(KW_PRE_LLAMA3), true, true},
    {"llama3", KNOWN(KW_PRE_LLAMA3), true, true},
    {"llama-v3", KNOWN(KW_PRE_LLAMA3), true, true},
    {"falcon3", KNOWN(KW_PRE_LLAMA3), true, true},
    {"pixtral", KNOWN(KW_PRE_LLAMA3), true, true},
    {"lfm2", KNOWN(KW_PRE_LLAMA3), true, true},
    {"dbrx", KNOWN(KW_PRE_LLAMA3), false, false},
    {"smaug-bpe", KNOWN(KW_PRE_LLAMA3), false, false},
    {"chatglm-bpe", KNOWN(KW_PRE_LLAMA3), false, false},
    {"glm4", KNOWN(KW_PRE_LLAMA3), false, false},
    {"qwen2", KNOWN(KW_PRE_QWEN2), false, false},
    {"deepseek-r1-qwen", KNOWN(KW_PRE_QWEN2), false, false},
    {"stablelm2", KNOWN(KW_PRE_QWEN2), false, false},
    {"megrez", KNOWN(KW_PRE_QWEN2), false, false},
    {"hunyuan", KNOWN(KW_PRE_QWEN2), false, false},
    {"qwen35", STEPS(qwen35), false, false},
    {"starcoder", STEPS(starcoder), false, false},
    {"refact", STEPS(starcoder), false, false},
    {"command-r", STEPS(starcoder), false, false},
    {"smollm", STEPS(starcoder), false, false},
    {"codeshell", STEPS(starcoder), false, false},
    {"exaone", STEPS(starcoder), false, false},
    {"minerva-7b", STEPS(starcoder), false, false},
    {"falcon", STEPS(falcon), false, false},
    {"gpt-4o", STEPS(gpt4o), false, false},
    {"llama4", STEPS(gpt4o), false, false},
    {"tekken", STEPS(tekken), true, true},
    {"deepseek-v3", STEPS(deepseek3), false, false},
};

void kw_ggml_vocab_init(kw_ggml_vocab *raw)
{
    *raw = (kw_ggml_vocab){
        .bos = KW_GGML_ABSENT,
        .eos = KW_GGML_ABSENT,
        .eot = KW_GGML_ABSENT,
        .unk = KW_GGML_ABSENT,
        .pad = KW_GGML_ABSENT,
        .cls = KW_GGML_ABSENT,
        .sep = KW_GGML_ABSENT,
        .add_bos = -1,
        .add_eos = -1,
        .add_space_prefix = -1,
        .remove_extra_whitespaces = -1,
    };
}

static const way *find_way(kw_str name)
{
    for (size_t i = 0; i < KW_COUNT(ways); i++)
        if (kw_str_is(name, ways[i].name))
            return &ways[i];
    return NULL;
}

/* An id as the file gives it, or the default when that is a token at all. */
static kw_status take_id(const kw_ggml_vocab *raw, const char *what, int64_t given,
                         int32_t otherwise, int32_t *out, kw_error *err)
{
    *out = -1;
    if (given == KW_GGML_ABSENT) {
        if (otherwise >= 0 && (size_t)otherwise < raw->n_tokens)
            *out = otherwise;
        return KW_OK;
    }
    /* Some writers store "none" as an unsigned -1. */
    if (given == -1 || given == (int64_t)UINT32_MAX)
        return KW_OK;
    if (given < 0 || (uint64_t)given >= raw->n_tokens)
        return kw_fail(err, KW_E_FORMAT,
                       "gguf: tokenizer.ggml.%s_token_id %lld is outside of %zu tokens", what,
                       (long long)given, raw->n_tokens);
    *out = (int32_t)given;
    return KW_OK;
}

static bool choose(int given, bool otherwise)
{
    return given < 0 ? otherwise : given != 0;
}

static void set_spm(const kw_ggml_vocab *raw, kw_vocab *v)
{
    v->add_space_prefix = choose(raw->add_space_prefix, true);
    v->drop_first_space = v->add_space_prefix;
    v->prefix_everywhere = true;
    v->squeeze_spaces = choose(raw->remove_extra_whitespaces, false);
    v->add_bos = choose(raw->add_bos, true);
    v->add_eos = choose(raw->add_eos, false);
    v->scores = raw->scores;
}

static void set_bpe(const kw_ggml_vocab *raw, kw_vocab *v, bool *warning)
{
    const way *found = find_way(raw->pre);
    *warning = !found;
    v->pre = found ? found->pre : KW_PRE_GPT2;
    if (found && found->n_steps > 0) {
        v->custom_steps = true;
        v->splitters = found->steps;
        v->n_splitters = found->n_steps;
    }
    v->nfc = kw_str_starts(raw->pre, KW_STR("qwen"));
    if (v->nfc && v->custom_steps) {
        v->normalizers = nfc_only;
        v->n_normalizers = KW_COUNT(nfc_only);
    }
    v->ignore_merges = found && found->ignore_merges;
    v->add_bos = choose(raw->add_bos, found && found->add_bos);
    v->add_eos = choose(raw->add_eos, false);
}

/* Types as kinds, in the arena; what GGUF calls undefined is normal. */
static kw_status set_kinds(const kw_ggml_vocab *raw, kw_arena *arena, kw_vocab *v, kw_error *err)
{
    if (!raw->types)
        return KW_OK;
    uint8_t *kinds = kw_arena_array(arena, raw->n_tokens, sizeof(*kinds));
    if (!kinds)
        return kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu token types", raw->n_tokens);
    for (size_t i = 0; i < raw->n_tokens; i++)
        kinds[i] = raw->types[i] >= KW_TOKEN_NORMAL && raw->types[i] <= KW_TOKEN_BYTE
                       ? (uint8_t)raw->types[i]
                       : KW_TOKEN_NORMAL;
    v->kinds = kinds;
    return KW_OK;
}

/* The bytes of a text with a mark before it, in the arena; NULL data without memory. */
static kw_str marked(kw_str mark, kw_str text, kw_arena *arena)
{
    char *out = kw_arena_alloc(arena, mark.len + text.len + 1);
    if (!out)
        return (kw_str){NULL, 0};
    memcpy(out, mark.data, mark.len);
    memcpy(out + mark.len, text.data, text.len);
    return (kw_str){out, mark.len + text.len};
}

/* A word of BERT's vocabulary as its own files spell it: GGUF marks words by U+2581, and leaves
 * out the mark of what goes on in one. */
static kw_status bert_word(kw_str text, kw_arena *arena, kw_str *out, kw_error *err)
{
    const kw_str mark = KW_STR("\xE2\x96\x81");
    *out = text;
    if (kw_str_starts(text, mark)) {
        *out = (kw_str){text.data + mark.len, text.len - mark.len};
        return KW_OK;
    }
    if (text.len == 0 || (text.data[0] == '[' && text.data[text.len - 1] == ']'))
        return KW_OK;
    *out = marked(KW_STR("##"), text, arena);
    return out->data ? KW_OK : kw_fail(err, KW_E_NOMEM, "gguf: out of memory for tokens");
}

/* BERT and its kin: [CLS] before, [SEP] after. The file does not say whether case counts. */
static kw_status from_bert(const kw_ggml_vocab *raw, kw_arena *arena, kw_vocab *out, bool *warning,
                           kw_error *err)
{
    kw_vocab v;
    kw_vocab_defaults(&v, KW_VOCAB_WORDPIECE);
    kw_str *tokens = kw_arena_array(arena, raw->n_tokens, sizeof(*tokens));
    int32_t *around = kw_arena_array(arena, 2, sizeof(*around));
    if (!tokens || !around)
        return kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu tokens", raw->n_tokens);
    for (size_t i = 0; i < raw->n_tokens; i++)
        KW_TRY(bert_word(raw->tokens[i], arena, &tokens[i], err));
    v.n_tokens = raw->n_tokens;
    v.tokens = tokens;
    v.cleanup_text = true;
    KW_TRY(set_kinds(raw, arena, &v, err));
    KW_TRY(take_id(raw, "unknown", raw->unk, 100, &v.unk, err));
    KW_TRY(take_id(raw, "padding", raw->pad, 0, &v.pad, err));
    KW_TRY(take_id(raw, "cls", raw->cls != KW_GGML_ABSENT ? raw->cls : raw->bos, 101, &v.bos, err));
    KW_TRY(take_id(raw, "seperator", raw->sep != KW_GGML_ABSENT ? raw->sep : raw->eos, 102, &v.eos,
                   err));
    around[0] = v.bos;
    around[1] = v.eos;
    v.prefix = around;
    v.suffix = around + 1;
    v.n_prefix = v.bos >= 0 && choose(raw->add_bos, true);
    v.n_suffix = v.eos >= 0 && choose(raw->add_eos, true);
    const bool cased = kw_vocab_is_cased(&v);
    const kw_bert_rules rules = {.slow = true, .cjk = true, .strip = !cased, .lower = !cased};
    KW_TRY(kw_vocab_set_bert(&v, rules, arena, err));
    *out = v;
    if (warning)
        *warning = false;
    return KW_OK;
}

/* SentencePiece's unigram model. */
static kw_status from_t5(const kw_ggml_vocab *raw, kw_arena *arena, kw_vocab *out, bool *warning,
                         kw_error *err)
{
    kw_vocab v;
    if (!raw->scores)
        return kw_fail(err, KW_E_FORMAT, "gguf: tokenizer.ggml.scores is missing");
    kw_vocab_defaults(&v, KW_VOCAB_UNIGRAM);
    v.n_tokens = raw->n_tokens;
    v.tokens = raw->tokens;
    v.scores = raw->scores;
    v.charsmap = raw->charsmap;
    v.add_space_prefix = choose(raw->add_space_prefix, true);
    v.drop_first_space = v.add_space_prefix;
    v.prefix_everywhere = true;
    v.squeeze_spaces = choose(raw->remove_extra_whitespaces, true);
    v.add_bos = choose(raw->add_bos, false);
    v.add_eos = choose(raw->add_eos, true);
    KW_TRY(set_kinds(raw, arena, &v, err));
    KW_TRY(take_id(raw, "bos", raw->bos, -1, &v.bos, err));
    KW_TRY(take_id(raw, "eos", raw->eos, 1, &v.eos, err));
    KW_TRY(take_id(raw, "eot", raw->eot, -1, &v.eot, err));
    KW_TRY(take_id(raw, "unknown", raw->unk, 2, &v.unk, err));
    KW_TRY(take_id(raw, "padding", raw->pad, 0, &v.pad, err));
    *out = v;
    if (warning)
        *warning = false;
    return KW_OK;
}

kw_status kw_vocab_from_ggml(const kw_ggml_vocab *raw, kw_arena *arena, kw_vocab *out,
                             bool *warning, kw_error *err)
{
    kw_vocab v;
    bool unknown_way = false;
    if (kw_str_is(raw->model, "bert"))
        return from_bert(raw, arena, out, warning, err);
    if (kw_str_is(raw->model, "t5"))
        return from_t5(raw, arena, out, warning, err);
    const bool spm = kw_str_is(raw->model, "llama");
    if (!spm && !kw_str_is(raw->model, "gpt2"))
        return kw_fail(err, KW_E_UNSUPPORTED, "gguf: tokenizer model \"%.*s\" is not supported",
                       KW_FMT(raw->model));
    if (!spm && !raw->merges)
        return kw_fail(err, KW_E_FORMAT, "gguf: tokenizer.ggml.merges is missing");
    kw_vocab_defaults(&v, spm ? KW_VOCAB_SPM_BPE : KW_VOCAB_BYTE_BPE);
    v.n_tokens = raw->n_tokens;
    v.tokens = raw->tokens;
    v.merges = raw->merges;
    v.n_merges = raw->n_merges;
    if (spm)
        set_spm(raw, &v);
    else
        set_bpe(raw, &v, &unknown_way);
    KW_TRY(set_kinds(raw, arena, &v, err));
    KW_TRY(take_id(raw, "bos", raw->bos, spm ? 1 : 11, &v.bos, err));
    KW_TRY(take_id(raw, "eos", raw->eos, spm ? 2 : 11, &v.eos, err));
    KW_TRY(take_id(raw, "eot", raw->eot, -1, &v.eot, err));
    KW_TRY(take_id(raw, "unknown", raw->unk, spm ? 0 : -1, &v.unk, err));
    KW_TRY(take_id(raw, "padding", raw->pad, -1, &v.pad, err));
    *out = v;
    if (warning)
        *warning = unknown_way;
    return KW_OK;
}

/* ---- from a vocabulary to keys ---- */

static bool same_step(const kw_step *a, const kw_step *b)
{
    return a->kind == b->kind && a->pre == b->pre && a->mode == b->mode && a->invert == b->invert &&
           kw_str_eq(a->text, b->text) && kw_str_eq(a->with, b->with);
}

/* Whether the steps are those of a way; the bytes at their end are how the model reads anyway. */
static bool cuts_as(const kw_step *steps, size_t n, const way *w)
{
    const kw_step known = {.kind = KW_STEP_SPLIT, .pre = w->pre};
    const kw_step *const wanted = w->n_steps ? w->steps : &known;
    const size_t n_wanted = w->n_steps ? w->n_steps : 1;
    if (n > 0 && steps[n - 1].kind == KW_STEP_BYTES)
        n--;
    if (n != n_wanted)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!same_step(&steps[i], &wanted[i]))
            return false;
    return true;
}

static bool composes(const kw_vocab *v)
{
    return v->nfc || (v->n_normalizers == 1 && v->normalizers[0].kind == KW_STEP_NFC);
}

/* The first way that cuts and normalises alike; NULL: none. */
static const way *name_way(const kw_vocab *v)
{
    if (v->n_normalizers > 0 && !composes(v))
        return NULL;
    for (size_t i = 0; i < KW_COUNT(ways); i++) {
        const way *const w = &ways[i];
        const bool cuts = v->custom_steps ? cuts_as(v->splitters, v->n_splitters, w)
                                          : w->n_steps == 0 && w->pre == v->pre;
        if (cuts && w->ignore_merges == v->ignore_merges &&
            (strncmp(w->name, "qwen", 4) == 0) == composes(v))
            return w;
    }
    return NULL;
}

/* SentencePiece's own: a space before the text or none, spaces as U+2581, nothing else. */
static bool is_plain_spm(const kw_vocab *v, bool *prefix)
{
    static const char mark[] = "\xE2\x96\x81";
    *prefix = v->add_space_prefix;
    if (!v->custom_steps)
        return true;
    *prefix = false;
    for (size_t i = 0; i < v->n_normalizers; i++) {
        const kw_step *const s = &v->normalizers[i];
        if (s->kind == KW_STEP_PREPEND && kw_str_is(s->text, mark))
            *prefix = true;
        else if (s->kind != KW_STEP_REPLACE || !kw_str_is(s->text, " ") ||
                 !kw_str_is(s->with, mark))
            return false;
    }
    return v->n_splitters == 0;
}

/* Tokens by id; ids that no token has get a name, which GGUF wants to be unique. */
static kw_status copy_tokens(const kw_vocab *v, kw_arena *arena, kw_ggml_vocab *raw, kw_error *err)
{
    kw_str *tokens = kw_arena_array(arena, v->n_tokens, sizeof *tokens);
    int32_t *types = kw_arena_array(arena, v->n_tokens, sizeof *types);
    bool whole = tokens && types;
    for (size_t i = 0; whole && i < v->n_tokens; i++) {
        char hole[32];
        (void)snprintf(hole, sizeof hole, "[PAD%zu]", i);
        const kw_str text = v->tokens[i].len ? v->tokens[i] : kw_str_from(hole);
        tokens[i] = (kw_str){kw_arena_strdup(arena, text), text.len};
        types[i] = v->kinds ? (int32_t)v->kinds[i] : KW_TOKEN_NORMAL;
        whole = tokens[i].data != NULL;
    }
    raw->tokens = tokens;
    raw->types = types;
    raw->n_tokens = v->n_tokens;
    return whole ? KW_OK
                 : kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu tokens", v->n_tokens);
}

static kw_str joined(const kw_vocab *v, size_t i, kw_arena *arena, kw_str between)
{
    const kw_merge *const m = &v->merge_pairs[i];
    const size_t len = m->left.len + between.len + m->right.len;
    char *const text = kw_arena_alloc(arena, len + 1);
    if (!text)
        return (kw_str){NULL, 0};
    memcpy(text, m->left.data, m->left.len);
    memcpy(text + m->left.len, between.data, between.len);
    memcpy(text + m->left.len + between.len, m->right.data, m->right.len);
    return (kw_str){text, len};
}

static kw_status copy_merges(const kw_vocab *v, kw_arena *arena, kw_ggml_vocab *raw, kw_error *err)
{
    kw_str *merges = kw_arena_array(arena, v->n_merges, sizeof *merges);
    bool whole = merges != NULL;
    for (size_t i = 0; whole && i < v->n_merges; i++) {
        merges[i] = v->merge_pairs
                        ? joined(v, i, arena, KW_STR(" "))
                        : (kw_str){kw_arena_strdup(arena, v->merges[i]), v->merges[i].len};
        whole = merges[i].data != NULL;
    }
    raw->merges = merges;
    raw->n_merges = v->n_merges;
    return whole ? KW_OK
                 : kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu merges", v->n_merges);
}

/* The scores of tokens that merge: the file's own, or from the ranks of the merges that make them,
 * best first. */
static kw_status copy_scores(const kw_vocab *v, kw_arena *arena, kw_ggml_vocab *raw, kw_error *err)
{
    kw_arena scratch = {0};
    kw_tokens index;
    kw_status status = KW_OK;
    float *scores = kw_arena_array(arena, v->n_tokens, sizeof *scores);
    raw->scores = scores;
    if (!scores)
        return kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu scores", v->n_tokens);
    if (v->scores) {
        memcpy(scores, v->scores, v->n_tokens * sizeof *scores);
        return KW_OK;
    }
    KW_GOTO(status, kw_tokens_build(v->tokens, v->kinds, v->n_tokens,
                                    &(kw_token_rules){.byte_level = false}, &scratch, &index, err));
    for (size_t i = v->n_merges; i-- > 0 && v->merge_pairs;) {
        const kw_str text = joined(v, i, &scratch, KW_STR(""));
        const int32_t id = text.data ? kw_tokens_find_raw(&index, text.data, text.len) : -1;
        if (id >= 0)
            scores[id] = -(float)(i + 1);
    }
fail:
    kw_arena_free(&scratch);
    return status;
}

/* Words as GGUF spells them: see bert_word. */
static kw_status unmark_words(const kw_vocab *v, kw_arena *arena, kw_ggml_vocab *raw, kw_error *err)
{
    kw_str *tokens = kw_arena_array(arena, v->n_tokens, sizeof *tokens);
    if (!tokens)
        return kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu tokens", v->n_tokens);
    for (size_t i = 0; i < v->n_tokens; i++) {
        const kw_str text = raw->tokens[i];
        const bool bracketed = text.data[0] == '[' && text.data[text.len - 1] == ']';
        if (bracketed)
            tokens[i] = text;
        else if (kw_str_starts(text, v->word_inside))
            tokens[i] = (kw_str){text.data + v->word_inside.len, text.len - v->word_inside.len};
        else
            tokens[i] = marked(KW_STR("\xE2\x96\x81"), text, arena);
        if (!tokens[i].data)
            return kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu tokens", v->n_tokens);
    }
    raw->tokens = tokens;
    return KW_OK;
}

static bool same_steps(const kw_step *a, size_t n_a, const kw_step *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && n_a == n_b; i++)
        if (a[i].kind != b[i].kind)
            return false;
    return n_a == n_b;
}

/* Whether a list of words is prepared as a reader of GGUF prepares it. */
static kw_status is_plain_bert(const kw_vocab *v, kw_arena *arena, bool *plain, kw_error *err)
{
    kw_vocab usual = *v;
    const bool cased = kw_vocab_is_cased(v);
    KW_TRY(kw_vocab_set_bert(&usual, (kw_bert_rules){.cjk = true, .strip = !cased, .lower = !cased},
                             arena, err));
    *plain = v->custom_steps && kw_str_is(v->word_inside, "##") && v->n_splitters == 1 &&
             v->splitters[0].kind == KW_STEP_SPLIT && v->splitters[0].pre == KW_PRE_BERT &&
             same_steps(v->normalizers, v->n_normalizers, usual.normalizers, usual.n_normalizers);
    return KW_OK;
}

/* What a unigram vocabulary does before its model, as SentencePiece's own flags: those it has, or
 * those that the steps of a tokenizer.json for T5 and its kin amount to. */
static bool is_plain_unigram(const kw_vocab *v, kw_ggml_vocab *raw)
{
    raw->charsmap = v->charsmap;
    raw->add_space_prefix = v->add_space_prefix;
    raw->remove_extra_whitespaces = v->squeeze_spaces;
    if (!v->custom_steps)
        return v->metaspace;
    raw->add_space_prefix = raw->remove_extra_whitespaces = 0;
    for (size_t i = 0; i < v->n_normalizers; i++) {
        if (v->normalizers[i].kind != KW_STEP_CHARSMAP)
            return false;
        raw->charsmap = v->normalizers[i].text;
    }
    for (size_t i = 0; i < v->n_splitters; i++) {
        const kw_step *const s = &v->splitters[i];
        if (s->kind == KW_STEP_PREPEND)
            raw->add_space_prefix = 1;
        else if (s->kind == KW_STEP_SPLIT && s->pre == KW_PRE_WORDS)
            raw->remove_extra_whitespaces = 1;
        else if (s->kind != KW_STEP_REPLACE && s->kind != KW_STEP_SPLIT)
            return false;
    }
    return true;
}

static void copy_ids(const kw_vocab *v, kw_ggml_vocab *raw)
{
    raw->bos = v->bos;
    raw->eos = v->eos;
    raw->eot = v->eot;
    raw->unk = v->unk;
    raw->pad = v->pad;
    raw->add_bos = v->prefix ? v->n_prefix > 0 && v->prefix[0] == v->bos : v->add_bos;
    raw->add_eos = v->suffix ? v->n_suffix > 0 && v->suffix[0] == v->eos : v->add_eos;
}

static kw_status words_to_ggml(const kw_vocab *v, kw_arena *arena, kw_ggml_vocab *out, bool *named,
                               kw_error *err)
{
    kw_ggml_vocab raw;
    KW_TRY(is_plain_bert(v, arena, named, err));
    if (!*named)
        return KW_OK;
    kw_ggml_vocab_init(&raw);
    raw.model = KW_STR("bert");
    KW_TRY(copy_tokens(v, arena, &raw, err));
    KW_TRY(unmark_words(v, arena, &raw, err));
    copy_ids(v, &raw);
    raw.cls = v->bos;
    raw.sep = v->eos;
    *out = raw;
    return KW_OK;
}

static kw_status unigram_to_ggml(const kw_vocab *v, kw_arena *arena, kw_ggml_vocab *out,
                                 bool *named, kw_error *err)
{
    kw_ggml_vocab raw;
    kw_ggml_vocab_init(&raw);
    *named = is_plain_unigram(v, &raw);
    if (!*named)
        return KW_OK;
    raw.model = KW_STR("t5");
    raw.pre = KW_STR("default");
    float *scores = kw_arena_array(arena, v->n_tokens, sizeof *scores);
    const char *map = kw_arena_strdup(arena, raw.charsmap);
    if (!scores || !map)
        return kw_fail(err, KW_E_NOMEM, "gguf: out of memory for %zu scores", v->n_tokens);
    for (size_t i = 0; i < v->n_tokens; i++) {
        scores[i] = v->scores ? v->scores[i] : (float)v->exact_scores[i];
        if (isnan(scores[i])) /* a token that text does not spell */
            scores[i] = -1000.0f;
    }
    raw.scores = scores;
    raw.charsmap.data = map;
    KW_TRY(copy_tokens(v, arena, &raw, err));
    copy_ids(v, &raw);
    *out = raw;
    return KW_OK;
}

kw_status kw_vocab_to_ggml(const kw_vocab *v, kw_arena *arena, kw_ggml_vocab *out, bool *named,
                           kw_error *err)
{
    kw_ggml_vocab raw;
    bool prefix = false;
    const bool spm = v->kind == KW_VOCAB_SPM_BPE;
    const bool marked = v->word_end.len > 0 || v->word_inside.len > 0; /* no key says so */
    const way *const w = v->kind == KW_VOCAB_BYTE_BPE && !marked ? name_way(v) : NULL;
    if (v->kind == KW_VOCAB_WORDPIECE)
        return words_to_ggml(v, arena, out, named, err);
    if (v->kind == KW_VOCAB_UNIGRAM)
        return unigram_to_ggml(v, arena, out, named, err);
    *named = spm ? !marked && is_plain_spm(v, &prefix) : w != NULL;
    if (!*named)
        return KW_OK;
    kw_ggml_vocab_init(&raw);
    raw.model = spm ? KW_STR("llama") : KW_STR("gpt2");
    raw.pre = kw_str_from(spm ? "default" : w->name);
    KW_TRY(copy_tokens(v, arena, &raw, err));
    if (spm)
        KW_TRY(copy_scores(v, arena, &raw, err));
    else
        KW_TRY(copy_merges(v, arena, &raw, err));
    copy_ids(v, &raw);
    raw.add_space_prefix = spm ? prefix : -1;
    *out = raw;
    return KW_OK;
}
