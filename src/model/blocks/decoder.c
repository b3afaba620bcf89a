/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decoder.c - the pre-norm decoder: attention with rotary positions, gated feed-forward, a head.
 * Sources: Touvron et al. 2023, arXiv:2302.13971 (LLaMA); Ainslie et al. 2023, arXiv:2305.13245
 * (grouped queries); Shazeer 2020, arXiv:2002.05202 (SwiGLU). */
#include "model/blocks/decoder.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

#define MAX_HEAD_DIM 512

static kw_status check_range(const char *name, int64_t value, int64_t low, int64_t high,
                             kw_error *err)
{
    if (value < low || value > high)
        return kw_fail(err, KW_E_FORMAT, "config: %s is %lld, must be %lld to %lld", name,
                       (long long)value, (long long)low, (long long)high);
    return KW_OK;
}

/* The vocabulary is what the embedding has rows for. */
static kw_status find_vocab(kw_decoder_config *c, const kw_model_file *file, kw_error *err)
{
    static const char *const names[] = {"token_embd.weight", "model.embed_tokens.weight",
                                        "embed_tokens.weight", "lm_head.weight"};
    const kw_tensor_view *embedding = NULL;
    for (size_t i = 0; !embedding && i < KW_COUNT(names); i++)
        embedding = kw_model_file_tensor(file, kw_str_from(names[i]));
    if (!embedding || embedding->shape.rank != 2)
        return kw_fail(err, KW_E_FORMAT, "%s: no token embedding of two dimensions", file->path);
    if (c->vocab == 0)
        c->vocab = embedding->shape.dim[0];
    if (c->vocab != embedding->shape.dim[0])
        return kw_fail(err, KW_E_FORMAT,
                       "config: vocab_size is %lld, the token embedding has %lld rows",
                       (long long)c->vocab, (long long)embedding->shape.dim[0]);
    return KW_OK;
}

static kw_status check_rope(kw_decoder_config *c, kw_error *err)
{
    kw_rope_config *r = &c->rope;
    KW_TRY(kw_rope_scaling_by_name(c->rope_scaling, &r->scaling, err));
    if (r->scaling == KW_ROPE_PLAIN && r->factor > 1.0 && c->rope_scaling.len == 0)
        r->scaling = KW_ROPE_LINEAR; /* old files name only the factor */
    if (r->original_context <= 0)
        r->original_context = (double)c->context;
    if (!(r->original_context >= 1 && r->original_context <= 1e12))
        return kw_fail(err, KW_E_FORMAT, "config: rope original context is %g, must be 1 to 1e12",
                       r->original_context);
    if (!(r->base > 1.0 && r->base < 1e12))
        return kw_fail(err, KW_E_FORMAT, "config: rope base is %g, must be 1 to 1e12", r->base);
    if (r->scaling != KW_ROPE_PLAIN && !(r->factor >= 1.0 && r->factor <= 1e6))
        return kw_fail(err, KW_E_FORMAT, "config: rope factor is %g, must be 1 to 1e6", r->factor);
    if (r->scaling == KW_ROPE_LLAMA3 && !(r->low_freq > 0 && r->high_freq > r->low_freq))
        return kw_fail(err, KW_E_FORMAT,
                       "config: rope low_freq_factor %g and high_freq_factor %g are no range",
                       r->low_freq, r->high_freq);
    if (r->scaling == KW_ROPE_YARN && !(r->beta_slow > 0 && r->beta_fast > 0 &&
                                        r->attention_factor >= 0 && r->attention_factor <= 1e6))
        return kw_fail(err, KW_E_FORMAT,
                       "config: yarn beta_fast %g, beta_slow %g, attention_factor %g", r->beta_fast,
                       r->beta_slow, r->attention_factor);
    if (c->n_rot == 0)
        c->n_rot = c->head_dim;
    KW_TRY(check_range("rope dimension_count", c->n_rot, 2, c->head_dim, err));
    if (c->n_rot % 2 != 0)
        return kw_fail(err, KW_E_FORMAT, "config: rope dimension_count is %lld, must be even",
                       (long long)c->n_rot);
    return KW_OK;
}

kw_status kw_decoder_check(kw_decoder_config *c, const kw_model_file *file, kw_error *err)
{
    KW_TRY(check_range("layers", c->layers, 1, 1024, err));
    KW_TRY(check_range("dim", c->dim, 1, 1 << 20, err));
    KW_TRY(check_range("heads", c->heads, 1, 4096, err));
    if (c->kv_heads == 0)
        c->kv_heads = c->heads;
    if (c->head_dim == 0)
        c->head_dim = c->dim / c->heads;
    KW_TRY(check_range("kv_heads", c->kv_heads, 1, c->heads, err));
    KW_TRY(check_range("head_dim", c->head_dim, 1, MAX_HEAD_DIM, err));
    KW_TRY(check_range("ffn", c->ffn, 1, 1 << 22, err));
    KW_TRY(check_range("context", c->context, 1, 1 << 28, err));
    KW_TRY(check_range("window", c->window, 0, 1 << 28, err));
    if (c->heads % c->kv_heads != 0)
        return kw_fail(err, KW_E_FORMAT, "config: %lld heads are no multiple of %lld kv_heads",
                       (long long)c->heads, (long long)c->kv_heads);
    if (!(c->norm_eps >= 0 && c->norm_eps < 1))
        return kw_fail(err, KW_E_FORMAT, "config: norm_eps is %g, must be 0 to 1", c->norm_eps);
    if (c->activation.len > 0 && !kw_str_is(c->activation, "silu"))
        return kw_fail(err, KW_E_UNSUPPORTED, "config: activation \"%.*s\" (silu is supported)",
                       KW_FMT(c->activation));
    KW_TRY(find_vocab(c, file, err));
    KW_TRY(check_range("vocab", c->vocab, 1, 1 << 24, err));
    return check_rope(c, err);
}

