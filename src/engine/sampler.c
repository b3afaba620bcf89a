/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sampler.c - the chain of steps, the list of candidates, and the draw.
 *
 * Candidates are ordered by logit, ties by id, so that a result never depends on a sort's whims.
 * Sources: Holtzman et al. 2019, arXiv:1904.09751 (top-p); Nguyen et al. 2024, arXiv:2407.01082
 * (min-p). */
#include "engine/sampler.h"

#include "base/check.h"
#include "base/error.h"
#include "base/fmath.h"
#include "base/rng.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define STREAM 0

static const kw_sampler_step default_steps[] = {
    KW_STEP_PENALTIES, KW_STEP_DRY,   KW_STEP_TOP_N_SIGMA, KW_STEP_TOP_K,      KW_STEP_TYPICAL_P,
    KW_STEP_TOP_P,     KW_STEP_MIN_P, KW_STEP_XTC,         KW_STEP_TEMPERATURE};

/* ---- opening ---- */

kw_status kw_sampler_check(const kw_constraints *c, kw_error *err)
{
    const struct {
        const char *name;
        float value, min, max;
    } ranges[] = {
        {"temperature", c->temperature, 0, 1000},
        {"top_p", c->top_p, 0, 1},
        {"min_p", c->min_p, 0, 1},
        {"repeat_penalty", c->repeat_penalty, 1e-6f, 1000},
        {"presence_penalty", c->presence_penalty, -1000, 1000},
        {"frequency_penalty", c->frequency_penalty, -1000, 1000},
        {"typical_p", c->typical_p, 0, 1},
        {"top_n_sigma", c->top_n_sigma, -1, 1000},
        {"xtc_probability", c->xtc_probability, 0, 1},
        {"xtc_threshold", c->xtc_threshold, 0, 1},
        {"dynatemp_range", c->dynatemp_range, 0, 1000},
        {"dynatemp_exponent", c->dynatemp_exponent, 0, 100},
        {"dry_multiplier", c->dry_multiplier, 0, 1000},
        {"dry_base", c->dry_base, 1, 100},
        {"mirostat_tau", c->mirostat_tau, 0, 100},
        {"mirostat_eta", c->mirostat_eta, 0, 100},
        {"top_k", (float)c->top_k, 0, INFINITY},
        {"dry_allowed_length", (float)c->dry_allowed_length, 0, INFINITY},
        {"mirostat", (float)c->mirostat, 0, 2},
    };
    for (size_t i = 0; i < KW_COUNT(ranges); i++)
        if (!(ranges[i].value >= ranges[i].min && ranges[i].value <= ranges[i].max))
            return kw_fail(err, KW_E_ARG, "run: %s %g is not in %g to %g", ranges[i].name,
                           (double)ranges[i].value, (double)ranges[i].min, (double)ranges[i].max);
    for (size_t i = 0; c->samplers && i < c->n_samplers; i++)
        if ((unsigned)c->samplers[i] > KW_STEP_TEMPERATURE)
            return kw_fail(err, KW_E_ARG, "run: there is no sampler step %d", (int)c->samplers[i]);
    return KW_OK;
}

static bool adjusts(const kw_constraints *c)
{
    return kw_sampler_penalizes(c) || c->dry_multiplier > 0 || c->n_logit_bias > 0 ||
           c->top_n_sigma > 0 || c->grammar || c->json_schema;
}

kw_status kw_sampler_open(kw_sampler *sampler, const kw_constraints *constraints, int64_t vocab,
                          kw_error *err)
{
    *sampler = (kw_sampler){
        .constraints = constraints, .vocab = vocab, .mu = 2 * (double)constraints->mirostat_tau};
    const size_t n = (size_t)vocab;
    const bool draws = constraints->temperature > 0, changes = adjusts(constraints);
    const bool typical = draws && constraints->typical_p < 1.0f;
    if (draws)
        sampler->candidates = calloc(n, sizeof *sampler->candidates);
    if (typical)
        sampler->scores = calloc(n, sizeof *sampler->scores);
    if (changes) {
        sampler->adjusted = calloc(n, sizeof *sampler->adjusted);
        sampler->seen = calloc(n, sizeof *sampler->seen);
    }
    if ((draws && !sampler->candidates) || (typical && !sampler->scores) ||
        (changes && (!sampler->adjusted || !sampler->seen))) {
        kw_sampler_close(sampler);
        return kw_fail(err, KW_E_NOMEM, "sampler: no memory for %zu candidates", n);
    }
    return KW_OK;
}

