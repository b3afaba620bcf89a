/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* t5.c - T5 1.0 and 1.1, Flan-T5, mT5: an encoder and a decoder that attends to it. Scores are not
 * scaled; positions are known by a learned number for each bucket of distances, one table for all
 * layers of a side. The encoder stores what cross-attention reads, once for each source.
 * Sources: Raffel et al. 2019, arXiv:1910.10683; Shazeer 2020, arXiv:2002.05202 (1.1's gate); the
 * scaling before a tied head is in the authors' code only. */
#include "base/check.h"
#include "model/blocks/activation.h"
#include "model/blocks/encoder.h"
#include "model/blocks/position_bias.h"
#include "model/families/families.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct t5_config {
    int64_t dim, layers, decoder_layers, heads, head_dim, ffn, vocab, context;
    int64_t buckets, max_distance, start;
    double norm_eps;
    kw_str projection; /* of the feed-forward layer: "relu", "gated-gelu" */
    kw_activation activation;
    bool scaled_head, gated, has_decoder;
} t5_config;

/* The names of one side's weights, with their hole. */
typedef struct side {
    const char *attn_norm, *q, *k, *v, *o, *rel, *ffn_norm, *gate, *up, *down, *output_norm;
} side;

static const side encoder = {
    "enc.blk.%d.attn_norm.weight", "enc.blk.%d.attn_q.weight",   "enc.blk.%d.attn_k.weight",
    "enc.blk.%d.attn_v.weight",    "enc.blk.%d.attn_o.weight",   "enc.blk.%d.attn_rel_b.weight",
    "enc.blk.%d.ffn_norm.weight",  "enc.blk.%d.ffn_gate.weight", "enc.blk.%d.ffn_up.weight",
    "enc.blk.%d.ffn_down.weight",  "enc.output_norm.weight"};
static const side decoder = {
    "dec.blk.%d.attn_norm.weight", "dec.blk.%d.attn_q.weight",   "dec.blk.%d.attn_k.weight",
    "dec.blk.%d.attn_v.weight",    "dec.blk.%d.attn_o.weight",   "dec.blk.%d.attn_rel_b.weight",
    "dec.blk.%d.ffn_norm.weight",  "dec.blk.%d.ffn_gate.weight", "dec.blk.%d.ffn_up.weight",
    "dec.blk.%d.ffn_down.weight",  "dec.output_norm.weight"};

#define AT(member) offsetof(t5_config, member)
#define SCALED ".scale_decoder_outputs" /* our own key in GGUF */

static const kw_field fields[] = {
    {"dim", ".embedding_length", "d_model", AT(dim), KW_FIELD_INT, true, 0},
    {"layers", ".block_count", "num_layers", AT(layers), KW_FIELD_INT, true, 0},
    {"decoder_layers", ".decoder_block_count", "num_decoder_layers", AT(decoder_layers),
     KW_FIELD_INT, false, 0},
    {"heads", ".attention.head_count", "num_heads", AT(heads), KW_FIELD_INT, true, 0},
    {"head_dim", ".attention.key_length", "d_kv", AT(head_dim), KW_FIELD_INT, true, 0},
    {"ffn", ".feed_forward_length", "d_ff", AT(ffn), KW_FIELD_INT, true, 0},
    {"vocab", ".vocab_size", "vocab_size", AT(vocab), KW_FIELD_INT, false, 0},
    {"context", ".context_length", "n_positions", AT(context), KW_FIELD_INT, false, 512},
    {"norm_eps", ".attention.layer_norm_rms_epsilon|.attention.layer_norm_epsilon",
     "layer_norm_epsilon", AT(norm_eps), KW_FIELD_FLOAT, false, 1e-6},
    {"buckets", ".attention.relative_buckets_count", "relative_attention_num_buckets", AT(buckets),
     KW_FIELD_INT, false, 32},
    {"max_distance", ".attention.relative_max_distance", "relative_attention_max_distance",
     AT(max_distance), KW_FIELD_INT, false, 128},
    {"decoder_start", ".decoder_start_token_id", "decoder_start_token_id", AT(start), KW_FIELD_INT,
     false, 0},
    {"projection", NULL, "feed_forward_proj", AT(projection), KW_FIELD_STRING, false, 0},
    {"scaled_head", SCALED, "scale_decoder_outputs|tie_word_embeddings", AT(scaled_head),
     KW_FIELD_BOOL, false, 1},
    {0},
};

