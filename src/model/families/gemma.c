/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemma.c - Gemma 1, 2 and 3: a scaled embedding, norms stored as w - 1 (in GGUF as w), GeGLU, a
 * tied head; since 2 norms after each block, soft caps and alternating windows; since 3 norms of
 * each head and another rotation where there is a window.
 * Sources: Gemma Team 2024, arXiv:2403.08295 and arXiv:2408.00118; 2025, arXiv:2503.19786. */
#include "model/blocks/decoder.h"
#include "model/families/families.h"

#include <math.h>
#include <stddef.h>

#define AT(member) KW_DECODER_AT(member)

typedef struct gemma_config {
    kw_decoder_config decoder; /* first: the shared tables point into it */
    double query_scalar;       /* scores are divided by its root */
} gemma_config;

/* The first files said "gelu" and meant its approximation: no key is read for the activation. */
static const kw_field fields1[] = {
    {"head_dim", ".attention.key_length", "head_dim", AT(head_dim), KW_FIELD_INT, false, 256},
    {"norm_eps", ".attention.layer_norm_rms_epsilon", "rms_norm_eps", AT(norm_eps), KW_FIELD_FLOAT,
     false, 1e-6},
    {"tied_head", NULL, "tie_word_embeddings", AT(tied_head), KW_FIELD_BOOL, false, 1},
    {"activation", NULL, NULL, AT(activation_name), KW_FIELD_STRING, false, 0},
    {0},
};

static const kw_field fields2[] = {
    {"head_dim", ".attention.key_length", "head_dim", AT(head_dim), KW_FIELD_INT, false, 256},
    {"norm_eps", ".attention.layer_norm_rms_epsilon", "rms_norm_eps", AT(norm_eps), KW_FIELD_FLOAT,
     false, 1e-6},
    {"tied_head", NULL, "tie_word_embeddings", AT(tied_head), KW_FIELD_BOOL, false, 1},
    {"activation", NULL, NULL, AT(activation_name), KW_FIELD_STRING, false, 0},
    {"query_scalar", NULL, "query_pre_attn_scalar", offsetof(gemma_config, query_scalar),
     KW_FIELD_FLOAT, false, 0},
    {"attention_scale", ".attention.scale", NULL, AT(attention_scale), KW_FIELD_FLOAT, false, 0},
    {"window", ".attention.sliding_window", "sliding_window", AT(window), KW_FIELD_INT, false,
     4096},
    {"attention_softcap", ".attn_logit_softcapping", "attn_logit_softcapping",
     AT(attention_softcap), KW_FIELD_FLOAT, false, 50},
    {"logit_softcap", ".final_logit_softcapping", "final_logit_softcapping", AT(logit_softcap),
     KW_FIELD_FLOAT, false, 30},
    {0},
};

static const kw_field fields3[] = {
    {"head_dim", ".attention.key_length", "head_dim", AT(head_dim), KW_FIELD_INT, false, 256},
    {"norm_eps", ".attention.layer_norm_rms_epsilon", "rms_norm_eps", AT(norm_eps), KW_FIELD_FLOAT,
     false, 1e-6},
    {"tied_head", NULL, "tie_word_embeddings", AT(tied_head), KW_FIELD_BOOL, false, 1},
    {"activation", NULL, NULL, AT(activation_name), KW_FIELD_STRING, false, 0},
    {"query_scalar", NULL, "query_pre_attn_scalar", offsetof(gemma_config, query_scalar),
     KW_FIELD_FLOAT, false, 0},
    {"attention_scale", ".attention.scale", NULL, AT(attention_scale), KW_FIELD_FLOAT, false, 0},
    {"heads", ".attention.head_count", "num_attention_heads", AT(heads), KW_FIELD_INT, false, 8},
    {"kv_heads", ".attention.head_count_kv", "num_key_value_heads", AT(kv_heads), KW_FIELD_INT,
     false, 4},
    {"context", ".context_length", "max_position_embeddings", AT(context), KW_FIELD_INT, false,
     131072},
    {"window_pattern", ".attention.sliding_window_pattern",
     "sliding_window_pattern|_sliding_window_pattern", AT(window_pattern), KW_FIELD_INT, false, 6},
    {"logit_softcap", ".final_logit_softcapping", "final_logit_softcapping", AT(logit_softcap),
     KW_FIELD_FLOAT, false, 0},
    {"rope.base", ".rope.freq_base", "rope_parameters.full_attention.rope_theta|rope_theta",
     AT(rope.base), KW_FIELD_FLOAT, false, 1e6},
    {"rope.local_base", ".rope.freq_base_swa",
     "rope_parameters.sliding_attention.rope_theta|rope_local_base_freq", AT(local_rope_base),
     KW_FIELD_FLOAT, false, 10000},
    {"rope.scaling", ".rope.scaling.type",
     "rope_parameters.full_attention.rope_type|rope_scaling.rope_type", AT(rope_scaling),
     KW_FIELD_STRING, false, 0},
    {"rope.factor", ".rope.scaling.factor",
     "rope_parameters.full_attention.factor|rope_scaling.factor", AT(rope.factor), KW_FIELD_FLOAT,
     false, 1},
    {0},
};

