/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* codecs.c - every codec of the traits table: exact round trips of what it can represent, bounded
 * error of what it cannot, no byte outside its buffers, defined output for NaN and infinity, and
 * the worked definition of the activation types. Reference bytes are compared in
 * format/golden_quant.c. */
#include "tensor/dtype.h"
#include "tensor/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1024 };

/* A fixed sequence of uniform values in [-1, 1). */
static float noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed * 0x1p-31f;
}

/* Roughly normal, as weights are. */
static void fill(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 0.02f * (noise(&seed) + noise(&seed) + noise(&seed) + noise(&seed));
}

/* Packs n values in an exactly sized block (so that a sanitizer sees an overrun), unaligned, and
 * unpacks them again. */
static void round_trip(kw_dtype dtype, float *y, const float *x, size_t n, const float *importance)
{
    const kw_dtype_traits *const row = kw_dtype_info(dtype);
    size_t bytes = 0;
    assert_true(kw_row_bytes(dtype, (int64_t)n, &bytes));
    unsigned char *const packed = malloc(bytes + 1);
    assert_non_null(packed);
    row->encode(packed + 1, x, n, importance);
    row->decode(y, packed + 1, n);
    free(packed);
}

static double squared_error(const float *x, const float *y, size_t n, const float *w)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (w ? (double)w[i] : 1.0) * ((double)x[i] - (double)y[i]) *
               ((double)x[i] - (double)y[i]);
    return sum;
}

static void errors_are_bounded(void **state)
{
    (void)state;
    const struct {
        kw_dtype dtype;
        double relative_rms;
    } bounds[] = {{KW_F32, 0.0},       {KW_F64, 0.0},      {KW_F16, 3e-4},     {KW_BF16, 3e-3},
                  {KW_Q8_0, 0.006},    {KW_Q6_K, 0.019},   {KW_Q5_K, 0.035},   {KW_Q4_K, 0.072},
                  {KW_Q3_K, 0.143},    {KW_Q2_K, 0.27},    {KW_Q4_0, 0.088},   {KW_Q4_1, 0.08},
                  {KW_Q5_0, 0.045},    {KW_Q5_1, 0.04},    {KW_IQ4_NL, 0.075}, {KW_IQ4_XS, 0.075},
                  {KW_MXFP4, 0.12},    {KW_TQ1_0, 0.76},   {KW_TQ2_0, 0.76},   {KW_Q8_A32, 0.006},
                  {KW_Q8_A256, 0.008}, {KW_IQ3_S, 0.13},   {KW_IQ3_XXS, 0.18}, {KW_IQ2_S, 0.245},
                  {KW_IQ2_XS, 0.30},   {KW_IQ2_XXS, 0.35}, {KW_IQ1_M, 0.45},   {KW_IQ1_S, 0.49}};
    float x[N], y[N], zero[N] = {0};
    fill(x, N, 1);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        round_trip(bounds[i].dtype, y, x, N, NULL);
        const double relative =
            sqrt(squared_error(x, y, N, NULL) / squared_error(x, zero, N, NULL));
        if (relative > bounds[i].relative_rms)
            fail_msg("%s: error %g", kw_dtype_info(bounds[i].dtype)->name, relative);
    }
}

/* Weights of the error make the weighted error no larger. */
static void importance_is_used(void **state)
{
    (void)state;
    const kw_dtype dtypes[] = {KW_Q4_0,   KW_Q4_1,    KW_Q5_0,  KW_Q5_1,    KW_IQ4_NL,
                               KW_IQ4_XS, KW_MXFP4,   KW_Q2_K,  KW_Q3_K,    KW_Q4_K,
                               KW_Q5_K,   KW_Q6_K,    KW_IQ3_S, KW_IQ3_XXS, KW_IQ2_S,
                               KW_IQ2_XS, KW_IQ2_XXS, KW_IQ1_M, KW_IQ1_S};
    float x[N], w[N], plain[N], weighted[N];
    uint32_t seed = 9;
    fill(x, N, 2);
    for (size_t i = 0; i < N; i++)
        w[i] = i % 7 == 0 ? 50.0f : 0.1f + fabsf(noise(&seed));
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        round_trip(dtypes[i], plain, x, N, NULL);
        round_trip(dtypes[i], weighted, x, N, w);
        assert_true(squared_error(x, weighted, N, w) < 0.95 * squared_error(x, plain, N, w));
        assert_true(squared_error(x, plain, N, NULL) < squared_error(x, weighted, N, NULL));
    }
}

static void zeros_stay_zeros(void **state)
{
    (void)state;
    const float x[N] = {0};
    float y[N];
    for (unsigned t = 0; t < KW_N_DTYPES; t++) {
        if (!kw_dtype_info((kw_dtype)t)->encode)
            continue;
        memset(y, 0xff, sizeof y);
        round_trip((kw_dtype)t, y, x, N, NULL);
        for (size_t i = 0; i < N; i++)
            assert_true(y[i] == 0.0f);
    }
}

/* Values that lie on the levels come back as they were. */
static void levels_are_exact(void **state)
{
    (void)state;
    float x[N], y[N], ones[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = (float)((int)(i % 16) - 8) * 0.25f;
        ones[i] = 1.0f;
    }
    round_trip(KW_Q4_0, y, x, N, NULL);
    assert_memory_equal(x, y, sizeof x);
    round_trip(KW_Q4_0, y, x, N, ones);
    assert_memory_equal(x, y, sizeof x);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)((int)(i % 32) * 8 - 127) * 0.5f;
    round_trip(KW_Q8_0, y, x, N, NULL);
    assert_memory_equal(x, y, sizeof x);
}

