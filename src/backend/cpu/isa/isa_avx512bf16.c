/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_avx512bf16.c - fast batches of f16 and bf16 by dot products of bf16; all else is that of
 * AVX-512, over which it is put. */
#include "backend/cpu/simd/simd_avx512bf16.h"

#include "backend/cpu/isa/isa.h"
#include "base/check.h"

#include <assert.h>

#include "backend/cpu/kernels/gemm.inc.h"

#include "backend/cpu/kernels/bf16.inc.h"

#include "backend/cpu/kernels/gemm_bf16.inc.h"

void kw_cpu_isa_avx512bf16(kw_cpu_kernels *out)
{
    fill_fast(out, gemm_bf16, 0);
}
