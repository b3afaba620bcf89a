/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf.c - the GGUF reader on images built byte by byte: every value type, every rule that refuses.
 */
#include "fixtures.h"

#include <math.h>

static void put_every_scalar(blob *im)
{
    static const struct {
        const char *key;
        uint32_t wire_type;
        uint64_t bits;
        size_t bytes;
    } scalars[] = {
        {"u8", KW_GGUF_U8, 200, 1},
        {"i8", KW_GGUF_I8, 0x80, 1},
        {"u16", KW_GGUF_U16, 0xfffe, 2},
        {"i16", KW_GGUF_I16, 0xfffe, 2},
        {"u32", KW_GGUF_U32, 0xfffffffe, 4},
        {"i32", KW_GGUF_I32, 0xfffffffe, 4},
        {"f32", KW_GGUF_F32, 0x3fc00000, 4},
        {"bool", KW_GGUF_BOOL, 1, 1},
        {"u64", KW_GGUF_U64, INT64_MAX, 8},
        {"i64", KW_GGUF_I64, UINT64_MAX, 8},
        {"f64", KW_GGUF_F64, 0xc004000000000000, 8},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        put_gguf_key(im, scalars[i].key, scalars[i].wire_type);
        put_int(im, scalars[i].bits, scalars[i].bytes);
    }
    put_gguf_key(im, "string", KW_GGUF_STRING);
    put_string(im, "a value");
}

static void every_scalar_is_read(void **state)
{
    (void)state;
    blob im = {.len = 0};
    put_gguf_header(&im, 3, 0, 12);
    put_every_scalar(&im);
    kw_model_file *const file = expect_open(&im);
    const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"u8", 200},         {"i8", -128}, {"u16", 65534},     {"i16", -2},
                {"u32", 4294967294}, {"i32", -2},  {"u64", INT64_MAX}, {"i64", -1}};
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        const kw_value *const value = kw_model_file_meta(file, kw_str_from(ints[i].key));
        double number = 0.0;
        assert_non_null(value);
        assert_int_equal(value->kind, KW_VALUE_INT);
        assert_true(value->i == ints[i].value);
        assert_true(kw_value_number(value, &number) && number == (double)ints[i].value);
    }
    assert_true(kw_model_file_meta(file, KW_STR("f32"))->f == 1.5);
    assert_true(kw_model_file_meta(file, KW_STR("f64"))->f == -2.5);
    assert_true(kw_model_file_meta(file, KW_STR("bool"))->b);
    assert_true(kw_str_is(kw_model_file_meta(file, KW_STR("string"))->s, "a value"));
    double number = 0.0;
    assert_false(kw_value_number(kw_model_file_meta(file, KW_STR("string")), &number));
    assert_null(kw_model_file_meta(file, KW_STR("absent")));
    assert_int_equal(file->version, 3);
    assert_int_equal(file->kind, KW_FILE_GGUF);
    assert_null(file->dir);
    walk(file, true);
    close_copy(file);
}

