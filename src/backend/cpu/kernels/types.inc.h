/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* types.inc.h - the table of integer weight types: unpack_<class>.inc.h knows what each is. */

/* X(type_name, TYPE, class, CLASS). */
#define INTEGER_TYPES(X)                                                                           \
    X(q4_0, Q4_0, s32, S32)                                                                        \
    X(q4_1, Q4_1, s32, S32)                                                                        \
    X(q5_0, Q5_0, s32, S32)                                                                        \
    X(q5_1, Q5_1, s32, S32)                                                                        \
    X(iq4_nl, IQ4_NL, s32, S32)                                                                    \
    X(mxfp4, MXFP4, s32, S32)                                                                      \
    X(q8_0, Q8_0, s32, S32)                                                                        \
    X(iq4_xs, IQ4_XS, k, K)                                                                        \
    X(tq1_0, TQ1_0, k, K)                                                                          \
    X(tq2_0, TQ2_0, k, K)                                                                          \
    X(q2_k, Q2_K, k, K)                                                                            \
    X(q3_k, Q3_K, k, K)                                                                            \
    X(q4_k, Q4_K, k, K)                                                                            \
    X(q5_k, Q5_K, k, K)                                                                            \
    X(q6_k, Q6_K, k, K)                                                                            \
    X(iq2_xxs, IQ2_XXS, k, K)                                                                      \
    X(iq2_xs, IQ2_XS, k, K)                                                                        \
    X(iq2_s, IQ2_S, k, K)                                                                          \
    X(iq3_xxs, IQ3_XXS, k, K)                                                                      \
    X(iq3_s, IQ3_S, k, K)                                                                          \
    X(iq1_s, IQ1_S, k, K)                                                                          \
    X(iq1_m, IQ1_M, k, K)
