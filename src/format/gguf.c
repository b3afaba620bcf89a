/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf.c - the GGUF reader: header, key-values, tensor directory of one file.
 *
 * The invariant: nothing is read before it was shown to lie inside the bytes, and nothing is
 * allocated for a count that the remaining bytes cannot hold. Versions 2 and 3, little-endian.
 * Source: the GGUF specification of the ggml project. */
#include "format/image.h"

#include "base/check.h"
#include "format/gguf_wire.h"
#include "format/name_index.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    MIN_META_BYTES = 8 + 4 + 1,       /* empty key, type, one byte */
    MIN_TENSOR_BYTES = 8 + 4 + 4 + 8, /* empty name, rank 0, type, offset */
    MIN_STRING_BYTES = 8
};

typedef struct reader {
    const unsigned char *data;
    size_t len, pos;
    kw_arena *arena;
    kw_error *err;
    char subject[48]; /* what is being read: "key-value 3" */
} reader;

static size_t remaining(const reader *r)
{
    return r->len - r->pos;
}

/* The next n bytes, or an error that says what they were to hold. */
static kw_status take(reader *r, uint64_t n, const char *what, const unsigned char **out)
{
    if (n > remaining(r))
        return kw_fail(r->err, KW_E_FORMAT,
                       "gguf: %s: %s needs %" PRIu64
                       " bytes at %zu, past the end of the file (%zu)",
                       r->subject, what, n, r->pos, r->len);
    *out = r->data + r->pos;
    r->pos += (size_t)n;
    return KW_OK;
}

static kw_status take_u32(reader *r, const char *what, uint32_t *out)
{
    const unsigned char *bytes = NULL;
    KW_TRY(take(r, 4, what, &bytes));
    *out = (uint32_t)kw_gguf_wire_load(KW_GGUF_U32, bytes).i;
    return KW_OK;
}

static kw_status take_u64(reader *r, const char *what, uint64_t *out)
{
    const unsigned char *bytes = NULL;
    KW_TRY(take(r, 8, what, &bytes));
    *out = (uint64_t)kw_gguf_wire_load(KW_GGUF_U64, bytes).i;
    return KW_OK;
}

static kw_status take_string(reader *r, const char *what, kw_str *out)
{
    uint64_t len = 0;
    const unsigned char *bytes = NULL;
    KW_TRY(take_u64(r, what, &len));
    KW_TRY(take(r, len, what, &bytes));
    *out = (kw_str){(const char *)bytes, (size_t)len};
    return KW_OK;
}

/* A key or a tensor's name. */
static kw_status take_name(reader *r, const char *what, kw_str *out)
{
    KW_TRY(take_string(r, what, out));
    if (out->len > KW_MAX_NAME)
        return kw_fail(r->err, KW_E_LIMIT, "gguf: %s: %s of %zu bytes (at most %d)", r->subject,
                       what, out->len, KW_MAX_NAME);
    if (!kw_name_is_clean(*out))
        return kw_fail(r->err, KW_E_FORMAT, "gguf: %s: %s is not printable UTF-8", r->subject,
                       what);
    return KW_OK;
}

/* Refuses what a loaded value could not say: u64 beyond i64, booleans other than 0 and 1. */
static kw_status check_items(reader *r, kw_str key, uint32_t wire_type, const unsigned char *items,
                             uint64_t n)
{
    for (uint64_t i = 0; wire_type == KW_GGUF_BOOL && i < n; i++) {
        if (items[i] > 1)
            return kw_fail(r->err, KW_E_FORMAT, "gguf: key \"%.*s\": %u is no boolean", KW_FMT(key),
                           items[i]);
    }
    for (uint64_t i = 0; wire_type == KW_GGUF_U64 && i < n; i++) {
        if (items[8 * i + 7] > 0x7f)
            return kw_fail(r->err, KW_E_UNSUPPORTED,
                           "gguf: key \"%.*s\": an unsigned value above %" PRId64, KW_FMT(key),
                           INT64_MAX);
    }
    return KW_OK;
}

