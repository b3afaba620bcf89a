/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd.h - what every simd_<isa>.h and the kernels over them share. */
#ifndef KW_SIMD_H
#define KW_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Kernels are built from small functions whose type parameters must become constants. */
#define KV_INLINE inline __attribute__((always_inline, unused))
#define KV_UNROLL _Pragma("GCC unroll 16")
#define KV_ROLLED _Pragma("GCC unroll 1")
/* Loops over the products of a panel are KV_STEPS, which each simd_<isa>.h sets to what its
 * registers allow: unrolled further, they tempt compilers to load everything first and to spill.
 * KV_F_STEPS likewise, of floats. */

/* An array that was just written becomes memory to the compiler, which would otherwise take its
 * elements out of the register they came from: a load that repeats an element is free. */
#define KV_MEMORY(array) __asm__("" : "+m"(array))

/* What the bytes of weights can be: unsigned ones by their bits, or signed. */
typedef enum kv_kind { KV_U4 = 4, KV_U5, KV_U6, KV_U7, KV_S8 } kv_kind;

static KV_INLINE uint16_t kv_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static KV_INLINE uint32_t kv_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* log2 of a power of two. */
static KV_INLINE int kv_log2(int x)
{
    return __builtin_ctz((unsigned)x);
}

static KV_INLINE uint64_t kv_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static KV_INLINE float kv_f32(const void *p)
{
    float v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* To the second-level cache, for reading, soon. Reads nothing: any address will do. */
static KV_INLINE void kv_prefetch(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}

/* The same to the first-level cache. */
static KV_INLINE void kv_prefetch_first(const void *p)
{
    __builtin_prefetch(p, 0, 3);
}

#endif