static const kw_alias aliases1[] = {
    {"output_norm", "model.norm", KW_ALIAS_ONE_LESS},
    {"blk.%d.attn_norm", "model.layers.%d.input_layernorm", KW_ALIAS_ONE_LESS},
    {"blk.%d.ffn_norm", "model.layers.%d.post_attention_layernorm", KW_ALIAS_ONE_LESS},
    {0},
};

static const kw_alias aliases2[] = {
    {"output_norm", "model.norm", KW_ALIAS_ONE_LESS},
    {"blk.%d.attn_norm", "model.layers.%d.input_layernorm", KW_ALIAS_ONE_LESS},
    {"blk.%d.attn_q_norm", "model.layers.%d.self_attn.q_norm", KW_ALIAS_ONE_LESS},
    {"blk.%d.attn_k_norm", "model.layers.%d.self_attn.k_norm", KW_ALIAS_ONE_LESS},
    {"blk.%d.post_attention_norm", "model.layers.%d.post_attention_layernorm", KW_ALIAS_ONE_LESS},
    {"blk.%d.ffn_norm", "model.layers.%d.pre_feedforward_layernorm", KW_ALIAS_ONE_LESS},
    {"blk.%d.post_ffw_norm", "model.layers.%d.post_feedforward_layernorm", KW_ALIAS_ONE_LESS},
    {0},
};

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    kw_decoder_config *c = config;
    c->activation = KW_GELU_TANH;
    c->embedding_scale = c->dim > 0 ? sqrt((double)c->dim) : 0;
    return kw_decoder_check(c, file, err);
}

/* large: layers of the one size that divides its scores by dim / heads, which GGUF does not say. */
static kw_status check_later(gemma_config *own, const kw_model_file *file, int64_t large,
                             kw_error *err)
{
    kw_decoder_config *c = &own->decoder;
    c->post_norms = true;
    if (kw_model_file_names_gguf(file) && c->attention_scale <= 0 && c->layers == large &&
        c->heads > 0) {
        const int64_t share = c->dim / c->heads;
        own->query_scalar = (double)share;
    }
    if (own->query_scalar > 0)
        c->attention_scale = 1.0 / sqrt(own->query_scalar);
    return check(own, file, err);
}

static kw_status check2(void *config, const kw_model_file *file, kw_error *err)
{
    ((kw_decoder_config *)config)->window_pattern = 2;
    return check_later(config, file, 46, err);
}

static kw_status check3(void *config, const kw_model_file *file, kw_error *err)
{
    ((kw_decoder_config *)config)->head_norms = true;
    return check_later(config, file, 62, err);
}

static const char *const arch1[] = {"gemma", NULL}, *const arch2[] = {"gemma2", NULL},
                         *const arch3[] = {"gemma3", "gemma3_text", NULL};

const kw_family kw_family_gemma = {
    .name = "gemma",
    .arch = arch1,
    .config_size = sizeof(gemma_config),
    .fields = fields1,
    .aliases = aliases1,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check,
};

const kw_family kw_family_gemma2 = {
    .name = "gemma2",
    .arch = arch2,
    .config_size = sizeof(gemma_config),
    .fields = fields2,
    .aliases = aliases2,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check2,
};

const kw_family kw_family_gemma3 = {
    .name = "gemma3",
    .arch = arch3,
    .config_size = sizeof(gemma_config),
    .fields = fields3,
    .aliases = aliases2,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check3,
};
