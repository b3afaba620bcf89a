/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dtype.c - every row of the traits table is whole and agrees with the lists of GGUF and
 * safetensors types; sizes are checked. */
#include "tensor/dtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_row_is_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KW_N_DTYPES; i++) {
        const kw_dtype_traits *const row = kw_dtype_info((kw_dtype)i);
        kw_dtype found = KW_N_DTYPES;
        assert_non_null(row->name);
        assert_non_null(row->decode);
        assert_true(row->block_elems > 0 && row->block_bytes > 0);
        assert_true(kw_dtype_by_name(kw_str_from(row->name), &found));
        assert_int_equal(found, i);
        if (row->gguf_id >= 0) {
            uint16_t elems = 0, bytes = 0;
            assert_true(kw_dtype_by_gguf((uint32_t)row->gguf_id, &found));
            assert_int_equal(found, i);
            assert_true(kw_gguf_type_block((uint32_t)row->gguf_id, &elems, &bytes));
            assert_int_equal(elems, row->block_elems);
            assert_int_equal(bytes, row->block_bytes);
        }
        if (row->st_name) {
            const char *name = NULL;
            unsigned bits = 0;
            assert_true(kw_dtype_by_safetensors(kw_str_from(row->st_name), &found));
            assert_int_equal(found, i);
            assert_true(kw_safetensors_type(kw_str_from(row->st_name), &name, &bits));
            assert_int_equal(bits, row->block_bytes * 8);
            assert_string_equal(name, row->st_name);
        }
    }
}

static void names_are_found_in_any_case(void **state)
{
    (void)state;
    kw_dtype found = KW_N_DTYPES;
    assert_true(kw_dtype_by_name(KW_STR("Q4_K"), &found));
    assert_int_equal(found, KW_Q4_K);
    assert_true(kw_dtype_by_name(KW_STR("bF16"), &found));
    assert_int_equal(found, KW_BF16);
    const kw_str strangers[] = {KW_STR("q4_"), KW_STR("q4_kk"), KW_STR(""), KW_STR("q9_k")};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        assert_false(kw_dtype_by_name(strangers[i], &found));
    assert_false(kw_dtype_by_safetensors(KW_STR("f32"), &found));
    assert_false(kw_dtype_by_safetensors(KW_STR("F6_E2M3"), &found)); /* listed, not read */
    assert_int_equal(found, KW_BF16);
}

static void gguf_types_have_names_up_to_42(void **state)
{
    (void)state;
    const uint32_t dropped[] = {4, 5, 31, 32, 33, 36, 37, 38};
    unsigned n_dropped = 0;
    uint16_t elems = 0, bytes = 0;
    for (uint32_t id = 0; id <= 42; id++) {
        assert_non_null(kw_gguf_type_name(id));
        const bool gone = !kw_gguf_type_block(id, &elems, &bytes);
        for (size_t i = 0; gone && i < sizeof dropped / sizeof dropped[0]; i++)
            n_dropped += dropped[i] == id;
    }
    assert_int_equal(n_dropped, sizeof dropped / sizeof dropped[0]);
    assert_string_equal(kw_gguf_type_name(13), "Q5_K");
    assert_string_equal(kw_gguf_type_name(39), "MXFP4");
    assert_null(kw_gguf_type_name(43));
    assert_null(kw_gguf_type_name(UINT32_MAX));
    kw_dtype found = KW_N_DTYPES;
    assert_false(kw_dtype_by_gguf(9, &found));
    assert_false(kw_dtype_by_gguf(UINT32_MAX, &found));
}

static void sizes_are_checked(void **state)
{
    (void)state;
    size_t bytes = 7;
    assert_true(kw_row_bytes(KW_Q4_K, 512, &bytes));
    assert_int_equal(bytes, 288);
    assert_true(kw_row_bytes(KW_F16, 3, &bytes));
    assert_int_equal(bytes, 6);
    assert_true(kw_row_bytes(KW_Q6_K, 0, &bytes));
    assert_int_equal(bytes, 0);
    bytes = 7;
    assert_false(kw_row_bytes(KW_Q4_K, 128, &bytes));
    assert_false(kw_row_bytes(KW_F32, -1, &bytes));
    assert_false(kw_row_bytes(KW_F64, INT64_MAX, &bytes));
    assert_int_equal(bytes, 7);

    assert_true(kw_tensor_bytes(KW_Q8_0, SHAPE(3, 64), &bytes));
    assert_int_equal(bytes, 3 * 68);
    assert_true(kw_tensor_bytes(KW_F32, (kw_shape){0}, &bytes));
    assert_int_equal(bytes, 4);
    assert_true(kw_tensor_bytes(KW_Q8_0, SHAPE(0, 32), &bytes));
    assert_int_equal(bytes, 0);
    bytes = 7;
    /* 64 elements in all, but rows of 16 do not hold whole blocks */
    assert_false(kw_tensor_bytes(KW_Q8_0, SHAPE(4, 16), &bytes));
    assert_false(kw_tensor_bytes(KW_Q8_0, (kw_shape){0}, &bytes));
    assert_false(kw_tensor_bytes(KW_F32, SHAPE(1LL << 31, 1LL << 31), &bytes));
    assert_false(kw_tensor_bytes(KW_F32, SHAPE(-1, 4), &bytes));
    assert_int_equal(bytes, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(gguf_types_have_names_up_to_42),
        cmocka_unit_test(sizes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
