/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* numpy.c - the reader of .npy and .npz: a header that is a Python dict of three known keys, then
 * the elements.
 *
 * The invariant: the elements fill the bytes behind the header exactly. An array in Fortran's order
 * is copied into C's. Arrays of objects are pickles, and refused. Source: NEP 1 and
 * numpy/lib/format.py. */
#include "format/numpy.h"

#include "base/check.h"
#include "format/strided.h"

#include <inttypes.h>

enum { MAX_HEADER_BYTES = 1 << 20 };

static const struct type {
    const char *descr;
    const char *name;
    kw_dtype dtype;
    unsigned bytes;
} TYPES[] = {
    {"<f4", "F32", KW_F32, 4},      {"<f8", "F64", KW_F64, 8},         {"<f2", "F16", KW_F16, 2},
    {"|b1", "BOOL", KW_BOOL, 1},    {"|i1", "I8", KW_I8, 1},           {"<i2", "I16", KW_I16, 2},
    {"<i4", "I32", KW_I32, 4},      {"<i8", "I64", KW_I64, 8},         {"|u1", "U8", KW_U8, 1},
    {"<u2", "U16", KW_U16, 2},      {"<u4", "U32", KW_U32, 4},         {"<u8", "U64", KW_U64, 8},
    {"<c8", "C64", KW_N_DTYPES, 8}, {"<c16", "C128", KW_N_DTYPES, 16},
};

typedef struct reader {
    kw_str name; /* of the array, for errors */
    kw_str text; /* of the header */
    size_t pos;
    const struct type *type;
    bool fortran, has_fortran, has_shape;
    kw_strided layout;
    kw_error *err;
} reader;

static kw_status bad(const reader *r, const char *what)
{
    return kw_fail(r->err, KW_E_FORMAT, "numpy: array \"%.*s\": %s", KW_FMT(r->name), what);
}

/* ---- the header ---- */

static void skip_space(reader *r)
{
    while (r->pos < r->text.len && strchr(" \n\t", r->text.data[r->pos]) && r->text.data[r->pos])
        r->pos++;
}

/* Takes a character when it is the next. */
static bool accept(reader *r, char c)
{
    skip_space(r);
    if (r->pos == r->text.len || r->text.data[r->pos] != c)
        return false;
    r->pos++;
    return true;
}

/* 'text' without escapes. */
static bool take_text(reader *r, kw_str *out)
{
    skip_space(r);
    if (r->pos == r->text.len)
        return false;
    const char quote = r->text.data[r->pos];
    const size_t start = r->pos + 1;
    if (quote != '\'' && quote != '"')
        return false;
    for (size_t i = start; i < r->text.len && r->text.data[i] != '\\'; i++) {
        if (r->text.data[i] == quote) {
            *out = (kw_str){r->text.data + start, i - start};
            r->pos = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_word(reader *r, kw_str word)
{
    skip_space(r);
    if (!kw_str_starts((kw_str){r->text.data + r->pos, r->text.len - r->pos}, word))
        return false;
    r->pos += word.len;
    return true;
}

static kw_status read_shape(reader *r)
{
    if (r->has_shape || !accept(r, '('))
        return bad(r, "its shape is no tuple");
    r->has_shape = true;
    while (!accept(r, ')')) {
        int64_t v = 0;
        size_t n = 0;
        skip_space(r);
        for (; r->pos < r->text.len && r->text.data[r->pos] >= '0' && r->text.data[r->pos] <= '9';
             r->pos++, n++) {
            const int digit = r->text.data[r->pos] - '0';
            if (v > (INT64_MAX - digit) / 10)
                return bad(r, "a side passes 2^63");
            v = 10 * v + digit;
        }
        (void)accept(r, 'L'); /* Python 2's */
        if (n == 0 || r->layout.rank == KW_STRIDED_MAX_RANK)
            return bad(r, "a shape of no whole numbers, or of more than 32");
        r->layout.size[r->layout.rank++] = v;
        if (accept(r, ','))
            continue;
        if (!accept(r, ')'))
            return bad(r, "its shape does not end");
        break;
    }
    return KW_OK;
}

static kw_status read_type(reader *r)
{
    kw_str descr = {0};
    if (r->type || !take_text(r, &descr))
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "numpy: array \"%.*s\": records of several fields are not read",
                       KW_FMT(r->name));
    for (size_t i = 0; i < KW_COUNT(TYPES) && !r->type; i++) {
        if (kw_str_is(descr, TYPES[i].descr))
            r->type = &TYPES[i];
    }
    if (r->type)
        return KW_OK;
    if (kw_name_is_clean(descr) && descr.len > 0 && descr.data[0] == '>')
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "numpy: array \"%.*s\": big-endian elements (%.*s) are not supported",
                       KW_FMT(r->name), (int)KW_MIN(descr.len, (size_t)16), descr.data);
    if (kw_str_is(descr, "|O"))
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "numpy: array \"%.*s\": Python objects (a pickle), which are not read",
                       KW_FMT(r->name));
    return kw_fail(r->err, KW_E_UNSUPPORTED, "numpy: array \"%.*s\": elements of type \"%.*s\"",
                   KW_FMT(r->name), (int)KW_MIN(descr.len, (size_t)16),
                   kw_name_is_clean(descr) ? descr.data : "?");
}

