/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* encoder.h - the post-norm encoder of BERT: every token sees all others. */
#ifndef KW_MODEL_BLOCKS_ENCODER_H
#define KW_MODEL_BLOCKS_ENCODER_H

#include "model/family.h"

typedef struct kw_encoder_config {
    int64_t dim, layers, heads, ffn, vocab, context, types;
    int64_t first_position; /* the row of it in the table; those before are not used */
    double norm_eps;
    kw_str activation, position_kind;
    bool causal; /* refused: a token would see those before it alone */
} kw_encoder_config;

/* Fills what the file's tables say (vocab, types), checks ranges and products. */
kw_status kw_encoder_check(kw_encoder_config *c, const kw_model_file *file, kw_error *err);
/* tokens -> hidden states [rows, dim] */
kw_ref kw_encoder_build(kw_build *b, const kw_encoder_config *c);

/* ---- what encoders share --------------------------------------------------------------------- */

/* Attention of every token to all of the input, with a bias by distance unless it is KW_NONE:
 * stores keys and values [tokens, heads * head_dim] into a pair of f32 states that all layers take
 * turns in. */
kw_ref kw_attend_all(kw_build *b, kw_ref q, kw_ref k, kw_ref v, kw_ref bias,
                     const kw_attention_attr *attr);

/* KW_E_FORMAT naming the field unless low <= value <= high. */
kw_status kw_check_field(const char *name, int64_t value, int64_t low, int64_t high, kw_error *err);
/* The first of these tensors that the file has, of two dimensions. */
kw_status kw_find_table(const kw_model_file *file, const char *const *names, size_t n,
                        const kw_tensor_view **out, kw_error *err);
/* A count that the table has rows for: filled in when it is 0, else demanded to be the same. */
kw_status kw_match_rows(const char *field, int64_t *count, const kw_tensor_view *table,
                        kw_error *err);

#endif
