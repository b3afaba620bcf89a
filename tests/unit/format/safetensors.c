/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* safetensors.c - the safetensors reader on handmade headers: what it reads and each rule it holds.
 */
#include "fixtures.h"

#include "base/check.h"

#include <math.h>

static blob make(const char *header, size_t data_bytes)
{
    blob im = {.len = 0};
    put_safetensors(&im, header, data_bytes);
    return im;
}

static void refuse(const char *header, size_t data_bytes, kw_status status, const char *words)
{
    const blob im = make(header, data_bytes);
    expect_refused(&im, status, words);
}

static void tensors_and_metadata_are_read(void **state)
{
    (void)state;
    const blob im =
        make("{\"b\":{\"shape\":[2,3],\"extra\":[{}],\"data_offsets\":[4,16],"
             "\"dtype\":\"F16\"},\"__metadata__\":{\"format\":\"pt\",\"\\u006bey\":\"\"},"
             "\"\\u0061\":{\"dtype\":\"U32\",\"shape\":[],\"data_offsets\":[0,4]},"
             "\"e\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[16,16]}}   ",
             16);
    kw_model_file *const file = expect_open(&im);
    assert_int_equal(file->kind, KW_FILE_SAFETENSORS);
    assert_int_equal(file->version, 0);
    assert_int_equal(file->n_tensors, 3);
    assert_true(kw_str_is(file->tensors[0].name, "a")); /* the order of the data */
    const kw_tensor_view *const a = kw_model_file_tensor(file, KW_STR("a"));
    assert_int_equal(a->dtype, KW_U32);
    assert_string_equal(a->type_name, "U32");
    assert_int_equal(a->shape.rank, 0);
    const kw_tensor_view *const b = kw_model_file_tensor(file, KW_STR("b"));
    assert_int_equal(b->dtype, KW_F16);
    assert_true(kw_shape_eq(b->shape, SHAPE(2, 3)));
    assert_int_equal(b->bytes, 12);
    assert_int_equal(b->offset, im.len - 12);
    assert_ptr_equal(b->data, file->parts[0].map.data + im.len - 12);
    assert_int_equal(kw_model_file_tensor(file, KW_STR("e"))->bytes, 0);
    assert_true(kw_str_is(kw_model_file_meta(file, KW_STR("__metadata__.format"))->s, "pt"));
    assert_int_equal(kw_model_file_meta(file, KW_STR("__metadata__.key"))->s.len, 0);
    walk(file, true);
    close_copy(file);
}

static void every_type_has_its_size(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t bytes; /* of 16 elements */
    } types[] = {{"BOOL", 16},    {"U8", 16},      {"I8", 16},      {"I16", 32},
                 {"U16", 32},     {"F16", 32},     {"BF16", 32},    {"I32", 64},
                 {"U32", 64},     {"F32", 64},     {"F64", 128},    {"I64", 128},
                 {"U64", 128},    {"F8_E4M3", 16}, {"F8_E5M2", 16}, {"F8_E8M0", 16},
                 {"F6_E2M3", 12}, {"F6_E3M2", 12}, {"F4", 8},       {"C64", 128}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char header[200];
        for (size_t off = 0; off < 2; off++) {
            const size_t bytes = types[i].bytes + off;
            snprintf(header, sizeof header,
                     "{\"x\":{\"dtype\":\"%s\",\"shape\":[4,4],\"data_offsets\":[0,%zu]}}",
                     types[i].name, bytes);
            const blob im = make(header, bytes);
            if (off) {
                expect_refused(&im, KW_E_FORMAT, "shape need");
                continue;
            }
            kw_model_file *const file = expect_open(&im);
            assert_string_equal(file->tensors[0].type_name, types[i].name);
            walk(file, true);
            close_copy(file);
        }
    }
    refuse("{\"x\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, KW_E_FORMAT,
           "shape need");
}

