/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* file_hash.h - the SHA-256 of a file and of each of its leaves, which are the blocks by which it
 * travels.
 *
 * A leaf is 1 MiB, the last one what is left; an empty file has one empty leaf (profile
 * unixfs-v1-2025). The tree above the leaves follows from their digests and the size alone. */
#ifndef KW_HUB_FILE_HASH_H
#define KW_HUB_FILE_HASH_H

#include "base/error.h"
#include "os/dir.h"
#include "wire/unixfs.h"

#include <stdbool.h>

#define KW_LEAF_SIZE KW_UNIXFS_LEAF_BYTES

typedef struct kw_file_hash {
    kw_file_state state; /* of the file, before and after it was read */
    uint8_t sha256[32];
    uint8_t (*leaves)[32]; /* owned, [n_leaves] */
    size_t n_leaves;
} kw_file_hash;

typedef struct kw_hash_config {
    int n_threads; /* at most; one of them is the caller's. 0: one */
    bool sha_extension;
    /* Called on the caller's thread after about every leaf; false ends it with KW_E_CANCELLED. May
     * be NULL. */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *user;
} kw_hash_config;

/* Leaves of a file of this size. */
uint64_t kw_leaf_count(uint64_t size);
/* Reads the file once, mapped. A file that changes meanwhile is KW_E_IO. */
kw_status kw_file_hash_make(const char *path, const kw_hash_config *config, kw_file_hash *out,
                            kw_error *err);
void kw_file_hash_free(kw_file_hash *hash);

#endif
