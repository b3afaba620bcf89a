/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sampler.c - from hand-made logits to tokens: which tokens each cut leaves, how often the rest are
 * drawn, penalties, ties, numbers that are none. */
#include "engine/sampler.h"

#include "base/check.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_VOCAB = 2048 };

/* Every cut off, temperature 1. */
static kw_constraints plain(void)
{
    kw_constraints c;
    kw_constraints_init(&c);
    c.temperature = 1;
    c.top_k = 0;
    c.top_p = 1;
    c.min_p = 0;
    return c;
}

static kw_sampler open_sampler(const kw_constraints *c, int64_t vocab)
{
    kw_sampler s;
    assert_int_equal(kw_sampler_open(&s, c, vocab, NULL), KW_OK);
    return s;
}

static int32_t sample_once(const kw_constraints *c, const float *logits, int64_t vocab)
{
    kw_sampler s = open_sampler(c, vocab);
    const int32_t id = kw_sample(&s, logits, NULL, 0, 0);
    kw_sampler_close(&s);
    return id;
}

/* How often each token comes in n draws. */
static void count_draws(const kw_constraints *c, const float *logits, int64_t vocab, int n,
                        int *counts)
{
    kw_sampler s = open_sampler(c, vocab);
    memset(counts, 0, (size_t)vocab * sizeof *counts);
    for (int i = 0; i < n; i++) {
        const int32_t id = kw_sample(&s, logits, NULL, 0, (uint64_t)i);
        assert_in_range(id, 0, vocab - 1);
        counts[id]++;
    }
    kw_sampler_close(&s);
}

/* Exactly the tokens of `kept` (a bit each) are ever drawn. */
static void assert_kept(const kw_constraints *c, const float *logits, int64_t vocab, uint32_t kept)
{
    int counts[32];
    count_draws(c, logits, vocab, 4000, counts);
    for (int i = 0; i < vocab; i++)
        if ((counts[i] > 0) != (kept >> i & 1))
            fail_msg("token %d came %d times", i, counts[i]);
}

/* Logits of probabilities 0.05, 0.5, 0.15, 0.3 (and a constant, which matters to no one). */
static void known_logits(float out[4])
{
    static const double p[4] = {0.05, 0.5, 0.15, 0.3};
    for (int i = 0; i < 4; i++)
        out[i] = (float)(log(p[i]) + 3.5);
}

static void greedy_takes_the_largest(void **state)
{
    kw_constraints c = plain();
    const float one[] = {-3, 2, 7, 1, 6.5f};
    const float ties[] = {-3, 7, 2, 7, 7};
    const float nans[] = {NAN, NAN, -2, NAN, 5, NAN};
    const float all_nan[] = {NAN, NAN, NAN};
    const float infinite[] = {1, INFINITY, 3, INFINITY};
    const float minus[] = {-INFINITY, -INFINITY, -INFINITY};
    (void)state;
    c.temperature = 0;
    assert_int_equal(sample_once(&c, one, 5), 2);
    assert_int_equal(sample_once(&c, ties, 5), 1);
    assert_int_equal(sample_once(&c, nans, 6), 4);
    assert_in_range(sample_once(&c, all_nan, 3), 0, 2);
    assert_int_equal(sample_once(&c, infinite, 4), 1);
    assert_int_equal(sample_once(&c, minus, 3), 0);
}

static void draws_survive_strange_logits(void **state)
{
    kw_constraints c = plain();
    const float nans[] = {NAN, 1, NAN, 1};
    const float all_nan[] = {NAN, NAN, NAN};
    const float infinite[] = {1, INFINITY, 3, INFINITY};
    const float huge[] = {-3e38f, 3e38f, -3e38f, 3e38f};
    (void)state;
    assert_kept(&c, nans, 4, 0xa);
    assert_in_range(sample_once(&c, all_nan, 3), 0, 2);
    assert_int_equal(sample_once(&c, infinite, 4), 1);
    assert_kept(&c, huge, 4, 0xa);
    c.top_k = 3;
    c.top_p = 0.9f;
    c.min_p = 0.1f;
    assert_kept(&c, nans, 4, 0xa);
    assert_in_range(sample_once(&c, all_nan, 3), 0, 2);
}

