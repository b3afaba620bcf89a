/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* llama2c.c - the checkpoints of llama2.c: a row of numbers, its tensors in a fixed order, nothing
 * about them in between. They get GGUF's names and keys, since they pair rotated neighbours as GGUF
 * does.
 *
 * The invariant: the numbers say how long the file is, to the byte, or it is not opened. Version 0
 * has no mark at all and is recognised by that. Source: export.py and run.c of llama2.c. */
#include "format/llama2c.h"

#include "base/check.h"
#include "format/gguf_writer.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    N_PARAMETERS = 7,
    HEADER_0 = 4 * N_PARAMETERS,
    HEADER_1 = 256, /* of versions 1 and 2 */
    MAX_VALUE = 1 << 24,
    MAX_LAYERS = 1 << 16
};

/* The sides of a matrix. */
typedef enum side { ONE, DIM, HIDDEN, KV, VOCAB, ROTATION, N_SIDES } side;

typedef struct weight {
    const char *name; /* with %d: one in each layer; NULL: skipped */
    side rows, cols;
} weight;

static const weight EMBED = {"token_embd.weight", VOCAB, DIM};
static const weight ATTN_NORM = {"blk.%d.attn_norm.weight", ONE, DIM};
static const weight FFN_NORM = {"blk.%d.ffn_norm.weight", ONE, DIM};
static const weight NORM = {"output_norm.weight", ONE, DIM};
static const weight HEAD = {"output.weight", VOCAB, DIM};
static const weight Q = {"blk.%d.attn_q.weight", DIM, DIM};
static const weight K = {"blk.%d.attn_k.weight", KV, DIM};
static const weight V = {"blk.%d.attn_v.weight", KV, DIM};
static const weight O = {"blk.%d.attn_output.weight", DIM, DIM};
static const weight GATE = {"blk.%d.ffn_gate.weight", HIDDEN, DIM};
static const weight DOWN = {"blk.%d.ffn_down.weight", DIM, HIDDEN};
static const weight UP = {"blk.%d.ffn_up.weight", HIDDEN, DIM};
static const weight ANGLES = {NULL, ONE, ROTATION}; /* what the positions give anyway */

/* The order of each version; a head of its own comes last. */
static const weight *const ORDER_0[] = {&EMBED, &ATTN_NORM, &Q,  &K,    &V,      &O,  &FFN_NORM,
                                        &GATE,  &DOWN,      &UP, &NORM, &ANGLES, NULL};
static const weight *const ORDER_1[] = {&ATTN_NORM, &FFN_NORM, &NORM, &EMBED, &Q,  &K,
                                        &V,         &O,        &GATE, &DOWN,  &UP, NULL};

typedef struct model {
    int version;
    int64_t dim, hidden, layers, heads, kv_heads, vocab, context;
    bool own_head;
    int64_t group; /* weights in a row that share a scale, across rows; version 2. Divides dim, and
                    * so every matrix */
    int64_t sides[N_SIDES];
    uint64_t header;
} model;

typedef struct reader {
    const model *m;
    kw_str bytes;
    uint64_t pos;
    int part;
    kw_arena *arena;
    kw_image image;
    size_t capacity;
    kw_error *err;
} reader;

static uint32_t load_u32(const char *src)
{
    uint32_t v = 0;
    for (size_t i = 4; i-- > 0;)
        v = v << 8 | (unsigned char)src[i];
    return v;
}

/* ---- the numbers at the start ---- */

/* False when they cannot be those of a model. */
static bool read_parameters(model *m, const char *src)
{
    int64_t *const values[N_PARAMETERS] = {&m->dim,      &m->hidden, &m->layers, &m->heads,
                                           &m->kv_heads, &m->vocab,  &m->context};
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        *values[i] = (int32_t)load_u32(src + 4 * i);
        if (m->version == 0 && values[i] == &m->vocab && *values[i] < 0) {
            m->own_head = true; /* version 0 says so by the sign */
            *values[i] = -*values[i];
        }
        if (*values[i] < 1 || *values[i] > MAX_VALUE)
            return false;
    }
    if (m->layers > MAX_LAYERS || m->dim % m->heads != 0 || m->heads % m->kv_heads != 0 ||
        m->dim / m->heads % 2 != 0)
        return false;
    m->sides[ONE] = 1;
    m->sides[DIM] = m->dim;
    m->sides[HIDDEN] = m->hidden;
    m->sides[KV] = m->dim / m->heads * m->kv_heads;
    m->sides[VOCAB] = m->vocab;
    m->sides[ROTATION] = m->context * (m->dim / m->heads);
    return true;
}

