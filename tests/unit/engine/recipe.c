/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* recipe.c - mixtures: which tensor gets which type, what stays, what takes the place of a type
 * whose blocks do not fit. */
#include "engine/recipe.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const kw_recipe_model seven_b = {.layers = 32, .heads = 32, .kv_heads = 32};

/* The type of a tensor of 4096 columns, by name. */
static const char *type_of(const char *recipe, const kw_recipe_model *model, const char *name)
{
    kw_dtype type;
    const kw_recipe *const r = kw_recipe_find(recipe);
    assert_non_null(r);
    assert_int_equal(kw_recipe_type(r, model, kw_str_from(name), 4096, &type, NULL), KW_OK);
    return kw_dtype_info(type)->name;
}

static void names(void **state)
{
    (void)state;
    assert_ptr_equal(kw_recipe_find("q4_k"), kw_recipe_find("Q4_K_M"));
    assert_string_equal(kw_recipe_name(kw_recipe_find("q4_k_m")), "Q4_K_M");
    assert_int_equal(kw_recipe_file_type(kw_recipe_find("Q4_K_S")), 14);
    assert_int_equal(kw_recipe_file_type(kw_recipe_find("f32")), 0);
    assert_null(kw_recipe_find("Q4"));
    assert_null(kw_recipe_find(""));
    size_t n = 0;
    for (; kw_recipe_at(n); n++)
        for (size_t i = 0; i < n; i++)
            assert_int_not_equal(kw_recipe_file_type(kw_recipe_at(i)),
                                 kw_recipe_file_type(kw_recipe_at(n)));
    assert_true(n > 20);
}

/* Q4_K_M of a 7B model: half of the value and down projections have six bits, and the head. */
static void q4_k_m(void **state)
{
    char name[64];
    int better = 0;
    (void)state;
    for (int layer = 0; layer < 32; layer++) {
        (void)snprintf(name, sizeof name, "blk.%d.ffn_down.weight", layer);
        const char *const down = type_of("Q4_K_M", &seven_b, name);
        (void)snprintf(name, sizeof name, "blk.%d.attn_v.weight", layer);
        assert_string_equal(type_of("Q4_K_M", &seven_b, name), down);
        better += down[1] == '6';
        (void)snprintf(name, sizeof name, "blk.%d.ffn_up.weight", layer);
        assert_string_equal(type_of("Q4_K_M", &seven_b, name), "q4_k");
    }
    assert_int_equal(better, 16);
    assert_string_equal(type_of("Q4_K_M", &seven_b, "output.weight"), "q6_k");
    assert_string_equal(type_of("Q4_K_M", &seven_b, "token_embd.weight"), "q4_k");
    const kw_recipe_model tied = {.layers = 32, .heads = 32, .kv_heads = 8, .tied_head = true};
    assert_string_equal(type_of("Q4_K_M", &tied, "token_embd.weight"), "q6_k");
    const kw_recipe_model seventy = {.layers = 80, .heads = 64, .kv_heads = 8};
    assert_string_equal(type_of("Q8_0", &seventy, "blk.3.attn_v.weight"), "q8_0");
    assert_string_equal(type_of("Q8_0", &seventy, "output.weight"), "q8_0");
    assert_string_equal(type_of("F16", &seventy, "output.weight"), "f16");
}

static void what_stays(void **state)
{
    (void)state;
    assert_true(kw_recipe_quantizes(KW_STR("blk.0.attn_q.weight"), 2));
    assert_true(kw_recipe_quantizes(KW_STR("token_embd.weight"), 2));
    assert_false(kw_recipe_quantizes(KW_STR("blk.0.attn_q.weight"), 1));
    assert_false(kw_recipe_quantizes(KW_STR("blk.0.attn_norm.weight"), 2));
    assert_false(kw_recipe_quantizes(KW_STR("blk.0.attn_q.bias"), 2));
    assert_false(kw_recipe_quantizes(KW_STR("blk.0.ffn_gate_inp.weight"), 2));
    assert_false(kw_recipe_quantizes(KW_STR(""), 2));
}

static void fits(void **state)
{
    kw_dtype type;
    (void)state;
    assert_int_equal(kw_recipe_fit(KW_Q4_K, 512, &type, NULL), KW_OK);
    assert_int_equal(type, KW_Q4_K);
    assert_int_equal(kw_recipe_fit(KW_Q6_K, 192, &type, NULL), KW_OK);
    assert_int_equal(type, KW_Q8_0);
    assert_int_equal(kw_recipe_fit(KW_Q4_0, 33, &type, NULL), KW_OK);
    assert_int_equal(type, KW_F16);
    assert_int_equal(kw_recipe_fit(KW_Q6_K, 33, &type, NULL), KW_OK);
    assert_int_equal(type, KW_F16);
    assert_int_equal(kw_recipe_fit(KW_F32, 33, &type, NULL), KW_OK);
    assert_int_equal(type, KW_F32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(q4_k_m),
        cmocka_unit_test(what_stays),
        cmocka_unit_test(fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
