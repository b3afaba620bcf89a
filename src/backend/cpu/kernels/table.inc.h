/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* table.inc.h - the slots of a vector instruction set: each weight type is a class and an unpack
 * function, each class is a gemv, a panel and a gemm. */
#include "backend/cpu/kernels/types.inc.h"

#define GEMV(type_name, type, class)                                                               \
    static void gemv_##type_name(float *out, const void *w, size_t row_bytes, size_t n_rows,       \
                                 const void *x, size_t k, const void *next)                        \
    {                                                                                              \
        gemv_##class(out, w, row_bytes, n_rows, x, k, next, type);                                 \
    }

#define PANEL(type_name, type, class)                                                              \
    static void panel_##type_name(void *panel, const void *w, size_t row_bytes, size_t n_rows,     \
                                  size_t k)                                                        \
    {                                                                                              \
        panel_##class(panel, w, row_bytes, n_rows, k, type);                                       \
    }

#define PANEL_BYTES(type_name, type, class)                                                        \
    static size_t panel_bytes_##type_name(size_t k)                                                \
    {                                                                                              \
        return k / class##_elems * class##_tile_bytes(type) * (KW_PANEL_ROWS / TILE_ROWS);         \
    }

/* Every tile of a panel. */
#define GEMM(type_name, type, class)                                                               \
    static void gemm_##type_name(const kw_gemm_args *args)                                         \
    {                                                                                              \
        const size_t n_blocks = args->k / class##_elems;                                           \
        const size_t tile_bytes = n_blocks * class##_tile_bytes(type);                             \
        gemm_call call = gemm_begin(args, (args->n_rows + TILE_ROWS - 1) / TILE_ROWS * n_blocks);  \
        for (size_t r = 0; r < args->n_rows; r += TILE_ROWS)                                       \
            gemm_##class##_tile(&call, r, call.panel + r / TILE_ROWS * tile_bytes, type);          \
    }

/* What the macros paste together for a class. */
enum {
    s32_elems = KW_QK,
    k_elems = KW_QK_K,
    S32_columns = KV_COLUMNS,
    K_columns = KV_COLUMNS,
    F_columns = F_COLUMNS,
    S32_panel_rows = KW_PANEL_ROWS,
    K_panel_rows = KW_PANEL_ROWS,
    F_panel_rows = F_PANEL_ROWS,
    S32_work_bytes = 0,
    K_work_bytes = 0,
    F_work_bytes = sizeof(f_sums),
    S32_activation = KW_Q8_A32,
    K_activation = KW_Q8_A256,
    F_activation = KW_F32_A
};

#define INTEGER_TYPE(type_name, TYPE, class, CLASS)                                                \
    GEMV(type_name, TYPE_##TYPE, class)                                                            \
    PANEL_BYTES(type_name, TYPE_##TYPE, class)                                                     \
    PANEL(type_name, TYPE_##TYPE, class)                                                           \
    GEMM(type_name, TYPE_##TYPE, class)

#define FLOAT_TYPE(type_name, TYPE)                                                                \
    GEMV(type_name, TYPE_##TYPE, f)                                                                \
    PANEL(type_name, TYPE_##TYPE, f)

INTEGER_TYPES(INTEGER_TYPE)
FLOAT_TYPE(f32, F32)
FLOAT_TYPE(f16, F16)
FLOAT_TYPE(bf16, BF16)

#define MATMUL(CLASS, type_name, bytes_name, gemm_name)                                            \
    (kw_matmul_kernels)                                                                            \
    {                                                                                              \
        .weight_class = KW_CLASS_##CLASS, .activation = (kw_dtype)CLASS##_activation,              \
        .columns = CLASS##_columns, .panel_rows = CLASS##_panel_rows,                              \
        .work_bytes = CLASS##_work_bytes, .gemv = gemv_##type_name,                                \
        .panel_bytes = panel_bytes_##bytes_name, .panel = panel_##type_name,                       \
        .gemm = gemm_##gemm_name                                                                   \
    }

#define FILL_MATMUL(type_name, TYPE, class, CLASS)                                                 \
    out->matmul[KW_##TYPE] = MATMUL(CLASS, type_name, type_name, type_name);

static void fill_table(kw_cpu_kernels *out)
{
    out->columns = KV_COLUMNS;
    out->columns_f32 = F_COLUMNS;
    INTEGER_TYPES(FILL_MATMUL)
    out->matmul[KW_F32] = MATMUL(F, f32, f, f);
    out->matmul[KW_F16] = MATMUL(F, f16, f, f);
    out->matmul[KW_BF16] = MATMUL(F, bf16, f, f);
    out->peak_int8 = peak_int8;
    out->peak_f32 = peak_f32;
    out->quantize_a32 = quantize_a32;
    out->quantize_a256 = quantize_a256;
    out->pack_f32 = pack_f32;
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
    out->attend = attend;
    out->attend_merge = attend_merge;
    out->scale = scale;
}
