/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* table.inc.h - the slots of a vector instruction set: each weight type is a class and an unpack
 * function, each class is a gemv, a panel and a gemm. */

/* Every tile of a panel, for one weight type of an integer class. */
#define GEMM(type_name, TYPE, class, elems, tile_bytes)                                            \
    static void gemm_##type_name(const kw_gemm_args *args)                                         \
    {                                                                                              \
        const size_t n_blocks = args->k / (elems);                                                 \
        gemm_call call = gemm_begin(args, (args->n_rows + TILE_ROWS - 1) / TILE_ROWS * n_blocks);  \
        for (size_t r = 0; r < args->n_rows; r += TILE_ROWS)                                       \
            gemm_##class##_tile(&call, r, call.panel + r / TILE_ROWS * n_blocks * tile_bytes,      \
                                TYPE);                                                             \
    }

#define GEMV(type_name, TYPE, class)                                                               \
    static void gemv_##type_name(float *out, const void *w, size_t row_bytes, size_t n_rows,       \
                                 const void *x, size_t k)                                          \
    {                                                                                              \
        gemv_##class(out, w, row_bytes, n_rows, x, k, TYPE);                                       \
    }

#define PANEL(type_name, TYPE, class)                                                              \
    static void panel_##type_name(void *panel, const void *w, size_t row_bytes, size_t n_rows,     \
                                  size_t k)                                                        \
    {                                                                                              \
        panel_##class(panel, w, row_bytes, n_rows, k, TYPE);                                       \
    }

#define INTEGER_TYPE(type_name, TYPE, class, elems, tile_bytes)                                    \
    GEMV(type_name, TYPE, class)                                                                   \
    PANEL(type_name, TYPE, class)                                                                  \
    GEMM(type_name, TYPE, class, elems, tile_bytes)

#define FLOAT_TYPE(type_name, TYPE)                                                                \
    GEMV(type_name, TYPE, f)                                                                       \
    PANEL(type_name, TYPE, f)

INTEGER_TYPE(q4_0, TYPE_Q4_0, s32, KW_QK, S32_GROUP_BYTES)
INTEGER_TYPE(q8_0, TYPE_Q8_0, s32, KW_QK, S32_GROUP_BYTES)
INTEGER_TYPE(q2_k, TYPE_Q2_K, k, KW_QK_K, K_SUPER_BYTES)
INTEGER_TYPE(q3_k, TYPE_Q3_K, k, KW_QK_K, K_SUPER_BYTES)
INTEGER_TYPE(q4_k, TYPE_Q4_K, k, KW_QK_K, K_SUPER_BYTES)
INTEGER_TYPE(q5_k, TYPE_Q5_K, k, KW_QK_K, K_SUPER_BYTES)
INTEGER_TYPE(q6_k, TYPE_Q6_K, k, KW_QK_K, K_SUPER_BYTES)
FLOAT_TYPE(f32, TYPE_F32)
FLOAT_TYPE(f16, TYPE_F16)
FLOAT_TYPE(bf16, TYPE_BF16)

#define MATMUL(class, suffix, type_name, gemm_name)                                                \
    (kw_matmul_kernels)                                                                            \
    {                                                                                              \
        .weight_class = class, .gemv = gemv_##type_name, .panel_bytes = panel_bytes_##suffix,      \
        .panel = panel_##type_name, .gemm = gemm_##gemm_name                                       \
    }

static void fill_table(kw_cpu_kernels *out)
{
    out->columns = KV_COLUMNS;
    out->matmul[KW_Q4_0] = MATMUL(KW_CLASS_S32, s32, q4_0, q4_0);
    out->matmul[KW_Q8_0] = MATMUL(KW_CLASS_S32, s32, q8_0, q8_0);
    out->matmul[KW_Q2_K] = MATMUL(KW_CLASS_K, k, q2_k, q2_k);
    out->matmul[KW_Q3_K] = MATMUL(KW_CLASS_K, k, q3_k, q3_k);
    out->matmul[KW_Q4_K] = MATMUL(KW_CLASS_K, k, q4_k, q4_k);
    out->matmul[KW_Q5_K] = MATMUL(KW_CLASS_K, k, q5_k, q5_k);
    out->matmul[KW_Q6_K] = MATMUL(KW_CLASS_K, k, q6_k, q6_k);
    out->matmul[KW_F32] = MATMUL(KW_CLASS_F, f, f32, f);
    out->matmul[KW_F16] = MATMUL(KW_CLASS_F, f, f16, f);
    out->matmul[KW_BF16] = MATMUL(KW_CLASS_F, f, bf16, f);
    out->peak_int8 = peak_int8;
    out->peak_f32 = peak_f32;
    out->quantize_a32 = quantize_a32;
    out->quantize_a256 = quantize_a256;
    out->decode[KW_F16] = decode_f16;
    out->decode[KW_BF16] = decode_bf16;
    out->f16_from_f32 = f16_from_f32;
    out->rms_norm = rms_norm;
    out->layer_norm = layer_norm;
    out->softmax = softmax;
    out->map = map;
    out->map_add = map_add;
    out->map_mul = map_mul;
    out->map_silu_mul = map_silu_mul;
    out->rope = rope;
    out->attend_f16 = attend_f16;
    out->attend_f32 = attend_f32;
    out->attend_merge = attend_merge;
    out->scale = scale;
}