static const kw_alias aliases[] = {
    {"token_embd", "shared", 0},
    {"token_embd", "encoder.embed_tokens", 0},
    {"token_embd", "decoder.embed_tokens", 0},
    {"output", "lm_head", 0},
    {"enc.output_norm", "encoder.final_layer_norm", 0},
    {"enc.blk.%d.attn_norm", "encoder.block.%d.layer.0.layer_norm", 0},
    {"enc.blk.%d.attn_q", "encoder.block.%d.layer.0.SelfAttention.q", 0},
    {"enc.blk.%d.attn_k", "encoder.block.%d.layer.0.SelfAttention.k", 0},
    {"enc.blk.%d.attn_v", "encoder.block.%d.layer.0.SelfAttention.v", 0},
    {"enc.blk.%d.attn_o", "encoder.block.%d.layer.0.SelfAttention.o", 0},
    {"enc.blk.%d.attn_rel_b", "encoder.block.%d.layer.0.SelfAttention.relative_attention_bias", 0},
    {"enc.blk.%d.ffn_norm", "encoder.block.%d.layer.1.layer_norm", 0},
    {"enc.blk.%d.ffn_gate", "encoder.block.%d.layer.1.DenseReluDense.wi_0", 0},
    {"enc.blk.%d.ffn_up", "encoder.block.%d.layer.1.DenseReluDense.wi_1", 0},
    {"enc.blk.%d.ffn_up", "encoder.block.%d.layer.1.DenseReluDense.wi", 0},
    {"enc.blk.%d.ffn_down", "encoder.block.%d.layer.1.DenseReluDense.wo", 0},
    {"dec.output_norm", "decoder.final_layer_norm", 0},
    {"dec.blk.%d.attn_norm", "decoder.block.%d.layer.0.layer_norm", 0},
    {"dec.blk.%d.attn_q", "decoder.block.%d.layer.0.SelfAttention.q", 0},
    {"dec.blk.%d.attn_k", "decoder.block.%d.layer.0.SelfAttention.k", 0},
    {"dec.blk.%d.attn_v", "decoder.block.%d.layer.0.SelfAttention.v", 0},
    {"dec.blk.%d.attn_o", "decoder.block.%d.layer.0.SelfAttention.o", 0},
    {"dec.blk.%d.attn_rel_b", "decoder.block.%d.layer.0.SelfAttention.relative_attention_bias", 0},
    {"dec.blk.%d.cross_attn_norm", "decoder.block.%d.layer.1.layer_norm", 0},
    {"dec.blk.%d.cross_attn_q", "decoder.block.%d.layer.1.EncDecAttention.q", 0},
    {"dec.blk.%d.cross_attn_k", "decoder.block.%d.layer.1.EncDecAttention.k", 0},
    {"dec.blk.%d.cross_attn_v", "decoder.block.%d.layer.1.EncDecAttention.v", 0},
    {"dec.blk.%d.cross_attn_o", "decoder.block.%d.layer.1.EncDecAttention.o", 0},
    {"dec.blk.%d.ffn_norm", "decoder.block.%d.layer.2.layer_norm", 0},
    {"dec.blk.%d.ffn_gate", "decoder.block.%d.layer.2.DenseReluDense.wi_0", 0},
    {"dec.blk.%d.ffn_up", "decoder.block.%d.layer.2.DenseReluDense.wi_1", 0},
    {"dec.blk.%d.ffn_up", "decoder.block.%d.layer.2.DenseReluDense.wi", 0},
    {"dec.blk.%d.ffn_down", "decoder.block.%d.layer.2.DenseReluDense.wo", 0},
    {0},
};

/* ---- the configuration ---- */

static bool has(const kw_model_file *file, const char *gguf, const char *hf)
{
    return kw_model_file_tensor(file, kw_str_from(kw_model_file_names_gguf(file) ? gguf : hf)) !=
           NULL;
}

