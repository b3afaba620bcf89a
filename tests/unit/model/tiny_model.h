/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tiny_model.h - LLaMA models of a few kilobytes, written to a file and opened again: metadata and
 * directory are lists that a test changes before it writes.
 *
 * Weights are random, or a script: then a token alone decides the next one. The blocks add nothing
 * (attn_output and ffn_down are zero), embeddings are unit vectors, and row j of the head is the
 * sum of those of the tokens that j follows; so greedy text is what the test says. */
#ifndef KW_TEST_TINY_MODEL_H
#define KW_TEST_TINY_MODEL_H

#include "base/check.h"
#include "base/rng.h"
#include "format/gguf_writer.h"
#include "format/safetensors_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TINY_METAS = 64, TINY_TENSORS = 64, TINY_NAME = 96 };

typedef struct tiny {
    int dim, layers, heads, kv_heads, ffn, vocab, context;
    kw_dtype dtype;      /* of matrices */
    const int32_t *next; /* [vocab] the script; NULL: random weights */
    float sharpness;     /* of a script: the logit of the next token, others are 0 */
    kw_meta metas[TINY_METAS];
    size_t n_metas;
    kw_tensor_spec tensors[TINY_TENSORS];
    char names[TINY_TENSORS][TINY_NAME];
    size_t n_tensors;
    char path[64]; /* of the written file */
} tiny;

static inline kw_meta *tiny_meta(tiny *t, const char *key)
{
    for (size_t i = 0; i < t->n_metas; i++)
        if (kw_str_is(t->metas[i].key, key))
            return &t->metas[i];
    return NULL;
}

/* Replaces or adds. key and what the value points to are borrowed. */
static inline void tiny_set(tiny *t, const char *key, kw_value value)
{
    kw_meta *meta = tiny_meta(t, key);
    if (!meta) {
        assert_true(t->n_metas < TINY_METAS);
        meta = &t->metas[t->n_metas++];
    }
    *meta = (kw_meta){kw_str_from(key), value};
}

static inline void tiny_unset(tiny *t, const char *key)
{
    kw_meta *meta = tiny_meta(t, key);
    assert_non_null(meta);
    *meta = t->metas[--t->n_metas];
}

/* A tiny is copied by value: its specs' names must be its own. */
static inline void tiny_own_names(tiny *t)
{
    for (size_t i = 0; i < t->n_tensors; i++)
        t->tensors[i].name = t->names[i];
}