/* types.safetensors (make_types.py): each type as torch reads it. NaN has one spelling here. */
static void every_type_reads_as_torch_reads_it(void **state)
{
    kw_model_file *file;
    size_t n_read = 0, n_listed = 0;
    (void)state;
    assert_int_equal(kw_model_file_open(KW_SOURCE_DIR
                                        "/tests/golden/formats/types/types.safetensors",
                                        NULL, &file, NULL),
                     KW_OK);
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *const view = &file->tensors[i];
        char name[40];
        float got[256];
        snprintf(name, sizeof name, "%.*s.want", KW_FMT(view->name));
        const kw_tensor_view *const want = kw_model_file_tensor(file, kw_str_from(name));
        n_listed += view->dtype == KW_N_DTYPES;
        if (!want)
            continue;
        const size_t n = (size_t)view->shape.dim[0];
        assert_true(view->dtype < KW_N_DTYPES && n <= KW_COUNT(got));
        kw_dtype_info(view->dtype)->decode(got, view->data, n);
        for (size_t k = 0; k < n; k++) {
            float expected;
            memcpy(&expected, (const char *)want->data + k * sizeof expected, sizeof expected);
            const bool same = memcmp(&got[k], &expected, sizeof expected) == 0;
            if (!same && !(isnan(got[k]) && isnan(expected)))
                fail_msg("%.*s %zu: %a, torch has %a", KW_FMT(view->name), k, (double)got[k],
                         (double)expected);
        }
        n_read++;
    }
    assert_int_equal(n_read, 18);
    assert_int_equal(n_listed, 4); /* F4, F6_E2M3, F6_E3M2, C64 */
    kw_model_file_close(file);
}

/* A type of tomorrow is listed with the bytes that it says. */
static void unknown_types_are_listed(void **state)
{
    (void)state;
    const blob im = make("{\"x\":{\"dtype\":\"NF3_x\",\"shape\":[8],\"data_offsets\":[0,3]}}", 3);
    kw_model_file *const file = expect_open(&im);
    assert_int_equal(file->tensors[0].dtype, KW_N_DTYPES);
    assert_string_equal(file->tensors[0].type_name, "NF3_x");
    assert_int_equal(file->tensors[0].bytes, 3);
    close_copy(file);
    refuse("{\"x\":{\"dtype\":\"\\u001b[2J\",\"shape\":[8],\"data_offsets\":[0,3]}}", 3,
           KW_E_FORMAT, "its dtype is no type's name");
    refuse("{\"x\":{\"dtype\":\"\",\"shape\":[8],\"data_offsets\":[0,3]}}", 3, KW_E_FORMAT,
           "its dtype is no type's name");
    refuse(
        "{\"x\":{\"dtype\":\"ABCDEFGHIJKLMNOPQRSTUVWXYZ\",\"shape\":[8],\"data_offsets\":[0,3]}}",
        3, KW_E_FORMAT, "its dtype is no type's name");
}

static void leading_dimensions_are_folded(void **state)
{
    (void)state;
    const blob im =
        make("{\"x\":{\"dtype\":\"U8\",\"shape\":[2,3,1,5,7,2],\"data_offsets\":[0,420]}}", 420);
    kw_model_file *const file = expect_open(&im);
    assert_true(kw_shape_eq(file->tensors[0].shape, SHAPE(6, 5, 7, 2)));
    assert_int_equal(file->tensors[0].file_rank, 6);
    close_copy(file);
    refuse(
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
        "1,1,1,1,1,1],\"data_offsets\":[0,1]}}",
        1, KW_E_LIMIT, "more than 32 dimensions");
    refuse("{\"x\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,1,1,1,1],\"data_offsets\":[0,"
           "1]}}",
           1, KW_E_FORMAT, "multiply past 2^63");
}