/* x [t, k] . w^T (+ bias) -> [t, n] */
static kw_ref project(kw_build *b, int il, const char *weight, const char *bias, bool needs_bias,
                      kw_ref x, int64_t n, int64_t k)
{
    kw_graph *g = kw_build_graph(b);
    const kw_ref y = kw_matmul(g, x, kw_weight(b, il, weight, SHAPE(n, k)));
    const kw_ref add =
        needs_bias ? kw_weight(b, il, bias, SHAPE(n)) : kw_weight_optional(b, il, bias, SHAPE(n));
    return add.id ? kw_add(g, y, add) : y;
}

static kw_ref block_attention(kw_build *b, const kw_decoder_config *c, int il, kw_ref h,
                              kw_ref table)
{
    kw_graph *g = kw_build_graph(b);
    const int64_t q_dim = c->heads * c->head_dim, kv_dim = c->kv_heads * c->head_dim;
    const int heads = (int)c->heads, kv_heads = (int)c->kv_heads, head_dim = (int)c->head_dim;
    const kw_rope_attr rope = {head_dim, (int)c->n_rot, c->rope_adjacent};
    const kw_attention_attr attn = {.heads = heads,
                                    .kv_heads = kv_heads,
                                    .head_dim = head_dim,
                                    .scale = 1.0f / sqrtf((float)head_dim),
                                    .window = (int)c->window};
    const bool bias = c->attention_bias;
    const kw_ref at = kw_input_positions(b);

    kw_ref q = project(b, il, "attn_q.weight", "attn_q.bias", bias, h, q_dim, c->dim);
    kw_ref k = project(b, il, "attn_k.weight", "attn_k.bias", bias, h, kv_dim, c->dim);
    kw_ref v = project(b, il, "attn_v.weight", "attn_v.bias", bias, h, kv_dim, c->dim);
    q = kw_rope(g, q, table, &rope);
    k = kw_store(g, kw_cache(b, KW_STATE_KEYS, il, kv_heads, head_dim), kw_rope(g, k, table, &rope),
                 at);
    v = kw_store(g, kw_cache(b, KW_STATE_VALUES, il, kv_heads, head_dim), v, at);
    const kw_ref a = kw_attention(g, q, k, v, at, &attn); /* [t, heads * head_dim] */
    return project(b, il, "attn_output.weight", "attn_output.bias", bias, a, c->dim, q_dim);
}

static kw_ref block_swiglu(kw_build *b, const kw_decoder_config *c, int il, kw_ref h)
{
    const bool bias = c->mlp_bias;
    const kw_ref gate = project(b, il, "ffn_gate.weight", "ffn_gate.bias", bias, h, c->ffn, c->dim);
    const kw_ref up = project(b, il, "ffn_up.weight", "ffn_up.bias", bias, h, c->ffn, c->dim);
    const kw_ref inner = kw_silu_mul(kw_build_graph(b), gate, up); /* [t, ffn] */
    return project(b, il, "ffn_down.weight", "ffn_down.bias", bias, inner, c->dim, c->ffn);
}

/* Angles, divided by the file's own factors when it brings them (Llama 3 in GGUF). */
static kw_ref angles(kw_build *b, const kw_decoder_config *c)
{
    double freq[MAX_HEAD_DIM / 2];
    const int n_rot = (int)c->n_rot;
    const float magnitude = kw_rope_frequencies(&c->rope, n_rot, freq);
    const float *factors = kw_weight_values(b, "rope_freqs.weight", n_rot / 2);
    for (int i = 0; factors && i < n_rot / 2; i++)
        freq[i] /= (double)(factors[i] > 0 ? factors[i] : 1.0f);
    return kw_rope_table(kw_build_graph(b), kw_input_positions(b), freq, n_rot, magnitude);
}

/* A tied table is saved once, under the name of the embedding or of the head. */
static kw_ref token_table(kw_build *b, const kw_decoder_config *c)
{
    const kw_shape shape = SHAPE(c->vocab, c->dim);
    const kw_ref own = kw_weight_optional(b, -1, "token_embd.weight", shape);
    if (own.id)
        return own;
    return kw_weight(b, -1, c->tied_head ? "output.weight" : "token_embd.weight", shape);
}

kw_ref kw_decoder_build(kw_build *b, const kw_decoder_config *c)
{
    kw_graph *g = kw_build_graph(b);
    const float eps = (float)c->norm_eps;
    const kw_ref embedding = token_table(b, c);
    const kw_ref table = angles(b, c);
    kw_ref x = kw_gather(g, embedding, kw_input_tokens(b)); /* [t, dim] */
    for (int il = 0; il < (int)c->layers; il++) {
        kw_ref h = kw_rms_norm(g, x, kw_weight(b, il, "attn_norm.weight", SHAPE(c->dim)), eps);
        x = kw_add(g, x, block_attention(b, c, il, h, table));
        h = kw_rms_norm(g, x, kw_weight(b, il, "ffn_norm.weight", SHAPE(c->dim)), eps);
        x = kw_add(g, x, block_swiglu(b, c, il, h));
    }
    x = kw_gather(g, x, kw_input_rows(b)); /* [rows, dim] */
    x = kw_rms_norm(g, x, kw_weight(b, -1, "output_norm.weight", SHAPE(c->dim)), eps);
    x = kw_hidden(b, x);
    kw_ref head = embedding;
    if (!c->tied_head) {
        const kw_ref own = kw_weight_optional(b, -1, "output.weight", SHAPE(c->vocab, c->dim));
        head = own.id ? own : embedding;
    }
    return kw_matmul(g, x, head); /* [rows, vocab] */
}
