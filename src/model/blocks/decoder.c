/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decoder.c - the pre-norm decoder: attention, feed-forward, a head, in the variants that families
 * ask for.
 * Sources: Touvron et al. 2023, arXiv:2302.13971 (LLaMA); Ainslie et al. 2023, arXiv:2305.13245
 * (grouped queries); Shazeer 2020, arXiv:2002.05202 (gates); Radford et al. 2019 (GPT-2); Gemma
 * Team 2024, arXiv:2408.00118 (post-norms, soft caps); Penedo et al. 2023, arXiv:2306.01116
 * (Falcon's parallel block); Jiang et al. 2024, arXiv:2401.04088 (Mixtral's experts); Press et al.
 * 2021, arXiv:2108.12409 (ALiBi). */
#include "model/blocks/decoder.h"

#include "base/check.h"
#include "base/fmath.h"

#include <math.h>
#include <stdio.h>

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
    static const char *const names[] = {"token_embd.weight",
                                        "model.embed_tokens.weight",
                                        "embed_tokens.weight",
                                        "model.language_model.embed_tokens.weight",
                                        "language_model.model.embed_tokens.weight",
                                        "transformer.wte.weight",
                                        "wte.weight",
                                        "transformer.word_embeddings.weight",
                                        "word_embeddings.weight",
                                        "lm_head.weight"};
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

static kw_status check_rope(kw_decoder_config *c, const kw_model_file *file, kw_error *err)
{
    kw_rope_config *r = &c->rope;
    KW_TRY(kw_rope_scaling_by_name(c->rope_scaling, &r->scaling, err));
    if (r->scaling == KW_ROPE_PLAIN && r->factor > 1.0 && c->rope_scaling.len == 0)
        r->scaling = KW_ROPE_LINEAR; /* old files name only the factor */
    if (r->original_context <= 0)
        r->original_context = (double)c->context;
    if (kw_model_file_tensor(file, KW_STR("rope_factors_long.weight")))
        r->scaling = KW_ROPE_LONG; /* GGUF needs no name for it */
    else if (r->scaling == KW_ROPE_LONG && !c->long_rope)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "config: rope scaling \"%.*s\" is not supported in this family",
                       KW_FMT(c->rope_scaling));
    if (r->scaling == KW_ROPE_LONG && r->factor <= 1.0)
        r->factor = KW_MAX((double)c->context / r->original_context, 1.0);
    if (r->scaling == KW_ROPE_LONG && r->attention_factor <= 0 && r->original_context > 1)
        r->attention_factor = kw_rope_magnitude(r);
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
    if (c->n_rot == 0 && c->rot_fraction > 0 && c->rot_fraction < 1)
        c->n_rot = (int64_t)((double)c->head_dim * c->rot_fraction);
    if (c->n_rot == 0)
        c->n_rot = c->head_dim;
    KW_TRY(check_range("rope dimension_count", c->n_rot, 2, c->head_dim, err));
    if (c->n_rot % 2 != 0)
        return kw_fail(err, KW_E_FORMAT, "config: rope dimension_count is %lld, must be even",
                       (long long)c->n_rot);
    return KW_OK;
}

/* A factor that the graph multiplies or divides by. */
static kw_status check_factor(const char *name, double value, kw_error *err)
{
    if (!(value >= 0 && value <= 1e6))
        return kw_fail(err, KW_E_FORMAT, "config: %s is %g, must be 0 to 1e6", name, value);
    return KW_OK;
}

static bool is_local(const kw_decoder_config *c, int il)
{
    return c->local[il / 64] >> il % 64 & 1;
}

static void set_local(kw_decoder_config *c, int64_t il)
{
    c->local[il / 64] |= (uint64_t)1 << il % 64;
}

