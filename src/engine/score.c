/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* score.c - perplexity by windows, and divergence from recorded predictions.
 *
 * A file of predictions: "_logits_", i32 window, vocabulary, windows; i32 tokens [windows *
 * window]; then for each scored token f32 scale, f32 lowest, u16 codes [vocabulary, made even]: the
 * log probability of a token is scale * code + lowest. Source: llama.cpp's perplexity. */
#include "engine/score.h"

#include "engine/engine.h"
#include "engine/predictions.h"

#include "base/check.h"
#include "base/fmath.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 64 /* tokens whose logits are in memory */

typedef struct sums {
    double nll, nll2;
    double base, base2, cross; /* of the base's, and of the products */
    double kld, kld2, p2;
    size_t n, n_same;
} sums;

typedef struct scorer {
    kw_session *session;
    const kw_score_config *config;
    const int32_t *tokens; /* [windows * window] */
    size_t windows;
    int window, vocab, bos; /* bos -1: windows begin with their own first token */
    float *logits;          /* [PIECE][vocab] */
    int32_t *ids;           /* [window] */
    float *klds;            /* [scored tokens], when there is a base */
    kw_predictions *base;
    kw_predictions_writer *writer;
    sums sums;
} scorer;

/* Mean and its standard error. */
static double mean(double sum, size_t n)
{
    return n ? sum / (double)n : 0.0;
}

static double variance_of_mean(double sum, double sum2, size_t n)
{
    const double m = mean(sum, n), v = mean(sum2, n) - m * m;
    return v > 0.0 && n > 1 ? v / (double)(n - 1) : 0.0;
}

static double error_of_mean(double sum, double sum2, size_t n)
{
    return sqrt(variance_of_mean(sum, sum2, n));
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, between neighbours. */
static double percentile(const float *sorted, size_t n, double share)
{
    const double at = share * (double)(n - 1);
    const size_t low = (size_t)at, high = KW_MIN(low + 1, n - 1);
    const double rest = at - (double)low;
    return (1.0 - rest) * (double)sorted[low] + rest * (double)sorted[high];
}

static void summarize(const scorer *s, kw_score *out)
{
    const sums *const t = &s->sums;
    const double nll = mean(t->nll, t->n), base = mean(t->base, t->n);
    *out = (kw_score){.n_windows = s->windows, .n_scored = t->n};
    out->ppl = kw_exp(nll);
    out->ppl_error = out->ppl * error_of_mean(t->nll, t->nll2, t->n);
    if (!s->base)
        return;
    const double cov = t->n > 1 ? (mean(t->cross, t->n) - nll * base) / (double)(t->n - 1) : 0.0;
    const double ratio_variance = variance_of_mean(t->nll, t->nll2, t->n) +
                                  variance_of_mean(t->base, t->base2, t->n) - 2.0 * cov;
    out->compared = true;
    out->base_ppl = kw_exp(base);
    out->log_ratio = nll - base;
    out->log_ratio_error = sqrt(KW_MAX(ratio_variance, 0.0));
    out->kld = mean(t->kld, t->n);
    out->kld_error = error_of_mean(t->kld, t->kld2, t->n);
    out->same_top = mean((double)t->n_same, t->n);
    out->same_top_error =
        t->n > 1 ? sqrt(out->same_top * (1.0 - out->same_top) / (double)(t->n - 1)) : 0.0;
    out->p_rms = sqrt(mean(t->p2, t->n));
}

static void summarize_percentiles(scorer *s, kw_score *out)
{
    const size_t n = s->sums.n;
    if (!s->base || n == 0)
        return;
    qsort(s->klds, n, sizeof *s->klds, compare_floats);
    out->kld_max = (double)s->klds[n - 1];
    out->kld_999 = percentile(s->klds, n, 0.999);
    out->kld_99 = percentile(s->klds, n, 0.99);
    out->kld_95 = percentile(s->klds, n, 0.95);
    out->kld_90 = percentile(s->klds, n, 0.9);
    out->kld_median = percentile(s->klds, n, 0.5);
    out->kld_10 = percentile(s->klds, n, 0.1);
}

/* ---- one token ---- */

static float largest(const float *x, int n, int *at)
{
    *at = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[*at])
            *at = i;
    return x[*at];
}

/* ln of the sum of exp(x), given the largest. */
static double log_sum(const float *x, int n, float max)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += (double)kw_expf(x[i] - max);
    return (double)max + kw_log_e(sum);
}

/* The divergence of the logits from the base's next prediction, and the rest of the comparison. */
static kw_status compare(scorer *s, const float *logits, double norm, int top, int32_t right,
                         double nll, kw_error *err)
{
    kw_prediction p;
    KW_TRY(kw_predictions_next(s->base, &p, err));
    double kld = 0.0;
    int base_top = 0;
    uint16_t best = 0;
    for (int i = 0; i < s->vocab; i++) {
        const uint16_t code = kw_prediction_code(&p, i);
        const double lp = (double)p.scale * code + (double)p.lowest;
        if (i == 0 || code > best) {
            best = code;
            base_top = i;
        }
        if (lp > -16.0)
            kld += (double)kw_expf((float)lp) * (lp - (double)logits[i] + norm);
    }
    const double base_nll = -((double)p.scale * kw_prediction_code(&p, right) + (double)p.lowest);
    const double dp = kw_exp(-nll) - kw_exp(-base_nll);
    sums *const t = &s->sums;
    t->base += base_nll;
    t->base2 += base_nll * base_nll;
    t->cross += nll * base_nll;
    t->kld += kld;
    t->kld2 += kld * kld;
    t->p2 += dp * dp;
    t->n_same += top == base_top;
    s->klds[t->n] = (float)kld;
    return KW_OK;
}

