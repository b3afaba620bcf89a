/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* synthetic.c - a model of a known shape with made-up weights, for measuring speed.
 *
 * The model is a GGUF image in memory, read by the same reader as any file, so that what is
 * measured is what runs. Weights repeat a block of random rows: speed does not depend on their
 * values. */
#include "engine/synthetic.h"

#include "engine/engine.h"

#include "base/check.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 32
#define N_KEYS 13
#define POOL_ELEMS ((size_t)1 << 16) /* random elements, repeated */

typedef struct shape {
    const char *name;
    int dim, layers, heads, kv_heads, ffn, vocab, context;
} shape;

static const shape shapes[] = {
    {"llama-15m", 288, 6, 6, 6, 768, 32000, 1024},
    {"llama-110m", 768, 12, 12, 12, 2048, 32000, 1024},
    {"llama-1.1b", 2048, 22, 32, 4, 5632, 32000, 4096},
    {"llama-1.1b-mqa", 2048, 22, 32, 1, 5632, 32000, 4096}, /* one key/value head, as Falcon 7B */
    {"llama-3b", 3072, 28, 24, 8, 8192, 128256, 8192},
    {"llama-7b", 4096, 32, 32, 32, 11008, 32000, 4096},
    {"llama-8b", 4096, 32, 32, 8, 14336, 128256, 8192},
    {"llama-13b", 5120, 40, 40, 40, 13824, 32000, 4096},
    {"llama-70b", 8192, 80, 64, 8, 28672, 128256, 8192},
};

typedef struct image {
    unsigned char *data; /* NULL while counting */
    size_t at;
    uint64_t tensors_at; /* offset of the next tensor within the data section */
} image;

static void put(image *im, const void *bytes, size_t len)
{
    if (im->data)
        memcpy(im->data + im->at, bytes, len);
    im->at += len;
}

static void put_u32(image *im, uint32_t v)
{
    const unsigned char le[4] = {(unsigned char)v, (unsigned char)(v >> 8),
                                 (unsigned char)(v >> 16), (unsigned char)(v >> 24)};
    put(im, le, sizeof le);
}

static void put_u64(image *im, uint64_t v)
{
    put_u32(im, (uint32_t)v);
    put_u32(im, (uint32_t)(v >> 32));
}

static void put_string(image *im, const char *text)
{
    put_u64(im, strlen(text));
    put(im, text, strlen(text));
}

static void put_key_u32(image *im, const char *key, uint32_t value)
{
    put_string(im, key);
    put_u32(im, 4); /* u32 */
    put_u32(im, value);
}

static void put_key_string(image *im, const char *key, const char *value)
{
    put_string(im, key);
    put_u32(im, 8); /* string */
    put_string(im, value);
}

/* One tensor's directory entry; returns its bytes. */
static size_t put_tensor(image *im, const char *name, kw_dtype dtype, int64_t rows, int64_t cols)
{
    size_t bytes = 0;
    (void)kw_tensor_bytes(dtype, rows > 0 ? SHAPE(rows, cols) : SHAPE(cols), &bytes);
    put_string(im, name);
    put_u32(im, rows > 0 ? 2 : 1);
    put_u64(im, (uint64_t)cols);
    if (rows > 0)
        put_u64(im, (uint64_t)rows);
    put_u32(im, (uint32_t)kw_dtype_info(dtype)->gguf_id);
    put_u64(im, im->tensors_at);
    im->tensors_at += kw_align_up(bytes, ALIGNMENT);
    return bytes;
}

typedef struct tensor_plan {
    const char *name;
    int rows, cols; /* rows 0: an f32 vector */
} tensor_plan;

#define LAYER_TENSORS 9

static void layer_tensors(const shape *s, tensor_plan out[LAYER_TENSORS])
{
    const int kv = s->dim / s->heads * s->kv_heads;
    const tensor_plan plan[LAYER_TENSORS] = {
        {"attn_norm", 0, s->dim},        {"attn_q", s->dim, s->dim},
        {"attn_k", kv, s->dim},          {"attn_v", kv, s->dim},
        {"attn_output", s->dim, s->dim}, {"ffn_norm", 0, s->dim},
        {"ffn_gate", s->ffn, s->dim},    {"ffn_up", s->ffn, s->dim},
        {"ffn_down", s->dim, s->ffn}};
    memcpy(out, plan, sizeof plan);
}

