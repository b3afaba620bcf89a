/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sampler_steps.c - the longer steps, as llama.cpp defines them.
 *
 * Sources: Keskar et al. 2019, arXiv:1909.05858 (repetition penalty); Meister et al. 2022,
 * arXiv:2202.00666 (typical); Basu et al. 2020, arXiv:2007.14966 (mirostat); Tang et al. 2024,
 * arXiv:2411.07641 (top-n-sigma); DRY and XTC: p-e-w, text-generation-webui pull requests 5677 and
 * 6335. */
#include "engine/sampler.h"

#include "base/check.h"
#include "base/fmath.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

#define XTC_STREAM 1
#define LN2 0.6931471805599453
#define DRY_LONGEST                                                                                \
    256 /* a repetition counts no further; the penalty is past every logit by then */

/* ---- steps that change logits, flat or in the list ---- */

/* Divides the list's logits by the temperature, before a step adds to them. */
static void settle(kw_draw *d)
{
    for (size_t i = 0; i < d->n && d->divisor != 1.0f; i++)
        d->s->candidates[i].logit /= d->divisor;
    d->divisor = 1;
}

/* Calls change for each token that is marked in `seen` and may come; then clears the marks of
 * ids[n].
 */
static void change_seen(kw_draw *d, const int32_t *ids, size_t n,
                        void (*change)(const kw_constraints *c, int32_t count, float *logit))
{
    kw_sampler *s = d->s;
    float *flat = d->flat ? kw_draw_own(d) : NULL;
    if (!flat)
        settle(d);
    for (size_t i = 0; !flat && i < d->n; i++)
        if (s->seen[s->candidates[i].id] > 0)
            change(s->constraints, s->seen[s->candidates[i].id], &s->candidates[i].logit);
    for (size_t i = 0; i < n; i++) {
        if (flat && s->seen[ids[i]] > 0) /* at its first occurrence */
            change(s->constraints, s->seen[ids[i]], &flat[ids[i]]);
        s->seen[ids[i]] = 0;
    }
    if (!flat)
        kw_draw_sort(d);
}

bool kw_sampler_penalizes(const kw_constraints *c)
{
    return c->repeat_last_n != 0 && (c->repeat_penalty < 1.0f || c->repeat_penalty > 1.0f ||
                                     c->presence_penalty < 0.0f || c->presence_penalty > 0.0f ||
                                     c->frequency_penalty < 0.0f || c->frequency_penalty > 0.0f);
}

static void penalize(const kw_constraints *c, int32_t count, float *logit)
{
    *logit = *logit > 0 ? *logit / c->repeat_penalty : *logit * c->repeat_penalty;
    *logit -= (float)count * c->frequency_penalty + c->presence_penalty;
}

static const int32_t *window_of(const kw_draw *d, int last_n, size_t *n)
{
    *n = last_n < 0 ? d->n_history : KW_MIN(d->n_history, (size_t)last_n);
    return *n > 0 ? d->history + (d->n_history - *n) : d->history;
}

void kw_step_penalties(kw_draw *d)
{
    size_t n;
    const int32_t *recent = window_of(d, d->s->constraints->repeat_last_n, &n);
    for (size_t i = 0; i < n; i++)
        d->s->seen[recent[i]]++;
    change_seen(d, recent, n, penalize);
}

static void penalize_repetition(const kw_constraints *c, int32_t length, float *logit)
{
    const double power = kw_pow((double)c->dry_base, (double)(length - c->dry_allowed_length));
    *logit -= (float)KW_MIN((double)c->dry_multiplier * power, 1e30);
}

/* A token is marked with the length of the longest repetition that it would lengthen: the end of
 * the history, back to a sequence breaker at most, that has stood before this token already. */
