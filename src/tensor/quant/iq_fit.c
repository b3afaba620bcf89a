/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq_fit.c - scales and codebook entries of one superblock that leave little weighted squared
 * error.
 *
 * For a given scale the entry found is the best there is, signs included. The error of an entry is
 * a sum over its weights, hence over its halves: two small tables hold the error of every half, and
 * an entry costs one addition. Entries are sorted by their upper half, so most runs are skipped
 * because their upper half alone leaves more than the best entry so far.
 *
 * Where the number of minus signs must be even and is not, one weight has to take the wrong sign:
 * the tables exist a second time with the cheapest such mistake in that half.
 *
 * Scales: each group is searched at TRIALS scales, which gives as many choices of codes and for
 * each the error as a function of the scale, a parabola. The superblock's d and the scale codes are
 * chosen by the lower envelope of these, then codes are searched again under what will be decoded,
 * and d is fitted to them, ROUNDS times.
 *
 * Every step has a fixed order, so the result does not depend on the compiler. */
#include "tensor/quant/iq_fit.h"

#include "base/check.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/fit_k.h"
#include "tensor/quant/iq_grids.h"

#include <math.h>

enum { TRIALS = 5, ROUNDS = 2, CANDIDATES = 16, LANES = 8, MAX_GROUPS = 16 };

/* ---- codebooks ---- */

static int level_of(uint32_t half, int at, int shift)
{
    return (int)(half >> (8 * at) & 127) >> shift;
}

/* Halves of four weights of three levels, or of two weights of eight; ascends as entries do. */
static uint8_t half_code(const kw_iq_spec *spec, uint32_t half)
{
    const int shift = spec->level_shift;
    if (spec->four)
        return (uint8_t)(8 * level_of(half, 1, shift) + level_of(half, 0, shift));
    return (uint8_t)(12 * (3 * level_of(half, 3, shift) + level_of(half, 2, shift)) +
                     3 * level_of(half, 1, shift) + level_of(half, 0, shift));
}

void kw_iq_book_make(kw_iq_book *book, const kw_iq_spec *spec)
{
    kw_assert(spec->n_entries <= KW_IQ_MAX_ENTRIES);
    book->spec = spec;
    int next = 0;
    for (int i = 0; i < spec->n_entries; i++) {
        const uint64_t entry = spec->four ? spec->four[i] : spec->eight[i];
        const int half_bits = spec->four ? 16 : 32;
        book->high[i] = half_code(spec, (uint32_t)(entry >> half_bits));
        book->low[i] = half_code(spec, (uint32_t)entry);
        while (next <= book->high[i])
            book->begin[next++] = (uint16_t)i;
    }
    while (next <= KW_IQ_HALVES)
        book->begin[next++] = (uint16_t)spec->n_entries;
}

/* ---- the best entry of some weights at one scale ---- */

/* -2 s v and s^2 v^2 of the levels v of a codebook, times a scale s. */
typedef struct levels {
    float linear[8], square[8];
} levels;

static levels levels_at(const kw_iq_spec *spec, float s, float shift)
{
    static const float magnitude[5][8] = {[1] = {1, 3, 5, 7, 9, 11, 13, 15},
                                          [3] = {4, 12, 20, 28, 36, 44, 52, 62},
                                          [4] = {8, 25, 43}};
    levels out = {0};
    for (int i = 0; i < 8; i++) {
        const float v = spec->signs >= KW_IQ_SHIFT_GROUP ? 8.0f * (float)(i - 1) + shift
                                                         : magnitude[spec->level_shift][i];
        const float sv = s * v;
        out.linear[i] = -2.0f * sv;
        out.square[i] = sv * sv;
    }
    return out;
}

/* The errors of the halves of an entry; [1]: with the cheapest wrong sign in it. */
typedef struct half_costs {
    float low[2][KW_IQ_HALVES], high[2][KW_IQ_HALVES];
    /* Nothing in low is smaller than `least`, nothing in row r of high than row_least[r]. */
    float least, row_least[9];
} half_costs;

