/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* system.h - what the machine is: clock, processor features, memory. */
#ifndef KW_OS_SYSTEM_H
#define KW_OS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Monotonic nanoseconds. */
uint64_t kw_clock_ns(void);

enum kw_cpu_feature {
    KW_CPU_AVX2 = 1 << 0, /* with FMA, F16C and BMI, as every such processor has */
    KW_CPU_AVX_VNNI = 1 << 1,
    KW_CPU_AVX512 = 1 << 2, /* F, BW, DQ, VL */
    KW_CPU_AVX512_VNNI = 1 << 3,
    KW_CPU_AVX512_VBMI = 1 << 4,
    KW_CPU_AVX512_BF16 = 1 << 5,
    KW_CPU_GFNI = 1 << 6,
    KW_CPU_NEON = 1 << 7,
    KW_CPU_DOTPROD = 1 << 8,
    KW_CPU_I8MM = 1 << 9,
    KW_CPU_SHA = 1 << 10, /* SHA-NI or the ARMv8 SHA-2 instructions */
    KW_CPU_WASM_SIMD = 1 << 11,
    KW_CPU_AMX = 1 << 12,      /* tiles, of bytes and of bf16 */
    KW_CPU_BF16_RATE = 1 << 13 /* products of bf16 pairs as often as of floats: twice as many */
};

/* A set of logical processors, by their number in the system. */
#define KW_MAX_CPUS 8192
typedef struct kw_cpus {
    uint64_t bits[KW_MAX_CPUS / 64];
} kw_cpus;

typedef struct kw_system {
    uint32_t features;        /* or of kw_cpu_feature, only what the OS lets us use */
    int n_cpus;               /* logical processors this process may run on */
    int n_cores;              /* physical cores among them; n_cpus when unknown */
    int n_fast;               /* of these, those that are not much slower than the fastest */
    kw_cpus cores, fast;      /* one processor of each; empty: any will do */
    uint64_t memory_bytes;    /* total; the container's limit when that is lower; 0 unknown */
    uint64_t available_bytes; /* free for use now; 0 unknown */
    uint64_t cache_bytes;     /* of the last-level cache; 0 unknown */
    char cpu_name[64];        /* "" when unknown */
} kw_system;

void kw_system_query(kw_system *out);
/* Name of one feature bit ("avx512-vnni"), or NULL. */
const char *kw_cpu_feature_name(uint32_t bit);
/* Largest resident set of this process so far, in bytes; 0 unknown. */
uint64_t kw_peak_rss_bytes(void);
/* A page-aligned zeroed block straight from the system (huge pages where they help); NULL on
 * failure. Freed with the same size. */
void *kw_pages_alloc(size_t bytes);
void kw_pages_free(void *pages, size_t bytes);

#endif
