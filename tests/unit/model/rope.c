/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rope.c - the angles of rotary embeddings and their scalings. Single values were computed apart
 * (Python floats, by the formulae of the papers as Hugging Face's modeling_rope_utils states them);
 * whole tables are computed here a second time with libm. */
#include "model/blocks/rope.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 4e-15 * fabs(want)))
        fail_msg("%.17g, expected %.17g", got, want);
}

typedef struct known {
    int pair;
    double value;
} known;

static void check_known(const kw_rope_config *c, int n_rot, const known *values, size_t n)
{
    double freq[256];
    (void)kw_rope_frequencies(c, n_rot, freq);
    for (size_t i = 0; i < n; i++)
        assert_near(freq[values[i].pair], values[i].value);
}

static void plain_and_linear(void **state)
{
    double freq[64];
    (void)state;
    for (int n_rot = 2; n_rot <= 128; n_rot += 6) {
        const kw_rope_config plain = {.base = 10000, .factor = 7};
        assert_true(kw_rope_frequencies(&plain, n_rot, freq) == 1.0f);
        for (int i = 0; i < n_rot / 2; i++)
            assert_near(freq[i], pow(10000, -2.0 * i / n_rot));
        const kw_rope_config linear = {.base = 500000, .factor = 2.5, .scaling = KW_ROPE_LINEAR};
        assert_true(kw_rope_frequencies(&linear, n_rot, freq) == 1.0f);
        for (int i = 0; i < n_rot / 2; i++)
            assert_near(freq[i], pow(500000, -2.0 * i / n_rot) / 2.5);
    }
}

/* Llama 3.1: base 500000, heads of 128, factor 8, 1 to 4 of 8192 positions. */
static void llama3_known_values(void **state)
{
    static const known values[] = {{0, 1.0},
                                   {10, 0.12868737343265052},
                                   {28, 0.003211445994752591},
                                   {29, 0.002166570763503359},
                                   {30, 0.0013718935677611381},
                                   {33, 0.00031269375038406517},
                                   {36, 7.78465527393245e-05},
                                   {37, 6.341514345777615e-05},
                                   {63, 3.068925988914511e-07}};
    const kw_rope_config c = {.base = 500000,
                              .scaling = KW_ROPE_LLAMA3,
                              .factor = 8,
                              .low_freq = 1,
                              .high_freq = 4,
                              .original_context = 8192};
    (void)state;
    check_known(&c, 128, values, sizeof values / sizeof values[0]);
}

static void llama3_formula(void **state)
{
    double freq[64];
    (void)state;
    for (int n_rot = 8; n_rot <= 128; n_rot += 8)
        for (double factor = 1; factor <= 32; factor *= 2) {
            const kw_rope_config c = {.base = 500000,
                                      .scaling = KW_ROPE_LLAMA3,
                                      .factor = factor,
                                      .low_freq = 2,
                                      .high_freq = 5,
                                      .original_context = 4096};
            assert_true(kw_rope_frequencies(&c, n_rot, freq) == 1.0f);
            for (int i = 0; i < n_rot / 2; i++) {
                const double f = pow(500000, -2.0 * i / n_rot);
                const double wave = 2 * acos(-1) / f, low = 4096.0 / 2, high = 4096.0 / 5;
                const double smooth = (4096 / wave - 2) / (5 - 2);
                const double want = wave > low    ? f / factor
                                    : wave < high ? f
                                                  : (1 - smooth) * f / factor + smooth * f;
                assert_true(fabs(freq[i] - want) <= 1e-13 * want);
            }
        }
}

static void yarn_known_values(void **state)
{
    static const known short_base[] = {{0, 1.0},
                                       {8, 0.1},
                                       {10, 0.05623413251903491},
                                       {11, 0.039128569789286714},
                                       {15, 0.00852684377296741},
                                       {20, 0.0008817889629315672},
                                       {22, 0.00023938376673600874},
                                       {23, 8.334508951020775e-05},
                                       {31, 8.334508951020775e-06}};
    static const known long_base[] = {{0, 1.0},
                                      {23, 0.006978305848598663},
                                      {24, 0.005375321490790102},
                                      {30, 0.001064360981247002},
                                      {39, 6.490394320837029e-05},
                                      {40, 4.445698525097307e-05},
                                      {63, 3.102344401879299e-07}};
    kw_rope_config c = {.base = 10000,
                        .scaling = KW_ROPE_YARN,
                        .factor = 16,
                        .beta_fast = 32,
                        .beta_slow = 1,
                        .original_context = 4096};
    double freq[64];
    (void)state;
    check_known(&c, 64, short_base, sizeof short_base / sizeof short_base[0]);
    assert_true(fabs((double)kw_rope_frequencies(&c, 64, freq) - 1.2772588722239782) < 1e-7);
    c.base = 1000000;
    c.factor = 4;
    c.original_context = 32768;
    check_known(&c, 128, long_base, sizeof long_base / sizeof long_base[0]);
    assert_true(fabs((double)kw_rope_frequencies(&c, 128, freq) - 1.138629436111989) < 1e-7);
    c.attention_factor = 0.75; /* the file's own */
    assert_true(kw_rope_frequencies(&c, 128, freq) == 0.75f);
    c.attention_factor = 0;
    c.factor = 1;
    assert_true(kw_rope_frequencies(&c, 128, freq) == 1.0f);
}

/* The ramp may have no width, or lie wholly outside the pairs. */
static void yarn_at_its_edges(void **state)
{
    kw_rope_config c = {.base = 10000,
                        .scaling = KW_ROPE_YARN,
                        .factor = 4,
                        .beta_fast = 32,
                        .beta_slow = 32,
                        .original_context = 4096};
    double freq[32];
    (void)state;
    static const double contexts[] = {1, 6, 64, 4096, 1e9, 1e15};
    for (size_t n = 0; n < sizeof contexts / sizeof contexts[0]; n++) {
        c.original_context = contexts[n];
        (void)kw_rope_frequencies(&c, 64, freq);
        for (int i = 0; i < 32; i++) {
            const double f = pow(10000, -2.0 * i / 64);
            assert_true(freq[i] >= f / 4 * (1 - 1e-12) && freq[i] <= f * (1 + 1e-12));
            assert_true(i == 0 || freq[i] < freq[i - 1]);
        }
    }
}

static void names(void **state)
{
    static const struct {
        const char *name;
        kw_rope_scaling scaling;
    } known_names[] = {{"", KW_ROPE_PLAIN},        {"none", KW_ROPE_PLAIN},
                       {"default", KW_ROPE_PLAIN}, {"linear", KW_ROPE_LINEAR},
                       {"llama3", KW_ROPE_LLAMA3}, {"yarn", KW_ROPE_YARN},
                       {"longrope", KW_ROPE_LONG}, {"su", KW_ROPE_LONG}};
    kw_rope_scaling got;
    kw_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof known_names / sizeof known_names[0]; i++) {
        assert_int_equal(kw_rope_scaling_by_name(kw_str_from(known_names[i].name), &got, NULL),
                         KW_OK);
        assert_int_equal(got, known_names[i].scaling);
    }
    assert_int_equal(kw_rope_scaling_by_name(KW_STR("ntk"), &got, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "\"ntk\""));
    assert_int_equal(kw_rope_scaling_by_name(KW_STR("Linear"), &got, &err), KW_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_linear),  cmocka_unit_test(llama3_known_values),
        cmocka_unit_test(llama3_formula),    cmocka_unit_test(yarn_known_values),
        cmocka_unit_test(yarn_at_its_edges), cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
