/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_reader.h - just enough of GGUF to feed kw_vocab_from_ggml in tests, so that the tests of
 * this layer link nothing above it. Trusts its input: files of the test data only. */
#ifndef KW_TEST_TEXT_GGUF_READER_H
#define KW_TEST_TEXT_GGUF_READER_H

#include "golden.h"
#include "text/vocab_rules.h"

enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STR,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
};

typedef struct gguf_cursor {
    const char *at;
} gguf_cursor;

static inline uint64_t gguf_number(gguf_cursor *c, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)(unsigned char)c->at[i] << (8 * i);
    c->at += width;
    return value;
}

static inline size_t gguf_width(uint32_t type)
{
    static const size_t widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    assert_true(type < sizeof(widths) / sizeof(widths[0]));
    return widths[type];
}

static inline kw_str gguf_string(gguf_cursor *c)
{
    const size_t len = (size_t)gguf_number(c, 8);
    const kw_str text = {c->at, len};
    c->at += len;
    return text;
}

/* An array of strings, or of 4-byte numbers copied as they are. */
static inline void *gguf_array(gguf_cursor *c, kw_arena *arena, size_t *n)
{
    const uint32_t type = (uint32_t)gguf_number(c, 4);
    *n = (size_t)gguf_number(c, 8);
    if (type == GGUF_STR) {
        kw_str *texts = kw_arena_array(arena, *n, sizeof(*texts));
        assert_non_null(texts);
        for (size_t i = 0; i < *n; i++)
            texts[i] = gguf_string(c);
        return texts;
    }
    const size_t width = gguf_width(type);
    void *items = kw_arena_array(arena, *n, width);
    assert_non_null(items);
    memcpy(items, c->at, *n * width);
    c->at += *n * width;
    return items;
}

static inline void gguf_scalar(gguf_cursor *c, uint32_t type, kw_str key, kw_ggml_vocab *raw)
{
    const uint64_t bits = gguf_number(c, gguf_width(type));
    const int64_t value = type == GGUF_I32 ? (int32_t)bits : (int64_t)bits;
    if (kw_str_is(key, "tokenizer.ggml.bos_token_id"))
        raw->bos = value;
    else if (kw_str_is(key, "tokenizer.ggml.eos_token_id"))
        raw->eos = value;
    else if (kw_str_is(key, "tokenizer.ggml.eot_token_id"))
        raw->eot = value;
    else if (kw_str_is(key, "tokenizer.ggml.unknown_token_id"))
        raw->unk = value;
    else if (kw_str_is(key, "tokenizer.ggml.add_bos_token"))
        raw->add_bos = value != 0;
    else if (kw_str_is(key, "tokenizer.ggml.add_eos_token"))
        raw->add_eos = value != 0;
    else if (kw_str_is(key, "tokenizer.ggml.add_space_prefix"))
        raw->add_space_prefix = value != 0;
}

/* The tokenizer.ggml.* keys of a GGUF file; raw points into file and the arena. */
static inline void gguf_vocab(kw_str file, kw_arena *arena, kw_ggml_vocab *raw)
{
    gguf_cursor c = {file.data};
    kw_ggml_vocab_init(raw);
    assert_int_equal(gguf_number(&c, 4), 0x46554747);
    assert_true(gguf_number(&c, 4) >= 2);
    gguf_number(&c, 8);
    const uint64_t n_keys = gguf_number(&c, 8);
    for (uint64_t k = 0; k < n_keys; k++) {
        const kw_str key = gguf_string(&c);
        const uint32_t type = (uint32_t)gguf_number(&c, 4);
        size_t n = 0;
        if (type == GGUF_ARRAY) {
            void *items = gguf_array(&c, arena, &n);
            if (kw_str_is(key, "tokenizer.ggml.tokens")) {
                raw->tokens = items;
                raw->n_tokens = n;
            } else if (kw_str_is(key, "tokenizer.ggml.scores")) {
                raw->scores = items;
            } else if (kw_str_is(key, "tokenizer.ggml.token_type")) {
                raw->types = items;
            } else if (kw_str_is(key, "tokenizer.ggml.merges")) {
                raw->merges = items;
                raw->n_merges = n;
            }
        } else if (type == GGUF_STR) {
            const kw_str text = gguf_string(&c);
            if (kw_str_is(key, "tokenizer.ggml.model"))
                raw->model = text;
            else if (kw_str_is(key, "tokenizer.ggml.pre"))
                raw->pre = text;
        } else {
            gguf_scalar(&c, type, key, raw);
        }
    }
}

/* A tokenizer from a GGUF file. *unknown_way: see kw_vocab_from_ggml. */
static inline kw_tokenizer *gguf_tokenizer(const char *path, bool *unknown_way)
{
    const kw_str file = read_file(path);
    kw_arena arena = {0};
    kw_ggml_vocab raw;
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    gguf_vocab(file, &arena, &raw);
    check_ok(kw_vocab_from_ggml(&raw, &arena, &vocab, unknown_way, &err), &err);
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    kw_arena_free(&arena);
    free_text(file);
    return t;
}

#endif