/* GGUF says by its tensors what config.json says in words. */
static kw_status read_projection(t5_config *c, const kw_model_file *file, kw_error *err)
{
    const kw_str gated = KW_STR("gated-");
    kw_str name = c->projection;
    if (kw_model_file_names_gguf(file))
        name = has(file, "enc.blk.0.ffn_gate.weight", "") ? KW_STR("gated-gelu") : KW_STR("relu");
    c->gated = kw_str_starts(name, gated);
    c->activation = KW_RELU;
    if (c->gated)
        name = (kw_str){name.data + gated.len, name.len - gated.len};
    if (c->gated && kw_str_is(name, "gelu"))
        name = KW_STR("gelu_new"); /* what the authors mean by it */
    return kw_activation_by_name(name, &c->activation, err);
}

/* 1.0 scales what its head reads, and has the embedding for a head. Which of the two config.json
 * says depends on who wrote it; mT5 never scales; GGUF leaves it to the tensors. */
static bool is_scaled(const t5_config *c, const kw_model_file *file)
{
    const kw_value *kind = kw_model_file_meta(file, KW_STR("model_type"));
    if (!kw_model_file_names_gguf(file))
        return c->scaled_head &&
               !(kind && kind->kind == KW_VALUE_STRING && kw_str_is(kind->s, "mt5"));
    if (kw_model_file_meta(file, KW_STR("t5" SCALED)))
        return c->scaled_head;
    return !has(file, "output.weight", "");
}

static kw_status check_ranges(const t5_config *c, kw_error *err)
{
    const struct {
        const char *name;
        int64_t value, low, high;
    } ranges[] = {{"dim", c->dim, 1, 1 << 20},
                  {"num_layers", c->layers, 1, 1024},
                  {"num_decoder_layers", c->decoder_layers, 1, 1024},
                  {"num_heads", c->heads, 1, 4096},
                  {"d_kv", c->head_dim, 1, 512},
                  {"d_ff", c->ffn, 1, 1 << 22},
                  {"vocab_size", c->vocab, 1, 1 << 24},
                  {"context", c->context, 1, 1 << 26},
                  {"relative_attention_num_buckets", c->buckets, 4, 4096},
                  {"relative_attention_max_distance", c->max_distance, 2, 8192},
                  {"decoder_start_token_id", c->start, 0, c->vocab - 1}};
    for (size_t i = 0; i < KW_COUNT(ranges); i++)
        KW_TRY(kw_check_field(ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high, err));
    if (!(c->norm_eps >= 0 && c->norm_eps < 1))
        return kw_fail(err, KW_E_FORMAT, "config: layer_norm_epsilon is %g, must be 0 to 1",
                       c->norm_eps);
    return KW_OK;
}

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    static const char *const tables[] = {"token_embd.weight", "shared.weight",
                                         "encoder.embed_tokens.weight",
                                         "decoder.embed_tokens.weight"};
    t5_config *c = config;
    const kw_tensor_view *table;
    KW_TRY(kw_find_table(file, tables, KW_COUNT(tables), &table, err));
    KW_TRY(kw_match_rows("vocab_size", &c->vocab, table, err));
    if (c->decoder_layers == 0)
        c->decoder_layers = c->layers;
    c->has_decoder = has(file, "dec.output_norm.weight", "decoder.final_layer_norm.weight");
    c->scaled_head = is_scaled(c, file);
    KW_TRY(check_ranges(c, err));
    return read_projection(c, file, err);
}

/* ---- what both sides do ---- */

static kw_ref norm(kw_build *b, const t5_config *c, int layer, const char *name, kw_ref x)
{
    return kw_rms_norm(kw_build_graph(b), x, kw_weight(b, layer, name, SHAPE(c->dim)),
                       (float)c->norm_eps);
}

static kw_ref project(kw_build *b, int layer, const char *name, kw_ref x, int64_t n_out,
                      int64_t n_in)
{
    return kw_matmul(kw_build_graph(b), x, kw_weight(b, layer, name, SHAPE(n_out, n_in)));
}

static kw_ref feed_forward(kw_build *b, const t5_config *c, const side *s, int il, kw_ref x)
{
    kw_graph *g = kw_build_graph(b);
    const kw_ref h = norm(b, c, il, s->ffn_norm, x);
    const kw_ref gate = c->gated ? project(b, il, s->gate, h, c->ffn, c->dim) : KW_NONE;
    const kw_ref up = project(b, il, s->up, h, c->ffn, c->dim);
    const kw_ref inner = c->gated ? kw_activate_mul(g, gate, up, c->activation)
                                  : kw_activate(g, up, c->activation); /* [t, ffn] */
    return kw_add(g, x, project(b, il, s->down, inner, c->dim, c->ffn));
}