/* out[i][j] = p[i] + q[j], or the smaller of the two. */
static inline void outer(float *restrict out, const float *restrict p, const float *restrict q,
                         int n, int stride, bool smaller)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < stride; j++)
            out[i * stride + j] = !smaller ? p[i] + q[j] : p[i] < q[j] ? p[i] : q[j];
}

static inline float smallest(const float *p, int n)
{
    float least = p[0];
    for (int i = 1; i < n; i++)
        least = p[i] < least ? p[i] : least;
    return least;
}

/* Codes of a half are rows of its upper half's codes. */
static inline int n_rows(const kw_iq_spec *spec)
{
    return spec->four ? 8 : 9;
}

static inline int stride(const kw_iq_spec *spec)
{
    return spec->four ? 8 : 12;
}

/* cost[i][l]: error of weight i at level l. */
static void right_halves(half_costs *out, const kw_iq_spec *spec, float cost[8][8])
{
    float pair[4][12];
    const int n = n_rows(spec);
    for (int i = 0; i < 4 && !spec->four; i++) {
        outer(pair[i], cost[2 * i + 1], cost[2 * i], 3, 3, false);
        pair[i][9] = pair[i][10] = pair[i][11] = INFINITY;
    }
    const float *part[4];
    for (int i = 0; i < 4; i++)
        part[i] = spec->four ? cost[i] : pair[i];
    if (spec->four) {
        outer(out->low[0], part[1], part[0], 8, 8, false);
        outer(out->high[0], part[3], part[2], 8, 8, false);
    } else {
        outer(out->low[0], part[1], part[0], 9, 12, false);
        outer(out->high[0], part[3], part[2], 9, 12, false);
    }
    out->least = smallest(part[1], n) + smallest(part[0], n);
    const float high = smallest(part[2], n);
    for (int r = 0; r < n; r++)
        out->row_least[r] = part[3][r] + high;
}

/* cost[i][l]: what a wrong sign of weight i at level l adds. */
static void wrong_halves(half_costs *out, const kw_iq_spec *spec, float cost[8][8])
{
    if (spec->four) {
        outer(out->low[1], cost[1], cost[0], 8, 8, true);
        outer(out->high[1], cost[3], cost[2], 8, 8, true);
    } else {
        float pair[4][12];
        for (int i = 0; i < 4; i++) {
            outer(pair[i], cost[2 * i + 1], cost[2 * i], 3, 3, true);
            pair[i][9] = pair[i][10] = pair[i][11] = INFINITY;
        }
        outer(out->low[1], pair[1], pair[0], 9, 12, true);
        outer(out->high[1], pair[3], pair[2], 9, 12, true);
    }
    for (int i = 0; i < n_rows(spec) * stride(spec); i++) {
        out->low[1][i] += out->low[0][i];
        out->high[1][i] += out->high[0][i];
    }
}

/* w, wx: weights of the error of an entry's elements, and these times |x| (iq1: x). */
static void cost_halves(half_costs *out, const kw_iq_spec *spec, const float *w, const float *wx,
                        const levels *at, bool wrong)
{
    const int n = spec->four ? 4 : 8;
    float cost[8][8];
    for (int i = 0; i < n; i++)
        for (int l = 0; l < 8; l++)
            cost[i][l] = w[i] * at->square[l] + wx[i] * at->linear[l];
    right_halves(out, spec, cost);
    if (!wrong)
        return;
    for (int i = 0; i < n; i++)
        for (int l = 0; l < 8; l++)
            cost[i][l] = -2.0f * (wx[i] * at->linear[l]);
    wrong_halves(out, spec, cost);
}

typedef struct found {
    float cost;
    int entry;
} found;

/* Replaces *best by a better entry, if there is one. low, high: tables of costs, either of two. */
static void scan(found *best, const kw_iq_book *book, const half_costs *costs, const float *low,
                 const float *high)
{
    const int width = stride(book->spec);
    const float least = costs->least;
    found now = *best;
    for (int row = 0; row < n_rows(book->spec); row++) {
        if (!(costs->row_least[row] + least < now.cost))
            continue;
        for (int code = row * width; code < (row + 1) * width; code++) {
            const float base = high[code];
            if (!(base + least < now.cost))
                continue;
            for (int i = book->begin[code]; i < book->begin[code + 1]; i++) {
                const float cost = base + low[book->low[i]];
                if (cost < now.cost)
                    now = (found){cost, i};
            }
        }
    }
    *best = now;
}