static void top_k_keeps_k(void **state)
{
    const float logits[] = {1, 4, 3, 3, 5, 3, 0, 2};
    static const uint32_t kept[] = {0xff, 0x10, 0x12, 0x16, 0x1e, 0x3e, 0xbe, 0xbf, 0xff, 0xff};
    kw_constraints c = plain();
    (void)state;
    for (int k = 0; k < 10; k++) { /* ties by id: 2, 3, 5 */
        c.top_k = k;
        c.temperature = k == 0 || k > 6 ? 4.0f : 2.0f;
        assert_kept(&c, logits, 8, kept[k]);
    }
}

/* The k first by logit and then id, in order, as a full sort has them. */
static void top_k_equals_a_sort(void **state)
{
    static float logits[MAX_VOCAB];
    static int order[MAX_VOCAB];
    kw_constraints c = plain();
    (void)state;
    for (uint64_t trial = 0; trial < 40; trial++) {
        const int n = 1 + (int)(kw_rng_u32(3, trial, 0) % 600);
        for (int i = 0; i < n; i++) { /* many ties in half of the trials */
            logits[i] = trial % 2 ? kw_rng_uniform(3, trial, (uint64_t)i + 1)
                                  : (float)(kw_rng_u32(3, trial, (uint64_t)i + 1) % 7);
            int at = i;
            for (; at > 0 && logits[i] > logits[order[at - 1]]; at--)
                order[at] = order[at - 1];
            order[at] = i;
        }
        c.top_k = 1 + (int)(kw_rng_u32(4, trial, 0) % (uint32_t)(n + 5));
        kw_sampler s = open_sampler(&c, n);
        (void)kw_sample(&s, logits, NULL, 0, trial);
        for (int i = 0; i < KW_MIN(c.top_k, n); i++)
            assert_int_equal(s.candidates[i].id, order[i]);
        kw_sampler_close(&s);
    }
}

static void top_p_keeps_the_nucleus(void **state)
{
    static const struct {
        float top_p;
        uint32_t kept;
    } cases[] = {{1, 0xf},     {0.96f, 0xf}, {0.94f, 0xe}, {0.81f, 0xe}, {0.79f, 0xa},
                 {0.51f, 0xa}, {0.49f, 0x2}, {0.01f, 0x2}, {0, 0x2}};
    float logits[4];
    kw_constraints c = plain();
    (void)state;
    known_logits(logits);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        c.top_p = cases[i].top_p;
        assert_kept(&c, logits, 4, cases[i].kept);
    }
    /* of what top-k left: 0.5 and 0.3 are 0.625 and 0.375 of it */
    c.top_k = 2;
    c.top_p = 0.62f;
    assert_kept(&c, logits, 4, 0x2);
    c.top_p = 0.63f;
    assert_kept(&c, logits, 4, 0xa);
}

static void min_p_keeps_what_is_near_the_best(void **state)
{
    static const struct {
        float min_p;
        uint32_t kept;
    } cases[] = {{0, 0xf},     {0.09f, 0xf}, {0.11f, 0xe}, {0.29f, 0xe},
                 {0.31f, 0xa}, {0.59f, 0xa}, {0.61f, 0x2}, {1, 0x2}};
    const float ties[] = {2, 5, 5, 1};
    float logits[4];
    kw_constraints c = plain();
    (void)state;
    known_logits(logits);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        c.min_p = cases[i].min_p;
        assert_kept(&c, logits, 4, cases[i].kept);
    }
    assert_kept(&c, ties, 4, 0x6); /* min_p 1 keeps equals of the best */
    /* the cuts look at probabilities before the temperature */
    c.min_p = 0.31f;
    c.temperature = 50;
    assert_kept(&c, logits, 4, 0xa);
}