/* The pattern of a list, when it has one: what GGUF can say. */
static void find_pattern(kw_decoder_config *c)
{
    for (int64_t pattern = 1; pattern <= c->layers; pattern++) {
        bool same = true;
        for (int64_t il = 0; same && il < c->layers; il++)
            same = is_local(c, (int)il) == ((il + 1) % pattern != 0);
        if (same) {
            c->window_pattern = pattern;
            return;
        }
    }
}

/* Which layers have the window: newer files of Hugging Face list them, others follow a pattern. */
static kw_status find_windows(kw_decoder_config *c, const kw_model_file *file, kw_error *err)
{
    const kw_value *types = kw_model_file_meta(file, KW_STR("layer_types"));
    if (!types)
        types = kw_model_file_meta(file, KW_STR("text_config.layer_types"));
    if (c->window == 0)
        return KW_OK;
    if (!types || types->kind != KW_VALUE_ARRAY || types->array.kind != KW_VALUE_STRING) {
        for (int64_t il = 0; il < c->layers; il++)
            if (c->window_pattern == 0 || (il + 1) % c->window_pattern != 0)
                set_local(c, il);
        return KW_OK;
    }
    if (types->array.n != (uint64_t)c->layers)
        return kw_fail(err, KW_E_FORMAT, "config: layer_types has %llu entries for %lld layers",
                       (unsigned long long)types->array.n, (long long)c->layers);
    for (int64_t il = 0; il < c->layers; il++) {
        const kw_value type = kw_value_at(types, (uint64_t)il);
        if (kw_str_is(type.s, "sliding_attention"))
            set_local(c, il);
        else if (!kw_str_is(type.s, "full_attention"))
            return kw_fail(err, KW_E_UNSUPPORTED, "config: layer_types[%lld] is \"%.*s\"",
                           (long long)il, KW_FMT(type.s));
    }
    find_pattern(c);
    return KW_OK;
}

static kw_status check_experts(kw_decoder_config *c, kw_error *err)
{
    if (c->experts == 0)
        return KW_OK;
    if (c->expert_ffn == 0)
        c->expert_ffn = c->ffn;
    KW_TRY(check_range("experts", c->experts, 1, 1024, err));
    KW_TRY(check_range("experts_used", c->experts_used, 1, KW_MIN(c->experts, (int64_t)64), err));
    return check_range("expert_ffn", c->expert_ffn, 1, 1 << 22, err);
}

static kw_status check_flags(kw_decoder_config *c, const kw_model_file *file, kw_error *err)
{
    KW_TRY(kw_activation_by_name(c->activation_name, &c->activation, err));
    KW_TRY(check_experts(c, err));
    KW_TRY(check_factor("attention softcap", c->attention_softcap, err));
    KW_TRY(check_factor("logit softcap", c->logit_softcap, err));
    KW_TRY(check_factor("attention scale", c->attention_scale, err));
    KW_TRY(check_factor("embedding scale", c->embedding_scale, err));
    KW_TRY(check_range("window pattern", c->window_pattern, 0, KW_DECODER_MAX_LAYERS, err));
    return find_windows(c, file, err);
}

