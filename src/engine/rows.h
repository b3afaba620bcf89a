/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rows.h - the rows of one tensor on their way into a file, in another type and order. */
#ifndef KW_ENGINE_ROWS_H
#define KW_ENGINE_ROWS_H

#include "model/export.h"

#include <kwaai/kwaai.h>

typedef struct kw_rows {
    const kw_tensor_view *view;
    kw_dtype to;
    int64_t n, cols;         /* rows and their elements; those of a vector are its elements */
    const int64_t *order;    /* [n] the file's row of each; NULL: as they are */
    const float *importance; /* [cols] of all rows, or [n / of_matrix][cols]; NULL: none */
    int64_t of_matrix;       /* rows that share importances; 0: all */
} kw_rows;

/* Takes bytes of the result, in order. share: how much of the tensor they complete. */
typedef kw_status (*kw_rows_sink)(void *user, const void *data, size_t n, double share,
                                  kw_error *err);

/* The rows of a view of a type that can be read, as it is. */
kw_status kw_rows_of(const kw_tensor_view *view, kw_str name, kw_rows *out, kw_error *err);
/* What kw_rows_stream needs as its slab. */
size_t kw_rows_slab_bytes(const kw_rows *rows);
/* Hands the rows over: at once where nothing changes, else a slab after the other. file: that the
 * view belongs to. */
kw_status kw_rows_stream(kw_engine *engine, const kw_model_file *file, const kw_rows *rows,
                         void *slab, kw_rows_sink sink, void *user, kw_error *err);

/* Rows [first, first + n) of a tensor to be exported, whatever it is made of, as f32 into out
 * [n][cols]. The rows of a vector are its elements. */
kw_status kw_rows_read(kw_engine *engine, const kw_model_file *file, const kw_export_tensor *tensor,
                       int64_t first, int64_t n, float *out, kw_error *err);

/* Gives the pages of a tensor that was written back to the system, so that what stays in memory
 * does not grow with the model. */
void kw_rows_release(const kw_model_file *file, const kw_tensor_view *view);

#endif
