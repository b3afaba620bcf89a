/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decoder_names.c - table: the keys and weight names that most decoders share. */
#include "model/blocks/decoder.h"

#include <stddef.h>

#define AT(member) KW_DECODER_AT(member)
#define INT KW_FIELD_INT
#define FLOAT KW_FIELD_FLOAT
#define BOOL KW_FIELD_BOOL
#define STRING KW_FIELD_STRING

const kw_field kw_decoder_fields[] = {
    {"dim", ".embedding_length", "hidden_size|n_embd", AT(dim), INT, true, 0},
    {"layers", ".block_count", "num_hidden_layers|n_layer", AT(layers), INT, true, 0},
    {"heads", ".attention.head_count", "num_attention_heads|n_head", AT(heads), INT, true, 0},
    {"kv_heads", ".attention.head_count_kv", "num_key_value_heads", AT(kv_heads), INT, false, 0},
    {"head_dim", ".attention.key_length", "head_dim", AT(head_dim), INT, false, 0},
    {"value_dim", ".attention.value_length", NULL, AT(value_dim), INT, false, 0},
    {"ffn", ".feed_forward_length", "intermediate_size", AT(ffn), INT, true, 0},
    {"experts", ".expert_count", "num_local_experts|num_experts", AT(experts), INT, false, 0},
    {"experts_used", ".expert_used_count", "num_experts_per_tok", AT(experts_used), INT, false, 0},
    {"expert_ffn", ".expert_feed_forward_length", "moe_intermediate_size", AT(expert_ffn), INT,
     false, 0},
    {"vocab", ".vocab_size", "vocab_size", AT(vocab), INT, false, 0},
    {"context", ".context_length", "max_position_embeddings", AT(context), INT, false, 2048},
    {"window", ".attention.sliding_window", "sliding_window", AT(window), INT, false, 0},
    {"norm_eps", ".attention.layer_norm_rms_epsilon", "rms_norm_eps", AT(norm_eps), FLOAT, false,
     1e-5},
    {"activation", NULL, "hidden_act", AT(activation_name), STRING, false, 0},
    {"attention_bias", NULL, "attention_bias", AT(attention_bias), BOOL, false, 0},
    {"mlp_bias", NULL, "mlp_bias", AT(mlp_bias), BOOL, false, 0},
    {"tied_head", NULL, "tie_word_embeddings", AT(tied_head), BOOL, false, 0},
    {"rope.dimensions", ".rope.dimension_count", NULL, AT(n_rot), INT, false, 0},
    {"rope.base", ".rope.freq_base", "rope_theta|rope_parameters.rope_theta", AT(rope.base), FLOAT,
     false, 10000},
    {"rope.scaling", ".rope.scaling.type",
     "rope_scaling.rope_type|rope_scaling.type|rope_parameters.rope_type", AT(rope_scaling), STRING,
     false, 0},
    {"rope.factor", ".rope.scaling.factor|.rope.scale_linear",
     "rope_scaling.factor|rope_parameters.factor", AT(rope.factor), FLOAT, false, 1},
    {"rope.original_context", ".rope.scaling.original_context_length",
     "rope_scaling.original_max_position_embeddings|"
     "rope_parameters.original_max_position_embeddings|original_max_position_embeddings",
     AT(rope.original_context), FLOAT, false, 0},
    {"rope.low_freq", NULL, "rope_scaling.low_freq_factor|rope_parameters.low_freq_factor",
     AT(rope.low_freq), FLOAT, false, 1},
    {"rope.high_freq", NULL, "rope_scaling.high_freq_factor|rope_parameters.high_freq_factor",
     AT(rope.high_freq), FLOAT, false, 4},
    {"rope.beta_fast", ".rope.scaling.yarn_beta_fast",
     "rope_scaling.beta_fast|rope_parameters.beta_fast", AT(rope.beta_fast), FLOAT, false, 32},
    {"rope.beta_slow", ".rope.scaling.yarn_beta_slow",
     "rope_scaling.beta_slow|rope_parameters.beta_slow", AT(rope.beta_slow), FLOAT, false, 1},
    {"rope.attention_factor", ".rope.scaling.attn_factor",
     "rope_scaling.attention_factor|rope_parameters.attention_factor", AT(rope.attention_factor),
     FLOAT, false, 0},
    {0},
};

const kw_alias kw_decoder_aliases[] = {
    {"token_embd", "model.embed_tokens", 0},
    {"output_norm", "model.norm", 0},
    {"output", "lm_head", 0},
    {"blk.%d.attn_norm", "model.layers.%d.input_layernorm", 0},
    {"blk.%d.attn_q", "model.layers.%d.self_attn.q_proj", 0},
    {"blk.%d.attn_k", "model.layers.%d.self_attn.k_proj", 0},
    {"blk.%d.attn_v", "model.layers.%d.self_attn.v_proj", 0},
    {"blk.%d.attn_q_norm", "model.layers.%d.self_attn.q_norm", 0},
    {"blk.%d.attn_k_norm", "model.layers.%d.self_attn.k_norm", 0},
    {"blk.%d.attn_output", "model.layers.%d.self_attn.o_proj", 0},
    {"blk.%d.ffn_norm", "model.layers.%d.post_attention_layernorm", 0},
    {"blk.%d.ffn_gate_inp", "model.layers.%d.mlp.gate", 0},
    {"blk.%d.ffn_gate_inp", "model.layers.%d.block_sparse_moe.gate", 0},
    {"blk.%d.ffn_gate.%d", "model.layers.%d.mlp.experts.%d.gate_proj", 0},
    {"blk.%d.ffn_gate.%d", "model.layers.%d.block_sparse_moe.experts.%d.w1", 0},
    {"blk.%d.ffn_up.%d", "model.layers.%d.mlp.experts.%d.up_proj", 0},
    {"blk.%d.ffn_up.%d", "model.layers.%d.block_sparse_moe.experts.%d.w3", 0},
    {"blk.%d.ffn_down.%d", "model.layers.%d.mlp.experts.%d.down_proj", 0},
    {"blk.%d.ffn_down.%d", "model.layers.%d.block_sparse_moe.experts.%d.w2", 0},
    {"blk.%d.ffn_gate", "model.layers.%d.mlp.gate_proj", 0},
    {"blk.%d.ffn_up", "model.layers.%d.mlp.up_proj", 0},
    {"blk.%d.ffn_down", "model.layers.%d.mlp.down_proj", 0},
    {0},
};
