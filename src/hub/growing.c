/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* growing.c - blocks of a partial file. See growing.h.
 *
 * Leaves are found by an open hash over their digests. Leaves that are equal share an entry, which
 * names one of them that is here. */
#include "hub/growing.h"

#include "base/check.h"
#include "base/sha256.h"
#include "os/file.h"
#include "os/sync.h"

#include <stdlib.h>
#include <string.h>

#define LEAVES_MAX ((uint64_t)1 << 28)
#define NOBODY UINT32_MAX

enum { HERE = 1, VERIFIED = 2 };

typedef struct parent {
    struct parent *next;
    kw_cid cid;
    size_t len;
    uint8_t data[];
} parent;

struct kw_growing {
    kw_growing_config config;
    kw_sha256_fn kernel;
    kw_sync *sync;          /* guards the rest */
    parent *parents;        /* owned */
    uint8_t (*digests)[32]; /* owned, [n] */
    uint8_t *state;         /* owned, [n] */
    uint32_t *table;        /* owned, [mask + 1]: leaves, or NOBODY */
    uint64_t n, mask, size, n_here;
    uint32_t leaf_size;
    kw_map map;
};

kw_status kw_growing_open(const kw_growing_config *config, kw_growing **out, kw_error *err)
{
    kw_growing *const g = calloc(1, sizeof(*g));
    if (!g)
        return kw_fail(err, KW_E_NOMEM, "blocks: no memory for a file that grows");
    g->config = *config;
    g->kernel = kw_sha256_kernel(config->sha_extension);
    const kw_status status = kw_sync_create(&g->sync, err);
    if (status != KW_OK) {
        free(g);
        return status;
    }
    *out = g;
    return KW_OK;
}

