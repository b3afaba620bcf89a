/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull.h - a model from elsewhere into the store: its files, one after the other.
 *
 * A file is kept as STORE/MODEL/FILE. Until it is whole and verified it lies in STORE/.partial
 * under a name that its origin gives it, so that the same pull goes on with it. */
#ifndef KW_HUB_PULL_H
#define KW_HUB_PULL_H

#include "hub/fetch.h"
#include "hub/reference.h"
#include "hub/web.h"

/* A file of a model, as somebody lists it. */
typedef struct kw_listed {
    char name[KW_REF_NAME_MAX + 1];
    char url[KW_REF_URL_MAX + 1]; /* "": none */
    uint64_t size;                /* KW_SIZE_UNKNOWN */
    bool has_sha256, has_root;
    bool inside; /* root is a directory that has a file of this name */
    uint8_t sha256[32];
    kw_cid root;
} kw_listed;

typedef struct kw_listing {
    kw_listed *files; /* owned */
    size_t n;
    char revision[KW_REF_NAME_MAX + 1]; /* what it is there, or "" */
} kw_listing;
#define KW_LISTING_MAX ((size_t)4096)

/* Adds a file; KW_E_LIMIT above KW_LISTING_MAX, KW_E_FORMAT for a name that is not safe. */
kw_status kw_listing_add(kw_listing *listing, kw_str name, kw_listed **out, kw_error *err);
void kw_listing_free(kw_listing *listing);

typedef struct kw_pull_config {
    const char *store;               /* a directory */
    const kw_source *const *sources; /* borrowed */
    size_t n_sources;
    uint64_t bytes_per_s;
    bool sha_extension;
    bool scatter; /* these four: see kw_fetch_config */
    uint32_t seed, n_cells;
    kw_growing *growing;
    bool (*progress)(void *user, const kw_listed *file, const kw_fetch_progress *progress);
    /* See kw_fetch_config. */
    bool (*rank)(void *user, const char *path, uint64_t prefix, uint32_t *ranks, uint64_t n_blocks,
                 uint32_t block_size);
    void *user;
} kw_pull_config;

/* Fetches one file into STORE/model/name; path is where it is then. A file that is there already
 * with the size and SHA-256 that are wanted is not fetched: *there is true. */
kw_status kw_pull_file(const kw_pull_config *config, const char *model, const kw_listed *file,
                       kw_buf *path, kw_fetch_result *result, bool *there, kw_error *err);

#endif
