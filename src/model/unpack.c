/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack.c - see unpack.h. A scale holds for a block of the matrix: of the sides that the
 * configuration gives, else of those that follow from the shapes (all, a row, a part of a row).
 * Rows are independent: what a row becomes depends on neither the others nor how many are made at
 * once. Sources: the files of DeepSeek V3 (weight_scale_inv) and of compressed-tensors
 * (weight_scale), which both say what to multiply with. */
#include "model/unpack.h"

#include "base/check.h"
#include "tensor/quant/old.h"

#include <stdio.h>

#define NAME_BYTES 200

static const char *const suffixes[] = {"_scale_inv", "_scale"};

static bool ends_with(kw_str text, const char *end)
{
    const size_t n = strlen(end);
    return text.len >= n && memcmp(text.data + text.len - n, end, n) == 0;
}

static const kw_tensor_view *scale_of(const kw_model_file *file, kw_str weight)
{
    char name[NAME_BYTES];
    if (kw_model_file_names_gguf(file) || !ends_with(weight, ".weight"))
        return NULL;
    for (size_t i = 0; i < KW_COUNT(suffixes); i++) {
        const int n = snprintf(name, sizeof name, "%.*s%s", (int)KW_MIN(weight.len, (size_t)4096),
                               weight.data, suffixes[i]);
        const kw_tensor_view *const scale =
            n > 0 && (size_t)n < sizeof name ? kw_model_file_tensor(file, kw_str_from(name)) : NULL;
        if (scale)
            return scale;
    }
    return NULL;
}

bool kw_is_scale(const kw_model_file *file, kw_str name)
{
    static const char *const ends[] = {".weight_scale_inv", ".weight_scale", ".input_scale"};
    char weight[NAME_BYTES];
    for (size_t i = 0; i < KW_COUNT(ends) && !kw_model_file_names_gguf(file); i++) {
        if (!ends_with(name, ends[i]))
            continue;
        const size_t stem = name.len - strlen(ends[i]);
        const int n = snprintf(weight, sizeof weight, "%.*s.weight",
                               (int)KW_MIN(stem, (size_t)4096), name.data);
        return n > 0 && (size_t)n < sizeof weight &&
               kw_model_file_tensor(file, kw_str_from(weight));
    }
    return false;
}

bool kw_unpacks(const kw_model_file *file, const kw_tensor_view *view, kw_dtype *to)
{
    if (view->dtype >= KW_N_DTYPES || !view->data || view->shape.rank < 2)
        return false;
    const kw_dtype_traits *const type = kw_dtype_info(view->dtype);
    if (kw_old_block(view->dtype, to))
        return true;
    *to = view->dtype == KW_F64 ? KW_F32 : KW_BF16;
    return (type->is_float && !kw_dtype_multiplies(view->dtype)) ||
           (type->block_elems == 1 && type->decode && scale_of(file, view->name));
}

/* The scales of a matrix as f32, one for each block of `side` rows and columns. */
typedef struct scales {
    const float *values;
    int64_t per_row; /* blocks beside each other */
    int64_t side[2];
} scales;

/* The side of a block, from the configuration or from how many there are; 0: they do not fit. */
static int64_t block_side(const kw_model_file *file, int which, int64_t n, int64_t blocks)
{
    const kw_value *const sizes =
        kw_model_file_meta(file, KW_STR("quantization_config.weight_block_size"));
    if (sizes && sizes->kind == KW_VALUE_ARRAY && sizes->array.n == 2) {
        const kw_value size = kw_value_at(sizes, (uint64_t)which);
        if (size.kind == KW_VALUE_INT && size.i > 0 && size.i <= INT32_MAX &&
            (n + size.i - 1) / size.i == blocks)
            return size.i;
    }
    return blocks > 0 && n % blocks == 0 ? n / blocks : 0;
}

static kw_status read_scales(const kw_model_file *file, const kw_tensor_view *view,
                             const kw_tensor_view *scale, kw_arena *arena, scales *out,
                             kw_error *err)
{
    const int rank = scale->shape.rank;
    int64_t count = 0;
    char shapes[2][64];
    const int64_t rows = rank > 0 ? scale->shape.dim[0] : 1;
    const bool known = scale->dtype < KW_N_DTYPES && scale->data;
    (void)kw_shape_count(scale->shape, &count);
    if (view->shape.rank == 2 && rank <= 2 && count > 0) {
        out->per_row = count / rows;
        out->side[0] = block_side(file, 0, view->shape.dim[0], rows);
        out->side[1] = block_side(file, 1, view->shape.dim[1], out->per_row);
    }
    if (!known || out->side[0] == 0 || out->side[1] == 0) {
        (void)kw_shape_print(scale->shape, shapes[0], sizeof shapes[0]);
        (void)kw_shape_print(view->shape, shapes[1], sizeof shapes[1]);
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "%s: \"%.*s\", %s of type %s, does not scale a matrix of %s", file->path,
                       KW_FMT(scale->name), shapes[0], scale->type_name, shapes[1]);
    }
    float *const values = kw_arena_array(arena, (size_t)count, sizeof *values);
    if (!values)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for the scales of \"%.*s\"",
                       KW_FMT(view->name));
    kw_dtype_info(scale->dtype)->decode(values, scale->data, (size_t)count);
    out->values = values;
    return KW_OK;
}