static void odd_values_are_defined(void **state)
{
    (void)state;
    const float odd[] = {NAN,    INFINITY, -INFINITY, 3e38f, -3e38f,
                         1e-45f, -1e-45f,  1e-38f,    0.0f,  1.0f};
    const size_t n_odd = sizeof odd / sizeof odd[0];
    float x[N], y[N], w[N];
    for (size_t i = 0; i < N; i++)
        w[i] = odd[(i / 3) % n_odd];
    for (unsigned t = 0; t < KW_N_DTYPES; t++) {
        if (!kw_dtype_info((kw_dtype)t)->encode)
            continue;
        for (size_t k = 0; k < n_odd; k++) {
            fill(x, N, 3);
            for (size_t i = 0; i < N; i += 1 + i % 5)
                x[i] = odd[(i + k) % n_odd];
            round_trip((kw_dtype)t, y, x, N, NULL);
            round_trip((kw_dtype)t, y, x, N, w);
            for (size_t i = 0; i < N; i++)
                x[i] = odd[k];
            round_trip((kw_dtype)t, y, x, N, NULL);
        }
    }
    /* a group of one negative value is all offset and no scale */
    for (size_t i = 0; i < N; i++)
        x[i] = -3.5f;
    round_trip(KW_Q4_K, y, x, N, NULL);
    for (size_t i = 0; i < N; i++)
        assert_true(fabsf(y[i] + 3.5f) < 0.01f);
}

static void integers_decode(void **state)
{
    (void)state;
    const struct {
        kw_dtype dtype;
        int64_t low, high;
    } types[] = {{KW_I8, INT8_MIN, INT8_MAX},
                 {KW_I16, INT16_MIN, INT16_MAX},
                 {KW_I32, INT32_MIN, INT32_MAX},
                 {KW_I64, INT64_MIN, INT64_MAX},
                 {KW_U8, 0, 255}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const kw_dtype_traits *const row = kw_dtype_info(types[i].dtype);
        const int64_t values[3] = {types[i].low, types[i].high, 5};
        unsigned char packed[25];
        float y[3];
        for (size_t j = 0; j < 3; j++)
            memcpy(packed + 1 + j * row->block_bytes, &values[j], row->block_bytes);
        row->decode(y, packed + 1, 3);
        assert_true(y[0] == (float)types[i].low && y[1] == (float)types[i].high && y[2] == 5.0f);
        assert_null(row->encode);
    }
    const unsigned char flags[3] = {0, 1, 255};
    float y[3];
    kw_dtype_info(KW_BOOL)->decode(y, flags, 3);
    assert_true(y[0] == 0.0f && y[1] == 1.0f && y[2] == 1.0f);
}

/* Layout and rounding of the activation types, from the words of backend/cpu/kernels.h. */
static void activations_follow_their_definition(void **state)
{
    (void)state;
    float x[256];
    fill(x, 256, 4);
    x[200] = -0.5f;
    for (int wide = 0; wide < 2; wide++) {
        const size_t group = wide ? 256 : 32;
        unsigned char packed[320];
        kw_dtype_info(wide ? KW_Q8_A256 : KW_Q8_A32)->encode(packed, x, 256, NULL);
        for (size_t b = 0; b < 8; b++) {
            const unsigned char *const block = packed + 40 * b;
            float amax = 0.0f, d;
            for (size_t i = b * 32 / group * group, end = i + group; i < end; i++)
                amax = fmaxf(amax, fabsf(x[i]));
            memcpy(&d, block + 32, sizeof d);
            assert_true(d == amax / 127.0f);
            int sums[2] = {0, 0};
            for (size_t i = 0; i < 32; i++) {
                const int q = (signed char)block[i];
                assert_int_equal(q, (int)nearbyintf(x[32 * b + i] * (127.0f / amax)));
                sums[i / 16] += q;
            }
            int16_t stored[2];
            memcpy(stored, block + 36, sizeof stored);
            assert_int_equal(stored[0], sums[0]);
            assert_int_equal(stored[1], sums[1]);
        }
    }
}

static void activations_round_ties_to_even(void **state)
{
    (void)state;
    float x[32] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f};
    const int expected[8] = {127, 0, 2, 2, 0, -2, -2, 126};
    unsigned char packed[40];
    kw_dtype_info(KW_Q8_A32)->encode(packed, x, 32, NULL);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal((signed char)packed[i], expected[i]);
    x[0] = NAN; /* skipped: the others keep their scale */
    kw_dtype_info(KW_Q8_A32)->encode(packed, x, 32, NULL);
    assert_int_equal((signed char)packed[0], 0);
    assert_int_equal((signed char)packed[7], 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_bounded),
        cmocka_unit_test(importance_is_used),
        cmocka_unit_test(zeros_stay_zeros),
        cmocka_unit_test(levels_are_exact),
        cmocka_unit_test(odd_values_are_defined),
        cmocka_unit_test(integers_decode),
        cmocka_unit_test(activations_follow_their_definition),
        cmocka_unit_test(activations_round_ties_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
