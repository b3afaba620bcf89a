/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* old.c - the blocks of ggml's files from before today's: read, and turned into today's.
 *
 * Version 1 (ggml, ggmf, ggjt 1) has element 2 i in the low nibble of byte i and 2 i + 1 in the
 * high one; version 2 (ggjt 2) has today's halves. Both have scales and minima of Q4_0, Q4_1 and
 * Q8_0 as f32. The fifth bit of element i is bit i of its four bytes in every version.
 * Source: ggml.c of llama.cpp at the commits that changed them (#1073, #1405, #1508), by layout. */
#include "tensor/quant/old.h"

#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"

#include <math.h>

typedef struct layout {
    kw_dtype today;        /* KW_F32: there is no block like it */
    uint8_t elems, number; /* bytes of a scale and of a minimum: 2 is f16, 4 is f32 */
    int8_t bias;           /* what a code stands for is less by this */
    bool affine, fifth, pairs, bytes;
} layout;

enum { FIRST = KW_Q4_0_V1, N_LAYOUTS = KW_Q8_0_V1 - FIRST + 1 };

static const layout LAYOUTS[N_LAYOUTS] = {
    [KW_Q4_0_V1 - FIRST] = {KW_Q4_0, 32, 4, 8, .pairs = true},
    [KW_Q4_0_V2 - FIRST] = {KW_Q4_0, 32, 4, 8, .pairs = false},
    [KW_Q4_1_V1 - FIRST] = {KW_Q4_1, 32, 4, 0, .affine = true, .pairs = true},
    [KW_Q4_1_V2 - FIRST] = {KW_Q4_1, 32, 4, 0, .affine = true},
    [KW_Q4_2 - FIRST] = {KW_F32, 16, 2, 8, .pairs = true},
    [KW_Q4_3 - FIRST] = {KW_F32, 16, 2, 0, .affine = true, .pairs = true},
    [KW_Q5_0_V1 - FIRST] = {KW_Q5_0, 32, 2, 16, .fifth = true, .pairs = true},
    [KW_Q5_1_V1 - FIRST] = {KW_Q5_1, 32, 2, 0, .affine = true, .fifth = true, .pairs = true},
    [KW_Q8_0_V1 - FIRST] = {KW_Q8_0, 32, 4, 0, .bytes = true},
};

typedef struct parts {
    float d, m;
    uint8_t codes[32]; /* of Q8_0: its int8 */
} parts;

static float number(const layout *l, const uint8_t *src)
{
    float f;
    if (l->number == 2)
        return kw_load_f16(src);
    memcpy(&f, src, sizeof f);
    return f;
}

/* Reads the block at src; returns what follows it. */
static const uint8_t *take(const layout *l, const uint8_t *src, parts *out)
{
    const size_t half = l->elems / 2u;
    uint32_t high = 0;
    out->d = number(l, src);
    src += l->number;
    out->m = l->affine ? number(l, src) : 0.0f;
    src += l->affine ? l->number : 0;
    for (size_t i = 4; l->fifth && i-- > 0;)
        high = high << 8 | src[i];
    src += l->fifth ? 4 : 0;
    for (size_t i = 0; i < l->elems; i++) {
        const size_t at = l->pairs ? i / 2 : i % half;
        const bool upper = l->pairs ? i % 2 : i / half;
        out->codes[i] =
            l->bytes ? src[i]
                     : (uint8_t)((upper ? src[at] >> 4 : src[at] & 15) | (high >> i & 1) << 4);
    }
    return src + (l->bytes ? l->elems : half);
}

static void decode(const layout *l, float *dst, const uint8_t *src, size_t n)
{
    parts p = {0};
    for (size_t b = 0; b < n / l->elems; b++) {
        src = take(l, src, &p);
        for (size_t i = 0; i < l->elems; i++) {
            const int q = l->bytes ? (int8_t)p.codes[i] : p.codes[i] - l->bias;
            const float scaled = (float)q * p.d;
            *dst++ = l->affine ? scaled + p.m : scaled;
        }
    }
}

#define DECODE(name, dtype)                                                                        \
    KW_DECODER(name)                                                                               \
    {                                                                                              \
        decode(&LAYOUTS[(dtype) - FIRST], dst, src, n);                                            \
    }

DECODE(kw_q4_0_v1_decode, KW_Q4_0_V1)
DECODE(kw_q4_0_v2_decode, KW_Q4_0_V2)
DECODE(kw_q4_1_v1_decode, KW_Q4_1_V1)
DECODE(kw_q4_1_v2_decode, KW_Q4_1_V2)
DECODE(kw_q4_2_decode, KW_Q4_2)
DECODE(kw_q4_3_decode, KW_Q4_3)
DECODE(kw_q5_0_v1_decode, KW_Q5_0_V1)
DECODE(kw_q5_1_v1_decode, KW_Q5_1_V1)
DECODE(kw_q8_0_v1_decode, KW_Q8_0_V1)

static const layout *layout_of(kw_dtype dtype)
{
    return dtype >= KW_Q4_0_V1 && dtype <= KW_Q8_0_V1 ? &LAYOUTS[dtype - FIRST] : NULL;
}

bool kw_old_block(kw_dtype dtype, kw_dtype *today)
{
    const layout *const l = layout_of(dtype);
    if (l)
        *today = l->today;
    return l != NULL;
}

/* A number as f16; false when it is finite and f16 has nothing so large. */
static bool put_half(uint8_t *dst, float value)
{
    const uint16_t half = kw_f16_from_f32(value);
    memcpy(dst, &half, sizeof half);
    return !isfinite(value) || isfinite(kw_f32_from_f16(half));
}

/* Writes one block of today's; returns what follows it, NULL when a number does not fit. */
static uint8_t *put(const layout *l, uint8_t *dst, const parts *p)
{
    if (!put_half(dst, p->d))
        return NULL;
    dst += 2;
    if (l->affine) {
        if (!put_half(dst, p->m))
            return NULL;
        dst += 2;
    }
    if (l->bytes) {
        memcpy(dst, p->codes, 32);
        return dst + 32;
    }
    if (l->fifth) {
        memset(dst, 0, 4);
        for (size_t i = 0; i < 32; i++)
            dst[i / 8] |= (uint8_t)((p->codes[i] >> 4) << i % 8);
        dst += 4;
    }
    for (size_t i = 0; i < 16; i++)
        dst[i] = (uint8_t)((p->codes[i] & 15) | (p->codes[16 + i] & 15) << 4);
    return dst + 16;
}

bool kw_old_repack(kw_dtype dtype, void *dst, const void *src, size_t n)
{
    const layout *const l = layout_of(dtype);
    const uint8_t *from = src;
    uint8_t *to = dst;
    parts p = {0};
    for (size_t b = 0; b < n / l->elems; b++) {
        from = take(l, from, &p);
        to = put(l, to, &p);
        if (!to)
            return false;
    }
    return true;
}
