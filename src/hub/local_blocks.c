/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* local_blocks.c - serving blocks: a bounded cache of maps over the index. */
#include "hub/local_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/sha256.h"
#include "os/file.h"

#define DEFAULT_MAPS 64

/* What a block's `hold` points to. */
typedef struct held {
    bool mapped; /* else: of an owned copy */
} held;

typedef struct mapping {
    held held;  /* first: a block of it points here */
    int64_t id; /* 0: a free place */
    kw_file_state state;
    kw_map map;
    uint8_t *checked; /* owned, a bit for each leaf whose digest was found right */
    size_t n_blocks;  /* not released */
    uint64_t used;    /* when, in gets */
} mapping;

typedef struct copy {
    held held; /* first */
    uint8_t *data;
} copy;

struct kw_local_blocks {
    kw_index *index;
    kw_sha256_fn kernel;
    mapping *maps; /* owned, [n_maps] */
    size_t n_maps;
    uint64_t clock;
};

kw_status kw_local_blocks_open(kw_index *index, const kw_local_config *config,
                               kw_local_blocks **out, kw_error *err)
{
    kw_local_blocks *const blocks = calloc(1, sizeof *blocks);
    const size_t n = config->max_maps > 0 ? config->max_maps : DEFAULT_MAPS;
    *out = NULL;
    if (blocks)
        blocks->maps = calloc(n, sizeof *blocks->maps);
    if (!blocks || !blocks->maps) {
        free(blocks);
        return kw_fail(err, KW_E_NOMEM, "blocks: no memory for %zu maps", n);
    }
    blocks->index = index;
    blocks->kernel = kw_sha256_kernel(config->sha_extension);
    blocks->n_maps = n;
    *out = blocks;
    return KW_OK;
}

static void unmap(mapping *m)
{
    kw_map_close(&m->map);
    free(m->checked);
    *m = (mapping){0};
}

void kw_local_blocks_close(kw_local_blocks *blocks)
{
    if (!blocks)
        return;
    for (size_t i = 0; i < blocks->n_maps; i++)
        if (blocks->maps[i].id != 0)
            unmap(&blocks->maps[i]);
    free(blocks->maps);
    free(blocks);
}

/* ---- maps ---- */

/* Whether a file is still what was hashed. */
static bool is_same(const kw_index_leaf *leaf)
{
    kw_file_info now;
    return kw_file_query(leaf->path, &now, NULL) == KW_OK &&
           kw_file_state_equal(&now.state, &leaf->state);
}

/* The map of a file, or the place for one: free, or that of the file not used for longest. NULL:
 * all are in use. */
static mapping *place_for(kw_local_blocks *blocks, int64_t id)
{
    mapping *best = NULL;
    for (size_t i = 0; i < blocks->n_maps; i++) {
        mapping *const m = &blocks->maps[i];
        if (m->id == id)
            return m;
        if (m->n_blocks == 0 && (!best || m->used < best->used))
            best = m;
    }
    return best;
}

static kw_status map_file(mapping *m, const kw_index_leaf *leaf, kw_error *err)
{
    if (m->id != 0)
        unmap(m);
    KW_TRY(kw_map_open(leaf->path, false, &m->map, err));
    m->checked = calloc((size_t)(kw_leaf_count(leaf->state.size) + 7) / 8, 1);
    if (m->checked && m->map.len == leaf->state.size) {
        m->id = leaf->id;
        m->state = leaf->state;
        m->held.mapped = true;
        return KW_OK;
    }
    const bool memory = m->checked != NULL;
    unmap(m);
    return memory ? kw_fail(err, KW_E_NOTFOUND, "blocks: \"%s\" changed", leaf->path)
                  : kw_fail(err, KW_E_NOMEM, "blocks: no memory for a map");
}

static bool check_leaf(kw_local_blocks *blocks, mapping *m, const kw_index_leaf *leaf,
                       const uint8_t digest[32])
{
    const uint8_t bit = (uint8_t)(1u << leaf->n % 8);
    uint8_t found[32];
    kw_sha256 hash;
    if (m->checked[leaf->n / 8] & bit)
        return true;
    kw_sha256_init(&hash, blocks->kernel);
    if (leaf->size > 0)
        kw_sha256_update(&hash, m->map.data + leaf->n * KW_LEAF_SIZE, (size_t)leaf->size);
    kw_sha256_final(&hash, found);
    if (memcmp(found, digest, 32) != 0)
        return false;
    m->checked[leaf->n / 8] |= bit;
    return true;
}

