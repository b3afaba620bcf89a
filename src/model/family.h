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

/* "blk.%d.attn_q" = "model.layers.%d.self_attn.q_proj"; ".weight" and ".bias" follow by themselves.
 */
typedef struct kw_alias {
    const char *name, *hf;
    bool rotated; /* rows of heads that rotate: Hugging Face pairs halves, GGUF neighbours */
} kw_alias;

typedef struct kw_build kw_build; /* what a build function is given, opaque */

typedef struct kw_family {
    const char *name;
    const char *const *arch; /* general.architecture or model_type, NULL-terminated */
    size_t config_size;
    const kw_field *fields;  /* ends with a NULL name */
    const kw_alias *aliases; /* ends with a NULL name */
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
    /* What GGUF divides the rotation's frequencies by, where no key says it; returns how many (at
     * most 256), 0: none. NULL: never. */
    size_t (*rope_factors)(const void *config, float *out);
} kw_family;

/* Ends with NULL. */
extern const kw_family *const kw_families[];

/* ---- what build functions use ---------------------------------------------------------------- */

kw_graph *kw_build_graph(kw_build *b);
/* The weight called name ("attn_q.weight") of a layer (-1: none), with exactly this shape. Missing
 * or misshapen weights stick to the build as errors that name them. */
kw_ref kw_weight(kw_build *b, int layer, const char *name, kw_shape shape);
/* KW_NONE when the file has none. */
kw_ref kw_weight_optional(kw_build *b, int layer, const char *name, kw_shape shape);
/* A small f32 table of the file for use at build time, NULL when absent. n: its elements. */
const float *kw_weight_values(kw_build *b, const char *name, int64_t n);
/* State of a layer with the session's positions and cache type. */
kw_ref kw_cache(kw_build *b, kw_state_kind kind, int layer, int kv_heads, int head_dim);
/* A state by its own name and of its own type, with the session's positions. */
kw_ref kw_build_state(kw_build *b, const char *name, kw_state_kind kind, kw_dtype dtype,
                      int kv_heads, int head_dim);
bool kw_build_is_gguf(const kw_build *b);
/* Says which value the head reads, and returns it: embeddings are made of it. */
kw_ref kw_hidden(kw_build *b, kw_ref x);
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

#endif