static void check_distribution(const kw_constraints *c, const float *logits, int n)
{
    enum { DRAWS = 10000 };
    int counts[32];
    double sum = 0, chi = 0;
    count_draws(c, logits, n, DRAWS, counts);
    for (int i = 0; i < n; i++)
        sum += exp((double)(logits[i] / c->temperature));
    for (int i = 0; i < n; i++) {
        const double want = (double)DRAWS * exp((double)(logits[i] / c->temperature)) / sum;
        chi += (counts[i] - want) * (counts[i] - want) / want;
    }
    /* the mean is n - 1, the deviation sqrt(2 (n - 1)): six of them is no accident */
    if (chi > n - 1 + 6 * sqrt(2.0 * (n - 1)))
        fail_msg("chi square %.1f for %d tokens at temperature %g", chi, n, (double)c->temperature);
}

static void draws_follow_the_probabilities(void **state)
{
    static const float temperatures[] = {0.5f, 0.8f, 1, 1.7f, 100};
    float known[4], many[20];
    kw_constraints c = plain();
    (void)state;
    known_logits(known);
    for (int i = 0; i < 20; i++)
        many[i] = kw_rng_uniform(8, 0, (uint64_t)i) * 3;
    for (size_t i = 0; i < KW_COUNT(temperatures); i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            c.temperature = temperatures[i];
            c.seed = seed * 1000003;
            check_distribution(&c, known, 4);
            check_distribution(&c, many, 20);
        }
}

static void temperature_has_two_ends(void **state)
{
    const float logits[] = {1, 1.01f, 0.99f, -5};
    kw_constraints c = plain();
    (void)state;
    static const float cold[] = {1e-3f, 1e-10f, 1e-37f, 1e-45f};
    for (size_t i = 0; i < KW_COUNT(cold); i++) {
        c.temperature = cold[i];
        assert_kept(&c, logits, 4, 0x2);
    }
    c.temperature = 1000;
    check_distribution(&c, logits, 4);
}

static void draws_depend_on_seed_and_index_alone(void **state)
{
    float logits[64];
    int32_t first[200];
    int n_other = 0;
    kw_constraints c = plain();
    (void)state;
    memset(logits, 0, sizeof logits);
    c.seed = 42;
    kw_sampler s = open_sampler(&c, 64);
    for (uint64_t i = 0; i < 200; i++)
        first[i] = kw_sample(&s, logits, NULL, 0, i);
    for (uint64_t i = 200; i-- > 0;)
        assert_int_equal(kw_sample(&s, logits, NULL, 0, i), first[i]);
    kw_sampler_close(&s);
    c.seed = 43;
    s = open_sampler(&c, 64);
    for (uint64_t i = 0; i < 200; i++)
        n_other += kw_sample(&s, logits, NULL, 0, i) != first[i];
    kw_sampler_close(&s);
    assert_true(n_other > 150);
}

/* The logits that penalties leave, through the winner of a race against rising rivals. */
static float adjusted(const kw_constraints *c, const float *logits, int vocab,
                      const int32_t *history, size_t n, int32_t id)
{
    kw_sampler s = open_sampler(c, vocab);
    (void)kw_sample(&s, logits, history, n, 0);
    const float value = s.adjusted ? s.adjusted[id] : logits[id];
    kw_sampler_close(&s);
    return value;
}

static void assert_logit(float got, double want)
{
    if (fabs((double)got - want) > 1e-6)
        fail_msg("%g, expected %g", (double)got, want);
}

static void penalties_lower_what_was_said(void **state)
{
    const float logits[] = {4, -2, 1, 3, 0};
    const int32_t history[] = {3, 0, 0, 1, 0};
    kw_constraints c = plain();
    (void)state;
    c.repeat_penalty = 2;
    assert_logit(adjusted(&c, logits, 5, history, 5, 0), 2);  /* 4 / 2, once */
    assert_logit(adjusted(&c, logits, 5, history, 5, 1), -4); /* -2 * 2 */
    assert_logit(adjusted(&c, logits, 5, history, 5, 2), 1);
    c.repeat_penalty = 1;
    c.presence_penalty = 0.5f;
    c.frequency_penalty = 0.25f;
    assert_logit(adjusted(&c, logits, 5, history, 5, 0), 4 - 0.5 - 3 * 0.25);
    assert_logit(adjusted(&c, logits, 5, history, 5, 3), 3 - 0.5 - 0.25);
    assert_logit(adjusted(&c, logits, 5, history, 5, 4), 0);
    /* the window: the last two, all, none */
    c.repeat_last_n = 2;
    assert_logit(adjusted(&c, logits, 5, history, 5, 0), 4 - 0.5 - 0.25);
    assert_logit(adjusted(&c, logits, 5, history, 5, 3), 3);
    c.repeat_last_n = -1;
    assert_logit(adjusted(&c, logits, 5, history, 5, 3), 3 - 0.5 - 0.25);
    c.repeat_last_n = 0;
    assert_logit(adjusted(&c, logits, 5, history, 5, 0), 4);
    c.repeat_last_n = 64; /* longer than the history */
    assert_logit(adjusted(&c, logits, 5, history, 5, 0), 4 - 0.5 - 3 * 0.25);
    c.presence_penalty = -1; /* a reward */
    c.frequency_penalty = 0;
    assert_logit(adjusted(&c, logits, 5, history, 5, 0), 5);
}