static kw_status read_field(reader *r)
{
    kw_str key = {0};
    if (!take_text(r, &key) || !accept(r, ':'))
        return bad(r, "its header is no dict of texts");
    if (kw_str_is(key, "descr"))
        return read_type(r);
    if (kw_str_is(key, "shape"))
        return read_shape(r);
    if (!kw_str_is(key, "fortran_order") || r->has_fortran)
        return bad(r, "its header has another key, or one twice");
    r->has_fortran = true;
    r->fortran = take_word(r, KW_STR("True"));
    return r->fortran || take_word(r, KW_STR("False")) ? KW_OK
                                                       : bad(r, "fortran_order is no boolean");
}

static kw_status read_header(reader *r)
{
    if (!accept(r, '{'))
        return bad(r, "its header is no dict");
    while (!accept(r, '}')) {
        KW_TRY(read_field(r));
        if (accept(r, ','))
            continue;
        if (!accept(r, '}'))
            return bad(r, "its header does not end");
        break;
    }
    skip_space(r);
    if (r->pos != r->text.len || !r->type || !r->has_shape || !r->has_fortran)
        return bad(r, "its header lacks a key, or has more than a dict");
    return KW_OK;
}

/* Cuts the header out of the bytes; *data: what follows it. */
static kw_status find_header(reader *r, kw_str bytes, kw_str *data)
{
    static const char magic[] = "\x93NUMPY";
    const size_t n_magic = sizeof magic - 1;
    if (bytes.len < n_magic + 4 || memcmp(bytes.data, magic, n_magic) != 0)
        return bad(r, "no NumPy array");
    const unsigned char *const b = (const unsigned char *)bytes.data + n_magic;
    const size_t width = b[0] == 1 ? 2 : 4, start = n_magic + 2 + width;
    uint64_t n = 0;
    if (b[0] < 1 || b[0] > 3)
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "numpy: array \"%.*s\": version %u (1 to 3 are read)", KW_FMT(r->name),
                       b[0]);
    for (size_t i = width; start <= bytes.len && i-- > 0;)
        n = n << 8 | b[2 + i];
    if (n > MAX_HEADER_BYTES || start > bytes.len || n > bytes.len - start)
        return kw_fail(r->err, KW_E_FORMAT,
                       "numpy: array \"%.*s\": a header of %" PRIu64 " bytes in %zu",
                       KW_FMT(r->name), n, bytes.len);
    r->text = (kw_str){bytes.data + start, (size_t)n};
    *data = (kw_str){r->text.data + r->text.len, bytes.len - start - r->text.len};
    return KW_OK;
}

