/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_avx512.c - the kernels in AVX-512 with VNNI, and GFNI. */
#include "backend/cpu/simd/simd_avx512.h"

#include "backend/cpu/kernels/all.inc.h"

#include "backend/cpu/kernels/unpack_rows.inc.h"

#include "backend/cpu/kernels/few.inc.h"
#include "backend/cpu/kernels/gemv_x86.inc.h"

void kw_cpu_isa_avx512(kw_cpu_kernels *out)
{
    fill_table(out);
    fill_x86(out);
    fill_few(out);
}