static bool is_quantised(const model *m, const weight *w)
{
    return m->version == 2 && w->rows != ONE;
}

/* Elements of one tensor; sides are at most 2^24, but for the angles, which are a row. */
static uint64_t count(const model *m, const weight *w)
{
    return (uint64_t)m->sides[w->rows] * (uint64_t)m->sides[w->cols];
}

static uint64_t weight_bytes(const model *m, const weight *w)
{
    const uint64_t n = count(m, w);
    return is_quantised(m, w) ? n + n / (uint64_t)m->group * sizeof(float) : n * sizeof(float);
}

static const weight *const *order_of(const model *m)
{
    return m->version == 0 ? ORDER_0 : ORDER_1;
}

static uint64_t repeats(const model *m, const weight *w)
{
    return w->name && strchr(w->name, '%') ? (uint64_t)m->layers : 1;
}

/* Bytes of the whole file; false when they pass 2^64. */
static bool file_bytes(const model *m, uint64_t *out)
{
    uint64_t total = m->header, all = 0;
    for (const weight *const *w = order_of(m); *w; w++) {
        if (!kw_mul_u64(weight_bytes(m, *w), repeats(m, *w), &all) ||
            !kw_add_u64(total, all, &total))
            return false;
    }
    *out = total;
    return !m->own_head || kw_add_u64(total, weight_bytes(m, &HEAD), out);
}

bool kw_llama2c_is_version_0(kw_str bytes)
{
    model m = {.header = HEADER_0};
    uint64_t needed = 0;
    return bytes.len > HEADER_0 && read_parameters(&m, bytes.data) && file_bytes(&m, &needed) &&
           needed == bytes.len;
}

static kw_status read_header(model *m, kw_str bytes, kw_error *err)
{
    if (kw_llama2c_is_version_0(bytes)) {
        m->header = HEADER_0;
        (void)read_parameters(m, bytes.data);
        return KW_OK;
    }
    if (bytes.len < HEADER_1)
        return kw_fail(err, KW_E_FORMAT, "llama2.c: a file of %zu bytes", bytes.len);
    const uint32_t version = load_u32(bytes.data + 4);
    if (version != 1 && version != 2)
        return kw_fail(err, KW_E_UNSUPPORTED, "llama2.c: version %" PRIu32 " (0, 1 and 2 are read)",
                       version);
    m->version = (int)version;
    m->header = HEADER_1;
    m->own_head = bytes.data[8 + 4 * N_PARAMETERS] == 0;
    m->group = (int32_t)load_u32(bytes.data + 9 + 4 * N_PARAMETERS);
    if (!read_parameters(m, bytes.data + 8))
        return kw_fail(err, KW_E_FORMAT, "llama2.c: its header is that of no model");
    if (version == 2 && (m->group < 1 || m->dim % m->group != 0))
        return kw_fail(err, KW_E_FORMAT, "llama2.c: groups of %" PRId64 " in rows of %" PRId64,
                       m->group, m->dim);
    return KW_OK;
}

/* ---- tensors ---- */

/* 8-bit weights and a scale for each group of them, as the f32 values that they stand for. */
static kw_status decode(reader *r, const char *src, uint64_t n, const void **out)
{
    const size_t group = (size_t)r->m->group;
    const char *const scales = src + (size_t)n;
    float *const values = kw_arena_array(r->arena, (size_t)n, sizeof *values);
    if (!values)
        return kw_fail(r->err, KW_E_NOMEM, "llama2.c: no memory for %" PRIu64 " weights", n);
    for (size_t i = 0; i < (size_t)n; i++) {
        float scale;
        memcpy(&scale, scales + i / group * sizeof scale, sizeof scale);
        values[i] = (float)(signed char)src[i] * scale;
    }
    *out = values;
    return KW_OK;
}