kw_status kw_decoder_check(kw_decoder_config *c, const kw_model_file *file, kw_error *err)
{
    KW_TRY(check_range("layers", c->layers, 1, KW_DECODER_MAX_LAYERS, err));
    KW_TRY(check_range("dim", c->dim, 1, 1 << 20, err));
    KW_TRY(check_range("heads", c->heads, 1, 4096, err));
    if (c->kv_heads == 0)
        c->kv_heads = c->heads;
    if (c->head_dim == 0)
        c->head_dim = c->dim / c->heads;
    KW_TRY(check_range("kv_heads", c->kv_heads, 1, c->heads, err));
    KW_TRY(check_range("head_dim", c->head_dim, 1, KW_DECODER_MAX_HEAD, err));
    if (c->value_dim == 0)
        c->value_dim = c->head_dim;
    if (c->value_dim != c->head_dim)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "config: heads of %lld dimensions with values of %lld",
                       (long long)c->head_dim, (long long)c->value_dim);
    KW_TRY(check_range("ffn", c->ffn, 1, 1 << 22, err));
    KW_TRY(check_range("context", c->context, 1, 1 << 28, err));
    KW_TRY(check_range("window", c->window, 0, 1 << 28, err));
    if (c->heads % c->kv_heads != 0)
        return kw_fail(err, KW_E_FORMAT, "config: %lld heads are no multiple of %lld kv_heads",
                       (long long)c->heads, (long long)c->kv_heads);
    if (!(c->norm_eps >= 0 && c->norm_eps < 1))
        return kw_fail(err, KW_E_FORMAT, "config: norm_eps is %g, must be 0 to 1", c->norm_eps);
    KW_TRY(check_flags(c, file, err));
    KW_TRY(find_vocab(c, file, err));
    KW_TRY(check_range("vocab", c->vocab, 1, 1 << 24, err));
    return c->positions == KW_POSITIONS_ROTARY ? check_rope(c, file, err) : KW_OK;
}

static kw_ref norm(kw_build *b, const kw_decoder_config *c, int il, const char *name, kw_ref x)
{
    char full[64];
    (void)snprintf(full, sizeof full, "%s.weight", name);
    const kw_ref w = kw_weight(b, il, full, SHAPE(c->dim));
    (void)snprintf(full, sizeof full, "%s.bias", name);
    const kw_ref bias =
        c->norm == KW_NORM_LAYER ? kw_weight_optional(b, il, full, SHAPE(c->dim)) : KW_NONE;
    return kw_norm(kw_build_graph(b), c->norm, x, w, bias, (float)c->norm_eps);
}

/* Rows of a matrix, all of them unless it is fused. */
typedef struct rows {
    const char *weight;
    int64_t whole, first, n, k;
    bool bias; /* must be there; else it may */
} rows;

/* x [t, k] . w^T (+ bias) -> [t, n] */
static kw_ref project(kw_build *b, int il, const rows *r, kw_ref x)
{
    kw_graph *g = kw_build_graph(b);
    char weight[64], bias[64];
    (void)snprintf(weight, sizeof weight, "%s.weight", r->weight);
    (void)snprintf(bias, sizeof bias, "%s.bias", r->weight);
    const kw_ref y =
        kw_matmul(g, x, kw_weight_rows(b, il, weight, SHAPE(r->whole, r->k), r->first, r->n));
    if (!r->bias && !kw_weight_exists(b, il, bias))
        return y;
    return kw_add(g, y, kw_weight_rows(b, il, bias, SHAPE(r->whole), r->first, r->n));
}

typedef struct qkv {
    kw_ref q, k, v;
} qkv;

/* h [t, dim] -> queries [t, heads * head_dim], keys and values [t, kv_heads * head_dim] */
static qkv project_qkv(kw_build *b, const kw_decoder_config *c, int il, kw_ref h)
{
    kw_graph *g = kw_build_graph(b);
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, all = q + 2 * kv;
    const bool bias = c->attention_bias;
    if (!kw_weight_exists(b, il, "attn_qkv.weight"))
        return (qkv){project(b, il, &(rows){"attn_q", q, 0, q, c->dim, bias}, h),
                     project(b, il, &(rows){"attn_k", kv, 0, kv, c->dim, bias}, h),
                     project(b, il, &(rows){"attn_v", kv, 0, kv, c->dim, bias}, h)};
    if (!c->grouped_qkv || c->kv_heads == 1)
        return (qkv){project(b, il, &(rows){"attn_qkv", all, 0, q, c->dim, bias}, h),
                     project(b, il, &(rows){"attn_qkv", all, q, kv, c->dim, bias}, h),
                     project(b, il, &(rows){"attn_qkv", all, q + kv, kv, c->dim, bias}, h)};
    /* Queries, key and value of one group after the other: taken apart after the product. */
    const int64_t groups = c->kv_heads, part = q / groups, group = part + 2 * c->head_dim;
    const kw_ref y = project(b, il, &(rows){"attn_qkv", all, 0, all, c->dim, bias}, h);
    return (qkv){kw_columns(g, y, 0, part, group, groups),
                 kw_columns(g, y, part, c->head_dim, group, groups),
                 kw_columns(g, y, part + c->head_dim, c->head_dim, group, groups)};
}