/* n strings into views; they are walked once before the views are allocated. */
static kw_status take_strings(reader *r, uint64_t n, kw_value *value)
{
    const size_t start = r->pos;
    kw_str skipped;
    for (uint64_t i = 0; i < n; i++)
        KW_TRY(take_string(r, "a string of its array", &skipped));
    kw_str *const strings = kw_arena_array(r->arena, (size_t)n, sizeof *strings);
    if (!strings)
        return kw_fail(r->err, KW_E_NOMEM, "gguf: %s: no memory for %" PRIu64 " strings",
                       r->subject, n);
    r->pos = start;
    for (uint64_t i = 0; i < n; i++)
        KW_TRY(take_string(r, "a string of its array", &strings[i]));
    value->array.items = strings;
    return KW_OK;
}

static kw_status take_array(reader *r, kw_str key, kw_value *value)
{
    uint32_t wire_type = 0;
    uint64_t n = 0;
    KW_TRY(take_u32(r, "the type of its array", &wire_type));
    KW_TRY(take_u64(r, "the length of its array", &n));
    if (wire_type == KW_GGUF_ARRAY)
        return kw_fail(r->err, KW_E_UNSUPPORTED, "gguf: key \"%.*s\": an array of arrays",
                       KW_FMT(key));
    if (wire_type >= KW_GGUF_N_WIRES)
        return kw_fail(r->err, KW_E_FORMAT, "gguf: key \"%.*s\": an array of unknown type %u",
                       KW_FMT(key), wire_type);
    const size_t item_bytes =
        wire_type == KW_GGUF_STRING ? MIN_STRING_BYTES : kw_gguf_wire_bytes(wire_type);
    if (n > remaining(r) / item_bytes)
        return kw_fail(r->err, KW_E_FORMAT,
                       "gguf: key \"%.*s\": %" PRIu64 " items cannot lie in the %zu bytes left",
                       KW_FMT(key), n, remaining(r));
    value->kind = KW_VALUE_ARRAY;
    value->array.kind = kw_gguf_wire_kind(wire_type);
    value->array.wire_type = wire_type;
    value->array.n = n;
    if (wire_type == KW_GGUF_STRING)
        return take_strings(r, n, value);
    const unsigned char *items = NULL;
    KW_TRY(take(r, n * item_bytes, "its array", &items));
    value->array.items = items;
    return check_items(r, key, wire_type, items, n);
}

static kw_status take_value(reader *r, kw_str key, kw_value *value)
{
    uint32_t wire_type = 0;
    KW_TRY(take_u32(r, "its type", &wire_type));
    value->wire_type = wire_type;
    if (wire_type == KW_GGUF_ARRAY)
        return take_array(r, key, value);
    if (wire_type == KW_GGUF_STRING) {
        value->kind = KW_VALUE_STRING;
        return take_string(r, "its value", &value->s);
    }
    const size_t bytes = kw_gguf_wire_bytes(wire_type);
    const unsigned char *src = NULL;
    if (bytes == 0)
        return kw_fail(r->err, KW_E_FORMAT, "gguf: key \"%.*s\": unknown type %u", KW_FMT(key),
                       wire_type);
    KW_TRY(take(r, bytes, "its value", &src));
    KW_TRY(check_items(r, key, wire_type, src, 1));
    *value = kw_gguf_wire_load(wire_type, src);
    return KW_OK;
}

static kw_status read_metas(reader *r, uint64_t n, kw_image *out)
{
    out->metas = kw_arena_array(r->arena, (size_t)n, sizeof *out->metas);
    if (!out->metas)
        return kw_fail(r->err, KW_E_NOMEM, "gguf: no memory for %" PRIu64 " key-values", n);
    for (size_t i = 0; i < n; i++) {
        kw_meta *const meta = &out->metas[i];
        (void)snprintf(r->subject, sizeof r->subject, "key-value %zu", i);
        KW_TRY(take_name(r, "its key", &meta->key));
        KW_TRY(take_value(r, meta->key, &meta->value));
    }
    out->n_metas = (size_t)n;
    kw_name_index index;
    return kw_name_index_build(&index, r->arena, out->metas, sizeof *out->metas, out->n_metas,
                               "gguf: key", r->err);
}