static inline kw_tensor_spec *tiny_tensor(tiny *t, const char *name)
{
    tiny_own_names(t);
    for (size_t i = 0; i < t->n_tensors; i++)
        if (strcmp(t->names[i], name) == 0)
            return &t->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static inline void tiny_add_tensor(tiny *t, const char *name, kw_dtype dtype, kw_shape shape)
{
    assert_true(t->n_tensors < TINY_TENSORS);
    const size_t i = t->n_tensors++;
    (void)snprintf(t->names[i], TINY_NAME, "%s", name);
    t->tensors[i] = (kw_tensor_spec){t->names[i], dtype, shape};
}

static inline void tiny_remove_tensor(tiny *t, const char *name)
{
    for (size_t i = (size_t)(tiny_tensor(t, name) - t->tensors); i + 1 < t->n_tensors; i++) {
        memcpy(t->names[i], t->names[i + 1], TINY_NAME);
        t->tensors[i] = t->tensors[i + 1];
    }
    t->n_tensors--;
}

static inline void tiny_layer(tiny *t, int il)
{
    const int dim = t->dim, kv = dim / t->heads * t->kv_heads, ffn = t->ffn;
    const struct {
        const char *name;
        int rows, cols;
    } parts[] = {{"attn_norm", 0, dim},  {"attn_q", dim, dim},      {"attn_k", kv, dim},
                 {"attn_v", kv, dim},    {"attn_output", dim, dim}, {"ffn_norm", 0, dim},
                 {"ffn_gate", ffn, dim}, {"ffn_up", ffn, dim},      {"ffn_down", dim, ffn}};
    for (size_t i = 0; i < KW_COUNT(parts); i++) {
        char name[TINY_NAME];
        (void)snprintf(name, sizeof name, "blk.%d.%s.weight", il, parts[i].name);
        if (parts[i].rows > 0)
            tiny_add_tensor(t, name, t->dtype, SHAPE(parts[i].rows, parts[i].cols));
        else
            tiny_add_tensor(t, name, KW_F32, SHAPE(parts[i].cols));
    }
}

/* Fills metadata and directory from the sizes. */
static inline void tiny_describe(tiny *t)
{
    tiny_set(t, "general.architecture", kw_gguf_string(KW_STR("llama")));
    tiny_set(t, "general.name", kw_gguf_string(KW_STR("tiny")));
    tiny_set(t, "llama.embedding_length", kw_gguf_u32((uint32_t)t->dim));
    tiny_set(t, "llama.block_count", kw_gguf_u32((uint32_t)t->layers));
    tiny_set(t, "llama.attention.head_count", kw_gguf_u32((uint32_t)t->heads));
    tiny_set(t, "llama.attention.head_count_kv", kw_gguf_u32((uint32_t)t->kv_heads));
    tiny_set(t, "llama.feed_forward_length", kw_gguf_u32((uint32_t)t->ffn));
    tiny_set(t, "llama.context_length", kw_gguf_u32((uint32_t)t->context));
    tiny_set(t, "llama.attention.layer_norm_rms_epsilon", kw_gguf_f32(1e-5f));
    tiny_add_tensor(t, "token_embd.weight", t->dtype, SHAPE(t->vocab, t->dim));
    tiny_add_tensor(t, "output_norm.weight", KW_F32, SHAPE(t->dim));
    tiny_add_tensor(t, "output.weight", t->dtype, SHAPE(t->vocab, t->dim));
    for (int il = 0; il < t->layers; il++)
        tiny_layer(t, il);
}

/* 2 layers of 32, 4 heads on 2, 48 tokens, 64 positions. */
static inline tiny tiny_random(kw_dtype dtype)
{
    tiny t = {.dim = 32,
              .layers = 2,
              .heads = 4,
              .kv_heads = 2,
              .ffn = 64,
              .vocab = 48,
              .context = 64,
              .dtype = dtype};
    tiny_describe(&t);
    return t;
}

/* One layer; vocab at most 64. */
static inline tiny tiny_script(const int32_t *next, int vocab, int context)
{
    tiny t = {.dim = 64,
              .layers = 1,
              .heads = 2,
              .kv_heads = 1,
              .ffn = 32,
              .vocab = vocab,
              .context = context,
              .dtype = KW_F32,
              .next = next,
              .sharpness = 20};
    tiny_describe(&t);
    return t;
}

static inline bool tiny_ends(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Element i of a tensor. */
static inline float tiny_value(const tiny *t, const kw_tensor_spec *spec, uint64_t seed, int64_t i)
{
    const int32_t row = (int32_t)(i / t->dim), col = (int32_t)(i % t->dim);
    const float random = kw_rng_uniform(seed, 9, (uint64_t)i) * 2.0f - 1.0f;
    if (tiny_ends(spec->name, "norm.weight"))
        return t->next ? 1.0f : 1.0f + 0.2f * random;
    if (!t->next)
        return 0.3f * random;
    if (strcmp(spec->name, "token_embd.weight") == 0)
        return row == col ? 1.0f : 0.0f;
    if (strcmp(spec->name, "output.weight") == 0) /* the norm makes a unit vector 8 long */
        return col < t->vocab && t->next[col] == row ? t->sharpness / 8.0f : 0.0f;
    if (tiny_ends(spec->name, "attn_output.weight") || tiny_ends(spec->name, "ffn_down.weight"))
        return 0.0f;
    return 0.1f * random;
}

/* The bytes of tensor n, malloc'ed. */
static inline void *tiny_bytes(const tiny *t, size_t n, size_t *bytes)
{
    const kw_tensor_spec *spec = &t->tensors[n];
    int64_t count = 0;
    assert_true(kw_shape_count(spec->shape, &count) &&
                kw_tensor_bytes(spec->dtype, spec->shape, bytes));
    float *values = calloc((size_t)count, sizeof *values);
    void *data = calloc(1, *bytes);
    assert_true(values && data);
    for (int64_t i = 0; i < count; i++)
        values[i] = tiny_value(t, spec, n + 1, i);
    if (kw_dtype_info(spec->dtype)->encode)
        kw_dtype_info(spec->dtype)->encode(data, values, (size_t)count, NULL);
    free(values);
    return data;
}

/* Writes a GGUF file and returns its path; tiny_remove ends it. */
static inline const char *tiny_write(tiny *t)
{
    kw_gguf_writer *writer = NULL;
    kw_error err = {0};
    (void)snprintf(t->path, sizeof t->path, "/tmp/kw-tiny-XXXXXX");
    const int fd = mkstemp(t->path);
    assert_true(fd >= 0);
    (void)close(fd);
    tiny_own_names(t);
    kw_status status =
        kw_gguf_create(t->path, t->metas, t->n_metas, t->tensors, t->n_tensors, &writer, &err);
    for (size_t i = 0; status == KW_OK && i < t->n_tensors; i++) {
        size_t bytes = 0;
        void *data = tiny_bytes(t, i, &bytes);
        status = kw_gguf_write(writer, data, bytes, &err);
        free(data);
    }
    if (status == KW_OK)
        status = kw_gguf_finish(writer, true, &err);
    if (status != KW_OK)
        fail_msg("%s", err.message);
    return t->path;
}

static inline void tiny_remove(tiny *t)
{
    if (t->path[0])
        (void)remove(t->path);
    t->path[0] = '\0';
}

/* The whole file in memory of exactly its size, at `shift` bytes off an aligned address. Free with
 * tiny_image_free. */
static inline unsigned char *tiny_image(tiny *t, size_t shift, size_t *len)
{
    kw_map map;
    assert_int_equal(kw_map_open(tiny_write(t), false, &map, NULL), KW_OK);
    unsigned char *image = malloc(map.len + shift);
    assert_non_null(image);
    memcpy(image + shift, map.data, map.len);
    *len = map.len;
    kw_map_close(&map);
    tiny_remove(t);
    return image + shift;
}

static inline void tiny_image_free(unsigned char *image, size_t shift)
{
    free(image - shift);
}

#endif
