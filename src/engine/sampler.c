/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sampler.c - penalties, top-k, top-p, min-p, temperature, one draw: the field's usual order.
 *
 * Candidates are ordered by logit, ties by id, so that a result never depends on a sort's whims.
 * Sources: Keskar et al. 2019, arXiv:1909.05858 (repetition penalty); Holtzman et al. 2019,
 * arXiv:1904.09751 (top-p); Nguyen et al. 2024, arXiv:2407.01082 (min-p). */
#include "engine/sampler.h"

#include "base/check.h"
#include "base/error.h"
#include "base/fmath.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STREAM 0

static bool has_penalties(const kw_constraints *c)
{
    return c->repeat_last_n != 0 && (c->repeat_penalty < 1.0f || c->repeat_penalty > 1.0f ||
                                     c->presence_penalty < 0.0f || c->presence_penalty > 0.0f ||
                                     c->frequency_penalty < 0.0f || c->frequency_penalty > 0.0f);
}

kw_status kw_sampler_open(kw_sampler *sampler, const kw_constraints *constraints, int64_t vocab,
                          kw_error *err)
{
    *sampler = (kw_sampler){.constraints = constraints, .vocab = vocab};
    const size_t n = (size_t)vocab;
    const bool draws = constraints->temperature > 0, adjusts = has_penalties(constraints);
    if (draws)
        sampler->candidates = calloc(n, sizeof *sampler->candidates);
    if (adjusts) {
        sampler->adjusted = calloc(n, sizeof *sampler->adjusted);
        sampler->seen = calloc(n, sizeof *sampler->seen);
    }
    if ((draws && !sampler->candidates) || (adjusts && (!sampler->adjusted || !sampler->seen))) {
        kw_sampler_close(sampler);
        return kw_fail(err, KW_E_NOMEM, "sampler: no memory for %zu candidates", n);
    }
    return KW_OK;
}

void kw_sampler_close(kw_sampler *sampler)
{
    free(sampler->candidates);
    free(sampler->adjusted);
    free(sampler->seen);
    *sampler = (kw_sampler){0};
}

static const float *penalize(kw_sampler *s, const float *logits, const int32_t *history, size_t n)
{
    const kw_constraints *c = s->constraints;
    if (!s->adjusted)
        return logits;
    const size_t window = c->repeat_last_n < 0 ? n : KW_MIN(n, (size_t)c->repeat_last_n);
    const int32_t *recent = history + (n - window);
    memcpy(s->adjusted, logits, (size_t)s->vocab * sizeof *logits);
    for (size_t i = 0; i < window; i++)
        s->seen[recent[i]]++;
    for (size_t i = 0; i < window; i++) {
        const int32_t id = recent[i];
        if (s->seen[id] == 0)
            continue; /* done at its first occurrence */
        float *logit = &s->adjusted[id];
        *logit = *logit > 0 ? *logit / c->repeat_penalty : *logit * c->repeat_penalty;
        *logit -= (float)s->seen[id] * c->frequency_penalty + c->presence_penalty;
        s->seen[id] = 0;
    }
    return s->adjusted;
}

static int32_t argmax(const float *logits, int64_t vocab)
{
    int32_t best = 0;
    for (int32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best] || isnan(logits[best]))
            best = i;
    return best;
}

static bool before(const kw_candidate *a, const kw_candidate *b)
{
    return a->logit > b->logit || (!(a->logit < b->logit) && a->id < b->id);
}

static int compare(const void *a, const void *b)
{
    return before(a, b) ? -1 : 1;
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

/* The k first candidates in order; k == 0: all. Returns how many. */
static size_t select_top(kw_sampler *s, const float *logits, size_t k)
{
    const size_t n = (size_t)s->vocab;
    kw_candidate *c = s->candidates;
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
    qsort(c, k, sizeof *c, compare);
    return k;
}

/* Sum of exp(logit - first) over n candidates. */
static double weight_sum(const kw_candidate *c, size_t n, float divisor)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)kw_expf((c[i].logit - c[0].logit) / divisor);
    return sum;
}

static size_t cut_top_p(const kw_candidate *c, size_t n, float top_p)
{
    const double limit = weight_sum(c, n, 1.0f) * (double)top_p;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)kw_expf(c[i].logit - c[0].logit);
        if (sum >= limit)
            return i + 1;
    }
    return n;
}

static size_t cut_min_p(const kw_candidate *c, size_t n, float min_p)
{
    size_t kept = 1;
    while (kept < n && kw_expf(c[kept].logit - c[0].logit) >= min_p)
        kept++;
    return kept;
}

int32_t kw_sample(kw_sampler *s, const float *logits, const int32_t *history, size_t n,
                  uint64_t index)
{
    const kw_constraints *c = s->constraints;
    logits = penalize(s, logits, history, n);
    if (!s->candidates)
        return argmax(logits, s->vocab);
    size_t kept = select_top(s, logits, (size_t)KW_MAX(c->top_k, 0));
    if (!isfinite(s->candidates[0].logit))
        return s->candidates[0].id;
    if (c->top_p < 1.0f)
        kept = cut_top_p(s->candidates, kept, c->top_p);
    if (c->min_p > 0)
        kept = cut_min_p(s->candidates, kept, c->min_p);
    const double draw = (double)kw_rng_uniform(c->seed, STREAM, index) *
                        weight_sum(s->candidates, kept, c->temperature);
    double sum = 0;
    for (size_t i = 0; i < kept; i++) {
        sum += (double)kw_expf((s->candidates[i].logit - s->candidates[0].logit) / c->temperature);
        if (draw < sum)
            return s->candidates[i].id;
    }
    return s->candidates[kept - 1].id;
}
