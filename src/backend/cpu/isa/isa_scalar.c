/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_scalar.c - every slot in plain C: the definition of the numerics, and the oracle of the
 * tests. Written to be read; the instruction sets above it are written to be fast. */
#include "backend/cpu/isa/isa.h"

#include "base/check.h"
#include "base/fmath.h"
#include "tensor/quant/blocks.h"
#include "tensor/quant/iq.h"

#include <math.h>

#include "backend/cpu/kernels/scalar/matmul.inc.h"

#include "backend/cpu/kernels/scalar/attend.inc.h"
#include "backend/cpu/kernels/scalar/rows.inc.h"

#define MATMUL(class, type, x)                                                                     \
    (kw_matmul_kernels)                                                                            \
    {                                                                                              \
        .weight_class = class, .activation = (x), .columns = SCALAR_COLUMNS,                       \
        .panel_rows = KW_PANEL_ROWS, .gemv = gemv_##type, .panel_bytes = panel_bytes_##type,       \
        .panel = panel_##type, .gemm = gemm_##type                                                 \
    }

void kw_cpu_isa_scalar(kw_cpu_kernels *out)
{
    *out = (kw_cpu_kernels){
        .isa = "scalar",
        .columns = SCALAR_COLUMNS,
        .peak_int8 = peak_int8,
        .peak_f32 = peak_f32,
        .quantize_a32 = quantize_a32,
        .quantize_a256 = quantize_a256,
        .f16_from_f32 = f16_from_f32,
        .rms_norm = rms_norm,
        .layer_norm = layer_norm,
        .softmax = softmax,
        .map = map,
        .map_add = map_add,
        .map_mul = map_mul,
        .map_silu_mul = map_silu_mul,
        .rope = rope,
        .attend = attend,
        .attend_merge = attend_merge,
        .scale = scale,
    };
    out->matmul[KW_Q4_0] = MATMUL(KW_CLASS_S32, q4_0, KW_Q8_A32);
    out->matmul[KW_Q4_1] = MATMUL(KW_CLASS_S32, q4_1, KW_Q8_A32);
    out->matmul[KW_Q5_0] = MATMUL(KW_CLASS_S32, q5_0, KW_Q8_A32);
    out->matmul[KW_Q5_1] = MATMUL(KW_CLASS_S32, q5_1, KW_Q8_A32);
    out->matmul[KW_Q8_0] = MATMUL(KW_CLASS_S32, q8_0, KW_Q8_A32);
    out->matmul[KW_IQ4_NL] = MATMUL(KW_CLASS_S32, iq4_nl, KW_Q8_A32);
    out->matmul[KW_MXFP4] = MATMUL(KW_CLASS_S32, mxfp4, KW_Q8_A32);
    out->matmul[KW_Q2_K] = MATMUL(KW_CLASS_K, q2_k, KW_Q8_A256);
    out->matmul[KW_Q3_K] = MATMUL(KW_CLASS_K, q3_k, KW_Q8_A256);
    out->matmul[KW_Q4_K] = MATMUL(KW_CLASS_K, q4_k, KW_Q8_A256);
    out->matmul[KW_Q5_K] = MATMUL(KW_CLASS_K, q5_k, KW_Q8_A256);
    out->matmul[KW_Q6_K] = MATMUL(KW_CLASS_K, q6_k, KW_Q8_A256);
    out->matmul[KW_IQ2_XXS] = MATMUL(KW_CLASS_K, iq2_xxs, KW_Q8_A256);
    out->matmul[KW_IQ2_XS] = MATMUL(KW_CLASS_K, iq2_xs, KW_Q8_A256);
    out->matmul[KW_IQ2_S] = MATMUL(KW_CLASS_K, iq2_s, KW_Q8_A256);
    out->matmul[KW_IQ3_XXS] = MATMUL(KW_CLASS_K, iq3_xxs, KW_Q8_A256);
    out->matmul[KW_IQ3_S] = MATMUL(KW_CLASS_K, iq3_s, KW_Q8_A256);
    out->matmul[KW_IQ1_S] = MATMUL(KW_CLASS_K, iq1_s, KW_Q8_A256);
    out->matmul[KW_IQ1_M] = MATMUL(KW_CLASS_K, iq1_m, KW_Q8_A256);
    out->matmul[KW_IQ4_XS] = MATMUL(KW_CLASS_K, iq4_xs, KW_Q8_A256);
    out->matmul[KW_TQ1_0] = MATMUL(KW_CLASS_K, tq1_0, KW_Q8_A256);
    out->matmul[KW_TQ2_0] = MATMUL(KW_CLASS_K, tq2_0, KW_Q8_A256);
    out->matmul[KW_F32] = MATMUL(KW_CLASS_F, f32, KW_F32);
    out->matmul[KW_F16] = MATMUL(KW_CLASS_F, f16, KW_F32);
    out->matmul[KW_BF16] = MATMUL(KW_CLASS_F, bf16, KW_F32);
    for (int i = 0; i < KW_N_DTYPES; i++)
        out->decode[i] = kw_dtype_info((kw_dtype)i)->decode;
}