static void arrays_stay_in_the_file(void **state)
{
    (void)state;
    blob im = {.len = 0};
    put_gguf_header(&im, 2, 0, 4);
    put_gguf_key(&im, "words", KW_GGUF_ARRAY);
    put_u32(&im, KW_GGUF_STRING);
    put_u64(&im, 3);
    put_string(&im, "one");
    put_string(&im, "");
    put_string(&im, "\xff\xfe three"); /* tokens may hold any bytes */
    put_gguf_key(&im, "numbers", KW_GGUF_ARRAY);
    put_u32(&im, KW_GGUF_I16);
    put_u64(&im, 2);
    put_int(&im, 0x8000, 2);
    put_int(&im, 7, 2);
    put_gguf_key(&im, "floats", KW_GGUF_ARRAY);
    put_u32(&im, KW_GGUF_F32);
    put_u64(&im, 1);
    put_u32(&im, 0x7fc00000);
    put_gguf_key(&im, "none", KW_GGUF_ARRAY);
    put_u32(&im, KW_GGUF_F64);
    put_u64(&im, 0);
    kw_model_file *const file = expect_open(&im);
    assert_int_equal(file->version, 2);
    const kw_value *const words = kw_model_file_meta(file, KW_STR("words"));
    assert_int_equal(words->kind, KW_VALUE_ARRAY);
    assert_int_equal(words->array.kind, KW_VALUE_STRING);
    assert_true(kw_str_is(kw_value_at(words, 0).s, "one"));
    assert_int_equal(kw_value_at(words, 1).s.len, 0);
    assert_true(kw_str_is(kw_value_at(words, 2).s, "\xff\xfe three"));
    const kw_value *const numbers = kw_model_file_meta(file, KW_STR("numbers"));
    assert_int_equal(kw_value_at(numbers, 0).i, -32768);
    assert_int_equal(kw_value_at(numbers, 1).i, 7);
    assert_true(isnan(kw_value_at(kw_model_file_meta(file, KW_STR("floats")), 0).f));
    assert_int_equal(kw_model_file_meta(file, KW_STR("none"))->array.n, 0);
    walk(file, true);
    close_copy(file);
}

/* One f32 tensor [3][2] behind a directory that is no multiple of the alignment. */
static void put_one_tensor(blob *im, uint32_t type, uint64_t offset)
{
    const uint64_t dims[] = {2, 3};
    put_gguf_header(im, 3, 1, 0);
    put_gguf_tensor(im, "w", 2, dims, type, offset);
    pad(im, 32);
}

static void tensors_point_into_the_data(void **state)
{
    (void)state;
    blob im = {.len = 0};
    put_one_tensor(&im, 0, 0);
    const size_t start = im.len;
    for (unsigned i = 0; i < 24; i++)
        put_int(&im, i + 1, 1);
    kw_model_file *const file = expect_open(&im);
    const kw_tensor_view *const view = kw_model_file_tensor(file, KW_STR("w"));
    assert_non_null(view);
    assert_int_equal(view->dtype, KW_F32);
    assert_string_equal(view->type_name, "F32");
    assert_true(kw_shape_eq(view->shape, SHAPE(3, 2)));
    assert_int_equal(view->file_rank, 2);
    assert_int_equal(view->bytes, 24);
    assert_int_equal(view->offset, start);
    assert_ptr_equal(view->data, file->parts[0].map.data + start);
    assert_int_equal(((const unsigned char *)view->data)[23], 24);
    assert_int_equal(file->total_bytes, im.len);
    assert_null(kw_model_file_tensor(file, KW_STR("W")));
    close_copy(file);

    im.len--; /* one byte short */
    expect_refused(&im, KW_E_FORMAT, "runs past the end of the data (23)");
}

static void alignment_is_a_key(void **state)
{
    (void)state;
    const uint64_t dims[] = {1};
    for (uint64_t alignment = 1; alignment <= 4096; alignment *= 4) {
        blob im = {.len = 0};
        put_gguf_header(&im, 3, 2, 1);
        put_gguf_key(&im, "general.alignment", KW_GGUF_U32);
        put_u32(&im, (uint32_t)alignment);
        put_gguf_tensor(&im, "b", 1, dims, 0, alignment * ((4 + alignment - 1) / alignment));
        put_gguf_tensor(&im, "a", 1, dims, 0, 0);
        pad(&im, alignment);
        const size_t start = im.len;
        put_u32(&im, 1);
        pad(&im, alignment);
        put_u32(&im, 2);
        kw_model_file *const file = expect_open(&im);
        assert_int_equal(kw_model_file_tensor(file, KW_STR("a"))->offset, start);
        assert_int_equal(*(const unsigned char *)kw_model_file_tensor(file, KW_STR("b"))->data, 2);
        assert_true(kw_str_is(file->tensors[0].name, "a")); /* the order of the data */
        close_copy(file);
    }
    const uint32_t bad[] = {0, 3, 48, 1u << 21, 0x80000000u};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        blob im = {.len = 0};
        put_gguf_header(&im, 3, 0, 1);
        put_gguf_key(&im, "general.alignment", KW_GGUF_U32);
        put_u32(&im, bad[i]);
        expect_refused(&im, KW_E_FORMAT, "general.alignment is");
    }
    blob im = {.len = 0};
    put_gguf_header(&im, 3, 0, 1);
    put_gguf_key(&im, "general.alignment", KW_GGUF_STRING);
    put_string(&im, "32");
    expect_refused(&im, KW_E_FORMAT, "general.alignment is no integer");
}

