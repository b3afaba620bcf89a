/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit_k.c - scales of superblocks: the largest of a superblock's scales becomes the largest stored
 * value, or one of the next few, whichever leaves the least error; ties keep the earlier one. */
#include "tensor/quant/fit_k.h"

#include "base/check.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/fit_values.h"

enum { ANCHORS = 4, MAX_GROUPS = KW_QK_K / 16 };

/* What the search is about. */
typedef struct problem {
    const kw_fit_shape *shape;
    const float *x, *w;       /* [256] */
    float s[MAX_GROUPS];      /* scales as fitted, one a group */
    float offset[MAX_GROUPS]; /* likewise, not stored yet */
} problem;

static size_t n_groups(const kw_fit_shape *shape)
{
    return KW_QK_K / shape->group;
}

static const float *weights(const float *w, float ones[KW_QK_K])
{
    for (size_t i = 0; i < KW_QK_K; i++)
        ones[i] = 1.0f;
    return w ? w : ones;
}

static void fit_codes(kw_fit_super *out, const kw_fit_shape *shape, const float *x)
{
    const float d = kw_f32_from_f16(out->d), dmin = kw_f32_from_f16(out->dmin);
    for (size_t g = 0; g < n_groups(shape); g++) {
        const size_t at = g * shape->group;
        const float s = d * (float)out->sc[g], offset = dmin * (float)out->m[g];
        if (shape->values)
            kw_fit_values_codes(out->codes + at, x + at, shape->group, shape->values, s);
        else
            kw_fit_codes(out->codes + at, x + at, shape->group, shape->lo, shape->hi, s, offset);
    }
}

/* ---- scale and offset ---- */

/* The stored pair of group g nearest to what was fitted, or a neighbour when it gives less error.
 * Returns the error. */
static float fit_pair(const problem *p, size_t g, float d, float dmin, int8_t *sc_out,
                      uint8_t *m_out)
{
    const kw_fit_shape *const shape = p->shape;
    const int top = shape->sc_hi;
    const size_t at = g * shape->group;
    const int sc_near = (int)kw_fit_round(p->s[g] * kw_fit_inverse(d), 0.0f, (float)top);
    const int m_near = (int)kw_fit_round(p->offset[g] * kw_fit_inverse(dmin), 0.0f, (float)top);
    float best = INFINITY;
    *sc_out = (int8_t)sc_near;
    *m_out = (uint8_t)m_near;
    for (int sc = KW_MAX(sc_near - 1, 0); sc <= KW_MIN(sc_near + 1, top); sc++) {
        for (int m = KW_MAX(m_near - 1, 0); m <= KW_MIN(m_near + 1, top); m++) {
            const float error = kw_fit_error(p->x + at, p->w + at, shape->group, 0.0f, shape->hi,
                                             d * (float)sc, dmin * (float)m);
            if (error < best) {
                best = error;
                *sc_out = (int8_t)sc;
                *m_out = (uint8_t)m;
            }
        }
    }
    return best;
}

/* Replaces *best where these d and dmin leave less error, or where there is none yet. Returns
 * whether it did. */
static bool try_pairs(kw_fit_super *best, const problem *p, float d, float dmin, bool first)
{
    kw_fit_super now = {.d = kw_fit_f16(d), .dmin = kw_fit_f16(dmin)};
    for (size_t g = 0; g < n_groups(p->shape); g++)
        now.error += fit_pair(p, g, kw_f32_from_f16(now.d), kw_f32_from_f16(now.dmin), &now.sc[g],
                              &now.m[g]);
    if (!first && !(now.error < best->error))
        return false;
    *best = now;
    return true;
}

void kw_fit_super_affine(kw_fit_super *out, const kw_fit_shape *shape, const float *x,
                         const float *w)
{
    float ones[KW_QK_K], s_max = 0.0f, m_max = 0.0f;
    problem p = {.shape = shape, .x = x, .w = weights(w, ones)};
    for (size_t g = 0; g < n_groups(shape); g++) {
        const size_t at = g * shape->group;
        kw_fit_affine(x + at, p.w + at, shape->group, shape->hi, &p.s[g], &p.offset[g]);
        s_max = KW_MAX(s_max, p.s[g]);
        m_max = KW_MAX(m_max, p.offset[g]);
    }
    const float top = (float)shape->sc_hi;
    float d = s_max / top;
    try_pairs(out, &p, d, m_max / top, true);
    for (int anchor = 1; anchor < ANCHORS; anchor++) {
        const float tried = s_max / (top - (float)anchor);
        if (try_pairs(out, &p, tried, m_max / top, false))
            d = tried;
    }
    for (int anchor = 1; anchor < ANCHORS && m_max > 0.0f; anchor++)
        try_pairs(out, &p, d, m_max / (top - (float)anchor), false);
    fit_codes(out, shape, x);
}

/* ---- scale alone ---- */

static float group_scale(const problem *p, size_t g)
{
    const kw_fit_shape *const shape = p->shape;
    const float *const x = p->x + g * shape->group, *const w = p->w + g * shape->group;
    return shape->values ? kw_fit_values_scale(x, w, shape->group, shape->values)
                         : kw_fit_scale(x, w, shape->group, shape->lo, shape->hi);
}

static float group_error(const problem *p, size_t g, float s)
{
    const kw_fit_shape *const shape = p->shape;
    const float *const x = p->x + g * shape->group, *const w = p->w + g * shape->group;
    return shape->values ? kw_fit_values_error(x, w, shape->group, shape->values, s)
                         : kw_fit_error(x, w, shape->group, shape->lo, shape->hi, s, 0.0f);
}

/* The stored scale of group g nearest to what was fitted, or a neighbour when it gives less error.
 * Returns the error. */
static float fit_step(const problem *p, size_t g, float d, int8_t *out)
{
    const int lo = p->shape->sc_lo, hi = p->shape->sc_hi;
    const int near = (int)kw_fit_round(p->s[g] * kw_fit_inverse(d), (float)lo, (float)hi);
    float best = INFINITY;
    *out = (int8_t)near;
    for (int sc = KW_MAX(near - 1, lo); sc <= KW_MIN(near + 1, hi); sc++) {
        const float error = group_error(p, g, d * (float)sc);
        if (error < best) {
            best = error;
            *out = (int8_t)sc;
        }
    }
    return best;
}

void kw_fit_super_scale(kw_fit_super *out, const kw_fit_shape *shape, const float *x,
                        const float *w)
{
    float ones[KW_QK_K], s_max = 0.0f;
    problem p = {.shape = shape, .x = x, .w = weights(w, ones)};
    for (size_t g = 0; g < n_groups(shape); g++) {
        p.s[g] = group_scale(&p, g);
        s_max = fabsf(p.s[g]) > fabsf(s_max) ? p.s[g] : s_max;
    }
    *out = (kw_fit_super){.error = INFINITY};
    for (int anchor = 0; anchor < ANCHORS && s_max != 0.0f; anchor++) {
        kw_fit_super now = {.d = kw_fit_f16(s_max / (float)(shape->sc_lo + anchor))};
        for (size_t g = 0; g < n_groups(shape); g++)
            now.error += fit_step(&p, g, kw_f32_from_f16(now.d), &now.sc[g]);
        if (anchor == 0 || now.error < out->error) /* NaN keeps the first */
            *out = now;
    }
    fit_codes(out, shape, x);
}