static void scale_row(const scales *s, int64_t row, float *values, int64_t n)
{
    const float *const of_row = s->values + row / s->side[0] * s->per_row;
    for (int64_t i = 0; i < n; i++)
        values[i] *= of_row[i / s->side[1]];
}

/* A matrix on its way: what a row of it needs. */
typedef struct unpacking {
    const kw_model_file *file;
    const kw_tensor_view *view;
    kw_dtype to;
    bool repacked; /* into blocks with the same codes */
    size_t from_bytes, to_bytes;
    int64_t rows, cols;
    scales scales;
    float *row; /* [cols] */
    kw_arena arena;
} unpacking;

static kw_status begin(unpacking *u, const kw_model_file *file, const kw_tensor_view *view,
                       kw_error *err)
{
    const kw_tensor_view *const scale = scale_of(file, view->name);
    int64_t count = 0;
    kw_dtype today;
    *u = (unpacking){.file = file, .view = view, .cols = view->shape.dim[view->shape.rank - 1]};
    (void)kw_unpacks(file, view, &u->to);
    u->repacked = kw_old_block(view->dtype, &today) && today != KW_F32;
    if (!kw_shape_count(view->shape, &count) ||
        !kw_row_bytes(view->dtype, u->cols, &u->from_bytes) ||
        !kw_row_bytes(u->to, u->cols, &u->to_bytes))
        return kw_fail(err, KW_E_FORMAT, "%s: \"%.*s\" has rows that are no whole %s blocks",
                       file->path, KW_FMT(view->name), kw_dtype_info(view->dtype)->name);
    u->rows = u->cols > 0 ? count / u->cols : 0;
    u->row = kw_arena_array(&u->arena, (size_t)u->cols, sizeof *u->row);
    if (!u->row)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a row of \"%.*s\"",
                       KW_FMT(view->name));
    return scale ? read_scales(file, view, scale, &u->arena, &u->scales, err) : KW_OK;
}

static kw_status unpack_row(const unpacking *u, int64_t r, void *out, kw_error *err)
{
    const unsigned char *const src =
        (const unsigned char *)u->view->data + (size_t)r * u->from_bytes;
    if (u->repacked) {
        if (!kw_old_repack(u->view->dtype, out, src, (size_t)u->cols))
            return kw_fail(err, KW_E_UNSUPPORTED,
                           "%s: row %lld of \"%.*s\" has a scale that is too large for f16",
                           u->file->path, (long long)r, KW_FMT(u->view->name));
        return KW_OK;
    }
    kw_dtype_info(u->view->dtype)->decode(u->row, src, (size_t)u->cols);
    if (u->scales.values)
        scale_row(&u->scales, r, u->row, u->cols);
    kw_dtype_info(u->to)->encode(out, u->row, (size_t)u->cols, NULL);
    return KW_OK;
}

kw_status kw_unpack_rows(const kw_model_file *file, const kw_tensor_view *view,
                         const int64_t *order, int64_t first, int64_t n, void *out, kw_error *err)
{
    unpacking u;
    kw_status status = begin(&u, file, view->packed, err);
    for (int64_t i = 0; status == KW_OK && i < n; i++)
        status = unpack_row(&u, order ? order[first + i] : first + i,
                            (unsigned char *)out + (size_t)i * u.to_bytes, err);
    kw_arena_free(&u.arena);
    return status;
}

kw_status kw_unpack(const kw_model_file *file, kw_tensor_view *view, kw_arena *arena, kw_error *err)
{
    kw_dtype to = KW_F32;
    size_t bytes = 0;
    if (!kw_unpacks(file, view, &to) || view->shape.dim[view->shape.rank - 1] == 0)
        return KW_OK;
    unsigned char *const made =
        kw_tensor_bytes(to, view->shape, &bytes) ? kw_arena_alloc(arena, bytes) : NULL;
    if (!made)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %zu bytes of \"%.*s\"", bytes,
                       KW_FMT(view->name));
    unpacking u;
    kw_status status = begin(&u, file, view, err);
    for (int64_t r = 0; status == KW_OK && r < u.rows; r++)
        status = unpack_row(&u, r, made + (size_t)r * u.to_bytes, err);
    kw_arena_free(&u.arena);
    KW_TRY(status);
    view->data = made;
    view->dtype = to;
    view->bytes = bytes;
    return KW_OK;
}

kw_status kw_unpack_later(const kw_model_file *file, kw_tensor_view *view, kw_arena *arena,
                          kw_error *err)
{
    kw_dtype to = KW_F32;
    size_t bytes = 0;
    if (!kw_unpacks(file, view, &to) || !kw_tensor_bytes(to, view->shape, &bytes))
        return KW_OK;
    kw_tensor_view *const packed = kw_arena_alloc(arena, sizeof *packed);
    if (!packed)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a tensor");
    *packed = *view;
    view->packed = packed;
    view->data = NULL;
    view->dtype = to;
    view->bytes = bytes;
    return KW_OK;
}