/* Types that cannot be run are listed with their size; unknown and dropped ones without. */
static void foreign_types_are_listed(void **state)
{
    (void)state;
    const uint64_t dims[] = {256, 2};
    const struct {
        uint32_t id;
        const char *name;
        uint64_t bytes;
    } types[] = {{9, "Q8_1", 576}, {15, "Q8_K", 584}, {4, "Q4_2", 0}, {77, "type 77", 0}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        blob im = {.len = 0};
        put_gguf_header(&im, 3, 1, 0);
        put_gguf_tensor(&im, "w", 2, dims, types[i].id, 0);
        pad(&im, 32);
        put_zeros(&im, 584);
        kw_model_file *const file = expect_open(&im);
        const kw_tensor_view *const view = &file->tensors[0];
        assert_int_equal(view->dtype, KW_N_DTYPES);
        assert_string_equal(view->type_name, types[i].name);
        assert_int_equal(view->bytes, types[i].bytes);
        assert_true((view->data == NULL) == (types[i].bytes == 0));
        walk(file, true);
        close_copy(file);
    }
}

static void versions_are_refused_by_name(void **state)
{
    (void)state;
    const struct {
        uint32_t version;
        const char *words;
    } versions[] = {{1, "version 1 (of August 2023)"},
                    {0x03000000, "a big-endian file"},
                    {0x02000000, "a big-endian file"},
                    {4, "version 4 is not supported; 2 and 3 are"},
                    {0, "version 0 is not supported"}};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        blob im = {.len = 0};
        put_gguf_header(&im, versions[i].version, 0, 0);
        expect_refused(&im, KW_E_UNSUPPORTED, versions[i].words);
    }
}

static void counts_are_bounded_by_the_bytes(void **state)
{
    (void)state;
    const uint64_t huge[] = {1, 1000, UINT32_MAX, 1ull << 40, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        blob tensors = {.len = 0}, metas = {.len = 0}, array = {.len = 0}, string = {.len = 0};
        put_gguf_header(&tensors, 3, huge[i], 0);
        expect_refused(&tensors, KW_E_FORMAT, "tensors cannot lie in the 0 bytes left");
        put_gguf_header(&metas, 3, 0, huge[i]);
        expect_refused(&metas, KW_E_FORMAT, "key-values cannot lie in the 0 bytes left");
        put_gguf_header(&array, 3, 0, 1);
        put_gguf_key(&array, "k", KW_GGUF_ARRAY);
        put_u32(&array, KW_GGUF_STRING);
        put_u64(&array, huge[i]);
        expect_refused(&array, KW_E_FORMAT, "items cannot lie in the 0 bytes left");
        put_gguf_header(&string, 3, 0, 1);
        put_gguf_key(&string, "k", KW_GGUF_STRING);
        put_u64(&string, huge[i]);
        expect_refused(&string, KW_E_FORMAT, "past the end of the file");
    }
}

