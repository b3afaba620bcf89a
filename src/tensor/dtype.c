/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dtype.c - the traits table, and the names and sizes of types that are only listed.
 *
 * The invariant: everything the engine knows about an element type follows from its row here.
 * Sources: the GGUF specification and type list of the ggml project; the safetensors format. */
#include "tensor/dtype.h"

#include "base/check.h"
#include "tensor/quant/codecs.h"

/* clang-format off */
static const kw_dtype_traits TRAITS[KW_N_DTYPES] = {
    [KW_F32]  = {"f32",  "F32",  0,  1, 4, true,  kw_f32_decode,  kw_f32_encode},
    [KW_F16]  = {"f16",  "F16",  1,  1, 2, true,  kw_f16_decode,  kw_f16_encode},
    [KW_BF16] = {"bf16", "BF16", 30, 1, 2, true,  kw_bf16_decode, kw_bf16_encode},
    [KW_Q8_0] = {"q8_0", NULL,   8,  32, 34, false, kw_q8_0_decode, kw_q8_0_encode},
    [KW_Q4_0] = {"q4_0", NULL,   2,  32, 18, false, kw_q4_0_decode, kw_q4_0_encode},
    [KW_Q4_K] = {"q4_k", NULL,   12, 256, 144, false, kw_q4_k_decode, kw_q4_k_encode},
    [KW_Q6_K] = {"q6_k", NULL,   14, 256, 210, false, kw_q6_k_decode, kw_q6_k_encode},
    [KW_Q2_K] = {"q2_k", NULL,   10, 256, 84, false, kw_q2_k_decode, kw_q2_k_encode},
    [KW_Q3_K] = {"q3_k", NULL,   11, 256, 110, false, kw_q3_k_decode, kw_q3_k_encode},
    [KW_Q5_K] = {"q5_k", NULL,   13, 256, 176, false, kw_q5_k_decode, kw_q5_k_encode},
    [KW_IQ2_XXS] = {"iq2_xxs", NULL, 16, 256, 66, false, kw_iq2_xxs_decode, kw_iq2_xxs_encode},
    [KW_IQ2_XS] = {"iq2_xs", NULL, 17, 256, 74, false, kw_iq2_xs_decode, kw_iq2_xs_encode},
    [KW_IQ2_S] = {"iq2_s", NULL, 22, 256, 82, false, kw_iq2_s_decode, kw_iq2_s_encode},
    [KW_IQ3_XXS] = {"iq3_xxs", NULL, 18, 256, 98, false, kw_iq3_xxs_decode, kw_iq3_xxs_encode},
    [KW_IQ3_S] = {"iq3_s", NULL, 21, 256, 110, false, kw_iq3_s_decode, kw_iq3_s_encode},
    [KW_IQ1_S] = {"iq1_s", NULL, 19, 256, 50, false, kw_iq1_s_decode, kw_iq1_s_encode},
    [KW_IQ1_M] = {"iq1_m", NULL, 29, 256, 56, false, kw_iq1_m_decode, kw_iq1_m_encode},
    [KW_Q4_1] = {"q4_1", NULL,   3,  32, 20, false, kw_q4_1_decode, kw_q4_1_encode},
    [KW_Q5_0] = {"q5_0", NULL,   6,  32, 22, false, kw_q5_0_decode, kw_q5_0_encode},
    [KW_Q5_1] = {"q5_1", NULL,   7,  32, 24, false, kw_q5_1_decode, kw_q5_1_encode},
    [KW_IQ4_NL] = {"iq4_nl", NULL, 20, 32, 18, false, kw_iq4_nl_decode, kw_iq4_nl_encode},
    [KW_IQ4_XS] = {"iq4_xs", NULL, 23, 256, 136, false, kw_iq4_xs_decode, kw_iq4_xs_encode},
    [KW_TQ1_0] = {"tq1_0", NULL, 34, 256, 54, false, kw_tq1_0_decode, kw_tq1_0_encode},
    [KW_TQ2_0] = {"tq2_0", NULL, 35, 256, 66, false, kw_tq2_0_decode, kw_tq2_0_encode},
    [KW_MXFP4] = {"mxfp4", NULL, 39, 32, 17, false, kw_mxfp4_decode, kw_mxfp4_encode},
    [KW_I8]   = {"i8",   "I8",   24, 1, 1, false, kw_i8_decode,   NULL},
    [KW_I16]  = {"i16",  "I16",  25, 1, 2, false, kw_i16_decode,  NULL},
    [KW_I32]  = {"i32",  "I32",  26, 1, 4, false, kw_i32_decode,  NULL},
    [KW_I64]  = {"i64",  "I64",  27, 1, 8, false, kw_i64_decode,  NULL},
    [KW_U8]   = {"u8",   "U8",   -1, 1, 1, false, kw_u8_decode,   NULL},
    [KW_BOOL] = {"bool", "BOOL", -1, 1, 1, false, kw_bool_decode, NULL},
    [KW_F64]  = {"f64",  "F64",  28, 1, 8, true,  kw_f64_decode,  kw_f64_encode},
    [KW_U16]  = {"u16",  "U16",  -1, 1, 2, false, kw_u16_decode,  NULL},
    [KW_U32]  = {"u32",  "U32",  -1, 1, 4, false, kw_u32_decode,  NULL},
    [KW_U64]  = {"u64",  "U64",  -1, 1, 8, false, kw_u64_decode,  NULL},
    [KW_F8_E4M3] = {"f8_e4m3", "F8_E4M3", -1, 1, 1, true, kw_f8_e4m3_decode, NULL},
    [KW_F8_E5M2] = {"f8_e5m2", "F8_E5M2", -1, 1, 1, true, kw_f8_e5m2_decode, NULL},
    [KW_F8_E4M3FNUZ] = {"f8_e4m3fnuz", "F8_E4M3FNUZ", -1, 1, 1, true, kw_f8_e4m3fnuz_decode, NULL},
    [KW_F8_E5M2FNUZ] = {"f8_e5m2fnuz", "F8_E5M2FNUZ", -1, 1, 1, true, kw_f8_e5m2fnuz_decode, NULL},
    [KW_F8_E8M0] = {"f8_e8m0", "F8_E8M0", -1, 1, 1, true, kw_f8_e8m0_decode, NULL},
    [KW_Q4_0_V1] = {"q4_0_v1", NULL, -1, 32, 20, false, kw_q4_0_v1_decode, NULL},
    [KW_Q4_0_V2] = {"q4_0_v2", NULL, -1, 32, 20, false, kw_q4_0_v2_decode, NULL},
    [KW_Q4_1_V1] = {"q4_1_v1", NULL, -1, 32, 24, false, kw_q4_1_v1_decode, NULL},
    [KW_Q4_1_V2] = {"q4_1_v2", NULL, -1, 32, 24, false, kw_q4_1_v2_decode, NULL},
    [KW_Q4_2] = {"q4_2", NULL, -1, 16, 10, false, kw_q4_2_decode, NULL},
    [KW_Q4_3] = {"q4_3", NULL, -1, 16, 12, false, kw_q4_3_decode, NULL},
    [KW_Q5_0_V1] = {"q5_0_v1", NULL, -1, 32, 22, false, kw_q5_0_v1_decode, NULL},
    [KW_Q5_1_V1] = {"q5_1_v1", NULL, -1, 32, 24, false, kw_q5_1_v1_decode, NULL},
    [KW_Q8_0_V1] = {"q8_0_v1", NULL, -1, 32, 36, false, kw_q8_0_v1_decode, NULL},
    [KW_Q8_A32]  = {"q8_a32",  NULL, -1, 32,  40,  false, kw_q8_act_decode, kw_q8_a32_encode},
    [KW_Q8_A256] = {"q8_a256", NULL, -1, 256, 320, false, kw_q8_act_decode, kw_q8_a256_encode},
    [KW_F32_A]   = {"f32_a",   NULL, -1, 1,   4,   false, kw_f32_decode,    kw_f32_encode},
    [KW_BF16_A]  = {"bf16_a",  NULL, -1, 1,   2,   false, kw_bf16_decode,   kw_bf16_encode},
};

