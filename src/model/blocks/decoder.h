/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decoder.h - the decoder-only transformer that most language models are, driven by flags.
 *
 * A family is its names and its flags: kw_decoder_fields and kw_decoder_aliases are what most share
 * (kw_family.base_fields), its check() sets the rest before kw_decoder_check, and the same build
 * serves all. What a file has or lacks (biases, a tied head, fused projections) is seen by its
 * weights and needs no flag. */
#ifndef KW_MODEL_BLOCKS_DECODER_H
#define KW_MODEL_BLOCKS_DECODER_H

#include "model/blocks/activation.h"
#include "model/blocks/rope.h"
#include "model/family.h"

#define KW_DECODER_MAX_LAYERS 1024
#define KW_DECODER_MAX_HEAD 512 /* dimensions */

/* Where positions enter. */
typedef enum kw_position_kind {
    KW_POSITIONS_ROTARY,
    KW_POSITIONS_LEARNED, /* a table added to the embedding */
    KW_POSITIONS_ALIBI    /* scores fall with the distance, by a slope for each head */
} kw_position_kind;

typedef struct kw_decoder_config {
    int64_t dim, layers, heads, kv_heads, head_dim, ffn, vocab, context;
    int64_t value_dim;                         /* of a head: head_dim */
    int64_t experts, experts_used, expert_ffn; /* of layers that have a router */
    int64_t n_rot;                             /* rotating dimensions of a head */
    int64_t window;                            /* sliding attention; 0: none */
    int64_t window_pattern; /* every so many layers one has no window; 0: all have it */
    double norm_eps;
    double rot_fraction;      /* of a head that rotates, where n_rot is not given; 0: all */
    double attention_softcap; /* of attention scores and of logits; 0: none */
    double logit_softcap;
    double attention_scale; /* of q . k; 0: 1 / sqrt(head_dim) */
    double embedding_scale; /* 0: 1 */
    double local_rope_base; /* of layers with a window; 0: as the others */
    kw_rope_config rope;
    kw_str rope_scaling; /* its name in the file */
    kw_str activation_name;
    kw_activation activation;
    kw_norm_kind norm;
    kw_position_kind positions;
    bool long_rope; /* the family reads the lists of KW_ROPE_LONG */
    /* KW_ROPE_LONG: divisors of each pair's frequency; in GGUF they are weights. */
    float short_factors[KW_DECODER_MAX_HEAD / 2], long_factors[KW_DECODER_MAX_HEAD / 2];
    uint64_t local[KW_DECODER_MAX_LAYERS / 64]; /* layers that have the window, one a bit */
    bool rope_adjacent; /* pairs (2i, 2i+1): GGUF's order; else halves: Hugging Face's */
    bool ungated;       /* feed-forward without a gate: down(act(up(x))) */
    bool fused_gate;    /* "ffn_up" holds the gate's rows, then its own */
    bool renormalise;   /* the weights of a token's experts sum to 1 */
    bool parallel;      /* attention and feed-forward read the same norm */
    bool post_norms;    /* a norm after attention, and after the feed-forward layer */
    bool head_norms;    /* a norm of each query and key */
    bool grouped_qkv;   /* a fused projection is queries, key, value of each group in turn */
    bool attention_bias, mlp_bias, tied_head; /* the biases must be there; else they may */
} kw_decoder_config;

/* Tables that end with a NULL name. */
extern const kw_field kw_decoder_fields[];
extern const kw_alias kw_decoder_aliases[];

#define KW_DECODER_AT(member) offsetof(kw_decoder_config, member)

/* Fills what follows from the rest (head_dim, kv_heads, n_rot, vocab), checks ranges and products,
 * and that the embedding has the shape that the rest says. */
kw_status kw_decoder_check(kw_decoder_config *c, const kw_model_file *file, kw_error *err);
/* tokens -> logits [rows, vocab]; the members of a decoder's kw_family row. */
kw_ref kw_decoder_build(kw_build *b, const void *config);
int64_t kw_decoder_context(const void *config);
void kw_decoder_sizes(const void *config, int *dim, int *layers);

/* What the rows of all decoders have in common. */
#define KW_DECODER_ROW                                                                             \
    .base_fields = kw_decoder_fields, .build = kw_decoder_build, .context = kw_decoder_context,    \
    .sizes = kw_decoder_sizes

#endif
