/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* encoder.c - BERT: embeddings of token, position and type; layers that normalise after each
 * residual sum. Source: Devlin et al. 2018, arXiv:1810.04805. */
#include "model/blocks/encoder.h"

#include "base/check.h"
#include "model/blocks/activation.h"

#include <math.h>
#include <stdio.h>

#define MAX_HEAD_DIM 512

kw_status kw_check_field(const char *name, int64_t value, int64_t low, int64_t high, kw_error *err)
{
    if (value < low || value > high)
        return kw_fail(err, KW_E_FORMAT, "config: %s is %lld, must be %lld to %lld", name,
                       (long long)value, (long long)low, (long long)high);
    return KW_OK;
}

kw_status kw_find_table(const kw_model_file *file, const char *const *names, size_t n,
                        const kw_tensor_view **out, kw_error *err)
{
    const kw_tensor_view *view = NULL;
    for (size_t i = 0; !view && i < n; i++)
        view = kw_model_file_tensor(file, kw_str_from(names[i]));
    if (!view || view->shape.rank != 2)
        return kw_fail(err, KW_E_FORMAT, "%s: no table \"%s\" of two dimensions", file->path,
                       names[0]);
    *out = view;
    return KW_OK;
}

kw_status kw_match_rows(const char *field, int64_t *count, const kw_tensor_view *table,
                        kw_error *err)
{
    const int64_t rows = table->shape.dim[0];
    if (*count == 0)
        *count = rows;
    if (*count != rows)
        return kw_fail(err, KW_E_FORMAT, "config: %s is %lld, \"%.*s\" has %lld rows", field,
                       (long long)*count, KW_FMT(table->name), (long long)rows);
    return KW_OK;
}

static kw_status check_tables(kw_encoder_config *c, const kw_model_file *file, kw_error *err)
{
#define TABLE(gguf, hf)                                                                            \
    {gguf ".weight", "embeddings." hf ".weight", "bert.embeddings." hf ".weight",                  \
     "roberta.embeddings." hf ".weight"}
    static const char *const tokens[] = TABLE("token_embd", "word_embeddings");
    static const char *const types[] = TABLE("token_types", "token_type_embeddings");
    static const char *const positions[] = TABLE("position_embd", "position_embeddings");
#undef TABLE
    const kw_tensor_view *table;
    KW_TRY(kw_find_table(file, tokens, KW_COUNT(tokens), &table, err));
    KW_TRY(kw_match_rows("vocab_size", &c->vocab, table, err));
    KW_TRY(kw_find_table(file, positions, KW_COUNT(positions), &table, err));
    KW_TRY(kw_match_rows("max_position_embeddings", &c->context, table, err));
    KW_TRY(kw_check_field("first_position", c->first_position, 0, c->context - 1, err));
    c->context -= c->first_position;
    KW_TRY(kw_find_table(file, types, KW_COUNT(types), &table, err));
    return kw_match_rows("type_vocab_size", &c->types, table, err);
}

kw_status kw_encoder_check(kw_encoder_config *c, const kw_model_file *file, kw_error *err)
{
    KW_TRY(kw_check_field("layers", c->layers, 1, 1024, err));
    KW_TRY(kw_check_field("dim", c->dim, 1, 1 << 20, err));
    KW_TRY(kw_check_field("heads", c->heads, 1, 4096, err));
    KW_TRY(kw_check_field("ffn", c->ffn, 1, 1 << 22, err));
    if (c->dim % c->heads != 0)
        return kw_fail(err, KW_E_FORMAT, "config: a width of %lld is no multiple of %lld heads",
                       (long long)c->dim, (long long)c->heads);
    KW_TRY(kw_check_field("head_dim", c->dim / c->heads, 1, MAX_HEAD_DIM, err));
    if (!(c->norm_eps >= 0 && c->norm_eps < 1))
        return kw_fail(err, KW_E_FORMAT, "config: layer_norm_eps is %g, must be 0 to 1",
                       c->norm_eps);
    if (c->activation.len > 0 && !kw_str_is(c->activation, "gelu"))
        return kw_fail(err, KW_E_UNSUPPORTED, "config: activation \"%.*s\" (gelu is supported)",
                       KW_FMT(c->activation));
    if (c->causal)
        return kw_fail(err, KW_E_UNSUPPORTED, "config: BERT as a decoder is not supported");
    if (c->position_kind.len > 0 && !kw_str_is(c->position_kind, "absolute"))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "config: position_embedding_type \"%.*s\" (absolute is supported)",
                       KW_FMT(c->position_kind));
    KW_TRY(check_tables(c, file, err));
    KW_TRY(kw_check_field("vocab", c->vocab, 1, 1 << 24, err));
    KW_TRY(kw_check_field("types", c->types, 1, 1 << 24, err));
    return kw_check_field("context", c->context, 1, 1 << 26, err);
}

