/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit_block.h - scales of a block of 32, shared by the encoders of the types that have one each. */
#ifndef KW_TENSOR_QUANT_FIT_BLOCK_H
#define KW_TENSOR_QUANT_FIT_BLOCK_H

#include "tensor/quant/blocks.h"

/* y = d * q, q in [lo, hi]. Returns d as f16; codes are q - lo. Without importance (w is NULL) it
 * is the answer of ggml's reference: the largest |x| becomes lo. */
uint16_t kw_fit_block_scale(uint8_t codes[KW_QK], const float *x, const float *w, float lo,
                            float hi);
/* y = d * q + min, q in [0, hi]. Without importance the smallest x becomes 0 and the largest hi. */
uint16_t kw_fit_block_affine(uint8_t codes[KW_QK], const float *x, const float *w, float hi,
                             uint16_t *min);

#endif
