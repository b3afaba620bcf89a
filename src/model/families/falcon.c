/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* falcon.c - Falcon 7B (one key and value for all queries), 40B, 180B and 11B (grouped), both with
 * attention and feed-forward side by side; Falcon RW (one after the other, slopes for positions).
 * Source: Penedo et al. 2023, arXiv:2306.01116; the files' own configuration. */
#include "model/blocks/decoder.h"
#include "model/families/families.h"

#include "base/check.h"

#include <stddef.h>

#define AT(member) KW_DECODER_AT(member)
#define OWN(member) offsetof(falcon_config, member)

typedef struct falcon_config {
    kw_decoder_config decoder; /* first: the shared tables point into it */
    bool grouped;              /* the newer decoder: kv_heads counts */
    bool one_kv;               /* the older one: a single key and value, or one for each query */
    bool parallel, slopes;
    int64_t norms; /* of a layer of the newer one; the weights say it here */
} falcon_config;

static const kw_field fields[] = {
    {"kv_heads", ".attention.head_count_kv", "num_kv_heads|n_head_kv", AT(kv_heads), KW_FIELD_INT,
     false, 0},
    {"head_dim", ".attention.key_length", NULL, AT(head_dim), KW_FIELD_INT, false, 0},
    {"ffn", ".feed_forward_length", "ffn_hidden_size", AT(ffn), KW_FIELD_INT, false, 0},
    {"norm_eps", ".attention.layer_norm_epsilon", "layer_norm_epsilon", AT(norm_eps),
     KW_FIELD_FLOAT, false, 1e-5},
    {"activation", NULL, "activation", AT(activation_name), KW_FIELD_STRING, false, 0},
    {"attention_bias", NULL, "bias", AT(attention_bias), KW_FIELD_BOOL, false, 0},
    {"mlp_bias", NULL, "bias", AT(mlp_bias), KW_FIELD_BOOL, false, 0},
    {"tied_head", NULL, "tie_word_embeddings", AT(tied_head), KW_FIELD_BOOL, false, 1},
    {"grouped", NULL, "new_decoder_architecture", OWN(grouped), KW_FIELD_BOOL, false, 0},
    {"one_kv", NULL, "multi_query", OWN(one_kv), KW_FIELD_BOOL, false, 1},
    {"parallel", ".use_parallel_residual", "parallel_attn", OWN(parallel), KW_FIELD_BOOL, false, 1},
    {"slopes", ".attention.alibi", "alibi", OWN(slopes), KW_FIELD_BOOL, false, 0},
    {"parallel_norms", NULL, "num_ln_in_parallel_attn", OWN(norms), KW_FIELD_INT, false, 0},
    {0},
};

static const kw_alias aliases[] = {
    {"token_embd", "transformer.word_embeddings", 0},
    {"output_norm", "transformer.ln_f", 0},
    {"output", "lm_head", 0},
    {"blk.%d.attn_norm", "transformer.h.%d.input_layernorm", 0},
    {"blk.%d.attn_norm", "transformer.h.%d.ln_mlp", 0}, /* where attention has its own */
    {"blk.%d.attn_norm_2", "transformer.h.%d.ln_attn", 0},
    {"blk.%d.attn_qkv", "transformer.h.%d.self_attention.query_key_value", KW_ALIAS_GROUPED},
    {"blk.%d.attn_output", "transformer.h.%d.self_attention.dense", 0},
    {"blk.%d.ffn_norm", "transformer.h.%d.post_attention_layernorm", 0},
    {"blk.%d.ffn_up", "transformer.h.%d.mlp.dense_h_to_4h", 0},
    {"blk.%d.ffn_down", "transformer.h.%d.mlp.dense_4h_to_h", 0},
    {0},
};

static bool is_called(const kw_model_file *file, const char *name)
{
    const kw_value *type = kw_model_file_meta(file, KW_STR("model_type"));
    return type && type->kind == KW_VALUE_STRING && kw_str_is(type->s, name);
}

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    falcon_config *own = config;
    kw_decoder_config *c = &own->decoder;
    const bool gguf = kw_model_file_names_gguf(file);
    c->norm = KW_NORM_LAYER;
    c->activation = KW_GELU;
    c->ungated = true;
    c->grouped_qkv = !gguf;
    /* The name that 40B had first; the newer decoder is always parallel. */
    const bool grouped = own->grouped || is_called(file, "RefinedWeb");
    c->parallel = own->parallel || grouped;
    if (!gguf && !grouped)
        c->kv_heads = own->one_kv ? 1 : c->heads;
    if (c->ffn == 0 && c->dim > 0 && c->dim < INT32_MAX)
        c->ffn = 4 * c->dim;
    if (own->slopes)
        c->positions = KW_POSITIONS_ALIBI;
    return kw_decoder_check(c, file, err);
}

static const char *const arch[] = {"falcon", "RefinedWebModel", "RefinedWeb", NULL};

const kw_family kw_family_falcon = {
    .name = "falcon",
    .arch = arch,
    .config_size = sizeof(falcon_config),
    .fields = fields,
    .aliases = aliases,
    KW_DECODER_ROW,
    .check = check,
};