/* ---- elements ---- */

/* Fortran's order into C's. */
static kw_status reorder(reader *r, kw_arena *arena, uint64_t n, kw_tensor_view *view)
{
    kw_strided *const l = &r->layout;
    int64_t stride = 1;
    for (int i = 0; i < l->rank; i++) {
        l->stride[i] = stride;
        stride *= l->size[i];
    }
    void *const copy = kw_arena_alloc(arena, (size_t)view->bytes);
    if (!copy)
        return kw_fail(r->err, KW_E_NOMEM, "numpy: no memory for %" PRIu64 " bytes", view->bytes);
    kw_strided_copy(copy, view->data, r->type->bytes, l, n);
    view->data = copy;
    return KW_OK;
}

static kw_status add_array(kw_str file, kw_str bytes, kw_str name, kw_arena *arena,
                           kw_tensor_view *view, kw_error *err)
{
    reader r = {.name = name, .err = err};
    kw_str data;
    uint64_t n = 1, needed = 0;
    KW_TRY(find_header(&r, bytes, &data));
    KW_TRY(read_header(&r));
    const kw_strided *const l = &r.layout;
    for (int i = 0; i < l->rank; i++) {
        if (!kw_mul_u64(n, (uint64_t)l->size[i], &n) || n > INT64_MAX)
            return bad(&r, "its sides multiply past 2^63");
    }
    if (!kw_mul_u64(n, r.type->bytes, &needed) || needed != data.len)
        return kw_fail(err, KW_E_FORMAT,
                       "numpy: array \"%.*s\": %zu bytes where type and shape need %" PRIu64,
                       KW_FMT(name), data.len, needed);
    view->name = name;
    view->dtype = r.type->dtype;
    view->type_name = r.type->name;
    view->data = data.data;
    view->bytes = needed;
    view->offset = (uint64_t)(data.data - file.data);
    view->shape = kw_shape_fold(l->size, l->rank);
    view->file_rank = l->rank;
    return r.fortran && l->rank > 1 && n > 0 ? reorder(&r, arena, n, view) : KW_OK;
}

kw_status kw_npy_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err)
{
    kw_image image = {.kind = KW_FILE_NUMPY};
    kw_tensor_view view = {.part = part};
    size_t capacity = 0;
    KW_TRY(add_array(bytes, bytes, KW_STR("array"), arena, &view, err));
    KW_TRY(kw_image_push_tensor(&image, &capacity, arena, &view, err));
    *out = image;
    return KW_OK;
}

/* The name of the array in an entry "name.npy"; empty: none. */
static kw_str array_name(kw_str entry)
{
    const kw_str end = KW_STR(".npy");
    if (entry.len <= end.len || memcmp(entry.data + entry.len - end.len, end.data, end.len) != 0)
        return (kw_str){NULL, 0};
    return (kw_str){entry.data, entry.len - end.len};
}

bool kw_numpy_in_zip(const kw_zip *zip)
{
    for (size_t i = 0; i < zip->n; i++) {
        if (array_name(zip->entries[i].name).len == 0)
            return false;
    }
    return zip->n > 0;
}

kw_status kw_numpy_zip_parse(const kw_zip *zip, int part, kw_arena *arena, kw_image *out,
                             kw_error *err)
{
    kw_image image = {.kind = KW_FILE_NUMPY};
    size_t capacity = 0;
    for (size_t i = 0; i < zip->n; i++) {
        kw_str bytes;
        kw_tensor_view view = {.part = part};
        KW_TRY(kw_zip_data(zip, &zip->entries[i], &bytes, err));
        KW_TRY(add_array(zip->bytes, bytes, array_name(zip->entries[i].name), arena, &view, err));
        KW_TRY(kw_image_push_tensor(&image, &capacity, arena, &view, err));
    }
    *out = image;
    return KW_OK;
}
