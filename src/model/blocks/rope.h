/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rope.h - the angles of rotary embeddings, and the ways models stretch them. */
#ifndef KW_MODEL_BLOCKS_ROPE_H
#define KW_MODEL_BLOCKS_ROPE_H

#include "base/error.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

typedef enum kw_rope_scaling {
    KW_ROPE_PLAIN,
    KW_ROPE_LINEAR, /* positions divided by factor */
    KW_ROPE_LLAMA3, /* long wave lengths divided, a ramp between */
    KW_ROPE_YARN,
    KW_ROPE_LONG /* each pair has its own divisors, for short and long sessions */
} kw_rope_scaling;

typedef struct kw_rope_config {
    double base;
    kw_rope_scaling scaling;
    double factor;
    double original_context;
    double low_freq, high_freq;  /* llama3 */
    double beta_fast, beta_slow; /* yarn: rotations within the original context */
    double attention_factor;     /* yarn, long: magnitude; 0: derived from factor */
} kw_rope_config;

/* "linear", "llama3", "yarn", "longrope", "default", "none", ""; others are refused by name. */
kw_status kw_rope_scaling_by_name(kw_str name, kw_rope_scaling *out, kw_error *err);
/* What cos and sin are multiplied by. */
double kw_rope_magnitude(const kw_rope_config *config);
/* inv_freq[n_rot / 2]; returns the factor on cos and sin. */
float kw_rope_frequencies(const kw_rope_config *config, int n_rot, double *inv_freq);
/* Llama 3's stretching as factors[n_rot / 2] that divide the plain frequencies; returns how many, 0
 * for every other kind. */
size_t kw_rope_factors(const kw_rope_config *config, int n_rot, float *factors);

#endif
