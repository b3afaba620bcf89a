/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_writer.c - header, key-values and directory in one buffer, then the tensors as they come. */
#include "format/gguf_writer.h"

#include "base/buf.h"
#include "base/check.h"
#include "format/image.h"

#include <stdlib.h>

struct kw_gguf_writer {
    kw_tensor_stream stream;
};

static void put_u32(kw_buf *buf, uint32_t v)
{
    unsigned char bytes[8];
    const kw_value value = kw_gguf_u32(v);
    kw_buf_add(buf, (const char *)bytes, kw_gguf_wire_store(&value, bytes));
}

static void put_u64(kw_buf *buf, uint64_t v)
{
    unsigned char bytes[8];
    const kw_value value = kw_gguf_int(KW_GGUF_U64, (int64_t)v);
    kw_buf_add(buf, (const char *)bytes, kw_gguf_wire_store(&value, bytes));
}

static void put_string(kw_buf *buf, kw_str text)
{
    put_u64(buf, text.len);
    kw_buf_add(buf, text.data, text.len);
}

kw_value kw_gguf_array(uint32_t wire_type, const void *items, uint64_t n)
{
    kw_value value = {.kind = KW_VALUE_ARRAY, .wire_type = KW_GGUF_ARRAY};
    value.array.kind = kw_gguf_wire_kind(wire_type);
    value.array.wire_type = wire_type;
    value.array.n = n;
    value.array.items = items;
    return value;
}

static kw_status put_array(kw_buf *buf, const kw_value *value, kw_str key, kw_error *err)
{
    const uint32_t wire_type = value->array.wire_type;
    size_t bytes = 0;
    put_u32(buf, wire_type);
    put_u64(buf, value->array.n);
    if (wire_type == KW_GGUF_STRING) {
        const kw_str *const strings = value->array.items;
        for (uint64_t i = 0; i < value->array.n; i++)
            put_string(buf, strings[i]);
        return KW_OK;
    }
    if (value->array.kind == KW_VALUE_NULL || kw_gguf_wire_bytes(wire_type) == 0 ||
        value->array.n > SIZE_MAX ||
        !kw_mul_size((size_t)value->array.n, kw_gguf_wire_bytes(wire_type), &bytes))
        return kw_fail(err, KW_E_ARG, "gguf: key \"%.*s\": an array that the format cannot hold",
                       KW_FMT(key));
    kw_buf_add(buf, value->array.items, bytes);
    return KW_OK;
}

static kw_status put_meta(kw_buf *buf, const kw_meta *meta, kw_error *err)
{
    const kw_value *const value = &meta->value;
    if (meta->key.len == 0 || meta->key.len > KW_MAX_NAME || !kw_name_is_clean(meta->key))
        return kw_fail(err, KW_E_ARG, "gguf: a key is empty, too long or not printable");
    if (kw_gguf_wire_kind(value->wire_type) != value->kind)
        return kw_fail(err, KW_E_ARG, "gguf: key \"%.*s\": a value that the format cannot hold",
                       KW_FMT(meta->key));
    put_string(buf, meta->key);
    put_u32(buf, value->wire_type);
    if (value->kind == KW_VALUE_ARRAY)
        return put_array(buf, value, meta->key, err);
    if (value->kind == KW_VALUE_STRING) {
        put_string(buf, value->s);
        return KW_OK;
    }
    unsigned char bytes[8];
    kw_buf_add(buf, (const char *)bytes, kw_gguf_wire_store(value, bytes));
    return KW_OK;
}

/* Zeros up to the next multiple of the alignment. */
static void put_padding(kw_buf *buf, size_t alignment)
{
    while (!buf->failed && buf->len % alignment != 0)
        kw_buf_add(buf, "", 1);
}

