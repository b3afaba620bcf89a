/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dtype.h - element types: one row per type in one table, the only place that knows a type exists.
 *
 * A type packs block_elems consecutive elements of a row into block_bytes. Adding one: an enum
 * value here, a row in dtype.c, a codec in quant/<type>.c, an unpack function in backend/cpu. */
#ifndef KW_TENSOR_DTYPE_H
#define KW_TENSOR_DTYPE_H

#include "tensor/shape.h"

#include "base/str.h"

typedef enum kw_dtype {
    KW_F32,
    KW_F16,
    KW_BF16,
    KW_Q8_0,
    KW_Q4_0,
    KW_Q4_K,
    KW_Q6_K,
    KW_Q2_K,
    KW_Q3_K,
    KW_Q5_K,
    KW_IQ2_XXS,
    KW_IQ2_XS,
    KW_IQ2_S,
    KW_IQ3_XXS,
    KW_IQ3_S,
    KW_IQ1_S,
    KW_IQ1_M,
    KW_Q4_1,
    KW_Q5_0,
    KW_Q5_1,
    KW_IQ4_NL,
    KW_IQ4_XS,
    KW_TQ1_0,
    KW_TQ2_0,
    KW_MXFP4, /* the last that a weight of a product can have */
    KW_I8,
    KW_I16,
    KW_I32,
    KW_I64,
    KW_U8,
    KW_BOOL,
    KW_F64,
    KW_U16,
    KW_U32,
    KW_U64,
    /* Floats of a byte; the FNUZ have neither infinities nor a negative zero. E8M0 is a power of
     * two, made to scale others. */
    KW_F8_E4M3,
    KW_F8_E5M2,
    KW_F8_E4M3FNUZ,
    KW_F8_E5M2FNUZ,
    KW_F8_E8M0,
    /* Blocks of ggml's files from before today's (quant/old.h). Version 1 ended with ggjt 1,
     * version 2 with ggjt 2. */
    KW_Q4_0_V1,
    KW_Q4_0_V2,
    KW_Q4_1_V1,
    KW_Q4_1_V2,
    KW_Q4_2,
    KW_Q4_3,
    KW_Q5_0_V1,
    KW_Q5_1_V1,
    KW_Q8_0_V1,
    /* Activations of the integer dot product, made at run time, never in a file (quant/q8_act.c):
     * blocks of 32 int8 with their scale and two sums of 16. A256 shares one scale among eight. */
    KW_Q8_A32,
    KW_Q8_A256,
    /* Floats of a batch, likewise, in tiles of the device's own order. */
    KW_F32_A,
    KW_BF16_A,
    KW_N_DTYPES
} kw_dtype;

typedef struct kw_dtype_traits {
    const char *name;    /* "q4_k": lower case, as flags take it */
    const char *st_name; /* in safetensors headers ("F32"); NULL: not one of its types */
    int32_t gguf_id;     /* -1: not one of its types */
    uint16_t block_elems;
    uint16_t block_bytes;
    bool is_float; /* f32, f16, bf16, f64, f8_... */
    /* dst[n] f32 from n / block_elems blocks; n is a multiple of block_elems. */
    void (*decode)(float *restrict dst, const void *restrict src, size_t n);
    /* The reverse. importance: [n] weights of the squared error, or NULL. NULL: no encoder. */
    void (*encode)(void *restrict dst, const float *restrict src, size_t n,
                   const float *importance);
} kw_dtype_traits;

/* Whether products take weights of this type as they lie. */
static inline bool kw_dtype_multiplies(kw_dtype dtype)
{
    return dtype <= KW_MXFP4;
}

/* Made at run time for a product, in tiles whose order is the device's. */
static inline bool kw_dtype_is_activation(kw_dtype dtype)
{
    return dtype >= KW_Q8_A32 && dtype < KW_N_DTYPES;
}

/* The row of a type (asserts that it is one). */
const kw_dtype_traits *kw_dtype_info(kw_dtype dtype);
/* By name, any case; false when there is none. */
bool kw_dtype_by_name(kw_str name, kw_dtype *out);
/* By GGUF id; false when unknown here. */
bool kw_dtype_by_gguf(uint32_t id, kw_dtype *out);
/* Name of any GGUF type id, also of those that cannot be read here ("Q5_K") and of those that the
 * format dropped ("Q4_2"), else NULL. */
const char *kw_gguf_type_name(uint32_t id);
/* Block of any GGUF type id that the format still has, else false. */
bool kw_gguf_type_block(uint32_t id, uint16_t *block_elems, uint16_t *block_bytes);
bool kw_dtype_by_safetensors(kw_str name, kw_dtype *out);
/* Bits of one element of any safetensors type, also of those that cannot be read here ("F8_E4M3"),
 * and the static spelling of its name; false for a name that the format does not have. */
bool kw_safetensors_type(kw_str name, const char **name_out, unsigned *bits_out);

/* Bytes of one row of n elements; false when n is not a multiple of the block, or on overflow. */
bool kw_row_bytes(kw_dtype dtype, int64_t n, size_t *out);
/* Bytes of a whole tensor, packed along its last dimension; false as above. */
bool kw_tensor_bytes(kw_dtype dtype, kw_shape shape, size_t *out);

#endif
