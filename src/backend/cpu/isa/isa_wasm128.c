/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_wasm128.c - the kernels in WebAssembly's fixed-width SIMD. */
#include "backend/cpu/simd/simd_wasm128.h"

#include "backend/cpu/kernels/all.inc.h"

void kw_cpu_isa_wasm128(kw_cpu_kernels *out)
{
    fill_table(out);
}