static kw_attention_attr attributes(const t5_config *c)
{
    const int heads = (int)c->heads;
    return (kw_attention_attr){
        .heads = heads, .kv_heads = heads, .head_dim = (int)c->head_dim, .scale = 1.0f};
}

/* What a side's scores get added: layer 0 has the table of all layers. */
static kw_ref distance_bias(kw_build *b, const t5_config *c, const side *s, bool bidirectional,
                            kw_attention_attr *attr)
{
    const kw_bucket_config buckets = {.heads = (int)c->heads,
                                      .buckets = (int)c->buckets,
                                      .max_distance = (int)c->max_distance,
                                      .bidirectional = bidirectional};
    const float *weight = kw_weight_decoded(b, 0, s->rel, SHAPE(c->buckets, c->heads));
    if (!weight)
        return KW_NONE;
    return kw_bucket_bias(kw_build_graph(b), &buckets, weight, &attr->bias_first);
}

/* ---- the encoder ---- */

static kw_ref attend_source(kw_build *b, const t5_config *c, int il, kw_ref x, kw_ref bias,
                            const kw_attention_attr *attr)
{
    const int64_t inner = c->heads * c->head_dim;
    const kw_ref h = norm(b, c, il, encoder.attn_norm, x);
    const kw_ref q = project(b, il, encoder.q, h, inner, c->dim);
    const kw_ref k = project(b, il, encoder.k, h, inner, c->dim);
    const kw_ref v = project(b, il, encoder.v, h, inner, c->dim);
    const kw_ref a = kw_attend_all(b, q, k, v, bias, attr); /* [t, heads * head_dim] */
    return kw_add(kw_build_graph(b), x, project(b, il, encoder.o, a, c->dim, inner));
}

/* Keys and values of every decoder layer's cross-attention. */
static void store_source(kw_build *b, const t5_config *c, kw_ref x)
{
    kw_graph *g = kw_build_graph(b);
    const int64_t inner = c->heads * c->head_dim;
    const int heads = (int)c->heads, dim = (int)c->head_dim;
    const kw_ref at = kw_input_positions(b);
    for (int il = 0; il < (int)c->decoder_layers; il++) {
        const kw_ref k = project(b, il, "dec.blk.%d.cross_attn_k.weight", x, inner, c->dim);
        const kw_ref v = project(b, il, "dec.blk.%d.cross_attn_v.weight", x, inner, c->dim);
        const kw_ref keys = kw_cross_cache(b, KW_STATE_KEYS, il, heads, dim);
        const kw_ref values = kw_cross_cache(b, KW_STATE_VALUES, il, heads, dim);
        kw_graph_output(g, kw_store(g, keys, k, at));
        kw_graph_output(g, kw_store(g, values, v, at));
    }
}

static kw_ref encode(kw_build *b, const void *config)
{
    const t5_config *c = config;
    kw_graph *g = kw_build_graph(b);
    kw_attention_attr attr = attributes(c);
    const kw_ref bias = distance_bias(b, c, &encoder, true, &attr);
    const kw_ref table = kw_weight(b, -1, "token_embd.weight", SHAPE(c->vocab, c->dim));
    kw_ref x = kw_gather(g, table, kw_input_tokens(b)); /* [t, dim] */
    for (int il = 0; il < (int)c->layers; il++) {
        x = attend_source(b, c, il, x, bias, &attr);
        x = feed_forward(b, c, &encoder, il, x);
    }
    x = norm(b, c, -1, encoder.output_norm, x);
    if (c->has_decoder)
        store_source(b, c, x);
    return kw_gather(g, x, kw_input_rows(b)); /* [rows, dim] */
}

/* ---- the decoder ---- */

