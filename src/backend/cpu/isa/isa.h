/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa.h - one function per instruction set: it puts its kernels into the slots it has.
 *
 * Each lives in isa_<name>.c, the only file compiled for that instruction set, and everything else
 * in it is static: no code for a newer processor can leak into the rest by the linker's choice. */
#ifndef KW_BACKEND_CPU_ISA_H
#define KW_BACKEND_CPU_ISA_H

#include "backend/cpu/kernels.h"

void kw_cpu_isa_scalar(kw_cpu_kernels *out);
void kw_cpu_isa_avx2(kw_cpu_kernels *out);
void kw_cpu_isa_avxvnni(kw_cpu_kernels *out);
void kw_cpu_isa_avx512(kw_cpu_kernels *out);
void kw_cpu_isa_avx512bf16(kw_cpu_kernels *out);
void kw_cpu_isa_amx(kw_cpu_kernels *out);
void kw_cpu_isa_neon(kw_cpu_kernels *out);
void kw_cpu_isa_i8mm(kw_cpu_kernels *out);
void kw_cpu_isa_wasm128(kw_cpu_kernels *out);
/* The element types, whose sources the build compiles once more for each instruction set. */
const kw_dtype_traits *kw_dtype_info__avx2(kw_dtype dtype);
const kw_dtype_traits *kw_dtype_info__avx512(kw_dtype dtype);
const kw_dtype_traits *kw_dtype_info__neon(kw_dtype dtype);
const kw_dtype_traits *kw_dtype_info__wasm128(kw_dtype dtype);

#endif
