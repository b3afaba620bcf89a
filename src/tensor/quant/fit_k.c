/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit_k.c - scales of superblocks, by fixed searches; ties keep the earlier candidate, so the
 * result is a function of the input alone.
 *
 * Scale (and offset) of each group are a least-squares fit to the nearest codes of several starts;
 * the error of such a fit follows from its sums, so that a start costs one pass. The largest
 * becomes the largest stored value, or one of the next few; then stored values move to their
 * neighbours, and d and dmin are fitted to all codes at once.
 *
 * The groups stand side by side: a lane is a group of 16 or half a group of 32, so that a compiler
 * may use vectors without changing a bit. The halves of a group always hold the same sums. */
#include "tensor/quant/fit_k.h"

#include "base/check.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/fit_values.h"

#include <float.h>
#include <stdbool.h>

enum { LANES = 16, STEPS = 5, INNER = 2, POLISH = 2, ANCHORS = 4 };

static const float STEP = 0.2f, SPREAD = 1e-5f;

/* Errors below this share of the sum of squares are equal: rounding of the sums hides them. */
static const float NOISE = 1e-6f;

/* What the search is about. */
typedef struct problem {
    const kw_fit_shape *shape;
    size_t n_groups;
    float x[KW_QK_K], w[KW_QK_K]; /* element i of lane l at i * LANES + l */
} problem;

/* A value of each lane. */
typedef struct lanes {
    float at[LANES];
} lanes;

/* Sums over each group, as are the errors below. */
typedef struct moments {
    lanes w, wx, wxx; /* of the weights alone */
    lanes q, qq, xq;  /* with the codes of a scale and offset */
} moments;

static size_t group_of(const problem *p, size_t lane)
{
    return lane < p->n_groups ? lane : lane - p->n_groups;
}

static void transpose(const problem *p, const float *x, float *out)
{
    for (size_t l = 0; l < LANES; l++) {
        const size_t half = l < p->n_groups ? 0 : p->shape->group / 2;
        const size_t from = group_of(p, l) * p->shape->group + half;
        for (size_t i = 0; i < LANES; i++)
            out[i * LANES + l] = x[from + i];
    }
}

/* Gives both halves of a group the sum of the two. */
static void join(const problem *p, lanes *sums)
{
    for (size_t l = 0; l < LANES / 2 && p->n_groups < LANES; l++)
        sums->at[l] = sums->at[l + LANES / 2] = sums->at[l] + sums->at[l + LANES / 2];
}

static void sum_weights(const problem *p, moments *out)
{
    lanes w = {{0}}, wx = {{0}}, wxx = {{0}};
    for (size_t i = 0; i < KW_QK_K; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float product = p->w[i + l] * p->x[i + l];
            w.at[l] += p->w[i + l];
            wx.at[l] += product;
            wxx.at[l] += product * p->x[i + l];
        }
    }
    join(p, &w);
    join(p, &wx);
    join(p, &wxx);
    out->w = w;
    out->wx = wx;
    out->wxx = wxx;
}

/* Fills q, qq, xq for the codes nearest to (x + m) / s. */
static void sum_codes(const problem *p, const lanes *s, const lanes *m, moments *out)
{
    const float lo = p->shape->lo, hi = p->shape->hi;
    lanes inverse, offset = *m, q = {{0}}, qq = {{0}}, xq = {{0}};
    for (size_t l = 0; l < LANES; l++)
        inverse.at[l] = kw_fit_inverse(s->at[l]);
    for (size_t i = 0; i < KW_QK_K; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float x = p->x[i + l];
            const float code = kw_fit_round((x + offset.at[l]) * inverse.at[l], lo, hi);
            const float product = p->w[i + l] * code;
            q.at[l] += product;
            qq.at[l] += product * code;
            xq.at[l] += product * x;
        }
    }
    join(p, &q);
    join(p, &qq);
    join(p, &xq);
    out->q = q;
    out->qq = qq;
    out->xq = xq;
}

