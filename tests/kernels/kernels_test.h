/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernels_test.h - what the tests of the kernel table share: a pair of tables (scalar, and one
 * instruction set), random data, guarded memory, comparison bit by bit.
 *
 * Every test runs once for each instruction set of the build, and skips loudly where the processor
 * lacks it. Inputs end exactly where their allocation ends, so that the address sanitizer sees a
 * read beyond them; outputs lie between canaries. */
#ifndef KW_KERNELS_TEST_H
#define KW_KERNELS_TEST_H

#include "backend/cpu/kernels.h"
#include "os/system.h"
#include "tensor/quant/blocks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Features beyond the processor's, for a build whose instructions are emulated. */
#ifndef KW_TEST_FEATURES
#define KW_TEST_FEATURES 0u
#endif

/* A test is told its instruction set through its state; not every test has one. */
#define KW_TEST_NAME(isa) static char name_##isa[] __attribute__((unused)) = #isa;

#if defined(__x86_64__)
KW_TEST_NAME(avx2)
KW_TEST_NAME(avxvnni)
KW_TEST_NAME(avx512)
KW_TEST_NAME(avx512bf16)
KW_TEST_NAME(amx)
#define ON_EVERY_ISA(f)                                                                            \
    {#f " avx2", f, NULL, NULL, name_avx2}, {#f " avx512", f, NULL, NULL, name_avx512},            \
        {#f " avxvnni", f, NULL, NULL, name_avxvnni},                                              \
        {#f " avx512bf16", f, NULL, NULL, name_avx512bf16},                                        \
    {                                                                                              \
        #f " amx", f, NULL, NULL, name_amx                                                         \
    }
#elif defined(__aarch64__)
KW_TEST_NAME(neon)
KW_TEST_NAME(i8mm)
#define ON_EVERY_ISA(f)                                                                            \
    {#f " neon", f, NULL, NULL, name_neon},                                                        \
    {                                                                                              \
        #f " i8mm", f, NULL, NULL, name_i8mm                                                       \
    }
#elif defined(__wasm__)
KW_TEST_NAME(wasm128)
#define ON_EVERY_ISA(f) {#f " wasm128", f, NULL, NULL, name_wasm128}
#else
KW_TEST_NAME(scalar)
#define ON_EVERY_ISA(f) {#f " scalar", f, NULL, NULL, name_scalar}
#endif

typedef struct table_pair {
    kw_cpu_kernels ref, isa;
} table_pair;

/* Both tables for the instruction set a test was given, or skips. */
static inline void tables(table_pair *out, void **state)
{
    const char *name = *state;
    kw_system system;
    kw_system_query(&system);
    const uint32_t features = system.features | KW_TEST_FEATURES;
    assert_true(kw_cpu_kernels_select(&out->ref, 0, "scalar"));
    if (!kw_cpu_kernels_select(&out->isa, features, name)) {
        print_message("skipped: this processor or this build has no %s\n", name);
        skip();
    }
    assert_string_equal(out->isa.isa, name);
}

/* ---- random numbers (xorshift64*, Vigna 2016) ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static inline uint32_t random_u32(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32);
}

/* Uniform in [low, high). */
static inline float random_float(float low, float high)
{
    return low + (high - low) * ((float)(random_u32() >> 8) * 0x1p-24f);
}

static inline void random_floats(float *x, size_t n, float low, float high)
{
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(low, high);
}

/* Any finite number: all exponents are equally likely. */
static inline float random_wild(void)
{
    uint32_t bits = random_u32();
    if ((bits & 0x7f800000u) == 0x7f800000u)
        bits ^= 0x40000000u;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- weights ---- */

/* Bytes of a block at which an f16 lies: scale, then minimum or offset. A type has none, one or
 * two; beyond them -1. */
static inline int half_at(kw_dtype dtype, size_t i)
{
    static const struct {
        kw_dtype dtype;
        int at[2];
    } places[] = {
        {KW_F16, {0, -1}},
        {KW_Q4_0, {0, -1}},
        {KW_Q4_1, {0, offsetof(kw_block_q4_1, m)}},
        {KW_Q5_0, {0, -1}},
        {KW_Q5_1, {0, offsetof(kw_block_q5_1, m)}},
        {KW_Q8_0, {0, -1}},
        {KW_IQ4_NL, {0, -1}},
        {KW_IQ4_XS, {0, -1}},
        {KW_TQ1_0, {offsetof(kw_block_tq1_0, d), -1}},
        {KW_TQ2_0, {offsetof(kw_block_tq2_0, d), -1}},
        {KW_Q2_K, {offsetof(kw_block_q2_k, d), offsetof(kw_block_q2_k, dmin)}},
        {KW_Q3_K, {offsetof(kw_block_q3_k, d), -1}},
        {KW_Q4_K, {offsetof(kw_block_q4_k, d), offsetof(kw_block_q4_k, dmin)}},
        {KW_Q5_K, {offsetof(kw_block_q5_k, d), offsetof(kw_block_q5_k, dmin)}},
        {KW_Q6_K, {offsetof(kw_block_q6_k, d), -1}},
        {KW_IQ2_XXS, {0, -1}},
        {KW_IQ2_XS, {0, -1}},
        {KW_IQ2_S, {0, -1}},
        {KW_IQ3_XXS, {0, -1}},
        {KW_IQ3_S, {0, -1}},
        {KW_IQ1_S, {0, -1}},
    };
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
        if (places[p].dtype == dtype)
            return i < 2 ? places[p].at[i] : -1;
    return -1;
}

/* Writes the i-th f16 of a block; false where it has none. */
static inline bool put_half_at(kw_dtype dtype, uint8_t *block, size_t i, uint16_t half)
{
    if (dtype == KW_IQ1_M) { /* a nibble on top of each of its four u16 */
        for (size_t j = 0; j < 4 && i == 0; j++) {
            uint8_t *top = block + offsetof(kw_block_iq1_m, scales) + 2 * j + 1;
            *top = (uint8_t)((*top & 15) | (half >> (4 * j) & 15) << 4);
        }
        return i == 0;
    }
    const int at = half_at(dtype, i);
    if (at >= 0)
        memcpy(block + at, &half, sizeof half);
    return at >= 0;
}

/* ---- memory ---- */

enum { GUARD = 64 };

static inline void *allocate(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    assert_non_null(p);
    return p;
}

/* An input of exactly `bytes`, `shift` bytes off its natural alignment. Free with input_free. */
static inline void *input_new(size_t bytes, size_t shift)
{
    return (uint8_t *)allocate(bytes + shift) + shift;
}

static inline void input_free(void *p, size_t shift)
{
    free((uint8_t *)p - shift);
}

typedef struct output {
    uint8_t *base;
    size_t bytes;
} output;

/* Zeroed memory of `bytes` between canaries. */
static inline output output_new(size_t bytes)
{
    output out = {allocate(bytes + 2 * GUARD), bytes};
    memset(out.base, 0xa5, bytes + 2 * GUARD);
    memset(out.base + GUARD, 0, bytes);
    return out;
}

static inline void *output_data(const output *out)
{
    return out->base + GUARD;
}

static inline void output_free(output *out)
{
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal(out->base[i], 0xa5);
        assert_int_equal(out->base[GUARD + out->bytes + i], 0xa5);
    }
    free(out->base);
}

/* ---- comparison ---- */

/* The same bits, or both nan (whose payload is nobody's business). */
static inline bool same_float(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static inline void assert_same(const float *a, const float *b, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!same_float(a[i], b[i]))
            fail_msg("%s: element %zu of %zu is %a, scalar has %a", what, i, n, (double)b[i],
                     (double)a[i]);
}

#endif
