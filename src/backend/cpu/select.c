/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* select.c - fills the kernel table for a processor: scalar first, then each better instruction set
 * over it. One table lists what this build contains, worst first. */
#include "backend/cpu/isa/isa.h"

#include "base/check.h"
#include "os/system.h"

#include <string.h>

/* What this build contains beyond scalar, worst first: X(name, features, further ones without which
 * it is slower than the one before and taken only by name, the set for which the element types are
 * compiled). */
#if defined(KW_ISA_SCALAR_ONLY)
#define ISA_LIST(X)
#elif defined(__x86_64__)
#define ISA_LIST(X)                                                                                \
    X(avx2, KW_CPU_AVX2, 0, avx2)                                                                  \
    X(avxvnni, KW_CPU_AVX2 | KW_CPU_AVX_VNNI, 0, avx2)                                             \
    X(avx512, AVX512_NEEDS, 0, avx512)                                                             \
    X(avx512bf16, AVX512_NEEDS | KW_CPU_AVX512_BF16, KW_CPU_BF16_RATE, avx512)                     \
    X(amx, AVX512_NEEDS | KW_CPU_AVX512_BF16 | KW_CPU_AMX, 0, avx512)
#define AVX512_NEEDS                                                                               \
    (KW_CPU_AVX2 | KW_CPU_AVX512 | KW_CPU_AVX512_VNNI | KW_CPU_AVX512_VBMI | KW_CPU_GFNI)
#elif defined(__aarch64__)
#define ISA_LIST(X)                                                                                \
    X(neon, KW_CPU_NEON | KW_CPU_DOTPROD, 0, neon)                                                 \
    X(i8mm, KW_CPU_NEON | KW_CPU_DOTPROD | KW_CPU_I8MM, 0, neon)
#elif defined(__wasm_simd128__)
#define ISA_LIST(X) X(wasm128, KW_CPU_WASM_SIMD, 0, wasm128)
#else
#define ISA_LIST(X)
#endif

typedef struct isa_row {
    uint32_t needs, wants;
    void (*fill)(kw_cpu_kernels *out);
    const kw_dtype_traits *(*traits)(kw_dtype dtype); /* compiled for this instruction set */
} isa_row;

#define ISA_NAME(name, needs, wants, types) #name,
#define ISA_ROW(name, needs, wants, types)                                                         \
    {needs, wants, kw_cpu_isa_##name, kw_dtype_info__##types},

static const char *const isa_names[] = {ISA_NAME(scalar, 0, 0, scalar) ISA_LIST(ISA_NAME)};
static const isa_row isa_rows[] = {{0, 0, kw_cpu_isa_scalar, kw_dtype_info}, ISA_LIST(ISA_ROW)};

bool kw_cpu_kernels_select(kw_cpu_kernels *out, uint32_t features, const char *limit)
{
    size_t n = 0;
    while (n < KW_COUNT(isa_rows) && !(limit && strcmp(limit, isa_names[n]) == 0))
        n++;
    if (limit) {
        if (n == KW_COUNT(isa_rows) || (features & isa_rows[n].needs) != isa_rows[n].needs)
            return false;
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        const isa_row *row = &isa_rows[i];
        if ((features & row->needs) != row->needs ||
            (!limit && (features & row->wants) != row->wants))
            continue;
        row->fill(out);
        for (int t = 0; t < KW_N_DTYPES; t++)
            out->encode[t] = row->traits((kw_dtype)t)->encode;
        out->isa = isa_names[i];
        out->needs = row->needs;
    }
    return true;
}

const char *const *kw_cpu_isa_names(size_t *n)
{
    *n = KW_COUNT(isa_names);
    return isa_names;
}
