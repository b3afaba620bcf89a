/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_avx512bf16.h - rounding to bf16 and products of pairs, beside the operations of AVX-512.
 *
 * Source: Intel SDM volume 2 VCVTNE2PS2BF16, VDPBF16PS: subnormals are zeros here. */
#ifndef KW_SIMD_AVX512BF16_H
#define KW_SIMD_AVX512BF16_H

#include "backend/cpu/simd/simd_avx512.h"

static KV_INLINE kv_i kv_load_lanes(const void *p)
{
    return _mm512_loadu_si512(p);
}

static KV_INLINE void kv_store_lanes(void *p, kv_i x)
{
    _mm512_storeu_si512(p, x);
}

/* 32 floats rounded to bf16, in their order. */
static KV_INLINE kv_i kv_bf16_of(kv_f first, kv_f second)
{
    return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

static KV_INLINE void kv_halves_of(kv_i x, kv_b32 *first, kv_b32 *second)
{
    *first = _mm512_castsi512_si256(x);
    *second = _mm512_extracti64x4_epi64(x, 1);
}

/* Sixteen sums, each of a pair of products of bf16 more. */
static KV_INLINE kv_f kv_dot_bf16(kv_f sum, kv_i x, kv_i y)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)y);
}

#endif