static bool holds(kw_str text, const char *part)
{
    const size_t n = strlen(part);
    for (size_t i = 0; n > 0 && i + n <= text.len; i++)
        if (memcmp(text.data + i, part, n) == 0)
            return true;
    return false;
}

kw_status kw_sampler_breakers(kw_sampler *s, const kw_tokenizer *tokenizer, kw_error *err)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    const kw_constraints *c = s->constraints;
    const char *const *breakers = c->dry_breakers ? c->dry_breakers : usual;
    const size_t n = c->dry_breakers ? c->n_dry_breakers : KW_COUNT(usual);
    if (!(c->dry_multiplier > 0))
        return KW_OK;
    s->breaker = calloc((size_t)s->vocab, 1);
    if (!s->breaker)
        return kw_fail(err, KW_E_NOMEM, "sampler: no memory for %lld tokens", (long long)s->vocab);
    for (int32_t id = 0; id < s->vocab; id++) {
        const kw_str text = kw_tokenizer_surface(tokenizer, id);
        for (size_t i = 0; i < n; i++)
            s->breaker[id] |= holds(text, breakers[i]);
    }
    return KW_OK;
}

void kw_sampler_close(kw_sampler *sampler)
{
    free(sampler->candidates);
    free(sampler->scores);
    free(sampler->adjusted);
    free(sampler->seen);
    free(sampler->breaker);
    *sampler = (kw_sampler){0};
}

/* ---- the list ---- */

static bool before(const kw_candidate *a, const kw_candidate *b)
{
    return a->logit > b->logit || (!(a->logit < b->logit) && a->id < b->id);
}

static int compare(const void *a, const void *b)
{
    return before(a, b) ? -1 : 1;
}

void kw_draw_sort(kw_draw *d)
{
    qsort(d->s->candidates, d->n, sizeof *d->s->candidates, compare);
}

/* Restores the heap below i; the root is the last in order. */
static void sift(kw_candidate *heap, size_t n, size_t i)
{
    for (;;) {
        size_t last = i, left = 2 * i + 1;
        if (left < n && before(&heap[last], &heap[left]))
            last = left;
        if (left + 1 < n && before(&heap[last], &heap[left + 1]))
            last = left + 1;
        if (last == i)
            return;
        const kw_candidate swap = heap[i];
        heap[i] = heap[last];
        heap[last] = swap;
        i = last;
    }
}

void kw_draw_list(kw_draw *d, size_t k)
{
    const size_t n = (size_t)d->s->vocab;
    const float *logits = d->flat;
    kw_candidate *c = d->s->candidates;
    if (!logits)
        return;
    k = k == 0 || k > n ? n : k;
    for (size_t i = 0; i < k; i++)
        c[i] = (kw_candidate){isnan(logits[i]) ? -INFINITY : logits[i], (int32_t)i};
    for (size_t i = k / 2; k < n && i-- > 0;)
        sift(c, k, i);
    for (size_t i = k; i < n; i++) {
        const kw_candidate next = {isnan(logits[i]) ? -INFINITY : logits[i], (int32_t)i};
        if (before(&next, &c[0])) {
            c[0] = next;
            sift(c, k, 0);
        }
    }
    d->flat = NULL;
    d->n = k;
    kw_draw_sort(d);
    while (d->n > 1 && c[d->n - 1].logit == -INFINITY)
        d->n--;
}

double kw_draw_weight(const kw_draw *d, size_t i)
{
    const kw_candidate *c = d->s->candidates;
    return (double)kw_expf((c[i].logit - c[0].logit) / d->divisor);
}

double kw_draw_weight_sum(const kw_draw *d)
{
    double sum = 0;
    for (size_t i = 0; i < d->n; i++)
        sum += kw_draw_weight(d, i);
    return sum;
}

float *kw_draw_own(kw_draw *d)
{
    if (d->flat != d->s->adjusted) {
        memcpy(d->s->adjusted, d->flat, (size_t)d->s->vocab * sizeof *d->flat);
        d->flat = d->s->adjusted;
    }
    return d->s->adjusted;
}

/* ---- short steps ---- */