static kw_status read_alignment(const kw_image *image, size_t *out, kw_error *err)
{
    const kw_value *const value = kw_image_meta(image, "general.alignment");
    *out = KW_GGUF_DEFAULT_ALIGNMENT;
    if (!value)
        return KW_OK;
    if (value->kind != KW_VALUE_INT)
        return kw_fail(err, KW_E_FORMAT, "gguf: general.alignment is no integer");
    if (value->i < 1 || value->i > KW_GGUF_MAX_ALIGNMENT || (value->i & (value->i - 1)) != 0)
        return kw_fail(err, KW_E_FORMAT,
                       "gguf: general.alignment is %" PRId64 " (a power of two up to %u is needed)",
                       value->i, KW_GGUF_MAX_ALIGNMENT);
    *out = (size_t)value->i;
    return KW_OK;
}

static kw_status read_shape(reader *r, kw_tensor_view *view)
{
    uint32_t rank = 0;
    int64_t count;
    KW_TRY(take_u32(r, "its rank", &rank));
    if (rank > KW_GGUF_MAX_RANK)
        return kw_fail(r->err, KW_E_FORMAT, "gguf: tensor \"%.*s\": %u dimensions (at most %d)",
                       KW_FMT(view->name), rank, KW_GGUF_MAX_RANK);
    view->shape.rank = view->file_rank = (int)rank;
    for (uint32_t i = 0; i < rank; i++) {
        uint64_t dim = 0;
        KW_TRY(take_u64(r, "its dimensions", &dim));
        if (dim == 0 || dim > INT64_MAX)
            return kw_fail(r->err, KW_E_FORMAT,
                           "gguf: tensor \"%.*s\": dimension %u is %" PRIu64 " (at least 1)",
                           KW_FMT(view->name), i, dim);
        view->shape.dim[rank - 1 - i] = (int64_t)dim; /* the file has the fastest first */
    }
    if (!kw_shape_count(view->shape, &count))
        return kw_fail(r->err, KW_E_FORMAT,
                       "gguf: tensor \"%.*s\": its dimensions multiply past 2^63",
                       KW_FMT(view->name));
    return KW_OK;
}

/* Fills dtype, type_name and bytes; bytes stays 0 for a type whose block is unknown. */
static kw_status read_type(reader *r, kw_tensor_view *view)
{
    uint32_t id = 0;
    uint16_t block_elems, block_bytes;
    int64_t count = 0;
    KW_TRY(take_u32(r, "its type", &id));
    if (!kw_dtype_by_gguf(id, &view->dtype))
        view->dtype = KW_N_DTYPES;
    view->type_name = kw_gguf_type_name(id);
    if (!view->type_name) {
        char text[24];
        (void)snprintf(text, sizeof text, "type %u", id);
        view->type_name = kw_arena_strdup(r->arena, kw_str_from(text));
        if (!view->type_name)
            return kw_fail(r->err, KW_E_NOMEM, "gguf: no memory for the name of type %u", id);
    }
    if (!kw_gguf_type_block(id, &block_elems, &block_bytes))
        return KW_OK;
    const int64_t row = view->shape.rank > 0 ? view->shape.dim[view->shape.rank - 1] : 1;
    if (row % block_elems != 0)
        return kw_fail(r->err, KW_E_FORMAT,
                       "gguf: tensor \"%.*s\": rows of %" PRId64
                       " elements are no whole blocks of %s (%u)",
                       KW_FMT(view->name), row, view->type_name, block_elems);
    if (!kw_shape_count(view->shape, &count) ||
        !kw_mul_u64((uint64_t)count / block_elems, block_bytes, &view->bytes))
        return kw_fail(r->err, KW_E_FORMAT, "gguf: tensor \"%.*s\": its size passes 2^64 bytes",
                       KW_FMT(view->name));
    return KW_OK;
}

/* Views with offsets still relative to the data. */
static kw_status read_tensors(reader *r, uint64_t n, int part, size_t alignment, kw_image *out)
{
    out->tensors = kw_arena_array(r->arena, (size_t)n, sizeof *out->tensors);
    if (!out->tensors)
        return kw_fail(r->err, KW_E_NOMEM, "gguf: no memory for %" PRIu64 " tensors", n);
    for (size_t i = 0; i < n; i++) {
        kw_tensor_view *const view = &out->tensors[i];
        (void)snprintf(r->subject, sizeof r->subject, "tensor %zu", i);
        view->part = part;
        KW_TRY(take_name(r, "its name", &view->name));
        KW_TRY(read_shape(r, view));
        KW_TRY(read_type(r, view));
        KW_TRY(take_u64(r, "its offset", &view->offset));
        if (view->offset % alignment != 0)
            return kw_fail(r->err, KW_E_FORMAT,
                           "gguf: tensor \"%.*s\": offset %" PRIu64 " is no multiple of %zu",
                           KW_FMT(view->name), view->offset, alignment);
    }
    out->n_tensors = (size_t)n;
    return KW_OK;
}

