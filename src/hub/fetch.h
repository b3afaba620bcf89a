/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch.h - one file from whoever has it, verified.
 *
 * Where the SHA-256 of each block is known, blocks come from several sources at once and each is
 * verified when it is here; a wrong one counts against its sender and is fetched elsewhere. Where
 * it is not known, nobody could say whose block is wrong: then one source at a time is asked, in
 * the order of preference. Whatever the source, the SHA-256 of the whole file is computed, and
 * compared where it is known, before the file gets its name.
 *
 * Any end but success leaves what is here in a state from which the same call goes on. */
#ifndef KW_HUB_FETCH_H
#define KW_HUB_FETCH_H

#include "hub/growing.h"
#include "hub/source.h"

#define KW_FETCH_SOURCES_MAX 16
#define KW_FETCH_BLOCK ((uint32_t)1 << 20) /* of files whose blocks nobody has named */

typedef struct kw_fetch_share {
    const char *name; /* of the source; static */
    char from[96];    /* what it said of where the bytes come from; "" before it has the file */
    uint64_t bytes;   /* that were taken */
    uint32_t n_bad, n_stalled, n_failed;
    bool dropped;
    char why[240]; /* the last failure, or "" */
} kw_fetch_share;

typedef struct kw_fetch_progress {
    uint64_t size; /* KW_SIZE_UNKNOWN before a source has said it */
    uint64_t bytes, resumed;
    uint64_t bytes_per_s; /* of the last seconds */
    const kw_fetch_share *shares;
    size_t n_shares;
    bool verifying; /* all is here and the rest of the hash is computed */
} kw_fetch_progress;

typedef struct kw_fetch_result {
    uint8_t sha256[32];
    uint64_t size, resumed; /* resumed: bytes that were here before */
    uint64_t peak_bytes;    /* of blocks in memory */
    kw_fetch_share shares[KW_FETCH_SOURCES_MAX];
    size_t n_shares;
} kw_fetch_result;

typedef struct kw_fetch_config {
    kw_want want;
    const kw_source *const *sources; /* borrowed */
    size_t n_sources;
    const uint8_t (*leaves)[32]; /* SHA-256 of each block when they are known already; borrowed */
    size_t n_leaves;
    const char *base;     /* of the partial file: see partial.h */
    const char *path;     /* what the file becomes, in the same file system */
    uint64_t bytes_per_s; /* limit; 0: none */
    uint32_t stall_ms;    /* an ask without a byte for so long is asked elsewhere; 0: 15,000 */
    uint32_t open_ms;     /* how long sources may look for the file; 0: 30,000 */
    uint32_t n_cells;     /* blocks in memory at most; 0: 64 */
    uint32_t seed;        /* of the jitter in waiting times */
    bool sha_extension;   /* the processor has it */
    /* Blocks are wanted in an order that seed draws, where their digests are known: nodes that
     * fetch the same file from each other then have different parts of it. */
    bool scatter;
    kw_growing *growing; /* told of what is here, for others to have; borrowed; NULL: nobody is */
    /* Called about five times a second on the caller's thread; false ends it with KW_E_CANCELLED.
     * May be NULL. */
    bool (*progress)(void *user, const kw_fetch_progress *progress);
    /* Says in which order blocks are wanted, once it can tell: path is the growing file, of which
     * `prefix` bytes are here without a hole. Fills ranks (lower: sooner; 0 at the start) and
     * returns true when it is done. Ranks are below 2^20. Called as the prefix grows. May be NULL.
     */
    bool (*rank)(void *user, const char *path, uint64_t prefix, uint32_t *ranks, uint64_t n_blocks,
                 uint32_t block_size);
    void *user;
} kw_fetch_config;

kw_status kw_fetch(const kw_fetch_config *config, kw_fetch_result *out, kw_error *err);

#endif
