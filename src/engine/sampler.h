/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sampler.h - from logits to one token. */
#ifndef KW_ENGINE_SAMPLER_H
#define KW_ENGINE_SAMPLER_H

#include <kwaai/kwaai.h>

typedef struct kw_candidate {
    float logit;
    int32_t id;
} kw_candidate;

typedef struct kw_sampler {
    const kw_constraints *constraints;
    kw_candidate *candidates; /* [vocab], owned; NULL when greedy without penalties */
    float *adjusted;          /* [vocab], owned: logits after penalties */
    int32_t *seen;            /* [vocab], owned: how often a token is in the window */
    int64_t vocab;
} kw_sampler;

kw_status kw_sampler_open(kw_sampler *sampler, const kw_constraints *constraints, int64_t vocab,
                          kw_error *err);
void kw_sampler_close(kw_sampler *sampler);
/* history[n]: tokens so far, for the penalties. index: number of the draw. The same logits,
 * history, constraints and index give the same token on every machine. */
int32_t kw_sample(kw_sampler *sampler, const float *logits, const int32_t *history, size_t n,
                  uint64_t index);

#endif