/* What the layers share. */
typedef struct shared {
    kw_ref angles, local_angles; /* rope tables, of layers without and with the window */
    kw_ref slopes;               /* ALiBi: [heads, positions], the nearest last */
} shared;

static kw_ref block_attention(kw_build *b, const kw_decoder_config *c, int il, kw_ref h,
                              const shared *s)
{
    kw_graph *g = kw_build_graph(b);
    const int heads = (int)c->heads, kv_heads = (int)c->kv_heads, head_dim = (int)c->head_dim;
    const kw_rope_attr rope = {head_dim, (int)c->n_rot, c->rope_adjacent};
    const kw_attention_attr attn = {.heads = heads,
                                    .kv_heads = kv_heads,
                                    .head_dim = head_dim,
                                    .scale = c->attention_scale > 0 ? (float)c->attention_scale
                                                                    : 1.0f / sqrtf((float)head_dim),
                                    .window = is_local(c, il) ? (int)c->window : 0,
                                    .softcap = (float)c->attention_softcap,
                                    .bias_first = 1 - (int)kw_build_positions(b)};
    const kw_ref at = kw_input_positions(b);
    const kw_ref table = is_local(c, il) ? s->local_angles : s->angles;
    qkv p = project_qkv(b, c, il, h);
    if (c->head_norms) {
        const float eps = (float)c->norm_eps;
        const kw_shape one = SHAPE(head_dim);
        p.q = kw_norm_parts(g, p.q, kw_weight(b, il, "attn_q_norm.weight", one), heads, eps);
        p.k = kw_norm_parts(g, p.k, kw_weight(b, il, "attn_k_norm.weight", one), kv_heads, eps);
    }
    if (c->positions == KW_POSITIONS_ROTARY) {
        p.q = kw_rope(g, p.q, table, &rope);
        p.k = kw_rope(g, p.k, table, &rope);
    }
    const kw_ref k = kw_store(g, kw_cache(b, KW_STATE_KEYS, il, kv_heads, head_dim), p.k, at);
    const kw_ref v = kw_store(g, kw_cache(b, KW_STATE_VALUES, il, kv_heads, head_dim), p.v, at);
    const kw_ref a = c->positions == KW_POSITIONS_ALIBI
                         ? kw_attention_biased(g, p.q, k, v, at, s->slopes, at, &attn)
                         : kw_attention(g, p.q, k, v, at, &attn); /* [t, heads * head_dim] */
    const int64_t q_dim = c->heads * c->head_dim;
    return project(b, il, &(rows){"attn_output", c->dim, 0, c->dim, q_dim, c->attention_bias}, a);
}

/* h [t, dim] -> [t, dim]: the weighted sum of some experts, chosen for each token. */
static kw_ref block_experts(kw_build *b, const kw_decoder_config *c, int il, kw_ref h)
{
    kw_graph *g = kw_build_graph(b);
    const int64_t n = c->experts, ffn = c->expert_ffn, dim = c->dim;
    const kw_ref router = kw_weight(b, il, "ffn_gate_inp.weight", SHAPE(n, dim));
    const kw_ref route = kw_route(g, kw_matmul(g, h, router), (int)c->experts_used, c->renormalise);
    const kw_ref gate = kw_experts(g, h, kw_weight_experts(b, il, "ffn_gate", n, ffn, dim), route);
    const kw_ref up = kw_experts(g, h, kw_weight_experts(b, il, "ffn_up", n, ffn, dim), route);
    const kw_ref inner = kw_activate_mul(g, gate, up, c->activation); /* [t, used * ffn] */
    const kw_ref down = kw_weight_experts(b, il, "ffn_down", n, dim, ffn);
    return kw_mix(g, kw_experts(g, inner, down, route), route);
}

