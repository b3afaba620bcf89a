/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* imatrix.h - importance matrices: for each weight, the mean square of every column of its inputs.
 *
 * Files: the GGUF form of llama.cpp (NAME.in_sum2 and NAME.counts) and its older binary form. */
#ifndef KW_ENGINE_IMATRIX_H
#define KW_ENGINE_IMATRIX_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

typedef struct kw_imatrix_entry {
    kw_str name; /* of the weight, as GGUF calls it */
    /* [n] mean squares; at least 0, finite. Of experts in one tensor, those of each in turn. */
    const float *values;
    size_t n;
} kw_imatrix_entry;

typedef struct kw_imatrix {
    const char *path;  /* as given */
    kw_str dataset;    /* what it was made from; empty: unknown */
    uint32_t n_chunks; /* of that */
    kw_imatrix_entry *entries;
    size_t n_entries;
    kw_arena arena; /* owns all of it */
} kw_imatrix;

/* Every value is checked. Owned by the caller. */
kw_status kw_imatrix_open(const char *path, kw_imatrix **out, kw_error *err);
/* The same from bytes of the older form; they may be anything. */
kw_status kw_imatrix_parse(kw_str bytes, kw_imatrix *out, kw_error *err);
void kw_imatrix_close(kw_imatrix *imatrix);
/* The importances of a weight; NULL when it has none, or not n of them. */
const float *kw_imatrix_find(const kw_imatrix *imatrix, kw_str name, size_t n);

#endif
