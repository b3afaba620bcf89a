/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab.c - the tokenizer of a model: from GGUF metadata, from the files beside safetensors, or
 * from a path that the caller prefers. The keys are read here; what they mean is
 * text/vocab_rules.h. */
#include "engine/engine.h"

#include "base/check.h"
#include "text/vocab_rules.h"

#include <string.h>

static const kw_value *find(const kw_model_file *file, const char *key, kw_value_kind kind)
{
    const kw_value *value = kw_model_file_meta(file, kw_str_from(key));
    return value && value->kind == kind ? value : NULL;
}

static kw_str find_string(const kw_model_file *file, const char *key)
{
    const kw_value *value = find(file, key, KW_VALUE_STRING);
    return value ? value->s : (kw_str){"", 0};
}

static int64_t find_id(const kw_model_file *file, const char *key)
{
    const kw_value *value = find(file, key, KW_VALUE_INT);
    return value ? value->i : KW_GGML_ABSENT;
}

static int find_flag(const kw_model_file *file, const char *key)
{
    const kw_value *value = find(file, key, KW_VALUE_BOOL);
    return value ? value->b : -1;
}

static const kw_value *find_array(const kw_model_file *file, const char *key)
{
    return find(file, key, KW_VALUE_ARRAY);
}

static kw_status strings(const kw_model_file *file, const char *key, const kw_str **out, size_t *n,
                         kw_error *err)
{
    const kw_value *array = find_array(file, key);
    if (!array)
        return KW_OK;
    if (array->array.n > 0 && array->array.kind != KW_VALUE_STRING)
        return kw_fail(err, KW_E_FORMAT, "gguf: %s is no array of strings", key);
    *out = array->array.items;
    *n = (size_t)array->array.n;
    return KW_OK;
}

/* An array of n numbers into the arena, as f32 or as i32; left alone when the file has none. */
static kw_status numbers(const kw_model_file *file, const char *key, size_t n, kw_arena *arena,
                         float **floats, int32_t **ints, kw_error *err)
{
    const kw_value *array = find_array(file, key);
    if (!array)
        return KW_OK;
    if (array->array.n != n)
        return kw_fail(err, KW_E_FORMAT, "gguf: %s has %llu items for %zu tokens", key,
                       (unsigned long long)array->array.n, n);
    float *f = floats ? kw_arena_array(arena, n, sizeof *f) : NULL;
    int32_t *i32 = ints ? kw_arena_array(arena, n, sizeof *i32) : NULL;
    if ((floats && !f) || (ints && !i32))
        return kw_fail(err, KW_E_NOMEM, "gguf: no memory for %zu numbers of %s", n, key);
    for (size_t i = 0; i < n; i++) {
        const kw_value item = kw_value_at(array, i);
        double number;
        if (!kw_value_number(&item, &number) || (ints && !(number >= -1e9 && number <= 1e9)))
            return kw_fail(err, KW_E_FORMAT, "gguf: %s: item %zu is no number in range", key, i);
        if (f)
            f[i] = (float)number;
        if (i32)
            i32[i] = (int32_t)number;
    }
    if (floats)
        *floats = f;
    if (ints)
        *ints = i32;
    return KW_OK;
}

/* SentencePiece's map, an array of bytes (u8 or i8), into the arena. */
static kw_status read_charsmap(const kw_model_file *file, kw_arena *arena, kw_str *out,
                               kw_error *err)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    const kw_value *array = find_array(file, key);
    if (!array || array->array.n == 0)
        return KW_OK;
    char *bytes = kw_arena_array(arena, (size_t)array->array.n, 1);
    if (!bytes)
        return kw_fail(err, KW_E_NOMEM, "gguf: no memory for %s", key);
    for (uint64_t i = 0; i < array->array.n; i++) {
        const kw_value item = kw_value_at(array, i);
        if (item.kind != KW_VALUE_INT || item.i < -128 || item.i > 255)
            return kw_fail(err, KW_E_FORMAT, "gguf: %s: item %llu is no byte", key,
                           (unsigned long long)i);
        bytes[i] = (char)(unsigned char)(item.i & 0xFF);
    }
    *out = (kw_str){bytes, (size_t)array->array.n};
    return KW_OK;
}

static kw_status read_keys(const kw_model_file *file, kw_arena *arena, kw_ggml_vocab *raw,
                           kw_error *err)
{
    float *scores = NULL;
    int32_t *types = NULL;
    kw_ggml_vocab_init(raw);
    raw->model = find_string(file, "tokenizer.ggml.model");
    raw->pre = find_string(file, "tokenizer.ggml.pre");
    KW_TRY(strings(file, "tokenizer.ggml.tokens", &raw->tokens, &raw->n_tokens, err));
    KW_TRY(strings(file, "tokenizer.ggml.merges", &raw->merges, &raw->n_merges, err));
    KW_TRY(numbers(file, "tokenizer.ggml.scores", raw->n_tokens, arena, &scores, NULL, err));
    KW_TRY(numbers(file, "tokenizer.ggml.token_type", raw->n_tokens, arena, NULL, &types, err));
    KW_TRY(read_charsmap(file, arena, &raw->charsmap, err));
    raw->scores = scores;
    raw->types = types;
    raw->bos = find_id(file, "tokenizer.ggml.bos_token_id");
    raw->eos = find_id(file, "tokenizer.ggml.eos_token_id");
    raw->eot = find_id(file, "tokenizer.ggml.eot_token_id");
    raw->unk = find_id(file, "tokenizer.ggml.unknown_token_id");
    raw->pad = find_id(file, "tokenizer.ggml.padding_token_id");
    raw->cls = find_id(file, "tokenizer.ggml.cls_token_id");
    raw->sep = find_id(file, "tokenizer.ggml.seperator_token_id"); /* spelled so */
    raw->add_bos = find_flag(file, "tokenizer.ggml.add_bos_token");
    raw->add_eos = find_flag(file, "tokenizer.ggml.add_eos_token");
    raw->add_space_prefix = find_flag(file, "tokenizer.ggml.add_space_prefix");
    raw->remove_extra_whitespaces = find_flag(file, "tokenizer.ggml.remove_extra_whitespaces");
    return KW_OK;
}

static kw_status from_gguf(const kw_model_file *file, const kw_log *log, kw_arena *arena,
                           kw_tokenizer **out, kw_error *err)
{
    kw_ggml_vocab raw;
    kw_vocab vocab;
    bool guessed = false;
    KW_TRY(read_keys(file, arena, &raw, err));
    KW_TRY(kw_vocab_from_ggml(&raw, arena, &vocab, &guessed, err));
    if (guessed)
        kw_log_print(log, KW_LOG_WARN,
                     "tokenizer: pre-tokenizer \"%.*s\" is not known; GPT-2's is used and ids may "
                     "differ from the model's own",
                     KW_FMT(raw.pre));
    return kw_tokenizer_create(&vocab, out, err);
}

kw_status kw_engine_tokenizer(const kw_model_file *file, const char *path, const kw_log *log,
                              kw_tokenizer **out, kw_error *err)
{
    *out = NULL;
    if (path)
        return kw_tokenizer_from_path(path, out, err);
    if (find_array(file, "tokenizer.ggml.tokens")) {
        kw_arena arena = {0};
        const kw_status status = from_gguf(file, log, &arena, out, err);
        kw_arena_free(&arena);
        return status;
    }
    if (!file->dir)
        return KW_OK;
    const kw_status status = kw_tokenizer_from_path(file->dir, out, err);
    return status == KW_E_NOTFOUND ? KW_OK : status; /* a model without one still computes */
}
