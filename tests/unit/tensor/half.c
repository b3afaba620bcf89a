/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* half.c - conversions against values worked out from the definition in double arithmetic, and
 * against the processor's own F16C where there is one. */
#include "tensor/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static void every_f16_has_its_value(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x10000; h++) {
        const unsigned exponent = h >> 10 & 31, fraction = h & 1023;
        const float f = kw_f32_from_f16((uint16_t)h);
        assert_int_equal(kw_f32_bits(f) >> 31, h >> 15);
        if (exponent == 31) {
            assert_true(fraction ? isnan(f) : isinf(f));
            continue;
        }
        const double value =
            exponent ? ldexp(1024.0 + fraction, (int)exponent - 25) : ldexp((double)fraction, -24);
        assert_true((double)fabsf(f) == value);
    }
}

/* Each f16 and the two f32 on either side of the midpoint to its successor round as they must. */
static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++) {
        const float low = kw_f32_from_f16((uint16_t)h);
        const double high = h + 1 == 0x7c00 ? 65536.0 : (double)kw_f32_from_f16((uint16_t)(h + 1));
        const float middle = (float)(((double)low + high) / 2);
        assert_int_equal(kw_f16_from_f32(low), h);
        assert_int_equal(kw_f16_from_f32(-low), h | 0x8000);
        assert_int_equal(kw_f16_from_f32(middle), h + (h & 1));
        assert_int_equal(kw_f16_from_f32(nextafterf(middle, 0.0f)), h);
        assert_int_equal(kw_f16_from_f32(nextafterf(middle, INFINITY)), h + 1);
    }
    assert_int_equal(kw_f16_from_f32(INFINITY), 0x7c00);
    assert_int_equal(kw_f16_from_f32(-INFINITY), 0xfc00);
    assert_int_equal(kw_f16_from_f32(3e38f), 0x7c00);
    assert_int_equal(kw_f16_from_f32(kw_f32_from_bits(1)), 0);
    assert_int_equal(kw_f16_from_f32(kw_f32_from_bits(0x80000001)), 0x8000);
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7f80; h++) {
        const uint32_t bits = h << 16;
        assert_int_equal(kw_bf16_from_f32(kw_f32_from_bf16((uint16_t)h)), h);
        assert_int_equal(kw_bf16_from_f32(kw_f32_from_bits(bits | 0x7fff)), h);
        assert_int_equal(kw_bf16_from_f32(kw_f32_from_bits(bits | 0x8000)), h + (h & 1));
        assert_int_equal(kw_bf16_from_f32(kw_f32_from_bits(bits | 0x8001)), h + 1);
        assert_int_equal(kw_bf16_from_f32(kw_f32_from_bits(bits | 0x80008001u)), (h + 1) | 0x8000);
    }
}

static void nan_stays_nan(void **state)
{
    (void)state;
    const uint32_t nans[] = {0x7f800001, 0xff800001, 0x7fc00000,
                             0xffffffff, 0x7f801fff, 0x7fbfffff};
    for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++) {
        const float f = kw_f32_from_bits(nans[i]);
        const uint16_t half = kw_f16_from_f32(f), brain = kw_bf16_from_f32(f);
        assert_true((half & 0x7fff) > 0x7c00 && half >> 15 == nans[i] >> 31);
        assert_true((brain & 0x7fff) > 0x7f80 && brain >> 15 == nans[i] >> 31);
        assert_true(isnan(kw_f32_from_f16(half)));
        assert_true(isnan(kw_f32_from_bf16(brain)));
    }
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) static uint32_t f16c_widen(uint16_t h)
{
    const __m128 wide = _mm_cvtph_ps(_mm_cvtsi32_si128(h));
    return (uint32_t)_mm_cvtsi128_si32(_mm_castps_si128(wide));
}

__attribute__((target("f16c"))) static uint16_t f16c_narrow(uint32_t bits)
{
    const __m128 wide = _mm_castsi128_ps(_mm_cvtsi32_si128((int)bits));
    return (uint16_t)_mm_cvtsi128_si32(_mm_cvtps_ph(wide, _MM_FROUND_TO_NEAREST_INT));
}
#endif

/* Every f16, and every 251st f32 (17 million of them). */
static void bits_equal_f16c(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("f16c")) {
        print_message("skipped: this processor has no F16C\n");
        skip();
    }
    for (uint32_t h = 0; h < 0x10000; h++)
        assert_int_equal(kw_f32_bits(kw_f32_from_f16((uint16_t)h)), f16c_widen((uint16_t)h));
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 251) {
        const uint16_t ours = kw_f16_from_f32(kw_f32_from_bits((uint32_t)bits));
        if (ours != f16c_narrow((uint32_t)bits))
            fail_msg("%08x: %04x, F16C %04x", (unsigned)bits, ours, f16c_narrow((uint32_t)bits));
    }
#else
    print_message("skipped: F16C is an x86-64 instruction set\n");
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_has_its_value),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(nan_stays_nan),
        cmocka_unit_test(bits_equal_f16c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
