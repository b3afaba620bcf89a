/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq_fit.h - the search for scales and codebook entries that the encoders of iq1, iq2 and iq3
 * share.
 */
#ifndef KW_TENSOR_QUANT_IQ_FIT_H
#define KW_TENSOR_QUANT_IQ_FIT_H

#include "tensor/quant/blocks.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum kw_iq_signs {
    KW_IQ_FREE,        /* a sign for each weight */
    KW_IQ_EVEN,        /* the same, an even number of minus signs in eight */
    KW_IQ_SHIFT_GROUP, /* no signs: all weights of 32 lie an eighth higher or lower */
    KW_IQ_SHIFT_ENTRY  /* the same for each entry */
} kw_iq_signs;

/* One of the types. */
typedef struct kw_iq_spec {
    const uint64_t *eight; /* its codebook, of eight weights an entry or of four */
    const uint32_t *four;
    int n_entries;
    int level_shift;    /* a weight's byte in an entry >> this counts its levels from 0 */
    int group;          /* weights that share a scale: 16 or 32 */
    int top;            /* of the scale code sc */
    float factor;       /* y = d * factor * (2 * sc + 1) * w */
    float narrow, wide; /* the largest weight of a group in units of its scale, at the least and at
                         * the most that is tried: how far it may be clipped */
    kw_iq_signs signs;
} kw_iq_spec;

/* A codebook arranged for the search: runs of entries by their upper half. */
enum { KW_IQ_HALVES = 108, KW_IQ_MAX_ENTRIES = 2048 };
typedef struct kw_iq_book {
    const kw_iq_spec *spec;
    uint16_t begin[KW_IQ_HALVES + 1];                        /* by the code of the upper half */
    uint8_t high[KW_IQ_MAX_ENTRIES], low[KW_IQ_MAX_ENTRIES]; /* codes of the halves */
} kw_iq_book;

/* What goes into a superblock. */
typedef struct kw_iq_codes {
    uint16_t entry[KW_QK_K / 4];
    uint8_t sign[KW_QK_K / 8]; /* sign bits of eight weights; for iq1 1 where an entry lies lower */
    uint8_t sc[KW_QK_K / 16];  /* one per group */
    uint16_t d;                /* f16 */
} kw_iq_codes;

void kw_iq_book_make(kw_iq_book *book, const kw_iq_spec *spec);
/* x: [256], w: [256] weights of the squared error or NULL. */
void kw_iq_fit(kw_iq_codes *out, const kw_iq_book *book, const float *x, const float *w);

/* An encoder by its spec and its pack function. */
#define KW_IQ_ENCODER(type, spec)                                                                  \
    KW_ENCODER(kw_##type##_encode)                                                                 \
    {                                                                                              \
        kw_block_##type *const blocks = dst;                                                       \
        kw_iq_book book;                                                                           \
        kw_iq_book_make(&book, &(spec));                                                           \
        for (size_t at = 0; at < n; at += KW_QK_K) {                                               \
            kw_iq_codes codes;                                                                     \
            kw_iq_fit(&codes, &book, src + at, importance ? importance + at : NULL);               \
            pack_##type(&blocks[at / KW_QK_K], &codes);                                            \
        }                                                                                          \
    }

#endif