void kw_step_dry(kw_draw *d)
{
    size_t n, limit = 0;
    kw_sampler *s = d->s;
    const int allowed = s->constraints->dry_allowed_length;
    const int32_t *h = window_of(d, s->constraints->dry_last_n, &n);
    while (limit < n && limit < (size_t)allowed + DRY_LONGEST &&
           !(s->breaker && s->breaker[h[n - 1 - limit]]))
        limit++;
    if (limit < (size_t)allowed || n < 2)
        return;
    for (size_t j = 0; j + 1 < n; j++) {
        size_t length = 0;
        const int32_t next = h[j + 1];
        while (length < limit && length <= j && h[j - length] == h[n - 1 - length])
            length++;
        if (length >= (size_t)KW_MAX(allowed, 1) && !(s->breaker && s->breaker[next]))
            s->seen[next] = KW_MAX(s->seen[next], (int32_t)length);
    }
    change_seen(d, h, n, penalize_repetition);
}

/* Keeps logits within n deviations of the largest; of those that are finite. */
void kw_step_top_n_sigma(kw_draw *d)
{
    const size_t vocab = (size_t)d->s->vocab;
    const float *flat = d->flat;
    const kw_candidate *c = d->s->candidates;
    const size_t n = flat ? vocab : d->n;
    double sum = 0, squares = 0, count = 0, best = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)(flat ? flat[i] : c[i].logit);
        if (!isfinite(x))
            continue;
        sum += x;
        count++;
        best = KW_MAX(best, x);
    }
    const double mean = sum / KW_MAX(count, 1.0);
    for (size_t i = 0; i < n; i++) {
        const double x = (double)(flat ? flat[i] : c[i].logit);
        squares += isfinite(x) ? (x - mean) * (x - mean) : 0;
    }
    const double least =
        best - (double)d->s->constraints->top_n_sigma * sqrt(squares / KW_MAX(count, 1.0));
    if (flat) {
        float *own = kw_draw_own(d);
        for (size_t i = 0; i < vocab; i++)
            if ((double)own[i] < least)
                own[i] = -INFINITY;
        return;
    }
    while (d->n > 1 && (double)c[d->n - 1].logit < least)
        d->n--;
}

/* ---- steps on the list ---- */

static int by_score(const void *a, const void *b)
{
    const kw_candidate *x = a, *y = b;
    return x->logit < y->logit || (!(x->logit > y->logit) && x->id < y->id) ? -1 : 1;
}

static int by_place(const void *a, const void *b)
{
    const kw_candidate *x = a, *y = b;
    return x->id < y->id ? -1 : 1;
}

/* Entropy of the list in nats; the logarithm of the sum of its weights. */
static double entropy_of(const kw_draw *d, double *log_sum)
{
    const kw_candidate *c = d->s->candidates;
    const double sum = kw_draw_weight_sum(d);
    double entropy = 0;
    *log_sum = kw_log_e(sum);
    for (size_t i = 0; i < d->n; i++) {
        const double w = kw_draw_weight(d, i);
        if (w > 0)
            entropy -= w / sum * ((double)((c[i].logit - c[0].logit) / d->divisor) - *log_sum);
    }
    return entropy;
}

/* Keeps the candidates whose surprise is nearest to the entropy, up to a probability. */
void kw_step_typical_p(kw_draw *d)
{
    kw_draw_list(d, 0);
    kw_candidate *c = d->s->candidates, *scores = d->s->scores;
    double log_sum, kept_p = 0;
    const double entropy = entropy_of(d, &log_sum), sum = kw_draw_weight_sum(d);
    size_t kept = 0;
    if (!isfinite(c[0].logit))
        return;
    for (size_t i = 0; i < d->n; i++) {
        const double surprise = log_sum - (double)((c[i].logit - c[0].logit) / d->divisor);
        scores[i] = (kw_candidate){(float)fabs(surprise - entropy), (int32_t)i};
    }
    qsort(scores, d->n, sizeof *scores, by_score);
    while (kept < d->n && !(kept_p > (double)d->s->constraints->typical_p))
        kept_p += kw_draw_weight(d, (size_t)scores[kept++].id) / sum;
    qsort(scores, kept, sizeof *scores, by_place);
    for (size_t i = 0; i < kept; i++)
        c[i] = c[scores[i].id];
    d->n = kept;
}