/* x * w^T with the bias of the same name; "blk.%d.attn_q" and so on. */
static kw_ref linear(kw_build *b, int layer, const char *name, kw_ref x, int64_t n_out,
                     int64_t n_in)
{
    char weight[48], bias[48];
    (void)snprintf(weight, sizeof weight, "%s.weight", name);
    (void)snprintf(bias, sizeof bias, "%s.bias", name);
    kw_graph *g = kw_build_graph(b);
    const kw_ref y = kw_matmul(g, x, kw_weight(b, layer, weight, SHAPE(n_out, n_in)));
    return kw_add(g, y, kw_weight(b, layer, bias, SHAPE(n_out)));
}

kw_ref kw_attend_all(kw_build *b, kw_ref q, kw_ref k, kw_ref v, kw_ref bias,
                     const kw_attention_attr *attr)
{
    kw_graph *g = kw_build_graph(b);
    const kw_ref at = kw_input_places(b), seen = kw_input_seen(b);
    const kw_ref keys =
        kw_build_state(b, "encoder.keys", KW_STATE_KEYS, KW_F32, attr->kv_heads, attr->head_dim);
    const kw_ref values = kw_build_state(b, "encoder.values", KW_STATE_VALUES, KW_F32,
                                         attr->kv_heads, attr->head_dim);
    k = kw_store(g, keys, k, at);
    v = kw_store(g, values, v, at);
    const kw_ref a = bias.id ? kw_attention_biased(g, q, k, v, seen, bias, at, attr)
                             : kw_attention(g, q, k, v, seen, attr);
    return kw_attention_from(g, a, kw_input_first(b));
}

static kw_ref layer_norm(kw_build *b, const kw_encoder_config *c, int layer, const char *name,
                         kw_ref x)
{
    char weight[48], bias[48];
    (void)snprintf(weight, sizeof weight, "%s.weight", name);
    (void)snprintf(bias, sizeof bias, "%s.bias", name);
    return kw_norm(kw_build_graph(b), KW_NORM_LAYER, x, kw_weight(b, layer, weight, SHAPE(c->dim)),
                   kw_weight(b, layer, bias, SHAPE(c->dim)), (float)c->norm_eps);
}

static kw_ref attention(kw_build *b, const kw_encoder_config *c, int il, kw_ref x)
{
    const int heads = (int)c->heads, head_dim = (int)(c->dim / c->heads);
    const kw_attention_attr attr = {.heads = heads,
                                    .kv_heads = heads,
                                    .head_dim = head_dim,
                                    .scale = 1.0f / sqrtf((float)head_dim)};
    const kw_ref q = linear(b, il, "attn_q", x, c->dim, c->dim);
    const kw_ref k = linear(b, il, "attn_k", x, c->dim, c->dim);
    const kw_ref v = linear(b, il, "attn_v", x, c->dim, c->dim);
    const kw_ref a = kw_attend_all(b, q, k, v, KW_NONE, &attr); /* [t, dim] */
    return linear(b, il, "attn_output", a, c->dim, c->dim);
}

kw_ref kw_encoder_build(kw_build *b, const kw_encoder_config *c)
{
    kw_graph *g = kw_build_graph(b);
    const kw_ref tokens = kw_weight(b, -1, "token_embd.weight", SHAPE(c->vocab, c->dim));
    const kw_ref places =
        kw_weight_rows(b, -1, "position_embd.weight", SHAPE(c->first_position + c->context, c->dim),
                       c->first_position, c->context);
    const kw_ref types = kw_weight(b, -1, "token_types.weight", SHAPE(c->types, c->dim));
    kw_ref x = kw_gather(g, tokens, kw_input_tokens(b)); /* [t, dim] */
    x = kw_add(g, x, kw_gather(g, types, kw_input_types(b)));
    x = kw_add(g, x, kw_gather(g, places, kw_input_positions(b)));
    x = layer_norm(b, c, -1, "token_embd_norm", x);
    for (int il = 0; il < (int)c->layers; il++) {
        x = layer_norm(b, c, il, "attn_output_norm", kw_add(g, x, attention(b, c, il, x)));
        kw_ref h =
            kw_activate(g, linear(b, il, "ffn_up", x, c->ffn, c->dim), KW_GELU); /* [t, ffn] */
        h = linear(b, il, "ffn_down", h, c->dim, c->ffn);
        x = layer_norm(b, c, il, "layer_output_norm", kw_add(g, x, h));
    }
    return kw_gather(g, x, kw_input_rows(b)); /* [rows, dim] */
}