/* Points the views into the data, which begins at the next aligned byte, and checks each. */
static kw_status place_tensors(const reader *r, size_t alignment, kw_image *out)
{
    const size_t padding = (alignment - r->pos % alignment) % alignment;
    const size_t start = r->pos + KW_MIN(padding, remaining(r));
    const uint64_t room = r->len - start;
    kw_views_sort(out->tensors, out->n_tensors);
    for (size_t i = 0; i < out->n_tensors; i++) {
        kw_tensor_view *const view = &out->tensors[i];
        if (view->offset > room || view->bytes > room - view->offset)
            return kw_fail(r->err, KW_E_FORMAT,
                           "gguf: tensor \"%.*s\": offset %" PRIu64 " + %" PRIu64
                           " bytes runs past the end of the data (%" PRIu64 ")",
                           KW_FMT(view->name), view->offset, view->bytes, room);
        view->offset += start;
        view->data = view->bytes > 0 ? r->data + view->offset : NULL;
        const kw_tensor_view *const before = i > 0 ? &view[-1] : NULL;
        if (before && before->offset + before->bytes > view->offset)
            return kw_fail(r->err, KW_E_FORMAT,
                           "gguf: the data of tensor \"%.*s\" overlaps another",
                           KW_FMT(view->name));
    }
    return KW_OK;
}

static kw_status read_header(reader *r, uint32_t *version, uint64_t *n_tensors, uint64_t *n_metas)
{
    (void)snprintf(r->subject, sizeof r->subject, "header");
    const unsigned char *magic = NULL;
    KW_TRY(take(r, 4, "the magic", &magic));
    KW_TRY(take_u32(r, "the version", version));
    if (*version != 0 && (*version & 0xffff) == 0)
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "gguf: version 0x%08x: a big-endian file, which is not supported", *version);
    if (*version == 1)
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "gguf: version 1 (of August 2023) is not supported; 2 and 3 are");
    if (*version < 2 || *version > 3)
        return kw_fail(r->err, KW_E_UNSUPPORTED, "gguf: version %u is not supported; 2 and 3 are",
                       *version);
    KW_TRY(take_u64(r, "the number of tensors", n_tensors));
    KW_TRY(take_u64(r, "the number of key-values", n_metas));
    if (*n_metas > remaining(r) / MIN_META_BYTES)
        return kw_fail(r->err, KW_E_FORMAT,
                       "gguf: %" PRIu64 " key-values cannot lie in the %zu bytes left", *n_metas,
                       remaining(r));
    if (*n_tensors > remaining(r) / MIN_TENSOR_BYTES)
        return kw_fail(r->err, KW_E_FORMAT,
                       "gguf: %" PRIu64 " tensors cannot lie in the %zu bytes left", *n_tensors,
                       remaining(r));
    if (*n_metas > KW_MAX_METAS || *n_tensors > KW_MAX_TENSORS)
        return kw_fail(r->err, KW_E_LIMIT,
                       "gguf: %" PRIu64 " key-values and %" PRIu64 " tensors (at most %zu and %zu)",
                       *n_metas, *n_tensors, KW_MAX_METAS, KW_MAX_TENSORS);
    return KW_OK;
}

kw_status kw_gguf_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err)
{
    reader r = {
        .data = (const unsigned char *)bytes.data, .len = bytes.len, .arena = arena, .err = err};
    kw_image image = {.kind = KW_FILE_GGUF};
    uint64_t n_tensors = 0, n_metas = 0;
    size_t alignment = 1;
    KW_TRY(read_header(&r, &image.version, &n_tensors, &n_metas));
    KW_TRY(read_metas(&r, n_metas, &image));
    KW_TRY(read_alignment(&image, &alignment, err));
    KW_TRY(read_tensors(&r, n_tensors, part, alignment, &image));
    KW_TRY(place_tensors(&r, alignment, &image));
    *out = image;
    return KW_OK;
}
