/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* safetensors_writer.h - writes tensors of any type that has a st_name, streaming, whole or not at
 * all. */
#ifndef KW_FORMAT_SAFETENSORS_WRITER_H
#define KW_FORMAT_SAFETENSORS_WRITER_H

#include "format/tensor_spec.h"

typedef kw_tensor_spec kw_st_tensor; /* its dtype is one with a st_name */

typedef struct kw_st_writer kw_st_writer;

/* Writes the header for n tensors; their bytes follow in this order, without padding. */
kw_status kw_st_create(const char *path, const kw_st_tensor *tensors, size_t n, kw_st_writer **out,
                       kw_error *err);
/* Any number of bytes: a piece may end inside a tensor or span several. */
kw_status kw_st_write(kw_st_writer *writer, const void *data, size_t len, kw_error *err);
/* Commits when ok and every byte came, else removes; frees the writer either way. */
kw_status kw_st_finish(kw_st_writer *writer, bool ok, kw_error *err);

#endif