static void penalties_turn_greedy_away(void **state)
{
    const float logits[] = {4, 3.9f, 1};
    const int32_t history[] = {0, 2};
    kw_constraints c = plain();
    (void)state;
    c.temperature = 0;
    c.presence_penalty = 0.2f;
    kw_sampler s = open_sampler(&c, 3);
    for (int i = 0; i < 3; i++) /* again: nothing is left behind */
        assert_int_equal(kw_sample(&s, logits, history, 2, 0), 1);
    assert_int_equal(kw_sample(&s, logits, history, 0, 0), 0);
    kw_sampler_close(&s);
}

/* ---- the steps that are off unless asked for ---- */

static void logit_bias_comes_first(void **state)
{
    const float logits[] = {4, 3, 1};
    const kw_logit_bias bias[] = {{0, -INFINITY}, {2, 2.5f}, {99, 5}, {-1, 5}};
    kw_constraints c = plain();
    (void)state;
    c.logit_bias = bias;
    c.n_logit_bias = 4;
    assert_kept(&c, logits, 3, 0x6);
    c.temperature = 0;
    assert_int_equal(sample_once(&c, logits, 3), 2);
}

/* The longest suffix of the history that stands before an earlier t, the slow and obvious way. */
static int longest_repetition(const int32_t *h, int n, int32_t t, const bool *breaker)
{
    int longest = 0;
    for (int at = 1; at < n; at++) {
        int length = 0;
        while (length < at && h[at - 1 - length] == h[n - 1 - length] &&
               !(breaker && breaker[h[n - 1 - length]]))
            length++;
        if (h[at] == t && length > longest)
            longest = length;
    }
    return longest;
}

static void dry_lengthens_no_repetition(void **state)
{
    enum { VOCAB = 4, LONGEST = 60 };
    static const float logits[VOCAB] = {1, -1, 0, 2};
    kw_constraints c = plain();
    (void)state;
    c.dry_multiplier = 0.8f;
    c.logit_bias = &(kw_logit_bias){0, 0}; /* so that all logits are seen in s.adjusted */
    c.n_logit_bias = 1;
    for (uint64_t trial = 0; trial < 400; trial++) {
        int32_t h[LONGEST];
        bool breaker[VOCAB] = {false};
        const int n = (int)(kw_rng_u32(11, trial, 0) % LONGEST);
        for (int i = 0; i < n; i++)
            h[i] = (int32_t)(kw_rng_u32(11, trial, (uint64_t)i + 1) % VOCAB);
        breaker[3] = trial % 3 == 0;
        c.dry_allowed_length = 1 + (int)(trial % 3);
        kw_sampler s = open_sampler(&c, VOCAB);
        s.breaker = calloc(VOCAB, 1);
        assert_non_null(s.breaker);
        s.breaker[3] = breaker[3];
        (void)kw_sample(&s, logits, h, (size_t)n, trial);
        for (int32_t t = 0; t < VOCAB; t++) {
            const int length = breaker[t] ? 0 : longest_repetition(h, n, t, breaker);
            const double penalty =
                length >= c.dry_allowed_length ? 0.8 * pow(1.75, length - c.dry_allowed_length) : 0;
            assert_true(fabs((double)s.adjusted[t] - ((double)logits[t] - penalty)) <=
                        1e-5 * (1 + penalty));
        }
        kw_sampler_close(&s);
    }
}