static kw_ref block_ffn(kw_build *b, const kw_decoder_config *c, int il, kw_ref h)
{
    kw_graph *g = kw_build_graph(b);
    if (c->experts > 0 && kw_weight_exists(b, il, "ffn_gate_inp.weight"))
        return block_experts(b, c, il, h);
    const bool bias = c->mlp_bias;
    const int64_t n = c->ffn, whole = c->fused_gate ? 2 * n : n, own = whole - n;
    const char *gate_name = c->fused_gate ? "ffn_up" : "ffn_gate";
    kw_ref gate = KW_NONE;
    if (!c->ungated)
        gate = project(b, il, &(rows){gate_name, whole, 0, n, c->dim, bias}, h);
    const kw_ref up = project(b, il, &(rows){"ffn_up", whole, own, n, c->dim, bias}, h);
    const kw_ref inner = c->ungated ? kw_activate(g, up, c->activation)
                                    : kw_activate_mul(g, gate, up, c->activation); /* [t, ffn] */
    return project(b, il, &(rows){"ffn_down", c->dim, 0, c->dim, n, bias}, inner);
}

/* What the file divides each pair's frequency by (Llama 3 in GGUF, LongRoPE), NULL: nothing. */
static const float *divisors(kw_build *b, const kw_decoder_config *c)
{
    const int64_t n = c->n_rot / 2;
    const bool gguf = kw_build_is_gguf(b);
    if (c->rope.scaling != KW_ROPE_LONG)
        return kw_weight_values(b, "rope_freqs.weight", n);
    const float *few =
        gguf ? kw_weight_values(b, "rope_factors_short.weight", n) : c->short_factors;
    const float *many = gguf ? kw_weight_values(b, "rope_factors_long.weight", n) : c->long_factors;
    /* A session is one or the other from its first token on: keys in its cache are rotated. */
    return (double)kw_build_positions(b) > c->rope.original_context ? many : few;
}

/* base: of layers that look back a window only, never stretched; 0: of all others. */
static kw_ref angles(kw_build *b, const kw_decoder_config *c, double base)
{
    double freq[KW_DECODER_MAX_HEAD / 2];
    const int n_rot = (int)c->n_rot;
    const kw_rope_config local = {.base = base, .scaling = KW_ROPE_PLAIN};
    const float magnitude = kw_rope_frequencies(base > 0 ? &local : &c->rope, n_rot, freq);
    const float *factors = base > 0 ? NULL : divisors(b, c);
    for (int i = 0; factors && i < n_rot / 2; i++)
        freq[i] /= (double)(factors[i] > 0 ? factors[i] : 1.0f);
    return kw_rope_table(kw_build_graph(b), kw_input_positions(b), freq, n_rot, magnitude);
}

/* Powers of a base that has the last of 2^n heads end at 2^-8; heads beyond take every second power
 * of what twice as many would have. */
static double slope(int64_t head, int64_t heads)
{
    int64_t whole = 1;
    while (2 * whole <= heads)
        whole *= 2;
    return head < whole ? kw_pow(2.0, -8.0 * (double)(head + 1) / (double)whole)
                        : kw_pow(2.0, -4.0 * (double)(2 * (head - whole) + 1) / (double)whole);
}

/* What is added to scores: the slope times how far (below 0) the key lies, scaled as they are
 * (Falcon's code adds it before it scales). */
