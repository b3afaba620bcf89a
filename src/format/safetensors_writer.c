/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* safetensors_writer.c - the header as JSON, padded so that the data begins at a multiple of 8.
 *
 * The reference implementation lays tensors out by falling element size so that each is aligned;
 * here the caller's order stands, and every reader of the format must cope with any. */
#include "format/safetensors_writer.h"

#include "base/buf.h"
#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

struct kw_st_writer {
    kw_tensor_stream stream;
};

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100000000 };

static void print_entry(kw_buf *buf, const kw_st_tensor *tensor, uint64_t begin, uint64_t bytes)
{
    kw_buf_printf(buf, ",");
    kw_buf_json(buf, kw_str_from(tensor->name));
    kw_buf_printf(buf, ":{\"dtype\":\"%s\",\"shape\":[", kw_dtype_info(tensor->dtype)->st_name);
    for (int i = 0; i < tensor->shape.rank; i++)
        kw_buf_printf(buf, "%s%" PRId64, i == 0 ? "" : ",", tensor->shape.dim[i]);
    kw_buf_printf(buf, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + bytes);
}

/* The header with its length in front. */
static kw_status print_header(kw_buf *buf, const kw_tensor_stream *stream,
                              const kw_st_tensor *tensors, kw_error *err)
{
    uint64_t begin = 0;
    kw_buf_printf(buf, "%*s{\"__metadata__\":{\"format\":\"pt\"}", (int)LENGTH_BYTES, "");
    for (size_t i = 0; i < stream->n; i++) {
        if (!kw_dtype_info(tensors[i].dtype)->st_name)
            return kw_fail(err, KW_E_ARG, "safetensors: tensor \"%.200s\": the format has no %s",
                           tensors[i].name, kw_dtype_info(tensors[i].dtype)->name);
        print_entry(buf, &tensors[i], begin, stream->bytes[i]);
        if (!kw_add_u64(begin, stream->bytes[i], &begin))
            return kw_fail(err, KW_E_ARG, "safetensors: the tensors pass 2^64 bytes");
    }
    kw_buf_printf(buf, "}");
    const size_t padding = kw_align_up(buf->len, 8) - buf->len;
    kw_buf_printf(buf, "%*s", (int)padding, "");
    KW_TRY(kw_buf_status(buf, err));
    const uint64_t header_bytes = buf->len - LENGTH_BYTES;
    if (header_bytes > MAX_HEADER_BYTES)
        return kw_fail(err, KW_E_LIMIT, "safetensors: a header of %" PRIu64 " bytes (at most %d)",
                       header_bytes, MAX_HEADER_BYTES);
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        buf->data[i] = (char)(header_bytes >> (8 * i) & 0xff);
    return KW_OK;
}

kw_status kw_st_create(const char *path, const kw_st_tensor *tensors, size_t n, kw_st_writer **out,
                       kw_error *err)
{
    kw_buf header = {0};
    kw_status status = KW_OK;
    kw_st_writer *const writer = calloc(1, sizeof *writer);
    if (!writer)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for a writer", path);
    KW_GOTO(status, kw_tensor_stream_open(&writer->stream, "safetensors", tensors, n, 1, err));
    KW_GOTO(status, print_header(&header, &writer->stream, tensors, err));
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

kw_status kw_st_write(kw_st_writer *writer, const void *data, size_t len, kw_error *err)
{
    return kw_tensor_stream_write(&writer->stream, data, len, err);
}

kw_status kw_st_finish(kw_st_writer *writer, bool ok, kw_error *err)
{
    const kw_status status = kw_tensor_stream_close(&writer->stream, ok, err);
    free(writer);
    return status;
}