static kw_status score_token(scorer *s, const float *logits, int32_t right, kw_error *err)
{
    int top;
    const float max = largest(logits, s->vocab, &top);
    const double norm = log_sum(logits, s->vocab, max);
    const double nll = norm - (double)logits[right];
    if (!isfinite(nll))
        return kw_fail(err, KW_E_FORMAT, "perplexity: the model's logits are not finite");
    if (s->writer)
        KW_TRY(kw_predictions_add(s->writer, logits, max, norm, err));
    if (s->base)
        KW_TRY(compare(s, logits, norm, top, right, nll, err));
    s->sums.nll += nll;
    s->sums.nll2 += nll * nll;
    s->sums.n++;
    return KW_OK;
}

/* ---- windows ---- */

/* The second half of a window; its last token is predicted, never read. */
static kw_status score_window(scorer *s, size_t w, kw_error *err)
{
    const int32_t *const tokens = s->tokens + w * (size_t)s->window;
    const size_t end = (size_t)s->window - 1, first = (size_t)s->window / 2;
    memcpy(s->ids, tokens, (size_t)s->window * sizeof *tokens);
    if (s->bos >= 0)
        s->ids[0] = s->bos;
    KW_TRY(kw_session_rewind(s->session, 0, err));
    KW_TRY(kw_session_advance(s->session, s->ids, first, false, NULL, err));
    for (size_t i = first; i < end; i += PIECE) {
        const size_t n = KW_MIN((size_t)PIECE, end - i);
        KW_TRY(kw_session_advance(s->session, s->ids + i, n, false, s->logits, err));
        for (size_t j = 0; j < n; j++)
            KW_TRY(score_token(s, s->logits + j * (size_t)s->vocab, tokens[i + j + 1], err));
    }
    return KW_OK;
}

static kw_status score_all(scorer *s, kw_score *out, kw_error *err)
{
    for (size_t w = 0; w < s->windows; w++) {
        KW_TRY(score_window(s, w, err));
        kw_score so_far;
        summarize(s, &so_far);
        so_far.n_windows = w + 1;
        if (s->config->progress && !s->config->progress(s->config->user, &so_far, s->windows))
            return kw_fail(err, KW_E_CANCELLED, "perplexity: interrupted");
    }
    summarize(s, out);
    summarize_percentiles(s, out);
    return KW_OK;
}

static kw_status prepare(scorer *s, const int32_t *tokens, size_t n_tokens, kw_error *err)
{
    const kw_score_config *const c = s->config;
    s->vocab = (int)s->session->model->vocab;
    s->window = c->window;
    s->tokens = tokens;
    if (c->base_in) {
        KW_TRY(kw_predictions_open(c->base_in, s->vocab, &s->base, err));
        s->window = kw_predictions_window(s->base);
        s->tokens = kw_predictions_tokens(s->base, &n_tokens);
    }
    if (s->window < 4 || s->window > s->session->context)
        return kw_fail(err, KW_E_ARG, "perplexity: windows of %d tokens (4 to %d)", s->window,
                       s->session->context);
    s->windows = n_tokens / (size_t)s->window;
    if (c->max_windows > 0)
        s->windows = KW_MIN(s->windows, c->max_windows);
    if (s->windows == 0)
        return kw_fail(err, KW_E_ARG, "perplexity: %zu tokens are less than a window of %d",
                       n_tokens, s->window);
    KW_TRY(kw_model_bos(s->session->model, &s->bos, err));
    KW_TRY(kw_session_check_ids(s->session->model, s->tokens, s->windows * (size_t)s->window, err));
    s->logits = malloc((size_t)PIECE * (size_t)s->vocab * sizeof *s->logits);
    s->ids = malloc((size_t)s->window * sizeof *s->ids);
    s->klds = s->base ? malloc(s->windows * (size_t)s->window * sizeof *s->klds) : NULL;
    if (!s->logits || !s->ids || (s->base && !s->klds))
        return kw_fail(err, KW_E_NOMEM, "perplexity: no memory for logits");
    if (c->base_out)
        KW_TRY(kw_predictions_create(
            c->base_out, &(kw_predictions_shape){s->window, s->vocab, s->windows, s->tokens},
            &s->writer, err));
    return KW_OK;
}

kw_status kw_score_tokens(kw_session *session, const int32_t *tokens, size_t n_tokens,
                          const kw_score_config *config, kw_score *out, kw_error *err)
{
    scorer s = {.session = session, .config = config};
    if (kw_net_has(session->model->net, KW_NET_ENCODER))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "perplexity: models with an encoder are not supported");
    atomic_store_explicit(&session->cancel, false, memory_order_relaxed);
    kw_status status = prepare(&s, tokens, n_tokens, err);
    if (status == KW_OK)
        status = score_all(&s, out, err);
    if (s.writer) {
        const kw_status finished =
            kw_predictions_finish(s.writer, status == KW_OK, status == KW_OK ? err : NULL);
        status = status == KW_OK ? finished : status;
    }
    kw_predictions_close(s.base);
    free(s.logits);
    free(s.ids);
    free(s.klds);
    return status;
}

kw_status kw_score_window(const char *base_in, int *window, kw_error *err)
{
    kw_predictions *base;
    KW_TRY(kw_predictions_open(base_in, 0, &base, err));
    *window = kw_predictions_window(base);
    kw_predictions_close(base);
    return KW_OK;
}
