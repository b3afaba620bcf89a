/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stores_walk.h - what the scans of the stores share. For stores.c and store_*.c only. */
#ifndef KW_HUB_STORES_WALK_H
#define KW_HUB_STORES_WALK_H

#include "hub/index.h"

#include <stdio.h>

/* Where a scan stands. */
typedef struct kw_walk {
    kw_index *index;
    const char *source; /* as kw_index_source says */
    const char *model, *version;
    kw_owner owner;
    bool blobs_are_named; /* the name of a file with 64 hex digits is its SHA-256 */
    size_t n_entries;     /* of this model so far */
} kw_walk;

typedef kw_status (*kw_walk_fn)(void *user, const char *path, const char *name, kw_error *err);

/* a/b, malloc'ed; just b when a is "". NULL: no memory. */
char *kw_walk_join(const char *a, const char *b);
/* Calls each for the entries of a directory that do not hide; none when it cannot be read. */
kw_status kw_walk_each(const char *dir, kw_walk_fn each, void *user, kw_error *err);
/* Tells the index that the model has this file at place; what is no file is passed over. */
kw_status kw_walk_put(kw_walk *walk, const char *place, const char *file, kw_error *err);
/* 64 lower-case hex digits. */
bool kw_walk_claim(const char *hex, uint8_t out[32]);
/* The scan of Ollama's store. */
kw_status kw_walk_ollama(kw_walk *walk, const char *dir, kw_error *err);

#endif