/* sum w (x - (s q - m))^2 for the nearest q. */
static void errors(const problem *p, const lanes *s, const lanes *m, lanes *out)
{
    const float lo = p->shape->lo, hi = p->shape->hi;
    lanes inverse, scale = *s, offset = *m, error = {{0}};
    for (size_t l = 0; l < LANES; l++)
        inverse.at[l] = kw_fit_inverse(s->at[l]);
    for (size_t i = 0; i < KW_QK_K; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float up = p->x[i + l] + offset.at[l];
            const float diff = up - scale.at[l] * kw_fit_round(up * inverse.at[l], lo, hi);
            error.at[l] += p->w[i + l] * diff * diff;
        }
    }
    join(p, &error);
    *out = error;
}

/* ---- the groups, each alone ---- */

/* The least-squares (s, m) for the codes summed in `t`, m at least `least`, kept where it leaves
 * less error than what is there. */
static void solve_affine(const moments *t, const lanes *least, lanes *s, lanes *m, lanes *best)
{
    for (size_t l = 0; l < LANES; l++) {
        const float w = t->w.at[l], wx = t->wx.at[l];
        const float q = t->q.at[l], qq = t->qq.at[l], xq = t->xq.at[l];
        const float spread =
            w * qq - q * q; /* of the codes; without any there is no offset to fit */
        const float inverse = 1.0f / spread;
        const float m_free = (q * xq - qq * wx) * inverse;
        const bool free = m_free >= least->at[l] && spread > SPREAD * w * qq;
        const float offset = free ? m_free : least->at[l];
        const float scale = free ? (w * xq - wx * q) * inverse : (xq + offset * q) / qq;
        const float sum = t->wxx.at[l] + 2.0f * (offset * wx - scale * xq) + scale * scale * qq +
                          offset * (offset * w - 2.0f * scale * q);
        const float error = KW_MAX(sum, NOISE * t->wxx.at[l]);
        /* Infinities and NaN fail one of these. */
        const bool better =
            error < best->at[l] && scale >= 0.0f && scale <= FLT_MAX && offset <= FLT_MAX;
        best->at[l] = better ? error : best->at[l];
        s->at[l] = better ? scale : s->at[l];
        m->at[l] = better ? offset : m->at[l];
    }
}

/* -smallest (at least 0) and the range of each group; a range of 0 where there is nothing to fit.
 */
static void ranges(const problem *p, lanes *low, lanes *range)
{
    lanes least = {{0}}, most;
    memcpy(most.at, p->x, sizeof most.at);
    for (size_t i = 0; i < KW_QK_K; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float x = p->x[i + l];
            least.at[l] = x < least.at[l] ? x : least.at[l];
            most.at[l] = x > most.at[l] ? x : most.at[l];
        }
    }
    for (size_t l = 0; l < LANES / 2 && p->n_groups < LANES; l++) {
        const size_t other = l + LANES / 2;
        least.at[l] = least.at[other] = KW_MIN(least.at[l], least.at[other]);
        most.at[l] = most.at[other] = KW_MAX(most.at[l], most.at[other]);
    }
    for (size_t l = 0; l < LANES; l++) {
        const float span = most.at[l] - least.at[l];
        low->at[l] = least.at[l] >= -FLT_MAX ? -least.at[l] : 0.0f;
        range->at[l] = span <= FLT_MAX ? span : 0.0f;
    }
}

/* A scale s >= 0 and an offset m >= 0 that make sum w (x - (s q - m))^2 small for q in [0, hi]: the
 * best of several starts, polished. Groups are moved to begin at 0 meanwhile, where sums keep their
 * precision. */
