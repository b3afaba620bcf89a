/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rope.c - inverse frequencies in double precision, by the project's own exp and log, so that every
 * machine computes the same angles.
 * Sources: Su et al. 2021, arXiv:2104.09864; Chen et al. 2023, arXiv:2306.15595 (linear); Llama 3.1
 * model card and its configuration ("llama3"); Peng et al. 2023, arXiv:2309.00071 (YaRN); Ding et
 * al. 2024, arXiv:2402.13753 (LongRoPE: its factors are the file's, its magnitude is here). */
#include "model/blocks/rope.h"

#include "base/check.h"
#include "base/fmath.h"

#include <math.h>

#define TAU 6.283185307179586476925

kw_status kw_rope_scaling_by_name(kw_str name, kw_rope_scaling *out, kw_error *err)
{
    static const struct {
        const char *name;
        kw_rope_scaling scaling;
    } names[] = {{"", KW_ROPE_PLAIN},        {"none", KW_ROPE_PLAIN},    {"default", KW_ROPE_PLAIN},
                 {"linear", KW_ROPE_LINEAR}, {"llama3", KW_ROPE_LLAMA3}, {"yarn", KW_ROPE_YARN},
                 {"longrope", KW_ROPE_LONG}, {"su", KW_ROPE_LONG}};
    for (size_t i = 0; i < KW_COUNT(names); i++)
        if (kw_str_is(name, names[i].name)) {
            *out = names[i].scaling;
            return KW_OK;
        }
    return kw_fail(
        err, KW_E_UNSUPPORTED,
        "config: rope scaling \"%.*s\" is not supported (linear, llama3, yarn, longrope are)",
        KW_FMT(name));
}

/* Keeps short waves, divides long ones, and blends between. */
static double stretch_llama3(const kw_rope_config *c, double freq)
{
    const double wave = TAU / freq;
    if (wave < c->original_context / c->high_freq)
        return freq;
    if (wave > c->original_context / c->low_freq)
        return freq / c->factor;
    const double smooth = (c->original_context / wave - c->low_freq) / (c->high_freq - c->low_freq);
    return (1.0 - smooth) * freq / c->factor + smooth * freq;
}

/* The (fractional) pair that turns `rotations` times within the original context. */
static double yarn_pair(const kw_rope_config *c, int n_rot, double rotations)
{
    return n_rot * kw_log_e(c->original_context / (rotations * TAU)) / (2.0 * kw_log_e(c->base));
}

static double yarn_ramp(const kw_rope_config *c, int n_rot, int pair)
{
    const double low = KW_MAX(floor(yarn_pair(c, n_rot, c->beta_fast)), 0.0);
    double high = KW_MIN(ceil(yarn_pair(c, n_rot, c->beta_slow)), n_rot - 1.0);
    if (high <= low)
        high = low + 0.001;
    const double t = (pair - low) / (high - low);
    return KW_MIN(KW_MAX(t, 0.0), 1.0);
}

double kw_rope_magnitude(const kw_rope_config *c)
{
    const bool stretched = c->scaling == KW_ROPE_YARN || c->scaling == KW_ROPE_LONG;
    if (stretched && c->attention_factor > 0)
        return c->attention_factor;
    if (!stretched || c->factor <= 1.0)
        return 1.0;
    if (c->scaling == KW_ROPE_YARN)
        return 0.1 * kw_log_e(c->factor) + 1.0;
    return c->original_context > 1.0
               ? sqrt(1.0 + kw_log_e(c->factor) / kw_log_e(c->original_context))
               : 1.0;
}

float kw_rope_frequencies(const kw_rope_config *c, int n_rot, double *inv_freq)
{
    for (int i = 0; i < n_rot / 2; i++) {
        const double freq = kw_pow(c->base, -2.0 * i / n_rot);
        inv_freq[i] = freq;
        if (c->scaling == KW_ROPE_LINEAR)
            inv_freq[i] = freq / c->factor;
        if (c->scaling == KW_ROPE_LLAMA3)
            inv_freq[i] = stretch_llama3(c, freq);
        if (c->scaling == KW_ROPE_YARN) {
            const double ramp = yarn_ramp(c, n_rot, i);
            inv_freq[i] = freq / c->factor * ramp + freq * (1.0 - ramp);
        }
    }
    return (float)kw_rope_magnitude(c);
}

size_t kw_rope_factors(const kw_rope_config *c, int n_rot, float *factors)
{
    if (c->scaling != KW_ROPE_LLAMA3)
        return 0;
    for (int i = 0; i < n_rot / 2; i++) {
        const double freq = kw_pow(c->base, -2.0 * i / n_rot);
        factors[i] = (float)(freq / stretch_llama3(c, freq));
    }
    return (size_t)n_rot / 2;
}
