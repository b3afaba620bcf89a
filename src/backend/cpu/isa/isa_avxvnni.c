/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_avxvnni.c - the kernels in AVX2 with AVX-VNNI. */
#include "backend/cpu/simd/simd_avxvnni.h"

#include "backend/cpu/kernels/all.inc.h"

#include "backend/cpu/kernels/unpack_rows.inc.h"

#include "backend/cpu/kernels/few.inc.h"
#include "backend/cpu/kernels/gemv_x86.inc.h"

void kw_cpu_isa_avxvnni(kw_cpu_kernels *out)
{
    fill_table(out);
    fill_x86(out);
    fill_few(out);
}