static void top_n_sigma_keeps_what_is_near_the_largest(void **state)
{
    /* mean 2, deviation 2 */
    const float logits[] = {5, 1, 3, -1, 2, -INFINITY};
    kw_constraints c = plain();
    (void)state;
    c.temperature = 5;
    c.top_n_sigma = 0.99f;
    assert_kept(&c, logits, 6, 0x1);
    c.top_n_sigma = 1.01f;
    assert_kept(&c, logits, 6, 0x5);
    c.top_n_sigma = 2.01f;
    assert_kept(&c, logits, 6, 0x17);
    c.top_n_sigma = 0; /* off, as below zero */
    assert_kept(&c, logits, 6, 0x1f);
    const kw_sampler_step late[] = {KW_STEP_TOP_K, KW_STEP_TOP_N_SIGMA, KW_STEP_TEMPERATURE};
    c.samplers = late;
    c.n_samplers = 3;
    c.top_k = 3; /* of 5, 3, 2: mean 10/3, deviation 1.247 */
    c.top_n_sigma = 2.3f;
    assert_kept(&c, logits, 6, 0x5);
}

static void typical_keeps_what_is_neither_sure_nor_strange(void **state)
{
    /* entropy 1.1421 nats; surprises 3.00, 0.69, 1.90, 1.20: in order 3, 1, 2, 0 */
    static const struct {
        float typical;
        uint32_t kept;
    } cases[] = {{1, 0xf}, {0.29f, 0x8}, {0.31f, 0xa}, {0.79f, 0xa}, {0.81f, 0xe}, {0.96f, 0xf}};
    float logits[4];
    kw_constraints c = plain();
    (void)state;
    known_logits(logits);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        c.typical_p = cases[i].typical;
        assert_kept(&c, logits, 4, cases[i].kept);
    }
}

static void xtc_leaves_the_last_of_the_likely(void **state)
{
    int counts[4];
    float logits[4];
    kw_constraints c = plain();
    (void)state;
    known_logits(logits);
    c.xtc_probability = 1;
    c.xtc_threshold = 0.1f; /* 0.5, 0.3 and 0.15 are likely */
    assert_kept(&c, logits, 4, 0x5);
    c.xtc_threshold = 0.2f;
    assert_kept(&c, logits, 4, 0xd);
    c.xtc_threshold = 0.49f; /* one alone stays */
    assert_kept(&c, logits, 4, 0xf);
    c.xtc_threshold = 0.51f; /* off */
    assert_kept(&c, logits, 4, 0xf);
    c.xtc_threshold = 0.2f;
    c.xtc_probability = 0.25f;
    count_draws(&c, logits, 4, 8000, counts);
    assert_in_range(counts[1], 2800, 3200); /* 0.75 of 0.5 */
}

static void dynamic_temperature_follows_the_entropy(void **state)
{
    const float sure[] = {30, 0, 0, 0}, even[] = {1, 1, 1, 1};
    float logits[4];
    int counts[4];
    kw_constraints c = plain();
    (void)state;
    c.temperature = 1;
    c.dynatemp_range = 1; /* from 0 to 2 */
    assert_kept(&c, sure, 4, 0x1);
    assert_kept(&c, even, 4, 0xf);
    /* entropy 1.1421 of 1.3863: a temperature of 1.6477 */
    known_logits(logits);
    count_draws(&c, logits, 4, 20000, counts);
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += exp((double)logits[i] / 1.6477);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(counts[i] / 20000.0 - exp((double)logits[i] / 1.6477) / sum) < 0.02);
    c.dynatemp_exponent = 0; /* always the upper end */
    count_draws(&c, logits, 4, 20000, counts);
    assert_true(fabs(counts[1] / 20000.0 -
                     sqrt(0.5) / (sqrt(0.05) + sqrt(0.5) + sqrt(0.15) + sqrt(0.3))) < 0.02);
}

