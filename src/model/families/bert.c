/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bert.c - BERT and its descendants of the same shape: MiniLM, BGE, E5, GTE's first; RoBERTa and
 * XLM-RoBERTa, whose positions begin behind the padding's in their table. Encoders alone: they make
 * embeddings. GGUF knows one architecture for all. Sources: Devlin et al. 2018, arXiv:1810.04805;
 * Liu et al. 2019, arXiv:1907.11692. */
#include "model/blocks/encoder.h"
#include "model/families/families.h"

#include <stddef.h>

#define AT(member) offsetof(kw_encoder_config, member)

static const kw_field fields[] = {
    {"dim", ".embedding_length", "hidden_size", AT(dim), KW_FIELD_INT, true, 0},
    {"layers", ".block_count", "num_hidden_layers", AT(layers), KW_FIELD_INT, true, 0},
    {"heads", ".attention.head_count", "num_attention_heads", AT(heads), KW_FIELD_INT, true, 0},
    {"ffn", ".feed_forward_length", "intermediate_size", AT(ffn), KW_FIELD_INT, true, 0},
    {"vocab", ".vocab_size", "vocab_size", AT(vocab), KW_FIELD_INT, false, 0},
    {"types", ".token_type_count", "type_vocab_size", AT(types), KW_FIELD_INT, false, 0},
    {"context", ".context_length", "max_position_embeddings", AT(context), KW_FIELD_INT, false, 0},
    {"norm_eps", ".attention.layer_norm_epsilon", "layer_norm_eps", AT(norm_eps), KW_FIELD_FLOAT,
     false, 1e-12},
    {"activation", NULL, "hidden_act", AT(activation), KW_FIELD_STRING, false, 0},
    {"causal", ".attention.causal", "is_decoder", AT(causal), KW_FIELD_BOOL, false, 0},
    {"positions", NULL, "position_embedding_type", AT(position_kind), KW_FIELD_STRING, false, 0},
    {0},
};

static const kw_field roberta_fields[] = {
    {"first_position", NULL, "pad_token_id", AT(first_position), KW_FIELD_INT, false, 1},
    {0},
};

#define ALIASES(hf)                                                                                \
    {"token_embd", hf ".embeddings.word_embeddings", 0},                                           \
        {"position_embd", hf ".embeddings.position_embeddings", 0},                                \
        {"token_types", hf ".embeddings.token_type_embeddings", 0},                                \
        {"token_embd_norm", hf ".embeddings.LayerNorm", 0},                                        \
        {"blk.%d.attn_q", hf ".encoder.layer.%d.attention.self.query", 0},                         \
        {"blk.%d.attn_k", hf ".encoder.layer.%d.attention.self.key", 0},                           \
        {"blk.%d.attn_v", hf ".encoder.layer.%d.attention.self.value", 0},                         \
        {"blk.%d.attn_output", hf ".encoder.layer.%d.attention.output.dense", 0},                  \
        {"blk.%d.attn_output_norm", hf ".encoder.layer.%d.attention.output.LayerNorm", 0},         \
        {"blk.%d.ffn_up", hf ".encoder.layer.%d.intermediate.dense", 0},                           \
        {"blk.%d.ffn_down", hf ".encoder.layer.%d.output.dense", 0},                               \
        {"blk.%d.layer_output_norm", hf ".encoder.layer.%d.output.LayerNorm", 0}, {0}
static const kw_alias aliases[] = {ALIASES("bert")};
static const kw_alias roberta_aliases[] = {ALIASES("roberta")};

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    return kw_encoder_check(config, file, err);
}

/* The first position stands behind that of padding. */
static kw_status check_roberta(void *config, const kw_model_file *file, kw_error *err)
{
    kw_encoder_config *const c = config;
    KW_TRY(kw_check_field("pad_token_id", c->first_position, 0, 1 << 20, err));
    c->first_position++;
    return kw_encoder_check(c, file, err);
}

static kw_ref encode(kw_build *b, const void *config)
{
    return kw_encoder_build(b, config);
}

static int64_t decoder_start(const void *config)
{
    (void)config;
    return -1;
}

static int64_t context(const void *config)
{
    return ((const kw_encoder_config *)config)->context;
}

static void sizes(const void *config, int *dim, int *layers)
{
    const kw_encoder_config *c = config;
    *dim = (int)c->dim;
    *layers = (int)c->layers;
}

static const char *const arch[] = {"bert", NULL};

const kw_family kw_family_bert = {
    .name = "bert",
    .arch = arch,
    .config_size = sizeof(kw_encoder_config),
    .fields = fields,
    .aliases = aliases,
    .check = check,
    .encode = encode,
    .decoder_start = decoder_start,
    .context = context,
    .learned_positions = true,
    .sizes = sizes,
};

static const char *const roberta_arch[] = {"roberta", "xlm-roberta", "camembert", NULL};

const kw_family kw_family_roberta = {
    .name = "roberta",
    .arch = roberta_arch,
    .gguf_arch = "bert",
    .config_size = sizeof(kw_encoder_config),
    .fields = roberta_fields,
    .base_fields = fields,
    .aliases = roberta_aliases,
    .check = check_roberta,
    .encode = encode,
    .decoder_start = decoder_start,
    .context = context,
    .learned_positions = true,
    .sizes = sizes,
};