/* The best entry with all signs right, or with one of them wrong; `guess` is a likely entry. */
static found best_entry(const kw_iq_book *book, const half_costs *costs, bool wrong, int guess)
{
    const float *const low = costs->low[0], *const high = costs->high[0];
    const int low_code = book->low[guess], high_code = book->high[guess];
    if (!wrong) {
        found best = {low[low_code] + high[high_code], guess};
        scan(&best, book, costs, low, high);
        return best;
    }
    const float a = costs->low[1][low_code] + high[high_code];
    const float b = low[low_code] + costs->high[1][high_code];
    found best = {a < b ? a : b, guess};
    scan(&best, book, costs, costs->low[1], high);
    scan(&best, book, costs, low, costs->high[1]);
    return best;
}

/* ---- one superblock ---- */

/* Sums over a group for some choice of codes q: the error at scale s is s (s qq - 2 xq), beside a
 * constant. */
typedef struct trial {
    float xq, qq;
} trial;

static float error_at(trial t, float s)
{
    return s * (s * t.qq - 2.0f * t.xq);
}

typedef struct search {
    const kw_iq_book *book;
    const kw_iq_spec *spec;
    int n_groups, n_trials;
    float w[KW_QK_K], wx[KW_QK_K]; /* wx: w |x|, or w x where there are no signs */
    uint8_t minus[KW_QK_K / 8];    /* signs of x, a bit each */
    trial trials[MAX_GROUPS][TRIALS + ROUNDS];
    float suits[MAX_GROUPS]; /* the scale with the least error among the trials */
    kw_iq_codes now;
} search;

static void begin(search *s, const kw_iq_book *book, const float *x, const float *w)
{
    *s = (search){.book = book, .spec = book->spec, .n_groups = KW_QK_K / book->spec->group};
    for (int i = 0; i < KW_QK_K; i++)
        s->w[i] = w ? w[i] : 1.0f;
    kw_fit_emphasis(s->w, x, s->w);
    const bool has_signs = s->spec->signs < KW_IQ_SHIFT_GROUP;
    for (int i = 0; i < KW_QK_K; i++) {
        s->wx[i] = s->w[i] * (has_signs ? fabsf(x[i]) : x[i]);
        s->minus[i / 8] = (uint8_t)(s->minus[i / 8] | (x[i] < 0.0f) << (i % 8));
    }
}

/* Signs of eight weights from `minus`, one of them changed where their number is odd: the one that
 * costs least for the weights q. */
static uint8_t even_signs(uint8_t minus, const float wx[8], const float q[8])
{
    if (kw_even_signs(minus) == minus)
        return minus;
    int at = 0;
    for (int i = 1; i < 8; i++)
        at = wx[i] * q[i] < wx[at] * q[at] ? i : at;
    return (uint8_t)(minus ^ 1 << at);
}

/* The weights of an entry in absolute value, or 8 * (w + 1) for iq1. */
static void magnitudes(const kw_iq_spec *spec, float *q, int entry)
{
    const uint64_t bytes = spec->four ? spec->four[entry] : spec->eight[entry];
    for (int i = 0; i < (spec->four ? 4 : 8); i++)
        q[i] = (float)(bytes >> (8 * i) & 127);
}

/* Finds the entries of eight weights with signs, e = their index in eights. */
static void search_signed(search *s, int e, const levels *at)
{
    const kw_iq_spec *const spec = s->spec;
    const int n = spec->four ? 2 : 1, width = 8 / n;
    const bool wrong = spec->signs == KW_IQ_EVEN && kw_even_signs(s->minus[e]) != s->minus[e];
    uint16_t *const entry = s->now.entry + n * e;
    found right[2], one_wrong[2];
    for (int i = 0; i < n; i++) {
        half_costs costs;
        const int first = 8 * e + width * i;
        cost_halves(&costs, spec, s->w + first, s->wx + first, at, wrong);
        if (!wrong || n == 2)
            right[i] = best_entry(s->book, &costs, false, entry[i]);
        if (wrong)
            one_wrong[i] = best_entry(s->book, &costs, true, entry[i]);
    }
    int at_wrong = wrong ? 0 : -1;
    if (wrong && n == 2 && right[0].cost + one_wrong[1].cost < one_wrong[0].cost + right[1].cost)
        at_wrong = 1;
    for (int i = 0; i < n; i++)
        entry[i] = (uint16_t)(i == at_wrong ? one_wrong[i] : right[i]).entry;
}