static void cut_top_k(kw_draw *d)
{
    const size_t k = (size_t)KW_MAX(d->s->constraints->top_k, 0);
    if (d->flat)
        kw_draw_list(d, k);
    else if (k > 0)
        d->n = KW_MIN(d->n, k);
}

static void cut_top_p(kw_draw *d)
{
    const double limit = kw_draw_weight_sum(d) * (double)d->s->constraints->top_p;
    double sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        sum += kw_draw_weight(d, i);
        if (sum >= limit) {
            d->n = i + 1;
            return;
        }
    }
}

static void cut_min_p(kw_draw *d)
{
    size_t kept = 1;
    while (kept < d->n && kw_draw_weight(d, kept) >= (double)d->s->constraints->min_p)
        kept++;
    d->n = kept;
}

/* ---- the chain ---- */

/* Biases, and what may not come at all. */
static void bias(kw_draw *d)
{
    const kw_constraints *c = d->s->constraints;
    const uint32_t *mask = d->s->mask;
    if (c->n_logit_bias == 0 && !mask)
        return;
    float *logits = kw_draw_own(d);
    for (int64_t i = 0; mask && i < d->s->vocab; i++)
        if (!(mask[i / 32] >> (i % 32) & 1))
            logits[i] = -INFINITY;
    for (size_t i = 0; i < c->n_logit_bias; i++) {
        const int32_t id = c->logit_bias[i].token;
        if (id >= 0 && id < d->s->vocab)
            logits[id] += c->logit_bias[i].bias;
    }
}

/* Steps that can change which token is the likeliest. */
static void change(kw_draw *d, kw_sampler_step step)
{
    const kw_constraints *c = d->s->constraints;
    if (step == KW_STEP_PENALTIES && kw_sampler_penalizes(c))
        kw_step_penalties(d);
    if (step == KW_STEP_DRY && c->dry_multiplier > 0)
        kw_step_dry(d);
}

/* Steps that leave it the likeliest, so that a greedy choice does without them. */
static void narrow(kw_draw *d, kw_sampler_step step)
{
    const kw_constraints *c = d->s->constraints;
    if (step == KW_STEP_TOP_N_SIGMA && c->top_n_sigma > 0)
        kw_step_top_n_sigma(d);
    if (step == KW_STEP_TOP_K && c->top_k > 0)
        cut_top_k(d);
    if (step == KW_STEP_TYPICAL_P && c->typical_p < 1.0f)
        kw_step_typical_p(d);
    if (step == KW_STEP_XTC && c->xtc_probability > 0)
        kw_step_xtc(d);
    if (step == KW_STEP_TEMPERATURE)
        kw_step_temperature(d);
    if ((step == KW_STEP_TOP_P && c->top_p < 1.0f) || (step == KW_STEP_MIN_P && c->min_p > 0)) {
        kw_draw_list(d, 0);
        if (step == KW_STEP_TOP_P)
            cut_top_p(d);
        else
            cut_min_p(d);
    }
}

static int32_t argmax(const float *logits, int64_t vocab)
{
    int32_t best = 0;
    for (int32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best] || isnan(logits[best]))
            best = i;
    return best;
}

size_t kw_draw_pick(const kw_draw *d)
{
    const double draw =
        (double)kw_rng_uniform(d->s->constraints->seed, STREAM, d->index) * kw_draw_weight_sum(d);
    double sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        sum += kw_draw_weight(d, i);
        if (draw < sum)
            return i;
    }
    return d->n - 1;
}

int32_t kw_sample(kw_sampler *s, const float *logits, const int32_t *history, size_t n,
                  uint64_t index)
{
    const kw_constraints *c = s->constraints;
    const kw_sampler_step *steps = c->samplers ? c->samplers : default_steps;
    const size_t n_steps = c->samplers ? c->n_samplers : KW_COUNT(default_steps);
    kw_draw d = {
        .s = s, .flat = logits, .divisor = 1, .history = history, .n_history = n, .index = index};
    bias(&d);
    if (s->candidates && c->mirostat > 0)
        return kw_step_mirostat(&d);
    for (size_t i = 0; i < n_steps; i++) {
        change(&d, steps[i]);
        if (s->candidates)
            narrow(&d, steps[i]);
    }
    if (!s->candidates)
        return argmax(d.flat, s->vocab);
    kw_draw_list(&d, 0);
    if (!isfinite(s->candidates[0].logit))
        return s->candidates[0].id;
    return s->candidates[kw_draw_pick(&d)].id;
}