static void values_are_checked(void **state)
{
    (void)state;
    const struct {
        uint32_t wire_type;
        uint64_t bits;
        size_t bytes;
        kw_status status;
        const char *words;
    } bad[] = {{KW_GGUF_BOOL, 2, 1, KW_E_FORMAT, "key \"k\": 2 is no boolean"},
               {KW_GGUF_U64, 1ull << 63, 8, KW_E_UNSUPPORTED, "an unsigned value above"},
               {13, 0, 8, KW_E_FORMAT, "key \"k\": unknown type 13"},
               {UINT32_MAX, 0, 8, KW_E_FORMAT, "key \"k\": unknown type 4294967295"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        blob scalar = {.len = 0}, array = {.len = 0};
        put_gguf_header(&scalar, 3, 0, 1);
        put_gguf_key(&scalar, "k", bad[i].wire_type);
        put_int(&scalar, bad[i].bits, bad[i].bytes);
        expect_refused(&scalar, bad[i].status, bad[i].words);
        put_gguf_header(&array, 3, 0, 1);
        put_gguf_key(&array, "k", KW_GGUF_ARRAY);
        put_u32(&array, bad[i].wire_type);
        put_u64(&array, 2);
        put_int(&array, 1, bad[i].bytes);
        put_int(&array, bad[i].bits, bad[i].bytes);
        expect_refused(&array, bad[i].status, "key \"k\"");
    }
    blob nested = {.len = 0};
    put_gguf_header(&nested, 3, 0, 1);
    put_gguf_key(&nested, "k", KW_GGUF_ARRAY);
    put_u32(&nested, KW_GGUF_ARRAY);
    put_u64(&nested, 0);
    expect_refused(&nested, KW_E_UNSUPPORTED, "key \"k\": an array of arrays");
}

static void names_appear_once_and_are_printable(void **state)
{
    (void)state;
    const uint64_t dims[] = {1};
    blob keys = {.len = 0}, tensors = {.len = 0};
    put_gguf_header(&keys, 3, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_gguf_key(&keys, "twice", KW_GGUF_U8);
        put_int(&keys, 1, 1);
    }
    expect_refused(&keys, KW_E_FORMAT, "key \"twice\" appears twice");
    put_gguf_header(&tensors, 3, 2, 0);
    put_gguf_tensor(&tensors, "twice", 1, dims, 0, 0);
    put_gguf_tensor(&tensors, "twice", 1, dims, 0, 32);
    pad(&tensors, 32);
    put_zeros(&tensors, 36);
    expect_refused(&tensors, KW_E_FORMAT, "tensor \"twice\" appears twice");

    const char *const bad[] = {"a\x1b[2J", "a\nb",     "\xff",        "\xc0\xaf",
                               "a\x7f",    "\xc2\x9b", "\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        blob im = {.len = 0};
        put_gguf_header(&im, 3, 1, 0);
        put_gguf_tensor(&im, bad[i], 1, dims, 0, 0);
        pad(&im, 32);
        put_zeros(&im, 4);
        expect_refused(&im, KW_E_FORMAT, "tensor 0: its name is not printable UTF-8");
    }
}

static void shapes_are_checked(void **state)
{
    (void)state;
    const struct {
        uint32_t rank;
        uint64_t dims[5];
        uint32_t type;
        const char *words;
    } bad[] = {
        {5, {1, 1, 1, 1, 1}, 0, "5 dimensions (at most 4)"},
        {UINT32_MAX, {1, 1, 1, 1, 1}, 0, "dimensions (at most 4)"},
        {2, {0, 4}, 0, "dimension 0 is 0"},
        {2, {4, 1ull << 63}, 0, "dimension 1 is 9223372036854775808"},
        {2, {1ull << 32, 1ull << 32}, 0, "multiply past 2^63"},
        {4, {1ull << 16, 1ull << 16, 1ull << 16, 1ull << 16}, 0, "multiply past 2^63"},
        {1, {INT64_MAX}, 0, "its size passes 2^64 bytes"},
        {2, {255, 256}, 12, "rows of 255 elements are no whole blocks of Q4_K (256)"},
        {2, {16, 16}, 39, "rows of 16 elements are no whole blocks of MXFP4 (32)"},
        {0, {0}, 2, "rows of 1 elements are no whole blocks of Q4_0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        blob im = {.len = 0};
        put_gguf_header(&im, 3, 1, 0);
        put_string(&im, "w");
        put_u32(&im, bad[i].rank);
        for (uint32_t k = 0; k < bad[i].rank && k < 5; k++)
            put_u64(&im, bad[i].dims[k]);
        put_u32(&im, bad[i].type);
        put_u64(&im, 0);
        put_zeros(&im, 512);
        expect_refused(&im, KW_E_FORMAT, bad[i].words);
    }
    blob scalar = {.len = 0};
    put_gguf_header(&scalar, 3, 1, 0);
    put_gguf_tensor(&scalar, "w", 0, NULL, 0, 0);
    pad(&scalar, 32);
    put_u32(&scalar, 5);
    kw_model_file *const file = expect_open(&scalar);
    assert_int_equal(file->tensors[0].shape.rank, 0);
    assert_int_equal(file->tensors[0].bytes, 4);
    close_copy(file);
}

static void offsets_are_checked(void **state)
{
    (void)state;
    const struct {
        uint64_t offset;
        const char *words;
    } bad[] = {{16, "offset 16 is no multiple of 32"},
               {32, "offset 32 + 24 bytes runs past the end of the data (24)"},
               {UINT64_MAX - 31, "runs past the end of the data (24)"},
               {1ull << 63, "runs past the end of the data (24)"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        blob im = {.len = 0};
        put_one_tensor(&im, 0, bad[i].offset);
        put_zeros(&im, 24);
        expect_refused(&im, KW_E_FORMAT, bad[i].words);
    }
    blob foreign = {.len = 0}; /* no size to check, but an offset */
    put_one_tensor(&foreign, 77, 64);
    expect_refused(&foreign, KW_E_FORMAT, "offset 64 + 0 bytes runs past the end of the data (0)");

    const uint64_t dims[] = {16};
    blob overlap = {.len = 0};
    put_gguf_header(&overlap, 3, 2, 0);
    put_gguf_tensor(&overlap, "a", 1, dims, 0, 0);
    put_gguf_tensor(&overlap, "b", 1, dims, 0, 32);
    pad(&overlap, 32);
    put_zeros(&overlap, 128);
    expect_refused(&overlap, KW_E_FORMAT, "the data of tensor \"b\" overlaps another");
}

static void parts_of_a_set_need_their_path(void **state)
{
    (void)state;
    blob im = {.len = 0};
    put_gguf_header(&im, 3, 0, 1);
    put_gguf_key(&im, "split.count", KW_GGUF_U16);
    put_int(&im, 2, 2);
    expect_refused(&im, KW_E_UNSUPPORTED, "one part of a split set");
}

static void other_formats_are_named(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t len;
        kw_status status;
        const char *words;
    } others[] = {{"", 0, KW_E_FORMAT, "no model format known here (0 bytes)"},
                  {"GGU", 3, KW_E_FORMAT, "no model format known here (3 bytes)"},
                  {"GGUF", 4, KW_E_FORMAT, "the version needs 4 bytes"},
                  {"PK\3\4", 4, KW_E_FORMAT, "zip: no end record"},
                  {"\x80\x02}q", 4, KW_E_FORMAT, "pickle: the instruction at 3 needs 1 bytes"},
                  {"algg\1\0\0\0", 8, KW_E_UNSUPPORTED, "from before GGUF"},
                  {"{\"weight_map\": {}}", 18, KW_E_FORMAT, "no model format known here"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        blob im = {.len = 0};
        put(&im, others[i].bytes, others[i].len);
        expect_refused(&im, others[i].status, others[i].words);
    }
    assert_int_equal(kw_model_file_from_memory("x", 1, NULL, &(kw_model_file *){NULL}, NULL),
                     KW_E_FORMAT);
    kw_model_file_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_is_read),
        cmocka_unit_test(arrays_stay_in_the_file),
        cmocka_unit_test(tensors_point_into_the_data),
        cmocka_unit_test(alignment_is_a_key),
        cmocka_unit_test(foreign_types_are_listed),
        cmocka_unit_test(versions_are_refused_by_name),
        cmocka_unit_test(counts_are_bounded_by_the_bytes),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(names_appear_once_and_are_printable),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(offsets_are_checked),
        cmocka_unit_test(parts_of_a_set_need_their_path),
        cmocka_unit_test(other_formats_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
