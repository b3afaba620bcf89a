/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gpt2.c - GPT-2: learned positions, one projection for queries, keys and values, layer norms with
 * biases, no gate.
 * Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners". */
#include "model/blocks/decoder.h"
#include "model/families/families.h"

#include <stddef.h>

typedef struct gpt2_config {
    kw_decoder_config decoder; /* first: the shared tables point into it */
    bool scaled_by_layer;
} gpt2_config;

static const kw_field fields[] = {
    {"ffn", ".feed_forward_length", "n_inner", KW_DECODER_AT(ffn), KW_FIELD_INT, false, 0},
    {"context", ".context_length", "n_positions|n_ctx", KW_DECODER_AT(context), KW_FIELD_INT, true,
     0},
    {"norm_eps", ".attention.layer_norm_epsilon", "layer_norm_epsilon", KW_DECODER_AT(norm_eps),
     KW_FIELD_FLOAT, false, 1e-5},
    {"activation", NULL, "activation_function", KW_DECODER_AT(activation_name), KW_FIELD_STRING,
     false, 0},
    {"tied_head", NULL, "tie_word_embeddings", KW_DECODER_AT(tied_head), KW_FIELD_BOOL, false, 1},
    {"scaled_by_layer", NULL, "scale_attn_by_inverse_layer_idx",
     offsetof(gpt2_config, scaled_by_layer), KW_FIELD_BOOL, false, 0},
    {0},
};

/* Hugging Face's matrices are those of a convolution of width 1: [in, out]. */
static const kw_alias aliases[] = {
    {"token_embd", "transformer.wte", 0},
    {"position_embd", "transformer.wpe", 0},
    {"output_norm", "transformer.ln_f", 0},
    {"output", "lm_head", 0},
    {"blk.%d.attn_norm", "transformer.h.%d.ln_1", 0},
    {"blk.%d.attn_qkv", "transformer.h.%d.attn.c_attn", KW_ALIAS_TRANSPOSED},
    {"blk.%d.attn_output", "transformer.h.%d.attn.c_proj", KW_ALIAS_TRANSPOSED},
    {"blk.%d.ffn_norm", "transformer.h.%d.ln_2", 0},
    {"blk.%d.ffn_up", "transformer.h.%d.mlp.c_fc", KW_ALIAS_TRANSPOSED},
    {"blk.%d.ffn_down", "transformer.h.%d.mlp.c_proj", KW_ALIAS_TRANSPOSED},
    {0},
};

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    gpt2_config *own = config;
    kw_decoder_config *c = &own->decoder;
    if (own->scaled_by_layer)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "config: scale_attn_by_inverse_layer_idx is not supported");
    c->norm = KW_NORM_LAYER;
    c->positions = KW_POSITIONS_LEARNED;
    c->activation = KW_GELU_TANH;
    c->ungated = true;
    if (c->ffn == 0 && c->dim > 0 && c->dim < INT32_MAX)
        c->ffn = 4 * c->dim;
    return kw_decoder_check(c, file, err);
}

static const char *const arch[] = {"gpt2", NULL};

const kw_family kw_family_gpt2 = {
    .name = "gpt2",
    .arch = arch,
    .config_size = sizeof(gpt2_config),
    .fields = fields,
    .aliases = aliases,
    KW_DECODER_ROW,
    .check = check,
    .learned_positions = true,
};
