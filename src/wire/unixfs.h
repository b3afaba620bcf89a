/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unixfs.h - files and folders as graphs of blocks.
 *
 * The layout is the profile `unixfs-v1-2025` (IPIP-0499): raw leaves of 1 MiB, parents of at most
 * 1,024 links, all leaves equally deep, CIDv1 by SHA-256; a file of one leaf is that leaf. Two who
 * add the same file get the same name. */
#ifndef KW_WIRE_UNIXFS_H
#define KW_WIRE_UNIXFS_H

#include "wire/dag_pb.h"

#define KW_UNIXFS_LEAF_BYTES ((size_t)1 << 20)
#define KW_UNIXFS_WIDTH ((size_t)1024)

enum {
    KW_UNIXFS_RAW = 0,
    KW_UNIXFS_DIRECTORY = 1,
    KW_UNIXFS_FILE = 2,
    KW_UNIXFS_METADATA = 3,
    KW_UNIXFS_SYMLINK = 4,
    KW_UNIXFS_HAMT = 5
};

/* ---- building a file ---- */

typedef struct kw_unixfs_builder kw_unixfs_builder;

typedef struct kw_unixfs_config {
    size_t leaf_bytes, width; /* 0: the profile's */
    kw_sha256_fn kernel;      /* NULL: the scalar one; for the parents alone */
    /* Each parent as soon as it is complete, children before it. block is a view for the call. May
     * be NULL. */
    kw_status (*parent)(void *user, const kw_cid *cid, kw_bytes block, kw_error *err);
    void *user;
} kw_unixfs_config;

kw_status kw_unixfs_open(const kw_unixfs_config *config, kw_unixfs_builder **out, kw_error *err);
/* The next leaf in the order of the file, by the digest that the caller computed. Each but the last
 * has leaf_bytes. Memory: 48 KiB for each level of parents, whatever the size of the file. */
kw_status kw_unixfs_leaf(kw_unixfs_builder *builder, const uint8_t sha256[32], size_t bytes,
                         kw_error *err);
/* The name of the file; without a leaf that of the empty one. total (may be NULL): bytes of all its
 * blocks, as a directory's link says. */
kw_status kw_unixfs_finish(kw_unixfs_builder *builder, kw_cid *root, uint64_t *total,
                           kw_error *err);
void kw_unixfs_free(kw_unixfs_builder *builder);

/* ---- reading ---- */

typedef struct kw_unixfs_node {
    unsigned type;      /* KW_UNIXFS_... */
    uint64_t file_size; /* of a file: bytes below and in it */
    kw_bytes data;      /* bytes of the file in the node itself, before its children's */
    kw_dag_node dag;
    kw_bytes sizes; /* for kw_unixfs_next */
} kw_unixfs_node;

typedef struct kw_unixfs_child {
    kw_dag_link link;
    uint64_t size; /* of a file: bytes of the file below this child */
} kw_unixfs_child;

typedef struct kw_unixfs_walk {
    kw_pb links, sizes;
} kw_unixfs_walk;

/* A block of codec dag-pb. Of a file, the sizes of its children and its own bytes add up to its
 * size. */
kw_status kw_unixfs_read(kw_bytes block, kw_unixfs_node *out, kw_error *err);
kw_unixfs_walk kw_unixfs_children(const kw_unixfs_node *node);
bool kw_unixfs_next(kw_unixfs_walk *walk, kw_unixfs_child *out);

/* ---- directories ---- */

typedef struct kw_unixfs_entry {
    kw_str name;
    kw_cid cid;
    uint64_t total; /* of kw_unixfs_finish */
} kw_unixfs_entry;

/* The block of a directory; entries ascend by the bytes of their names (KW_E_ARG otherwise). */
kw_status kw_unixfs_directory(const kw_unixfs_entry *entries, size_t n, kw_buf *block,
                              uint64_t *total, kw_error *err);

#endif
