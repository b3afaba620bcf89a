/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_amx.c - batches by tiles of AMX: exact ones of the integer types, fast ones of f16 and bf16;
 * all else is that of AVX-512, over which it is put. */
#include "backend/cpu/simd/simd_amx.h"

#include "backend/cpu/isa/isa.h"
#include "base/check.h"
#include "tensor/quant/blocks.h"
#include "tensor/quant/iq_grids.h"

#include "backend/cpu/kernels/gemm.inc.h"
#include "backend/cpu/kernels/types.inc.h"
#include "backend/cpu/kernels/unpack_k.inc.h"
#include "backend/cpu/kernels/unpack_s32.inc.h"

#include "backend/cpu/kernels/amx.inc.h"
#include "backend/cpu/kernels/bf16.inc.h"

#include "backend/cpu/kernels/amx_bf16.inc.h"
#include "backend/cpu/kernels/amx_k.inc.h"
#include "backend/cpu/kernels/amx_s32.inc.h"

enum { PEAK_STEPS = 8 }; /* of a round */

static uint64_t peak_int8(uint64_t rounds)
{
    kv_tiles_begin(64);
    for (uint64_t r = 0; r < rounds; r++) {
        KV_UNROLL
        for (int i = 0; i < PEAK_STEPS; i++)
            kv_tile_dot_ss(i % 4, 4, 6);
    }
    kv_tiles_end();
    return rounds * PEAK_STEPS * (2 * 64 * KV_TILE * KV_TILE);
}

static void (*gemm_of_s32(const s32_type type))(const kw_gemm_args *)
{
    return type.min_at ? gemm_amx_s32_min : gemm_amx_s32_plain;
}

static void (*gemm_of_k(const k_type type))(const kw_gemm_args *)
{
    return !type.dmin_at ? gemm_amx_k_plain : type.halves ? gemm_amx_k_min_halves : gemm_amx_k_min;
}

#define PANEL(type_name, TYPE, class, CLASS)                                                       \
    static size_t panel_bytes_##type_name(size_t k)                                                \
    {                                                                                              \
        return panel_bytes_amx_##class(k, TYPE_##TYPE);                                            \
    }                                                                                              \
    static void panel_##type_name(void *panel, const void *w, size_t row_bytes, size_t n_rows,     \
                                  size_t k)                                                        \
    {                                                                                              \
        panel_amx_##class(panel, w, row_bytes, n_rows, k, TYPE_##TYPE);                            \
    }

#define FILL_MATMUL(type_name, TYPE, class, CLASS)                                                 \
    out->matmul[KW_##TYPE].columns = AMX_CALL_COLUMNS;                                             \
    out->matmul[KW_##TYPE].panel_bytes = panel_bytes_##type_name;                                  \
    out->matmul[KW_##TYPE].panel = panel_##type_name;                                              \
    out->matmul[KW_##TYPE].gemm = gemm_of_##class(TYPE_##TYPE);

INTEGER_TYPES(PANEL)

void kw_cpu_isa_amx(kw_cpu_kernels *out)
{
    out->columns = KW_WIDE_COLUMNS;
    out->few_tokens = 16; /* beyond that the tiles win, for superblocks */
    out->peak_int8 = peak_int8;
    INTEGER_TYPES(FILL_MATMUL)
    fill_fast(out, gemm_amx_bf16, BF_COLUMNS / BF_TOKENS * sizeof(bf_sums));
}
