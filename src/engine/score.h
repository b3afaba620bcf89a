/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* score.h - how well a model predicts a text: perplexity, and how far it is from a base model.
 *
 * The text is cut into windows; in each, the tokens of the second half are predicted from all that
 * precede them in the window. The convention, and the file of a base model's predictions, are those
 * of llama.cpp's perplexity, so that figures compare. */
#ifndef KW_ENGINE_SCORE_H
#define KW_ENGINE_SCORE_H

#include <kwaai/kwaai.h>

typedef struct kw_score {
    size_t n_windows, n_scored; /* tokens */
    double ppl, ppl_error;      /* one standard error */
    bool compared;              /* the rest is set */
    double base_ppl;
    double log_ratio, log_ratio_error; /* ln(ppl / base_ppl) */
    double kld, kld_error;             /* mean divergence from the base, in nats */
    double kld_max, kld_999, kld_99, kld_95, kld_90, kld_median, kld_10;
    double same_top, same_top_error; /* share of tokens with the same likeliest next one */
    double p_rms;                    /* root mean square change of the right token's probability */
} kw_score;

typedef struct kw_score_config {
    int window;           /* tokens; the session holds at least as many */
    size_t max_windows;   /* 0: all */
    const char *base_out; /* write the predictions to this file; NULL: do not */
    const char *base_in;  /* compare with those of this file; NULL: do not */
    /* After each window. False stops with KW_E_CANCELLED. */
    bool (*progress)(void *user, const kw_score *so_far, size_t n_windows);
    void *user;
} kw_score_config;

/* tokens: of the whole text; with base_in they and the window come from the file instead. */
kw_status kw_score_tokens(kw_session *session, const int32_t *tokens, size_t n_tokens,
                          const kw_score_config *config, kw_score *out, kw_error *err);
/* The window of a file of predictions, which a session must hold. */
kw_status kw_score_window(const char *base_in, int *window, kw_error *err);

#endif