/* Every type id of GGUF; a block of 0 marks those that the format dropped. */
static const struct gguf_type {
    const char *name;
    uint16_t block_elems, block_bytes;
} GGUF_TYPES[] = {
    [0]  = {"F32", 1, 4},        [1]  = {"F16", 1, 2},        [2]  = {"Q4_0", 32, 18},
    [3]  = {"Q4_1", 32, 20},     [4]  = {"Q4_2", 0, 0},       [5]  = {"Q4_3", 0, 0},
    [6]  = {"Q5_0", 32, 22},     [7]  = {"Q5_1", 32, 24},     [8]  = {"Q8_0", 32, 34},
    [9]  = {"Q8_1", 32, 36},     [10] = {"Q2_K", 256, 84},    [11] = {"Q3_K", 256, 110},
    [12] = {"Q4_K", 256, 144},   [13] = {"Q5_K", 256, 176},   [14] = {"Q6_K", 256, 210},
    [15] = {"Q8_K", 256, 292},   [16] = {"IQ2_XXS", 256, 66}, [17] = {"IQ2_XS", 256, 74},
    [18] = {"IQ3_XXS", 256, 98}, [19] = {"IQ1_S", 256, 50},   [20] = {"IQ4_NL", 32, 18},
    [21] = {"IQ3_S", 256, 110},  [22] = {"IQ2_S", 256, 82},   [23] = {"IQ4_XS", 256, 136},
    [24] = {"I8", 1, 1},         [25] = {"I16", 1, 2},        [26] = {"I32", 1, 4},
    [27] = {"I64", 1, 8},        [28] = {"F64", 1, 8},        [29] = {"IQ1_M", 256, 56},
    [30] = {"BF16", 1, 2},       [31] = {"Q4_0_4_4", 0, 0},   [32] = {"Q4_0_4_8", 0, 0},
    [33] = {"Q4_0_8_8", 0, 0},   [34] = {"TQ1_0", 256, 54},   [35] = {"TQ2_0", 256, 66},
    [36] = {"IQ4_NL_4_4", 0, 0}, [37] = {"IQ4_NL_4_8", 0, 0}, [38] = {"IQ4_NL_8_8", 0, 0},
    [39] = {"MXFP4", 32, 17},    [40] = {"NVFP4", 64, 36},    [41] = {"Q1_0", 128, 18},
    [42] = {"Q2_0", 64, 18},
};