/* Now and then leaves out all but the last of those that are likely enough. */
void kw_step_xtc(kw_draw *d)
{
    const kw_constraints *c = d->s->constraints;
    kw_draw_list(d, 0);
    if (c->xtc_threshold > 0.5f || d->n < 2 || !isfinite(d->s->candidates[0].logit) ||
        kw_rng_uniform(c->seed, XTC_STREAM, d->index) > c->xtc_probability)
        return;
    const double least = (double)c->xtc_threshold * kw_draw_weight_sum(d);
    size_t likely = 0;
    while (likely < d->n && kw_draw_weight(d, likely) >= least)
        likely++;
    for (size_t i = 1; likely > 1 && likely - 2 + i < d->n; i++)
        d->s->candidates[i - 1] = d->s->candidates[likely - 2 + i];
    if (likely > 1)
        d->n -= likely - 1;
}

void kw_step_temperature(kw_draw *d)
{
    const kw_constraints *c = d->s->constraints;
    double temperature = (double)c->temperature;
    if (c->dynatemp_range > 0) {
        kw_draw_list(d, 0);
        if (d->n < 2 || !isfinite(d->s->candidates[0].logit))
            return;
        double log_sum;
        const double low = KW_MAX(0.0, temperature - (double)c->dynatemp_range);
        const double high = temperature + (double)c->dynatemp_range;
        const double share = entropy_of(d, &log_sum) / kw_log_e((double)d->n);
        temperature = low + (high - low) * kw_pow(KW_MAX(share, 0.0), (double)c->dynatemp_exponent);
        temperature = KW_MAX(temperature, 1e-6);
    } else if (d->flat) {
        kw_draw_list(d, 0);
    }
    d->divisor *= (float)temperature;
}

/* ---- mirostat ---- */

/* Version 1: the exponent of Zipf's law from the 100 likeliest, and how many to keep for it. */
static size_t zipf_cut(const kw_draw *d)
{
    double products = 0, squares = 0;
    const size_t most = KW_MIN((size_t)100, d->n);
    for (size_t i = 0; i + 1 < most; i++) {
        const double next = kw_draw_weight(d, i + 1);
        if (!(next > 0))
            break;
        const double t = kw_log_e((double)(i + 2) / (double)(i + 1));
        products += t * kw_log_e(kw_draw_weight(d, i) / next);
        squares += t * t;
    }
    const double s = squares > 0 ? products / squares : 0, epsilon = s - 1;
    const double vocab = (double)d->s->vocab;
    const double below = 1 - kw_pow(vocab, -epsilon);
    if (!(s > 0) || !(below < 0 || below > 0))
        return d->n;
    const double k = kw_pow(epsilon * kw_exp(d->s->mu * LN2) / below, 1 / s);
    return k >= 1 && k < (double)d->n ? (size_t)k : k < 1 ? 1 : d->n;
}

/* Version 2: those that surprise no more than mu bits. */
static size_t surprise_cut(const kw_draw *d)
{
    const double least = kw_draw_weight_sum(d) * kw_exp(-d->s->mu * LN2);
    size_t kept = 1;
    while (kept < d->n && kw_draw_weight(d, kept) >= least)
        kept++;
    return kept;
}

int32_t kw_step_mirostat(kw_draw *d)
{
    const kw_constraints *c = d->s->constraints;
    kw_step_temperature(d);
    kw_draw_list(d, 0);
    if (!isfinite(d->s->candidates[0].logit))
        return d->s->candidates[0].id;
    d->n = c->mirostat == 1 ? zipf_cut(d) : surprise_cut(d);
    const size_t place = kw_draw_pick(d);
    const double p = kw_draw_weight(d, place) / kw_draw_weight_sum(d);
    if (p > 0)
        d->s->mu -= (double)c->mirostat_eta * (-kw_log_e(p) / LN2 - (double)c->mirostat_tau);
    return d->s->candidates[place].id;
}