/* Either version brings the mean surprise near tau, from wherever it starts. */
static void mirostat_reaches_its_surprise(void **state)
{
    enum { VOCAB = 2000, DRAWS = 3000 };
    static float logits[VOCAB];
    double sum = 0;
    (void)state;
    for (int i = 0; i < VOCAB; i++) {
        logits[i] = (float)(-1.1 * log(i + 1.0)); /* Zipf's law */
        sum += exp((double)logits[i]);
    }
    for (int version = 1; version <= 2; version++) {
        for (float tau = 3; tau < 6; tau += 2) {
            kw_constraints c = plain();
            double surprise = 0;
            c.mirostat = version;
            c.mirostat_tau = tau;
            kw_sampler s = open_sampler(&c, VOCAB);
            for (uint64_t i = 0; i < DRAWS; i++) {
                const int32_t id = kw_sample(&s, logits, NULL, 0, i);
                surprise -= log2(exp((double)logits[id]) / sum);
            }
            kw_sampler_close(&s);
            /* measured before the cut it is a little above tau, which is reached after it */
            assert_true(surprise / (double)DRAWS > (double)tau - 0.5 &&
                        surprise / (double)DRAWS < (double)tau + 1.6);
        }
    }
}

static void steps_come_in_the_order_asked_for(void **state)
{
    static const kw_sampler_step cold_first[] = {KW_STEP_TEMPERATURE, KW_STEP_MIN_P};
    static const kw_sampler_step none[] = {KW_STEP_TEMPERATURE};
    static const kw_sampler_step after[] = {KW_STEP_TOP_K, KW_STEP_TEMPERATURE, KW_STEP_PENALTIES};
    static const int32_t history[] = {1};
    float logits[4];
    kw_constraints c = plain();
    (void)state;
    known_logits(logits);
    c.min_p = 0.31f;
    c.temperature = 50;
    c.samplers = cold_first; /* everything is near the best by then */
    c.n_samplers = 2;
    assert_kept(&c, logits, 4, 0xf);
    c.samplers = none;
    c.n_samplers = 1;
    c.top_k = 1;
    assert_kept(&c, logits, 4, 0xf);
    /* what top-k dropped does not come back, and penalties count after the temperature */
    c.samplers = after;
    c.n_samplers = 3;
    c.top_k = 2;
    c.temperature = 1;
    c.presence_penalty = 100;
    kw_sampler s = open_sampler(&c, 4);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(kw_sample(&s, logits, history, 1, i), 3);
    kw_sampler_close(&s);
}

static void values_out_of_range_are_named(void **state)
{
    kw_error err;
    kw_constraints c;
    (void)state;
    kw_constraints_init(&c);
    assert_int_equal(kw_sampler_check(&c, &err), KW_OK);
    c.top_p = NAN;
    assert_int_equal(kw_sampler_check(&c, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "top_p"));
    kw_constraints_init(&c);
    c.dry_base = 0.5f;
    assert_int_equal(kw_sampler_check(&c, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "dry_base 0.5 is not in 1 to 100"));
    kw_constraints_init(&c);
    const kw_sampler_step wrong[] = {(kw_sampler_step)77};
    c.samplers = wrong;
    c.n_samplers = 1;
    assert_int_equal(kw_sampler_check(&c, &err), KW_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_largest),
        cmocka_unit_test(draws_survive_strange_logits),
        cmocka_unit_test(top_k_keeps_k),
        cmocka_unit_test(top_k_equals_a_sort),
        cmocka_unit_test(top_p_keeps_the_nucleus),
        cmocka_unit_test(min_p_keeps_what_is_near_the_best),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(temperature_has_two_ends),
        cmocka_unit_test(draws_depend_on_seed_and_index_alone),
        cmocka_unit_test(penalties_lower_what_was_said),
        cmocka_unit_test(penalties_turn_greedy_away),
        cmocka_unit_test(logit_bias_comes_first),
        cmocka_unit_test(dry_lengthens_no_repetition),
        cmocka_unit_test(top_n_sigma_keeps_what_is_near_the_largest),
        cmocka_unit_test(typical_keeps_what_is_neither_sure_nor_strange),
        cmocka_unit_test(xtc_leaves_the_last_of_the_likely),
        cmocka_unit_test(dynamic_temperature_follows_the_entropy),
        cmocka_unit_test(mirostat_reaches_its_surprise),
        cmocka_unit_test(steps_come_in_the_order_asked_for),
        cmocka_unit_test(values_out_of_range_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