static const struct safetensors_type {
    const char *name;
    unsigned bits;
} SAFETENSORS_TYPES[] = {
    {"BOOL", 8},     {"U8", 8},  {"I8", 8},      {"I16", 16},    {"U16", 16},    {"F16", 16},
    {"BF16", 16},    {"I32", 32}, {"U32", 32},   {"F32", 32},    {"F64", 64},    {"I64", 64},
    {"U64", 64},     {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}, {"C64", 64},
};
/* clang-format on */

const kw_dtype_traits *kw_dtype_info(kw_dtype dtype)
{
    kw_assert((unsigned)dtype < KW_N_DTYPES);
    return &TRAITS[dtype];
}

static bool equal_any_case(kw_str a, const char *lower)
{
    for (size_t i = 0; i < a.len; i++) {
        const char c = a.data[i];
        if (lower[i] == '\0' || (c >= 'A' && c <= 'Z' ? (char)(c + 32) : c) != lower[i])
            return false;
    }
    return lower[a.len] == '\0';
}

bool kw_dtype_by_name(kw_str name, kw_dtype *out)
{
    for (unsigned i = 0; i < KW_N_DTYPES; i++) {
        if (equal_any_case(name, TRAITS[i].name)) {
            *out = (kw_dtype)i;
            return true;
        }
    }
    return false;
}

bool kw_dtype_by_gguf(uint32_t id, kw_dtype *out)
{
    for (unsigned i = 0; i < KW_N_DTYPES; i++) {
        if (TRAITS[i].gguf_id >= 0 && (uint32_t)TRAITS[i].gguf_id == id) {
            *out = (kw_dtype)i;
            return true;
        }
    }
    return false;
}

const char *kw_gguf_type_name(uint32_t id)
{
    return id < KW_COUNT(GGUF_TYPES) ? GGUF_TYPES[id].name : NULL;
}

bool kw_gguf_type_block(uint32_t id, uint16_t *block_elems, uint16_t *block_bytes)
{
    if (id >= KW_COUNT(GGUF_TYPES) || GGUF_TYPES[id].block_elems == 0)
        return false;
    *block_elems = GGUF_TYPES[id].block_elems;
    *block_bytes = GGUF_TYPES[id].block_bytes;
    return true;
}

bool kw_dtype_by_safetensors(kw_str name, kw_dtype *out)
{
    for (unsigned i = 0; i < KW_N_DTYPES; i++) {
        if (TRAITS[i].st_name && kw_str_is(name, TRAITS[i].st_name)) {
            *out = (kw_dtype)i;
            return true;
        }
    }
    return false;
}

bool kw_safetensors_type(kw_str name, const char **name_out, unsigned *bits_out)
{
    for (size_t i = 0; i < KW_COUNT(SAFETENSORS_TYPES); i++) {
        if (kw_str_is(name, SAFETENSORS_TYPES[i].name)) {
            *name_out = SAFETENSORS_TYPES[i].name;
            *bits_out = SAFETENSORS_TYPES[i].bits;
            return true;
        }
    }
    return false;
}

bool kw_row_bytes(kw_dtype dtype, int64_t n, size_t *out)
{
    const kw_dtype_traits *const traits = kw_dtype_info(dtype);
    if (n < 0 || n % traits->block_elems != 0)
        return false;
    const uint64_t blocks = (uint64_t)n / traits->block_elems;
    return blocks <= SIZE_MAX && kw_mul_size((size_t)blocks, traits->block_bytes, out);
}

bool kw_tensor_bytes(kw_dtype dtype, kw_shape shape, size_t *out)
{
    int64_t count = 0;
    const int64_t row = shape.rank > 0 ? shape.dim[shape.rank - 1] : 1;
    size_t ignored = 0;
    if (!kw_shape_count(shape, &count) || !kw_row_bytes(dtype, row, &ignored))
        return false;
    return kw_row_bytes(dtype, count, out);
}