/* The sums of eight weights whose codes are chosen, into lanes. */
static void add_signed(search *s, int e, float xq[LANES], float qq[LANES])
{
    const kw_iq_spec *const spec = s->spec;
    float q[8];
    for (int i = 0; i < (spec->four ? 2 : 1); i++)
        magnitudes(spec, q + 4 * i, s->now.entry[(spec->four ? 2 : 1) * e + i]);
    const float *const w = s->w + 8 * e, *const wx = s->wx + 8 * e;
    const uint8_t minus = s->minus[e];
    const uint8_t sign = spec->signs == KW_IQ_EVEN ? even_signs(minus, wx, q) : minus;
    s->now.sign[e] = sign;
    for (int i = 0; i < 8; i++) {
        const float right = (sign ^ minus) >> i & 1 ? -1.0f : 1.0f;
        xq[i] += wx[i] * q[i] * right;
        qq[i] += w[i] * q[i] * q[i];
    }
}

/* Finds the entries of n eights from e on, without signs, for both shifts, and keeps the better. */
static void search_shifted(search *s, int e, int n, const levels at[2])
{
    uint16_t entry[2][4];
    float cost[2] = {0.0f, 0.0f};
    for (int shift = 0; shift < 2; shift++) {
        for (int i = 0; i < n; i++) {
            half_costs costs;
            const int first = 8 * (e + i);
            cost_halves(&costs, s->spec, s->w + first, s->wx + first, &at[shift], false);
            const found best = best_entry(s->book, &costs, false, s->now.entry[e + i]);
            entry[shift][i] = (uint16_t)best.entry;
            cost[shift] += best.cost;
        }
    }
    const int better = cost[1] < cost[0];
    for (int i = 0; i < n; i++) {
        s->now.entry[e + i] = entry[better][i];
        s->now.sign[e + i] = (uint8_t)better;
    }
}

static void add_shifted(search *s, int e, float xq[LANES], float qq[LANES])
{
    float q[8];
    magnitudes(s->spec, q, s->now.entry[e]);
    for (int i = 0; i < 8; i++) {
        const float v = q[i] - (s->now.sign[e] ? 9.0f : 7.0f);
        xq[i] += s->wx[8 * e + i] * v;
        qq[i] += s->w[8 * e + i] * v * v;
    }
}

static float sum(const float lane[LANES])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* The codes of group g for a scale. */
static trial search_group(search *s, int g, float scale)
{
    const kw_iq_spec *const spec = s->spec;
    const int n = spec->group / 8, first = n * g;
    const levels at[2] = {levels_at(spec, scale, 1.0f), levels_at(spec, scale, -1.0f)};
    float xq[LANES] = {0}, qq[LANES] = {0};
    if (spec->signs == KW_IQ_SHIFT_GROUP)
        search_shifted(s, first, n, at);
    for (int e = first; e < first + n; e++) {
        if (spec->signs == KW_IQ_SHIFT_ENTRY)
            search_shifted(s, e, 1, at);
        if (spec->signs < KW_IQ_SHIFT_GROUP) {
            search_signed(s, e, &at[0]);
            add_signed(s, e, xq, qq);
        } else {
            add_shifted(s, e, xq, qq);
        }
    }
    return (trial){sum(xq), sum(qq)};
}

