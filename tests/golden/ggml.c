/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ggml.c - the built-in model written as the files from before GGUF were, in every layout of their
 * blocks: it spells as it does from GGUF, and computes the same bits as a GGUF file of the same
 * tensors, and as what kwaai convert makes of it. Those files do not say the
 * epsilon of the norms: 1e-6 is taken, so the GGUF file has that, too.
 *
 * Also: the vocabularies that llama.cpp used to ship, against SentencePiece's ids.
 * kw-test: timeout 300 */
#include "support/golden.h"

#include "base/check.h"
#include "engine/quantize.h"
#include "format/gguf_writer.h"
#include "tensor/half.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BUILTIN KW_SOURCE_DIR "/models/builtin/stories.gguf"

typedef struct dialect {
    const char *mark;
    int32_t version; /* 0: none is written */
    bool aligned;
    kw_dtype type; /* of matrices */
    int blocks;    /* how quantised ones are laid out: 1 and 2 as before ggjt 3 */
} dialect;

static void put(FILE *f, const void *data, size_t n)
{
    assert_int_equal(fwrite(data, 1, n, f), n);
}

static void put_i32(FILE *f, int64_t value)
{
    const int32_t v = (int32_t)value;
    put(f, &v, sizeof v);
}

static int64_t number(const kw_model_file *file, const char *key)
{
    const kw_value *const v = kw_model_file_meta(file, kw_str_from(key));
    assert_non_null(v);
    return v->i;
}

/* As those files spelled tokens: what they print. */
static void put_tokens(FILE *f, const kw_model_file *file, bool scores)
{
    const kw_value *const tokens = kw_model_file_meta(file, KW_STR("tokenizer.ggml.tokens"));
    const kw_value *const all = kw_model_file_meta(file, KW_STR("tokenizer.ggml.scores"));
    assert_true(tokens && all);
    for (uint64_t i = 0; i < tokens->array.n; i++) {
        const kw_str token = kw_value_at(tokens, i).s;
        const float score = (float)kw_value_at(all, i).f;
        char text[256];
        size_t n = 0;
        if (i >= 3 && i < 259)
            text[n++] = (char)(i - 3);
        for (size_t at = 0; i >= 259 && at < token.len; at++) {
            const bool space =
                token.len - at >= 3 && memcmp(token.data + at, "\xe2\x96\x81", 3) == 0;
            text[n++] = space ? ' ' : token.data[at];
            at += space ? 2 : 0;
        }
        put_i32(f, (int64_t)n);
        put(f, text, n);
        if (scores)
            put(f, &score, sizeof score);
    }
}

static void old_name(kw_str name, char out[96])
{
    static const char *const names[][2] = {{"token_embd.weight", "tok_embeddings.weight"},
                                           {"output_norm.weight", "norm.weight"},
                                           {"attn_norm", "attention_norm"},
                                           {"attn_q", "attention.wq"},
                                           {"attn_k", "attention.wk"},
                                           {"attn_v", "attention.wv"},
                                           {"attn_output", "attention.wo"},
                                           {"ffn_gate", "feed_forward.w1"},
                                           {"ffn_down", "feed_forward.w2"},
                                           {"ffn_up", "feed_forward.w3"},
                                           {"ffn_norm", "ffn_norm"}};
    char stem[64];
    int layer;
    (void)snprintf(out, 96, "%.*s", KW_FMT(name));
    const bool in_layer = sscanf(out, "blk.%d.%63[a-z_]", &layer, stem) == 2;
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        if (!in_layer && strcmp(out, names[i][0]) == 0) {
            (void)snprintf(out, 96, "%s", names[i][1]);
            return;
        }
        if (in_layer && strcmp(stem, names[i][0]) == 0) {
            (void)snprintf(out, 96, "layers.%d.%s.weight", layer, names[i][1]);
            return;
        }
    }
}

