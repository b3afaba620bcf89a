/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_neon.c - the kernels in AArch64 NEON with the dot product extension. */
#include "backend/cpu/simd/simd_neon.h"

#include "backend/cpu/kernels/all.inc.h"

void kw_cpu_isa_neon(kw_cpu_kernels *out)
{
    fill_table(out);
}
