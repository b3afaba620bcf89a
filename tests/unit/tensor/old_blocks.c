/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* old_blocks.c - blocks of ggml's older versions, laid out here byte by byte as llama.cpp's readers
 * of that time took them apart: what they decode to, and that today's blocks hold the same. */
#include "tensor/quant/old.h"

#include "tensor/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { N = 32 };

/* A block under construction. */
typedef struct writer {
    uint8_t bytes[64];
    size_t len;
} writer;

static void put_f32(writer *w, float f)
{
    memcpy(w->bytes + w->len, &f, 4);
    w->len += 4;
}

static void put_f16(writer *w, float f)
{
    const uint16_t h = kw_f16_from_f32(f);
    memcpy(w->bytes + w->len, &h, 2);
    w->len += 2;
}

/* Of two codes, the earlier one in the low nibble. */
static void put_pairs(writer *w, const uint8_t *q, size_t n)
{
    for (size_t i = 0; i < n; i += 2)
        w->bytes[w->len++] = (uint8_t)((q[i] & 15) | (q[i + 1] & 15) << 4);
}

/* Code i with code 16 + i. */
static void put_halves(writer *w, const uint8_t *q)
{
    for (size_t i = 0; i < 16; i++)
        w->bytes[w->len++] = (uint8_t)((q[i] & 15) | (q[16 + i] & 15) << 4);
}

static void put_fifth(writer *w, const uint8_t *q)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 32; i++)
        bits |= (uint32_t)(q[i] >> 4) << i;
    for (size_t i = 0; i < 4; i++)
        w->bytes[w->len++] = (uint8_t)(bits >> 8 * i);
}

/* 32 elements of a type: two blocks of those that have 16. */
static writer lay_out(kw_dtype type, const uint8_t *q, float d, float m)
{
    writer w = {.len = 0};
    switch (type) {
    case KW_Q4_0_V1:
        put_f32(&w, d);
        put_pairs(&w, q, 32);
        break;
    case KW_Q4_0_V2:
        put_f32(&w, d);
        put_halves(&w, q);
        break;
    case KW_Q4_1_V1:
        put_f32(&w, d);
        put_f32(&w, m);
        put_pairs(&w, q, 32);
        break;
    case KW_Q4_1_V2:
        put_f32(&w, d);
        put_f32(&w, m);
        put_halves(&w, q);
        break;
    case KW_Q4_2:
        put_f16(&w, d);
        put_pairs(&w, q, 16);
        put_f16(&w, d);
        put_pairs(&w, q + 16, 16);
        break;
    case KW_Q4_3:
        put_f16(&w, d);
        put_f16(&w, m);
        put_pairs(&w, q, 16);
        put_f16(&w, d);
        put_f16(&w, m);
        put_pairs(&w, q + 16, 16);
        break;
    case KW_Q5_0_V1:
        put_f16(&w, d);
        put_fifth(&w, q);
        put_pairs(&w, q, 32);
        break;
    case KW_Q5_1_V1:
        put_f16(&w, d);
        put_f16(&w, m);
        put_fifth(&w, q);
        put_pairs(&w, q, 32);
        break;
    default: /* KW_Q8_0_V1 */
        put_f32(&w, d);
        memcpy(w.bytes + w.len, q, 32);
        w.len += 32;
    }
    return w;
}

static const struct {
    kw_dtype type, today;
    int bias;
    uint8_t mask;
    bool affine;
} types[] = {{KW_Q4_0_V1, KW_Q4_0, 8, 15, false},  {KW_Q4_0_V2, KW_Q4_0, 8, 15, false},
             {KW_Q4_1_V1, KW_Q4_1, 0, 15, true},   {KW_Q4_1_V2, KW_Q4_1, 0, 15, true},
             {KW_Q4_2, KW_F32, 8, 15, false},      {KW_Q4_3, KW_F32, 0, 15, true},
             {KW_Q5_0_V1, KW_Q5_0, 16, 31, false}, {KW_Q5_1_V1, KW_Q5_1, 0, 31, true},
             {KW_Q8_0_V1, KW_Q8_0, 0, 255, false}};