/* The type that a tensor has in files of the dialect; Q4_2 and Q4_3 are of the codes of these. */
static kw_dtype type_of(const kw_tensor_view *view, const dialect *d)
{
    const kw_dtype type = view->shape.rank < 2 ? KW_F32 : d->type;
    return type == KW_Q4_2 ? KW_Q4_0 : type == KW_Q4_3 ? KW_Q4_1 : type;
}

/* Blocks of the type as they are today, malloc'ed. */
static unsigned char *pack(const kw_tensor_view *view, kw_dtype type, size_t *bytes)
{
    int64_t count = 0;
    assert_true(kw_shape_count(view->shape, &count));
    assert_true(kw_tensor_bytes(type, view->shape, bytes));
    float *const values = malloc((size_t)count * sizeof *values);
    unsigned char *const packed = malloc(*bytes);
    assert_true(values && packed);
    kw_dtype_info(view->dtype)->decode(values, view->data, (size_t)count);
    kw_dtype_info(type)->encode(packed, values, (size_t)count, NULL);
    free(values);
    return packed;
}

/* A number as blocks had it: f16 where they had that. */
static void put_number(FILE *f, const unsigned char *half, bool wide)
{
    uint16_t bits;
    memcpy(&bits, half, sizeof bits);
    const float value = kw_f32_from_f16(bits);
    if (wide)
        put(f, &value, sizeof value);
    else
        put(f, half, 2);
}

/* n nibbles from the i-th on, which lie as today, as the version had them. */
static void put_nibbles(FILE *f, const unsigned char *qs, int first, int n, int blocks)
{
    for (int i = first; i < first + n; i += 2) {
        const int at[2] = {blocks == 1 ? i : i / 2, blocks == 1 ? i + 1 : i / 2 + 16};
        unsigned char byte = 0;
        for (int k = 0; k < 2; k++)
            byte |= (unsigned char)((qs[at[k] % 16] >> (at[k] / 16 * 4) & 15) << 4 * k);
        put(f, &byte, 1);
    }
}

/* A block of today's as the version before had it. */
static void put_old_block(FILE *f, const unsigned char *block, const dialect *d)
{
    const bool affine = d->type == KW_Q4_1 || d->type == KW_Q4_3 || d->type == KW_Q5_1;
    const bool fifth = d->type == KW_Q5_0 || d->type == KW_Q5_1;
    const bool small = d->type == KW_Q4_2 || d->type == KW_Q4_3;
    const unsigned char *const codes = block + (affine ? 4 : 2) + (fifth ? 4 : 0);
    for (int part = 0; part < (small ? 2 : 1); part++) {
        put_number(f, block, !fifth && !small);
        if (affine)
            put_number(f, block + 2, !fifth && !small);
        if (fifth)
            put(f, codes - 4, 4);
        if (d->type == KW_Q8_0)
            put(f, codes, 32);
        else
            put_nibbles(f, codes, 16 * part, small ? 16 : 32, d->blocks);
    }
}

static void put_tensor(FILE *f, const kw_tensor_view *view, const char *name, const dialect *d)
{
    const kw_dtype type = type_of(view, d);
    const kw_dtype_traits *const row = kw_dtype_info(type);
    const int rank = view->shape.rank;
    const int small = d->type == KW_Q4_2 ? 4 : 5;
    put_i32(f, rank);
    put_i32(f, (int64_t)strlen(name));
    put_i32(f, rank > 1 && type != d->type ? small : row->gguf_id);
    for (int i = 0; i < rank; i++)
        put_i32(f, view->shape.dim[rank - 1 - i]);
    put(f, name, strlen(name));
    while (d->aligned && ftell(f) % 32 != 0)
        put(f, "", 1);
    size_t bytes = 0;
    unsigned char *const packed = pack(view, type, &bytes);
    if (row->is_float || d->blocks == 3)
        put(f, packed, bytes);
    for (size_t at = 0; !row->is_float && d->blocks < 3 && at < bytes; at += row->block_bytes)
        put_old_block(f, packed + at, d);
    free(packed);
}

