/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* safetensors.c - the safetensors reader: the JSON header of one file.
 *
 * The invariant: the tensors cover the data exactly, in some order, without holes, overlaps or
 * bytes left over, and each one's bytes are what its type and shape need. Source: the format's
 * description and the checks of its reference implementation. */
#include "format/image.h"

#include "base/check.h"
#include "base/json.h"

#include <inttypes.h>

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100000000, MAX_FILE_RANK = 32, MAX_TYPE_NAME = 24 };

/* A tensor while its fields come in, in any order. */
typedef struct entry {
    bool has_dtype, has_shape, has_offsets;
    kw_str dtype;
    uint64_t begin, end;
    kw_tensor_view view;
} entry;

typedef struct reader {
    kw_json json;
    kw_arena *arena;
    uint64_t data_bytes; /* of the data after the header */
    kw_image image;
    size_t tensor_capacity, meta_capacity;
    bool has_metadata;
    kw_error *err;
} reader;

static kw_status once(reader *r, bool *seen, kw_str owner, const char *field)
{
    if (*seen)
        return kw_fail(r->err, KW_E_FORMAT, "safetensors: \"%.*s\": \"%s\" appears twice",
                       KW_FMT(owner), field);
    *seen = true;
    return KW_OK;
}

/* The "__metadata__" object: strings only. */
static kw_status read_metadata(reader *r)
{
    kw_json_token token;
    KW_TRY(once(r, &r->has_metadata, KW_STR("header"), "__metadata__"));
    KW_TRY(kw_json_expect(&r->json, KW_JSON_OBJECT, &token, r->err));
    for (;;) {
        kw_str key, text;
        KW_TRY(kw_json_next(&r->json, &token, r->err));
        if (token.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        KW_TRY(kw_json_string(&r->json, &token, r->arena, &key, r->err));
        KW_TRY(kw_json_expect(&r->json, KW_JSON_STRING, &token, r->err));
        KW_TRY(kw_json_string(&r->json, &token, r->arena, &text, r->err));
        if (key.len > KW_MAX_NAME || !kw_name_is_clean(key))
            return kw_fail(r->err, KW_E_FORMAT,
                           "safetensors: a key of __metadata__ is too long or not printable");
        const kw_str prefix = KW_STR("__metadata__.");
        char *const full = kw_arena_alloc(r->arena, prefix.len + key.len);
        if (!full)
            return kw_fail(r->err, KW_E_NOMEM, "safetensors: no memory for __metadata__");
        memcpy(full, prefix.data, prefix.len);
        if (key.len > 0)
            memcpy(full + prefix.len, key.data, key.len);
        const kw_meta meta = {{full, prefix.len + key.len},
                              {.kind = KW_VALUE_STRING, .wire_type = 8, .s = text}};
        KW_TRY(kw_image_push_meta(&r->image, &r->meta_capacity, r->arena, &meta, r->err));
    }
}

/* The dimensions, outermost first; leading ones beyond KW_MAX_RANK are folded into the first. */
static kw_status read_shape(reader *r, kw_tensor_view *view)
{
    kw_json_token token;
    uint64_t dims[MAX_FILE_RANK];
    int rank = 0;
    KW_TRY(kw_json_expect(&r->json, KW_JSON_ARRAY, &token, r->err));
    for (;;) {
        KW_TRY(kw_json_next(&r->json, &token, r->err));
        if (token.kind == KW_JSON_ARRAY_END)
            break;
        if (rank == MAX_FILE_RANK)
            return kw_fail(r->err, KW_E_LIMIT, "safetensors: \"%.*s\": more than %d dimensions",
                           KW_FMT(view->name), MAX_FILE_RANK);
        KW_TRY(kw_json_u64(&r->json, &token, &dims[rank], r->err));
        if (dims[rank] > INT64_MAX)
            return kw_fail(r->err, KW_E_FORMAT, "safetensors: \"%.*s\": dimension %d is %" PRIu64,
                           KW_FMT(view->name), rank, dims[rank]);
        rank++;
    }
    const int n_folded = KW_MAX(rank - KW_MAX_RANK, 0);
    view->file_rank = rank;
    view->shape.rank = rank - n_folded;
    for (int i = 0; i < n_folded; i++) {
        if (!kw_mul_u64(dims[i], dims[i + 1], &dims[i + 1]) || dims[i + 1] > INT64_MAX)
            return kw_fail(r->err, KW_E_FORMAT,
                           "safetensors: \"%.*s\": its dimensions multiply past 2^63",
                           KW_FMT(view->name));
    }
    for (int i = n_folded; i < rank; i++)
        view->shape.dim[i - n_folded] = (int64_t)dims[i];
    return KW_OK;
}

static kw_status read_offsets(reader *r, entry *e)
{
    kw_json_token token;
    KW_TRY(kw_json_expect(&r->json, KW_JSON_ARRAY, &token, r->err));
    KW_TRY(kw_json_expect(&r->json, KW_JSON_NUMBER, &token, r->err));
    KW_TRY(kw_json_u64(&r->json, &token, &e->begin, r->err));
    KW_TRY(kw_json_expect(&r->json, KW_JSON_NUMBER, &token, r->err));
    KW_TRY(kw_json_u64(&r->json, &token, &e->end, r->err));
    return kw_json_expect(&r->json, KW_JSON_ARRAY_END, &token, r->err);
}

static kw_status read_field(reader *r, const kw_json_token *key, entry *e)
{
    kw_str name;
    kw_json_token token;
    KW_TRY(kw_json_string(&r->json, key, r->arena, &name, r->err));
    if (kw_str_is(name, "dtype")) {
        KW_TRY(once(r, &e->has_dtype, e->view.name, "dtype"));
        KW_TRY(kw_json_expect(&r->json, KW_JSON_STRING, &token, r->err));
        return kw_json_string(&r->json, &token, r->arena, &e->dtype, r->err);
    }
    if (kw_str_is(name, "shape")) {
        KW_TRY(once(r, &e->has_shape, e->view.name, "shape"));
        return read_shape(r, &e->view);
    }
    if (kw_str_is(name, "data_offsets")) {
        KW_TRY(once(r, &e->has_offsets, e->view.name, "data_offsets"));
        return read_offsets(r, e);
    }
    return kw_json_skip(&r->json, key, r->err);
}

/* Resolves the type's name; one that the format does not have is kept as text. */
static kw_status resolve_type(reader *r, entry *e, unsigned *bits)
{
    *bits = 0;
    if (!kw_dtype_by_safetensors(e->dtype, &e->view.dtype))
        e->view.dtype = KW_N_DTYPES;
    if (kw_safetensors_type(e->dtype, &e->view.type_name, bits))
        return KW_OK;
    bool plain = e->dtype.len > 0 && e->dtype.len <= MAX_TYPE_NAME;
    for (size_t i = 0; plain && i < e->dtype.len; i++) {
        const char c = e->dtype.data[i];
        plain =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    if (!plain)
        return kw_fail(r->err, KW_E_FORMAT, "safetensors: \"%.*s\": its dtype is no type's name",
                       KW_FMT(e->view.name));
    e->view.type_name = kw_arena_strdup(r->arena, e->dtype);
    if (!e->view.type_name)
        return kw_fail(r->err, KW_E_NOMEM, "safetensors: no memory for a type's name");
    return KW_OK;
}

/* Checks a complete entry against itself and the data, and fills bytes and offset (relative). */
static kw_status finish_entry(reader *r, entry *e)
{
    kw_tensor_view *const view = &e->view;
    unsigned bits;
    int64_t count;
    uint64_t needed = 0;
    if (!e->has_dtype || !e->has_shape || !e->has_offsets)
        return kw_fail(r->err, KW_E_FORMAT, "safetensors: \"%.*s\": \"%s\" is missing",
                       KW_FMT(view->name),
                       !e->has_dtype ? "dtype" : (!e->has_shape ? "shape" : "data_offsets"));
    if (e->begin > e->end || e->end > r->data_bytes)
        return kw_fail(r->err, KW_E_FORMAT,
                       "safetensors: \"%.*s\": bytes %" PRIu64 " to %" PRIu64
                       " are not within the data (%" PRIu64 ")",
                       KW_FMT(view->name), e->begin, e->end, r->data_bytes);
    view->offset = e->begin;
    view->bytes = e->end - e->begin;
    KW_TRY(resolve_type(r, e, &bits));
    if (!kw_shape_count(view->shape, &count) ||
        !kw_mul_u64((uint64_t)count, KW_MAX(bits, 1), &needed))
        return kw_fail(r->err, KW_E_FORMAT,
                       "safetensors: \"%.*s\": its dimensions multiply past 2^63 bits",
                       KW_FMT(view->name));
    if (bits > 0 && (needed % 8 != 0 || needed / 8 != view->bytes))
        return kw_fail(r->err, KW_E_FORMAT,
                       "safetensors: \"%.*s\": %" PRIu64 " bytes where %s and shape need %" PRIu64,
                       KW_FMT(view->name), view->bytes, view->type_name, needed / 8);
    return KW_OK;
}

static kw_status read_entry(reader *r, kw_str name, int part)
{
    entry e = {.view = {.name = name, .part = part}};
    kw_json_token token;
    if (name.len > KW_MAX_NAME || !kw_name_is_clean(name))
        return kw_fail(r->err, KW_E_FORMAT,
                       "safetensors: the name of tensor %zu is too long or not printable",
                       r->image.n_tensors);
    KW_TRY(kw_json_expect(&r->json, KW_JSON_OBJECT, &token, r->err));
    for (;;) {
        KW_TRY(kw_json_next(&r->json, &token, r->err));
        if (token.kind == KW_JSON_OBJECT_END)
            break;
        KW_TRY(read_field(r, &token, &e));
    }
    KW_TRY(finish_entry(r, &e));
    return kw_image_push_tensor(&r->image, &r->tensor_capacity, r->arena, &e.view, r->err);
}

/* Sorts the views by offset, demands that they tile the data, and points them into it. */
static kw_status place_tensors(reader *r, const char *data, uint64_t data_start)
{
    uint64_t covered = 0;
    kw_views_sort(r->image.tensors, r->image.n_tensors);
    for (size_t i = 0; i < r->image.n_tensors; i++) {
        kw_tensor_view *const view = &r->image.tensors[i];
        if (view->offset != covered)
            return kw_fail(r->err, KW_E_FORMAT,
                           "safetensors: \"%.*s\": begins at byte %" PRIu64
                           " of the data where %" PRIu64 " is next (a hole or an overlap)",
                           KW_FMT(view->name), view->offset, covered);
        covered += view->bytes;
        view->offset += data_start;
        view->data = data + (size_t)view->offset;
    }
    if (covered != r->data_bytes)
        return kw_fail(r->err, KW_E_FORMAT,
                       "safetensors: the tensors cover %" PRIu64 " of the %" PRIu64
                       " bytes of data",
                       covered, r->data_bytes);
    return KW_OK;
}

kw_status kw_safetensors_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out,
                               kw_error *err)
{
    uint64_t header_bytes = 0;
    if (bytes.len < LENGTH_BYTES)
        return kw_fail(err, KW_E_FORMAT, "safetensors: a file of %zu bytes", bytes.len);
    for (size_t i = LENGTH_BYTES; i-- > 0;)
        header_bytes = header_bytes << 8 | (unsigned char)bytes.data[i];
    if (header_bytes > MAX_HEADER_BYTES)
        return kw_fail(err, KW_E_LIMIT, "safetensors: a header of %" PRIu64 " bytes (at most %d)",
                       header_bytes, MAX_HEADER_BYTES);
    const uint64_t rest = bytes.len - LENGTH_BYTES;
    if (header_bytes > rest)
        return kw_fail(err, KW_E_FORMAT,
                       "safetensors: a header of %" PRIu64
                       " bytes runs past the end of the file (%zu)",
                       header_bytes, bytes.len);
    reader r = {.arena = arena, .data_bytes = rest - header_bytes, .err = err};
    r.image.kind = KW_FILE_SAFETENSORS;
    kw_json_init(&r.json, (kw_str){bytes.data + LENGTH_BYTES, (size_t)header_bytes},
                 "safetensors: header");
    kw_json_token token;
    KW_TRY(kw_json_expect(&r.json, KW_JSON_OBJECT, &token, err));
    for (;;) {
        kw_str name;
        KW_TRY(kw_json_next(&r.json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            break;
        KW_TRY(kw_json_string(&r.json, &token, arena, &name, err));
        if (kw_str_is(name, "__metadata__"))
            KW_TRY(read_metadata(&r));
        else
            KW_TRY(read_entry(&r, name, part));
    }
    KW_TRY(kw_json_expect(&r.json, KW_JSON_END, &token, err));
    KW_TRY(place_tensors(&r, bytes.data, LENGTH_BYTES + header_bytes));
    *out = r.image;
    return KW_OK;
}
