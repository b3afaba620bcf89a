/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_avx2.c - the kernels in AVX2, FMA and F16C. */
#include "backend/cpu/simd/simd_avx2.h"

#include "backend/cpu/kernels/all.inc.h"

#include "backend/cpu/kernels/unpack_rows.inc.h"

#include "backend/cpu/kernels/few.inc.h"
#include "backend/cpu/kernels/gemv_x86.inc.h"

void kw_cpu_isa_avx2(kw_cpu_kernels *out)
{
    fill_table(out);
    fill_x86(out);
    fill_few(out);
}
