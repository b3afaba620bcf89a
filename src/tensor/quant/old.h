/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* old.h - blocks of ggml's files from before today's, and today's that hold the same codes. */
#ifndef KW_TENSOR_QUANT_OLD_H
#define KW_TENSOR_QUANT_OLD_H

#include "tensor/dtype.h"

/* Whether this is such a type, and what it becomes: the type of today with the same codes, KW_F32
 * where there is none (Q4_2, Q4_3, which share a scale among 16). */
bool kw_old_block(kw_dtype dtype, kw_dtype *today);
/* n elements as blocks of the type that it becomes, which is not KW_F32. The codes stay; scales and
 * minima that were f32 are rounded to f16, as llama.cpp has rounded them since ggjt 3. False when
 * one is too large for f16. */
bool kw_old_repack(kw_dtype dtype, void *dst, const void *src, size_t n);

#endif
