/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rows.c - converts a tensor a slab of rows at a time, so that memory is needed for a slab. */
#include "engine/rows.h"

#include "engine/engine.h"

#include "base/check.h"

#define SLAB_ELEMS ((int64_t)1 << 22) /* converted between two looks at progress */

kw_status kw_rows_of(const kw_tensor_view *view, kw_str name, kw_rows *out, kw_error *err)
{
    int64_t count = 0;
    const int rank = view->shape.rank;
    if (view->dtype >= KW_N_DTYPES || !view->data)
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

size_t kw_rows_slab_bytes(const kw_rows *rows)
{
    size_t row = 0;
    (void)kw_row_bytes(rows->to, rows->cols, &row);
    return (size_t)slab_rows(rows) * row;
}

kw_status kw_rows_stream(kw_engine *engine, const kw_rows *rows, void *slab, kw_rows_sink sink,
                         void *user, kw_error *err)
{
    const kw_tensor_view *const view = rows->view;
    const unsigned char *const src = view->data;
    const int64_t step = slab_rows(rows);
    size_t from_bytes = 0, to_bytes = 0;
    if (rows->to == view->dtype && !rows->order)
        return sink(user, src, (size_t)view->bytes, 1.0, err);
    (void)kw_row_bytes(view->dtype, rows->cols, &from_bytes);
    (void)kw_row_bytes(rows->to, rows->cols, &to_bytes);
    for (int64_t r = 0, n = 0; r < rows->n; r += n) {
        const float *const importance = importance_of(rows, r, &n);
        n = KW_MIN(step, n);
        const kw_conversion what = {.from = view->dtype,
                                    .to = rows->to,
                                    .src = rows->order ? src : src + (size_t)r * from_bytes,
                                    .dst = slab,
                                    .rows = n,
                                    .cols = rows->cols,
                                    .order = rows->order ? rows->order + r : NULL,
                                    .importance = importance};
        KW_TRY(engine->backend->convert(engine->device, &what, err));
        KW_TRY(sink(user, slab, (size_t)n * to_bytes, (double)(r + n) / (double)rows->n, err));
    }
    return KW_OK;
}

/* The same of one view, or part. */
static kw_status read_part(kw_engine *engine, const kw_tensor_view *view, const int64_t *order,
                           int64_t first, int64_t n, int64_t cols, float *out, kw_error *err)
{
    size_t row_bytes = 0;
    (void)kw_row_bytes(view->dtype, cols, &row_bytes);
    const unsigned char *const src = view->data;
    const kw_conversion what = {.from = view->dtype,
                                .to = KW_F32,
                                .src = order ? src : src + (size_t)first * row_bytes,
                                .dst = out,
                                .rows = n,
                                .cols = cols,
                                .order = order ? order + first : NULL};
    return engine->backend->convert(engine->device, &what, err);
}

kw_status kw_rows_read(kw_engine *engine, const kw_export_tensor *tensor, int64_t first, int64_t n,
                       float *out, kw_error *err)
{
    const kw_shape shape = tensor->view->shape;
    const int64_t cols = shape.rank < 2 ? 1 : shape.dim[shape.rank - 1];
    int64_t rows = 0;
    (void)kw_shape_count(shape, &rows);
    rows /= cols;
    if (!tensor->parts)
        return read_part(engine, tensor->view, tensor->order, first, n, cols, out, err);
    const int64_t of_part = rows / (int64_t)tensor->n_parts;
    while (n > 0) {
        const int64_t at = first % of_part, count = KW_MIN(n, of_part - at);
        KW_TRY(read_part(engine, tensor->parts[first / of_part], NULL, at, count, cols, out, err));
        first += count;
        n -= count;
        out += count * cols;
    }
    return KW_OK;
}

void kw_rows_release(const kw_model_file *file, const kw_tensor_view *view)
{
    const kw_model_part *const part = &file->parts[view->part];
    if (part->owned) /* a caller's memory is not ours to empty */
        kw_map_release(&part->map, (size_t)view->offset, (size_t)view->bytes);
}