static kw_ref slopes(kw_build *b, const kw_decoder_config *c)
{
    kw_graph *g = kw_build_graph(b);
    const int64_t n = kw_build_positions(b);
    int64_t count = 0;
    float *values = NULL;
    if (kw_shape_count(SHAPE(c->heads, n), &count))
        values = kw_arena_array(&g->arena, (size_t)count, sizeof *values);
    if (!values) {
        kw_build_fail(b, KW_E_NOMEM, "no memory for the slopes of its positions");
        return KW_NONE;
    }
    for (int64_t h = 0; h < c->heads; h++)
        for (int64_t i = 0; i < n; i++)
            values[h * n + i] =
                (float)(slope(h, c->heads) / sqrt((double)c->head_dim) * (double)(i - (n - 1)));
    return kw_constant(g, "slopes", SHAPE(c->heads, n), values);
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

/* Tokens -> [t, dim] */
static kw_ref embed(kw_build *b, const kw_decoder_config *c, kw_ref table)
{
    kw_graph *g = kw_build_graph(b);
    kw_ref x = kw_gather(g, table, kw_input_tokens(b));
    if (c->embedding_scale > 0)
        x = kw_scale(g, x, (float)c->embedding_scale);
    if (c->positions != KW_POSITIONS_LEARNED)
        return x;
    const kw_ref learned = kw_weight(b, -1, "position_embd.weight", SHAPE(c->context, c->dim));
    return kw_add(g, x, kw_gather(g, learned, kw_input_positions(b)));
}

/* x [t, dim] -> x [t, dim] */
static kw_ref layer(kw_build *b, const kw_decoder_config *c, int il, kw_ref x, const shared *s)
{
    kw_graph *g = kw_build_graph(b);
    kw_ref h = norm(b, c, il, "attn_norm", x);
    if (c->parallel) {
        const bool two = kw_weight_exists(b, il, "attn_norm_2.weight");
        const kw_ref own = two ? norm(b, c, il, "attn_norm_2", x) : h;
        x = kw_add(g, x, block_attention(b, c, il, own, s));
        return kw_add(g, x, block_ffn(b, c, il, h));
    }
    kw_ref y = block_attention(b, c, il, h, s);
    x = kw_add(g, x, c->post_norms ? norm(b, c, il, "post_attention_norm", y) : y);
    h = norm(b, c, il, "ffn_norm", x);
    y = block_ffn(b, c, il, h);
    return kw_add(g, x, c->post_norms ? norm(b, c, il, "post_ffw_norm", y) : y);
}

kw_ref kw_decoder_build(kw_build *b, const void *config)
{
    const kw_decoder_config *c = config;
    kw_graph *g = kw_build_graph(b);
    const kw_ref embedding = token_table(b, c);
    shared s = {.angles = KW_NONE};
    if (c->positions == KW_POSITIONS_ALIBI)
        s.slopes = slopes(b, c);
    if (c->positions == KW_POSITIONS_ROTARY) {
        s.angles = angles(b, c, 0);
        s.local_angles = c->local_rope_base > 0 ? angles(b, c, c->local_rope_base) : s.angles;
    }
    kw_ref x = embed(b, c, embedding); /* [t, dim] */
    for (int il = 0; il < (int)c->layers; il++)
        x = layer(b, c, il, x, &s);
    x = kw_gather(g, x, kw_input_rows(b)); /* [rows, dim] */
    x = norm(b, c, -1, "output_norm", x);
    x = kw_hidden(b, x);
    kw_ref head = embedding;
    if (!c->tied_head) {
        const kw_ref own = kw_weight_optional(b, -1, "output.weight", SHAPE(c->vocab, c->dim));
        head = own.id ? own : embedding;
    }
    const kw_ref logits = kw_matmul(g, x, head); /* [rows, vocab] */
    return c->logit_softcap > 0 ? kw_softcap(g, logits, (float)c->logit_softcap) : logits;
}

int64_t kw_decoder_context(const void *config)
{
    return ((const kw_decoder_config *)config)->context;
}

void kw_decoder_sizes(const void *config, int *dim, int *layers)
{
    const kw_decoder_config *c = config;
    *dim = (int)c->dim;
    *layers = (int)c->layers;
}
