/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* predictions.h - a file of what a model predicted for each token of a text (see score.c). */
#ifndef KW_ENGINE_PREDICTIONS_H
#define KW_ENGINE_PREDICTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kw_prediction {
    float scale, lowest; /* log probability = scale * code + lowest */
    const void *codes;   /* u16 [vocab], at any address */
} kw_prediction;

typedef struct kw_predictions kw_predictions;

/* vocab: what it must have; 0: any. Sizes are checked against the file. */
kw_status kw_predictions_open(const char *path, int vocab, kw_predictions **out, kw_error *err);
void kw_predictions_close(kw_predictions *p);
int kw_predictions_window(const kw_predictions *p);
const int32_t *kw_predictions_tokens(const kw_predictions *p, size_t *n);
/* One after the other; fails behind the last. */
kw_status kw_predictions_next(kw_predictions *p, kw_prediction *out, kw_error *err);
uint16_t kw_prediction_code(const kw_prediction *p, int token);

typedef struct kw_predictions_shape {
    int window, vocab;
    size_t windows;
    const int32_t *tokens; /* [windows * window] */
} kw_predictions_shape;

typedef struct kw_predictions_writer kw_predictions_writer;
kw_status kw_predictions_create(const char *path, const kw_predictions_shape *shape,
                                kw_predictions_writer **out, kw_error *err);
/* logits [vocab], their largest, and the logarithm of the sum of their exponentials. */
kw_status kw_predictions_add(kw_predictions_writer *writer, const float *logits, float max,
                             double norm, kw_error *err);
/* Commits when ok, else removes; frees the writer either way. */
kw_status kw_predictions_finish(kw_predictions_writer *writer, bool ok, kw_error *err);

#endif
