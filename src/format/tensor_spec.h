/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tensor_spec.h - a tensor that a writer will be given, and the stream of their bytes.
 *
 * The bytes of all tensors come in order, in pieces of any size; the stream knows where one tensor
 * ends and puts the padding of the format in between. */
#ifndef KW_FORMAT_TENSOR_SPEC_H
#define KW_FORMAT_TENSOR_SPEC_H

#include "base/error.h"
#include "os/file.h"
#include "tensor/dtype.h"

#include <stdint.h>

typedef struct kw_tensor_spec {
    const char *name;
    kw_dtype dtype;
    kw_shape shape;
} kw_tensor_spec;

typedef struct kw_tensor_stream {
    kw_file_writer *file;
    const char *format; /* names the format in errors */
    size_t alignment;   /* of each tensor's first byte */
    size_t *bytes;      /* [n], owned */
    size_t n, current;
    size_t done; /* bytes of the current tensor */
} kw_tensor_stream;

/* Checks names (clean, each once) and sizes, and fills the stream except its file. The sizes are
 * freed by kw_tensor_stream_close. */
kw_status kw_tensor_stream_open(kw_tensor_stream *stream, const char *format,
                                const kw_tensor_spec *specs, size_t n, size_t alignment,
                                kw_error *err);
/* Appends bytes; more than the tensors need is refused. */
kw_status kw_tensor_stream_write(kw_tensor_stream *stream, const void *data, size_t len,
                                 kw_error *err);
/* Commits the file when ok and every byte came, else removes it. Safe on a stream without a file.
 */
kw_status kw_tensor_stream_close(kw_tensor_stream *stream, bool ok, kw_error *err);

#endif
