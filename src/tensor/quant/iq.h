/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq.h - superblocks of the types with a codebook, unpacked: what their decoders and the scalar
 * product are defined by.
 *
 * y = (d * scale) * w with integers w and scale. Every product of these is exact in f32, so the
 * order of the factors does not matter. */
#ifndef KW_TENSOR_QUANT_IQ_H
#define KW_TENSOR_QUANT_IQ_H

#include "tensor/quant/blocks.h"

typedef struct kw_iq_super {
    int8_t w[KW_QK_K];
    uint8_t scale[KW_QK_K / 16]; /* odd, one per 16 weights */
    float d;                     /* with the type's power of two */
} kw_iq_super;

void kw_iq2_xxs_unpack(kw_iq_super *out, const void *src);
void kw_iq2_xs_unpack(kw_iq_super *out, const void *src);
void kw_iq2_s_unpack(kw_iq_super *out, const void *src);
void kw_iq3_xxs_unpack(kw_iq_super *out, const void *src);
void kw_iq3_s_unpack(kw_iq_super *out, const void *src);
void kw_iq1_s_unpack(kw_iq_super *out, const void *src);
void kw_iq1_m_unpack(kw_iq_super *out, const void *src);

static inline void kw_iq_decode(float *restrict y, const kw_iq_super *from)
{
    for (int i = 0; i < KW_QK_K; i++) {
        const uint8_t scale = from->scale[i / 16];
        y[i] = from->d * (float)scale * (float)from->w[i];
    }
}

/* A decoder by its unpack function. */
#define KW_IQ_DECODER(type)                                                                        \
    KW_DECODER(kw_##type##_decode)                                                                 \
    {                                                                                              \
        const kw_block_##type *const blocks = src;                                                 \
        for (size_t b = 0; b < n / KW_QK_K; b++) {                                                 \
            kw_iq_super super;                                                                     \
            kw_##type##_unpack(&super, &blocks[b]);                                                \
            kw_iq_decode(dst + b * KW_QK_K, &super);                                               \
        }                                                                                          \
    }

#endif