/* Header, keys and directory; with data set the same bytes are written. */
static void put_header(image *im, const shape *s, kw_dtype dtype)
{
    tensor_plan layer[LAYER_TENSORS];
    char name[64];
    im->at = 0;
    im->tensors_at = 0;
    put(im, "GGUF", 4);
    put_u32(im, 3);
    put_u64(im, (uint64_t)s->layers * LAYER_TENSORS + 3);
    put_u64(im, N_KEYS);
    put_key_string(im, "general.architecture", "llama");
    put_key_string(im, "general.name", s->name);
    put_key_u32(im, "llama.embedding_length", (uint32_t)s->dim);
    put_key_u32(im, "llama.block_count", (uint32_t)s->layers);
    put_key_u32(im, "llama.attention.head_count", (uint32_t)s->heads);
    put_key_u32(im, "llama.attention.head_count_kv", (uint32_t)s->kv_heads);
    put_key_u32(im, "llama.feed_forward_length", (uint32_t)s->ffn);
    put_key_u32(im, "llama.context_length", (uint32_t)s->context);
    put_key_u32(im, "llama.rope.dimension_count", (uint32_t)(s->dim / s->heads));
    put_key_u32(im, "llama.vocab_size", (uint32_t)s->vocab);
    put_string(im, "llama.attention.layer_norm_rms_epsilon");
    put_u32(im, 6);          /* f32 */
    put_u32(im, 0x3727c5ac); /* 1e-5 */
    put_key_string(im, "tokenizer.ggml.model", "none");
    put_key_u32(im, "general.alignment", ALIGNMENT);
    (void)put_tensor(im, "token_embd.weight", dtype, s->vocab, s->dim);
    (void)put_tensor(im, "output_norm.weight", KW_F32, 0, s->dim);
    (void)put_tensor(im, "output.weight", dtype, s->vocab, s->dim);
    layer_tensors(s, layer);
    for (int il = 0; il < s->layers; il++)
        for (int t = 0; t < LAYER_TENSORS; t++) {
            (void)snprintf(name, sizeof name, "blk.%d.%s.weight", il, layer[t].name);
            (void)put_tensor(im, name, layer[t].rows > 0 ? dtype : KW_F32, layer[t].rows,
                             layer[t].cols);
        }
    im->at = kw_align_up(im->at, ALIGNMENT);
}

/* A pool of encoded random elements, about N(0, 1/64) as trained weights are in size. */
static unsigned char *random_pool(kw_dtype dtype, size_t *bytes)
{
    const kw_dtype_traits *type = kw_dtype_info(dtype);
    *bytes = POOL_ELEMS / type->block_elems * type->block_bytes;
    float *values = malloc(POOL_ELEMS * sizeof *values);
    unsigned char *pool = malloc(*bytes);
    for (uint64_t i = 0; values && i < POOL_ELEMS; i++)
        values[i] = (kw_rng_uniform(1, 0, 2 * i) + kw_rng_uniform(1, 0, 2 * i + 1) - 1.0f) / 24.0f;
    if (values && pool)
        type->encode(pool, values, POOL_ELEMS, NULL);
    free(values);
    if (!values) {
        free(pool);
        return NULL;
    }
    return pool;
}

static void fill(unsigned char *data, size_t len, const unsigned char *pool, size_t pool_bytes)
{
    for (size_t at = 0; at < len; at += pool_bytes)
        memcpy(data + at, pool, KW_MIN(pool_bytes, len - at));
}

static kw_status find_shape(const char *name, const shape **out, kw_error *err)
{
    for (size_t i = 0; i < KW_COUNT(shapes); i++)
        if (strcmp(shapes[i].name, name) == 0) {
            *out = &shapes[i];
            return KW_OK;
        }
    return kw_fail(err, KW_E_NOTFOUND,
                   "synthetic: no shape \"%.40s\" (llama-15m, llama-110m, llama-1.1b, "
                   "llama-1.1b-mqa, llama-3b, llama-7b, llama-8b, llama-13b, llama-70b)",
                   name);
}

