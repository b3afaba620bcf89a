/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* safetensors_writer.h - writes f32, f16, bf16, i32 and i64 tensors, streaming, whole or not at all. */
#ifndef KW_FORMAT_SAFETENSORS_WRITER_H
#define KW_FORMAT_SAFETENSORS_WRITER_H

#include "base/error.h"
#include "tensor/dtype.h"

typedef struct kw_st_tensor {
    const char *name;
    kw_dtype dtype; /* one with a st_name */
    kw_shape shape;
} kw_st_tensor;

typedef struct kw_st_writer kw_st_writer;

/* Writes the header for n tensors; their bytes follow in this order. */
kw_status kw_st_create(const char *path, const kw_st_tensor *tensors, size_t n, kw_st_writer **out,
                       kw_error *err);
kw_status kw_st_write(kw_st_writer *writer, const void *data, size_t len, kw_error *err);
/* Commits when ok and every byte came, else removes; frees the writer either way. */
kw_status kw_st_finish(kw_st_writer *writer, bool ok, kw_error *err);

#endif
