/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unixfs.c - UnixFS nodes and the balanced layout.
 *
 * Data of a node: {1 type, 2 data, 3 filesize, 4 blocksizes*}. The builder holds the children that
 * have no parent yet, level by level; a level that is full becomes a node of the next one when its
 * next child comes, so that a file whose leaves fill it exactly has no needless root.
 * Source: specs.ipfs.tech, "UnixFS" and IPIP-0499. */
#include "wire/unixfs.h"

#include "base/check.h"

#include <stdlib.h>

enum { TYPE = 1, DATA = 2, FILE_SIZE = 3, BLOCK_SIZES = 4 };
enum { LEVELS_MAX = 16 };

typedef struct child {
    uint8_t digest[32];
    uint64_t size, total; /* of the file below; of all blocks below */
} child;

typedef struct level {
    child *children; /* owned [width] */
    size_t n;
} level;

struct kw_unixfs_builder {
    kw_unixfs_config config;
    level levels[LEVELS_MAX]; /* 0: leaves */
    bool ended;               /* a leaf was short: it is the last */
    kw_buf node, data;        /* owned; reused */
};

kw_status kw_unixfs_open(const kw_unixfs_config *config, kw_unixfs_builder **out, kw_error *err)
{
    kw_unixfs_builder *const builder = calloc(1, sizeof(*builder));
    if (!builder)
        return kw_fail(err, KW_E_NOMEM, "unixfs: out of memory");
    builder->config = *config;
    if (builder->config.leaf_bytes == 0)
        builder->config.leaf_bytes = KW_UNIXFS_LEAF_BYTES;
    if (builder->config.width == 0)
        builder->config.width = KW_UNIXFS_WIDTH;
    if (builder->config.width < 2 || builder->config.width > KW_DAG_LINKS_MAX) {
        kw_unixfs_free(builder);
        return kw_fail(err, KW_E_ARG, "unixfs: parents of %zu links; 2 to %d are possible",
                       config->width, KW_DAG_LINKS_MAX);
    }
    *out = builder;
    return KW_OK;
}

void kw_unixfs_free(kw_unixfs_builder *builder)
{
    if (!builder)
        return;
    for (size_t i = 0; i < LEVELS_MAX; i++)
        free(builder->levels[i].children);
    kw_buf_free(&builder->node);
    kw_buf_free(&builder->data);
    free(builder);
}

static kw_cid cid_of(const child *c, size_t depth)
{
    return kw_cid_of_sha256(depth == 0 ? KW_CODEC_RAW : KW_CODEC_DAG_PB, c->digest);
}

/* Makes the node above the children of a level, which is empty then. */
static kw_status make_parent(kw_unixfs_builder *b, size_t depth, child *out, kw_error *err)
{
    level *const from = &b->levels[depth];
    child parent = {0};
    b->node.len = b->data.len = 0;
    for (size_t i = 0; i < from->n; i++) {
        const kw_cid cid = cid_of(&from->children[i], depth);
        kw_dag_put_link(&b->node, &cid, KW_STR(""), from->children[i].total);
        parent.size += from->children[i].size;
        parent.total += from->children[i].total;
    }
    kw_pb_put_u64(&b->data, TYPE, KW_UNIXFS_FILE);
    kw_pb_put_u64(&b->data, FILE_SIZE, parent.size);
    for (size_t i = 0; i < from->n; i++)
        kw_pb_put_u64(&b->data, BLOCK_SIZES, from->children[i].size);
    kw_dag_put_data(&b->node, (kw_bytes){(const uint8_t *)b->data.data, b->data.len});
    KW_TRY(kw_buf_status(&b->data, err));
    KW_TRY(kw_buf_status(&b->node, err));
    const kw_bytes block = {(const uint8_t *)b->node.data, b->node.len};
    const kw_cid cid = kw_cid_of(KW_CODEC_DAG_PB, block, b->config.kernel);
    memcpy(parent.digest, cid.digest, 32);
    parent.total += block.len;
    from->n = 0;
    *out = parent;
    return b->config.parent ? b->config.parent(b->config.user, &cid, block, err) : KW_OK;
}

/* Adds a child to a level, making room in it and in those above. */
static kw_status push(kw_unixfs_builder *b, size_t depth, child c, kw_error *err)
{
    for (; depth < LEVELS_MAX; depth++) {
        level *const at = &b->levels[depth];
        if (!at->children)
            at->children = calloc(b->config.width, sizeof(child));
        if (!at->children)
            return kw_fail(err, KW_E_NOMEM, "unixfs: out of memory");
        if (at->n < b->config.width) {
            at->children[at->n++] = c;
            return KW_OK;
        }
        child parent;
        KW_TRY(make_parent(b, depth, &parent, err));
        at->children[at->n++] = c;
        c = parent;
    }
    return kw_fail(err, KW_E_LIMIT, "unixfs: a file of more than %d levels", LEVELS_MAX);
}

kw_status kw_unixfs_leaf(kw_unixfs_builder *builder, const uint8_t sha256[32], size_t bytes,
                         kw_error *err)
{
    if (builder->ended || bytes > builder->config.leaf_bytes)
        return kw_fail(err, KW_E_ARG, "unixfs: a leaf of %zu bytes %s", bytes,
                       builder->ended ? "behind the last one" : "is longer than all");
    builder->ended = bytes < builder->config.leaf_bytes;
    child leaf = {.size = bytes, .total = bytes};
    memcpy(leaf.digest, sha256, 32);
    return push(builder, 0, leaf, err);
}

