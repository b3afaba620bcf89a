/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* codecs.h - the decode and encode functions that the rows of the traits table point to.
 *
 * decode: dst[n] f32 from n / block_elems packed blocks. encode: the reverse; importance is [n]
 * weights of the squared error or NULL. n is a multiple of the block; pointers to packed data need
 * no alignment. Every input gives defined output, also NaN and infinity. */
#ifndef KW_TENSOR_QUANT_CODECS_H
#define KW_TENSOR_QUANT_CODECS_H

#include <stddef.h>

#define KW_DECODER(name) void name(float *restrict dst, const void *restrict src, size_t n)
#define KW_ENCODER(name)                                                                           \
    void name(void *restrict dst, const float *restrict src, size_t n, const float *importance)

KW_DECODER(kw_f32_decode);
KW_ENCODER(kw_f32_encode);
KW_DECODER(kw_f16_decode);
KW_ENCODER(kw_f16_encode);
KW_DECODER(kw_bf16_decode);
KW_ENCODER(kw_bf16_encode);
KW_DECODER(kw_f64_decode);
KW_ENCODER(kw_f64_encode);
KW_DECODER(kw_i8_decode);
KW_DECODER(kw_i16_decode);
KW_DECODER(kw_i32_decode);
KW_DECODER(kw_i64_decode);
KW_DECODER(kw_u8_decode);
KW_DECODER(kw_bool_decode);
KW_DECODER(kw_u16_decode);
KW_DECODER(kw_u32_decode);
KW_DECODER(kw_u64_decode);
KW_DECODER(kw_f8_e4m3_decode);
KW_DECODER(kw_f8_e5m2_decode);
KW_DECODER(kw_f8_e4m3fnuz_decode);
KW_DECODER(kw_f8_e5m2fnuz_decode);
KW_DECODER(kw_f8_e8m0_decode);
KW_DECODER(kw_q8_0_decode);
KW_ENCODER(kw_q8_0_encode);
KW_DECODER(kw_q4_0_decode);
KW_ENCODER(kw_q4_0_encode);
KW_DECODER(kw_q4_k_decode);
KW_ENCODER(kw_q4_k_encode);
KW_DECODER(kw_q6_k_decode);
KW_ENCODER(kw_q6_k_encode);
KW_DECODER(kw_q2_k_decode);
KW_ENCODER(kw_q2_k_encode);
KW_DECODER(kw_q3_k_decode);
KW_ENCODER(kw_q3_k_encode);
KW_DECODER(kw_q5_k_decode);
KW_ENCODER(kw_q5_k_encode);
KW_DECODER(kw_iq2_xxs_decode);
KW_ENCODER(kw_iq2_xxs_encode);
KW_DECODER(kw_iq2_xs_decode);
KW_ENCODER(kw_iq2_xs_encode);
KW_DECODER(kw_iq2_s_decode);
KW_ENCODER(kw_iq2_s_encode);
KW_DECODER(kw_iq3_xxs_decode);
KW_ENCODER(kw_iq3_xxs_encode);
KW_DECODER(kw_iq3_s_decode);
KW_ENCODER(kw_iq3_s_encode);
KW_DECODER(kw_iq1_s_decode);
KW_ENCODER(kw_iq1_s_encode);
KW_DECODER(kw_iq1_m_decode);
KW_ENCODER(kw_iq1_m_encode);
KW_DECODER(kw_q4_1_decode);
KW_ENCODER(kw_q4_1_encode);
KW_DECODER(kw_q5_0_decode);
KW_ENCODER(kw_q5_0_encode);
KW_DECODER(kw_q5_1_decode);
KW_ENCODER(kw_q5_1_encode);
KW_DECODER(kw_iq4_nl_decode);
KW_ENCODER(kw_iq4_nl_encode);
KW_DECODER(kw_iq4_xs_decode);
KW_ENCODER(kw_iq4_xs_encode);
KW_DECODER(kw_tq1_0_decode);
KW_ENCODER(kw_tq1_0_encode);
KW_DECODER(kw_tq2_0_decode);
KW_ENCODER(kw_tq2_0_encode);
KW_DECODER(kw_mxfp4_decode);
KW_ENCODER(kw_mxfp4_encode);
KW_DECODER(kw_q4_0_v1_decode);
KW_DECODER(kw_q4_0_v2_decode);
KW_DECODER(kw_q4_1_v1_decode);
KW_DECODER(kw_q4_1_v2_decode);
KW_DECODER(kw_q4_2_decode);
KW_DECODER(kw_q4_3_decode);
KW_DECODER(kw_q5_0_v1_decode);
KW_DECODER(kw_q5_1_v1_decode);
KW_DECODER(kw_q8_0_v1_decode);
KW_DECODER(kw_q8_act_decode); /* both activation types */
KW_ENCODER(kw_q8_a32_encode);
KW_ENCODER(kw_q8_a256_encode);

#endif