static void fit_affine(const problem *p, lanes *s, lanes *m, moments *t)
{
    problem moved = *p;
    lanes low, range, start, best, least;
    static const lanes zeros;
    ranges(p, &low, &range);
    for (size_t i = 0; i < KW_QK_K; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            moved.x[i + l] += low.at[l];
    sum_weights(&moved, t);
    *s = *m = zeros;
    for (size_t l = 0; l < LANES; l++) {
        least.at[l] = -low.at[l];
        best.at[l] = range.at[l] > 0.0f ? INFINITY : -INFINITY; /* nothing is better than that */
    }
    for (int step = -STEPS; step <= STEPS; step++) {
        for (size_t l = 0; l < LANES; l++)
            start.at[l] = range.at[l] / (p->shape->hi + STEP * (float)step);
        lanes offset = zeros, gain;
        for (size_t l = 0; l < LANES; l++)
            gain.at[l] = range.at[l] > 0.0f ? INFINITY : -INFINITY;
        for (int inner = 0; inner < INNER; inner++) {
            sum_codes(&moved, &start, &offset, t);
            solve_affine(t, &least, &start, &offset, &gain);
        }
        for (size_t l = 0; l < LANES; l++) {
            const bool better = gain.at[l] < best.at[l];
            best.at[l] = better ? gain.at[l] : best.at[l];
            s->at[l] = better ? start.at[l] : s->at[l];
            m->at[l] = better ? offset.at[l] : m->at[l];
        }
    }
    for (int round = 0; round < POLISH; round++) {
        sum_codes(&moved, s, m, t);
        solve_affine(t, &least, s, m, &best);
    }
    for (size_t l = 0; l < LANES; l++)
        m->at[l] += low.at[l];
    sum_weights(p, t);
}

static void solve_scale(const moments *t, lanes *s, lanes *best)
{
    for (size_t l = 0; l < LANES; l++) {
        const float scale = t->xq.at[l] / t->qq.at[l];
        const float error = KW_MAX(t->wxx.at[l] - scale * t->xq.at[l], NOISE * t->wxx.at[l]);
        const bool better = error < best->at[l] && fabsf(scale) <= FLT_MAX;
        best->at[l] = better ? error : best->at[l];
        s->at[l] = better ? scale : s->at[l];
    }
}

/* The element of largest magnitude of each group, the earlier of two; 0 where that is no number. */
static void peaks(const problem *p, lanes *out)
{
    lanes peak = {{0}}, size = {{0}}; /* the magnitude beside it, as in kw_fit_peak */
    for (size_t i = 0; i < KW_QK_K; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            const float x = p->x[i + l], now = fabsf(x);
            peak.at[l] = now > size.at[l] ? x : peak.at[l];
            size.at[l] = now > size.at[l] ? now : size.at[l];
        }
    for (size_t l = 0; l < LANES / 2 && p->n_groups < LANES; l++) {
        const size_t h = l + LANES / 2;
        const bool second = size.at[h] > size.at[l];
        peak.at[l] = peak.at[h] = second ? peak.at[h] : peak.at[l];
        size.at[l] = size.at[h] = second ? size.at[h] : size.at[l];
    }
    for (size_t l = 0; l < LANES; l++)
        out->at[l] = size.at[l] <= FLT_MAX ? peak.at[l] : 0.0f;
}

/* A scale that makes sum w (x - s q)^2 small for q in [lo, hi], lo < 0 < hi; it may be negative,
 * and is 0 for a group of zeros. */
static void fit_scale(const problem *p, lanes *s, moments *t)
{
    static const lanes zeros;
    const float lo = p->shape->lo;
    lanes peak, start, best;
    peaks(p, &peak);
    sum_weights(p, t);
    for (size_t l = 0; l < LANES; l++) {
        s->at[l] = peak.at[l] / lo;
        best.at[l] = fabsf(peak.at[l]) > 0.0f ? INFINITY : -INFINITY;
    }
    for (int step = -STEPS; step <= STEPS; step++) {
        for (size_t l = 0; l < LANES; l++)
            start.at[l] = peak.at[l] / (lo + STEP * (float)step);
        sum_codes(p, &start, &zeros, t);
        solve_scale(t, s, &best);
    }
    for (int round = 0; round < POLISH; round++) {
        sum_codes(p, s, &zeros, t);
        solve_scale(t, s, &best);
    }
}

/* ---- the superblock ---- */

/* What the decoder will compute with. */
static void stored(const problem *p, const kw_fit_super *f, lanes *s, lanes *m)
{
    const float d = kw_f32_from_f16(f->d), dmin = kw_f32_from_f16(f->dmin);
    for (size_t l = 0; l < LANES; l++) {
        s->at[l] = d * (float)f->sc[group_of(p, l)];
        m->at[l] = dmin * (float)f->m[group_of(p, l)];
    }
}

static float total_error(const problem *p, const kw_fit_super *f)
{
    lanes s, m, error;
    float sum = 0.0f;
    stored(p, f, &s, &m);
    errors(p, &s, &m, &error);
    for (size_t g = 0; g < p->n_groups; g++)
        sum += error.at[g];
    return sum;
}

/* Replaces *best where these d and dmin, with the nearest stored values, leave less error. */
static bool try_anchor(const problem *p, const lanes *s, const lanes *m, float d, float dmin,
                       kw_fit_super *best)
{
    kw_fit_super now = {.d = kw_fit_f16(d), .dmin = kw_fit_f16(dmin)};
    const float to_sc = kw_fit_inverse(kw_f32_from_f16(now.d));
    const float to_m = kw_fit_inverse(kw_f32_from_f16(now.dmin));
    const float lo = (float)p->shape->sc_lo, hi = (float)p->shape->sc_hi;
    for (size_t g = 0; g < p->n_groups; g++)
        now.m[g] = (uint8_t)kw_fit_round(m->at[g] * to_m, 0.0f, hi);
    for (size_t g = 0; g < p->n_groups; g++)
        now.sc[g] = (int8_t)kw_fit_round(s->at[g] * to_sc, lo, hi);
    now.error = total_error(p, &now);
    if (!(now.error < best->error))
        return false;
    *best = now;
    return true;
}

/* Moves the stored scale of each group by `by` and its offset by `up` where that leaves less error
 * than *error. */
static void try_neighbour(const problem *p, const kw_fit_super *from, int by, int up, lanes *error,
                          kw_fit_super *best)
{
    kw_fit_super now = *from;
    lanes s, m, tried;
    for (size_t g = 0; g < p->n_groups; g++) {
        now.sc[g] = (int8_t)KW_MIN(KW_MAX(from->sc[g] + by, p->shape->sc_lo), p->shape->sc_hi);
        now.m[g] = (uint8_t)KW_MIN(KW_MAX(from->m[g] + up, 0), p->shape->sc_hi);
    }
    stored(p, &now, &s, &m);
    errors(p, &s, &m, &tried);
    for (size_t g = 0; g < p->n_groups; g++) {
        if (!(tried.at[g] < error->at[g]))
            continue;
        error->at[g] = tried.at[g];
        best->sc[g] = now.sc[g];
        best->m[g] = now.m[g];
    }
}

static void try_neighbours(const problem *p, int reach, kw_fit_super *f)
{
    const kw_fit_super from = *f;
    lanes s, m, error;
    stored(p, f, &s, &m);
    errors(p, &s, &m, &error);
    for (int by = -1; by <= 1; by++)
        for (int up = -reach; up <= reach; up++)
            if (by != 0 || up != 0)
                try_neighbour(p, &from, by, up, &error, f);
    f->error = total_error(p, f);
}

/* The least-squares d and dmin for the codes and stored values, kept where they leave less error.
 */
static void refit(const problem *p, moments *t, kw_fit_super *f)
{
    lanes s, m;
    float aa = 0.0f, ab = 0.0f, bb = 0.0f, xa = 0.0f, xb = 0.0f;
    stored(p, f, &s, &m);
    sum_codes(p, &s, &m, t);
    for (size_t g = 0; g < p->n_groups; g++) {
        const float sc = (float)f->sc[g], offset = (float)f->m[g];
        aa += sc * sc * t->qq.at[g];
        ab += sc * offset * t->q.at[g];
        bb += offset * offset * t->w.at[g];
        xa += sc * t->xq.at[g];
        xb += offset * t->wx.at[g];
    }
    const float inverse = 1.0f / (aa * bb - ab * ab), dmin = (ab * xa - aa * xb) * inverse;
    const bool both = bb > 0.0f && dmin >= 0.0f && dmin <= FLT_MAX;
    const float d = both ? (bb * xa - ab * xb) * inverse : xa / aa;
    if (!(fabsf(d) <= FLT_MAX) || (bb > 0.0f && !both))
        return;
    kw_fit_super now = *f;
    now.d = kw_fit_f16(d);
    now.dmin = both ? kw_fit_f16(dmin) : f->dmin;
    now.error = total_error(p, &now);
    if (now.error < f->error)
        *f = now;
}

void kw_fit_emphasis(float out[KW_QK_K], const float *x, const float *w)
{
    float sum = 0.0f;
    for (size_t i = 0; i < KW_QK_K; i++)
        sum += x[i] * x[i];
    const float mean = sum / (float)KW_QK_K;
    for (size_t i = 0; i < KW_QK_K; i++)
        out[i] = w[i] * sqrtf(x[i] * x[i] + mean);
}

uint16_t kw_fit_lengthen(uint16_t d, float error, float xx)
{
    const float share = 1.0f - error / xx;
    return share > 0.5f && share < 1.0f ? kw_fit_f16(kw_f32_from_f16(d) / share) : d;
}

/* Codes of three bits or fewer: the plain weighted error is then not the best aim. */
static bool is_coarse(const kw_fit_shape *shape)
{
    return shape->hi - shape->lo < 8.0f;
}

static void begin(problem *p, const kw_fit_shape *shape, const float *x, const float *w)
{
    float weights[KW_QK_K];
    p->shape = shape;
    p->n_groups = shape->group == KW_QK_K / LANES ? LANES : LANES / 2;
    kw_assert(p->n_groups * shape->group == KW_QK_K);
    for (size_t i = 0; i < KW_QK_K; i++)
        weights[i] = w ? w[i] : 1.0f;
    if (is_coarse(shape))
        kw_fit_emphasis(weights, x, weights);
    transpose(p, x, p->x);
    transpose(p, weights, p->w);
}

/* Sum of weighted squares. */
static float length(const problem *p)
{
    float sum = 0.0f;
    for (size_t i = 0; i < KW_QK_K; i++)
        sum += p->w[i] * p->x[i] * p->x[i];
    return sum;
}

static void fit_codes(kw_fit_super *out, const kw_fit_shape *shape, const float *x)
{
    const float d = kw_f32_from_f16(out->d), dmin = kw_f32_from_f16(out->dmin);
    for (size_t g = 0; g < KW_QK_K / shape->group; g++) {
        const size_t at = g * shape->group;
        const float s = d * (float)out->sc[g], offset = dmin * (float)out->m[g];
        if (shape->values)
            kw_fit_values_codes(out->codes + at, x + at, shape->group, shape->values, s);
        else
            kw_fit_codes(out->codes + at, x + at, shape->group, shape->lo, shape->hi, s, offset);
    }
}

void kw_fit_super_affine(kw_fit_super *out, const kw_fit_shape *shape, const float *x,
                         const float *w)
{
    problem p;
    moments t;
    lanes s, m;
    float s_max = 0.0f, m_max = 0.0f;
    begin(&p, shape, x, w);
    fit_affine(&p, &s, &m, &t);
    for (size_t g = 0; g < p.n_groups; g++) {
        s_max = KW_MAX(s_max, s.at[g]);
        m_max = KW_MAX(m_max, m.at[g]);
    }
    const float top = (float)shape->sc_hi;
    float d = s_max / top;
    *out = (kw_fit_super){.d = kw_fit_f16(d), .error = INFINITY};
    (void)try_anchor(&p, &s, &m, d, m_max / top, out);
    for (int anchor = 1; anchor < ANCHORS; anchor++) {
        const float tried = s_max / (top - (float)anchor);
        d = try_anchor(&p, &s, &m, tried, m_max / top, out) ? tried : d;
    }
    for (int anchor = 1; anchor < ANCHORS && m_max > 0.0f; anchor++)
        (void)try_anchor(&p, &s, &m, d, m_max / (top - (float)anchor), out);
    try_neighbours(&p, 1, out);
    refit(&p, &t, out);
    fit_codes(out, shape, x);
    if (is_coarse(shape)) {
        const float xx = length(&p);
        out->d = kw_fit_lengthen(out->d, out->error, xx);
        out->dmin = kw_fit_lengthen(out->dmin, out->error, xx);
    }
}

/* ---- codes that stand for any values: group by group ---- */

/* The stored scale of a group nearest to s / d, or a neighbour when it gives less error. Returns
 * the error. x, w: of the group */
static float fit_step(const kw_fit_shape *shape, const float *x, const float *w, float s, float d,
                      int8_t *out)
{
    const int lo = shape->sc_lo, hi = shape->sc_hi;
    const int near = (int)kw_fit_round(s * kw_fit_inverse(d), (float)lo, (float)hi);
    float best = INFINITY;
    *out = (int8_t)near;
    for (int sc = KW_MAX(near - 1, lo); sc <= KW_MIN(near + 1, hi); sc++) {
        const float error = kw_fit_values_error(x, w, shape->group, shape->values, d * (float)sc);
        if (error < best) {
            best = error;
            *out = (int8_t)sc;
        }
    }
    return best;
}

static void super_values(kw_fit_super *out, const kw_fit_shape *shape, const float *x,
                         const float *w)
{
    const size_t n_groups = KW_QK_K / shape->group;
    float s[KW_QK_K / 16], ones[KW_QK_K];
    for (size_t i = 0; i < KW_QK_K; i++)
        ones[i] = 1.0f;
    w = w ? w : ones;
    for (size_t g = 0; g < n_groups; g++) {
        const size_t at = g * shape->group;
        s[g] = kw_fit_values_scale(x + at, w + at, shape->group, shape->values);
    }
    const float s_max = kw_fit_peak(s, n_groups);
    *out = (kw_fit_super){.error = INFINITY};
    for (int anchor = 0; anchor < ANCHORS && s_max != 0.0f; anchor++) {
        kw_fit_super now = {.d = kw_fit_f16(s_max / (float)(shape->sc_lo + anchor))};
        const float d = kw_f32_from_f16(now.d);
        for (size_t g = 0; g < n_groups; g++)
            now.error +=
                fit_step(shape, x + g * shape->group, w + g * shape->group, s[g], d, &now.sc[g]);
        if (anchor == 0 || now.error < out->error) /* NaN keeps the first */
            *out = now;
    }
    fit_codes(out, shape, x);
}

void kw_fit_super_scale(kw_fit_super *out, const kw_fit_shape *shape, const float *x,
                        const float *w)
{
    static const lanes zeros;
    problem p;
    moments t;
    lanes s;
    if (shape->values) {
        super_values(out, shape, x, w);
        return;
    }
    begin(&p, shape, x, w);
    fit_scale(&p, &s, &t);
    const float s_max = kw_fit_peak(s.at, p.n_groups);
    *out = (kw_fit_super){.error = INFINITY};
    for (int anchor = 0; anchor < ANCHORS && s_max != 0.0f; anchor++)
        (void)try_anchor(&p, &s, &zeros, s_max / (float)(shape->sc_lo + anchor), 0.0f, out);
    if (s_max != 0.0f) {
        try_neighbours(&p, 0, out);
        refit(&p, &t, out);
    }
    fit_codes(out, shape, x);
    if (is_coarse(shape) && s_max != 0.0f)
        out->d = kw_fit_lengthen(out->d, out->error, length(&p));
}