enum { N_TYPES = sizeof types / sizeof types[0] };

/* Every code, in an order that no layout has. */
static void fill(uint8_t q[N], uint8_t mask, int round)
{
    for (int i = 0; i < N; i++)
        q[i] = (uint8_t)((i * 77 + round * 131 + 5) & mask);
}

static void blocks_decode(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int round = 0; round < 9; round++) {
            const float d = 0.0625f * (float)(round - 4), m = 0.375f - (float)round;
            uint8_t q[N];
            float got[N];
            fill(q, types[t].mask, round);
            const writer w = lay_out(types[t].type, q, d, m);
            size_t bytes = 0;
            assert_true(kw_row_bytes(types[t].type, N, &bytes));
            assert_int_equal(bytes, w.len);
            kw_dtype_info(types[t].type)->decode(got, w.bytes, N);
            for (size_t i = 0; i < N; i++) {
                const int code = types[t].mask == 255 ? (int8_t)q[i] : q[i] - types[t].bias;
                const float want = (float)code * d + (types[t].affine ? m : 0.0f);
                if (!(got[i] == want))
                    fail_msg("%s: element %zu is %g, not %g", kw_dtype_info(types[t].type)->name, i,
                             (double)got[i], (double)want);
            }
        }
    }
}

/* With numbers that f16 has, not a bit changes; else they are rounded, and the codes stay. */
static void todays_blocks_hold_the_same(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        kw_dtype today = KW_N_DTYPES;
        assert_true(kw_old_block(types[t].type, &today));
        assert_int_equal(today, types[t].today);
        for (int round = 0; today != KW_F32 && round < 18; round++) {
            const bool exact = round < 9;
            const float d = (exact ? 0.03125f : 0.0123f) * (float)(round - 4);
            const float m = exact ? 0.75f : -0.7123f;
            uint8_t q[N], repacked[64];
            float before[N], after[N];
            fill(q, types[t].mask, round);
            const writer w = lay_out(types[t].type, q, d, m);
            assert_true(kw_old_repack(types[t].type, repacked, w.bytes, N));
            kw_dtype_info(types[t].type)->decode(before, w.bytes, N);
            kw_dtype_info(today)->decode(after, repacked, N);
            for (size_t i = 0; i < N; i++) {
                const float most = 0x1p-11f * (fabsf(before[i] - m) + 2.0f * fabsf(m));
                assert_true(fabsf(before[i] - after[i]) <= (exact ? 0.0f : most));
            }
        }
    }
}

static void numbers_too_large_are_refused(void **state)
{
    static const uint8_t q[N] = {0};
    uint8_t repacked[64];
    (void)state;
    const writer scale = lay_out(KW_Q4_0_V1, q, 65520.0f, 0.0f);
    const writer minimum = lay_out(KW_Q4_1_V2, q, 1.0f, -1e9f);
    const writer fits = lay_out(KW_Q4_1_V2, q, 65504.0f, -65504.0f);
    const writer infinite = lay_out(KW_Q8_0_V1, q, INFINITY, 0.0f);
    assert_false(kw_old_repack(KW_Q4_0_V1, repacked, scale.bytes, N));
    assert_false(kw_old_repack(KW_Q4_1_V2, repacked, minimum.bytes, N));
    assert_true(kw_old_repack(KW_Q4_1_V2, repacked, fits.bytes, N));
    assert_true(kw_old_repack(KW_Q8_0_V1, repacked, infinite.bytes, N)); /* it was that before */
}

static void others_are_none(void **state)
{
    kw_dtype today = KW_N_DTYPES;
    (void)state;
    for (unsigned i = 0; i < KW_N_DTYPES; i++)
        if (i < KW_Q4_0_V1 || i > KW_Q8_0_V1)
            assert_false(kw_old_block((kw_dtype)i, &today));
    assert_int_equal(today, KW_N_DTYPES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_decode),
        cmocka_unit_test(todays_blocks_hold_the_same),
        cmocka_unit_test(numbers_too_large_are_refused),
        cmocka_unit_test(others_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