/* Fills the tensors of one type, through the directory that the reader made of the image. */
static kw_status fill_type(const kw_model_file *file, unsigned char *data, kw_dtype dtype,
                           kw_error *err)
{
    size_t pool_bytes;
    unsigned char *pool = random_pool(dtype, &pool_bytes);
    if (!pool)
        return kw_fail(err, KW_E_NOMEM, "synthetic: no memory for random weights");
    for (size_t i = 0; i < file->n_tensors; i++)
        if (file->tensors[i].dtype == dtype)
            fill(data + file->tensors[i].offset, (size_t)file->tensors[i].bytes, pool, pool_bytes);
    free(pool);
    return KW_OK;
}

static kw_status fill_image(unsigned char *data, size_t len, const char *name, kw_dtype dtype,
                            kw_error *err)
{
    kw_model_file *file;
    KW_TRY(kw_model_file_from_memory(data, len, name, &file, err));
    kw_status status = fill_type(file, data, KW_F32, err);
    if (status == KW_OK && dtype != KW_F32)
        status = fill_type(file, data, dtype, err);
    kw_model_file_close(file);
    return status;
}

/* An image in device memory; the caller frees *bytes of it. */
static kw_status make_image(kw_engine *engine, const char *shape_name, const char *type, image *im,
                            size_t *bytes, kw_error *err)
{
    const shape *s = NULL;
    kw_dtype dtype;
    KW_TRY(find_shape(shape_name, &s, err));
    if (!kw_dtype_by_name(kw_str_from(type), &dtype) || kw_dtype_info(dtype)->gguf_id < 0 ||
        !kw_dtype_info(dtype)->encode)
        return kw_fail(err, KW_E_NOTFOUND, "synthetic: no weight type \"%.40s\"", type);
    if (s->dim % kw_dtype_info(dtype)->block_elems != 0)
        return kw_fail(err, KW_E_UNSUPPORTED, "synthetic: rows of %d do not pack into %s blocks",
                       s->dim, type);
    *im = (image){0};
    put_header(im, s, dtype);
    *bytes = im->at + (size_t)im->tensors_at;
    KW_TRY(kw_engine_reserve(engine, *bytes, shape_name, err));
    kw_engine_release(engine, *bytes); /* the model reserves it for good */
    im->data = engine->backend->alloc(engine->device, *bytes);
    if (!im->data)
        return kw_fail(err, KW_E_NOMEM, "synthetic: no memory for %zu MiB", *bytes >> 20);
    put_header(im, s, dtype);
    const kw_status status = fill_image(im->data, *bytes, shape_name, dtype, err);
    if (status != KW_OK)
        engine->backend->free(engine->device, im->data, *bytes);
    return status;
}

kw_status kw_model_synthetic(kw_engine *engine, const char *shape_name, const char *type,
                             kw_model **out, kw_error *err)
{
    image im;
    size_t bytes = 0;
    kw_model *model = NULL;
    KW_TRY(make_image(engine, shape_name, type, &im, &bytes, err));
    const kw_status status =
        kw_model_load_memory(engine, im.data, bytes, shape_name, NULL, &model, err);
    if (status != KW_OK) {
        engine->backend->free(engine->device, im.data, bytes);
        return status;
    }
    model->image = im.data;
    model->image_bytes = bytes;
    *out = model;
    return KW_OK;
}

kw_status kw_synthetic_write(kw_engine *engine, const char *shape_name, const char *type,
                             const char *path, kw_error *err)
{
    image im;
    size_t bytes = 0;
    kw_file_writer *writer = NULL;
    KW_TRY(make_image(engine, shape_name, type, &im, &bytes, err));
    kw_status status = kw_file_create(path, &writer, err);
    if (status == KW_OK) {
        status = kw_file_write(writer, im.data, bytes, err);
        const kw_status finished = kw_file_finish(writer, status == KW_OK, err);
        status = status == KW_OK ? finished : status;
    }
    engine->backend->free(engine->device, im.data, bytes);
    return status;
}
