/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_rules.c - see vocab_rules.h. Tables of names; adding a way to cut text is a row.
 * Source: ggml-org/llama.cpp, docs and defaults of tokenizer.ggml.*; the models' own
 * tokenizer.json. */
#include "text/vocab_rules.h"

#include "base/check.h"

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

kw_status kw_vocab_from_ggml(const kw_ggml_vocab *raw, kw_arena *arena, kw_vocab *out,
                             bool *warning, kw_error *err)
{
    kw_vocab v;
    bool unknown_way = false;
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
