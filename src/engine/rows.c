/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rows.c - converts a tensor a slab of rows at a time, so that memory is needed for a slab. */
#include "engine/rows.h"

#include "engine/engine.h"

#include "base/check.h"
#include "model/unpack.h"

#include <stdlib.h>

#define SLAB_ELEMS ((int64_t)1 << 22) /* converted between two looks at progress */

kw_status kw_rows_of(const kw_tensor_view *view, kw_str name, kw_rows *out, kw_error *err)
{
    int64_t count = 0;
    const int rank = view->shape.rank;
    if (view->dtype >= KW_N_DTYPES || (!view->data && !view->packed))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "tensor \"%.*s\" is of type %s, which this version cannot read",
                       KW_FMT(name), view->type_name ? view->type_name : "?");
    if (!kw_shape_count(view->shape, &count) || count < 1)
        return kw_fail(err, KW_E_FORMAT, "tensor \"%.*s\" has no elements", KW_FMT(name));
    *out = (kw_rows){
        .view = view, .to = view->dtype, .cols = rank < 2 ? 1 : view->shape.dim[rank - 1]};
    out->n = count / out->cols;
    return KW_OK;
}

static int64_t slab_rows(const kw_rows *rows)
{
    const int64_t most = rows->of_matrix > 0 ? rows->of_matrix : rows->n;
    return KW_MIN(most, KW_MAX(SLAB_ELEMS / rows->cols, 1));
}

/* From row r on: the importances, and how many rows share them. */
static const float *importance_of(const kw_rows *rows, int64_t r, int64_t *n)
{
    *n = rows->n - r;
    if (!rows->importance || rows->of_matrix == 0)
        return rows->importance;
    *n = rows->of_matrix - r % rows->of_matrix;
    return rows->importance + r / rows->of_matrix * rows->cols;
}

static size_t bytes_of_rows(kw_dtype type, int64_t rows, int64_t cols)
{
    size_t row = 0;
    (void)kw_row_bytes(type, cols, &row);
    return (size_t)rows * row;
}

/* Rows as they are wanted, then, of a packed view, as they are unpacked. */
size_t kw_rows_slab_bytes(const kw_rows *rows)
{
    const size_t wanted = kw_align_up(bytes_of_rows(rows->to, slab_rows(rows), rows->cols), 64);
    return wanted +
           (rows->view->packed ? bytes_of_rows(rows->view->dtype, slab_rows(rows), rows->cols) : 0);
}

/* Makes rows [r, r + n) in `what`, whose source is the view's data. */
static kw_status make_rows(kw_engine *engine, const kw_model_file *file, const kw_rows *rows,
                           int64_t r, kw_conversion *what, void *unpacked, kw_error *err)
{
    const kw_tensor_view *const view = rows->view;
    if (view->packed) {
        const bool same = what->to == view->dtype;
        KW_TRY(kw_unpack_rows(file, view, rows->order, r, what->rows, same ? what->dst : unpacked,
                              err));
        if (same)
            return KW_OK;
        what->src = unpacked;
    } else {
        what->src = rows->order ? view->data
                                : (const unsigned char *)view->data +
                                      bytes_of_rows(view->dtype, r, rows->cols);
        what->order = rows->order ? rows->order + r : NULL;
    }
    return engine->backend->convert(engine->device, what, err);
}

kw_status kw_rows_stream(kw_engine *engine, const kw_model_file *file, const kw_rows *rows,
                         void *slab, kw_rows_sink sink, void *user, kw_error *err)
{
    const kw_tensor_view *const view = rows->view;
    const int64_t step = slab_rows(rows);
    unsigned char *const unpacked =
        (unsigned char *)slab + kw_align_up(bytes_of_rows(rows->to, step, rows->cols), 64);
    if (rows->to == view->dtype && !rows->order && !view->packed)
        return sink(user, view->data, (size_t)view->bytes, 1.0, err);
    for (int64_t r = 0, n = 0; r < rows->n; r += n) {
        const float *const importance = importance_of(rows, r, &n);
        n = KW_MIN(step, n);
        kw_conversion what = {.from = view->dtype,
                              .to = rows->to,
                              .dst = slab,
                              .rows = n,
                              .cols = rows->cols,
                              .importance = importance};
        KW_TRY(make_rows(engine, file, rows, r, &what, unpacked, err));
        KW_TRY(sink(user, slab, bytes_of_rows(rows->to, n, rows->cols),
                    (double)(r + n) / (double)rows->n, err));
    }
    return KW_OK;
}

/* Rows of one view, or part, as f32. */
static kw_status read_part(kw_engine *engine, const kw_model_file *file, const kw_rows *rows,
                           int64_t first, int64_t n, float *out, kw_error *err)
{
    const kw_tensor_view *const view = rows->view;
    kw_conversion what = {
        .from = view->dtype, .to = KW_F32, .dst = out, .rows = n, .cols = rows->cols};
    void *const unpacked =
        view->packed ? malloc(bytes_of_rows(view->dtype, n, rows->cols) + 1) : NULL;
    if (view->packed && !unpacked)
        return kw_fail(err, KW_E_NOMEM, "no memory for rows of \"%.*s\"", KW_FMT(view->name));
    const kw_status status = make_rows(engine, file, rows, first, &what, unpacked, err);
    free(unpacked);
    return status;
}

kw_status kw_rows_read(kw_engine *engine, const kw_model_file *file, const kw_export_tensor *tensor,
                       int64_t first, int64_t n, float *out, kw_error *err)
{
    const kw_shape shape = tensor->view->shape;
    const int64_t cols = shape.rank < 2 ? 1 : shape.dim[shape.rank - 1];
    int64_t count = 0;
    (void)kw_shape_count(shape, &count);
    kw_rows rows = {.view = tensor->view, .cols = cols, .order = tensor->order};
    if (!tensor->parts)
        return read_part(engine, file, &rows, first, n, out, err);
    const int64_t of_part = count / cols / (int64_t)tensor->n_parts;
    while (n > 0) {
        const int64_t at = first % of_part, some = KW_MIN(n, of_part - at);
        rows.view = tensor->parts[first / of_part];
        KW_TRY(read_part(engine, file, &rows, at, some, out, err));
        first += some;
        n -= some;
        out += some * cols;
    }
    return KW_OK;
}

void kw_rows_release(const kw_model_file *file, const kw_tensor_view *view)
{
    const kw_tensor_view *const lies = view->packed ? view->packed : view;
    const kw_model_part *const part = &file->parts[lies->part];
    if (part->owned) /* a caller's memory is not ours to empty */
        kw_map_release(&part->map, (size_t)lies->offset, (size_t)lies->bytes);
}