static kw_status add_weight(reader *r, const weight *w, int layer)
{
    char name[64];
    const model *const m = r->m;
    const char *const data = r->bytes.data + (size_t)r->pos;
    kw_tensor_view view = {.dtype = KW_F32,
                           .type_name = "F32",
                           .data = data,
                           .bytes = count(m, w) * sizeof(float),
                           .offset = r->pos,
                           .part = r->part};
    r->pos += weight_bytes(m, w); /* all of them are the file's length */
    if (!w->name)
        return KW_OK;
    const int n = layer < 0 ? snprintf(name, sizeof name, "%s", w->name)
                            : snprintf(name, sizeof name, "blk.%d%s", layer, w->name + 6);
    view.name = (kw_str){kw_arena_strdup(r->arena, (kw_str){name, (size_t)n}), (size_t)n};
    if (!view.name.data)
        return kw_fail(r->err, KW_E_NOMEM, "llama2.c: no memory for a name");
    view.shape =
        w->rows == ONE ? SHAPE(m->sides[w->cols]) : SHAPE(m->sides[w->rows], m->sides[w->cols]);
    view.file_rank = view.shape.rank;
    if (is_quantised(m, w))
        KW_TRY(decode(r, data, count(m, w), &view.data));
    return kw_image_push_tensor(&r->image, &r->capacity, r->arena, &view, r->err);
}

static kw_status add_weights(reader *r)
{
    for (const weight *const *w = order_of(r->m); *w; w++) {
        const bool layered = (*w)->name && strchr((*w)->name, '%');
        for (uint64_t i = 0; i < repeats(r->m, *w); i++)
            KW_TRY(add_weight(r, *w, layered ? (int)i : -1));
    }
    return r->m->own_head ? add_weight(r, &HEAD, -1) : KW_OK;
}

static kw_status add_metas(reader *r)
{
    const model *const m = r->m;
    const kw_meta metas[] = {
        {KW_STR("general.architecture"), kw_gguf_string(KW_STR("llama"))},
        {KW_STR("llama.context_length"), kw_gguf_u32((uint32_t)m->context)},
        {KW_STR("llama.embedding_length"), kw_gguf_u32((uint32_t)m->dim)},
        {KW_STR("llama.block_count"), kw_gguf_u32((uint32_t)m->layers)},
        {KW_STR("llama.feed_forward_length"), kw_gguf_u32((uint32_t)m->hidden)},
        {KW_STR("llama.attention.head_count"), kw_gguf_u32((uint32_t)m->heads)},
        {KW_STR("llama.attention.head_count_kv"), kw_gguf_u32((uint32_t)m->kv_heads)},
        {KW_STR("llama.attention.layer_norm_rms_epsilon"), kw_gguf_f32(1e-5f)},
        {KW_STR("llama.rope.dimension_count"), kw_gguf_u32((uint32_t)(m->dim / m->heads))},
        {KW_STR("llama.rope.freq_base"), kw_gguf_f32(10000.0f)},
        {KW_STR("llama.vocab_size"), kw_gguf_u32((uint32_t)m->vocab)},
    };
    size_t capacity = 0;
    for (size_t i = 0; i < KW_COUNT(metas); i++)
        KW_TRY(kw_image_push_meta(&r->image, &capacity, r->arena, &metas[i], r->err));
    return KW_OK;
}

kw_status kw_llama2c_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err)
{
    model m = {0};
    uint64_t needed = 0;
    KW_TRY(read_header(&m, bytes, err));
    if (!file_bytes(&m, &needed) || needed != bytes.len)
        return kw_fail(err, KW_E_FORMAT,
                       "llama2.c: a model of these sizes has %" PRIu64 " bytes, the file %zu",
                       needed, bytes.len);
    reader r = {.m = &m,
                .bytes = bytes,
                .pos = m.header,
                .part = part,
                .arena = arena,
                .image = {.kind = KW_FILE_LLAMA2C, .version = (uint32_t)m.version},
                .err = err};
    KW_TRY(add_weights(&r));
    KW_TRY(add_metas(&r));
    kw_views_sort(r.image.tensors, r.image.n_tensors);
    *out = r.image;
    return KW_OK;
}
