/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* family.h - a model family is one file and one row: fields of its configuration, names of its
 * weights, and the function that writes its graph. */
#ifndef KW_MODEL_FAMILY_H
#define KW_MODEL_FAMILY_H

#include "format/model_file.h"
#include "graph/graph.h"

typedef enum kw_field_type {
    KW_FIELD_INT,
    KW_FIELD_FLOAT,
    KW_FIELD_BOOL,
    KW_FIELD_STRING
} kw_field_type;

/* One value of the configuration. KW_FIELD_INT is int64_t, FLOAT double, BOOL bool, STRING kw_str.
 */
typedef struct kw_field {
    const char *name; /* as printed */
    const char *gguf; /* a leading '.' stands for the architecture; NULL: not in GGUF */
    const char *hf;   /* dotted key of config.json, alternatives joined by '|'; NULL: not there */
    size_t offset;
    kw_field_type type;
    bool required;
    double fallback; /* numbers and bools */
} kw_field;

/* How a weight of a Hugging Face file differs from GGUF's beyond its name. */
enum {
    KW_ALIAS_ROTATED = 1, /* rows of heads that rotate: halves are paired, in GGUF neighbours */
    KW_ALIAS_TRANSPOSED =
        2,                 /* a matrix [in, out] (Conv1D): copied the other way round on loading */
    KW_ALIAS_ONE_LESS = 4, /* a norm that stores w - 1: one is added on loading */
    KW_ALIAS_GROUPED = 8   /* rows are queries, key, value of each group in turn; in GGUF all
                              queries, all keys, all values */
};

/* "blk.%d.attn_q" = "model.layers.%d.self_attn.q_proj"; ".weight" and ".bias" follow by themselves.
 * One name may have several rows, the first that a file has counts; a leading "model.",
 * "transformer." may be missing. "blk.%d.ffn_up.%d" is one expert of a layer. */
typedef struct kw_alias {
    const char *name, *hf;
    unsigned flags; /* KW_ALIAS_...; of its ".weight" */
} kw_alias;

typedef struct kw_build kw_build; /* what a build function is given, opaque */

typedef struct kw_family {
    const char *name;
    const char *const *arch; /* general.architecture or model_type, NULL-terminated */
    const char *gguf_arch;   /* what GGUF calls it; NULL: the first of arch */
    size_t config_size;
    const kw_field *fields;  /* ends with a NULL name */
    const kw_alias *aliases; /* ends with a NULL name */
    /* What it shares with others, or NULL: a field of `fields` replaces the one of its name here;
     * the aliases come after its own. */
    const kw_field *base_fields;
    const kw_alias *base_aliases;
    /* Derives what the fields leave open and refuses what the family cannot do. */
    kw_status (*check)(void *config, const kw_model_file *file, kw_error *err);
    /* Tokens to logits; the result is the graph's output. NULL: there is no decoder. */
    kw_ref (*build)(kw_build *b, const void *config);
    /* Tokens to hidden states, which are the graph's output; stores what the decoder attends to.
     * NULL: there is no encoder. */
    kw_ref (*encode)(kw_build *b, const void *config);
    /* With encode: the token that a decoder's text begins with, -1: this file has no decoder. */
    int64_t (*decoder_start)(const void *config);
    /* Positions it was trained for; its width and depth. */
    int64_t (*context)(const void *config);
    bool learned_positions; /* there are no others */
    void (*sizes)(const void *config, int *dim, int *layers);
    /* What GGUF divides the rotation's frequencies by, where no key says it: the tensors that a
     * model has for it, in turn from `which` = 0 on. Returns how many factors (at most 256) and the
     * tensor's name, 0: no more. NULL: never. */
    size_t (*rope_factors)(const void *config, int which, const char **name, float *out);
} kw_family;

/* Ends with NULL. */
extern const kw_family *const kw_families[];

static inline const char *kw_family_gguf_arch(const kw_family *family)
{
    return family->gguf_arch ? family->gguf_arch : family->arch[0];
}

/* The field after this one (NULL: the first), over both tables; NULL at the end. */
const kw_field *kw_family_next_field(const kw_family *family, const kw_field *field);
const kw_alias *kw_family_next_alias(const kw_family *family, const kw_alias *alias);

/* ---- what build functions use ---------------------------------------------------------------- */

kw_graph *kw_build_graph(kw_build *b);
/* The weight called name ("attn_q.weight") of a layer (-1: none), with exactly this shape. Missing
 * or misshapen weights stick to the build as errors that name them. */
kw_ref kw_weight(kw_build *b, int layer, const char *name, kw_shape shape);
/* KW_NONE when the file has none. */
kw_ref kw_weight_optional(kw_build *b, int layer, const char *name, kw_shape shape);
/* Rows [first, first + n) of the weight called name, whose shape is `whole` of which the first
 * dimension is rows: a view, nothing is copied. */
kw_ref kw_weight_rows(kw_build *b, int layer, const char *name, kw_shape whole, int64_t first,
                      int64_t n);
/* The matrices [experts, n, k] of a layer's experts: one tensor ("ffn_up_exps.weight" for "ffn_up")
 * or, in older GGUF and in Hugging Face files, one for each ("ffn_up.3.weight"). */
kw_ref kw_weight_experts(kw_build *b, int layer, const char *name, int64_t experts, int64_t n,
                         int64_t k);
bool kw_weight_exists(const kw_build *b, int layer, const char *name);
/* A small f32 table of the file for use at build time, NULL when absent. n: its elements. */
const float *kw_weight_values(kw_build *b, const char *name, int64_t n);
/* The weight's values as f32, which live as long as the graph; NULL after a failure. */
const float *kw_weight_decoded(kw_build *b, int layer, const char *name, kw_shape shape);
/* State of a layer with the session's positions and cache type. */
kw_ref kw_cache(kw_build *b, kw_state_kind kind, int layer, int kv_heads, int head_dim);
/* What cross-attention of a decoder's layer reads: the encoder's graph stores it. */
kw_ref kw_cross_cache(kw_build *b, kw_state_kind kind, int layer, int kv_heads, int head_dim);
/* A state by its own name and of its own type, with the session's positions. */
kw_ref kw_build_state(kw_build *b, const char *name, kw_state_kind kind, kw_dtype dtype,
                      int kv_heads, int head_dim);
bool kw_build_is_gguf(const kw_build *b);
/* Says which value the head reads, and returns it: embeddings are made of it. */
kw_ref kw_hidden(kw_build *b, kw_ref x);
/* Positions that the graph's caches hold. */
int64_t kw_build_positions(const kw_build *b);
/* Makes the build fail, unless it did before. */
void kw_build_fail(kw_build *b, kw_status status, const char *what);
/* The three inputs of every language model: token ids and positions [tokens], and the rows
 * [outputs] of which logits are wanted. */
kw_ref kw_input_tokens(kw_build *b);
kw_ref kw_input_positions(kw_build *b);
kw_ref kw_input_rows(kw_build *b);
/* Of families with an encoder, both [tokens]: the last position that each token sees (of the input
 * in an encoder, of the encoder's output in its decoder), and the type of each token (0, or 1 in
 * the second text of a pair). */
kw_ref kw_input_seen(kw_build *b);
kw_ref kw_input_types(kw_build *b);
/* Of an encoder, which may read several texts at once: where in the row of all of them each token
 * stands (its position counts within its own text), and where its text begins. What is seen is
 * counted in places, too. */
kw_ref kw_input_places(kw_build *b);
kw_ref kw_input_first(kw_build *b);

#endif