static kw_ref attend_self(kw_build *b, const t5_config *c, int il, kw_ref x, kw_ref bias,
                          const kw_attention_attr *attr)
{
    kw_graph *g = kw_build_graph(b);
    const int64_t inner = c->heads * c->head_dim;
    const int heads = (int)c->heads, dim = (int)c->head_dim;
    const kw_ref at = kw_input_positions(b);
    const kw_ref h = norm(b, c, il, decoder.attn_norm, x);
    const kw_ref q = project(b, il, decoder.q, h, inner, c->dim);
    kw_ref k = project(b, il, decoder.k, h, inner, c->dim);
    kw_ref v = project(b, il, decoder.v, h, inner, c->dim);
    k = kw_store(g, kw_cache(b, KW_STATE_KEYS, il, heads, dim), k, at);
    v = kw_store(g, kw_cache(b, KW_STATE_VALUES, il, heads, dim), v, at);
    const kw_ref a = kw_attention_biased(g, q, k, v, at, bias, at, attr);
    return kw_add(g, x, project(b, il, decoder.o, a, c->dim, inner));
}

/* Every token sees the whole source, whose order says nothing here: no bias. */
static kw_ref attend_cross(kw_build *b, const t5_config *c, int il, kw_ref x)
{
    kw_graph *g = kw_build_graph(b);
    const int64_t inner = c->heads * c->head_dim;
    const kw_attention_attr attr = attributes(c);
    const kw_ref h = norm(b, c, il, "dec.blk.%d.cross_attn_norm.weight", x);
    const kw_ref q = project(b, il, "dec.blk.%d.cross_attn_q.weight", h, inner, c->dim);
    const kw_ref keys = kw_cross_cache(b, KW_STATE_KEYS, il, attr.heads, attr.head_dim);
    const kw_ref values = kw_cross_cache(b, KW_STATE_VALUES, il, attr.heads, attr.head_dim);
    const kw_ref a = kw_attention(g, q, keys, values, kw_input_seen(b), &attr);
    return kw_add(g, x, project(b, il, "dec.blk.%d.cross_attn_o.weight", a, c->dim, inner));
}

/* x * head^T, of 1.0: x / sqrt(dim) * table^T */
static kw_ref head(kw_build *b, const t5_config *c, kw_ref x, kw_ref table)
{
    kw_graph *g = kw_build_graph(b);
    const kw_map_program scale = {
        1, 2, {{KW_MAP_CONST, 0, 0, 1.0f / sqrtf((float)c->dim)}, {KW_MAP_MUL, 0, 1, 0}}};
    const kw_ref own = kw_weight_optional(b, -1, "output.weight", SHAPE(c->vocab, c->dim));
    if (c->scaled_head)
        x = kw_pointwise(g, &scale, &x, 1);
    return kw_matmul(g, x, own.id ? own : table);
}

static kw_ref build(kw_build *b, const void *config)
{
    const t5_config *c = config;
    kw_graph *g = kw_build_graph(b);
    kw_attention_attr attr = attributes(c);
    const kw_ref bias = distance_bias(b, c, &decoder, false, &attr);
    const kw_ref table = kw_weight(b, -1, "token_embd.weight", SHAPE(c->vocab, c->dim));
    kw_ref x = kw_gather(g, table, kw_input_tokens(b)); /* [t, dim] */
    for (int il = 0; il < (int)c->decoder_layers; il++) {
        x = attend_self(b, c, il, x, bias, &attr);
        x = attend_cross(b, c, il, x);
        x = feed_forward(b, c, &decoder, il, x);
    }
    x = kw_gather(g, x, kw_input_rows(b)); /* [rows, dim] */
    x = kw_hidden(b, norm(b, c, -1, decoder.output_norm, x));
    return head(b, c, x, table); /* [rows, vocab] */
}

static int64_t decoder_start(const void *config)
{
    const t5_config *c = config;
    return c->has_decoder ? c->start : -1;
}

static int64_t context(const void *config)
{
    return ((const t5_config *)config)->context;
}

static void sizes(const void *config, int *dim, int *layers)
{
    const t5_config *c = config;
    *dim = (int)c->dim;
    *layers = (int)c->layers;
}

static const char *const arch[] = {"t5", "t5encoder", "mt5", NULL};

const kw_family kw_family_t5 = {
    .name = "t5",
    .arch = arch,
    .config_size = sizeof(t5_config),
    .fields = fields,
    .aliases = aliases,
    .check = check,
    .build = build,
    .encode = encode,
    .decoder_start = decoder_start,
    .context = context,
    .sizes = sizes,
};