static void the_data_is_covered_exactly(void **state)
{
    (void)state;
#define TWO(b1, e1, n1, b2, e2, n2)                                                                \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[" #n1 "],\"data_offsets\":[" #b1 "," #e1 "]},"            \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[" #n2 "],\"data_offsets\":[" #b2 "," #e2 "]}}"
    const blob good = make(TWO(4, 8, 4, 0, 4, 4), 8);
    close_copy(expect_open(&good));
    refuse(TWO(0, 4, 4, 3, 7, 4), 7, KW_E_FORMAT, "begins at byte 3 of the data where 4 is next");
    refuse(TWO(0, 4, 4, 0, 4, 4), 4, KW_E_FORMAT, "(a hole or an overlap)");
    refuse(TWO(0, 4, 4, 5, 9, 4), 9, KW_E_FORMAT, "begins at byte 5 of the data where 4 is next");
    refuse(TWO(1, 5, 4, 5, 9, 4), 9, KW_E_FORMAT, "begins at byte 1 of the data where 0 is next");
    refuse(TWO(0, 4, 4, 4, 8, 4), 9, KW_E_FORMAT, "cover 8 of the 9 bytes");
    refuse(TWO(0, 4, 4, 4, 8, 4), 7, KW_E_FORMAT,
           "\"b\": bytes 4 to 8 are not within the data (7)");
    refuse(TWO(4, 0, 4, 4, 8, 4), 8, KW_E_FORMAT, "\"a\": bytes 4 to 0 are not within");
    refuse(TWO(0, 18446744073709551615, 4, 4, 8, 4), 8, KW_E_FORMAT, "are not within the data");
    refuse("{}", 1, KW_E_FORMAT, "cover 0 of the 1 bytes");
#undef TWO
}

static void entries_are_whole_and_unique(void **state)
{
    (void)state;
    refuse("{\"x\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, KW_E_FORMAT,
           "\"dtype\" is missing");
    refuse("{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, KW_E_FORMAT,
           "\"shape\" is missing");
    refuse("{\"x\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, KW_E_FORMAT,
           "\"data_offsets\" is missing");
    refuse("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
           KW_E_FORMAT, "\"shape\" appears twice");
    refuse("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
           "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
           2, KW_E_FORMAT, "tensor \"x\" appears twice");
    refuse("{\"__metadata__\":{},\"__metadata__\":{}}", 0, KW_E_FORMAT, "appears twice");
    refuse("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, KW_E_FORMAT,
           "\"__metadata__.k\" appears twice");
    refuse("{\"__metadata__\":{\"k\":1}}", 0, KW_E_FORMAT, "expected a string");
    refuse("{\"x\":[]}", 0, KW_E_FORMAT, "expected an object");
    refuse("{\"x\":{\"dtype\":8}}", 0, KW_E_FORMAT, "expected a string");
    refuse("{\"x\":{\"shape\":[-1]}}", 0, KW_E_FORMAT, "safetensors: header");
    refuse("{\"x\":{\"shape\":[1.5]}}", 0, KW_E_FORMAT, "safetensors: header");
    refuse("{\"x\":{\"shape\":[9223372036854775808]}}", 0, KW_E_FORMAT,
           "dimension 0 is 9223372036854775808");
    refuse("{\"x\":{\"data_offsets\":[0]}}", 0, KW_E_FORMAT, "expected a number");
    refuse("{\"x\":{\"data_offsets\":[0,1,2]}}", 0, KW_E_FORMAT, "expected the end of an array");
    refuse("{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
           KW_E_FORMAT, "not printable");
    refuse("{} {}", 0, KW_E_FORMAT, "expected nothing more");
}

static void the_length_is_checked(void **state)
{
    (void)state;
    blob im = {.len = 0};
    put_u64(&im, 100);
    put(&im, "{}", 2);
    expect_refused(&im, KW_E_FORMAT, "a header of 100 bytes runs past the end of the file (10)");
    blob huge = {.len = 0};
    put_u64(&huge, 100000001);
    put(&huge, "{}", 2);
    expect_refused(&huge, KW_E_LIMIT, "a header of 100000001 bytes (at most 100000000)");
    const blob empty = make("{}", 0);
    kw_model_file *const file = expect_open(&empty);
    assert_int_equal(file->n_tensors, 0);
    assert_null(kw_model_file_tensor(file, KW_STR("x")));
    close_copy(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_and_metadata_are_read),
        cmocka_unit_test(every_type_has_its_size),
        cmocka_unit_test(every_type_reads_as_torch_reads_it),
        cmocka_unit_test(unknown_types_are_listed),
        cmocka_unit_test(leading_dimensions_are_folded),
        cmocka_unit_test(the_data_is_covered_exactly),
        cmocka_unit_test(entries_are_whole_and_unique),
        cmocka_unit_test(the_length_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
