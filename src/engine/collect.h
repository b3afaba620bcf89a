/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* collect.h - makes an importance matrix: what goes into each weight while a model reads a text. */
#ifndef KW_ENGINE_COLLECT_H
#define KW_ENGINE_COLLECT_H

#include <kwaai/kwaai.h>

typedef struct kw_collect_config {
    int window;          /* tokens read from an empty context at a time */
    size_t max_windows;  /* 0: all */
    const char *dataset; /* what the text is called in the file */
    bool (*progress)(void *user, size_t done, size_t n); /* false stops with KW_E_CANCELLED */
    void *user;
} kw_collect_config;

/* Reads the tokens and writes the sums of squares to `path`, whole or not at all. Fills *n_entries
 * and *n_windows. */
kw_status kw_imatrix_collect(kw_model *model, const int32_t *tokens, size_t n_tokens,
                             const char *path, const kw_collect_config *config, size_t *n_entries,
                             size_t *n_windows, kw_error *err);

#endif
