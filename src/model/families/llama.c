/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* llama.c - LLaMA 1, 2, 3.x, TinyLlama, Code Llama, Mistral 7B and what shares their shape.
 * Source: Touvron et al. 2023, arXiv:2302.13971; the files' own metadata for everything else. */
#include "model/blocks/decoder.h"
#include "model/families/families.h"

#include <stddef.h>

#define AT(member) offsetof(kw_decoder_config, member)

static const kw_field fields[] = {
    {"dim", ".embedding_length", "hidden_size", AT(dim), KW_FIELD_INT, true, 0},
    {"layers", ".block_count", "num_hidden_layers", AT(layers), KW_FIELD_INT, true, 0},
    {"heads", ".attention.head_count", "num_attention_heads", AT(heads), KW_FIELD_INT, true, 0},
    {"kv_heads", ".attention.head_count_kv", "num_key_value_heads", AT(kv_heads), KW_FIELD_INT,
     false, 0},
    {"head_dim", ".attention.key_length", "head_dim", AT(head_dim), KW_FIELD_INT, false, 0},
    {"ffn", ".feed_forward_length", "intermediate_size", AT(ffn), KW_FIELD_INT, true, 0},
    {"vocab", ".vocab_size", "vocab_size", AT(vocab), KW_FIELD_INT, false, 0},
    {"context", ".context_length", "max_position_embeddings", AT(context), KW_FIELD_INT, false,
     2048},
    {"window", ".attention.sliding_window", "sliding_window", AT(window), KW_FIELD_INT, false, 0},
    {"norm_eps", ".attention.layer_norm_rms_epsilon", "rms_norm_eps", AT(norm_eps), KW_FIELD_FLOAT,
     false, 1e-5},
    {"activation", NULL, "hidden_act", AT(activation), KW_FIELD_STRING, false, 0},
    {"attention_bias", NULL, "attention_bias", AT(attention_bias), KW_FIELD_BOOL, false, 0},
    {"mlp_bias", NULL, "mlp_bias", AT(mlp_bias), KW_FIELD_BOOL, false, 0},
    {"tied_head", NULL, "tie_word_embeddings", AT(tied_head), KW_FIELD_BOOL, false, 0},
    {"rope.dimensions", ".rope.dimension_count", NULL, AT(n_rot), KW_FIELD_INT, false, 0},
    {"rope.base", ".rope.freq_base", "rope_theta|rope_parameters.rope_theta", AT(rope.base),
     KW_FIELD_FLOAT, false, 10000},
    {"rope.scaling", ".rope.scaling.type",
     "rope_scaling.rope_type|rope_scaling.type|rope_parameters.rope_type", AT(rope_scaling),
     KW_FIELD_STRING, false, 0},
    {"rope.factor", ".rope.scaling.factor|.rope.scale_linear",
     "rope_scaling.factor|rope_parameters.factor", AT(rope.factor), KW_FIELD_FLOAT, false, 1},
    {"rope.original_context", ".rope.scaling.original_context_length",
     "rope_scaling.original_max_position_embeddings|"
     "rope_parameters.original_max_position_embeddings",
     AT(rope.original_context), KW_FIELD_FLOAT, false, 0},
    {"rope.low_freq", NULL, "rope_scaling.low_freq_factor|rope_parameters.low_freq_factor",
     AT(rope.low_freq), KW_FIELD_FLOAT, false, 1},
    {"rope.high_freq", NULL, "rope_scaling.high_freq_factor|rope_parameters.high_freq_factor",
     AT(rope.high_freq), KW_FIELD_FLOAT, false, 4},
    {"rope.beta_fast", ".rope.scaling.yarn_beta_fast",
     "rope_scaling.beta_fast|rope_parameters.beta_fast", AT(rope.beta_fast), KW_FIELD_FLOAT, false,
     32},
    {"rope.beta_slow", ".rope.scaling.yarn_beta_slow",
     "rope_scaling.beta_slow|rope_parameters.beta_slow", AT(rope.beta_slow), KW_FIELD_FLOAT, false,
     1},
    {"rope.attention_factor", NULL,
     "rope_scaling.attention_factor|rope_parameters.attention_factor", AT(rope.attention_factor),
     KW_FIELD_FLOAT, false, 0},
    {0},
};

static const kw_alias aliases[] = {
    {"token_embd", "model.embed_tokens", false},
    {"output_norm", "model.norm", false},
    {"output", "lm_head", false},
    {"blk.%d.attn_norm", "model.layers.%d.input_layernorm", false},
    {"blk.%d.attn_q", "model.layers.%d.self_attn.q_proj", true},
    {"blk.%d.attn_k", "model.layers.%d.self_attn.k_proj", true},
    {"blk.%d.attn_v", "model.layers.%d.self_attn.v_proj", false},
    {"blk.%d.attn_output", "model.layers.%d.self_attn.o_proj", false},
    {"blk.%d.ffn_norm", "model.layers.%d.post_attention_layernorm", false},
    {"blk.%d.ffn_gate", "model.layers.%d.mlp.gate_proj", false},
    {"blk.%d.ffn_up", "model.layers.%d.mlp.up_proj", false},
    {"blk.%d.ffn_down", "model.layers.%d.mlp.down_proj", false},
    {0},
};

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    kw_decoder_config *c = config;
    c->rope_adjacent = file->kind == KW_FILE_GGUF;
    return kw_decoder_check(c, file, err);
}

static kw_ref build(kw_build *b, const void *config)
{
    return kw_decoder_build(b, config);
}

static int64_t context(const void *config)
{
    return ((const kw_decoder_config *)config)->context;
}

static void sizes(const void *config, int *dim, int *layers)
{
    const kw_decoder_config *c = config;
    *dim = (int)c->dim;
    *layers = (int)c->layers;
}

static size_t rope_factors(const void *config, float *out)
{
    const kw_decoder_config *c = config;
    return kw_rope_factors(&c->rope, (int)c->n_rot, out);
}

static const char *const arch[] = {"llama", "mistral", NULL};

const kw_family kw_family_llama = {
    .name = "llama",
    .arch = arch,
    .config_size = sizeof(kw_decoder_config),
    .fields = fields,
    .aliases = aliases,
    .check = check,
    .build = build,
    .context = context,
    .sizes = sizes,
    .rope_factors = rope_factors,
};