/* Whether nothing waits above a level. */
static bool is_top(const kw_unixfs_builder *b, size_t depth)
{
    for (size_t i = depth + 1; i < LEVELS_MAX; i++)
        if (b->levels[i].n > 0)
            return false;
    return true;
}

kw_status kw_unixfs_finish(kw_unixfs_builder *builder, kw_cid *root, uint64_t *total, kw_error *err)
{
    for (size_t depth = 0; builder->levels[0].n > 0 || depth > 0; depth++) {
        const level *const at = &builder->levels[depth];
        if (at->n == 1 && is_top(builder, depth)) {
            *root = cid_of(&at->children[0], depth);
            if (total)
                *total = at->children[0].total;
            return KW_OK;
        }
        child parent;
        KW_TRY(make_parent(builder, depth, &parent, err));
        KW_TRY(push(builder, depth + 1, parent, err));
    }
    *root = kw_cid_of(KW_CODEC_RAW, (kw_bytes){0}, NULL);
    if (total)
        *total = 0;
    return KW_OK;
}

/* ---- reading ---- */

/* The fields of a node's data; sizes are those of its children, summed and counted. */
static kw_status read_data(kw_bytes data, kw_unixfs_node *node, size_t *n_sizes, uint64_t *sum,
                           kw_error *err)
{
    kw_pb message = kw_pb_read(data);
    kw_pb_field f;
    uint64_t type = UINT64_MAX, size;
    *n_sizes = 0;
    *sum = 0;
    while (kw_pb_next(&message, &f)) {
        if (f.number == TYPE && kw_pb_u64(&message, &f, &type))
            continue;
        if (f.number == DATA)
            (void)kw_pb_bytes(&message, &f, &node->data);
        else if (f.number == FILE_SIZE)
            (void)kw_pb_u64(&message, &f, &node->file_size);
        else if (f.number == BLOCK_SIZES && kw_pb_u64(&message, &f, &size)) {
            if (!kw_add_u64(*sum, size, sum))
                return kw_fail(err, KW_E_FORMAT, "unixfs: sizes that add up to more than 64 bits");
            (*n_sizes)++;
        }
    }
    if (message.bad || type > KW_UNIXFS_HAMT)
        return kw_fail(err, KW_E_FORMAT, "unixfs: %zu bytes of data without a known type",
                       data.len);
    node->type = (unsigned)type;
    node->sizes = data;
    return KW_OK;
}

kw_status kw_unixfs_read(kw_bytes block, kw_unixfs_node *out, kw_error *err)
{
    kw_unixfs_node node = {0};
    size_t n_sizes;
    uint64_t sum;
    KW_TRY(kw_dag_read(block, &node.dag, err));
    if (!node.dag.has_data)
        return kw_fail(err, KW_E_FORMAT, "unixfs: a node of %zu bytes without data", block.len);
    KW_TRY(read_data(node.dag.data, &node, &n_sizes, &sum, err));
    const bool is_file = node.type == KW_UNIXFS_FILE || node.type == KW_UNIXFS_RAW;
    if (is_file && (n_sizes != node.dag.n_links || !kw_add_u64(sum, node.data.len, &sum) ||
                    sum != node.file_size))
        return kw_fail(err, KW_E_FORMAT,
                       "unixfs: a file of %llu bytes whose %zu sizes and %zu links do not add up",
                       (unsigned long long)node.file_size, n_sizes, node.dag.n_links);
    *out = node;
    return KW_OK;
}

kw_unixfs_walk kw_unixfs_children(const kw_unixfs_node *node)
{
    return (kw_unixfs_walk){kw_dag_links(&node->dag), kw_pb_read(node->sizes)};
}

bool kw_unixfs_next(kw_unixfs_walk *walk, kw_unixfs_child *out)
{
    kw_pb_field f;
    if (!kw_dag_next(&walk->links, &out->link))
        return false;
    out->size = 0;
    while (kw_pb_next(&walk->sizes, &f))
        if (f.number == BLOCK_SIZES) {
            out->size = f.value;
            break;
        }
    return true;
}

/* ---- directories ---- */

/* Bytes in order, a beginning before what it begins. */
static bool ascends(kw_str a, kw_str b)
{
    const size_t n = KW_MIN(a.len, b.len);
    const int order = n > 0 ? memcmp(a.data, b.data, n) : 0;
    return order < 0 || (order == 0 && a.len < b.len);
}

kw_status kw_unixfs_directory(const kw_unixfs_entry *entries, size_t n, kw_buf *block,
                              uint64_t *total, kw_error *err)
{
    static const uint8_t data[2] = {TYPE << 3, KW_UNIXFS_DIRECTORY};
    uint64_t sum = 0;
    const size_t begin = block->len;
    if (n > KW_DAG_LINKS_MAX)
        return kw_fail(err, KW_E_LIMIT, "unixfs: a directory of %zu entries; at most %d", n,
                       KW_DAG_LINKS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].name.len == 0 || (i > 0 && !ascends(entries[i - 1].name, entries[i].name)))
            return kw_fail(err, KW_E_ARG, "unixfs: entry \"%.*s\" is out of order",
                           KW_FMT(entries[i].name));
        kw_dag_put_link(block, &entries[i].cid, entries[i].name, entries[i].total);
        sum += entries[i].total;
    }
    kw_dag_put_data(block, (kw_bytes){data, sizeof(data)});
    KW_TRY(kw_buf_status(block, err));
    if (total)
        *total = sum + block->len - begin;
    return KW_OK;
}
