/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_tree.c - the tree of a file, level by level.
 *
 * In the layouts that are read here all leaves are equally deep, so a level is all parents or all
 * leaves, and the next level in order is the children in order. */
#include "hub/fetch_tree.h"

#include "base/check.h"
#include "wire/blocks.h"
#include "wire/unixfs.h"

#include <stdlib.h>

#define DEPTH_MAX 8
#define PATH_DEPTH_MAX 32
#define NODES_MAX ((size_t)1 << 24) /* 16 TiB in leaves of 1 MiB */

typedef struct node {
    kw_cid cid;
    uint64_t size;
} node;

typedef struct level {
    node *nodes; /* owned */
    size_t n, cap;
} level;

static kw_status push(level *l, const kw_cid *cid, uint64_t size, kw_error *err)
{
    if (l->n == NODES_MAX)
        return kw_fail(err, KW_E_LIMIT, "ipfs: more than %zu blocks in a level", NODES_MAX);
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 64;
        node *const more = realloc(l->nodes, cap * sizeof(*more));
        if (!more)
            return kw_fail(err, KW_E_NOMEM, "ipfs: no memory for %zu blocks", cap);
        l->nodes = more;
        l->cap = cap;
    }
    l->nodes[l->n++] = (node){*cid, size};
    return KW_OK;
}

static kw_bytes bytes_of(const kw_buf *buf)
{
    return (kw_bytes){(const uint8_t *)buf->data, buf->len};
}

/* The entry of a directory. */
static kw_status find_entry(const kw_unixfs_node *dir, kw_str name, kw_cid *out, kw_error *err)
{
    kw_unixfs_walk walk = kw_unixfs_children(dir);
    kw_unixfs_child child;
    if (dir->type != KW_UNIXFS_DIRECTORY)
        return kw_fail(err, KW_E_UNSUPPORTED, "ipfs: \"%.*s\" is asked for in what is no directory",
                       KW_FMT(name));
    while (kw_unixfs_next(&walk, &child)) {
        if (kw_str_eq(child.link.name, name)) {
            *out = child.link.cid;
            return KW_OK;
        }
    }
    return kw_fail(err, KW_E_NOTFOUND, "ipfs: the directory has no \"%.*s\"", KW_FMT(name));
}

/* Follows a path from directory to directory. */
static kw_status follow(kw_cid *cid, const char *inside, kw_root_fn fetch, void *user,
                        kw_buf *block, kw_error *err)
{
    for (int depth = 0; inside && *inside; depth++) {
        const size_t len = strcspn(inside, "/");
        kw_unixfs_node dir;
        if (depth == PATH_DEPTH_MAX || cid->codec != KW_CODEC_DAG_PB)
            return kw_fail(err, KW_E_NOTFOUND, "ipfs: no directory has \"%.80s\"", inside);
        KW_TRY(fetch(user, cid, block, err));
        KW_TRY(kw_unixfs_read(bytes_of(block), &dir, err));
        KW_TRY(find_entry(&dir, (kw_str){inside, len}, cid, err));
        inside += len + (inside[len] == '/');
    }
    return KW_OK;
}

/* The children of one parent. */
static kw_status expand(const node *parent, kw_bytes block, level *next, kw_error *err)
{
    kw_unixfs_node n;
    kw_unixfs_child child;
    KW_TRY(kw_unixfs_read(block, &n, err));
    if (n.type == KW_UNIXFS_DIRECTORY || n.type == KW_UNIXFS_HAMT)
        return kw_fail(err, KW_E_UNSUPPORTED, "ipfs: it is a directory: say which file of it");
    if (n.type != KW_UNIXFS_FILE || n.data.len > 0)
        return kw_fail(err, KW_E_UNSUPPORTED, "ipfs: a file whose bytes lie in its parents");
    if (n.file_size != parent->size)
        return kw_fail(err, KW_E_FORMAT, "ipfs: a block says %ju bytes, its parent %ju",
                       (uintmax_t)n.file_size, (uintmax_t)parent->size);
    kw_unixfs_walk walk = kw_unixfs_children(&n);
    while (kw_unixfs_next(&walk, &child))
        KW_TRY(push(next, &child.link.cid, child.size, err));
    return KW_OK;
}