/* The directory entry of a tensor; *offset moves behind its padded data. */
static kw_status put_tensor(kw_buf *buf, const kw_tensor_spec *tensor, size_t bytes,
                            size_t alignment, uint64_t *offset, kw_error *err)
{
    const int32_t id = kw_dtype_info(tensor->dtype)->gguf_id;
    if (id < 0)
        return kw_fail(err, KW_E_ARG, "gguf: tensor \"%.160s\": the format has no %s", tensor->name,
                       kw_dtype_info(tensor->dtype)->name);
    if (bytes == 0)
        return kw_fail(err, KW_E_ARG, "gguf: tensor \"%.160s\" has no elements", tensor->name);
    put_string(buf, kw_str_from(tensor->name));
    put_u32(buf, (uint32_t)tensor->shape.rank);
    for (int i = tensor->shape.rank; i-- > 0;)
        put_u64(buf, (uint64_t)tensor->shape.dim[i]);
    put_u32(buf, (uint32_t)id);
    put_u64(buf, *offset);
    const size_t used = bytes % alignment;
    if (!kw_add_u64(*offset, bytes, offset) ||
        !kw_add_u64(*offset, used == 0 ? 0 : alignment - used, offset))
        return kw_fail(err, KW_E_ARG, "gguf: the tensors pass 2^64 bytes");
    return KW_OK;
}

static kw_status find_alignment(const kw_meta *metas, size_t n_metas, size_t *out, kw_error *err)
{
    *out = KW_GGUF_DEFAULT_ALIGNMENT;
    for (size_t i = 0; i < n_metas; i++) {
        if (!kw_str_is(metas[i].key, "general.alignment"))
            continue;
        const kw_value *const value = &metas[i].value;
        if (value->kind != KW_VALUE_INT || value->i < 1 || value->i > KW_GGUF_MAX_ALIGNMENT ||
            (value->i & (value->i - 1)) != 0)
            return kw_fail(err, KW_E_ARG, "gguf: general.alignment is no power of two up to %u",
                           KW_GGUF_MAX_ALIGNMENT);
        *out = (size_t)value->i;
    }
    return KW_OK;
}

static kw_status put_header(kw_buf *buf, const kw_meta *metas, size_t n_metas,
                            const kw_tensor_spec *tensors, const kw_tensor_stream *stream,
                            kw_error *err)
{
    uint64_t offset = 0;
    kw_buf_add(buf, "GGUF", 4);
    put_u32(buf, 3);
    put_u64(buf, stream->n);
    put_u64(buf, n_metas);
    for (size_t i = 0; i < n_metas; i++)
        KW_TRY(put_meta(buf, &metas[i], err));
    for (size_t i = 0; i < stream->n; i++)
        KW_TRY(put_tensor(buf, &tensors[i], stream->bytes[i], stream->alignment, &offset, err));
    put_padding(buf, stream->alignment);
    return kw_buf_status(buf, err);
}

kw_status kw_gguf_create(const char *path, const kw_meta *metas, size_t n_metas,
                         const kw_tensor_spec *tensors, size_t n_tensors, kw_gguf_writer **out,
                         kw_error *err)
{
    kw_buf header = {0};
    kw_status status = KW_OK;
    size_t alignment = 1;
    kw_gguf_writer *const writer = calloc(1, sizeof *writer);
    if (!writer)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for a writer", path);
    KW_GOTO(status, find_alignment(metas, n_metas, &alignment, err));
    KW_GOTO(status,
            kw_tensor_stream_open(&writer->stream, "gguf", tensors, n_tensors, alignment, err));
    KW_GOTO(status, put_header(&header, metas, n_metas, tensors, &writer->stream, err));
    KW_GOTO(status, kw_file_create(path, &writer->stream.file, err));
    KW_GOTO(status, kw_file_write(writer->stream.file, header.data, header.len, err));
    kw_buf_free(&header);
    *out = writer;
    return KW_OK;
fail:
    kw_buf_free(&header);
    (void)kw_tensor_stream_close(&writer->stream, false, NULL);
    free(writer);
    return status;
}

kw_status kw_gguf_write(kw_gguf_writer *writer, const void *data, size_t len, kw_error *err)
{
    return kw_tensor_stream_write(&writer->stream, data, len, err);
}

kw_status kw_gguf_finish(kw_gguf_writer *writer, bool ok, kw_error *err)
{
    const kw_status status = kw_tensor_stream_close(&writer->stream, ok, err);
    free(writer);
    return status;
}
