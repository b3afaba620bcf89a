/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* position_bias.c - tables of ALiBi and of T5's relative positions.
 *
 * Sources: Press et al. 2021, arXiv:2108.12409; Raffel et al. 2019, arXiv:1910.10683. Heads that
 * are no power of two, and which side of a boundary between buckets a distance falls on (in f32),
 * are as Hugging Face's build_alibi_tensor and _relative_position_bucket have them. */
#include "model/blocks/position_bias.h"

#include "base/check.h"
#include "base/fmath.h"

#include <stdlib.h>

#define MAX_BUCKETS 4096
#define MAX_DISTANCE 65536

/* Geometric from 2^(-8 / n) to 2^-8 for the largest power of two n; further heads lie between. */
void kw_alibi_slopes(int heads, float *slope)
{
    int n = 1;
    while (n <= heads / 2)
        n *= 2;
    for (int h = 0; h < heads; h++) {
        const double power = h < n ? 8.0 * (h + 1) / n : 4.0 * (2 * (h - n) + 1) / n;
        slope[h] = (float)kw_pow(0.5, power);
    }
}

/* A table of the caller's to fill; NULL sticks. */
static float *new_table(kw_graph *g, int64_t heads, int64_t n)
{
    size_t count, bytes;
    const bool fits = heads > 0 && n > 0 && kw_mul_size((size_t)heads, (size_t)n, &count) &&
                      kw_mul_size(count, sizeof(float), &bytes);
    float *table = fits && g->error.code == KW_OK ? malloc(bytes) : NULL;
    if (!table && g->error.code == KW_OK)
        (void)kw_fail(&g->error, KW_E_NOMEM, "model: no memory for a bias of %lld heads by %lld",
                      (long long)heads, (long long)n);
    return table;
}

kw_ref kw_alibi_bias(kw_graph *g, int heads, int64_t positions, float factor, int *first)
{
    float *table = new_table(g, heads, positions <= INT32_MAX ? positions : 0);
    float *slope = new_table(g, heads, 1);
    kw_ref bias = KW_NONE;
    if (table && slope) {
        kw_alibi_slopes(heads, slope);
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < positions; i++)
                table[h * positions + i] = factor * slope[h] * (float)(i - (positions - 1));
        *first = (int)(1 - positions);
        bias = kw_constant(g, "alibi", SHAPE(heads, positions), table);
    }
    free(table);
    free(slope);
    return bias;
}

int kw_bucket(const kw_bucket_config *c, int64_t distance)
{
    const int n = c->bidirectional ? c->buckets / 2 : c->buckets, exact = n / 2;
    const int base = c->bidirectional && distance > 0 ? n : 0;
    const int64_t away = distance <= 0 ? -distance : c->bidirectional ? distance : 0;
    if (away < exact)
        return base + (int)away;
    const float ratio = kw_logf((float)away / (float)exact) /
                        (float)kw_log_e((double)c->max_distance / (double)exact);
    const int further = (int)KW_MIN(ratio * (float)(n - exact), (float)n);
    return base + KW_MIN(exact + further, n - 1);
}

kw_ref kw_bucket_bias(kw_graph *g, const kw_bucket_config *c, const float *weight, int *first)
{
    const int exact = c->buckets / (c->bidirectional ? 4 : 2);
    if (c->buckets > MAX_BUCKETS || exact < 1 || c->max_distance <= exact ||
        c->max_distance > MAX_DISTANCE) {
        if (g->error.code == KW_OK)
            (void)kw_fail(
                &g->error, KW_E_FORMAT,
                "model: %d buckets of relative positions up to %d (the limits are %d, %d)",
                c->buckets, c->max_distance, MAX_BUCKETS, MAX_DISTANCE);
        return KW_NONE;
    }
    const int64_t n = (int64_t)c->max_distance * (c->bidirectional ? 2 : 1) + 1;
    float *table = new_table(g, c->heads, n);
    if (!table)
        return KW_NONE;
    *first = -c->max_distance;
    for (int64_t i = 0; i < n; i++) {
        const float *row = weight + (int64_t)kw_bucket(c, *first + i) * c->heads;
        for (int64_t h = 0; h < c->heads; h++)
            table[h * n + i] = row[h];
    }
    const kw_ref bias = kw_constant(g, "relative positions", SHAPE(c->heads, n), table);
    free(table);
    return bias;
}
