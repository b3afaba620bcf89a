/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ggml.c - the built-in model written as the files from before GGUF were: it spells as it does from
 * GGUF, and computes the same bits as a GGUF file of the same tensors. Those files do not say the
 * epsilon of the norms: 1e-6 is taken, so the GGUF file has that, too.
 *
 * Also: the vocabularies that llama.cpp used to ship, against SentencePiece's ids. */
#include "support/golden.h"

#include "base/check.h"
#include "format/gguf_writer.h"

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
    bool aligned, quantised;
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

static void put_tensor(FILE *f, const kw_tensor_view *view, const char *name, const dialect *d)
{
    const kw_dtype_traits *const type = kw_dtype_info(view->dtype);
    const bool keep = d->quantised || view->dtype == KW_F32;
    const int rank = view->shape.rank;
    int64_t count = 1;
    assert_true(kw_shape_count(view->shape, &count));
    put_i32(f, rank);
    put_i32(f, (int64_t)strlen(name));
    put_i32(f, keep ? type->gguf_id : 0);
    for (int i = 0; i < rank; i++)
        put_i32(f, view->shape.dim[rank - 1 - i]);
    put(f, name, strlen(name));
    while (d->aligned && ftell(f) % 32 != 0)
        put(f, "", 1);
    if (keep) {
        put(f, view->data, (size_t)view->bytes);
        return;
    }
    float *const values = malloc((size_t)count * sizeof *values);
    assert_non_null(values);
    type->decode(values, view->data, (size_t)count);
    put(f, values, (size_t)count * sizeof *values);
    free(values);
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
        specs[i] = (kw_tensor_spec){names[i], d->quantised ? view->dtype : KW_F32, view->shape};
    }
    kw_status status =
        kw_gguf_create(path, metas, file->n_metas, specs, file->n_tensors, &writer, &err);
    for (size_t i = 0; status == KW_OK && i < file->n_tensors; i++) {
        const kw_tensor_view *const view = &file->tensors[i];
        int64_t count = 0;
        assert_true(kw_shape_count(view->shape, &count));
        float *const values = malloc((size_t)count * sizeof *values);
        assert_non_null(values);
        kw_dtype_info(view->dtype)->decode(values, view->data, (size_t)count);
        status = d->quantised ? kw_gguf_write(writer, view->data, (size_t)view->bytes, &err)
                              : kw_gguf_write(writer, values, (size_t)count * sizeof *values, &err);
        free(values);
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

static void old_files_compute(void **state)
{
    static const dialect dialects[] = {{"lmgg", 0, false, false}, {"fmgg", 1, false, false},
                                       {"tjgg", 1, true, false},  {"tjgg", 2, true, false},
                                       {"tjgg", 3, true, false},  {"tjgg", 3, true, true}};
    char old[] = "/tmp/kw-ggml-XXXXXX", new[] = "/tmp/kw-ggml-XXXXXX";
    (void)state;
    temporary(old);
    temporary(new);
    for (size_t i = 0; i < KW_COUNT(dialects); i++) {
        write_old(&dialects[i], old);
        write_new(&dialects[i], new);
        /* without scores the order of the pieces stands for them, which is LLaMA's and not ours */
        expect_same_model(old, new, dialects[i].version > 0);
    }
    (void)unlink(old);
    (void)unlink(new);
}

/* Blocks of before ggjt 3 are another layout under the same number. */
static void old_blocks_are_refused(void **state)
{
    static const dialect d = {"tjgg", 2, true, true};
    char path[] = "/tmp/kw-ggml-XXXXXX";
    kw_error err = {0};
    kw_model_file *file = NULL;
    (void)state;
    temporary(path);
    write_old(&d, path);
    assert_int_not_equal(kw_model_file_open(path, NULL, &file, &err), KW_OK);
    (void)unlink(path);
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
        cmocka_unit_test(old_blocks_are_refused),
        cmocka_unit_test(shipped_vocabularies_are_sentencepieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