static bool all_of(const level *l, uint32_t codec)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->nodes[i].cid.codec != codec)
            return false;
    }
    return true;
}

/* The last level: raw blocks of one size. */
static kw_status take_leaves(const level *l, kw_root *out, kw_error *err)
{
    const uint64_t first = l->n ? l->nodes[0].size : 0;
    uint64_t size = 0;
    bool even = first <= KW_BLOCK_MAX && (first > 0 || l->n <= 1);
    for (size_t i = 0; i < l->n && even; i++) {
        const node *const leaf = &l->nodes[i];
        even = leaf->cid.hash == KW_HASH_SHA2_256 && leaf->cid.digest_len == 32 &&
               (leaf->size == first || (i + 1 == l->n && leaf->size > 0 && leaf->size < first));
        size += leaf->size;
    }
    if (!even)
        return kw_fail(err, KW_E_UNSUPPORTED, "ipfs: its leaves are not raw blocks of one size");
    uint8_t(*const leaves)[32] = calloc(l->n + 1, sizeof(*leaves));
    if (!leaves)
        return kw_fail(err, KW_E_NOMEM, "ipfs: no memory for %zu digests", l->n);
    for (size_t i = 0; i < l->n; i++)
        memcpy(leaves[i], l->nodes[i].cid.digest, 32);
    *out = (kw_root){.size = size,
                     .leaf_size = (uint32_t)KW_MAX(first, 1),
                     .leaves = leaves,
                     .n_leaves = size > 0 ? l->n : 0};
    return KW_OK;
}

/* block holds the root of the level, which is the only node there, already. */
static kw_status descend(level *at, level *next, kw_root_fn fetch, void *user, kw_buf *block,
                         kw_error *err)
{
    for (int depth = 0; !all_of(at, KW_CODEC_RAW); depth++) {
        if (depth == DEPTH_MAX || !all_of(at, KW_CODEC_DAG_PB))
            return kw_fail(err, KW_E_UNSUPPORTED, "ipfs: its leaves are not equally deep");
        next->n = 0;
        for (size_t i = 0; i < at->n; i++) {
            if (depth > 0)
                KW_TRY(fetch(user, &at->nodes[i].cid, block, err));
            KW_TRY(expand(&at->nodes[i], bytes_of(block), next, err));
        }
        const level swap = *at;
        *at = *next;
        *next = swap;
    }
    return KW_OK;
}

/* The size of the file of this root; a root that is raw is the file. */
static kw_status measure(const kw_cid *root, kw_root_fn fetch, void *user, kw_buf *block,
                         uint64_t *size, kw_error *err)
{
    kw_unixfs_node n;
    KW_TRY(fetch(user, root, block, err));
    *size = block->len;
    if (root->codec == KW_CODEC_RAW)
        return KW_OK;
    if (root->codec != KW_CODEC_DAG_PB)
        return kw_fail(err, KW_E_UNSUPPORTED, "ipfs: a block of codec 0x%x is no file",
                       (unsigned)root->codec);
    KW_TRY(kw_unixfs_read(bytes_of(block), &n, err));
    *size = n.file_size;
    return KW_OK;
}

kw_status kw_root_read(const kw_cid *root, const char *inside, kw_root_fn fetch, void *user,
                       kw_root *out, kw_error *err)
{
    kw_cid cid = *root;
    level at = {0}, next = {0};
    kw_buf block = {0};
    uint64_t size = 0;
    kw_status status = follow(&cid, inside, fetch, user, &block, err);
    if (status == KW_OK)
        status = measure(&cid, fetch, user, &block, &size, err);
    if (status == KW_OK)
        status = push(&at, &cid, size, err);
    if (status == KW_OK)
        status = descend(&at, &next, fetch, user, &block, err);
    if (status == KW_OK)
        status = take_leaves(&at, out, err);
    kw_buf_free(&block);
    free(at.nodes);
    free(next.nodes);
    return status;
}

void kw_root_free(kw_root *tree)
{
    free(tree->leaves);
    *tree = (kw_root){0};
}
