/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_i8mm.c - the kernels in AArch64 NEON, with batches by its matrix multiplication of bytes. */
#include "backend/cpu/simd/simd_neon.h"

#include "backend/cpu/kernels/all.inc.h"

#include "backend/cpu/kernels/gemm_i8mm.inc.h"

void kw_cpu_isa_i8mm(kw_cpu_kernels *out)
{
    fill_table(out);
    fill_i8mm(out);
}