/* ---- the store ---- */

/* One place of a leaf. KW_E_NOTFOUND: it is not there any more. */
static kw_status get_from(kw_local_blocks *blocks, const kw_index_leaf *leaf,
                          const uint8_t digest[32], kw_block *out, kw_error *err)
{
    if (!is_same(leaf))
        return KW_E_NOTFOUND;
    mapping *const m = place_for(blocks, leaf->id);
    if (!m)
        return kw_fail(err, KW_E_LIMIT, "blocks: all %zu maps are in use", blocks->n_maps);
    if (m->id != leaf->id || !kw_file_state_equal(&m->state, &leaf->state)) {
        if (m->n_blocks > 0)
            return KW_E_NOTFOUND; /* of an older state, which someone still holds */
        KW_TRY(map_file(m, leaf, err));
    }
    if (!check_leaf(blocks, m, leaf, digest))
        return KW_E_NOTFOUND;
    m->used = ++blocks->clock;
    m->n_blocks++;
    *out = (kw_block){
        .data = {m->map.data ? m->map.data + leaf->n * KW_LEAF_SIZE : NULL, (size_t)leaf->size},
        .hold = &m->held};
    return KW_OK;
}

static kw_status get_leaf(kw_local_blocks *blocks, const uint8_t digest[32], kw_block *out,
                          kw_error *err)
{
    for (size_t nth = 0;; nth++) {
        kw_index_leaf leaf;
        KW_TRY(kw_index_find_leaf(blocks->index, digest, nth, &leaf, err));
        const kw_status status = get_from(blocks, &leaf, digest, out, err);
        free(leaf.path);
        if (status == KW_OK || status == KW_E_LIMIT || status == KW_E_NOMEM)
            return status;
    }
}

static kw_status get_parent(kw_local_blocks *blocks, const uint8_t digest[32], kw_block *out,
                            kw_error *err)
{
    copy *const c = calloc(1, sizeof *c);
    size_t len;
    if (!c)
        return kw_fail(err, KW_E_NOMEM, "blocks: no memory for a block");
    const kw_status status = kw_index_find_parent(blocks->index, digest, &c->data, &len, err);
    if (status != KW_OK) {
        free(c);
        return status;
    }
    *out = (kw_block){.data = {c->data, len}, .hold = &c->held};
    return KW_OK;
}

static bool is_ours(const kw_cid *cid)
{
    return cid->hash == KW_HASH_SHA2_256 && cid->digest_len == 32 &&
           (cid->codec == KW_CODEC_RAW || cid->codec == KW_CODEC_DAG_PB);
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    *out = (kw_block){0};
    kw_status status = KW_E_NOTFOUND;
    if (is_ours(cid))
        status = cid->codec == KW_CODEC_RAW ? get_leaf(user, cid->digest, out, err)
                                            : get_parent(user, cid->digest, out, err);
    return status == KW_E_NOTFOUND ? kw_fail(err, status, "blocks: it is not here") : status;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    kw_local_blocks *const blocks = user;
    uint8_t *data;
    if (!is_ours(cid))
        return false;
    if (cid->codec == KW_CODEC_DAG_PB) {
        if (kw_index_find_parent(blocks->index, cid->digest, &data, size, NULL) != KW_OK)
            return false;
        free(data);
        return true;
    }
    for (size_t nth = 0;; nth++) {
        kw_index_leaf leaf;
        if (kw_index_find_leaf(blocks->index, cid->digest, nth, &leaf, NULL) != KW_OK)
            return false;
        const bool same = is_same(&leaf);
        *size = (size_t)leaf.size;
        free(leaf.path);
        if (same)
            return true;
    }
}

static void release(void *user, kw_block *block)
{
    (void)user;
    held *const h = block->hold;
    if (h && h->mapped) {
        mapping *const m = block->hold;
        kw_assert(m->n_blocks > 0);
        m->n_blocks--;
    } else if (h) {
        copy *const c = block->hold;
        free(c->data);
        free(c);
    }
    *block = (kw_block){0};
}

kw_block_store kw_local_blocks_store(kw_local_blocks *blocks)
{
    return (kw_block_store){.user = blocks, .has = has, .get = get, .release = release};
}
