/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tensor_stream.c - the bytes of a writer's tensors, in order, padded as the format wants. */
#include "format/tensor_spec.h"

#include "base/check.h"
#include "format/image.h"
#include "format/name_index.h"

#include <stdlib.h>

static kw_status check_names(const char *format, const kw_tensor_spec *specs, size_t n,
                             kw_error *err)
{
    kw_arena scratch = {0};
    kw_name_index index;
    kw_status status = KW_OK;
    kw_str *const names = kw_arena_array(&scratch, n, sizeof *names);
    if (!names) {
        status = kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu names", format, n);
        goto fail;
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = kw_str_from(specs[i].name);
        if (names[i].len > KW_MAX_NAME || !kw_name_is_clean(names[i])) {
            status = kw_fail(err, KW_E_ARG,
                             "%s: the name of tensor %zu is too long or not printable", format, i);
            goto fail;
        }
    }
    KW_GOTO(status, kw_name_index_build(&index, &scratch, names, sizeof *names, n,
                                        "a file to write: tensor", err));
fail:
    kw_arena_free(&scratch);
    return status;
}

kw_status kw_tensor_stream_open(kw_tensor_stream *stream, const char *format,
                                const kw_tensor_spec *specs, size_t n, size_t alignment,
                                kw_error *err)
{
    kw_assert(alignment > 0);
    if (n > KW_MAX_TENSORS)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu tensors (at most %zu)", format, n, KW_MAX_TENSORS);
    KW_TRY(check_names(format, specs, n, err));
    size_t *const bytes = calloc(n + 1, sizeof *bytes);
    if (!bytes)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu tensors", format, n);
    for (size_t i = 0; i < n; i++) {
        if (!kw_tensor_bytes(specs[i].dtype, specs[i].shape, &bytes[i])) {
            free(bytes);
            return kw_fail(err, KW_E_ARG,
                           "%s: tensor \"%.200s\": no whole blocks of %s, or too large", format,
                           specs[i].name, kw_dtype_info(specs[i].dtype)->name);
        }
    }
    *stream = (kw_tensor_stream){.format = format, .alignment = alignment, .bytes = bytes, .n = n};
    return KW_OK;
}

/* Moves past tensors that are complete, writing the padding behind each (also the last: readers may
 * count on whole units). */
static kw_status step(kw_tensor_stream *stream, kw_error *err)
{
    static const unsigned char zeros[256];
    while (stream->current < stream->n && stream->done == stream->bytes[stream->current]) {
        const size_t used = stream->done % stream->alignment;
        size_t padding = used == 0 ? 0 : stream->alignment - used;
        while (padding > 0) {
            const size_t n = KW_MIN(padding, sizeof zeros);
            KW_TRY(kw_file_write(stream->file, zeros, n, err));
            padding -= n;
        }
        stream->current++;
        stream->done = 0;
    }
    return KW_OK;
}

kw_status kw_tensor_stream_write(kw_tensor_stream *stream, const void *data, size_t len,
                                 kw_error *err)
{
    const unsigned char *bytes = data;
    KW_TRY(step(stream, err));
    while (len > 0) {
        if (stream->current == stream->n)
            return kw_fail(err, KW_E_ARG, "%s: %zu bytes more than the tensors need",
                           stream->format, len);
        const size_t n = KW_MIN(len, stream->bytes[stream->current] - stream->done);
        KW_TRY(kw_file_write(stream->file, bytes, n, err));
        bytes += n;
        len -= n;
        stream->done += n;
        KW_TRY(step(stream, err));
    }
    return KW_OK;
}

kw_status kw_tensor_stream_close(kw_tensor_stream *stream, bool ok, kw_error *err)
{
    kw_status status = KW_OK;
    if (ok && stream->file)
        status = step(stream, err);
    if (ok && status == KW_OK && stream->current < stream->n)
        status =
            kw_fail(err, KW_E_ARG, "%s: tensor %zu of %zu has %zu of %zu bytes", stream->format,
                    stream->current, stream->n, stream->done, stream->bytes[stream->current]);
    if (stream->file) {
        const kw_status finished =
            kw_file_finish(stream->file, ok && status == KW_OK, status == KW_OK ? err : NULL);
        status = status == KW_OK ? finished : status;
    }
    free(stream->bytes);
    *stream = (kw_tensor_stream){0};
    return status;
}