void kw_growing_close(kw_growing *g)
{
    if (!g)
        return;
    for (parent *p = g->parents, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (g->map.data)
        kw_map_close(&g->map);
    free(g->digests);
    free(g->state);
    free(g->table);
    kw_sync_free(g->sync);
    free(g);
}

static void tell(const kw_growing *g, const kw_cid *cid)
{
    if (g->config.arrived)
        g->config.arrived(g->config.user, cid);
}

/* ---- what fetch says ---- */

void kw_growing_parent(kw_growing *g, const kw_cid *cid, kw_bytes block)
{
    parent *const p = malloc(sizeof(*p) + block.len);
    if (!p)
        return;
    p->cid = *cid;
    p->len = block.len;
    memcpy(p->data, block.data, block.len);
    kw_sync_lock(g->sync);
    p->next = g->parents;
    g->parents = p;
    kw_sync_unlock(g->sync);
    tell(g, cid);
}

/* The entry of a digest: its place in the table, or the free one where it would be. */
static uint32_t *entry_of(const kw_growing *g, const uint8_t digest[32])
{
    uint64_t at;
    memcpy(&at, digest, sizeof(at));
    for (;; at++) {
        uint32_t *const entry = &g->table[at & g->mask];
        if (*entry == NOBODY || memcmp(g->digests[*entry], digest, 32) == 0)
            return entry;
    }
}

kw_status kw_growing_begin(kw_growing *g, const kw_growing_plan *plan, kw_error *err)
{
    uint64_t slots = 4;
    if (plan->n_leaves > LEAVES_MAX)
        return kw_fail(err, KW_E_LIMIT, "blocks: a file of %ju leaves", (uintmax_t)plan->n_leaves);
    while (slots < 2 * plan->n_leaves)
        slots *= 2;
    uint8_t(*const digests)[32] = malloc((size_t)plan->n_leaves * 32 + 1);
    uint8_t *const state = calloc((size_t)plan->n_leaves + 1, 1);
    uint32_t *const table = malloc((size_t)slots * sizeof(*table));
    kw_map map = {0};
    kw_status status = digests && state && table
                           ? KW_OK
                           : kw_fail(err, KW_E_NOMEM, "blocks: no memory for a file that grows");
    if (status == KW_OK && plan->size > 0)
        status = kw_map_open(plan->path, false, &map, err);
    if (status == KW_OK && map.len != plan->size) {
        if (map.data)
            kw_map_close(&map);
        status = kw_fail(err, KW_E_IO, "\"%s\" has not the size of the file that it becomes",
                         plan->path);
    }
    if (status != KW_OK) {
        free(digests);
        free(state);
        free(table);
        return status;
    }
    memcpy(digests, plan->leaves, (size_t)plan->n_leaves * 32);
    memset(table, 0xff, (size_t)slots * sizeof(*table));
    kw_sync_lock(g->sync);
    kw_assert(!g->table);
    g->digests = digests;
    g->state = state;
    g->table = table;
    g->n = plan->n_leaves;
    g->mask = slots - 1;
    g->size = plan->size;
    g->leaf_size = plan->leaf_size;
    g->map = map;
    for (uint64_t i = 0; i < g->n; i++)
        *entry_of(g, digests[i]) = (uint32_t)i;
    kw_sync_unlock(g->sync);
    return KW_OK;
}

void kw_growing_leaf(kw_growing *g, uint64_t leaf, bool fresh)
{
    kw_sync_lock(g->sync);
    const bool known = leaf < g->n && !(g->state[leaf] & HERE);
    if (known) {
        g->state[leaf] = (uint8_t)(HERE | (fresh ? VERIFIED : 0));
        *entry_of(g, g->digests[leaf]) = (uint32_t)leaf;
        g->n_here++;
    }
    kw_sync_unlock(g->sync);
    if (!known)
        return;
    const kw_cid cid = kw_cid_of_sha256(KW_CODEC_RAW, g->digests[leaf]);
    tell(g, &cid);
}

void kw_growing_forget(kw_growing *g, uint64_t leaf)
{
    kw_sync_lock(g->sync);
    if (leaf < g->n && (g->state[leaf] & HERE)) {
        g->state[leaf] = 0;
        g->n_here--;
    }
    kw_sync_unlock(g->sync);
}

uint64_t kw_growing_count(kw_growing *g)
{
    kw_sync_lock(g->sync);
    const uint64_t n = g->n_here;
    kw_sync_unlock(g->sync);
    return n;
}

/* ---- the store ---- */

static kw_bytes leaf_bytes(const kw_growing *g, uint64_t leaf)
{
    const uint64_t from = leaf * g->leaf_size;
    return (kw_bytes){g->map.data + from, (size_t)KW_MIN(g->size - from, (uint64_t)g->leaf_size)};
}

static const parent *find_parent(const kw_growing *g, const kw_cid *cid)
{
    for (const parent *p = g->parents; p; p = p->next)
        if (p->cid.codec == cid->codec && memcmp(p->cid.digest, cid->digest, 32) == 0)
            return p;
    return NULL;
}

/* A leaf that is here, NOBODY when none is. */
static uint32_t find_leaf(const kw_growing *g, const kw_cid *cid)
{
    const uint32_t leaf =
        g->table && cid->codec == KW_CODEC_RAW ? *entry_of(g, cid->digest) : NOBODY;
    return leaf != NOBODY && (g->state[leaf] & HERE) ? leaf : NOBODY;
}

static bool is_ours(const kw_cid *cid)
{
    return cid->hash == KW_HASH_SHA2_256 && cid->digest_len == 32;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    kw_growing *const g = user;
    if (!is_ours(cid))
        return false;
    kw_sync_lock(g->sync);
    const uint32_t leaf = find_leaf(g, cid);
    const parent *const p = leaf == NOBODY ? find_parent(g, cid) : NULL;
    if (leaf != NOBODY)
        *size = leaf_bytes(g, leaf).len;
    else if (p)
        *size = p->len;
    kw_sync_unlock(g->sync);
    return leaf != NOBODY || p;
}

/* The digest of a leaf, once; one that is wrong on the disk is not served. */
static bool verify(kw_growing *g, uint32_t leaf)
{
    uint8_t found[32];
    kw_sha256 hash;
    const kw_bytes bytes = leaf_bytes(g, leaf);
    if (g->state[leaf] & VERIFIED)
        return true;
    kw_sha256_init(&hash, g->kernel);
    kw_sha256_update(&hash, bytes.data, bytes.len);
    kw_sha256_final(&hash, found);
    if (memcmp(found, g->digests[leaf], 32) != 0) {
        g->state[leaf] = 0;
        g->n_here--;
        return false;
    }
    g->state[leaf] |= VERIFIED;
    return true;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    kw_growing *const g = user;
    *out = (kw_block){0};
    if (!is_ours(cid))
        return kw_fail(err, KW_E_NOTFOUND, "blocks: it is not here");
    kw_sync_lock(g->sync);
    const uint32_t leaf = find_leaf(g, cid);
    const parent *const p = leaf == NOBODY ? find_parent(g, cid) : NULL;
    const bool good = leaf != NOBODY && verify(g, leaf);
    if (good)
        out->data = leaf_bytes(g, leaf);
    else if (p)
        out->data = (kw_bytes){p->data, p->len};
    kw_sync_unlock(g->sync);
    return good || p ? KW_OK : kw_fail(err, KW_E_NOTFOUND, "blocks: it is not here");
}

/* Parents and the map stay until close. */
static void release(void *user, kw_block *block)
{
    (void)user;
    *block = (kw_block){0};
}

kw_block_store kw_growing_store(kw_growing *g)
{
    return (kw_block_store){.user = g, .has = has, .get = get, .release = release};
}
