/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* merge.h - several models of one shape become one, tensor by tensor. */
#ifndef KW_ENGINE_MERGE_H
#define KW_ENGINE_MERGE_H

#include <kwaai/kwaai.h>

#include "format/model_file.h"

typedef enum kw_merge_method {
    KW_MERGE_LINEAR, /* sum of w_i x_i, the weights divided by their sum */
    KW_MERGE_SLERP,  /* two models: along the arc from the first to the second */
    KW_MERGE_TASK    /* base + sum of w_i (x_i - base) */
} kw_merge_method;

typedef struct kw_merge_step {
    size_t index, n; /* of n tensors */
    kw_str name;
    const char *type; /* as it is written */
} kw_merge_step;

typedef struct kw_merge_config {
    kw_merge_method method;
    kw_model_file *const
        *models;           /* [n_models], two at least. Metadata and tokenizer: the first's */
    const double *weights; /* [n_models]; of slerp: the second one is how far to go, 0 to 1 */
    size_t n_models;
    kw_model_file *base; /* of KW_MERGE_TASK, else NULL */
    const char *type; /* of every matrix that is quantised at all; NULL: as the first model has */
    bool (*progress)(void *user, const kw_merge_step *step); /* false: KW_E_CANCELLED */
    void (*warn)(void *user, const char *message);
    void *user;
} kw_merge_config;

/* Writes the merged model to `path` as GGUF, whole or not at all. Models of different shapes, or
 * with tensors that another lacks, are refused by the tensor's name. Files may be of different
 * kinds and types; they are changed in that vectors may be decoded. */
kw_status kw_merge_models(kw_engine *engine, const char *path, const kw_merge_config *config,
                          kw_error *err);

#endif