static void write_old(const dialect *d, const char *path)
{
    kw_error err = {0};
    kw_model_file *file = NULL;
    if (kw_model_file_open(BUILTIN, NULL, &file, &err) != KW_OK)
        fail_msg("%s", err.message);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    put(f, d->mark, 4);
    if (d->version > 0)
        put_i32(f, d->version);
    const int64_t dim = number(file, "llama.embedding_length"),
                  heads = number(file, "llama.attention.head_count");
    const int64_t numbers[] = {number(file, "llama.vocab_size"),  dim,         256, heads,
                               number(file, "llama.block_count"), dim / heads, 0};
    for (size_t i = 0; i < KW_COUNT(numbers); i++)
        put_i32(f, numbers[i]);
    put_tokens(f, file, d->version > 0);
    for (size_t i = 0; i < file->n_tensors; i++) {
        char name[96];
        old_name(file->tensors[i].name, name);
        put_tensor(f, &file->tensors[i], name, d);
        if (strcmp(name, "tok_embeddings.weight") == 0) /* their heads were never tied */
            put_tensor(f, &file->tensors[i], "output.weight", d);
    }
    assert_int_equal(fclose(f), 0);
    kw_model_file_close(file);
}

/* The same tensors as GGUF, with the epsilon that old files are read with. */
static void write_new(const dialect *d, const char *path)
{
    kw_error err = {0};
    kw_model_file *file = NULL;
    kw_gguf_writer *writer = NULL;
    kw_tensor_spec specs[64];
    kw_meta metas[64];
    char names[64][64];
    if (kw_model_file_open(BUILTIN, NULL, &file, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_true(file->n_tensors <= KW_COUNT(specs) && file->n_metas <= KW_COUNT(metas));
    for (size_t i = 0; i < file->n_metas; i++) {
        metas[i] = file->metas[i];
        if (kw_str_is(metas[i].key, "llama.attention.layer_norm_rms_epsilon"))
            metas[i].value = kw_gguf_f32(1e-6f);
    }
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *const view = &file->tensors[i];
        (void)snprintf(names[i], sizeof names[i], "%.*s", KW_FMT(view->name));
        const bool whole = view->shape.rank > 1 && type_of(view, d) != d->type;
        specs[i] = (kw_tensor_spec){names[i], whole ? KW_F32 : type_of(view, d), view->shape};
    }
    kw_status status =
        kw_gguf_create(path, metas, file->n_metas, specs, file->n_tensors, &writer, &err);
    for (size_t i = 0; status == KW_OK && i < file->n_tensors; i++) {
        const kw_tensor_view *const view = &file->tensors[i];
        size_t bytes = 0;
        unsigned char *packed = pack(view, type_of(view, d), &bytes);
        if (specs[i].dtype != type_of(view, d)) {
            kw_tensor_view again = *view;
            unsigned char *const smaller = packed;
            again.dtype = type_of(view, d);
            again.data = smaller;
            packed = pack(&again, KW_F32, &bytes);
            free(smaller);
        }
        status = kw_gguf_write(writer, packed, bytes, &err);
        free(packed);
    }
    if (status != KW_OK || kw_gguf_finish(writer, true, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_model_file_close(file);
}

/* The same ids for a text, and the same logits for them. */
static void expect_same_model(const char *old_path, const char *new_path, bool same_ids)
{
    static const char text[] = "Once upon a time, there was a \xe2\x82\xac 5 bill.\n";
    golden_run old, new;
    kw_error err = {0};
    int32_t *ids = NULL, *other = NULL;
    size_t n = 0, n_other = 0;
    golden_open(&old, old_path, NULL, NULL);
    golden_open(&new, new_path, NULL, NULL);
    assert_int_equal(kw_model_tokenize(new.model, text, strlen(text), true, false, &ids, &n, &err),
                     KW_OK);
    assert_int_equal(
        kw_model_tokenize(old.model, text, strlen(text), true, false, &other, &n_other, &err),
        KW_OK);
    if (same_ids) {
        assert_int_equal(n, n_other);
        assert_memory_equal(ids, other, n * sizeof *ids);
    }
    assert_int_equal(old.vocab, new.vocab);
    float *const got = golden_logits(&old, ids, n), *const want = golden_logits(&new, ids, n);
    assert_memory_equal(got, want, n * (size_t)new.vocab * sizeof *got);
    free(got);
    free(want);
    kw_free(ids);
    kw_free(other);
    golden_close(&old);
    golden_close(&new);
}

static void temporary(char path[])
{
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
}

/* As GGUF by way of kwaai convert. */
static void convert(const char *from, const char *to)
{
    kw_engine *engine = NULL;
    kw_model_file *file = NULL;
    kw_quantize_result result;
    kw_error err = {0};
    if (kw_engine_open(NULL, &engine, &err) != KW_OK ||
        kw_model_file_open(from, NULL, &file, &err) != KW_OK ||
        kw_quantize(engine, file, to, &(kw_quantize_config){0}, &result, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_model_file_close(file);
    kw_engine_close(engine);
}

static void old_files_compute(void **state)
{
    static const dialect dialects[] = {
        {"lmgg", 0, false, KW_F32, 1},  {"fmgg", 1, false, KW_F32, 1},
        {"tjgg", 1, true, KW_F32, 1},   {"tjgg", 2, true, KW_F32, 2},
        {"tjgg", 3, true, KW_F32, 3},   {"tjgg", 3, true, KW_Q8_0, 3},
        {"lmgg", 0, false, KW_Q4_0, 1}, {"fmgg", 1, false, KW_Q4_1, 1},
        {"tjgg", 1, true, KW_Q4_0, 1},  {"tjgg", 1, true, KW_Q4_1, 1},
        {"tjgg", 1, true, KW_Q4_2, 1},  {"tjgg", 1, true, KW_Q4_3, 1},
        {"tjgg", 1, true, KW_Q5_0, 1},  {"tjgg", 1, true, KW_Q5_1, 1},
        {"tjgg", 1, true, KW_Q8_0, 1},  {"tjgg", 2, true, KW_Q4_0, 2},
        {"tjgg", 2, true, KW_Q4_1, 2},  {"tjgg", 2, true, KW_Q5_0, 3},
        {"tjgg", 2, true, KW_Q5_1, 3},  {"tjgg", 2, true, KW_Q8_0, 2}};
    char old[] = "/tmp/kw-ggml-XXXXXX", new[] = "/tmp/kw-ggml-XXXXXX";
    (void)state;
    temporary(old);
    temporary(new);
    for (size_t i = 0; i < KW_COUNT(dialects); i++) {
        write_old(&dialects[i], old);
        write_new(&dialects[i], new);
        /* without scores the order of the pieces stands for them, which is LLaMA's and not ours */
        expect_same_model(old, new, dialects[i].version > 0);
        if (dialects[i].type != KW_Q4_0 && dialects[i].type != KW_Q4_3)
            continue;
        convert(old, new);
        expect_same_model(old, new, true);
    }
    (void)unlink(old);
    (void)unlink(new);
}

static void shipped_vocabularies_are_sentencepieces(void **state)
{
    static const char *const files[] = {"legacy-ggml/ggml-vocab-a.bin",
                                        "legacy-ggml/ggml-vocab-b.bin"};
    kw_error err = {0};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(files); i++) {
        const char *const path = golden_path(files[i]);
        kw_model_file *file = NULL;
        if (!path)
            skip();
        if (kw_model_file_open(path, NULL, &file, &err) != KW_OK)
            fail_msg("%s", err.message);
        const kw_value *const tokens = kw_model_file_meta(file, KW_STR("tokenizer.ggml.tokens"));
        assert_non_null(tokens);
        assert_int_equal(tokens->array.n, 32000);
        assert_true(kw_str_is(kw_value_at(tokens, 9038).s, "\xe2\x96\x81Once"));
        assert_true(kw_str_is(kw_value_at(tokens, 13).s, "<0x0A>"));
        kw_model_file_close(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_files_compute),
        cmocka_unit_test(shipped_vocabularies_are_sentencepieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
