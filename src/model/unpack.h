/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack.h - matrices of types that nothing is multiplied with become others on loading: F64, the
 * floats of a byte and whatever a tensor of scales lies beside ("NAME.weight_scale_inv",
 * "NAME.weight_scale") become floats, blocks of ggml's older files today's. */
#ifndef KW_MODEL_UNPACK_H
#define KW_MODEL_UNPACK_H

#include "format/model_file.h"

/* Whether the tensor is such a matrix, and what it becomes. */
bool kw_unpacks(const kw_model_file *file, const kw_tensor_view *view, kw_dtype *to);
/* Puts its numbers into the arena and changes the view; nothing when it is no such matrix. Products
 * with scales are rounded once, to bf16. */
kw_status kw_unpack(const kw_model_file *file, kw_tensor_view *view, kw_arena *arena,
                    kw_error *err);
/* Changes the view as kw_unpack does, but for its data, which is NULL: view->packed (in the arena)
 * says what kw_unpack_rows makes it of. For whoever reads a matrix once. */
kw_status kw_unpack_later(const kw_model_file *file, kw_tensor_view *view, kw_arena *arena,
                          kw_error *err);
/* Rows [first, first + n), or order[first] ... order[first + n - 1], of a view with `packed`, in
 * the view's type. */
kw_status kw_unpack_rows(const kw_model_file *file, const kw_tensor_view *view,
                         const int64_t *order, int64_t first, int64_t n, void *out, kw_error *err);
/* Whether a tensor says how to read another: its scales, those of activations. */
bool kw_is_scale(const kw_model_file *file, kw_str name);

#endif