/* Tries TRIALS scales for each group. Returns the largest scale that suits a group best. */
static float try_scales(search *s, const float *x)
{
    const kw_iq_spec *const spec = s->spec;
    float largest = 0.0f;
    for (int g = 0; g < s->n_groups; g++) {
        float peak = 0.0f, best = 0.0f, best_scale = 0.0f;
        for (int i = g * spec->group; i < (g + 1) * spec->group; i++)
            peak = fabsf(x[i]) > peak ? fabsf(x[i]) : peak;
        for (int t = 0; t < TRIALS; t++) {
            const float step = (spec->wide - spec->narrow) / (float)(TRIALS - 1);
            const trial at = search_group(s, g, peak / (spec->narrow + step * (float)t));
            const float scale = at.xq / at.qq;
            s->trials[g][t] = at;
            if (error_at(at, scale) < best) {
                best = error_at(at, scale);
                best_scale = scale;
            }
        }
        s->suits[g] = best_scale;
        largest = best_scale > largest ? best_scale : largest;
    }
    s->n_trials = TRIALS;
    return largest;
}

/* The least error that a group is known to reach at a scale. */
static float least_error(const search *s, int g, float scale)
{
    float best = error_at(s->trials[g][0], scale);
    for (int t = 1; t < s->n_trials; t++) {
        const float error = error_at(s->trials[g][t], scale);
        best = error < best ? error : best;
    }
    return best;
}

/* The scale code of each group under d (with its factor), as far as is known. Returns the error. */
static float choose_codes(const search *s, float d, uint8_t sc[MAX_GROUPS])
{
    const float inverse = kw_fit_inverse(d);
    float total = 0.0f;
    for (int g = 0; g < s->n_groups; g++) {
        float best = INFINITY;
        sc[g] = 0;
        const float near = (s->suits[g] * inverse - 1.0f) * 0.5f;
        const int low = (int)kw_fit_round(near - 1.0f, 0.0f, (float)s->spec->top);
        for (int code = low; code <= KW_MIN(low + 2, s->spec->top); code++) {
            const float error = least_error(s, g, d * (float)(2 * code + 1));
            if (error < best) {
                best = error;
                sc[g] = (uint8_t)code;
            }
        }
        total += best;
    }
    return total;
}

/* The d under which the largest scale becomes the top code, or a bit less or more, whichever leaves
 * the least error. */
static float choose_d(const search *s, float largest)
{
    const float top = (float)(2 * s->spec->top + 1);
    float best = INFINITY, best_d = largest / top;
    uint8_t sc[MAX_GROUPS];
    for (int i = 0; i < CANDIDATES; i++) {
        const float d = largest / (top * (1.1f - 0.03f * (float)i));
        const float error = choose_codes(s, d, sc);
        if (error < best) {
            best = error;
            best_d = d;
        }
    }
    return best_d;
}

/* Searches all groups under d and the scale codes, adding a trial to each. Returns the error;
 * *d_out: the d that suits the codes best. */
static float search_under(search *s, float d, float *d_out)
{
    float error = 0.0f, xq = 0.0f, qq = 0.0f;
    for (int g = 0; g < s->n_groups; g++) {
        const float sc = (float)(2 * s->now.sc[g] + 1);
        const trial at = search_group(s, g, d * sc);
        s->trials[g][s->n_trials] = at;
        error += error_at(at, d * sc);
        xq += sc * at.xq;
        qq += sc * sc * at.qq;
    }
    s->n_trials++;
    *d_out = xq / qq;
    return error;
}

/* Sum of weighted squares. */
static float length(const search *s, const float *x)
{
    float sum = 0.0f;
    for (int i = 0; i < KW_QK_K; i++)
        sum += s->w[i] * x[i] * x[i];
    return sum;
}

void kw_iq_fit(kw_iq_codes *out, const kw_iq_book *book, const float *x, const float *w)
{
    search s;
    begin(&s, book, x, w);
    *out = s.now;
    const float factor = book->spec->factor, largest = try_scales(&s, x);
    if (!(largest > 0.0f) || !isfinite(largest))
        return;
    float d = choose_d(&s, largest), best = INFINITY;
    for (int round = 0; round < ROUNDS && isfinite(d); round++) {
        s.now.d = kw_fit_f16(d / factor);
        const float stored = kw_f32_from_f16(s.now.d) * factor;
        (void)choose_codes(&s, stored, s.now.sc);
        const float error = search_under(&s, stored, &d);
        if (!(error < best))
            break;
        best = error;
        *out = s.now;
    }
    const float xx = length(&s, x);
    out->d = kw_fit_lengthen(out->d, xx + best, xx); /* best: the error less xx */
}
