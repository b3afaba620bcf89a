/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* numpy.c - arrays and archives of them: NumPy's own files, and headers that it would not write. */
#include "fixtures.h"

static kw_model_file *open_corpus(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/fuzz_numpy/%s", KW_SOURCE_DIR, name);
    return expect_open_path(path);
}

static void arrays_open(void **state)
{
    (void)state;
    kw_model_file *file = open_corpus("f32.npy");
    const kw_tensor_view *view = kw_model_file_tensor(file, KW_STR("array"));
    const float f32[] = {0, 1, 2, 3, 4, 5};
    assert_int_equal(file->kind, KW_FILE_NUMPY);
    assert_true(view && view->dtype == KW_F32 && kw_shape_eq(view->shape, SHAPE(2, 3)));
    assert_memory_equal(view->data, f32, sizeof f32);
    kw_model_file_close(file);

    file = open_corpus("two.npz");
    const double eye[] = {1, 0, 0, 0, 1, 0}; /* was stored by columns */
    view = kw_model_file_tensor(file, KW_STR("second"));
    assert_true(view && view->dtype == KW_F64 && kw_shape_eq(view->shape, SHAPE(2, 3)));
    assert_memory_equal(view->data, eye, sizeof eye);
    assert_non_null(kw_model_file_tensor(file, KW_STR("first")));
    kw_model_file_close(file);

    file = open_corpus("deep.npy");
    assert_true(kw_shape_eq(file->tensors[0].shape, SHAPE(2, 1, 2, 1)));
    assert_int_equal(file->tensors[0].file_rank, 5);
    kw_model_file_close(file);
    file = open_corpus("scalar.npy");
    assert_int_equal(file->tensors[0].shape.rank, 0);
    kw_model_file_close(file);
}

static void shared_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *words; /* NULL: opens */
    } files[] = {
        {"torch-formats/candle/test.npy", NULL},
        {"torch-formats/candle/test.npz", NULL},
        {"adversarial/pickle/int_array.npy", NULL},
        {"adversarial/pickle/int_arrays.npz", NULL},
        {"adversarial/pickle/int_arrays_compressed.npz", "\"a.npy\" is compressed (deflate"},
        {"adversarial/pickle/object_array.npy", "Python objects (a pickle)"},
        {"adversarial/pickle/object_arrays.npz", "Python objects (a pickle)"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[1024];
        kw_model_file *file = NULL;
        kw_error err = {0};
        if (!shared_path(files[i].file, path))
            skip();
        const kw_status status = kw_model_file_open(path, NULL, &file, &err);
        if (!files[i].words) {
            assert_int_equal(status, KW_OK);
            walk(file, true);
            kw_model_file_close(file);
        } else if (status != KW_E_UNSUPPORTED || !strstr(err.message, files[i].words)) {
            fail_msg("%s: \"%s\"", files[i].file, err.message);
        }
    }
}

/* An array of this header and n bytes of zeros. */
static void expect_header_refused(const char *header, size_t n, const char *words)
{
    blob im = {.len = 0};
    kw_model_file *file = NULL;
    kw_error err = {0};
    put(&im, "\x93NUMPY\1\0", 8);
    put_int(&im, strlen(header), 2);
    put(&im, header, strlen(header));
    put_zeros(&im, n);
    if (open_copy(im.data, im.len, &file, &err) == KW_OK) {
        close_copy(file);
        fail_msg("%s opened", header);
    }
    if (!strstr(err.message, words))
        fail_msg("%s: \"%s\" where \"%s\" was expected", header, err.message, words);
}

static void headers_are_checked(void **state)
{
    (void)state;
#define REST "'fortran_order': False, 'shape': (2,)}"
    expect_header_refused("{'descr': '<f4', " REST, 7, "7 bytes where type and shape need 8");
    expect_header_refused("{'descr': '>f4', " REST, 8, "big-endian elements (>f4)");
    expect_header_refused("{'descr': '<U4', " REST, 8, "elements of type \"<U4\"");
    expect_header_refused("{'descr': [('a', '<f4')], " REST, 8, "records of several fields");
    expect_header_refused("{" REST, 8, "lacks a key");
    expect_header_refused("{'descr': '<f4', 'descr': '<f4', " REST, 8, "records of several");
    expect_header_refused("{'x': 1, " REST, 8, "another key");
    expect_header_refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8, "no boolean");
    expect_header_refused("{'descr': '<f4', 'fortran_order': True, 'shape': 2}", 8, "no tuple");
    expect_header_refused("{'descr': '<f4', 'fortran_order': True, 'shape': (-2,)}", 8,
                          "no whole numbers");
    expect_header_refused("{'descr': '<f4', 'fortran_order': True, 'shape': (2 3)}", 8,
                          "does not end");
    expect_header_refused(
        "{'descr': '<f4', 'fortran_order': True, 'shape': (4294967296, 4294967296)}", 8,
        "multiply past 2^63");
    expect_header_refused(
        "{'descr': '<f4', 'fortran_order': True, 'shape': (9999999999999999999,)}", 8,
        "passes 2^63");
    expect_header_refused("{'descr': '<f4', " REST " x", 8, "more than a dict");
    expect_header_refused("{'descr': '<f4'", 8, "does not end");
    expect_header_refused("[]", 8, "no dict");
    blob im = {.len = 0};
    put(&im, "\x93NUMPY\4\0\0\0\0\0", 12);
    expect_refused(&im, KW_E_UNSUPPORTED, "version 4");
    im = (blob){.len = 0};
    put(&im, "\x93NUMPY\1\0\xff\xff", 10);
    expect_refused(&im, KW_E_FORMAT, "a header of 65535 bytes in 10");
    im.len = 9;
    expect_refused(&im, KW_E_FORMAT, "no NumPy array");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_open),
        cmocka_unit_test(shared_files),
        cmocka_unit_test(headers_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
