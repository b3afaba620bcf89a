/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sampler.h - from logits to one token.
 *
 * Steps work on logits of the whole vocabulary ("flat") as long as they can, then on a list of
 * candidates in order of logit, ties by id. A temperature is kept as a divisor until a step changes
 * logits. The same logits, history, constraints and index give the same token on every machine. */
#ifndef KW_ENGINE_SAMPLER_H
#define KW_ENGINE_SAMPLER_H

#include <kwaai/kwaai.h>

#include "text/tokenizer.h"

typedef struct kw_candidate {
    float logit;
    int32_t id;
} kw_candidate;

typedef struct kw_sampler {
    const kw_constraints *constraints;
    kw_candidate *candidates; /* [vocab], owned; NULL when greedy */
    kw_candidate *scores;     /* [vocab], owned, for typical_p; NULL when it is off */
    float *adjusted;          /* [vocab], owned: flat logits that steps changed; NULL: none does */
    int32_t *seen;            /* [vocab], owned: how often a token is in the window, else 0 */
    uint8_t *breaker;         /* [vocab], owned: tokens that end a repetition; NULL: none */
    const uint32_t *mask;     /* borrowed: a bit for each token that may come; NULL: all may */
    int64_t vocab;
    double mu; /* of mirostat */
} kw_sampler;

/* One choice under way. */
typedef struct kw_draw {
    kw_sampler *s;
    const float *flat; /* [vocab]; NULL once there is a list */
    size_t n;          /* candidates in the list */
    float divisor;     /* logits are to be divided by it */
    const int32_t *history;
    size_t n_history;
    uint64_t index;
} kw_draw;

/* Whether all values are in their ranges. */
kw_status kw_sampler_check(const kw_constraints *constraints, kw_error *err);
kw_status kw_sampler_open(kw_sampler *sampler, const kw_constraints *constraints, int64_t vocab,
                          kw_error *err);
/* Finds the tokens whose text holds a sequence breaker of DRY, when that is on. */
kw_status kw_sampler_breakers(kw_sampler *sampler, const kw_tokenizer *tokenizer, kw_error *err);
void kw_sampler_close(kw_sampler *sampler);
/* history[n]: tokens so far, for the penalties. index: number of the draw. */
int32_t kw_sample(kw_sampler *sampler, const float *logits, const int32_t *history, size_t n,
                  uint64_t index);

/* ---- steps ---- */

/* Whether the penalties change anything. */
bool kw_sampler_penalizes(const kw_constraints *constraints);
/* The flat logits where they may be written to. */
float *kw_draw_own(kw_draw *d);
/* Makes the list: the k first candidates, 0: all. Those that cannot come are left out, but one. */
void kw_draw_list(kw_draw *d, size_t k);
/* Orders the list again. */
void kw_draw_sort(kw_draw *d);
/* exp of a candidate's logit over the divisor, relative to the first. */
double kw_draw_weight(const kw_draw *d, size_t i);
double kw_draw_weight_sum(const kw_draw *d);

void kw_step_penalties(kw_draw *d);
void kw_step_dry(kw_draw *d);
void kw_step_top_n_sigma(kw_draw *d);
void kw_step_typical_p(kw_draw *d);
void kw_step_xtc(kw_draw *d);
void kw_step_temperature(kw_draw *d);
/* Cuts the list, draws, and learns from the surprise. */
int32_t kw_step_mirostat(kw_draw *d);
/* Draws from the list by the probabilities; its place. */
size_t kw_draw_pick(const kw_draw *d);

#endif
