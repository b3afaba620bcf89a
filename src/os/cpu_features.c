/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cpu_features.c - names of processor features, the same on every system. */
#include "base/check.h"
#include "os/system.h"

static const struct {
    uint32_t bit;
    const char *name;
} feature_names[] = {
    {KW_CPU_AVX2, "avx2"},
    {KW_CPU_AVX_VNNI, "avx-vnni"},
    {KW_CPU_AVX512, "avx512"},
    {KW_CPU_AVX512_VNNI, "avx512-vnni"},
    {KW_CPU_AVX512_VBMI, "avx512-vbmi"},
    {KW_CPU_AVX512_BF16, "avx512-bf16"},
    {KW_CPU_GFNI, "gfni"},
    {KW_CPU_NEON, "neon"},
    {KW_CPU_DOTPROD, "dotprod"},
    {KW_CPU_I8MM, "i8mm"},
    {KW_CPU_SHA, "sha"},
    {KW_CPU_WASM_SIMD, "wasm-simd"},
    {KW_CPU_AMX, "amx"},
    {KW_CPU_BF16_RATE, "bf16-rate"},
};

const char *kw_cpu_feature_name(uint32_t bit)
{
    for (size_t i = 0; i < KW_COUNT(feature_names); i++) {
        if (feature_names[i].bit == bit)
            return feature_names[i].name;
    }
    return NULL;
}
