/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decoder.h - the decoder-only transformer that most language models are, driven by flags. */
#ifndef KW_MODEL_BLOCKS_DECODER_H
#define KW_MODEL_BLOCKS_DECODER_H

#include "model/blocks/rope.h"
#include "model/family.h"

typedef struct kw_decoder_config {
    int64_t dim, layers, heads, kv_heads, head_dim, ffn, vocab, context;
    int64_t n_rot;  /* rotating dimensions of a head */
    int64_t window; /* sliding attention; 0: none */
    double norm_eps;
    kw_rope_config rope;
    kw_str rope_scaling; /* its name in the file */
    kw_str activation;   /* of the gate; "" is silu */
    bool rope_adjacent;  /* pairs (2i, 2i+1): GGUF's order; else halves: Hugging Face's */
    bool attention_bias, mlp_bias, tied_head;
} kw_decoder_config;

/* Fills what follows from the rest (head_dim, kv_heads, n_rot, vocab), checks ranges and products,
 * and that the embedding has the shape that the rest says. */
kw_status kw_decoder_check(kw_decoder_config *c, const kw_model_file *file, kw_error *err);
/* tokens -> logits [rows, vocab] */
kw_ref kw_decoder_build(kw_build *b, const kw_decoder_config *c);

#endif
